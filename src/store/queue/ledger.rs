//! Changes of the queue in one transaction: all is read and found right before anything is written.
//!
//! ```text
//! open -> settle, act, add (in memory) -> find_lanes (the last that may refuse) -> write
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use redb::{ReadableTable, WriteTransaction};

use super::{Fate, QueueAct, QueueId, QueueState, Settlement, finding};
use crate::clock::UnixTime;
use crate::limits;
use crate::store::blob::BlobId;
use crate::store::engine::Fault;
use crate::store::error::StoreError;
use crate::store::free;
use crate::store::schema::{
    self, FreeBody, LaneRecord, NUMBERS_KEY, QUEUE, QUEUE_DUE, QUEUE_LANES, QUEUE_WAYS, QueueNumbers,
    QueueRecord, QueueTally,
};

/// What is to change.
#[derive(Debug)]
pub(in crate::store) struct Ledger {
    rows: BTreeMap<u64, Change>,
    /// The ways of all that changes, by their text.
    lanes: BTreeMap<String, LaneRecord>,
    numbers: QueueNumbers,
    /// Rows that can't be read, and shall go.
    unreadable: Vec<u64>,
    /// Whether somebody is due who was not.
    is_waking: bool,
}

#[derive(Debug)]
struct Change {
    before: Option<QueueRecord>,
    after: Option<QueueRecord>,
}

/// What a transaction has done, for the counts in memory once it is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Effect {
    /// What is in the queue now and was not.
    pub more: QueueTally,
    /// What was in it.
    pub less: QueueTally,
    pub is_waking: bool,
    /// Whether bodies wait to be freed.
    pub has_free: bool,
}

impl Ledger {
    /// Nothing is to change yet.
    pub(in crate::store) fn open(transaction: &WriteTransaction) -> Result<Ledger, Fault> {
        let numbers = numbers(&transaction.open_table(QUEUE)?)?;
        Ok(Ledger {
            rows: BTreeMap::new(),
            lanes: BTreeMap::new(),
            numbers,
            unreadable: Vec::new(),
            is_waking: false,
        })
    }

    /// The number for one who is to come into the queue.
    pub(in crate::store) fn next_id(&self) -> QueueId {
        QueueId(self.numbers.next_recipient)
    }

    /// Puts one into the queue who has [`Ledger::next_id`]; the time is remembered if it is believed.
    pub(in crate::store) fn add(&mut self, record: QueueRecord, is_believed: bool) {
        self.numbers.next_recipient += 1;
        if is_believed {
            self.numbers.newest = self.numbers.newest.max(record.queued.received);
        }
        self.is_waking = true;
        self.rows.insert(record.queued.id.0, Change { before: None, after: Some(record) });
    }

    /// Puts one into the indexes who is in the queue.
    pub(in crate::store) fn put_back(&mut self, record: QueueRecord) {
        self.rows.insert(record.queued.id.0, Change { before: None, after: Some(record) });
    }

    /// Lets become of one what is said; `at` is the time of a death, 0 while the clock is wrong. One who is gone, or
    /// can't be read any more, is passed over: he must not keep others from being settled.
    pub(in crate::store) fn settle(
        &mut self,
        transaction: &WriteTransaction,
        settlement: &Settlement,
        at: UnixTime,
    ) -> Result<(), Fault> {
        let Some(change) = self.load(transaction, settlement.id)? else { return Ok(()) };
        let Some(record) = &mut change.after else { return Ok(()) };
        let mut is_waking = false;
        match &settlement.fate {
            Fate::Sent | Fate::Failed | Fate::Home => change.after = None,
            Fate::Dead(last) => {
                record.queued.state = QueueState::Dead;
                record.queued.last = Some(last.clone());
                record.died = at;
            }
            Fate::Later { next, is_try, is_unsure, last } => {
                let queued = &mut record.queued;
                queued.next = *next;
                queued.tries = queued.tries.saturating_add(u32::from(*is_try));
                queued.unsure_sends = queued.unsure_sends.saturating_add(u32::from(*is_unsure));
                queued.last = last.clone().or_else(|| queued.last.take());
            }
            Fate::DelayTold => record.queued.is_delay_told = true,
            Fate::Moved(lane) => {
                record.queued.outbound.lane = lane.clone();
                is_waking = true;
            }
        }
        if let Some(last) = change.after.as_mut().and_then(|record| record.queued.last.as_mut()) {
            last.text = kept(&last.text);
        }
        self.is_waking |= is_waking;
        Ok(())
    }

    /// Does with one what an administrator wants; says whether that was anything. One who is gone is passed over, so is
    /// one who can't be read, unless he is to go.
    pub(in crate::store) fn act(
        &mut self,
        transaction: &WriteTransaction,
        id: QueueId,
        act: QueueAct,
        now: UnixTime,
    ) -> Result<bool, Fault> {
        let Some(change) = self.load(transaction, id)? else {
            let is_there = id.0 != NUMBERS_KEY && transaction.open_table(QUEUE)?.get(id.0)?.is_some();
            let is_to_go = is_there && act == QueueAct::Delete;
            self.unreadable.extend(is_to_go.then_some(id.0));
            return Ok(is_to_go);
        };
        let Some(record) = &mut change.after else { return Ok(false) };
        let is_done = match (act, record.queued.state) {
            (QueueAct::Delete, _) => {
                change.after = None;
                return Ok(true);
            }
            (QueueAct::Retry, QueueState::Waiting | QueueState::Dead) => {
                record.queued.state = QueueState::Waiting;
                record.queued.next = now;
                record.died = UnixTime(0);
                true
            }
            (QueueAct::Hold, QueueState::Waiting) => {
                record.queued.state = QueueState::Held;
                return Ok(true);
            }
            (QueueAct::Release, QueueState::Held) => {
                record.queued.state = QueueState::Waiting;
                true
            }
            _ => false,
        };
        self.is_waking |= is_done;
        Ok(is_done)
    }

    /// Says of a dead one since when he is.
    pub(in crate::store) fn date_death(
        &mut self,
        transaction: &WriteTransaction,
        id: QueueId,
        at: UnixTime,
    ) -> Result<(), Fault> {
        if let Some(Change { after: Some(record), .. }) = self.load(transaction, id)? {
            record.died = at;
        }
        Ok(())
    }

    /// Finds the ways of all that changes, or numbers for new ones. Nothing may be written before, nor changed after.
    pub(in crate::store) fn find_lanes(&mut self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let table = transaction.open_table(QUEUE_LANES)?;
        for record in self.rows.values().flat_map(|change| change.before.iter().chain(&change.after)) {
            let lane = &record.queued.outbound.lane;
            let key = lane.to_string();
            if self.lanes.contains_key(&key) {
                continue;
            }
            let found = match finding::lane(&table, &key)? {
                Some(found) => found,
                None => {
                    self.numbers.next_lane += 1;
                    let number = self.numbers.next_lane - 1;
                    LaneRecord { lane: lane.clone(), number, tally: QueueTally::default() }
                }
            };
            self.lanes.insert(key, found);
        }
        Ok(())
    }

    /// Writes all changes; gives claims on bodies up. No error of it is a refusal.
    pub(in crate::store) fn write(self, transaction: &WriteTransaction) -> Result<Effect, Fault> {
        self.write_all(transaction).map_err(Fault::into_fatal)
    }

    fn write_all(mut self, transaction: &WriteTransaction) -> Result<Effect, Fault> {
        let mut effect = Effect { is_waking: self.is_waking, ..Effect::default() };
        let rows = std::mem::take(&mut self.rows);
        let mut tables = Tables::open(transaction)?;
        for (id, Change { before, after }) in rows {
            if before == after {
                continue;
            }
            if let Some(before) = &before {
                let lane = self.lane_of(before)?;
                lane.tally.take(before.tally());
                effect.less.add(before.tally());
                tables.take_out(before, lane.number)?;
            }
            match &after {
                Some(after) => {
                    let lane = self.lane_of(after)?;
                    lane.tally.add(after.tally());
                    effect.more.add(after.tally());
                    tables.put_in(after, lane.number)?;
                }
                None => {
                    tables.queue.remove(id)?;
                }
            }
            if let (Some(gone), None) = (&before, &after) {
                let body = FreeBody { chunks: gone.queued.chunks, octets: gone.body_octets() };
                free::release(transaction, BlobId(gone.queued.blob), body)?;
                effect.has_free = true;
            }
        }
        // Nobody knows their body or what leads to them: the next opening makes the indexes anew.
        for id in &self.unreadable {
            tables.queue.remove(id)?;
        }
        let stored = schema::encode(&QUEUE, NUMBERS_KEY, &self.numbers)?;
        tables.queue.insert(NUMBERS_KEY, stored.as_slice())?;
        drop(tables);
        let mut lanes = transaction.open_table(QUEUE_LANES)?;
        for (key, record) in &self.lanes {
            match record.tally.recipients() {
                0 => lanes.remove(key.as_str())?,
                _ => lanes
                    .insert(key.as_str(), schema::encode(&QUEUE_LANES, key.as_str(), record)?.as_slice())?,
            };
        }
        Ok(effect)
    }

    fn lane_of(&mut self, record: &QueueRecord) -> Result<&mut LaneRecord, Fault> {
        self.lanes
            .get_mut(&record.queued.outbound.lane.to_string())
            .ok_or_else(|| schema::damaged(&QUEUE_LANES, "a way was not found").into())
    }

    fn load(&mut self, transaction: &WriteTransaction, id: QueueId) -> Result<Option<&mut Change>, Fault> {
        if id.0 == NUMBERS_KEY {
            return Ok(None);
        }
        let place = match self.rows.entry(id.0) {
            Entry::Occupied(place) => return Ok(Some(place.into_mut())),
            Entry::Vacant(place) => place,
        };
        match finding::row(&transaction.open_table(QUEUE)?, id) {
            Ok(None) => Ok(None),
            Ok(Some(record)) => {
                Ok(Some(place.insert(Change { before: Some(record.clone()), after: Some(record) })))
            }
            Err(fault) if fault.is_refusal() => {
                log::error!("{}", fault.error);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// The tables of rows and indexes, open for writing.
struct Tables<'t> {
    queue: redb::Table<'t, u64, &'static [u8]>,
    due: redb::Table<'t, &'static str, &'static [u8]>,
    ways: redb::Table<'t, &'static str, &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Tables<'t>, Fault> {
        Ok(Tables {
            queue: transaction.open_table(QUEUE)?,
            due: transaction.open_table(QUEUE_DUE)?,
            ways: transaction.open_table(QUEUE_WAYS)?,
        })
    }

    /// Takes a row out of the indexes.
    fn take_out(&mut self, record: &QueueRecord, lane: u32) -> Result<(), Fault> {
        self.ways.remove(schema::way_key(lane, record.queued.id).as_str())?;
        if let Some(key) = record.due_key(lane) {
            self.due.remove(key.as_str())?;
        }
        Ok(())
    }

    /// Writes a row with its indexes.
    fn put_in(&mut self, record: &QueueRecord, lane: u32) -> Result<(), Fault> {
        let id = record.queued.id;
        self.queue.insert(id.0, schema::encode(&QUEUE, id.0, record)?.as_slice())?;
        let key = schema::way_key(lane, id);
        self.ways.insert(key.as_str(), schema::encode(&QUEUE_WAYS, key, &record.way_entry())?.as_slice())?;
        if let Some(key) = record.due_key(lane) {
            self.due
                .insert(key.as_str(), schema::encode(&QUEUE_DUE, key, &record.due_entry())?.as_slice())?;
        }
        Ok(())
    }
}

/// The numbers that come next.
pub(in crate::store) fn numbers(
    queue: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<QueueNumbers, Fault> {
    match queue.get(NUMBERS_KEY)? {
        Some(stored) => Ok(schema::decode(&QUEUE, NUMBERS_KEY, stored.value())?),
        None => Ok(QueueNumbers::first()),
    }
}

/// Remembers that it was `now`, and never later.
pub(in crate::store) fn remember(transaction: &WriteTransaction, now: UnixTime) -> Result<(), Fault> {
    let mut queue = transaction.open_table(QUEUE)?;
    let numbers = QueueNumbers { newest: now, ..numbers(&queue)? };
    queue.insert(NUMBERS_KEY, schema::encode(&QUEUE, NUMBERS_KEY, &numbers)?.as_slice())?;
    Ok(())
}

/// So much of a text as is kept.
fn kept(text: &str) -> Box<str> {
    let mut end = text.len().min(limits::KEPT_REPLY_OCTETS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

/// The error for a row that can't be read, which it names.
pub(super) fn unreadable(id: QueueId, error: &StoreError) -> StoreError {
    StoreError::Damaged(format!(
        "the queued recipient {} can't be read and is left out ({error}): poppet queue del {}",
        id.0, id.0
    ))
}
