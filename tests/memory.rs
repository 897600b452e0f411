//! What the allocator keeps, in a process of its own: other tests would hold memory meanwhile.
#![cfg(target_env = "gnu")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// glibc kept nearly every block that a thread had freed: 48 hashes left 861 MB.
#[test]
fn the_memory_of_hashes_goes_back() {
    poppet::sys::tune();
    let before = resident_mib();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(hash_some)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let after = resident_mib();
    assert!(after < before + 50, "{before} MiB grew to {after} MiB");
}

fn hash_some() {
    let params = argon2::Params::new(19 * 1024, 1, 1, None).unwrap();
    for _ in 0..12 {
        argon2::Argon2::from(&params).hash_password_into(b"password", b"some salt", &mut [0; 32]).unwrap();
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
