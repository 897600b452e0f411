//! Where the database is when nobody names it.

use std::path::{Path, PathBuf};

use crate::admin::AdminError;

/// The database: as named, else by `POPPET_DB`, else the service's for root, else in the user's data folder.
pub(super) fn database(named: Option<&Path>) -> Result<PathBuf, AdminError> {
    choose(named, variable("POPPET_DB"), is_root(), variable("XDG_DATA_HOME"), variable("HOME"))
}

/// The database that somebody named, by an option or by `POPPET_DB`.
pub(super) fn named_database(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_owned).or_else(|| variable("POPPET_DB"))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether this process may have the standard ports and the service's folder.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
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
}
