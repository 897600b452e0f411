//! What a report returns of a mail: its header, or all of it. RFC 6522 §3, RFC 6533 §4.3.

use memchr::memchr;

use super::put_type;
use crate::limits;
use crate::smtp::letter::put_line;

/// What is at hand of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned<'a> {
    /// Nothing: it can't be read.
    Nothing,
    /// Its front; what is behind the header is not returned.
    Header(&'a [u8]),
    /// All of it.
    Whole(&'a [u8]),
}

impl Returned<'_> {
    /// Whether all of it is returned: not if it would not travel as it is.
    pub fn is_whole(self) -> bool {
        matches!(self, Returned::Whole(message) if travels(message))
    }

    /// The part of the report; none where there is nothing. `is_utf8` says whether MAIL said SMTPUTF8.
    pub(super) fn part(self, is_utf8: bool) -> Option<Vec<u8>> {
        let (types, returned) = match self {
            Returned::Nothing => return None,
            Returned::Whole(message) if travels(message) => {
                (["message/rfc822", "message/global"], message.to_vec())
            }
            Returned::Header(front) | Returned::Whole(front) => {
                (["text/rfc822-headers", "message/global-headers"], header(front))
            }
        };
        let is_8bit = !returned.is_ascii();
        // What makes a mail international stands in its header alone.
        let is_global = is_utf8 && !header(&returned).is_ascii();
        let mut out = Vec::new();
        put_type(&mut out, types[usize::from(is_global)], is_8bit);
        out.extend_from_slice(&returned);
        Some(out)
    }

    /// The mail's Message-ID with its angle brackets, if it has one of good form.
    pub(super) fn message_id(self) -> Option<String> {
        let (Returned::Header(front) | Returned::Whole(front)) = self else { return None };
        let mut lines = lines(front);
        let name = b"Message-ID:";
        let found =
            |line: &&[u8]| line.get(..name.len()).is_some_and(|front| front.eq_ignore_ascii_case(name));
        let mut value = lines.by_ref().find(found)?[name.len()..].trim_ascii();
        if value.is_empty() {
            // Folded behind its name.
            value =
                lines.next().filter(|line| line.starts_with(b" ") || line.starts_with(b"\t"))?.trim_ascii();
        }
        let inner = value.strip_prefix(b"<")?.strip_suffix(b">")?;
        let is_good = inner.len() <= MESSAGE_ID_OCTETS
            && inner.contains(&b'@')
            && inner.iter().all(|&octet| octet.is_ascii_graphic() && octet != b'<' && octet != b'>');
        String::from_utf8(value.to_vec()).ok().filter(|_| is_good)
    }
}

/// The lines up to the empty one, none longer than travels whole.
fn header(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines(stored) {
        // No line may be one that parts the report (RFC 2046 §5.1.1): no field that anybody writes begins so.
        if line.starts_with(b"--") {
            out.push(b' ');
        }
        put_line(&mut out, line);
    }
    out
}

/// The whole lines of a header without their ends.
fn lines(stored: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &stored[..stored.len().min(limits::SCANNED_HEADER_OCTETS)];
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest)?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = &rest[end + 1..];
        Some(line).filter(|line| !line.is_empty())
    })
}

/// Whether each line ends with CRLF, is no longer than may be, and has no octet that breaks it. RFC 5322 §2.1.1.
fn travels(message: &[u8]) -> bool {
    let Some(lines) = message.strip_suffix(b"\r\n") else { return false };
    lines.split(|&octet| octet == b'\n').all(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.len() <= 998 && !line.contains(&b'\r') && !line.contains(&0)
    }) && memchr::memchr_iter(b'\n', message).all(|at| at > 0 && message[at - 1] == b'\r')
}

/// Octets between the brackets of a Message-ID: a line of 78 with room for those that are longer than usual.
const MESSAGE_ID_OCTETS: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_answered_only_if_it_is_one() {
        for (header, id) in [
            ("Subject: x\r\nMessage-ID: <1@a.example>\r\n\r\n", Some("<1@a.example>")),
            ("MESSAGE-id:<1@a.example>  \r\n\r\n", Some("<1@a.example>")),
            ("Message-ID:\r\n <1@a.example>\r\n\r\n", Some("<1@a.example>")),
            ("Message-ID:\r\nX: <1@a.example>\r\n\r\n", None),
            ("Message-ID: 1@a.example\r\n\r\n", None),
            ("Message-ID: <1>\r\n\r\n", None),
            ("Message-ID: <1@a> <2@b>\r\n\r\n", None),
            ("Message-ID: <1@a\rBcc: x>\r\n\r\n", None),
            ("Message-ID: <\u{f6}@a>\r\n\r\n", None),
            ("Subject: x\r\n\r\nMessage-ID: <1@a.example>\r\n", None),
            ("Message-ID: <1@a.example>", None),
            ("", None),
        ] {
            assert_eq!(Returned::Header(header.as_bytes()).message_id().as_deref(), id, "{header:?}");
        }
        for (octets, is_good) in [(249, true), (250, true), (251, false)] {
            let id = format!("<{}@a>", "x".repeat(octets - 2));
            let header = format!("Message-ID: {id}\r\n\r\n");
            assert_eq!(Returned::Whole(header.as_bytes()).message_id(), is_good.then_some(id), "{octets}");
        }
        assert_eq!(Returned::Nothing.message_id(), None);
    }

    #[test]
    fn only_a_mail_that_travels_as_it_is_comes_back_whole() {
        let long = |octets| format!("a: b\r\n\r\n{}\r\n", "x".repeat(octets));
        for (message, is_whole) in [
            ("a: b\r\n\r\nbody\r\n".to_owned(), true),
            ("a: b\r\n\r\nbo\ndy\r\n".to_owned(), false),
            ("a: b\r\n\r\nbo\rdy\r\n".to_owned(), false),
            ("a: b\r\n\r\nbo\0dy\r\n".to_owned(), false),
            ("a: b\r\n\r\nbody".to_owned(), false),
            ("\n\r\n".to_owned(), false),
            ("body".to_owned(), false),
            (long(997), true),
            (long(998), true),
            (long(999), false),
        ] {
            let returned = Returned::Whole(message.as_bytes());
            assert_eq!(returned.is_whole(), is_whole, "{message:?}");
            let part = String::from_utf8(returned.part(false).unwrap()).unwrap();
            let media_type = if is_whole { "message/rfc822" } else { "text/rfc822-headers" };
            assert!(part.starts_with(&format!("Content-Type: {media_type}\r\n\r\n")), "{part}");
            assert_eq!(part.ends_with(&format!("\r\n\r\n{message}")), is_whole, "{part}");
            assert!(!Returned::Header(message.as_bytes()).is_whole());
        }
    }

    #[test]
    fn only_a_header_beyond_ascii_makes_a_mail_international() {
        for (message, is_utf8, media_type, is_8bit) in [
            ("Subject: x\r\n\r\nö\r\n", true, "message/rfc822", true),
            ("Subject: ö\r\n\r\nx\r\n", true, "message/global", true),
            ("Subject: ö\r\n\r\nx\r\n", false, "message/rfc822", true),
            ("Subject: x\r\n\r\nx\r\n", true, "message/rfc822", false),
        ] {
            let part = String::from_utf8(Returned::Whole(message.as_bytes()).part(is_utf8).unwrap()).unwrap();
            assert!(part.starts_with(&format!("Content-Type: {media_type}\r\n")), "{part}");
            assert_eq!(part.contains("\r\nContent-Transfer-Encoding: 8bit\r\n"), is_8bit, "{part}");
        }
        assert_eq!(Returned::Nothing.part(true), None);
    }
}
