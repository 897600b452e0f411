//! Data that are counted instead of ended: no dot is stuffed and no octets end them. RFC 3030 §2.

use super::endings::{DataFault, LineEndings, Mender, Stop};

/// Decodes one message's chunks by the policy about line ends that data have too; a CR may stand in another chunk than
/// its LF.
///
/// ```text
///   text --CR--> after CR --LF, or another octet, or the end--> text
/// ```
#[derive(Debug)]
pub struct ChunkDecoder {
    mender: Mender,
    is_after_cr: bool,
}

impl ChunkDecoder {
    /// Starts at the first octet of the first chunk.
    pub fn new(endings: LineEndings) -> ChunkDecoder {
        ChunkDecoder { mender: Mender::new(endings), is_after_cr: false }
    }

    /// Takes all of `input`, a piece of a chunk, and appends the message's octets to `message`.
    pub fn decode(&mut self, input: &[u8], message: &mut Vec<u8>) {
        let mut rest = input;
        while let Some(&octet) = rest.first() {
            if std::mem::take(&mut self.is_after_cr) {
                if octet == b'\n' {
                    message.extend_from_slice(b"\r\n");
                    rest = &rest[1..];
                    continue;
                }
                self.mender.mend(DataFault::BareCr, message);
            }
            let (used, stop) = self.mender.copy::<false>(rest, message);
            self.is_after_cr = stop == Stop::AfterCr;
            rest = &rest[used..];
        }
    }

    /// Ends the message: a CR that is still without its LF stays so.
    pub fn finish(&mut self, message: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_after_cr) {
            self.mender.mend(DataFault::BareCr, message);
        }
    }

    /// The first fault of the message so far; none is noted while line endings are normalised.
    pub fn fault(&self) -> Option<DataFault> {
        self.mender.fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::data::DataDecoder;

    fn decode(endings: LineEndings, pieces: &[&[u8]]) -> (Vec<u8>, Option<DataFault>) {
        let (mut decoder, mut message) = (ChunkDecoder::new(endings), Vec::new());
        for piece in pieces {
            decoder.decode(piece, &mut message);
        }
        decoder.finish(&mut message);
        (message, decoder.fault())
    }

    #[test]
    fn clean_chunks_are_kept_as_they_are() {
        for text in [&b""[..], b"a: b\r\n\r\n.\r\n..\r\n.x\r\n", b"no end", b"\r\n.\r\n", b"\r\n"] {
            for endings in [LineEndings::Strict, LineEndings::Normalise] {
                assert_eq!(decode(endings, &[text]), (text.to_vec(), None), "{text:?}");
            }
        }
    }

    #[test]
    fn line_ends_that_are_none_spoil_or_are_mended_s_145() {
        use DataFault::{BareCr, BareLf, Nul};
        let cases: &[(&[u8], DataFault, &[u8])] = &[
            (b"a\nb", BareLf, b"a\r\nb"),
            (b"\n", BareLf, b"\r\n"),
            (b"a\rb", BareCr, b"a\r\nb"),
            (b"a\r", BareCr, b"a\r\n"),
            (b"\r", BareCr, b"\r\n"),
            (b"\r\r\n", BareCr, b"\r\n\r\n"),
            (b"\r\n\r", BareCr, b"\r\n\r\n"),
            (b"\n\r\n", BareLf, b"\r\n\r\n"),
            (b"\n.\n", BareLf, b"\r\n.\r\n"),
            (b"a\0\nb", Nul, b"a\0\r\nb"),
            (b"a\r\0", BareCr, b"a\r\n\0"),
        ];
        for (text, fault, mended) in cases {
            for size in 1..=text.len() {
                let pieces: Vec<&[u8]> = text.chunks(size).collect();
                assert_eq!(decode(LineEndings::Strict, &pieces).1, Some(*fault), "{text:?} by {size}");
                let normal = decode(LineEndings::Normalise, &pieces);
                assert_eq!(normal, (mended.to_vec(), None), "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn a_crlf_in_two_chunks_is_one_s_016() {
        let strict = |pieces: &[&[u8]]| decode(LineEndings::Strict, pieces);
        assert_eq!(strict(&[b"a\r", b"\nb"]), (b"a\r\nb".to_vec(), None));
        assert_eq!(strict(&[b"a\r", b"", b"\nb"]), (b"a\r\nb".to_vec(), None));
        assert_eq!(strict(&[b"a\r", b"b"]).1, Some(DataFault::BareCr));
        assert_eq!(strict(&[b"a\r"]).1, Some(DataFault::BareCr));
    }

    #[test]
    fn chunks_in_any_cutting_give_what_data_give_s_080() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        for round in 0..4000 {
            let octets = random.usize(..60);
            let mut text: Vec<u8> = (0..octets).map(|_| b"\r\n\r\n..\0a"[random.usize(..8)]).collect();
            text.extend_from_slice(b"\r\n");
            let size = random.usize(1..9);
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            for endings in [LineEndings::Strict, LineEndings::Normalise] {
                let chunks = decode(endings, &pieces);
                let mut message = Vec::new();
                let mut decoder = DataDecoder::new(endings);
                let data = [stuff(&text).as_slice(), b".\r\n"].concat();
                assert!(decoder.decode(&data, &mut message).1, "seed {seed} round {round} {text:?}");
                assert_eq!(
                    chunks,
                    (message, decoder.fault()),
                    "seed {seed} round {round} by {size} {text:?}"
                );
            }
        }
    }

    /// Doubles the dots that begin lines, as RFC 5321 §4.5.2 has it: lines are what CRLF ends.
    fn stuff(text: &[u8]) -> Vec<u8> {
        let mut stuffed = Vec::new();
        for (at, &octet) in text.iter().enumerate() {
            if octet == b'.' && (at == 0 || text[..at].ends_with(b"\r\n")) {
                stuffed.push(b'.');
            }
            stuffed.push(octet);
        }
        stuffed
    }
}
