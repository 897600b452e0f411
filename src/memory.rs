//! Memory goes back to the system as soon as it is free; the only file with `unsafe`.
//!
//! glibc keeps an arena for each thread and learns to keep large blocks: after 48 password hashes of
//! 19 MiB on four threads, 861 MB stayed with an idle process, and 5 MB with these settings. Other C
//! libraries give back by themselves.

#![allow(unsafe_code)]

/// Sets the allocator up; call it first thing in `main`, before there are threads.
#[cfg(target_env = "gnu")]
pub fn tune() {
    // SAFETY: mallopt takes two integers and keeps no pointer; glibc locks its state while it changes
    // it, and refuses without effect what it doesn't know.
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
