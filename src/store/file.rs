//! The database's file: made under a temporary name, opened only if it is what it should be.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::StoreError;
use super::schema::SCHEMA;
use crate::limits;

/// What every redb file begins with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// A file that this process alone has open as a database. Its end gives the lock up also where a child of this process
/// that is being started at that moment has inherited the file: else who opens it next is told of another process.
#[derive(Debug)]
pub(super) struct LockedFile(File);

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // What can't be unlocked is closed.
        let _ = self.0.unlock();
    }
}

/// Opens and locks an existing database file.
///
/// Errs with [`StoreError::NotFound`]; with [`StoreError::Refused`] if it is a link, has a second name, is no
/// regular file, or others can read it (S-300); with [`StoreError::InUse`]; with [`StoreError::Io`].
pub(super) fn open_locked(path: &Path) -> Result<LockedFile, StoreError> {
    let shown = path.display();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        // A FIFO must not make the opening wait.
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .map_err(|error| open_error(path, &error))?;
    let facts = file.metadata().map_err(|error| io_error("look at", path, &error))?;
    if !facts.is_file() {
        return Err(StoreError::Refused(format!("{shown} is no regular file: name a database with --db")));
    }
    if facts.nlink() > 1 {
        return Err(StoreError::Refused(format!(
            "{shown} has a second name (hard link): remove one, so that nothing else writes to it"
        )));
    }
    if facts.mode() & 0o077 != 0 {
        return Err(StoreError::Refused(format!("{shown} can be read by others: run chmod 600 {shown}")));
    }
    match file.try_lock() {
        Ok(()) => Ok(LockedFile(file)),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::InUse(format!("{shown} is in use by another process: stop it first")))
        }
        Err(TryLockError::Error(error)) => Err(io_error("lock", path, &error)),
    }
}

/// Whether a process has it locked.
pub(super) fn is_locked(path: &Path) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let tried = opened.map(LockedFile).map(|file| file.try_lock_shared());
    matches!(tried, Ok(Err(TryLockError::WouldBlock)))
}

/// Errs with [`StoreError::Foreign`] unless the file begins as redb's do: redb itself takes an empty file
/// for a new database.
pub(super) fn check_magic(file: &File, path: &Path) -> Result<(), StoreError> {
    let mut magic = [0; MAGIC.len()];
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if magic == MAGIC => Ok(()),
        Ok(()) => Err(foreign(path)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(foreign(path)),
        Err(error) => Err(io_error("read", path, &error)),
    }
}

/// Makes an empty file under a temporary name beside `path`, for [`put_in_place`]. A temporary file that a
/// power cut left is thrown away (S-281).
pub(super) fn create_temporary(path: &Path) -> Result<PathBuf, StoreError> {
    if path.symlink_metadata().is_ok() {
        return Err(StoreError::Exists(format!("{} exists already", path.display())));
    }
    let temporary = with_ending(path, ".new");
    remove(&temporary).map_err(|error| io_error("remove", &temporary, &error))?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(|error| io_error("create", &temporary, &error))?;
    Ok(temporary)
}

/// Gives a finished temporary file its name, durably; never over another file.
pub(super) fn put_in_place(temporary: &Path, path: &Path) -> Result<(), StoreError> {
    let directory = folder_of(path);
    let sync = || -> io::Result<()> {
        // Nobody may have put a link or a FIFO in its place.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        OpenOptions::new().read(true).custom_flags(flags).open(temporary)?.sync_all()?;
        rename_to_new(temporary, path)?;
        File::open(directory)?.sync_all()
    };
    sync().map_err(|error| io_error("put in place", path, &error))
}

fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Old kernels and some file systems can't promise it; that `to` is free was seen a moment ago.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

/// Copies a closed database beside itself, as `poppet.redb.layout-1` for layout 1, locked meanwhile; says whether there
/// was room. On file systems that can, the copy takes none.
pub(super) fn keep_copy(path: &Path, layout: u32, free_octets: u64) -> Result<bool, StoreError> {
    let database = open_locked(path)?;
    let failed = |error: io::Error| io_error("copy", path, &error);
    let facts = database.metadata().map_err(failed)?;
    if facts.len().saturating_add(limits::FILE_OVERHEAD_OCTETS) > free_octets {
        return Ok(false);
    }
    let copy = copy_of(path, layout);
    let temporary = with_ending(&copy, ".new");
    let write = || -> io::Result<()> {
        remove(&temporary)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        // Between files of one file system the kernel shares their blocks, where it can.
        io::copy(&mut &*database, &mut file)?;
        if (facts.uid(), facts.gid()) != (file.metadata()?.uid(), file.metadata()?.gid()) {
            fchown(&file, Some(facts.uid()), Some(facts.gid()))?;
        }
        file.sync_all()?;
        std::fs::rename(&temporary, &copy)?;
        File::open(folder_of(path))?.sync_all()
    };
    write().map(|()| true).map_err(|error| {
        // If this fails too, the next copy throws it away.
        let _ = remove(&temporary);
        failed(error)
    })
}

/// Gives the copy of that layout the database's name; says whether there was one.
pub(super) fn put_copy_back(path: &Path, layout: u32) -> Result<bool, StoreError> {
    let copy = copy_of(path, layout);
    if !copy.is_file() {
        return Ok(false);
    }
    // Nobody may have either open.
    let (_database, opened) = (open_locked(path)?, open_locked(&copy)?);
    check_magic(&opened, &copy)?;
    let put = || -> io::Result<()> {
        std::fs::rename(&copy, path)?;
        File::open(folder_of(path))?.sync_all()
    };
    put().map(|()| true).map_err(|error| io_error("put back", path, &error))
}

/// Removes the copies of all older layouts, and what was to become one.
pub(super) fn drop_copies(path: &Path) -> Result<(), StoreError> {
    for copy in (1..SCHEMA).map(|layout| copy_of(path, layout)) {
        for copy in [with_ending(&copy, ".new"), copy] {
            remove(&copy).map_err(|error| io_error("remove the copy", &copy, &error))?;
        }
    }
    Ok(())
}

fn copy_of(path: &Path, layout: u32) -> PathBuf {
    with_ending(path, &format!(".layout-{layout}"))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes a file; that there is none is well.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// An error of the operating system, with the operation and the thing.
pub(super) fn io_error(operation: &str, path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        io::ErrorKind::AlreadyExists => StoreError::Exists(format!("{} exists already", path.display())),
        _ => StoreError::Io(format!("can't {operation} {}: {error}", path.display())),
    }
}

fn open_error(path: &Path, error: &io::Error) -> StoreError {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::NotFound(format!(
            "there is no database at {shown}: make one with \"poppet setup DOMAIN USER\", or name one with --db"
        )),
        io::ErrorKind::PermissionDenied => {
            StoreError::Io(format!("{shown} can't be opened: {}", denial(path)))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Io(format!("{shown} is on a read-only disk: make it writable (mount -o remount,rw)"))
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            StoreError::Refused(format!("{shown} is a symbolic link: name the file that it points to"))
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            StoreError::Refused(format!("{shown} is no regular file: name a database with --db"))
        }
        io::ErrorKind::IsADirectory => {
            let inside = path.join("poppet.redb");
            StoreError::Refused(format!(
                "{shown} is a folder: name a file inside it, as in --db {}",
                inside.display()
            ))
        }
        _ => io_error("open", path, error),
    }
}

/// Why this user may not read and write it, and what helps.
pub(super) fn denial(path: &Path) -> String {
    let user = rustix::process::geteuid().as_raw();
    let folder = folder_of(path);
    let of_folder = || folder.metadata().map(|facts| (facts.uid(), facts.mode() & 0o100));
    match path.symlink_metadata() {
        Ok(facts) if facts.uid() != user => {
            "it belongs to another user; run poppet as that user or as root".into()
        }
        Ok(facts) if facts.mode() & 0o600 != 0o600 => {
            format!("you may not read and write it, though it is yours: run chmod 600 {}", path.display())
        }
        Err(_) if of_folder().is_ok_and(|(uid, enter)| uid == user && enter == 0) => {
            format!("you may not enter its folder, though it is yours: run chmod 700 {}", folder.display())
        }
        Err(_) => "its folder is closed to this user; run poppet as the folder's owner or as root".into(),
        Ok(_) => "the system forbids it (an attribute, see lsattr, or a rule such as AppArmor's)".into(),
    }
}

fn foreign(path: &Path) -> StoreError {
    StoreError::Foreign(format!(
        "{} is no database of poppet: name another with --db, or restore a backup",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Folder;

    /// A test that made a database and opened it was told of another process: one that a test beside it was starting had
    /// inherited the file for a moment. A server that opens its database anew while it starts a helper would be told the
    /// same.
    #[test]
    fn who_has_inherited_a_closed_database_does_not_lock_it_s_299() {
        let folder = Folder::new();
        drop(folder.create());
        let locked = open_locked(&folder.database()).unwrap();
        let inherited = locked.try_clone().unwrap();
        assert!(is_locked(&folder.database()));
        assert!(matches!(open_locked(&folder.database()), Err(StoreError::InUse(_))));
        drop(locked);
        assert!(!is_locked(&folder.database()));
        drop(open_locked(&folder.database()).unwrap());
        drop(inherited);
    }
}
