//! What was removed long ago, or stands in the way of new mail, is purged: oldest first, in bounded steps.

use std::sync::atomic::Ordering;

use redb::{ReadableTable, WriteTransaction};

use super::Shared;
use super::blob::BlobId;
use super::engine::{Fault, Sync};
use super::error::StoreError;
use super::free;
use super::purge_order::{self, Grave, Queue, Reach};
use super::rising::rising;
use super::schema::{self, FreeBody, GONE, GoneRecord, MAIL, MailRow, REMOVED, Tally, Tombstone};
use super::undo::{note_purged, put_gone};
use super::upload::{read_counters, write_counters};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::MailboxId;

/// What one step has come to.
struct Step {
    purged: Tally,
    /// Whether more is, or may be, within reach.
    is_more: bool,
    /// Whether anything removed is left.
    is_left: bool,
    /// Whether bodies wait to be freed.
    has_free: bool,
}

/// Purges one bounded step; says whether more is, or may be, within reach. Only the writer may call it: nothing else
/// may be purged meanwhile.
pub(super) fn purge_some(shared: &Shared, reach: Reach) -> Result<bool, StoreError> {
    purge_about(shared, reach, limits::FREED_OCTETS)
}

/// Purges until about so many octets have been purged, or a step's bound is met.
pub(super) fn purge_about(shared: &Shared, reach: Reach, octets: u64) -> Result<bool, StoreError> {
    let queue = shared.engine.read(|transaction| purge_order::queue(transaction, limits::PURGED_ROWS))?;
    if queue.count == 0 {
        // Only supposed, as after a failure of the disk.
        shared.has_removed.store(false, Ordering::Release);
    }
    if !queue.oldest.first().is_some_and(|&first| reach.includes(first)) {
        return Ok(false);
    }
    // Where the file can't grow, the next change may fail, and what was not synced would be lost with it.
    let sync = if shared.engine.was_full() { Sync::OnePhase } else { Sync::Later };
    let step = shared.engine.write(sync, |transaction| step(transaction, &queue, reach, octets))?;
    shared.removed_less(step.purged.octets);
    shared.has_removed.store(step.is_left, Ordering::Release);
    if step.has_free {
        shared.has_free.store(true, Ordering::Release);
    }
    Ok(step.is_more)
}

/// Frees and purges until so many octets fit, or nothing is left that could make room. Removed mail stays where all of
/// it would not be enough.
pub(super) fn make_room(shared: &Shared, octets: u64) -> Result<(), StoreError> {
    while shared.wants_room_made(octets) {
        if shared.has_free.load(Ordering::Acquire) {
            free::free_some(shared)?;
        } else if shared.has_removed.load(Ordering::Acquire) {
            // Where the file can't grow, a large change would find no room itself.
            let most_octets = match shared.engine.was_full() {
                true => limits::COPIED_PAGES_OCTETS / 8,
                false => limits::FREED_OCTETS,
            };
            purge_about(shared, Reach::All, octets.min(most_octets))?;
        } else {
            break;
        }
        shared.look_for_room_again();
    }
    Ok(())
}

/// Gives what was removed while the clock was wrong its time, now that it is right; so too where a time is in the
/// future.
pub(super) fn date(shared: &Shared, now: UnixTime) -> Result<(), StoreError> {
    let is_dated = |at: UnixTime| at.0 > 0 && at <= now;
    let all_dated = shared.engine.read(|transaction| {
        for entry in transaction.open_table(REMOVED)?.iter()? {
            let (key, stored) = entry?;
            if !is_dated(schema::decode::<Tombstone>(&REMOVED, key.value(), stored.value())?.at) {
                return Ok(false);
            }
        }
        for entry in transaction.open_table(GONE)?.iter()? {
            let (key, stored) = entry?;
            if !is_dated(schema::decode::<GoneRecord>(&GONE, key.value(), stored.value())?.at) {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    match all_dated {
        true => Ok(()),
        false => shared.engine.write(Sync::Later, |transaction| date_all(transaction, now)),
    }
}

/// [`date`] in a transaction that is under way.
pub(super) fn date_all(transaction: &WriteTransaction, now: UnixTime) -> Result<(), Fault> {
    let is_undated = |at: UnixTime| at.0 == 0 || at > now;
    let mut removed = transaction.open_table(REMOVED)?;
    let mut undated = Vec::new();
    for entry in removed.iter()? {
        let (key, stored) = entry?;
        let tombstone: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
        if is_undated(tombstone.at) {
            undated.push((key.value(), Tombstone { at: now, since: now, ..tombstone }));
        }
    }
    for (key, tombstone) in undated {
        removed.insert(key, schema::encode(&REMOVED, key, &tombstone)?.as_slice())?;
    }
    let mut gone = transaction.open_table(GONE)?;
    let mut undated = Vec::new();
    for entry in gone.iter()? {
        let (key, stored) = entry?;
        let record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        if is_undated(record.at) {
            undated.push(GoneRecord { at: now, ..record });
        }
    }
    for record in undated {
        put_gone(&mut gone, record.mailbox.id, &record)?;
    }
    Ok(())
}

fn step(transaction: &WriteTransaction, queue: &Queue, reach: Reach, octets: u64) -> Result<Step, Fault> {
    let mut purged = Tally::default();
    let mut is_more = queue.oldest.len() < queue.count;
    let mut done = 0;
    for ranked in &queue.oldest {
        let most = Most { rows: limits::PURGED_ROWS, octets }.less(purged);
        if !reach.includes(*ranked) || most.is_met_by(Tally::default()) {
            is_more = reach.includes(*ranked);
            break;
        }
        let (now_purged, is_done) = match ranked.grave {
            Grave::Messages(key) => purge_messages(transaction, key, most)?,
            Grave::Mailbox(id) => purge_mailbox(transaction, id, most)?,
        };
        purged.add(now_purged);
        if !is_done {
            is_more = true;
            break;
        }
        done += 1;
    }
    let has_free = transaction.open_table(schema::FREE)?.first()?.is_some();
    Ok(Step { purged, is_more, is_left: done < queue.count, has_free })
}

/// How much one call purges; the row that passes the octets is purged too.
#[derive(Debug, Clone, Copy)]
struct Most {
    rows: usize,
    octets: u64,
}

impl Most {
    /// Whether a call may do so much and no more.
    fn is_met_by(self, tally: Tally) -> bool {
        tally.messages as usize >= self.rows || tally.octets >= self.octets
    }

    fn less(self, tally: Tally) -> Most {
        Most {
            rows: self.rows.saturating_sub(tally.messages as usize),
            octets: self.octets.saturating_sub(tally.octets),
        }
    }
}

/// Purges so much of one tombstone; says whether that was all of it.
fn purge_messages(transaction: &WriteTransaction, key: u64, most: Most) -> Result<(Tally, bool), Fault> {
    let mut removed = transaction.open_table(REMOVED)?;
    let stored = removed.get(key)?.map(|stored| stored.value().to_vec());
    let Some(stored) = stored else { return Ok((Tally::default(), true)) };
    let mut tombstone: Tombstone = schema::decode(&REMOVED, key, &stored)?;
    let mailbox = schema::key_mailbox(key);
    let mut mail = transaction.open_table(MAIL)?;
    let mut purged = Tally::default();
    let mut runs = Vec::new();
    for run in std::mem::take(&mut tombstone.runs) {
        if most.is_met_by(purged) {
            runs.push(run);
            continue;
        }
        let doomed = first_rows(&mail, mailbox, run, most.less(purged))?;
        if let (true, Some(last)) = (doomed.is_cut, doomed.rows.last()) {
            runs.push((schema::key_uid(last.key).0 + 1, run.1));
        }
        purged.add(take_out(transaction, &mut mail, doomed.rows)?);
    }
    tombstone.tally.take(purged);
    tombstone.runs = runs;
    let is_done = tombstone.runs.is_empty();
    if is_done {
        removed.remove(key)?;
    } else {
        removed.insert(key, schema::encode(&REMOVED, key, &tombstone)?.as_slice())?;
    }
    if let Some(mut counters) = read_counters(&mail, mailbox)? {
        note_purged(&mut counters, purged.messages, tombstone.at);
        if rising(&REMOVED, &removed, schema::removed_range(mailbox))?.next().transpose()?.is_none() {
            counters.removed_span = (0, 0);
        }
        write_counters(&mut mail, mailbox, &counters)?;
    } else {
        drop(mail);
        note_in_grave(transaction, mailbox, |record| {
            note_purged(&mut record.counters, purged.messages, tombstone.at);
        })?;
    }
    Ok((purged, is_done))
}

/// Purges so much of a removed mailbox, and what is left of it behind the last row; says whether that was all.
fn purge_mailbox(transaction: &WriteTransaction, id: MailboxId, most: Most) -> Result<(Tally, bool), Fault> {
    let mut mail = transaction.open_table(MAIL)?;
    let doomed = first_rows(&mail, id, super::removed_rows::ALL_UIDS, most)?;
    let is_cut = doomed.is_cut;
    let purged = take_out(transaction, &mut mail, doomed.rows)?;
    if is_cut {
        note_in_grave(transaction, id, |record| {
            record.counters.live.take(purged);
            note_purged(&mut record.counters, purged.messages, record.at);
        })?;
    } else {
        transaction.open_table(GONE)?.remove(u64::from(id.0))?;
    }
    Ok((purged, !is_cut))
}

fn note_in_grave(
    transaction: &WriteTransaction,
    id: MailboxId,
    note: impl FnOnce(&mut GoneRecord),
) -> Result<(), Fault> {
    let mut gone = transaction.open_table(GONE)?;
    let key = u64::from(id.0);
    let stored = gone.get(key)?.map(|stored| stored.value().to_vec());
    let Some(stored) = stored else { return Ok(()) };
    let mut record: GoneRecord = schema::decode(&GONE, key, &stored)?;
    note(&mut record);
    put_gone(&mut gone, id, &record)
}

struct Doomed {
    rows: Vec<DoomedRow>,
    /// Whether more rows follow.
    is_cut: bool,
}

struct DoomedRow {
    key: u64,
    blob: BlobId,
    body: FreeBody,
    tally: Tally,
}

/// The first rows of a run, up to so much.
fn first_rows(
    mail: &impl ReadableTable<u64, &'static [u8]>,
    mailbox: MailboxId,
    run: (u32, u32),
    most: Most,
) -> Result<Doomed, Fault> {
    let mut doomed = Doomed { rows: Vec::new(), is_cut: false };
    let mut sum = Tally::default();
    for entry in rising(&MAIL, mail, schema::mail_run(mailbox, run))? {
        if most.is_met_by(sum) {
            doomed.is_cut = true;
            break;
        }
        let (key, stored) = entry?;
        let row: MailRow = schema::decode(&MAIL, key.value(), stored.value())?;
        sum.add(Tally::of(&row));
        doomed.rows.push(DoomedRow {
            key: key.value(),
            blob: BlobId(row.blob),
            body: FreeBody {
                chunks: row.chunks,
                octets: u64::from(row.octets).saturating_sub(row.prefix.len() as u64),
            },
            tally: Tally::of(&row),
        });
    }
    Ok(doomed)
}

fn take_out(
    transaction: &WriteTransaction,
    mail: &mut redb::Table<'_, u64, &'static [u8]>,
    rows: Vec<DoomedRow>,
) -> Result<Tally, Fault> {
    let mut sum = Tally::default();
    for row in rows {
        mail.remove(row.key)?;
        free::release(transaction, row.blob, row.body)?;
        sum.add(row.tally);
    }
    Ok(sum)
}
