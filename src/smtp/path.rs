//! The paths of an envelope. RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3.

use crate::limits;
use crate::mail::mailbox::{Mailbox, MailboxError, cut_local_part};
use crate::mail::{Address, Domain, Role};

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
        match mailbox(inner, is_utf8) {
            Ok((text, _)) => Ok(ReversePath(Some(text.to_owned()))),
            // Devices name themselves `root` or `scanner`.
            Err(PathError::NoDomain) if strictness == Strictness::Lenient => {
                let text = check_text(inner, is_utf8)?;
                let (_, rest) = cut_local_part(text)?;
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
        let (_, mailbox) = mailbox(inner, is_utf8)?;
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

/// A mailbox, without a source route before it.
fn mailbox(inner: &[u8], is_utf8: bool) -> Result<(&str, Mailbox<'_>), PathError> {
    if inner.starts_with(b"@") && inner.contains(&b':') {
        return Err(PathError::SourceRoute);
    }
    let text = check_text(inner, is_utf8)?;
    Ok((text, Mailbox::parse(text)?))
}

impl From<MailboxError> for PathError {
    fn from(error: MailboxError) -> PathError {
        match error {
            MailboxError::Syntax => PathError::Syntax,
            MailboxError::TooLong => PathError::TooLong,
            MailboxError::NoDomain => PathError::NoDomain,
        }
    }
}

#[cfg(test)]
mod tests;
