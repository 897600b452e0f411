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
    let lines = |text: &[u8]| text.split(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let begins = |text: &[u8], with: &str| lines(text).iter().any(|line| line.starts_with(with.as_bytes()));
    assert!(begins(passwd, "alice:x:"), "an account that is not there is found");
    assert!(begins(group, &format!("{GROUP}:")), "an account is found without the group");
    // Odd lines are passed over, so the one that counts need not be the first.
    let hashes: Vec<Vec<Vec<u8>>> = lines(shadow)
        .iter()
        .map(|line| line.split(|octet| *octet == b':').map(<[u8]>::to_vec).collect())
        .filter(|fields: &Vec<Vec<u8>>| fields.len() == 9 && fields[0] == b"alice")
        .collect();
    assert!(hashes.iter().any(|fields| !fields[1].is_empty()), "an account without a password is found");
});
