//! passwd, shadow and group as anybody may have written them: who is found is there, and no account of the system's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::local::{Files, GROUP};

/// Between the three texts.
const BETWEEN: u8 = 0x1c;

fuzz_target!(|input: &[u8]| {
    let mut texts = input.splitn(3, |octet| *octet == BETWEEN);
    let [passwd, shadow, group] = [(); 3].map(|()| texts.next().unwrap_or_default());
    let files = Files::new(passwd, shadow, group);
    let Ok(uid) = files.find("alice", true) else { return };
    assert!(uid >= 1000 && uid != 65_534 && uid != u32::MAX, "an account of the system is taken: {uid}");
    let begins = |text: &[u8], with: &str| {
        text.split(|octet| *octet == b'\n').any(|line| line.starts_with(with.as_bytes()))
    };
    assert!(begins(passwd, "alice:x:"), "an account that is not there is found");
    assert!(begins(shadow, "alice:") && begins(group, GROUP), "an account is found without shadow or group");
    let hash = shadow.split(|octet| *octet == b'\n').find(|line| line.starts_with(b"alice:"));
    assert!(hash.is_some_and(|line| line.len() > 13), "an account without a password is found");
});
