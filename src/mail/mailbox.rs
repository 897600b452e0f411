//! The text of a mailbox as SMTP names it in its paths: `local-part@domain`. RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{AddressError, Domain, a_label};
use crate::limits;

/// A mailbox, cut in two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// Without quotes: `"bob"@x` and `bob@x` are one mailbox. RFC 5321 §4.1.2.
    pub local: String,
    /// A domain as it was written, or an address literal.
    pub domain: &'a str,
}

/// Why a text is no mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailboxError {
    /// It has not that form.
    Syntax,
    /// Over the length that RFC 5321 §4.5.3.1 gives to a local part or a domain.
    TooLong,
    /// There is no `@`.
    NoDomain,
}

impl Mailbox<'_> {
    /// Takes a text without control characters.
    pub fn parse(text: &str) -> Result<Mailbox<'_>, MailboxError> {
        if text.chars().any(char::is_control) {
            return Err(MailboxError::Syntax);
        }
        let (local, rest) = cut_local_part(text)?;
        if local.len() > limits::LOCAL_PART_OCTETS {
            return Err(MailboxError::TooLong);
        }
        let domain = match rest.strip_prefix('@') {
            Some(domain) => domain,
            None if rest.is_empty() => return Err(MailboxError::NoDomain),
            None => return Err(MailboxError::Syntax),
        };
        check_domain(domain)?;
        Ok(Mailbox { local, domain })
    }
}

/// The local part without its quotes, and what stands behind it.
pub fn cut_local_part(text: &str) -> Result<(String, &str), MailboxError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('@').unwrap_or(text.len());
        let (local, rest) = text.split_at(end);
        return if is_dot_string(local) { Ok((local.to_owned(), rest)) } else { Err(MailboxError::Syntax) };
    };
    let mut local = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((local, &quoted[at + 1..])),
            '\\' => match letters.next() {
                Some((_, escaped)) if escaped.is_ascii() => local.push(escaped),
                _ => return Err(MailboxError::Syntax),
            },
            _ => local.push(letter),
        }
    }
    Err(MailboxError::Syntax)
}

/// The local part as a path has it: in quotes only where it needs them. RFC 5321 §4.1.2.
pub fn written_local_part(local: &str) -> String {
    if is_dot_string(local) {
        return local.to_owned();
    }
    let mut text = String::with_capacity(local.len() + 2);
    text.push('"');
    for letter in local.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// Whether a text is an address literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. RFC 5321 §4.1.3.
pub fn is_address_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return false;
    };
    match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => inner[5..].parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Atoms with dots between.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_letter))
}

/// RFC 5322 §3.2.3, and RFC 6531 §3.3 beyond ASCII.
fn is_atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter) || !letter.is_ascii()
}

/// Labels with dots between, or an address literal. The underscore is in no RFC but in many a host's name.
fn check_domain(domain: &str) -> Result<(), MailboxError> {
    if domain.len() > limits::DOMAIN_OCTETS {
        return Err(MailboxError::TooLong);
    }
    if domain.starts_with('[') {
        return if is_address_literal(domain) { Ok(()) } else { Err(MailboxError::Syntax) };
    }
    if domain.split('.').any(|label| label.len() > limits::LABEL_OCTETS) {
        return Err(MailboxError::TooLong);
    }
    if !domain.split('.').all(has_good_form) {
        return Err(MailboxError::Syntax);
    }
    // No stand-in that could make a label seem to be coded.
    let plain: String =
        domain.chars().map(|letter| if letter == '_' || !letter.is_ascii() { 'a' } else { letter }).collect();
    match plain.parse::<Domain>() {
        Ok(_) => Ok(()),
        Err(AddressError::DomainTooLong) => Err(MailboxError::TooLong),
        Err(_) => Err(MailboxError::Syntax),
    }
}

/// A label in ASCII only may have hyphens in the third and fourth place, and behind `xn` only if it is coded.
/// RFC 5891 §4.2.1, §4.2.3.1.
fn has_good_form(label: &str) -> bool {
    if a_label::claims_a_label(label) {
        return a_label::is_a_label(label);
    }
    label.is_ascii() || !a_label::has_hyphens_in_third_place(label.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_part_is_written_so_that_it_is_read_again() {
        for (local, written) in [
            ("bob", "bob"),
            ("o'brien", "o'brien"),
            ("a.b", "a.b"),
            ("j\u{f6}rg", "j\u{f6}rg"),
            ("a b", "\"a b\""),
            ("a..b", "\"a..b\""),
            (".a", "\".a\""),
            ("", "\"\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("a@b", "\"a@b\""),
        ] {
            assert_eq!(written_local_part(local), written);
            let text = format!("{written}@example.com");
            assert_eq!(Mailbox::parse(&text), Ok(Mailbox { local: local.into(), domain: "example.com" }));
        }
    }

    #[test]
    fn what_is_no_mailbox_is_told() {
        for (text, error) in [
            ("", MailboxError::Syntax),
            ("bob", MailboxError::NoDomain),
            ("bob@", MailboxError::Syntax),
            ("@example.com", MailboxError::Syntax),
            ("a b@example.com", MailboxError::Syntax),
            ("a\u{1b}@example.com", MailboxError::Syntax),
            ("\"a\rb\"@example.com", MailboxError::Syntax),
            ("a@b@example.com", MailboxError::Syntax),
            ("\"a\"b@example.com", MailboxError::Syntax),
            ("a@[example.com]", MailboxError::Syntax),
            ("a@[192.0.2.256]", MailboxError::Syntax),
            ("a@exa mple.com", MailboxError::Syntax),
            ("a@xn--f.example", MailboxError::Syntax),
        ] {
            assert_eq!(Mailbox::parse(text), Err(error), "{text:?}");
        }
    }
}
