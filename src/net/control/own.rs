//! The client of the public socket: where it may be, and one wish said to it.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::frame::Speech;
use super::{converse, place, unreachable};
use crate::admin::AdminError;
use crate::admin::own::OwnPassword;
use crate::limits;
use crate::mail::Address;

/// The service's database.
pub(super) const SERVICE_DATABASE: &str = "/var/lib/poppet/poppet.redb";
/// Where the service's sockets for others are.
pub(super) const SERVICE_FOLDER: &str = "/run/poppet";

/// Asks the running server to change a user's own password; gives whose it was. `named` is the database that was named,
/// `usual` the one that this user has else. Errs with [`crate::admin::Failure::Unreachable`] if no server answers this
/// user. Blocks.
pub fn change_own(
    named: Option<&Path>,
    usual: Option<&Path>,
    wish: &OwnPassword,
) -> Result<Address, AdminError> {
    let places = places(named, usual, runtime_folder());
    for path in &places {
        match place::reach(path, |short| UnixStream::connect(short)) {
            Ok(socket) => return converse(Speech::Own, socket, wish, limits::CONTROL_ANSWER),
            Err(error) if is_nobody(error.kind()) => {}
            Err(error) => {
                let path = path.display();
                return Err(unreachable(format!(
                    "the server can't be reached at {path}: {error}; ask the administrator whether it runs"
                )));
            }
        }
    }
    let tried = places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
    Err(unreachable(format!("no server answers at {tried}: ask the administrator whether it runs")))
}

/// Beside a database.
pub(super) fn beside(database: &Path) -> PathBuf {
    database.with_extension("own.sock")
}

/// The first folder that a service manager made for sockets, if it names one by its whole path.
pub(super) fn runtime_folder() -> Option<PathBuf> {
    let folders = std::env::var_os("RUNTIME_DIRECTORY")?;
    std::env::split_paths(&folders).next().filter(|folder| folder.is_absolute())
}

/// Who names a database means its server before any other.
fn places(named: Option<&Path>, usual: Option<&Path>, runtime: Option<PathBuf>) -> Vec<PathBuf> {
    let runtime = runtime.map(|folder| folder.join("own.sock"));
    let service = Path::new(SERVICE_FOLDER).join("own.sock");
    let mut places = Vec::new();
    for place in [named.map(beside), runtime, Some(service), usual.map(beside)].into_iter().flatten() {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// What an absent server looks like, also from outside of its closed folder.
fn is_nobody(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
    matches!(kind, NotFound | ConnectionRefused | PermissionDenied | NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_database_comes_first_and_the_usual_one_last() {
        let path = Path::new;
        let places = |named, usual, runtime: Option<&str>| {
            places(named, usual, runtime.map(PathBuf::from))
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(places(None, None, None), "/run/poppet/own.sock");
        assert_eq!(
            places(Some(path("/a/b.redb")), Some(path("/h/poppet.redb")), Some("/run/other")),
            "/a/b.own.sock /run/other/own.sock /run/poppet/own.sock /h/poppet.own.sock"
        );
        assert_eq!(places(None, None, Some("/run/poppet")), "/run/poppet/own.sock");
    }
}
