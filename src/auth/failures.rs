//! The gatekeeper's side of failures and lockouts: attempts, what the administrator asks, what outlives a restart.

use std::sync::{Mutex, PoisonError};

use super::lockout::{FailureRow, Lockouts, News, Record};
use super::subject::Caller;
use super::tag::Tagger;
use super::throttle::Attempt;
use super::{Gatekeeper, relayed};
use crate::clock::Clock;
use crate::mail::Address;
use crate::settings;
use crate::store::{Store, StoreError};
use crate::ticket::{Abandoned, Promise, Ticket, pair};

/// What changes of failures somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureNews {
    /// Anything that outlives a restart.
    Any,
    /// A user has been locked out.
    Lockout,
}

impl Gatekeeper {
    /// Every account on which logons have failed, the latest first; or that of an address.
    pub fn failures(&self, address: Option<&Address>) -> Vec<FailureRow> {
        let now = self.inner.clock.monotonic();
        let throttle = self.throttle();
        let is_slowed = |account: &_| throttle.is_slowed(account, now);
        let wall = self.inner.store.clock().now();
        let mut rows = throttle.lockouts.rows(&throttle.rule, is_slowed, wall, now);
        rows.retain(|row| address.is_none_or(|address| address.as_str() == row.user));
        rows
    }

    /// How many mailboxes are locked out.
    pub fn count_locked_out(&self) -> usize {
        let throttle = self.throttle();
        throttle.lockouts.count_locked(&throttle.rule, self.inner.clock.monotonic())
    }

    /// Whether an address is locked out for whoever is not at home.
    pub fn is_locked_out(&self, address: &Address) -> bool {
        use super::lockout::FailureState::{Locked, LockedUntil};
        let rows = self.failures(Some(address));
        rows.iter().any(|row| matches!(row.state, Locked | LockedUntil(_)))
    }

    /// Forgets what failed on an address and ends its lockout, here and in what is written down; says whether it was
    /// locked out.
    pub async fn lift_lockout(&self, address: &Address) -> Result<bool, StoreError> {
        let now = self.inner.clock.monotonic();
        let was_locked = self.throttle().lift(address.as_str(), now);
        // NTLM of his is counted for his account where that has another name.
        if let Some(account) = self.inner.store.mailbox(address.clone()).await?.and_then(|it| it.account) {
            self.throttle().lift(&relayed::counted(&account.name), now);
        }
        self.write_failures().await?;
        Ok(was_locked)
    }

    /// Writes failures and lockouts down, if they have changed since the last time; logs what goes wrong.
    pub async fn save_failures(&self) {
        if let Err(error) = self.write_failures().await {
            log::warn!("failed logons and lockouts can't be written down: {error}");
        }
    }

    /// Comes when there is such news that is not written down yet.
    pub async fn failures_changed(&self, news: FailureNews) {
        let ticket: Ticket<(), Abandoned> = {
            let mut waiting = self.inner.waiting.lock();
            let is_told = self.throttle().lockouts.news().is(news);
            match is_told {
                true => Ticket::ready(Ok(())),
                false => {
                    let (promise, ticket) = pair();
                    waiting[news as usize] = Some(promise);
                    ticket
                }
            }
        };
        let _ = ticket.await;
    }

    /// A logon's attempt, counted for the mailbox that is meant, as far as that is known yet.
    pub(super) fn attempt(&self, caller: &Caller) -> Attempt {
        let shown = if caller.is_user { &caller.account } else { caller.shown() };
        self.throttle().attempt(&caller.account, caller.peer, shown, caller.is_user)
    }

    /// Whether a try that has waited for its turn is one of too many by now (S-170).
    pub(super) fn is_crowded(&self, attempt: &Attempt) -> bool {
        self.throttle().is_crowded(attempt, self.inner.clock.monotonic())
    }

    /// Begins a try that costs a hash or a question; none if too many of a stranger's network are refused now (S-170).
    pub(super) fn begin_try(&self, attempt: &Attempt) -> Option<Trying> {
        let begins = self.throttle().begin(attempt, self.inner.clock.monotonic());
        begins.then(|| Trying { gatekeeper: self.clone(), attempt: attempt.clone() })
    }

    /// Tells the log, and whoever writes it down, what a logon has changed.
    pub(super) fn tell_failures(&self) {
        let news = self.throttle().lockouts.take_news();
        for line in &news.lines {
            log::warn!("{line}");
        }
        for of in [FailureNews::Any, FailureNews::Lockout] {
            if news.is(of) {
                let promise = self.inner.waiting.lock()[of as usize].take();
                promise.into_iter().for_each(|promise| promise.keep(Ok(())));
            }
        }
    }

    async fn write_failures(&self) -> Result<(), StoreError> {
        let (store, now) = (&self.inner.store, self.inner.clock.monotonic());
        let (was_urgent, writing) = {
            let mut throttle = self.throttle();
            let rule = throttle.rule;
            let was_urgent = throttle.lockouts.news().is_urgent;
            let Some(record) = throttle.lockouts.record(&rule, store.clock(), now) else { return Ok(()) };
            // Handed in before anybody can make a newer one: else this one, a lockout that has been lifted meanwhile
            // in it, could come last.
            let writing = postcard::to_allocvec(&record).map(|octets| store.put_record(RECORD, octets));
            (was_urgent, writing)
        };
        let written = match writing {
            Ok(writing) => writing.await,
            Err(error) => Err(StoreError::Refused(error.to_string())),
        };
        written.inspect_err(|_| self.throttle().lockouts.keep_news(was_urgent))
    }
}

impl News {
    fn is(&self, news: FailureNews) -> bool {
        match news {
            FailureNews::Any => self.is_changed,
            FailureNews::Lockout => self.is_urgent,
        }
    }
}

/// A try that is under way, until it is dropped.
pub struct Trying {
    gatekeeper: Gatekeeper,
    attempt: Attempt,
}

impl Drop for Trying {
    fn drop(&mut self) {
        let now = self.gatekeeper.inner.clock.monotonic();
        self.gatekeeper.throttle().end(&self.attempt, now);
    }
}

/// Who waits for which news.
#[derive(Default)]
pub struct Waiting(Mutex<[Option<Promise<(), Abandoned>>; 2]>);

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, [Option<Promise<(), Abandoned>>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the store remembers of earlier runs; nothing where that can't be read, which the log tells then. Blocks.
pub fn load(store: &Store, tagger: &Tagger, rule: &settings::Lockout, clock: &Clock) -> Lockouts {
    let now = clock.monotonic();
    let read = store
        .record(RECORD)
        .wait()
        .map(|octets| octets.map(|octets| postcard::from_bytes::<Record>(&octets)));
    match read {
        Ok(None) => Lockouts::new(now),
        Ok(Some(Ok(record))) => Lockouts::of(record, tagger, rule, store.clock(), now),
        Ok(Some(Err(_))) => {
            log::warn!("failed logons and lockouts were written by another poppet: nobody is locked out now");
            Lockouts::new(now)
        }
        Err(error) => {
            log::warn!("failed logons and lockouts can't be read, nobody is locked out now: {error}");
            Lockouts::new(now)
        }
    }
}

/// Its name in the store.
const RECORD: &str = "failures";
