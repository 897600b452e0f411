//! A running server whose clock a test moves, and peers from any address of this machine.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use rustix::net::{AddressFamily, SocketType};

use super::super::server::{Running, Server};
use super::super::*;
use crate::admin::Asker;
use crate::auth::tests::Folder;
use crate::auth::{DeviceKey, Gatekeeper};
use crate::mail::{Address, Secret};
use crate::store::{Medium, Options, Store, StoreError};
use crate::{cert, ticket};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The address of programs that did not choose one, which is known.
pub const OWN: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A running server with alice@home.lan; its clock is moved by the test.
pub struct Trial<'a> {
    running: &'a Running,
    clock: Clock,
}

/// A connection to it.
pub struct Peer {
    socket: TcpStream,
    port: u16,
}

/// A stranger's address; each number has another one.
pub fn stranger(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 9, 9, number)
}

/// Serves with these settings while `act` goes on.
pub fn serving(settings: &[(&str, &str)], act: impl FnOnce(&Trial)) {
    serving_on(Arc::new(Hanging::default()), settings, act);
}

/// The same on that disk.
pub fn serving_on(disk: Arc<dyn Medium>, settings: &[(&str, &str)], act: impl FnOnce(&Trial)) {
    let (folder, clock) = (Folder::new(), Clock::movable());
    let store = Store::create_on(disk, &Options::default(), clock.clone()).unwrap();
    let usual = [("argon2_kib", "7168"), ("argon2_passes", "1"), ("plaintext", "always")];
    for (key, value) in usual.iter().chain(settings) {
        store.set_setting(key, Some(value)).wait().unwrap();
    }
    let gatekeeper = Gatekeeper::new(store.clone(), DeviceKey::create(&folder.database()).unwrap()).unwrap();
    let alice: Address = "alice@home.lan".parse().unwrap();
    let mark = gatekeeper.fresh_mark();
    let password = gatekeeper.seal_password(&alice, mark, &Secret::new("wonderland")).unwrap();
    store.add_domain(alice.domain()).wait().unwrap();
    store.add_mailbox(alice, mark, password).wait().unwrap();
    let names = ["mail.home.lan".to_owned()];
    ticket::block_on(cert::ensure(&store, &gatekeeper, "home.lan", &names, &[], clock.now())).unwrap();

    let listen = Listen(vec!["127.0.0.1:0".parse().unwrap()]);
    let overrides = ListenerKind::ALL.into_iter().map(|kind| (kind, listen.clone())).collect();
    let plan = Plan { database: folder.database(), overrides, ..Plan::default() };
    let running = Running::start(
        Context { store, gatekeeper, live: None, asker: Asker::default() },
        clock.clone(),
        plan,
    )
    .unwrap();
    super::while_serving(running, |running| act(&Trial { running, clock }));
}

impl Trial<'_> {
    /// The server itself.
    pub fn server(&self) -> &Arc<Server> {
        self.running.server()
    }

    /// Connects from that address.
    pub fn connect(&self, kind: ListenerKind, from: Ipv4Addr) -> Peer {
        let (_, address) = *self.running.bound().iter().find(|(bound, _)| *bound == kind).unwrap();
        let SocketAddr::V4(address) = address else { panic!("{address}") };
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrV4::new(from, 0)).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Peer { port: socket.local_addr().unwrap().port(), socket }
    }

    /// The same, and reads the greeting.
    pub fn greeted(&self, kind: ListenerKind, from: Ipv4Addr) -> Peer {
        let mut peer = self.connect(kind, from);
        let line = peer.line();
        assert!(line.starts_with("220 ") || line.starts_with("+OK"), "{line:?}");
        peer
    }

    /// Puts the clock forward.
    pub fn pass(&self, seconds: u64) {
        self.clock.put_forward(Duration::from_secs(seconds));
    }

    /// Sends octets, and waits until the server has read them: its session stands then.
    pub fn send_seen(&self, peer: &mut Peer, octets: &[u8]) {
        let before = self.octets_in();
        peer.socket.write_all(octets).unwrap();
        self.until(&format!("the octets of port {} are read", peer.port), || {
            self.octets_in() >= before + octets.len() as u64
        });
    }

    /// Octets that the sessions that stand have read.
    pub fn octets_in(&self) -> u64 {
        self.server().sessions.show(self.clock.monotonic()).iter().map(|row| row.octets_in).sum()
    }

    /// Waits for what other threads do.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "not within a minute: {what}");
            thread::yield_now();
        }
    }
}

impl Peer {
    /// Sends each line and reads the one that must follow it.
    pub fn dialog(&mut self, turns: &[(&str, &str)]) {
        for (line, beginning) in turns {
            self.socket.write_all(line.as_bytes()).unwrap();
            let reply = self.line();
            assert!(reply.starts_with(beginning), "{line:?}: {reply:?}");
        }
    }

    /// The next line; empty at the end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut octet = [0];
        while !line.ends_with(b"\n") && self.read(&mut octet) == 1 {
            line.push(octet[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// All that comes until the end.
    pub fn rest(&mut self) -> String {
        let (mut rest, mut octet) = (Vec::new(), [0; 256]);
        loop {
            match self.read(&mut octet) {
                0 => return String::from_utf8_lossy(&rest).into_owned(),
                octets => rest.extend_from_slice(&octet[..octets]),
            }
        }
    }

    /// Sends one octet, and waits until the server has read it or has hung up.
    pub fn trickle(&mut self, trial: &Trial) {
        let (before, begun) = (trial.octets_in(), Instant::now());
        let _ = self.socket.write_all(b"x");
        while trial.octets_in() <= before && !self.is_gone() {
            assert!(begun.elapsed() < PATIENCE, "octets are not read");
            thread::yield_now();
        }
    }

    /// Whether the server has hung up.
    pub fn is_gone(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let is_gone = loop {
            match self.socket.read(&mut [0; 256]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.socket.set_nonblocking(false).unwrap();
        is_gone
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        match self.socket.read(buffer) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A disk in memory whose syncs hang when it is told so; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Hanging {
    octets: Arc<InMemoryBackend>,
    hangs: Arc<(Mutex<bool>, Condvar)>,
}

impl Hanging {
    /// Lets syncs hang, or go on.
    pub fn hang(&self, hangs: bool) {
        *self.hangs.0.lock().unwrap() = hangs;
        self.hangs.1.notify_all();
    }
}

impl StorageBackend for Hanging {
    fn len(&self) -> io::Result<u64> {
        self.octets.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.octets.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.octets.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (hangs, goes_on) = &*self.hangs;
        drop(goes_on.wait_while(hangs.lock().unwrap(), |hangs| *hangs).unwrap());
        self.octets.sync_data()
    }

    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.octets.write(offset, octets)
    }
}

impl Medium for Hanging {
    fn open(&self) -> Result<Box<dyn StorageBackend>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn free_octets(&self) -> u64 {
        // Less than the longest reserve that can be set.
        1 << 39
    }

    fn allocated_octets(&self) -> u64 {
        0
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn drop_cache(&self) {}
}
