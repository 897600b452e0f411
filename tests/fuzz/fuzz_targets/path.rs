//! Paths: taken and told apart as an octet by octet reading of the grammar has them, roles and coded labels among them.
//! RFC 5321 §4.1.2, §4.1.3, RFC 6531 §3.3, RFC 2142 §4, RFC 5891 §4.2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::mail::Role;
use poppet::mail::a_label::is_a_label;
use poppet::smtp::path::{PathError, Strictness};
use poppet::smtp::{ForwardPath, ReversePath};
use poppet_fuzz::punycode;

fuzz_target!(|inner: &[u8]| {
    for is_utf8 in [false, true] {
        let path = ForwardPath::parse(inner, is_utf8);
        check_forward(inner, is_utf8, &path);
        if inner.eq_ignore_ascii_case(b"postmaster") || inner.is_empty() {
            continue;
        }
        // Both directions have one grammar.
        let reverse = ReversePath::parse(inner, Strictness::Strict, is_utf8);
        assert_eq!(reverse.err(), path.err(), "the directions differ");
    }
    if let Ok(label) = std::str::from_utf8(inner) {
        check_label(label);
    }
});

fn check_forward(inner: &[u8], is_utf8: bool, path: &Result<ForwardPath, PathError>) {
    let Some((local, domain)) = mailbox(inner, is_utf8) else {
        let is_postmaster = inner.eq_ignore_ascii_case(b"postmaster");
        assert_eq!(path == &Ok(ForwardPath::Postmaster), is_postmaster, "{}", inner.escape_ascii());
        assert!(is_postmaster || path.is_err(), "{} is taken for {path:?}", inner.escape_ascii());
        return;
    };
    let path = path.as_ref().unwrap_or_else(|error| panic!("{} is refused: {error:?}", inner.escape_ascii()));
    let role = Role::ALL.into_iter().find(|role| local.eq_ignore_ascii_case(role.as_str()));
    let is_like_ours = !domain.starts_with('[') && domain.is_ascii() && !domain.contains('_');
    let told = match path {
        ForwardPath::Postmaster => panic!("{domain} is lost"),
        ForwardPath::Foreign => None,
        ForwardPath::Role(told, domain) => {
            assert_eq!(Some(*told), role, "another role than {local:?}");
            Some(domain.clone())
        }
        ForwardPath::Address(address) => {
            assert!(role.is_none(), "a role is taken for a mailbox: {local:?}");
            assert!(
                !local.is_ascii() || address.local_part().eq_ignore_ascii_case(&local),
                "{local:?} is {address}"
            );
            Some(address.domain())
        }
        ForwardPath::OtherLocalPart(domain) => {
            assert!(role.is_none(), "a role is taken for another name: {local:?}");
            let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_';
            assert!(local.is_empty() || !local.bytes().all(is_name), "a name is taken for none: {local:?}");
            Some(domain.clone())
        }
    };
    assert_eq!(told.is_some(), is_like_ours, "whether {domain:?} is like ours");
    assert!(
        told.is_none_or(|told| told.as_str().eq_ignore_ascii_case(domain)),
        "another domain than {domain:?}"
    );
}

/// The grammar: the local part without its quotes, and the domain.
fn mailbox(inner: &[u8], is_utf8: bool) -> Option<(String, &str)> {
    let text = std::str::from_utf8(inner).ok()?;
    if text.chars().any(char::is_control) || !is_utf8 && !text.is_ascii() {
        return None;
    }
    // Quoted or not, a local part ends before an @ that stands outside quotes.
    let (local, domain) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (mut local, mut letters) = (String::new(), quoted.chars());
            loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => local.push(letters.next().filter(char::is_ascii)?),
                    letter => local.push(letter),
                }
            }
            (local, letters.as_str().strip_prefix('@')?)
        }
        None => {
            let (local, domain) = text.split_once('@')?;
            let is_special = |letter: char| "()<>[]:;@\\,\" ".contains(letter);
            let is_good = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
            if local.is_empty() || !is_good || local.contains(is_special) {
                return None;
            }
            (local.to_owned(), domain)
        }
    };
    (local.len() <= limits::LOCAL_PART_OCTETS && is_domain(domain)).then_some((local, domain))
}

fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[') {
        let Some(literal) = literal.strip_suffix(']') else { return false };
        return match literal.split_at_checked(5) {
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => {
                address.parse::<std::net::Ipv6Addr>().is_ok()
            }
            _ => literal.parse::<std::net::Ipv4Addr>().is_ok(),
        };
    }
    domain.len() <= limits::DOMAIN_OCTETS && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_letter =
        |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter) || !letter.is_ascii();
    let letters: Vec<char> = label.chars().collect();
    let has_hyphens = letters.get(2..4) == Some(&['-', '-']);
    let is_coded = has_hyphens && letters[..2].iter().collect::<String>().eq_ignore_ascii_case("xn");
    (1..=limits::LABEL_OCTETS).contains(&label.len())
        && letters.iter().all(|&letter| is_letter(letter))
        && !label.starts_with('-')
        && !label.ends_with('-')
        && (label.is_ascii() || !has_hyphens)
        && (!is_coded || is_a_label(label))
}

/// What is taken for a coded label is what its letters are coded as, and there are such beyond ASCII.
fn check_label(label: &str) {
    if label.len() > limits::LABEL_OCTETS || !is_a_label(label) {
        return;
    }
    let code = &label["xn--".len()..].to_ascii_lowercase();
    let letters = punycode::decode(code).unwrap_or_else(|| panic!("{label} is taken and can't be decoded"));
    assert!(!letters.is_ascii(), "{label} has no letter beyond ASCII");
    assert!(letters.chars().skip(2).take(2).ne(['-', '-']), "{label} seems to be coded twice");
    assert_eq!(&punycode::encode(&letters), code, "{label} is coded otherwise");
}
