//! Base64: each response has one spelling, and what is no base64 is told as that. RFC 4648 §4.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::sasl::{Mechanism, Proof, SaslError, Step, Terms};
use poppet_fuzz::choices::Choices;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// LOGIN's password is the response that may hold almost any octets.
fuzz_target!(|input: &[u8]| {
    let Some((_, text)) = Choices::take(input) else { return };
    let terms = Terms { takes_passwords: true, ..Terms::default() };
    let (mut exchange, _) = Mechanism::Login.begin(Some(b"YWxpY2U="), &terms, 0);
    if text == b"*" {
        return;
    }
    match (exchange.respond(text), decode(text)) {
        (Step::Claim(claim), Some(octets)) => {
            let Proof::Password(password) = &claim.proof else { panic!("LOGIN proves with a password") };
            assert_eq!(password.expose(), octets, "base64 is decoded wrongly");
        }
        (Step::Failed(SaslError::BadBase64), None) => {}
        (Step::Failed(SaslError::BadResponse), Some(octets)) => {
            let is_password = (1..=limits::PASSWORD_OCTETS).contains(&octets.len()) && !octets.contains(&0);
            assert!(!is_password, "good base64 is refused");
        }
        (step, octets) => panic!("base64 is taken otherwise than the rules have it: {step:?} for {octets:?}"),
    }
});

/// By the definition, bit by bit.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 4 != 0 || text.len() > limits::SASL_LINE_OCTETS {
        return None;
    }
    let padding = text.iter().rev().take_while(|&&octet| octet == b'=').count();
    let (mut bits, mut count, mut octets) = (0_u32, 0, Vec::new());
    for sign in &text[..text.len() - padding] {
        bits = bits << 6 | ALPHABET.iter().position(|known| known == sign)? as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // Two bits or four are left over, and are nothing; six, as in `A===`, would be a sign too many.
    (padding <= 2 && padding * 2 == count && bits == 0).then_some(octets)
}
