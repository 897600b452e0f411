//! What the server needs of files, programs and ports, as its sandbox is to know it.
//!
//! Landlock knows files, not names: what DHCP, a network manager or an editor writes beside a file and renames over it is
//! another one, to which no rule leads. A rule for `/etc/resolv.conf` alone finds no name server from the next lease on
//! until a restart, one for `/etc/hosts` no smart host that was added there; only a rule for their folder lasts. And rules
//! only add: none takes `/etc/passwd` out of an open `/etc`. So whoever is not root, as the service is, may read in
//! `/etc` what all users may (S-334 asks for less, `poppet doctor` says so): who the users are, and no secret. To root
//! shadow and keys would lie open, too: he has the files alone, and a restart where they are others. Name service modules
//! and PAM are not asked; accounts are read by `poppet local-users`, a process of its own.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::place;
use crate::admin::Seen;
use crate::limits;
use crate::net::{self, Plan, control, passed};
use crate::sandbox::Needs;

/// What it needs to serve by these settings; what is set later, and needs more, waits for a restart.
pub(crate) fn needs(seen: &Seen, plan: &Plan) -> Needs {
    let settings = &seen.settings;
    let folder = plan.database.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let open = |address| plan.passed.iter().any(|socket| passed::is_for(socket, address));
    let binds = passed::wanted(settings, &plan.overrides).filter(|(_, address)| !open(*address));
    let mut needs = Needs {
        writes: vec![folder.to_owned()],
        reads: reads(place::is_root()),
        programs: Vec::new(),
        connects: limits::SANDBOX_PORTS.iter().chain(&seen.ports).copied().collect(),
        binds: binds.map(|(_, address)| address.port()).collect(),
        speaks_to_abstract: variable("NOTIFY_SOCKET")
            .is_some_and(|name| name.as_os_str().as_bytes().starts_with(b"@")),
        restart: place::restart_command(&plan.database),
    };
    needs.writes.extend(control::own_folder(&plan.database));
    needs.reads.extend(seen.followed.iter().cloned());
    if let Some(program) = net::ntlm_program(settings) {
        add_program(&mut needs, program);
    }
    needs
}

fn reads(is_root: bool) -> Vec<PathBuf> {
    let mut reads: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    let etc: &[&str] = if is_root { OF_ETC } else { &["/etc"] };
    reads.extend(etc.iter().map(PathBuf::from));
    let linked =
        ["/etc/resolv.conf"].into_iter().chain(net::SYSTEM_AUTHORITIES.iter().copied()).map(Path::new);
    reads.extend(linked.filter_map(lasting_folder).filter(|folder| folder != Path::new("/etc")));
    reads.extend(variable("CREDENTIALS_DIRECTORY"));
    reads
}

/// A folder that lasts, in which the file is to which a path leads by links, or will be: what tells name servers may begin
/// after this server, and make its folder anew, which is another for the kernel. None if that is the root of all files.
fn lasting_folder(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = path.read_link() else { break };
        path = path.parent()?.join(target);
    }
    let folder = path.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok())?;
    let store = STORES.iter().map(Path::new).find(|store| folder.starts_with(store));
    let is_passing = PASSING.iter().map(Path::new).any(|top| folder.starts_with(top) && folder != top);
    let folder = match store {
        Some(store) => store.to_owned(),
        None if is_passing => folder.parent()?.to_owned(),
        None => folder,
    };
    (folder != Path::new("/")).then_some(folder)
}

/// Samba's helper comes with its libraries, its settings, and the sockets and files that Samba's other programs share
/// with it.
fn add_program(needs: &mut Needs, program: PathBuf) {
    needs.reads.extend(OF_SAMBA.iter().map(PathBuf::from));
    needs.writes.push("/dev/null".into());
    needs.programs.extend(LOADERS.iter().map(PathBuf::from));
    needs.programs.push(program);
}

fn variable(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Links from one to the next; Linux follows as many.
const MOST_LINKS: u32 = 40;
/// Where services make their folders anew when they begin again.
const PASSING: &[&str] = &["/run", "/tmp"];
/// Where each version of a file has a folder of its own.
const STORES: &[&str] = &["/nix/store", "/gnu/store"];
/// What tells of this process, its group and the network; /dev/urandom is for kernels before 3.17.
const SYSTEM: &[&str] = &["/proc", "/sys/fs/cgroup", "/dev/urandom"];
/// What root reads of /etc; neither passwd nor shadow.
const OF_ETC: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/nsswitch.conf",
    "/etc/ssl",
    "/etc/pki",
    "/etc/letsencrypt",
    "/etc/poppet",
    "/etc/samba/smb.conf",
];
const OF_SAMBA: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/samba",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/var/lib/samba",
    "/var/cache/samba",
    "/run/samba",
    "/dev/null",
];
/// What the kernel runs to load a program with libraries.
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-armhf.so.3",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-i386.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/lib/ld-musl-armhf.so.1",
    "/lib/ld-musl-riscv64.so.1",
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn root_reads_what_it_needs_of_etc_and_not_shadow_s_334() {
        for path in ["/etc/shadow", "/etc/passwd", "/etc/ssh/ssh_host_ed25519_key"].map(Path::new) {
            assert!(!reads(true).iter().any(|place| path.starts_with(place)), "{}", path.display());
        }
        let conf = Path::new("/etc/resolv.conf");
        for is_root in [true, false] {
            let reads = reads(is_root);
            assert!(reads.iter().any(|place| conf.starts_with(place)));
            assert!(!reads.iter().any(|place| Path::new("/root/x").starts_with(place)), "{reads:?}");
        }
    }

    /// Where /etc/resolv.conf led into a folder that was not there yet, or was made anew, no name was found until a restart.
    #[test]
    fn links_lead_to_a_folder_that_lasts_s_334() {
        let temp = env::temp_dir().canonicalize().unwrap();
        let top = temp.join(format!("poppet-links-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(top.join("run/names")).unwrap();
        fs::write(top.join("run/names/there"), "").unwrap();
        let link = |name: &str, target: &Path| {
            symlink(target, top.join(name)).unwrap();
            top.join(name)
        };
        // Below /tmp the folder above counts, since folders there are made anew.
        let lasting = |folder: PathBuf| match PASSING.iter().any(|passing| folder.starts_with(passing)) {
            true => folder.parent().map(Path::to_owned),
            false => Some(folder),
        };
        let there = link("there", &top.join("run/names/there"));
        let relative = link("relative", Path::new("run/names/there"));
        let dangling = link("dangling", &top.join("run/later/below/conf"));
        let twice = link("twice", &top.join("dangling"));
        for (path, folder) in [
            (&there, top.join("run/names")),
            (&relative, top.join("run/names")),
            (&dangling, top.join("run")),
            (&twice, top.join("run")),
            (&top.join("no-link"), top.clone()),
        ] {
            assert_eq!(lasting_folder(path), lasting(folder), "{}", path.display());
        }
        let nowhere = link("nowhere", Path::new("/no-such-folder-of-poppet/x"));
        assert_eq!(lasting_folder(&nowhere), None, "not all files");
        let round = link("round", &top.join("round"));
        assert_eq!(lasting_folder(&round), lasting(top.clone()));
        assert_eq!(lasting_folder(Path::new("/run/x.conf")).as_deref(), Some(Path::new("/run")));
        assert_eq!(lasting_folder(Path::new("/run/poppet-no/y/x.conf")).as_deref(), Some(Path::new("/run")));
        fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn ports_are_those_of_mail_and_those_that_were_named_s_335() {
        let mut settings = Settings::default();
        settings.assign("pop3", "127.0.0.1:1110").unwrap();
        let followed = vec!["/srv/acme".into()];
        let seen = Seen { settings: settings.into(), ports: vec![2526], followed };
        let plan = Plan { database: "poppet.redb".into(), ..Plan::default() };
        let needs = needs(&seen, &plan);
        for port in [25, 465, 587, 53, 389, 636, 2526] {
            assert!(needs.connects.contains(&port), "{port}");
        }
        for port in [0, 22, 80, 443, 2527] {
            assert!(!needs.connects.contains(&port), "{port}");
        }
        assert_eq!(needs.binds, [1110]);
        assert!(needs.reads.contains(&PathBuf::from("/srv/acme")), "files that are followed");
        assert_eq!(needs.writes[0], Path::new("."));
        assert_eq!(needs.programs, [] as [PathBuf; 0]);
    }

    #[test]
    fn a_program_brings_what_loads_it() {
        let mut needs = Needs::default();
        add_program(&mut needs, "/opt/samba/bin/ntlm_auth".into());
        assert!(needs.programs.iter().any(|path| path.ends_with("ntlm_auth")));
        assert!(needs.programs.iter().all(|path| !path.is_dir()), "whole folders could be run from");
        assert!(needs.reads.iter().any(|path| path == Path::new("/run/samba")));
    }
}
