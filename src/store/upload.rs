//! A body on its way into the store: gathered in memory, streamed into the file when it is long.

mod front;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{ReadableTable, WriteTransaction};

use super::blob::{self, BlobId, CHUNKS_PER_BLOB, LARGEST_CHUNK_OCTETS, NewChunk, chunk_octets};
use super::body::{Body, insert_chunks};
use super::budget::Permit;
use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::queue::Filing;
use super::schema::{self, Counters, FreeBody, MAIL, PENDING};
use super::writer::Job;
use super::{Delivered, Shared, Store, free};
use crate::limits;
use crate::mail::MailboxId;
use crate::settings::Quota;

/// A body on its way into the store; dropped before [`Upload::finish`] or [`Upload::file`], nothing of it stays.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    /// Full chunks that are not in the file yet.
    full: Vec<NewChunk>,
    /// What comes behind them; its capacity is that of a chunk of some size.
    tail: Vec<u8>,
    /// For `full` and the capacity of `tail`.
    permit: Option<Permit>,
    /// Where the chunks before `full` stream to.
    streamed: Option<Streamed>,
    octets: u64,
    /// Whether any of them is beyond ASCII.
    is_8bit: bool,
}

/// What of a body is in the file already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streamed {
    pub blob: BlobId,
    pub body: FreeBody,
    /// Of the engine, when the first chunk went in: unsynced chunks don't outlive a reopening.
    generation: u64,
}

/// To whom a body goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// What stands before the body for this recipient alone.
    pub prefix: Vec<u8>,
    /// Octets, with the prefix, that RETR sends of an international mail to a client that can't read it; 0 for any
    /// other mail. RFC 6858.
    pub surrogate_octets: u32,
    /// How much the mailbox may hold.
    pub quota: Quota,
    /// Whether this is the mail that warns its user of that: it is stored whatever the mailbox holds, and a further one
    /// is left out, as if the mailbox had been removed, until other mail has found the mailbox emptier.
    pub is_warning: bool,
}

impl Delivery {
    /// A delivery of plain mail to a mailbox without bounds.
    pub fn to(mailbox: MailboxId, prefix: Vec<u8>) -> Delivery {
        Delivery { mailbox, prefix, surrogate_octets: 0, quota: Quota::default(), is_warning: false }
    }
}

/// The sizes that a growing buffer takes: each fills a chunk of its own, if it must leave early.
const BUFFER_OCTETS: [usize; 3] = [chunk_octets(0), chunk_octets(2), LARGEST_CHUNK_OCTETS];

/// Octets of a row of the queue with its indexes, roughly.
const QUEUE_ROW_OCTETS: usize = 512;

impl Upload {
    pub(super) fn new(store: Store) -> Upload {
        Upload {
            store,
            full: Vec::new(),
            tail: Vec::new(),
            permit: None,
            streamed: None,
            octets: 0,
            is_8bit: false,
        }
    }

    /// Takes the next octets of the body. Waits while the memory for bodies in flight is used up, and while
    /// a long body streams into the file. Errs if the file can't be written; the body is lost then.
    pub async fn push(&mut self, mut octets: &[u8]) -> Result<(), StoreError> {
        while !octets.is_empty() {
            if self.tail.len() == self.tail.capacity() {
                self.make_room().await?;
            }
            let taken = octets.len().min(self.tail.capacity() - self.tail.len());
            self.tail.extend_from_slice(&octets[..taken]);
            self.is_8bit |= !octets[..taken].is_ascii();
            self.octets += taken as u64;
            octets = &octets[taken..];
        }
        Ok(())
    }

    /// Whether others wait for memory while this body holds more than the least.
    pub fn is_in_the_way(&self) -> bool {
        self.permit.as_ref().is_some_and(|permit| permit.octets() > BUFFER_OCTETS[0])
            && self.store.shared.budget.is_wanted()
    }

    /// Writes what it holds into the file, so that others have the memory: for who sends slowly or not at
    /// all. Errs as [`Upload::push`] does.
    pub async fn give_way(&mut self) -> Result<(), StoreError> {
        let tail = std::mem::take(&mut self.tail);
        self.full.extend((!tail.is_empty()).then(|| NewChunk::whole(tail)));
        let written = if self.full.is_empty() { Ok(()) } else { self.stream_out().await };
        // The tail's memory was for more than it held.
        self.permit = None;
        written
    }

    /// Makes the message durable for all recipients, or for none: those mailboxes that have been removed
    /// meanwhile are left out; [`Delivered::Full`] where no mailbox may hold it. Errs with [`StoreError::Full`] below
    /// the disk reserve.
    pub fn finish(self, deliveries: Vec<Delivery>) -> Ask<Delivered> {
        self.file(Filing { deliveries, ..Filing::default() })
    }

    /// Makes the body durable for all that is in `filing`, and settles what it says, in one commit; or nothing of it. The
    /// rules for mailboxes are those of [`Upload::finish`]; where anything leaves, a copy for a full mailbox is stored
    /// all the same, as it is beside one that has room. A filing that only settles needs no room; any other errs with
    /// [`StoreError::Full`] below the disk reserve.
    pub fn file(mut self, filing: Filing) -> Ask<Delivered> {
        let mut chunks = std::mem::take(&mut self.full);
        chunks.extend(blob::cut(std::mem::take(&mut self.tail)));
        let streamed = self.streamed.take();
        let permit = self.permit.take();
        let octets: usize = chunks.iter().map(|chunk| chunk.octets().len()).sum();
        let shared = Arc::clone(&self.store.shared);
        let body = Body {
            chunks,
            streamed,
            octets: self.octets,
            received: self.store.clock.now(),
            is_sure: !self.store.clock.is_suspect(),
            is_believed: shared.believed_now().is_some(),
            is_8bit: self.is_8bit,
        };
        let whole_octets = self.octets;
        let counted = Arc::clone(&shared);
        let rows_octets = (filing.outbound.len() + filing.settled.len()) * QUEUE_ROW_OCTETS;
        let (mut job, ask) = Job::telling(
            octets + rows_octets,
            move |transaction| {
                let filed = body.file(&shared, transaction, filing);
                if let (Err(fault), Some(streamed)) = (&filed, body.streamed)
                    && fault.is_refusal()
                {
                    streamed.give_up(&shared, transaction)?;
                }
                drop(permit);
                filed
            },
            move |(delivered, effect)| {
                match delivered {
                    Delivered::Stored { mailboxes: 0, leaving: 0, .. }
                    | Delivered::NobodyLeft
                    | Delivered::Full => counted.has_free.store(true, Ordering::Release),
                    Delivered::Stored { .. } => {
                        counted.messages.fetch_add(1, Ordering::Relaxed);
                        counted.message_octets.fetch_add(whole_octets, Ordering::Relaxed);
                        counted.live_octets.fetch_add(octets as u64, Ordering::Relaxed);
                    }
                }
                counted.queue.apply(&counted, effect);
                delivered
            },
        );
        job.room_octets = octets as u64;
        self.store.send(job);
        ask
    }

    /// Makes room in the tail for at least one octet more.
    async fn make_room(&mut self) -> Result<(), StoreError> {
        if self.tail.capacity() >= LARGEST_CHUNK_OCTETS {
            self.full.push(NewChunk::whole(std::mem::take(&mut self.tail)));
            if self.full.len() >= limits::BUFFERED_BODY_OCTETS / LARGEST_CHUNK_OCTETS {
                self.stream_out().await?;
            }
        }
        let is_long = self.octets >= LARGEST_CHUNK_OCTETS as u64;
        let larger = BUFFER_OCTETS.into_iter().find(|&octets| !is_long && octets > self.tail.capacity());
        let wanted = larger.unwrap_or(LARGEST_CHUNK_OCTETS);
        let more = wanted - self.tail.capacity();
        let permit = match self.store.shared.budget.try_take(more) {
            Some(permit) => permit,
            // With something to write out, memory comes from there: who holds some never waits for
            // more, so nobody waits for ever.
            None if !self.full.is_empty() || !self.tail.is_empty() => {
                let tail = std::mem::take(&mut self.tail);
                self.full.extend((!tail.is_empty()).then(|| NewChunk::whole(tail)));
                self.stream_out().await?;
                return self.begin_again().await;
            }
            None => return self.begin_again().await,
        };
        self.tail.reserve_exact(wanted - self.tail.len());
        self.hold(permit);
        Ok(())
    }

    /// An empty tail of the smallest size, as soon as there is memory for it.
    async fn begin_again(&mut self) -> Result<(), StoreError> {
        let permit = self.store.shared.budget.take(BUFFER_OCTETS[0]).await?;
        self.tail = Vec::with_capacity(BUFFER_OCTETS[0]);
        self.hold(permit);
        Ok(())
    }

    fn hold(&mut self, permit: Permit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }

    /// Writes the full chunks into the file without a sync, and gives their memory back.
    async fn stream_out(&mut self) -> Result<(), StoreError> {
        let chunks = std::mem::take(&mut self.full);
        let octets: usize = chunks.iter().map(|chunk| chunk.octets().len()).sum();
        if !self.store.shared.has_space_for(octets as u64) {
            return Err(StoreError::Full);
        }
        let permit = self.permit.as_mut().map(|permit| permit.split(octets));
        let shared = Arc::clone(&self.store.shared);
        let streamed = self.streamed.get_or_insert_with(|| Streamed {
            blob: shared.blobs.fresh(),
            body: FreeBody { chunks: 0, octets: 0 },
            generation: shared.engine.generation(),
        });
        let from = *streamed;
        streamed.body.chunks += chunks.len() as u32;
        streamed.body.octets += octets as u64;
        if streamed.body.chunks >= CHUNKS_PER_BLOB {
            return Err(StoreError::Refused("the message is too long to be stored".into()));
        }
        let counted = Arc::clone(&shared);
        let (mut job, ask) = Job::asking(
            octets,
            move |transaction| {
                from.check(&shared, transaction)?;
                if !shared.has_room_for(octets as u64) {
                    return Err(StoreError::Full.into());
                }
                transaction.open_table(PENDING)?.insert(from.blob.0, &[][..])?;
                insert_chunks(transaction, from.blob, from.body.chunks, &chunks)?;
                drop(permit);
                Ok(())
            },
            move |()| {
                counted.live_octets.fetch_add(octets as u64, Ordering::Relaxed);
            },
        );
        job.is_durable = false;
        job.room_octets = octets as u64;
        self.store.send(job);
        ask.await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(streamed) = self.streamed.take() else { return };
        let shared = Arc::clone(&self.store.shared);
        let (mut job, _) = Job::asking(0, move |transaction| streamed.give_up(&shared, transaction), |()| ());
        job.is_durable = false;
        self.store.send(job);
    }
}

impl Streamed {
    /// Puts what came in so far among the bodies to be freed.
    fn give_up(&self, shared: &Shared, transaction: &WriteTransaction) -> Result<(), Fault> {
        if transaction.open_table(PENDING)?.remove(self.blob.0)?.is_some() {
            free::enqueue(transaction, self.blob, self.body)?;
            shared.has_free.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Errs if the database was reopened since, or what came in so far was collected as nobody's: chunks that
    /// were not synced are gone then.
    pub(super) fn check(&self, shared: &Shared, transaction: &WriteTransaction) -> Result<(), Fault> {
        let is_there = self.body.chunks == 0 || transaction.open_table(PENDING)?.get(self.blob.0)?.is_some();
        if is_there && self.generation == shared.engine.generation() {
            return Ok(());
        }
        Err(reopened().into())
    }
}

fn reopened() -> StoreError {
    StoreError::Io("the database was reopened while the message came in".into())
}

/// A mailbox's counters; none if it has been removed.
pub(super) fn read_counters(
    mail: &impl ReadableTable<u64, &'static [u8]>,
    mailbox: MailboxId,
) -> Result<Option<Counters>, Fault> {
    let key = schema::counters_key(mailbox);
    let Some(stored) = mail.get(key)? else { return Ok(None) };
    Ok(Some(schema::decode(&MAIL, key, stored.value())?))
}

/// Writes a mailbox's counters.
pub(super) fn write_counters(
    mail: &mut redb::Table<'_, u64, &'static [u8]>,
    mailbox: MailboxId,
    counters: &Counters,
) -> Result<(), Fault> {
    let key = schema::counters_key(mailbox);
    mail.insert(key, schema::encode(&MAIL, key, counters).map_err(Fault::fatal)?.as_slice())?;
    Ok(())
}
