//! What an opening must know of the queue, and its indexes made anew where they are damaged.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::QueueId;
use super::ledger::{Ledger, numbers};
use crate::clock::UnixTime;
use crate::store::engine::{Engine, Fault, Sync};
use crate::store::error::StoreError;
use crate::store::rising::rising;
use crate::store::schema::{
    self, LaneRecord, NUMBERS_KEY, QUEUE, QUEUE_DUE, QUEUE_LANES, QUEUE_WAYS, QueueNumbers, QueueRecord,
    QueueTally,
};

/// What the queue comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Whole {
    pub tally: QueueTally,
    /// The newest time that anything was taken.
    pub newest: UnixTime,
}

/// Counts what waits; makes the indexes anew where they don't fit the rows.
pub(in crate::store) fn prove(engine: &Engine) -> Result<Whole, StoreError> {
    match engine.read(count) {
        Err(StoreError::Damaged(_)) => {}
        counted => return counted,
    }
    make_anew(engine).or_else(|error| {
        log::error!("the queue can't be read, and what waits in it stays there: {error}");
        Ok(Whole { tally: QueueTally::default(), newest: UnixTime(0) })
    })
}

/// Makes the indexes anew from the rows, and counts what waits.
pub(super) fn make_anew(engine: &Engine) -> Result<Whole, StoreError> {
    log::error!("the indexes of the queue are damaged: they are made anew from its rows");
    engine.write(Sync::OnePhase, write_anew)?;
    engine.read(sum_up)
}

/// What the ways' records say; errs where that isn't what the tables hold.
pub(in crate::store) fn count(transaction: &ReadTransaction) -> Result<Whole, Fault> {
    let queue = transaction.open_table(QUEUE)?;
    let whole = sum_up(transaction)?;
    let rows = queue.len()? - u64::from(queue.get(NUMBERS_KEY)?.is_some());
    let found = (rows, transaction.open_table(QUEUE_WAYS)?.len()?, transaction.open_table(QUEUE_DUE)?.len()?);
    let in_all = whole.tally.recipients();
    if found != (in_all, in_all, whole.tally.waiting) {
        return Err(schema::damaged(&QUEUE_LANES, "some rows are missing").into());
    }
    Ok(whole)
}

fn sum_up(transaction: &ReadTransaction) -> Result<Whole, Fault> {
    let newest = numbers(&transaction.open_table(QUEUE)?)?.newest;
    let mut tally = QueueTally::default();
    for entry in transaction.open_table(QUEUE_LANES)?.iter()? {
        let (key, stored) = entry?;
        tally.add(schema::decode::<LaneRecord>(&QUEUE_LANES, key.value(), stored.value())?.tally);
    }
    Ok(Whole { tally, newest })
}

/// Makes numbers, ways and indexes anew from the rows that can be read. Those that can't stay where they are.
fn write_anew(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(QUEUE_LANES)?.retain(|_, _| false)?;
    for table in [QUEUE_DUE, QUEUE_WAYS] {
        transaction.open_table(table)?.retain(|_, _| false)?;
    }
    let mut queue = transaction.open_table(QUEUE)?;
    let last = queue.range(..NUMBERS_KEY)?.next_back().transpose()?.map_or(0, |(key, _)| key.value());
    let numbers = numbers(&queue).unwrap_or_else(|_| QueueNumbers::first());
    let lost = if numbers.next_recipient > last { 0 } else { LOST_NUMBERS };
    let next_recipient = numbers.next_recipient.max(last + 1 + lost);
    let numbers = QueueNumbers { next_recipient, ..numbers };
    queue.insert(NUMBERS_KEY, schema::encode(&QUEUE, NUMBERS_KEY, &numbers)?.as_slice())?;
    drop(queue);
    let mut from = 0;
    loop {
        let rows = rows(&transaction.open_table(QUEUE)?, from)?;
        let Some(&(last, _)) = rows.last() else { return Ok(()) };
        from = last + 1;
        let mut ledger = Ledger::open(transaction)?;
        for record in rows.into_iter().filter_map(|(_, record)| record) {
            ledger.put_back(record);
        }
        ledger.find_lanes(transaction)?;
        ledger.write(transaction)?;
    }
}

/// The next rows, those that can't be read without their record.
fn rows(
    queue: &impl ReadableTable<u64, &'static [u8]>,
    from: u64,
) -> Result<Vec<(u64, Option<QueueRecord>)>, Fault> {
    let mut rows = Vec::new();
    for entry in rising(&QUEUE, queue, from..NUMBERS_KEY)?.take(crate::limits::QUEUE_STEP) {
        let (key, stored) = entry?;
        let record: Result<QueueRecord, _> = schema::decode(&QUEUE, key.value(), stored.value());
        let record = record.map_err(|error| {
            log::error!("{}", super::ledger::unreadable(QueueId(key.value()), &error));
        });
        rows.push((key.value(), record.ok()));
    }
    Ok(rows)
}

/// So many numbers are left out where it is not known which came last: none shall come twice.
const LOST_NUMBERS: u64 = 1 << 20;
