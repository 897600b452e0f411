//! BER: what is read is what the definition says, never past the end; what is written is read again. X.690 §8.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::wire::ber::{self, BerError, Reader, Tag, Writer};

fuzz_target!(|input: &[u8]| {
    for is_strict in [false, true] {
        let mut reader = if is_strict { Reader::der(input) } else { Reader::new(input) };
        let mut rest = input;
        while let Some((tag, content, behind)) = by_the_definition(rest, is_strict) {
            let element = reader.take().unwrap_or_else(|error| panic!("an element is refused: {error:?}"));
            assert_eq!((element.tag, element.content), (Tag(tag), content), "an element is read wrongly");
            assert_eq!(element.octets.len(), rest.len() - behind.len(), "an element has another length");
            rest = behind;
        }
        assert!(reader.take().is_err(), "what is no element is taken");
    }
    frames(input);
    numbers(input);
    depths(input);
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |writer| writer.element(Tag::OCTET_STRING, input));
    let written = writer.finish();
    let mut read = Reader::der(&written).inside(Tag::SEQUENCE).expect("what was written is refused");
    assert_eq!(read.expect(Tag::OCTET_STRING), Ok(input), "what was written is read otherwise");
});

/// One element and what is behind it, spelt out; none if there is no whole one.
fn by_the_definition(octets: &[u8], is_strict: bool) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*octets.first()?, usize::from(*octets.get(1)?));
    if tag % 32 == 31 || first == 128 || first > 128 + 4 {
        return None;
    }
    let (begin, length) = match first {
        0..128 => (2, first),
        _ => {
            let more = octets.get(2..2 + first - 128)?;
            let length = more.iter().fold(0, |length, octet| length * 256 + usize::from(*octet));
            if is_strict && (length < 128 || more[0] == 0) {
                return None;
            }
            (2 + more.len(), length)
        }
    };
    let end = begin.checked_add(length)?;
    Some((tag, octets.get(begin..end)?, &octets[end..]))
}

/// A stream is cut where the elements are, and a part of one is waited for.
fn frames(input: &[u8]) {
    const MOST: usize = 1000;
    match ber::frame(input, MOST) {
        Ok(Some(length)) => {
            let whole = by_the_definition(input, false).map(|(_, _, behind)| input.len() - behind.len());
            assert!(whole == Some(length) && length <= MOST, "a frame is cut wrongly");
            for cut in [0, 1, length / 2, length - 1] {
                assert_eq!(ber::frame(&input[..cut], MOST), Ok(None), "a part is not waited for");
            }
        }
        Ok(None) => assert!(by_the_definition(input, false).is_none(), "what is whole is waited for"),
        Err(error) => {
            let whole = by_the_definition(input, false)
                .map_or(usize::MAX, |(_, _, behind)| input.len() - behind.len());
            assert!(error == BerError::TooLong && whole > MOST || whole == usize::MAX, "a frame is refused");
        }
    }
}

fn numbers(input: &[u8]) {
    if let Ok(number) = Reader::new(input).integer(Tag::INTEGER) {
        let mut writer = Writer::default();
        writer.integer(Tag::INTEGER, number);
        let written = writer.finish();
        assert_eq!(Reader::der(&written).integer(Tag::INTEGER), Ok(number), "a number changes");
        if let Ok(strict) = Reader::der(input).integer(Tag::INTEGER) {
            assert!(strict == number && input.starts_with(&written), "a number has two strict forms");
        }
    }
}

/// Whatever is in one another, the way down ends.
fn depths(input: &[u8]) {
    let (mut reader, mut depth) = (Reader::new(input), 0);
    while let Some(tag) = reader.peek() {
        match reader.inside(tag) {
            Ok(inside) => (reader, depth) = (inside, depth + 1),
            Err(_) => break,
        }
    }
    assert!(depth <= limits::BER_DEPTH, "it goes too deep");
}
