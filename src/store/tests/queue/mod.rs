//! Mail that waits to leave.

mod acts;
mod hurt;
mod mended;
mod turns;

use std::sync::Mutex;

use super::*;
use crate::mail::{MailDsn, RcptDsn, RemoteAddress};

const NOW: u64 = 1_800_000_000;

fn lane(text: &str) -> crate::mail::Lane {
    text.parse().unwrap()
}

/// Somebody to whom a mail of alice leaves by the smart host.
fn outbound(recipient: &str) -> Outbound {
    Outbound {
        lane: lane("smarthost"),
        reverse_path: "alice@home.lan".into(),
        recipient: RemoteAddress::from_path(recipient),
        mail_dsn: MailDsn::default(),
        rcpt_dsn: RcptDsn::default(),
        is_utf8: false,
        needs_utf8: false,
        submitter: "alice@home.lan".into(),
        chooser: None,
        came_from: None,
        prefix: Vec::new(),
    }
}

fn of(submitter: &str, recipient: &str) -> Outbound {
    Outbound { submitter: submitter.into(), ..outbound(recipient) }
}

fn upload(store: &Store, octets: &[u8]) -> Upload {
    let mut upload = store.upload();
    for piece in octets.chunks(10_000) {
        block_on(upload.push(piece)).unwrap();
    }
    upload
}

fn file(store: &Store, octets: &[u8], outbound: Vec<Outbound>) -> Result<Delivered, StoreError> {
    upload(store, octets).file(Filing { outbound, ..Filing::default() }).wait()
}

fn leaving(leaving: usize) -> Delivered {
    Delivered::Stored { mailboxes: 0, to_warn: Vec::new(), leaving }
}

fn next_at(store: &Store, now: u64, busy: &[u64], recipients: usize) -> Vec<Queued> {
    let busy = busy.iter().copied().map(QueueId).collect();
    store.queue_next(lane("smarthost"), UnixTime(now), busy, None, recipients).wait().unwrap()
}

fn next(store: &Store) -> Vec<Queued> {
    next_at(store, NOW, &[], 100)
}

fn ids(queued: &[Queued]) -> Vec<u64> {
    queued.iter().map(|queued| queued.id.0).collect()
}

fn settle(store: &Store, id: u64, fate: Fate) {
    store.queue_settle(vec![Settlement { id: QueueId(id), fate }]).wait().unwrap();
}

fn later(next: u64) -> Fate {
    Fate::Later { next: UnixTime(next), is_try: true, is_unsure: false, last: None }
}

fn last(at: u64, text: &str) -> LastTry {
    LastTry { at: UnixTime(at), host: "mail.example.com".into(), text: text.into() }
}

fn all(store: &Store) -> Vec<Queued> {
    store.queue_page(Which::All, None, usize::MAX).wait().unwrap()
}

fn counts(store: &Store) -> (u64, u64, u64) {
    let counts = store.queue_counts();
    (counts.waiting, counts.held, counts.dead)
}

/// The body of a queued mail.
fn body_of(store: &Store, queued: &Queued) -> Vec<u8> {
    (0..queued.chunks).flat_map(|index| store.chunk(queued.body(), index).wait().unwrap().0).collect()
}

#[test]
fn what_is_filed_is_there_with_all_that_was_said_also_after_reopening() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let mut filed = Vec::new();
    for size in [0, 1, 4077, 65_516, 262_064, 900_000] {
        let there = Outbound {
            prefix: b"Delivered-To: us\r\n".to_vec(),
            came_from: Some("192.0.2.1".parse().unwrap()),
            is_utf8: true,
            mail_dsn: MailDsn { ret: None, envelope_id: Some("x".into()) },
            ..outbound("bob@example.com")
        };
        let here = Delivery::to(alice, b"To: 1\r\n".to_vec());
        let filing = Filing { deliveries: vec![here], outbound: vec![there.clone()], settled: Vec::new() };
        let delivered = upload(&store, &body(size)).file(filing).wait();
        assert_eq!(delivered, Ok(Delivered::Stored { mailboxes: 1, to_warn: Vec::new(), leaving: 1 }));
        filed.push((size, there));
    }
    store.close();
    let store = folder.open().unwrap();
    let found = all(&store);
    assert_eq!(found.len(), filed.len());
    for (uid, (queued, (size, there))) in (1..).zip(found.iter().zip(&filed)) {
        assert_eq!(queued.outbound, *there);
        assert!(body_of(&store, queued) == body(*size), "{size}");
        assert_eq!(queued.octets, *size as u64 + 18);
        assert_eq!((queued.received, queued.next, queued.is_sure), (UnixTime(NOW), UnixTime(NOW), true));
        let here = read_back(&store, alice, Uid(uid)).unwrap().unwrap();
        assert!(here[7..] == body(*size), "{size}");
    }
    assert_eq!(counts(&store), (6, 0, 0));
}

#[test]
fn a_body_is_freed_with_the_last_who_waits_or_has_it() {
    for is_mailbox_last in [false, true] {
        let folder = Folder::new();
        let store = folder.create();
        let alice = add_alice(&store);
        let filing = Filing {
            deliveries: vec![Delivery::to(alice, Vec::new())],
            outbound: vec![outbound("bob@example.com"), outbound("carol@example.com")],
            settled: Vec::new(),
        };
        upload(&store, &body(300_000)).file(filing).wait().unwrap();
        let remove = || {
            store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
        };
        if !is_mailbox_last {
            remove();
        }
        settle(&store, 1, Fate::Sent);
        free_all(&store);
        assert_eq!(body_of(&store, &next(&store)[0]).len(), 300_000);
        settle(&store, 2, Fate::Failed);
        if is_mailbox_last {
            free_all(&store);
            assert_eq!(read_back(&store, alice, Uid(1)).unwrap().unwrap().len(), 300_000);
            remove();
        }
        free_all(&store);
        assert_eq!(left_of_bodies(&store), 0);
        assert_eq!(store.shared.live_octets.load(Ordering::Relaxed), 0);
        assert!(all(&store).is_empty());
    }
}

#[test]
fn what_was_settled_is_never_given_again_and_its_number_neither() {
    let folder = Folder::new();
    let store = folder.create();
    for round in 1..=3 {
        assert_eq!(file(&store, b"x", vec![outbound("bob@example.com")]), Ok(leaving(1)));
        assert_eq!(ids(&next(&store)), [round]);
        settle(&store, round, Fate::Sent);
        assert!(next(&store).is_empty());
        // One who is gone is passed over.
        settle(&store, round, later(NOW));
        assert!(next(&store).is_empty());
    }
    let store = folder.reopen(&store, NOW);
    file(&store, b"x", vec![outbound("bob@example.com")]).unwrap();
    assert_eq!(ids(&next(&store)), [4]);
}

#[test]
fn who_waits_waits_for_his_time_and_keeps_what_was_learnt() {
    let folder = Folder::new();
    let store = folder.create();
    file(&store, b"x", vec![outbound("bob@example.com")]).unwrap();
    let fate = |next, is_try, is_unsure, last| Fate::Later { next: UnixTime(next), is_try, is_unsure, last };
    let long = "4".repeat(limits::KEPT_REPLY_OCTETS - 1) + "\u{e9}!";
    settle(&store, 1, fate(NOW + 60, true, true, Some(last(NOW, &long))));
    settle(&store, 1, fate(NOW + 90, false, false, None));
    settle(&store, 1, Fate::DelayTold);
    assert!(next_at(&store, NOW + 89, &[], 1).is_empty());
    let found = next_at(&store, NOW + 90, &[], 1).remove(0);
    assert_eq!((found.tries, found.unsure_sends, found.is_delay_told), (1, 1, true));
    let kept = found.last.unwrap();
    assert_eq!((kept.at, &*kept.host), (UnixTime(NOW), "mail.example.com"));
    assert_eq!(kept.text.len(), limits::KEPT_REPLY_OCTETS - 1, "no half letter");
    let lanes = store.queue_lanes().wait().unwrap();
    assert_eq!(lanes, [LaneRow { lane: lane("smarthost"), waiting: 1, next: Some(UnixTime(NOW + 90)) }]);
    settle(&store, 1, Fate::Moved(lane("route:example.com")));
    assert!(next_at(&store, NOW + 90, &[], 1).is_empty());
    let lanes = store.queue_lanes().wait().unwrap();
    assert_eq!(lanes.iter().map(|row| row.lane.to_string()).collect::<Vec<_>>(), ["route:example.com"]);
}

#[test]
fn a_report_is_stored_and_its_failures_settled_in_one_commit() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    file(&store, b"x", vec![outbound("bob@example.com"), outbound("carol@example.com")]).unwrap();
    let failed = |id| Settlement { id: QueueId(id), fate: Fate::Failed };
    let report = |mailbox| Filing {
        deliveries: vec![Delivery::to(mailbox, Vec::new())],
        outbound: Vec::new(),
        settled: vec![failed(1), failed(2), failed(3)],
    };
    // Nobody is there to be told: nothing of it is done.
    let nobody = upload(&store, b"report").file(report(MailboxId(99))).wait();
    assert_eq!((nobody, counts(&store)), (Ok(Delivered::NobodyLeft), (2, 0, 0)));
    let before = store.wear().commits;
    let told = upload(&store, b"report").file(report(alice)).wait();
    assert_eq!((told, counts(&store)), (Ok(Delivered::to(1)), (0, 0, 0)));
    assert_eq!(store.wear().commits - before, 1);
    assert_eq!(store.upload().file(Filing::default()).wait(), Ok(Delivered::NobodyLeft));
}

#[test]
fn a_full_mailbox_gets_its_copy_where_mail_leaves_too() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let quota = crate::settings::Quota { messages: Some(1), ..Default::default() };
    let filing = |outbound| Filing {
        deliveries: vec![Delivery { quota, ..Delivery::to(alice, Vec::new()) }],
        outbound,
        settled: vec![Settlement { id: QueueId(1), fate: Fate::Failed }],
    };
    let to_bob = || vec![outbound("bob@example.com")];
    file(&store, b"x", to_bob()).unwrap();
    deliver(&store, b"full", &[alice]).unwrap();
    assert_eq!(upload(&store, b"x").file(filing(Vec::new())).wait(), Ok(Delivered::Full));
    assert_eq!(ids(&all(&store)), [1], "nothing of it was done");
    let delivered = upload(&store, b"x").file(filing(to_bob())).wait().unwrap();
    assert!(matches!(delivered, Delivered::Stored { mailboxes: 1, leaving: 1, .. }), "{delivered:?}");
    assert_eq!((uids(&store, alice).len(), ids(&all(&store))), (2, vec![2]));
}

#[test]
fn octets_beyond_ascii_are_known_of_each_body() {
    let folder = Folder::new();
    let store = folder.create();
    for (octets, is_8bit) in [
        (b"".to_vec(), false),
        (vec![0x7f; 70_000], false),
        ([vec![0x7f; 70_000], vec![0x80]].concat(), true),
        ([vec![0xc3], vec![b'x'; 300_000]].concat(), true),
    ] {
        file(&store, &octets, vec![outbound("bob@example.com")]).unwrap();
        assert_eq!(all(&store).last().unwrap().is_8bit, is_8bit, "{}", octets.len());
    }
}

#[test]
fn below_the_reserve_nothing_comes_in_and_what_was_sent_goes() {
    let folder = Folder::new();
    let store = folder.create();
    let to = || vec![outbound("bob@example.com")];
    for _ in 0..3 {
        file(&store, b"x", to()).unwrap();
    }
    store.set_setting("reserve_mib", Some("1048576")).wait().unwrap();
    for octets in [&b""[..], b"y"] {
        assert_eq!(file(&store, octets, to()), Err(StoreError::Full));
    }
    settle(&store, 1, Fate::Sent);
    settle(&store, 2, later(NOW + 60));
    let settled = vec![Settlement { id: QueueId(3), fate: Fate::Failed }];
    let filing = Filing { settled, ..Filing::default() };
    assert_eq!(store.upload().file(filing).wait(), Ok(leaving(0)));
    assert_eq!(ids(&all(&store)), [2]);
}

/// Who was gone or held by the time when his mail came home was delivered to all the same, once more or against the
/// administrator's will.
#[test]
fn who_waits_no_more_is_not_brought_home_and_nothing_beside_him_is_done_o4() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let home = |id| Filing {
        deliveries: vec![Delivery::to(alice, Vec::new())],
        settled: vec![
            Settlement { id: QueueId(id), fate: Fate::Home },
            Settlement { id: QueueId(1), fate: later(NOW + 60) },
        ],
        ..Filing::default()
    };
    let to = (1..=5).map(|number| outbound(&format!("bob{number}@example.com")));
    file(&store, b"x", to.collect()).unwrap();
    settle(&store, 2, Fate::Sent);
    settle(&store, 3, Fate::Dead(last(NOW, "no")));
    store.queue_act(Which::One(QueueId(4)), QueueAct::Hold).wait().unwrap();
    let before = all(&store);
    for size in [1, 900_000] {
        for gone in [2, 3, 4, 6] {
            let delivered = upload(&store, &body(size)).file(home(gone)).wait();
            assert_eq!((delivered, uids(&store, alice).len()), (Ok(Delivered::NobodyLeft), 0), "{gone}");
        }
    }
    assert_eq!(all(&store), before);
    // Asked for twice before the first is durable, it is done once.
    let asked = [(); 2].map(|()| upload(&store, b"x").file(home(5)));
    assert_eq!(asked.map(Ask::wait), [Ok(Delivered::to(1)), Ok(Delivered::NobodyLeft)]);
    assert_eq!((uids(&store, alice).len(), ids(&all(&store))), (1, vec![1, 3, 4]));
    free_all(&store);
    settle(&store, 1, Fate::Home);
    assert_eq!(counts(&store), (0, 1, 1));
}

#[test]
fn who_watches_is_told_after_the_commit_of_what_is_new_or_due() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let seen = Arc::new(Mutex::new(Vec::new()));
    // Only what is committed can be read from another handle's transaction.
    let (shared, told) = (Arc::clone(&store.shared), Arc::clone(&seen));
    store.watch_queue(Box::new(move || {
        let rows = shared.engine.read(|transaction| {
            use redb::ReadableTableMetadata;
            Ok(transaction.open_table(schema::QUEUE)?.len()?)
        });
        told.lock().unwrap().push(rows.unwrap());
    }));
    let mut expect = Vec::new();
    let mut after = |rows: Option<u64>, what: &str| {
        // The numbers that come next have a row too.
        expect.extend(rows.map(|rows| rows + 1));
        assert_eq!(*seen.lock().unwrap(), expect, "{what}");
    };
    deliver(&store, b"x", &[alice]).unwrap();
    after(None, "a mail for a mailbox");
    file(&store, b"x", vec![outbound("bob@example.com"), outbound("carol@example.com")]).unwrap();
    after(Some(2), "filed");
    settle(&store, 1, later(NOW + 60));
    after(None, "later");
    let act = |which, act| store.queue_act(which, act).wait().unwrap();
    act(Which::One(QueueId(1)), QueueAct::Hold);
    after(None, "held");
    act(Which::One(QueueId(1)), QueueAct::Release);
    after(Some(2), "released");
    act(Which::All, QueueAct::Retry);
    after(Some(2), "retried");
    settle(&store, 1, Fate::Sent);
    after(None, "sent");
    settle(&store, 2, Fate::Moved(lane("nowhere")));
    after(Some(1), "moved");
    act(Which::All, QueueAct::Delete);
    after(None, "deleted");
}
