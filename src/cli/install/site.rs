//! Where an installed poppet stands, and which service manager starts it.

use std::fs;
use std::path::{Path, PathBuf};

/// What starts services on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Manager {
    /// systemd.
    Systemd,
    /// OpenRC, as on Alpine.
    OpenRc,
    /// procd, as on OpenWrt.
    Procd,
}

/// Where an installed poppet stands. Tests have a folder in the place of the root.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Site {
    root: PathBuf,
    /// What starts the service.
    pub manager: Manager,
    /// The database, below the root.
    pub database: PathBuf,
}

/// Where the service's database is.
pub(in crate::cli) const DATABASE: &str = "/var/lib/poppet/poppet.redb";
/// The service's user and group.
pub(super) const USER: &str = "poppet";

impl Site {
    /// This machine; none if no service manager runs here.
    pub fn here(database: &Path) -> Option<Site> {
        Site::below(Path::new("/"), database)
    }

    /// The machine whose root is that folder.
    pub fn below(root: &Path, database: &Path) -> Option<Site> {
        let manager = Manager::of(root)?;
        Some(Site { root: root.to_owned(), manager, database: database.to_owned() })
    }

    /// The same machine with that database, if it is another.
    pub fn with_database(&self, database: Option<PathBuf>) -> Site {
        Site { database: database.unwrap_or_else(|| self.database.clone()), ..self.clone() }
    }

    /// Whether the service has its database there: only systemd and OpenRC have one place, and OpenWrt's `/var` is
    /// memory, so there one is named.
    pub fn is_services(&self) -> bool {
        match self.manager {
            Manager::Systemd | Manager::OpenRc => self.database == Path::new(DATABASE),
            Manager::Procd => self.database.is_absolute(),
        }
    }

    /// A path of the machine as this process reaches it.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The folder of the database.
    pub fn folder(&self) -> &Path {
        self.database.parent().unwrap_or(Path::new("/"))
    }

    /// Where the program stands.
    pub fn program(&self) -> &'static str {
        match self.manager {
            Manager::Systemd | Manager::OpenRc => "/usr/local/bin/poppet",
            // /usr/local is in no PATH there.
            Manager::Procd => "/usr/bin/poppet",
        }
    }

    /// Where the one before it is kept.
    pub fn former(&self) -> &'static str {
        match self.manager {
            Manager::Systemd | Manager::OpenRc => "/usr/local/bin/poppet.old",
            Manager::Procd => "/usr/bin/poppet.old",
        }
    }

    /// How the service's log is read, once it has been started.
    pub fn log_command(&self) -> &'static str {
        match self.manager {
            Manager::Systemd => "journalctl -u poppet",
            Manager::OpenRc if self.at(LOG).is_file() => "tail -n 50 /var/log/poppet.log",
            // Debian's rsyslog.
            Manager::OpenRc if self.at("/var/log/syslog").is_file() => "grep poppet /var/log/syslog",
            Manager::OpenRc => "grep poppet /var/log/messages",
            Manager::Procd => "logread -e poppet",
        }
    }
}

/// Where the service's log is under OpenRC, if nobody keeps the system's.
pub(super) const LOG: &str = "/var/log/poppet.log";
/// What of it the service's script has put aside.
pub(super) const LOG_BEFORE: &str = "/var/log/poppet.log.old";

/// Where everybody on this machine can read the authority's certificate: the database's folder is closed.
pub(in crate::cli) const AUTHORITY: &str = "/etc/poppet/authority.pem";

impl Manager {
    /// What runs below that root. As sd_booted(3) looks for systemd, and init(8) of the others.
    fn of(root: &Path) -> Option<Manager> {
        let is_folder = |path: &str| fs::symlink_metadata(root.join(path)).is_ok_and(|facts| facts.is_dir());
        if is_folder("run/systemd/system") {
            Some(Manager::Systemd)
        } else if is_folder("run/openrc") {
            Some(Manager::OpenRc)
        } else if root.join("sbin/procd").is_file() && root.join("etc/rc.common").is_file() {
            Some(Manager::Procd)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::install::tests::Root;

    #[test]
    fn a_manager_is_found_by_what_only_a_running_one_makes() {
        let root = Root::bare();
        let found = |root: &Root| Site::below(root.path(), Path::new(DATABASE)).map(|site| site.manager);
        assert_eq!(found(&root), None);
        root.write("sbin/procd", "");
        assert_eq!(found(&root), None, "a procd that is no init");
        root.write("etc/rc.common", "");
        assert_eq!(found(&root), Some(Manager::Procd));
        root.make_folder("run/openrc");
        assert_eq!(found(&root), Some(Manager::OpenRc));
        root.write("run/systemd", "no folder");
        assert_eq!(found(&root), Some(Manager::OpenRc));
        fs::remove_file(root.path().join("run/systemd")).unwrap();
        root.make_folder("run/systemd/system");
        assert_eq!(found(&root), Some(Manager::Systemd));
    }

    /// OpenRC's supervisor feeds no logger before 0.51, and what was named as the log did not exist.
    #[test]
    fn the_log_is_read_where_the_service_writes_it() {
        let root = Root::bare();
        root.make_folder("run/openrc");
        let site = Site::below(root.path(), Path::new(DATABASE)).unwrap();
        assert_eq!(site.log_command(), "grep poppet /var/log/messages");
        root.write("var/log/syslog", "");
        assert_eq!(site.log_command(), "grep poppet /var/log/syslog");
        root.write("var/log/poppet.log", "");
        assert_eq!(site.log_command(), "tail -n 50 /var/log/poppet.log");
    }

    #[test]
    fn only_the_services_own_place_is_the_services() {
        let root = Root::with_systemd();
        for (path, is_services) in [
            (DATABASE, true),
            ("/srv/mail.redb", false),
            ("poppet.redb", false),
            ("/var/lib/poppet/x.redb", false),
        ] {
            assert_eq!(
                Site::below(root.path(), Path::new(path)).unwrap().is_services(),
                is_services,
                "{path}"
            );
        }
    }
}
