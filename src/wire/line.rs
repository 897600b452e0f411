//! CRLF lines of bounded length, cut out of whatever segments arrive. RFC 5321 §2.3.8, RFC 1939 §3.

use memchr::{memchr, memchr3};

use crate::limits;

/// Cuts lines out of an input buffer.
///
/// ```text
///   at start --- an octet that begins no line --> Faulty(Binary)
///       |
///       v    +-- CRLF inside the limit --> Whole
///   at line -+-- bare LF ----------------> Faulty(BareLf); Whole if lenient
///            +-- NUL, bare CR, too long --> skipping --LF--> Faulty
///                                              +-- no LF in 64 KiB --> Faulty(Endless), for ever
/// ```
#[derive(Debug, Default)]
pub struct LineReader {
    state: State,
    is_lenient: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    AtStart,
    AtLine,
    Skipping {
        fault: LineFault,
        skipped_octets: usize,
        is_after_cr: bool,
    },
    Endless,
}

/// What stands at the front of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// No whole line yet.
    Incomplete,
    /// A line without its CRLF.
    Whole(&'a [u8]),
    /// A line that was over-long or held what no line may hold; it was skipped to its end, if it had one.
    Faulty(LineFault),
}

/// Why a line is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// Longer than the limit.
    TooLong,
    /// A line feed without a carriage return before it.
    BareLf,
    /// A carriage return without a line feed behind it.
    BareCr,
    /// A NUL.
    Nul,
    /// The first octet of all begins no line: TLS on a port in the clear, or another protocol (S-067). It has
    /// no line end to wait for.
    Binary,
    /// So much was skipped without an end of line that the connection must be closed (S-051).
    Endless,
}

impl LineReader {
    /// A lenient one takes a bare LF for the end of a line, as old devices send it (S-022); a bare CR never is. The
    /// default is strict.
    pub fn new(is_lenient: bool) -> LineReader {
        LineReader { state: State::default(), is_lenient }
    }

    /// Looks for a line of at most `limit` octets (its CRLF counted) at the front of `input`; returns how
    /// many octets of the input are used up, and the line.
    ///
    /// Octets may be used up without a line yet, when a faulty line is being skipped. The first fault is
    /// told, but a line that ends with a bare LF is always told as `BareLf` by a strict reader: where it ends is a
    /// matter of opinion, so nothing behind it may be taken for a command (S-022).
    pub fn next<'a>(&mut self, input: &'a [u8], limit: usize) -> (usize, Line<'a>) {
        match self.state {
            State::AtStart => match input.first() {
                None => (0, Line::Incomplete),
                Some(&octet) if is_binary(octet) => (input.len(), Line::Faulty(LineFault::Binary)),
                Some(_) => {
                    self.state = State::AtLine;
                    self.read(input, limit)
                }
            },
            State::AtLine => self.read(input, limit),
            State::Skipping { fault, skipped_octets, is_after_cr } => {
                self.skip(input, 0, fault, skipped_octets, is_after_cr)
            }
            State::Endless => (input.len(), Line::Faulty(LineFault::Endless)),
        }
    }

    fn read<'a>(&mut self, input: &'a [u8], limit: usize) -> (usize, Line<'a>) {
        let window = &input[..input.len().min(limit)];
        let is_full = window.len() == limit;
        let (from, fault) = match memchr3(b'\r', b'\n', b'\0', window) {
            None if !is_full => return (0, Line::Incomplete),
            None => (limit, LineFault::TooLong),
            Some(at) => match (window[at], window.get(at + 1)) {
                (b'\r', Some(b'\n')) => return (at + 2, Line::Whole(&input[..at])),
                // Its LF may be on the way (S-026), if there is room for it.
                (b'\r', None) if !is_full => return (0, Line::Incomplete),
                (b'\r', None) => (limit, LineFault::TooLong),
                (b'\r', Some(_)) => (at + 1, LineFault::BareCr),
                (b'\n', _) if self.is_lenient => return (at + 1, Line::Whole(&input[..at])),
                (b'\n', _) => return (at + 1, Line::Faulty(LineFault::BareLf)),
                _ => (at + 1, LineFault::Nul),
            },
        };
        self.skip(input, from, fault, from, window[..from].ends_with(b"\r"))
    }

    fn skip<'a>(
        &mut self,
        input: &'a [u8],
        from: usize,
        fault: LineFault,
        skipped_octets: usize,
        is_after_cr: bool,
    ) -> (usize, Line<'a>) {
        let rest = &input[from..];
        let end = memchr(b'\n', rest);
        let skipped_octets = skipped_octets.saturating_add(end.map_or(rest.len(), |at| at + 1));
        if skipped_octets > limits::SKIPPED_LINE_OCTETS {
            self.state = State::Endless;
            return (input.len(), Line::Faulty(LineFault::Endless));
        }
        let Some(at) = end else {
            let is_after_cr = rest.last().map_or(is_after_cr, |&octet| octet == b'\r');
            self.state = State::Skipping { fault, skipped_octets, is_after_cr };
            return (input.len(), Line::Incomplete);
        };
        let is_crlf = if at == 0 { is_after_cr } else { rest[at - 1] == b'\r' };
        self.state = State::AtLine;
        (from + at + 1, Line::Faulty(if is_crlf || self.is_lenient { fault } else { LineFault::BareLf }))
    }
}

fn is_binary(octet: u8) -> bool {
    !octet.is_ascii() || octet.is_ascii_control() && !b"\r\n\t".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail program that was set to TLS on a port in the clear waited a minute for an answer: its hello has
    /// no line end.
    #[test]
    fn what_begins_as_no_line_does_is_told_at_once_s_067() {
        for begin in [&b"\x16\x03\x01\x02\x00"[..], b"\x03\x00\x00\x13", b"\0", b"\x80", b"\x1b[A"] {
            let told = LineReader::default().next(begin, LIMIT);
            assert_eq!(told, (begin.len(), Line::Faulty(LineFault::Binary)), "{begin:?}");
        }
        let mut later = LineReader::default();
        assert_eq!(later.next(b"NOOP\r\n", LIMIT), (6, Line::Whole(b"NOOP")));
        assert_eq!(
            later.next(b"\x16\x03", LIMIT),
            (0, Line::Incomplete),
            "only the first line says what it is"
        );
    }

    const LIMIT: usize = 16;

    /// What came out, in a form that outlives the input.
    #[derive(Debug, Clone, PartialEq)]
    enum Seen {
        Whole(Vec<u8>),
        Faulty(LineFault),
    }

    /// Reads as a driver does: segments are added behind what was not used up.
    fn read(segments: &[&[u8]], limit: usize) -> Vec<Seen> {
        read_with(LineReader::default(), segments, limit)
    }

    fn read_with(mut reader: LineReader, segments: &[&[u8]], limit: usize) -> Vec<Seen> {
        let (mut input, mut seen) = (Vec::new(), Vec::new());
        for segment in segments {
            input.extend_from_slice(segment);
            loop {
                let (used, line) = reader.next(&input, limit);
                match line {
                    Line::Incomplete => {
                        input.drain(..used);
                        break;
                    }
                    Line::Faulty(LineFault::Endless) => {
                        seen.push(Seen::Faulty(LineFault::Endless));
                        return seen;
                    }
                    Line::Whole(line) => seen.push(Seen::Whole(line.to_vec())),
                    Line::Faulty(fault) => seen.push(Seen::Faulty(fault)),
                }
                input.drain(..used);
            }
        }
        seen
    }

    fn whole(line: &[u8]) -> Seen {
        Seen::Whole(line.to_vec())
    }

    #[test]
    fn lines_end_with_crlf_only() {
        assert_eq!(read(&[b"NOOP\r\n\r\nQUIT\r\nNO"], LIMIT), [whole(b"NOOP"), whole(b""), whole(b"QUIT")]);
    }

    #[test]
    fn faults_are_told_once_a_line_s_022_s_023_s_024() {
        let cases: &[(&[u8], &[Seen])] = &[
            (b"NOOP\nA\r\n", &[Seen::Faulty(LineFault::BareLf), whole(b"A")]),
            (b"\nA\r\n", &[Seen::Faulty(LineFault::BareLf), whole(b"A")]),
            (b"MAIL\rRCPT\r\nA\r\n", &[Seen::Faulty(LineFault::BareCr), whole(b"A")]),
            (b"NOOP\0QUIT\r\nA\r\n", &[Seen::Faulty(LineFault::Nul), whole(b"A")]),
            (b"A\r\r\nB\r\n", &[Seen::Faulty(LineFault::BareCr), whole(b"B")]),
            (b"A\rB\0C\rD\r\nB\r\n", &[Seen::Faulty(LineFault::BareCr), whole(b"B")]),
            (b"A\0B\nC\r\n", &[Seen::Faulty(LineFault::BareLf), whole(b"C")]),
            (b"0123456789abcdefghi\nC\r\n", &[Seen::Faulty(LineFault::BareLf), whole(b"C")]),
        ];
        for (input, expected) in cases {
            assert_eq!(read(&[input], LIMIT), *expected, "{input:?}");
        }
    }

    #[test]
    fn a_lenient_reader_takes_bare_lfs_and_nothing_else_s_022() {
        let lenient = |input: &[u8]| {
            let whole = read_with(LineReader::new(true), &[input], LIMIT);
            let single: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(read_with(LineReader::new(true), &single, LIMIT), whole, "{input:?}");
            whole
        };
        let cases: &[(&[u8], &[Seen])] = &[
            (b"NOOP\nA\r\n\n\r\nB\n", &[whole(b"NOOP"), whole(b"A"), whole(b""), whole(b""), whole(b"B")]),
            (b"A\rB\nC\n", &[Seen::Faulty(LineFault::BareCr), whole(b"C")]),
            (b"A\r\r\nC\n", &[Seen::Faulty(LineFault::BareCr), whole(b"C")]),
            (b"A\rB\r\nC\n", &[Seen::Faulty(LineFault::BareCr), whole(b"C")]),
            (b"A\0B\nC\n", &[Seen::Faulty(LineFault::Nul), whole(b"C")]),
            (b"A\r", &[]),
        ];
        for (input, expected) in cases {
            assert_eq!(lenient(input), *expected, "{input:?}");
        }
        for (octets, is_taken) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
            let line = vec![b'a'; octets - 1];
            let sent = [&line, &b"\nA\n"[..]].concat();
            let first = if is_taken { Seen::Whole(line) } else { Seen::Faulty(LineFault::TooLong) };
            assert_eq!(lenient(&sent), [first, whole(b"A")], "{octets} of {LIMIT}");
        }
        let hello = LineReader::new(true).next(b"\x16\x03\x01\n", LIMIT);
        assert_eq!(hello, (4, Line::Faulty(LineFault::Binary)));
    }

    #[test]
    fn a_crlf_in_two_segments_is_one_s_026() {
        assert_eq!(read(&[b"NOOP\r"], LIMIT), []);
        assert_eq!(read(&[b"NOOP\r", b"\n"], LIMIT), [whole(b"NOOP")]);
        assert_eq!(read(&[b"NOOP\r", b"X\r\n"], LIMIT), [Seen::Faulty(LineFault::BareCr)]);
    }

    #[test]
    fn limits_hold_at_their_edges_s_052() {
        for limit in [LIMIT, limits::POP3_LINE_OCTETS, limits::SMTP_LINE_OCTETS, limits::SASL_LINE_OCTETS + 2]
        {
            for (octets, is_taken) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
                let line = vec![b'a'; octets - 2];
                let sent = [&line, &b"\r\nA\r\n"[..]].concat();
                let first = if is_taken { Seen::Whole(line) } else { Seen::Faulty(LineFault::TooLong) };
                assert_eq!(read(&[&sent], limit), [first, whole(b"A")], "{octets} of {limit}");
            }
        }
    }

    #[test]
    fn an_over_long_line_is_one_fault_and_nothing_of_it_a_command_s_234() {
        let sent = [&b"USER "[..], &[b'a'; 60_000], b"\r\nQUIT\r\n"].concat();
        assert_eq!(read(&[&sent], LIMIT), [Seen::Faulty(LineFault::TooLong), whole(b"QUIT")]);
    }

    #[test]
    fn an_endless_line_is_given_up_at_its_limit_s_051() {
        for (octets, last) in [
            (limits::SKIPPED_LINE_OCTETS - 1, Seen::Faulty(LineFault::TooLong)),
            (limits::SKIPPED_LINE_OCTETS, Seen::Faulty(LineFault::TooLong)),
            (limits::SKIPPED_LINE_OCTETS + 1, Seen::Faulty(LineFault::Endless)),
        ] {
            let sent = [&vec![b'a'; octets - 2][..], b"\r\n"].concat();
            let halves = sent.split_at(octets / 2);
            assert_eq!(read(&[&sent], LIMIT), read(&[halves.0, halves.1], LIMIT), "{octets} in two");
            assert_eq!(read(&[&sent], LIMIT), [last], "{octets}");
        }
        let mut reader = LineReader::default();
        let endless = Line::Faulty(LineFault::Endless);
        assert_eq!(reader.next(&[b'a'; limits::SKIPPED_LINE_OCTETS + 1], LIMIT).1, endless);
        assert_eq!(reader.next(b"QUIT\r\n", LIMIT), (6, endless), "there is no way back");
    }

    #[test]
    fn any_segmentation_gives_the_same_lines_s_080() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        for round in 0..3000 {
            let octets = random.usize(..80);
            // Behind a first octet that ends the connection there is nothing to compare.
            let mut sent = b"x".to_vec();
            sent.extend((0..octets).map(|_| b"\r\n\r\n\r\n\0ab cdefghi"[random.usize(..17)]));
            let expected = read(&[&sent], LIMIT);
            let single: Vec<&[u8]> = sent.chunks(1).collect();
            assert_eq!(read(&single, LIMIT), expected, "seed {seed} round {round} {sent:?}");
            let size = random.usize(1..9);
            let pieces: Vec<&[u8]> = sent.chunks(size).collect();
            assert_eq!(read(&pieces, LIMIT), expected, "seed {seed} round {round} by {size} {sent:?}");
        }
    }
}
