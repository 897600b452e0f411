//! The writer thread: what queued while the last sync ran goes into the next commit.
//!
//! ```text
//! wait for a job --> take what queued too (bounded) --> apply all in one transaction --> commit --> keep promises
//!      |  nothing for a while, or bodies waited long
//!      +--> free a few bodies, purge what was removed, sweep what has expired, or make the next reopening quick
//!
//! after a failure of the disk, before either: collect what it left
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use redb::WriteTransaction;

use super::engine::{Fault, Sync};
use super::error::{Ask, StoreError};
use super::idle::Idle;
use super::{Shared, layouts, purge, records};
use crate::limits;
use crate::settings::Commit;
use crate::ticket::{self, Promise};

/// A change that waits for its transaction.
pub(super) struct Job {
    /// Octets that it writes beside tree pages; a commit takes only so many.
    pub octets: usize,
    /// Octets that must fit above the reserve; removed mail gives way to them.
    pub room_octets: u64,
    /// Whether it must be synced before its promise is kept.
    pub is_durable: bool,
    change: Box<dyn Change>,
}

/// What a job does.
pub(super) trait Change: Send {
    /// Makes the change; errs only if the whole transaction must be given up.
    fn apply(&mut self, transaction: &WriteTransaction) -> Result<(), Fault>;

    /// Tells the asker how it went, once the transaction has ended so.
    fn settle(self: Box<Self>, outcome: &Result<(), StoreError>);
}

/// What comes to the writer.
pub(super) enum Message {
    /// A change.
    Job(Job),
    /// Something has come up that is done when it is quiet.
    Look,
    /// Finish what came before and end.
    Stop,
}

impl Job {
    /// A durable change that answers with what `change` returns, once it is committed and `then` has seen it.
    /// `change` must find its refusals before it writes, or write only what holds without it too: it shares its
    /// transaction with others.
    pub(super) fn asking<T: Send + 'static>(
        octets: usize,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> (Job, Ask<T>) {
        Job::telling(octets, change, move |value| {
            then(&value);
            value
        })
    }

    /// The same, where `then` makes the answer of what `change` returns.
    pub(super) fn telling<V: Send + 'static, T: Send + 'static>(
        octets: usize,
        change: impl FnOnce(&WriteTransaction) -> Result<V, Fault> + Send + 'static,
        then: impl FnOnce(V) -> T + Send + 'static,
    ) -> (Job, Ask<T>) {
        let (promise, ticket) = ticket::pair();
        let change = Box::new(Asked { change: Some(change), then, result: None, promise });
        (Job::of(octets, change), ticket)
    }

    /// A durable change of another kind.
    pub(super) fn of(octets: usize, change: Box<dyn Change>) -> Job {
        Job { octets, room_octets: 0, is_durable: true, change }
    }
}

/// A change with its asker.
struct Asked<V, T, C, N> {
    change: Option<C>,
    then: N,
    result: Option<Result<V, StoreError>>,
    promise: Promise<T, StoreError>,
}

impl<V, T, C, N> Change for Asked<V, T, C, N>
where
    V: Send,
    T: Send,
    C: FnOnce(&WriteTransaction) -> Result<V, Fault> + Send,
    N: FnOnce(V) -> T + Send,
{
    fn apply(&mut self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let Some(change) = self.change.take() else { return Ok(()) };
        match change(transaction) {
            Ok(value) => self.result = Some(Ok(value)),
            Err(fault) if fault.is_refusal() => self.result = Some(Err(fault.error)),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: &Result<(), StoreError>) {
        let result = match (self.result, outcome) {
            (Some(Ok(value)), Ok(())) => Ok((self.then)(value)),
            (Some(Err(refusal)), _) => Err(refusal),
            (_, Err(error)) => Err(error.clone()),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        self.promise.keep(result);
    }
}

/// The writer's life.
pub(super) fn run(shared: &Arc<Shared>, messages: &Receiver<Message>) {
    work(shared, messages);
    shared.keep_probation();
}

fn work(shared: &Arc<Shared>, messages: &Receiver<Message>) {
    let mut idle = Idle::new(shared);
    loop {
        let message = match idle.patience(shared) {
            Some(patience) => messages.recv_timeout(patience),
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let first = match message {
            Ok(Message::Job(job)) => job,
            Ok(Message::Look) => continue,
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                idle.work(shared);
                continue;
            }
        };
        let (batch, is_last) = gather(shared, first, messages);
        idle.recover(shared);
        let room_octets = batch.iter().map(|job| job.room_octets).sum();
        if room_octets > 0 && purge::make_room(shared, room_octets).is_err() {
            // The engine has logged it, and the jobs find out for themselves.
            shared.look_for_room_again();
        }
        commit(shared, batch);
        idle.was_busy(shared);
        if is_last {
            return;
        }
        if idle.is_overdue() {
            idle.work(shared);
        }
    }
}

/// Takes what has queued, without waiting, up to a commit's bounds.
fn gather(shared: &Shared, first: Job, messages: &Receiver<Message>) -> (Vec<Job>, bool) {
    // Above half of the cache redb writes pages twice (storage lab §0); trees need some of it too.
    let most_octets = shared.cache_octets / 8 * 3;
    let mut octets = first.octets;
    let mut batch = vec![first];
    while batch.len() < limits::JOBS_PER_COMMIT && octets < most_octets {
        match messages.try_recv() {
            Ok(Message::Job(job)) => {
                octets += job.octets;
                batch.push(job);
            }
            // What has come up is seen to behind them.
            Ok(Message::Look) => {}
            Ok(Message::Stop) => return (batch, true),
            Err(_) => break,
        }
    }
    (batch, false)
}

fn commit(shared: &Shared, mut batch: Vec<Job>) {
    let is_durable = batch.iter().any(|job| job.is_durable);
    let sync = match (is_durable, shared.settings().commit) {
        (false, _) => Sync::Later,
        (true, Commit::OnePhase) => Sync::OnePhase,
        (true, Commit::TwoPhase) => Sync::TwoPhase,
    };
    let bound = shared.blobs.bound_to_reserve();
    // Only what is durable is ever told of.
    let is_first = is_durable && shared.is_unused.load(Ordering::Acquire);
    let outcome = shared.engine.write(sync, |transaction| {
        if is_first {
            layouts::put_in_use(transaction)?;
        }
        if let Some(bound) = bound {
            records::put_blob_bound(transaction, bound)?;
        }
        batch.iter_mut().try_for_each(|job| job.change.apply(transaction))
    });
    // What was not synced may be lost by a reopening, and numbers reserved by it would be given again.
    if outcome.is_ok() && is_durable {
        shared.blobs.reserved(bound);
        shared.commits.fetch_add(1, Ordering::Relaxed);
        if is_first {
            shared.put_in_use();
        }
    }
    for job in batch {
        job.change.settle(&outcome);
    }
}
