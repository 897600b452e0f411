//! Mails of a day: counted, given back, forgotten and written down.

use std::time::Duration;

use super::*;
use crate::auth::tests::Folder;
use crate::store::Options;

const ALICE: Account = Account::User(MailboxId(1));
const NOW: UnixTime = UnixTime(1_800_000_000);

fn device(name: &str) -> Account {
    Account::Device(name.into())
}

fn empty(begun: Instant) -> Allowance {
    Allowance { counts: Mutex::new(Counts::new(begun)), changes: bounded(1) }
}

fn spend(allowance: &Allowance, account: Account, mails: u32, now: Instant) {
    (0..mails).for_each(|_| allowance.take(account.clone(), u32::MAX, now).unwrap().keep());
}

fn spent(allowance: &Allowance, account: &Account, now: Instant) -> u32 {
    let counts = allowance.lock();
    counts.sum(account, counts.hour(now))
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * HOUR_SECONDS)
}

#[test]
fn as_many_mails_as_may_be_and_not_one_more() {
    let begun = Instant::now();
    let allowance = empty(begun);
    for most in [0, 1, 2, 100] {
        let account = device(&format!("of {most}"));
        for _ in 0..most {
            assert!(allowance.is_left(&account, most, begun));
            allowance.take(account.clone(), most, begun).unwrap().keep();
        }
        assert!(!allowance.is_left(&account, most, begun), "{most}");
        assert!(allowance.take(account, most, begun).is_none(), "{most}");
    }
    assert!(allowance.is_left(&ALICE, 1, begun), "each has his own");
}

#[test]
fn mails_under_way_count_and_are_given_back_where_they_are_not_stored() {
    let begun = Instant::now();
    let allowance = empty(begun);
    let first = allowance.take(ALICE, 2, begun).unwrap();
    let second = allowance.take(ALICE, 2, begun).unwrap();
    assert!(allowance.take(ALICE, 2, begun).is_none(), "parallel sessions have no more");
    first.keep();
    drop(second);
    assert_eq!(spent(&allowance, &ALICE, begun), 1);
    let late = allowance.take(ALICE, 2, begun).unwrap();
    assert!(allowance.take(ALICE, 2, begun + hours(1)).is_none());
    let third = allowance.take(ALICE, 3, begun + hours(1)).unwrap();
    drop(late);
    third.keep();
    assert_eq!(spent(&allowance, &ALICE, begun + hours(1)), 2, "each is given back to its hour");
    drop(allowance.take(device("none"), 1, begun).unwrap());
    assert_eq!(allowance.lock().spent.len(), 1, "who has sent nothing has no entry");
}

#[test]
fn a_mail_counts_for_a_day_by_the_hour() {
    let begun = Instant::now();
    let allowance = empty(begun);
    spend(&allowance, ALICE, 3, begun);
    spend(&allowance, ALICE, 4, begun + hours(10));
    let second = Duration::from_secs(1);
    for (after, left) in [
        (hours(10), 7),
        (hours(24) - second, 7),
        (hours(24), 4),
        (hours(34) - second, 4),
        (hours(34), 0),
        (hours(35), 0),
    ] {
        assert_eq!(spent(&allowance, &ALICE, begun + after), left, "{after:?}");
    }
    spend(&allowance, ALICE, 1, begun + hours(100));
    assert_eq!(allowance.lock().spent[&ALICE], [(100, 1)], "what is past is forgotten");
}

#[test]
fn who_has_sent_the_least_makes_room_and_no_other() {
    let begun = Instant::now();
    let allowance = empty(begun);
    let most = limits::ALLOWANCE_ENTRIES as u32;
    for number in 0..most {
        spend(&allowance, Account::User(MailboxId(number)), if number == 7 { 1 } else { 2 }, begun);
    }
    spend(&allowance, device("new"), 1, begun);
    assert_eq!(allowance.lock().spent.len(), limits::ALLOWANCE_ENTRIES);
    assert_eq!(spent(&allowance, &Account::User(MailboxId(7)), begun), 0);
    assert_eq!(spent(&allowance, &Account::User(MailboxId(8)), begun), 2);
    spend(&allowance, device("next day"), 1, begun + hours(24));
    assert_eq!(allowance.lock().spent.len(), 1, "first who has sent nothing in a day");
}

/// A store in a folder of its own, and what is loaded from it at a time.
fn reloaded(store: &Store, at: u64, newest: u64) -> (Allowance, Instant) {
    let clock = Clock::fixed(UnixTime(at));
    clock.learn(UnixTime(newest));
    let allowance = crate::ticket::block_on(Allowance::load(store, &clock));
    let begun = allowance.lock().begun;
    (allowance, begun)
}

#[test]
fn counts_outlive_a_restart_and_no_wrong_clock_takes_them_back_s_309() {
    let folder = Folder::new();
    let clock = Clock::fixed(NOW);
    let store = Store::create(&folder.database(), &Options::default(), clock.clone()).unwrap();
    let allowance = crate::ticket::block_on(Allowance::load(&store, &clock));
    crate::ticket::block_on(allowance.save(&store, &clock));
    assert_eq!(store.record(RECORD).wait().unwrap(), None, "nothing is written where nothing has changed");
    let begun = allowance.lock().begun;
    spend(&allowance, ALICE, 5, begun);
    spend(&allowance, device("scanner"), 2, begun);
    crate::ticket::block_on(allowance.save(&store, &clock));

    let day = 24 * HOUR_SECONDS;
    for (what, at, newest, left) in [
        ("at once", NOW.0, 0, 5),
        ("an hour less than a day", NOW.0 + day - HOUR_SECONDS - 1, 0, 5),
        ("a day", NOW.0 + day, 0, 0),
        ("ten years", NOW.0 + 3650 * day, 0, 0),
        ("a clock that went back", NOW.0 - day, 0, 5),
        ("1970", 0, 1, 5),
        ("a suspect clock ahead", NOW.0 + day, NOW.0 + 2 * day, 5),
    ] {
        let (allowance, begun) = reloaded(&store, at, newest);
        assert_eq!(spent(&allowance, &ALICE, begun), left, "{what}");
        let by_device = spent(&allowance, &device("scanner"), begun);
        assert_eq!(by_device, if left > 0 { 2 } else { 0 }, "{what}");
    }
}

#[test]
fn short_runs_one_after_the_other_make_a_day() {
    let folder = Folder::new();
    let clock = Clock::fixed(NOW);
    let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
    let (mut allowance, mut begun) = reloaded(&store, NOW.0, 0);
    spend(&allowance, ALICE, 1, begun);
    for run in 1..=49 {
        let at = NOW.0 + run * HOUR_SECONDS / 2;
        let clock = Clock::fixed(UnixTime(at - HOUR_SECONDS / 2));
        spend(&allowance, device("clock"), 1, begun);
        crate::ticket::block_on(allowance.save(&store, &clock));
        (allowance, begun) = reloaded(&store, at, 0);
        assert_eq!(spent(&allowance, &ALICE, begun), u32::from(run < 48), "{run} half hours");
    }
}

#[test]
fn a_record_that_makes_no_sense_counts_from_nothing() {
    let folder = Folder::new();
    let clock = Clock::fixed(NOW);
    let store = Store::create(&folder.database(), &Options::default(), clock.clone()).unwrap();
    let ahead = Record { at: NOW, is_sure: true, seconds: 0, spent: vec![(ALICE, vec![(9, 9)])] };
    for octets in [vec![0xff; 40], Vec::new(), postcard::to_allocvec(&ahead).unwrap()] {
        store.put_record(RECORD, octets).wait().unwrap();
        let (allowance, begun) = reloaded(&store, NOW.0, 0);
        assert_eq!(spent(&allowance, &ALICE, begun), 0);
    }
    let endless = Record { at: UnixTime(0), is_sure: true, seconds: u64::MAX, spent: Vec::new() };
    store.put_record(RECORD, postcard::to_allocvec(&endless).unwrap()).wait().unwrap();
    let (allowance, begun) = reloaded(&store, NOW.0, 0);
    spend(&allowance, ALICE, 1, begun);
    assert_eq!(spent(&allowance, &ALICE, begun), 1);
}
