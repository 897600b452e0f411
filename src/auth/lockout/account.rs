//! One account's wrong tries, and whether it is locked out for them.

use std::sync::Arc;

use super::super::network::Network;
use super::tries::Tries;
use crate::limits;
use crate::settings::Lockout;

/// What is remembered of an account on which a logon has failed; times are seconds that all runs have lasted.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name as the log shows it.
    pub shown: Arc<str>,
    /// Failures since it was last forgotten, those that don't count and those during a lockout too.
    pub failures: u32,
    /// When the last was.
    pub last: u64,
    /// Whence.
    pub last_network: Network,
    /// From how many networks; one that comes again after many others counts again.
    pub networks: u32,
    /// The last few of them.
    pub lately: [u32; LATELY],
    /// Since when it is locked out.
    pub locked: Option<u64>,
    /// Those that count towards a lockout.
    pub tries: Tries,
    /// Tags of the last few wrong passwords, from wherever; zero for none.
    pub wrong: [u64; WRONG],
}

/// What a failure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that counts.
    None,
    /// One more try.
    Tried,
    /// It is locked out from now on.
    LockedOut,
}

impl Account {
    /// An account before its first failure.
    pub fn new(shown: Arc<str>, network: Network) -> Account {
        Account {
            shown,
            failures: 0,
            last: 0,
            last_network: network,
            networks: 0,
            lately: [0; LATELY],
            locked: None,
            tries: Tries::default(),
            wrong: [0; WRONG],
        }
    }

    /// Notes a failure. `wrong` is the password's tag: one of the last few counts no more; a proof has none and counts.
    pub fn failed(&mut self, network: Network, wrong: Option<u64>, rule: &Lockout, now: u64) -> Change {
        self.settle(rule, now);
        self.failures = self.failures.saturating_add(1);
        (self.last, self.last_network) = (now, network);
        self.note_network(network.short());
        if !self.is_new(wrong) || self.locked.is_some() {
            return Change::None;
        }
        self.tries.add(now, seconds(rule.window_minutes));
        if rule.tries == 0 || self.tries.count() < rule.tries {
            return Change::Tried;
        }
        self.locked = Some(now);
        Change::LockedOut
    }

    /// Until when it is locked out, [`u64::MAX`] for until it is unlocked; none if it is not.
    pub fn locked_until(&self, rule: &Lockout, now: u64) -> Option<u64> {
        let since = self.locked.filter(|_| rule.tries > 0)?;
        let until = match rule.lock_minutes {
            0 => u64::MAX,
            minutes => since.saturating_add(seconds(minutes)),
        };
        (now < until).then_some(until)
    }

    /// Forgets what is over: tries by the window, a lockout by its end.
    pub fn settle(&mut self, rule: &Lockout, now: u64) {
        if self.locked.is_some() && self.locked_until(rule, now).is_none() {
            (self.locked, self.tries) = (None, Tries::default());
        }
        if rule.window_minutes > 0 {
            self.tries.forget(now, seconds(rule.window_minutes));
        }
    }

    /// Whether there is nothing left of it that matters: no lockout, no try, and nothing of the last day.
    pub fn is_over(&self, now: u64) -> bool {
        let is_old = now.saturating_sub(self.last) >= limits::LOCKOUT_SHOWN_SECONDS;
        self.locked.is_none() && self.tries.count() == 0 && is_old
    }

    fn is_new(&mut self, wrong: Option<u64>) -> bool {
        let Some(tag) = wrong else { return true };
        if self.wrong.contains(&tag) {
            return false;
        }
        self.wrong.rotate_right(1);
        self.wrong[0] = tag;
        true
    }

    fn note_network(&mut self, short: u32) {
        match self.lately.iter().position(|of| *of == short) {
            Some(at) => self.lately[..=at].rotate_right(1),
            None => {
                self.networks = self.networks.saturating_add(1);
                self.lately.rotate_right(1);
                self.lately[0] = short;
            }
        }
    }
}

fn seconds(minutes: u32) -> u64 {
    u64::from(minutes) * 60
}

/// Networks that are told from new ones.
const LATELY: usize = 8;
/// Wrong passwords that are told from new ones: those of a user's devices, and some typing errors.
const WRONG: usize = 8;
