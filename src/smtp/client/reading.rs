//! Lines of a server become replies; whatever it says is bounded and harmless. RFC 5321 §4.2 (S-132).

use super::outcome::Reply;
use crate::limits;
use crate::mail::printable;

/// Reads replies, one after the other.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    /// Lines of the reply under way.
    lines: usize,
    code: u16,
    enhanced: Option<[u16; 3]>,
    text: String,
}

impl ReplyReader {
    /// Whether a reply is begun and not yet whole.
    pub(super) fn is_inside(&self) -> bool {
        self.lines > 0
    }

    /// Takes a line, without its CRLF; gives the reply that it completes. Errs with what is wrong if it is no line of a
    /// reply, or none of this one; the connection is out of step then.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, &'static str> {
        let (code, is_last, text) = parse(line).ok_or("it is no reply: one is three digits and a text")?;
        if self.lines == limits::REPLY_LINES {
            return Err("it has too many lines");
        }
        if self.is_inside() && code != self.code {
            return Err("its lines have different codes");
        }
        let (enhanced, text) = cut_enhanced(code, text);
        if !self.is_inside() {
            (self.code, self.enhanced) = (code, enhanced);
        }
        self.lines += 1;
        self.keep(text);
        if !is_last {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        Ok(Some(Reply { code: whole.code, enhanced: whole.enhanced, text: whole.text }))
    }

    fn keep(&mut self, text: &[u8]) {
        let text = text.trim_ascii();
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push(' ');
        }
        for piece in text.chunks(PIECE_OCTETS) {
            if self.text.len() > limits::KEPT_REPLY_OCTETS {
                break;
            }
            self.text.push_str(&printable(piece));
        }
        if self.text.len() > limits::KEPT_REPLY_OCTETS {
            self.text.truncate(limits::KEPT_REPLY_OCTETS - CUT_MARK.len());
            self.text.push_str(CUT_MARK);
        }
    }
}

/// The code, whether the reply ends here, and the text. A code alone is a reply too. RFC 5321 §4.2.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, behind) = line.split_at_checked(3)?;
    let is_code = matches!(digits[0], b'2'..=b'5') && digits.iter().all(u8::is_ascii_digit);
    let code = std::str::from_utf8(digits).ok().filter(|_| is_code)?.parse().ok()?;
    match behind {
        [] => Some((code, true, behind)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

/// The enhanced code, if the text begins with one of the code's own class, and what is behind it. RFC 3463 §2,
/// RFC 2034 §4.
fn cut_enhanced(code: u16, text: &[u8]) -> (Option<[u16; 3]>, &[u8]) {
    let end = text.iter().position(|&octet| octet == b' ').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    match parse_enhanced(word) {
        Some(enhanced) if enhanced[0] == code / 100 => (Some(enhanced), rest),
        _ => (None, text),
    }
}

fn parse_enhanced(word: &[u8]) -> Option<[u16; 3]> {
    let mut numbers = std::str::from_utf8(word).ok()?.split('.').map(|part| {
        let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
        part.parse().ok().filter(|_| is_number)
    });
    let enhanced = [numbers.next()??, numbers.next()??, numbers.next()??];
    (numbers.next().is_none() && [2, 4, 5].contains(&enhanced[0])).then_some(enhanced)
}

/// Four letters stand for an octet at most, and `printable` cuts what has 128.
const PIECE_OCTETS: usize = 31;
/// Says that there was more.
const CUT_MARK: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Result<Option<Reply>, &'static str> {
        let mut reader = ReplyReader::default();
        let (last, first) = lines.split_last().unwrap();
        for line in first {
            assert_eq!(reader.take(line)?, None, "{lines:?}");
        }
        reader.take(last)
    }

    fn whole(lines: &[&[u8]]) -> (u16, Option<[u16; 3]>, String) {
        let reply = read(lines).unwrap().unwrap();
        (reply.code, reply.enhanced, reply.text)
    }

    #[test]
    fn replies_of_every_good_shape_are_read() {
        for (lines, code, enhanced, text) in [
            (&[&b"250 OK"[..]][..], 250, None, "OK"),
            (&[b"250"], 250, None, ""),
            (&[b"250 "], 250, None, ""),
            (&[b"250-"], 0, None, ""),
            (&[b"354 go"], 354, None, "go"),
            (&[b"550 5.1.1 No such user"], 550, Some([5, 1, 1]), "No such user"),
            (&[b"250 2.0.0"], 250, Some([2, 0, 0]), ""),
            (
                &[b"550-5.7.1 One", b"550-5.7.1  two", b"550 5.7.1 three"],
                550,
                Some([5, 7, 1]),
                "One two three",
            ),
            (&[b"250-home.lan", b"250-", b"250"], 250, None, "home.lan"),
        ] {
            match code {
                0 => assert_eq!(read(lines), Ok(None), "the last line is missing"),
                _ => assert_eq!(whole(lines), (code, enhanced, text.to_owned()), "{lines:?}"),
            }
        }
    }

    #[test]
    fn an_enhanced_code_that_is_none_or_of_another_class_is_text() {
        for text in [
            "2.1.1 x",
            "4.1.1 x",
            "5.1 x",
            "5.1.1.1 x",
            "5..1 x",
            "5.1.1x",
            "5.1234.1 x",
            "5.1.1234",
            "+5.1.1",
            "5.+1.1",
        ] {
            let (_, enhanced, kept) = whole(&[format!("550 {text}").as_bytes()]);
            assert_eq!((enhanced, kept.as_str()), (None, text));
        }
        assert_eq!(whole(&[b"354 3.0.0 go"]).1, None);
        assert_eq!(whole(&[b"550 5.999.999"]).1, Some([5, 999, 999]));
        assert_eq!(whole(&[b"550-x", b"550 5.1.1 y"]), (550, None, "x y".into()), "the first line has it");
    }

    #[test]
    fn what_is_no_reply_is_told_s_132() {
        for line in [
            &b""[..],
            b"2",
            b"25",
            b"99 ",
            b"99 x",
            b"250x",
            b"250_x",
            b"2500",
            b"100 x",
            b"150-x",
            b"600 x",
            b"000 x",
            b"abc x",
            b" 250 x",
            b"25O x",
            b"+25 x",
            b"2\x005 x",
            b"\xFF\xFF\xFF x",
            b"250\tx",
            b"* OK",
            b"+OK",
        ] {
            assert!(read(&[line]).is_err(), "{line:?}");
        }
        for lines in [&[&b"250-a"[..], b"251 b"], &[b"250-a", b"550 b"], &[b"250-a", b"b"], &[b"250-a", b""]]
        {
            assert!(read(lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn lines_are_counted_at_their_edge_s_132() {
        for (lines, is_taken) in
            [(limits::REPLY_LINES - 1, true), (limits::REPLY_LINES, true), (limits::REPLY_LINES + 1, false)]
        {
            let mut reader = ReplyReader::default();
            let outcome: Result<Vec<_>, _> = (1..=lines)
                .map(|line| reader.take(if line == lines { b"250 x" } else { b"250-x" }))
                .collect();
            assert_eq!(
                outcome.is_ok_and(|told| told.last().is_some_and(Option::is_some)),
                is_taken,
                "{lines}"
            );
        }
    }

    #[test]
    fn kept_text_is_harmless_and_bounded_s_132_s_133() {
        let (_, _, text) =
            whole(&[b"550-a\x1B[2J\x07\\", b"550-b\xFF\tSubject: x\x7F", "550 \u{202E}ö".as_bytes()]);
        assert_eq!(text, "a\\x1B[2J\\x07\\x5C b\\xFF\\x09Subject: x\\x7F \\xE2\\x80\\xAE\\xC3\\xB6");
        let most = limits::KEPT_REPLY_OCTETS;
        for (octets, kept) in [(most - 1, most - 1), (most, most), (most + 1, most), (2000, most)] {
            let (_, _, text) = whole(&[&[b"550 ", vec![b'a'; octets].as_slice()].concat()]);
            assert_eq!((text.len(), text.ends_with("...")), (kept, octets > most), "{octets}");
        }
        let line = [b"550-", vec![0xFF; 2000].as_slice()].concat();
        let mut reader = ReplyReader::default();
        for _ in 1..limits::REPLY_LINES {
            assert_eq!(reader.take(&line), Ok(None));
            assert!(reader.text.len() <= most);
        }
        let text = reader.take(b"550 x").unwrap().unwrap().text;
        assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet)) && text.len() == most, "{text}");
    }
}
