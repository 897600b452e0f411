//! Random octets that never run out: the system's, mixed with a stream of our own.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Draws random octets.
///
/// The system is asked each time. Should it fail once, the octets are still unpredictable and never
/// repeat, because a stream keyed at the start is mixed in: so nobody who draws has an error to handle.
pub struct Randomness {
    system: SystemRandom,
    stream: hmac::Key,
    drawn: AtomicU64,
}

/// The system has no random octets to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl Randomness {
    /// Seeds the stream; errs if the system gives no random octets.
    pub fn new() -> Result<Randomness, NoRandomness> {
        let system = SystemRandom::new();
        let stream = hmac::Key::generate(hmac::HMAC_SHA256, &system).map_err(|_| NoRandomness)?;
        Ok(Randomness { system, stream, drawn: AtomicU64::new(0) })
    }

    /// Fresh random octets.
    pub fn draw<const OCTETS: usize>(&self) -> [u8; OCTETS] {
        let mut octets = [0; OCTETS];
        // An error leaves zeros or part of the octets; the stream below covers both.
        let _ = self.system.fill(&mut octets);
        for chunk in octets.chunks_mut(32) {
            let count = self.drawn.fetch_add(1, Ordering::Relaxed);
            let block = hmac::sign(&self.stream, &count.to_le_bytes());
            chunk.iter_mut().zip(block.as_ref()).for_each(|(octet, mask)| *octet ^= mask);
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_draw_repeats_and_no_octet_stays_zero() {
        let randomness = Randomness::new().unwrap();
        let mut seen = HashSet::new();
        let mut touched = [0_u8; 70];
        for _ in 0..1000 {
            let octets = randomness.draw::<70>();
            assert!(seen.insert(octets));
            touched.iter_mut().zip(octets).for_each(|(touched, octet)| *touched |= octet);
        }
        assert_eq!(touched, [0xFF; 70], "every bit was set at some time");
    }

    #[test]
    fn the_stream_alone_never_repeats() {
        let randomness = Randomness::new().unwrap();
        let system: HashSet<_> = (0..1000_u64)
            .map(|count| hmac::sign(&randomness.stream, &count.to_le_bytes()).as_ref().to_vec())
            .collect();
        assert_eq!(system.len(), 1000);
    }
}
