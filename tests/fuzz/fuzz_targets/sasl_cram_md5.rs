//! CRAM-MD5: a name, a blank and a digest over the challenge that was sent. RFC 2195 §2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::CramMd5, input, |claim, _, play| {
    let Proof::CramMd5(proof) = &claim.proof else { panic!("CRAM-MD5 proves with its digest") };
    let [challenge] = &play.challenges[..] else { panic!("CRAM-MD5 has one challenge") };
    assert_eq!(proof.challenge.as_bytes(), challenge, "the digest is over another challenge");
    assert!(
        challenge.starts_with(b"<") && challenge.ends_with(b">"),
        "no challenge: {}",
        challenge.escape_ascii()
    );
    let digest: String = proof.digest.iter().map(|octet| format!("{octet:02x}")).collect();
    let sent = format!("{} {digest}", claim.user_name).into_bytes();
    assert_eq!(play.responses, [sent], "CRAM-MD5 claims what was not sent");
}));
