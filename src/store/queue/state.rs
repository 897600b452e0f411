//! What is known of the queue without reading it: the counts, and who is to be woken.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError, RwLock};

use super::QueueCounts;
use super::ledger::Effect;
use crate::store::Shared;
use crate::store::schema::QueueTally;

/// The counts as of the last commit, and those who watch.
#[derive(Default)]
pub(in crate::store) struct State {
    tally: Mutex<QueueTally>,
    watchers: RwLock<Vec<Wake>>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

impl State {
    pub(in crate::store) fn new(tally: QueueTally) -> State {
        State { tally: Mutex::new(tally), watchers: RwLock::default() }
    }

    /// What was counted anew.
    pub(in crate::store) fn recount(&self, tally: QueueTally) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }

    /// A commit is durable.
    pub(in crate::store) fn apply(&self, shared: &Shared, effect: Effect) {
        {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Wakes those who watch.
    pub(in crate::store) fn wake(&self) {
        self.watchers.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|wake| wake());
    }

    pub(in crate::store) fn counts(&self) -> QueueCounts {
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
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
