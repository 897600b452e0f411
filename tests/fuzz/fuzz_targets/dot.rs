//! Dot-stuffing: what is stuffed and read back is the same, whatever the pieces; and TOP's cut. RFC 1939 §3, §7.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::wire::data::{DataDecoder, LineEndings};
use poppet::wire::dot::{DotEncoder, TopCutter};
use poppet_fuzz::choices::{Choices, Cuts};

fuzz_target!(|input: &[u8]| {
    let Some((mut choices, message)) = Choices::take(input) else { return };
    let cuts = Cuts::drawn(choices.octet());
    let encoded = encode(message, Cuts::Whole);
    assert_eq!(encode(message, cuts), encoded, "pieces matter");

    let (mut decoder, mut decoded) = (DataDecoder::new(LineEndings::Strict), Vec::new());
    let outcome = decoder.decode(&encoded, &mut decoded);
    assert_eq!(outcome, (encoded.len(), true), "a message ends before its end, or never");
    if decoder.fault().is_none() {
        let end = if message.is_empty() || message.ends_with(b"\r\n") { &b""[..] } else { b"\r\n" };
        assert_eq!(decoded, [message, end].concat(), "another message is read back");
    }

    let lines = u32::from(choices.one_of(5));
    let expected = top(message, lines);
    assert_eq!(cut(message, lines, Cuts::Whole), expected, "TOP cuts wrongly");
    assert_eq!(cut(message, lines, cuts), expected, "pieces matter to TOP");
});

fn encode(message: &[u8], cuts: Cuts) -> Vec<u8> {
    let (mut encoder, mut out) = (DotEncoder::default(), Vec::new());
    cuts.pieces(message).for_each(|piece| encoder.encode(piece, &mut out));
    encoder.finish(&mut out);
    out
}

fn cut(message: &[u8], lines: u32, cuts: Cuts) -> Vec<u8> {
    let (mut cutter, mut out) = (TopCutter::new(lines), Vec::new());
    for piece in cuts.pieces(message) {
        let (part, is_complete) = cutter.cut(piece);
        out.extend_from_slice(part);
        if is_complete {
            break;
        }
    }
    out
}

/// The header with the empty line behind it, and so many lines of the body.
fn top(message: &[u8], mut lines: u32) -> Vec<u8> {
    let (mut from, mut is_body, mut out) = (0, false, Vec::new());
    while from < message.len() && !(is_body && lines == 0) {
        let end = message[from..]
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .map_or(message.len(), |at| from + at + 2);
        let line = &message[from..end];
        out.extend_from_slice(line);
        match is_body {
            true => lines -= 1,
            false => is_body = line == b"\r\n",
        }
        from = end;
    }
    out
}
