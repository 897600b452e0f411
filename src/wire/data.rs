//! The end of data: the five octets CRLF.CRLF and nothing else. RFC 5321 §4.1.1.4, §4.5.2.

/// What to do with line ends that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEndings {
    /// A bare CR, a bare LF or a NUL spoils the message (the open port).
    Strict,
    /// A bare CR or LF becomes CRLF and never ends data (authenticated senders, listed devices).
    Normalise,
}

/// Decodes one message's data: takes out the dot-stuffing, finds the end, notes what must not be.
#[derive(Debug)]
pub struct DataDecoder {}

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

impl DataDecoder {
    /// Starts at the first octet behind the reply 354.
    pub fn new(_endings: LineEndings) -> DataDecoder {
        todo!()
    }

    /// Takes `input`, appends the message's octets to `message`, and returns how many octets of the input
    /// it used up and whether the end of data was reached; behind the end nothing is used up.
    pub fn decode(&mut self, _input: &[u8], _message: &mut Vec<u8>) -> (usize, bool) {
        todo!()
    }

    /// The first fault of the message so far.
    pub fn fault(&self) -> Option<DataFault> {
        todo!()
    }
}
