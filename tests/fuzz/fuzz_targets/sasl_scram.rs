//! SCRAM: both sides sign the messages that were sent, with our nonce and the binding of this connection.
//! RFC 5802 §3, §6, §7.

#![no_main]

use base64ct::{Base64, Encoding};
use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Channel, Claim, Mechanism, Proof, Terms};
use poppet_fuzz::exchange::{self, Play};

fuzz_target!(|input: &[u8]| {
    exchange::play(Mechanism::ScramSha256, input, check);
    exchange::play(Mechanism::ScramSha256Plus, input, check);
});

fn check(claim: &Claim, terms: &Terms, play: &Play) {
    let Proof::Scram(proof) = &claim.proof else { panic!("SCRAM proves with its own proof") };
    let [.., first, last] = &play.responses[..] else { panic!("SCRAM claims without two responses") };
    let [.., server_first] = &play.challenges[..] else { panic!("SCRAM claims without a challenge") };
    let commas: Vec<usize> = (0..first.len()).filter(|&at| first[at] == b',').collect();
    let (header, bare) = first.split_at(commas.get(1).expect("no header before the first message") + 1);
    let proof_at =
        last.windows(3).rposition(|window| window == b",p=").expect("no proof in the last message");
    let (without_proof, sent_proof) = last.split_at(proof_at);
    let signed = [bare, b",", server_first, b",", without_proof].concat();
    assert_eq!(proof.auth_message, signed, "other messages are signed than were sent");
    assert_eq!(sent_proof, [b",p=", Base64::encode_string(&proof.client_proof).as_bytes()].concat());

    let binding: &[u8] = match (&header[..2], &terms.channel) {
        (b"p=", Some(Channel { exporter: Some(exporter), .. })) if header.starts_with(b"p=tls-exporter,") => {
            exporter
        }
        (b"p=", Some(Channel { end_point: Some(end_point), .. })) => end_point,
        (b"n,", _) => b"",
        (b"y,", channel) => {
            let is_bound = channel.as_ref().is_some_and(|channel| channel.exporter.is_some());
            assert!(!is_bound, "a peer is let through who was told that we bind to no channel");
            b""
        }
        _ => panic!("a binding that we have not: {}", header.escape_ascii()),
    };
    let bound = Base64::encode_string(&[header, binding].concat());
    let nonce = server_first.strip_prefix(b"r=").unwrap_or_default().split(|&octet| octet == b',').next();
    let awaited = [b"c=", bound.as_bytes(), b",r=", nonce.unwrap_or_default()].concat();
    assert!(
        without_proof.starts_with(&awaited),
        "another nonce or binding is taken: {}",
        last.escape_ascii()
    );
}
