//! The header for a client without UTF-8: ASCII, of the fields that were there, and nothing that makes more of
//! them. RFC 6858 §2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::wire::surrogate::surrogate;

fuzz_target!(|input: &[u8]| {
    let Some(shown) = surrogate(input) else { return };
    assert!(shown.is_ascii(), "a surrogate is beyond ASCII: {}", shown.escape_ascii());
    assert!(
        shown.len() <= limits::SURROGATE_HEADER_OCTETS + input.len(),
        "a surrogate grows without measure"
    );
    assert_eq!(surrogate(&shown), None, "a surrogate has a surrogate");
    // Of a header that is none it only must be the end of what is beyond ASCII.
    let end = input.windows(4).position(|ends| ends == b"\r\n\r\n");
    if bare(input) || end.is_none_or(|end| end + 4 != input.len()) || names(input).contains(&&b""[..]) {
        return;
    }
    assert!(!bare(&shown), "a bare line end is made: {}", shown.escape_ascii());
    assert!(shown.ends_with(b"\r\n") && !shown[..shown.len() - 2].windows(4).any(|ends| ends == b"\r\n\r\n"));
    let mut before = names(input).into_iter();
    for name in names(&shown) {
        assert!(before.any(|known| known == name), "a field is made: {}", shown.escape_ascii());
    }
});

/// Whether a CR or an LF stands alone.
fn bare(text: &[u8]) -> bool {
    let count = |wanted: &[u8]| text.windows(wanted.len()).filter(|window| *window == wanted).count();
    count(b"\r") != count(b"\r\n") || count(b"\n") != count(b"\r\n")
}

/// What each field begins with, up to its colon; the empty line at the end is none.
fn names(header: &[u8]) -> Vec<&[u8]> {
    let lines = header.split(|&octet| octet == b'\n').filter(|line| !matches!(*line, b"" | b"\r"));
    let fields = lines.filter(|line| !matches!(line[0], b' ' | b'\t'));
    fields
        .map(|field| field.split(|&octet| octet == b':').next().unwrap_or_default().trim_ascii_end())
        .collect()
}
