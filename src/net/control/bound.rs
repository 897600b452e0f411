//! A socket in the file system: made where no other stands, for whom its mode says, and taken away at the end.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::geteuid;
use smol::Async;

use super::place;
use crate::net::ServeError;

/// A bound socket that listens.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
    /// Device and inode, to tell our own socket from that of a successor.
    identity: (u64, u64),
    socket: Arc<Async<UnixListener>>,
}

impl Bound {
    /// Makes the socket at that path. What a dead server left is removed; errs if a server listens there, or if
    /// something else is in the place (S-325).
    pub fn bind(path: PathBuf, mode: Mode, backlog: i32) -> Result<Bound, ServeError> {
        let failed = |error: io::Error| {
            let remedy = remedy(&path);
            ServeError(format!("can't make the control socket {}: {error}; {remedy}", path.display()))
        };
        clear(&path)?;
        let socket = place::reach(&path, |short| listen(short, mode, backlog)).map_err(failed)?;
        let about = std::fs::symlink_metadata(&path).map_err(failed)?;
        let socket = Async::new_nonblocking(socket).map_err(failed)?;
        Ok(Bound { identity: (about.dev(), about.ino()), path, socket: Arc::new(socket) })
    }

    /// The socket, which outlives this only as long as somebody accepts.
    pub fn socket(&self) -> Arc<Async<UnixListener>> {
        Arc::clone(&self.socket)
    }

    /// Removes the socket, unless another one has taken its place.
    pub fn remove(self) {
        let about = std::fs::symlink_metadata(&self.path);
        if about.is_ok_and(|about| (about.dev(), about.ino()) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What helps where no socket can be made.
fn remedy(path: &Path) -> String {
    match place::closed_own_folder(path) {
        Some(folder) => {
            format!(
                "its folder is this user's, who may not write there: run chmod u+rwx {}",
                folder.display()
            )
        }
        None => "its folder must be this user's".into(),
    }
}

/// Frees the place, if it was a dead server's.
fn clear(path: &Path) -> Result<(), ServeError> {
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ServeError(format!("can't look at {}: {error}", path.display()))),
    };
    if !about.file_type().is_socket() || about.uid() != geteuid().as_raw() {
        return Err(ServeError(format!(
            "{} is in the place of the control socket and is not this server's; move it away",
            path.display()
        )));
    }
    if place::reach(path, |short| UnixStream::connect(short)).is_ok() {
        return Err(ServeError(format!(
            "another server runs on this database, for {} answers; stop it first",
            path.display()
        )));
    }
    std::fs::remove_file(path)
        .map_err(|error| ServeError(format!("can't remove the old {}: {error}", path.display())))
}

/// Nobody can connect between the making and the change of the mode: it listens only after that.
fn listen(path: &Path, mode: Mode, backlog: i32) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, mode)?;
    net::listen(&socket, backlog)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Of a folder of mode 0500 it said that it must be this user's, which it was.
    #[test]
    fn a_folder_of_ones_own_that_can_not_be_written_has_its_chmod() {
        let folder = std::env::temp_dir().join(format!("poppet-bound-{:016x}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        for (mode, wanted) in [
            (0o500, format!("run chmod u+rwx {}", folder.display())),
            (0o600, format!("run chmod u+rwx {}", folder.display())),
            (0o700, "its folder must be this user's".into()),
        ] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert!(remedy(&folder.join("control")).ends_with(&wanted), "{mode:o}");
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir(&folder).unwrap();
        assert_eq!(remedy(&folder.join("control")), "its folder must be this user's");
    }
}
