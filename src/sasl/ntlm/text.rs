//! Texts as NTLM has them: UTF-16 with the low octet first, and capitals as Windows makes them. [MS-NLMP] §2.2.

use zeroize::Zeroizing;

/// The text's octets in UTF-16, which leave memory when dropped because a password may be among them.
pub(super) fn utf_16(text: &str) -> Zeroizing<Vec<u8>> {
    // No text grows more than to twice its octets, so that no half of a password stays behind in a smaller buffer.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    octets.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    octets
}

/// The text of those octets; none if they are no UTF-16.
pub(super) fn from_utf_16(octets: &[u8]) -> Option<String> {
    let pairs = octets.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    let units = pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| is_whole)
}

/// The text in capitals, one for each letter: Windows' table knows no letter that becomes two, so that `ß` stays.
/// The table is older than today's Unicode; a name with a letter that has got its capital since then may fail.
pub(super) fn upper(text: &str) -> String {
    let one = |letter: char| {
        let mut capitals = letter.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) => capital,
            _ => letter,
        }
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_utf_16() {
        for text in ["", "a", "jörg@home.lan", "日本", "🦀", "\0"] {
            assert_eq!(from_utf_16(&utf_16(text)).as_deref(), Some(text));
        }
        assert_eq!(utf_16("aö🦀")[..], *b"a\0\xF6\0\x3E\xD8\x80\xDD");
    }

    #[test]
    fn what_is_no_utf_16_is_no_text() {
        for octets in [&b"a"[..], b"a\0b", b"\x3E\xD8", b"\x3E\xD8a\0", b"\x80\xDD\x3E\xD8"] {
            assert_eq!(from_utf_16(octets), None, "{octets:?}");
        }
    }

    #[test]
    fn each_letter_has_one_capital_or_stays() {
        for (text, capitals) in
            [("User", "USER"), ("jörg", "JÖRG"), ("straße", "STRAßE"), ("ŉ", "ŉ"), ("1.a", "1.A")]
        {
            assert_eq!(upper(text), capitals);
        }
    }
}
