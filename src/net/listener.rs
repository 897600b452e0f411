//! The doors: bound with a long backlog, each connection judged and given its own task.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use smol::future::FutureExt;
use smol::{Async, Executor};

use super::alarm;
use super::fold::Topic;
use super::peers::{self, Crowded, Most};
use super::server::Server;
use super::task::{self, Work};
use super::{passed, session};
use crate::clock::Clock;
use crate::limits;
use crate::settings::ListenerKind;

/// A bound door.
#[derive(Debug)]
pub struct Door {
    /// What is spoken there.
    pub kind: ListenerKind,
    /// Where it is; the real port where 0 was asked for.
    pub address: SocketAddr,
    socket: Async<TcpListener>,
}

impl Door {
    /// Whether what comes to that address comes here.
    pub fn is_for(&self, address: SocketAddr) -> bool {
        passed::is_for(self.socket.get_ref(), address)
    }
}

/// Makes a door of the socket that was passed for it, or binds one. [`advice`] says what to do about an error.
pub fn open(kind: ListenerKind, address: SocketAddr, passed: Option<TcpListener>) -> io::Result<Door> {
    let socket = passed.map_or_else(|| bind_socket(address), Ok)?;
    let address = socket.local_addr()?;
    Ok(Door { kind, address, socket: Async::new_nonblocking(socket)? })
}

/// Accepts for ever; sessions run as tasks of `executor` (S-269, S-270).
pub async fn accept(door: Door, server: Arc<Server>, executor: Arc<Executor<'static>>) {
    let next = || door.socket.read_with(accept_socket);
    let take = |socket, peer| admit(&door, &server, &executor, socket, peer);
    let cry = |error: &io::Error| {
        let line = format_args!("{}: no connection can be taken: {error}", door.kind.name());
        server.fold.warn(Topic::Accept, server.clock.monotonic(), line);
    };
    take_all(next, take, cry, &server.clock).await;
}

/// Takes what comes for ever, whatever fails: it neither ends, nor tries again at once where that would be in vain.
async fn take_all<T, Next: Future<Output = io::Result<(T, SocketAddr)>>>(
    next: impl Fn() -> Next,
    take: impl Fn(T, SocketAddr),
    cry: impl Fn(&io::Error),
    clock: &Clock,
) {
    loop {
        match next().await {
            Ok((socket, peer)) => take(socket, peer),
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => {
                cry(&error);
                alarm::rest(clock, limits::ACCEPT_REST).await;
            }
        }
        smol::future::yield_now().await;
    }
}

/// Whether one peer was lost before it was his turn: the queue is one shorter then, so that trying again at once can't
/// spin. Linux tells errors of his network in this way too.
fn is_of_one_peer(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|error| {
        [
            Errno::CONNABORTED,
            Errno::PROTO,
            Errno::PERM,
            Errno::NETDOWN,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::NETUNREACH,
            Errno::INTR,
        ]
        .contains(&error)
    })
}

/// A socket that listens there and does not block.
pub fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can both be had.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    net::bind(&socket, &address)?;
    net::listen(&socket, limits::BACKLOG)?;
    // Accepted sockets inherit it.
    sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket.into())
}

/// Why nothing can listen there, and what to do about it.
pub fn advice(kind: ListenerKind, address: SocketAddr, error: &io::Error, is_managed: bool) -> String {
    let name = kind.name();
    let cause = match error.kind() {
        io::ErrorKind::PermissionDenied if is_managed => {
            "permission denied; run \"poppet setup\" again, which has the service manager open it, or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; run as root, give the binary CAP_NET_BIND_SERVICE, or choose another port"
        }
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it (\"ss -ltnp\" names it), or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; choose one of its own",
        _ => &format!("{error}; choose another address"),
    };
    format!("can't listen on {address} ({name}): {cause} with \"poppet set {name} ADDR\" or --{name}")
}

/// The socket comes non-blocking, which saves two system calls.
fn accept_socket(listener: &TcpListener) -> io::Result<(OwnedFd, SocketAddr)> {
    let (socket, peer) = net::acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    Ok((socket, peer.ok_or(Errno::CONNABORTED)?))
}

fn admit(door: &Door, server: &Arc<Server>, executor: &Executor<'static>, socket: OwnedFd, peer: SocketAddr) {
    let (name, peer, now) = (door.kind.name(), peer.ip().to_canonical(), server.clock.monotonic());
    let settings = server.store.settings();
    if !peers::is_welcome(settings.peers, peer) {
        let line = format_args!(
            "{name} {peer}: refused, no local address; \"poppet set peers all\" lets every address in"
        );
        return server.fold.warn(Topic::Stranger, now, line);
    }
    let most = Most {
        all: settings.connections.min(server.most_connections),
        each: settings.connections_per_address,
    };
    let place = match server.admission.enter(peer, server.knows(peer, now), most) {
        Ok(place) => place,
        Err(crowded) => {
            refuse(door.kind, socket);
            let (what, key) = match crowded {
                Crowded::InAll => ("there are too many connections", "connections"),
                Crowded::ForAddress => ("it has too many connections", "connections_per_address"),
            };
            let line = format_args!("{name} {peer}: refused, {what}; \"poppet get {key}\" shows the limit");
            return server.fold.warn(Topic::Crowd, now, line);
        }
    };
    let Some(seat) = server.sessions.add(door.kind, peer, now) else { return };
    let Ok(socket) = Async::new_nonblocking(TcpStream::from(socket)) else { return };
    let session = session::serve(Arc::clone(server), door.kind, socket, peer, place, seat);
    // Boxed, because a future that is handed on would have its place twice in the one that takes it.
    task::begin(executor, guarded(Arc::clone(server), Box::pin(session))).detach();
}

/// A bug in one session must not take the others along.
pub async fn guarded(server: Arc<Server>, session: Work) {
    if AssertUnwindSafe(session).catch_unwind().await.is_err() {
        let count = server.broken_off.fetch_add(1, Ordering::Relaxed) + 1;
        let line = format_args!(
            "a session broke off by a bug in poppet, {count} since the start; please report the lines above"
        );
        server.fold.write(Topic::Bug, log::Level::Error, server.clock.monotonic(), line);
    }
}

/// One cheap write into an empty buffer; inside TLS nothing can be said. RFC 5321 §3.1, RFC 3206 §4.
fn refuse(kind: ListenerKind, socket: OwnedFd) {
    let reply: &[u8] = match kind {
        ListenerKind::Pop3 => b"-ERR [SYS/TEMP] too many connections, come again later\r\n",
        ListenerKind::Smtp | ListenerKind::Submission => {
            b"421 4.7.0 too many connections, come again later\r\n"
        }
        ListenerKind::Pop3s | ListenerKind::Submissions => return,
    };
    let _ = net::send(&socket, reply, net::SendFlags::NOSIGNAL | net::SendFlags::DONTWAIT);
    let _ = net::shutdown(&socket, net::Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::net::ServeError;

    fn bind(kind: ListenerKind, address: SocketAddr) -> Result<Door, ServeError> {
        open(kind, address, None).map_err(|error| ServeError(advice(kind, address, &error, false)))
    }

    /// Whatever accept says, the loop goes on: at once where one peer was lost, else after a rest.
    #[test]
    fn no_error_of_accept_ends_the_loop_and_none_lets_it_spin_s_269_s_270() {
        let rest = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::INVAL];
        let go_on = [Errno::CONNABORTED, Errno::PROTO, Errno::PERM, Errno::INTR, Errno::NETUNREACH];
        for (error, rests) in
            rest.map(|error| (error, true)).into_iter().chain(go_on.map(|error| (error, false)))
        {
            let (clock, tries, cries) = (Clock::movable(), Cell::new(0), Cell::new(0));
            let taken = RefCell::new(Vec::new());
            let next = || {
                tries.set(tries.get() + 1);
                let number = tries.get();
                async move {
                    match number {
                        1 | 2 => Err(error.into()),
                        3 => Ok(("a socket", SocketAddr::from(([127, 0, 0, 1], 1)))),
                        _ => std::future::pending().await,
                    }
                }
            };
            let take = |socket, _| taken.borrow_mut().push(socket);
            let loops = take_all(next, take, |_| cries.set(cries.get() + 1), &clock);
            smol::block_on(async {
                let mut loops = std::pin::pin!(loops);
                let mut turn = async || {
                    for _ in 0..20 {
                        assert!(smol::future::poll_once(&mut loops).await.is_none(), "it never ends");
                    }
                };
                turn().await;
                if rests {
                    for cried in [1, 2] {
                        assert_eq!((tries.get(), cries.get()), (cried, cried), "{error}: it rests");
                        clock.put_forward(limits::ACCEPT_REST);
                        // The alarm looks at its clock in real time.
                        while tries.get() == cried {
                            turn().await;
                        }
                    }
                    turn().await;
                }
            });
            assert_eq!((tries.get(), cries.get()), (4, if rests { 2 } else { 0 }), "{error}");
            assert_eq!(*taken.borrow(), ["a socket"], "{error}");
        }
    }

    #[test]
    fn a_taken_port_is_named_with_what_to_do() {
        let address = "127.0.0.1:0".parse().unwrap();
        let door = bind(ListenerKind::Pop3, address).unwrap();
        assert_ne!(door.address.port(), 0);
        let ServeError(text) = bind(ListenerKind::Smtp, door.address).unwrap_err();
        assert_eq!(
            text,
            format!(
                "can't listen on {} (smtp): another program listens there; stop it (\"ss -ltnp\" names it), \
                 or choose another port with \"poppet set smtp ADDR\" or --smtp",
                door.address
            )
        );
    }

    #[test]
    fn a_missing_permission_is_named_with_what_to_do() {
        let text = |is_managed| {
            let (address, error) = ("0.0.0.0:110".parse().unwrap(), io::ErrorKind::PermissionDenied.into());
            advice(ListenerKind::Pop3, address, &error, is_managed)
        };
        assert_eq!(
            text(false),
            "can't listen on 0.0.0.0:110 (pop3): permission denied; run as root, give the binary \
             CAP_NET_BIND_SERVICE, or choose another port with \"poppet set pop3 ADDR\" or --pop3"
        );
        assert_eq!(
            text(true),
            "can't listen on 0.0.0.0:110 (pop3): permission denied; run \"poppet setup\" again, which has the service \
             manager open it, or choose another port with \"poppet set pop3 ADDR\" or --pop3"
        );
    }

    #[test]
    fn a_passed_socket_becomes_the_door_and_nothing_is_bound() {
        let socket = bind_socket("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let door = open(ListenerKind::Pop3, address, Some(socket)).unwrap();
        assert_eq!(door.address, address);
        let client = TcpStream::connect(address).unwrap();
        let (_, peer) = smol::block_on(door.socket.read_with(accept_socket)).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }

    #[test]
    fn accepted_connections_hold_no_small_reply_back() {
        let door = bind(ListenerKind::Pop3, "127.0.0.1:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(door.address).unwrap();
        let (socket, peer) = smol::block_on(door.socket.read_with(accept_socket)).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
    }

    #[test]
    fn both_families_can_have_the_same_port() {
        if bind(ListenerKind::Pop3, "[::]:0".parse().unwrap()).is_err() {
            return eprintln!("this machine has no IPv6");
        }
        // Somebody else may have the other family's port.
        let has_both = (0..20).any(|_| {
            let six = bind(ListenerKind::Pop3, "[::]:0".parse().unwrap()).unwrap();
            let four = SocketAddr::new("0.0.0.0".parse().unwrap(), six.address.port());
            bind(ListenerKind::Pop3, four).is_ok()
        });
        assert!(has_both);
    }
}
