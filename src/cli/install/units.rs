//! The files by which a service manager knows poppet, and whether one that stands is still as setup wrote it.
//!
//! Each has a line with the SHA-256 of all its other lines: one that nobody has changed is replaced by an upgrade, and
//! one that somebody has is left to him.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use ring::digest;

use super::site::{Manager, Site};
use crate::settings::{Listen, ListenerKind};

/// A file of the service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Unit {
    /// Where it belongs.
    pub path: &'static str,
    /// Its mode.
    pub mode: u32,
    /// What is in it, with its mark.
    pub text: String,
}

/// What stands in the place of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Standing {
    /// Nothing.
    Absent,
    /// What belongs there.
    Same,
    /// What another setup wrote, and nobody has changed.
    Former,
    /// A link to nothing, by which systemd's administrator keeps it from being started.
    Masked,
    /// Something else.
    Edited,
}

/// Where the ports are told.
pub(super) const SOCKET: &str = "/etc/systemd/system/poppet.socket";

/// The files that a manager needs for a server that listens there.
pub(super) fn wanted(site: &Site, listeners: &[Listen; 5]) -> Vec<Unit> {
    match site.manager {
        Manager::Systemd => {
            let service = include_str!("../../../systemd/poppet.service");
            let service = Unit { path: SERVICE, mode: 0o644, text: marked(service) };
            let mut units = match site.at(ALONE).is_file() {
                // An administrator has it open its ports itself.
                true => vec![service],
                false => vec![Unit { path: SOCKET, mode: 0o644, text: marked(&socket(listeners)) }, service],
            };
            units.extend(LOCAL.map(|(path, text)| Unit { path, mode: 0o644, text: marked(text) }));
            units
        }
        Manager::OpenRc => vec![Unit {
            path: SCRIPT,
            mode: 0o755,
            text: marked(include_str!("../../../init/openrc/poppet")),
        }],
        Manager::Procd => vec![Unit { path: SCRIPT, mode: 0o755, text: marked(&procd(site)) }],
    }
}

/// The paths of all of them.
pub(super) fn paths(manager: Manager) -> &'static [&'static str] {
    match manager {
        Manager::Systemd => &[SOCKET, SERVICE, LOCAL[0].0, LOCAL[1].0],
        Manager::OpenRc | Manager::Procd => &[SCRIPT],
    }
}

impl Unit {
    /// As its manager calls it.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// How the file in its place compares.
    pub fn standing(&self, site: &Site) -> Standing {
        let path = site.at(self.path);
        match site.manager == Manager::Systemd && fs::read_link(&path).is_ok_and(|to| to == Path::new(MASK)) {
            true => Standing::Masked,
            false => self.compare(fs::read_to_string(path).ok().as_deref()),
        }
    }

    /// How what stands in its place compares.
    fn compare(&self, found: Option<&str>) -> Standing {
        match found {
            None => Standing::Absent,
            Some(found) if found == self.text => Standing::Same,
            Some(found) if is_unchanged(found) || without_mark(found).0 == without_mark(&self.text).0 => {
                Standing::Former
            }
            Some(_) => Standing::Edited,
        }
    }
}

/// Whether a text is as a setup wrote it.
pub(super) fn is_unchanged(text: &str) -> bool {
    let (rest, mark) = without_mark(text);
    mark.is_some_and(|mark| mark == digest_of(&rest))
}

/// One line for each address; the kernel chooses no port for a socket that clients must know.
fn socket(listeners: &[Listen; 5]) -> String {
    let addresses = ListenerKind::ALL.into_iter().flat_map(|kind| &listeners[kind as usize].0);
    let lines: String = addresses
        .filter(|address| address.port() != 0)
        .map(|address| format!("ListenStream={address}\n"))
        .collect();
    let mut text = String::new();
    let mut is_written = false;
    for line in include_str!("../../../systemd/poppet.socket").lines() {
        if !line.starts_with("ListenStream=") {
            text += line;
            text.push('\n');
        } else if !std::mem::replace(&mut is_written, true) {
            text += &lines;
        }
    }
    text
}

/// The script with this machine's database.
fn procd(site: &Site) -> String {
    let database = site.database.to_string_lossy().replace('\'', "'\\''");
    let own = |line: &str| match line.strip_prefix("DATABASE=") {
        Some(_) => format!("DATABASE='{database}'\n"),
        None => format!("{line}\n"),
    };
    include_str!("../../../init/openwrt/poppet").lines().map(own).collect()
}

/// Which database the service's script names, where it must.
pub(super) fn service_database(site: &Site) -> Option<PathBuf> {
    if site.manager != Manager::Procd {
        return None;
    }
    let text = fs::read_to_string(site.at(SCRIPT)).ok()?;
    let named = text.lines().find_map(|line| line.strip_prefix("DATABASE="))?.trim();
    let quoted = named.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    Some(quoted.map_or(named.into(), |quoted| quoted.replace("'\\''", "'")).into())
}

/// The text with its mark in the first line, or behind the interpreter's.
pub(super) fn marked(text: &str) -> String {
    let at = if text.starts_with("#!") { text.find('\n').map_or(text.len(), |end| end + 1) } else { 0 };
    let (head, rest) = text.split_at(at);
    format!("{head}{MARK}{}\n{rest}", digest_of(text))
}

/// All other lines, and what the mark says.
fn without_mark(text: &str) -> (String, Option<&str>) {
    let mark = text.lines().take(2).find_map(|line| line.strip_prefix(MARK));
    let rest =
        text.split_inclusive('\n').enumerate().filter(|(index, line)| *index > 1 || !line.starts_with(MARK));
    (rest.map(|(_, line)| line).collect(), mark)
}

fn digest_of(text: &str) -> String {
    let mut shown = String::new();
    for octet in digest::digest(&digest::SHA256, text.as_bytes()).as_ref() {
        let _ = write!(shown, "{octet:02x}");
    }
    shown
}

const SERVICE: &str = "/etc/systemd/system/poppet.service";
/// The reader of local accounts; who wants it enables its socket.
const LOCAL: [(&str, &str); 2] = [
    ("/etc/systemd/system/poppet-local.socket", include_str!("../../../systemd/poppet-local.socket")),
    ("/etc/systemd/system/poppet-local.service", include_str!("../../../systemd/poppet-local.service")),
];
/// See `systemd/drop-ins/alone.conf`.
const ALONE: &str = "/etc/systemd/system/poppet.service.d/alone.conf";
const SCRIPT: &str = "/etc/init.d/poppet";
const MARK: &str = "# Written by \"poppet setup\", which replaces it as long as nobody changes it. SHA-256: ";

/// What "systemctl mask" links to.
const MASK: &str = "/dev/null";

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::cli::install::tests::{Root, listeners};
    use crate::limits;

    /// The watchdog had 30 s, and aborted a server on a worn card while its clients still waited, as they are to. It is
    /// asked after a third of its patience, so that two thirds are left for a disk that stalls from then on.
    #[test]
    fn the_watchdog_is_more_patient_than_the_server_s_275() {
        let unit = include_str!("../../../systemd/poppet.service");
        let patience = unit.lines().find_map(|line| line.strip_prefix("WatchdogSec=")).unwrap();
        let patience = Duration::from_secs(patience.parse().unwrap());
        assert!(patience * 2 / 3 > limits::STORE_PATIENCE, "{patience:?}");
    }

    fn service() -> Unit {
        wanted(&Root::with_systemd().site(), &listeners()).remove(1)
    }

    #[test]
    fn a_unit_that_setup_wrote_is_known_until_somebody_changes_it() {
        let unit = service();
        assert_eq!(unit.compare(None), Standing::Absent);
        assert_eq!(unit.compare(Some(&unit.text)), Standing::Same);
        assert_eq!(unit.compare(Some(&marked("[Service]\nExecStart=/x\n"))), Standing::Former);
        // Copied by hand from the sources.
        assert_eq!(unit.compare(Some(include_str!("../../../systemd/poppet.service"))), Standing::Former);
        let changed = unit.text.replace("RestartSec=2", "RestartSec=3");
        let grown = unit.text.clone() + "MemoryMax=1G\n";
        let torn = &unit.text[..unit.text.len() / 2];
        for edited in [&*changed, &grown, torn, "", "[Service]\n", MARK, &format!("{MARK}\n")] {
            assert_eq!(unit.compare(Some(edited)), Standing::Edited, "{edited}");
        }
    }

    #[test]
    fn the_socket_has_a_line_for_each_stored_address_and_no_other() {
        let mut listeners = listeners();
        listeners[ListenerKind::Pop3 as usize] = "127.0.0.1:110,[::1]:1110".parse().unwrap();
        listeners[ListenerKind::Smtp as usize] = Listen::default();
        listeners[ListenerKind::Submission as usize] = "127.0.0.1:0".parse().unwrap();
        let text = socket(&listeners);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("ListenStream=")).collect();
        assert_eq!(
            lines,
            [
                "ListenStream=127.0.0.1:110",
                "ListenStream=[::1]:1110",
                "ListenStream=0.0.0.0:995",
                "ListenStream=0.0.0.0:465"
            ]
        );
        assert!(text.contains("BindIPv6Only=ipv6-only\n") && text.contains("[Install]\n"));
    }

    #[test]
    fn the_interpreter_of_a_script_stays_in_its_first_line() {
        let text = marked("#!/bin/sh\necho x\n");
        assert!(text.starts_with("#!/bin/sh\n# Written by") && text.ends_with("\necho x\n"), "{text}");
        assert!(is_unchanged(&text) && !is_unchanged(&text.replace('x', "y")));
        assert!(is_unchanged(&marked("")));
    }

    #[test]
    fn openwrt_s_script_names_the_database_that_was_given() {
        let root = Root::bare();
        root.write("sbin/procd", "");
        root.write("etc/rc.common", "");
        let site = Site::below(root.path(), Path::new("/mnt/it's/poppet.redb")).unwrap();
        let units = wanted(&site, &listeners());
        assert!(units[0].text.contains("\nDATABASE='/mnt/it'\\''s/poppet.redb'\n"), "{}", units[0].text);
        assert!(units[0].text.starts_with("#!/bin/sh /etc/rc.common\n"));
        assert_eq!(service_database(&site), None);
        root.write("etc/init.d/poppet", &units[0].text);
        assert_eq!(service_database(&site).as_deref(), Some(Path::new("/mnt/it's/poppet.redb")));
        root.write("etc/init.d/poppet", include_str!("../../../init/openwrt/poppet"));
        assert_eq!(service_database(&site).as_deref(), Some(Path::new("/srv/poppet/poppet.redb")));
    }
}
