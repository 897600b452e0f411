//! The end of data: the five octets CRLF.CRLF and nothing else. RFC 5321 §4.1.1.4, §4.5.2.

use super::endings::{Mender, Stop};

pub use super::endings::{DataFault, LineEndings};

/// Decodes one message's data: takes out the dot-stuffing, finds the end, notes what must not be.
///
/// ```text
///   line start --'.'--> dot --CR--> dot CR --LF--> end
///     ^   |other         |other       |other
///     |   v              v            v
///     |  text <-----------------------+
///     |   |CR ^ other, a bare LF, a NUL
///     |   v   |
///     +--LF-- CR
/// ```
///
/// Only a true CRLF leads to a line start. So the line ends that are mended neither end the data nor
/// unstuff the dot behind them: no sender stuffs a dot there that we could tell from one he means.
#[derive(Debug)]
pub struct DataDecoder {
    mender: Mender,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    Text,
    AfterCr,
    AfterDot,
    AfterDotCr,
    End,
}

impl DataDecoder {
    /// Starts at the first octet behind the reply 354.
    pub fn new(endings: LineEndings) -> DataDecoder {
        DataDecoder { mender: Mender::new(endings), place: Place::LineStart }
    }

    /// Takes `input`, appends the message's octets to `message`, and returns how many octets of the input
    /// it used up and whether the end of data was reached; behind the end nothing is used up.
    pub fn decode(&mut self, input: &[u8], message: &mut Vec<u8>) -> (usize, bool) {
        let mut used = 0;
        while self.place != Place::End
            && let Some(&octet) = input.get(used)
        {
            used += match (self.place, octet) {
                (Place::Text, _) => self.take_text(&input[used..], message),
                (Place::LineStart, b'.') => self.go(Place::AfterDot),
                (Place::AfterDot, b'\r') => self.go(Place::AfterDotCr),
                (Place::AfterDotCr, b'\n') => self.go(Place::End),
                (Place::AfterCr, b'\n') => {
                    message.extend_from_slice(b"\r\n");
                    self.go(Place::LineStart)
                }
                (Place::AfterCr | Place::AfterDotCr, _) => {
                    self.mender.mend(DataFault::BareCr, message);
                    self.look_again()
                }
                (Place::LineStart | Place::AfterDot | Place::End, _) => self.look_again(),
            };
        }
        (used, self.place == Place::End)
    }

    /// The first fault of the message so far; none is noted while line endings are normalised.
    pub fn fault(&self) -> Option<DataFault> {
        self.mender.fault()
    }

    fn take_text(&mut self, rest: &[u8], message: &mut Vec<u8>) -> usize {
        let (used, stop) = self.mender.copy::<true>(rest, message);
        self.place = match stop {
            Stop::Text => Place::Text,
            Stop::LineStart => Place::LineStart,
            Stop::AfterCr => Place::AfterCr,
        };
        used
    }

    /// Goes on behind this octet.
    fn go(&mut self, place: Place) -> usize {
        self.place = place;
        1
    }

    /// Looks at this octet again as at text.
    fn look_again(&mut self) -> usize {
        self.place = Place::Text;
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Decoded {
        message: Vec<u8>,
        used: usize,
        is_at_end: bool,
        fault: Option<DataFault>,
    }

    fn decode(endings: LineEndings, segments: &[&[u8]]) -> Decoded {
        let mut decoder = DataDecoder::new(endings);
        let mut decoded = Decoded { message: Vec::new(), used: 0, is_at_end: false, fault: None };
        for segment in segments {
            let (used, is_at_end) = decoder.decode(segment, &mut decoded.message);
            decoded.used += used;
            decoded.is_at_end = is_at_end;
            if is_at_end {
                break;
            }
            assert_eq!(used, segment.len(), "before the end everything is used up");
        }
        decoded.fault = decoder.fault();
        decoded
    }

    /// No end in any policy; strict notes `fault`, normalising stores `normal`.
    fn assert_no_end(data: &[u8], fault: Option<DataFault>, normal: &[u8]) {
        let strict = decode(LineEndings::Strict, &[data]);
        assert!(!strict.is_at_end, "{data:?}");
        assert_eq!(strict.fault, fault, "{data:?}");
        let lenient = decode(LineEndings::Normalise, &[data]);
        assert!(!lenient.is_at_end, "{data:?}");
        assert_eq!(lenient.fault, None, "{data:?}");
        assert_eq!(lenient.message, normal, "{data:?}");
    }

    #[test]
    fn the_true_end_ends_and_nothing_behind_it_is_used_s_028() {
        for endings in [LineEndings::Strict, LineEndings::Normalise] {
            let decoded = decode(endings, &[b"a: b\r\n\r\ntext\r\n.\r\nGARBAGE\r\n"]);
            assert_eq!(decoded.message, b"a: b\r\n\r\ntext\r\n");
            assert_eq!((decoded.used, decoded.is_at_end, decoded.fault), (17, true, None));
        }
        let mut decoder = DataDecoder::new(LineEndings::Strict);
        let mut message = Vec::new();
        assert_eq!(decoder.decode(b".\r\nNOOP\r\n", &mut message), (3, true));
        assert_eq!(decoder.decode(b"NOOP\r\n", &mut message), (0, true), "the end stays the end");
        assert!(message.is_empty());
    }

    #[test]
    fn a_true_end_at_the_start_gives_an_empty_message_s_015() {
        let decoded = decode(LineEndings::Strict, &[b".\r\n"]);
        assert_eq!((decoded.message.len(), decoded.is_at_end, decoded.fault), (0, true, None));
    }

    #[test]
    fn near_endings_never_end_s_001_to_s_012() {
        use DataFault::{BareCr, BareLf, Nul};
        let cases: &[(&[u8], DataFault, &[u8])] = &[
            (b"x\n.\ny\r\n", BareLf, b"x\r\n.\r\ny\r\n"),
            (b"x\n.\r\ny\r\n", BareLf, b"x\r\n.\r\ny\r\n"),
            (b"x\r\n.\ny\r\n", BareLf, b"x\r\n\r\ny\r\n"),
            (b"x\r.\ry\r\n", BareCr, b"x\r\n.\r\ny\r\n"),
            (b"x\r.\ny\r\n", BareCr, b"x\r\n.\r\ny\r\n"),
            (b"x\n.\ry\r\n", BareLf, b"x\r\n.\r\ny\r\n"),
            (b"x\r.\r\ny\r\n", BareCr, b"x\r\n.\r\ny\r\n"),
            (b"x\r\n.\ry\r\n", BareCr, b"x\r\n\r\ny\r\n"),
            (b"x\r\n.\r\r\ny\r\n", BareCr, b"x\r\n\r\n\r\ny\r\n"),
            (b"x\r\r\n.\r\r\ny\r\n", BareCr, b"x\r\n\r\n\r\n\r\ny\r\n"),
            (b"x\r\n\0.\r\ny\r\n", Nul, b"x\r\n\0.\r\ny\r\n"),
            (b"x\r\n.\0\r\ny\r\n", Nul, b"x\r\n\0\r\ny\r\n"),
        ];
        for (data, fault, normal) in cases {
            assert_no_end(data, Some(*fault), normal);
        }
    }

    #[test]
    fn a_dot_with_blanks_is_text_s_013() {
        assert_no_end(b"x\r\n. \r\n", None, b"x\r\n \r\n");
        assert_no_end(b"x\r\n.\t\r\n", None, b"x\r\n\t\r\n");
    }

    #[test]
    fn near_endings_at_the_very_start_never_end_s_014() {
        use DataFault::{BareCr, BareLf};
        let cases: &[(&[u8], Option<DataFault>, &[u8])] = &[
            (b".\r", None, b""),
            (b".\n", Some(BareLf), b"\r\n"),
            (b"\n.\r", Some(BareLf), b"\r\n."),
            (b"\r.\r", Some(BareCr), b"\r\n."),
            (b"\n.\n", Some(BareLf), b"\r\n.\r\n"),
            (b"\r.\n", Some(BareCr), b"\r\n.\r\n"),
            (b"\r.\r\n", Some(BareCr), b"\r\n.\r\n"),
            (b"\n.\r\n", Some(BareLf), b"\r\n.\r\n"),
            (b"\r\n.\r", None, b"\r\n"),
            (b"\r\n.\n", Some(BareLf), b"\r\n\r\n"),
        ];
        for (data, fault, normal) in cases {
            assert_no_end(data, *fault, normal);
        }
    }

    #[test]
    fn the_first_fault_is_the_one_told() {
        assert_eq!(decode(LineEndings::Strict, &[b"a\0b\nc\rd"]).fault, Some(DataFault::Nul));
        assert_eq!(decode(LineEndings::Strict, &[b"a\rb\0c\nd"]).fault, Some(DataFault::BareCr));
    }

    #[test]
    fn stuffed_dots_lose_one_dot_s_153() {
        let decoded = decode(LineEndings::Strict, &[b"..\r\n...\r\n..x\r\n.y\r\nz.\r\n.\r\n"]);
        assert_eq!(decoded.message, b".\r\n..\r\n.x\r\ny\r\nz.\r\n");
    }

    #[test]
    fn the_end_is_found_in_each_of_the_16_cuttings_s_016() {
        let data = b"\r\n.\r\n";
        for cuts in 0u8..16 {
            let mut pieces: Vec<&[u8]> = vec![b"x"];
            let mut from = 0;
            for at in 1..=5 {
                if at == 5 || cuts & (1 << (at - 1)) != 0 {
                    pieces.push(&data[from..at]);
                    from = at;
                }
            }
            pieces.push(b"NOOP\r\n");
            let decoded = decode(LineEndings::Strict, &pieces);
            assert_eq!((decoded.message.as_slice(), decoded.used), (&b"x\r\n"[..], 6), "{cuts:04b}");
            assert!(decoded.is_at_end && decoded.fault.is_none(), "{cuts:04b}");
        }
    }

    #[test]
    fn any_segmentation_gives_the_same_message_s_080() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        for round in 0..4000 {
            let octets = random.usize(..60);
            let data: Vec<u8> = (0..octets).map(|_| b"\r\n\r\n..\0a"[random.usize(..8)]).collect();
            for endings in [LineEndings::Strict, LineEndings::Normalise] {
                let whole = decode(endings, &[&data]);
                let size = random.usize(1..9);
                let pieces: Vec<&[u8]> = data.chunks(size).collect();
                let cut = decode(endings, &pieces);
                assert_eq!(cut.message, whole.message, "seed {seed} round {round} by {size} {data:?}");
                assert_eq!(
                    (cut.used, cut.is_at_end, cut.fault),
                    (whole.used, whole.is_at_end, whole.fault),
                    "seed {seed} round {round} by {size} {data:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_normalised_has_crlf_line_ends_only_s_027() {
        let decoded = decode(LineEndings::Normalise, &[b"Subject: x\nBcc: y\n\nbody\r\n.\r\n"]);
        assert_eq!(decoded.message, b"Subject: x\r\nBcc: y\r\n\r\nbody\r\n");
    }
}
