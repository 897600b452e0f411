//! How many mails each user and device has sent in the last day: counted by the hour, kept over a restart.
//!
//! Hours are those that the server has run, so that no wall clock can take mails back. Only the time between two runs
//! is the wall clock's, and none is believed to have passed where that clock may be wrong (S-309).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};

use super::server::Server;
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::MailboxId;
use crate::store::{Store, StoreError};

/// Who has sent how much; at most [`limits::ALLOWANCE_ENTRIES`] of them.
#[derive(Debug)]
pub struct Allowance {
    counts: Mutex<Counts>,
    /// Holds something when there is something to be written down.
    changes: (Sender<()>, Receiver<()>),
}

/// Whose mails are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Account {
    /// A user's, by his mailbox.
    User(MailboxId),
    /// A device's, by its name.
    Device(String),
}

/// A mail that has been counted; dropped before [`Taken::keep`], it was none.
#[must_use = "dropped, the mail is not counted"]
#[derive(Debug)]
pub struct Taken<'a> {
    allowance: &'a Allowance,
    account: Account,
    hour: u32,
    is_kept: bool,
}

impl Allowance {
    /// What the store remembers of earlier runs; nothing where that can't be read, which the log tells then.
    pub async fn load(store: &Store, clock: &Clock) -> Allowance {
        let counts = match store.record(RECORD).await {
            Ok(None) => Counts::new(clock.monotonic()),
            Ok(Some(octets)) => match postcard::from_bytes::<Record>(&octets) {
                Ok(record) => Counts::of(record, clock),
                Err(_) => {
                    log::warn!("what users have sent today was written by another poppet: it counts from 0");
                    Counts::new(clock.monotonic())
                }
            },
            Err(error) => {
                log::warn!("what users have sent today can't be read, it counts from 0: {error}");
                Counts::new(clock.monotonic())
            }
        };
        Allowance { counts: Mutex::new(counts), changes: bounded(1) }
    }

    /// Whether he may send one more mail, of so many in a day.
    pub fn is_left(&self, account: &Account, most: u32, now: Instant) -> bool {
        let counts = self.lock();
        counts.sum(account, counts.hour(now)) < most
    }

    /// Counts one more mail; none if he has sent so many in a day.
    pub fn take(&self, account: Account, most: u32, now: Instant) -> Option<Taken<'_>> {
        let mut counts = self.lock();
        let hour = counts.hour(now);
        if counts.sum(&account, hour) >= most {
            return None;
        }
        counts.add(&account, hour);
        drop(counts);
        Some(Taken { allowance: self, account, hour, is_kept: false })
    }

    /// Writes down what has changed since the last time, if anything has; logs what goes wrong.
    pub async fn save(&self, store: &Store, clock: &Clock) {
        let record = {
            let mut counts = self.lock();
            if !std::mem::take(&mut counts.is_changed) {
                return;
            }
            counts.record(clock)
        };
        let written = match postcard::to_allocvec(&record) {
            Ok(octets) => store.put_record(RECORD, octets).await,
            Err(error) => Err(StoreError::Refused(error.to_string())),
        };
        if let Err(error) = written {
            self.lock().is_changed = true;
            log::warn!("what users have sent today can't be written down: {error}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// The mail has been sent.
    pub fn keep(mut self) {
        self.is_kept = true;
        self.allowance.lock().is_changed = true;
        // Full, it holds the news already.
        let _ = self.allowance.changes.0.try_send(());
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.allowance.lock().give_back(&self.account, self.hour);
        }
    }
}

/// Writes down what changes, never more often than [`limits::ALLOWANCE_SAVING`] says; ends never.
pub async fn write_down(server: Arc<Server>) {
    while server.allowance.changes.1.recv().await.is_ok() {
        Timer::after(limits::ALLOWANCE_SAVING).await;
        server.allowance.save(&server.store, &server.clock).await;
    }
}

#[derive(Debug)]
struct Counts {
    begun: Instant,
    /// How long all runs together had lasted then.
    begun_seconds: u64,
    /// Mails of each hour that has some; hours rising.
    spent: HashMap<Account, Vec<(u32, u32)>>,
    is_changed: bool,
}

/// What is written down.
#[derive(Serialize, Deserialize)]
struct Record {
    at: UnixTime,
    /// Whether that time may be believed.
    is_sure: bool,
    /// How long all runs together had lasted then.
    seconds: u64,
    spent: Vec<(Account, Vec<(u32, u32)>)>,
}

impl Counts {
    fn new(begun: Instant) -> Counts {
        Counts { begun, begun_seconds: 0, spent: HashMap::new(), is_changed: false }
    }

    fn of(record: Record, clock: &Clock) -> Counts {
        let is_sure = record.is_sure && !clock.is_suspect();
        let passed = if is_sure { clock.now().0.saturating_sub(record.at.0) } else { 0 };
        // After two days all is forgotten; more would only let a wrong clock run the hours to their end.
        let begun_seconds =
            record.seconds.saturating_add(passed.min(2 * u64::from(DAY_HOURS) * HOUR_SECONDS));
        let mut counts = Counts { begun_seconds, ..Counts::new(clock.monotonic()) };
        let hour = counts.hour(counts.begun);
        let is_past = |spent: &Vec<(u32, u32)>| spent.iter().all(|(of, _)| *of <= hour);
        let spent = record.spent.into_iter().filter(|(_, spent)| is_past(spent));
        counts.spent = spent.take(limits::ALLOWANCE_ENTRIES).collect();
        counts
    }

    fn record(&self, clock: &Clock) -> Record {
        let now = clock.monotonic();
        let hour = self.hour(now);
        let spent = self.spent.iter().map(|(account, spent)| (account.clone(), within_a_day(spent, hour)));
        Record {
            at: clock.now(),
            is_sure: !clock.is_suspect(),
            seconds: self.seconds(now),
            spent: spent.filter(|(_, spent)| !spent.is_empty()).collect(),
        }
    }

    fn seconds(&self, now: Instant) -> u64 {
        self.begun_seconds.saturating_add(now.saturating_duration_since(self.begun).as_secs())
    }

    fn hour(&self, now: Instant) -> u32 {
        u32::try_from(self.seconds(now) / HOUR_SECONDS).unwrap_or(u32::MAX)
    }

    /// Mails of the last day: of this hour and the 23 before it.
    fn sum(&self, account: &Account, hour: u32) -> u32 {
        self.spent.get(account).map_or(0, |spent| sum(spent, hour))
    }

    fn add(&mut self, account: &Account, hour: u32) {
        if !self.spent.contains_key(account) && self.spent.len() >= limits::ALLOWANCE_ENTRIES {
            self.make_room(hour);
        }
        let spent = self.spent.entry(account.clone()).or_default();
        match spent.last_mut() {
            Some((last, mails)) if *last == hour => *mails = mails.saturating_add(1),
            _ => {
                *spent = within_a_day(spent, hour);
                spent.push((hour, 1));
            }
        }
    }

    fn give_back(&mut self, account: &Account, hour: u32) {
        let Some(spent) = self.spent.get_mut(account) else { return };
        if let Some((_, mails)) = spent.iter_mut().find(|(of, _)| *of == hour) {
            *mails = mails.saturating_sub(1);
        }
        spent.retain(|(_, mails)| *mails > 0);
        if spent.is_empty() {
            self.spent.remove(account);
        }
    }

    /// Forgets who has sent nothing in a day, or else who has sent the least.
    fn make_room(&mut self, hour: u32) {
        self.spent.retain(|_, spent| sum(spent, hour) > 0);
        if self.spent.len() >= limits::ALLOWANCE_ENTRIES {
            let least = self.spent.iter().min_by_key(|(_, spent)| sum(spent, hour));
            let least = least.map(|(account, _)| account.clone());
            least.and_then(|account| self.spent.remove(&account));
        }
    }
}

fn sum(spent: &[(u32, u32)], hour: u32) -> u32 {
    let mails = spent.iter().filter(|(of, _)| is_within_a_day(*of, hour)).map(|(_, mails)| *mails);
    mails.fold(0, u32::saturating_add)
}

fn within_a_day(spent: &[(u32, u32)], hour: u32) -> Vec<(u32, u32)> {
    spent.iter().copied().filter(|(of, _)| is_within_a_day(*of, hour)).collect()
}

fn is_within_a_day(of: u32, hour: u32) -> bool {
    hour.saturating_sub(of) < DAY_HOURS
}

const HOUR_SECONDS: u64 = 3600;
const DAY_HOURS: u32 = 24;
/// Its name in the store.
const RECORD: &str = "allowance";

#[cfg(test)]
mod tests;
