//! What is written down of failures and lockouts, and read at the next start.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::tries::Tries;
use super::{Lockouts, Owner};
use crate::auth::network::Network;
use crate::auth::tag::Tagger;
use crate::clock::{Clock, UnixTime};
use crate::settings;

/// All that outlives a run; names that nobody has are not in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    at: UnixTime,
    /// Whether that time may be believed.
    is_sure: bool,
    /// How long all runs together had lasted then.
    seconds: u64,
    users: Vec<User>,
    homes: Vec<(String, Vec<(IpAddr, u64)>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    failures: u32,
    last: u64,
    last_network: IpAddr,
    networks: u32,
    locked: Option<u64>,
    tries: Tries,
}

impl Lockouts {
    /// What is to be written down, if anything has changed since the last time.
    pub fn record(&mut self, rule: &settings::Lockout, clock: &Clock, now: Instant) -> Option<Record> {
        if !std::mem::take(&mut self.news.is_changed) {
            return None;
        }
        self.news.is_urgent = false;
        let seconds = self.seconds(now);
        let users = self.users.in_order().filter_map(|account| {
            let mut account = account.clone();
            account.settle(rule, seconds);
            (!account.is_over(seconds)).then(|| User::of(&account))
        });
        Some(Record {
            at: clock.now(),
            is_sure: !clock.is_suspect(),
            seconds,
            users: users.collect(),
            homes: self.homes.all(seconds),
        })
    }

    /// What an earlier run has written down, as it is now. A wall clock that may be wrong counts for nothing: then no
    /// time has passed (S-308).
    pub fn of(
        record: Record,
        tagger: &Tagger,
        rule: &settings::Lockout,
        clock: &Clock,
        now: Instant,
    ) -> Lockouts {
        let is_sure = record.is_sure && !clock.is_suspect();
        let passed = if is_sure { clock.now().0.saturating_sub(record.at.0) } else { 0 };
        let begun_seconds = record.seconds.saturating_add(passed.min(MOST_SECONDS));
        let mut lockouts = Lockouts { begun_seconds, ..Lockouts::new(now) };
        for user in record.users.into_iter().filter(|user| user.last <= begun_seconds) {
            let owner = Owner::new(tagger, &user.name, &user.name, true);
            let mut account = user.account(&owner.shown, begun_seconds);
            // Else one of long ago would come back when `tries` is set again.
            account.locked = account.locked.filter(|_| rule.tries > 0);
            lockouts.users.put(owner.tag, account);
        }
        for (name, networks) in record.homes {
            let owner = Owner::new(tagger, &name, &name, true);
            for (address, at) in networks.into_iter().filter(|(_, at)| *at <= begun_seconds) {
                lockouts.homes.note(owner.tag, &owner.shown, Network::of(address), at);
            }
        }
        lockouts
    }
}

impl User {
    fn of(account: &Account) -> User {
        User {
            name: account.shown.to_string(),
            failures: account.failures,
            last: account.last,
            last_network: account.last_network.address(),
            networks: account.networks,
            locked: account.locked,
            tries: account.tries.clone(),
        }
    }

    fn account(self, shown: &Arc<str>, now: u64) -> Account {
        let mut account = Account::new(Arc::clone(shown), Network::of(self.last_network));
        account.failures = self.failures;
        account.last = self.last;
        account.networks = self.networks;
        account.lately[0] = account.last_network.short();
        account.locked = self.locked.filter(|since| *since <= now);
        account.tries = self.tries;
        account
    }
}

/// After so long all is over but what has no end; more would only let a wrong clock run the seconds to theirs.
const MOST_SECONDS: u64 = 2 * 366 * 86_400;

#[cfg(test)]
impl Record {
    /// As if all runs had lasted so many seconds less.
    pub fn run_back(&mut self, seconds: u64) {
        self.seconds -= seconds;
    }
}
