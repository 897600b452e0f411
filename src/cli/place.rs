//! Where the database is when nobody names it.

use std::path::{Path, PathBuf};

use super::install::{self, Manager, Site};
use crate::admin::AdminError;

/// The database: as named, else by `POPPET_DB`, else the service's for root, else in the user's data folder.
pub(super) fn database(named: Option<&Path>) -> Result<PathBuf, AdminError> {
    choose(named, variable("POPPET_DB"), is_root(), variable("XDG_DATA_HOME"), variable("HOME"))
}

/// The database that commands take where nobody has named one; none where there is no home for it.
pub(super) fn usual_database() -> Option<PathBuf> {
    choose(None, None, is_root(), variable("XDG_DATA_HOME"), variable("HOME")).ok()
}

/// The database that somebody named, by an option or by `POPPET_DB`.
pub(super) fn named_database(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| variable("POPPET_DB"))
}

/// Whether root has not chosen another place than the service's.
pub(super) fn is_services(database: &Path) -> bool {
    is_root() && database == Path::new(SERVICES_FOLDER).join("poppet.redb")
}

/// Errs where nobody has named a database, this user has none, and the service's is there, which only root may open.
pub(super) fn refuse_in_place_of_service(named: Option<&Path>, database: &Path) -> Result<(), AdminError> {
    let is_own = named_database(named).is_some() || is_root();
    match is_own || !stands_in_for(database, Path::new(SERVICES_FOLDER)) {
        true => Ok(()),
        false => Err(AdminError::unreachable(
            "the service's database is for root: say it with sudo, as in \"sudo poppet list\"; \"poppet setup DOMAIN USER\" \
             makes one of your own",
        )),
    }
}

/// Whether the service's folder is there, and a database of this user's own is not.
fn stands_in_for(database: &Path, services: &Path) -> bool {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    !is_there(database) && is_there(services)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether this process may have the standard ports and the service's folder.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How the server of that database is started: the service, or the setup of one where its database has none.
pub(super) fn start_command(database: &Path) -> &'static str {
    start_command_below(Path::new("/"), database)
}

/// How the service of that database is started again; none if it is none.
pub(super) fn restart_command(database: &Path) -> Option<&'static str> {
    match start_command(database) {
        "systemctl start poppet" => Some("systemctl restart poppet"),
        "rc-service poppet start" => Some("rc-service poppet restart"),
        "/etc/init.d/poppet start" => Some("/etc/init.d/poppet restart"),
        _ => None,
    }
}

/// The user of the service of that database; none if it is none's.
pub(super) fn service_user(database: &Path) -> Option<u32> {
    restart_command(database)?;
    let (uid, _) = install::user_number(&Site::here(database)?)?;
    Some(uid)
}

/// A path as a word that a shell takes as it stands.
pub(super) fn shell_quoted(path: &Path) -> String {
    let word = path.to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._+-@:".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn start_command_below(root: &Path, database: &Path) -> &'static str {
    let stands = |path: &str| root.join(path).symlink_metadata().is_ok();
    let manager = Site::below(root, database).filter(Site::is_services).map(|site| site.manager);
    match manager {
        Some(Manager::Systemd) if stands("etc/systemd/system/poppet.service") => "systemctl start poppet",
        Some(Manager::OpenRc) if stands("etc/init.d/poppet") => "rc-service poppet start",
        Some(Manager::Procd) if stands("etc/init.d/poppet") => "/etc/init.d/poppet start",
        // It is the service's user's, and root may not serve it.
        Some(Manager::Systemd | Manager::OpenRc) => SETUP,
        _ => SERVE,
    }
}

fn choose(
    named: Option<&Path>,
    variable: Option<PathBuf>,
    is_root: bool,
    data_home: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Result<PathBuf, AdminError> {
    if let Some(path) = named.map(Path::to_owned).or(variable) {
        return Ok(path);
    }
    if is_root {
        return Ok(PathBuf::from("/var/lib/poppet/poppet.redb"));
    }
    // The XDG specification has relative paths ignored.
    data_home
        .filter(|folder| folder.is_absolute())
        .or_else(|| home.map(|home| home.join(".local/share")))
        .map(|folder| folder.join("poppet/poppet.redb"))
        .ok_or_else(|| AdminError::usage("there is no home folder to look in: name the database with --db"))
}

/// What makes the service, or brings it back.
const SETUP: &str = "poppet setup";
/// How a database is served that is no service's.
pub(super) const SERVE: &str = "poppet serve";
/// Where the service's database is, which others can see and not enter.
const SERVICES_FOLDER: &str = "/var/lib/poppet";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_wins() {
        let path = |text: &str| Some(PathBuf::from(text));
        let named = PathBuf::from("n");
        let data = path("/data");
        let cases = [
            (choose(Some(&named), path("v"), true, data.clone(), path("/home")), "n"),
            (choose(None, path("v"), true, data.clone(), path("/home")), "v"),
            (choose(None, None, true, data.clone(), path("/home")), "/var/lib/poppet/poppet.redb"),
            (choose(None, None, false, data, path("/home")), "/data/poppet/poppet.redb"),
            (choose(None, None, false, path("data"), path("/h")), "/h/.local/share/poppet/poppet.redb"),
            (choose(None, None, false, None, path("/h")), "/h/.local/share/poppet/poppet.redb"),
        ];
        for (found, wanted) in cases {
            assert_eq!(found, Ok(PathBuf::from(wanted)));
        }
        assert!(choose(None, None, false, None, None).is_err());
    }

    /// "poppet serve" told a user beside an installed service to run setup.
    #[test]
    fn a_service_stands_in_only_where_there_is_no_database_of_ones_own() {
        let root = std::env::temp_dir().join(format!("poppet-place-{:016x}", fastrand::u64(..)));
        let (own, services) = (root.join("own.redb"), root.join("services"));
        std::fs::create_dir_all(&root).unwrap();
        assert!(!stands_in_for(&own, &services), "there is no service");
        std::fs::create_dir(&services).unwrap();
        assert!(stands_in_for(&own, &services));
        std::fs::write(&own, "mail").unwrap();
        assert!(!stands_in_for(&own, &services));
        std::fs::remove_dir_all(&root).unwrap();
    }

    /// After "poppet setup --remove" it was to be started by "poppet serve", which root is refused.
    #[test]
    fn the_service_starts_its_own_database_and_no_other() {
        let root = std::env::temp_dir().join(format!("poppet-place-{:016x}", fastrand::u64(..)));
        let services = Path::new("/var/lib/poppet/poppet.redb");
        let start = |database: &Path| start_command_below(&root, database);
        std::fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        assert_eq!(start(services), "poppet setup", "systemd alone is no service");
        std::fs::create_dir_all(root.join("etc/systemd/system/poppet.service")).unwrap();
        assert_eq!(start(services), "systemctl start poppet");
        assert_eq!(start(Path::new("/srv/mail.redb")), "poppet serve");
        std::fs::remove_dir_all(root.join("run")).unwrap();
        assert_eq!(start(services), "poppet serve", "nobody here starts services");
        std::fs::create_dir_all(root.join("run/openrc")).unwrap();
        assert_eq!(start(services), "poppet setup");
        std::fs::create_dir_all(root.join("etc/init.d/poppet")).unwrap();
        assert_eq!(start(services), "rc-service poppet start");
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn paths_are_quoted_for_the_shell_s_326() {
        for (word, wanted) in
            [("/a/b.pem", "/a/b.pem"), ("/a b", "'/a b'"), ("/a';rm", "'/a'\\'';rm'"), ("", "''")]
        {
            assert_eq!(shell_quoted(Path::new(word)), wanted);
        }
    }
}
