//! Dot-stuffing on the way out, whatever the stored octets are. RFC 1939 §3, RFC 5321 §4.5.2.

/// Encodes one message: doubles each dot that begins a line, and ends with CRLF.CRLF.
#[derive(Debug, Default)]
pub struct DotEncoder {}

impl DotEncoder {
    /// Appends the encoded octets of one piece of the message to `out`; pieces may be cut anywhere.
    pub fn encode(&mut self, _piece: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }

    /// Appends what ends the message: a CRLF if its last line has none, and the line with the dot.
    pub fn finish(self, _out: &mut Vec<u8>) {
        todo!()
    }
}
