//! A peer: flights of octets, each sent when all before it has been answered, cut into segments.

use poppet::wire::line::{Line, LineFault, LineReader};

use crate::choices::Cuts;

/// Stands between two flights.
pub const PAUSE: u8 = 0x1E;

/// What the server reads of a peer.
#[derive(Debug)]
pub struct Peer<'a> {
    flights: Vec<&'a [u8]>,
    /// Of this flight, not read yet.
    coming: &'a [u8],
    input: Vec<u8>,
    lines: LineReader,
    is_lenient: bool,
    cuts: Cuts,
}

/// What comes of a peer.
#[derive(Debug)]
pub enum Heard {
    /// A line, and whether more of its flight lies behind it. How much of that has been read depends on the
    /// cuts, and no transcript may.
    Line(Vec<u8>, bool),
    /// A line that can't be taken.
    Faulty(LineFault),
    /// Nothing any more.
    Silence,
}

impl<'a> Peer<'a> {
    /// A peer who says that stream.
    pub fn new(stream: &'a [u8], cuts: Cuts) -> Peer<'a> {
        let flights = stream.rsplit(|&octet| octet == PAUSE).collect();
        Peer {
            flights,
            coming: b"",
            input: Vec::new(),
            lines: LineReader::default(),
            is_lenient: false,
            cuts,
        }
    }

    /// Has its lines read so; before it says anything.
    pub fn lenient(mut self, is_lenient: bool) -> Peer<'a> {
        (self.lines, self.is_lenient) = (LineReader::new(is_lenient), is_lenient);
        self
    }

    /// The next line.
    pub fn line(&mut self, limit: usize) -> Heard {
        loop {
            let (used, line) = self.lines.next(&self.input, limit);
            assert!(used <= self.input.len(), "a line reader used up more than there is");
            let heard = match line {
                Line::Incomplete => None,
                Line::Whole(line) => {
                    let is_followed = used < self.input.len() || !self.coming.is_empty();
                    Some(Heard::Line(line.to_vec(), is_followed))
                }
                Line::Faulty(fault) => Some(Heard::Faulty(fault)),
            };
            self.input.drain(..used);
            if let Some(heard) = heard {
                return heard;
            }
            if !self.read() {
                return Heard::Silence;
            }
        }
    }

    /// Gives octets of a message to `take`, which says how many it used up and whether they came to their end;
    /// false if the peer falls silent before.
    pub fn message(&mut self, mut take: impl FnMut(&[u8]) -> (usize, bool)) -> bool {
        loop {
            let (used, is_over) = take(&self.input);
            assert!(used <= self.input.len(), "a receiver used up more than there is");
            self.input.drain(..used);
            if is_over {
                return true;
            }
            assert!(self.input.is_empty(), "a receiver left octets before the end of data");
            if !self.read() {
                return false;
            }
        }
    }

    /// Gives the next so many octets to `take`, in whatever pieces they come; false if the peer falls silent before.
    pub fn octets(&mut self, count: u64, mut take: impl FnMut(&[u8])) -> bool {
        let mut left = count;
        while left > 0 {
            let here = self.input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if here == 0 && !self.read() {
                return false;
            }
            take(&self.input[..here]);
            self.input.drain(..here);
            left -= here as u64;
        }
        true
    }

    /// Begins TLS; false if octets from before it lie there, which ends the connection.
    pub fn begin_tls(&mut self) -> bool {
        self.lines = LineReader::new(self.is_lenient);
        self.input.is_empty() && self.coming.is_empty()
    }

    fn read(&mut self) -> bool {
        while self.coming.is_empty() {
            match self.flights.pop() {
                Some(flight) => self.coming = flight,
                None => return false,
            }
        }
        let (piece, rest) = self.coming.split_at(self.cuts.next(self.coming.len()));
        self.input.extend_from_slice(piece);
        self.coming = rest;
        true
    }
}
