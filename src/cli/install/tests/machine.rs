//! A machine in a folder, with a service manager that is a script.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::admin::AdminError;
use crate::cli::install::site::{DATABASE, Site};
use crate::cli::install::{Doing, Facts, Hands, Listeners, Outcome, Serving, Taken, plan};
use crate::settings::{Listen, ListenerKind};

/// The root of a machine; gone when dropped.
pub(in crate::cli::install) struct Root(PathBuf);

/// The standard ports on IPv4.
pub(in crate::cli::install) fn listeners() -> [Listen; 5] {
    ListenerKind::ALL.map(|kind| Listen(vec![([0, 0, 0, 0], kind.ports().0).into()]))
}

impl Root {
    /// An empty folder.
    pub fn bare() -> Root {
        let path = std::env::temp_dir().join(format!("poppet-install-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path).unwrap();
        Root(path)
    }

    /// A machine with systemd.
    pub fn with_systemd() -> Root {
        let root = Root::bare();
        root.make_folder("run/systemd/system");
        root
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn site(&self) -> Site {
        Site::below(&self.0, Path::new(DATABASE)).unwrap()
    }

    pub fn make_folder(&self, path: &str) {
        fs::create_dir_all(self.0.join(path)).unwrap();
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A program that is that script.
    pub fn write_program(&self, path: &str, script: &str) {
        self.write(path, script);
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A poppet whose version is that.
pub(in crate::cli::install) fn poppet(version: &str) -> String {
    format!("#!/bin/sh\necho poppet {version}\n")
}

/// A machine with systemd, and what setup does there with the database and the server.
pub(in crate::cli::install) struct Machine {
    pub root: Root,
    /// The listeners of the database.
    pub listeners: RefCell<Listeners>,
    /// What is in the way.
    pub taken: RefCell<Vec<Taken>>,
    /// How often the database's layout was taken back.
    pub taken_back: Cell<u32>,
    /// What taking it back comes to; "busy" while the database is open.
    pub left: RefCell<Result<bool, AdminError>>,
    /// How often it is found open yet.
    pub looks_until_closed: Cell<u32>,
    /// How long a service may take.
    pub patience: Cell<Duration>,
}

impl Machine {
    pub fn new() -> Machine {
        let root = Root::with_systemd();
        let at = root.path().display();
        // A program with the word "broken" in it does not start; that of a service that runs is copied.
        let systemctl = format!(
            "#!/bin/sh\ncd {at}\ncase \"$*\" in\n\
             *is-active*socket) test -e ports && echo active || echo inactive; exit 0;;\n\
             *is-active*) test -e active && echo active || echo inactive; exit 0;;\n\
             *is-enabled*) test -e enabled; exit;;\n\
             *show*) echo 0; exit;;\nesac\n\
             echo \"$*\" >> calls\n\
             case \"$*\" in\n\
             *enable*) touch enabled;;\n*disable*) rm -f enabled;;\nstop*) rm -f active ports running;;\n\
             start*|restart*) rm -f active\n\
             grep -q broken usr/local/bin/poppet && {{ echo 'Job for poppet.service failed.' >&2; exit 1; }}\n\
             cp usr/local/bin/poppet running; touch active;;\nesac\n"
        );
        root.write_program("usr/bin/systemctl", &systemctl);
        let sysusers = format!(
            "#!/bin/sh\necho \"poppet:x:$(id -u):$(id -g)::/:/bin/false\" >> {at}/etc/passwd\n\
             echo 'poppet:x:1:' >> {at}/etc/group\n"
        );
        root.write_program("usr/bin/systemd-sysusers", &sysusers);
        let userdel = format!("#!/bin/sh\nsed -i /^poppet:/d {at}/etc/passwd {at}/etc/group\n");
        root.write_program("usr/sbin/userdel", &userdel);
        root.write_program(
            "usr/bin/journalctl",
            "#!/bin/sh\necho error: zero\necho error: one\necho info: x\necho poppet: two\n\
             echo poppet: two\n",
        );
        root.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        root.write("etc/group", "root:x:0:\n");
        root.make_folder("usr/local/bin");
        let listeners = RefCell::new(Some(listeners()));
        Machine {
            root,
            listeners,
            taken: RefCell::default(),
            taken_back: Cell::default(),
            left: RefCell::new(Ok(true)),
            looks_until_closed: Cell::default(),
            patience: Cell::default(),
        }
    }

    /// A machine on which that version is installed and runs.
    pub fn with(version: &str) -> Machine {
        let machine = Machine::new();
        machine.set_up(&poppet(version)).unwrap();
        machine
    }

    pub fn look(&self, own: &str) -> Result<Facts, AdminError> {
        Facts::look(&self.root.site(), own.as_bytes(), self)
    }

    /// What `poppet setup home.lan alice` of that program does before it makes the mailbox.
    pub fn set_up(&self, own: &str) -> Result<Outcome, AdminError> {
        self.carry_out(own, usize::MAX)
    }

    /// The same, killed after so many steps.
    pub fn carry_out(&self, own: &str, steps: usize) -> Result<Outcome, AdminError> {
        let site = self.root.site();
        let mut plan = plan(&site, &self.look(own)?, true)?;
        plan.steps.truncate(steps);
        let doing = Doing { site: &site, own: own.as_bytes(), hands: self, patience: self.patience.get() };
        doing.carry_out(&plan)
    }

    /// The names of the steps that would be taken now.
    pub fn steps(&self, own: &str) -> String {
        let plan = plan(&self.root.site(), &self.look(own).unwrap(), true).unwrap();
        let json = plan.report(&self.root.site()).json();
        let names = json.as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    }

    /// What systemctl was asked for since the last time.
    pub fn calls(&self) -> Vec<String> {
        let calls = self.root.read("calls").unwrap_or_default();
        self.root.write("calls", "");
        calls.lines().map(String::from).collect()
    }

    /// Every file with what is in it, but not what the scripts write for themselves.
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let facts = path.symlink_metadata().unwrap();
                if facts.is_dir() {
                    folders.push(path);
                } else if facts.is_symlink() {
                    files.insert(path.clone(), fs::read_link(&path).unwrap().display().to_string());
                } else if path != self.root.path().join("calls") {
                    files.insert(path.clone(), fs::read_to_string(&path).unwrap());
                }
            }
        }
        files
    }
}

impl Machine {
    /// systemd's script here tells no process, but knows whether it runs.
    fn is_nobody_told(&self, pid: Option<u32>) -> bool {
        pid.is_none() && self.root.read("active").is_some()
    }
}

impl Hands for Machine {
    fn server(&self) -> Serving {
        if self.root.read("active").is_some() { Serving::Process(7) } else { Serving::Nobody }
    }

    fn listeners(&self, _: bool, _: &Serving) -> Result<Listeners, AdminError> {
        Ok(self.listeners.borrow().clone())
    }

    fn is_current(&self, program: &Path, pid: Option<u32>) -> bool {
        let running = self.root.read("running");
        self.is_nobody_told(pid) || running.is_none() || running == fs::read_to_string(program).ok()
    }

    fn taken(&self, _: &[Listen; 5]) -> Vec<Taken> {
        self.taken.borrow().clone()
    }

    fn found(&self) -> Result<(), AdminError> {
        self.root.write("var/lib/poppet/poppet.redb", "mail");
        Ok(())
    }

    /// A program with the word "mute" in it starts, and takes no mail client; nor does one that opens its database yet.
    fn prove(&self) -> Result<(), String> {
        if self.looks_until_closed.get() > 0 {
            return Err("it is opening its database".into());
        }
        match self.root.read("running") {
            Some(program) if !program.contains("mute") => Ok(()),
            _ => Err("nobody answers".into()),
        }
    }

    fn is_open(&self) -> bool {
        let looks = self.looks_until_closed.get();
        self.looks_until_closed.set(looks.saturating_sub(1));
        looks > 0
    }

    fn take_back(&self, _: &Path) -> Result<bool, AdminError> {
        self.taken_back.set(self.taken_back.get() + 1);
        match self.looks_until_closed.get() {
            0 => self.left.borrow().clone(),
            _ => Err(AdminError::unreachable("busy")),
        }
    }
}
