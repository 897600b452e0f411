//! Slow and silent peers, by a clock that the test moves: each has his time and not a second more, and less where
//! places are scarce (S-264–S-268).

use std::io::Write;
use std::sync::Arc;
use std::thread;

use super::super::listener;
use super::trial::{Hanging, OWN, Peer, Trial, serving, serving_on, stranger};
use crate::admin::Live;
use crate::limits;
use crate::settings::ListenerKind::{Pop3, Pop3s, Smtp, Submission};

/// Of 16 connections strangers may have 14, and must be quick when 12 stand.
const SIXTEEN: (&str, &str) = ("connections", "16");

#[test]
fn a_command_line_has_a_minute_from_its_first_octet_however_it_trickles_s_266() {
    serving(&[], |trial| {
        let mut smtp = trial.greeted(Smtp, OWN);
        smtp.dialog(&[("HELO client.lan\r\n", "250 ")]);
        let mut pop3 = logged_on(trial, OWN);
        let trickle = |peer: &mut Peer| {
            for octet in [b"N", b"O", b"O"] {
                trial.send_seen(peer, octet);
                trial.pass(20);
            }
        };
        trickle(&mut smtp);
        assert!(smtp.rest().starts_with("421 "));
        // Octets are counted over all that stand: one that ended meanwhile made the other's go unseen.
        trial.until("it is gone", || trial.server().sessions.show(std::time::Instant::now()).len() == 1);
        trickle(&mut pop3);
        assert_eq!(pop3.rest(), "");
    });
}

#[test]
fn a_line_that_ends_in_time_gives_the_next_one_its_own_s_266() {
    serving(&[], |trial| {
        let mut smtp = trial.greeted(Smtp, OWN);
        for _ in 0..5 {
            trial.send_seen(&mut smtp, b"NO");
            trial.pass(59);
            smtp.dialog(&[("OP\r\n", "250 ")]);
        }
    });
}

#[test]
fn an_answer_of_an_auth_exchange_has_a_minute_too_s_266() {
    serving(&[], |trial| {
        let mut smtp = trial.greeted(Submission, OWN);
        smtp.dialog(&[("EHLO client.lan\r\n", "250-")]);
        while !smtp.line().starts_with("250 ") {}
        smtp.dialog(&[("AUTH PLAIN\r\n", "334")]);
        trial.send_seen(&mut smtp, b"AG");
        trial.pass(59);
        trial.send_seen(&mut smtp, b"Fs");
        trial.pass(2);
        assert!(smtp.rest().starts_with("421 "));
    });
}

#[test]
fn who_says_nothing_is_waited_for_as_long_as_he_has_earned_s_267() {
    for (kind, words, most) in [
        (Smtp, None, 60),
        (Pop3, None, 60),
        (Submission, Some(("HELO x\r\n", "250 ")), 60),
        (Smtp, Some(("HELO x\r\n", "250 ")), 300),
    ] {
        serving(&[], |trial| {
            let mut peers = [trial.greeted(kind, OWN), trial.greeted(kind, OWN)];
            peers.iter_mut().for_each(|peer| peer.dialog(words.as_slice()));
            trial.pass(most - 1);
            let [talking, silent] = &mut peers;
            talking.dialog(&[("NOOP\r\n", if kind == Pop3 { "-ERR" } else { "250 " })]);
            trial.pass(1);
            assert_eq!(silent.rest().starts_with("421 "), kind != Pop3, "{kind:?}");
            talking.dialog(&[("NOOP\r\n", if kind == Pop3 { "-ERR" } else { "250 " })]);
        });
    }
    serving(&[], |trial| {
        let mut pop3 = logged_on(trial, OWN);
        trial.pass(599);
        pop3.dialog(&[("NOOP\r\n", "+OK")]);
        trial.pass(600);
        assert_eq!(pop3.rest(), "");
    });
}

#[test]
fn a_hello_of_tls_has_ten_seconds_however_it_trickles_s_042_s_266() {
    serving(&[], |trial| {
        let mut pop3s = trial.connect(Pop3s, OWN);
        pop3s.socket().write_all(b"\x16\x03\x01").unwrap();
        trial.until("it shakes hands", || shakes_hands(trial));
        trial.pass(9);
        pop3s.socket().write_all(b"\x02").unwrap();
        assert!(shakes_hands(trial));
        trial.pass(2);
        assert_eq!(pop3s.rest(), "");
    });
}

#[test]
fn data_that_trickles_ends_after_a_minute_s_266() {
    serving(&[], |trial| {
        let mut smtp = in_data(trial, OWN);
        let rounds = (1..200).find(|_| {
            smtp.trickle(trial);
            trial.pass(10);
            smtp.is_gone()
        });
        // Not before the minute is over. It may take some rounds more: where the clock leaps before the server waits
        // again, that is not the peer's time.
        assert!(rounds.is_some_and(|rounds| rounds >= 6), "{rounds:?}");
    });
}

#[test]
fn who_takes_no_reply_for_a_minute_is_left_s_268() {
    serving(&[], |trial| {
        let pop3 = logged_on(trial, OWN);
        thread::scope(|scope| {
            // Ends when the server hangs up.
            scope.spawn(|| while pop3.socket().write_all(&b"CAPA\r\n".repeat(1000)).is_ok() {});
            trial.until("it is left", || {
                trial.pass(61);
                trial.server().admission.count() == 0
            });
        });
    });
}

#[test]
fn where_places_are_scarce_silent_strangers_go_soon_and_others_stay_s_266() {
    serving(&[SIXTEEN], |trial| {
        let mut own = trial.greeted(Smtp, OWN);
        let mut alice = logged_on(trial, stranger(1));
        let mut strangers: Vec<Peer> = (2..11).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        assert_eq!(trial.server().admission.count(), 11);
        trial.pass(30);
        strangers.iter_mut().for_each(|peer| peer.dialog(&[("NOOP\r\n", "250 ")]));

        strangers.extend((12..15).map(|number| trial.greeted(Pop3, stranger(number))));
        trial.pass(11);
        trial.until("places are scarce no more", || trial.server().admission.count() < 12);
        own.dialog(&[("NOOP\r\n", "250 ")]);
        alice.dialog(&[("NOOP\r\n", "+OK")]);
        trial.greeted(Smtp, stranger(99)).dialog(&[("HELO x\r\n", "250 ")]);
        assert!(strangers.iter_mut().any(Peer::is_gone));
    });
}

#[test]
fn a_word_now_and_then_holds_no_scarce_place_for_long_s_266() {
    serving(&[SIXTEEN], |trial| {
        let mut strangers: Vec<Peer> = (1..13).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        for _ in 0..6 {
            trial.pass(9);
            strangers.iter_mut().for_each(|peer| peer.dialog(&[("NOOP\r\n", "250 ")]));
        }
        assert_eq!(trial.server().admission.count(), 12);
        trial.pass(7);
        trial.until("a place is free", || trial.server().admission.count() < 12);
    });
}

#[test]
fn who_brings_a_mail_may_stay_longer_also_where_places_are_scarce_s_266() {
    serving(&[SIXTEEN], |trial| {
        let mut strangers: Vec<Peer> = (1..13).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        let bringer = &mut strangers[0];
        bringer.dialog(&[("HELO x\r\n", "250 ")]);
        for _ in 0..9 {
            trial.pass(8);
            bringer.dialog(&[
                ("MAIL FROM:<>\r\n", "250 "),
                ("RCPT TO:<alice@home.lan>\r\n", "250 "),
                ("DATA\r\n", "354 "),
                ("text\r\n.\r\n", "250 "),
            ]);
            // The others have been sent away by now, and places must stay scarce.
            let number = trial.server().admission.count() as u8;
            let more: Vec<_> =
                (number..12).map(|number| trial.greeted(Smtp, stranger(100 + number))).collect();
            std::mem::forget(more);
        }
    });
}

#[test]
fn scarce_places_are_not_held_by_data_that_does_not_come_s_266() {
    serving(&[SIXTEEN], |trial| {
        let (mut silent, mut own) = (in_data(trial, stranger(1)), in_data(trial, OWN));
        let _more: Vec<_> = (2..14).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        trial.pass(9);
        assert!(!silent.is_gone());
        trial.pass(1);
        trial.until("a place is free", || trial.server().admission.count() < 14);
        own.dialog(&[("text\r\n.\r\n", "250 ")]);
    });
    serving(&[SIXTEEN], |trial| {
        let mut trickling = in_data(trial, stranger(1));
        let mut talking: Vec<_> = (2..14).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        let rounds = (1..200).find(|_| {
            trickling.trickle(trial);
            trial.pass(3);
            talking.iter_mut().for_each(|peer| peer.dialog(&[("NOOP\r\n", "250 ")]));
            trickling.is_gone()
        });
        assert!(rounds.is_some_and(|rounds| (3..10).contains(&rounds)), "{rounds:?}");
    });
}

/// A stranger's session of more than a minute, in its data while places were scarce, asked the clock over and over
/// instead of waiting, and no other session was served meanwhile. Found by reading who shortens whose deadline.
#[test]
fn who_sends_a_long_mail_where_places_are_scarce_lets_others_be_served_s_266() {
    serving(&[SIXTEEN], |trial| {
        let mut long = trial.greeted(Smtp, stranger(1));
        long.dialog(&[("HELO client.lan\r\n", "250 ")]);
        trial.pass(61);
        long.dialog(&[
            ("MAIL FROM:<>\r\n", "250 "),
            ("RCPT TO:<alice@home.lan>\r\n", "250 "),
            ("DATA\r\n", "354 "),
        ]);
        let _more: Vec<_> = (2..14).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        let mut own = trial.greeted(Smtp, OWN);
        long.trickle(trial);
        let begun = std::time::Instant::now();
        for _ in 0..10 {
            own.dialog(&[("NOOP\r\n", "250 ")]);
        }
        assert!(begun.elapsed() < limits::PRESSED_PATIENCE / 2, "{:?}", begun.elapsed());
        long.dialog(&[("\r\n.\r\n", "250 ")]);
    });
}

/// Between two chunks a stranger had 2 s where places are scarce, not 10: the look whether others want his mail's memory
/// was taken for the end of his time.
#[test]
fn who_sends_chunks_has_his_time_also_where_places_are_scarce_s_266() {
    serving(&[SIXTEEN], |trial| {
        let mut chunks = trial.greeted(Smtp, stranger(1));
        chunks.dialog(&[
            ("HELO client.lan\r\n", "250 "),
            ("MAIL FROM:<>\r\n", "250 "),
            ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ]);
        let mut others: Vec<_> = (2..14).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        let chunk = ("BDAT 6\r\ntext\r\n", "250 2.0.0 6 octets");
        for _ in 0..3 {
            chunks.dialog(&[chunk]);
            trial.pass(4);
            // What they wait for comes after its look.
            trial.pass(4);
            others.iter_mut().for_each(|peer| peer.dialog(&[("NOOP\r\n", "250 ")]));
        }
        chunks.dialog(&[chunk, ("BDAT 0 LAST\r\n", "250 ")]);
    });
}

#[test]
fn a_place_is_kept_for_networks_from_which_somebody_has_logged_on_s_265() {
    serving(&[SIXTEEN], |trial| {
        logged_on(trial, stranger(1)).dialog(&[("QUIT\r\n", "+OK")]);
        trial.until("she is gone", || trial.server().admission.count() == 0);
        let _crowd: Vec<_> = (2..16).map(|number| trial.greeted(Smtp, stranger(number))).collect();
        for (kind, refusal) in [(Smtp, "421 4.7.0 "), (Pop3, "-ERR [SYS/TEMP] ")] {
            let refused = trial.connect(kind, stranger(99)).rest();
            assert!(refused.starts_with(refusal), "{refused}");
        }
        assert_eq!(trial.connect(Pop3s, stranger(99)).rest(), "", "inside TLS nothing can be said");
        let _known = trial.greeted(Pop3, stranger(1));
        let _own = trial.greeted(Smtp, OWN);
        assert!(trial.connect(Smtp, OWN).line().starts_with("421 "), "there are no more than 16");
    });
}

/// Nothing is acknowledged that is not stored; what is stored after all may come twice.
#[test]
fn a_disk_that_hangs_leaves_nobody_without_a_word_s_275() {
    let disk = Hanging::default();
    serving_on(Arc::new(disk.clone()), &[], |trial| {
        let mut first = in_data(trial, OWN);
        first.dialog(&[("first\r\n.\r\n", "250 ")]);
        let (mut smtp, mut pop3) = (in_data(trial, OWN), logged_on(trial, OWN));
        pop3.dialog(&[("DELE 1\r\n", "+OK")]);
        disk.hang(true);
        smtp.socket().write_all(b"second\r\n.\r\n").unwrap();
        pop3.socket().write_all(b"QUIT\r\n").unwrap();
        let storing = || {
            let rows = trial.server().sessions.show(std::time::Instant::now());
            rows.iter().filter(|row| row.state == "storing").count()
        };
        trial.until("both wait for the disk", || storing() == 2);
        trial.pass(119);
        assert!(!smtp.is_gone() && !pop3.is_gone());
        assert_eq!(storing(), 2);
        trial.pass(2);
        assert!(smtp.line().starts_with("451 "));
        assert!(pop3.line().starts_with("-ERR [SYS/TEMP]"));
        first.dialog(&[("NOOP\r\n", "250 ")]);

        disk.hang(false);
        let mut again = in_data(trial, OWN);
        again.dialog(&[("second\r\n.\r\n", "250 ")]);
        let mut pop3 = logged_on(trial, OWN);
        pop3.dialog(&[("STAT\r\n", "+OK 2 ")]);
    });
}

/// The others don't notice, and the log and the count tell of it; `poppet status` knew nothing of it.
#[test]
fn a_bug_in_one_session_ends_no_other_s_273() {
    serving(&[], |trial| {
        let mut smtp = trial.greeted(Smtp, OWN);
        for count in 1..=2 {
            let session = async { panic!("a bug that a test has planted") };
            smol::block_on(listener::guarded(Arc::clone(trial.server()), Box::pin(session)));
            assert_eq!(trial.server().status().broken_off, count);
        }
        smtp.dialog(&[("NOOP\r\n", "250 ")]);
    });
}

fn logged_on(trial: &Trial, from: std::net::Ipv4Addr) -> Peer {
    let mut pop3 = trial.greeted(Pop3, from);
    pop3.dialog(&[("USER alice@home.lan\r\n", "+OK"), ("PASS wonderland\r\n", "+OK")]);
    pop3
}

fn in_data(trial: &Trial, from: std::net::Ipv4Addr) -> Peer {
    let mut smtp = trial.greeted(Smtp, from);
    smtp.dialog(&[
        ("HELO client.lan\r\n", "250 "),
        ("MAIL FROM:<>\r\n", "250 "),
        ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ("DATA\r\n", "354 "),
    ]);
    smtp
}

fn shakes_hands(trial: &Trial) -> bool {
    let rows = trial.server().sessions.show(std::time::Instant::now());
    rows.iter().any(|row| row.listener == Pop3s.name() && row.state == "handshake")
}
