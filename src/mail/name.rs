//! Mailbox names beyond ASCII, prepared so that what people take for one name is one: RFC 8265 §3.3.
//!
//! This is the profile UsernameCaseMapped with fewer letters: beyond ASCII no digits, no joiners and nothing that
//! depends on its neighbours; mailbox names shall be read aloud and typed again.

use unicode_normalization::char::canonical_combining_class;

use super::form;

/// The name in common width, in small letters and in form C; none if a letter can't be in a name, or if it doesn't
/// run in one direction. What is prepared once stays as it is. The caller judges the signs of ASCII.
pub fn prepare(name: &str) -> Option<String> {
    let name = form::form_c(name.chars().map(form::common_width).flat_map(char::to_lowercase));
    let begins_well = name.chars().next().is_some_and(|first| canonical_combining_class(first) == 0);
    (begins_well && name.chars().all(is_name_letter) && runs_one_way(&name)).then_some(name)
}

/// Letters and their marks, but none that is only an other form of something, shows nothing, or stands in the
/// profile's list of those that it doesn't take. RFC 8264 §9.
fn is_name_letter(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_graphic();
    }
    let is_refused = matches!(letter,
        // Old Hangul, among it letters that show nothing.
        '\u{1100}'..='\u{11FF}' | '\u{A960}'..='\u{A97F}' | '\u{D7B0}'..='\u{D7FF}'
        // RFC 8264 §9.6.
        | '\u{640}' | '\u{7FA}' | '\u{302E}' | '\u{302F}' | '\u{3031}'..='\u{3035}' | '\u{303B}'
        // Vowels of Khmer that show nothing.
        | '\u{17B4}' | '\u{17B5}'
        // Letters in black circles and squares are symbols.
        | '\u{1F130}'..='\u{1F189}'
    );
    let is_letter = letter.is_alphabetic() || canonical_combining_class(letter) != 0;
    is_letter && !is_refused && !form::has_compatible(letter)
}

/// Whether a name with letters from right to left has no others, begins with one, and ends with one or a digit.
/// RFC 5893 §2, by blocks instead of classes.
fn runs_one_way(name: &str) -> bool {
    let is_mark = |letter: &char| canonical_combining_class(*letter) != 0;
    let is_turned = |letter: &char| matches!(letter, '\u{590}'..='\u{8FF}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}');
    let mut letters = name.chars().filter(|letter| letter.is_alphabetic() && !is_mark(letter));
    if !name.chars().any(|letter| is_turned(&letter)) {
        return true;
    }
    let last = name.chars().rev().find(|letter| !is_mark(letter));
    letters.all(|letter| is_turned(&letter))
        && name.chars().next().is_some_and(|first| is_turned(&first))
        && last.is_some_and(|last| is_turned(&last) || last.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_take_for_one_name_is_one() {
        for (one, other) in [
            ("JÖRG", "jörg"),
            ("jo\u{308}rg", "jörg"),
            ("JO\u{308}RG", "jörg"),
            ("ｊörg", "jörg"),
            ("ＡＬＩＣＥ", "alice"),
            ("\u{212B}sa", "åsa"),
            ("ΝΊΚΟΣ", "νίκοσ"),
            ("\u{FF76}\u{FF9E}ﾝﾀﾞ", "ガンダ"),
            ("Ольга", "ольга"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("ＸＸ１", "xx1"),
        ] {
            assert_eq!(prepare(one).as_deref(), Some(other), "{one}");
            assert_eq!(prepare(other).as_deref(), Some(other), "{other}");
        }
    }

    #[test]
    fn the_user_names_of_rfc_8265_section_3_6_are_prepared() {
        for (name, outcome) in [
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
            assert_eq!(prepare(name).as_deref(), outcome, "{name:?}");
        }
    }

    #[test]
    fn names_that_differ_stay_apart() {
        let names =
            ["jörg", "jorg", "joerg", "straße", "strasse", "νίκος", "νίκοσ", "ı", "i", "аlice", "alice"];
        for name in names {
            assert_eq!(prepare(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn names_of_many_scripts_are_taken() {
        for name in [
            "jörg",
            "łukasz",
            "дмитрий",
            "δημήτρης",
            "山田",
            "たろう",
            "김철수",
            "สมชาย",
            "राम",
            "தமிழ்",
            "nguyễn",
            "שרה",
            "محمد",
            "محمد1",
            "דוד.כהן",
            "jörg.m+x-1_",
        ] {
            assert_eq!(prepare(name).as_deref(), Some(name), "{name}");
        }
    }

    #[test]
    fn what_can_not_be_told_from_something_else_is_no_name() {
        for name in [
            "",
            "\u{301}a",
            "a\u{200D}b",
            "a\u{200C}b",
            "a\u{AD}ö",
            "ö\u{200B}",
            "ö\u{202E}",
            "ö\u{FE0F}",
            "ö\u{34F}",
            "ö ",
            "ö\u{3000}",
            "ö\u{A0}",
            "ﬁn",
            "henryⅣ",
            "x²",
            "ªa",
            "①",
            "🅰",
            "🦀",
            "♥",
            "ö€",
            "\u{115F}ö",
            "\u{3164}",
            "ö\u{85}",
            "a٣",
            "\u{E000}",
            "\u{378}",
            "ـمـ",
            "〱",
        ] {
            assert_eq!(prepare(name), None, "{name:?}");
        }
    }

    #[test]
    fn names_run_in_one_direction() {
        for name in ["שרהx", "xשרה", "1שרה", "שרה.", "שרה-", "öשרה", "محمد.x", ".שרה"]
        {
            assert_eq!(prepare(name), None, "{name}");
        }
    }

    #[test]
    fn every_letter_prepared_once_stays() {
        let is_form = |letter: &char| ('\u{FF00}'..='\u{FFEF}').contains(letter);
        let is_ideograph = |letter: &char| ('\u{3400}'..='\u{D7A3}').contains(letter);
        let letters = ('\u{80}'..='\u{1FFFF}').filter(|letter| letter.is_alphabetic() || is_form(letter));
        for letter in letters.filter(|letter| !is_ideograph(letter)) {
            for name in [format!("a{letter}"), format!("{letter}\u{308}")] {
                if let Some(prepared) = prepare(&name) {
                    assert_eq!(prepare(&prepared).as_ref(), Some(&prepared), "{name:?}");
                    assert!(!prepared.contains([' ', '@']) || name.contains('＠'), "{name:?}");
                }
            }
        }
    }
}
