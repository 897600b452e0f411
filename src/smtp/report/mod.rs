//! Reports of what became of a mail, for people and for programs. RFC 3461 §6, RFC 3464, RFC 6522; beyond ASCII RFC 6533.
//!
//! ```text
//!   stored here ----------> success --+                    multipart/report
//!   failed, late, relayed -> notice --+--> letter, parts:    what a person reads  (prose, words; cause says why)
//!                                                            what a program reads (status)
//!                                                            the mail or its header (returned)
//! ```

mod cause;
mod notice;
mod prose;
mod returned;
mod status;
mod success;
mod words;

pub use notice::{About, Notice, Of};
pub use returned::Returned;
pub use success::{is_list, is_wanted, success};

use super::letter::{Letter, put_field, put_line};

/// A report as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Header and body.
    pub message: Vec<u8>,
    /// Whether only a server that knows SMTPUTF8 can take it. RFC 6533 §1.
    pub needs_utf8: bool,
}

/// Puts the parts behind the letter's header, between lines that none of them has. RFC 2046 §5.1.1.
fn put_together(letter: Letter<'_>, parts: &[Vec<u8>]) -> Vec<u8> {
    let boundary = boundary(&letter, parts);
    let content_type = format!("multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"");
    let is_8bit = parts.iter().any(|part| !part.is_ascii());
    let mut out = Letter { content_type: &content_type, is_8bit, ..letter }.begin();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

/// Made of numbers that nobody knows before; who guessed them all the same finds another one.
fn boundary(letter: &Letter<'_>, parts: &[Vec<u8>]) -> String {
    let base = format!("=_{:016x}.{}", letter.mail_number, letter.now.at.0);
    let is_in = |boundary: &str| {
        let line = format!("--{boundary}");
        let mut lines = parts.iter().flat_map(|part| part.split(|&octet| octet == b'\n'));
        lines.any(|found| found.starts_with(line.as_bytes()))
    };
    if !is_in(&base) {
        return base;
    }
    // A part has not so many lines as there are numbers, so one of them is free.
    (0u64..).map(|number| format!("{base}.{number:x}.")).find(|one| !is_in(one)).unwrap_or(base)
}

/// Begins a part.
fn put_type(out: &mut Vec<u8>, media_type: &str, is_8bit: bool) {
    put_field(out, "Content-Type", media_type);
    if is_8bit {
        put_field(out, "Content-Transfer-Encoding", "8bit");
    }
    put_line(out, b"");
}

#[cfg(test)]
mod tests;
