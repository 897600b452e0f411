//! The front of a body that is still on its way in, for who must know its header before it is delivered.

use super::super::error::StoreError;
use super::{NewChunk, Streamed, Upload};

impl Upload {
    /// Octets of the body so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The first octets of the body so far, at most so many; what has streamed into the file is read back from
    /// there, so that nobody need hold it meanwhile. Errs if that can't be read (any more).
    pub async fn front(&self, octets: usize) -> Result<Vec<u8>, StoreError> {
        let mut front = Vec::new();
        if let Some(Streamed { blob, body, generation }) = self.streamed {
            if generation != self.store.shared.engine.generation() {
                return Err(super::reopened());
            }
            for index in 0..body.chunks {
                if front.len() >= octets {
                    break;
                }
                front.extend_from_slice(&self.store.chunk(blob, index).await?.0);
            }
        }
        for piece in self.full.iter().map(NewChunk::octets).chain([&*self.tail]) {
            let wanted = octets.saturating_sub(front.len());
            front.extend_from_slice(&piece[..piece.len().min(wanted)]);
        }
        front.truncate(octets);
        Ok(front)
    }
}
