//! Unicode's form C and common width, without the tables of compatible forms: those are twice as large as what
//! names and passwords need.

use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};
use unicode_normalization::{IsNormalized, is_nfkc_quick};
use zeroize::Zeroizing;

/// The signs in form C: what can be one sign is one, and marks stand in one order. Unicode Standard Annex #15.
/// No copy of them is left behind in memory but the one that is returned.
pub fn form_c(signs: impl Iterator<Item = char> + Clone) -> String {
    let room = signs.clone().count() * LONGEST_DECOMPOSITION;
    let mut parts: Zeroizing<Vec<Part>> = Zeroizing::new(Vec::with_capacity(room));
    signs.for_each(|sign| {
        decompose_canonical(sign, |part| parts.push((canonical_combining_class(part), part)))
    });
    for marks in parts.chunk_by_mut(|(before, _), (class, _)| *before != 0 && *class != 0) {
        marks.sort_by_key(|(class, _)| *class);
    }
    let composed = recompose(&mut parts);
    let mut text = String::with_capacity(composed.iter().map(|(_, sign)| sign.len_utf8()).sum());
    text.extend(composed.iter().map(|(_, sign)| sign));
    text
}

/// The common form of a wide or narrow letter; every other sign as it is, also those wide and narrow ones that are
/// no letters of any name. RFC 8265 §3.3.1.
pub fn common_width(sign: char) -> char {
    let number = u32::from(sign);
    match sign {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(number - 0xFF01 + 0x21).unwrap_or(sign),
        '\u{FF66}'..='\u{FF9F}' => NARROW_KANA.chars().nth((number - 0xFF66) as usize).unwrap_or(sign),
        _ => sign,
    }
}

/// Whether it is but another form of something else. RFC 8264 §9.17.
pub fn has_compatible(sign: char) -> bool {
    is_nfkc_quick(std::iter::once(sign)) == IsNormalized::No
}

/// A sign with its class: 0 for one that begins something, the others order the marks behind it.
type Part = (u8, char);

/// Puts together in place what follows a beginning and is not blocked from it; what is left of the parts.
fn recompose(parts: &mut [Part]) -> &[Part] {
    let (mut kept, mut beginning) = (0, None::<usize>);
    for place in 0..parts.len() {
        let (class, sign) = parts[place];
        if let Some(first) = beginning {
            let is_blocked = kept > first + 1 && parts[kept - 1].0 >= class;
            if let (false, Some(whole)) = (is_blocked, compose(parts[first].1, sign)) {
                parts[first].1 = whole;
                continue;
            }
        }
        if class == 0 {
            beginning = Some(kept);
        }
        parts[kept] = (class, sign);
        kept += 1;
    }
    &parts[..kept]
}

/// Signs that one sign can become.
const LONGEST_DECOMPOSITION: usize = 4;

/// What stands in common width for the narrow letters and marks of Japanese, in their order.
const NARROW_KANA: &str = "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン\u{3099}\u{309A}";

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn every_sign_gets_the_form_that_unicode_gives_it() {
        for sign in '\0'..=char::MAX {
            let text = [sign];
            assert!(form_c(text.into_iter()).chars().eq(text.into_iter().nfc()), "{sign:?}");
            assert!(text.into_iter().nfd().count() <= LONGEST_DECOMPOSITION, "{sign:?}");
        }
    }

    #[test]
    fn marks_are_ordered_put_together_and_blocked_as_unicode_does() {
        let seed = 15;
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let marks: Vec<char> =
            ('\u{300}'..'\u{3100}').filter(|&sign| canonical_combining_class(sign) != 0).collect();
        let others: Vec<char> =
            "aeoAEO\u{1100}\u{1161}\u{11A8}\u{AC00}カ\u{915}\u{9BE}\u{9C7}\u{1B05}\u{1B35}".chars().collect();
        for _ in 0..50_000 {
            let text: String = (0..random.usize(..8))
                .filter_map(|_| {
                    let signs = if random.bool() { &marks } else { &others };
                    random.choice(signs).copied()
                })
                .collect();
            assert_eq!(form_c(text.chars()), text.nfc().collect::<String>(), "{text:?}");
        }
    }

    #[test]
    fn other_forms_are_those_that_unicode_replaces() {
        for sign in '\0'..=char::MAX {
            assert_eq!(has_compatible(sign), !std::iter::once(sign).nfkc().eq([sign]), "{sign:?}");
        }
    }

    #[test]
    fn wide_and_narrow_letters_get_the_width_that_unicode_gives_them() {
        for sign in '\0'..=char::MAX {
            let common = common_width(sign);
            let is_mapped = matches!(sign, '\u{FF01}'..='\u{FF5E}' | '\u{FF66}'..='\u{FF9F}');
            assert!(is_mapped || common == sign, "{sign:?}");
            assert!(!is_mapped || std::iter::once(sign).nfkc().eq([common]), "{sign:?}");
            // What stays wide or narrow is refused like every other form.
            let is_form = matches!(sign, '\u{FF01}'..='\u{FFEF}') && sign.is_alphanumeric();
            assert!(!is_form || is_mapped || has_compatible(common), "{sign:?}");
        }
    }
}
