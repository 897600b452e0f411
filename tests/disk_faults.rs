//! The disk fails at every place of a scenario, once or for a while: nothing acknowledged is lost, nothing that
//! failed is believed, and the store goes on by itself once the disk does (S-288–S-293).

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod disk;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, Fault};
use poppet::clock::{Clock, UnixTime};
use poppet::mail::{
    Account, Domain, Lane, MailDsn, MailboxId, MailboxMark, MessageId, RcptDsn, RemoteAddress, Uid,
};
use poppet::settings::Method;
use poppet::store::{
    Delivered, Delivery, Fate, Filing, Options, Outbound, QueueId, Settlement, Store, StoreError, Switch,
    SwitchedUser, User, Which,
};
use poppet::ticket::block_on;

#[test]
fn a_full_disk_refuses_mail_and_loses_none_s_288() {
    at_every_operation(ErrorKind::StorageFull, true);
}

#[test]
fn a_disk_that_fails_once_loses_nothing_acknowledged_s_291_s_292() {
    at_every_operation(ErrorKind::Other, false);
}

#[test]
fn a_disk_that_turns_read_only_loses_nothing_acknowledged_s_294() {
    at_every_operation(ErrorKind::ReadOnlyFilesystem, true);
}

/// redb's file does not shrink while it is open. A disk that mail had filled stayed full when all mail was
/// removed: mail was refused until the second restart.
#[test]
fn a_disk_that_mail_has_filled_takes_mail_again_when_some_is_removed() {
    let disk = Disk::new(Vec::new());
    disk.shrink(72 << 20);
    let options = Options { cache_kib: None, quiet: Some(Duration::ZERO) };
    let store = Store::create_on(Arc::new(disk), &options, clock()).unwrap();
    store.set_setting("reserve_mib", Some("8")).wait().unwrap();
    let domain: Domain = "home.lan".parse().unwrap();
    store.add_domain(domain.clone()).wait().unwrap();
    let address = poppet::mail::Address::new("alice", &domain).unwrap();
    let mailbox = store.add_mailbox(address, MailboxMark([1; 16]), Vec::new()).wait().unwrap();

    let mut taken = 0;
    while deliver(&store, mailbox, 2 + 3 * taken).is_ok() {
        taken += 1;
        assert!(taken < 200, "the disk was never full");
    }
    assert!(taken > 20, "only {taken} mails of 600 KB on a disk of 72 MiB");
    let uids = store.snapshot(mailbox).wait().unwrap().messages.into_iter().map(|(uid, _)| uid).collect();
    store.remove_messages(mailbox, uids).wait().unwrap();
    let begun = std::time::Instant::now();
    while deliver(&store, mailbox, 2).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "mail is refused though all was removed");
        std::thread::yield_now();
    }
}

/// A disk may say that it has room and give the file none, as where a quota ends, or where a file system knows no holes
/// and redb wants to double its file. Removed mail gave way only where the disk said that it was full: here mail was
/// refused however much was removed. An estimate of the room inside the file then helped some sizes of mail only.
#[test]
fn removed_mail_gives_way_on_a_disk_that_gives_less_than_it_says() {
    for (octets, share, is_restarted) in
        [(600_000, 1, true), (60_000, 1, true), (20_000, 1, true), (20_000, 10, false), (5_000, 10, false)]
    {
        let disk = Disk::new(Vec::new());
        disk.shrink(60 << 20);
        let mut store = Store::create_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
        store.set_setting("reserve_mib", Some("8")).wait().unwrap();
        let domain: Domain = "home.lan".parse().unwrap();
        store.add_domain(domain.clone()).wait().unwrap();
        let address = poppet::mail::Address::new("alice", &domain).unwrap();
        let mailbox = store.add_mailbox(address.clone(), MailboxMark([1; 16]), Vec::new()).wait().unwrap();
        let deliver = |store: &Store| {
            let mut upload = store.upload();
            block_on(upload.push(&vec![b'x'; octets]))?;
            upload.finish(vec![Delivery::to(mailbox, Vec::new())]).wait()
        };
        let mut taken = 0;
        while deliver(&store).is_ok() {
            taken += 1;
            assert!(taken < 20_000, "the disk was never full");
        }
        wait_until_reopened(&store);
        assert!(store.wear().free_octets > 16 << 20, "the disk says that it has room: {:?}", store.wear());
        let uids = store.snapshot(mailbox).wait().unwrap().messages.into_iter().map(|(uid, _)| uid);
        let removed: Vec<Uid> = uids.take(taken / share).collect();
        // As clients remove it.
        removed.chunks(50).for_each(|some| store.remove_messages(mailbox, some.to_vec()).wait().unwrap());
        if is_restarted {
            // It forgets that the disk was full, and makes the file as small as it can be.
            drop(store);
            store = Store::open_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
        }
        let mut refused = 0;
        for _ in 0..10 {
            refused += u32::from(deliver(&store) == Err(StoreError::Full));
            wait_until_reopened(&store);
        }
        let what = format!("{octets} octets, one of {share}, of {taken}");
        assert!(refused <= 2, "{what}: only tries show it, but {refused} were refused");
        let undeleted = store.undelete(address, None, false).wait().unwrap();
        assert_eq!((undeleted.messages + undeleted.purged) as usize, removed.len(), "{what}");
    }
}

/// A log that filled the disk for a minute cost mail that could have been brought back, for an hour.
#[test]
fn a_disk_that_has_room_again_costs_no_removed_mail() {
    let disk = Disk::new(Vec::new());
    // redb's file is half of it before it wants to be all of it.
    disk.shrink(72 << 20);
    let store = Store::create_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
    store.set_setting("reserve_mib", Some("8")).wait().unwrap();
    let domain: Domain = "home.lan".parse().unwrap();
    store.add_domain(domain.clone()).wait().unwrap();
    let address = poppet::mail::Address::new("alice", &domain).unwrap();
    let mailbox = store.add_mailbox(address.clone(), MailboxMark([1; 16]), Vec::new()).wait().unwrap();
    let mut taken = 0;
    while deliver(&store, mailbox, 2 + 3 * taken).is_ok() {
        taken += 1;
        assert!(taken < 200, "the disk was never full");
    }
    disk.shrink(1 << 30);
    wait_until_reopened(&store);
    let uids = store.snapshot(mailbox).wait().unwrap().messages.into_iter().map(|(uid, _)| uid).collect();
    store.remove_messages(mailbox, uids).wait().unwrap();
    // The figure of the disk may be a second old.
    while deliver(&store, mailbox, 2).is_err() {
        wait_until_reopened(&store);
    }
    (0..9).for_each(|_| assert_eq!(deliver(&store, mailbox, 2), Ok(Delivered::to(1))));
    assert_eq!(store.undelete(address, None, false).wait().unwrap().purged, 0);
}

/// What is removed can be brought back, and must not keep new mail out for that: the oldest of it gives way, and no
/// more than has to.
#[test]
fn removed_mail_gives_way_to_new_mail_oldest_first() {
    let disk = Disk::new(Vec::new());
    disk.shrink(72 << 20);
    // Nothing is done in idle time here.
    let store = Store::create_on(Arc::new(disk), &options(), clock()).unwrap();
    store.set_setting("reserve_mib", Some("8")).wait().unwrap();
    let domain: Domain = "home.lan".parse().unwrap();
    store.add_domain(domain.clone()).wait().unwrap();
    let address = poppet::mail::Address::new("alice", &domain).unwrap();
    let mailbox = store.add_mailbox(address.clone(), MailboxMark([1; 16]), Vec::new()).wait().unwrap();

    let mut taken = 0;
    while deliver(&store, mailbox, 2 + 3 * taken).is_ok() {
        taken += 1;
        assert!(taken < 200, "the disk was never full");
    }
    assert!(!store.has_space_for(600_000));
    let half = taken / 2;
    store.remove_messages(mailbox, (1..=half).map(Uid).collect()).wait().unwrap();
    store.remove_messages(mailbox, (half + 1..=taken).map(Uid).collect()).wait().unwrap();
    assert!(store.has_space_for(600_000), "removed mail counts as room");
    assert_eq!(deliver(&store, mailbox, 2), Ok(Delivered::to(1)), "it is taken at once");
    let undeleted = store.undelete(address, None, false).wait().unwrap();
    assert!(undeleted.messages >= taken - half, "the younger half is there: {undeleted:?} of {taken}");
    assert_eq!(undeleted.messages + undeleted.purged, taken);
    let uids = || -> Vec<u32> {
        store.snapshot(mailbox).wait().unwrap().messages.into_iter().map(|(uid, _)| uid.0).collect()
    };
    let back = uids();
    while deliver(&store, mailbox, 5).is_ok() {
        taken += 1;
        assert!(taken < 200, "the disk was never full again");
    }
    assert!(uids().starts_with(&back), "what is back keeps its room");
}

/// The numbers of bodies were reserved by a commit that was not synced, and a failure took it back. The mails behind
/// it had numbers that the next start gave again: their text was overwritten by that of other mails.
#[test]
fn a_failure_after_a_streamed_mail_gives_no_body_the_number_of_another() {
    let (image, mailbox) = prepared();
    let disk = Disk::new(image);
    let open = || Store::open_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
    let store = open();
    let mut upload = store.upload();
    block_on(upload.push(&text(2))).unwrap();
    disk.fail(Fault { operations: 0, lasts: false, kind: ErrorKind::Other });
    assert!(deliver(&store, mailbox, 1).is_err());
    assert!(disk.heal(), "the fault was met");
    drop(upload);
    wait_until_reopened(&store);
    let before = [3, 4, 6, 7];
    before.iter().for_each(|&number| assert_eq!(deliver(&store, mailbox, number), Ok(Delivered::to(1))));
    drop(store);

    let store = open();
    let after = [9, 10, 12, 13, 15, 16, 18, 19];
    after.iter().for_each(|&number| assert_eq!(deliver(&store, mailbox, number), Ok(Delivered::to(1))));
    check(&store, mailbox, &[&before[..], &after].concat(), false, 0);
}

/// Repeats the scenario with the fault one operation later each time, until it is no longer met.
fn at_every_operation(kind: ErrorKind, lasts: bool) {
    let (image, mailbox) = prepared();
    for operations in 0.. {
        let disk = Disk::new(image.clone());
        let store = Store::open_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
        disk.fail(Fault { operations, lasts, kind });
        let mut kept = Vec::new();
        for number in 1..=4 {
            match deliver(&store, mailbox, number) {
                Ok(_) => kept.push(number),
                Err(StoreError::Full) => assert_eq!(kind, ErrorKind::StorageFull),
                Err(error) => assert!(matches!(error, StoreError::Io(_)), "{operations}: {error:?}"),
            }
        }
        let filed = file(&store, 7);
        let settled = store.queue_settle(vec![Settlement { id: QueueId(1), fate: Fate::Sent }]).wait();
        let removed = store.remove_messages(mailbox, vec![Uid(1)]).wait();
        let written = store.put_record(RECORD, record()).wait();
        let moved = store.users().wait().and_then(|users| store.switch_method(switch(users)).wait());
        let was_met = disk.heal();
        wait_until_reopened(&store);
        assert_eq!(deliver(&store, mailbox, 5), Ok(Delivered::to(1)), "{operations}: it goes on");
        kept.push(5);
        // What was believed must be on the disk, not in a cache: cut the power.
        let image = disk.image_after_cut(&mut fastrand::Rng::with_seed(operations));
        drop(store);
        let store = Store::open_on(Arc::new(Disk::new(image)), &options(), clock()).unwrap();
        check(&store, mailbox, &kept, removed.is_ok(), operations);
        let found = store.record(RECORD).wait().unwrap();
        assert!(found == Some(record()) || found.is_none() && written.is_err(), "{operations}: {written:?}");
        check_method(&store, moved.is_ok(), operations);
        check_queue(&store, (filed.is_ok(), settled.is_ok()), operations);
        store.undelete("alice@home.lan".parse().unwrap(), None, false).wait().unwrap();
        kept.push(0);
        check(&store, mailbox, &kept, false, operations);
        if !was_met {
            assert!(operations > 20, "the scenario has too few operations to count: {operations}");
            return;
        }
    }
}

/// Everybody moves to the directory.
fn switch(users: Vec<User>) -> Switch {
    let account = Account::named("HOME\\alice");
    let moved = users.into_iter().map(|before| SwitchedUser {
        before,
        password: Some(Vec::new()),
        account: account.clone(),
    });
    let users = Some(moved.collect());
    Switch { from: Method::File, to: Method::Directory, learn: None, users, record: Some((RECORD, record())) }
}

/// All of the move is there, or nothing; all of it if that was acknowledged.
fn check_method(store: &Store, is_moved: bool, operations: u64) {
    let users = store.users().wait().unwrap();
    match store.settings().auth {
        Method::Directory => assert!(users.iter().all(|user| user.account.is_some() && !user.has_password)),
        method => {
            assert!(method == Method::File && !is_moved, "{operations}: the new method is lost");
            assert!(users.iter().all(|user| user.account.is_none() && user.has_password));
        }
    }
}

/// Mail for somebody elsewhere.
fn file(store: &Store, number: u32) -> Result<Delivered, StoreError> {
    let outbound = Outbound {
        lane: Lane::SmartHost,
        reverse_path: "alice@home.lan".into(),
        recipient: RemoteAddress::from_path("bob@example.com"),
        mail_dsn: MailDsn::default(),
        rcpt_dsn: RcptDsn::default(),
        is_utf8: false,
        needs_utf8: false,
        submitter: "alice@home.lan".into(),
        chooser: None,
        came_from: None,
        prefix: Vec::new(),
    };
    let mut upload = store.upload();
    block_on(upload.push(&text(number)))?;
    upload.file(Filing { outbound: vec![outbound], ..Filing::default() }).wait()
}

/// Who was filed waits, who was sent does not: one had been filed before, and one meanwhile.
fn check_queue(store: &Store, (is_filed, is_settled): (bool, bool), operations: u64) {
    let rows = store.queue_page(Which::All, None, 9).wait().unwrap();
    let ids: Vec<u64> = rows.iter().map(|row| row.id.0).collect();
    assert!(!is_settled || !ids.contains(&1), "{operations}: who was sent waits again");
    assert!(is_settled || ids.contains(&1) || ids.len() <= 1, "{operations}: {ids:?}");
    assert!(!is_filed || ids.contains(&2), "{operations}: who was filed is lost");
    assert_eq!(store.queue_counts().waiting, ids.len() as u64, "{operations}");
    let next = store.queue_next(Lane::SmartHost, UnixTime(1_800_000_000), Vec::new(), None, 9).wait();
    assert_eq!(next.unwrap().first(), rows.first(), "{operations}");
    for row in &rows {
        let octets: Vec<u8> =
            (0..row.chunks).flat_map(|index| store.chunk(row.body(), index).wait().unwrap().0).collect();
        assert!(octets == text(if row.id.0 == 1 { 8 } else { 7 }), "{operations}: it is another mail");
    }
}

/// A record of several pages, as of certificates or failed logons.
fn record() -> Vec<u8> {
    (0..3000_u32).flat_map(u32::to_le_bytes).collect()
}

const RECORD: &str = "failures";

/// A database with one old mail, and a long one that waits to leave.
fn prepared() -> (Vec<u8>, MailboxId) {
    let disk = Disk::new(Vec::new());
    let store = Store::create_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
    let domain: Domain = "home.lan".parse().unwrap();
    store.add_domain(domain.clone()).wait().unwrap();
    let address = poppet::mail::Address::new("alice", &domain).unwrap();
    let mailbox = store.add_mailbox(address, MailboxMark([1; 16]), vec![1]).wait().unwrap();
    assert_eq!(deliver(&store, mailbox, 0), Ok(Delivered::to(1)));
    file(&store, 8).unwrap();
    drop(store);
    (disk.image(), mailbox)
}

fn deliver(store: &Store, mailbox: MailboxId, number: u32) -> Result<Delivered, StoreError> {
    let mut upload = store.upload();
    block_on(upload.push(&text(number)))?;
    upload.finish(vec![Delivery::to(mailbox, number.to_le_bytes().to_vec())]).wait()
}

/// Every third one is long enough to stream.
fn text(number: u32) -> Vec<u8> {
    let octets = if number % 3 == 2 { 600_000 } else { 5_000 };
    number.to_le_bytes().repeat(octets / 4)
}

/// A reopening that failed is not tried again at once.
fn wait_until_reopened(store: &Store) {
    let begun = std::time::Instant::now();
    while store.domains().wait().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the store did not come back by itself");
        std::thread::yield_now();
    }
}

fn check(store: &Store, mailbox: MailboxId, kept: &[u32], is_removed: bool, operations: u64) {
    let mut found = Vec::new();
    for (uid, _) in store.snapshot(mailbox).wait().unwrap().messages {
        let opened = store.open_message(MessageId { mailbox, uid }).wait().unwrap().unwrap();
        let number = u32::from_le_bytes(opened.prefix[..4].try_into().unwrap());
        let mut octets = opened.first.unwrap().0;
        for index in 1..opened.chunks {
            octets.extend(store.chunk(opened.blob, index).wait().unwrap().0);
        }
        assert!(octets == text(number), "{operations}: mail {number} is not what was delivered");
        found.push(number);
    }
    for number in kept {
        assert!(found.contains(number), "{operations}: the acknowledged mail {number} is lost");
    }
    assert!(!(is_removed && found.contains(&0)), "{operations}: the removed mail is back");
    assert!(is_removed || found.contains(&0) || !kept.is_empty(), "{operations}");
}

fn options() -> Options {
    Options { cache_kib: None, quiet: Some(Duration::from_secs(3600)) }
}

fn clock() -> Clock {
    Clock::fixed(UnixTime(1_800_000_000))
}
