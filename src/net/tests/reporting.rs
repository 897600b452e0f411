//! Reports in a running server: who gets them, what they settle, and what a full disk changes.

use super::*;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Lane, MailDsn, MessageId, Notify, RcptDsn, RemoteAddress, Ret};
use crate::net::relay::reader::{self, Reader};
use crate::net::relay::reporting::report;
use crate::net::server::Server;
use crate::relay::judging::{About, Told};
use crate::smtp::Leaving;
use crate::smtp::client::{Answer, Reply, Verdict};
use crate::store::{
    Fate, Filing, LastTry, Lock, Outbound, QueueCounts, QueueState, Queued, Settlement, StoreError, Which,
};
use crate::ticket::block_on;

const MAIL: &[u8] = b"Subject: x\r\nMessage-ID: <1@home.lan>\r\n\r\nthe body\r\n";

/// A server that doesn't serve, with alice's mailbox.
struct House {
    running: Running,
    alice: MailboxId,
    _folder: Folder,
}

impl House {
    fn open() -> House {
        let folder = Folder::new();
        let (running, alice, _) = start(&folder);
        House { running, alice, _folder: folder }
    }

    fn server(&self) -> &Server {
        self.running.server()
    }

    fn store(&self) -> &Store {
        &self.server().store
    }

    /// Queues a mail of hers, changed as the test wants it.
    fn queue(&self, body: &[u8], change: impl FnOnce(&mut Outbound)) -> Queued {
        let mut outbound = Outbound {
            lane: Lane::SmartHost,
            reverse_path: "alice@home.lan".into(),
            recipient: RemoteAddress::from_path("bob@far.example"),
            mail_dsn: MailDsn::default(),
            rcpt_dsn: RcptDsn::default(),
            is_utf8: false,
            needs_utf8: false,
            submitter: "alice@home.lan".into(),
            chooser: None,
            came_from: None,
            prefix: b"X-Mark: 1\r\n".to_vec(),
        };
        change(&mut outbound);
        let mut upload = self.store().upload();
        block_on(upload.push(body)).unwrap();
        upload.file(Filing { outbound: vec![outbound], ..Filing::default() }).wait().unwrap();
        self.rows().pop().unwrap()
    }

    fn rows(&self) -> Vec<Queued> {
        self.store().queue_page(Which::All, None, 1000).wait().unwrap()
    }

    /// What became of that row: none if it is gone.
    fn row(&self, of: &Queued) -> Option<Queued> {
        self.rows().into_iter().find(|row| row.id == of.id)
    }

    fn report(&self, about: About, rows: &[Queued]) -> Result<(), StoreError> {
        let last = LastTry { at: UnixTime(1), host: "mx.far.example".into(), text: "550 5.1.1 no".into() };
        let reply = Reply { code: 550, enhanced: Some([5, 1, 1]), text: "no".into() };
        let answer = Answer { verdict: Verdict::Never, reply };
        let of = rows.iter().map(|row| (row.clone(), last.clone(), Some(answer.clone()))).collect();
        block_on(report(self.server(), Told { about, of }))
    }

    /// All of alice's messages.
    fn messages(&self) -> Vec<String> {
        let snapshot = self.store().snapshot(self.alice).wait().unwrap();
        let read = |uid| {
            let message = MessageId { mailbox: self.alice, uid };
            let opened = self.store().open_message(message).wait().unwrap().unwrap();
            let mut octets = opened.prefix.clone();
            for index in 0..opened.chunks {
                octets.extend(self.store().chunk(opened.blob, index).wait().unwrap().0);
            }
            String::from_utf8(octets).unwrap()
        };
        snapshot.messages.iter().map(|(uid, _)| read(*uid)).collect()
    }
}

fn is_dead(row: Option<Queued>) -> bool {
    row.is_some_and(|row| {
        row.state == QueueState::Dead && row.last.is_some_and(|last| &*last.text == "550 5.1.1 no")
    })
}

#[test]
fn a_failure_is_in_the_senders_mailbox_and_out_of_the_queue_s_130() {
    let house = House::open();
    let row = house.queue(MAIL, |_| ());
    house.report(About::Failure, &[row]).unwrap();
    assert_eq!(house.rows(), []);
    let [message] = &house.messages()[..] else { panic!() };
    for part in [
        "Return-Path: <>\r\nDelivered-To: alice@home.lan\r\n",
        "\r\nSubject: Your mail could not be delivered\r\n",
        "\r\nIn-Reply-To: <1@home.lan>\r\n",
        "\r\nStatus: 5.1.1\r\n",
        "\r\nSubject: x\r\nMessage-ID: <1@home.lan>\r\n\r\n--",
    ] {
        assert!(message.contains(part), "{part:?}: {message}");
    }
    assert!(!message.contains("the body") && !message.contains("X-Mark"));
}

#[test]
fn a_small_mail_comes_back_whole_if_its_sender_wants_it() {
    let house = House::open();
    let most = usize::try_from(limits::RETURNED_OCTETS).unwrap();
    for (octets, ret, is_whole) in [
        (most - 1, Some(Ret::Full), true),
        (most, Some(Ret::Full), true),
        (most + 1, Some(Ret::Full), false),
        (most, Some(Ret::Headers), false),
        (most, None, false),
    ] {
        let mut body = MAIL.to_vec();
        while body.len() + 70 < octets {
            body.extend_from_slice(&[b"y".repeat(60), b"\r\n".to_vec()].concat());
        }
        body.extend_from_slice(&b"y".repeat(octets - body.len() - 2));
        body.extend_from_slice(b"\r\n");
        assert_eq!(body.len(), octets);
        let row = house.queue(&body, |outbound| outbound.mail_dsn.ret = ret);
        house.report(About::Failure, &[row]).unwrap();
        let message = house.messages().pop().unwrap();
        assert_eq!(message.contains("Content-Type: message/rfc822"), is_whole, "{octets} {ret:?}");
        assert_eq!(message.contains("the body"), is_whole);
    }
}

#[test]
fn a_full_disk_puts_a_report_off_and_loses_nothing() {
    let house = House::open();
    let row = house.queue(MAIL, |_| ());
    let reserve = |mib| house.store().set_setting("reserve_mib", mib).wait().unwrap();
    reserve(Some("1048576"));
    for tries in 1..=3 {
        assert_eq!(house.report(About::Failure, std::slice::from_ref(&row)), Err(StoreError::Full));
        let waiting = house.row(&row).unwrap();
        assert_eq!((waiting.state, waiting.tries), (QueueState::Waiting, tries), "it waits for its next try");
        assert!(waiting.next > row.next);
    }
    assert_eq!(house.report(About::Delay, std::slice::from_ref(&row)), Err(StoreError::Full));
    assert!(!house.row(&row).unwrap().is_delay_told);
    assert_eq!(house.messages(), [""; 0]);
    reserve(None);
    for _ in 0..limits::REPORTS_PER_HOUR - 1 {
        let more = house.queue(MAIL, |_| ());
        house.report(About::Failure, &[more]).unwrap();
    }
    house.report(About::Failure, &[row]).unwrap();
    assert_eq!(house.messages().len(), limits::REPORTS_PER_HOUR as usize, "what failed was not counted");
}

#[test]
fn a_mail_that_was_handed_on_never_goes_twice_for_want_of_a_report() {
    let house = House::open();
    let row = house.queue(MAIL, |_| ());
    house.store().set_setting("reserve_mib", Some("1048576")).wait().unwrap();
    house.report(About::Relayed, &[row]).unwrap();
    assert_eq!(house.rows(), []);
    house.store().set_setting("reserve_mib", None).wait().unwrap();
    let row = house.queue(MAIL, |_| ());
    house.report(About::Relayed, &[row]).unwrap();
    assert!(house.rows().is_empty() && house.messages()[0].contains("\r\nAction: relayed\r\n"));
}

#[test]
fn a_delay_is_told_and_the_mail_waits_on() {
    let house = House::open();
    let row = house.queue(MAIL, |_| ());
    house.report(About::Delay, std::slice::from_ref(&row)).unwrap();
    let waiting = house.row(&row).unwrap();
    assert_eq!(waiting, Queued { is_delay_told: true, ..row });
    assert!(house.messages()[0].contains("\r\nAction: delayed\r\n"));
    // Where nobody can be told, it isn't tried again and again.
    let nobodys = house.queue(MAIL, |outbound| outbound.reverse_path = "gone@home.lan".into());
    house.report(About::Delay, std::slice::from_ref(&nobodys)).unwrap();
    assert_eq!(house.row(&nobodys), Some(Queued { is_delay_told: true, ..nobodys }));
}

#[test]
fn where_nobody_can_be_told_the_recipient_is_dead_s_126() {
    let house = House::open();
    for sender in ["", "gone@home.lan", "scanner", "eve@far.example", "eve@[192.0.2.1]", "a@b@c"] {
        let row = house.queue(MAIL, |outbound| outbound.reverse_path = sender.into());
        house.report(About::Failure, std::slice::from_ref(&row)).unwrap();
        assert!(is_dead(house.row(&row)), "{sender}");
    }
    let alice = || "alice@home.lan".parse().unwrap();
    house.store().lock_mailbox(alice(), Lock::All).wait().unwrap();
    let row = house.queue(MAIL, |_| ());
    house.report(About::Failure, std::slice::from_ref(&row)).unwrap();
    assert!(is_dead(house.row(&row)), "she is locked");
    house.store().lock_mailbox(alice(), Lock::Open).wait().unwrap();
    assert_eq!(house.messages(), [""; 0]);
    let counts = house.store().queue_counts();
    assert_eq!(counts, QueueCounts { waiting: 0, held: 0, dead: 7 });
}

#[test]
fn a_full_mailbox_gets_reports_all_the_same() {
    let house = House::open();
    house.store().set_setting("quota_messages", Some("1")).wait().unwrap();
    for number in 1..=3 {
        let row = house.queue(MAIL, |_| ());
        house.report(About::Failure, &[row]).unwrap();
        assert_eq!(house.messages().len(), number);
    }
}

#[test]
fn the_postmaster_hears_of_his_own_mail() {
    let house = House::open();
    let row = house.queue(MAIL, |outbound| outbound.reverse_path = "postmaster@home.lan".into());
    house.report(About::Failure, &[row]).unwrap();
    assert!(house.rows().is_empty() && house.messages().len() == 1, "alice is the oldest one");
}

/// A smart host was dead for days, and one user's 300 mails were given up at once: he was told of a hundred, and the
/// others had ended in silence.
#[test]
fn who_has_had_his_reports_of_this_hour_is_told_of_the_rest_later_s_127() {
    let house = House::open();
    let most = limits::REPORTS_PER_HOUR;
    for number in 1..=most + 1 {
        let row = house.queue(MAIL, |_| ());
        house.report(About::Failure, std::slice::from_ref(&row)).unwrap();
        assert_eq!(house.row(&row).is_some(), number > most, "{number}");
    }
    assert_eq!(house.messages().len(), most as usize);
    let [late] = &house.rows()[..] else { panic!() };
    assert_eq!((late.state, late.tries), (QueueState::Waiting, 1), "it is not given up");
    let pause = late.next.0 - house.server().clock.now().0;
    assert!(pause > 3600, "another hour has begun by then: {pause}");
    assert_eq!(late.last.as_ref().map(|last| &*last.text), Some("550 5.1.1 no"));
    let delayed = house.queue(MAIL, |_| ());
    house.report(About::Delay, std::slice::from_ref(&delayed)).unwrap();
    assert_eq!(house.row(&delayed), Some(delayed), "nothing says that she has been told");
    let devices = house.queue(MAIL, |outbound| outbound.submitter = "device nas".into());
    house.report(About::Failure, std::slice::from_ref(&devices)).unwrap();
    assert_eq!(house.row(&devices), None, "another's are counted for themselves");
    // An hour on, she is told.
    let server = house.server();
    let again = server.clock.monotonic() + Duration::from_secs(3600);
    drop(server.reports.take("alice@home.lan", again).unwrap());
    house.report(About::Failure, std::slice::from_ref(late)).unwrap();
    assert_eq!((house.row(late), house.messages().len()), (None, most as usize + 2));
}

#[test]
fn a_leaked_account_or_a_stranger_fills_nobody_with_reports_s_127() {
    let house = House::open();
    for (submitter, sender) in [
        ("alice@home.lan", "eve@far.example"),
        ("device nas", "eve@far.example"),
        ("192.0.2.0/24", "alice@home.lan"),
        ("192.0.2.7", "alice@home.lan"),
        ("2001:db8::/64", "eve@far.example"),
    ] {
        let (server, now) = (house.server(), house.server().clock.monotonic());
        while let Some(turn) = server.reports.take(submitter, now) {
            turn.keep();
        }
        let row = house.queue(MAIL, |outbound| {
            (outbound.submitter, outbound.reverse_path) = (submitter.into(), sender.into());
        });
        house.report(About::Failure, std::slice::from_ref(&row)).unwrap();
        assert!(is_dead(house.row(&row)), "{submitter} {sender}");
    }
    assert_eq!(house.messages(), [""; 0]);
}

#[test]
fn one_report_settles_a_hundred_recipients() {
    let house = House::open();
    let rows: Vec<Queued> = (0..100).map(|_| house.queue(MAIL, |_| ())).collect();
    house.report(About::Failure, &rows).unwrap();
    assert!(house.rows().is_empty() && house.messages().len() == 1);
}

#[test]
fn a_mail_that_can_not_be_read_is_reported_without_it() {
    let house = House::open();
    let row = house.queue(b"Subject: no end\r\n", |_| ());
    house.report(About::Failure, &[Queued { chunks: row.chunks + 1, ..row }]).unwrap();
    let [message] = &house.messages()[..] else { panic!() };
    assert!(house.rows().is_empty() && !message.contains("text/rfc822-headers"), "{message}");
}

#[test]
fn a_report_to_somebody_elsewhere_leaves_from_nobody_and_asks_for_nothing() {
    let house = House::open();
    let row = house.queue(MAIL, |_| ());
    let recipient = RemoteAddress::from_path("eve@far.example");
    let forwarder = Some("alice@home.lan".parse().unwrap());
    let reader = Reader {
        mailboxes: Vec::new(),
        outside: vec![Leaving { recipient, lane: Lane::SmartHost, chooser: None, forwarder }],
        named: RemoteAddress::from_path("alice@home.lan"),
        domain: Some("home.lan".into()),
        language: Default::default(),
    };
    for needs_utf8 in [false, true] {
        let made = crate::smtp::report::Report { message: MAIL.to_vec(), needs_utf8 };
        let settled = vec![Settlement { id: row.id, fate: Fate::Failed }];
        assert_eq!(block_on(reader::file(house.server(), &reader, &made, settled)), Ok(true));
        let left = house.rows().pop().unwrap();
        assert_eq!(house.row(&row), None);
        let Outbound { reverse_path, recipient, rcpt_dsn, mail_dsn, is_utf8, prefix, .. } = left.outbound;
        assert_eq!((&*reverse_path, recipient.as_str(), is_utf8), ("", "eve@far.example", needs_utf8));
        assert_eq!(rcpt_dsn.notify, Some(Notify::default()), "RFC 3461 §6.1");
        assert_eq!(mail_dsn, MailDsn::default());
        assert_eq!(prefix, b"Delivered-To: alice@home.lan\r\n", "S-120");
    }
}

#[test]
fn a_stranger_whose_mail_we_took_is_told_where_there_is_a_way_to_him() {
    let house = House::open();
    house.store().set_setting("smarthost", Some("mail.example.com")).wait().unwrap();
    for (sender, is_told) in [
        ("eve@far.example", true),
        ("\"e v e\"@far.example", true),
        ("eve@[192.0.2.1]", true),
        ("eve@[127.0.0.1]", false),
    ] {
        let row = house.queue(MAIL, |outbound| outbound.reverse_path = sender.into());
        house.report(About::Failure, std::slice::from_ref(&row)).unwrap();
        assert_eq!(is_dead(house.row(&row)), !is_told, "{sender}");
        if is_told {
            assert_eq!(house.row(&row), None);
            let left = house.rows().pop().unwrap();
            assert_eq!((left.outbound.recipient.as_str(), &*left.outbound.reverse_path), (sender, ""));
            let chunk = house.store().chunk(left.body(), 0).wait().unwrap();
            let text = String::from_utf8(chunk.0).unwrap();
            assert!(text.contains("\r\nFrom: Mail delivery <postmaster@home.lan>\r\n"), "{text}");
        }
    }
    assert_eq!(house.messages(), [""; 0]);
}
