//! The path of a socket, also where it is longer than a socket's address can be.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Octets of a path in a socket's address on Linux, with its final NUL.
const ADDRESS_OCTETS: usize = 108;

/// Does something with a path that is short enough for a socket's address: the path itself, or one that
/// leads there through the opened folder.
pub fn reach<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() < ADDRESS_OCTETS {
        return act(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

/// The folder of that path, if it is this user's and he may not write there, or not even enter.
pub(super) fn closed_own_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let facts = std::fs::metadata(folder).ok()?;
    let is_own = facts.uid() == rustix::process::geteuid().as_raw();
    (is_own && facts.mode() & 0o300 != 0o300).then_some(folder)
}
