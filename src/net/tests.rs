//! What only shows from inside a running server.

mod certificates;
mod leaving;
mod outgoing;
mod probe;
mod relay;
mod reporting;
pub mod shaking;
mod slow;
pub mod trial;
mod windows;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::server::Running;
use super::*;
use crate::admin::{Asker, Live};
use crate::auth::tests::Folder;
use crate::auth::{DeviceKey, Gatekeeper};
use crate::clock::UnixTime;
use crate::mail::{Address, MailboxId, Secret};
use crate::store::{Delivery, Options, Store};

/// A running server with alice@home.lan, and its POP3 door.
fn start(folder: &Folder) -> (Running, MailboxId, SocketAddr) {
    let clock = Clock::system(UnixTime(0));
    let store = Store::create(&folder.database(), &Options::default(), clock.clone()).unwrap();
    for (key, value) in [("argon2_kib", "7168"), ("argon2_passes", "1"), ("plaintext", "always")] {
        store.set_setting(key, Some(value)).wait().unwrap();
    }
    let gatekeeper = Gatekeeper::new(store.clone(), DeviceKey::create(&folder.database()).unwrap()).unwrap();
    let alice: Address = "alice@home.lan".parse().unwrap();
    let mark = gatekeeper.fresh_mark();
    let password = gatekeeper.seal_password(&alice, mark, &Secret::new("wonderland")).unwrap();
    store.add_domain(alice.domain()).wait().unwrap();
    let id = store.add_mailbox(alice, mark, password).wait().unwrap();

    let listen = Listen(vec!["127.0.0.1:0".parse().unwrap()]);
    let overrides = vec![(ListenerKind::Pop3, listen.clone()), (ListenerKind::Pop3s, listen)];
    let plan = Plan { database: folder.database(), overrides, ..Plan::default() };
    let running =
        Running::start(Context { store, gatekeeper, live: None, asker: Asker::default() }, clock, plan)
            .unwrap();
    let [(ListenerKind::Pop3, address)] = *running.bound() else {
        panic!("without a certificate no TLS listener is opened")
    };
    (running, id, address)
}

fn log_on(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.write_all(b"USER alice@home.lan\r\nPASS wonderland\r\nNOOP\r\n").unwrap();
    let mut replies = Vec::new();
    while replies.iter().filter(|&&octet| octet == b'\n').count() < 4 {
        let mut buffer = [0; 1024];
        let octets = socket.read(&mut buffer).unwrap();
        assert!(octets > 0 && buffer.starts_with(b"+OK"), "{}", String::from_utf8_lossy(&buffer));
        replies.extend_from_slice(&buffer[..octets]);
    }
    socket
}

/// Serves on a thread while `act` goes on, then stops.
fn while_serving(running: Running, act: impl FnOnce(&Running)) {
    let (end, ended) = smol::channel::bounded::<()>(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            running.serve_until(async {
                let _ = ended.recv().await;
            });
        });
        // Dropped also when `act` panics, so that the thread ends.
        let _end = end;
        act(&running);
    });
    running.stop();
}

#[test]
fn the_sessions_of_a_mailbox_end_when_the_administrator_wants_it_s_180() {
    let folder = Folder::new();
    let (running, alice, address) = start(&folder);
    while_serving(running, |running| {
        let mut session = log_on(address);
        running.server().end_sessions(MailboxId(alice.0 + 1));
        session.write_all(b"NOOP\r\n").unwrap();
        assert!(session.read(&mut [0; 64]).unwrap() > 0, "another mailbox's sessions stay");
        running.server().end_sessions(alice);
        assert_eq!(session.read(&mut [0; 64]).unwrap(), 0);
    });
}

#[test]
fn the_status_names_doors_and_sessions() {
    let folder = Folder::new();
    let (running, _, address) = start(&folder);
    while_serving(running, |running| {
        let _session = log_on(address);
        let status = running.server().status();
        assert_eq!(status.listeners, [("pop3".to_owned(), address)]);
        assert_eq!(status.sessions[0], ("pop3".to_owned(), 1));
        assert_eq!(status.pid, std::process::id());
    });
}

#[test]
fn a_second_server_is_told_of_the_first() {
    let folder = Folder::new();
    let (running, _, address) = start(&folder);
    let plan = Plan {
        database: folder.database(),
        overrides: vec![(ListenerKind::Pop3, Listen(vec![address]))],
        ..Plan::default()
    };
    let server = running.server();
    let context = Context {
        store: server.store.clone(),
        gatekeeper: server.gatekeeper.clone(),
        live: None,
        asker: Asker::default(),
    };
    let ServeError(text) = Running::start(context, server.clock.clone(), plan).err().unwrap();
    assert!(text.starts_with(&format!("can't listen on {address} (pop3): another program")), "{text}");
    running.stop();
}

#[test]
fn a_surrogate_that_is_not_as_long_as_listed_is_not_sent() {
    const MESSAGE: &str = "Subject: Grüße\r\n\r\ntext\r\n";
    let folder = Folder::new();
    let (running, mailbox, address) = start(&folder);
    let octets = "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n\r\ntext\r\n".len() as u32;
    for surrogate_octets in [octets - 1, octets, octets + 1, 0] {
        let mut upload = running.server().store.upload();
        crate::ticket::block_on(upload.push(MESSAGE.as_bytes())).unwrap();
        upload
            .finish(vec![Delivery { surrogate_octets, ..Delivery::to(mailbox, Vec::new()) }])
            .wait()
            .unwrap();
    }
    while_serving(running, |_| {
        let mut session = log_on(address);
        session.write_all(b"RETR 1\r\nRETR 2\r\nTOP 3 0\r\nRETR 4\r\nQUIT\r\n").unwrap();
        let mut replies = String::new();
        session.read_to_string(&mut replies).unwrap();
        let codes: Vec<_> = replies.lines().filter(|line| line.starts_with(['+', '-'])).collect();
        let unreadable =
            |number| format!("-ERR [SYS/TEMP] message {number} can't be read now; come again later");
        let sent = |octets| format!("+OK {octets} octets");
        assert_eq!(
            codes,
            [unreadable(1), sent(octets as usize), unreadable(3), sent(MESSAGE.len()), "+OK goodbye".into()]
        );
    });
}

/// A future that is handed on by value had its place twice, and each step of a session a place of its own: 5.9 KB.
#[test]
fn what_an_idle_session_keeps_its_place_in_is_small() {
    fn of_steps<Driver: 'static, Steps>(_: fn(&'static mut Driver) -> Steps) -> usize {
        size_of::<Driver>() + size_of::<Steps>()
    }
    fn of_session<A, B, C, D, E, F, Session>(_: fn(A, B, C, D, E, F) -> Session) -> usize {
        size_of::<Session>()
    }
    for (what, octets) in [
        ("a session", of_session(session::serve)),
        ("POP3", of_steps(pop3::Driver::run)),
        ("SMTP", of_steps(smtp::Driver::run)),
    ] {
        assert!(octets <= 1280, "{what} takes {octets} octets");
    }
}
