//! Changes of many rows: a few hundred in each commit, so that mail that comes in never waits for long.
//!
//! ```text
//! step --commit--> effect in memory --more--> step behind what has queued meanwhile
//!                                   --done--> the asker knows
//! ```

use std::sync::Arc;
use std::sync::mpsc::Sender;

use redb::WriteTransaction;

use super::finding::{self, Only, Walk};
use super::ledger::{Effect, Ledger};
use super::{QueueAct, QueueId, Settlement, Which, mending};
use crate::clock::UnixTime;
use crate::limits;
use crate::store::Shared;
use crate::store::engine::Fault;
use crate::store::error::{Ask, StoreError};
use crate::store::schema::{QUEUE, QUEUE_DUE, QUEUE_LANES, QUEUE_WAYS, Wide};
use crate::store::writer::{Change, Job, Message};
use crate::ticket::{self, Promise};

/// Something that is done in steps.
pub(super) trait Steps: Send + 'static {
    /// One bounded step; says what it has come to. Errs with a refusal only before it writes.
    fn step(&mut self, transaction: &WriteTransaction) -> Result<Step, Fault>;
}

/// What a step has come to.
pub(super) struct Step {
    pub effect: Effect,
    /// With how many recipients something was done.
    pub count: u64,
    pub is_last: bool,
}

/// Gives the writer the first step; `answer` makes the answer of with how many recipients something was done in all.
pub(super) fn begin<T: Send + 'static>(
    shared: &Arc<Shared>,
    writer: Sender<Message>,
    steps: impl Steps,
    answer: fn(u64) -> T,
) -> Ask<T> {
    let (promise, ticket) = ticket::pair();
    send(Box::new(Stepping {
        steps,
        answer,
        shared: Arc::clone(shared),
        writer,
        promise,
        count: 0,
        result: Err(StoreError::Closed),
    }));
    ticket
}

struct Stepping<S, T> {
    steps: S,
    answer: fn(u64) -> T,
    shared: Arc<Shared>,
    writer: Sender<Message>,
    promise: Promise<T, StoreError>,
    count: u64,
    result: Result<Step, StoreError>,
}

fn send<S: Steps, T: Send + 'static>(stepping: Box<Stepping<S, T>>) {
    let writer = stepping.writer.clone();
    // A writer that has stopped drops it, and with it the promise.
    let _ = writer.send(Message::Job(Job::of(STEP_OCTETS, stepping)));
}

impl<S: Steps, T: Send + 'static> Change for Stepping<S, T> {
    fn apply(&mut self, transaction: &WriteTransaction) -> Result<(), Fault> {
        match self.steps.step(transaction) {
            Ok(step) => self.result = Ok(step),
            Err(fault) => {
                if matches!(fault.error, StoreError::Damaged(_)) {
                    mending::doubt(&self.shared);
                }
                if !fault.is_refusal() {
                    return Err(fault);
                }
                self.result = Err(fault.error);
            }
        }
        Ok(())
    }

    fn settle(mut self: Box<Self>, outcome: &Result<(), StoreError>) {
        let result = std::mem::replace(&mut self.result, Err(StoreError::Closed));
        let step = match (result, outcome) {
            (Ok(step), Ok(())) => step,
            (Ok(_), Err(error)) | (Err(StoreError::Closed), Err(error)) => {
                return self.promise.keep(Err(error.clone()));
            }
            (Err(error), _) => return self.promise.keep(Err(error)),
        };
        self.shared.queue.apply(&self.shared, step.effect);
        self.count += step.count;
        match step.is_last {
            true => self.promise.keep(Ok((self.answer)(self.count))),
            false => send(self),
        }
    }
}

/// Settlements, a commit's worth at a time.
pub(super) struct Settling {
    pub settled: std::vec::IntoIter<Settlement>,
    /// The time of a death.
    pub at: UnixTime,
}

impl Steps for Settling {
    fn step(&mut self, transaction: &WriteTransaction) -> Result<Step, Fault> {
        let mut ledger = Ledger::open(transaction)?;
        let mut count = 0;
        for settlement in self.settled.by_ref().take(limits::QUEUE_STEP) {
            ledger.settle(transaction, &settlement, self.at)?;
            count += 1;
        }
        ledger.find_lanes(transaction)?;
        Ok(Step { effect: ledger.write(transaction)?, count, is_last: self.settled.len() == 0 })
    }
}

/// What an administrator does.
pub(super) struct Acting {
    which: Which,
    walk: Walk,
    act: QueueAct,
    now: UnixTime,
}

impl Acting {
    pub(super) fn new(which: Which, act: QueueAct, now: UnixTime) -> Acting {
        Acting { walk: Walk::new(which.clone(), QueueId(0)), which, act, now }
    }

    fn next(&mut self, transaction: &WriteTransaction) -> Result<Vec<QueueId>, Fault> {
        if let Which::One(id) = self.which {
            // Also one who can't be read can be deleted.
            self.walk.end();
            return Ok(vec![id]);
        }
        let (queue, ways) = (transaction.open_table(QUEUE)?, transaction.open_table(QUEUE_WAYS)?);
        let lanes = transaction.open_table(QUEUE_LANES)?;
        let found = self.walk.step(&queue, &ways, &lanes, Only::All, limits::QUEUE_STEP)?;
        Ok(found.into_iter().map(|record| record.queued.id).collect())
    }
}

impl Steps for Acting {
    fn step(&mut self, transaction: &WriteTransaction) -> Result<Step, Fault> {
        let found = self.next(transaction)?;
        let mut ledger = Ledger::open(transaction)?;
        let mut count = 0;
        for id in found {
            count += u64::from(ledger.act(transaction, id, self.act, self.now)?);
        }
        ledger.find_lanes(transaction)?;
        Ok(Step { effect: ledger.write(transaction)?, count, is_last: self.walk.is_over() })
    }
}

/// Takes entries out of `queue_due` that lead to nobody, or to a row that can't be read. The row stays for a look at it.
pub(super) fn leave_out(shared: &Arc<Shared>, writer: &Sender<Message>, keys: Vec<Wide>) {
    let change = move |transaction: &WriteTransaction| {
        let mut due = transaction.open_table(QUEUE_DUE)?;
        let queue = transaction.open_table(QUEUE)?;
        let lanes = transaction.open_table(QUEUE_LANES)?;
        for key in keys {
            // It may have been settled, and moved to this key, since it was seen.
            if !finding::leads_to_its_row(&queue, &lanes, key) {
                due.remove(key.as_str()).map_err(|error| Fault::from(error).into_fatal())?;
            }
        }
        Ok(())
    };
    let shared = Arc::clone(shared);
    let (job, _) = Job::asking(STEP_OCTETS, change, move |()| shared.queue.wake());
    let _ = writer.send(Message::Job(job));
}

/// What a step writes, roughly.
const STEP_OCTETS: usize = 64 * 1024;
