//! Accounts that were tried with wrong passwords, and those that are locked out for it (A10).
//!
//! ```text
//! open --a wrong try, the `tries`th within `window_minutes`--> locked out --`lock_minutes` are over--> open
//!      <--a logon from a network that is new for the user----            --`poppet unlock`----------> open
//! ```
//!
//! Whoever is locked out looks like one with a wrong password, existing or not (A11). From a network from which he has
//! logged on lately a user gets in all the same (S-171); that ends no lockout, and forgets only tries older than a day:
//! a phone that polls must not clear what a guesser does meanwhile.
//!
//! Times are seconds that all runs have lasted, as in `net/allowance.rs`: no wall clock frees anybody or locks him for
//! ever. Between two runs the wall clock counts, where it can be right (S-308).

mod account;
mod homes;
mod record;
mod tries;

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use self::account::{Account, Change};
use self::homes::Homes;
pub use self::record::Record;
use super::aging::Aging;
use super::network::Network;
use super::tag::{Tag, Tagger};
use crate::clock::UnixTime;
use crate::limits;
use crate::settings;

/// The failures of accounts, and who is at home where.
pub struct Lockouts {
    begun: Instant,
    /// How long all runs together had lasted then.
    begun_seconds: u64,
    /// Of mailboxes that exist, apart: a flood of other names must not push out one that is locked out.
    users: Aging<Tag, Account>,
    strangers: Aging<Tag, Account>,
    homes: Homes,
    news: News,
}

/// Who an attempt is counted for: a mailbox, or a name that nobody has.
#[derive(Debug, Clone)]
pub struct Owner {
    /// His tag.
    pub tag: Tag,
    /// His name as the log shows it.
    pub shown: Arc<str>,
    /// Whether he has a mailbox.
    pub is_user: bool,
}

/// What has happened since it was last told.
#[derive(Debug, Default)]
pub struct News {
    /// Whether something is to be written down.
    pub is_changed: bool,
    /// Whether that should be soon: a user is locked out.
    pub is_urgent: bool,
    /// Lines for the log.
    pub lines: Vec<String>,
}

/// An account on which logons have failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    /// Its name; only the beginning of what is no address, for it may be a password (S-319).
    pub user: String,
    /// Failures since it was last forgotten.
    pub failures: u32,
    /// When the last was.
    pub last: UnixTime,
    /// From how many networks.
    pub networks: u32,
    /// From which the last was.
    pub last_network: String,
    /// What that means for its next logon.
    pub state: FailureState,
}

/// What failures mean for the next logon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureState {
    /// Nothing any more.
    Open,
    /// The next refusal takes its time.
    Slowed,
    /// Locked out until then.
    LockedUntil(UnixTime),
    /// Locked out until it is unlocked.
    Locked,
}

impl Lockouts {
    /// Nothing has failed, and nobody is at home anywhere.
    pub fn new(begun: Instant) -> Lockouts {
        Lockouts {
            begun,
            begun_seconds: 0,
            users: Aging::new(limits::LOCKOUT_USERS),
            strangers: Aging::new(limits::LOCKOUT_STRANGERS),
            homes: Homes::new(),
            news: News::default(),
        }
    }

    /// Notes a failure; `wrong` as in [`Account::failed`].
    pub fn failed(
        &mut self,
        owner: &Owner,
        network: Network,
        wrong: Option<u64>,
        rule: &settings::Lockout,
        now: Instant,
    ) {
        let seconds = self.seconds(now);
        let table = self.table(owner.is_user);
        let mut account =
            table.remove(&owner.tag).unwrap_or_else(|| Account::new(Arc::clone(&owner.shown), network));
        let change = account.failed(network, wrong, rule, seconds);
        let tries = account.tries.count();
        table.put(owner.tag, account);
        self.news.is_changed |= owner.is_user;
        if change == Change::LockedOut {
            self.news.is_urgent |= owner.is_user;
            self.tell(locked_out(&owner.shown, tries, rule));
        }
    }

    /// Notes a logon of a user.
    pub fn passed(&mut self, owner: &Owner, network: Network, rule: &settings::Lockout, now: Instant) {
        let seconds = self.seconds(now);
        let was_at_home = self.homes.has(&owner.tag, network, seconds);
        if let Some(mut account) = self.users.remove(&owner.tag) {
            account.settle(rule, seconds);
            let is_locked = account.locked.is_some();
            if was_at_home && !is_locked {
                account.tries.forget(seconds, limits::LOCKOUT_SHOWN_SECONDS);
            }
            if is_locked || was_at_home && !account.is_over(seconds) {
                self.users.put(owner.tag, account);
            } else {
                self.news.is_changed = true;
            }
        }
        self.news.is_changed |= self.homes.note(owner.tag, &owner.shown, network, seconds);
    }

    /// Whether a logon is refused whatever the password: the account is locked out, and its user not at home there.
    pub fn is_locked_out(
        &self,
        owner: &Owner,
        network: Network,
        rule: &settings::Lockout,
        now: Instant,
    ) -> bool {
        let seconds = self.seconds(now);
        let table = if owner.is_user { &self.users } else { &self.strangers };
        let is_locked =
            table.peek(&owner.tag).is_some_and(|account| account.locked_until(rule, seconds).is_some());
        is_locked & !self.homes.has(&owner.tag, network, seconds)
    }

    /// Whether the user has logged on from there lately.
    pub fn is_at_home(&self, owner: &Owner, network: Network, now: Instant) -> bool {
        self.homes.has(&owner.tag, network, self.seconds(now))
    }

    /// Forgets what failed on an account; says whether it was locked out.
    pub fn lift(&mut self, tag: &Tag, rule: &settings::Lockout, now: Instant) -> bool {
        let seconds = self.seconds(now);
        let (user, stranger) = (self.users.remove(tag), self.strangers.remove(tag));
        self.news.is_changed |= user.is_some();
        let is_locked = |account: Account| account.locked_until(rule, seconds).is_some();
        user.is_some_and(is_locked) | stranger.is_some_and(is_locked)
    }

    /// Every account with failures, the latest first; `is_slowed` knows which are answered slowly.
    pub fn rows(
        &self,
        rule: &settings::Lockout,
        is_slowed: impl Fn(&Tag) -> bool,
        at: UnixTime,
        now: Instant,
    ) -> Vec<FailureRow> {
        let seconds = self.seconds(now);
        let row = |(tag, account): (&Tag, &Account)| {
            let mut account = account.clone();
            account.settle(rule, seconds);
            if account.is_over(seconds) {
                return None;
            }
            let state = match account.locked_until(rule, seconds) {
                Some(u64::MAX) => FailureState::Locked,
                Some(until) => {
                    FailureState::LockedUntil(UnixTime(at.0.saturating_add(until.saturating_sub(seconds))))
                }
                None if is_slowed(tag) => FailureState::Slowed,
                None => FailureState::Open,
            };
            let row = FailureRow {
                user: account.shown.to_string(),
                failures: account.failures,
                last: UnixTime(at.0.saturating_sub(seconds.saturating_sub(account.last))),
                networks: account.networks,
                last_network: account.last_network.to_string(),
                state,
            };
            Some((account.last, row))
        };
        let mut rows: Vec<_> = self.users.iter().chain(self.strangers.iter()).filter_map(row).collect();
        rows.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.user.cmp(&other.user)));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// How many mailboxes are locked out.
    pub fn count_locked(&self, rule: &settings::Lockout, now: Instant) -> usize {
        let seconds = self.seconds(now);
        self.users.values().filter(|account| account.locked_until(rule, seconds).is_some()).count()
    }

    /// Every network at which a user is at home.
    pub fn homes(&self) -> impl Iterator<Item = Network> {
        self.homes.networks()
    }

    /// What is to be told.
    pub fn news(&self) -> &News {
        &self.news
    }

    /// What is to be told; the lines are told once, the rest until it is written down.
    pub fn take_news(&mut self) -> News {
        let News { is_changed, is_urgent, .. } = self.news;
        News { is_changed, is_urgent, lines: std::mem::take(&mut self.news.lines) }
    }

    /// What is to be told has not been written down, after all.
    pub fn keep_news(&mut self, is_urgent: bool) {
        self.news.is_changed = true;
        self.news.is_urgent |= is_urgent;
    }

    /// Has a line told with the next news.
    pub fn tell(&mut self, line: String) {
        // Nobody may have asked for a while; what is more is a flood.
        if self.news.lines.len() < limits::LOG_LINES as usize {
            self.news.lines.push(line);
        }
    }

    fn table(&mut self, is_user: bool) -> &mut Aging<Tag, Account> {
        if is_user { &mut self.users } else { &mut self.strangers }
    }

    fn seconds(&self, now: Instant) -> u64 {
        self.begun_seconds.saturating_add(now.saturating_duration_since(self.begun).as_secs())
    }
}

impl Owner {
    /// The owner of that name; `shown` is how the log shows it.
    pub fn new(tagger: &Tagger, name: &str, shown: &str, is_user: bool) -> Owner {
        Owner { tag: tagger.account(name), shown: Arc::from(shown), is_user }
    }
}

fn locked_out(shown: &str, tries: u32, rule: &settings::Lockout) -> String {
    let until = match rule.lock_minutes {
        0 => "until \"poppet unlock\"".to_owned(),
        minutes => format!("for {minutes} min, or until \"poppet unlock\""),
    };
    format!("an account is locked out after {tries} wrong tries, {until}: user {shown}")
}

#[cfg(test)]
mod tests;
