//! A server of a test's own, on ports that the system chooses, and a peer who talks to it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use poppet::admin::{Asker, Context};
use poppet::auth::{DeviceKey, Gatekeeper};
use poppet::cert;
use poppet::clock::{Clock, UnixTime};
use poppet::mail::{Address, Domain, Secret};
use poppet::net::control::socket_path;
use poppet::net::{Plan, serve_until};
use poppet::settings::{Listen, ListenerKind};
use poppet::store::{Options, Store};
use poppet::ticket::block_on;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with alice@home.lan, whose password is `wonderland`, and every listener on a free port.
pub struct House {
    folder: PathBuf,
    store: Store,
    bound: Vec<(ListenerKind, SocketAddr)>,
    authority: Vec<u8>,
    stop: Option<smol::channel::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl House {
    pub fn open() -> House {
        House::open_with(&[])
    }

    pub fn open_with(settings: &[(&str, &str)]) -> House {
        let folder = std::env::temp_dir().join(format!("poppet-net-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        let database = folder.join("poppet.redb");
        let clock = Clock::system(UnixTime(0));
        let store = Store::create(&database, &Options::default(), clock.clone()).unwrap();
        for (key, value) in
            [("argon2_kib", "7168"), ("argon2_passes", "1"), ("plaintext", "lan"), ("reserve_mib", "1")]
                .iter()
                .chain(settings)
        {
            store.set_setting(key, Some(value)).wait().unwrap();
        }
        let gatekeeper = Gatekeeper::new(store.clone(), DeviceKey::create(&database).unwrap()).unwrap();
        let authority = furnish(&store, &gatekeeper, &clock);
        House::serve(folder, store, gatekeeper, clock, authority)
    }

    /// The same house after a restart.
    pub fn reopen(mut self) -> House {
        self.stop();
        let (folder, authority) = (std::mem::take(&mut self.folder), std::mem::take(&mut self.authority));
        drop(self);
        let database = folder.join("poppet.redb");
        let clock = Clock::system(UnixTime(0));
        let store = Store::open(&database, &Options::default(), clock.clone()).unwrap();
        let gatekeeper = Gatekeeper::new(store.clone(), DeviceKey::load(&database).unwrap()).unwrap();
        House::serve(folder, store, gatekeeper, clock, authority)
    }

    fn serve(
        folder: PathBuf,
        store: Store,
        gatekeeper: Gatekeeper,
        clock: Clock,
        authority: Vec<u8>,
    ) -> House {
        let database = folder.join("poppet.redb");
        let listen = Listen(vec!["127.0.0.1:0".parse().unwrap()]);
        let overrides = ListenerKind::ALL.into_iter().map(|kind| (kind, listen.clone())).collect();
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let (bound, told) = mpsc::channel();
        let context = Context { store: store.clone(), gatekeeper, live: None, asker: Asker::default() };
        let serving = std::thread::spawn(move || {
            let ready = move |addresses: &[_]| bound.send(addresses.to_vec()).unwrap();
            let stop = async move {
                let _ = stopped.recv().await;
            };
            serve_until(context, clock, Plan { database, overrides, ..Plan::default() }, ready, stop)
                .unwrap();
        });
        let bound = told.recv_timeout(PATIENCE).unwrap();
        House { folder, store, bound, authority, stop: Some(stop), serving: Some(serving) }
    }

    /// What the server serves from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn address(&self, kind: ListenerKind) -> SocketAddr {
        self.bound.iter().find(|(bound, _)| *bound == kind).unwrap().1
    }

    /// A client that trusts the house's authority.
    pub fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.clone())).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    pub fn control_socket(&self) -> PathBuf {
        socket_path(&self.folder.join("poppet.redb"))
    }

    pub fn connect(&self, kind: ListenerKind) -> Peer {
        let socket = TcpStream::connect(self.address(kind)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Peer { transport: Transport::Plain(socket), unread: Vec::new() }
    }

    /// Alice's POP3 session.
    pub fn log_on(&self) -> Peer {
        self.try_log_on().unwrap()
    }

    /// The same, as soon as the server has noticed that an earlier session is gone.
    pub fn log_on_within_a_minute(&self) -> Peer {
        let begun = Instant::now();
        loop {
            match self.try_log_on() {
                Ok(peer) => return peer,
                Err(reply) => assert!(begun.elapsed() < PATIENCE, "{reply}"),
            }
        }
    }

    fn try_log_on(&self) -> Result<Peer, String> {
        let mut peer = self.connect(ListenerKind::Pop3);
        for words in ["", "USER alice@home.lan\r\n", "PASS wonderland\r\n"] {
            peer.try_send(words.as_bytes());
            let reply = peer.line();
            if !reply.starts_with("+OK") {
                return Err(reply);
            }
        }
        Ok(peer)
    }

    /// Sends Alice a message; its lines are dot-stuffed already and end with CRLF.
    pub fn deliver(&self, message: &str) {
        let mut smtp = self.connect(ListenerKind::Smtp);
        smtp.expect("220 ");
        smtp.dialog(&[
            ("HELO client.lan\r\n", "250 "),
            ("MAIL FROM:<bob@example.org>\r\n", "250 "),
            ("RCPT TO:<alice@home.lan>\r\n", "250 "),
            ("DATA\r\n", "354 "),
        ]);
        smtp.send("Subject: test\r\n\r\n");
        smtp.send(message);
        smtp.dialog(&[(".\r\n", "250 "), ("QUIT\r\n", "221 ")]);
    }

    /// Stops the server and waits until it has.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        self.serving.take().unwrap().join().unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
        if !self.folder.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Makes domain, mailbox and certificates; gives the authority's.
fn furnish(store: &Store, gatekeeper: &Gatekeeper, clock: &Clock) -> Vec<u8> {
    store.add_domain("home.lan".parse::<Domain>().unwrap()).wait().unwrap();
    let alice: Address = "alice@home.lan".parse().unwrap();
    let mark = gatekeeper.fresh_mark();
    let password = gatekeeper.seal_password(&alice, mark, &Secret::new("wonderland")).unwrap();
    store.add_mailbox(alice, mark, password).wait().unwrap();
    let names = ["mail.home.lan".to_owned()];
    block_on(cert::ensure(store, gatekeeper, "home.lan", &names, &[], clock.now())).unwrap();
    block_on(cert::authority(store)).unwrap().unwrap()
}

/// A peer of the server.
pub struct Peer {
    transport: Transport,
    unread: Vec<u8>,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Peer {
    pub fn socket(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_ref(),
        }
    }

    /// Shakes hands, as a client that trusts the house's authority and names these protocols.
    pub fn begin_tls(self, house: &House, protocols: &[&str]) -> Result<Peer, std::io::Error> {
        let mut config = house.client_config();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self.begin_tls_with(config)
    }

    /// Shakes hands as such a client.
    pub fn begin_tls_with(self, config: ClientConfig) -> Result<Peer, std::io::Error> {
        let name = ServerName::try_from("mail.home.lan").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let Transport::Plain(mut socket) = self.transport else { panic!("TLS inside TLS") };
        while client.is_handshaking() {
            client.complete_io(&mut socket)?;
        }
        let stream = StreamOwned::new(client, socket);
        Ok(Peer { transport: Transport::Tls(Box::new(stream)), unread: Vec::new() })
    }

    /// The client's side of TLS.
    pub fn tls(&mut self) -> &mut ClientConnection {
        let Transport::Tls(stream) = &mut self.transport else { panic!("there is no TLS") };
        &mut stream.conn
    }

    pub fn send(&mut self, text: &str) {
        self.send_octets(text.as_bytes());
    }

    pub fn send_octets(&mut self, octets: &[u8]) {
        match &mut self.transport {
            Transport::Plain(socket) => socket.write_all(octets).unwrap(),
            Transport::Tls(stream) => stream.write_all(octets).unwrap(),
        }
    }

    /// The same, where the server may have hung up already.
    pub fn try_send(&mut self, octets: &[u8]) {
        let _ = match &mut self.transport {
            Transport::Plain(socket) => socket.write_all(octets),
            Transport::Tls(stream) => stream.write_all(octets),
        };
    }

    /// Says in TLS that nothing more comes, if there is TLS.
    pub fn say_goodbye(&mut self) {
        if let Transport::Tls(stream) = &mut self.transport {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
    }

    /// The next line with its CRLF; empty at the end.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.iter().position(|&octet| octet == b'\n') {
                return String::from_utf8(self.unread.drain(..=at).collect()).unwrap();
            }
            if self.read_more() == 0 {
                return String::new();
            }
        }
    }

    /// Everything until the end or a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Everything until the end, whatever that is.
    pub fn try_rest(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        loop {
            let result = match &mut self.transport {
                Transport::Plain(socket) => socket.read(&mut buffer),
                Transport::Tls(stream) => stream.read(&mut buffer),
            };
            match result {
                Ok(octets) if octets > 0 => self.unread.extend_from_slice(&buffer[..octets]),
                _ => return std::mem::take(&mut self.unread),
            }
        }
    }

    /// The lines of a multi-line reply without the line with the dot, still dot-stuffed.
    pub fn lines_to_dot(&mut self) -> String {
        let mut lines = String::new();
        loop {
            match self.line().as_str() {
                ".\r\n" => return lines,
                "" => panic!("the connection ended within: {lines}"),
                line => lines.push_str(line),
            }
        }
    }

    /// Reads a line that must begin so.
    pub fn expect(&mut self, beginning: &str) {
        let line = self.line();
        assert!(line.starts_with(beginning), "{line:?} does not begin with {beginning:?}");
    }

    /// Reads lines up to one that begins so.
    pub fn expect_last(&mut self, beginning: &str) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection ended before {beginning:?}");
            if line.starts_with(beginning) {
                return;
            }
        }
    }

    /// Nothing more may come.
    pub fn expect_end(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }

    /// Sends each text and reads the line that must follow it.
    pub fn dialog(&mut self, turns: &[(&str, &str)]) {
        for (text, beginning) in turns {
            self.send(text);
            self.expect(beginning);
        }
    }

    fn read_more(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        let result = match &mut self.transport {
            Transport::Plain(socket) => socket.read(&mut buffer),
            Transport::Tls(stream) => stream.read(&mut buffer),
        };
        match result {
            Ok(octets) => {
                self.unread.extend_from_slice(&buffer[..octets]);
                octets
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        }
    }
}
