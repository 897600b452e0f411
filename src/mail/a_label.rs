//! Labels of domains beyond ASCII, as the name system has them: `xn--` and Punycode. RFC 5890 §2.3.2.1.

use unicode_normalization::char::canonical_combining_class;

use super::form;

/// Whether a label that claims to be such a one is: what is behind `xn--`, in letters of any case, can be decoded, and
/// gives a label that is beyond ASCII and breaks no rule of form. RFC 5891 §4.2.1, §5.4.
///
/// Which letters are in the name system's tables is left to those who keep its names.
pub fn is_a_label(label: &str) -> bool {
    let Some(code) = strip_prefix(label) else { return false };
    let Some(letters) = decode(code) else { return false };
    letters.iter().any(|letter| !letter.is_ascii())
        && !has_hyphens_in_third_place(letters.iter().copied())
        && letters.first() != Some(&'-')
        && letters.last() != Some(&'-')
        && letters.first().is_some_and(|&first| canonical_combining_class(first) == 0)
        && !letters.iter().any(|letter| letter.is_control())
        && form::form_c(letters.iter().copied()).chars().eq(letters)
}

/// Whether a label claims to be in that form.
pub fn claims_a_label(label: &str) -> bool {
    strip_prefix(label).is_some()
}

/// What no label beyond ASCII may have: it would seem to be coded. RFC 5891 §4.2.3.1.
pub fn has_hyphens_in_third_place(letters: impl Iterator<Item = char>) -> bool {
    letters.skip(2).take(2).eq(['-', '-'])
}

/// A domain as the name system has it, from one as people write it: in letters of any case and width, however they are
/// composed. What is no domain beyond ASCII gives a text that is no domain either. RFC 5895 §2.
pub fn coded(domain: &str) -> String {
    let letters = domain.chars().map(|letter| if FULL_STOPS.contains(&letter) { '.' } else { letter });
    let common = form::form_c(letters.map(form::common_width).flat_map(char::to_lowercase));
    let label = |label: &str| match label.is_ascii() {
        true => label.to_owned(),
        false => format!("{PREFIX}{}", encode(label)),
    };
    common.split('.').map(label).collect::<Vec<_>>().join(".")
}

fn strip_prefix(label: &str) -> Option<&str> {
    let (prefix, code) = label.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(code)
}

/// Decodes Punycode; none if it is ill-formed. The decoder is strict, so no two codes give the same letters.
/// RFC 3492 §6.2.
fn decode(code: &str) -> Option<Vec<char>> {
    let (basic, deltas) = match code.rfind('-') {
        // A delimiter only stands behind something.
        Some(0) => return None,
        Some(at) => (&code[..at], &code[at + 1..]),
        None => ("", code),
    };
    if !basic.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
        return None;
    }
    let mut letters: Vec<char> = basic.to_ascii_lowercase().chars().collect();
    let (mut number, mut place, mut bias) = (INITIAL_NUMBER, 0u32, INITIAL_BIAS);
    let mut digits = deltas.bytes();
    while digits.len() > 0 {
        let delta = take_delta(&mut digits, bias)?;
        let count = u32::try_from(letters.len()).ok()? + 1;
        bias = adapt(delta, count, letters.len() == basic.len());
        place = place.checked_add(delta)?;
        number = number.checked_add(place / count)?;
        place %= count;
        letters.insert(place as usize, char::from_u32(number)?);
        place += 1;
    }
    Some(letters)
}

/// Encodes letters in Punycode. RFC 3492 §6.3.
fn encode(text: &str) -> String {
    let letters: Vec<u32> = text.chars().map(u32::from).collect();
    let mut code: String = text.chars().filter(char::is_ascii).collect();
    let basic = code.len() as u32;
    if basic > 0 {
        code.push('-');
    }
    let (mut number, mut delta, mut bias, mut done) = (INITIAL_NUMBER, 0u32, INITIAL_BIAS, basic);
    while let Some(next) = letters.iter().copied().filter(|&letter| letter >= number).min() {
        delta = delta.saturating_add((next - number).saturating_mul(done + 1));
        number = next;
        for &letter in &letters {
            delta = delta.saturating_add(u32::from(letter < number));
            if letter == number {
                put_delta(&mut code, delta, bias);
                bias = adapt(delta, done + 1, done == basic);
                (delta, done) = (0, done + 1);
            }
        }
        (delta, number) = (delta.saturating_add(1), number + 1);
    }
    code
}

fn put_delta(code: &mut String, mut delta: u32, bias: u32) {
    // Letters are 0 to 25 here, and figures the rest.
    let digit = |number: u32| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[number as usize % 36]);
    for at in (BASE..).step_by(BASE as usize) {
        let threshold = at.saturating_sub(bias).clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
        if delta < threshold {
            break;
        }
        code.push(digit(threshold + (delta - threshold) % (BASE - threshold)));
        delta = (delta - threshold) / (BASE - threshold);
    }
    code.push(digit(delta));
}

/// A number of variable length. RFC 3492 §3.3.
fn take_delta(digits: &mut impl Iterator<Item = u8>, bias: u32) -> Option<u32> {
    let (mut delta, mut weight, mut at) = (0u32, 1u32, BASE);
    loop {
        let digit = match digits.next()? {
            letter @ b'a'..=b'z' => letter - b'a',
            letter @ b'A'..=b'Z' => letter - b'A',
            figure @ b'0'..=b'9' => figure - b'0' + 26,
            _ => return None,
        };
        let digit = u32::from(digit);
        delta = delta.checked_add(digit.checked_mul(weight)?)?;
        let threshold = at.saturating_sub(bias).clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
        if digit < threshold {
            return Some(delta);
        }
        weight = weight.checked_mul(BASE - threshold)?;
        at += BASE;
    }
}

/// RFC 3492 §6.1.
fn adapt(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / count;
    let mut bias = 0;
    while delta > (BASE - LEAST_THRESHOLD) * MOST_THRESHOLD / 2 {
        delta /= BASE - LEAST_THRESHOLD;
        bias += BASE;
    }
    bias + (BASE - LEAST_THRESHOLD + 1) * delta / (delta + SKEW)
}

const PREFIX: &str = "xn--";
/// What parts labels in scripts that have no dot. RFC 5895 §2.
const FULL_STOPS: [char; 2] = ['\u{3002}', '\u{FF61}'];
// RFC 3492 §5.
const BASE: u32 = 36;
const LEAST_THRESHOLD: u32 = 1;
const MOST_THRESHOLD: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_NUMBER: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_living_languages_are_taken() {
        for (label, text) in [
            ("xn--hme-sna", "höme"),
            ("XN--HME-SNA", "höme"),
            ("xn--bcher-kva", "bücher"),
            ("xn--mnchen-3ya", "münchen"),
            ("xn--strae-oqa", "straße"),
            ("xn--p1ai", "рф"),
            ("xn--fiqs8s", "中国"),
            ("xn--r8jz45g", "例え"),
            ("xn--wgbh1c", "مصر"),
            ("xn--3e0b707e", "한국"),
        ] {
            assert!(is_a_label(label), "{label}");
            assert_eq!(decode(&label[4..]).unwrap().iter().collect::<String>(), text);
            assert_eq!(format!("xn--{}", encode(text)), label.to_ascii_lowercase());
        }
    }

    #[test]
    fn the_samples_of_rfc_3492_7_1_are_decoded() {
        for (code, text) in [
            ("ihqwcrb4cv8a8dqg056pqjye", "他们为什么不说中文"),
            ("proprostnemluvesky-uyb24dma41a", "pročprostěnemluvíčesky"),
            ("b1abfaaepdrnnbgefbadotcwatmq2g4l", "почемужеонинеговорятпорусски"),
            ("3b-ww4c5e180e575a65lsy2b", "3年b組金八先生"),
            ("d9juau41awczczp", "そのスピードで"),
            ("de-jg4avhby1noc0d", "パフィーdeルンバ"),
        ] {
            assert_eq!(decode(code).unwrap().iter().collect::<String>(), text, "{code}");
            assert_eq!(encode(text), code);
        }
    }

    #[test]
    fn however_a_domain_is_written_the_name_system_has_one_form_of_it() {
        for (written, wanted) in [
            ("höme.lan", "xn--hme-sna.lan"),
            ("HÖME.Lan", "xn--hme-sna.lan"),
            ("ho\u{308}me.lan", "xn--hme-sna.lan"),
            ("ｈｏｍｅ．ｌａｎ", "home.lan"),
            ("h\u{FF4F}me.lan", "home.lan"),
            ("höme\u{3002}lan", "xn--hme-sna.lan"),
            ("mail.höme\u{FF61}lan", "mail.xn--hme-sna.lan"),
            ("例え.lan", "xn--r8jz45g.lan"),
            ("home.lan", "home.lan"),
            ("", ""),
        ] {
            assert_eq!(coded(written), wanted, "{written}");
        }
        assert!(coded(&"\u{10FFFF}\u{80}".repeat(3000)).len() > 6000, "no length makes it panic");
    }

    #[test]
    fn labels_that_only_claim_to_be_are_none_s_110() {
        for label in [
            "xn--",
            "xn---",
            "xn----",
            "xn--f",
            "xn--a",
            "xn--abc-",
            "xn--abc",
            "xn---x",
            "xn--99999999",
            "xn--h\u{f6}me-sna",
            "xn--a_b-sna",
            "hme-sna",
            "xn-hme-sna",
            "",
            "xn",
        ] {
            assert!(!is_a_label(label), "{label:?}");
        }
    }

    #[test]
    fn labels_whose_text_breaks_the_rules_of_form_are_none_s_110() {
        for text in ["abc", "ab--ö", "xn--ö", "-ö", "ö-", "\u{308}o", "o\u{308}", "a\u{85}b", "\u{212B}sa"]
        {
            assert!(!is_a_label(&format!("xn--{}", encode(text))), "{text:?}");
        }
        let mut surrogate = "xn--".to_owned();
        put_delta(&mut surrogate, 0xD800 - INITIAL_NUMBER, INITIAL_BIAS);
        assert!(!is_a_label(&surrogate), "{surrogate}");
        for text in ["a-ö", "abc--ö", "a--ö", "ö", "😀", "Ꭰ"] {
            assert!(is_a_label(&format!("xn--{}", encode(text))), "{text:?}");
        }
    }

    #[test]
    fn whatever_is_decoded_is_encoded_to_the_same() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut decoded = 0;
        for _ in 0..20_000 {
            let octets = random.usize(1..14);
            let code: String = (0..octets)
                .map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789-"[random.usize(..37)]))
                .collect();
            let Some(letters) = decode(&code) else { continue };
            // What is all ASCII is encoded with a delimiter behind it, and is no such label.
            let text: String = letters.into_iter().collect();
            assert_eq!(encode(&text), code, "seed {seed} {text:?}");
            decoded += 1;
        }
        assert!(decoded > 100, "{decoded} of seed {seed}");
    }

    #[test]
    fn no_code_makes_it_panic() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let octets = random.usize(..64);
            let label: Vec<u8> = (0..octets).map(|_| random.u8(..)).collect();
            let label = format!("xn--{}", String::from_utf8_lossy(&label));
            assert!(!is_a_label(&label) || label.is_ascii(), "seed {seed} {label:?}");
        }
        assert!(!is_a_label(&format!("xn--{}", "9".repeat(10_000))));
    }
}
