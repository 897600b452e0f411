//! The queue's rows, its indexes, and the counts in memory.

use redb::ReadableTable;

use super::super::model::Waiting;
use super::*;

/// What the file holds of the queue.
#[derive(Debug, Default)]
pub(super) struct Found {
    rows: BTreeMap<u64, schema::QueueRecord>,
    numbers: Option<schema::QueueNumbers>,
    lanes: BTreeMap<String, schema::LaneRecord>,
    due: BTreeMap<schema::Wide, schema::DueEntry>,
    ways: BTreeMap<schema::Wide, schema::WayEntry>,
}

impl Found {
    /// Bodies, each with its mail and how many chunks it has.
    pub(super) fn bodies(&self) -> impl Iterator<Item = (u64, (u64, u32))> {
        let rows = self.rows.values().filter(|row| row.queued.chunks > 0);
        rows.map(|row| (row.queued.blob, (number(row), row.queued.chunks)))
    }
}

fn number(row: &schema::QueueRecord) -> u64 {
    row.queued.outbound.prefix.as_slice().try_into().map_or(u64::MAX, u64::from_le_bytes)
}

/// Holds it against the model.
pub(super) fn queue(found: &Found, model: &Model, store: &Store) -> Result<(), String> {
    let rows: BTreeMap<u64, Waiting> = found.rows.iter().map(|(&id, row)| (id, waiting(row))).collect();
    same("the queue", &rows, &model.queue)?;
    let last = found.numbers.map_or(0, |numbers| numbers.next_recipient - 1);
    same("the last number of the queue", &last, &model.queued)?;
    let (mut lanes, mut due, mut ways) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut whole = schema::QueueTally::default();
    for (id, row) in &found.rows {
        let key = row.queued.outbound.lane.to_string();
        let number = found.lanes.get(&key).map_or(0, |lane| lane.number);
        let lane = row.queued.outbound.lane.clone();
        let record = schema::LaneRecord { lane, number, tally: Default::default() };
        lanes.entry(key).or_insert(record).tally.add(row.tally());
        whole.add(row.tally());
        due.extend(row.due_key(number).map(|key| (key, row.due_entry())));
        ways.insert(schema::way_key(number, QueueId(*id)), row.way_entry());
    }
    same("ways", &found.lanes, &lanes)?;
    let numbers: BTreeSet<u32> = lanes.values().map(|lane| lane.number).collect();
    same("numbers of ways", &numbers.len(), &lanes.len())?;
    same("who is due", &found.due, &due)?;
    same("who is on which way", &found.ways, &ways)?;
    let counts = QueueCounts { waiting: whole.waiting, held: whole.held, dead: whole.dead };
    same("counts of the queue", &store.queue_counts(), &counts)
}

fn waiting(row: &schema::QueueRecord) -> Waiting {
    let queued = row.queued.clone();
    Waiting {
        number: number(row),
        octets: row.body_octets(),
        lane: queued.outbound.lane,
        received: queued.received.0,
        is_sure: queued.is_sure,
        next: queued.next.0,
        tries: queued.tries,
        unsure_sends: queued.unsure_sends,
        is_delay_told: queued.is_delay_told,
        state: queued.state,
        died: row.died.0,
    }
}

pub(super) fn read(transaction: &ReadTransaction) -> Result<Found, Fault> {
    let mut found = Found::default();
    for entry in transaction.open_table(schema::QUEUE)?.iter()? {
        let (key, stored) = entry?;
        let (key, stored) = (key.value(), stored.value());
        if key == schema::NUMBERS_KEY {
            found.numbers = Some(schema::decode(&schema::QUEUE, key, stored)?);
        } else {
            found.rows.insert(key, schema::decode(&schema::QUEUE, key, stored)?);
        }
    }
    for entry in transaction.open_table(schema::QUEUE_LANES)?.iter()? {
        let (key, stored) = entry?;
        let record = schema::decode(&schema::QUEUE_LANES, key.value(), stored.value())?;
        found.lanes.insert(key.value().to_owned(), record);
    }
    for entry in transaction.open_table(schema::QUEUE_DUE)?.iter()? {
        let (key, stored) = entry?;
        let key = schema::Wide::read(key.value());
        found.due.insert(key, schema::decode(&schema::QUEUE_DUE, key, stored.value())?);
    }
    for entry in transaction.open_table(schema::QUEUE_WAYS)?.iter()? {
        let (key, stored) = entry?;
        let key = schema::Wide::read(key.value());
        found.ways.insert(key, schema::decode(&schema::QUEUE_WAYS, key, stored.value())?);
    }
    Ok(found)
}
