//! The end of data: where CRLF.CRLF is and nowhere else, whatever the segments. RFC 5321 §4.1.1.4, §4.5.2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::wire::data::{DataDecoder, DataFault, LineEndings};
use poppet_fuzz::choices::{Choices, Cuts};

/// What a decoder makes of a stream.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    message: Vec<u8>,
    used: usize,
    is_over: bool,
    fault: Option<DataFault>,
}

fuzz_target!(|input: &[u8]| {
    let Some((mut choices, stream)) = Choices::take(input) else { return };
    let endings = if choices.one_of(2) == 0 { LineEndings::Strict } else { LineEndings::Normalise };
    let cuts = Cuts::drawn(choices.octet());
    let expected = by_the_rules(stream, endings);
    assert_eq!(decode(stream, endings, Cuts::Whole), expected, "data are decoded wrongly");
    assert_eq!(decode(stream, endings, cuts), expected, "segments matter");
});

fn decode(stream: &[u8], endings: LineEndings, cuts: Cuts) -> Outcome {
    let (mut decoder, mut outcome) = (DataDecoder::new(endings), Outcome::default());
    for piece in cuts.pieces(stream) {
        let (used, is_over) = decoder.decode(piece, &mut outcome.message);
        assert!(is_over || used == piece.len(), "octets are left before the end of data");
        outcome.used += used;
        outcome.is_over |= is_over;
    }
    outcome.fault = decoder.fault();
    outcome
}

fn by_the_rules(stream: &[u8], endings: LineEndings) -> Outcome {
    let (mut outcome, mut at, mut is_line_start) = (Outcome::default(), 0, true);
    while at < stream.len() {
        let rest = &stream[at..];
        if is_line_start && rest.starts_with(b".\r\n") {
            outcome.used = at + 3;
            outcome.is_over = true;
            return outcome;
        }
        if is_line_start && rest[0] == b'.' {
            at += 1;
            is_line_start = false;
            continue;
        }
        is_line_start = rest.starts_with(b"\r\n");
        let fault = match rest[0] {
            // What comes next decides.
            b'\r' if rest.len() == 1 => break,
            b'\r' if !is_line_start => Some(DataFault::BareCr),
            b'\n' => Some(DataFault::BareLf),
            b'\0' => Some(DataFault::Nul),
            _ => None,
        };
        if endings == LineEndings::Strict {
            outcome.fault = outcome.fault.or(fault);
        }
        match rest[0] {
            b'\r' | b'\n' => outcome.message.extend_from_slice(b"\r\n"),
            octet => outcome.message.push(octet),
        }
        at += if is_line_start { 2 } else { 1 };
    }
    outcome.used = stream.len();
    outcome
}
