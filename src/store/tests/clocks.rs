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

// ---- a probation over several runs ----

const HOUR: u64 = 3600;
/// So far ahead of all mail that a clock needs a probation.
const FAR: u64 = NOW + 100 * DAY;

/// A file with mail of `NOW` that is to go after ten days.
fn with_old_mail() -> (Folder, MailboxId) {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    store.set_setting("retain", Some("10")).wait().unwrap();
    deliver(&store, b"old", &[alice]).unwrap();
    (folder, alice)
}

/// Opens it by a clock that says so, lets that run for a while and closes it; says whether it was believed at the start and
/// at the end.
fn run(folder: &Folder, from: u64, seconds: u64) -> [bool; 2] {
    let clock = Clock::steady(UnixTime(from));
    let store = folder.open_at(clock.clone()).unwrap();
    let at_start = state(&store).1;
    clock.put_forward(std::time::Duration::from_secs(seconds));
    let at_end = state(&store).1;
    store.close();
    [at_start, at_end]
}

/// What stands in the file of the probation.
fn kept(folder: &Folder) -> Option<u64> {
    let store = folder.open_at(Clock::fixed(UnixTime(0))).unwrap();
    let kept = store.ask(records::probation).wait().unwrap().map(|probation| probation.seconds);
    store.close();
    kept
}

fn hurt(folder: &Folder) {
    let store = folder.open_at(Clock::fixed(UnixTime(0))).unwrap();
    let hurting = store.change(|transaction| {
        transaction.open_table(schema::META)?.insert(schema::META_PROBATION, &b"rubbish"[..])?;
        Ok(())
    });
    hurting.wait().unwrap();
    store.close();
}

#[test]
fn a_damaged_record_of_a_probation_harms_nothing_and_begins_it_anew_s_296_s_309() {
    let (folder, _) = with_old_mail();
    assert_eq!(run(&folder, FAR, 20 * HOUR), [false, false]);
    hurt(&folder);
    assert_eq!(run(&folder, FAR + DAY, DAY - 1), [false, false]);
    assert_eq!(kept(&folder), Some(DAY - 1));
    hurt(&folder);
    assert_eq!(run(&folder, NOW + DAY, HOUR), [true, true]);
    assert_eq!(kept(&folder), None, "one that is of no use goes");
}

#[test]
fn a_clock_that_leaps_between_runs_begins_its_probation_anew_s_309() {
    let most = limits::CLOCK_AHEAD_DAYS * DAY;
    let end = FAR + 20 * HOUR;
    for (from, is_counted) in [
        (end + most, true),
        (end + most + 1, false),
        (end + 3650 * DAY, false),
        (end, true),
        (end - 1, false),
        (FAR, false),
    ] {
        let (folder, _) = with_old_mail();
        assert_eq!(run(&folder, FAR, 20 * HOUR), [false, false]);
        assert_eq!(run(&folder, from, 4 * HOUR), [false, is_counted], "{from}");
        assert_eq!(kept(&folder), Some(if is_counted { DAY } else { 4 * HOUR }), "{from}");
    }
}

#[test]
fn a_clock_that_wakes_up_at_the_same_time_always_is_never_believed_s_309() {
    let (folder, _) = with_old_mail();
    for start in 0..30 {
        assert_eq!(run(&folder, FAR, HOUR), [false, false], "{start}");
    }
    for start in 0..30 {
        assert_eq!(run(&folder, FAR + start, 0), [false, false], "{start}: restarts alone");
    }
}

#[test]
fn the_day_is_reached_by_the_sum_of_the_runs_and_not_before_s_309() {
    for (seconds, is_believed) in [(4 * HOUR - 1, false), (4 * HOUR, true), (4 * HOUR + 1, true)] {
        let (folder, _) = with_old_mail();
        for day in 0..2 {
            assert_eq!(run(&folder, FAR + day * DAY, 10 * HOUR), [false, false]);
        }
        assert_eq!(run(&folder, FAR + 2 * DAY, seconds), [false, is_believed], "{seconds}");
        assert_eq!(run(&folder, FAR + 3 * DAY, 0), [is_believed; 2], "a restart keeps it: {seconds}");
        assert_eq!(kept(&folder), Some(20 * HOUR + seconds.min(4 * HOUR)), "{seconds}");
    }
}

/// A board that was switched off every night never ran for a day: nothing was removed for its age any more once it had
/// been off for a summer.
#[test]
fn a_board_that_is_switched_off_every_night_comes_to_believe_its_clock_s_309() {
    let (folder, alice) = with_old_mail();
    for day in 0..3 {
        let clock = Clock::steady(UnixTime(FAR + day * DAY));
        let store = folder.open_at(clock.clone()).unwrap();
        let before = store.wear().syncs;
        for hour in 0..=8 {
            run_chores(&store);
            assert_eq!(uids(&store, alice).is_empty(), day == 2 && hour == 8, "{day} {hour}");
            clock.put_forward(std::time::Duration::from_secs(HOUR));
        }
        assert!(store.wear().syncs - before <= 9 || day == 2, "one small write an hour");
        // The power is cut: the hour since the last write is lost, and no more.
        let image = std::fs::read(folder.database()).unwrap();
        store.close();
        std::fs::write(folder.database(), image).unwrap();
        assert_eq!(kept(&folder), Some((day + 1) * 8 * HOUR));
    }
}

#[test]
fn a_clock_that_is_believed_costs_no_write_s_304() {
    let (folder, _) = with_old_mail();
    let clock = Clock::steady(UnixTime(NOW));
    let store = folder.open_at(clock.clone()).unwrap();
    run_chores(&store);
    let before = store.wear();
    for _ in 0..48 {
        clock.put_forward(std::time::Duration::from_secs(HOUR));
        run_chores(&store);
    }
    assert_eq!((store.wear().syncs, store.wear().writes), (before.syncs, before.writes));
}
