//! Reports that a mail is in its mailboxes. RFC 3461 §6, RFC 3464, RFC 6522; beyond ASCII RFC 6533.

use memchr::memchr;

use super::letter::{Letter, put_field, put_line};
use super::trace::atom;
use super::xtext;
use super::{Envelope, Named, Now};
use crate::limits;

/// A report of success: the mail is in the mailboxes of those recipients for whom MAIL and RCPT asked to be told so
/// (RFC 3461 §5.2.3); none if nobody asked, or if reports go nowhere (RFC 3461 §5.2).
///
/// `hostname` is our name, `mail_number` is fresh, and `header` the front of the stored message; what is behind the
/// header, or beyond [`limits::SCANNED_HEADER_OCTETS`], is not returned. The report goes to the mail's reverse-path, from
/// nobody (RFC 3461 §6.1), and under SMTPUTF8 if the mail did.
pub fn success(
    hostname: &str,
    now: Now,
    mail_number: u64,
    envelope: &Envelope,
    header: &[u8],
) -> Option<Vec<u8>> {
    let sender = envelope.reverse_path.as_str();
    let named: Vec<&Named> = envelope.named.iter().filter(|named| wants_success(named)).collect();
    if sender.is_empty() || named.is_empty() {
        return None;
    }
    let header = returned_header(header);
    let report = Report::new(hostname, now, envelope, named, &header);
    let boundary = format!("=_{mail_number:016x}.{}", now.at.0);
    let content_type = format!("multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"");
    let letter = Letter {
        hostname,
        now,
        mail_number,
        to: sender,
        subject: "Your mail has been delivered",
        // RFC 3834 §5.2: a report is no auto-generated mail.
        automatic: "auto-replied",
        content_type: &content_type,
        is_8bit: report.is_global || !header.is_ascii(),
    };
    let mut out = letter.begin();
    for part in [report.text(), report.status(), report.returned()] {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(&part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Some(out)
}

/// Whether there is to be a report of that mail's success.
pub fn is_wanted(envelope: &Envelope) -> bool {
    !envelope.reverse_path.as_str().is_empty() && envelope.named.iter().any(wants_success)
}

/// Whether that recipient's RCPT asked to be told of success.
fn wants_success(named: &Named) -> bool {
    named.mailboxes > 0 && named.dsn.notify.is_some_and(|notify| notify.success)
}

struct Report<'a> {
    hostname: String,
    now: Now,
    envelope: &'a Envelope,
    /// Those of whom it tells.
    named: Vec<&'a Named>,
    header: &'a [u8],
    /// Whether an address is beyond ASCII and may be told so: only if MAIL said SMTPUTF8.
    is_global: bool,
}

impl<'a> Report<'a> {
    fn new(
        hostname: &str,
        now: Now,
        envelope: &'a Envelope,
        named: Vec<&'a Named>,
        header: &'a [u8],
    ) -> Report<'a> {
        let is_foreign = |named: &&Named| {
            let original = named.dsn.original_recipient.as_ref();
            !named.path.is_ascii() || original.is_some_and(|original| !original.address.is_ascii())
        };
        let is_global = envelope.is_utf8 && named.iter().any(is_foreign);
        Report { hostname: atom(hostname), now, envelope, named, header, is_global }
    }

    /// What a person reads.
    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_type(&mut out, "text/plain; charset=utf-8", self.is_global);
        put_line(&mut out, b"Your mail has arrived. These recipients have it in their mailboxes now:");
        put_line(&mut out, b"");
        for named in &self.named {
            let address = told(&named.path, self.is_global);
            let note = if named.mailboxes > 1 { " (a list: it went to all who are on it)" } else { "" };
            put_line(&mut out, format!("    {address}{note}").as_bytes());
        }
        put_line(&mut out, b"");
        put_line(&mut out, b"Your mail program asked for this report. There is nothing that you need to do.");
        out
    }

    /// What a program reads.
    fn status(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let media_type =
            if self.is_global { "message/global-delivery-status" } else { "message/delivery-status" };
        put_type(&mut out, media_type, self.is_global);
        if let Some(id) = &self.envelope.dsn.envelope_id {
            put_field(&mut out, "Original-Envelope-Id", id);
        }
        // RFC 3461 §6.3: a name without a domain is none of the name system.
        let name_type = if self.hostname.contains('.') { "dns" } else { "x-local-hostname" };
        put_field(&mut out, "Reporting-MTA", &format!("{name_type}; {}", self.hostname));
        put_field(&mut out, "Arrival-Date", &self.now.at.rfc5322());
        for named in &self.named {
            put_line(&mut out, b"");
            if let Some(original) = &named.dsn.original_recipient {
                let address = self.typed(&original.address_type, &original.address);
                put_field(&mut out, "Original-Recipient", &address);
            }
            // RFC 6533 §3: an address beyond ASCII has a type of its own.
            let address_type = if named.path.is_ascii() { "rfc822" } else { BEYOND_ASCII };
            put_field(&mut out, "Final-Recipient", &self.typed(address_type, &named.path));
            // RFC 3464 §2.3.3; RFC 3461 §5.2.7.3.
            put_field(&mut out, "Action", if named.mailboxes > 1 { "expanded" } else { "delivered" });
            put_field(&mut out, "Status", "2.0.0");
        }
        out
    }

    /// The mail's header. RFC 6522 §4, RFC 6533 §4.3.
    fn returned(&self) -> Vec<u8> {
        let is_8bit = !self.header.is_ascii();
        let is_global = self.envelope.is_utf8 && is_8bit;
        let mut out = Vec::new();
        put_type(&mut out, if is_global { "message/global-headers" } else { "text/rfc822-headers" }, is_8bit);
        out.extend_from_slice(self.header);
        out
    }

    /// An address behind its type: as it is in a part that may be beyond ASCII, else in the form that RFC 6533 §3 gives
    /// to its type.
    fn typed(&self, address_type: &str, address: &str) -> String {
        let is_embedded = address_type == BEYOND_ASCII && !self.is_global;
        let address = if is_embedded { xtext::embed(address) } else { told(address, self.is_global) };
        format!("{address_type};{address}")
    }
}

fn told(address: &str, is_global: bool) -> String {
    if is_global || address.is_ascii() { address.to_owned() } else { xtext::embed(address) }
}

fn put_type(out: &mut Vec<u8>, media_type: &str, is_8bit: bool) {
    put_field(out, "Content-Type", media_type);
    if is_8bit {
        put_field(out, "Content-Transfer-Encoding", "8bit");
    }
    put_line(out, b"");
}

/// The lines up to the empty one, none longer than travels whole.
fn returned_header(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &stored[..stored.len().min(limits::SCANNED_HEADER_OCTETS)];
    while let Some(end) = memchr(b'\n', rest) {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.is_empty() {
            break;
        }
        rest = &rest[end + 1..];
        // No line may be one that parts the report (RFC 2046 §5.1.1): no field that anybody writes begins so.
        if line.starts_with(b"--") {
            out.push(b' ');
        }
        put_line(&mut out, line);
    }
    out
}

/// The type of addresses beyond ASCII. RFC 6533 §3.
const BEYOND_ASCII: &str = "utf-8";

#[cfg(test)]
mod tests;
