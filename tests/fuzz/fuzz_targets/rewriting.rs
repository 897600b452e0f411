//! Headers in the account's name: nothing is lost but From and Sender, nothing comes but From and Reply-To, and where
//! the header ends stays where it was (S-123).

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::mail::Address;
use poppet::relay::rewriting::rewritten;
use poppet_fuzz::choices::Choices;

/// From and Reply-To with twenty people, whose names have two hundred letters, encoded.
const MOST_NEW_OCTETS: usize = 21 * 2500;
/// A line's, without its CRLF. RFC 5322 §2.1.1.
const LINE_OCTETS: usize = 998;
/// For the longest header; some thousand times what it takes.
const MOST_TIME: Duration = Duration::from_secs(5);

// A line: the envelope's sender; the rest is the message's front.
fuzz_target!(|input: &[u8]| {
    let Some((mut choices, texts)) = Choices::take(input) else { return };
    let mut parts = texts.splitn(2, |&octet| octet == 0xFF);
    let reverse_path = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let front = parts.next().unwrap_or_default();
    let account = ["family@example.com", "a@home.lan"][usize::from(choices.one_of(2))];
    let Ok(account) = account.parse::<Address>() else { return };
    match choices.one_of(64) {
        0 if !front.is_empty() => check_long(front, &account, &reverse_path),
        _ => check(front, &account, &reverse_path),
    }
});

/// A header of any length, of the same again and again: in linear time, and no further than its limit.
fn check_long(front: &[u8], account: &Address, reverse_path: &str) {
    let octets = limits::SCANNED_HEADER_OCTETS;
    let long: Vec<u8> = front.iter().copied().cycle().take(octets + front.len()).collect();
    let begun = Instant::now();
    let new = rewritten(&long, account, reverse_path);
    assert!(begun.elapsed() < MOST_TIME, "it takes too long");
    let Some((header, replaced)) = new else { return };
    assert!(replaced <= octets && header.len() <= replaced + MOST_NEW_OCTETS, "it grows without bound");
    check_end(&header, &long[replaced..]);
}

fn check(front: &[u8], account: &Address, reverse_path: &str) {
    let (old, old_octets) = fields(front);
    let Some((header, replaced)) = rewritten(front, account, reverse_path) else {
        let may_stay = old.is_empty() || old.iter().filter(|(name, _)| name == "from").count() == 1;
        assert!(may_stay, "another's name stays: {}", front.escape_ascii());
        return;
    };
    assert_eq!(replaced, old_octets, "the header ends elsewhere: {}", front.escape_ascii());
    let rest = &front[replaced..];
    check_end(&header, rest);
    let (new, new_octets) = fields(&header);
    assert_eq!(new_octets, header.len(), "what is no field is made: {}", header.escape_ascii());
    assert!(header.len() <= replaced + MOST_NEW_OCTETS, "it grows without bound");
    check_fields(&old, &new, account);
    let again = [&header, rest].concat();
    let second =
        rewritten(&again, account, reverse_path).map(|(header, _)| header.escape_ascii().to_string());
    assert_eq!(second, None, "it is rewritten again");
}

/// Whether the header ends where it did.
fn check_end(header: &[u8], rest: &[u8]) {
    assert!(!header.starts_with(b"\r\n"), "an empty line begins it");
    let is_ended = header.windows(4).any(|four| four == b"\r\n\r\n");
    assert!(!is_ended, "an empty line stands within it: {}", header.escape_ascii());
    assert!(rest.is_empty() || header.ends_with(b"\r\n"), "its last line has no end");
}

/// Of the old fields, all but From and Sender stand in their order; of the new ones, two at most are ours.
fn check_fields(old: &[(String, Vec<u8>)], new: &[(String, Vec<u8>)], account: &Address) {
    let mut wanted = old.to_vec();
    let place = old.iter().position(|(name, _)| name == "from").unwrap_or(old.len());
    let before = old[..place].iter().filter(|(name, _)| name != "sender").count();
    wanted.retain(|(name, _)| name != "from" && name != "sender");
    let has_answers = wanted.iter().any(|(name, _)| name == "reply-to");
    let ours = new.len().checked_sub(wanted.len()).expect("fields are lost");
    assert!(ours == 1 || ours == 2 && !has_answers, "fields are made");
    // A field at the end of a message without a header's end has its line ended.
    let whole = |(name, field): &(String, Vec<u8>)| {
        (name.clone(), field.strip_suffix(b"\r\n").unwrap_or(field).to_vec())
    };
    let kept = new[..before].iter().chain(&new[before + ours..]).map(whole);
    assert!(kept.eq(wanted.iter().map(whole)), "what others wrote is changed");
    let made = &new[before..before + ours];
    for ((name, field), wanted) in made.iter().zip(["from", "reply-to"]) {
        assert_eq!(name, wanted, "another field is made");
        for line in String::from_utf8_lossy(field).split_terminator("\r\n") {
            let is_good =
                !line.is_empty() && line.len() <= LINE_OCTETS && !line.chars().any(char::is_control);
            assert!(is_good, "a line breaks: {line:?}");
        }
    }
    let from = String::from_utf8_lossy(&made[0].1);
    assert!(from.is_ascii() && from.ends_with(&format!("<{account}>\r\n")), "From names another: {from:?}");
}

/// The fields at the front, each with its name in small letters and its lines, and their octets; by the definition:
/// what begins with a name and a colon, and the lines behind it that begin with a blank. RFC 5322 §2.2.
fn fields(front: &[u8]) -> (Vec<(String, Vec<u8>)>, usize) {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    let mut octets = 0;
    while octets < front.len() {
        let rest = &front[octets..];
        let end = rest.windows(2).position(|two| two == b"\r\n").map_or(rest.len(), |at| at + 2);
        let line = &rest[..end];
        let name: Vec<u8> = line.iter().copied().take_while(|octet| *octet != b':').collect();
        let name = name.trim_ascii_end();
        match fields.last_mut() {
            Some((_, field)) if matches!(line[0], b' ' | b'\t') => field.extend(line),
            _ if !line.contains(&b':') || name.is_empty() => break,
            _ if !name.iter().all(|octet| (b'!'..=b'~').contains(octet)) => break,
            _ => fields.push((String::from_utf8_lossy(name).to_lowercase(), line.to_vec())),
        }
        octets += end;
    }
    (fields, octets)
}
