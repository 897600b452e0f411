//! Chunks: what they store is what data store, whatever the segments and wherever one chunk ends. RFC 3030 §2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::wire::chunk::ChunkDecoder;
use poppet::wire::data::{DataDecoder, DataFault, LineEndings};
use poppet_fuzz::choices::{Choices, Cuts};

fuzz_target!(|input: &[u8]| {
    let Some((mut choices, text)) = Choices::take(input) else { return };
    let endings = if choices.one_of(2) == 0 { LineEndings::Strict } else { LineEndings::Normalise };
    let cuts = Cuts::drawn(choices.octet());
    let expected = by_the_rules(text, endings);
    assert_eq!(decode(text, endings, Cuts::Whole), expected, "chunks are decoded wrongly");
    assert_eq!(decode(text, endings, cuts), expected, "segments matter");
    if text.is_empty() || text.ends_with(b"\r\n") {
        assert_eq!(by_data(text, endings), expected, "data store something else");
    }
});

fn decode(text: &[u8], endings: LineEndings, cuts: Cuts) -> (Vec<u8>, Option<DataFault>) {
    let (mut decoder, mut message) = (ChunkDecoder::new(endings), Vec::new());
    for piece in cuts.pieces(text) {
        decoder.decode(piece, &mut message);
    }
    decoder.finish(&mut message);
    (message, decoder.fault())
}

/// A message's text, octet by octet: what is before and behind each says what it is.
fn by_the_rules(text: &[u8], endings: LineEndings) -> (Vec<u8>, Option<DataFault>) {
    let (mut message, mut fault) = (Vec::new(), None);
    for (at, &octet) in text.iter().enumerate() {
        let is_behind_cr = at > 0 && text[at - 1] == b'\r';
        let is_before_lf = text.get(at + 1) == Some(&b'\n');
        let found = match octet {
            b'\r' if !is_before_lf => Some(DataFault::BareCr),
            b'\n' if !is_behind_cr => Some(DataFault::BareLf),
            b'\0' => Some(DataFault::Nul),
            _ => None,
        };
        if endings == LineEndings::Strict {
            fault = fault.or(found);
        }
        match octet {
            b'\r' if is_before_lf => {}
            b'\r' | b'\n' => message.extend_from_slice(b"\r\n"),
            octet => message.push(octet),
        }
    }
    (message, fault)
}

/// What the same text stores behind DATA: each dot at a line's start is doubled. RFC 5321 §4.5.2.
fn by_data(text: &[u8], endings: LineEndings) -> (Vec<u8>, Option<DataFault>) {
    let mut data = Vec::new();
    for (at, &octet) in text.iter().enumerate() {
        if octet == b'.' && (at == 0 || text[..at].ends_with(b"\r\n")) {
            data.push(b'.');
        }
        data.push(octet);
    }
    data.extend_from_slice(b".\r\n");
    let (mut decoder, mut message) = (DataDecoder::new(endings), Vec::new());
    assert_eq!(decoder.decode(&data, &mut message), (data.len(), true), "the data end elsewhere");
    (message, decoder.fault())
}
