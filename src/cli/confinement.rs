//! What the server needs of files, programs and ports, as its sandbox is to know it.

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
pub(super) fn needs(seen: &Seen, plan: &Plan) -> Needs {
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
    // Files that are written anew under the same name are others for the kernel, and /etc/resolv.conf often is: its
    // folder must be open. What is secret there is root's alone.
    let etc: &[&str] = if is_root { OF_ETC } else { &["/etc"] };
    reads.extend(etc.iter().map(PathBuf::from));
    let linked =
        ["/etc/resolv.conf"].into_iter().chain(net::SYSTEM_AUTHORITIES.iter().copied()).map(Path::new);
    let targets = linked.filter_map(|path| path.canonicalize().ok()?.parent().map(Path::to_owned));
    reads.extend(targets.filter(|folder| folder != Path::new("/etc") && folder != Path::new("/")));
    reads.extend(variable("CREDENTIALS_DIRECTORY"));
    reads
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

/// What tells of this process, its group and the network; /dev/urandom is for kernels before 3.17.
const SYSTEM: &[&str] = &["/proc", "/sys/fs/cgroup", "/dev/urandom"];
/// What root reads of /etc, where shadow is his.
const OF_ETC: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
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
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn root_reads_what_it_needs_of_etc_and_not_shadow_s_334() {
        let shadow = Path::new("/etc/shadow");
        assert!(!reads(true).iter().any(|place| shadow.starts_with(place)));
        let conf = Path::new("/etc/resolv.conf");
        for is_root in [true, false] {
            let reads = reads(is_root);
            assert!(reads.iter().any(|place| conf.starts_with(place)));
            assert!(!reads.iter().any(|place| Path::new("/root/x").starts_with(place)), "{reads:?}");
        }
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
