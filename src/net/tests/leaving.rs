//! Mail that leaves, from a client's first word to its row in the queue.

use std::net::Ipv4Addr;

use super::trial::{Peer, Trial, serving, stranger};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{AliasTarget, Network};
use crate::settings::ListenerKind::{Smtp, Submission};
use crate::store::{Device, Forward, Queued, Reach, Route, Which};

/// base64 of NUL alice@home.lan NUL wonderland.
const ALICE: &str = "AUTH PLAIN AGFsaWNlQGhvbWUubGFuAHdvbmRlcmxhbmQ=\r\n";
/// Nobody listens there.
const CLOSED: &str = "127.0.0.1:1";

fn queued(trial: &Trial) -> Vec<Queued> {
    trial.server().store.queue_page(Which::All, None, 100).wait().unwrap()
}

/// A mail to those recipients, and what is said to its data.
fn send(peer: &mut Peer, sender: &str, recipients: &[&str], outcome: &str) {
    peer.dialog(&[(&format!("MAIL FROM:<{sender}>\r\n"), "250 ")]);
    for recipient in recipients {
        peer.dialog(&[(&format!("RCPT TO:<{recipient}>\r\n"), "250 ")]);
    }
    peer.dialog(&[("DATA\r\n", "354 "), ("Subject: x\r\n\r\ntext\r\n.\r\n", outcome)]);
}

fn alice(trial: &Trial) -> Peer {
    let mut peer = trial.greeted(Submission, stranger(1));
    peer.dialog(&[("HELO x\r\n", "250 "), (ALICE, "235 ")]);
    peer
}

fn beside(trial: &Trial, from: Ipv4Addr) -> Peer {
    let mut peer = trial.greeted(Smtp, from);
    peer.dialog(&[("HELO x\r\n", "250 ")]);
    peer
}

#[test]
fn a_users_mail_waits_for_the_smart_host_and_counts_as_his_o1_o2() {
    let settings = [("smarthost", CLOSED), ("mails_per_day", "2")];
    serving(&settings, |trial| {
        let mut peer = alice(trial);
        send(&mut peer, "alice@home.lan", &["x@far.example", "alice@home.lan", "y@Far.example"], "250 ");
        let rows = queued(trial);
        let recipients: Vec<_> = rows.iter().map(|row| row.outbound.recipient.as_str()).collect();
        assert_eq!(recipients, ["x@far.example", "y@Far.example"]);
        for row in &rows {
            let outbound = &row.outbound;
            assert_eq!(
                (outbound.lane.to_string().as_str(), &*outbound.submitter),
                ("smarthost", "alice@home.lan")
            );
            assert_eq!((&*outbound.reverse_path, outbound.came_from), ("alice@home.lan", None));
            assert!(outbound.prefix.is_empty(), "no Return-Path leaves: RFC 5321 §4.4");
        }
        assert_eq!(rows[0].blob, rows[1].blob, "one body for all");
        let alice = trial.server().store.mailboxes(None).wait().unwrap();
        assert_eq!(alice[0].messages, 1);
        send(&mut peer, "", &["x@far.example"], "250 ");
        peer.dialog(&[("MAIL FROM:<alice@home.lan>\r\n", "450 4.7.1")]);
        assert_eq!(queued(trial).len(), 3);
    });
}

#[test]
fn only_devices_that_may_send_out_m11_s_116() {
    serving(&[("smarthost", CLOSED)], |trial| {
        for (number, reach) in [(2, Reach::Local), (3, Reach::SmartHost)] {
            let device = Device {
                name: format!("scanner{number}"),
                network: Network::new(stranger(number).into(), 32).unwrap(),
                sender: None,
                reach,
                mails_per_day: None,
                is_lenient: false,
                created: UnixTime(0),
            };
            trial.server().store.add_device(device).wait().unwrap();
        }
        for number in [1, 2] {
            beside(trial, stranger(number)).dialog(&[
                ("MAIL FROM:<alice@home.lan>\r\n", "250 "),
                ("RCPT TO:<x@far.example>\r\n", "550 5.7.1 "),
                ("DATA\r\n", "554 "),
            ]);
        }
        assert_eq!(queued(trial).len(), 0);
        send(&mut beside(trial, stranger(3)), "scan@home.lan", &["x@far.example"], "250 ");
        let outbound = &queued(trial)[0].outbound;
        assert_eq!((&*outbound.submitter, outbound.came_from), ("device scanner3", Some(stranger(3).into())));
    });
}

#[test]
fn who_sends_out_without_a_smart_host_is_told_at_once_o2() {
    serving(&[], |trial| {
        alice(trial).dialog(&[
            ("MAIL FROM:<alice@home.lan>\r\n", "250 "),
            ("RCPT TO:<x@far.example>\r\n", "550 5.4.4 This server sends no mail to other servers"),
            ("DATA\r\n", "554 "),
        ]);
    });
}

#[test]
fn a_shared_domains_others_wait_for_the_server_beside_us_o4() {
    serving(&[], |trial| {
        let hop = format!("{}:1", stranger(7)).parse().unwrap();
        let space = "home.lan".parse().unwrap();
        let route = Route { space, hops: vec![hop], tls: None, is_share: true, created: UnixTime(0) };
        trial.server().store.set_route(route).wait().unwrap();
        send(&mut beside(trial, stranger(1)), "x@far.example", &["dora@home.lan", "alice@home.lan"], "250 ");
        let rows = queued(trial);
        let outbound = &rows[0].outbound;
        assert_eq!((rows.len(), outbound.lane.to_string().as_str()), (1, "route:home.lan"));
        assert_eq!((&*outbound.submitter, outbound.came_from), ("127.9.9.1", Some(stranger(1).into())));
        // From this machine every program comes: that proves no way back, and the sending looks again.
        beside(trial, stranger(7)).dialog(&[
            ("MAIL FROM:<x@far.example>\r\n", "250 "),
            ("RCPT TO:<dora@home.lan>\r\n", "250 "),
            ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ]);
    });
}

#[test]
fn what_an_alias_forwards_bears_its_mark_and_may_find_home_o5_s_118_s_120() {
    serving(&[("smarthost", CLOSED), ("forward_sender", "rewrite")], |trial| {
        let targets = ["alice@home.lan", "x@far.example"];
        let targets = targets.map(|text| match text.ends_with("home.lan") {
            true => AliasTarget::Address(text.parse().unwrap()),
            false => AliasTarget::Outside(text.into()),
        });
        trial.server().store.set_alias("team@home.lan".parse().unwrap(), targets.to_vec()).wait().unwrap();
        let mut peer = beside(trial, stranger(1));
        send(&mut peer, "bob@other.example", &["team@home.lan"], "250 ");
        let rows = queued(trial);
        let outbound = &rows[0].outbound;
        assert_eq!((rows.len(), outbound.recipient.as_str(), outbound.came_from), (1, "x@far.example", None));
        assert_eq!(outbound.prefix, b"Delivered-To: team@home.lan\r\n");
        let back = outbound.reverse_path.to_string();
        assert!(back.starts_with("SRS0=") && back.ends_with("@home.lan"), "{back}");

        // A bounce of it, spam on the same way, and the mail itself that comes again.
        peer.dialog(&[
            ("MAIL FROM:<spam@other.example>\r\n", "250 "),
            (&format!("RCPT TO:<{back}>\r\n"), "550 5.7.1 Only reports"),
            ("RSET\r\n", "250 "),
        ]);
        send(&mut peer, "", &[&back], "250 ");
        assert_eq!(queued(trial)[1].outbound.recipient.as_str(), "bob@other.example");
        peer.dialog(&[
            ("MAIL FROM:<bob@other.example>\r\n", "250 "),
            ("RCPT TO:<team@home.lan>\r\n", "250 "),
            ("DATA\r\n", "354 "),
            ("Delivered-To: team@home.lan\r\nSubject: x\r\n\r\ntext\r\n.\r\n", "554 5.4.6 "),
        ]);
        // Who is of ours needs no other name, nor does he who writes from nowhere.
        send(&mut peer, "alice@home.lan", &["team@home.lan"], "250 ");
        send(&mut peer, "", &["team@home.lan"], "250 ");
        let rows = queued(trial);
        assert_eq!(
            (&*rows[2].outbound.reverse_path, &*rows[3].outbound.reverse_path),
            ("alice@home.lan", "")
        );
    });
}

/// A client that says SMTPUTF8 of all its mail sent an 8-bit text under plain addresses and a plain header: it counted as
/// mail that needs it, and our own Received field could make it so.
#[test]
fn only_a_header_beyond_ascii_needs_smtputf8_s_139() {
    serving(&[("smarthost", CLOSED)], |trial| {
        let mut peer = alice(trial);
        for (parameters, recipient, subject, wanted) in [
            ("", "x@far.example", "x", (false, false)),
            ("", "x@far.example", "Grüße", (false, false)),
            (" SMTPUTF8", "x@far.example", "x", (true, false)),
            (" SMTPUTF8", "x@b\u{fc}cher.example", "x", (true, false)),
            (" SMTPUTF8", "x@far.example", "Grüße", (true, true)),
        ] {
            peer.dialog(&[
                (&format!("MAIL FROM:<alice@home.lan> BODY=8BITMIME{parameters}\r\n"), "250 "),
                (&format!("RCPT TO:<{recipient}>\r\n"), "250 "),
                ("DATA\r\n", "354 "),
                (&format!("Subject: {subject}\r\n\r\nGrüße\r\n.\r\n"), "250 "),
            ]);
            let row = queued(trial).pop().unwrap();
            assert_eq!((row.outbound.is_utf8, row.outbound.needs_utf8), wanted, "{recipient} {subject}");
            assert!(row.is_8bit);
        }
    });
}

/// A user who may send as anybody asked to be told that his mails to himself had come, in a stranger's name: the stranger
/// got a report for each of them.
#[test]
fn a_stranger_gets_no_flood_of_reports_of_success_s_127() {
    serving(&[("smarthost", CLOSED), ("sender", "any")], |trial| {
        let server = trial.server();
        let report = || server.reports.take("alice@home.lan", server.clock.monotonic()).unwrap().keep();
        (1..limits::REPORTS_PER_HOUR).for_each(|_| report());
        let mut peer = alice(trial);
        for mails in 1..=2 {
            peer.dialog(&[
                ("MAIL FROM:<x@far.example>\r\n", "250 "),
                ("RCPT TO:<alice@home.lan> NOTIFY=SUCCESS\r\n", "250 "),
                ("DATA\r\n", "354 "),
                ("Subject: x\r\n\r\ntext\r\n.\r\n", "250 "),
                // The report comes before this is answered.
                ("NOOP\r\n", "250 "),
            ]);
            assert_eq!(server.store.mailboxes(None).wait().unwrap()[0].messages, mails);
            assert_eq!(queued(trial).len(), 1, "the hundredth report, and no more");
        }
    });
}

/// Who had his mail forwarded and kept a copy was never warned that his mailbox was nearly full, nor was it ever full.
#[test]
fn who_keeps_a_copy_of_what_is_forwarded_is_warned_and_has_a_quota_m8() {
    serving(&[("smarthost", CLOSED), ("quota_messages", "3"), ("quota_warning", "60")], |trial| {
        let store = &trial.server().store;
        let alice = || "alice@home.lan".parse().unwrap();
        let targets = vec![AliasTarget::Outside("x@far.example".into())];
        store.set_forward(alice(), Some(Forward { targets, keeps_copy: true })).wait().unwrap();
        let mut peer = beside(trial, stranger(1));
        // The second one fills more than 60 %, and the warning is the third.
        for (mails, kept) in [(1, 1), (2, 3), (3, 3), (4, 3)] {
            send(&mut peer, "bob@other.example", &["alice@home.lan"], "250 ");
            // The warning comes before this is answered.
            peer.dialog(&[("NOOP\r\n", "250 ")]);
            assert_eq!(queued(trial).len(), mails, "nothing is lost");
            assert_eq!(store.mailboxes(None).wait().unwrap()[0].messages, kept, "{mails}");
        }
        store.set_forward(alice(), None).wait().unwrap();
        peer.dialog(&[
            ("MAIL FROM:<bob@other.example>\r\n", "250 "),
            ("RCPT TO:<alice@home.lan>\r\n", "452 4.2.2"),
        ]);
    });
}
