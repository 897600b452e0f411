//! A message's data on its way in: end of data, faults, size, hops, and what submission adds.

use super::header::HeaderScan;
use super::trace::MissingFields;
use crate::limits;
use crate::mail::Address;
use crate::wire::chunk::ChunkDecoder;
use crate::wire::data::{DataDecoder, DataFault, LineEndings};

/// Takes the octets behind 354 or of chunks, gives the message's octets as they are to be stored.
#[derive(Debug)]
pub struct Receiver {
    /// Of the two decoders a message uses one.
    data: DataDecoder,
    chunks: ChunkDecoder,
    header: HeaderScan,
    /// What stands before the message; taken by the first call.
    trace: Option<String>,
    /// What is added at the header's end, until that has been decided.
    missing: Option<MissingFields>,
    /// Whether its first octet has come.
    has_begun: bool,
    /// The front of the first line, while it may still be a field or not.
    held: Vec<u8>,
    limit_octets: u64,
    octets: u64,
}

/// What a receiver must know of its message.
#[derive(Debug)]
pub(super) struct Plan {
    pub endings: LineEndings,
    /// The largest message taken.
    pub limit_octets: u64,
    /// What stands before it.
    pub trace: String,
    /// What is added where it is missing.
    pub missing: Option<MissingFields>,
    /// The mailboxes that it goes to: a mail that has been delivered to all of them before is looping (S-120).
    pub recipients: Vec<Address>,
    /// Those of ours who forward it: one who has done so before is enough.
    pub forwarders: Vec<Address>,
}

/// How a message's data ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataEnd {
    /// Whole and good.
    Good,
    /// Spoilt by octets that must not be; read to the true end.
    Faulty(DataFault),
    /// Over the size limit; read to the true end.
    TooLarge,
    /// Over the size limit by so much that the rest is not read (S-152): the session must close.
    MuchTooLarge,
    /// More than [`crate::limits::RECEIVED_FIELDS`] Received fields (S-117).
    Looping,
    /// It bears the Delivered-To of every recipient already, or of one who forwards it (S-120).
    Delivered,
}

impl Receiver {
    pub(super) fn new(plan: Plan) -> Receiver {
        Receiver {
            data: DataDecoder::new(plan.endings),
            chunks: ChunkDecoder::new(plan.endings),
            header: HeaderScan::new(plan.recipients).with_forwarders(plan.forwarders),
            trace: Some(plan.trace),
            missing: plan.missing,
            has_begun: false,
            held: Vec::new(),
            limit_octets: plan.limit_octets,
            octets: 0,
        }
    }

    /// Takes `input`, appends what is to be stored to `message` (nothing more once the message is
    /// spoilt), and returns how many octets it used up and how the data ended, if they did.
    ///
    /// What was appended before a message was spoilt is void. The size is the message's own, without our
    /// trace fields and without dot-stuffing (RFC 1870 §3).
    pub fn receive(&mut self, input: &[u8], message: &mut Vec<u8>) -> (usize, Option<DataEnd>) {
        let before = message.len();
        let from = self.put_trace(message);
        let (used, is_at_end) = self.data.decode(input, message);
        self.count(message, from);
        if self.octets > self.limit_octets.saturating_mul(limits::OVERSIZE_FACTOR) {
            message.truncate(before);
            return (used, Some(DataEnd::MuchTooLarge));
        }
        self.judge(message, before, from, is_at_end);
        (used, is_at_end.then(|| self.verdict()))
    }

    /// Takes all of `input`, a piece of a chunk, and appends what is to be stored to `message`, as
    /// [`Receiver::receive`] does; [`Receiver::is_spoilt`] tells whether it still may. A message in chunks has no
    /// stuffed dots and no octets that end it. RFC 3030 §2.
    pub fn receive_chunk(&mut self, input: &[u8], message: &mut Vec<u8>) {
        let before = message.len();
        let from = self.put_trace(message);
        self.chunks.decode(input, message);
        self.count(message, from);
        self.judge(message, before, from, false);
    }

    /// Ends a message in chunks, behind its last one or where it is spoilt: appends what is still to be stored, and
    /// says how it ended. It is never [`DataEnd::MuchTooLarge`]: what a chunk holds is known before it comes.
    pub fn end_chunks(&mut self, message: &mut Vec<u8>) -> DataEnd {
        let before = message.len();
        let from = self.put_trace(message);
        self.chunks.finish(message);
        self.count(message, from);
        self.judge(message, before, from, true);
        self.verdict()
    }

    /// Whether the message will not be taken, however it goes on: nothing of it need be kept.
    pub fn is_spoilt(&self) -> bool {
        self.verdict() != DataEnd::Good
    }

    /// In an order that no cutting of the input can change.
    fn verdict(&self) -> DataEnd {
        match self.data.fault().or(self.chunks.fault()) {
            _ if self.octets > self.limit_octets => DataEnd::TooLarge,
            Some(fault) => DataEnd::Faulty(fault),
            None if self.header.received_fields > limits::RECEIVED_FIELDS => DataEnd::Looping,
            None if self.header.is_delivered() => DataEnd::Delivered,
            None => DataEnd::Good,
        }
    }

    /// Puts the trace before the message, once; gives the place behind it.
    fn put_trace(&mut self, message: &mut Vec<u8>) -> usize {
        if let Some(trace) = self.trace.take() {
            message.extend_from_slice(trace.as_bytes());
        }
        message.len()
    }

    fn count(&mut self, message: &[u8], from: usize) {
        self.octets = self.octets.saturating_add((message.len() - from) as u64);
    }

    /// Looks at what was appended since `from`; takes back all since `before` from a spoilt message.
    fn judge(&mut self, message: &mut Vec<u8>, before: usize, from: usize, is_at_end: bool) {
        if self.verdict() == DataEnd::Good {
            self.walk_header(message, from);
        }
        if self.verdict() != DataEnd::Good {
            message.truncate(before);
        } else if is_at_end {
            self.end_header(message);
        }
    }

    /// Looks at what was appended since `from`, and puts missing fields before the empty line.
    fn walk_header(&mut self, message: &mut Vec<u8>, from: usize) {
        if self.header.is_over() {
            return;
        }
        if !self.has_begun
            && let Some(first) = message.get(from)
        {
            self.has_begun = true;
            // Where nothing is added between, it would be a part of our Received, folded (S-123).
            if self.missing.is_none() && b" \t".contains(first) {
                message.splice(from..from, b"\r\n".iter().copied());
            }
        }
        let end = self.header.scan(&message[from..]);
        if self.missing.is_none() {
            return;
        }
        let Some(begins_with_field) = self.header.begins_with_field else {
            // At most a line's length: then it is decided.
            self.held.extend(message.drain(from..));
            return;
        };
        let held = std::mem::take(&mut self.held);
        let end = end.map(|at| from + held.len() + at);
        message.splice(from..from, held);
        if !begins_with_field {
            // What looks like a field behind that line is text, whether it has been seen by now or not.
            (self.header.has_date, self.header.has_message_id) = (false, false);
            let fields = self.take_missing() + "\r\n";
            message.splice(from..from, fields.into_bytes());
        } else if let Some(end) = end {
            let fields = self.take_missing();
            message.splice(end..end, fields.into_bytes());
        } else if self.header.is_over() {
            // Too long a header to know what is missing.
            self.missing = None;
        }
    }

    /// A message that is all header has its end here; in chunks its last line need not have one.
    fn end_header(&mut self, message: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let fields = self.take_missing();
        if !held.is_empty() {
            // A line without a colon is text.
            message.extend_from_slice(format!("{fields}\r\n").as_bytes());
            message.extend_from_slice(&held);
            return;
        }
        if !fields.is_empty() && self.header.is_inside_line() {
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(fields.as_bytes());
    }

    fn take_missing(&mut self) -> String {
        let mut fields = String::new();
        if let Some(missing) = self.missing.take() {
            if !self.header.has_date {
                fields += &missing.date;
            }
            if !self.header.has_message_id {
                fields += &missing.message_id;
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests;
