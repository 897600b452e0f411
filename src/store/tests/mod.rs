//! The store as other rooms use it, on real files.

mod aliases;
mod audit;
mod bugs;
mod clocks;
mod devices;
mod file;
mod forwards;
mod front;
mod full;
mod hourly;
mod joined;
mod layouts;
mod leveled;
mod memory;
mod model;
mod numbers;
mod queue;
mod quotas;
mod random;
mod routes;
mod undoing;
mod watchdog;
mod wear;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::*;
use crate::limits;
use crate::ticket::block_on;

/// A folder of its own, gone when the test ends.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("poppet-store-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("poppet.redb")
    }

    pub(super) fn create(&self) -> Store {
        let store = Store::create(&self.database(), &Options::default(), clock()).unwrap();
        // The machine that runs the tests may have a full disk.
        store.set_setting("reserve_mib", Some("1")).wait().unwrap();
        store
    }

    fn open(&self) -> Result<Store, StoreError> {
        self.open_at(clock())
    }

    /// Closes the database and opens it at another time.
    fn reopen(&self, store: &Store, seconds: u64) -> Store {
        store.close();
        self.open_at(Clock::fixed(UnixTime(seconds))).unwrap()
    }

    fn open_at(&self, clock: Clock) -> Result<Store, StoreError> {
        Store::open(&self.database(), &Options::default(), clock)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn clock() -> Clock {
    Clock::fixed(UnixTime(1_800_000_000))
}

fn alice() -> Address {
    "alice@home.lan".parse().unwrap()
}

fn add_alice(store: &Store) -> MailboxId {
    store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
    add(store, "alice@home.lan")
}

pub(super) fn add(store: &Store, address: &str) -> MailboxId {
    let address: Address = address.parse().unwrap();
    let mut mark = [0; 16];
    mark[..address.as_str().len().min(16)]
        .copy_from_slice(&address.as_str().as_bytes()[..address.as_str().len().min(16)]);
    store.add_mailbox(address, MailboxMark(mark), b"sealed".to_vec()).wait().unwrap()
}

fn deliver(store: &Store, body: &[u8], mailboxes: &[MailboxId]) -> Result<Delivered, StoreError> {
    let mut upload = store.upload();
    for piece in body.chunks(10_000) {
        block_on(upload.push(piece))?;
    }
    let deliveries = mailboxes
        .iter()
        .map(|&mailbox| Delivery::to(mailbox, format!("To: {}\r\n", mailbox.0).into_bytes()))
        .collect();
    upload.finish(deliveries).wait()
}

fn read_back(store: &Store, mailbox: MailboxId, uid: Uid) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(opened) = store.open_message(MessageId { mailbox, uid }).wait()? else { return Ok(None) };
    let mut octets = opened.prefix;
    octets.extend(opened.first.into_iter().flat_map(|chunk| chunk.0));
    for index in 1..opened.chunks {
        octets.extend(store.chunk(opened.blob, index).wait()?.0);
    }
    assert_eq!(octets.len() as u64, opened.octets);
    Ok(Some(octets))
}

fn uids(store: &Store, mailbox: MailboxId) -> Vec<u32> {
    store.snapshot(mailbox).wait().unwrap().messages.into_iter().map(|(uid, _)| uid.0).collect()
}

fn body(octets: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(octets as u64);
    std::iter::repeat_with(|| random.u8(..)).take(octets).collect()
}

#[test]
fn a_message_of_any_size_comes_back_octet_for_octet_also_after_reopening() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let sizes = [
        0, 1, 4075, 4076, 4077, 16_364, 65_515, 65_516, 65_517, 131_032, 262_063, 262_064, 262_065, 3_000_001,
    ];
    for size in sizes {
        assert_eq!(deliver(&store, &body(size), &[alice]), Ok(Delivered::to(1)));
    }
    for reopened in [false, true] {
        let store = if reopened {
            store.close();
            folder.open().unwrap()
        } else {
            store.clone()
        };
        for (uid, size) in (1..).zip(sizes) {
            let mut expected = b"To: 1\r\n".to_vec();
            expected.extend(body(size));
            assert!(
                read_back(&store, alice, Uid(uid)).unwrap().unwrap() == expected,
                "{size} octets, {reopened}"
            );
        }
        let snapshot = store.snapshot(alice).wait().unwrap();
        assert_eq!(
            snapshot.messages.iter().map(|(_, octets)| *octets as usize - 7).collect::<Vec<_>>(),
            sizes
        );
        assert_eq!(snapshot.mark.0[..5], *b"alice");
    }
}

#[test]
fn one_body_serves_all_recipients_and_is_freed_with_the_last() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let bob = add(&store, "bob@home.lan");
    let before = store.wear().written_octets;
    assert_eq!(deliver(&store, &body(1_000_000), &[alice, bob]), Ok(Delivered::to(2)));
    assert!(store.wear().written_octets - before < 1_300_000, "the body was written once");
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    assert_eq!(read_back(&store, alice, Uid(1)), Ok(None));
    assert_eq!(read_back(&store, bob, Uid(1)).unwrap().unwrap().len(), 1_000_007);
    store.remove_messages(bob, vec![Uid(1)]).wait().unwrap();
    free_all(&store);
    assert_eq!(left_of_bodies(&store), 0);
}

/// As if the time to bring back what was removed was over, and it was quiet for long.
fn free_all(store: &Store) {
    let shared = &store.shared;
    while purge::purge_some(shared, purge_order::Reach::All).unwrap()
        || shared.has_free.load(Ordering::Acquire)
    {
        free::free_some(shared).unwrap();
    }
}

#[test]
fn uids_rise_for_ever_also_when_the_last_message_was_removed_s_229() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    for _ in 0..3 {
        deliver(&store, b"x", &[alice]).unwrap();
    }
    store.remove_messages(alice, vec![Uid(3), Uid(1)]).wait().unwrap();
    store.close();
    let store = folder.open().unwrap();
    deliver(&store, b"y", &[alice]).unwrap();
    assert_eq!(uids(&store, alice), [2, 4]);
}

#[test]
fn a_new_mailbox_of_an_old_name_starts_empty_with_another_number_s_220() {
    let folder = Folder::new();
    let store = folder.create();
    let first = add_alice(&store);
    deliver(&store, b"secret", &[first]).unwrap();
    store.remove_mailbox(alice()).wait().unwrap();
    let second = add(&store, "alice@home.lan");
    assert_ne!(first, second);
    assert_eq!(uids(&store, second), [0_u32; 0]);
    assert!(matches!(store.snapshot(first).wait(), Err(StoreError::NotFound(_))));
    assert_eq!(deliver(&store, b"late", &[first]), Ok(Delivered::NobodyLeft));
    assert_eq!(deliver(&store, b"late", &[first, second]), Ok(Delivered::to(1)));
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let mut upload = store.upload();
    block_on(upload.push(&body(900_000))).unwrap();
    drop(upload);
    // A later job's answer means that the earlier one is done.
    store.remove_messages(alice, vec![]).wait().unwrap();
    free_all(&store);
    assert_eq!(uids(&store, alice), [0_u32; 0]);
    assert_eq!(left_of_bodies(&store), 0);
}

/// The first part of a long mail was in the file when the disk reserve refused the mail. Nobody owned that part
/// any more, and it stayed until the next opening.
#[test]
fn a_streamed_mail_that_is_refused_at_its_end_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let mut upload = store.upload();
    block_on(upload.push(&body(900_000))).unwrap();
    store.set_setting("reserve_mib", Some("1048576")).wait().unwrap();
    let refused = upload.finish(vec![Delivery::to(alice, Vec::new())]).wait();
    assert_eq!(refused, Err(StoreError::Full));
    free_all(&store);
    assert_eq!(left_of_bodies(&store), 0);
    assert_eq!(store.shared.live_octets.load(Ordering::Relaxed), 0);
}

/// Only the end of a mail was held against the reserve: long mails that came together filled the disk.
#[test]
fn a_mail_that_streams_in_stops_at_the_reserve() {
    let folder = Folder::new();
    let store = folder.create();
    store.set_setting("reserve_mib", Some("1048576")).wait().unwrap();
    assert_eq!(block_on(store.upload().push(&body(900_000))), Err(StoreError::Full));
    assert_eq!(left_of_bodies(&store), 0);
}

/// Rows of bodies, whoever owns them.
fn left_of_bodies(store: &Store) -> u64 {
    let left = store.threads.ask(|transaction| {
        use redb::ReadableTableMetadata;
        let count = |table| Ok::<_, Fault>(transaction.open_table(table)?.len()?);
        Ok(count(schema::CHUNKS)? + count(schema::REFS)? + count(schema::FREE)? + count(schema::PENDING)?)
    });
    left.wait().unwrap()
}

#[test]
fn bodies_share_one_budget_and_nobody_waits_for_ever_s_272() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    // Hold all of the budget but one smallest buffer: every upload must go through that.
    let held = store.shared.budget.try_take(limits::BODIES_IN_FLIGHT_OCTETS - 4076).unwrap();
    std::thread::scope(|scope| {
        for size in [100_000, 200_000, 300_000, 10] {
            let store = &store;
            scope.spawn(move || assert_eq!(deliver(store, &body(size), &[alice]), Ok(Delivered::to(1))));
        }
    });
    drop(held);
    let mut sizes: Vec<u32> =
        store.snapshot(alice).wait().unwrap().messages.iter().map(|(_, octets)| octets - 7).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 100_000, 200_000, 300_000]);
    for uid in uids(&store, alice) {
        let octets = read_back(&store, alice, Uid(uid)).unwrap().unwrap();
        assert!(octets[7..] == body(octets.len() - 7));
    }
    assert!(store.shared.budget.try_take(limits::BODIES_IN_FLIGHT_OCTETS).is_some(), "all memory came back");
}

/// Forty silent senders with 100 KiB each held the memory of all bodies, and no other mail came in until they
/// were given up after five minutes.
#[test]
fn a_body_that_gives_way_lets_others_in_and_is_whole_in_the_end() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let budget = &store.shared.budget;
    for size in [1, 4076, 4077, 30_000, 100_000, 300_000] {
        let sent = body(size);
        let (front, rest) = sent.split_at(size - size / 3);
        let mut slow = store.upload();
        block_on(slow.push(front)).unwrap();
        assert!(!slow.is_in_the_way(), "nobody waits");
        let waiting = budget.take(limits::BODIES_IN_FLIGHT_OCTETS);
        assert_eq!(slow.is_in_the_way(), size > 4077, "{size}");
        block_on(slow.give_way()).unwrap();
        drop(waiting.wait().unwrap());
        block_on(slow.give_way()).unwrap();
        block_on(slow.push(rest)).unwrap();
        let delivery = Delivery::to(alice, b"To: a\r\n".to_vec());
        assert_eq!(block_on(slow.finish(vec![delivery])), Ok(Delivered::to(1)));
        let uid = uids(&store, alice).last().copied().unwrap();
        assert!(read_back(&store, alice, Uid(uid)).unwrap().unwrap()[7..] == sent, "{size}");
    }
    assert!(budget.try_take(limits::BODIES_IN_FLIGHT_OCTETS).is_some(), "all memory came back");
}

#[test]
fn below_the_reserve_mail_is_refused_while_reading_and_deleting_go_on() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"one", &[alice]).unwrap();
    deliver(&store, b"two", &[alice]).unwrap();
    store.set_setting("reserve_mib", Some("1048576")).wait().unwrap();
    assert!(!store.has_space_for(0));
    assert_eq!(deliver(&store, b"three", &[alice]), Err(StoreError::Full));
    assert_eq!(read_back(&store, alice, Uid(1)), Ok(Some(b"To: 1\r\none".to_vec())));
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    store.set_setting("reserve_mib", Some("1")).wait().unwrap();
    assert_eq!(deliver(&store, b"three", &[alice]), Ok(Delivered::to(1)));
    assert_eq!(uids(&store, alice), [2, 3]);
}

#[test]
fn accounts_are_found_listed_locked_and_removed() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    add(&store, "bob@home.lan");
    store.add_domain("a.lan".parse().unwrap()).wait().unwrap();
    add(&store, "zoe@a.lan");
    let rows = store.mailboxes(None).wait().unwrap();
    assert_eq!(
        rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(),
        ["zoe@a.lan", "alice@home.lan", "bob@home.lan"]
    );
    let rows = store.domains().wait().unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.domain.as_str(), row.mailboxes)).collect::<Vec<_>>(),
        [("a.lan", 1), ("home.lan", 2)]
    );
    store.lock_domain("home.lan".parse().unwrap(), Lock::Reading).wait().unwrap();
    store.lock_mailbox(alice(), Lock::Reading).wait().unwrap();
    store.set_password(alice(), b"new".to_vec()).wait().unwrap();
    let found = store.mailbox(alice()).wait().unwrap().unwrap();
    assert_eq!(
        (found.lock, found.domain_lock, found.password.as_slice()),
        (Lock::Reading, Lock::Reading, &b"new"[..])
    );
    store.remove_domain("home.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(store.mailbox(alice()).wait(), Ok(None));
    assert_eq!(store.resolve(alice()).wait(), Ok(Resolved::ForeignDomain));
    assert_eq!(store.resolve("x@a.lan".parse().unwrap()).wait(), Ok(Resolved::UnknownUser));
    assert!(matches!(store.resolve("zoe@a.lan".parse().unwrap()).wait(), Ok(Resolved::Mailboxes(_))));
    assert_eq!(store.mailboxes(None).wait().unwrap().len(), 1);
}

#[test]
fn what_is_not_there_or_is_there_already_is_told() {
    let folder = Folder::new();
    let store = folder.create();
    let domain: Domain = "home.lan".parse().unwrap();
    let told = |error: StoreError| error.to_string();
    assert_eq!(told(store.remove_domain(domain.clone()).wait().unwrap_err()), "there is no domain home.lan");
    assert_eq!(
        told(store.lock_domain(domain.clone(), Lock::Reading).wait().unwrap_err()),
        "there is no domain home.lan"
    );
    assert_eq!(
        told(store.mailboxes(Some(domain.clone())).wait().unwrap_err()),
        "there is no domain home.lan"
    );
    let nobody = store.add_mailbox(alice(), MailboxMark([0; 16]), Vec::new()).wait();
    assert_eq!(told(nobody.unwrap_err()), "there is no domain home.lan");
    add_alice(&store);
    assert_eq!(told(store.add_domain(domain).wait().unwrap_err()), "the domain home.lan exists already");
    let twice = store.add_mailbox(alice(), MailboxMark([0; 16]), Vec::new()).wait();
    assert_eq!(told(twice.unwrap_err()), "the mailbox alice@home.lan exists already");
    let bob: Address = "bob@home.lan".parse().unwrap();
    for ask in [
        store.remove_mailbox(bob.clone()),
        store.lock_mailbox(bob.clone(), Lock::Reading),
        store.set_password(bob.clone(), Vec::new()),
    ] {
        assert_eq!(told(ask.wait().unwrap_err()), "there is no mailbox bob@home.lan");
    }
}

#[test]
fn settings_and_records_outlive_a_restart() {
    let folder = Folder::new();
    let store = folder.create();
    store.set_setting("message_mib", Some("7")).wait().unwrap();
    store.set_setting("cache_kib", Some("512")).wait().unwrap();
    store.put_record("tls", b"certificate".to_vec()).wait().unwrap();
    assert!(matches!(store.set_setting("message_mib", Some("0")).wait(), Err(StoreError::Refused(_))));
    assert!(matches!(store.set_setting("nonsense", None).wait(), Err(StoreError::Refused(_))));
    store.close();
    let store = folder.open().unwrap();
    assert_eq!((store.settings().message_mib, store.settings().cache_kib), (7, 512));
    assert_eq!(store.record("tls").wait(), Ok(Some(b"certificate".to_vec())));
    assert_eq!(store.record("other").wait(), Ok(None));
    store.set_setting("message_mib", None).wait().unwrap();
    assert_eq!(store.settings().message_mib, limits::MESSAGE_MIB);
}

/// A uid that was named twice gave up the claims of two owners on a shared body: the other's mail was lost.
#[test]
fn a_message_named_twice_is_removed_once() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let bob = add(&store, "bob@home.lan");
    deliver(&store, b"for both", &[alice, bob]).unwrap();
    store.remove_messages(alice, vec![Uid(1), Uid(1)]).wait().unwrap();
    free_all(&store);
    assert_eq!(read_back(&store, bob, Uid(1)), Ok(Some(b"To: 2\r\nfor both".to_vec())));
}

/// The bound of the numbers given stands in a page of its own. With an old page in its place, new bodies would
/// have been written over living ones, with checksums that fit.
#[test]
fn a_lost_bound_of_numbers_lets_no_body_take_a_living_ones_number() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    for _ in 0..3 {
        deliver(&store, &body(9000), &[alice]).unwrap();
    }
    store.change(|transaction| records::put_blob_bound(transaction, 1)).wait().unwrap();
    drop(store);
    let store = folder.open().unwrap();
    for _ in 0..3 {
        deliver(&store, &body(8000), &[alice]).unwrap();
    }
    for uid in 1..=3 {
        assert!(read_back(&store, alice, Uid(uid)).unwrap().unwrap()[7..] == body(9000));
    }
}

/// The writer's longest wait was an hour from the last job on: after an hour without mail it waited no more and
/// kept a processor busy.
#[test]
fn a_writer_without_work_waits_for_a_job_and_nothing_else() {
    let folder = Folder::new();
    let store = folder.create();
    assert_eq!(idle::patience_of_an_idle_writer(&store.shared), None);
    store.shared.has_free.store(true, Ordering::Release);
    assert!(idle::patience_of_an_idle_writer(&store.shared).is_some());
}
