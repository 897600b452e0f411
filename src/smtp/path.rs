//! The paths of an envelope. RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits;
use crate::mail::{Address, AddressError, Domain, Role, a_label};

/// Where reports go: a mailbox, or nowhere, which is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReversePath(Option<String>);

/// Where a mail shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain. RFC 5321 §4.1.1.3.
    Postmaster,
    /// A mailbox whose address has the form of ours; whether it is ours the store knows.
    Address(Address),
    /// `postmaster` or `abuse` at a domain, in letters of any case. RFC 5321 §4.5.1, RFC 2142 §4. With a tag behind it
    /// it is an address, until [`Role::of`] knows what parts a tag off.
    Role(Role, Domain),
    /// An address at a domain that has the form of ours, with a local part that none of ours has.
    OtherLocalPart(Domain),
    /// An address that can't be one of ours: an address literal, or a domain beyond ASCII.
    Foreign,
}

/// How strictly a path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// To the letter of RFC 5321, but for one blank behind the colon.
    Strict,
    /// As devices and users write it: no angle brackets, more blanks, a sender without a domain.
    Lenient,
}

/// Why a path is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// Not a path.
    Syntax,
    /// Over the length that RFC 5321 §4.5.3.1 gives to a local part, a domain or a path.
    TooLong,
    /// There is no `@`.
    NoDomain,
    /// `<@a:b@c>`: mail is never routed by its sender. RFC 5321 appendix C.
    SourceRoute,
    /// Octets beyond ASCII without SMTPUTF8. RFC 6531 §3.4.
    NotAscii,
}

impl ReversePath {
    /// Takes what stands between `<` and `>`; empty for none.
    pub fn parse(inner: &[u8], strictness: Strictness, is_utf8: bool) -> Result<ReversePath, PathError> {
        if inner.is_empty() {
            return Ok(ReversePath(None));
        }
        match Mailbox::parse(inner, is_utf8) {
            Ok(mailbox) => Ok(ReversePath(Some(mailbox.text.to_owned()))),
            // Devices name themselves `root` or `scanner`.
            Err(PathError::NoDomain) if strictness == Strictness::Lenient => {
                let text = check_text(inner, is_utf8)?;
                let (_, rest) = local_part(text)?;
                if rest.is_empty() { Ok(ReversePath(Some(text.to_owned()))) } else { Err(PathError::Syntax) }
            }
            Err(error) => Err(error),
        }
    }

    /// The text inside the angle brackets, empty for none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl ForwardPath {
    /// Takes what stands between `<` and `>`.
    pub fn parse(inner: &[u8], is_utf8: bool) -> Result<ForwardPath, PathError> {
        if inner.eq_ignore_ascii_case(b"postmaster") {
            return Ok(ForwardPath::Postmaster);
        }
        let mailbox = Mailbox::parse(inner, is_utf8)?;
        // A domain of ours has only letters that we know; any other one is foreign (S-108).
        let Ok(domain) = mailbox.domain.parse::<Domain>() else {
            return Ok(ForwardPath::Foreign);
        };
        if let Some(role) = Role::of(&mailbox.local, None) {
            return Ok(ForwardPath::Role(role, domain));
        }
        Ok(match Address::new(&mailbox.local, &domain) {
            Ok(address) => ForwardPath::Address(address),
            Err(_) => ForwardPath::OtherLocalPart(domain),
        })
    }
}

/// Cuts a path off the front of a command's argument: gives what is inside of its angle brackets, and what
/// stands behind it. RFC 5321 §4.1.1.2, §4.1.1.3.
pub fn cut_path(argument: &[u8], strictness: Strictness) -> Result<(&[u8], &[u8]), PathError> {
    // The blank behind the colon is so common that even the open port takes one.
    let argument = match strictness {
        Strictness::Strict => argument.strip_prefix(b" ").unwrap_or(argument),
        Strictness::Lenient => argument.trim_ascii_start(),
    };
    let (inner, rest) = match argument.strip_prefix(b"<") {
        Some(behind) => {
            let end = find_unquoted(behind, b'>').ok_or(PathError::Syntax)?;
            (&behind[..end], &behind[end + 1..])
        }
        None if strictness == Strictness::Lenient && !argument.is_empty() => {
            argument.split_at(find_unquoted(argument, b' ').unwrap_or(argument.len()))
        }
        None => return Err(PathError::Syntax),
    };
    if rest.first().is_some_and(|&octet| octet != b' ') {
        return Err(PathError::Syntax);
    }
    if inner.len() + b"<>".len() > limits::PATH_OCTETS {
        return Err(PathError::TooLong);
    }
    Ok((inner, rest))
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

/// The place of the first such octet outside quotes.
fn find_unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.iter().position(|&octet| {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => return octet == wanted && !is_quoted,
        }
        false
    })
}

struct Mailbox<'a> {
    text: &'a str,
    /// Without quotes: `"bob"@x` and `bob@x` are one mailbox. RFC 5321 §4.1.2.
    local: String,
    domain: &'a str,
}

impl Mailbox<'_> {
    fn parse(inner: &[u8], is_utf8: bool) -> Result<Mailbox<'_>, PathError> {
        if inner.starts_with(b"@") && inner.contains(&b':') {
            return Err(PathError::SourceRoute);
        }
        let text = check_text(inner, is_utf8)?;
        let (local, rest) = local_part(text)?;
        if local.len() > limits::LOCAL_PART_OCTETS {
            return Err(PathError::TooLong);
        }
        let domain = match rest.strip_prefix('@') {
            Some(domain) => domain,
            None if rest.is_empty() => return Err(PathError::NoDomain),
            None => return Err(PathError::Syntax),
        };
        check_domain(domain)?;
        Ok(Mailbox { text, local, domain })
    }
}

fn check_text(inner: &[u8], is_utf8: bool) -> Result<&str, PathError> {
    let text = std::str::from_utf8(inner).map_err(|_| PathError::Syntax)?;
    if text.chars().any(char::is_control) {
        return Err(PathError::Syntax);
    }
    if !text.is_ascii() && !is_utf8 {
        return Err(PathError::NotAscii);
    }
    Ok(text)
}

/// The local part without its quotes, and what stands behind it.
fn local_part(text: &str) -> Result<(String, &str), PathError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('@').unwrap_or(text.len());
        let (local, rest) = text.split_at(end);
        let is_good = local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_letter));
        return if is_good { Ok((local.to_owned(), rest)) } else { Err(PathError::Syntax) };
    };
    let mut local = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((local, &quoted[at + 1..])),
            '\\' => match letters.next() {
                Some((_, escaped)) if escaped.is_ascii() => local.push(escaped),
                _ => return Err(PathError::Syntax),
            },
            _ => local.push(letter),
        }
    }
    Err(PathError::Syntax)
}

/// RFC 5322 §3.2.3, and RFC 6531 §3.3 beyond ASCII.
fn is_atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter) || !letter.is_ascii()
}

/// Labels with dots between, or an address literal. The underscore is in no RFC but in many a host's name.
fn check_domain(domain: &str) -> Result<(), PathError> {
    if domain.len() > limits::DOMAIN_OCTETS {
        return Err(PathError::TooLong);
    }
    if domain.starts_with('[') {
        return if is_address_literal(domain) { Ok(()) } else { Err(PathError::Syntax) };
    }
    if domain.split('.').any(|label| label.len() > limits::LABEL_OCTETS) {
        return Err(PathError::TooLong);
    }
    if !domain.split('.').all(has_good_form) {
        return Err(PathError::Syntax);
    }
    // No stand-in that could make a label seem to be coded.
    let plain: String =
        domain.chars().map(|letter| if letter == '_' || !letter.is_ascii() { 'a' } else { letter }).collect();
    match plain.parse::<Domain>() {
        Ok(_) => Ok(()),
        Err(AddressError::DomainTooLong) => Err(PathError::TooLong),
        Err(_) => Err(PathError::Syntax),
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
mod tests;
