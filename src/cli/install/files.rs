//! Files put in place whole or not at all, and given to the service's user.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A finished file under a temporary name.
pub(super) struct Ready {
    /// Where it is.
    pub temporary: PathBuf,
    path: PathBuf,
}

impl Ready {
    /// Writes a file durably under a temporary name; what a killed attempt left there is thrown away.
    pub fn write(path: &Path, octets: &[u8], mode: u32) -> io::Result<Ready> {
        let folder = folder_of(path);
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let temporary = temporary_of(path);
        remove(&temporary)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let ready = Ready { temporary, path: path.to_owned() };
        let written = file
            .write_all(octets)
            // The mode at the creation is cut by the umask.
            .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
            .and_then(|()| file.sync_all());
        match written {
            Ok(()) => Ok(ready),
            Err(error) => {
                ready.discard();
                Err(error)
            }
        }
    }

    /// Gives it its name, durably.
    pub fn put(self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        sync_folder(&self.path)
    }

    /// Removes it. If that fails, the next attempt does.
    pub fn discard(self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Puts a file in place, durably.
pub(super) fn put(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    Ready::write(path, octets, mode)?.put()
}

/// Puts a file for everybody in place, in a folder that everybody may enter if it is made for it.
pub(in crate::cli) fn put_public(path: &Path, octets: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    put(path, octets, 0o644)
}

/// Removes a file durably; says whether there was one.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a killed attempt may have left of a file.
pub(super) fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!(".{name}.new"))
}

/// Makes the database's folder, for its owner alone.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether a file is one of a database's, by its name: `poppet.redb` has `poppet.key` and `poppet-authority.pem` beside it.
pub(super) fn is_of(database: &Path, file: &OsStr) -> bool {
    let stem = database.file_stem().unwrap_or_default().as_encoded_bytes();
    let rest = file.as_encoded_bytes().strip_prefix(stem);
    rest.is_some_and(|rest| rest.starts_with(b".") || rest.starts_with(b"-"))
}

/// Gives a database's folder, and its files in there, to a user. Links are not followed, and a file with a second name elsewhere is left
/// alone: whoever may write in there must not be given files of others.
pub(super) fn own(database: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let folder = database.parent().unwrap_or(Path::new("/"));
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits() as i32;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    if !opened.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !is_of(database, &entry.file_name()) {
            continue;
        }
        let path = entry.path();
        // A socket can't be opened, and is no use to another user's server.
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&path) else { continue };
        let facts = file.metadata()?;
        if facts.is_file() && facts.nlink() == 1 && (facts.uid(), facts.gid()) != (uid, gid) {
            fchown(&file, Some(uid), Some(gid))?;
        }
    }
    // Last: until all is done, a look from outside sees that something is left.
    opened.set_permissions(fs::Permissions::from_mode(0o700))?;
    fchown(&opened, Some(uid), Some(gid))
}

/// Removes the sockets of a database that a dead server of another user has left, which the next one may not: it
/// refuses what is not its own. Nobody may be serving the database.
pub(super) fn remove_dead_sockets(database: &Path, user: u32) -> io::Result<()> {
    for entry in fs::read_dir(database.parent().unwrap_or(Path::new("/")))? {
        let entry = entry?;
        let facts = fs::symlink_metadata(entry.path())?;
        if is_of(database, &entry.file_name()) && facts.file_type().is_socket() && facts.uid() != user {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// A database may be named without one.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::cli::install::tests::Root;

    #[test]
    fn a_file_is_put_whole_over_the_one_before_and_what_was_left() {
        let root = Root::bare();
        let path = root.path().join("a/b/unit");
        put(&path, b"one", 0o755).unwrap();
        fs::write(temporary_of(&path), "half").unwrap();
        put(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(remove(&path).unwrap() && !remove(&path).unwrap());
    }

    #[test]
    fn a_file_without_a_folder_is_in_this_one() {
        for (path, folder) in [("authority.pem", "."), ("a/b", "a"), ("/b", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
    }

    #[test]
    fn what_was_not_put_leaves_the_one_before() {
        let root = Root::bare();
        let path = root.path().join("unit");
        put(&path, b"one", 0o644).unwrap();
        Ready::write(&path, b"two", 0o644).unwrap().discard();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_files_of_the_folder_itself_change_hands_s_300() {
        let root = Root::bare();
        let folder = root.path().join("poppet");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        let names =
            ["poppet/poppet.redb", "poppet/poppet-authority.pem", "poppet/notes", "elsewhere", "linked"];
        for name in names {
            root.write(name, "x");
        }
        symlink(root.path().join("elsewhere"), folder.join("poppet.link")).unwrap();
        fs::hard_link(root.path().join("linked"), folder.join("poppet.second")).unwrap();
        let facts = fs::metadata(&folder).unwrap();
        let before = (facts.uid(), facts.gid());
        let wanted = if before.0 == 0 { (4711, 4712) } else { before };
        own(&folder.join("poppet.redb"), wanted).unwrap();
        let owner = |name: &str| {
            let facts = fs::symlink_metadata(root.path().join(name)).unwrap();
            (facts.uid(), facts.gid())
        };
        assert_eq!((owner("poppet"), owner("poppet/poppet.redb")), (wanted, wanted));
        assert_eq!(owner("poppet/poppet-authority.pem"), wanted);
        for name in ["elsewhere", "linked", "poppet/poppet.link", "poppet/notes"] {
            assert_eq!(owner(name), before, "{name}");
        }
        for place in ["poppet/poppet.link", "none", "elsewhere"] {
            assert!(
                own(&root.path().join(place).join("poppet.redb"), wanted).is_err(),
                "{place} is no folder"
            );
        }
    }

    /// The service could not start beside the socket of a server of root's that was killed, and setup gave away all but
    /// that: no attempt ever came up, and an upgrade could not be taken back.
    #[test]
    fn sockets_that_another_user_s_dead_server_has_left_are_removed() {
        let root = Root::bare();
        let folder = root.path().join("poppet");
        make_folder(&folder).unwrap();
        for name in ["poppet.sock", "poppet.own.sock", "other.sock"] {
            UnixListener::bind(folder.join(name)).unwrap();
        }
        root.write("poppet/poppet.redb", "x");
        let own = fs::metadata(&folder).unwrap().uid();
        let database = folder.join("poppet.redb");
        let left = |user| {
            remove_dead_sockets(&database, user).unwrap();
            fs::read_dir(&folder).unwrap().count()
        };
        // A server removes what it has left itself.
        assert_eq!(left(own), 4);
        assert_eq!(left(own + 1), 2, "neither another's socket nor the database");
        assert!(database.is_file() && folder.join("other.sock").symlink_metadata().is_ok());
        assert!(remove_dead_sockets(Path::new("/none/poppet.redb"), own).is_err());
    }
}
