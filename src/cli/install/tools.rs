//! The system's tools, found in fixed places and run without a shell or variables of ours.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::site::{LOG, Manager, Site, USER};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::printable;

/// The tools of one machine.
pub(super) struct Tools<'a> {
    site: &'a Site,
}

/// What is asked of the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Read the units anew.
    Reload,
    /// Start it with the machine.
    Enable,
    /// No longer.
    Disable,
    /// Start it, with its ports.
    Start,
    /// End it and start it again; its ports stay open where the manager keeps them.
    Restart,
    /// End it, and close its ports.
    Stop,
}

/// Why a tool did not do what it should; one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolError(pub String);

impl<'a> Tools<'a> {
    /// The tools of that machine.
    pub fn of(site: &'a Site) -> Tools<'a> {
        Tools { site }
    }

    /// Asks the service manager; blocks until it has done it. Nothing to do for it is well.
    pub fn ask(&self, act: Act) -> Result<(), ToolError> {
        for words in calls(self.site.manager, act) {
            let words: Vec<&str> =
                words.iter().copied().filter(|word| self.may_be_named(act, word)).collect();
            if self.site.manager != Manager::Systemd
                || act == Act::Reload
                || words.iter().any(|word| is_unit(word))
            {
                self.run(&words)?;
            }
        }
        Ok(())
    }

    /// systemctl refuses to stop what has no file, and a service may have its ports to itself.
    fn may_be_named(&self, act: Act, word: &str) -> bool {
        let is_ending = matches!(act, Act::Stop | Act::Disable);
        !is_ending || !is_unit(word) || self.site.at("/etc/systemd/system").join(word).is_file()
    }

    /// Whether the service runs, or tries to.
    pub fn is_active(&self) -> bool {
        match self.site.manager {
            // A unit that fails again and again is "activating".
            Manager::Systemd => {
                let said = self.output(&["systemctl", "is-active", "poppet.service"]);
                said.is_some_and(|(_, text)| {
                    matches!(text.trim(), "active" | "activating" | "reloading" | "deactivating")
                })
            }
            Manager::OpenRc => self.run(&["rc-service", "poppet", "status"]).is_ok(),
            Manager::Procd => self.run(&["/etc/init.d/poppet", "running"]).is_ok(),
        }
    }

    /// Whether the manager keeps the service's ports open.
    pub fn has_ports(&self) -> bool {
        let said = || self.output(&["systemctl", "is-active", "poppet.socket"]);
        self.site.manager == Manager::Systemd && said().is_some_and(|(_, text)| text.trim() == "active")
    }

    /// Whether the service starts with the machine.
    pub fn is_enabled(&self) -> bool {
        match self.site.manager {
            Manager::Systemd => self.run(&["systemctl", "--quiet", "is-enabled", "poppet.service"]).is_ok(),
            Manager::OpenRc => self.site.at("/etc/runlevels/default/poppet").symlink_metadata().is_ok(),
            Manager::Procd => self.run(&["/etc/init.d/poppet", "enabled"]).is_ok(),
        }
    }

    /// The service's process; none if it doesn't run or the manager can't tell.
    pub fn main_process(&self) -> Option<u32> {
        match self.site.manager {
            Manager::Systemd => {
                let (_, text) =
                    self.output(&["systemctl", "show", "--property=MainPID", "--value", "poppet.service"])?;
                text.trim().parse().ok().filter(|pid| *pid != 0)
            }
            Manager::OpenRc | Manager::Procd => None,
        }
    }

    /// What the service has complained of last in its log since then, where the log can be asked for a time, as one line;
    /// none if that can't be had.
    pub fn last_words(&self, since: UnixTime) -> Option<String> {
        let (journal_since, log) = (format!("--since=@{}", since.0), self.site.at(LOG));
        let words = match self.site.manager {
            Manager::Systemd => &[
                "journalctl",
                "--identifier=poppet",
                &journal_since,
                "--lines=30",
                "--output=cat",
                "--no-pager",
                "--quiet",
            ][..],
            Manager::Procd => &["logread", "-l", "30", "-e", "poppet"],
            Manager::OpenRc => &["tail", "-n", "30", &log.to_string_lossy()],
        };
        let (_, text) = self.output(words).filter(|(is_good, _)| *is_good)?;
        // That file reaches back for months. What has no time of its own is as old as what stands above it.
        let is_new = |line: &&str| self.site.manager != Manager::OpenRc || is_stamped(line, since);
        let mut lines: Vec<String> = text
            .lines()
            .skip_while(|line| !is_new(line))
            .filter_map(|line| COMPLAINTS.iter().find_map(|mark| line.find(mark).map(|at| &line[at..])))
            .map(|line| printable(line.as_bytes()))
            .collect();
        // A manager that starts it again and again has it say the same again and again.
        lines.dedup();
        let last = &lines[lines.len().saturating_sub(COMPLAINTS_SHOWN)..];
        (!last.is_empty()).then(|| last.join(" / "))
    }

    /// Whether a system user can be made here.
    pub fn can_make_user(&self) -> bool {
        self.user_calls(false).is_some()
    }

    /// Whether that tool is there.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Makes the service's group, if it is not there, and user.
    pub fn make_user(&self, has_group: bool) -> Result<(), ToolError> {
        let calls = self.user_calls(has_group).ok_or_else(|| {
            ToolError("this system has neither systemd-sysusers, useradd nor busybox's adduser".into())
        })?;
        calls.iter().try_for_each(|words| self.run(words))
    }

    /// The tool that removes a user and his group; none where there is none.
    pub fn user_remover(&self) -> Option<&'static str> {
        ["userdel", "deluser"].into_iter().find(|name| self.find(name).is_some())
    }

    /// Removes the service's user and group by that tool.
    pub fn remove_user(&self, remover: &str) -> Result<(), ToolError> {
        self.run(&[remover, USER])
    }

    /// Which calls make the user; systemd's own tool comes first, for it needs no files of others.
    fn user_calls(&self, has_group: bool) -> Option<Vec<&'static [&'static str]>> {
        const COMMENT: &str = "poppet mail server";
        if self.site.manager == Manager::Systemd && self.find("systemd-sysusers").is_some() {
            return Some(vec![&[
                "systemd-sysusers",
                "--inline",
                "u poppet - \"poppet mail server\" /var/lib/poppet",
            ]]);
        }
        if self.find("useradd").is_some_and(|path| !is_busybox(&path)) {
            let own: &[&str] = &[
                "useradd",
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/var/lib/poppet",
                "--shell",
                "/bin/false",
                "--comment",
                COMMENT,
                "--",
                USER,
            ];
            let joined: &[&str] = &[
                "useradd",
                "--system",
                "--gid",
                USER,
                "--no-create-home",
                "--home-dir",
                "/var/lib/poppet",
                "--shell",
                "/bin/false",
                "--comment",
                COMMENT,
                "--",
                USER,
            ];
            return Some(vec![if has_group { joined } else { own }]);
        }
        self.find("adduser").filter(|path| is_busybox(path))?;
        let user: &[&str] = &[
            "adduser",
            "-S",
            "-D",
            "-H",
            "-h",
            "/var/lib/poppet",
            "-s",
            "/bin/false",
            "-G",
            USER,
            "-g",
            COMMENT,
            USER,
        ];
        Some(if has_group { vec![user] } else { vec![&["addgroup", "-S", USER], user] })
    }

    fn run(&self, words: &[&str]) -> Result<(), ToolError> {
        let failed = |why: &str| ToolError(format!("\"{}\" failed: {why}", words.join(" ")));
        let mut command = self.command(words).ok_or_else(|| failed("it is not installed"))?;
        let done = output_of(&mut command).map_err(|error| failed(&error.to_string()))?;
        match done.status.success() {
            true => Ok(()),
            false => Err(failed(&first_line(&done.stderr).unwrap_or_else(|| done.status.to_string()))),
        }
    }

    /// Whether it said yes, and what it wrote; none if it can't be run.
    fn output(&self, words: &[&str]) -> Option<(bool, String)> {
        let done = output_of(&mut self.command(words)?).ok()?;
        Some((done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned()))
    }

    fn command(&self, words: &[&str]) -> Option<Command> {
        let (name, rest) = words.split_first()?;
        let mut command = Command::new(self.find(name)?);
        command.args(rest).env_clear().env("PATH", PLACES.join(":")).env("LC_ALL", "C");
        command.current_dir("/").stdin(Stdio::null());
        Some(command)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        if name.starts_with('/') {
            return Some(self.site.at(name)).filter(|path| path.is_file());
        }
        PLACES.iter().map(|folder| self.site.at(folder).join(name)).find(|path| path.is_file())
    }
}

/// Runs a program to its end. One that was written a moment ago may be open still in a child of another thread.
pub(super) fn output_of(command: &mut Command) -> io::Result<Output> {
    let mut tries = 0;
    loop {
        match command.output() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && tries < limits::BUSY_PROGRAM_TRIES =>
            {
                tries += 1;
                thread::sleep(limits::BUSY_PROGRAM_PAUSE);
            }
            done => return done,
        }
    }
}

fn calls(manager: Manager, act: Act) -> &'static [&'static [&'static str]] {
    match (manager, act) {
        (Manager::Systemd, Act::Reload) => &[&["systemctl", "daemon-reload"]],
        (Manager::Systemd, Act::Enable) => {
            // The socket's name stands in its [Install].
            &[&["systemctl", "--quiet", "enable", "poppet.service"]]
        }
        (Manager::Systemd, Act::Disable) => {
            // "stop" leaves the reader of local accounts alone, which only a removal ends.
            &[&[
                "systemctl",
                "--quiet",
                "disable",
                "--now",
                "poppet.socket",
                "poppet.service",
                "poppet-local.socket",
            ]]
        }
        // It brings its ports with it.
        (Manager::Systemd, Act::Start) => &[&["systemctl", "start", "poppet.service"]],
        (Manager::Systemd, Act::Restart) => &[&["systemctl", "restart", "poppet.service"]],
        // Together: a socket alone would start the service again for the next connection.
        (Manager::Systemd, Act::Stop) => &[&["systemctl", "stop", "poppet.socket", "poppet.service"]],
        (Manager::OpenRc, Act::Enable) => &[&["rc-update", "--quiet", "add", "poppet", "default"]],
        (Manager::OpenRc, Act::Disable) => &[&["rc-update", "--quiet", "del", "poppet", "default"]],
        (Manager::OpenRc, Act::Start) => &[&["rc-service", "poppet", "start"]],
        (Manager::OpenRc, Act::Restart) => &[&["rc-service", "poppet", "restart"]],
        (Manager::OpenRc, Act::Stop) => &[&["rc-service", "poppet", "stop"]],
        (Manager::Procd, Act::Enable) => &[&["/etc/init.d/poppet", "enable"]],
        (Manager::Procd, Act::Disable) => &[&["/etc/init.d/poppet", "disable"]],
        (Manager::Procd, Act::Start) => &[&["/etc/init.d/poppet", "start"]],
        (Manager::Procd, Act::Restart) => &[&["/etc/init.d/poppet", "restart"]],
        (Manager::Procd, Act::Stop) => &[&["/etc/init.d/poppet", "stop"]],
        (Manager::OpenRc | Manager::Procd, Act::Reload) => &[],
    }
}

fn is_unit(word: &str) -> bool {
    word.starts_with("poppet.") || word.starts_with("poppet-local.")
}

fn first_line(said: &[u8]) -> Option<String> {
    said.split(|&octet| octet == b'\n').find(|line| !line.is_empty()).map(printable)
}

/// Whether a line begins with a time, as poppet's own do, that is no earlier.
fn is_stamped(line: &str, since: UnixTime) -> bool {
    let since = since.rfc3339();
    line.get(..since.len()).is_some_and(|stamp| {
        stamp.ends_with('Z') && stamp.starts_with(char::is_numeric) && stamp >= since.as_str()
    })
}

fn is_busybox(path: &Path) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_default();
    real.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"busybox"))
}

const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// How lines begin that the server, or the program that could not become one, writes about a trouble.
const COMPLAINTS: [&str; 2] = ["error: ", "poppet: "];
const COMPLAINTS_SHOWN: usize = 2;
