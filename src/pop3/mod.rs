//! The POP3 session, pure: events in, reply octets and wishes out. RFC 1939, 2449, 2595, 3206, 5034, 6856.
//!
//! ```text
//!          USER and PASS, APOP, AUTH
//! AUTHORIZATION ----------------> TRANSACTION ---QUIT---> UPDATE ---> closed
//!       |  ^ STLS: all is forgotten    |                    | removes what DELE marked, all or none
//!       |QUIT                          | lost, time-out
//!       v                              v
//!     closed                    closed, nothing removed
//! ```

mod authorization;
pub mod command;
pub mod language;
pub mod maildrop;
mod reply;
pub mod session;
mod transaction;

#[cfg(test)]
mod tests;

pub use maildrop::Maildrop;
pub use session::Session;

use crate::mail::{Language, Uid};
use crate::sasl::scram::Salt;
use crate::sasl::{Claim, Relayed, Terms};
use crate::wire::line::LineFault;

/// What the session must know of its connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether STLS can be offered: a certificate is there and TLS is not yet.
    pub offers_stls: bool,
    /// What the connection allows of logons.
    pub terms: Terms,
    /// What STLS would bring of logons, where it is offered.
    pub behind_stls: BehindStls,
    /// What holds for every mailbox: the shortest retention and the longest delay of any.
    pub policy: Policy,
    /// Whether the retention of some mailbox is another. RFC 2449 §6.7.
    pub retain_differs: bool,
    /// Whether the delay of some mailbox is another. RFC 2449 §6.5.
    pub login_delay_differs: bool,
    /// The language that the administrator prefers, for who asks for it. RFC 6856 §3.2.
    pub language: Language,
}

/// What a connection in the clear would allow of logons once STLS has been done, as far as that can be known before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BehindStls {
    /// As [`Terms::takes_passwords`].
    pub takes_passwords: bool,
    /// As [`Terms::takes_challenges`].
    pub takes_challenges: bool,
}

/// How long mail stays and how often one may log on. RFC 2449 §6.5, §6.7.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Days that a message stays at least; none means for ever.
    pub retain_days: Option<u32>,
    /// Seconds between two logons; 0 for no such rule.
    pub login_delay_seconds: u32,
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
    /// The TLS handshake that [`Next::StartTls`] wished for has ended well; the facts inside it.
    TlsStarted(Box<Facts>),
    /// The answer to [`Next::Salt`].
    Salted(Salt),
    /// The answer to [`Next::Relay`].
    Relayed(Relayed),
    /// The answer to [`Next::Verify`]: it is true; with SCRAM's signature where the claim was SCRAM's.
    Verified {
        /// What proves the server to the peer. RFC 5802 §3.
        signature: Option<[u8; 32]>,
    },
    /// The answer to [`Next::Enter`]: this is his maildrop, and what holds for it.
    LoggedIn(Maildrop, Policy),
    /// The answer to [`Next::Verify`] or [`Next::Enter`]: he may not come in.
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
    /// The answer to [`Next::Salt`], [`Next::Relay`], [`Next::Verify`], [`Next::Enter`], [`Next::Open`] or [`Next::Commit`]: the
    /// store can't do it now.
    StoreFailed,
}

/// Why a logon is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Unknown user or wrong password: the peer can't tell which (A11).
    BadCredentials,
    /// The password was right, and the mailbox or its domain is locked.
    Locked,
    /// The password was right, and another session has the maildrop. RFC 2449 §8.1.2.
    InUse,
    /// He has logged on a moment ago; come again in so many seconds. RFC 2449 §8.1.1.
    TooSoon {
        /// Seconds from now on.
        seconds: u32,
    },
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
    /// Find the salt of that user, or one made up that stays the same (A11).
    Salt {
        /// As it was typed.
        user_name: String,
    },
    /// Hand that NTLM message to Samba's helper, base64: the first one of an exchange begins with a new helper.
    Relay {
        /// The message.
        message: String,
    },
    /// Find out whether that is true.
    Verify(Claim),
    /// Give him whose claim was verified last his maildrop.
    Enter,
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
