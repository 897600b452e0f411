//! Listening sockets that somebody has opened before: the service manager, or this program as long as it was root.
//! sd_listen_fds(3).

use std::env;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::listener;
use super::{Plan, ServeError};
use crate::limits;
use crate::settings::{Listen, ListenerKind, Settings};
use crate::sys;

/// Takes the sockets over that the service manager has passed, as `LISTEN_PID` and `LISTEN_FDS` say; what is no
/// listening TCP socket is closed with a warning. Call it once, before anything else is opened and before there are
/// threads. Children have nothing of them: they are closed on execution, and the variables name this process.
pub fn from_service_manager() -> Vec<TcpListener> {
    let text = |name: &str| env::var(name).ok();
    let count = count(text("LISTEN_PID"), text("LISTEN_FDS"), std::process::id());
    let names = text("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = Vec::new();
    for socket in sys::inherited(FIRST, count) {
        let number = socket.as_raw_fd();
        match checked(socket) {
            Ok(socket) => passed.push(socket),
            Err(what) => log::warn!(
                "what the service manager has passed as {} {what}: take it out of the socket unit",
                shown(&names, number)
            ),
        }
    }
    passed
}

/// The listeners that are to be open by these settings, or by what overrides them.
pub fn wanted(
    settings: &Settings,
    overrides: &[(ListenerKind, Listen)],
) -> impl Iterator<Item = (ListenerKind, SocketAddr)> {
    ListenerKind::ALL.into_iter().flat_map(move |kind| {
        let over = overrides.iter().rfind(|(overridden, _)| *overridden == kind);
        let listen = over.map_or_else(|| settings.listen(kind), |(_, listen)| listen);
        listen.0.iter().map(move |address| (kind, *address)).collect::<Vec<_>>()
    })
}

/// Opens those of the wanted listeners that need a privilege, as long as this process has it, beside what is passed
/// already. Errs with what to do if an address can't be had for another reason than a missing privilege, which only
/// [`super::serve`] tells.
pub fn open_low(plan: &mut Plan, settings: &Settings) -> Result<(), ServeError> {
    for (kind, address) in wanted(settings, &plan.overrides) {
        if !(1..UNPRIVILEGED_PORT).contains(&address.port())
            || plan.passed.iter().any(|socket| is_for(socket, address))
        {
            continue;
        }
        match listener::bind_socket(address) {
            Ok(socket) => plan.passed.push(socket),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(ServeError(listener::advice(kind, address, &error, false))),
        }
    }
    Ok(())
}

/// The socket for that address, taken out of those; its very own before one of both families. None for port 0, which is
/// any.
pub fn take(passed: &mut Vec<TcpListener>, address: SocketAddr) -> Option<TcpListener> {
    let is_own = |socket: &TcpListener| socket.local_addr().is_ok_and(|local| is_same(local, address));
    let place = passed.iter().position(is_own);
    let place = place.or_else(|| passed.iter().position(|socket| is_for(socket, address)))?;
    (address.port() != 0).then(|| passed.swap_remove(place))
}

/// Whether what comes to that address comes to that socket: it is its own, or one of all addresses of both families.
pub fn is_for(socket: &TcpListener, address: SocketAddr) -> bool {
    let Ok(local) = socket.local_addr() else { return false };
    let is_of_both = || {
        local.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            && local.port() == address.port()
            && address.ip().is_unspecified()
            && !sockopt::ipv6_v6only(socket).unwrap_or(true)
    };
    address.port() != 0 && (is_same(local, address) || is_of_both())
}

/// Closes what no listener of the settings is for, and says so.
pub fn close_rest(passed: Vec<TcpListener>, wanted: &[(ListenerKind, SocketAddr)]) {
    for socket in passed {
        // What is only left out for want of a certificate has had its warning.
        if wanted.iter().any(|(_, address)| is_for(&socket, *address)) {
            continue;
        }
        if let Ok(address) = socket.local_addr() {
            log::warn!(
                "the service manager has passed {address}, where nothing is to listen: run \"poppet setup\" again, \
                 which tells it so, or name the address in a setting, as in \"poppet set pop3 {address}\""
            );
        }
    }
}

/// The flow label is no part of an address.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let scope = |address: SocketAddr| match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    };
    (one.ip(), one.port(), scope(one)) == (other.ip(), other.port(), scope(other))
}

/// How many descriptors are passed to this process.
fn count(receiver: Option<String>, count: Option<String>, own: u32) -> u16 {
    if receiver.and_then(|receiver| receiver.parse().ok()) != Some(own) {
        return 0;
    }
    count.and_then(|count| count.parse().ok()).unwrap_or(0).min(limits::PASSED_SOCKETS)
}

/// The socket as [`listener::bind_socket`] makes one; errs with what is wrong about it.
fn checked(socket: OwnedFd) -> Result<TcpListener, String> {
    let is_tcp = sockopt::socket_type(&socket) == Ok(SocketType::STREAM)
        && matches!(sockopt::socket_domain(&socket), Ok(AddressFamily::INET | AddressFamily::INET6));
    if !is_tcp {
        return Err("is no TCP socket".into());
    }
    if sockopt::socket_acceptconn(&socket) != Ok(true) {
        return Err("does not listen".into());
    }
    let prepare = || -> io::Result<()> {
        rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        // Accepted sockets inherit it.
        sockopt::set_tcp_nodelay(&socket, true)?;
        // The queue may have been made shorter.
        Ok(rustix::net::listen(&socket, limits::BACKLOG)?)
    };
    prepare().map_err(|error| format!("can't be used: {error}"))?;
    Ok(socket.into())
}

/// A descriptor, with its name if it has one.
fn shown(names: &str, number: RawFd) -> String {
    let place = usize::try_from(number - FIRST).unwrap_or(usize::MAX);
    match names.split(':').nth(place).filter(|name| !name.is_empty()) {
        Some(name) => format!("descriptor {number} ({})", name.escape_default()),
        None => format!("descriptor {number}"),
    }
}

/// What is passed begins behind standard input, output and error.
const FIRST: RawFd = 3;
/// Ports below are root's, unless the kernel is told otherwise.
const UNPRIVILEGED_PORT: u16 = 1024;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn listening(address: &str) -> TcpListener {
        TcpListener::bind(address).unwrap()
    }

    #[test]
    fn descriptors_are_taken_only_by_whom_they_are_for() {
        let text = |text: &str| Some(text.to_owned());
        for (receiver, given, wanted) in [
            (text("7"), text("2"), 2),
            (text("7"), text("64"), 64),
            (text("7"), text("65"), 64),
            (text("7"), None, 0),
            (text("7"), text("-1"), 0),
            (text("7"), text("65536"), 0),
            (text("8"), text("2"), 0),
            (text(""), text("2"), 0),
            (None, text("2"), 0),
            (None, None, 0),
        ] {
            assert_eq!(count(receiver.clone(), given.clone(), 7), wanted, "{receiver:?} {given:?}");
        }
    }

    #[test]
    fn only_listening_tcp_sockets_are_taken() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(checked(udp.into()).unwrap_err(), "is no TCP socket");
        let folder = crate::auth::tests::Folder::new();
        let unix = UnixListener::bind(folder.path().join("x")).unwrap();
        assert_eq!(checked(unix.into()).unwrap_err(), "is no TCP socket");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(checked(file.into()).unwrap_err(), "is no TCP socket");
        let mute = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        assert_eq!(checked(mute).unwrap_err(), "does not listen");
    }

    #[test]
    fn a_passed_socket_is_as_one_of_our_own() {
        let socket = listening("127.0.0.1:0");
        rustix::io::fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        let taken = checked(socket.into()).unwrap();
        assert!(rustix::io::fcntl_getfd(&taken).unwrap().contains(FdFlags::CLOEXEC));
        assert!(sockopt::tcp_nodelay(&taken).unwrap());
        assert_eq!(taken.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_socket_is_taken_once_and_for_its_very_address() {
        let socket = listening("127.0.0.1:0");
        let own = socket.local_addr().unwrap();
        let mut passed = vec![socket];
        for other in ["127.0.0.1:0", "0.0.0.0:0", &format!("0.0.0.0:{}", own.port()), "[::1]:110"] {
            assert!(take(&mut passed, other.parse().unwrap()).is_none(), "{other}");
        }
        assert_eq!(take(&mut passed, own).unwrap().local_addr().unwrap(), own);
        assert!(take(&mut passed, own).is_none());
    }

    #[test]
    fn a_socket_of_both_families_is_for_all_addresses_of_either() {
        let make = |is_one_family: bool| -> io::Result<TcpListener> {
            let socket = rustix::net::socket(AddressFamily::INET6, SocketType::STREAM, None)?;
            sockopt::set_ipv6_v6only(&socket, is_one_family)?;
            rustix::net::bind(&socket, &"[::]:0".parse::<SocketAddr>().unwrap())?;
            rustix::net::listen(&socket, 1)?;
            Ok(socket.into())
        };
        let (Ok(both), Ok(six)) = (make(false), make(true)) else {
            return eprintln!("this machine has no IPv6");
        };
        let four = |socket: &TcpListener, ip: &str| {
            SocketAddr::new(ip.parse().unwrap(), socket.local_addr().unwrap().port())
        };
        assert!(is_for(&both, four(&both, "0.0.0.0")) && is_for(&both, four(&both, "::")));
        assert!(!is_for(&both, four(&both, "127.0.0.1")) && !is_for(&both, "0.0.0.0:0".parse().unwrap()));
        assert!(is_for(&six, four(&six, "::")) && !is_for(&six, four(&six, "0.0.0.0")));
        let (at, mut passed) = (four(&both, "0.0.0.0"), vec![six, both]);
        assert!(take(&mut passed, at).is_some() && take(&mut passed, at).is_none());
    }

    #[test]
    fn descriptors_are_told_by_their_names_too() {
        assert_eq!(shown("poppet:other", 4), "descriptor 4 (other)");
        assert_eq!(shown("poppet:\u{1b}[2J", 4), "descriptor 4 (\\u{1b}[2J)");
        for names in ["", "poppet", "poppet:"] {
            assert_eq!(shown(names, 4), "descriptor 4");
        }
    }
}
