//! Lines: the same whatever the segments, and as an octet by octet reading of the rules has them.
//! RFC 5321 §2.3.8.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits::SKIPPED_LINE_OCTETS;
use poppet::wire::line::{Line, LineFault, LineReader};
use poppet_fuzz::choices::{Choices, Cuts};

#[derive(Debug, PartialEq)]
enum Found {
    Whole(Vec<u8>),
    Faulty(LineFault),
}

fuzz_target!(|input: &[u8]| {
    let Some((mut choices, said)) = Choices::take(input) else { return };
    let limit = [4, 16, 64, 512][usize::from(choices.one_of(4))];
    let cuts = Cuts::drawn(choices.octet());
    let mut stream = said.to_vec();
    if choices.octet() == 0xFF && choices.octet() == 0xFF {
        // A line that is about as long as may be skipped, which no fuzzer would write.
        let at = said.len().min(usize::from(choices.octet()));
        let run = SKIPPED_LINE_OCTETS - 64 + usize::from(choices.octet());
        stream.splice(at..at, std::iter::repeat_n(b'x', run));
    }
    for is_lenient in [false, true] {
        let expected = by_the_rules(&stream, limit, is_lenient);
        let read = |cuts| read(LineReader::new(is_lenient), &stream, limit, cuts);
        assert_eq!(read(Cuts::Whole), expected, "lines are read wrongly");
        assert_eq!(read(cuts), expected, "segments matter");
    }
});

fn read(mut reader: LineReader, stream: &[u8], limit: usize, cuts: Cuts) -> Vec<Found> {
    let (mut input, mut found) = (Vec::new(), Vec::new());
    for piece in cuts.pieces(stream) {
        input.extend_from_slice(piece);
        loop {
            let (used, line) = reader.next(&input, limit);
            match line {
                Line::Incomplete => {
                    input.drain(..used);
                    break;
                }
                Line::Whole(line) => found.push(Found::Whole(line.to_vec())),
                Line::Faulty(fault) => found.push(Found::Faulty(fault)),
            }
            if matches!(found.last(), Some(Found::Faulty(LineFault::Binary | LineFault::Endless))) {
                return found;
            }
            input.drain(..used);
        }
    }
    found
}

fn by_the_rules(mut stream: &[u8], limit: usize, is_lenient: bool) -> Vec<Found> {
    let mut found = Vec::new();
    if stream.first().is_some_and(|&octet| !matches!(octet, b' '..=b'~' | b'\r' | b'\n' | b'\t')) {
        return vec![Found::Faulty(LineFault::Binary)];
    }
    loop {
        let end = stream.iter().position(|&octet| octet == b'\n').map(|at| at + 1);
        if end.unwrap_or(stream.len()) > SKIPPED_LINE_OCTETS {
            found.push(Found::Faulty(LineFault::Endless));
            return found;
        }
        let Some(end) = end else { return found };
        let (line, rest) = stream.split_at(end);
        stream = rest;
        let text = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n").filter(|_| is_lenient));
        found.push(match text {
            None => Found::Faulty(LineFault::BareLf),
            Some(text) => match first_fault(line, limit) {
                None => Found::Whole(text.to_vec()),
                Some(fault) => Found::Faulty(fault),
            },
        });
    }
}

/// The first fault of a line, but for its end.
fn first_fault(line: &[u8], limit: usize) -> Option<LineFault> {
    for (at, pair) in line.windows(2).enumerate() {
        match pair {
            _ if at >= limit => return Some(LineFault::TooLong),
            [b'\0', _] => return Some(LineFault::Nul),
            [b'\r', _] if at + 1 >= limit => return Some(LineFault::TooLong),
            [b'\r', b'\n'] => return None,
            [b'\r', _] => return Some(LineFault::BareCr),
            _ => {}
        }
    }
    // A bare LF ended it.
    (line.len() > limit).then_some(LineFault::TooLong)
}
