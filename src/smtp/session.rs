//! The receiving session: states, and one method that takes events.

use super::{Event, Facts, Next, Now, Receiver};

/// One SMTP session.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A session before its greeting.
    pub fn new(_facts: Facts) -> Session {
        todo!()
    }

    /// Takes an event, appends replies to `out`, and says what comes next.
    pub fn handle(&mut self, _event: Event<'_>, _out: &mut Vec<u8>) -> Next {
        todo!()
    }

    /// The receiver for the message that [`Next::Receive`] announced; what it gives first are the trace
    /// fields. `mail_number` is fresh for each mail and stands in Received as its `id`.
    pub fn receiver(&self, _now: Now, _mail_number: u64) -> Receiver {
        todo!()
    }

    /// What stands before the stored message for each recipient: Return-Path and Delivered-To.
    pub fn delivery_fields(_reverse_path: &super::ReversePath, _recipient: &crate::mail::Address) -> Vec<u8> {
        todo!()
    }

    /// Octets that the next line may have with its CRLF.
    pub fn line_limit(&self) -> usize {
        todo!()
    }

    /// Whether the peer has logged on.
    pub fn is_logged_in(&self) -> bool {
        todo!()
    }
}
