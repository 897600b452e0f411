//! EXTERNAL: the name that was sent, and no proof but the certificate. RFC 4422, appendix A.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::External, input, |claim, _, play| {
    assert_eq!(claim.proof, Proof::Certificate, "EXTERNAL proves with the certificate");
    assert_eq!(play.responses, [claim.user_name.as_bytes()], "EXTERNAL claims what was not sent");
}));
