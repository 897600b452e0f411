//! An SMTP session: any lines and any data in any segments, and any answers of the store.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| poppet_fuzz::smtp::play(input));
