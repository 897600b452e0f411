//! NTLM: names and responses lie where the message says, inside of it. [MS-NLMP] §2.2.1.3.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::Ntlm, input, |claim, _, play| {
    assert!(matches!(claim.proof, Proof::Ntlm(_)), "NTLM proves with its response");
    let sent = play.responses.last().map_or(&b""[..], |response| response);
    assert!(sent.starts_with(b"NTLMSSP\0\x03\0\0\0"), "NTLM takes another message for the last one");
    let first = claim.user_name.split('@').next().unwrap_or_default();
    let wide: Vec<u8> = first.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let is_there = |name: &[u8]| sent.windows(name.len().max(1)).any(|window| window == name);
    assert!(is_there(&wide) || is_there(first.as_bytes()), "NTLM claims a name that was not sent");
}));
