//! What a server's answers come to.

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
    /// It goes by our own name, on this machine: the way leads back here (S-118).
    Ourselves,
    /// It says what can't be followed (S-132).
    Confused,
    /// It was silent for too long, or went away.
    Lost,
}

impl Reply {
    /// What we found ourselves.
    pub fn found(enhanced: [u16; 3], text: impl Into<String>) -> Reply {
        Reply { code: 0, enhanced: Some(enhanced), text: text.into() }
    }

    /// The first digit of its code, which alone says what to do. RFC 5321 §4.2.1.
    pub(super) fn class(&self) -> u16 {
        self.code / 100
    }

    pub(super) fn is_positive(&self) -> bool {
        self.class() == 2
    }

    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.class(), 4 | 5)
    }
}

impl Stage {
    /// What the server was to answer, for a sentence.
    pub(super) fn awaited(self) -> &'static str {
        match self {
            Stage::Greeting => "the connection with its greeting",
            Stage::Hello => "EHLO",
            Stage::StartTls => "STARTTLS",
            Stage::Logon => "the logon",
            Stage::Ready => "RSET",
            Stage::Mail => "MAIL",
            Stage::Recipient => "RCPT",
            Stage::Data => "DATA",
            Stage::Body => "the message",
            Stage::End => "the end of the message",
        }
    }
}
