//! The parameters of MAIL and RCPT: their order and case don't matter, nothing is given twice, what is decoded can be
//! coded again, and no control character comes out of it. RFC 5321 §4.1.2, RFC 3461 §4.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::smtp::parameters::{MailParameters, ParameterError, parse_rcpt};
use poppet::smtp::{MailDsn, RcptDsn};

fuzz_target!(|text: &[u8]| {
    let words: Vec<&[u8]> = text.split(|&octet| octet == b' ').filter(|word| !word.is_empty()).collect();
    for offers_dsn in [false, true] {
        check_mail(text, &words, offers_dsn);
        check_rcpt(text, &words, offers_dsn);
    }
});

fn check_mail(text: &[u8], words: &[&[u8]], offers_dsn: bool) {
    let parse = |text: &[u8]| MailParameters::parse(text, offers_dsn);
    let Ok(parameters) = parse(text) else { return };
    let known: &[&str] = match offers_dsn {
        true => &["SIZE", "BODY", "AUTH", "SMTPUTF8", "RET", "ENVID"],
        false => &["SIZE", "BODY", "AUTH", "SMTPUTF8"],
    };
    check_keywords(words, known);
    check_variations(&parameters, words, parse);
    let has = |keyword: &str| words.iter().any(|word| is_keyword(word, keyword));
    assert!(!has("SMTPUTF8") || parameters.is_utf8, "SMTPUTF8 is lost");
    assert!(parameters.size_octets.is_none() || has("SIZE"), "a size comes from nowhere");
    let dsn = &parameters.dsn;
    assert_eq!((has("RET"), has("ENVID")), (dsn.ret.is_some(), dsn.envelope_id.is_some()), "DSN is lost");
    if let Some(id) = &dsn.envelope_id {
        check_text(id, false);
        assert!(id.len() <= limits::ENVELOPE_ID_OCTETS, "an envelope identifier's length");
        let again = parse(format!("ENVID={}", xtext(id)).as_bytes());
        let expected = MailDsn { ret: None, envelope_id: Some(id.clone()) };
        assert_eq!(again.map(|parameters| parameters.dsn), Ok(expected), "another identifier is read back");
    }
}

fn check_rcpt(text: &[u8], words: &[&[u8]], offers_dsn: bool) {
    let parse = |text: &[u8]| parse_rcpt(text, offers_dsn);
    let Ok(dsn) = parse(text) else { return };
    check_keywords(words, if offers_dsn { &["NOTIFY", "ORCPT"] } else { &[] });
    check_variations(&dsn, words, parse);
    let value = |keyword: &str| {
        let word = words.iter().find(|word| is_keyword(word, keyword))?;
        Some(String::from_utf8_lossy(&word[keyword.len() + 1..]).to_ascii_uppercase())
    };
    if let Some(value) = value("NOTIFY") {
        let notify = dsn.notify.expect("NOTIFY is lost");
        let wishes = [notify.success, notify.failure, notify.delay];
        let named =
            ["SUCCESS", "FAILURE", "DELAY"].map(|word| value.split(',').filter(|told| *told == word).count());
        assert_eq!(named, wishes.map(usize::from), "other reports than those of {value}");
        assert_eq!(
            value.split(',').count(),
            named.iter().sum::<usize>().max(1),
            "{value} is a list of wishes"
        );
        assert!(named != [0; 3] || value == "NEVER", "{value} is no wish");
    }
    assert_eq!(value("ORCPT").is_some(), dsn.original_recipient.is_some(), "ORCPT is lost");
    if let Some(original) = &dsn.original_recipient {
        let is_utf8 = original.address_type == "utf-8";
        check_text(&original.address, is_utf8);
        assert!(
            original
                .address_type
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && !octet.is_ascii_uppercase())
        );
        assert!(value("ORCPT").is_none_or(|value| value.len() <= limits::ORIGINAL_RECIPIENT_OCTETS));
        let coded = format!("ORCPT={};{}", original.address_type, xtext(&original.address));
        if coded.len() <= limits::ORIGINAL_RECIPIENT_OCTETS {
            let expected = RcptDsn { notify: None, original_recipient: Some(original.clone()) };
            assert_eq!(parse(coded.as_bytes()), Ok(expected), "another recipient is read back");
        }
    }
}

fn is_keyword(word: &[u8], keyword: &str) -> bool {
    let end = word.iter().position(|&octet| octet == b'=').unwrap_or(word.len());
    word[..end].eq_ignore_ascii_case(keyword.as_bytes())
}

fn check_keywords(words: &[&[u8]], known: &[&str]) {
    for word in words {
        assert!(
            known.iter().any(|keyword| is_keyword(word, keyword)),
            "{} is not offered",
            word.escape_ascii()
        );
    }
}

/// What is taken is taken alike in another order, with more blanks, and in other letters; and nothing twice.
fn check_variations<T: PartialEq + std::fmt::Debug>(
    taken: &T,
    words: &[&[u8]],
    parse: impl Fn(&[u8]) -> Result<T, ParameterError>,
) {
    let reversed: Vec<&[u8]> = words.iter().rev().copied().collect();
    assert_eq!(parse(&reversed.join(&b"  "[..])).as_ref(), Ok(taken), "the order matters");
    for word in words {
        let twice = [words.join(&b' '), word.to_vec()].join(&b' ');
        assert_eq!(parse(&twice), Err(ParameterError::Syntax), "{} is taken twice", word.escape_ascii());
    }
    let mut small = words.join(&b' ');
    for word in small.split_mut(|&octet| octet == b' ') {
        let end = word.iter().position(|&octet| octet == b'=').unwrap_or(word.len());
        word[..end].make_ascii_lowercase();
    }
    assert_eq!(parse(&small).as_ref(), Ok(taken), "the letters of a keyword matter");
}

fn check_text(text: &str, is_utf8: bool) {
    assert!(!text.chars().any(char::is_control), "a control character comes out of a coding: {text:?}");
    assert!(is_utf8 || text.is_ascii(), "a letter beyond ASCII comes out of xtext: {text:?}");
}

/// RFC 3461 §4; what is beyond ASCII stays as it is, and so does nothing that RFC 6533 §3 codes otherwise.
fn xtext(text: &str) -> String {
    let mut coded = String::new();
    for letter in text.chars() {
        match letter {
            '+' | '=' | ' ' | '\\' => coded.push_str(&format!("+{:02X}", u32::from(letter))),
            letter => coded.push(letter),
        }
    }
    coded
}
