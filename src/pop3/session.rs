//! The session: the three states, and one method that takes events.

use super::{Event, Facts, Next};

/// One POP3 session.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// A session in the AUTHORIZATION state, before its greeting.
    pub fn new(_facts: Facts) -> Session {
        todo!()
    }

    /// Takes an event, appends replies to `out`, and says what comes next. After [`Event::TlsStarted`]
    /// the facts are those of a secure connection.
    pub fn handle(&mut self, _event: Event<'_>, _out: &mut Vec<u8>) -> Next {
        todo!()
    }

    /// Octets that the next line may have with its CRLF: a SASL response may be longer than a command.
    pub fn line_limit(&self) -> usize {
        todo!()
    }

    /// Whether the peer has logged on.
    pub fn is_logged_in(&self) -> bool {
        todo!()
    }
}
