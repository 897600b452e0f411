//! The paths of an envelope. RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits;
use crate::mail::{Address, AddressError, Domain};

/// Where reports go: a mailbox, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReversePath(Option<String>);

/// Where a mail shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain. RFC 5321 §4.1.1.3.
    Postmaster,
    /// A mailbox whose address has the form of ours; whether it is ours the store knows.
    Address(Address),
    /// `postmaster` at a domain, in letters of any case. RFC 5321 §4.5.1.
    PostmasterAt(Domain),
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
        if mailbox.local.eq_ignore_ascii_case("postmaster") {
            return Ok(ForwardPath::PostmasterAt(domain));
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
    let plain: String =
        domain.chars().map(|letter| if letter == '_' || !letter.is_ascii() { 'x' } else { letter }).collect();
    if domain.split('.').any(|label| label.len() > limits::LABEL_OCTETS) {
        return Err(PathError::TooLong);
    }
    match plain.parse::<Domain>() {
        Ok(_) => Ok(()),
        Err(AddressError::DomainTooLong) => Err(PathError::TooLong),
        Err(_) => Err(PathError::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(path: &str) -> Result<ForwardPath, PathError> {
        let (inner, rest) = cut_path(path.as_bytes(), Strictness::Strict)?;
        assert!(rest.is_empty(), "{path:?}");
        ForwardPath::parse(inner, false)
    }

    fn address(text: &str) -> ForwardPath {
        ForwardPath::Address(text.parse().unwrap())
    }

    fn other(domain: &str) -> ForwardPath {
        ForwardPath::OtherLocalPart(domain.parse().unwrap())
    }

    #[test]
    fn good_paths_are_told_apart() {
        let home: Domain = "home.lan".parse().unwrap();
        for (path, expected) in [
            ("<alice@home.lan>", address("alice@home.lan")),
            (" <alice@home.lan>", address("alice@home.lan")),
            ("<ALICE@Home.Lan>", address("alice@home.lan")),
            ("<\"alice\"@home.lan>", address("alice@home.lan")),
            ("<\"al\\ice\"@home.lan>", address("alice@home.lan")),
            ("<bob+x@home.lan>", address("bob+x@home.lan")),
            ("<Postmaster>", ForwardPath::Postmaster),
            ("<postMASTER@home.lan>", ForwardPath::PostmasterAt(home)),
            ("<\"a b\"@home.lan>", other("home.lan")),
            ("<\"a\\\"b\"@home.lan>", other("home.lan")),
            ("<\"\\@\"@home.lan>", other("home.lan")),
            ("<\"a>b\"@home.lan>", other("home.lan")),
            ("<\"\"@home.lan>", other("home.lan")),
            ("<x!y%z@home.lan>", other("home.lan")),
            ("<|cmd@home.lan>", other("home.lan")),
            ("</file@home.lan>", other("home.lan")),
            ("<`id`@home.lan>", other("home.lan")),
            ("<a@[127.0.0.1]>", ForwardPath::Foreign),
            ("<a@[IPv6:::1]>", ForwardPath::Foreign),
            ("<a@my_host.lan>", ForwardPath::Foreign),
        ] {
            assert_eq!(forward(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_s_099_to_s_106() {
        for path in [
            "",
            "<",
            ">",
            "<>",
            "a@b",
            "<a@b",
            "<a@b@c>",
            "<a@@b>",
            "<@>",
            "<@b>",
            "<a@>",
            "<x@home.lan.>",
            "<x@home.lan..>",
            "<a@[0177.0.0.1]>",
            "<a@[2130706433]>",
            "<a@[999.1.1.1]>",
            "<a@[IPv6:::g]>",
            "<a@[]>",
            "<a@[",
            "<\"a@home.lan>",
            "<\"a\"b@home.lan>",
            "<\"a\\",
            "<<a@home.lan>>",
            "< a@home.lan >",
            "  <a@home.lan>",
            "<a@home.lan>x",
            "<;sleep 66;@home.lan>",
            "<:include:/etc/passwd@home.lan>",
            "<.a@home.lan>",
            "<../../etc/x@home.lan>",
            "<a.@home.lan>",
            "<a@-bad-.lan>",
            "<a@xn--->",
            "<a b@home.lan>",
            "<a\tb@home.lan>",
            "<\"a\tb\"@home.lan>",
        ] {
            assert_eq!(forward(path), Err(PathError::Syntax), "{path:?}");
        }
        assert_eq!(forward("<bob>"), Err(PathError::NoDomain));
        assert_eq!(forward("<\"relaytest@far.example\">"), Err(PathError::NoDomain));
        assert_eq!(forward("<@home.lan:x@far.example>"), Err(PathError::SourceRoute));
        assert_eq!(forward("<@home.lan,@[127.0.0.1]:x%y@home.lan>"), Err(PathError::SourceRoute));
    }

    #[test]
    fn lengths_hold_at_their_edges_s_105() {
        let local = |octets| format!("<{}@home.lan>", "a".repeat(octets));
        assert!(forward(&local(63)).is_ok() && forward(&local(64)).is_ok());
        assert_eq!(forward(&local(65)), Err(PathError::TooLong));

        let label = |octets| format!("<a@{}.lan>", "b".repeat(octets));
        assert!(forward(&label(62)).is_ok() && forward(&label(63)).is_ok());
        assert_eq!(forward(&label(64)), Err(PathError::TooLong));

        let path = |octets: usize| {
            let labels = vec!["c".repeat(49); 5].join(".");
            format!("<{}@{labels}>", "a".repeat(octets - labels.len() - 3))
        };
        assert_eq!((path(256).len(), forward(&path(257))), (256, Err(PathError::TooLong)));
        let domain = |octets: usize| {
            let labels = vec!["c".repeat(49); 5].join(".");
            let domain = format!("{}.{labels}", "d".repeat(octets - labels.len() - 1));
            Mailbox::parse(format!("a@{domain}").as_bytes(), false).map(|_| ())
        };
        assert_eq!((domain(254), domain(255), domain(256)), (Ok(()), Ok(()), Err(PathError::TooLong)));
    }

    #[test]
    fn a_path_of_255_or_256_octets_is_taken_and_one_of_257_is_not_s_105() {
        for (octets, is_taken) in [(255, true), (256, true), (257, false)] {
            let labels = vec!["c".repeat(49); 4].join(".");
            let local = "a".repeat(octets - labels.len() - 3);
            let path = format!("<{local}@{labels}>");
            assert_eq!(path.len(), octets);
            assert_eq!(cut_path(path.as_bytes(), Strictness::Strict).is_ok(), is_taken, "{octets}");
        }
    }

    #[test]
    fn beyond_ascii_needs_smtputf8_s_077_s_108_s_109() {
        let parse = |inner: &[u8], is_utf8| ForwardPath::parse(inner, is_utf8);
        assert_eq!(parse("ö@home.lan".as_bytes(), false), Err(PathError::NotAscii));
        for jorg in ["jörg@home.lan", "JÖRG@Home.Lan", "jo\u{308}rg@home.lan", "\"jörg\"@home.lan"] {
            assert_eq!(parse(jorg.as_bytes(), true), Ok(address("jörg@home.lan")));
            assert_eq!(parse(jorg.as_bytes(), false), Err(PathError::NotAscii));
        }
        assert_eq!(parse("jörg@xn--hme-sna.lan".as_bytes(), true), Ok(address("jörg@xn--hme-sna.lan")));
        assert_eq!(parse("j\u{202E}örg@home.lan".as_bytes(), true), Ok(other("home.lan")));
        assert_eq!(parse("henryⅣ@home.lan".as_bytes(), true), Ok(other("home.lan")));
        assert_eq!(parse("a@höme.lan".as_bytes(), true), Ok(ForwardPath::Foreign));
        assert_eq!(parse("a＠home.lan".as_bytes(), true), Err(PathError::NoDomain));
        for broken in [&b"\xC3\x28@home.lan"[..], b"\xC0\xAF@home.lan", b"\xED\xA0\x80@home.lan", b"a@b\xC3"]
        {
            assert_eq!(parse(broken, true), Err(PathError::Syntax), "{broken:?}");
            assert_eq!(parse(broken, false), Err(PathError::Syntax), "{broken:?}");
        }
    }

    #[test]
    fn devices_may_leave_out_the_brackets_and_the_domain_quirk_13() {
        let lenient = |text: &str| {
            let (inner, rest) = cut_path(text.as_bytes(), Strictness::Lenient)?;
            let path = ReversePath::parse(inner, Strictness::Lenient, false)?;
            Ok((path.as_str().to_owned(), String::from_utf8_lossy(rest).into_owned()))
        };
        let taken = |path: &str, rest: &str| Ok::<_, PathError>((path.to_owned(), rest.to_owned()));
        assert_eq!(lenient("   <a@b>"), taken("a@b", ""));
        assert_eq!(lenient("a@b SIZE=1"), taken("a@b", " SIZE=1"));
        assert_eq!(lenient("<root>"), taken("root", ""));
        assert_eq!(lenient("<>"), taken("", ""));
        assert_eq!(lenient(""), Err(PathError::Syntax));
        assert_eq!(lenient("a@b@c"), Err(PathError::Syntax));
        assert_eq!(ReversePath::parse(b"root", Strictness::Strict, false), Err(PathError::NoDomain));
    }
}
