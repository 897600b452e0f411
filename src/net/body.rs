//! A message on its way out: chunks from the store, dot-stuffed, the next one asked for while one is written.

use super::ahead::Ahead;
use super::seat::Order;
use super::server::Server;
use super::stream::{Lost, Pace, Stream};
use crate::limits;
use crate::store::{Ask, BlobId, Chunk, Opened, Store, StoreError};
use crate::sys;
use crate::wire::dot::{DotEncoder, TopCutter};

/// A message ready to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// The message; what stands in `prefix` goes out as it is, and `first` is the chunk of that index, if any.
    pub opened: Opened,
    /// The chunk in which the rest begins.
    pub index: u32,
    /// Where it begins there.
    pub from: usize,
}

impl Outgoing {
    /// The message as it is stored.
    pub fn as_stored(opened: Opened) -> Outgoing {
        Outgoing { opened, index: 0, from: 0 }
    }
}

/// Sends what waits in `out`, then the message, or its header and `body_lines` lines of its body, then the
/// final dot; the last octets stay in `out`. Errs without the final dot if a chunk can't be had (S-238).
///
/// While the peer takes nothing, only what is being written is held: the chunk is read again when he goes on, and
/// what is opened ahead is dropped (S-237).
pub async fn send(
    server: &Server,
    stream: &mut Stream,
    out: &mut Vec<u8>,
    message: Outgoing,
    body_lines: Option<u32>,
    ahead: &mut Ahead,
) -> Result<(), Lost> {
    let mut body = Body { encoder: DotEncoder::default(), cutter: body_lines.map(TopCutter::new) };
    let mut is_complete = body.put(&message.opened.prefix, out);
    let mut source = Source::new(&server.store, message);
    let mut pace = Pace::AtOnce;
    while !is_complete && !source.is_at_end() {
        // TOP mostly ends within the first chunk; and where the peer is waited for, nothing is won.
        let shall_ask_ahead = body_lines.is_none() && pace == Pace::AtOnce;
        let piece = source.piece(shall_ask_ahead).await.map_err(|error| {
            server.store_failed("sending a message", &error);
            Lost::BrokenBody
        })?;
        is_complete = body.put(piece, out);
        source.advance();
        if pace == Pace::Slow {
            sys::given_back(source.give_back());
        }
        if out.len() >= limits::OUTPUT_OCTETS {
            let give_back = || {
                *ahead = Ahead::default();
                source.give_back()
            };
            pace = stream.write_out(out, give_back).await?;
        }
        let order = stream.seat().order();
        if order >= Order::End {
            return Err(Lost::CutOff(order));
        }
    }
    body.encoder.finish(out);
    Ok(())
}

struct Body {
    encoder: DotEncoder,
    cutter: Option<TopCutter>,
}

impl Body {
    /// Appends the encoded piece; true when nothing of the rest is wanted.
    fn put(&mut self, piece: &[u8], out: &mut Vec<u8>) -> bool {
        let (piece, is_complete) = match &mut self.cutter {
            Some(cutter) => cutter.cut(piece),
            None => (piece, false),
        };
        self.encoder.encode(piece, out);
        is_complete
    }
}

/// The body's octets, piece by piece; what it holds of them can be given back at any time.
struct Source<'a> {
    store: &'a Store,
    blob: BlobId,
    chunks: u32,
    /// The chunk of the next piece, and where the piece begins in it.
    index: u32,
    from: usize,
    held: Option<Chunk>,
    /// The chunk behind that one.
    asked: Option<Ask<Chunk>>,
    /// Octets of the last piece.
    piece_octets: usize,
}

impl<'a> Source<'a> {
    fn new(store: &'a Store, message: Outgoing) -> Source<'a> {
        let Outgoing { opened, index, from } = message;
        Source {
            store,
            blob: opened.blob,
            chunks: opened.chunks,
            index,
            from,
            held: opened.first,
            asked: None,
            piece_octets: 0,
        }
    }

    fn is_at_end(&self) -> bool {
        self.index >= self.chunks
    }

    /// The next piece; the same again until [`Source::advance`] is called.
    async fn piece(&mut self, shall_ask_ahead: bool) -> Result<&[u8], StoreError> {
        let chunk = match self.held.take() {
            Some(chunk) => chunk,
            None => match self.asked.take() {
                Some(asked) => asked.await?,
                None => self.store.chunk(self.blob, self.index).await?,
            },
        };
        if shall_ask_ahead && self.asked.is_none() && self.index + 1 < self.chunks {
            self.asked = Some(self.store.chunk(self.blob, self.index + 1));
        }
        let chunk = self.held.insert(chunk);
        let rest = chunk.0.get(self.from..).ok_or_else(|| {
            StoreError::Damaged("a message has changed while it was sent: restore a backup".into())
        })?;
        self.piece_octets = rest.len().min(limits::BODY_PIECE_OCTETS);
        Ok(&rest[..self.piece_octets])
    }

    /// The last piece is used up.
    fn advance(&mut self) {
        self.from += self.piece_octets;
        if self.held.as_ref().is_none_or(|chunk| self.from >= chunk.0.len()) {
            self.held = None;
            self.index += 1;
            self.from = 0;
        }
    }

    /// Drops what it holds, and says about how many octets that was.
    fn give_back(&mut self) -> usize {
        let chunks = usize::from(self.held.take().is_some()) + usize::from(self.asked.take().is_some());
        chunks * limits::CHUNK_OCTETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::Folder;
    use crate::clock::{Clock, UnixTime};
    use crate::mail::{MailboxMark, MessageId};
    use crate::store::{Delivery, Options};
    use crate::ticket::block_on;

    /// A mailbox with one message of three chunks, and that message.
    fn delivered(folder: &Folder) -> (Store, MessageId, Vec<u8>) {
        let clock = Clock::fixed(UnixTime(1_800_000_000));
        let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
        store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
        let address = "alice@home.lan".parse().unwrap();
        let mailbox = store.add_mailbox(address, MailboxMark([7; 16]), Vec::new()).wait().unwrap();
        let mut random = fastrand::Rng::with_seed(237);
        let octets: Vec<u8> = (0..150_000).map(|_| random.u8(..)).collect();
        let mut upload = store.upload();
        block_on(upload.push(&octets)).unwrap();
        let delivery = Delivery::to(mailbox, Vec::new());
        upload.finish(vec![delivery]).wait().unwrap();
        let uid = store.snapshot(mailbox).wait().unwrap().messages[0].0;
        (store, MessageId { mailbox, uid }, octets)
    }

    fn opened(store: &Store, message: MessageId) -> Outgoing {
        let opened = store.open_message(message).wait().unwrap().unwrap();
        assert!(opened.chunks >= 3, "else nothing is asked ahead");
        Outgoing::as_stored(opened)
    }

    #[test]
    fn what_is_given_back_in_between_is_read_again_and_nothing_is_lost_or_doubled_s_237() {
        let folder = Folder::new();
        let (store, message, octets) = delivered(&folder);
        // After which pieces it is given back, and whether the next chunk is asked for ahead.
        for (given_back, asks_ahead) in
            [(0b0, true), (0b0, false), (0b1, true), (0b10, true), (0b10101, false), (0b11111, true)]
        {
            let mut source = Source::new(&store, opened(&store, message));
            let (mut read, mut pieces) = (Vec::new(), 0);
            while !source.is_at_end() {
                read.extend_from_slice(block_on(source.piece(asks_ahead)).unwrap());
                source.advance();
                if given_back & 1 << pieces != 0 {
                    source.give_back();
                    assert_eq!(source.give_back(), 0, "nothing is held any more");
                }
                pieces += 1;
            }
            assert!(read == octets, "{given_back:b} {asks_ahead}: {} octets", read.len());
        }
    }

    #[test]
    fn a_chunk_that_is_gone_when_it_is_read_again_is_an_error_s_238() {
        let folder = Folder::new();
        let (store, message, _) = delivered(&folder);
        let mut source = Source::new(&store, opened(&store, message));
        block_on(source.piece(true)).unwrap();
        source.advance();
        source.give_back();
        // No body has that number: as if this one had been freed.
        source.blob = BlobId(source.blob.0 + 1);
        assert!(matches!(block_on(source.piece(true)), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_chunk_that_has_become_shorter_is_an_error_and_not_an_end_s_238() {
        let folder = Folder::new();
        let (store, message, _) = delivered(&folder);
        let mut source = Source::new(&store, opened(&store, message));
        source.from = limits::CHUNK_OCTETS;
        assert!(matches!(block_on(source.piece(true)), Err(StoreError::Damaged(_))));
    }
}
