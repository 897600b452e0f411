//! Delays, holds, and what the throttle counts for lockouts.

use super::*;
use crate::auth::random::Randomness;
use crate::settings::Settings;

fn throttle() -> Throttle {
    let rule = Settings::default().lockout;
    Throttle::new(Tagger::new(&Randomness::new().unwrap()), Lockouts::new(Instant::now()), rule)
}

fn peer(number: u32) -> IpAddr {
    IpAddr::V4((0x0A00_0000 + number).into())
}

struct Trial {
    throttle: Throttle,
    start: Instant,
    passwords: u32,
}

impl Trial {
    fn new() -> Trial {
        Trial { throttle: throttle(), start: Instant::now(), passwords: 0 }
    }

    fn attempt(&self, account: &str, from: u32) -> Attempt {
        self.throttle.attempt(account, peer(from), account, false)
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// A failure with a password never tried before; gives the delay in seconds.
    fn fails(&mut self, account: &str, from: u32, seconds: u64) -> u64 {
        self.passwords += 1;
        self.fails_with(account, from, seconds, &self.passwords.to_string())
    }

    fn fails_with(&mut self, account: &str, from: u32, seconds: u64, password: &str) -> u64 {
        let attempt = self.attempt(account, from);
        let now = self.at(seconds);
        self.throttle.failed(&attempt, &Secret::new(password), now).as_secs()
    }

    fn is_held(&self, account: &str, from: u32, seconds: u64) -> bool {
        self.throttle.is_held(&self.attempt(account, from), self.at(seconds))
    }
}

#[test]
/// By moments that only go forward: the throttle knows no wall clock (S-314).
fn delays_double_up_to_fifteen_seconds_s_169() {
    let mut trial = Trial::new();
    let delays: Vec<_> = (0..100).map(|_| trial.fails("alice", 1, 0)).collect();
    assert_eq!(delays[..6], [1, 2, 4, 8, 15, 15]);
    assert!(delays[6..].iter().all(|&delay| delay == 15));
}

#[test]
fn each_quiet_minute_takes_a_step_back() {
    for (quiet, delay) in [(0, 15), (59, 15), (60, 8), (119, 8), (120, 4), (239, 2), (240, 1), (100_000, 1)] {
        let mut trial = Trial::new();
        for _ in 0..4 {
            trial.fails("alice", 1, 0);
        }
        assert_eq!(trial.fails("alice", 1, quiet), delay, "{quiet} s");
    }
}

#[test]
fn long_attacks_are_forgotten_within_ten_minutes() {
    let mut trial = Trial::new();
    for _ in 0..100_000 {
        trial.fails("alice", 1, 0);
    }
    assert_eq!(trial.fails("alice", 1, 600), 1);
}

#[test]
fn the_same_wrong_password_counts_once() {
    let mut trial = Trial::new();
    for minute in 0..100 {
        assert_eq!(trial.fails_with("alice", 1, minute * 10, "old"), 1);
    }
    for _ in 0..10 {
        assert!(trial.fails_with("alice", 1, 1000, "old") <= 2);
        assert!(trial.fails_with("alice", 1, 1000, "older") <= 2, "two devices, two old passwords");
    }
    assert_eq!(trial.fails("alice", 1, 1000), 4, "a new wrong one does count");
}

#[test]
fn every_failed_proof_counts() {
    let mut trial = Trial::new();
    let attempt = trial.attempt("alice", 1);
    let now = trial.at(0);
    let delays = [(); 5].map(|()| trial.throttle.failed_proof(&attempt, now).as_secs());
    assert_eq!(delays, [1, 2, 4, 8, 15]);
    assert!(trial.is_held("alice", 1, 0));
    assert_eq!(trial.fails("alice", 1, 60), 15, "passwords and proofs are counted together");
}

#[test]
fn proofs_must_be_paid_for_where_much_failed_lately() {
    let mut trial = Trial::new();
    let must_pay = |trial: &Trial, account, from, seconds| {
        trial.throttle.must_pay(&trial.attempt(account, from), trial.at(seconds))
    };
    for account in ["u1", "u2"] {
        trial.fails(account, 1, 0);
        assert!(!must_pay(&trial, "alice", 1, 0), "honest clients fail so often");
    }
    trial.fails("u3", 1, 0);
    assert!(must_pay(&trial, "alice", 1, 0), "many accounts from one network");
    assert!(must_pay(&trial, "alice", 1, 59));
    assert!(!must_pay(&trial, "alice", 1, 60), "a quiet minute takes one back");
    assert!(!must_pay(&trial, "alice", 2, 0), "others pay nothing");
    (2..=4).for_each(|from| assert!(trial.fails("boss", from, 0) > 0));
    assert!(must_pay(&trial, "boss", 9, 0), "one account from many networks");
    let mine = trial.attempt("mine", 1);
    trial.throttle.passed(&mine, trial.at(0));
    assert!(must_pay(&trial, "alice", 1, 0), "an own mailbox buys nothing");
}

#[test]
fn a_phone_s_old_password_does_not_keep_an_attack_remembered() {
    let mut trial = Trial::new();
    trial.fails_with("alice", 1, 0, "old");
    for from in 2..=5 {
        trial.fails("alice", from, 0);
    }
    let delays: Vec<_> = (0..=10).map(|half| trial.fails_with("alice", 1, half * 30, "old")).collect();
    assert_eq!(delays, [15, 15, 8, 8, 4, 4, 2, 2, 1, 1, 1]);
}

#[test]
fn accounts_are_slowed_across_networks_and_networks_across_accounts_s_170() {
    let mut trial = Trial::new();
    assert_eq!((1..=5).map(|from| trial.fails("boss", from, 0)).collect::<Vec<_>>(), [1, 2, 4, 8, 15]);
    let mut trial = Trial::new();
    let spray = (1..=5).map(|number| trial.fails_with(&format!("u{number}"), 9, 0, "Summer26"));
    assert_eq!(spray.collect::<Vec<_>>(), [1, 2, 4, 8, 15]);
    assert_eq!(trial.fails("other", 8, 0), 1, "others pay nothing");
}

#[test]
fn a_success_clears_the_pair_but_not_what_was_done_to_others_s_171() {
    let mut trial = Trial::new();
    for _ in 0..5 {
        trial.fails("boss", 1, 0);
    }
    assert!(trial.is_held("boss", 1, 0));
    let mine = trial.attempt("mine", 1);
    trial.throttle.passed(&mine, trial.at(0));
    assert!(trial.is_held("boss", 1, 0), "an own mailbox buys nothing");
    let boss = trial.attempt("boss", 1);
    trial.throttle.passed(&boss, trial.at(0));
    assert!(!trial.is_held("boss", 1, 0));
    assert_eq!(trial.fails("boss", 2, 0), 15, "the account is still watched");
}

#[test]
fn a_network_is_known_by_a_success_and_not_by_a_failure() {
    let mut trial = Trial::new();
    let attempt = |trial: &Trial, account, from| trial.attempt(account, from);
    trial.fails("alice", 1, 0);
    assert!(!trial.throttle.is_known(&attempt(&trial, "alice", 1)));
    let success = attempt(&trial, "alice", 1);
    trial.throttle.passed(&success, trial.at(0));
    assert!(trial.throttle.is_known(&attempt(&trial, "bob", 1)));
    assert!(!trial.throttle.is_known(&attempt(&trial, "alice", 2)));
}

#[test]
fn only_who_does_not_wait_for_his_answer_is_held_s_175() {
    let mut trial = Trial::new();
    let mut now = 0;
    for _ in 0..20 {
        assert!(!trial.is_held("alice", 1, now), "who waits is never held");
        now += trial.fails("alice", 1, now);
    }
    let last = now - 15;
    assert!(trial.is_held("alice", 1, last));
    assert!(trial.is_held("alice", 1, last + 14));
    assert!(!trial.is_held("alice", 1, last + 15));
    assert!(!trial.is_held("alice", 2, last), "the same account from elsewhere gets in (S-171)");
    assert!(!trial.is_held("bob", 1, last), "a neighbour behind the same address gets in");
}

#[test]
fn two_connections_with_one_old_password_are_not_held() {
    let mut trial = Trial::new();
    for _ in 0..50 {
        trial.fails_with("alice", 1, 0, "old");
        trial.fails_with("alice", 1, 0, "older");
        assert!(!trial.is_held("alice", 1, 0));
    }
}

#[test]
fn tables_stay_bounded_and_a_flood_does_not_free_the_attacked_account_s_172() {
    let mut trial = Trial::new();
    for number in 0..3 * limits::FAILURE_ENTRIES as u32 {
        if number % 1000 == 0 {
            trial.fails("boss", number, 0);
        }
        trial.fails(&format!("user{number}"), number, 0);
    }
    assert_eq!(trial.throttle.accounts.len(), limits::FAILURE_ENTRIES);
    assert_eq!(trial.throttle.networks.len(), limits::FAILURE_ENTRIES);
    assert_eq!(trial.throttle.pairs.len(), limits::FAILURE_ENTRIES);
    assert_eq!(trial.fails("boss", 1 << 20, 0), 15);
}
