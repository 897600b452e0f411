//! A message's data on its way in: end of data, faults, size, hops, and what submission adds.

use super::header::HeaderScan;
use super::trace::MissingFields;
use crate::limits;
use crate::mail::Address;
use crate::wire::data::{DataDecoder, DataFault, LineEndings};

/// Takes the octets behind 354, gives the message's octets as they are to be stored.
#[derive(Debug)]
pub struct Receiver {
    decoder: DataDecoder,
    header: HeaderScan,
    /// What stands before the message; taken by the first call.
    trace: Option<String>,
    /// What is added at the header's end, until that has been decided.
    missing: Option<MissingFields>,
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
}

impl Receiver {
    pub(super) fn new(plan: Plan) -> Receiver {
        Receiver {
            decoder: DataDecoder::new(plan.endings),
            header: HeaderScan::default(),
            trace: Some(plan.trace),
            missing: plan.missing,
            held: Vec::new(),
            limit_octets: plan.limit_octets,
            octets: 0,
        }
    }

    /// Takes a whole piece of a chunk, appends what is to be stored to `message`, as [`Receiver::receive`] does. A
    /// message in chunks has no stuffed dots and no octets that end it. RFC 3030 §2.
    pub fn receive_chunk(&mut self, input: &[u8], message: &mut Vec<u8>) {
        let _ = (input, message);
    }

    /// Ends a message in chunks: appends what is still to be stored, and says how it ended.
    pub fn end_chunks(&mut self, message: &mut Vec<u8>) -> DataEnd {
        let _ = message;
        self.verdict()
    }

    /// Takes `input`, appends what is to be stored to `message` (nothing more once the message is
    /// spoilt), and returns how many octets it used up and how the data ended, if they did.
    ///
    /// What was appended before a message was spoilt is void. The size is the message's own, without our
    /// trace fields and without dot-stuffing (RFC 1870 §3).
    pub fn receive(&mut self, input: &[u8], message: &mut Vec<u8>) -> (usize, Option<DataEnd>) {
        let before = message.len();
        if let Some(trace) = self.trace.take() {
            message.extend_from_slice(trace.as_bytes());
        }
        let from = message.len();
        let (used, is_at_end) = self.decoder.decode(input, message);
        self.octets = self.octets.saturating_add((message.len() - from) as u64);
        if self.octets > self.limit_octets.saturating_mul(limits::OVERSIZE_FACTOR) {
            message.truncate(before);
            return (used, Some(DataEnd::MuchTooLarge));
        }
        if self.verdict() == DataEnd::Good {
            self.walk_header(message, from);
        }
        if self.verdict() != DataEnd::Good {
            message.truncate(before);
        } else if is_at_end {
            self.end_header(message);
        }
        (used, is_at_end.then(|| self.verdict()))
    }

    /// Whether the message will not be taken, however it goes on: nothing of it need be kept.
    pub fn is_spoilt(&self) -> bool {
        self.verdict() != DataEnd::Good
    }

    /// In an order that no cutting of the input can change.
    fn verdict(&self) -> DataEnd {
        match self.decoder.fault() {
            _ if self.octets > self.limit_octets => DataEnd::TooLarge,
            Some(fault) => DataEnd::Faulty(fault),
            None if self.header.received_fields > limits::RECEIVED_FIELDS => DataEnd::Looping,
            None => DataEnd::Good,
        }
    }

    /// Looks at what was appended since `from`, and puts missing fields before the empty line.
    fn walk_header(&mut self, message: &mut Vec<u8>, from: usize) {
        if self.header.is_over() {
            return;
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

    /// A message that is all header has its end here.
    fn end_header(&mut self, message: &mut Vec<u8>) {
        message.append(&mut self.held);
        let fields = self.take_missing();
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
mod tests {
    use super::*;

    const LIMIT: u64 = 1000;

    fn receiver(endings: LineEndings, is_submission: bool) -> Receiver {
        let missing = is_submission
            .then(|| MissingFields { date: "Date: D\r\n".into(), message_id: "Message-ID: M\r\n".into() });
        let trace = "Received: R\r\n".into();
        Receiver::new(Plan { endings, limit_octets: LIMIT, trace, missing, recipients: Vec::new() })
    }

    /// Feeds pieces of that size; tells the message, the octets used up, and the end.
    fn receive(mut receiver: Receiver, data: &[u8], size: usize) -> (String, usize, Option<DataEnd>) {
        let (mut message, mut used) = (Vec::new(), 0);
        for piece in data.chunks(size) {
            let (now_used, end) = receiver.receive(piece, &mut message);
            used += now_used;
            if end.is_some() {
                return (String::from_utf8(message).unwrap(), used, end);
            }
        }
        (String::from_utf8(message).unwrap(), used, None)
    }

    fn ending(data: &[u8]) -> Option<DataEnd> {
        let whole = receive(receiver(LineEndings::Strict, false), data, data.len()).2;
        assert_eq!(receive(receiver(LineEndings::Strict, false), data, 1).2, whole, "octet by octet");
        whole
    }

    #[test]
    fn the_trace_stands_first_and_the_message_is_kept_as_it_is() {
        let data = b"Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n";
        for size in 1..data.len() {
            let (message, used, end) = receive(receiver(LineEndings::Strict, false), data, size);
            assert_eq!(message, "Received: R\r\nSubject: x\r\n\r\n.\r\n", "by {size}");
            assert_eq!((used, end), (data.len() - 6, Some(DataEnd::Good)), "by {size}");
        }
    }

    #[test]
    fn submission_adds_what_is_missing_at_the_headers_end() {
        const BOTH: &str = "Date: D\r\nMessage-ID: M\r\n";
        for (sent, stored) in [
            ("Subject: x\r\n\r\nbody\r\n", format!("Subject: x\r\n{BOTH}\r\nbody\r\n")),
            ("Date: x\r\n\r\nbody\r\n", "Date: x\r\nMessage-ID: M\r\n\r\nbody\r\n".into()),
            ("Message-ID: x\r\n\r\n", "Message-ID: x\r\nDate: D\r\n\r\n".into()),
            ("Date: x\r\nMessage-Id: y\r\n\r\nb\r\n", "Date: x\r\nMessage-Id: y\r\n\r\nb\r\n".into()),
            ("Subject: x\r\n\r\nDate: body\r\n", format!("Subject: x\r\n{BOTH}\r\nDate: body\r\n")),
            ("Subject: x\r\n", format!("Subject: x\r\n{BOTH}")),
            ("no header\r\n\r\nbody\r\n", format!("{BOTH}\r\nno header\r\n\r\nbody\r\n")),
            ("nocolon\r\n", format!("{BOTH}\r\nnocolon\r\n")),
            (" blank: x\r\n", format!("{BOTH}\r\n blank: x\r\n")),
            ("\r\nbody\r\n", format!("{BOTH}\r\nbody\r\n")),
            ("", BOTH.into()),
        ] {
            let data = format!("{sent}.\r\n");
            for size in 1..=data.len() {
                let (message, _, end) =
                    receive(receiver(LineEndings::Normalise, true), data.as_bytes(), size);
                assert_eq!(message, format!("Received: R\r\n{stored}"), "{sent:?} by {size}");
                assert_eq!(end, Some(DataEnd::Good));
            }
        }
    }

    #[test]
    fn a_header_of_bare_lfs_ends_where_it_seems_to_s_027() {
        let data = b"Subject: x\nBcc: y\n\nbody\r\n.\r\n";
        let (message, _, end) = receive(receiver(LineEndings::Normalise, true), data, 3);
        assert_eq!(
            message,
            "Received: R\r\nSubject: x\r\nBcc: y\r\nDate: D\r\nMessage-ID: M\r\n\r\nbody\r\n"
        );
        assert_eq!(end, Some(DataEnd::Good));
    }

    #[test]
    fn the_size_holds_at_its_edge_and_is_found_inside_a_line_s_053_s_149() {
        let sized = |octets: u64| [vec![b'a'; octets as usize - 2], b"\r\n.\r\n".to_vec()].concat();
        assert_eq!(ending(&sized(LIMIT - 1)), Some(DataEnd::Good));
        assert_eq!(ending(&sized(LIMIT)), Some(DataEnd::Good));
        assert_eq!(ending(&sized(LIMIT + 1)), Some(DataEnd::TooLarge));
        assert_eq!(ending(&sized(2 * LIMIT)), Some(DataEnd::TooLarge));
        assert_eq!(ending(&sized(2 * LIMIT + 1)), Some(DataEnd::MuchTooLarge));

        let mut message = Vec::new();
        let mut receiver = receiver(LineEndings::Strict, false);
        assert_eq!(receiver.receive(&[b'a'; LIMIT as usize], &mut message).1, None);
        let before = message.len();
        assert_eq!(receiver.receive(&[b'a'; 500], &mut message).1, None);
        assert_eq!(message.len(), before, "a spoilt message grows no more");
        assert_eq!(receiver.receive(&[b'a'; 501], &mut message).1, Some(DataEnd::MuchTooLarge));
        assert_eq!(message.len(), before);
    }

    #[test]
    fn stuffed_dots_do_not_count_s_153() {
        let data = [b"..\r\n".repeat(LIMIT as usize / 3), b".\r\n".to_vec()].concat();
        assert_eq!(ending(&data), Some(DataEnd::Good));
    }

    #[test]
    fn a_near_end_after_an_over_size_message_ends_nothing_s_017() {
        let data = [vec![b'a'; LIMIT as usize + 1], b"\n.\nMAIL FROM:<a@x>\r\n.\r\n".to_vec()].concat();
        let (_, used, end) = receive(receiver(LineEndings::Strict, false), &data, 7);
        assert_eq!((used, end), (data.len(), Some(DataEnd::TooLarge)));
    }

    #[test]
    fn a_faulty_message_is_read_to_its_true_end_s_001() {
        let data = b"a: b\r\n\r\nx\n.\nMAIL FROM:<a@x>\r\nDATA\r\n.\r\nQUIT\r\n";
        for size in 1..data.len() {
            let (_, used, end) = receive(receiver(LineEndings::Strict, false), data, size);
            assert_eq!((used, end), (data.len() - 6, Some(DataEnd::Faulty(DataFault::BareLf))), "{size}");
        }
    }

    #[test]
    fn a_mail_loops_at_its_51st_received_field_s_117() {
        let hops =
            |count| [b"Received: x\r\n".repeat(count), b"\r\nReceived: body\r\n.\r\n".to_vec()].concat();
        assert_eq!(ending(&hops(limits::RECEIVED_FIELDS - 1)), Some(DataEnd::Good));
        assert_eq!(ending(&hops(limits::RECEIVED_FIELDS)), Some(DataEnd::Good));
        assert_eq!(ending(&hops(limits::RECEIVED_FIELDS + 1)), Some(DataEnd::Looping));
    }

    #[test]
    fn a_message_without_end_has_none_s_029() {
        assert_eq!(receive(receiver(LineEndings::Strict, false), b"a: b\r\n\r\nx\r\n.\r", 4).2, None);
    }
}
