//! Limits of the sandbox.

use std::time::Duration;

/// TCP ports to which the server may connect whatever is set: mail (24 is LMTP's), names, directories with those of
/// Active Directory's catalogue.
pub const SANDBOX_PORTS: &[u16] = &[24, 25, 26, 53, 389, 465, 587, 636, 2525, 3268, 3269];
/// How often it is looked whether threads that ended are gone, before they count as threads outside the sandbox.
pub const LOOKS_AT_THREADS: u32 = 50;
/// Between two of these looks; one is enough nearly always.
pub const BETWEEN_LOOKS_AT_THREADS: Duration = Duration::from_millis(1);
