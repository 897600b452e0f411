//! Codecs without a protocol: lines, the end of data, chunks, dot-stuffing, surrogate headers, BER, DNS.
//!
//! One line codec serves everything that comes in and goes out, because two policies about line endings in
//! one product are how mails are smuggled (S-001–S-030, F10).

pub mod ber;
pub mod chunk;
pub mod data;
pub mod dns;
pub mod dot;
mod endings;
pub mod line;
pub mod surrogate;
