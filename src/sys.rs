//! What the system gives only to `unsafe`; the only file that has any.
//!
//! Memory goes back to the system as soon as it is free:
//! glibc keeps an arena for each thread and learns to keep large blocks: after 48 password hashes of
//! 19 MiB on four threads, 861 MB stayed with an idle process, and 5 MB with these settings. Other C
//! libraries give back by themselves.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
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

/// Lets no pipe that nobody reads end this process, as it is from its start on. [`std::os::unix::process::CommandExt::exec`]
/// takes that back, and leaves it so where it fails.
pub fn outlive_readers() {
    // SAFETY: it takes two integers, and no handler of this process is taken away by it: there is none for this signal.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

/// One instruction of a filter of system calls, `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions are left out if what it asks is so.
    pub when_true: u8,
    /// How many if it is not.
    pub when_false: u8,
    /// What it does it with.
    pub operand: u32,
}

/// What landlock denies unless a rule allows it, `struct landlock_ruleset_attr` of linux/landlock.h.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Handled {
    /// Rights to files and folders.
    pub files: u64,
    /// Rights to TCP ports.
    pub network: u64,
    /// What stays among the processes that are confined together.
    pub scopes: u64,
}

/// Filters the system calls of all threads of this process and of those to come, for good. Errs if the kernel refuses it:
/// it proves the program first, so that a wrong one has no effect.
pub fn filter_calls(program: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: libc::c_ushort,
        instructions: *const Instruction,
    }
    let length = program.len().try_into().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = Program { length, instructions: program.as_ptr() };
    let (act, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
    // SAFETY: the kernel copies what the two pointers lead to, which lives until then and is as long as it is told; it
    // keeps neither.
    match checked(unsafe { libc::syscall(libc::SYS_seccomp, act, flags, &raw const program) })? {
        0 => Ok(()),
        thread => Err(io::Error::other(format!("thread {thread} has a filter of its own"))),
    }
}

/// The version of landlock that the kernel has. Errs with [`NO_SUCH_CALL`] or [`NOT_SUPPORTED`] if there is none.
pub fn landlock_version() -> io::Result<u32> {
    let (nothing, flags) = (std::ptr::null::<Handled>(), LANDLOCK_CREATE_RULESET_VERSION);
    // SAFETY: with this flag the pointer must be null and is not looked at.
    let version =
        checked(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, flags) })?;
    u32::try_from(version).map_err(io::Error::other)
}

/// Begins rules that allow some of what is handled. Errs if the kernel does not know all of that.
pub fn landlock_rules(handled: &Handled) -> io::Result<OwnedFd> {
    let (pointer, size) = (std::ptr::from_ref(handled), size_of::<Handled>());
    // SAFETY: the kernel copies `size` octets from the reference, which lives until then; octets that it does not know
    // must be 0, else it errs.
    let rules = checked(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, pointer, size, 0_u32) })?;
    let rules = RawFd::try_from(rules).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(rules) })
}

/// Allows rights to what is there and beneath it. Errs if the rules don't handle them.
pub fn landlock_allow_path(rules: BorrowedFd<'_>, place: BorrowedFd<'_>, rights: u64) -> io::Result<()> {
    /// `struct landlock_path_beneath_attr`.
    #[repr(C, packed)]
    struct Beneath {
        rights: u64,
        place: i32,
    }
    let beneath = Beneath { rights, place: place.as_raw_fd() };
    let (rules, kind) = (rules.as_raw_fd(), LANDLOCK_RULE_PATH_BENEATH);
    // SAFETY: the kernel copies what the pointer leads to, which lives until then and has the layout of this kind.
    checked(unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules, kind, &raw const beneath, 0_u32) })?;
    Ok(())
}

/// Allows rights to a TCP port. Errs if the rules don't handle them.
pub fn landlock_allow_port(rules: BorrowedFd<'_>, port: u16, rights: u64) -> io::Result<()> {
    /// `struct landlock_net_port_attr`.
    #[repr(C)]
    struct Port {
        rights: u64,
        port: u64,
    }
    let port = Port { rights, port: port.into() };
    let (rules, kind) = (rules.as_raw_fd(), LANDLOCK_RULE_NET_PORT);
    // SAFETY: the kernel copies what the pointer leads to, which lives until then and has the layout of this kind.
    checked(unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules, kind, &raw const port, 0_u32) })?;
    Ok(())
}

/// Holds this thread, and those that it makes from now on, to the rules for good. Errs without
/// [`rustix::thread::set_no_new_privs`] before it.
pub fn landlock_restrict(rules: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: it takes two integers; what it changes takes no memory from anybody.
    checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0_u32) })?;
    Ok(())
}

/// Makes any system call with integers; for the test that tries what must be refused.
#[cfg(test)]
pub(crate) fn attempt(number: libc::c_long, arguments: [usize; 6]) -> io::Result<libc::c_long> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: not in general. Tests give calls that are refused, or that harm nobody with these arguments.
    checked(unsafe { libc::syscall(number, a, b, c, d, e, f) })
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The error of a kernel that has not such a system call.
pub const NO_SUCH_CALL: i32 = libc::ENOSYS;
/// The error of a kernel in which it is switched off.
pub const NOT_SUPPORTED: i32 = libc::EOPNOTSUPP;

// linux/landlock.h.
const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
const LANDLOCK_RULE_PATH_BENEATH: u32 = 1;
const LANDLOCK_RULE_NET_PORT: u32 = 2;

#[cfg(target_env = "gnu")]
static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);
/// So much is worth looking through all free blocks.
#[cfg(target_env = "gnu")]
const TRIMMED_OCTETS: usize = 512 * 1024;

/// Blocks of this size and more have a mapping of their own, which goes back when they are freed.
#[cfg(target_env = "gnu")]
const MAPPED_OCTETS: libc::c_int = 128 * 1024;
