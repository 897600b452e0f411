//! What the system gives only to `unsafe`; the only file that has any.
//!
//! Memory goes back to the system as soon as it is free:
//! glibc keeps an arena for each thread and learns to keep large blocks: after 48 password hashes of
//! 19 MiB on four threads, 861 MB stayed with an idle process, and 5 MB with these settings. Other C
//! libraries give back by themselves.

#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
#[cfg(target_env = "gnu")]
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Tells that so many octets in blocks of less than that have been freed by a session that may hold on for long.
/// Once it is worth it, whole pages between other blocks go back to the system, which glibc does only when asked.
#[cfg(target_env = "gnu")]
pub fn given_back(octets: usize) {
    if GIVEN_BACK.fetch_add(octets, Ordering::Relaxed) + octets >= TRIMMED_OCTETS {
        GIVEN_BACK.store(0, Ordering::Relaxed);
        // SAFETY: malloc_trim takes an integer and keeps no pointer; glibc locks its state meanwhile.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Tells that octets have been freed; there is nothing to do for this C library.
#[cfg(not(target_env = "gnu"))]
pub fn given_back(_octets: usize) {}

/// Takes descriptors over that this process was started with, such as the sockets of `LISTEN_FDS`: the first number, and
/// how many follow each other. Call it at most once for each, before anything else is opened; numbers that are not
/// open are left out.
pub fn inherited(first: RawFd, count: u16) -> Vec<OwnedFd> {
    let is_open = |fd: RawFd| {
        // SAFETY: F_GETFD takes no pointer and fails without effect for a number that is not open.
        unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
    };
    (0..count)
        .map(|number| first + RawFd::from(number))
        .filter(|fd| is_open(*fd))
        // SAFETY: it is open, and by this function's contract nobody else in this process owns it.
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .collect()
}

#[cfg(target_env = "gnu")]
static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);
/// So much is worth looking through all free blocks.
#[cfg(target_env = "gnu")]
const TRIMMED_OCTETS: usize = 512 * 1024;

/// Blocks of this size and more have a mapping of their own, which goes back when they are freed.
#[cfg(target_env = "gnu")]
const MAPPED_OCTETS: libc::c_int = 128 * 1024;
