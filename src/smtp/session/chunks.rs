//! BDAT: mail in chunks whose octets are counted beforehand. RFC 3030 §2.
//!
//! ```text
//!   BDAT n --not to be understood--> 501, closed
//!     |----not its turn-----------> skipped, then 503 or 554
//!     |----far too much-----------> 552, closed (S-152)
//!     |----too much---------------> skipped, then 552; there is no mail any more
//!     +----fine-------------------> received: spoilt --> its reply; there is no mail any more
//!                                       good, more to come --> 250
//!                                       good, the last one --> as after DATA
//! ```

use super::{Phase, Session, complaint};
use crate::limits;
use crate::smtp::command::{Chunk, Verb, order};
use crate::smtp::{Next, reply};

impl Session {
    pub(super) fn take_chunk(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Next {
        // Where the next command begins is unknown then.
        let Some(chunk) = Chunk::parse(argument) else {
            return self.hang_up(reply::BAD_CHUNK, out);
        };
        match complaint(order(Verb::Bdat, self.stage())) {
            Some(text) => self.skip_chunk(chunk, text, out),
            None => self.receive_chunk(chunk, out),
        }
    }

    fn receive_chunk(&mut self, chunk: Chunk, out: &mut Vec<u8>) -> Next {
        let Some(mail) = &mut self.mail else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        let is_first = mail.chunk_octets.is_none();
        let octets = mail.chunk_octets.unwrap_or(0).saturating_add(chunk.octets);
        mail.chunk_octets = Some(octets);
        self.counts.mails += usize::from(is_first);
        if octets > self.most_octets() {
            return self.hang_up(reply::TOO_LARGE, out);
        }
        if octets > self.facts.message_octets {
            self.mail = None;
            return self.skip_chunk(chunk, reply::TOO_LARGE, out);
        }
        if chunk.octets < limits::SMALL_CHUNK_OCTETS && !chunk.is_last {
            self.counts.small_chunks += 1;
            if self.counts.small_chunks > limits::SMALL_CHUNKS {
                return self.hang_up(reply::TOO_MANY_SMALL_CHUNKS, out);
            }
        }
        self.is_message_held = true;
        self.phase = Phase::Chunk(chunk);
        Next::ReceiveChunk { octets: chunk.octets, is_first, is_last: chunk.is_last }
    }

    /// A peer that did not wait has sent the octets already. RFC 3030 §2.
    fn skip_chunk(&mut self, chunk: Chunk, text: &'static str, out: &mut Vec<u8>) -> Next {
        self.counts.skipped_octets = self.counts.skipped_octets.saturating_add(chunk.octets);
        if self.counts.skipped_octets > self.most_octets() {
            return self.hang_up(text, out);
        }
        self.is_message_held = false;
        self.phase = Phase::SkippedChunk(text);
        Next::SkipChunk { octets: chunk.octets }
    }

    /// Octets beyond which nothing is read only to be thrown away.
    fn most_octets(&self) -> u64 {
        self.facts.message_octets.saturating_mul(limits::OVERSIZE_FACTOR)
    }
}
