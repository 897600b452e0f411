//! EHLO and HELO: who the peer says he is, and what he is offered. RFC 5321 §4.1.1.1.

use super::Session;
use crate::limits;
use crate::sasl::Mechanism;
use crate::smtp::path::Strictness;
use crate::smtp::{Door, Next, reply, trace};

/// What EHLO or HELO said.
#[derive(Debug)]
pub(super) struct Hello {
    /// The name, if it is fit to be written down.
    pub name: Option<String>,
    pub is_extended: bool,
}

impl Session {
    pub(super) fn say_hello(&mut self, is_extended: bool, argument: &[u8], out: &mut Vec<u8>) -> Next {
        if argument.len() > limits::DOMAIN_OCTETS {
            return self.refuse(reply::HELLO_TOO_LONG, out);
        }
        // Devices and users' machines say any name or none, and mail must not fail for it; only a good one is
        // written down. Mail servers know theirs (S-064).
        let takes_any = self.facts.door == Door::Submission || self.strictness() == Strictness::Lenient;
        let name = trace::hello_name(argument).filter(|name| is_name(name));
        if name.is_none() && !takes_any {
            return self.refuse(reply::BAD_HELLO, out);
        }
        self.hello = Some(Hello { name: name.map(str::to_owned), is_extended });
        self.mail = None;
        let text = if is_extended { self.extensions() } else { format!("250 {}", self.facts.hostname) };
        self.idle(&text, out)
    }

    /// What works for this peer now. Not BINARYMIME: it asks for every octet to be kept, and POP3, whose lines end
    /// with CRLF, has no way to give a bare CR or LF back (RFC 3030 §3, RFC 1939 §3).
    fn extensions(&self) -> String {
        let facts = &self.facts;
        let size = format!("SIZE {}", facts.message_octets);
        let mut lines = vec![&*facts.hostname, "PIPELINING", &size, "8BITMIME", "SMTPUTF8", "CHUNKING"];
        if self.offers_dsn() {
            lines.push("DSN");
        }
        // RFC 9422 §4.1, §4.2.
        let limits = format!("LIMITS MAILMAX={} RCPTMAX={}", limits::MAILS_PER_SESSION, facts.recipients);
        lines.extend(["ENHANCEDSTATUSCODES", &limits]);
        if facts.offers_starttls && facts.tls.is_none() {
            lines.push("STARTTLS");
        }
        let mechanisms: Vec<_> = facts.terms.offered().map(Mechanism::name).collect();
        let logons = format!("AUTH {}", mechanisms.join(" "));
        if facts.door == Door::Submission && !mechanisms.is_empty() {
            lines.push(&logons);
        }
        format!("250-{}\r\n250 HELP", lines.join("\r\n250-"))
    }

    /// A report can be brought to our own users only, and they come through that door. RFC 3461 §3.
    pub(super) fn offers_dsn(&self) -> bool {
        self.facts.door == Door::Submission
    }
}

/// Whether what is fit to be written down is a name: labels with dots between, or a literal. The underscore is in
/// no RFC but in many a host's name.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=limits::LABEL_OCTETS).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.starts_with('[') || text.split('.').all(is_label)
}
