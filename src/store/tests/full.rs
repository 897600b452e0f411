//! A full disk: removed mail gives way, and nothing else does.

use super::memory::Memory;
use super::*;

const MIB: usize = 1 << 20;

/// A disk of so many MiB, with so many mailboxes.
fn small_disk(mib: u64, mailboxes: u32) -> (Memory, Store, Vec<MailboxId>) {
    let memory = Memory::new();
    let store = Store::create_on(Arc::new(memory.clone()), &Options::default(), clock()).unwrap();
    memory.shrink(mib << 20);
    store.set_setting("reserve_mib", Some("4")).wait().unwrap();
    store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
    let mailboxes = (0..mailboxes).map(|number| add(&store, &format!("user{number}@home.lan"))).collect();
    (memory, store, mailboxes)
}

/// Delivers until the disk is full; gives how many mails it took.
fn fill(store: &Store, mailboxes: &[MailboxId]) -> u32 {
    let mut count = 0;
    loop {
        match deliver(store, &body(MIB), mailboxes) {
            Ok(Delivered::Stored { .. }) => count += 1,
            Err(StoreError::Full) => return count,
            other => panic!("{other:?} after {count}"),
        }
        assert!(count < 1000, "the disk is never full");
    }
}

fn remove_all(store: &Store, mailboxes: &[MailboxId]) {
    for &mailbox in mailboxes {
        let all = uids(store, mailbox).into_iter().map(Uid).collect();
        store.remove_messages(mailbox, all).wait().unwrap();
    }
}

/// After an opening each body counted for each of its mailboxes. When the disk was full, all that could have been
/// brought back was purged for a new mail, and that was refused all the same, until the next opening.
#[test]
fn a_disk_that_is_full_of_removed_mail_takes_mail_also_where_many_shared_it_s_289() {
    let (memory, store, mailboxes) = small_disk(64, 20);
    let count = fill(&store, &mailboxes);
    assert!(count > 20, "{count} mails");
    store.close();
    let store = Store::open_on(Arc::new(memory), &Options::default(), clock()).unwrap();
    // Closing gives some pages back.
    let more = fill(&store, &mailboxes);
    assert_eq!(uids(&store, mailboxes[7]).len(), (count + more) as usize);
    remove_all(&store, &mailboxes);
    for _ in 0..3 {
        let again = fill(&store, &mailboxes[..2]);
        // Room inside the file is reckoned carefully: an eighth more than the bodies, and 8 MiB.
        assert!(again + 16 >= count, "{again} mails instead of {count}");
        assert_eq!(uids(&store, mailboxes[0]).len(), again as usize);
        remove_all(&store, &mailboxes);
    }
}

/// Bodies that wait to be freed counted as if their chunks were the largest, and stayed counted when they were gone.
#[test]
fn small_bodies_that_waited_over_an_opening_leave_room_when_they_are_gone() {
    let (memory, store, mailboxes) = small_disk(64, 1);
    let asks: Vec<_> = (0..2000)
        .map(|_| {
            let mut upload = store.upload();
            block_on(upload.push(&body(1000))).unwrap();
            upload.finish(vec![Delivery::to(mailboxes[0], Vec::new())])
        })
        .collect();
    asks.into_iter().for_each(|ask| assert_eq!(ask.wait(), Ok(Delivered::to(1))));
    remove_all(&store, &mailboxes);
    while purge::purge_some(&store.shared, purge_order::Reach::All).unwrap() {}
    store.close();
    let store = Store::open_on(Arc::new(memory), &Options::default(), clock()).unwrap();
    free_all(&store);
    assert_eq!(store.shared.live_octets.load(Ordering::Relaxed), 0);
}

/// Removed mail made less room than was thought, as the trees were already counted into room that was not there: it
/// was purged for a new mail, and that was refused all the same.
#[test]
fn a_mail_that_can_not_fit_costs_no_removed_mail() {
    let (_, store, mailboxes) = small_disk(64, 1);
    let count = fill(&store, &mailboxes);
    while deliver(&store, &body(200_000), &mailboxes).is_ok() {}
    let recoverable = || store.mailboxes(None).wait().unwrap()[0].recoverable.messages;
    for uid in 1..=count {
        store.remove_messages(mailboxes[0], vec![Uid(uid)]).wait().unwrap();
        assert_eq!(recoverable(), uid, "nothing was purged in vain");
        assert!(!store.has_space_for(60 * MIB as u64));
        if deliver(&store, &body(200_000), &mailboxes) == Ok(Delivered::to(1)) {
            assert!(uid < 18, "{uid} mails were removed until one had room");
            return;
        }
    }
    panic!("no removed mail gave way");
}
