//! Wrong passwords make the next wrong one slower, by account, by network and by both (S-169).
//!
//! Nobody is shut out by this: a right password is answered at once, however many wrong ones others
//! tried on the same account (S-171). Only who doesn't wait for his delayed answer but tries the same
//! account over other connections is told to come back, before anything is hashed (S-175); and a stranger who
//! tries many accounts at once (S-170). Who is shut out by the administrator's choice is in `lockout.rs`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::aging::Aging;
use super::flights::Flights;
use super::lockout::{Lockouts, Owner};
use super::network::Network;
use super::spray::Spray;
use super::tag::{Tag, Tagger};
use crate::limits;
use crate::mail::Secret;
use crate::settings;

/// The failures of lately.
pub struct Throttle {
    tagger: Tagger,
    accounts: Aging<Tag, Failures>,
    networks: Aging<Network, Failures>,
    /// Who tried what, with the passwords that failed.
    pairs: Aging<Tag, (Failures, WrongPasswords)>,
    /// Where users came in from.
    known: Aging<Network, ()>,
    flights: Flights,
    spray: Spray,
    /// Who is locked out.
    pub lockouts: Lockouts,
    /// When somebody is, as it is set now.
    pub rule: settings::Lockout,
}

/// One try: who, from where.
#[derive(Debug, Clone)]
pub struct Attempt {
    network: Network,
    pair: Tag,
    owner: Owner,
}

impl Throttle {
    /// Nobody has failed yet, but for what `lockouts` remember.
    pub fn new(tagger: Tagger, lockouts: Lockouts, rule: settings::Lockout) -> Throttle {
        let mut known = Aging::new(limits::FAILURE_ENTRIES);
        lockouts.homes().for_each(|network| known.put(network, ()));
        Throttle {
            tagger,
            accounts: Aging::new(limits::FAILURE_ENTRIES),
            networks: Aging::new(limits::FAILURE_ENTRIES),
            pairs: Aging::new(limits::FAILURE_ENTRIES),
            known,
            flights: Flights::new(),
            spray: Spray::default(),
            lockouts,
            rule,
        }
    }

    /// A try on an account, existing or not, named in small letters; with how the log shows it, and whether it is a
    /// mailbox.
    pub fn attempt(&self, account: &str, peer: IpAddr, shown: &str, is_user: bool) -> Attempt {
        let network = Network::of(peer);
        let pair = self.tagger.tag(&[b"pair", account.as_bytes(), format!("{network:?}").as_bytes()]);
        Attempt { network, pair, owner: Owner::new(&self.tagger, account, shown, is_user) }
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
        let account = count(self.accounts.peek(&attempt.owner.tag));
        let network = count(self.networks.peek(&attempt.network));
        account.max(network) > limits::FAILURES_FORGIVEN
    }

    /// Whether a user came in from that network lately.
    pub fn is_known(&self, attempt: &Attempt) -> bool {
        self.known.peek(&attempt.network).is_some()
    }

    /// Whether the account is locked out for that network: then its right password is a wrong one.
    pub fn is_locked_out(&self, attempt: &Attempt, now: Instant) -> bool {
        self.lockouts.is_locked_out(&attempt.owner, attempt.network, &self.rule, now)
    }

    /// Whether the user has logged on from there lately, whom no lockout shuts out then.
    pub fn is_at_home(&self, attempt: &Attempt, now: Instant) -> bool {
        self.lockouts.is_at_home(&attempt.owner, attempt.network, now)
    }

    /// Whether answers to failures on an account of that tag are delayed still.
    pub fn is_slowed(&self, account: &Tag, now: Instant) -> bool {
        self.accounts.peek(account).is_some_and(|failures| failures.left(now) > 0)
    }

    /// Whether somebody tries passwords on many accounts from many networks: strangers come last then (S-170).
    pub fn is_sprayed(&self, now: Instant) -> bool {
        self.spray.is_on(now)
    }

    /// Whether a try that has waited for its hash gets none: too many of its network, where no user is, have been refused
    /// meanwhile.
    pub fn is_crowded(&self, attempt: &Attempt, now: Instant) -> bool {
        !self.is_known(attempt) && !self.flights.may_go_on(attempt.network, attempt.owner.tag, now)
    }

    /// Begins a try that costs a hash; false if too many of a network without users are refused now. Each that begins
    /// must end.
    pub fn begin(&mut self, attempt: &Attempt, now: Instant) -> bool {
        self.flights.begin(attempt.network, attempt.owner.tag, now) || self.is_known(attempt)
    }

    /// A try has its hash, or gets none.
    pub fn end(&mut self, attempt: &Attempt, now: Instant) {
        self.flights.end(attempt.network, attempt.owner.tag, now);
    }

    /// Notes a failure; gives how long its answer must wait. The same wrong password again, such as a
    /// phone's old one every minute, counts once.
    pub fn failed(&mut self, attempt: &Attempt, password: &Secret, now: Instant) -> Duration {
        let tag = self.tagger.tag(&[b"wrong password", &attempt.owner.tag, password.expose()]);
        let (pair, mut wrong) =
            self.pairs.peek(&attempt.pair).copied().unwrap_or((Failures::none(now), [0; 4]));
        let short = short_of(&tag);
        let is_new = !wrong.contains(&short);
        if is_new {
            wrong.rotate_right(1);
            wrong[0] = short;
        }
        self.lockouts.failed(&attempt.owner, attempt.network, Some(short), &self.rule, now);
        self.note(attempt, pair.after(is_new, now), wrong, is_new, now)
    }

    /// Notes the failure of a proof, as [`Throttle::failed`] does. It doesn't tell what password it was made
    /// with, so each counts.
    pub fn failed_proof(&mut self, attempt: &Attempt, now: Instant) -> Duration {
        let (pair, wrong) = self.pairs.peek(&attempt.pair).copied().unwrap_or((Failures::none(now), [0; 4]));
        self.lockouts.failed(&attempt.owner, attempt.network, None, &self.rule, now);
        self.note(attempt, pair.after(true, now), wrong, true, now)
    }

    /// Notes a success: the pair starts afresh. What others did to the account, and what this network
    /// did to other accounts, stays, so that an own mailbox doesn't buy free tries on others.
    pub fn passed(&mut self, attempt: &Attempt, now: Instant) {
        self.pairs.remove(&attempt.pair);
        self.known.put(attempt.network, ());
        self.lockouts.passed(&attempt.owner, attempt.network, &self.rule, now);
    }

    /// Forgets what failed on an account of that name; says whether it was locked out.
    pub fn lift(&mut self, name: &str, now: Instant) -> bool {
        let tag = self.tagger.account(name);
        self.accounts.remove(&tag);
        self.lockouts.lift(&tag, &self.rule, now)
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
        let account = note(&mut self.accounts, attempt.owner.tag, is_new, now);
        let network = note(&mut self.networks, attempt.network, is_new, now);
        if is_new && let Some(line) = self.spray.note(attempt.owner.tag, attempt.network, now) {
            self.lockouts.tell(line);
        }
        let delay = match self.is_sprayed(now) && !self.is_known(attempt) {
            true => limits::FAILURE_DELAY,
            false => delay_of(pair.count.max(account).max(network)),
        };
        self.flights.refused(attempt.network, attempt.owner.tag, now + delay);
        delay
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

fn short_of(tag: &Tag) -> u64 {
    u64::from_le_bytes([tag[0], tag[1], tag[2], tag[3], tag[4], tag[5], tag[6], tag[7]])
}

/// 1, 2, 4, 8, then 15 seconds.
fn delay_of(count: u32) -> Duration {
    match count {
        0 => Duration::ZERO,
        count => Duration::from_secs(1 << (count - 1).min(16)).min(limits::FAILURE_DELAY),
    }
}

#[cfg(test)]
mod tests;
