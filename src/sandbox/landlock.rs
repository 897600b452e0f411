//! Files and TCP ports: only those that the server needs (S-334, S-335).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

use super::{Layer, LayerState, Needs};
use crate::sys::{self, Handled};

/// The name of this layer.
pub(super) const NAME: &str = "landlock";

/// Confines this thread and those that it makes from now on.
pub(super) fn confine(needs: &Needs) -> Layer {
    let layer = |state, text| Layer { name: NAME.into(), state, text };
    let version = match sys::landlock_version() {
        Ok(version) => version,
        Err(error) => return layer(LayerState::Absent, without(&error)),
    };
    let rights = Rights::of(version, needs);
    if let Err(error) = apply(&rights, needs) {
        return layer(
            LayerState::Absent,
            format!("{error}: files and ports are guarded by their owners only"),
        );
    }
    let missing = rights.missing();
    let state = if missing.is_empty() { LayerState::Holds } else { LayerState::Partly };
    layer(state, rights.text(version, &missing, needs))
}

/// Whether this kernel guards TCP ports where it guards files.
pub(super) fn guards_ports() -> bool {
    sys::landlock_version().is_ok_and(|version| Rights::of(version, &Needs::default()).network != 0)
}

/// What is handled, which is all that is not allowed by a rule any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rights {
    files: u64,
    network: u64,
    scopes: u64,
}

impl Rights {
    /// What that version of landlock knows.
    fn of(version: u32, needs: &Needs) -> Rights {
        let since = |first: u32, rights: u64| if version >= first { rights } else { 0 };
        let scopes = if needs.speaks_to_abstract { SIGNAL } else { SIGNAL | ABSTRACT_UNIX_SOCKET };
        Rights {
            files: since(1, FIRST_FILE_RIGHTS)
                | since(2, REFER)
                | since(3, TRUNCATE)
                | since(5, IOCTL_DEVICE),
            network: since(4, BIND_TCP | CONNECT_TCP),
            scopes: since(6, scopes),
        }
    }

    /// What this kernel does not guard.
    fn missing(&self) -> Vec<&'static str> {
        [
            (self.files & TRUNCATE == 0, "shortening files (Linux 6.2)"),
            (self.network == 0, "TCP ports (Linux 6.7)"),
            (self.scopes == 0, "signals (Linux 6.12)"),
        ]
        .into_iter()
        .filter_map(|(is_missing, what)| is_missing.then_some(what))
        .collect()
    }

    fn text(&self, version: u32, missing: &[&str], needs: &Needs) -> String {
        let ports = if self.network == 0 { "" } else { ", and TCP ports other than those of mail" };
        let mut text = format!("files that are not needed are out of reach{ports} (version {version})");
        if needs.reads.iter().any(|place| place == Path::new("/etc")) {
            text.push_str(
                "; what all users may read in /etc stays in reach, since resolv.conf and hosts get new files under the same \
                 names there",
            );
        }
        match missing {
            [] => text,
            missing => format!("{text}; a newer kernel guards also {}", missing.join(", ")),
        }
    }
}

fn apply(rights: &Rights, needs: &Needs) -> io::Result<()> {
    let Rights { files, network, scopes } = *rights;
    let rules = sys::landlock_rules(&Handled { files, network, scopes })?;
    let folders = [(&needs.writes, READ | WRITE), (&needs.reads, READ), (&needs.programs, READ | EXECUTE)];
    for (paths, wanted) in folders {
        for path in paths {
            allow(&rules, path, wanted & files)?;
        }
    }
    if network != 0 {
        let ports = [(&needs.binds, BIND_TCP), (&needs.connects, CONNECT_TCP)];
        for (ports, right) in ports {
            ports.iter().try_for_each(|port| sys::landlock_allow_port(rules.as_fd(), *port, right))?;
        }
    }
    sys::landlock_restrict(rules.as_fd())
}

/// What is not there needs no rule.
fn allow(rules: &OwnedFd, path: &Path, rights: u64) -> io::Result<()> {
    let Ok(place) = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { return Ok(()) };
    let is_folder = FileType::from_raw_mode(fstat(&place)?.st_mode) == FileType::Directory;
    // The kernel refuses a file rights that only folders have.
    let rights = if is_folder { rights } else { rights & OF_A_FILE };
    sys::landlock_allow_path(rules.as_fd(), place.as_fd(), rights)
}

fn without(error: &io::Error) -> String {
    let remedy = match error.raw_os_error() {
        Some(sys::NOT_SUPPORTED) => {
            "it is switched off: add landlock to lsm= on the kernel's command line".to_owned()
        }
        Some(sys::NO_SUCH_CALL) => {
            "this kernel lacks it: one from Linux 5.13 on with CONFIG_SECURITY_LANDLOCK has it".to_owned()
        }
        _ => format!("the kernel refuses it ({error}): look whether a container forbids it"),
    };
    format!("{remedy}; files are guarded by their owners only until then")
}

// linux/landlock.h.
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_FOLDER: u64 = 1 << 3;
const REMOVE_FOLDER: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_FOLDER: u64 = 1 << 7;
const MAKE_FILE: u64 = 1 << 8;
const MAKE_SOCKET: u64 = 1 << 9;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEVICE: u64 = 1 << 15;
const BIND_TCP: u64 = 1;
const CONNECT_TCP: u64 = 1 << 1;
const ABSTRACT_UNIX_SOCKET: u64 = 1;
const SIGNAL: u64 = 1 << 1;

/// All of version 1.
const FIRST_FILE_RIGHTS: u64 = (1 << 13) - 1;
const READ: u64 = READ_FILE | READ_FOLDER;
/// Nobody makes devices, pipes and links.
const WRITE: u64 =
    WRITE_FILE | REMOVE_FOLDER | REMOVE_FILE | MAKE_FOLDER | MAKE_FILE | MAKE_SOCKET | TRUNCATE;
const OF_A_FILE: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernel_is_asked_only_for_what_it_knows_s_336() {
        let of = |version| Rights::of(version, &Needs::default());
        for (version, files, network, scopes, missing) in [
            (1, (1 << 13) - 1, 0, 0, 3),
            (2, (1 << 14) - 1, 0, 0, 3),
            (3, (1 << 15) - 1, 0, 0, 2),
            (4, (1 << 15) - 1, 3, 0, 1),
            (5, (1 << 16) - 1, 3, 0, 1),
            (6, (1 << 16) - 1, 3, 3, 0),
            (9, (1 << 16) - 1, 3, 3, 0),
        ] {
            assert_eq!(of(version), Rights { files, network, scopes }, "version {version}");
            assert_eq!(of(version).missing().len(), missing, "version {version}");
        }
        let abstracted = Needs { speaks_to_abstract: true, ..Needs::default() };
        assert_eq!(Rights::of(6, &abstracted).scopes, SIGNAL);
        assert_eq!(Rights::of(5, &abstracted).scopes, 0);
    }

    #[test]
    fn an_open_etc_is_told_with_its_reason_s_334() {
        let told = |place: &str| {
            let needs = Needs { reads: vec![place.into()], ..Needs::default() };
            Rights::of(7, &needs).text(7, &[], &needs)
        };
        assert!(told("/etc").contains("in /etc stays in reach, since resolv.conf"), "{}", told("/etc"));
        assert!(!told("/etc/hosts").contains("/etc"), "{}", told("/etc/hosts"));
    }

    #[test]
    fn why_there_is_none_has_a_remedy_s_336() {
        for number in [sys::NOT_SUPPORTED, sys::NO_SUCH_CALL, 1] {
            let text = without(&io::Error::from_raw_os_error(number));
            assert!(text.contains(": ") && text.lines().count() == 1, "{text}");
        }
    }
}
