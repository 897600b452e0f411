//! The sending session, pure: replies in, commands and wishes out. RFC 5321, LMTP by RFC 2033.
//!
//! ```text
//!   Connected -> greeting -> EHLO (HELO) -> [STARTTLS -> EHLO] -> [AUTH] -> Ready <------------------------+
//!                                                                             |  Mail                      |
//!                                    MAIL, RCPT.., DATA or BDAT -> SendBody -> reply -> Settled (RSET) ----+
//!                                                                             |  Finish -> QUIT -> Close
//!   any reply that can't be followed, any fault, a time-out: Failed, and the connection is good for nothing
//! ```

use std::time::Duration;

use crate::mail::{HopTls, MailDsn, RcptDsn, RemoteAddress, Secret};
use crate::wire::line::LineFault;

/// What a session must know before it begins.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whether it is LMTP. RFC 2033.
    pub is_lmtp: bool,
    /// Our name, for EHLO.
    pub hostname: String,
    /// How TLS is wanted; `Implicit` says that it is on already.
    pub tls: HopTls,
    /// As whom to log on; none for not at all. It is sent inside verified TLS only (S-140).
    pub credentials: Option<Credentials>,
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
    /// Whether header or addresses need SMTPUTF8. RFC 6531 §3.4.
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
    /// A line of a reply, without its CRLF.
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
    /// Write all of `out`, then the body, then say [`Event::BodySent`].
    SendBody(Framing),
    /// The mail has come to its end: what became of each recipient, in the order of the mail; then as [`Next::Ready`],
    /// unless the connection is of no more use.
    Settled {
        /// One for each recipient.
        answers: Vec<Answer>,
        /// Whether another mail may be given.
        is_reusable: bool,
    },
    /// The connection is of no use; no mail was under way, or `Settled` has told of it.
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

/// What became of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub verdict: Verdict,
    /// What was said.
    pub reply: Reply,
}

/// What an answer means for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server has taken it.
    Taken {
        /// Whether it will send reports itself, because it knows of RFC 3461.
        relays_dsn: bool,
    },
    /// Later perhaps.
    Later,
    /// Never.
    Never,
    /// The end of the message was sent and no answer came: it may have been taken (S-131).
    Unsure,
}

/// What a server said, or what we found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code; 0 where we found it ourselves.
    pub code: u16,
    /// The enhanced code, as `5.1.1`, if there was one. RFC 3463.
    pub enhanced: Option<[u16; 3]>,
    /// The text without anything that breaks a line or is no letter (S-132, S-133), bounded by
    /// [`crate::limits::KEPT_REPLY_OCTETS`].
    pub text: String,
}

/// Why a connection is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it happened.
    pub stage: Stage,
    /// What it is about.
    pub kind: FailureKind,
    /// What was said or found.
    pub reply: Reply,
}

/// How far a session had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The greeting.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Logon,
    /// Between mails.
    Ready,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA or BDAT, before the body.
    Data,
    /// The body.
    Body,
    /// The reply to the message's end.
    End,
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The server can't now: another one, or another time.
    Unavailable,
    /// It refuses our logon: nothing goes that way until a person looks (O8).
    LogonRefused,
    /// It offers no TLS that is wanted, or no way to log on that we take (S-140).
    Unsafe,
    /// It says what can't be followed (S-132).
    Confused,
    /// It was silent for too long, or went away.
    Lost,
}

/// One sending session.
#[derive(Debug)]
pub struct Client {
    terms: Terms,
}

impl Client {
    /// A session before its connection.
    pub fn new(terms: Terms) -> Client {
        Client { terms }
    }

    /// Takes an event, appends commands to `out`, and says what comes next. An event that answers no wish ends the
    /// session.
    pub fn handle(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        let _ = (event, out, &self.terms);
        Next::Close
    }

    /// Octets that the next line may have with its CRLF.
    pub fn line_limit(&self) -> usize {
        crate::limits::REPLY_LINE_OCTETS
    }
}
