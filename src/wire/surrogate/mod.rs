//! The header of an internationalized message as a client without UTF-8 gets it. RFC 6858.
//!
//! What is lost is lost on purpose: the message shows that it is incomplete rather than changed. The body stays as
//! it is, also the headers of its parts.

mod address;
mod field;

use memchr::memmem;

use crate::limits;
use field::{Field, Scanner};

/// The surrogate of a header or of its front, given with the empty line at its end if it has one; all ASCII, its
/// length is the one to reckon with: lengths are stored, so whatever changes one must bring those in the file along.
/// None if there is nothing to change or nothing that can be: if the header is ASCII, is no UTF-8, is longer than
/// [`limits::SCANNED_HEADER_OCTETS`], or doesn't begin with a field.
pub fn surrogate(header: &[u8]) -> Option<Vec<u8>> {
    if header.is_ascii() || header.len() > limits::SCANNED_HEADER_OCTETS {
        return None;
    }
    let mut rest = std::str::from_utf8(header).ok()?;
    field_name(rest)?;
    let mut out = Vec::with_capacity(header.len());
    while !rest.is_empty() {
        let (field, behind) = rest.split_at(field_end(rest));
        rest = behind;
        if field.is_ascii() {
            out.extend_from_slice(field.as_bytes());
            continue;
        }
        // RFC 6858 §2.4: what can't be presented is excised; so is what would grow without measure.
        let shown = field_name(field).and_then(|name| present(name, field));
        if let Some(shown) = shown.filter(|shown| out.len() + shown.len() <= limits::SURROGATE_HEADER_OCTETS)
        {
            out.extend_from_slice(shown.as_bytes());
        }
    }
    Some(out)
}

/// Where the header at the front of a message ends: behind its empty line. None if that is not there (yet).
pub fn header_end(front: &[u8]) -> Option<usize> {
    if front.starts_with(b"\r\n") {
        return Some(2);
    }
    memmem::find(front, b"\r\n\r\n").map(|at| at + 4)
}

/// The field in ASCII; none if it can't be.
fn present(name: &str, field: &str) -> Option<String> {
    let value = field.get(field.find(':')? + 1..)?.replace("\r\n", "");
    let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is_one_of(&["Subject"]) {
        Some(subject(name, &value))
    } else if is_one_of(ADDRESS_FIELDS) {
        Some(address::list(name, &value))
    } else if is_one_of(&["Return-Path"]) {
        // A path has no name, so that nothing tells the address.
        let mut shown = Field::begin(name);
        shown.word(address::INVALID);
        Some(shown.end())
    } else if is_one_of(PARAMETER_FIELDS) {
        parameters(name, &value)
    } else {
        None
    }
}

/// RFC 6858 §2.3: the words from the first to the last one beyond ASCII in the words of RFC 2047.
fn subject(name: &str, value: &str) -> String {
    let value = value.trim_ascii();
    let first = value.find(|letter: char| !letter.is_ascii()).unwrap_or(0);
    let last = value.rfind(|letter: char| !letter.is_ascii()).unwrap_or(value.len());
    let is_blank = |letter| matches!(letter, ' ' | '\t');
    let start = value[..first].rfind(is_blank).map_or(0, |at| at + 1);
    let end = value[last..].find(is_blank).map_or(value.len(), |at| last + at);
    let mut shown = Field::begin(name);
    value[..start].split_ascii_whitespace().for_each(|word| shown.word(word));
    shown.encoded(&value[start..end]);
    value[end..].split_ascii_whitespace().for_each(|word| shown.word(word));
    shown.end()
}

/// RFC 6858 §2.2: the field without the parameters beyond ASCII; none if its value itself is beyond.
fn parameters(name: &str, value: &str) -> Option<String> {
    let mut shown = Field::begin(name);
    let (mut rest, mut is_first) = (value, true);
    while !rest.is_empty() {
        let (part, mark) = Scanner::of_parameters().cut(rest, b";");
        rest = &rest[part.len() + usize::from(mark.is_some())..];
        let part = part.trim_ascii();
        if part.is_ascii() && !part.is_empty() {
            if !is_first {
                shown.mark(";");
            }
            shown.word(part);
        } else if is_first {
            return None;
        }
        is_first = false;
    }
    Some(shown.end())
}

/// The name that a field begins with; none if it does with none. RFC 5322 §2.2.
fn field_name(field: &str) -> Option<&str> {
    let name = field.split_once(':')?.0.trim_end_matches([' ', '\t']);
    (!name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic())).then_some(name)
}

/// Where the field at the front ends: behind the first line that none continues. RFC 5322 §2.2.3.
fn field_end(text: &str) -> usize {
    let is_continued = |end: usize| text[end..].starts_with([' ', '\t']);
    let mut ends = text.match_indices("\r\n").map(|(at, _)| at + 2);
    ends.find(|&end| !is_continued(end)).unwrap_or(text.len())
}

/// RFC 6858 §2.1.
const ADDRESS_FIELDS: &[&str] = &[
    "Bcc",
    "Cc",
    "From",
    "Reply-To",
    "Resent-Bcc",
    "Resent-Cc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Sender",
    "To",
];
/// Those with parameters. RFC 2045 §5.1, RFC 2183 §2.
const PARAMETER_FIELDS: &[&str] = &["Content-Type", "Content-Disposition"];

#[cfg(test)]
mod tests;
