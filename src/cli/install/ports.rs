//! Whether the wanted ports are free, and who has those that are not.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::Taken;
use crate::admin::{self, AdminError, Failure};
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
            let process = holder.as_ref().map(|(pid, _)| *pid);
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
    /// Why nothing is begun, and what to do, which depends on whether there are settings already.
    pub fn refusal(&self, has_database: bool) -> AdminError {
        let (name, address) = (self.kind.name(), self.address);
        let text = match has_database {
            true => format!("{address} ({name}) can't be had: {}, then run setup again", self.remedy()),
            false => format!(
                "{address} ({name}) can't be had: {}: \"poppet setup DOMAIN USER --no-start\", then \"poppet set {name} \
                 off\", then run setup again",
                self.why
            ),
        };
        AdminError::new(Failure::Failed, text)
    }

    /// Why, and what to do where there are settings.
    pub fn remedy(&self) -> String {
        format!("{} with \"poppet set {} ADDR\"", self.why, self.kind.name())
    }
}

/// Who listens there, and how he is stopped.
fn told(holder: Option<(u32, String)>) -> String {
    match holder {
        // It is for a service that the first connection starts.
        Some((1, name)) => format!(
            "{name} keeps it for another service: find that in \"systemctl list-sockets\" and stop it for good (systemctl \
             disable --now NAME.socket), or choose another port"
        ),
        Some((pid, name)) => format!(
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

/// The process that listens at a port, with its name.
fn holder(port: u16) -> Option<(u32, String)> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: Vec<u64> = tables.iter().flat_map(|table| listening(table, port)).collect();
    admin::opener(&|facts| sockets.contains(&facts.ino()))
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
        let kept = told(Some((1, "systemd".into())));
        assert!(kept.contains("list-sockets") && !kept.contains("--now systemd"), "{kept}");
        assert!(told(Some((7, "exim4".into()))).contains("disable --now exim4"));
        assert!(told(None).contains("ss -ltnp"));
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
