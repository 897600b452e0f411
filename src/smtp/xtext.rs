//! Text inside a parameter's value: xtext and its sister for addresses beyond ASCII. RFC 3461 §4, RFC 6533 §3.

/// What a value may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repertoire {
    /// Printable ASCII; `+2B` stands for an octet. RFC 3461 §4.
    Ascii,
    /// Beyond it too, as it is or as `\x{F6}`. RFC 6533 §3.
    Utf8,
}

/// Gives what the value means; none if it is ill-formed, or if a control character would come out of it (S-075).
pub fn decode(value: &[u8], repertoire: Repertoire) -> Option<String> {
    let mut rest = std::str::from_utf8(value).ok()?;
    let mut text = String::with_capacity(rest.len());
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let meant = match letter {
            '+' => hexadecimal(rest.get(..2)?).inspect(|_| rest = &rest[2..]).filter(char::is_ascii)?,
            '\\' if repertoire == Repertoire::Utf8 => {
                let (digits, behind) = rest.strip_prefix("x{")?.split_once('}')?;
                rest = behind;
                hexadecimal(digits).filter(|_| (2..=6).contains(&digits.len()))?
            }
            '=' | ' ' => return None,
            _ if !letter.is_ascii() && repertoire == Repertoire::Ascii => return None,
            _ => letter,
        };
        if meant.is_control() {
            return None;
        }
        text.push(meant);
    }
    Some(text)
}

/// An address in a field that is ASCII: what isn't becomes `\x{F6}`, and so do the octets that this form keeps for
/// itself. RFC 6533 §3.
pub fn embed(address: &str) -> String {
    let mut text = String::with_capacity(address.len());
    for letter in address.chars() {
        match letter {
            '!'..='~' if !"\\+=".contains(letter) => text.push(letter),
            _ => text.push_str(&format!("\\x{{{:02X}}}", u32::from(letter))),
        }
    }
    text
}

/// A value of printable ASCII: `+`, `=` and what is no sign of its own become `+2B`. None if the text is not ASCII, or
/// has a control character. RFC 3461 §4.
pub fn encode(text: &str) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '!'..='~' if !"+=".contains(letter) => value.push(letter),
            '!'..='~' | ' ' => value.push_str(&format!("+{:02X}", u32::from(letter))),
            _ => return None,
        }
    }
    Some(value)
}

/// RFC 3461 §4 has capital letters only.
fn hexadecimal(digits: &str) -> Option<char> {
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit));
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| are_digits)?;
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ascii(value: &str) -> Option<String> {
        decode(value.as_bytes(), Repertoire::Ascii)
    }

    fn utf8(value: &str) -> Option<String> {
        decode(value.as_bytes(), Repertoire::Utf8)
    }

    #[test]
    fn what_is_well_formed_is_decoded() {
        for (value, text) in [
            ("", ""),
            ("QQ314159", "QQ314159"),
            ("e+3Dmc2@example.com", "e=mc2@example.com"),
            ("a+2Bb+20c", "a+b c"),
            ("a\\b\\x{F6}", "a\\b\\x{F6}"),
            ("~!", "~!"),
            ("+21+7E", "!~"),
        ] {
            assert_eq!(ascii(value).as_deref(), Some(text), "{value}");
        }
        for value in ["jörg@home.lan", "j\\x{F6}rg@home.lan"] {
            assert_eq!(utf8(value).as_deref(), Some("jörg@home.lan"), "{value}");
        }
        for (value, text) in
            [("a\\x{2B}b", "a+b"), ("a+2Bb", "a+b"), ("\\x{5C}\\x{1F600}\\x{10FFFF}", "\\😀\u{10FFFF}")]
        {
            assert_eq!(utf8(value).as_deref(), Some(text), "{value}");
        }
    }

    #[test]
    fn what_is_ill_formed_or_hides_a_control_is_none_s_075() {
        for value in [
            "+", "+2", "a+2b", "+2G", "++1", "+-1", "a=b", "a b", "ö", "+0A", "+0D", "+00", "+1F", "+7F",
            "+80", "+FF", "+é",
        ] {
            assert_eq!(ascii(value), None, "{value}");
        }
        for value in [
            "\\",
            "\\x",
            "\\x{",
            "\\x{}",
            "\\x{F6",
            "\\x{f6}",
            "\\x{F}",
            "\\x{0000F6}x\\",
            "\\x{00000F6}",
            "\\x{D800}",
            "\\x{110000}",
            "\\x{+F6}",
            "\\xF6",
            "\\x{0A}",
            "\\x{7F}",
            "\\x{85}",
            "\u{85}",
            "a\tb",
            "+0A",
            "+C3+B6",
        ] {
            assert_eq!(utf8(value), None, "{value}");
        }
        assert_eq!(decode(b"\xC3", Repertoire::Utf8), None);
        assert_eq!(decode(b"a\0", Repertoire::Ascii), None);
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for text in ["", "QQ314159", "e=mc2@example.com", "a+b c", "\"<;>\\\"", "~!"] {
            let value = encode(text).unwrap();
            assert!(value.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'='), "{value}");
            assert_eq!(ascii(&value).as_deref(), Some(text));
        }
        for text in ["ö", "a\r", "a\n", "\0", "\t", "\u{7F}"] {
            assert_eq!(encode(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_embedded_is_ascii_and_comes_back() {
        assert_eq!(embed("jörg+x@home.lan"), "j\\x{F6}rg\\x{2B}x@home.lan");
        for address in ["", "alice@home.lan", "\"a b\\\\\"=@home.lan", "日本@例え.example", "\u{10FFFF}"]
        {
            let embedded = embed(address);
            assert!(embedded.bytes().all(|octet| octet.is_ascii_graphic()), "{embedded}");
            assert_eq!(utf8(&embedded).as_deref(), Some(address));
        }
    }
}
