//! Bodies that nobody has any more are freed in small batches, in idle time.

use std::sync::atomic::Ordering;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::Shared;
use super::blob::{BlobId, LARGEST_CHUNK_OCTETS, chunk_key};
use super::engine::{Fault, Sync};
use super::error::StoreError;
use super::schema::{self, CHUNKS, FREE, FreeBody, PENDING, REFS, SharedBody};
use crate::limits;

/// Gives one owner's claim on a body up; the last one puts it among those to be freed.
pub(super) fn release(transaction: &WriteTransaction, blob: BlobId, body: FreeBody) -> Result<(), Fault> {
    if body.chunks == 0 {
        return Ok(());
    }
    let mut refs = transaction.open_table(REFS)?;
    let shared: Option<SharedBody> = match refs.get(blob.0)? {
        Some(stored) => Some(schema::decode(&REFS, blob.0, stored.value()).map_err(Fault::fatal)?),
        None => None,
    };
    match shared {
        None | Some(SharedBody { owners: 0 | 1, .. }) => enqueue(transaction, blob, body),
        Some(SharedBody { owners: 2, .. }) => {
            refs.remove(blob.0)?;
            Ok(())
        }
        Some(SharedBody { owners, octets }) => {
            let shared = SharedBody { owners: owners - 1, octets };
            refs.insert(blob.0, schema::encode(&REFS, blob.0, &shared)?.as_slice())?;
            Ok(())
        }
    }
}

/// Puts a body among those to be freed.
pub(super) fn enqueue(transaction: &WriteTransaction, blob: BlobId, body: FreeBody) -> Result<(), Fault> {
    let mut free = transaction.open_table(FREE)?;
    free.insert(blob.0, schema::encode(&FREE, blob.0, &body)?.as_slice())?;
    Ok(())
}

/// Whether any body was streaming in when the database was last closed.
pub(super) fn has_orphans(transaction: &ReadTransaction) -> Result<bool, Fault> {
    Ok(!transaction.open_table(PENDING)?.is_empty()?)
}

/// Whether any body waits to be freed.
pub(super) fn has_free(transaction: &ReadTransaction) -> Result<bool, Fault> {
    Ok(!transaction.open_table(FREE)?.is_empty()?)
}

/// Octets of the bodies that wait to be freed, at most.
pub(super) fn waiting_octets(transaction: &ReadTransaction) -> Result<u64, Fault> {
    let mut octets = 0;
    for entry in transaction.open_table(FREE)?.iter()? {
        let (key, stored) = entry?;
        octets += schema::decode::<FreeBody>(&FREE, key.value(), stored.value())?.octets;
    }
    Ok(octets)
}

/// What shared bodies would be counted too often, if each row counted for itself.
pub(super) fn surplus_octets(transaction: &ReadTransaction) -> Result<u64, Fault> {
    let mut octets = 0;
    for entry in transaction.open_table(REFS)?.iter()? {
        let (key, stored) = entry?;
        let shared: SharedBody = schema::decode(&REFS, key.value(), stored.value())?;
        octets += shared.octets * u64::from(shared.owners.saturating_sub(1));
    }
    Ok(octets)
}

/// Puts every body that was streaming in among those to be freed: after a crash they are nobody's.
pub(super) fn collect_orphans(transaction: &WriteTransaction) -> Result<(), Fault> {
    let mut pending = transaction.open_table(PENDING)?;
    let orphans: Vec<u64> =
        pending.iter()?.map(|row| Ok(row?.0.value())).collect::<Result<_, redb::StorageError>>()?;
    for blob in orphans {
        let first = chunk_key(BlobId(blob), 0);
        let last = transaction
            .open_table(CHUNKS)?
            .range(first..chunk_key(BlobId(blob + 1), 0))?
            .next_back()
            .transpose()?
            .map(|(key, _)| key.value() - first);
        if let Some(last) = last {
            let chunks = last as u32 + 1;
            let octets = u64::from(chunks) * LARGEST_CHUNK_OCTETS as u64;
            enqueue(transaction, BlobId(blob), FreeBody { chunks, octets })?;
        }
        pending.remove(blob)?;
    }
    Ok(())
}

/// Frees one batch; the last one is synced, the others ride on it. Errs if it must be tried again later.
pub(super) fn free_some(shared: &Shared) -> Result<(), StoreError> {
    let waiting = shared.engine.read(|transaction| Ok(transaction.open_table(FREE)?.len()?))?;
    let sync = if waiting > limits::FREED_BLOBS as u64 { Sync::Later } else { Sync::OnePhase };
    let freed = shared.engine.write(sync, free_batch)?;
    let less = |live: u64| Some(live.saturating_sub(freed.octets));
    let _ = shared.live_octets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    shared.has_free.store(freed.is_more, Ordering::Release);
    Ok(())
}

/// What one batch has freed.
struct Freed {
    octets: u64,
    /// Whether more waits.
    is_more: bool,
}

/// Frees up to [`limits::FREED_BLOBS`] bodies or [`limits::FREED_OCTETS`]; a long body may take several
/// batches, its last chunks first.
fn free_batch(transaction: &WriteTransaction) -> Result<Freed, Fault> {
    let mut octets = 0;
    let mut free = transaction.open_table(FREE)?;
    let mut chunks_table = transaction.open_table(CHUNKS)?;
    let mut chunks_left = (limits::FREED_OCTETS / LARGEST_CHUNK_OCTETS as u64) as u32;
    for _ in 0..limits::FREED_BLOBS {
        let Some((blob, body)) = first_of(&free)? else { break };
        let now = body.chunks.min(chunks_left);
        let mut freed = 0;
        for index in (body.chunks - now..body.chunks).rev() {
            let removed = chunks_table.remove(chunk_key(blob, index))?;
            freed += removed.map_or(0, |chunk| chunk.value().len().saturating_sub(4) as u64);
        }
        octets += freed;
        chunks_left -= now;
        if now == body.chunks {
            free.remove(blob.0)?;
        } else {
            let left = FreeBody { chunks: body.chunks - now, octets: body.octets.saturating_sub(freed) };
            free.insert(blob.0, schema::encode(&FREE, blob.0, &left)?.as_slice())?;
        }
        if chunks_left == 0 {
            break;
        }
    }
    Ok(Freed { octets, is_more: free.first()?.is_some() })
}

fn first_of(free: &impl ReadableTable<u64, &'static [u8]>) -> Result<Option<(BlobId, FreeBody)>, Fault> {
    let Some((key, stored)) = free.first()? else { return Ok(None) };
    let body = schema::decode(&FREE, key.value(), stored.value())?;
    Ok(Some((BlobId(key.value()), body)))
}
