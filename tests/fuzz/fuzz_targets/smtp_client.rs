//! A sending session: a server that says anything, in any segments.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| poppet_fuzz::client::play(input));
