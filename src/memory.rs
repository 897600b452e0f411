//! Memory goes back to the system as soon as it is free; the only file with `unsafe`.
//!
//! glibc keeps an arena for each thread and learns to keep large blocks: after some logons 43 MB of
//! Argon2's memory stayed with an idle server, 4 MB with these settings. Other C libraries give back by
//! themselves.

#![allow(unsafe_code)]

/// Sets the allocator up; call it first thing in `main`, before there are threads.
#[cfg(target_env = "gnu")]
pub fn tune() {
    // SAFETY: mallopt takes two integers and keeps no pointer. It is called before any other thread
    // runs, and a parameter that this glibc doesn't know is refused without effect.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // A fixed threshold also stops glibc from raising it after the first large block was freed.
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_OCTETS);
    }
}

/// Sets the allocator up; there is nothing to do for this C library.
#[cfg(not(target_env = "gnu"))]
pub fn tune() {}

/// Blocks of this size and more have a mapping of their own, which goes back when they are freed.
#[cfg(target_env = "gnu")]
const MAPPED_OCTETS: libc::c_int = 128 * 1024;
