//! The filter of system calls, run over calls of each processor.

use super::super::bpf::{self, ALLOWED, FAILS, Outcome, Question, Span};
use super::super::calls::{
    AARCH64, ARM, Call, FIRST_UNKNOWN, FORBIDDEN, LOOKED_AT, Look, PLAIN, Processor, RISCV64, X86, X86_64,
};
use super::super::seccomp::{ENOSYS, EPERM, Terms, filter};
use crate::sys::Instruction;

const ALL: [Processor; 5] = [X86_64, X86, ARM, AARCH64, RISCV64];
const CLOSED: Terms = Terms { pid: 77, starts_programs: false };
const STARTING: Terms = Terms { starts_programs: true, ..CLOSED };

/// What a program says to a call, as the kernel would run it.
fn run(program: &[Instruction], audit: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut octets = Vec::new();
    octets.extend(number.to_le_bytes());
    octets.extend(audit.to_le_bytes());
    octets.extend([0; 8]);
    arguments.iter().for_each(|argument| octets.extend(argument.to_le_bytes()));
    let (mut at, mut kept) = (0, 0);
    loop {
        let Instruction { code, when_true, when_false, operand } = program[at];
        at += 1;
        let mut branch = |is_so: bool| at += usize::from(if is_so { when_true } else { when_false });
        match code {
            bpf::LOAD => {
                assert!(operand % 4 == 0);
                let word = &octets[operand as usize..operand as usize + 4];
                kept = u32::from_le_bytes(word.try_into().unwrap());
            }
            bpf::AND => kept &= operand,
            bpf::EQUAL => branch(kept == operand),
            bpf::AT_LEAST => branch(kept >= operand),
            bpf::JUMP => at += operand as usize,
            bpf::GIVE => return operand,
            code => panic!("no instruction {code:#x}"),
        }
    }
}

fn fails(error: u16) -> u32 {
    FAILS | u32::from(error)
}

fn all_calls() -> impl Iterator<Item = &'static Call> {
    PLAIN.iter().chain(LOOKED_AT.iter().map(|(call, _)| call)).chain(FORBIDDEN)
}

fn number(name: &str, processor: Processor) -> Option<u32> {
    all_calls().find(|call| call.name == name).unwrap_or_else(|| panic!("no {name}")).number(processor)
}

#[test]
fn each_call_goes_by_its_list_on_each_processor_s_333() {
    for processor in ALL {
        let (closed, starting) = (filter(processor, CLOSED), filter(processor, STARTING));
        let ask = |program: &[Instruction], number| run(program, processor.audit, number, [0; 6]);
        for call in PLAIN {
            let Some(number) = call.number(processor) else { continue };
            assert_eq!(ask(&closed, number), ALLOWED, "{} {processor:?}", call.name);
            assert_eq!(ask(&starting, number), ALLOWED, "{} {processor:?}", call.name);
        }
        for call in FORBIDDEN {
            let Some(number) = call.number(processor) else { continue };
            assert_eq!(ask(&closed, number), fails(EPERM), "{} {processor:?}", call.name);
            assert_eq!(ask(&starting, number), fails(EPERM), "{} {processor:?}", call.name);
        }
        let listed: Vec<_> = all_calls().filter_map(|call| call.number(processor)).collect();
        for other in (0..FIRST_UNKNOWN).filter(|number| !listed.contains(number)) {
            assert_eq!(ask(&closed, other), fails(EPERM), "{other} {processor:?}");
            assert_eq!(ask(&starting, other), ALLOWED, "{other} {processor:?}");
        }
        for unknown in [FIRST_UNKNOWN, 1000, 0x4000_0000, 0x4000_0000 + 59, u32::MAX] {
            assert_eq!(ask(&closed, unknown), fails(ENOSYS), "{unknown} {processor:?}");
            assert_eq!(ask(&starting, unknown), fails(ENOSYS), "{unknown} {processor:?}");
        }
    }
}

#[test]
fn calls_of_another_processor_are_refused_s_333() {
    for processor in ALL {
        let closed = filter(processor, CLOSED);
        for other in ALL.iter().filter(|other| **other != processor && other.audit != processor.audit) {
            for number in 0..FIRST_UNKNOWN {
                assert_eq!(run(&closed, other.audit, number, [0; 6]), fails(EPERM));
            }
        }
    }
}

#[test]
fn arguments_are_looked_at_s_333() {
    let all = u64::from(u32::MAX);
    for processor in ALL {
        let closed = filter(processor, CLOSED);
        let mut seen = 0;
        for (name, arguments, is_allowed) in [
            ("clone", [0x3d_0f00, 0, 0, 0, 0, 0], true),
            ("clone", [0x7d_0f00, 0, 0, 0, 0, 0], true),
            ("clone", [17, 0, 0, 0, 0, 0], false),
            ("clone", [0x4111, 0, 0, 0, 0, 0], false),
            ("clone", [0x1001_0000, 0, 0, 0, 0, 0], false),
            ("mmap", [0, 4096, 3, 0x22, all, 0], true),
            ("mmap", [0, 4096, 7, 0x22, all, 0], false),
            ("mmap2", [0, 4096, 4, 0x22, all, 0], false),
            ("mmap2", [0, 4096, 0, 0x22, all, 0], true),
            ("mprotect", [0, 4096, 1, 0, 0, 0], true),
            ("mprotect", [0, 4096, 5, 0, 0, 0], false),
            ("prctl", [15, 0, 0, 0, 0, 0], true),
            ("prctl", [4, 1, 0, 0, 0, 0], false),
            ("prctl", [38, 0, 0, 0, 0, 0], false),
            ("ioctl", [2, 0x5413, 0, 0, 0, 0], true),
            ("ioctl", [2, 0x5412, 0, 0, 0, 0], false),
            ("fcntl", [3, 1030, 0, 0, 0, 0], true),
            ("fcntl", [3, 8, 1, 0, 0, 0], false),
            ("fcntl64", [3, 14, 0, 0, 0, 0], true),
            ("fcntl64", [3, 1033, 0, 0, 0, 0], false),
            ("socket", [2, 0x8_0801, 0, 0, 0, 0], true),
            ("socket", [10, 0x8_0002, 17, 0, 0, 0], true),
            ("socket", [1, 1, 0, 0, 0, 0], true),
            ("socket", [16, 3, 0, 0, 0, 0], true),
            ("socket", [2, 3, 1, 0, 0, 0], false),
            ("socket", [2, 2, 1, 0, 0, 0], false),
            ("socket", [2, 1, 132, 0, 0, 0], false),
            ("socket", [16, 3, 9, 0, 0, 0], false),
            ("socket", [17, 3, 0, 0, 0, 0], false),
            ("socket", [38, 5, 0, 0, 0, 0], false),
            ("socketpair", [1, 1, 0, 0, 0, 0], true),
            ("socketpair", [2, 1, 0, 0, 0, 0], false),
            ("socketcall", [1, 0, 0, 0, 0, 0], true),
            ("socketcall", [18, 0, 0, 0, 0, 0], true),
            ("socketcall", [4, 0, 0, 0, 0, 0], false),
            ("tgkill", [77, 80, 6, 0, 0, 0], true),
            ("tgkill", [78, 78, 6, 0, 0, 0], false),
            ("kill", [77, 6, 0, 0, 0, 0], true),
            ("kill", [1, 0, 0, 0, 0, 0], false),
            ("kill", [all, 9, 0, 0, 0, 0], false),
            ("prlimit64", [0, 7, 0, 0x1000, 0, 0], true),
            ("prlimit64", [0, 7, 0x1000, 0, 0, 0], false),
            ("prlimit64", [0, 7, 1 << 32, 0, 0, 0], false),
        ] {
            let Some(number) = number(name, processor) else { continue };
            let given = run(&closed, processor.audit, number, arguments);
            assert_eq!(
                given,
                if is_allowed { ALLOWED } else { fails(EPERM) },
                "{name} {arguments:?} {processor:?}"
            );
            seen += 1;
        }
        assert!(seen >= 36, "{seen} {processor:?}");
        let clone3 = number("clone3", processor).unwrap();
        assert_eq!(run(&closed, processor.audit, clone3, [0; 6]), fails(ENOSYS));
    }
}

#[test]
fn a_program_may_be_started_where_one_is_needed() {
    for processor in ALL {
        let starting = filter(processor, STARTING);
        let ask = |name, arguments| {
            number(name, processor).map(|it| run(&starting, processor.audit, it, arguments))
        };
        assert_eq!(ask("clone", [0x4111, 0, 0, 0, 0, 0]), Some(ALLOWED), "{processor:?}");
        assert_eq!(ask("clone", [0x1000_0011, 0, 0, 0, 0, 0]), Some(fails(EPERM)));
        assert_eq!(ask("mmap", [0, 4096, 5, 2, 3, 0]).unwrap_or(ALLOWED), ALLOWED);
        assert_eq!(ask("socket", [17, 3, 0, 0, 0, 0]), Some(fails(EPERM)));
        assert_eq!(ask("listen", [3, 9, 0, 0, 0, 0]), Some(fails(EPERM)));
    }
}

/// The numbers were taken from the kernel's tables; the C library's are those of the processor that runs this.
#[test]
fn numbers_are_those_of_the_c_library() {
    let Some(own) = Processor::own() else { return };
    for (name, known) in [
        ("read", libc::SYS_read),
        ("futex", libc::SYS_futex),
        ("openat", libc::SYS_openat),
        ("statx", libc::SYS_statx),
        ("accept4", libc::SYS_accept4),
        ("clone", libc::SYS_clone),
        ("mprotect", libc::SYS_mprotect),
        ("getrandom", libc::SYS_getrandom),
        ("fallocate", libc::SYS_fallocate),
        ("epoll_pwait2", libc::SYS_epoll_pwait2),
        ("prlimit64", libc::SYS_prlimit64),
        ("ptrace", libc::SYS_ptrace),
        ("bpf", libc::SYS_bpf),
        ("setresuid", libc::SYS_setresuid),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("memfd_create", libc::SYS_memfd_create),
        ("reboot", libc::SYS_reboot),
    ] {
        assert_eq!(number(name, own).map(|it| it as libc::c_long), Some(known), "{name}");
    }
}

#[test]
fn no_call_stands_twice() {
    for processor in ALL {
        let mut numbers: Vec<_> = all_calls().filter_map(|call| call.number(processor)).collect();
        let before = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), before, "{processor:?}");
        assert!(numbers.last().is_some_and(|last| *last < FIRST_UNKNOWN));
    }
}

#[test]
fn filters_are_short_and_end_in_an_answer() {
    for processor in ALL {
        for terms in [CLOSED, STARTING] {
            let program = filter(processor, terms);
            assert!(program.len() < 600, "{} {processor:?}", program.len());
            assert_eq!(program.last().map(|it| it.code), Some(bpf::GIVE));
        }
    }
    assert!(LOOKED_AT.iter().any(|(_, look)| *look == Look::OldSocket));
}

/// Where the lower half is longer than a question can jump over, there is a longer jump.
#[test]
fn programs_of_many_spans_find_each() {
    let outcome = |number: u32| match number % 3 {
        0 => Outcome::Allowed,
        1 => Outcome::Fails(number as u16),
        _ => Outcome::Asked(
            vec![
                vec![Question::of(0, 0xFF, &[1, 2]), Question::of_upper(5, u32::MAX, &[9])],
                vec![Question::of(1, 1, &[1])],
            ],
            number as u16,
        ),
    };
    for count in [1, 2, 3, 255, 256, 257, 900] {
        let spans: Vec<_> = (0..count).map(|first| Span { first, outcome: outcome(first) }).collect();
        let program = bpf::program(5, &spans, 1);
        for number in 0..count {
            let ask = |arguments| run(&program, 5, number, arguments);
            let refused = if number % 3 == 0 { ALLOWED } else { fails(number as u16) };
            let asked = if number % 3 == 1 { refused } else { ALLOWED };
            assert_eq!(ask([0; 6]), refused, "{number} of {count}");
            assert_eq!(ask([0x301, 0, 0, 0, 0, 9 << 32]), asked);
            assert_eq!(ask([0x302, 0, 0, 0, 0, 9 << 32]), asked);
            assert_eq!(ask([0x303, 0, 0, 0, 0, 9 << 32]), refused);
            assert_eq!(ask([1, 0, 0, 0, 0, 9]), refused);
            assert_eq!(ask([0, 3, 0, 0, 0, 0]), asked);
        }
        assert_eq!(run(&program, 6, 0, [0; 6]), fails(1));
    }
}
