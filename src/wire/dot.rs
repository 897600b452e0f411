//! Dot-stuffing on the way out, whatever the stored octets are. RFC 1939 §3, RFC 5321 §4.5.2.

use memchr::{memchr, memmem};

/// Encodes one message: doubles each dot that begins a line, and ends with CRLF.CRLF.
///
/// A line begins at the start and behind a CRLF, nowhere else: a conforming reader takes a dot away only
/// there, so one doubled behind a bare CR or LF would change the message. There are none of those in the
/// store to make a lax reader see an end (S-019, S-020): mail comes in strict or normalised.
#[derive(Debug, Default)]
pub struct DotEncoder {
    place: Place,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    Text,
    AfterCr,
}

impl DotEncoder {
    /// Appends the encoded octets of one piece of the message to `out`; pieces may be cut anywhere.
    pub fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut from = match (self.place, piece) {
            (Place::LineStart, [b'.', ..]) => {
                out.push(b'.');
                0
            }
            (Place::AfterCr, [b'\n', b'.', ..]) => {
                out.extend_from_slice(b"\n.");
                1
            }
            _ => 0,
        };
        for found in memmem::find_iter(piece, b"\r\n.") {
            out.extend_from_slice(&piece[from..found + 2]);
            out.push(b'.');
            from = found + 2;
        }
        out.extend_from_slice(&piece[from..]);
        self.place = match (self.place, piece) {
            (place, []) => place,
            (Place::AfterCr, [b'\n']) | (_, [.., b'\r', b'\n']) => Place::LineStart,
            (_, [.., b'\r']) => Place::AfterCr,
            _ => Place::Text,
        };
    }

    /// Appends what ends the message: a CRLF if its last line has none, and the line with the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.place != Place::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

/// Cuts a message for TOP: its header, the empty line, and some lines of its body. RFC 1939 §7.
#[derive(Debug)]
pub struct TopCutter {
    lines: u32,
    part: Part,
    line_octets: u64,
    is_after_cr: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Body,
    Complete,
}

impl TopCutter {
    /// A cutter that lets so many lines of the body through.
    pub fn new(lines: u32) -> TopCutter {
        TopCutter { lines, part: Part::Header, line_octets: 0, is_after_cr: false }
    }

    /// Returns how much of the next piece belongs to the answer, and whether the answer is complete, so
    /// that no further piece need be read. Pieces may be cut anywhere.
    pub fn cut<'a>(&mut self, piece: &'a [u8]) -> (&'a [u8], bool) {
        let mut from = 0;
        while self.part != Part::Complete {
            let Some(found) = memchr(b'\n', &piece[from..]) else {
                self.pass(&piece[from..]);
                return (piece, false);
            };
            self.pass(&piece[from..from + found]);
            from += found + 1;
            if self.is_after_cr {
                self.end_line();
            } else {
                self.pass(b"\n");
            }
        }
        (&piece[..from], true)
    }

    fn pass(&mut self, octets: &[u8]) {
        self.line_octets = self.line_octets.saturating_add(octets.len() as u64);
        if let Some(&last) = octets.last() {
            self.is_after_cr = last == b'\r';
        }
    }

    fn end_line(&mut self) {
        match self.part {
            // The CR is all that stood in the line.
            Part::Header if self.line_octets == 1 => self.part = Part::Body,
            Part::Body => self.lines = self.lines.saturating_sub(1),
            Part::Header | Part::Complete => {}
        }
        if self.part == Part::Body && self.lines == 0 {
            self.part = Part::Complete;
        }
        self.line_octets = 0;
        self.is_after_cr = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::data::{DataDecoder, LineEndings};

    fn encode(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut out) = (DotEncoder::default(), Vec::new());
        for piece in pieces {
            encoder.encode(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    fn top(lines: u32, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut cutter, mut out, mut is_complete) = (TopCutter::new(lines), Vec::new(), false);
        for piece in pieces {
            let (part, is_complete_now) = cutter.cut(piece);
            assert!(!is_complete || (part.is_empty() && is_complete_now), "complete is complete");
            out.extend_from_slice(part);
            is_complete = is_complete_now;
        }
        (out, is_complete)
    }

    #[test]
    fn dots_that_begin_a_line_are_doubled_s_153() {
        assert_eq!(encode(&[b".\r\n..\r\n...\r\n.x\r\ny.\r\n"]), b"..\r\n...\r\n....\r\n..x\r\ny.\r\n.\r\n");
        assert_eq!(encode(&[b"a\r\n.\r\n"]), b"a\r\n..\r\n.\r\n");
    }

    #[test]
    fn only_the_last_line_without_crlf_gets_one_s_243() {
        assert_eq!(encode(&[]), b".\r\n");
        assert_eq!(encode(&[b""]), b".\r\n");
        assert_eq!(encode(&[b"\r\n"]), b"\r\n.\r\n");
        assert_eq!(encode(&[b"a"]), b"a\r\n.\r\n");
        assert_eq!(encode(&[b"a\r"]), b"a\r\r\n.\r\n");
        assert_eq!(encode(&[b"a\n"]), b"a\n\r\n.\r\n");
        assert_eq!(encode(&[b"a\r\n"]), b"a\r\n.\r\n");
    }

    #[test]
    fn a_dot_behind_no_crlf_is_left_alone() {
        assert_eq!(encode(&[b"a\n.b\r.c\r\n"]), b"a\n.b\r.c\r\n.\r\n");
    }

    #[test]
    fn any_octets_in_any_pieces_come_back_from_a_conforming_reader_s_019_s_020() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        for round in 0..4000 {
            let octets = random.usize(..50);
            let mut message: Vec<u8> = (0..octets).map(|_| b"\r\n\r\n..a"[random.usize(..7)]).collect();
            let whole = encode(&[&message]);
            let size = random.usize(1..7);
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            assert_eq!(encode(&pieces), whole, "seed {seed} round {round} by {size} {message:?}");
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                message.extend_from_slice(b"\r\n");
            }
            assert_eq!(unstuff(&whole), message, "seed {seed} round {round}");
        }
    }

    /// RFC 1939 §3, to the letter, on lines that CRLF ends.
    fn unstuff(encoded: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut rest = encoded;
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
            let (line, behind) = rest.split_at(end);
            if line == b".\r\n" {
                assert!(behind.is_empty(), "the end came too early");
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = behind;
        }
    }

    #[test]
    fn what_comes_in_stuffed_goes_out_stuffed() {
        let data = b"h: v\r\n\r\n..\r\n...x\r\n.. \r\n.\r\n";
        let mut message = Vec::new();
        assert!(DataDecoder::new(LineEndings::Strict).decode(data, &mut message).1);
        assert_eq!(encode(&[&message]), data);
    }

    #[test]
    fn top_gives_the_header_and_so_many_lines_s_242() {
        let message = b"a: 1\r\nb: 2\r\n\r\none\r\n\r\nthree";
        let cases: &[(u32, &[u8], bool)] = &[
            (0, b"a: 1\r\nb: 2\r\n\r\n", true),
            (1, b"a: 1\r\nb: 2\r\n\r\none\r\n", true),
            (2, b"a: 1\r\nb: 2\r\n\r\none\r\n\r\n", true),
            (3, message, false),
            (99_999_999, message, false),
        ];
        for (lines, expected, is_complete) in cases {
            for size in 1..=message.len() {
                let pieces: Vec<&[u8]> = message.chunks(size).collect();
                assert_eq!(top(*lines, &pieces), (expected.to_vec(), *is_complete), "{lines} by {size}");
            }
        }
    }

    #[test]
    fn top_of_messages_without_header_or_without_body_s_242_s_124() {
        assert_eq!(top(0, &[b"\r\nbody\r\n"]), (b"\r\n".to_vec(), true));
        assert_eq!(top(1, &[b"\r\nbody\r\nmore\r\n"]), (b"\r\nbody\r\n".to_vec(), true));
        assert_eq!(top(0, &[b"a: 1\r\n"]), (b"a: 1\r\n".to_vec(), false));
        assert_eq!(top(0, &[b""]), (b"".to_vec(), false));
        assert_eq!(top(0, &[b"a\n\nb\r\n\r\nc"]), (b"a\n\nb\r\n\r\n".to_vec(), true), "LF ends no line");
        assert_eq!(top(0, &[b"a\r\n\n\r\n\r\nc"]), (b"a\r\n\n\r\n\r\n".to_vec(), true), "nor an empty one");
    }
}
