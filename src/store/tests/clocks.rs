//! A clock that leaps ahead, and an administrator's word that it is right again.

use super::hourly::run_chores;
use super::*;

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const LEAPT: u64 = NOW + 3650 * DAY;

fn state(store: &Store) -> (bool, bool) {
    let state = store.clock_state();
    (state.is_suspect, state.is_believed)
}

const WRONG: (bool, bool) = (true, false);
const ON_PROBATION: (bool, bool) = (false, false);
const BELIEVED: (bool, bool) = (false, true);

/// A file of a board whose clock was ten years ahead when it was made, so that nothing told it so; with mail, with some
/// that was removed, and with a mailbox that was.
fn of_a_clock_that_was_ahead(folder: &Folder) -> MailboxId {
    let ahead = Clock::fixed(UnixTime(LEAPT));
    let store = Store::create(&folder.database(), &Options::default(), ahead).unwrap();
    store.set_setting("reserve_mib", Some("1")).wait().unwrap();
    let alice = add_alice(&store);
    let bob = add(&store, "bob@home.lan");
    (0..3).for_each(|_| assert_eq!(deliver(&store, b"x", &[alice, bob]), Ok(Delivered::to(2))));
    store.finish_session(alice, vec![Uid(1)], Vec::new()).wait().unwrap();
    store.remove_mailbox("bob@home.lan".parse().unwrap()).wait().unwrap();
    store.close();
    alice
}

#[test]
fn what_happens_while_a_clock_is_ahead_makes_no_right_clock_suspect_s_309() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"before", &[alice]).unwrap();
    let store = folder.reopen(&store, LEAPT);
    let bob = add(&store, "bob@home.lan");
    deliver(&store, b"ahead", &[alice, bob]).unwrap();
    store.finish_session(alice, vec![Uid(1)], Vec::new()).wait().unwrap();
    store.remove_mailbox("bob@home.lan".parse().unwrap()).wait().unwrap();
    store.add_domain("else.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(state(&store), ON_PROBATION);
    let store = folder.reopen(&store, NOW + 60);
    assert_eq!(state(&store), BELIEVED);
    let store = folder.reopen(&store, NOW - 1);
    assert_eq!(state(&store), WRONG, "what was before the leap is remembered");
}

/// The first mail made the time that was ahead the newest, and the next start believed it and removed all that was old.
#[test]
fn a_power_cut_ends_no_probation_s_309() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_setting("retain", Some("10")).wait().unwrap();
    deliver(&store, b"before", &[alice]).unwrap();
    deliver(&store, b"removed", &[alice]).unwrap();
    store.finish_session(alice, vec![Uid(2)], Vec::new()).wait().unwrap();
    let mut store = store;
    for start in 0..3 {
        store = folder.reopen(&store, LEAPT + start * DAY);
        assert_eq!(state(&store), ON_PROBATION, "{start}");
        deliver(&store, b"ahead", &[alice]).unwrap();
        run_chores(&store);
    }
    assert_eq!(uids(&store, alice), [1, 3, 4, 5]);
    let rows = store.mailboxes(None).wait().unwrap();
    assert_eq!(rows[0].recoverable.messages, 1);
}

#[test]
fn an_administrator_s_word_ends_a_suspicion_for_good_and_removes_nothing_s_309() {
    let folder = Folder::new();
    let alice = of_a_clock_that_was_ahead(&folder);
    let store = folder.open().unwrap();
    store.set_setting("retain", Some("1")).wait().unwrap();
    assert_eq!(state(&store), WRONG);
    store.trust_clock().wait().unwrap();
    assert_eq!((state(&store), store.clock_state().newest), (ON_PROBATION, UnixTime(NOW)));
    run_chores(&store);
    let store = folder.reopen(&store, NOW + DAY);
    assert_eq!(state(&store), BELIEVED, "a restart keeps it");
    run_chores(&store);
    assert_eq!(uids(&store, alice), [2, 3]);
    let undeleted = store.undelete("bob@home.lan".parse().unwrap(), None, false).wait().unwrap();
    assert!(undeleted.is_mailbox_back);
    assert_eq!(store.undelete(super::alice(), None, false).wait().unwrap().messages, 1);
    let store = folder.reopen(&store, NOW + DAY - 1);
    assert_eq!(state(&store), BELIEVED);
    let store = folder.reopen(&store, NOW - 1);
    assert_eq!(state(&store), WRONG, "the word is remembered");
}

#[test]
fn what_was_removed_in_the_future_goes_when_its_days_are_over_again_s_309() {
    let folder = Folder::new();
    of_a_clock_that_was_ahead(&folder);
    let store = folder.open().unwrap();
    store.trust_clock().wait().unwrap();
    let undo_days = u64::from(store.settings().undo_days);
    let mut store = store;
    for (at, messages) in [(NOW + undo_days * DAY - 1, 1), (NOW + undo_days * DAY + 1, 0)] {
        store = folder.reopen(&store, at);
        run_chores(&store);
        let rows = store.mailboxes(None).wait().unwrap();
        assert_eq!(rows[0].recoverable.messages, messages, "{at}");
    }
    assert!(store.gone(None).wait().unwrap().is_empty());
}

#[test]
fn the_word_ends_a_probation_with_the_next_start_s_309() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"x", &[alice]).unwrap();
    let later = NOW + 100 * DAY;
    let store = folder.reopen(&store, later);
    store.trust_clock().wait().unwrap();
    assert_eq!(state(&store), ON_PROBATION);
    let store = folder.reopen(&store, later + 1);
    assert_eq!(state(&store), BELIEVED);
}

#[test]
fn a_clock_in_the_past_is_never_taken_as_right_s_308() {
    let folder = Folder::new();
    of_a_clock_that_was_ahead(&folder);
    for at in [0, 1_700_000_000] {
        let store = folder.open_at(Clock::fixed(UnixTime(at))).unwrap();
        let refused = store.trust_clock().wait();
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(state(&store), WRONG);
        store.close();
    }
}
