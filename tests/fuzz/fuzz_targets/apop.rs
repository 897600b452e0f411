//! APOP's digest: 32 small hexadecimal digits and nothing else; and the time stamp that it is made with.
//! RFC 1939 §7.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::apop;
use poppet_fuzz::choices::Choices;

fuzz_target!(|input: &[u8]| {
    let Some((mut choices, text)) = Choices::take(input) else { return };
    let is_digest = text.len() == 32 && text.iter().all(|octet| b"0123456789abcdef".contains(octet));
    let digest = apop::parse_digest(text);
    assert_eq!(digest.is_some(), is_digest, "a digest is taken or refused wrongly");
    if let Some(digest) = digest {
        let spelt: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(spelt.as_bytes(), text, "another digest is read");
    }
    let timestamp = apop::timestamp(&choices.terms());
    let inner =
        timestamp.strip_prefix('<').and_then(|stamp| stamp.strip_suffix('>')).expect("no angle brackets");
    let is_plain =
        |part: &str| part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-".contains(&octet));
    assert!(
        inner.split_once('@').is_some_and(|(left, right)| is_plain(left) && is_plain(right)),
        "{timestamp}"
    );
});
