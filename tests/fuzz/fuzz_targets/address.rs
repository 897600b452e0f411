//! Addresses: what is printed is read back as the same, within its limits; and the paths of envelopes.
//! RFC 5321 §4.1.2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::mail::{Address, Domain};
use poppet::smtp::path::{Strictness, cut_path};
use poppet::smtp::{ForwardPath, ReversePath};

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        if let Ok(domain) = text.parse::<Domain>() {
            check_domain(&domain);
        }
        if let Ok(address) = text.parse::<Address>() {
            check_address(&address);
        }
    }
    for strictness in [Strictness::Strict, Strictness::Lenient] {
        let Ok((inner, rest)) = cut_path(input, strictness) else { continue };
        assert!(inner.len() + rest.len() <= input.len() && inner.len() + 2 <= limits::PATH_OCTETS);
        for is_utf8 in [false, true] {
            check_paths(inner, strictness, is_utf8);
        }
    }
});

fn check_domain(domain: &Domain) {
    assert!((1..=limits::DOMAIN_OCTETS).contains(&domain.as_str().len()), "a domain's length: {domain}");
    let is_label = |label: &str| (1..=limits::LABEL_OCTETS).contains(&label.len());
    assert!(domain.as_str().split('.').all(is_label), "a label's length: {domain}");
    assert_eq!(domain.to_string().parse().as_ref(), Ok(domain), "another domain is read back");
}

fn check_address(address: &Address) {
    let text = address.to_string();
    check_domain(&address.domain());
    assert_eq!(
        text,
        format!("{}@{}", address.local_part(), address.domain()),
        "an address is more than its parts"
    );
    assert!((1..=limits::LOCAL_PART_OCTETS).contains(&address.local_part().len()), "a name's length: {text}");
    let is_plain =
        |letter: char| !letter.is_control() && !letter.is_whitespace() && !"/\\<>\"@".contains(letter);
    assert!(address.local_part().chars().all(is_plain), "a name that is none: {text:?}");
    assert_eq!(text.parse().as_ref(), Ok(address), "another address is read back");
}

fn check_paths(inner: &[u8], strictness: Strictness, is_utf8: bool) {
    if let Ok(path) = ReversePath::parse(inner, strictness, is_utf8) {
        let text = path.as_str();
        assert_eq!(text.as_bytes(), inner, "a path is kept otherwise than it came");
        assert!(
            !text.chars().any(char::is_control) && (is_utf8 || text.is_ascii()),
            "a path's letters: {text:?}"
        );
        assert_eq!(ReversePath::parse(text.as_bytes(), strictness, is_utf8), Ok(path.clone()));
    }
    match ForwardPath::parse(inner, is_utf8) {
        Ok(ForwardPath::Address(address)) => check_address(&address),
        Ok(ForwardPath::Role(_, domain) | ForwardPath::OtherLocalPart(domain)) => check_domain(&domain),
        Ok(ForwardPath::Postmaster | ForwardPath::Foreign) | Err(_) => {}
    }
}
