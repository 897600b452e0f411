//! Locking out: edges, homes, unknown names, restarts and wrong clocks.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::auth::random::Randomness;
use crate::clock::Clock;
use crate::settings::Lockout;

const RULE: Lockout = Lockout { tries: 3, lock_minutes: 30, window_minutes: 60 };
const WALL: UnixTime = UnixTime(1_800_000_000);
const ALICE: &str = "alice@home.lan";

struct Trial {
    lockouts: Lockouts,
    tagger: Tagger,
    start: Instant,
    rule: Lockout,
    passwords: u64,
}

impl Trial {
    fn new(rule: Lockout) -> Trial {
        let start = Instant::now();
        let tagger = Tagger::new(&Randomness::new().unwrap());
        Trial { lockouts: Lockouts::new(start), tagger, start, rule, passwords: 0 }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Those of our domain exist, but for `nobody`.
    fn owner(&self, name: &str) -> Owner {
        Owner::new(&self.tagger, name, name, name.ends_with("@home.lan") && !name.starts_with("nobody"))
    }

    /// A failure with a password never tried before; whether the account is locked out for strangers then.
    fn fails(&mut self, name: &str, from: u32, seconds: u64) -> bool {
        self.passwords += 1;
        self.fails_with(name, from, seconds, Some(self.passwords))
    }

    fn fails_often(&mut self, count: u32, name: &str, from: u32, seconds: u64) {
        for _ in 0..count {
            self.fails(name, from, seconds);
        }
    }

    fn fails_with(&mut self, name: &str, from: u32, seconds: u64, password: Option<u64>) -> bool {
        let (owner, now) = (self.owner(name), self.at(seconds));
        self.lockouts.failed(&owner, network(from), password, &self.rule, now);
        self.is_locked_out(name, STRANGE, seconds)
    }

    fn passes(&mut self, name: &str, from: u32, seconds: u64) {
        let (owner, now) = (self.owner(name), self.at(seconds));
        self.lockouts.passed(&owner, network(from), &self.rule, now);
    }

    fn is_locked_out(&self, name: &str, from: u32, seconds: u64) -> bool {
        self.lockouts.is_locked_out(&self.owner(name), network(from), &self.rule, self.at(seconds))
    }

    fn row(&self, name: &str, seconds: u64) -> Option<FailureRow> {
        let mut rows = self.lockouts.rows(&self.rule, |_| false, WALL, self.at(seconds));
        rows.retain(|row| row.user == name);
        rows.pop()
    }

    /// As a start at that wall time finds what was written down at [`WALL`] and `seconds`.
    fn restarted(&mut self, seconds: u64, wall: u64, newest: u64) -> Trial {
        let now = self.at(seconds);
        self.lockouts.keep_news(false);
        let record = self.lockouts.record(&self.rule, &Clock::fixed(WALL), now).unwrap();
        let octets = postcard::to_allocvec(&record).unwrap();
        let clock = Clock::fixed(UnixTime(wall));
        clock.learn(UnixTime(newest));
        let mut trial = Trial::new(self.rule);
        let record = postcard::from_bytes(&octets).unwrap();
        trial.lockouts = Lockouts::of(record, &trial.tagger, &trial.rule, &clock, trial.start);
        trial
    }
}

fn network(number: u32) -> Network {
    Network::of(IpAddr::V4((0x0A00_0000 + number).into()))
}

/// A network from which nobody logs on.
const STRANGE: u32 = 99;

#[test]
fn an_account_is_locked_out_at_its_last_try_and_not_before() {
    for name in [ALICE, "nobody@home.lan", "boss"] {
        for tries in [1, 2, 3, 10, limits::LOCKOUT_TRIES] {
            let mut trial = Trial::new(Lockout { tries, ..RULE });
            for number in 1..=tries + 1 {
                assert_eq!(trial.fails(name, number, 0), number >= tries, "{name} {number} of {tries}");
            }
        }
    }
}

#[test]
fn without_tries_nobody_is_ever_locked_out() {
    let mut trial = Trial::new(Lockout { tries: 0, ..RULE });
    assert!((0..10_000).all(|number| !trial.fails(ALICE, number, 0)));
    assert_eq!(trial.row(ALICE, 0).unwrap().failures, 10_000);
    assert_eq!(trial.lockouts.count_locked(&trial.rule, trial.at(0)), 0);
}

#[test]
fn a_lockout_ends_with_its_minutes_and_then_all_tries_are_free_again() {
    let mut trial = Trial::new(RULE);
    trial.fails_often(3, ALICE, 1, 100);
    for (seconds, is_locked_out) in [(100, true), (100 + 1799, true), (100 + 1800, false)] {
        assert_eq!(trial.is_locked_out(ALICE, STRANGE, seconds), is_locked_out, "{seconds}");
    }
    let ends = 100 + 1800;
    assert!(trial.fails(ALICE, 1, ends - 1), "it is locked out still");
    assert!(!trial.is_locked_out(ALICE, STRANGE, ends), "tries meanwhile make it no longer");
    assert!(!trial.fails(ALICE, 1, ends) && !trial.fails(ALICE, 1, ends));
    assert!(trial.fails(ALICE, 1, ends));
}

#[test]
fn with_no_minutes_it_is_locked_out_until_it_is_unlocked() {
    let mut trial = Trial::new(Lockout { lock_minutes: 0, ..RULE });
    trial.fails_often(3, ALICE, 1, 0);
    let years = 20 * 366 * 86_400;
    assert!(trial.is_locked_out(ALICE, STRANGE, years));
    assert_eq!(trial.row(ALICE, years).unwrap().state, FailureState::Locked);
    let tag = trial.tagger.account(ALICE);
    assert!(trial.lockouts.lift(&tag, &trial.rule, trial.at(years)));
    assert!(!trial.is_locked_out(ALICE, STRANGE, years));
    assert_eq!(trial.row(ALICE, years), None);
    assert!(!trial.lockouts.lift(&tag, &trial.rule, trial.at(years)), "once is enough");
    trial.fails(ALICE, 1, years);
    assert!(!trial.lockouts.lift(&tag, &trial.rule, trial.at(years)), "slowed is not locked out");
}

#[test]
fn a_try_counts_for_its_window_and_forever_without_one() {
    for (window_minutes, third_at, is_locked_out) in
        [(60, 3599, true), (60, 3600, false), (1, 59, true), (1, 60, false), (0, 100_000_000, true)]
    {
        let mut trial = Trial::new(Lockout { window_minutes, ..RULE });
        trial.fails(ALICE, 1, 0);
        trial.fails(ALICE, 1, 0);
        assert_eq!(trial.fails(ALICE, 1, third_at), is_locked_out, "{window_minutes} {third_at}");
    }
}

#[test]
fn the_same_wrong_password_counts_once_from_wherever() {
    let mut trial = Trial::new(RULE);
    for minute in 0..1000 {
        assert!(!trial.fails_with(ALICE, (minute % 7) as u32, minute * 60, Some(1)));
    }
    assert!(!trial.fails_with(ALICE, 1, 60_000, Some(2)));
    assert!(!trial.fails_with(ALICE, 2, 60_000, Some(2)));
    assert!(!trial.fails_with(ALICE, 2, 60_000, Some(1)));
    assert!(!trial.fails_with("bob@home.lan", 2, 60_000, Some(1)), "each account has its own");
    assert!(!trial.fails_with(ALICE, 2, 60_000, Some(3)), "the first is forgotten by now");
    assert!(trial.fails_with(ALICE, 2, 60_000, Some(4)));
    assert_eq!(trial.row(ALICE, 60_000).unwrap().failures, 1005);
}

#[test]
fn each_proof_counts_for_nobody_knows_what_it_was_made_of() {
    let mut trial = Trial::new(RULE);
    assert_eq!([(); 3].map(|()| trial.fails_with(ALICE, 1, 0, None)), [false, false, true]);
}

#[test]
fn who_is_at_home_is_not_shut_out_and_nobody_else_is_at_home_there_s_171() {
    let mut trial = Trial::new(RULE);
    trial.passes(ALICE, 1, 0);
    trial.passes("bob@home.lan", 2, 0);
    trial.fails_often(3, ALICE, 5, 10);
    for (from, is_locked_out) in [(1, false), (2, true), (5, true)] {
        assert_eq!(trial.is_locked_out(ALICE, from, 10), is_locked_out, "{from}");
    }
    trial.passes(ALICE, 1, 20);
    assert!(trial.is_locked_out(ALICE, 5, 20), "a logon from home ends no lockout");
    trial.fails_often(3, "nobody@home.lan", 1, 20);
    assert!(trial.is_locked_out("nobody@home.lan", 1, 20), "a failure makes no home");
}

/// A phone polls each five minutes with its proof: it must not clear what a guesser does between two polls.
#[test]
fn a_logon_from_home_forgets_only_tries_of_another_day() {
    let mut trial = Trial::new(Lockout { window_minutes: 0, ..RULE });
    trial.passes(ALICE, 1, 0);
    trial.fails(ALICE, 5, 10);
    trial.passes(ALICE, 1, 300);
    trial.fails(ALICE, 5, 310);
    trial.passes(ALICE, 1, 600);
    assert!(trial.fails(ALICE, 5, 610));

    let mut trial = Trial::new(Lockout { window_minutes: 0, ..RULE });
    trial.passes(ALICE, 1, 0);
    trial.fails_often(2, ALICE, 5, 10);
    trial.passes(ALICE, 1, 10 + limits::LOCKOUT_SHOWN_SECONDS);
    assert_eq!(trial.row(ALICE, 10 + limits::LOCKOUT_SHOWN_SECONDS), None);
    assert!(!trial.fails(ALICE, 5, 10 + limits::LOCKOUT_SHOWN_SECONDS));
}

#[test]
fn a_logon_from_a_new_network_forgets_all_tries() {
    let mut trial = Trial::new(Lockout { window_minutes: 0, ..RULE });
    trial.fails_often(2, ALICE, 5, 10);
    trial.passes(ALICE, 5, 20);
    assert_eq!(trial.row(ALICE, 20), None);
    assert!(!trial.fails(ALICE, 6, 30) && !trial.fails(ALICE, 6, 30));
    assert!(trial.fails(ALICE, 6, 30));
}

#[test]
fn a_setting_that_is_changed_counts_at_once_for_those_who_are_locked_out() {
    let mut trial = Trial::new(RULE);
    trial.fails_often(3, ALICE, 1, 0);
    for (tries, lock_minutes, is_locked_out) in
        [(3, 1, false), (3, 2, true), (3, 0, true), (0, 0, false), (1000, 30, true)]
    {
        trial.rule = Lockout { tries, lock_minutes, ..RULE };
        assert_eq!(trial.is_locked_out(ALICE, STRANGE, 90), is_locked_out, "{tries} {lock_minutes}");
    }
}

#[test]
fn rows_show_who_failed_whence_and_what_comes_of_it() {
    let mut trial = Trial::new(RULE);
    for from in [0, 1, 0] {
        trial.fails(ALICE, from, 10);
    }
    trial.fails("hu... (no full address)", 7, 20);
    let rows = trial.lockouts.rows(&trial.rule, |_| true, WALL, trial.at(40));
    assert_eq!(
        rows,
        [
            FailureRow {
                user: "hu... (no full address)".into(),
                failures: 1,
                last: UnixTime(WALL.0 - 20),
                networks: 1,
                last_network: "10.0.0.7".into(),
                state: FailureState::Slowed,
            },
            FailureRow {
                user: ALICE.into(),
                failures: 3,
                last: UnixTime(WALL.0 - 30),
                networks: 2,
                last_network: "10.0.0.0".into(),
                state: FailureState::LockedUntil(UnixTime(WALL.0 - 30 + 1800)),
            },
        ]
    );
    assert_eq!(trial.lockouts.count_locked(&trial.rule, trial.at(40)), 1);
    assert_eq!(trial.lockouts.count_locked(&trial.rule, trial.at(10 + 1800)), 0);
    let day = limits::LOCKOUT_SHOWN_SECONDS;
    assert!(trial.row(ALICE, 10 + day - 1).is_some());
    assert_eq!(trial.row(ALICE, 10 + day), None, "what is over is not shown for ever");
}

/// Four thousand names that nobody has would have pushed out whoever is locked out.
#[test]
fn a_flood_of_names_frees_nobody_and_takes_no_more_room_s_172() {
    let mut trial = Trial::new(RULE);
    trial.fails_often(3, ALICE, 1, 0);
    for number in 0..2 * limits::LOCKOUT_STRANGERS as u32 {
        trial.fails(&format!("user{number}"), number, 1);
        trial.fails(&format!("nobody{number}@home.lan"), number, 1);
    }
    assert!(trial.is_locked_out(ALICE, STRANGE, 2));
    assert_eq!(trial.lockouts.strangers.len(), limits::LOCKOUT_STRANGERS);
    assert_eq!(trial.lockouts.users.len(), 1);
    for number in 0..2 * limits::LOCKOUT_USERS {
        trial.fails(&format!("u{number}@home.lan"), 1, 3);
    }
    assert_eq!(trial.lockouts.users.len(), limits::LOCKOUT_USERS);
}

#[test]
fn lockouts_outlive_a_restart_and_no_wrong_clock_frees_anybody_or_locks_him_for_ever_s_308() {
    let mut trial = Trial::new(RULE);
    trial.fails_often(3, ALICE, 1, 600);
    // Written down 100 seconds after; 1,700 are left.
    let (wall, years) = (WALL.0, 10 * 366 * 86_400);
    for (what, at, newest, left) in [
        ("at once", wall, 0, 1700),
        ("after 1,000 seconds", wall + 1000, 0, 700),
        ("a second before its end", wall + 1699, 0, 1),
        ("at its end", wall + 1700, 0, 0),
        ("after years", wall + years, 0, 0),
        ("a clock that went back", wall - 10_000, 0, 1700),
        ("1970", 5, 6, 1700),
        ("a suspect clock ahead", wall + 10_000, wall + years, 1700),
    ] {
        let after = trial.restarted(700, at, newest);
        assert_eq!(after.is_locked_out(ALICE, STRANGE, 0), left > 0, "{what}");
        assert!(left == 0 || after.is_locked_out(ALICE, STRANGE, left - 1), "{what}");
        assert!(!after.is_locked_out(ALICE, STRANGE, left), "{what}");
    }
}

#[test]
fn tries_homes_and_rows_outlive_a_restart_and_unknown_names_do_not() {
    let mut trial = Trial::new(RULE);
    trial.passes(ALICE, 1, 0);
    trial.fails(ALICE, 5, 10);
    trial.fails(ALICE, 6, 10);
    trial.fails_often(3, "nobody@home.lan", 5, 10);
    let mut after = trial.restarted(20, WALL.0 + 30, 0);
    let rows = after.lockouts.rows(&after.rule, |_| false, UnixTime(WALL.0 + 30), after.start);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (row.user.as_str(), row.failures, row.networks, row.last),
        (ALICE, 2, 2, UnixTime(WALL.0 - 10))
    );
    assert!(after.fails(ALICE, 5, 0), "the third try");
    assert!(!after.is_locked_out(ALICE, 1, 0), "she is at home still");
    assert!(!after.is_locked_out("nobody@home.lan", 5, 0));

    let mut late = trial.restarted(20, WALL.0 + limits::LOCKOUT_HOME_SECONDS, 0);
    late.fails_often(3, ALICE, 5, 0);
    assert!(late.is_locked_out(ALICE, 1, 0), "a month away is no home");
}

#[test]
fn short_runs_one_after_the_other_make_a_lockout_s_length() {
    let mut trial = Trial::new(RULE);
    trial.fails_often(3, ALICE, 1, 0);
    for run in 1..=30 {
        trial = trial.restarted(60, WALL.0, 0);
        assert_eq!(trial.is_locked_out(ALICE, STRANGE, 0), run < 30, "{run} minutes");
    }
}

#[test]
fn a_lockout_of_before_the_rule_was_taken_back_does_not_come_again() {
    let mut trial = Trial::new(Lockout { lock_minutes: 0, ..RULE });
    trial.fails_often(3, ALICE, 1, 0);
    trial.rule.tries = 0;
    let mut after = trial.restarted(10, WALL.0, 0);
    after.rule.tries = 3;
    assert!(!after.is_locked_out(ALICE, STRANGE, 0));
}

#[test]
fn nothing_is_written_down_for_unknown_names_or_where_nothing_has_changed() {
    let mut trial = Trial::new(RULE);
    let clock = Clock::fixed(WALL);
    let record = |trial: &mut Trial| trial.lockouts.record(&RULE, &clock, trial.start).is_some();
    trial.fails_often(10, "nobody@home.lan", 5, 0);
    assert!(!trial.lockouts.news().is_changed && !trial.lockouts.news().is_urgent && !record(&mut trial));
    trial.fails_often(2, ALICE, 5, 0);
    assert!(trial.lockouts.news().is_changed && !trial.lockouts.news().is_urgent);
    trial.fails(ALICE, 5, 0);
    assert!(trial.lockouts.news().is_urgent);
    assert!(record(&mut trial) && !record(&mut trial));
    assert!(!trial.lockouts.news().is_urgent);
    trial.fails(ALICE, 5, 0);
    assert!(!trial.lockouts.news().is_urgent, "it is locked out already");
}

#[test]
fn a_record_from_elsewhere_frees_and_locks_nobody() {
    for octets in [vec![0xff; 40], Vec::new(), vec![0; 3]] {
        assert!(postcard::from_bytes::<Record>(&octets).is_err(), "{octets:?}");
    }
    let mut trial = Trial::new(RULE);
    trial.fails_often(3, ALICE, 1, 600);
    let mut record = trial.lockouts.record(&RULE, &Clock::fixed(WALL), trial.at(600)).unwrap();
    record.run_back(500);
    let lockouts = Lockouts::of(record, &trial.tagger, &RULE, &Clock::fixed(WALL), trial.start);
    assert_eq!(lockouts.count_locked(&RULE, trial.start), 0, "its times are to come");
}

/// What is asked for, so that an entry doesn't grow unseen; maps grow by doubling, so that [`limits::LOCKOUT_USERS`] and
/// its neighbours say what was measured, which is up to three times that.
#[test]
fn an_entry_takes_no_more_than_is_said_s_172() {
    const MAPS: usize = 2 * (16 + 8) * 3 / 2;
    let mut trial = Trial::new(Lockout { tries: 1000, window_minutes: 60, ..RULE });
    for second in 0..7200 {
        trial.fails(ALICE, second as u32, second);
    }
    let account = trial.lockouts.users.values().next().unwrap();
    let tries = postcard::to_allocvec(&account.tries).unwrap().len();
    assert!(tries < 17 * 6, "{tries}");
    let entry = size_of::<Account>() + 17 * 16 + MAPS;
    assert!(entry + 30 <= 620, "{entry}");
    let home = size_of::<(Network, u64)>() * limits::LOCKOUT_HOMES + 40 + MAPS;
    assert!(home + 30 <= 400, "{home}");
}
