//! A message on its way out: chunks from the store, dot-stuffed, the next one asked for while one is written.

use super::seat::Order;
use super::server::Server;
use super::stream::{Lost, Stream};
use crate::limits;
use crate::store::{Chunk, Opened};
use crate::wire::dot::{DotEncoder, TopCutter};

/// A message ready to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// The message; what stands in `prefix` and `first` goes out as it is.
    pub opened: Opened,
    /// The chunk that follows `first`.
    pub next: u32,
}

impl Outgoing {
    /// The message as it is stored.
    pub fn as_stored(opened: Opened) -> Outgoing {
        Outgoing { opened, next: 1 }
    }
}

/// Sends what waits in `out`, then the message, or its header and `body_lines` lines of its body, then the
/// final dot; the last octets stay in `out`. Errs without the final dot if a chunk can't be had (S-238).
pub async fn send(
    server: &Server,
    stream: &mut Stream,
    out: &mut Vec<u8>,
    message: Outgoing,
    body_lines: Option<u32>,
) -> Result<(), Lost> {
    let Outgoing { opened, mut next } = message;
    let mut body = Body { encoder: DotEncoder::default(), cutter: body_lines.map(TopCutter::new) };
    let mut is_complete = body.put(&opened.prefix, out);
    let mut chunk = opened.first;
    while let (Some(Chunk(octets)), false) = (chunk.take(), is_complete) {
        let more = next < opened.chunks;
        // TOP mostly ends within the first chunk.
        let ahead = (more && body_lines.is_none()).then(|| server.store.chunk(opened.blob, next));
        for piece in octets.chunks(limits::BODY_PIECE_OCTETS) {
            is_complete = body.put(piece, out);
            if out.len() >= limits::OUTPUT_OCTETS {
                stream.write(out).await?;
                out.clear();
            }
            if is_complete {
                break;
            }
        }
        let order = stream.seat().order();
        if order >= Order::End {
            return Err(Lost::CutOff(order));
        }
        if more && !is_complete {
            let asked = ahead.unwrap_or_else(|| server.store.chunk(opened.blob, next));
            next += 1;
            chunk = Some(asked.await.map_err(|error| {
                server.store_failed("sending a message", &error);
                Lost::BrokenBody
            })?);
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
