//! LOGIN: what is claimed is what was sent, in two responses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::Login, input, |claim, _, play| {
    let Proof::Password(password) = &claim.proof else { panic!("LOGIN proves with a password") };
    let sent = [claim.user_name.as_bytes(), password.expose()];
    assert_eq!(play.responses, sent, "LOGIN claims what was not sent");
}));
