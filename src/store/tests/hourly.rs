//! What an hour brings: retention and the end of undo, by a clock that is right.

use super::*;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

/// Runs the chores of an hour as if it was quiet.
pub(super) fn run_chores(store: &Store) {
    let shared = &store.shared;
    let mut idle = idle::Idle::due_now(shared);
    idle.work(shared);
    while idle.has_work(shared) {
        idle.work(shared);
    }
}

fn removed(store: &Store) -> u32 {
    store.mailboxes(None).wait().unwrap().iter().map(|row| row.recoverable.messages).sum()
}

#[test]
fn mail_is_removed_when_its_days_have_come_and_not_before() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_setting("retain", Some("10")).wait().unwrap();
    deliver(&store, b"old", &[alice]).unwrap();
    let store = folder.reopen(&store, NOW + DAY);
    deliver(&store, b"younger", &[alice]).unwrap();
    let store = folder.reopen(&store, NOW + 10 * DAY - 1);
    run_chores(&store);
    assert_eq!(uids(&store, alice), [1, 2]);
    let store = folder.reopen(&store, NOW + 10 * DAY);
    run_chores(&store);
    assert_eq!(uids(&store, alice), [2]);
    assert_eq!(removed(&store), 1, "it can be brought back like any other");
}

#[test]
fn days_after_retrieval_count_from_the_first() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_level(Level::Mailbox(super::alice()), "retain", Some("retrieved:2")).wait().unwrap();
    (0..3).for_each(|_| assert_eq!(deliver(&store, b"x", &[alice]), Ok(Delivered::to(1))));
    store.mark_retrieved(alice, vec![Uid(1)]).wait().unwrap();
    store.set_setting("retain", Some("never")).wait().unwrap();
    let store = folder.reopen(&store, NOW + DAY);
    store.mark_retrieved(alice, vec![Uid(1), Uid(2)]).wait().unwrap();
    store.set_setting("retain", Some("never")).wait().unwrap();
    let store = folder.reopen(&store, NOW + 2 * DAY);
    run_chores(&store);
    assert_eq!(uids(&store, alice), [2, 3]);
}

#[test]
fn the_own_days_of_a_mailbox_count_before_those_of_all() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let bob = add(&store, "bob@home.lan");
    deliver(&store, b"for both", &[alice, bob]).unwrap();
    store.set_setting("retain", Some("1")).wait().unwrap();
    store.set_level(Level::Mailbox(super::alice()), "retain", Some("never")).wait().unwrap();
    let store = folder.reopen(&store, NOW + 2 * DAY);
    run_chores(&store);
    assert_eq!((uids(&store, alice).len(), uids(&store, bob).len()), (1, 0));
}

#[test]
fn a_large_maildrop_is_swept_in_steps() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let count = limits::SWEPT_ROWS + 1;
    let mail = || vec![Delivery::to(alice, Vec::new())];
    let asks: Vec<_> = (0..count).map(|_| store.upload().finish(mail())).collect();
    asks.into_iter().for_each(|ask| assert_eq!(ask.wait(), Ok(Delivered::to(1))));
    store.set_setting("retain", Some("1")).wait().unwrap();
    let store = folder.reopen(&store, NOW + DAY);
    let first =
        retention::sweep_some(&store.shared, retention::Sweep::default(), UnixTime(NOW + DAY)).unwrap();
    assert_eq!(uids(&store, alice).len(), 1);
    retention::sweep_some(&store.shared, first.unwrap(), UnixTime(NOW + DAY)).unwrap();
    assert_eq!(uids(&store, alice), [0_u32; 0]);
}

#[test]
fn undo_ends_after_its_days_and_not_before() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"x", &[alice]).unwrap();
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    let days = u64::from(limits::UNDO_DAYS);
    let mut store = store;
    for (seconds, left) in [(days * DAY, 1), (days * DAY + 1, 0)] {
        store = folder.reopen(&store, NOW + seconds);
        run_chores(&store);
        assert_eq!(removed(&store), left, "{seconds}");
    }
}

#[test]
fn a_removed_mailbox_ends_after_the_same_days() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"x", &[alice]).unwrap();
    store.remove_mailbox(super::alice()).wait().unwrap();
    let store = folder.reopen(&store, NOW + 7 * DAY + 1);
    run_chores(&store);
    assert_eq!(store.gone(None).wait(), Ok(Vec::new()));
    assert_eq!(left_of_bodies(&store), 0);
}

#[test]
fn nothing_is_removed_by_a_wrong_clock_s_308_s_309() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_setting("retain", Some("1")).wait().unwrap();
    (0..2).for_each(|_| assert_eq!(deliver(&store, b"x", &[alice]), Ok(Delivered::to(1))));
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    // In 1970, and ten years ahead of all mail.
    let mut store = store;
    for seconds in [100, NOW + 3650 * DAY] {
        store = folder.reopen(&store, seconds);
        run_chores(&store);
        assert_eq!((uids(&store, alice), removed(&store)), (vec![2], 1), "{seconds}");
    }
}

/// A board woke up in 1970, a client removed its mail, and the clock was set: the mail seemed to have been removed
/// for fifty years and was purged at once.
#[test]
fn what_was_removed_in_1970_has_its_days_from_the_clocks_return_on_s_308() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"x", &[alice]).unwrap();
    let store = folder.reopen(&store, 100);
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    let mut store = store;
    for (seconds, left) in [(NOW + DAY, 1), (NOW + 8 * DAY, 1), (NOW + 8 * DAY + 1, 0)] {
        store = folder.reopen(&store, seconds);
        run_chores(&store);
        assert_eq!(removed(&store), left, "{seconds}");
    }
}

/// Mail that a board received in 1970 is not fifty years old.
#[test]
fn mail_received_by_a_wrong_clock_does_not_expire_s_308() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_setting("retain", Some("1,retrieved:3")).wait().unwrap();
    let store = folder.reopen(&store, 100);
    deliver(&store, b"x", &[alice]).unwrap();
    store.mark_retrieved(alice, vec![Uid(1)]).wait().unwrap();
    store.set_setting("undo_days", Some("30")).wait().unwrap();
    let store = folder.reopen(&store, NOW + 5 * DAY);
    run_chores(&store);
    assert_eq!(uids(&store, alice), [1]);
    // Retrieved again, the days count from now on.
    store.mark_retrieved(alice, vec![Uid(1)]).wait().unwrap();
    store.set_setting("undo_days", Some("31")).wait().unwrap();
    let store = folder.reopen(&store, NOW + 8 * DAY);
    run_chores(&store);
    assert_eq!(uids(&store, alice), [0_u32; 0]);
}

/// The clock was looked at again for each step: one that leapt ten years while a large maildrop was swept removed
/// all that it came to.
#[test]
fn a_clock_that_leaps_in_the_middle_of_a_sweep_removes_nothing_s_309() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_setting("retain", Some("10")).wait().unwrap();
    deliver(&store, b"x", &[alice]).unwrap();
    let store = folder.reopen(&store, NOW + 3650 * DAY);
    idle::sweep_by(&store.shared, UnixTime(NOW + 10 * DAY - 1));
    assert_eq!(uids(&store, alice), [1]);
    idle::sweep_by(&store.shared, UnixTime(NOW + 10 * DAY));
    assert_eq!(uids(&store, alice), [0_u32; 0]);
}

/// Only bodies to be freed were waited for: on a server that is never quiet for two seconds a purge and a sweep went
/// on by one step an hour.
#[test]
fn what_has_waited_long_is_done_between_jobs_also_where_no_body_waits() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"x", &[alice]).unwrap();
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    assert!(!idle::is_overdue_when_always_busy(&store.shared), "it can be brought back for days");
    store.shared.has_free.store(true, Ordering::Release);
    assert!(idle::is_overdue_when_always_busy(&store.shared));
    store.shared.has_free.store(false, Ordering::Release);
    store.set_setting("undo_days", Some("0")).wait().unwrap();
    assert!(idle::is_overdue_when_always_busy(&store.shared));
}
