//! The dead go when their time is over: as long as anything that was removed can be brought back.

use redb::ReadTransaction;

use super::finding::{self, Only, Walk};
use super::ledger::Ledger;
use super::{Fate, QueueId, Settlement, Which};
use crate::clock::UnixTime;
use crate::limits;
use crate::store::Shared;
use crate::store::engine::{Fault, Sync};
use crate::store::error::StoreError;
use crate::store::rising::rising;
use crate::store::schema::{LaneRecord, QUEUE, QUEUE_LANES, QUEUE_WAYS, QueueRecord};

/// How far a walk to all dead has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Burial {
    /// The text of the way; those before it are done.
    lane: String,
    /// Its first number that was not looked at.
    from: QueueId,
}

impl Burial {
    /// At its beginning.
    pub(in crate::store) fn new() -> Burial {
        Burial { lane: String::new(), from: QueueId(0) }
    }
}

/// One bounded step: those go who died so many seconds ago, and those of whom nobody knows when died now. Gives where to
/// go on, none at the end.
pub(in crate::store) fn bury_some(
    shared: &Shared,
    burial: &Burial,
    now: UnixTime,
    undo_seconds: u64,
) -> Result<Option<Burial>, StoreError> {
    let (dead, next) = shared.engine.read(|transaction| find(transaction, burial))?;
    let is_undated = |record: &QueueRecord| record.died.0 == 0 || record.died > now;
    let is_over = |record: &QueueRecord| record.died.0.saturating_add(undo_seconds) <= now.0;
    let (undated, dated): (Vec<_>, Vec<_>) = dead.into_iter().partition(is_undated);
    let over: Vec<_> = dated.into_iter().filter(is_over).map(|record| record.queued.id).collect();
    if undated.is_empty() && over.is_empty() {
        return Ok(next);
    }
    let effect = shared.engine.write(Sync::OnePhase, |transaction| {
        let mut ledger = Ledger::open(transaction)?;
        for record in &undated {
            ledger.date_death(transaction, record.queued.id, now)?;
        }
        for &id in &over {
            ledger.settle(transaction, &Settlement { id, fate: Fate::Failed }, now)?;
        }
        ledger.find_lanes(transaction)?;
        ledger.write(transaction)
    })?;
    shared.queue.apply(shared, effect);
    if !over.is_empty() {
        log::info!("{} queued recipients went for good: nobody could be told of them", over.len());
    }
    Ok(next)
}

/// The next dead, and where to go on.
fn find(transaction: &ReadTransaction, burial: &Burial) -> Result<(Vec<QueueRecord>, Option<Burial>), Fault> {
    let lanes = transaction.open_table(QUEUE_LANES)?;
    for entry in rising(&QUEUE_LANES, &lanes, burial.lane.as_str()..)? {
        let key = entry?.0.value().to_owned();
        let Some(LaneRecord { lane, tally, .. }) = finding::lane(&lanes, &key)? else { continue };
        if tally.dead == 0 {
            continue;
        }
        let from = if key == burial.lane { burial.from } else { QueueId(0) };
        let mut walk = Walk::new(Which::Lane(lane), from);
        let (queue, ways) = (transaction.open_table(QUEUE)?, transaction.open_table(QUEUE_WAYS)?);
        let dead = walk.step(&queue, &ways, &lanes, Only::Dead, limits::QUEUE_STEP)?;
        let next = match walk.is_over() {
            // The least key behind this one.
            true => Burial { lane: format!("{key}\0"), from: QueueId(0) },
            false => Burial { lane: key, from: walk.from() },
        };
        return Ok((dead, Some(next)));
    }
    Ok((Vec::new(), None))
}
