//! NTLM: names and responses lie where the message says, inside of it. [MS-NLMP] §2.2.1.3.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::Ntlm, input, |claim, _, play| {
    if matches!(claim.proof, Proof::Relayed | Proof::RelayRefused(_)) {
        return;
    }
    assert!(matches!(claim.proof, Proof::Ntlm(_)), "NTLM proves with its response");
    let sent = play.responses.last().map_or(&b""[..], |response| response);
    assert!(sent.starts_with(b"NTLMSSP\0\x03\0\0\0"), "NTLM takes another message for the last one");
    let is_there = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&wide[..], name.as_bytes()]
            .iter()
            .any(|octets| sent.windows(octets.len().max(1)).any(|seen| seen == *octets))
    };
    // Either name may have an @ of its own, beside the one that poppet puts between them.
    let parted = claim.user_name.match_indices('@').map(|(at, _)| claim.user_name.split_at(at));
    let is_joined = parted.into_iter().any(|(user, domain)| is_there(user) && is_there(&domain[1..]));
    assert!(is_there(&claim.user_name) || is_joined, "NTLM claims a name that was not sent");
}));
