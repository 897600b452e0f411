//! The directory: users are searched and their passwords tried at its servers (A6).
//!
//! ```text
//! question -> a place among few at once, or Busy (S-198) -> plan: which names, which filter (S-206)
//!   search -> servers in order, those that lately failed left out (S-197)
//!             -> a link of the search account, used again; nobody else is ever bound on it (S-201)
//!             -> exactly one entry (S-194), with the identity that the mailbox is bound to (S-220)
//!   bind   -> a connection of its own, closed afterwards; sent once, at one server (S-205)
//! ```
//!
//! Whatever takes too long is dropped with its connection (S-200). What a server fails to say is never taken for a
//! wrong password (S-196).

mod found;
mod health;
mod inquiry;
mod link;
mod plan;
mod searchers;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;
use smol::future::FutureExt;
use smol::lock::Semaphore;

use self::health::Health;
use self::inquiry::Inquiry;
use self::plan::Plan;
use self::searchers::Searchers;
use self::trust::Trust;
use crate::auth::{Absence, Finding, Person, Records};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Account, Secret};
use crate::settings::DirectoryServer;
use crate::store::Store;

/// The directory: its servers, connections and health.
pub struct Directory {
    store: Store,
    records: Records,
    patience: Patience,
    clock: Clock,
    places: Semaphore,
    waiting: AtomicUsize,
    /// Look-ups of names that still run, also those that nobody waits for any more.
    lookups: Arc<Semaphore>,
    trust: Trust,
    health: Mutex<Health>,
    searchers: Mutex<Searchers>,
    /// The search account's sealed password that is tried before it is kept.
    tried: Mutex<Option<Vec<u8>>>,
}

/// How long what may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    connect: Duration,
    handshake: Duration,
    reply: Duration,
    whole: Duration,
}

impl Directory {
    /// Asks nobody yet.
    pub fn new(store: Store, records: Records) -> Directory {
        let patience = Patience {
            connect: limits::DIRECTORY_CONNECT,
            handshake: limits::DIRECTORY_HANDSHAKE,
            reply: limits::DIRECTORY_REPLY,
            whole: limits::OUTSIDE_ANSWER,
        };
        Directory::with(store, records, patience)
    }

    fn with(store: Store, records: Records, patience: Patience) -> Directory {
        Directory {
            store,
            records,
            patience,
            clock: Clock::system(UnixTime(0)),
            places: Semaphore::new(limits::OUTSIDE_QUESTIONS),
            waiting: AtomicUsize::new(0),
            lookups: Arc::new(Semaphore::new(limits::OUTSIDE_QUESTIONS)),
            trust: Trust::default(),
            health: Mutex::default(),
            searchers: Mutex::default(),
            tried: Mutex::default(),
        }
    }

    /// Whether that is the person's password: one bind, at one server. Where users are searched, the one that is found
    /// must be the one that the mailbox is bound to (S-220).
    pub async fn prove(&self, person: &Person, password: &Secret) -> Finding {
        let asked = Asked::default();
        let asking = async {
            let plan = Plan::of(&self.store.settings().directory, person)?;
            Inquiry::begin(self, None, &asked).await?.prove(&plan, person, password).await
        };
        match self.ask(asking, &asked).await {
            None => Finding::Busy,
            Some(Ok(account)) => Finding::Right(account),
            Some(Err(Absence::Refused(reason))) => Finding::Wrong(reason),
            Some(Err(Absence::Unavailable(reason))) => Finding::Unavailable(reason),
        }
    }

    /// The person's account. Where users are not searched, for passwords are tried by UPN or template and there is no
    /// search account, this is only what it is called: nobody has said that it is there.
    pub async fn find(&self, person: &Person) -> Result<Account, Absence> {
        let asked = Asked::default();
        let asking = async {
            let plan = Plan::of(&self.store.settings().directory, person)?;
            match &plan.look {
                Some(look) => {
                    let tried = self.tried().clone();
                    let inquiry = Inquiry::begin(self, tried, &asked).await?;
                    let (found, _) = inquiry.search(look, &plan).await?;
                    Ok(found.account(&plan))
                }
                None => plan.account(),
            }
        };
        self.ask(asking, &asked).await.unwrap_or_else(|| Err(Absence::Unavailable(BUSY.into())))
    }

    /// The person's account, looked up for somebody who has proved himself in another way than by his password. Errs
    /// with [`Absence::Unavailable`] also where users are not searched: nobody can say then whether it is still there.
    pub async fn admit(&self, person: &Person) -> Result<Account, Absence> {
        let asked = Asked::default();
        let asking = async {
            let plan = Plan::of(&self.store.settings().directory, person)?;
            Inquiry::begin(self, None, &asked).await?.admit(&plan, person).await
        };
        self.ask(asking, &asked).await.unwrap_or_else(|| Err(Absence::Unavailable(BUSY.into())))
    }

    /// Has accounts found with that sealed password of the search account, or again with the one that is kept.
    pub fn search_with(&self, sealed: Option<Vec<u8>>) {
        *self.tried() = sealed;
    }

    /// Whether any of its servers can be reached, with TLS where that is wanted; else why not, which may be that too
    /// many ask at once.
    pub async fn probe(&self) -> Result<(), String> {
        let asked = Asked::default();
        let asking = async { Inquiry::begin(self, None, &asked).await?.reach().await };
        match self.ask(asking, &asked).await {
            Some(Err(Absence::Refused(why) | Absence::Unavailable(why))) => Err(why),
            Some(Ok(())) => Ok(()),
            None => Err(BUSY.into()),
        }
    }

    /// Gives a question its place and its time; none if there is no place for it. A server that has had half of the time
    /// and has not answered when all of it is over has failed: one that was asked late has not.
    async fn ask<T>(
        &self,
        asking: impl Future<Output = Result<T, Absence>>,
        asked: &Asked,
    ) -> Option<Result<T, Absence>> {
        let until = Instant::now() + self.patience.whole;
        let waiting = Waiting::begin(&self.waiting)?;
        let place = within(self.patience.whole, self.places.acquire()).await?;
        drop(waiting);
        let answer = within(until.saturating_duration_since(Instant::now()), Box::pin(asking)).await;
        drop(place);
        Some(answer.unwrap_or_else(|| {
            if let Some((server, since)) = asked.get()
                && since.elapsed() >= self.patience.whole / 2
            {
                self.note_failure(&server, "it does not answer in time");
            }
            Err(Absence::Unavailable(
                "the directory does not answer in time: look at directory_servers".into(),
            ))
        }))
    }

    fn note_failure(&self, server: &DirectoryServer, why: &str) {
        if self.health().note_failure(server, self.clock.monotonic()) {
            log::warn!("the directory's server {server} is left out for a while: {why}");
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tried(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn searchers(&self) -> MutexGuard<'_, Searchers> {
        self.searchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which server is asked for a question now, and since when.
#[derive(Default)]
struct Asked(Mutex<Option<(DirectoryServer, Instant)>>);

impl Asked {
    fn set(&self, server: Option<&DirectoryServer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            server.map(|server| (server.clone(), Instant::now()));
    }

    fn get(&self) -> Option<(DirectoryServer, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One more that waits for a place.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    /// None if as many wait already as may.
    pub fn begin(count: &AtomicUsize) -> Option<Waiting<'_>> {
        let waiting = Waiting(count);
        (count.fetch_add(1, Ordering::Relaxed) < limits::OUTSIDE_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What comes in time; what doesn't is dropped half done.
pub(super) async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let in_time = async { Some(future.await) };
    in_time
        .or(async {
            Timer::after(time).await;
            None
        })
        .await
}

const BUSY: &str = "too many ask the directory at once: try again in a minute";
