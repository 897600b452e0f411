//! What a server's reply to EHLO offers. RFC 5321 §4.1.1.1.

use crate::sasl::Mechanism;
use crate::sasl::client::PREFERRED;

/// What a server offers; before EHLO, and behind HELO, nothing.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// The largest message that it takes in octets, if it says SIZE; 0 for none that it tells. RFC 1870 §3.
    pub(super) size: Option<u64>,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 6531.
    pub(super) utf8: bool,
    /// RFC 3030 §2.
    pub(super) chunking: bool,
    /// RFC 3461.
    pub(super) dsn: bool,
    /// Mechanisms that we know, each once. RFC 4954 §3.
    pub(super) mechanisms: Vec<Mechanism>,
    /// Recipients of one mail. RFC 9422 §4.2.
    pub(super) recipients: Option<usize>,
    /// Mails of one connection. RFC 9422 §4.1.
    pub(super) mails: Option<usize>,
}

impl Offer {
    /// Takes a line behind the first one, without its code. Whatever is unknown or ill-formed offers nothing.
    pub(super) fn learn(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        let mut words = line.split_ascii_whitespace();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "STARTTLS" => self.starttls = true,
            "PIPELINING" => self.pipelining = true,
            "SIZE" => self.size = Some(words.next().and_then(number).unwrap_or(0)),
            "8BITMIME" => self.eight_bit = true,
            "SMTPUTF8" => self.utf8 = true,
            "CHUNKING" => self.chunking = true,
            "DSN" => self.dsn = true,
            "AUTH" => words.for_each(|name| self.learn_mechanism(name)),
            "LIMITS" => words.for_each(|limit| self.learn_limit(limit)),
            // An old form, which servers that still stand have.
            keyword => {
                if let Some(first) = keyword.strip_prefix("AUTH=") {
                    self.learn_mechanism(first);
                    words.for_each(|name| self.learn_mechanism(name));
                }
            }
        }
    }

    fn learn_mechanism(&mut self, name: &str) {
        let known = PREFERRED.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name));
        if let Some(mechanism) = known.filter(|mechanism| !self.mechanisms.contains(mechanism)) {
            self.mechanisms.push(mechanism);
        }
    }

    /// A limit of 0 would be none that can be kept.
    fn learn_limit(&mut self, limit: &str) {
        let Some((name, value)) = limit.split_once('=') else { return };
        let value = number(value).and_then(|value| usize::try_from(value).ok()).filter(|&value| value > 0);
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => self.recipients = value,
            "MAILMAX" => self.mails = value,
            _ => {}
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lines: &[&str]) -> Offer {
        let mut offer = Offer::default();
        lines.iter().for_each(|line| offer.learn(line.as_bytes()));
        offer
    }

    #[test]
    fn keywords_are_read_in_any_case() {
        let offer = offer(&[
            "startTLS",
            "pipelining",
            "Size 1000",
            "8bitmime",
            "SMTPUTF8",
            "chunking",
            "dsn",
            "limits MAILMAX=5 rcptmax=7",
            "auth login PLAIN scram-sha-256 cram-md5 NTLM XOAUTH2 PLAIN",
        ]);
        assert!(
            offer.starttls
                && offer.pipelining
                && offer.eight_bit
                && offer.utf8
                && offer.chunking
                && offer.dsn
        );
        assert_eq!((offer.size, offer.mails, offer.recipients), (Some(1000), Some(5), Some(7)));
        let names: Vec<_> = offer.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
        assert_eq!(names, ["LOGIN", "PLAIN", "SCRAM-SHA-256", "CRAM-MD5"]);
    }

    #[test]
    fn the_old_form_of_auth_is_read() {
        let offer = offer(&["AUTH=LOGIN PLAIN", "AUTH LOGIN"]);
        assert_eq!(offer.mechanisms, [Mechanism::Login, Mechanism::Plain]);
    }

    #[test]
    fn what_is_ill_formed_offers_nothing_s_132() {
        for line in [
            "",
            " ",
            "STARTTLSX",
            "START TLS",
            "XSTARTTLS",
            "8BIT",
            "AUTH",
            "AUTH=",
            "AUTH NTLM",
            "AUTH=NTLM",
            "AUTHPLAIN",
            "AUTH PLAIN,LOGIN",
            "LIMITS",
            "LIMITS RCPTMAX",
            "LIMITS RCPTMAX=0",
            "LIMITS RCPTMAX=-1",
            "LIMITS MAILMAX=99999999999999999999",
            "EXTERNAL PLAIN",
        ] {
            let offer = offer(&[line]);
            assert!(!offer.starttls && !offer.eight_bit && offer.mechanisms.is_empty(), "{line}");
            assert_eq!((offer.recipients, offer.mails, offer.size), (None, None, None), "{line}");
        }
        for line in ["SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE +5", "SIZE 99999999999999999999"] {
            assert_eq!(offer(&[line]).size, Some(0), "{line}: it takes the parameter and tells no limit");
        }
        let mut offer = Offer::default();
        offer.learn(b"STARTTLS \xFF");
        assert!(!offer.starttls);
    }
}
