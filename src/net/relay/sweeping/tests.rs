//! What waits is looked through by the rules that counted when it came.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use smol::future::{poll_once, zip};

use super::*;
use crate::clock::UnixTime;
use crate::mail::{Alias, AliasTarget, MailboxMark};
use crate::net::tests::trial::{Hanging, Peer, Trial, serving, serving_on, stranger};
use crate::settings::ListenerKind::{Smtp, Submission};
use crate::store::{Forward, Level, QueueAct, Route};
use crate::ticket::block_on;

/// Nobody listens there.
const CLOSED: &str = "127.0.0.1:1";
/// base64 of NUL alice@home.lan NUL wonderland.
const ALICE: &str = "AUTH PLAIN AGFsaWNlQGhvbWUubGFuAHdvbmRlcmxhbmQ=\r\n";

fn send(mut peer: Peer, sender: &str, recipients: &[&str]) {
    peer.dialog(&[(&format!("MAIL FROM:<{sender}>\r\n"), "250 ")]);
    for recipient in recipients {
        peer.dialog(&[(&format!("RCPT TO:<{recipient}>\r\n"), "250 ")]);
    }
    peer.dialog(&[("DATA\r\n", "354 "), ("Subject: x\r\n\r\ntext\r\n.\r\n", "250 ")]);
}

fn a_stranger(trial: &Trial) -> Peer {
    let mut peer = trial.greeted(Smtp, stranger(1));
    peer.dialog(&[("HELO x\r\n", "250 ")]);
    peer
}

fn route(trial: &Trial, space: &str, is_share: bool) {
    let (space, hops) = (space.parse().unwrap(), vec![CLOSED.parse().unwrap()]);
    let route = Route { space, hops, tls: None, is_share, created: UnixTime(0) };
    trial.server().store.set_route(route).wait().unwrap();
}

fn add(trial: &Trial, mailbox: &str) {
    let mark = MailboxMark([7; 16]);
    trial.server().store.add_mailbox(mailbox.parse().unwrap(), mark, vec![]).wait().unwrap();
}

fn alias(trial: &Trial, alias: &str, target: AliasTarget) {
    trial.server().store.set_alias(alias.parse::<Alias>().unwrap(), vec![target]).wait().unwrap();
}

fn rows(trial: &Trial) -> Vec<Queued> {
    trial.server().store.queue_page(Which::All, None, 100).wait().unwrap()
}

/// Who waits on which way.
fn waiting(trial: &Trial) -> Vec<(String, String)> {
    let of = |row: Queued| (row.outbound.recipient.to_string(), row.outbound.lane.to_string());
    rows(trial).into_iter().map(of).collect()
}

/// Whether somebody who waits was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Looks through all that waits when each way has been tried, and nobody is under way.
fn sweep(trial: &Trial) {
    let server = trial.server();
    trial.until("nobody is under way", || {
        let rows = rows(trial);
        let busy = server.relay.lanes().under_way();
        let is_tried = |lane: &Lane| rows.iter().any(|row| row.outbound.lane == *lane && row.last.is_some());
        rows.iter().all(|row| is_tried(&row.outbound.lane) && !busy.contains(&row.id))
    });
    assert!(block_on(move_rows(server)));
}

/// Looks through all that waits until that is so; who is under way is passed over.
fn sweep_until(trial: &Trial, ways: &[(String, String)]) {
    trial.until(&format!("{ways:?}"), || {
        assert!(block_on(move_rows(trial.server())));
        waiting(trial) == ways
    });
}

fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

/// After a mere restart, mail to a tagged address was moved to the route of its domain, mail to an alias domain to the
/// smart host, and what a user with a smart host of his own forwards to that of all: only RCPT knew of tags, alias
/// domains and forwarders.
#[test]
fn what_waits_stays_on_the_way_that_rcpt_has_found_o2_o3_o4() {
    serving(&[("smarthost", CLOSED)], |trial| {
        let store = &trial.server().store;
        let own = Level::Mailbox("alice@home.lan".parse().unwrap());
        store.set_level(own, "smarthost", Some("127.0.0.1:2")).wait().unwrap();
        let forward =
            Forward { targets: vec![AliasTarget::Outside("f@far.example".into())], keeps_copy: false };
        store.set_forward("alice@home.lan".parse().unwrap(), Some(forward)).wait().unwrap();
        add(trial, "bob@home.lan");
        alias(trial, "list@home.lan", AliasTarget::Address("bob@home.lan".parse().unwrap()));
        alias(trial, "team@home.lan", AliasTarget::Outside("t@far.example".into()));
        alias(trial, "house.lan", AliasTarget::Domain("home.lan".parse().unwrap()));
        route(trial, "home.lan", true);
        route(trial, "bob@home.lan", false);
        let to = ["bob+t@home.lan", "zoe@house.lan", "alice@home.lan", "list@home.lan", "team@home.lan"];
        send(a_stranger(trial), "x@other.example", &to);
        let mut peer = trial.greeted(Submission, stranger(2));
        peer.dialog(&[("HELO x\r\n", "250 "), (ALICE, "235 ")]);
        send(peer, "alice@home.lan", &["y@far.example", "Dora@home.lan"]);
        let ways = texts(&[
            ("bob+t@home.lan", "route:bob@home.lan"),
            ("zoe@house.lan", "route:home.lan"),
            ("f@far.example", "smarthost:alice@home.lan"),
            ("bob@home.lan", "route:bob@home.lan"),
            ("t@far.example", "smarthost"),
            ("y@far.example", "smarthost:alice@home.lan"),
            ("Dora@home.lan", "route:home.lan"),
        ]);
        assert_eq!(waiting(trial), ways);
        sweep(trial);
        assert_eq!(waiting(trial), ways);

        // Rules that change move it.
        route(trial, "dora@home.lan", false);
        store.set_level(Level::Mailbox("alice@home.lan".parse().unwrap()), "smarthost", None).wait().unwrap();
        let mut moved = ways.clone();
        moved[6].1 = "route:dora@home.lan".into();
        (moved[2].1, moved[5].1) = ("smarthost".into(), "smarthost".into());
        sweep_until(trial, &moved);
    });
}

/// When a domain was shared no more, what waited for the server beside us went to the smart host, which sent it back.
#[test]
fn mail_for_our_own_domain_never_goes_to_the_smart_host_o4_s_118() {
    for way_out in [("smarthost", CLOSED), ("mx", "on")] {
        serving(&[way_out], |trial| {
            let store = &trial.server().store;
            alias(trial, "house.lan", AliasTarget::Domain("home.lan".parse().unwrap()));
            route(trial, "home.lan", true);
            send(a_stranger(trial), "x@other.example", &["zoe@house.lan", "dora@home.lan"]);
            store.remove_route("home.lan".parse().unwrap()).wait().unwrap();
            route(trial, "*", false);
            sweep_until(trial, &texts(&[("zoe@house.lan", "nowhere"), ("dora@home.lan", "nowhere")]));
            for row in rows(trial) {
                let last = row.last.unwrap().text;
                assert!(last.contains("no mailbox and no route any more"), "{last}");
            }
            route(trial, "home.lan", true);
            let home = [("zoe@house.lan", "route:home.lan"), ("dora@home.lan", "route:home.lan")];
            sweep_until(trial, &texts(&home));
        });
    }
}

/// Who got a mailbox here while mail to him waited for the server beside us never saw it: that one knew him no more.
#[test]
fn who_is_here_now_gets_what_waited_to_leave_o4() {
    serving(&[("smarthost", CLOSED)], |trial| {
        let store = &trial.server().store;
        route(trial, "home.lan", true);
        send(a_stranger(trial), "x@other.example", &["carol@home.lan", "Carol+t@home.lan", "dora@home.lan"]);
        add(trial, "carol@home.lan");
        sweep_until(trial, &texts(&[("dora@home.lan", "route:home.lan")]));
        let mailboxes = store.mailboxes(None).wait().unwrap();
        let carol = mailboxes.iter().find(|it| it.address.as_str() == "carol@home.lan").unwrap();
        assert_eq!(carol.messages, 2);
        let rows = store.messages(carol.id).wait().unwrap();
        let (_, opened) = store.open_messages(carol.id, vec![rows[0].uid], 0).wait().unwrap().remove(0);
        let front = [opened.prefix.clone(), opened.first.unwrap().0].concat();
        let text = String::from_utf8(front).unwrap();
        assert!(
            text.starts_with("Return-Path: <x@other.example>\r\nDelivered-To: carol@home.lan\r\n"),
            "{text}"
        );
        assert!(text.ends_with("Subject: x\r\n\r\ntext\r\n"), "{text}");
        // Another look may have brought it home: what it has written can be read before it is counted.
        trial.until("one waits", || store.queue_counts().waiting == 1);
    });
}

/// A look had read the row of a mail that another one was just bringing home, and asked only then who is under way: by
/// then nobody was, and the mail came home twice. A mail that a server was just taking came home as well.
#[test]
fn what_comes_home_comes_once_however_many_look_at_once_o4() {
    let disk = Hanging::default();
    serving_on(Arc::new(disk.clone()), &[], |trial| {
        let server = trial.server();
        // Nobody looks but this test.
        server.relay.stop();
        route(trial, "home.lan", true);
        // Now and then the second asks too early to be wrong.
        for round in 1..=5 {
            let carol = format!("carol{round}@home.lan");
            send(a_stranger(trial), "x@other.example", &[&carol]);
            add(trial, &carol);
            disk.hang(true);
            let (mut first, mut second) = (Box::pin(move_rows(server)), Box::pin(move_rows(server)));
            while server.relay.lanes().under_way().is_empty() {
                assert!(block_on(poll_once(&mut first)).is_none(), "it can't write");
            }
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            trial.until("the second has read the row", || woken.0.load(Ordering::SeqCst));
            disk.hang(false);
            // It is done with the row, and waits for the second before it reads others.
            while !server.relay.lanes().under_way().is_empty() {
                assert!(block_on(poll_once(&mut first)).is_none());
            }
            assert_eq!(block_on(zip(first, second)), (true, true));
            let mailboxes = server.store.mailboxes(None).wait().unwrap();
            let messages: u32 = mailboxes.iter().map(|it| it.messages).sum();
            assert_eq!((messages, waiting(trial)), (round, texts(&[])));
        }
    });
}

/// What an administrator holds is his, and stays in his sight.
#[test]
fn what_is_held_is_not_brought_home() {
    serving(&[], |trial| {
        let store = &trial.server().store;
        route(trial, "home.lan", true);
        send(a_stranger(trial), "x@other.example", &["carol@home.lan"]);
        trial.until("it was tried", || rows(trial).iter().all(|row| row.last.is_some()));
        store.queue_act(Which::All, QueueAct::Hold).wait().unwrap();
        add(trial, "carol@home.lan");
        sweep(trial);
        assert_eq!(waiting(trial), texts(&[("carol@home.lan", "route:home.lan")]));
        store.queue_act(Which::All, QueueAct::Release).wait().unwrap();
        sweep_until(trial, &[]);
    });
}
