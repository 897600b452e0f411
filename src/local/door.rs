//! The helper's listening socket: given by whoever started it, or made here; and who may ask at it.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::{Gid, Mode};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use rustix::process::geteuid;

use super::Files;
use crate::limits;

/// Who may ask: root, the helper's own user, and this group's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience {
    /// The socket's group; none if only its owner may connect.
    pub group: Option<u32>,
}

/// The listening socket that stands as standard input, as systemd's `StandardInput=socket` and inetd give it; with
/// whom its file lets in. None if standard input is no such thing.
pub fn given() -> Option<(UnixListener, Audience)> {
    let input = io::stdin();
    let is_listening = sockopt::socket_acceptconn(input.as_fd()).unwrap_or(false);
    if !is_listening || sockopt::socket_domain(input.as_fd()).ok()? != AddressFamily::UNIX {
        return None;
    }
    let listener = UnixListener::from(input.as_fd().try_clone_to_owned().ok()?);
    let about = std::fs::metadata(listener.local_addr().ok()?.as_pathname()?).ok();
    let group =
        about.filter(|about| about.mode() & 0o060 == 0o060 && about.gid() != 0).map(|about| about.gid());
    Some((listener, Audience { group }))
}

/// Makes the socket, for root, and for that group if one is given. What a dead helper left is removed; errs with what
/// is wrong and what to do if one listens there, if something else is in the place, or if it can't be made (S-325).
pub fn make(path: &Path, group: Option<u32>) -> Result<(UnixListener, Audience), String> {
    if path.as_os_str().len() > limits::SOCKET_PATH_OCTETS {
        return Err(format!("the path {} is too long for a socket: take a shorter one", path.display()));
    }
    clear(path)?;
    let listener = bind(path, group).map_err(|error| {
        format!("can't make the socket {}: {error}; its folder must be there and this user's", path.display())
    })?;
    Ok((listener, Audience { group }))
}

impl Audience {
    /// Whether whoever connected may ask; else his uid. It is as it was when he connected.
    pub fn admits(self, peer: &UnixStream, files: impl FnOnce() -> Option<Files>) -> Result<(), u32> {
        let peer = sockopt::socket_peercred(peer).map_err(|_| u32::MAX)?;
        let uid = peer.uid.as_raw();
        let is_member = |group: u32| {
            peer.gid.as_raw() == group || files().is_some_and(|files| files.is_in_group(uid, group))
        };
        if peer.uid.is_root() || peer.uid == geteuid() || self.group.is_some_and(is_member) {
            Ok(())
        } else {
            Err(uid)
        }
    }
}

/// Frees the place, if it was a dead helper's.
fn clear(path: &Path) -> Result<(), String> {
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("can't look at {}: {error}; run this as root", path.display())),
    };
    if !about.file_type().is_socket() || about.uid() != geteuid().as_raw() {
        return Err(format!(
            "{} is no socket of this user: move it away, or name another place",
            path.display()
        ));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(format!("at {} one answers already: stop that one first", path.display()));
    }
    std::fs::remove_file(path).map_err(|error| {
        format!("can't remove the old {}: {error}; its folder must be this user's", path.display())
    })
}

/// Nobody can connect between the making and the change of the mode: it listens only after that.
fn bind(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let mode = match group {
        Some(group) => {
            rustix::fs::chown(path, None, Some(Gid::from_raw(group)))?;
            Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP
        }
        None => Mode::RUSR | Mode::WUSR,
    };
    rustix::fs::chmod(path, mode)?;
    net::listen(&socket, i32::try_from(limits::LOCAL_CONNECTIONS).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}
