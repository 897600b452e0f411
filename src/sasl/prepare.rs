//! Passwords beyond ASCII, made equal where people take them for equal. RFC 8265 §4.
//!
//! User names are made so by [`crate::mail::name`].

use std::borrow::Cow;

use crate::mail::form;

/// A password prepared by the OpaqueString profile, before it is hashed or compared; one that the profile does
/// not take because of a control character, or that is not UTF-8, stays as it is. RFC 8265 §4.2.
///
/// What else the profile refuses is prepared like the rest: whoever sets such a password and logs on with it
/// sends the same octets.
pub fn password(octets: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.is_ascii() && !text.chars().any(is_refused) => {
            let common_space = |sign| if is_space(sign) { ' ' } else { sign };
            Cow::Owned(form::form_c(text.chars().map(common_space)).into_bytes())
        }
        _ => Cow::Borrowed(octets),
    }
}

/// Controls, and the separators of lines and paragraphs. RFC 8264 §9.12, §9.14.
fn is_refused(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{2028}' | '\u{2029}')
}

/// The spaces of Unicode's category Zs. RFC 8265 §4.2.2.
fn is_space(sign: char) -> bool {
    sign.is_whitespace() && !is_refused(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str) -> String {
        String::from_utf8(password(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn the_passwords_of_rfc_8265_section_4_3_are_prepared() {
        for (text, outcome) in [
            ("correct horse battery staple", "correct horse battery staple"),
            ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
            ("\u{3c0}\u{df}\u{e5}", "\u{3c0}\u{df}\u{e5}"),
            ("Jack of \u{2666}s", "Jack of \u{2666}s"),
            ("foo\u{1680}bar", "foo bar"),
            ("", ""),
            ("my cat is a \tby", "my cat is a \tby"),
        ] {
            assert_eq!(prepared(text), outcome, "{text:?}");
        }
    }

    #[test]
    fn passwords_that_look_the_same_are_the_same() {
        for (one, other) in [
            ("Gru\u{308}\u{df}e", "Gr\u{fc}\u{df}e"),
            ("\u{212b}ngstr\u{f6}m", "\u{c5}ngstro\u{308}m"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("a\u{a0}b\u{3000}c\u{202f}d\u{2003}", "a b c d "),
        ] {
            assert_eq!(prepared(one), prepared(other));
        }
        // Neither width nor case is mapped, and compatible forms stay apart. RFC 8265 §4.2.2.
        for (one, other) in
            [("\u{ff41}", "a"), ("\u{c4}", "\u{e4}"), ("\u{fb01}", "fi"), (" \u{e4}", "\u{e4}")]
        {
            assert_ne!(prepared(one), prepared(other));
        }
    }

    #[test]
    fn what_the_profile_does_not_take_stays_as_it_is() {
        for octets in [
            &b"\xFF\xFE"[..],
            b"o\xCC\x88\xFF",
            "o\u{308}\n".as_bytes(),
            "o\u{308}\u{2028}".as_bytes(),
            b"\0",
            b"\x7F",
        ] {
            assert_eq!(&*password(octets), octets);
        }
    }

    #[test]
    fn a_prepared_password_is_prepared_for_ever_and_fits_its_room() {
        let seed = 8265;
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2000 {
            let text: String = (0..random.usize(..8)).map(|_| random.char(..)).collect();
            let once = prepared(&text);
            assert_eq!(prepared(&once), once, "{text:?}");
            assert!(once.len() <= text.len() * 3, "{text:?}");
        }
    }
}
