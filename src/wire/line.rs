//! CRLF lines of bounded length, cut out of whatever segments arrive. RFC 5321 §2.3.8, RFC 1939 §3.

/// Cuts lines out of an input buffer.
#[derive(Debug, Default)]
pub struct LineReader {}

/// What stands at the front of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// No whole line yet.
    Incomplete,
    /// A line without its CRLF.
    Whole(&'a [u8]),
    /// A line that was over-long or held what no line may hold; it was skipped to its end.
    Faulty(LineFault),
    /// So much was skipped without an end of line that the connection must be closed (S-051).
    Endless,
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
}

impl LineReader {
    /// Looks for a line of at most `limit` octets (its CRLF counted) at the front of `input`; returns how
    /// many octets of the input are used up, and the line.
    pub fn next<'a>(&mut self, _input: &'a [u8], _limit: usize) -> (usize, Line<'a>) {
        todo!()
    }
}
