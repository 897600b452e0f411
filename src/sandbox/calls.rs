//! The system calls that the server makes, and those that no mail server makes, by their numbers on each processor.
//!
//! The numbers are the kernel's for ever: `arch/*/entry/syscalls/*.tbl`, and `scripts/syscall.tbl` for processors that
//! came late. A row is a name, and its numbers on x86_64, x86, arm, and on aarch64 and riscv64, which have the same.

/// A processor whose calls are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processor {
    /// Its `AUDIT_ARCH_` number, which the kernel tells filters.
    pub audit: u32,
    /// Its column of the table.
    column: usize,
}

/// One system call.
#[derive(Debug)]
pub(super) struct Call {
    #[cfg(test)]
    pub name: &'static str,
    numbers: [i16; 4],
}

/// How the arguments of a call are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A thread of this process, and no other namespace.
    Thread,
    /// As on a kernel that does not have it: C libraries then take the older one.
    Unknown,
    /// Memory in which nothing is run.
    Memory,
    /// The name of a thread, and what this program was told at its start.
    Process,
    /// What is asked of terminals, pipes and sockets.
    Terminal,
    /// Flags, copies and locks of descriptors.
    Descriptor,
    /// IPv4, IPv6, sockets of this machine, and the kernel's routes.
    Socket,
    /// Sockets of this machine.
    Pair,
    /// The old way to all calls of sockets; what it is given lies in memory, where no filter looks.
    OldSocket,
    /// To this process.
    OwnSignal,
    /// Limits are read, not set.
    OwnLimit,
}

pub(super) const X86_64: Processor = Processor { audit: 0xC000_003E, column: 0 };
pub(super) const X86: Processor = Processor { audit: 0x4000_0003, column: 1 };
pub(super) const ARM: Processor = Processor { audit: 0x4000_0028, column: 2 };
pub(super) const AARCH64: Processor = Processor { audit: 0xC000_00B7, column: 3 };
pub(super) const RISCV64: Processor = Processor { audit: 0xC000_00F3, column: 3 };

impl Processor {
    /// That for which this poppet was built; none if its calls are not known here.
    pub(super) fn own() -> Option<Processor> {
        match () {
            () if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) => Some(X86_64),
            () if cfg!(target_arch = "x86") => Some(X86),
            () if cfg!(all(target_arch = "arm", target_endian = "little")) => Some(ARM),
            () if cfg!(all(target_arch = "aarch64", target_endian = "little")) => Some(AARCH64),
            () if cfg!(target_arch = "riscv64") => Some(RISCV64),
            () => None,
        }
    }
}

impl Call {
    /// Its number there; none if that processor has it not.
    pub(super) fn number(&self, processor: Processor) -> Option<u32> {
        self.numbers.get(processor.column).and_then(|&number| u32::try_from(number).ok())
    }
}

/// Later calls are as if the kernel did not have them, so that newer C libraries take the older ones.
pub(super) const FIRST_UNKNOWN: u32 = 470;

macro_rules! number {
    (-) => {
        -1
    };
    ($number:literal) => {
        $number
    };
}

macro_rules! call {
    ($name:ident $a:tt $b:tt $c:tt $d:tt) => {
        Call {
            #[cfg(test)]
            name: stringify!($name),
            numbers: [number!($a), number!($b), number!($c), number!($d)],
        }
    };
}

macro_rules! calls {
    ($($name:ident $a:tt $b:tt $c:tt $d:tt,)*) => {
        &[$(call!($name $a $b $c $d)),*]
    };
}

macro_rules! looks {
    ($($look:ident: $name:ident $a:tt $b:tt $c:tt $d:tt,)*) => {
        &[$((call!($name $a $b $c $d), Look::$look)),*]
    };
}

/// What a server does with files, memory, threads, time, sockets and waiting.
#[rustfmt::skip]
pub(super) static PLAIN: &[Call] = calls! {
    read 0 3 3 63, write 1 4 4 64, readv 19 145 145 65, writev 20 146 146 66, pread64 17 180 180 67,
    pwrite64 18 181 181 68, preadv 295 333 361 69, pwritev 296 334 362 70, close 3 6 6 57,
    close_range 436 436 436 436, lseek 8 19 19 62, _llseek - 140 140 -, sendfile 40 187 187 71,
    sendfile64 - 239 239 -, copy_file_range 326 377 391 285, open 2 5 5 -, openat 257 295 322 56,
    stat 4 106 106 -, lstat 6 107 107 -, fstat 5 108 108 80, stat64 - 195 195 -, lstat64 - 196 196 -,
    fstat64 - 197 197 -, fstatat64 - 300 327 -, newfstatat 262 - - 79, statx 332 383 397 291, access 21 33 33 -,
    faccessat 269 307 334 48, faccessat2 439 439 439 439, readlink 89 85 85 -, readlinkat 267 305 332 78,
    getdents 78 141 141 -, getdents64 217 220 217 61, getcwd 79 183 183 17, unlink 87 10 10 -,
    unlinkat 263 301 328 35, rename 82 38 38 -, renameat 264 302 329 38, renameat2 316 353 382 276,
    mkdir 83 39 39 -, mkdirat 258 296 323 34, rmdir 84 40 40 -, ftruncate 77 93 93 46, ftruncate64 - 194 194 -,
    fallocate 285 324 352 47, fsync 74 118 118 82, fdatasync 75 148 148 83, flock 73 143 143 32,
    fadvise64 221 250 - 223, fadvise64_64 - 272 - -, arm_fadvise64_64 - - 270 -, statfs 137 99 99 43,
    fstatfs 138 100 100 44, statfs64 - 268 266 -, fstatfs64 - 269 267 -, inotify_init1 294 332 360 26,
    inotify_add_watch 254 292 317 27, inotify_rm_watch 255 293 318 28, munmap 11 91 91 215,
    mremap 25 163 163 216, madvise 28 219 220 233, brk 12 45 45 214, futex 202 240 240 98,
    futex_time64 - 422 422 -, set_robust_list 273 311 338 99, rseq 334 386 398 293, membarrier 324 375 389 283,
    sched_yield 24 158 158 124, sched_getaffinity 204 242 242 123, set_thread_area 205 243 - -, exit 60 1 1 93,
    exit_group 231 252 248 94, restart_syscall 219 0 0 128, rt_sigaction 13 174 174 134,
    rt_sigprocmask 14 175 175 135, rt_sigreturn 15 173 173 139, sigreturn - 119 119 -,
    sigaltstack 131 186 186 132, signalfd4 289 327 355 74, epoll_create1 291 329 357 20,
    epoll_ctl 233 255 251 21, epoll_wait 232 256 252 -, epoll_pwait 281 319 346 22,
    epoll_pwait2 441 441 441 441, poll 7 168 168 -, ppoll 271 309 336 73, ppoll_time64 - 414 414 -,
    eventfd2 290 328 356 19, timerfd_create 283 322 350 85, timerfd_settime 286 325 353 86,
    timerfd_settime64 - 411 411 -, timerfd_gettime 287 326 354 87, timerfd_gettime64 - 410 410 -,
    pipe 22 42 42 -, pipe2 293 331 359 59, dup 32 41 41 23, dup2 33 63 63 -, dup3 292 330 358 24,
    bind 49 361 282 200, connect 42 362 283 203, accept 43 - 285 202, accept4 288 364 366 242,
    getsockname 51 367 286 204, getpeername 52 368 287 205, setsockopt 54 366 294 208,
    getsockopt 55 365 295 209, send - - 289 -, recv - - 291 -, sendto 44 369 290 206, recvfrom 45 371 292 207,
    sendmsg 46 370 296 211, recvmsg 47 372 297 212, sendmmsg 307 345 374 269, recvmmsg 299 337 365 243,
    recvmmsg_time64 - 417 417 -, shutdown 48 373 293 210, getpid 39 20 20 172, getppid 110 64 64 173,
    gettid 186 224 224 178, getuid 102 24 24 174, geteuid 107 49 49 175, getgid 104 47 47 176,
    getegid 108 50 50 177, getuid32 - 199 199 -, geteuid32 - 201 201 -, getgid32 - 200 200 -,
    getegid32 - 202 202 -, getrlimit 97 76 - 163, ugetrlimit - 191 191 -, getrusage 98 77 77 165,
    uname 63 122 122 160, sysinfo 99 116 116 179, getrandom 318 355 384 278, riscv_hwprobe - - - 258,
    time 201 13 - -, gettimeofday 96 78 78 169, clock_gettime 228 265 263 113, clock_gettime64 - 403 403 -,
    clock_getres 229 266 264 114, clock_getres_time64 - 406 406 -, nanosleep 35 162 162 101,
    clock_nanosleep 230 267 265 115, clock_nanosleep_time64 - 407 407 -,
};

/// What it does as far as the arguments are harmless.
#[rustfmt::skip]
pub(super) static LOOKED_AT: &[(Call, Look)] = looks! {
    Thread: clone 56 120 120 220,
    Unknown: clone3 435 435 435 435,
    Memory: mmap 9 - - 222,
    Memory: mmap2 - 192 192 -,
    Memory: mprotect 10 125 125 226,
    Process: prctl 157 172 172 167,
    Terminal: ioctl 16 54 54 29,
    Descriptor: fcntl 72 55 55 25,
    Descriptor: fcntl64 - 221 221 -,
    Socket: socket 41 359 281 198,
    Pair: socketpair 53 360 288 199,
    OldSocket: socketcall - 102 - -,
    OwnSignal: tgkill 234 270 268 131,
    OwnSignal: kill 62 37 37 129,
    OwnLimit: prlimit64 302 340 369 261,
};

/// What not even a program that it starts has to do.
#[rustfmt::skip]
pub(super) static FORBIDDEN: &[Call] = calls! {
    listen 50 363 284 201, ptrace 101 26 26 117, process_vm_readv 310 347 376 270,
    process_vm_writev 311 348 377 271, kcmp 312 349 378 272, pidfd_getfd 438 438 438 438,
    process_madvise 440 440 440 440, mount 165 21 21 40, umount - 22 - -, umount2 166 52 52 39,
    open_tree 428 428 428 428, move_mount 429 429 429 429, fsopen 430 430 430 430, fsconfig 431 431 431 431,
    fsmount 432 432 432 432, fspick 433 433 433 433, mount_setattr 442 442 442 442, pivot_root 155 217 218 41,
    chroot 161 61 61 51, unshare 272 310 337 97, setns 308 346 375 268, init_module 175 128 128 105,
    finit_module 313 350 379 273, delete_module 176 129 129 106, kexec_load 246 283 347 104,
    kexec_file_load 320 - 401 294, reboot 169 88 88 142, swapon 167 87 87 224, swapoff 168 115 115 225,
    acct 163 51 51 89, quotactl 179 131 131 60, quotactl_fd 443 443 443 443, nfsservctl 180 169 169 42,
    vhangup 153 111 111 58, syslog 103 103 103 116, sethostname 170 74 74 161, setdomainname 171 121 121 162,
    iopl 172 110 - -, ioperm 173 101 - -, modify_ldt 154 123 - -, vm86 - 166 - -, vm86old - 113 - -,
    personality 135 136 136 92, settimeofday 164 79 79 170, stime - 25 - -, clock_settime 227 264 262 112,
    clock_settime64 - 404 404 -, adjtimex 159 124 124 171, clock_adjtime 305 343 372 266,
    clock_adjtime64 - 405 405 -, bpf 321 357 386 280, perf_event_open 298 336 364 241,
    userfaultfd 323 374 388 282, io_uring_setup 425 425 425 425, io_uring_enter 426 426 426 426,
    io_uring_register 427 427 427 427, fanotify_init 300 338 367 262, fanotify_mark 301 339 368 263,
    keyctl 250 288 311 219, add_key 248 286 309 217, request_key 249 287 310 218, lookup_dcookie 212 253 249 18,
    open_by_handle_at 304 342 371 265, name_to_handle_at 303 341 370 264, mknod 133 14 14 -,
    mknodat 259 297 324 33, memfd_create 319 356 385 279, memfd_secret 447 447 - 447, execveat 322 358 387 281,
    setuid 105 23 23 146, setuid32 - 213 213 -, setgid 106 46 46 144, setgid32 - 214 214 -,
    setreuid 113 70 70 145, setreuid32 - 203 203 -, setregid 114 71 71 143, setregid32 - 204 204 -,
    setresuid 117 164 164 147, setresuid32 - 208 208 -, setresgid 119 170 170 149, setresgid32 - 210 210 -,
    setgroups 116 81 81 159, setgroups32 - 206 206 -, setfsuid 122 138 138 151, setfsuid32 - 215 215 -,
    setfsgid 123 139 139 152, setfsgid32 - 216 216 -, capset 126 185 185 91, tkill 200 238 238 130,
    rt_sigqueueinfo 129 178 178 138, rt_tgsigqueueinfo 297 335 363 240, pidfd_send_signal 424 424 424 424,
    sched_setscheduler 144 156 156 119, sched_setattr 314 351 380 274, mbind 237 274 319 235,
    set_mempolicy 238 276 321 237, migrate_pages 256 294 400 238, move_pages 279 317 344 239,
    chown 92 182 182 -, chown32 - 212 212 -, lchown 94 16 16 -, lchown32 - 198 198 -, fchown 93 95 95 55,
    fchown32 - 207 207 -, fchownat 260 298 325 54,
};
