//! What of the queue is due, old, or asked for; each question reads what it answers, and little beside it.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use redb::{ReadTransaction, ReadableTable};

use super::ledger::unreadable;
use super::{LaneRow, QueueId, QueueState, Queued, Which};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Lane;
use crate::store::engine::Fault;
use crate::store::rising::{Rising, rising};
use crate::store::schema::{
    self, DueEntry, LaneRecord, NUMBERS_KEY, QUEUE, QUEUE_DUE, QUEUE_LANES, QUEUE_WAYS, QueueRecord,
    TextTable, WayEntry, Wide,
};

/// Whom a way is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub lane: Lane,
    pub now: UnixTime,
    pub busy: HashSet<QueueId>,
    pub last_submitter: Option<Box<str>>,
    pub recipients: usize,
}

/// Who is due next.
#[derive(Debug)]
pub(super) struct Next {
    pub recipients: Vec<Queued>,
    /// Keys of entries in `queue_due` that lead to nobody: they must not hold the way up.
    pub broken: Vec<Wide>,
    /// Whether that is so only since their rows can't be read.
    pub is_sound: bool,
    /// Entries and rows that were looked at.
    #[cfg(test)]
    pub looked: usize,
}

/// A queued recipient's row; errs so that the error names it.
pub(in crate::store) fn row(
    queue: &impl ReadableTable<u64, &'static [u8]>,
    id: QueueId,
) -> Result<Option<QueueRecord>, Fault> {
    let Some(stored) = queue.get(id.0)? else { return Ok(None) };
    Ok(Some(decode(id, stored.value())?))
}

/// A way's record, by its text.
pub(in crate::store) fn lane(
    lanes: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<LaneRecord>, Fault> {
    let Some(stored) = lanes.get(key)? else { return Ok(None) };
    Ok(Some(schema::decode(&QUEUE_LANES, key, stored.value())?))
}

/// Every way on which somebody waits for his time.
#[derive(Debug)]
pub(super) struct Lanes {
    pub rows: Vec<LaneRow>,
    /// Whether none was left out for damage.
    pub is_sound: bool,
}

/// Every way on which somebody waits for his time.
pub(super) fn lanes(transaction: &ReadTransaction, now: UnixTime) -> Result<Lanes, Fault> {
    let due = transaction.open_table(QUEUE_DUE)?;
    let mut lanes = Lanes { rows: Vec::new(), is_sound: true };
    for entry in transaction.open_table(QUEUE_LANES)?.iter()? {
        let (key, stored) = entry?;
        match lane_row(&due, key.value(), stored.value(), now) {
            Ok(row) => lanes.rows.extend(row),
            // The others go on meanwhile.
            Err(fault) if fault.is_refusal() => lanes.is_sound = false,
            Err(fault) => return Err(fault),
        }
    }
    Ok(lanes)
}

/// One of them, by its record; none if nobody waits on it for his time.
fn lane_row(
    due: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
    stored: &[u8],
    now: UnixTime,
) -> Result<Option<LaneRow>, Fault> {
    let LaneRecord { lane, number, tally } = schema::decode(&QUEUE_LANES, key, stored)?;
    let first = |from, to| match range(&QUEUE_DUE, due, &schema::due_range(number, from, to))?.next() {
        Some(entry) => Ok(Some(schema::split_due_key(Wide::read(entry?.0.value())).0)),
        None => Ok::<_, Fault>(None),
    };
    let next = match first(far(now), END_OF_TIME)? {
        Some(_) => first(UnixTime(0), now)?.or(Some(now)),
        None => first(UnixTime(0), END_OF_TIME)?,
    };
    if next.is_none() && tally.waiting > 0 {
        return Err(schema::damaged(&QUEUE_DUE, "some rows are missing").into());
    }
    Ok(next.map(|next| LaneRow { lane, waiting: tally.waiting, next: Some(next) }))
}

/// The next mail that is due on a way: see [`super::Store::queue_next`].
pub(super) fn next(transaction: &ReadTransaction, wanted: &Wanted) -> Result<Next, Fault> {
    let mut next = Next {
        recipients: Vec::new(),
        broken: Vec::new(),
        is_sound: true,
        #[cfg(test)]
        looked: 0,
    };
    let Some(lane) = lane(&transaction.open_table(QUEUE_LANES)?, &wanted.lane.to_string())? else {
        return Ok(next);
    };
    let queue = transaction.open_table(QUEUE)?;
    for key in candidates(transaction, lane.number, wanted, &mut next)? {
        match row(&queue, schema::split_due_key(key).1) {
            Ok(Some(record)) if record.due_key(lane.number) == Some(key) => {
                next.recipients = beside(&queue, record.queued, wanted, &mut next)?;
                return Ok(next);
            }
            Ok(_) => {
                next.broken.push(key);
                next.is_sound = false;
            }
            Err(fault) if fault.is_refusal() => {
                log::error!("{}", fault.error);
                next.broken.push(key);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(next)
}

/// Those who are due and not under way, another submitter's first.
fn candidates(
    transaction: &ReadTransaction,
    lane: u32,
    wanted: &Wanted,
    next: &mut Next,
) -> Result<Vec<Wide>, Fault> {
    let due = transaction.open_table(QUEUE_DUE)?;
    let last = wanted.last_submitter.as_deref().map(schema::submitter_mark);
    let (mut others, mut own) = (Vec::new(), Vec::new());
    // A time far ahead was set by a clock that was wrong: so nobody waits for years (S-129, S-309).
    for (from, to) in [(UnixTime(0), wanted.now), (far(wanted.now), END_OF_TIME)] {
        for entry in range(&QUEUE_DUE, &due, &schema::due_range(lane, from, to))? {
            if others.len() + own.len() == limits::QUEUE_LOOK {
                break;
            }
            let (key, stored) = entry?;
            next.look();
            let key = Wide::read(key.value());
            if wanted.busy.contains(&schema::split_due_key(key).1) {
                continue;
            }
            // An entry that can't be read still names its row.
            let entry: Option<DueEntry> = schema::decode(&QUEUE_DUE, key, stored.value()).ok();
            let is_own = entry.is_some_and(|entry| Some(entry.submitter) == last);
            if is_own { own.push(key) } else { others.push(key) }
        }
        if !others.is_empty() || !own.is_empty() {
            break;
        }
    }
    others.append(&mut own);
    Ok(others)
}

/// The recipients that one transaction of SMTP can name: of the same body, with all that it has but once.
fn beside(
    queue: &impl ReadableTable<u64, &'static [u8]>,
    first: Queued,
    wanted: &Wanted,
    next: &mut Next,
) -> Result<Vec<Queued>, Fault> {
    let most = wanted.recipients.max(1);
    let id = first.id.0;
    let mut found = vec![first];
    let mut behind = queue.range(id + 1..NUMBERS_KEY)?.take(limits::QUEUE_LOOK);
    let mut before = queue.range(..id)?.rev().take(limits::QUEUE_LOOK);
    let mut sides: [&mut dyn Iterator<Item = _>; 2] = [&mut behind, &mut before];
    for side in &mut sides {
        for entry in side {
            if found.len() >= most {
                break;
            }
            let (key, stored) = entry?;
            next.look();
            // One who can't be read is told of when it is his turn.
            let Ok(record) = decode(QueueId(key.value()), stored.value()) else { continue };
            let queued = record.queued;
            if queued.blob != found[0].blob {
                break;
            }
            let is_due = queued.next <= wanted.now || queued.next >= far(wanted.now);
            let is_due = is_due && queued.state == QueueState::Waiting;
            if is_due && !wanted.busy.contains(&queued.id) && fits(&queued, &found[0]) {
                found.push(queued);
            }
        }
    }
    found.sort_by_key(|queued| queued.id);
    Ok(found)
}

fn fits(one: &Queued, other: &Queued) -> bool {
    let (one, other) = (&one.outbound, &other.outbound);
    (&one.lane, &one.reverse_path, &one.mail_dsn, one.is_utf8, &one.prefix)
        == (&other.lane, &other.reverse_path, &other.mail_dsn, other.is_utf8, &other.prefix)
}

impl Next {
    fn look(&mut self) {
        #[cfg(test)]
        {
            self.looked += 1;
        }
    }
}

/// The entries of an index between two keys, both among them.
fn range<'t>(
    definition: &TextTable,
    index: &'t impl ReadableTable<&'static str, &'static [u8]>,
    keys: &RangeInclusive<Wide>,
) -> Result<Rising<'t, &'static str>, Fault> {
    rising(definition, index, keys.start().as_str()..=keys.end().as_str())
}

/// Whether an entry of `queue_due` leads to a row that can be read and waits there.
pub(super) fn leads_to_its_row(
    queue: &impl ReadableTable<u64, &'static [u8]>,
    lanes: &impl ReadableTable<&'static str, &'static [u8]>,
    key: Wide,
) -> bool {
    let Ok(Some(record)) = row(queue, schema::split_due_key(key).1) else { return false };
    let lane = lane(lanes, &record.queued.outbound.lane.to_string());
    lane.is_ok_and(|lane| lane.is_some_and(|lane| record.due_key(lane.number) == Some(key)))
}

/// A walk by numbers through the queue, or through a way, in bounded steps.
#[derive(Debug)]
pub(super) struct Walk {
    which: Which,
    /// The first number that was not looked at.
    from: QueueId,
    is_over: bool,
}

/// Which rows a walk gives, beside those that are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Only {
    All,
    /// Who waits since before that time.
    WaitingSince(UnixTime),
    Dead,
}

impl Walk {
    pub(super) fn new(which: Which, from: QueueId) -> Walk {
        let which = match which {
            Which::Having(text) => Which::Having(text.to_lowercase()),
            which => which,
        };
        Walk { which, from, is_over: false }
    }

    /// Whom it is for.
    pub(super) fn which(&self) -> &Which {
        &self.which
    }

    /// Whether nobody is left to be looked at.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The first number that was not looked at.
    pub(super) fn from(&self) -> QueueId {
        self.from
    }

    /// Ends it here.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Looks at the next ones, [`limits::SWEPT_ROWS`] at most, and gives at most so many of them. Errs only for one that
    /// was asked for by his number; of others who can't be read the log tells.
    pub(super) fn step(
        &mut self,
        queue: &impl ReadableTable<u64, &'static [u8]>,
        ways: &impl ReadableTable<&'static str, &'static [u8]>,
        lanes: &impl ReadableTable<&'static str, &'static [u8]>,
        only: Only,
        most: usize,
    ) -> Result<Vec<QueueRecord>, Fault> {
        match self.which.clone() {
            Which::One(id) => {
                self.is_over = true;
                let is_meant = id >= self.from && id.0 != NUMBERS_KEY && most > 0;
                Ok(if is_meant { row(queue, id)?.into_iter().collect() } else { Vec::new() })
            }
            Which::Lane(way) => match lane(lanes, &way.to_string())? {
                Some(record) => self.step_on_way(queue, ways, record.number, only, most),
                None => {
                    self.is_over = true;
                    Ok(Vec::new())
                }
            },
            Which::All => self.step_through_all(queue, "", only, most),
            Which::Having(text) => self.step_through_all(queue, &text, only, most),
        }
    }

    fn step_on_way(
        &mut self,
        queue: &impl ReadableTable<u64, &'static [u8]>,
        ways: &impl ReadableTable<&'static str, &'static [u8]>,
        lane: u32,
        only: Only,
        most: usize,
    ) -> Result<Vec<QueueRecord>, Fault> {
        let mut found = Vec::new();
        for (count, entry) in range(&QUEUE_WAYS, ways, &schema::way_range(lane, self.from))?.enumerate() {
            if count == limits::SWEPT_ROWS || found.len() >= most {
                return Ok(found);
            }
            let (key, stored) = entry?;
            let key = Wide::read(key.value());
            let id = schema::split_way_key(key);
            self.from = QueueId(id.0 + 1);
            let entry: Option<WayEntry> = schema::decode(&QUEUE_WAYS, key, stored.value()).ok();
            // What the index can't tell, the row does.
            if entry.is_none_or(|entry| only.takes(entry)) {
                found.extend(readable(row(queue, id))?.filter(|record| only.takes(record.way_entry())));
            }
        }
        self.is_over = true;
        Ok(found)
    }

    fn step_through_all(
        &mut self,
        queue: &impl ReadableTable<u64, &'static [u8]>,
        having: &str,
        only: Only,
        most: usize,
    ) -> Result<Vec<QueueRecord>, Fault> {
        let mut found = Vec::new();
        for (count, entry) in rising(&QUEUE, queue, self.from.0..NUMBERS_KEY)?.enumerate() {
            if count == limits::SWEPT_ROWS || found.len() >= most {
                return Ok(found);
            }
            let (key, stored) = entry?;
            let id = QueueId(key.value());
            self.from = QueueId(id.0 + 1);
            let record = readable(decode(id, stored.value()).map(Some))?;
            let is_meant = |record: &QueueRecord| {
                let outbound = &record.queued.outbound;
                only.takes(record.way_entry())
                    && [outbound.recipient.as_str(), &outbound.reverse_path]
                        .iter()
                        .any(|text| text.to_lowercase().contains(having))
            };
            found.extend(record.filter(is_meant));
        }
        self.is_over = true;
        Ok(found)
    }
}

impl Only {
    fn takes(self, entry: WayEntry) -> bool {
        match self {
            Only::All => true,
            Only::WaitingSince(than) => entry.state == QueueState::Waiting && entry.received < than,
            Only::Dead => entry.state == QueueState::Dead,
        }
    }
}

/// A row, or none where it can't be read: one must not hide the others.
fn readable(row: Result<Option<QueueRecord>, Fault>) -> Result<Option<QueueRecord>, Fault> {
    match row {
        Err(fault) if fault.is_refusal() => {
            log::error!("{}", fault.error);
            Ok(None)
        }
        row => row,
    }
}

fn decode(id: QueueId, stored: &[u8]) -> Result<QueueRecord, Fault> {
    Ok(schema::decode(&QUEUE, id.0, stored).map_err(|error| unreadable(id, &error))?)
}

/// No pause is so long: a time beyond that was set by a clock that was wrong.
fn far(now: UnixTime) -> UnixTime {
    UnixTime(now.0.saturating_add(limits::QUEUE_FAR.as_secs()))
}

const END_OF_TIME: UnixTime = UnixTime(u64::MAX);
