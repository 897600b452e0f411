//! User names and passwords beyond ASCII, made equal where people take them for equal. RFC 8265.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use crate::limits;

/// A password prepared by the OpaqueString profile, before it is hashed or compared; one that the profile does
/// not take because of a control character, or that is not UTF-8, stays as it is. RFC 8265 §4.2.
///
/// What else the profile refuses is prepared like the rest: whoever sets such a password and logs on with it
/// sends the same octets.
pub fn password(octets: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.is_ascii() && !text.chars().any(is_refused) => {
            // Room for the longest outcome, so that no copy of a password is left behind by growing.
            let mut prepared = String::with_capacity(octets.len() * 3);
            prepared.extend(text.chars().map(|sign| if is_space(sign) { ' ' } else { sign }).nfc());
            Cow::Owned(prepared.into_bytes())
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

/// A user name prepared by the UsernameCaseMapped profile: wide and narrow letters become common ones, large ones
/// small, in Unicode's form C. None if the profile does not take it; then it names nobody. RFC 8265 §3.3.
///
/// Two rules are coarser than the profile's, to do without its tables: marks that make no letter of form C are
/// refused, and names from right to left may run as they like. Mailbox names are ASCII, and no other name
/// is ever changed into one of theirs but by width and case.
pub fn user_name(text: &str) -> Option<String> {
    if text.bytes().any(|octet| !octet.is_ascii_graphic() && octet.is_ascii()) {
        return None;
    }
    if text.is_ascii() {
        return (!text.is_empty()).then(|| text.to_ascii_lowercase());
    }
    let mapped: String = text.chars().map(widened).collect();
    if mapped.chars().any(has_compatible) {
        return None;
    }
    // Letter by letter: the profile knows no final sigma. RFC 8265 §3.6.
    let name: String = mapped.chars().flat_map(char::to_lowercase).nfc().collect();
    let is_name = name.chars().all(|sign| sign.is_ascii_graphic() || sign.is_alphanumeric());
    (is_name && name.len() <= limits::USER_NAME_OCTETS).then_some(name)
}

/// Fullwidth and halfwidth forms become what they are forms of. RFC 8265 §3.3.1.
fn widened(sign: char) -> char {
    match sign {
        '\u{FF01}'..='\u{FFEF}' => std::iter::once(sign).nfkc().next().unwrap_or(sign),
        _ => sign,
    }
}

/// Whether it is but another form of something else. RFC 8264 §9.17.
fn has_compatible(sign: char) -> bool {
    !std::iter::once(sign).nfkc().eq([sign])
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

    #[test]
    fn the_user_names_of_rfc_8265_section_3_6_are_prepared() {
        for (text, outcome) in [
            ("juliet@example.com", Some("juliet@example.com")),
            ("fussball", Some("fussball")),
            ("fu\u{df}ball", Some("fu\u{df}ball")),
            ("\u{3c0}", Some("\u{3c0}")),
            ("\u{3a3}", Some("\u{3c3}")),
            ("\u{3c3}", Some("\u{3c3}")),
            ("\u{3c2}", Some("\u{3c2}")),
            ("foo bar", None),
            ("", None),
            ("henry\u{2163}", None),
            ("\u{221e}", None),
        ] {
            assert_eq!(user_name(text).as_deref(), outcome, "{text:?}");
        }
    }

    #[test]
    fn only_width_and_case_make_a_name_ascii() {
        for (text, outcome) in [
            ("Alice@Home.LAN", Some("alice@home.lan")),
            ("\u{ff21}\u{ff4c}ice\u{ff20}home.lan", Some("alice@home.lan")),
            ("J\u{d6}RG", Some("j\u{f6}rg")),
            ("JO\u{308}RG", Some("j\u{f6}rg")),
            ("\u{391}\u{3a3}", Some("\u{3b1}\u{3c3}")),
            ("\u{ff76}\u{ff85}", Some("\u{30ab}\u{30ca}")),
            // The sign of the kelvin is no K.
            ("\u{212a}arl", None),
            ("\u{130}", None),
            ("\u{fb01}n", None),
            ("a\u{3000}b", None),
            ("a\u{200d}b", None),
            ("a\u{ad}b", None),
            ("a\u{202e}b", None),
            ("a\tb", None),
            ("\u{e4}\t", None),
            ("a\u{1f600}", None),
        ] {
            assert_eq!(user_name(text).as_deref(), outcome, "{text:?}");
        }
    }

    #[test]
    fn a_name_grows_at_most_to_its_limit() {
        let name = |pairs: usize| "\u{e4}".repeat(pairs);
        assert!(user_name(&name(limits::USER_NAME_OCTETS / 2)).is_some());
        assert_eq!(user_name(&name(limits::USER_NAME_OCTETS / 2 + 1)), None);
    }
}
