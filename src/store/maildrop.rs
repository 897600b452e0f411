//! A mailbox's messages: told, found, removed.

use std::collections::BTreeSet;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::blob::{BlobId, Chunk, chunk_key, open_chunk};
use super::engine::Fault;
use super::error::StoreError;
use super::schema::{self, CHUNKS, MAIL, MailRow};
use super::upload::{read_counters, write_counters};
use super::{MessageRow, Opened, Snapshot, free};
use crate::mail::{MailboxId, MailboxMark, MessageId, Uid};

/// Uids and sizes of all messages. Errs with [`StoreError::Damaged`] if they disagree with the counters.
pub(super) fn snapshot(transaction: &ReadTransaction, mailbox: MailboxId) -> Result<Snapshot, Fault> {
    let (mark, rows) = rows(transaction, mailbox)?;
    Ok(Snapshot { mark, messages: rows.into_iter().map(|row| (row.uid, row.octets)).collect() })
}

/// All messages of a mailbox, proven against its counters so that a damaged file never shows a shorter
/// maildrop: a client would forget what it has seen.
pub(super) fn rows(
    transaction: &ReadTransaction,
    mailbox: MailboxId,
) -> Result<(MailboxMark, Vec<MessageRow>), Fault> {
    let mail = transaction.open_table(MAIL)?;
    let counters = read_counters(&mail, mailbox)?
        .ok_or_else(|| StoreError::NotFound("the mailbox has been removed".into()))?;
    let mut rows = Vec::with_capacity(counters.messages as usize);
    let mut octets = 0;
    for entry in mail.range(schema::mail_range(mailbox))? {
        let (key, stored) = entry?;
        let row: MailRow = schema::decode(&MAIL, key.value(), stored.value())?;
        octets += u64::from(row.octets);
        rows.push(MessageRow {
            uid: schema::key_uid(key.value()),
            octets: row.octets,
            received: row.received,
        });
    }
    if rows.len() != counters.messages as usize || octets != counters.octets {
        return Err(schema::damaged(&MAIL, "a mailbox has not the messages that it counts").into());
    }
    Ok((counters.mark, rows))
}

/// Finds a message and reads its first chunk; none if it has been removed.
pub(super) fn open_message(
    transaction: &ReadTransaction,
    message: MessageId,
) -> Result<Option<Opened>, Fault> {
    let key = schema::mail_key(message);
    let mail = transaction.open_table(MAIL)?;
    let Some(stored) = mail.get(key)? else {
        // Removed, or out of reach in a damaged tree: only a walk and the counters tell.
        for entry in mail.range(schema::mail_range(message.mailbox))? {
            if entry?.0.value() == key {
                return Err(schema::damaged(&MAIL, "a listed message can't be reached").into());
            }
        }
        return match rows(transaction, message.mailbox) {
            Err(fault) if !matches!(fault.error, StoreError::NotFound(_)) => Err(fault),
            _ => Ok(None),
        };
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
    }))
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

/// Removes messages; those that are gone already are passed over.
pub(super) fn remove(transaction: &WriteTransaction, mailbox: MailboxId, uids: &[Uid]) -> Result<(), Fault> {
    let mut mail = transaction.open_table(MAIL)?;
    let Some(mut counters) = read_counters(&mail, mailbox)? else { return Ok(()) };
    let mut doomed = Vec::with_capacity(uids.len());
    let uids: BTreeSet<Uid> = uids.iter().copied().collect();
    for uid in uids {
        let key = schema::mail_key(MessageId { mailbox, uid });
        if let Some(stored) = mail.get(key)? {
            let row: MailRow = schema::decode(&MAIL, key, stored.value())?;
            doomed.push((key, BlobId(row.blob), row.chunks));
            counters.messages = counters.messages.saturating_sub(1);
            counters.octets = counters.octets.saturating_sub(u64::from(row.octets));
        }
    }
    for &(key, blob, chunks) in &doomed {
        mail.remove(key)?;
        free::release(transaction, blob, chunks)?;
    }
    write_counters(&mut mail, mailbox, &counters)
}

/// Removes all messages of a mailbox, and its counters.
pub(super) fn remove_all(transaction: &WriteTransaction, mailbox: MailboxId) -> Result<(), Fault> {
    let mut mail = transaction.open_table(MAIL)?;
    let mut doomed = Vec::new();
    for entry in mail.range(schema::mail_range(mailbox))? {
        let (key, stored) = entry?;
        let row: MailRow = schema::decode(&MAIL, key.value(), stored.value()).map_err(Fault::fatal)?;
        doomed.push((key.value(), BlobId(row.blob), row.chunks));
    }
    for (key, blob, chunks) in doomed {
        mail.remove(key)?;
        free::release(transaction, blob, chunks)?;
    }
    mail.remove(schema::counters_key(mailbox))?;
    Ok(())
}
