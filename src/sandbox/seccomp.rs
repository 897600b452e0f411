//! The filter of system calls: what a mail server never does, its process can't do (S-333).

use std::collections::BTreeMap;
use std::ops::Range;

use super::bpf::{self, Outcome, Question, Span};
use super::calls::{ARM, FIRST_UNKNOWN, FORBIDDEN, LOOKED_AT, Look, PLAIN, Processor};
use crate::sys::Instruction;

/// What the filter has to know of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// Its number, to which alone it sends signals.
    pub pid: u32,
    /// Whether it starts programs. They get the filter too, and nobody knows which calls they make: then all are allowed
    /// but those that are forbidden by name.
    pub starts_programs: bool,
}

/// The filter for that processor.
pub(super) fn filter(processor: Processor, terms: Terms) -> Vec<Instruction> {
    bpf::program(processor.audit, &spans(processor, terms), EPERM)
}

/// What becomes of each number. Joins neighbours with the same outcome; the fewer there are, the fewer questions a call costs.
fn spans(processor: Processor, terms: Terms) -> Vec<Span> {
    let other = match terms.starts_programs {
        true => Outcome::Allowed,
        false => Outcome::Fails(EPERM),
    };
    // Later entries of the same number take the place of earlier ones.
    let mut firsts = BTreeMap::from([(0, other.clone())]);
    for (number, outcome) in outcomes(processor, terms) {
        firsts.insert(number, outcome);
        firsts.insert(number + 1, other.clone());
    }
    // x32's numbers are behind them, too.
    firsts.insert(FIRST_UNKNOWN, Outcome::Fails(ENOSYS));
    if processor == ARM {
        firsts.insert(ARM_OWN.start, Outcome::Allowed);
        firsts.insert(ARM_OWN.end, Outcome::Fails(ENOSYS));
    }
    let mut spans: Vec<_> = firsts.into_iter().map(|(first, outcome)| Span { first, outcome }).collect();
    spans.dedup_by(|next, last| next.outcome == last.outcome);
    spans
}

fn outcomes(processor: Processor, terms: Terms) -> BTreeMap<u32, Outcome> {
    let numbered =
        |call: &super::calls::Call, outcome| call.number(processor).map(|number| (number, outcome));
    let mut outcomes: BTreeMap<u32, Outcome> =
        PLAIN.iter().filter_map(|call| numbered(call, Outcome::Allowed)).collect();
    let looked_at = LOOKED_AT.iter();
    outcomes.extend(looked_at.filter_map(|(call, look)| numbered(call, outcome(*look, terms))));
    outcomes.extend(FORBIDDEN.iter().filter_map(|call| numbered(call, Outcome::Fails(EPERM))));
    outcomes
}

fn outcome(look: Look, terms: Terms) -> Outcome {
    let asked = |ways| Outcome::Asked(ways, EPERM);
    let starts = terms.starts_programs;
    match look {
        Look::Unknown => Outcome::Fails(ENOSYS),
        // A process of its own is made with no flag of these; its child may stop its parent until it runs a program.
        Look::Thread if starts => asked(vec![vec![Question::of(0, NAMESPACES, &[0])]]),
        Look::Thread => asked(vec![vec![Question::of(0, NAMESPACES | CLONE_THREAD, &[CLONE_THREAD])]]),
        // What loads a program maps its code.
        Look::Memory | Look::Process | Look::Terminal | Look::Descriptor | Look::OwnLimit if starts => {
            Outcome::Allowed
        }
        Look::OwnSignal if starts => Outcome::Allowed,
        Look::Memory => asked(vec![vec![Question::of(2, PROT_EXEC, &[0])]]),
        Look::Process => {
            asked(vec![vec![Question::of(0, u32::MAX, &[PR_SET_NAME, PR_GET_NAME, PR_GET_AUXV])]])
        }
        Look::Terminal => asked(vec![vec![Question::of(1, u32::MAX, REQUESTS)]]),
        Look::Descriptor => asked(vec![vec![Question::of(1, u32::MAX, COMMANDS)]]),
        Look::Socket => asked(vec![
            vec![
                Question::of(0, u32::MAX, &[AF_INET, AF_INET6]),
                Question::of(1, SOCK_KIND, &[SOCK_STREAM, SOCK_DGRAM]),
                Question::of(2, u32::MAX, &[0, IPPROTO_TCP, IPPROTO_UDP]),
            ],
            vec![Question::of(0, u32::MAX, &[AF_UNIX])],
            vec![Question::of(0, u32::MAX, &[AF_NETLINK]), Question::of(2, u32::MAX, &[NETLINK_ROUTE])],
        ]),
        Look::Pair => asked(vec![vec![Question::of(0, u32::MAX, &[AF_UNIX])]]),
        Look::OldSocket => asked(vec![vec![Question::of(0, u32::MAX, OLD_SOCKET_CALLS)]]),
        Look::OwnSignal => asked(vec![vec![Question::of(0, u32::MAX, &[terms.pid])]]),
        // No new limit: the pointer to it is none.
        Look::OwnLimit => {
            asked(vec![vec![Question::of(2, u32::MAX, &[0]), Question::of_upper(2, u32::MAX, &[0])]])
        }
    }
}

pub(super) const EPERM: u16 = 1;
pub(super) const ENOSYS: u16 = 38;

/// asm/unistd.h of arm: its own calls, by which threads find what is theirs and code is made visible.
const ARM_OWN: Range<u32> = 0x000F_0001..0x000F_0007;
// linux/sched.h.
const CLONE_THREAD: u32 = 0x0001_0000;
/// Mounts, control groups, host names, IPC, users, processes and networks of one's own.
const NAMESPACES: u32 = 0x7E02_0000;
/// asm-generic/mman-common.h.
const PROT_EXEC: u32 = 4;
// linux/prctl.h.
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
/// What the kernel told this program when it began.
const PR_GET_AUXV: u32 = 0x4155_5856;
/// asm-generic/ioctls.h: TCGETS, FIONREAD, FIONBIO, TIOCGWINSZ, FIONCLEX, FIOCLEX; linux/sockios.h: SIOCGIFINDEX.
const REQUESTS: &[u32] = &[0x5401, 0x541B, 0x5421, 0x5413, 0x5450, 0x5451, 0x8933];
/// asm-generic/fcntl.h: DUPFD, flags, locks of all three kinds, DUPFD_CLOEXEC.
const COMMANDS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 36, 37, 38, 1030];
// linux/socket.h, linux/net.h, linux/in.h, linux/netlink.h.
const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
/// The kind beside its flags.
const SOCK_KIND: u32 = 0xF;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
const NETLINK_ROUTE: u32 = 0;
/// linux/net.h: all of `socketcall` but listen, which is 4.
const OLD_SOCKET_CALLS: &[u32] = &[1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
