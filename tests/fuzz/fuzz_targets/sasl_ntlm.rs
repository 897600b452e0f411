//! NTLM: names and responses lie where the message says, inside of it. [MS-NLMP] §2.2.1.3.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::Ntlm, input, |claim, _, play| {
    assert!(matches!(claim.proof, Proof::Ntlm(_)), "NTLM proves with its response");
    let sent = play.responses.last().map_or(&b""[..], |response| response);
    assert!(sent.starts_with(b"NTLMSSP\0\x03\0\0\0"), "NTLM takes another message for the last one");
    let is_there = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&wide[..], name.as_bytes()].iter().any(|octets| sent.windows(octets.len().max(1)).any(|seen| seen == *octets))
    };
    // A user name that was sent with an @ is claimed as it is; only another gets its domain behind an @.
    let user = claim.user_name.rsplit_once('@').map_or(&*claim.user_name, |(user, _)| user);
    assert!(is_there(&claim.user_name) || is_there(user), "NTLM claims a name that was not sent");
}));
