//! A whole body becomes a message of each mailbox that it is for, and a row of the queue for each recipient elsewhere.

use std::sync::Arc;

use redb::WriteTransaction;

use super::blob::{BlobId, NewChunk, chunk_key};
use super::engine::Fault;
use super::error::StoreError;
use super::queue::{Effect, Fate, Filing, Ledger, Outbound, QueueState, Queued, Settlement, finding};
use super::schema::{
    self, CHUNKS, Counters, MAIL, MAILBOXES, MailRow, PENDING, QUEUE, QueueRecord, REFS, SharedBody, Tally,
};
use super::upload::{Delivery, Streamed, read_counters, write_counters};
use super::{Delivered, QueueId, Shared, accounts, free};
use crate::clock::UnixTime;
use crate::mail::{MailboxId, MessageId, Uid};

/// A whole body with what its rows need.
pub(super) struct Body {
    pub chunks: Vec<NewChunk>,
    /// What of it is in the file already.
    pub streamed: Option<Streamed>,
    pub octets: u64,
    pub received: UnixTime,
    /// Whether that time may be believed.
    pub is_sure: bool,
    /// Whether it is to be remembered as a time that has been.
    pub is_believed: bool,
    /// Whether it has octets beyond ASCII.
    pub is_8bit: bool,
}

/// A delivery to a mailbox that is there.
struct Owner<'a> {
    delivery: &'a Delivery,
    /// What RETR sends.
    octets: u32,
    /// Whether the quota allows it, or need not.
    is_allowed: bool,
}

impl Body {
    /// Finds all errors first, then writes; see [`super::writer::Job::asking`]. Settlements alone need no room.
    pub(super) fn file(
        &self,
        shared: &Arc<Shared>,
        transaction: &WriteTransaction,
        Filing { deliveries, outbound, settled }: Filing,
    ) -> Result<(Delivered, Effect), Fault> {
        let leaving = outbound.len();
        let is_for_nobody = deliveries.is_empty() && leaving == 0;
        if !is_for_nobody && !shared.has_room_for(self.rest_octets()) {
            return Err(StoreError::Full.into());
        }
        if let Some(streamed) = self.streamed {
            streamed.check(shared, transaction)?;
        }
        let owners = self.owners(transaction, &deliveries)?;
        let refused = match owners.is_empty() {
            _ if is_overtaken(transaction, &settled)? => Some(Delivered::NobodyLeft),
            _ if leaving > 0 => None,
            true => (!is_for_nobody || settled.is_empty()).then_some(Delivered::NobodyLeft),
            false => owners.iter().all(|owner| !owner.is_allowed).then_some(Delivered::Full),
        };
        let (blob, first_index) = match self.streamed {
            Some(streamed) => (streamed.blob, streamed.body.chunks),
            None => (shared.blobs.fresh(), 0),
        };
        let chunks = first_index + self.chunks.len() as u32;
        let is_queue_touched = refused.is_none() && (leaving > 0 || !settled.is_empty());
        // Mail for mailboxes alone never depends on the queue.
        let ledger = match is_queue_touched {
            true => Some(self.ledger(shared, transaction, (outbound, &settled), (blob, chunks))?),
            false => None,
        };
        let count = if refused.is_some() { 0 } else { owners.len() + leaving };
        if let Some(streamed) = self.streamed {
            transaction.open_table(PENDING)?.remove(streamed.blob.0)?;
            if count == 0 {
                free::enqueue(transaction, streamed.blob, streamed.body)?;
            }
        }
        if let Some(refused) = refused {
            return Ok((refused, Effect::default()));
        }
        if count > 0 {
            insert_chunks(transaction, blob, first_index, &self.chunks)?;
        }
        if count > 1 && chunks > 0 {
            let body = SharedBody { owners: count as u32, octets: self.octets };
            let body = schema::encode(&REFS, blob.0, &body).map_err(Fault::fatal)?;
            transaction.open_table(REFS)?.insert(blob.0, body.as_slice())?;
        }
        let to_warn = self.append_all(transaction, &owners, (blob, chunks))?;
        let effect = ledger.map(|ledger| ledger.write(transaction)).transpose()?;
        let delivered = Delivered::Stored { mailboxes: owners.len(), to_warn, leaving };
        Ok((delivered, effect.unwrap_or_default()))
    }

    /// What is to change in the queue.
    fn ledger(
        &self,
        shared: &Shared,
        transaction: &WriteTransaction,
        (outbound, settled): (Vec<Outbound>, &[Settlement]),
        body: (BlobId, u32),
    ) -> Result<Ledger, Fault> {
        let mut ledger = Ledger::open(transaction)?;
        for settlement in settled {
            ledger.settle(transaction, settlement, shared.removal_time())?;
        }
        for outbound in outbound {
            ledger.add(self.queued(outbound, ledger.next_id(), body), self.is_believed);
        }
        ledger.find_lanes(transaction)?;
        Ok(ledger)
    }

    fn queued(&self, outbound: Outbound, id: QueueId, (blob, chunks): (BlobId, u32)) -> QueueRecord {
        let queued = Queued {
            id,
            blob: blob.0,
            chunks,
            octets: self.octets + outbound.prefix.len() as u64,
            outbound,
            is_8bit: self.is_8bit,
            received: self.received,
            is_sure: self.is_sure,
            tries: 0,
            next: self.received,
            state: QueueState::Waiting,
            is_delay_told: false,
            unsure_sends: 0,
            last: None,
        };
        QueueRecord { queued, died: UnixTime(0) }
    }

    /// Puts a row behind each mailbox's last message; gives those whose users are to be warned.
    fn append_all(
        &self,
        transaction: &WriteTransaction,
        owners: &[Owner<'_>],
        (blob, chunks): (BlobId, u32),
    ) -> Result<Vec<MailboxId>, Fault> {
        let mut mail = transaction.open_table(MAIL)?;
        let mut to_warn = Vec::new();
        for Owner { delivery, octets, .. } in owners {
            let row = MailRow {
                blob: blob.0,
                octets: *octets,
                chunks,
                flags: if self.is_sure { 0 } else { schema::UNSURE },
                codec: 0,
                received: self.received,
                retrieved: UnixTime(0),
                surrogate_octets: delivery.surrogate_octets,
                prefix: &delivery.prefix,
            };
            if append(&mut mail, delivery, &row, self.is_believed)? {
                to_warn.push(delivery.mailbox);
            }
        }
        Ok(to_warn)
    }

    /// The mailboxes that are there, without those that have their warning already.
    fn owners<'a>(
        &self,
        transaction: &WriteTransaction,
        deliveries: &'a [Delivery],
    ) -> Result<Vec<Owner<'a>>, Fault> {
        let mail = transaction.open_table(MAIL)?;
        let mut owners = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let Some(counters) = read_counters(&mail, delivery.mailbox)? else {
                if accounts::has_number(&transaction.open_table(MAILBOXES)?, delivery.mailbox)? {
                    return Err(schema::damaged(&MAIL, "a mailbox has no counters").into());
                }
                continue;
            };
            if delivery.is_warning && counters.is_warned {
                continue;
            }
            let octets = self.octets_for(delivery)?;
            let messages = counters.live.messages.saturating_add(1);
            let in_all = counters.live.octets.saturating_add(octets.into());
            let is_allowed = delivery.is_warning || delivery.quota.allows(messages, in_all);
            owners.push(Owner { delivery, octets, is_allowed });
        }
        Ok(owners)
    }

    /// Octets that have not streamed in.
    fn rest_octets(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.octets().len() as u64).sum()
    }

    fn octets_for(&self, delivery: &Delivery) -> Result<u32, StoreError> {
        u32::try_from(self.octets + delivery.prefix.len() as u64)
            .map_err(|_| StoreError::Refused("the message is too long to be stored".into()))
    }
}

/// Whether anybody who is to come home waits no more.
fn is_overtaken(transaction: &WriteTransaction, settled: &[Settlement]) -> Result<bool, Fault> {
    for settlement in settled.iter().filter(|settlement| settlement.fate == Fate::Home) {
        let row = finding::row(&transaction.open_table(QUEUE)?, settlement.id)?;
        if row.is_none_or(|row| row.queued.state != QueueState::Waiting) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts chunks into the file.
pub(super) fn insert_chunks(
    transaction: &WriteTransaction,
    blob: BlobId,
    first_index: u32,
    chunks: &[NewChunk],
) -> Result<(), Fault> {
    let mut table = transaction.open_table(CHUNKS)?;
    for (index, chunk) in (first_index..).zip(chunks) {
        chunk.insert(&mut table, chunk_key(blob, index))?;
    }
    Ok(())
}

/// Puts a row behind a mailbox's last message; says whether its user is to be warned by now.
fn append(
    mail: &mut redb::Table<'_, u64, &'static [u8]>,
    delivery: &Delivery,
    row: &MailRow<'_>,
    is_believed: bool,
) -> Result<bool, Fault> {
    let mailbox = delivery.mailbox;
    let counters = read_counters(mail, mailbox)?
        .ok_or_else(|| Fault::fatal(schema::damaged(&MAIL, "counters have vanished")))?;
    let uid = Uid(counters.next_uid);
    let next_uid =
        counters.next_uid.checked_add(1).filter(|&next| next < schema::COUNTERS_UID.0).ok_or_else(|| {
            Fault::fatal(StoreError::Refused("the mailbox has no message number left".into()))
        })?;
    let key = schema::mail_key(MessageId { mailbox, uid });
    // Some of the mail is written by now: a mere refusal would commit that.
    mail.insert(key, schema::encode(&MAIL, key, row).map_err(Fault::fatal)?.as_slice())?;
    let mut live = counters.live;
    live.add(Tally::of(row));
    // Only here the quota is known, and only here a mailbox gets fuller: so here is seen that it was emptier.
    let is_over = |live: Tally| delivery.quota.warns_of(live.messages, live.octets);
    let is_warned = delivery.is_warning || counters.is_warned && is_over(counters.live);
    let counters = Counters {
        live,
        next_uid,
        newest_unix_seconds: counters.newest_unix_seconds.max(if is_believed { row.received.0 } else { 0 }),
        is_warned,
        ..counters
    };
    write_counters(mail, mailbox, &counters)?;
    Ok(!is_warned && is_over(live))
}
