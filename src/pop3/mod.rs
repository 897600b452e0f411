//! The POP3 session, pure: events in, reply octets and wishes out. RFC 1939, 2449, 2595, 3206, 5034.
//!
//! ```text
//!              USER, PASS or AUTH
//! AUTHORIZATION ----------------> TRANSACTION ---QUIT---> UPDATE ---> closed
//!       |  ^ STLS: all is forgotten    |                    | removes what DELE marked, all or none
//!       |QUIT                          | lost, time-out
//!       v                              v
//!     closed                    closed, nothing removed
//! ```

mod authorization;
pub mod command;
pub mod maildrop;
mod reply;
pub mod session;
mod transaction;

#[cfg(test)]
mod tests;

pub use maildrop::Maildrop;
pub use session::Session;

use crate::mail::Uid;
use crate::sasl::Credentials;
use crate::wire::line::LineFault;

/// What the session must know of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Whether octets travel inside TLS.
    pub is_secure: bool,
    /// Whether STLS can be offered: a certificate is there and TLS is not yet. Where no password may
    /// travel inside TLS either this must be false, since inside TLS the session takes them.
    pub offers_stls: bool,
    /// Whether a password may be sent on this connection as it is now (A13).
    pub takes_passwords: bool,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection stands (inside TLS, on a port with implicit TLS).
    Connected,
    /// A command line or a SASL response, without its CRLF.
    Line {
        /// The line.
        line: &'a [u8],
        /// Whether more octets of the peer lie behind it already.
        is_followed: bool,
    },
    /// A line that can't be taken; it was skipped.
    FaultyLine(LineFault),
    /// The TLS handshake that [`Next::StartTls`] wished for has ended well.
    TlsStarted,
    /// The answer to [`Next::Login`]: he may come in.
    LoggedIn(Maildrop),
    /// The answer to [`Next::Login`]: he may not.
    LoginRefused(LoginRefusal),
    /// The answer to [`Next::Open`]: the message is ready to be sent and has that many octets.
    Opened {
        /// Octets that RETR sends, before dot-stuffing.
        octets: u64,
    },
    /// The answer to [`Next::Open`]: the administrator has removed it.
    Gone,
    /// The message that [`Next::SendBody`] wished for is out, with its final dot.
    BodySent,
    /// All of `out` has been taken over; the answer to [`Next::Flush`].
    Flushed,
    /// The answer to [`Next::Commit`]: the deletions are durable.
    Committed,
    /// The answer to [`Next::Login`], [`Next::Open`] or [`Next::Commit`]: the store can't do it now.
    StoreFailed,
}

/// Why a logon is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Unknown user or wrong password: the peer can't tell which (A11).
    BadCredentials,
    /// The password was right, and the mailbox or its domain is locked.
    Locked,
    /// The password was right, and another session has the maildrop. RFC 2449 §8.1.1.
    InUse,
    /// Too many logons at once, or the store can't answer: come again. RFC 3206 §4.
    Busy,
}

/// What the driver must do next; every variant but `Read` and `Close` is answered by an [`Event`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session stands still until its wish is done"]
pub enum Next {
    /// Give the next line.
    Read,
    /// Write all of `out`, then say [`Event::Flushed`].
    Flush,
    /// Write all of `out`, begin TLS (closing instead if octets lie behind the line), then
    /// say [`Event::TlsStarted`].
    StartTls,
    /// Find out whether he may come in.
    Login(Credentials),
    /// Find that message, without sending it.
    Open {
        /// Which.
        uid: Uid,
    },
    /// Write `out`, then the opened message, dot-stuffed, with its final dot.
    SendBody {
        /// How many lines of the body behind the header; none means the whole message.
        body_lines: Option<u32>,
    },
    /// Remove these messages, all or none, durably.
    Commit(Vec<Uid>),
    /// Write all of `out` and close.
    Close,
}
