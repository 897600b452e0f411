//! The database's file: made under a temporary name, opened only if it is what it should be.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// What every redb file begins with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// Opens and locks an existing database file.
///
/// Errs with [`StoreError::NotFound`]; with [`StoreError::Refused`] if it is a link, has a second name, is no
/// regular file, or others can read it (S-300); with [`StoreError::InUse`]; with [`StoreError::Io`].
pub(super) fn open_locked(path: &Path) -> Result<File, StoreError> {
    let shown = path.display();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        // A FIFO must not make the opening wait.
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
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
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::InUse(format!("{shown} is in use by another process: stop it first")))
        }
        Err(TryLockError::Error(error)) => Err(io_error("lock", path, &error)),
    }
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
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &temporary, &error));
        }
        _ => {}
    }
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
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let sync = || -> io::Result<()> {
        File::open(temporary)?.sync_all()?;
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
            "there is no database at {shown}: make one with `poppet setup DOMAIN USER`, or name one with --db"
        )),
        io::ErrorKind::PermissionDenied => StoreError::Io(format!(
            "{shown} can't be opened: it belongs to another user; run poppet as that user or as root"
        )),
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
            StoreError::Refused(format!("{shown} is a folder: name the database inside it with --db"))
        }
        _ => io_error("open", path, error),
    }
}

fn foreign(path: &Path) -> StoreError {
    StoreError::Foreign(format!(
        "{} is no database of poppet: name another with --db, or restore a backup",
        path.display()
    ))
}
