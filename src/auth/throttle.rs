//! Wrong passwords make the next wrong one slower, by account, by network and by both (S-169).
//!
//! Nobody is shut out by this: a right password is answered at once, however many wrong ones others
//! tried on the same account (S-171). Only who doesn't wait for his delayed answer but tries the same
//! account over other connections is told to come back, before anything is hashed (S-175).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::aging::Aging;
use super::network::Network;
use super::tag::{Tag, Tagger};
use crate::limits;
use crate::mail::Secret;

/// The failures of lately.
pub struct Throttle {
    tagger: Tagger,
    accounts: Aging<Tag, Failures>,
    networks: Aging<Network, Failures>,
    /// Who tried what, with the passwords that failed.
    pairs: Aging<Tag, (Failures, WrongPasswords)>,
    /// Where users came in from.
    known: Aging<Network, ()>,
}

/// One try: who, from where.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    account: Tag,
    network: Network,
    pair: Tag,
}

impl Throttle {
    /// Nobody has failed yet.
    pub fn new(tagger: Tagger) -> Throttle {
        Throttle {
            tagger,
            accounts: Aging::new(limits::FAILURE_ENTRIES),
            networks: Aging::new(limits::FAILURE_ENTRIES),
            pairs: Aging::new(limits::FAILURE_ENTRIES),
            known: Aging::new(limits::FAILURE_ENTRIES),
        }
    }

    /// A try on an account, existing or not, named in small letters.
    pub fn attempt(&self, account: &str, peer: IpAddr) -> Attempt {
        let network = Network::of(peer);
        let account = account.as_bytes();
        Attempt {
            account: self.tagger.tag(&[b"account", account]),
            network,
            pair: self.tagger.tag(&[b"pair", account, format!("{network:?}").as_bytes()]),
        }
    }

    /// Whether the answer to an earlier failure of the same account and network is still being delayed:
    /// someone is trying in parallel. The first few are forgiven, clients open two connections.
    pub fn is_held(&self, attempt: &Attempt, now: Instant) -> bool {
        self.pairs.peek(&attempt.pair).is_some_and(|(failures, _)| {
            failures.count > limits::FAILURES_FORGIVEN && now < failures.last + delay_of(failures.count)
        })
    }

    /// Whether a proof must first cost what a password costs: more failed lately on this account, or from this
    /// network on any, than honest clients need. Else proofs would be guessed faster than passwords, by many
    /// accounts from one place or by many places for one account.
    pub fn must_pay(&self, attempt: &Attempt, now: Instant) -> bool {
        let count = |failures: Option<&Failures>| failures.map_or(0, |failures| failures.left(now));
        let account = count(self.accounts.peek(&attempt.account));
        let network = count(self.networks.peek(&attempt.network));
        account.max(network) > limits::FAILURES_FORGIVEN
    }

    /// Whether a user came in from that network since the server started.
    pub fn is_known(&self, attempt: &Attempt) -> bool {
        self.known.peek(&attempt.network).is_some()
    }

    /// Notes a failure; gives how long its answer must wait. The same wrong password again, such as a
    /// phone's old one every minute, counts once.
    pub fn failed(&mut self, attempt: &Attempt, password: &Secret, now: Instant) -> Duration {
        let tag = self.tagger.tag(&[b"wrong password", &attempt.account, password.expose()]);
        let (pair, mut wrong) =
            self.pairs.peek(&attempt.pair).copied().unwrap_or((Failures::none(now), [0; 4]));
        let short = u64::from_le_bytes([tag[0], tag[1], tag[2], tag[3], tag[4], tag[5], tag[6], tag[7]]);
        let is_new = !wrong.contains(&short);
        if is_new {
            wrong.rotate_right(1);
            wrong[0] = short;
        }
        self.note(attempt, pair.after(is_new, now), wrong, is_new, now)
    }

    /// Notes the failure of a proof, as [`Throttle::failed`] does. It doesn't tell what password it was made
    /// with, so each counts.
    pub fn failed_proof(&mut self, attempt: &Attempt, now: Instant) -> Duration {
        let (pair, wrong) = self.pairs.peek(&attempt.pair).copied().unwrap_or((Failures::none(now), [0; 4]));
        self.note(attempt, pair.after(true, now), wrong, true, now)
    }

    /// Notes a success: the pair starts afresh. What others did to the account, and what this network
    /// did to other accounts, stays, so that an own mailbox doesn't buy free tries on others.
    pub fn passed(&mut self, attempt: &Attempt) {
        self.pairs.remove(&attempt.pair);
        self.known.put(attempt.network, ());
    }

    fn note(
        &mut self,
        attempt: &Attempt,
        pair: Failures,
        wrong: WrongPasswords,
        is_new: bool,
        now: Instant,
    ) -> Duration {
        self.pairs.put(attempt.pair, (pair, wrong));
        let account = note(&mut self.accounts, attempt.account, is_new, now);
        let network = note(&mut self.networks, attempt.network, is_new, now);
        delay_of(pair.count.max(account).max(network))
    }
}

impl Attempt {
    /// Where it comes from.
    pub fn network(&self) -> Network {
        self.network
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Short tags of the last few, zero for none.
type WrongPasswords = [u64; 4];

impl Failures {
    fn none(now: Instant) -> Failures {
        Failures { count: 0, last: now }
    }

    /// Minutes without a failure.
    fn quiet(self, now: Instant) -> u32 {
        let quiet = now.saturating_duration_since(self.last).as_secs() / limits::FAILURE_FORGETTING.as_secs();
        u32::try_from(quiet).unwrap_or(u32::MAX)
    }

    /// Each quiet minute takes one failure back.
    fn left(self, now: Instant) -> u32 {
        self.count.saturating_sub(self.quiet(now))
    }

    /// What doesn't count doesn't break the quiet either.
    fn after(self, is_new: bool, now: Instant) -> Failures {
        let (quiet, count) = (self.quiet(now), self.left(now));
        if is_new {
            return Failures { count: (count + 1).min(limits::FAILURES), last: now };
        }
        let last =
            limits::FAILURE_FORGETTING.checked_mul(quiet).and_then(|quiet| self.last.checked_add(quiet));
        Failures { count: count.max(1), last: last.unwrap_or(now) }
    }
}

fn note<K: Eq + std::hash::Hash + Clone>(
    table: &mut Aging<K, Failures>,
    key: K,
    is_new: bool,
    now: Instant,
) -> u32 {
    let failures = table.peek(&key).copied().unwrap_or(Failures::none(now)).after(is_new, now);
    table.put(key, failures);
    failures.count
}

/// 1, 2, 4, 8, then 15 seconds.
fn delay_of(count: u32) -> Duration {
    match count {
        0 => Duration::ZERO,
        count => Duration::from_secs(1 << (count - 1).min(16)).min(limits::FAILURE_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::random::Randomness;

    fn throttle() -> Throttle {
        Throttle::new(Tagger::new(&Randomness::new().unwrap()))
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

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        /// A failure with a password never tried before; gives the delay in seconds.
        fn fails(&mut self, account: &str, from: u32, seconds: u64) -> u64 {
            self.passwords += 1;
            self.fails_with(account, from, seconds, &self.passwords.to_string())
        }

        fn fails_with(&mut self, account: &str, from: u32, seconds: u64, password: &str) -> u64 {
            let attempt = self.throttle.attempt(account, peer(from));
            let now = self.at(seconds);
            self.throttle.failed(&attempt, &Secret::new(password), now).as_secs()
        }

        fn is_held(&self, account: &str, from: u32, seconds: u64) -> bool {
            self.throttle.is_held(&self.throttle.attempt(account, peer(from)), self.at(seconds))
        }
    }

    #[test]
    fn delays_double_up_to_fifteen_seconds_s_169() {
        let mut trial = Trial::new();
        let delays: Vec<_> = (0..100).map(|_| trial.fails("alice", 1, 0)).collect();
        assert_eq!(delays[..6], [1, 2, 4, 8, 15, 15]);
        assert!(delays[6..].iter().all(|&delay| delay == 15));
    }

    #[test]
    fn each_quiet_minute_takes_a_step_back() {
        for (quiet, delay) in
            [(0, 15), (59, 15), (60, 8), (119, 8), (120, 4), (239, 2), (240, 1), (100_000, 1)]
        {
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
        let attempt = trial.throttle.attempt("alice", peer(1));
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
            trial.throttle.must_pay(&trial.throttle.attempt(account, peer(from)), trial.at(seconds))
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
        let mine = trial.throttle.attempt("mine", peer(1));
        trial.throttle.passed(&mine);
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
        let mine = trial.throttle.attempt("mine", peer(1));
        trial.throttle.passed(&mine);
        assert!(trial.is_held("boss", 1, 0), "an own mailbox buys nothing");
        let boss = trial.throttle.attempt("boss", peer(1));
        trial.throttle.passed(&boss);
        assert!(!trial.is_held("boss", 1, 0));
        assert_eq!(trial.fails("boss", 2, 0), 15, "the account is still watched");
    }

    #[test]
    fn a_network_is_known_by_a_success_and_not_by_a_failure() {
        let mut trial = Trial::new();
        let attempt = |trial: &Trial, account, from| trial.throttle.attempt(account, peer(from));
        trial.fails("alice", 1, 0);
        assert!(!trial.throttle.is_known(&attempt(&trial, "alice", 1)));
        let success = attempt(&trial, "alice", 1);
        trial.throttle.passed(&success);
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
}
