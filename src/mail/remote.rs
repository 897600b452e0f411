//! Addresses elsewhere: what SMTP can name, and no mailbox of ours need look like.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::mailbox::{Mailbox, MailboxError};
use super::{Address, Domain, a_label};
use crate::limits;

/// The address of somebody elsewhere as a command of SMTP names him, without the angle brackets: a local part of any
/// form, also in quotes, at a domain or an address literal. RFC 5321 §4.1.2, beyond ASCII RFC 6531 §3.3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteAddress(Box<str>);

impl RemoteAddress {
    /// Takes what somebody typed. A domain is kept in small letters of ASCII.
    pub fn parse(text: &str) -> Result<RemoteAddress, RemoteError> {
        Mailbox::parse(text).map_err(RemoteError)?;
        if text.len() + b"<>".len() > limits::PATH_OCTETS {
            return Err(RemoteError(MailboxError::TooLong));
        }
        let remote = RemoteAddress(text.into());
        if remote.domain_text().starts_with('[') {
            return Ok(remote);
        }
        let (local, domain) = (remote.local_text(), remote.domain_text());
        Ok(RemoteAddress(format!("{local}@{}", domain.to_ascii_lowercase()).into()))
    }

    /// Takes the text of a forward-path that was found to be one; see `smtp::path`.
    pub fn from_path(text: &str) -> RemoteAddress {
        RemoteAddress(text.into())
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the last `@`: a domain as it was written, or an address literal; empty if there is no `@`.
    pub fn domain_text(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// What stands before the last `@`, in quotes if it was written so.
    pub fn local_text(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// The domain as the name system has it; none for an address literal, or what can be no name.
    pub fn domain(&self) -> Option<Domain> {
        a_label::coded(self.domain_text()).parse().ok()
    }

    /// Whether it is in ASCII as it stands.
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }

    /// The address as a server without SMTPUTF8 may be told it: its domain as the name system has it, if that is what goes
    /// beyond ASCII. None where its name does, or where no domain comes of it. RFC 6531 §3.2.
    pub fn in_ascii(&self) -> Option<RemoteAddress> {
        if self.is_ascii() {
            return Some(self.clone());
        }
        let local = Some(self.local_text()).filter(|local| local.is_ascii())?;
        Some(RemoteAddress(format!("{local}@{}", self.domain()?).into()))
    }
}

impl From<&Address> for RemoteAddress {
    fn from(address: &Address) -> RemoteAddress {
        RemoteAddress(address.as_str().into())
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a text is no address that SMTP can name; its text says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteError(MailboxError);

impl fmt::Display for RemoteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            MailboxError::Syntax => "an address is name@domain, with quotes round a name that has blanks",
            MailboxError::TooLong => {
                "an address has at most 64 octets before the @, 63 between two dots behind it, and 254 in all"
            }
            MailboxError::NoDomain => "an address has the form name@domain",
        })
    }
}

impl std::error::Error for RemoteError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_domain_beyond_ascii_has_another_form() {
        for (address, wanted) in [
            ("bob@example.com", Some("bob@example.com")),
            ("Bob@b\u{fc}cher.example", Some("Bob@xn--bcher-kva.example")),
            ("bob@B\u{dc}CHER\u{3002}example", Some("bob@xn--bcher-kva.example")),
            ("\"a@b c\"@b\u{fc}cher.example", Some("\"a@b c\"@xn--bcher-kva.example")),
            ("bob@[192.0.2.1]", Some("bob@[192.0.2.1]")),
            ("Postmaster", Some("Postmaster")),
            ("", Some("")),
            ("j\u{f6}rg@example.com", None),
            ("j\u{f6}rg@b\u{fc}cher.example", None),
            ("bob@-\u{fc}.example", None),
            ("bob@\u{fc}..example", None),
            ("j\u{f6}rg", None),
        ] {
            let told = RemoteAddress::from_path(address).in_ascii();
            assert_eq!(told.as_ref().map(RemoteAddress::as_str), wanted, "{address}");
        }
        for (letters, is_one) in [(55, true), (56, true), (57, false)] {
            let label = format!("{}\u{fc}", "a".repeat(letters - 1));
            let told = RemoteAddress::from_path(&format!("bob@{label}.example")).in_ascii();
            assert_eq!(told.is_some(), is_one, "{letters}");
        }
    }

    #[test]
    fn addresses_elsewhere_are_taken_as_smtp_takes_them() {
        for (text, kept) in [
            ("o'brien@Example.COM", "o'brien@example.com"),
            ("Bob.Smith@example.com", "Bob.Smith@example.com"),
            ("\"a b\"@example.com", "\"a b\"@example.com"),
            ("x=y/z@example.com", "x=y/z@example.com"),
            ("bob@[192.0.2.1]", "bob@[192.0.2.1]"),
            ("j\u{f6}rg@h\u{f6}me.example", "j\u{f6}rg@h\u{f6}me.example"),
        ] {
            assert_eq!(RemoteAddress::parse(text).map(|address| address.to_string()), Ok(kept.into()));
        }
        let (local, domain) =
            ("l".repeat(64), format!("{}.{}.{}", "d".repeat(63), "e".repeat(63), "f".repeat(60)));
        let whole = format!("{local}@{domain}");
        assert_eq!(whole.len(), 253);
        assert!(RemoteAddress::parse(&whole).is_ok());
        assert!(RemoteAddress::parse(&format!("{whole}g")).is_ok());
        assert_eq!(RemoteAddress::parse(&format!("{whole}gg")), Err(RemoteError(MailboxError::TooLong)));
        assert_eq!(RemoteAddress::parse(&format!("l{local}@e.lan")), Err(RemoteError(MailboxError::TooLong)));
        for bad in ["", "bob", "bob@", "a b@e.lan", "a@b\r\nDATA", "<a@e.lan>", "a@e.lan\0"] {
            assert!(RemoteAddress::parse(bad).is_err(), "{bad:?}");
        }
    }
}
