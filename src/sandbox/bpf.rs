//! The small language of the kernel's filters: which instructions there are, and programs made of outcomes.
//!
//! A program sees one call: its number, the processor's, and the arguments, each as two words. It jumps only forward, by
//! at most 255 instructions where it asks something, so that a tree of questions is made from its leaves.

use crate::sys::Instruction;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is made.
    Allowed,
    /// It fails with that error.
    Fails(u16),
    /// It is made if all questions of one of these are answered by yes, else it fails with that error.
    Asked(Vec<Vec<Question>>, u16),
}

/// Whether the lower word of an argument, or its upper one, has one of these values under the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub argument: u32,
    pub is_upper: bool,
    pub mask: u32,
    pub values: Vec<u32>,
}

/// Calls from that number on, up to the next span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub first: u32,
    pub outcome: Outcome,
}

impl Question {
    /// Of the lower word of an argument.
    pub(super) fn of(argument: u32, mask: u32, values: &[u32]) -> Question {
        Question { argument, is_upper: false, mask, values: values.to_vec() }
    }

    /// The same of the upper word.
    pub(super) fn of_upper(argument: u32, mask: u32, values: &[u32]) -> Question {
        Question { is_upper: true, ..Question::of(argument, mask, values) }
    }
}

/// The filter: calls of another processor fail with `strange`, all others go by the spans, of which the first begins at
/// 0, and each later than the one before.
pub(super) fn program(audit: u32, spans: &[Span], strange: u16) -> Vec<Instruction> {
    let mut program = vec![
        load(OFFSET_OF_PROCESSOR),
        ask(EQUAL, audit, 1, 0),
        give(FAILS | u32::from(strange)),
        load(OFFSET_OF_NUMBER),
    ];
    program.extend(tree(spans));
    program
}

/// Asks in halves where the number is.
fn tree(spans: &[Span]) -> Vec<Instruction> {
    let (left, right) = spans.split_at(spans.len() / 2);
    let (Some(_), Some(middle)) = (left.first(), right.first()) else {
        return spans.first().map(|span| leaf(&span.outcome)).unwrap_or_default();
    };
    let (below, above) = (tree(left), tree(right));
    let mut tree = match u8::try_from(below.len()) {
        Ok(far) => vec![ask(AT_LEAST, middle.first, far, 0)],
        Err(_) => vec![ask(AT_LEAST, middle.first, 0, 1), jump(below.len())],
    };
    tree.extend(below);
    tree.extend(above);
    tree
}

fn leaf(outcome: &Outcome) -> Vec<Instruction> {
    match outcome {
        Outcome::Allowed => vec![give(ALLOWED)],
        Outcome::Fails(error) => vec![give(FAILS | u32::from(*error))],
        Outcome::Asked(ways, error) => {
            let mut leaf: Vec<_> = ways.iter().flat_map(|way| way_in(way)).collect();
            leaf.push(give(FAILS | u32::from(*error)));
            leaf
        }
    }
}

/// Falls through to what comes next unless all is answered by yes.
fn way_in(questions: &[Question]) -> Vec<Instruction> {
    let mut way = vec![give(ALLOWED)];
    for question in questions.iter().rev() {
        // Ways are some ten instructions long, far below what a jump can do.
        let past = u8::try_from(way.len()).unwrap_or(u8::MAX);
        let mut asked = vec![load(offset_of(question)), keep(question.mask)];
        for (number, value) in question.values.iter().enumerate() {
            let left = question.values.len() - number - 1;
            let is_last = left == 0;
            asked.push(ask(
                EQUAL,
                *value,
                u8::try_from(left).unwrap_or(u8::MAX),
                if is_last { past } else { 0 },
            ));
        }
        asked.extend(way);
        way = asked;
    }
    way
}

/// Of `struct seccomp_data`, on a processor whose lower octets come first.
fn offset_of(question: &Question) -> u32 {
    OFFSET_OF_ARGUMENTS + 8 * question.argument + 4 * u32::from(question.is_upper)
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, when_true: 0, when_false: 0, operand: offset }
}

fn keep(mask: u32) -> Instruction {
    Instruction { code: AND, when_true: 0, when_false: 0, operand: mask }
}

fn ask(code: u16, operand: u32, when_true: u8, when_false: u8) -> Instruction {
    Instruction { code, when_true, when_false, operand }
}

fn jump(over: usize) -> Instruction {
    // A filter has at most 4096 instructions.
    Instruction { code: JUMP, when_true: 0, when_false: 0, operand: u32::try_from(over).unwrap_or(u32::MAX) }
}

fn give(value: u32) -> Instruction {
    Instruction { code: GIVE, when_true: 0, when_false: 0, operand: value }
}

// linux/bpf_common.h: the class, its width or operation, and a constant as operand.
pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const EQUAL: u16 = 0x15;
pub(super) const AT_LEAST: u16 = 0x35;
pub(super) const GIVE: u16 = 0x06;
// linux/seccomp.h: what a filter gives, and where it finds what.
pub(super) const ALLOWED: u32 = 0x7FFF_0000;
pub(super) const FAILS: u32 = 0x0005_0000;
pub(super) const OFFSET_OF_NUMBER: u32 = 0;
pub(super) const OFFSET_OF_PROCESSOR: u32 = 4;
pub(super) const OFFSET_OF_ARGUMENTS: u32 = 16;
