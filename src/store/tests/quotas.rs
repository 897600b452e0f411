//! Quotas: full mailboxes take nothing, nearly full ones are told of once.

use super::*;
use crate::settings::Quota;

fn quota(octets: u64, messages: u32, warning_percent: u32) -> Quota {
    let some = |octets| (octets > 0).then_some(octets);
    Quota { octets: some(octets), messages: some(messages.into()).map(|it| it as u32), warning_percent }
}

/// Delivers so many octets to mailboxes with their quotas.
fn send(store: &Store, octets: usize, to: &[(MailboxId, Quota)]) -> Delivered {
    let mut upload = store.upload();
    block_on(upload.push(&body(octets))).unwrap();
    let delivery = |&(mailbox, quota): &_| Delivery { quota, ..Delivery::to(mailbox, Vec::new()) };
    upload.finish(to.iter().map(delivery).collect()).wait().unwrap()
}

fn warn(store: &Store, id: MailboxId, quota: Quota) -> Delivered {
    let delivery = Delivery { quota, is_warning: true, ..Delivery::to(id, b"warning".to_vec()) };
    store.upload().finish(vec![delivery]).wait().unwrap()
}

fn warned(mailboxes: usize, to_warn: &[MailboxId]) -> Delivered {
    Delivered::Stored { mailboxes, to_warn: to_warn.to_vec(), leaving: 0 }
}

#[test]
fn a_mailbox_is_full_at_the_octet_and_message_above_its_quota() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let silent = quota(1000, 3, 0);
    assert_eq!(send(&store, 1001, &[(alice, silent)]), Delivered::Full);
    assert_eq!(send(&store, 999, &[(alice, silent)]), Delivered::to(1));
    assert_eq!(send(&store, 2, &[(alice, silent)]), Delivered::Full);
    assert_eq!(send(&store, 1, &[(alice, silent)]), Delivered::to(1));
    assert_eq!(send(&store, 0, &[(alice, silent)]), Delivered::to(1));
    assert_eq!(send(&store, 0, &[(alice, silent)]), Delivered::Full);
    assert_eq!(uids(&store, alice), [1, 2, 3]);
    // What was removed and can be brought back doesn't count.
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    let store = folder.reopen(&store, 1_800_000_001);
    assert_eq!(send(&store, 999, &[(alice, silent)]), Delivered::to(1));
    assert_eq!(send(&store, 0, &[(alice, silent)]), Delivered::Full);
    // What comes back may be more than the quota; only new mail waits.
    store.undelete(super::alice(), None, false).wait().unwrap();
    assert_eq!(uids(&store, alice), [1, 2, 3, 4]);
    assert_eq!(send(&store, 0, &[(alice, silent)]), Delivered::Full);
    assert_eq!(send(&store, 0, &[(alice, Quota::default())]), Delivered::to(1));
}

#[test]
fn what_stands_before_the_body_counts_too() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let finish = |prefix: &[u8]| {
        let delivery = Delivery { quota: quota(10, 0, 0), ..Delivery::to(alice, prefix.to_vec()) };
        let mut upload = store.upload();
        block_on(upload.push(b"12345")).unwrap();
        upload.finish(vec![delivery]).wait().unwrap()
    };
    assert_eq!(finish(b"123456"), Delivered::Full);
    assert_eq!(finish(b"12345"), Delivered::to(1));
}

#[test]
fn with_one_mailbox_that_has_room_all_get_it() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let bob = add(&store, "bob@home.lan");
    let gone = MailboxId(99);
    let (small, large) = (quota(10, 0, 0), quota(1000, 0, 0));
    assert_eq!(send(&store, 11, &[(alice, small), (bob, small)]), Delivered::Full);
    assert_eq!(send(&store, 11, &[(gone, large), (bob, small)]), Delivered::Full);
    assert_eq!(send(&store, 11, &[(gone, small)]), Delivered::NobodyLeft);
    assert_eq!((uids(&store, alice), uids(&store, bob)), (vec![], vec![]));
    assert_eq!(send(&store, 11, &[(alice, small), (bob, large)]), Delivered::to(2));
    assert_eq!((uids(&store, alice), uids(&store, bob)), (vec![1], vec![1]));
}

#[test]
fn a_long_mail_that_finds_no_room_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    for octets in [10, 100_000, 900_000] {
        assert_eq!(send(&store, octets, &[(alice, quota(9, 0, 0))]), Delivered::Full);
        free_all(&store);
        assert_eq!((uids(&store, alice).len(), left_of_bodies(&store)), (0, 0), "{octets}");
        assert_eq!(store.shared.live_octets.load(Ordering::Relaxed), 0);
    }
    assert!(store.shared.budget.try_take(limits::BODIES_IN_FLIGHT_OCTETS).is_some(), "all memory came back");
    assert_eq!(store.wear().messages, 0);
}

#[test]
fn mails_that_come_together_are_held_against_what_came_before_them() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let asks: Vec<_> = (0..20)
        .map(|_| {
            let delivery = Delivery { quota: quota(0, 7, 0), ..Delivery::to(alice, Vec::new()) };
            store.upload().finish(vec![delivery])
        })
        .collect();
    let stored = asks.into_iter().map(|ask| ask.wait().unwrap());
    assert_eq!(stored.filter(|delivered| *delivered == Delivered::to(1)).count(), 7);
    assert_eq!(uids(&store, alice).len(), 7);
}

#[test]
fn a_user_is_warned_once_until_his_mailbox_has_been_emptier() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let bob = add(&store, "bob@home.lan");
    let bounds = quota(1000, 0, 90);
    assert_eq!(send(&store, 899, &[(alice, bounds), (bob, quota(0, 0, 90))]), warned(2, &[]));
    assert_eq!(send(&store, 1, &[(alice, bounds), (bob, bounds)]), warned(2, &[alice, bob]));
    // The warning did not come through, and is asked for again.
    assert_eq!(send(&store, 1, &[(alice, bounds)]), warned(1, &[alice]));
    assert_eq!(warn(&store, alice, bounds), warned(1, &[]));
    let store = folder.reopen(&store, 1_800_000_001);
    assert_eq!(send(&store, 1, &[(alice, bounds)]), warned(1, &[]));
    assert_eq!(send(&store, 1, &[(bob, bounds)]), warned(1, &[bob]));
    // Two mails that came together asked for two warnings.
    assert_eq!(warn(&store, alice, bounds), Delivered::NobodyLeft);
    assert_eq!(uids(&store, alice), [1, 2, 3, 4, 5]);
    // He makes a little room, but not enough, then more.
    store.remove_messages(alice, vec![Uid(5)]).wait().unwrap();
    assert_eq!(send(&store, 1, &[(alice, bounds)]), warned(1, &[]));
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    assert_eq!(send(&store, 950, &[(alice, bounds)]), warned(1, &[alice]));
    assert_eq!(warn(&store, alice, bounds), warned(1, &[]));
    assert_eq!(send(&store, 0, &[(alice, bounds)]), warned(1, &[]));
}

#[test]
fn a_warning_comes_into_a_full_mailbox_and_alone_never_fills_it() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let bounds = quota(0, 1, 90);
    assert_eq!(send(&store, 5, &[(alice, bounds)]), warned(1, &[alice]));
    assert_eq!(send(&store, 5, &[(alice, bounds)]), Delivered::Full);
    assert_eq!(warn(&store, alice, bounds), warned(1, &[]));
    assert_eq!(uids(&store, alice), [1, 2]);
    assert_eq!(warn(&store, alice, bounds), Delivered::NobodyLeft);
    // The mark stays with a mailbox that is removed and brought back.
    store.remove_mailbox(super::alice()).wait().unwrap();
    store.undelete(super::alice(), None, false).wait().unwrap();
    assert_eq!(warn(&store, alice, bounds), Delivered::NobodyLeft);
}

#[test]
fn a_quota_that_was_raised_warns_anew_at_its_own_mark() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    assert_eq!(send(&store, 95, &[(alice, quota(100, 0, 90))]), warned(1, &[alice]));
    assert_eq!(warn(&store, alice, quota(100, 0, 90)), warned(1, &[]));
    assert_eq!(send(&store, 5, &[(alice, quota(1000, 0, 90))]), warned(1, &[]));
    assert_eq!(send(&store, 850, &[(alice, quota(1000, 0, 90))]), warned(1, &[alice]));
}
