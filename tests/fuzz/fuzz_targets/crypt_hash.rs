//! A field of shadow: what is taken is written again as it was read, and costs no more than the limits allow. crypt(5).

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::crypt::Hash;
use poppet::limits;
use poppet::mail::Secret;

fuzz_target!(|input: &[u8]| {
    let Ok(field) = std::str::from_utf8(input) else { return };
    let strict = Hash::parse(field, false);
    let Ok(hash) = Hash::parse(field, true) else {
        assert!(strict.is_err(), "a hash is taken only where old kinds are not");
        return;
    };
    assert_eq!(hash.to_string(), field, "a hash has another spelling");
    assert!(field.len() <= limits::CRYPT_HASH_OCTETS && !field.contains([':', '\n']), "a field goes on");
    let (kind, rest) = field[1..].split_once('$').expect("a hash begins with its kind");
    assert_eq!(strict.is_ok(), kind != "1", "MD5 counts only where it is allowed");
    match kind {
        "y" => {
            let power = 1 + place(rest.as_bytes()[1]);
            let octets = (128 << power) * (1 + place(rest.as_bytes()[2]));
            assert!(octets <= limits::CRYPT_YESCRYPT_OCTETS, "{octets} octets of memory are allowed");
        }
        "5" | "6" => {
            let rounds = rest.strip_prefix("rounds=").and_then(|rest| rest.split('$').next()?.parse().ok());
            assert!(rounds.unwrap_or(5000) <= limits::CRYPT_SHA_ROUNDS, "{rounds:?} rounds are allowed");
        }
        "2a" | "2b" | "2y" => {
            let cost = rest[..2].parse::<u8>().unwrap_or(u8::MAX);
            assert!(cost <= limits::CRYPT_BCRYPT_COST, "a cost of {cost} is allowed");
        }
        // The only one that is quick enough.
        "1" => assert!(!hash.is_of(&Secret::new("one password of all")), "MD5 is broken, but not like that"),
        kind => panic!("the kind {kind} is taken"),
    }
});

/// By the definition.
fn place(sign: u8) -> u64 {
    let signs = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    signs.iter().zip(0..).find(|(known, _)| **known == sign).map_or(u64::from(u32::MAX), |(_, place)| place)
}
