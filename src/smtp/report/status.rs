//! What a program reads of a report: `message/delivery-status`. RFC 3464 §2, RFC 3461 §6.3, RFC 6533 §3.

use super::put_type;
use crate::clock::UnixTime;
use crate::mail::OriginalRecipient;
use crate::smtp::letter::{put_field, put_line};
use crate::smtp::trace::atom;
use crate::smtp::xtext;

/// What is told of the mail.
#[derive(Debug)]
pub(super) struct Status<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// ENVID.
    pub envelope_id: Option<&'a str>,
    /// When we took it, if that may be believed.
    pub arrived: Option<UnixTime>,
    /// Whether addresses beyond ASCII are told as they are.
    pub is_global: bool,
}

/// What is told of a recipient.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// Whom the sender meant.
    pub original: Option<&'a OriginalRecipient>,
    /// To whom it went.
    pub address: &'a str,
    /// What was done. RFC 3464 §2.3.3.
    pub action: &'static str,
    /// How it went. RFC 3463 §2.
    pub status: [u16; 3],
    /// The server that said so; empty for none.
    pub remote: &'a str,
    /// What was said, behind its type.
    pub diagnostic: Option<String>,
    /// When.
    pub last: Option<UnixTime>,
    /// Until when it is tried again.
    pub until: Option<UnixTime>,
}

impl Status<'_> {
    /// The part.
    pub fn part(&self, recipients: &[Fields<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let media_type =
            if self.is_global { "message/global-delivery-status" } else { "message/delivery-status" };
        put_type(&mut out, media_type, self.is_global);
        if let Some(id) = self.envelope_id {
            put_field(&mut out, "Original-Envelope-Id", id);
        }
        // RFC 3461 §6.3: a name without a domain is none of the name system.
        let hostname = atom(self.hostname);
        let name_type = if hostname.contains('.') { "dns" } else { "x-local-hostname" };
        put_field(&mut out, "Reporting-MTA", &format!("{name_type}; {hostname}"));
        if let Some(arrived) = self.arrived {
            put_field(&mut out, "Arrival-Date", &arrived.rfc5322());
        }
        for fields in recipients {
            put_line(&mut out, b"");
            self.put_recipient(&mut out, fields);
        }
        out
    }

    fn put_recipient(&self, out: &mut Vec<u8>, fields: &Fields<'_>) {
        if let Some(original) = fields.original {
            put_field(out, "Original-Recipient", &self.typed(&original.address_type, &original.address));
        }
        // RFC 6533 §3: an address beyond ASCII has a type of its own.
        let address_type = if fields.address.is_ascii() { "rfc822" } else { BEYOND_ASCII };
        put_field(out, "Final-Recipient", &self.typed(address_type, fields.address));
        put_field(out, "Action", fields.action);
        // RFC 3464 §2.3.4: three digits at most.
        let [class, subject, detail] = fields.status.map(|number| number.min(999));
        put_field(out, "Status", &format!("{class}.{subject}.{detail}"));
        if !fields.remote.is_empty() {
            put_field(out, "Remote-MTA", &format!("dns; {}", atom(fields.remote)));
        }
        if let Some(diagnostic) = &fields.diagnostic {
            put_field(out, "Diagnostic-Code", diagnostic);
        }
        if let Some(last) = fields.last {
            put_field(out, "Last-Attempt-Date", &last.rfc5322());
        }
        if let Some(until) = fields.until {
            put_field(out, "Will-Retry-Until", &until.rfc5322());
        }
    }

    /// An address behind its type: as it is in a part that may be beyond ASCII, else in the form that RFC 6533 §3 gives
    /// to its type.
    fn typed(&self, address_type: &str, address: &str) -> String {
        let is_embedded = address_type == BEYOND_ASCII && !self.is_global;
        let address = if is_embedded { xtext::embed(address) } else { told(address, self.is_global) };
        format!("{address_type};{address}")
    }
}

/// An address as its reader can take it.
pub(super) fn told(address: &str, is_global: bool) -> String {
    if is_global || address.is_ascii() { address.to_owned() } else { xtext::embed(address) }
}

/// Whether one of the addresses is beyond ASCII.
pub(super) fn is_foreign(address: &str, original: Option<&OriginalRecipient>) -> bool {
    !address.is_ascii() || original.is_some_and(|original| !original.address.is_ascii())
}

/// The type of addresses beyond ASCII. RFC 6533 §3.
const BEYOND_ASCII: &str = "utf-8";
