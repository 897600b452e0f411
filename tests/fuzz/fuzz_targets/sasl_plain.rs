//! PLAIN: what is claimed is what was sent. RFC 4616 §2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::sasl::{Mechanism, Proof};
use poppet_fuzz::exchange;

fuzz_target!(|input: &[u8]| exchange::play(Mechanism::Plain, input, |claim, _, play| {
    let Proof::Password(password) = &claim.proof else { panic!("PLAIN proves with a password") };
    let name = claim.user_name.as_bytes();
    let sent = play.responses.last().map_or(&b""[..], |response| response);
    let without = [b"\0", name, b"\0", password.expose()].concat();
    assert!(sent == without || sent == [name, &without].concat(), "PLAIN claims what was not sent");
    let _ = poppet::sasl::prepare::password(password.expose());
}));
