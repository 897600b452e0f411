//! The front of an input: octets that choose what the peer does not.

use poppet::sasl::{Channel, Seed, Terms};

/// Octets of choices at the front of an input.
pub const OCTETS: usize = 16;
/// What stands for the TLS exporter wherever a connection has one; seeds bind to it.
pub const EXPORTER: [u8; 32] = [b'E'; 32];

/// The choices; behind the last one they begin again.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Choices<'a> {
    /// Takes the choices off the front; none if the input is too short for them.
    pub fn take(input: &'a [u8]) -> Option<(Choices<'a>, &'a [u8])> {
        let (octets, rest) = input.split_at_checked(OCTETS)?;
        Some((Choices { octets, at: 0 }, rest))
    }

    /// The next choice.
    pub fn octet(&mut self) -> u8 {
        let octet = self.octets[self.at % self.octets.len()];
        self.at += 1;
        octet
    }

    /// One of so many.
    pub fn one_of(&mut self, count: u8) -> u8 {
        self.octet() % count
    }

    /// What a connection allows; in one octet, so that a letter can say it: `@` is nothing, `A` passwords, `D` TLS.
    pub fn terms(&mut self) -> Terms {
        let bits = self.octet();
        let has = |bit: u8| bits >> bit & 1 == 1;
        let channel = Channel {
            exporter: has(3).then_some(EXPORTER),
            end_point: has(4).then(|| vec![b'P'; 32]),
            has_certificate: has(5),
        };
        // A control character or digit: users are known elsewhere.
        let is_elsewhere = !has(6);
        Terms {
            takes_passwords: has(0),
            takes_challenges: has(1) && !is_elsewhere,
            lacks_verifiers: is_elsewhere,
            relays_ntlm: is_elsewhere,
            channel: has(2).then_some(channel),
            hostname: "home.lan".into(),
            seed: Seed([bits; 32]),
            file_time: if has(7) { 0 } else { 134_000_000_000_000_000 },
        }
    }
}

/// How a stream is cut into segments.
#[derive(Debug, Clone, Copy)]
pub enum Cuts {
    /// Not at all.
    Whole,
    /// Into pieces whose lengths this number draws.
    Drawn(u32),
}

impl Cuts {
    /// Cuts drawn from a choice; 0 cuts octet by octet.
    pub fn drawn(choice: u8) -> Cuts {
        Cuts::Drawn(u32::from(choice))
    }

    /// The length of the next piece of so many octets, which is not 0 unless `rest` is.
    pub fn next(&mut self, rest: usize) -> usize {
        match self {
            Cuts::Whole => rest,
            Cuts::Drawn(0) => rest.min(1),
            Cuts::Drawn(state) => {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 1;
                let most = if *state >> 28 == 0 { 700 } else { 7 };
                rest.min((*state >> 16) as usize % most + 1)
            }
        }
    }

    /// The pieces of some octets, one after the other.
    pub fn pieces(mut self, mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
        std::iter::from_fn(move || {
            let (piece, rest) = octets.split_at(self.next(octets.len()));
            octets = rest;
            (!piece.is_empty()).then_some(piece)
        })
    }
}
