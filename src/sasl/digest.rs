//! What APOP and CRAM-MD5 share: challenges that never come twice, digests in letters, comparing them.

use std::fmt::Write as _;

use super::Terms;
use crate::limits;

/// A challenge in the form of an RFC 822 message identifier, one word and its host: `<x.y@host>`. Its 128
/// random bits are all that makes it; a clock can be set back (S-184). RFC 1939 §7, RFC 2195 §2.
pub(super) fn challenge(terms: &Terms, purpose: &str, count: u32) -> String {
    let mut text = String::from("<");
    for (place, octet) in terms.seed.draw(purpose, count)[..16].iter().enumerate() {
        // A String takes all that is written.
        let _ = write!(text, "{}{octet:02x}", if place == 8 { "." } else { "" });
    }
    text.push('@');
    text.push_str(&host(&terms.hostname));
    text.push('>');
    text
}

/// The host name's letters, digits and dashes in words with one dot between: whatever the setting is, the
/// challenge stays a message identifier, which clients may insist on (S-183).
fn host(name: &str) -> String {
    let is_kept = |sign: &char| sign.is_ascii_alphanumeric() || *sign == '-' || *sign == '.';
    let kept: String = name.chars().filter(is_kept).take(limits::DOMAIN_OCTETS).collect();
    let words: Vec<&str> = kept.split('.').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "localhost".into() } else { words.join(".") }
}

/// The digest of 32 small hexadecimal digits; none if it is not that. RFC 1939 §7, RFC 2195 §2.
pub(super) fn parse(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 32 {
        return None;
    }
    let mut digest = [0; 16];
    for (octet, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        *octet = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn nibble(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}

/// Whether two digests are the same, in the same time wherever they differ (S-179).
pub(super) fn is_same<const OCTETS: usize>(one: &[u8; OCTETS], other: &[u8; OCTETS]) -> bool {
    let differing = one.iter().zip(other).fold(0, |differing, (one, other)| differing | (one ^ other));
    // Kept from the optimiser, which could end the loop early.
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::super::Seed;
    use super::*;

    fn terms(hostname: &str) -> Terms {
        Terms { hostname: hostname.into(), seed: Seed([7; 32]), ..Terms::default() }
    }

    #[test]
    fn a_challenge_is_a_strict_message_identifier_whatever_the_host_is_called_s_183() {
        let long = "x".repeat(3000);
        for (hostname, host) in [
            ("mail.home.lan", "mail.home.lan"),
            ("[192.168.1.2]", "192.168.1.2"),
            ("", "localhost"),
            ("...", "localhost"),
            ("\u{e4}\r\n", "localhost"),
            (".a..b.", "a.b"),
            ("my box>\r\n+OK", "myboxOK"),
            ("a@b<c>(d)\"e\"", "abcde"),
            (&long, &long[..255]),
        ] {
            let text = challenge(&terms(hostname), "test", 0);
            let (word, found) = text[1..text.len() - 1].split_once('@').unwrap();
            assert_eq!((&text[..1], found, &text[text.len() - 1..]), ("<", host, ">"));
            assert_eq!(word.len(), 33);
            assert!(word.bytes().all(|octet| octet == b'.' || octet.is_ascii_hexdigit()), "{word}");
            assert!(!word.starts_with('.') && !word.ends_with('.') && !word.contains(".."), "{word}");
        }
    }

    #[test]
    fn no_challenge_comes_twice_s_184() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            for count in 0..20 {
                for purpose in ["apop", "cram"] {
                    let terms = Terms { seed: Seed([seed; 32]), ..terms("x") };
                    assert!(seen.insert(challenge(&terms, purpose, count)));
                }
            }
        }
    }

    #[test]
    fn a_digest_is_32_small_hexadecimal_digits() {
        assert_eq!(parse(b"000102030405060708090a0b0c0d0eff").unwrap()[13..], [13, 14, 255]);
        for wrong in [
            &b""[..],
            b"000102030405060708090a0b0c0d0ef",
            b"000102030405060708090a0b0c0d0efff",
            b"000102030405060708090A0B0C0D0EFF",
            b"000102030405060708090a0b0c0d0efg",
            b"000102030405060708090a0b0c0d0e f",
            b"+00102030405060708090a0b0c0d0eff",
            b"000102030405060708090a0b0c0d0e\xC3\xA4",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn each_bit_of_a_digest_counts_s_179() {
        let one = [0x5A; 16];
        assert!(is_same(&one, &one));
        for bit in 0..128 {
            let mut other = one;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_same(&one, &other), "{bit}");
        }
    }
}
