//! Bodies: cut into chunks that fill redb's pages, each with a checksum of its own.
//!
//! redb gives a value that is larger than a page a leaf of its own of 2^k pages, and 16 octets of it are the
//! leaf's. A cut at 16 KiB would cost 1.9 times the space, a fitted one costs 1.05 (storage lab §1).

use std::ops::Range;

use super::error::StoreError;
use super::schema;

/// A body's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobId(pub u64);

/// A piece of a body, proven by its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk(pub Vec<u8>);

/// Octets of a chunk that fills 2^k pages: the leaf's 16 and the checksum's 4 go off.
pub(super) const fn chunk_octets(k: u32) -> usize {
    (PAGE_OCTETS << k) - 20
}

/// The largest chunk: 16 pages.
pub(super) const LARGEST_CHUNK_OCTETS: usize = chunk_octets(LARGEST_K);

const PAGE_OCTETS: usize = 4096;
const LARGEST_K: u32 = 4;
/// So much of a page may stay empty before a body's rest is cut again.
const WASTE_OCTETS: usize = 4096;

/// The key of a chunk.
pub(super) fn chunk_key(blob: BlobId, index: u32) -> u64 {
    blob.0 << INDEX_BITS | u64::from(index)
}

/// The body in the key of a chunk.
pub(super) fn blob_of(key: u64) -> BlobId {
    BlobId(key >> INDEX_BITS)
}

/// How many chunks a body can have: enough for 2 GiB in the smallest ones.
pub(super) const CHUNKS_PER_BLOB: u32 = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 24;

/// A chunk on its way into the file, with the checksum of its octets.
#[derive(Debug)]
pub(super) struct NewChunk {
    octets: Vec<u8>,
    range: Range<usize>,
    crc: u32,
}

impl NewChunk {
    /// One chunk of all these octets.
    pub(super) fn whole(octets: Vec<u8>) -> NewChunk {
        let crc = crc32fast::hash(&octets);
        NewChunk { range: 0..octets.len(), octets, crc }
    }

    /// The octets.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[self.range.clone()]
    }

    /// Writes the chunk with its checksum into the table.
    pub(super) fn insert(
        &self,
        table: &mut redb::Table<'_, u64, &'static [u8]>,
        key: u64,
    ) -> Result<(), redb::StorageError> {
        let octets = self.octets();
        let mut place = table.insert_reserve(key, octets.len() + 4)?;
        let place: &mut [u8] = place.as_mut();
        place[..octets.len()].copy_from_slice(octets);
        place[octets.len()..].copy_from_slice(&schema::bind(self.crc, &schema::CHUNKS, key));
        Ok(())
    }
}

/// Cuts the rest of a body: one chunk if that wastes at most a page, else the largest full one, and again.
pub(super) fn cut(rest: Vec<u8>) -> Vec<NewChunk> {
    let ranges = cut_ranges(rest.len());
    if ranges.len() <= 1 {
        return ranges.into_iter().map(|_| NewChunk::whole(rest.clone())).collect();
    }
    ranges.into_iter().map(|range| NewChunk::whole(rest[range].to_vec())).collect()
}

fn cut_ranges(octets: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while from < octets {
        let rest = octets - from;
        let length = if fits_well(rest) { rest } else { largest_full(rest) };
        ranges.push(from..from + length);
        from += length;
    }
    ranges
}

/// Whether these octets as one chunk waste at most [`WASTE_OCTETS`].
fn fits_well(octets: usize) -> bool {
    (0..=LARGEST_K)
        .map(chunk_octets)
        .find(|&full| full >= octets)
        .is_some_and(|full| full - octets <= WASTE_OCTETS)
}

fn largest_full(octets: usize) -> usize {
    (0..=LARGEST_K).rev().map(chunk_octets).find(|&full| full <= octets).unwrap_or(octets)
}

/// A stored chunk, proven.
pub(super) fn open_chunk(
    key: u64,
    stored: Option<redb::AccessGuard<'_, &'static [u8]>>,
) -> Result<Chunk, StoreError> {
    let stored = stored.ok_or_else(|| schema::damaged(&schema::CHUNKS, "a chunk is missing"))?;
    Ok(Chunk(schema::unseal(&schema::CHUNKS, key, stored.value())?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_so_that_at_most_a_page_is_wasted_in_all() {
        for octets in (0..200_000).step_by(7).chain([4075, 4076, 4077, 65_515, 65_516, 65_517]) {
            let ranges = cut_ranges(octets);
            assert_eq!(ranges.iter().map(Range::len).sum::<usize>(), octets);
            let stored: usize = ranges
                .iter()
                .map(|range| {
                    (0..=LARGEST_K).map(|k| PAGE_OCTETS << k).find(|page| page - 20 >= range.len()).unwrap()
                })
                .sum();
            assert!(stored <= octets + 20 * ranges.len() + WASTE_OCTETS, "{octets}: {ranges:?}");
            assert!(ranges.iter().all(|range| !range.is_empty()));
        }
    }

    #[test]
    fn a_full_chunk_stays_whole() {
        assert!(cut_ranges(LARGEST_CHUNK_OCTETS).into_iter().eq(std::iter::once(0..LARGEST_CHUNK_OCTETS)));
        assert_eq!(cut_ranges(LARGEST_CHUNK_OCTETS + 1).len(), 2);
        assert_eq!(cut_ranges(0), []);
    }
}
