//! The octets of a mail that leaves: what stands before the body, then the body, chunk by chunk.

use crate::limits;
use crate::mail::Address;
use crate::relay::rewriting::rewritten;
use crate::store::{Ask, BlobId, Chunk, Queued, Store, StoreError};
use crate::wire::dot::DotEncoder;

use super::link::{Link, Written};
use crate::smtp::client::Framing;

/// A mail's octets, ready to be sent; at most a header and two chunks are in memory.
#[derive(Debug)]
pub struct Body {
    store: Store,
    /// What goes out before the next chunk.
    front: Vec<u8>,
    blob: BlobId,
    chunks: u32,
    /// The next chunk.
    index: u32,
    /// Octets in all.
    octets: u64,
    /// Whether something was put into the header that goes beyond ASCII.
    brings_utf8: bool,
}

/// How a body came to its end.
#[derive(Debug)]
pub enum Sent {
    /// All of it is sent.
    All,
    /// The server would not have it all.
    Broken(Written),
    /// It can't be read: the server must not take it for whole.
    Unreadable(StoreError),
}

impl Body {
    /// The octets for a queued recipient; where all mail leaves in the name of `account`, with a header that says so.
    /// Errs if the message can't be read.
    pub async fn of(store: &Store, queued: &Queued, account: Option<&Address>) -> Result<Body, StoreError> {
        let mut body = Body {
            store: store.clone(),
            front: queued.outbound.prefix.clone(),
            blob: queued.body(),
            chunks: queued.chunks,
            index: 0,
            octets: queued.octets,
            brings_utf8: !queued.outbound.prefix.is_ascii(),
        };
        if let Some(account) = account {
            body.rewrite(account, &queued.outbound.reverse_path).await?;
        }
        Ok(body)
    }

    /// Octets in all, before any dot-stuffing.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether its header goes beyond ASCII by what was put in here, so that it needs SMTPUTF8 whatever the message is;
    /// one that came so without saying so is handed on as it is.
    pub fn brings_utf8(&self) -> bool {
        self.brings_utf8
    }

    /// Sends all of it; of a body in one chunk of SMTP, exactly [`Body::octets`].
    pub async fn send(mut self, link: &mut Link, framing: Framing) -> Sent {
        let mut encoder = DotEncoder::default();
        let (mut out, mut count) = (Vec::new(), 0);
        let mut ahead = self.ask();
        loop {
            let front = std::mem::take(&mut self.front);
            count += front.len() as u64;
            // What is behind a chunk of SMTP's announced length, the server would take for commands.
            if count > self.octets {
                return Sent::Unreadable(wrong_length());
            }
            for piece in front.chunks(limits::BODY_PIECE_OCTETS) {
                match framing {
                    Framing::Dot => encoder.encode(piece, &mut out),
                    Framing::Chunk => out.extend_from_slice(piece),
                }
                match link.write_body(&mut out).await {
                    Written::All => {}
                    broken => return Sent::Broken(broken),
                }
            }
            let Some(asked) = ahead.take() else { break };
            match asked.await {
                Ok(chunk) => self.front = chunk.0,
                Err(error) => return Sent::Unreadable(error),
            }
            ahead = self.ask();
        }
        match framing {
            Framing::Dot => encoder.finish(&mut out),
            Framing::Chunk if count == self.octets => {}
            Framing::Chunk => return Sent::Unreadable(wrong_length()),
        }
        match link.write(&mut out).await {
            Ok(()) => Sent::All,
            Err(broken) => Sent::Broken(broken),
        }
    }

    fn ask(&mut self) -> Option<Ask<Chunk>> {
        let index = self.index;
        (index < self.chunks).then(|| {
            self.index += 1;
            self.store.chunk(self.blob, index)
        })
    }

    /// Reads the header, and puts the one in the account's name in its place.
    async fn rewrite(&mut self, account: &Address, reverse_path: &str) -> Result<(), StoreError> {
        while !has_whole_header(&self.front)
            && self.front.len() < limits::SCANNED_HEADER_OCTETS
            && let Some(asked) = self.ask()
        {
            self.front.extend_from_slice(&asked.await?.0);
        }
        let front = &self.front[..self.front.len().min(limits::SCANNED_HEADER_OCTETS)];
        if let Some((header, replaced)) = rewritten(front, account, reverse_path) {
            let before = self.front.len() as u64;
            let replaced = replaced.min(self.front.len());
            self.brings_utf8 |= !header.is_ascii() && self.front[..replaced].is_ascii();
            self.front.splice(..replaced, header);
            self.octets = (self.octets + self.front.len() as u64).saturating_sub(before);
        }
        Ok(())
    }
}

fn wrong_length() -> StoreError {
    StoreError::Damaged("a message has another length than its row says: restore a backup".into())
}

fn has_whole_header(front: &[u8]) -> bool {
    front.starts_with(b"\r\n") || front.windows(4).any(|four| four == b"\r\n\r\n")
}
