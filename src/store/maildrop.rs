//! A mailbox's messages: told, found, marked, removed.

use std::ops::ControlFlow;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::accounts;
use super::blob::{BlobId, Chunk, chunk_key, open_chunk};
use super::engine::Fault;
use super::error::StoreError;
use super::removed_rows::{self, ALL_UIDS, RemovedRows};
use super::schema::{
    self, CHUNKS, Counters, MAIL, MAILBOXES, MailRow, REMOVED, RETRIEVED_SOMETIME, Tally, Tombstone,
};
use super::upload::{read_counters, write_counters};
use super::{MessageRow, Opened, Snapshot};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{MailboxId, MessageId, Uid};

/// Uids and sizes of all messages. Errs with [`StoreError::Damaged`] if they disagree with the counters.
pub(super) fn snapshot(transaction: &ReadTransaction, mailbox: MailboxId) -> Result<Snapshot, Fault> {
    let mut messages = Vec::new();
    let mut surrogates = Vec::new();
    let counters = visit(transaction, mailbox, |counters, uid, row| {
        if messages.capacity() == 0 {
            messages.reserve_exact(counters.live.messages as usize);
        }
        messages.push((uid, row.octets));
        if row.surrogate_octets > 0 {
            surrogates.push((uid, row.surrogate_octets));
        }
    })?;
    Ok(Snapshot { mark: counters.mark, messages, surrogates })
}

/// All messages of a mailbox, proven as [`snapshot`] does.
pub(super) fn rows(transaction: &ReadTransaction, mailbox: MailboxId) -> Result<Vec<MessageRow>, Fault> {
    let mut rows = Vec::new();
    visit(transaction, mailbox, |_, uid, row| {
        rows.push(MessageRow {
            uid,
            octets: row.octets,
            received: row.received,
            is_retrieved: row.retrieved.0 > 0,
        });
    })?;
    Ok(rows)
}

/// Visits all messages of a mailbox and proves them against its counters, so that a damaged file never shows a
/// shorter maildrop: a client would forget what it has seen.
fn visit(
    transaction: &ReadTransaction,
    mailbox: MailboxId,
    mut see: impl FnMut(&Counters, Uid, &MailRow<'_>),
) -> Result<Counters, Fault> {
    let mail = transaction.open_table(MAIL)?;
    let counters = read_counters(&mail, mailbox)?
        .ok_or_else(|| StoreError::NotFound("the mailbox has been removed".into()))?;
    let removed_rows = RemovedRows::over(&transaction.open_table(REMOVED)?, mailbox, &counters, ALL_UIDS)?;
    let mut sum = Tally::default();
    removed_rows::visit_live(&mail, &removed_rows, mailbox, ALL_UIDS, |uid, row| {
        sum.add(Tally::of(row));
        see(&counters, uid, row);
        ControlFlow::Continue(())
    })?;
    if (sum.messages, sum.octets) != (counters.live.messages, counters.live.octets) {
        return Err(schema::damaged(&MAIL, "a mailbox has not the messages that it counts").into());
    }
    Ok(counters)
}

/// Finds a message and reads its first chunk; none if it has been removed.
pub(super) fn open_message(
    transaction: &ReadTransaction,
    message: MessageId,
) -> Result<Option<Opened>, Fault> {
    let key = schema::mail_key(message);
    let mail = transaction.open_table(MAIL)?;
    let Some(counters) = read_counters(&mail, message.mailbox)? else {
        return match accounts::has_number(&transaction.open_table(MAILBOXES)?, message.mailbox)? {
            true => Err(schema::damaged(&MAIL, "a mailbox has no counters").into()),
            false => Ok(None),
        };
    };
    if is_removed(transaction, &counters, message)? {
        return prove_absence(transaction, message);
    }
    let Some(stored) = mail.get(key)? else {
        // Purged, or out of reach in a damaged tree: only a walk and the counters tell.
        for entry in mail.range(schema::mail_range(message.mailbox))? {
            if entry?.0.value() == key {
                return Err(schema::damaged(&MAIL, "a listed message can't be reached").into());
            }
        }
        return prove_absence(transaction, message);
    };
    let row: MailRow = schema::decode(&MAIL, key, stored.value())?;
    if row.codec != 0 {
        return Err(StoreError::NewerSchema(
            "a message was coded by a newer poppet: install that one".into(),
        )
        .into());
    }
    let blob = BlobId(row.blob);
    let first = if row.chunks > 0 { Some(chunk(transaction, blob, 0)?) } else { None };
    Ok(Some(Opened {
        octets: u64::from(row.octets),
        prefix: row.prefix.to_vec(),
        first,
        blob,
        chunks: row.chunks,
        received: row.received,
        is_international: row.surrogate_octets > 0,
    }))
}

fn is_removed(transaction: &ReadTransaction, counters: &Counters, message: MessageId) -> Result<bool, Fault> {
    let run = (message.uid.0, message.uid.0);
    if !removed_rows::may_be_removed(counters, run) {
        return Ok(false);
    }
    let removed = transaction.open_table(REMOVED)?;
    Ok(RemovedRows::over(&removed, message.mailbox, counters, run)?.covers(message.uid.0))
}

/// None, unless the mailbox lacks messages: then nobody can say that this one was removed.
fn prove_absence(transaction: &ReadTransaction, message: MessageId) -> Result<Option<Opened>, Fault> {
    match visit(transaction, message.mailbox, |_, _, _| ()) {
        Err(fault) if !matches!(fault.error, StoreError::NotFound(_)) => Err(fault),
        _ => Ok(None),
    }
}

/// Finds several messages, up to about so many octets of first chunks, and ends before the first trouble.
pub(super) fn open_messages(
    transaction: &ReadTransaction,
    mailbox: MailboxId,
    uids: &[Uid],
    octets: usize,
) -> Vec<(Uid, Opened)> {
    let mut found = Vec::with_capacity(uids.len());
    let mut sum = 0;
    for &uid in uids {
        let Ok(Some(opened)) = open_message(transaction, MessageId { mailbox, uid }) else { break };
        sum += opened.first.as_ref().map_or(0, |chunk| chunk.0.len());
        found.push((uid, opened));
        if sum >= octets {
            break;
        }
    }
    found
}

/// One chunk, proven.
pub(super) fn chunk(transaction: &ReadTransaction, blob: BlobId, index: u32) -> Result<Chunk, Fault> {
    let key = chunk_key(blob, index);
    Ok(open_chunk(key, transaction.open_table(CHUNKS)?.get(key)?)?)
}

/// Removes messages, and tells how much that is; those that are gone already are passed over. Their rows and
/// bodies stay until they are purged; see [`Tombstone`].
pub(super) fn remove(
    transaction: &WriteTransaction,
    mailbox: MailboxId,
    uids: Vec<Uid>,
    at: UnixTime,
) -> Result<Tally, Fault> {
    let mut mail = transaction.open_table(MAIL)?;
    let Some(mut counters) = read_counters(&mail, mailbox)? else { return Ok(Tally::default()) };
    let mut removed = transaction.open_table(REMOVED)?;
    let tombstones = bury(&mail, &removed, mailbox, &counters, uids, at)?;
    let (first, joined) = join(&removed, mailbox, &tombstones)?;
    let mut sum = Tally::default();
    for (number, tombstone) in (first..).zip(&tombstones) {
        let key = schema::mail_key(MessageId { mailbox, uid: Uid(number) });
        let stored = joined.as_ref().unwrap_or(tombstone);
        removed.insert(key, schema::encode(&REMOVED, key, stored)?.as_slice())?;
        sum.add(tombstone.tally);
        if let (Some(first), Some(last)) = (tombstone.runs.first(), tombstone.runs.last()) {
            counters.removed_span = match counters.removed_span {
                (_, 0) => (first.0, last.1),
                span => (span.0.min(first.0), span.1.max(last.1)),
            };
        }
    }
    if sum.messages > 0 {
        counters.live.take(sum);
        write_counters(&mut mail, mailbox, &counters)?;
    }
    Ok(sum)
}

/// The number under which the first of these tombstones is to be stored; and where there is only one, and the last
/// that is stored is hardly older, what both are together: who fetches his mail each minute must not leave a
/// tombstone each minute, for every logon reads them all.
fn join(
    removed: &impl ReadableTable<u64, &'static [u8]>,
    mailbox: MailboxId,
    tombstones: &[Tombstone],
) -> Result<(u32, Option<Tombstone>), Fault> {
    let Some(last) = removed.range(schema::removed_range(mailbox))?.next_back() else { return Ok((0, None)) };
    let (key, stored) = last?;
    let number = schema::key_uid(key.value()).0;
    let mut last: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
    match tombstones {
        [new] if last.can_take(new) => {
            last.take(new);
            Ok((number, Some(last)))
        }
        _ => Ok((number + 1, None)),
    }
}

/// The tombstones of those of the messages that are there, each of a bounded number of runs.
fn bury(
    mail: &impl ReadableTable<u64, &'static [u8]>,
    removed: &impl ReadableTable<u64, &'static [u8]>,
    mailbox: MailboxId,
    counters: &Counters,
    uids: Vec<Uid>,
    at: UnixTime,
) -> Result<Vec<Tombstone>, Fault> {
    let uids = sorted(uids);
    let (Some(&first), Some(&last)) = (uids.first(), uids.last()) else { return Ok(Vec::new()) };
    let removed_rows = RemovedRows::over(removed, mailbox, counters, (first, last))?;
    let mut burial = Burial { at, tombstones: Vec::new() };
    if (last - first) as usize / 4 < uids.len() {
        let mut wanted = uids.into_iter().peekable();
        removed_rows::visit_live(mail, &removed_rows, mailbox, (first, last), |uid, row| {
            while wanted.next_if(|&wanted| wanted < uid.0).is_some() {}
            if wanted.next_if_eq(&uid.0).is_some() {
                burial.add(uid.0, Tally::of(row));
            }
            ControlFlow::Continue(())
        })?;
        return Ok(burial.tombstones);
    }
    for uid in uids.into_iter().filter(|&uid| !removed_rows.covers(uid)) {
        let key = schema::mail_key(MessageId { mailbox, uid: Uid(uid) });
        if let Some(stored) = mail.get(key)? {
            burial.add(uid, Tally::of(&schema::decode(&MAIL, key, stored.value())?));
        }
    }
    Ok(burial.tombstones)
}

/// The uids that messages can have, each once, rising.
fn sorted(uids: Vec<Uid>) -> Vec<u32> {
    let mut uids: Vec<u32> = uids.into_iter().map(|uid| uid.0).filter(|&uid| uid <= ALL_UIDS.1).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

struct Burial {
    at: UnixTime,
    tombstones: Vec<Tombstone>,
}

impl Burial {
    /// Adds a message behind those before it.
    fn add(&mut self, uid: u32, tally: Tally) {
        if let Some(tombstone) = self.tombstones.last_mut() {
            let is_full = tombstone.runs.len() >= limits::RUNS_PER_TOMBSTONE;
            match tombstone.runs.last_mut() {
                Some(run) if run.1 + 1 == uid => run.1 = uid,
                _ if is_full => return self.begin(uid, tally),
                _ => tombstone.runs.push((uid, uid)),
            }
            tombstone.tally.add(tally);
        } else {
            self.begin(uid, tally);
        }
    }

    fn begin(&mut self, uid: u32, tally: Tally) {
        self.tombstones.push(Tombstone { at: self.at, since: self.at, runs: vec![(uid, uid)], tally });
    }
}

/// Notes that messages were retrieved, where that was not known yet; writes only what is new. `at` is 0 where
/// the clock is wrong.
pub(super) fn mark_retrieved(
    transaction: &WriteTransaction,
    mailbox: MailboxId,
    uids: Vec<Uid>,
    at: UnixTime,
) -> Result<(), Fault> {
    let at = at.max(RETRIEVED_SOMETIME);
    let mut mail = transaction.open_table(MAIL)?;
    let Some(mut counters) = read_counters(&mail, mailbox)? else { return Ok(()) };
    let uids = sorted(uids);
    let (Some(&first), Some(&last)) = (uids.first(), uids.last()) else { return Ok(()) };
    let removed_rows =
        RemovedRows::over(&transaction.open_table(REMOVED)?, mailbox, &counters, (first, last))?;
    let mut changed = Vec::new();
    for uid in uids.into_iter().filter(|&uid| !removed_rows.covers(uid)) {
        let key = schema::mail_key(MessageId { mailbox, uid: Uid(uid) });
        let Some(stored) = mail.get(key)? else { continue };
        let row: MailRow = schema::decode(&MAIL, key, stored.value())?;
        if row.retrieved < at && row.retrieved <= RETRIEVED_SOMETIME {
            counters.live.retrieved += u32::from(row.retrieved.0 == 0);
            changed.push((key, schema::encode(&MAIL, key, &MailRow { retrieved: at, ..row })?));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    for (key, row) in changed {
        mail.insert(key, row.as_slice())?;
    }
    write_counters(&mut mail, mailbox, &counters)
}
