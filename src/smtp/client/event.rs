//! What a sending session is told, and what it wishes for.

use std::time::Duration;

use super::outcome::{Answer, Failure};
use crate::mail::{HopTls, MailDsn, RcptDsn, RemoteAddress, Secret};
use crate::sasl::Seed;
use crate::wire::line::LineFault;

/// What a session must know before it begins.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whether it is LMTP. RFC 2033.
    pub is_lmtp: bool,
    /// Our name, for EHLO.
    pub hostname: String,
    /// Whether the server's address is one of this machine's: who goes by our name there is we ourselves. Elsewhere it is
    /// another server of the same name, as two that share a domain may well be.
    pub is_here: bool,
    /// How TLS is wanted; `Implicit` says that it is on already.
    pub tls: HopTls,
    /// As whom to log on; none for not at all. It is sent inside verified TLS only (S-140).
    pub credentials: Option<Credentials>,
    /// Random octets of this connection alone, for the nonces of its logon. RFC 5802 §5.1.
    pub seed: Seed,
}

/// Who we are there.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// A mail to be sent to recipients of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// Who gets reports; empty for nobody.
    pub reverse_path: Box<str>,
    /// To whom; never none.
    pub recipients: Vec<(RemoteAddress, RcptDsn)>,
    /// What MAIL asks of reports.
    pub dsn: MailDsn,
    /// Octets as they stand in the message, before any dot-stuffing. RFC 1870.
    pub octets: u64,
    /// Whether the body has octets beyond ASCII. RFC 6152.
    pub is_8bit: bool,
    /// Whether its header needs SMTPUTF8; whether addresses do, the session sees. RFC 6531 §3.4.
    pub needs_utf8: bool,
    /// Whether 8-bit octets are sent to a server without 8BITMIME (S-139).
    pub forces_8bit: bool,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection stands, inside TLS where that is implicit. `is_verified` says whether the server's certificate
    /// was proven, so that a password may be sent.
    Connected {
        /// Whether TLS is on and the certificate was proven.
        is_verified: bool,
    },
    /// A line of a reply, without its CRLF. While the body is being sent it may be given as soon as it is read, and is
    /// given before [`Event::Lost`]: a server that takes no more says why. What is read behind the body's last octet
    /// is given behind [`Event::BodySent`].
    Line {
        /// The line.
        line: &'a [u8],
        /// Whether more octets lie behind it already.
        is_followed: bool,
    },
    /// A line that can't be taken.
    FaultyLine(LineFault),
    /// TLS that [`Next::StartTls`] wished for stands.
    TlsStarted {
        /// Whether the certificate was proven.
        is_verified: bool,
    },
    /// A mail, where [`Next::Ready`] waits for one.
    Mail(Box<OutgoingMail>),
    /// The body is sent to its end.
    BodySent,
    /// No more mail: say good-bye.
    Finish,
    /// The wish was not fulfilled in its time.
    TimedOut,
    /// The server has closed the connection, or it broke.
    Lost,
}

/// What the driver must do next.
#[derive(Debug)]
#[must_use = "the session stands still until its wish is done"]
pub enum Next {
    /// Write all of `out`, then give the next line of the server within that time.
    Read(Duration),
    /// Begin TLS; nothing may lie behind the line that was given last.
    StartTls,
    /// Logged on and ready: give [`Event::Mail`] or [`Event::Finish`].
    Ready,
    /// Write all of `out`, then the body, then say [`Event::BodySent`]. As an answer to a line that came meanwhile: go on.
    SendBody(Framing),
    /// The mail has come to its end: what became of each recipient, in the order of the mail; then as [`Next::Ready`],
    /// unless the connection is of no more use.
    Settled {
        /// One for each recipient.
        answers: Vec<Answer>,
        /// Whether another mail may be given; else [`Event::Finish`] says what to do last.
        is_reusable: bool,
    },
    /// The connection is of no use, and no mail was under way: write what is in `out`, if anything, and close.
    Failed(Failure),
    /// Write what is in `out` and close.
    Close,
}

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Dot-stuffed, with the final dot. RFC 5321 §4.5.2.
    Dot,
    /// As it is: its length was announced by BDAT. RFC 3030 §2.
    Chunk,
}
