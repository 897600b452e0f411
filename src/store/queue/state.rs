//! What is known of the queue without reading it: the counts, and who is to be woken.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::QueueCounts;
use super::ledger::Effect;
use super::mending::Health;
use crate::store::Shared;
use crate::store::schema::QueueTally;
use crate::store::shared::lock;

/// The counts as of the last commit, those who watch, and what is thought of the indexes.
#[derive(Default)]
pub(in crate::store) struct State {
    tally: Mutex<QueueTally>,
    watchers: RwLock<Vec<Wake>>,
    health: Mutex<Health>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

impl State {
    pub(in crate::store) fn new(tally: QueueTally) -> State {
        State { tally: Mutex::new(tally), ..State::default() }
    }

    /// What was counted anew.
    pub(in crate::store) fn recount(&self, tally: QueueTally) {
        *lock(&self.tally) = tally;
    }

    /// A commit is durable.
    pub(in crate::store) fn apply(&self, shared: &Shared, effect: Effect) {
        {
            let mut tally = lock(&self.tally);
            tally.add(effect.more);
            tally.take(effect.less);
        }
        if effect.has_free {
            shared.has_free.store(true, Ordering::Release);
        }
        if effect.is_waking {
            self.wake();
        }
    }

    /// The indexes were found wrong; says whether that is new.
    pub(super) fn doubt(&self, now: Instant) -> bool {
        let mut health = lock(&self.health);
        let doubted = health.doubted(now);
        *health = doubted.unwrap_or(*health);
        doubted.is_some()
    }

    /// Whether the indexes are to be made anew.
    pub(in crate::store) fn is_doubted(&self) -> bool {
        *lock(&self.health) == Health::Doubted
    }

    pub(super) fn set_health(&self, health: Health) {
        *lock(&self.health) = health;
    }

    /// Wakes those who watch.
    pub(in crate::store) fn wake(&self) {
        self.watchers.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|wake| wake());
    }

    pub(in crate::store) fn counts(&self) -> QueueCounts {
        let tally = *lock(&self.tally);
        QueueCounts { waiting: tally.waiting, held: tally.held, dead: tally.dead }
    }

    pub(in crate::store) fn watch(&self, wake: Wake) {
        self.watchers.write().unwrap_or_else(PoisonError::into_inner).push(wake);
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}", self.counts())
    }
}
