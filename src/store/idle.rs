//! What the writer does when nothing comes, and between jobs when they never end.
//!
//! ```text
//! bodies wait --> free a few      indexes of the queue are wrong --> make them anew
//! an hour is over --> purge what is too old --> sweep what has expired --> bury the dead
//! quiet for long --> make the next reopening quick
//! ```

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::engine::Sync;
use super::error::StoreError;
use super::purge;
use super::purge_order::Reach;
use super::queue::burying::{self, Burial};
use super::queue::mending;
use super::retention::{self, Sweep};
use super::{Shared, free};
use crate::clock::UnixTime;
use crate::limits;

/// What is done when nothing comes.
pub(super) struct Idle {
    last_job: Instant,
    /// Since when work waits that jobs leave no time for.
    waits_since: Option<Instant>,
    /// After a failure nothing is freed before that moment.
    not_before: Instant,
    /// Of the engine, when what an earlier failure left was last collected.
    generation: u64,
    is_quick_repaired: bool,
    /// When undo and retention are looked after next.
    next_chores: Instant,
    chores: Chores,
}

/// How far the hour's chores have come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chores {
    Done,
    /// What was removed too long before that time goes. The time is the one that was believed at the start: the
    /// clock may leap while the chores are done.
    Purging(UnixTime),
    /// What has expired by that time is removed.
    Sweeping(UnixTime, Sweep),
    /// Queued recipients go who died too long before that time.
    Burying(UnixTime, Burial),
}

impl Idle {
    pub(super) fn new(shared: &Shared) -> Idle {
        // A probation begins with the run.
        shared.clock_state();
        // An opening may have repaired the file: the next one shall be quick.
        let now = Instant::now();
        Idle {
            last_job: now,
            waits_since: None,
            not_before: now,
            generation: 0,
            is_quick_repaired: false,
            next_chores: now + shared.before_chores,
            chores: Chores::Done,
        }
    }

    /// As after an hour.
    #[cfg(test)]
    pub(super) fn due_now(shared: &Shared) -> Idle {
        Idle { next_chores: Instant::now(), generation: shared.engine.generation(), ..Idle::new(shared) }
    }

    pub(super) fn was_busy(&mut self, shared: &Shared) {
        self.last_job = Instant::now();
        self.is_quick_repaired = false;
        let waits = self.has_work(shared);
        self.waits_since = waits.then(|| self.waits_since.unwrap_or(self.last_job));
    }

    /// After a failure of the disk collects what it left, as soon as the database can be written again.
    pub(super) fn recover(&mut self, shared: &Shared) {
        let generation = shared.engine.generation();
        if generation != self.generation && shared.recover().is_ok() {
            self.generation = generation;
        }
    }

    /// How long to wait for a job before idle work is due; none if there is no such work.
    pub(super) fn patience(&self, shared: &Shared) -> Option<Duration> {
        let now = Instant::now();
        let due = if self.has_work(shared) {
            Some(shared.before_freeing)
        } else if self.wants_quick_repair(shared) {
            Some(shared.before_quick_repair)
        } else {
            None
        };
        let pause = self.not_before.saturating_duration_since(now);
        let due = due.map(|due| due.saturating_sub(self.last_job.elapsed()).max(pause));
        let chores = (wants_chores(shared) || shared.may_keep_probation())
            .then(|| self.next_chores.saturating_duration_since(now).max(pause));
        due.into_iter().chain(chores).min()
    }

    /// Whether jobs have come without a pause for so long that the file would grow without end (S-302), or the
    /// hour's chores are late; then each job is followed by a bit of work until nothing waits.
    pub(super) fn is_overdue(&self) -> bool {
        self.waits_since.is_some_and(|since| since.elapsed() >= limits::FREEING_OVERDUE)
            || self.next_chores.elapsed() >= limits::FREEING_OVERDUE
    }

    /// Whether something waits that is done as soon as it is quiet.
    pub(super) fn has_work(&self, shared: &Shared) -> bool {
        shared.has_free.load(Ordering::Acquire)
            || self.chores != Chores::Done
            || is_undo_off(shared)
            || shared.queue.is_doubted()
    }

    fn wants_quick_repair(&self, shared: &Shared) -> bool {
        !self.is_quick_repaired
            && shared.meter.file_octets.load(Ordering::Relaxed) >= shared.quick_repair_octets
    }

    /// One bounded bit of work.
    pub(super) fn work(&mut self, shared: &Shared) {
        let now = Instant::now();
        if now >= self.next_chores && self.chores == Chores::Done {
            self.next_chores = now + limits::CHORES;
            shared.keep_probation();
            // The engine has logged a failure, and the next hour tries again.
            let _ = self.begin_chores(shared);
        }
        if self.has_work(shared) {
            self.recover(shared);
            // The engine has logged a failure.
            if self.work_a_bit(shared).is_err() {
                self.not_before = Instant::now() + limits::FREEING_RETRY;
            }
            self.is_quick_repaired = false;
        } else if self.wants_quick_repair(shared) && self.last_job.elapsed() >= shared.before_quick_repair {
            // A failure is logged by the engine, and there is nobody to tell.
            self.is_quick_repaired = true;
            let _ = shared.engine.write(Sync::QuickRepair, |_| Ok(()));
        }
    }

    /// Nothing is removed by a clock that may be wrong (S-308, S-309).
    fn begin_chores(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let Some(wall) = shared.believed_now().filter(|_| wants_chores(shared)) else { return Ok(()) };
        if shared.has_removed.load(Ordering::Acquire) {
            purge::date(shared, wall)?;
        }
        self.chores = Chores::Purging(wall);
        Ok(())
    }

    fn work_a_bit(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if shared.queue.is_doubted() {
            mending::mend(shared);
            return Ok(());
        }
        if shared.has_free.load(Ordering::Acquire) {
            return free::free_some(shared);
        }
        if is_undo_off(shared) {
            return purge::purge_some(shared, Reach::All).map(|_| ());
        }
        match std::mem::replace(&mut self.chores, Chores::Done) {
            Chores::Done => {}
            Chores::Purging(now) => {
                let undo = u64::from(shared.settings().undo_days) * 86_400;
                let moment = UnixTime(now.0.saturating_sub(undo));
                self.chores = match purge::purge_some(shared, Reach::Before(moment))? {
                    true => Chores::Purging(now),
                    false => Chores::Sweeping(now, Sweep::default()),
                };
            }
            Chores::Sweeping(now, sweep) => {
                let next = retention::sweep_some(shared, sweep, now)?;
                self.chores = match next {
                    Some(sweep) => Chores::Sweeping(now, sweep),
                    None => Chores::Burying(now, Burial::new()),
                };
            }
            Chores::Burying(now, burial) => {
                let undo = u64::from(shared.settings().undo_days) * 86_400;
                let next = burying::bury_some(shared, &burial, now, undo).inspect_err(|error| {
                    if matches!(error, StoreError::Damaged(_)) {
                        mending::doubt(shared);
                    }
                })?;
                self.chores = next.map_or(Chores::Done, |burial| Chores::Burying(now, burial));
            }
        }
        Ok(())
    }
}

/// Whether there is anything that an hour may end.
fn wants_chores(shared: &Shared) -> bool {
    shared.has_removed.load(Ordering::Acquire)
        || shared.levels().policies.retain_days.is_some()
        || shared.queue.counts().dead > 0
}

/// Whether what is removed goes at once.
fn is_undo_off(shared: &Shared) -> bool {
    shared.has_removed.load(Ordering::Acquire) && shared.settings().undo_days == 0
}

/// As if the hour's chores had come to retention before the clock leapt.
#[cfg(test)]
pub(super) fn sweep_by(shared: &Shared, now: UnixTime) {
    let mut idle = Idle { chores: Chores::Sweeping(now, Sweep::default()), ..Idle::new(shared) };
    while idle.chores != Chores::Done {
        idle.work(shared);
    }
}

/// Whether work that no pause has left time for since half a minute is done between jobs.
#[cfg(test)]
pub(super) fn is_overdue_when_always_busy(shared: &Shared) -> bool {
    let mut idle = Idle::new(shared);
    idle.was_busy(shared);
    idle.waits_since = idle.waits_since.and_then(|since| since.checked_sub(limits::FREEING_OVERDUE));
    idle.is_overdue()
}

/// How long a writer would wait whose last job was just now.
#[cfg(test)]
pub(super) fn patience_of_an_idle_writer(shared: &Shared) -> Option<Duration> {
    Idle::new(shared).patience(shared)
}
