//! Base64 as SASL responses have it: the standard alphabet with padding, one spelling only. RFC 4648 §4.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::limits;

/// The octets of a response, which leave memory when dropped because a password may be among them. None
/// if `text` is over [`limits::SASL_LINE_OCTETS`] or no base64: stray octets, missing padding, or
/// trailing bits that are not zero (S-156, S-157).
pub fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > limits::SASL_LINE_OCTETS {
        return None;
    }
    let mut octets = Zeroizing::new(vec![0; text.len().div_ceil(4) * 3]);
    let length = Base64::decode(text, &mut octets).ok()?.len();
    octets.truncate(length);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        decode(text).map(|octets| octets.to_vec())
    }

    #[test]
    fn the_vectors_of_rfc_4648_section_10_are_read() {
        for (text, octets) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decoded(text.as_bytes()), Some(octets.into()), "{text}");
        }
        assert_eq!(decoded(b"+/+/"), Some(vec![0xFB, 0xFF, 0xBF]));
    }

    #[test]
    fn every_other_spelling_is_refused_s_156() {
        for text in [
            "!!!!", "=", "==", "===", "====", "A", "AA", "AAA", "AA=A", "A===", "=AAA", "AAAA=", "AAAA====",
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9", "Zm9v ", " Zm9v", "Zm9v\r", "Zm9v\n", "Zm\r\n9v",
            "-_-_", "Zm9v\0", "Zg==Zg==", "*", "ZgÃ=", "Zg=\0",
        ] {
            assert_eq!(decoded(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn each_octet_outside_the_alphabet_is_refused_in_each_place() {
        for octet in 0..=255_u8 {
            let is_letter = octet.is_ascii_alphanumeric() || b"+/".contains(&octet);
            for place in 0..4 {
                let mut text = *b"AAAA";
                text[place] = octet;
                let is_padding = octet == b'=' && place == 3;
                assert_eq!(decoded(&text).is_some(), is_letter || is_padding, "{text:?}");
            }
        }
    }

    #[test]
    fn the_longest_response_is_held_at_its_edge_s_157() {
        let most = limits::SASL_LINE_OCTETS;
        assert_eq!(decoded(&vec![b'A'; most - 4]), Some(vec![0; most / 4 * 3 - 3]));
        assert_eq!(decoded(&vec![b'A'; most]), Some(vec![0; most / 4 * 3]));
        assert_eq!(decoded(&vec![b'A'; most - 1]), None);
        assert_eq!(decoded(&vec![b'A'; most + 4]), None);
    }
}
