//! Which doors are opened at the start, and which stay shut without harm to the others.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::listener::{self, Door};
use super::{ServeError, passed};
use crate::settings::ListenerKind;

/// The doors of a start.
#[derive(Debug)]
pub struct Doors {
    /// Those that are open.
    pub open: Vec<Door>,
    /// Those that may not be opened, each with why and what to do.
    pub shut: Vec<(ListenerKind, String)>,
}

/// Opens the wanted doors by `open_one`, through sockets that were passed where there are some; closes those that nobody
/// wants. Where a service manager opens the ports, one that this process may not open is left out with a warning, as long
/// as there is another: it is a setting that the manager does not know yet, and must not end all mail at the next start.
/// Errs with what to do.
pub fn open(
    wanted: &[(ListenerKind, SocketAddr)],
    mut passed: Vec<TcpListener>,
    has_tls: bool,
    is_managed: bool,
    mut open_one: impl FnMut(ListenerKind, SocketAddr, Option<TcpListener>) -> io::Result<Door>,
) -> Result<Doors, ServeError> {
    let mut doors = Doors { open: Vec::new(), shut: Vec::new() };
    for &(kind, at) in wanted {
        if kind.is_implicit_tls() && !has_tls
            || doors.open.iter().any(|door| door.kind == kind && door.is_for(at))
        {
            continue;
        }
        match open_one(kind, at, passed::take(&mut passed, at)) {
            Ok(door) => doors.open.push(door),
            Err(error) => {
                let text = listener::advice(kind, at, &error, is_managed);
                if !is_managed || error.kind() != io::ErrorKind::PermissionDenied {
                    return Err(ServeError(text));
                }
                doors.shut.push((kind, text));
            }
        }
    }
    if let ([], Some((_, text))) = (doors.open.as_slice(), doors.shut.first()) {
        return Err(ServeError(text.clone()));
    }
    doors.shut.iter().for_each(|(_, text)| log::warn!("{text}"));
    passed::close_rest(passed, wanted);
    Ok(doors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens any port instead of the one with that number, which may not be opened.
    fn but(
        denied: u16,
        kind: io::ErrorKind,
    ) -> impl FnMut(ListenerKind, SocketAddr, Option<TcpListener>) -> io::Result<Door> {
        move |of, at, passed| match at.port() == denied {
            true => Err(kind.into()),
            false => listener::open(of, "127.0.0.1:0".parse().unwrap(), passed),
        }
    }

    fn wanted(all: &[(ListenerKind, &str)]) -> Vec<(ListenerKind, SocketAddr)> {
        all.iter().map(|(kind, at)| (*kind, at.parse().unwrap())).collect()
    }

    /// After "poppet set pop3s" to another port below 1024 the next start, months later, took all mail down.
    #[test]
    fn one_door_that_may_not_be_opened_leaves_the_others_open_where_a_manager_opens_them() {
        let all = wanted(&[(ListenerKind::Pop3s, "127.0.0.1:996"), (ListenerKind::Smtp, "127.0.0.1:25")]);
        let denied = || but(996, io::ErrorKind::PermissionDenied);
        let doors = open(&all, Vec::new(), true, true, denied()).unwrap();
        assert_eq!(doors.open.iter().map(|door| door.kind).collect::<Vec<_>>(), [ListenerKind::Smtp]);
        let [(ListenerKind::Pop3s, why)] = doors.shut.as_slice() else { panic!("{:?}", doors.shut) };
        assert!(
            why.contains("127.0.0.1:996 (pop3s): permission denied; run \"poppet setup\" again"),
            "{why}"
        );
        let ServeError(alone) = open(&all[..1], Vec::new(), true, true, denied()).unwrap_err();
        assert_eq!(&alone, why, "nothing would be served");
    }

    #[test]
    fn what_an_administrator_sees_at_once_or_can_change_ends_the_start() {
        let all = wanted(&[(ListenerKind::Pop3s, "127.0.0.1:996"), (ListenerKind::Smtp, "127.0.0.1:25")]);
        for (kind, is_managed) in [
            (io::ErrorKind::PermissionDenied, false),
            (io::ErrorKind::AddrInUse, true),
            (io::ErrorKind::AddrInUse, false),
        ] {
            assert!(open(&all, Vec::new(), true, is_managed, but(996, kind)).is_err(), "{kind} {is_managed}");
        }
    }

    #[test]
    fn without_a_certificate_no_door_of_tls_is_opened() {
        let all = wanted(&[(ListenerKind::Pop3s, "127.0.0.1:996"), (ListenerKind::Smtp, "127.0.0.1:25")]);
        let doors = open(&all, Vec::new(), false, true, but(0, io::ErrorKind::Other)).unwrap();
        assert_eq!((doors.open.len(), doors.shut.len()), (1, 0));
    }
}
