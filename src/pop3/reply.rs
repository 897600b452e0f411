//! Replies of one line and of many: `+OK`, `-ERR`, CAPA's list. RFC 1939 §3, RFC 2449 §3, §8.

use std::fmt::Display;
use std::io::Write;

use super::Facts;
use crate::sasl::Mechanism;

/// A reply of success, or the first line of a longer one.
pub fn ok(out: &mut Vec<u8>, text: impl Display) {
    line(out, format_args!("+OK {text}"));
}

/// A reply of failure; a response code in brackets stands at the front of `text`.
pub fn err(out: &mut Vec<u8>, text: impl Display) {
    line(out, format_args!("-ERR {text}"));
}

/// One line, with its CRLF.
pub fn line(out: &mut Vec<u8>, text: impl Display) {
    // A Vec takes whatever is written.
    let _ = write!(out, "{text}\r\n");
}

/// The last line of a reply of many lines.
pub fn end(out: &mut Vec<u8>) {
    line(out, ".");
}

/// What works now: before logon by the facts, after it without them. RFC 2449 §5, §6.
pub fn capabilities(before_logon: Option<&Facts>, out: &mut Vec<u8>) {
    ok(out, "this works here:");
    for capability in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"] {
        line(out, capability);
    }
    if before_logon.is_some_and(|facts| facts.terms.takes_passwords) {
        line(out, "USER");
    }
    if let Some(facts) = before_logon {
        let names: Vec<_> = facts.terms.offered().map(Mechanism::name).collect();
        if !names.is_empty() {
            line(out, format_args!("SASL {}", names.join(" ")));
        }
    }
    if before_logon.is_some_and(|facts| facts.offers_stls) {
        line(out, "STLS");
    }
    line(out, concat!("IMPLEMENTATION poppet-", env!("CARGO_PKG_VERSION")));
    end(out);
}

/// The mechanisms, one a line, as Outlook wants them (quirk 1).
pub fn mechanisms(facts: &Facts, out: &mut Vec<u8>) {
    ok(out, "these mechanisms work here:");
    for mechanism in facts.terms.offered() {
        line(out, mechanism.name());
    }
    end(out);
}
