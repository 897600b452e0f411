//! The one policy about line ends that are none, for data however they come. RFC 5321 §2.3.8.

use memchr::memchr3;

/// What to do with line ends that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEndings {
    /// A bare CR, a bare LF or a NUL spoils the message (the open port).
    Strict,
    /// A bare CR or LF becomes CRLF and never ends data (authenticated senders, listed devices).
    Normalise,
}

/// What must not be in a message and was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataFault {
    /// A line feed without a carriage return before it.
    BareLf,
    /// A carriage return without a line feed behind it.
    BareCr,
    /// A NUL.
    Nul,
}

/// Copies text and applies the policy: mends the line ends, or notes the first fault.
#[derive(Debug)]
pub(super) struct Mender {
    endings: LineEndings,
    fault: Option<DataFault>,
}

/// Where a run of text stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At an octet that is no line start.
    Text,
    /// Behind a CRLF, where a dot stands or the input ends; only if that is asked for.
    LineStart,
    /// Behind a CR, whose LF may be on the way; it is not copied yet.
    AfterCr,
}

impl Mender {
    pub(super) fn new(endings: LineEndings) -> Mender {
        Mender { endings, fault: None }
    }

    /// The first fault so far; none is noted while line endings are normalised.
    pub(super) fn fault(&self) -> Option<DataFault> {
        self.fault
    }

    /// Copies whole runs of `text` to `message` up to the next octet that needs thought; uses up one octet at least.
    pub(super) fn copy<const STOPS_AT_LINE_START: bool>(
        &mut self,
        text: &[u8],
        message: &mut Vec<u8>,
    ) -> (usize, Stop) {
        let mut from = 0;
        while let Some(found) = memchr3(b'\r', b'\n', b'\0', &text[from..]) {
            let at = from + found;
            let octet = text[at];
            if octet == b'\r' && text.get(at + 1) == Some(&b'\n') {
                from = at + 2;
                if !STOPS_AT_LINE_START || text.get(from).is_some_and(|&next| next != b'.') {
                    continue;
                }
                message.extend_from_slice(&text[..from]);
                return (from, Stop::LineStart);
            }
            message.extend_from_slice(&text[..at]);
            let stop = match octet {
                b'\r' => Stop::AfterCr,
                b'\n' => {
                    self.mend(DataFault::BareLf, message);
                    Stop::Text
                }
                _ => {
                    self.note(DataFault::Nul);
                    message.push(b'\0');
                    Stop::Text
                }
            };
            return (at + 1, stop);
        }
        message.extend_from_slice(text);
        (text.len(), Stop::Text)
    }

    /// Puts a true line end where a bare CR or LF stood.
    pub(super) fn mend(&mut self, fault: DataFault, message: &mut Vec<u8>) {
        self.note(fault);
        message.extend_from_slice(b"\r\n");
    }

    fn note(&mut self, fault: DataFault) {
        if self.endings == LineEndings::Strict {
            self.fault.get_or_insert(fault);
        }
    }
}
