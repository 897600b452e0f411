//! The 64 signs of crypt(5), the lowest bits first; bcrypt has an order of its own.

/// In the order of their values.
const SIGNS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a sign; none if it is not of the alphabet.
pub fn value(sign: u8) -> Option<u8> {
    Some(match sign {
        b'.' => 0,
        b'/' => 1,
        b'0'..=b'9' => sign - b'0' + 2,
        b'A'..=b'Z' => sign - b'A' + 12,
        b'a'..=b'z' => sign - b'a' + 38,
        _ => return None,
    })
}

/// Appends the lowest bits of `word` as so many signs.
pub fn push(mut word: u32, signs: usize, out: &mut Vec<u8>) {
    for _ in 0..signs {
        out.push(SIGNS[(word & 0x3f) as usize]);
        word >>= 6;
    }
}

/// Octets as signs: three are four, the rest as many as it needs.
pub fn encode(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() * 4 / 3 + 1);
    for group in octets.chunks(3) {
        let word = group.iter().rev().fold(0, |word, octet| word << 8 | u32::from(*octet));
        push(word, group.len() + 1, &mut out);
    }
    out
}

/// The octets that `encode` writes like that; none for any other text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for group in text.as_bytes().chunks(4) {
        let mut word: u32 = 0;
        for (place, sign) in group.iter().enumerate() {
            word |= u32::from(value(*sign)?) << (6 * place);
        }
        let count = group.len() * 6 / 8;
        if count == 0 || word >> (8 * count) != 0 {
            return None;
        }
        octets.extend_from_slice(&word.to_le_bytes()[..count]);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else() {
        for octets in [&b""[..], b"a", b"ab", b"abc", b"abcd", &[255; 64]] {
            let text = String::from_utf8(encode(octets)).unwrap();
            assert_eq!(decode(&text).as_deref(), Some(octets), "{text}");
        }
        for bad in [".", ".....", ".2", "..2.z/", "a-b.", "ab\u{e9}", "a b."] {
            let decoded = decode(bad);
            assert!(decoded.is_none_or(|octets| encode(&octets) == bad.as_bytes()), "{bad}");
        }
        for bad in [".", ".....", "zz", "zzz", "a-b.", "ab\u{e9}"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_sign_has_its_place() {
        for (place, sign) in (0..).zip(SIGNS) {
            assert_eq!(value(*sign), Some(place));
        }
        assert_eq!((0..=255).filter(|sign| value(*sign).is_some()).count(), 64);
    }
}
