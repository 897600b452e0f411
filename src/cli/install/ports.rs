//! Whether the wanted ports are free, and who has those that are not.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::Taken;
use super::site::DATABASE;
use super::units::SOCKET;
use crate::admin::{self, AdminError, Failure};
use crate::cli::place::shell_quoted;
use crate::settings::{Listen, ListenerKind};

/// The wanted addresses that can't be had, with the reason and the remedy.
pub(in crate::cli) fn taken(listeners: &[Listen; 5]) -> Vec<Taken> {
    let wanted = ListenerKind::ALL
        .into_iter()
        .flat_map(|kind| listeners[kind as usize].0.iter().map(move |address| (kind, *address)));
    wanted
        .filter(|(_, address)| address.port() != 0)
        .filter_map(|(kind, address)| {
            let error = bind(address).err()?;
            let is_held = error.kind() == io::ErrorKind::AddrInUse;
            let holder = if is_held { holder(address.port()) } else { None };
            let process = holder.as_ref().map(|holder| holder.pid);
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => told(holder),
                io::ErrorKind::PermissionDenied => {
                    "only root may have ports below 1024: run setup as root, or choose a higher port".into()
                }
                // The address may come with the network: the units wait for it.
                io::ErrorKind::AddrNotAvailable => return None,
                _ => format!("{error}: choose another address"),
            };
            Some(Taken { kind, address, holder: process, why })
        })
        .collect()
}

impl Taken {
    /// Why, and what to do where there are settings.
    pub fn remedy(&self) -> String {
        format!("{} with {}", self.why, self.choice())
    }

    fn choice(&self) -> String {
        format!("\"poppet set {} ADDR\"", self.kind.name())
    }
}

/// Why nothing is begun where addresses can't be had: all of them, with what to do, which depends on whether there are
/// settings already. None if all can be had.
pub(in crate::cli) fn refusal(taken: &[Taken], has_database: bool) -> Option<AdminError> {
    let reasons = distinct(taken.iter().map(|it| it.why.as_str()));
    let tell = |why: &&str| {
        let those = taken.iter().filter(|it| it.why == **why);
        let places: Vec<_> = those.map(|it| format!("{} ({})", it.address, it.kind.name())).collect();
        format!("{} can't be had: {why}", places.join(", "))
    };
    let told: Vec<_> = reasons.iter().map(tell).collect();
    let choices = distinct(taken.iter().map(Taken::choice)).join(", ");
    let how = match has_database {
        true => " with",
        false => ": \"poppet setup DOMAIN USER --no-start\", then",
    };
    let text = format!("{}{how} {choices}, then run setup again", told.join("; "));
    (!taken.is_empty()).then(|| AdminError::new(Failure::Failed, text))
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut each = Vec::new();
    all.for_each(|it| {
        if !each.contains(&it) {
            each.push(it)
        }
    });
    each
}

/// Who listens there, and how he is stopped.
fn told(holder: Option<Holder>) -> String {
    match holder {
        // Whoever asks has named another database by mistake, and would stop the mail of this one.
        Some(Holder { pid, database: Some(database), .. }) => format!(
            "another poppet keeps it, as process {pid}, and serves {0}: leave that running, and say --db {0} if that is the \
             one you mean, or choose another port",
            shell_quoted(&database)
        ),
        Some(Holder { pid, name, .. }) if name == "poppet" => format!(
            "another poppet keeps it, as process {pid}, and serves another database: leave that running, and name its \
             database with --db if that is the one you mean, or choose another port"
        ),
        // It is for a service that the first connection starts.
        Some(Holder { pid: 1, name, .. }) => format!(
            "{name} keeps it for another service: find that in \"systemctl list-sockets\" and stop it for good (systemctl \
             disable --now NAME.socket), or choose another port"
        ),
        Some(Holder { pid, name, .. }) => format!(
            "{name} listens there, as process {pid}: stop it for good (systemctl disable --now {name}, if that is a \
             service), or choose another port"
        ),
        None => {
            "another program listens there: stop it (\"ss -ltnp\" names it), or choose another port".into()
        }
    }
}

/// As the server binds it; nothing is ever accepted.
fn bind(address: SocketAddr) -> io::Result<()> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    net::bind(&socket, &address)?;
    Ok(net::listen(&socket, 1)?)
}

/// A process that listens at a port.
struct Holder {
    pid: u32,
    name: String,
    /// What it serves, if it is a poppet, or if systemd keeps the port for one.
    database: Option<PathBuf>,
}

fn holder(port: u16) -> Option<Holder> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: Vec<u64> = tables.iter().flat_map(|table| listening(table, port)).collect();
    let (pid, name) = admin::opener(&|facts| sockets.contains(&facts.ino()))?;
    let database = match (pid, name.as_str()) {
        (1, _) => fs::read_to_string(SOCKET).ok().filter(|unit| keeps(unit, port)).map(|_| DATABASE.into()),
        (_, "poppet") => database_of(pid),
        _ => None,
    };
    Some(Holder { pid, name, database })
}

/// Whether a socket unit keeps that port.
fn keeps(unit: &str, port: u16) -> bool {
    let ending = format!(":{port}");
    unit.lines().any(|line| line.starts_with("ListenStream=") && line.ends_with(&ending))
}

/// The database that a poppet has open.
fn database_of(pid: u32) -> Option<PathBuf> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let mut files = open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    files.find(|file| file.extension().is_some_and(|ending| ending == "redb"))
}

/// The inodes of sockets that listen at a port, of the kernel's table: the second column is the address, the fourth the
/// state, the tenth the inode. proc(5).
fn listening(table: &str, port: u16) -> Vec<u64> {
    let ending = format!(":{port:04X}");
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.len() > 9 && row[1].ends_with(&ending) && row[3] == "0A")
        .filter_map(|row| row[9].parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn only(address: SocketAddr) -> [Listen; 5] {
        let mut listeners: [Listen; 5] = Default::default();
        listeners[ListenerKind::Smtp as usize] = Listen(vec![address]);
        listeners
    }

    fn held(pid: u32, name: &str, database: Option<&str>) -> Option<Holder> {
        Some(Holder { pid, name: name.into(), database: database.map(PathBuf::from) })
    }

    #[test]
    fn a_port_in_use_is_told_with_who_has_it() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let found = taken(&only(address));
        assert_eq!((found.len(), found[0].kind, found[0].address), (1, ListenerKind::Smtp, address));
        let own = format!("process {}", std::process::id());
        assert!(found[0].why.contains(&own), "{}", found[0].why);
        // Whoever listens at all addresses is in the way of one.
        let all = SocketAddr::from(([0, 0, 0, 0], address.port()));
        assert_eq!(taken(&only(all)).len(), 1);
        drop(held);
        // Another test may have got the port by now.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!((0..20).any(|_| taken(&only(free())).is_empty()));
    }

    /// People were told to disable systemd where a service waited behind a socket unit.
    #[test]
    fn a_port_that_systemd_keeps_for_a_service_is_not_systemd_s_to_give_up() {
        let kept = told(held(1, "systemd", None));
        assert!(kept.contains("list-sockets") && !kept.contains("--now systemd"), "{kept}");
        assert!(told(held(7, "exim4", None)).contains("disable --now exim4"));
        assert!(told(None).contains("ss -ltnp"));
    }

    /// With a wrong --db, doctor said ten times to disable poppet for good, which was the real mail server.
    #[test]
    fn another_poppet_is_never_to_be_stopped() {
        for (holder, wanted) in [
            (held(7, "poppet", Some("/srv/a b.redb")), "say --db '/srv/a b.redb' if"),
            (held(1, "systemd", Some(DATABASE)), "say --db /var/lib/poppet/poppet.redb if"),
            (held(7, "poppet", None), "name its database with --db"),
        ] {
            let told = told(holder);
            assert!(told.contains(wanted) && told.contains("leave that running"), "{told}");
            assert!(!told.contains("stop it") && told.ends_with("or choose another port"), "{told}");
        }
        let unit = "[Socket]\nListenStream=0.0.0.0:995\nListenStream=[::]:25\n";
        assert!(keeps(unit, 995) && keeps(unit, 25));
        assert!(!keeps(unit, 95) && !keeps("# at :110\n", 110));
    }

    #[test]
    fn the_database_of_a_process_is_known_by_what_it_has_open() {
        let path = std::env::temp_dir().join(format!("poppet-ports-{:016x}.redb", fastrand::u64(..)));
        assert_eq!(database_of(0), None);
        let open = fs::File::create(&path).unwrap();
        // Other tests of this process have databases open, too.
        assert!(database_of(std::process::id()).is_some());
        drop(open);
        fs::remove_file(&path).unwrap();
    }

    /// Setup told one busy port a run, and "choose another port" ended in what turned POP3S off.
    #[test]
    fn all_ports_in_the_way_are_told_with_how_others_are_chosen() {
        let taken = |kind, address: &str, why: &str| Taken {
            kind,
            address: address.parse().unwrap(),
            holder: None,
            why: format!("{why} listens there: stop it, or choose another port"),
        };
        let all = [
            taken(ListenerKind::Pop3s, "0.0.0.0:995", "dovecot"),
            taken(ListenerKind::Pop3s, "[::]:995", "dovecot"),
            taken(ListenerKind::Smtp, "0.0.0.0:25", "exim4"),
        ];
        let text = |has_database| refusal(&all, has_database).unwrap().text;
        let reasons = "0.0.0.0:995 (pop3s), [::]:995 (pop3s) can't be had: dovecot listens there: stop it, or choose another \
                       port; 0.0.0.0:25 (smtp) can't be had: exim4 listens there: stop it, or choose another port";
        let choices = "\"poppet set pop3s ADDR\", \"poppet set smtp ADDR\", then run setup again";
        assert_eq!(text(true), format!("{reasons} with {choices}"));
        assert_eq!(
            text(false),
            format!("{reasons}: \"poppet setup DOMAIN USER --no-start\", then {choices}")
        );
        assert_eq!(refusal(&[], true), None);
    }

    #[test]
    fn an_address_that_may_come_and_a_port_that_the_kernel_chooses_are_no_trouble() {
        for address in ["192.0.2.1:25", "127.0.0.1:0"] {
            assert_eq!(taken(&only(address.parse().unwrap())), [], "{address}");
        }
    }

    #[test]
    fn the_kernels_table_is_read_by_its_columns() {
        let table = "  sl  local_address rem_address   st\n\
            0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 4711 1\n\
            1: 0100007F:0019 0100007F:C001 01 00000000:00000000 00:00000000 00000000   105        0 4712 1\n\
            2: 0100007F:006E 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 4713 1\n\
            cut off 00:0019 0A\n";
        assert_eq!(listening(table, 25), [4711]);
        assert_eq!(listening(table, 110), [4713]);
        assert_eq!(listening("", 25), [0; 0]);
    }
}
