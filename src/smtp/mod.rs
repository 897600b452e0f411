//! The SMTP session, pure: events in, reply octets and wishes out. RFC 5321 and its extensions.
//!
//! ```text
//!   greeting -> idle --EHLO/HELO--> ready --MAIL--> mail --RCPT--> recipients --DATA--> receiving
//!                       ^             ^ ^ AUTH        |             | |                    |
//!                       |             | +-------------+----RSET-----+ +--BDAT--> chunks    |
//!                       +--STARTTLS---+-- RSET, BDAT LAST, a spoilt chunk --------+        |
//!                                     +------------------- end of data, stored or refused -+
//! ```
//!
//! EHLO, HELO and STARTTLS may come in any state behind idle, and end a mail under way.

pub mod client;
pub mod command;
pub mod dsn;
pub mod header;
mod letter;
pub mod parameters;
pub mod path;
pub mod receiver;
pub mod reply;
pub mod report;
pub mod session;
pub mod trace;
pub mod warning;
mod xtext;

pub use dsn::{MailDsn, RcptDsn};
pub use path::{ForwardPath, ReversePath};
pub use receiver::{DataEnd, Receiver};
pub use session::Session;

use std::net::IpAddr;

use crate::clock::UnixTime;
use crate::mail::{Address, Alias, Lane, MailboxId, RemoteAddress};
use crate::sasl::scram::Salt;
use crate::sasl::{Claim, Relayed, Terms};
use crate::wire::line::LineFault;

/// What kind of door the peer came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Port 25: mail for us from anybody, no logon.
    Mx,
    /// Ports 587 and 465: mail of our users, who must log on. RFC 6409.
    Submission,
}

/// What the session must know of its connection and of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The door.
    pub door: Door,
    /// The name that the server goes by.
    pub hostname: String,
    /// The peer's address, IPv4-mapped IPv6 already told as IPv4 (S-115).
    pub peer: IpAddr,
    /// Whether octets travel inside TLS, and which version and suite, as `TLSv1.3 TLS13_AES_128_GCM_SHA256`.
    pub tls: Option<String>,
    /// Whether STARTTLS can be offered.
    pub offers_starttls: bool,
    /// What the connection allows of logons.
    pub terms: Terms,
    /// What it would allow once TLS has begun; none if TLS is on, or can't be had.
    pub tls_terms: Option<Box<Terms>>,
    /// The largest message taken, in octets.
    pub message_octets: u64,
    /// Recipients of one mail.
    pub recipients: usize,
    /// The device that the peer is, if the administrator knows it as one (M11).
    pub device: Option<Box<Device>>,
}

/// A device that may send without a logon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The sender of all its mail, whatever it says; none for what it says.
    pub sender: Option<Address>,
    /// Whether bare LFs and odd addresses are taken from it, as old devices send them.
    pub is_lenient: bool,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection stands (inside TLS, on a port with implicit TLS).
    Connected,
    /// The same, but the peer has spoken before he was greeted and is refused for it. RFC 5321 §4.3.1.
    SpokenEarly,
    /// A command line or a SASL response, without its CRLF.
    Line {
        /// The line.
        line: &'a [u8],
        /// Whether more octets of the peer lie behind it already (S-146).
        is_followed: bool,
    },
    /// A line that can't be taken; it was skipped.
    FaultyLine(LineFault),
    /// The TLS handshake that [`Next::StartTls`] wished for has ended well.
    TlsStarted {
        /// Version and suite.
        tls: String,
        /// What the connection allows of logons inside it.
        terms: Box<Terms>,
    },
    /// The answer to [`Next::Salt`].
    Salted(Salt),
    /// The answer to [`Next::Relay`].
    Relayed(Relayed),
    /// The answer to [`Next::Login`]: he is that user.
    LoggedIn {
        /// His address.
        user: Address,
        /// SCRAM's signature where the claim was SCRAM's. RFC 5802 §3.
        signature: Option<[u8; 32]>,
    },
    /// The answer to [`Next::Login`]: he is not.
    LoginRefused,
    /// The answer to [`Next::Login`]: too many at once.
    LoginBusy,
    /// The answer to [`Next::Login`]: he is, but his mailbox is locked for all (C2).
    LoginLocked,
    /// The answer to [`Next::CheckSender`]: he may send as that.
    SenderFits,
    /// The answer to [`Next::CheckSender`]: he may, in the name of one of ours, and has proved nothing; the trace
    /// tells of it (S-113).
    SenderUnproven,
    /// The answer to [`Next::CheckSender`]: he may not (M10, S-113, S-114).
    SenderForeign,
    /// The answer to [`Next::CheckSender`] or [`Next::Store`]: he has sent as many mails as he may in a day.
    SenderSpent,
    /// The answer to [`Next::LookUp`].
    Recipient(Recipient),
    /// The answer to [`Next::CheckSpace`]: there is room for the message.
    SpaceFound,
    /// The answer to [`Next::CheckSpace`]: below the reserve (S-151).
    SpaceLacking,
    /// The answer to [`Next::Receive`]: the data came to its end. To [`Next::ReceiveChunk`]: the chunk is read to its
    /// end, and with it the mail, or the mail is spoilt.
    Received(DataEnd),
    /// The answer to [`Next::Store`]: durable, in so many mailboxes.
    Stored,
    /// The answer to [`Next::Store`]: every recipient has been removed meanwhile.
    NoRecipientLeft,
    /// The answer to [`Next::Store`]: every recipient's mailbox would hold more than it may.
    MailboxesFull {
        /// Whether it shall not be tried again.
        is_final: bool,
    },
    /// The answer to [`Next::ReceiveChunk`]: the chunk is read to its end and the mail still good; more chunks come.
    ChunkReceived,
    /// The answer to [`Next::SkipChunk`]: it is read and thrown away.
    ChunkSkipped,
    /// The answer to [`Next::Receive`], [`Next::ReceiveChunk`] or [`Next::Store`]: the disk is full; nothing is stored.
    /// To `Receive`, it ends the session: the rest of the data must not be taken for commands. A chunk has been read to
    /// its end all the same.
    StoreFull,
    /// The answer to [`Next::Salt`], [`Next::Relay`], [`Next::Login`], [`Next::CheckSender`], [`Next::LookUp`], [`Next::CheckSpace`],
    /// [`Next::Receive`], [`Next::ReceiveChunk`] or [`Next::Store`]: the store can't do it now. To `Receive`, it ends the
    /// session as [`Event::StoreFull`] does.
    StoreFailed,
    /// The server is told to stop; the session ends at the next place where nothing is under way. While
    /// a wish is under way it gives [`Next::Read`], which is void: the wish goes on.
    ShuttingDown,
    /// No line came in time. RFC 5321 §3.8.
    TimedOut,
    /// The mailbox that he logged on to has been removed or locked, or has a new password (S-180).
    /// Without a logon: the device that he is has another profile, or none any more (M11).
    Evicted,
    /// The administrator ends this session, whatever is under way.
    Kicked,
}

/// What the store knows of a forward-path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// It leads to these mailboxes, one or, by an alias, several; each address is the mailbox's own.
    Mailboxes(Vec<(MailboxId, Address)>),
    /// It leads to these mailboxes, perhaps none, and to addresses elsewhere to which the peer may send, or to which one
    /// of ours forwards (O3-O5).
    Outside(Vec<(MailboxId, Address)>, Vec<Leaving>),
    /// Every mailbox that it leads to is locked and takes no mail (C2).
    Locked,
    /// Every mailbox that it leads to is full (M8).
    Full {
        /// Whether it shall not be tried again.
        is_final: bool,
    },
    /// The domain is ours, the user unknown.
    UnknownUser,
    /// The domain is not ours, and the peer may not send there.
    ForeignDomain,
    /// The peer may send there, but there is no way: no route, no smart host.
    NoWay,
    /// The mail would go back to where it comes from (O6).
    WouldReturn,
    /// It leads a report back to who wrote a mail that one of ours has forwarded (O5); nobody else may write there.
    WayBack(Leaving),
}

/// A recipient elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// To whom.
    pub recipient: RemoteAddress,
    /// On which way.
    pub lane: Lane,
    /// The user by whose smart host it leaves if he has one: who sends it, or who forwards it.
    pub chooser: Option<Address>,
    /// The mailbox or alias of ours that forwards to it; none where the sender named it.
    pub forwarder: Option<Alias>,
}

impl Leaving {
    /// The address by whose Delivered-To it is known that the mail has been forwarded to him before: the forwarder's,
    /// or, for a catch-all, the one that was `named` by RCPT. None where nobody forwards it.
    pub fn mark(&self, named: &str) -> Option<Address> {
        match self.forwarder.as_ref()? {
            Alias::Address(address) => Some(address.clone()),
            Alias::CatchAll(_) | Alias::Domain(_) => named.parse().ok(),
        }
    }
}

/// Who gets a mail and from whom: the envelope of RFC 5321 §2.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where reports go; `<>` for none.
    pub reverse_path: ReversePath,
    /// Mailboxes, each once, with the address that Delivered-To names.
    pub recipients: Vec<(MailboxId, Address)>,
    /// Recipients elsewhere, each once, with the index in `named` of the first forward-path that led to them.
    pub leaving: Vec<(Leaving, usize)>,
    /// The forward-paths that led to them, as RCPT named them.
    pub named: Vec<Named>,
    /// Whether MAIL said SMTPUTF8. RFC 6531 §3.4.
    pub is_utf8: bool,
    /// What MAIL asked of reports.
    pub dsn: MailDsn,
}

/// A forward-path that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What stood between `<` and `>`.
    pub path: String,
    /// How many mailboxes it leads to.
    pub mailboxes: usize,
    /// What RCPT asked of reports.
    pub dsn: RcptDsn,
}

impl Envelope {
    /// Whether no forward-path has been accepted yet.
    pub fn is_for_nobody(&self) -> bool {
        self.recipients.is_empty() && self.leaving.is_empty()
    }

    /// Whether the mail may be one that not every client can read: if SMTPUTF8 was said, or if a recipient whom
    /// a name in ASCII led to, as `postmaster` does, has one beyond it, which Delivered-To will tell.
    pub fn is_international(&self) -> bool {
        self.is_utf8 || self.recipients.iter().any(|(_, address)| !address.is_ascii())
    }
}

/// What the driver must do next; every variant but `Read` and `Close` is answered by an [`Event`].
#[derive(Debug)]
#[must_use = "the session stands still until its wish is done"]
pub enum Next {
    /// Give the next line.
    Read,
    /// Write all of `out`, begin TLS (closing instead if octets lie behind the line), then
    /// say [`Event::TlsStarted`].
    StartTls,
    /// Find out whether he is who he says.
    Login(Claim),
    /// Find the salt of that user, or one made up that stays the same (A11).
    Salt(String),
    /// Hand that NTLM message to Samba's helper, base64: the first one of an exchange begins with a new helper.
    Relay(String),
    /// Find out whether the peer, as who he has proved to be, may send as that.
    CheckSender(ReversePath),
    /// Find out who that is, and whether his mailbox has room.
    LookUp {
        /// Who.
        path: ForwardPath,
        /// The same as it was written, for whom it may lead elsewhere.
        named: RemoteAddress,
        /// The message's octets as declared by SIZE; 0 if they were not.
        octets: u64,
    },
    /// Find out whether a message of so many octets has room on the disk.
    CheckSpace {
        /// As declared by SIZE; 0 if it was not.
        octets: u64,
    },
    /// Write all of `out`, then feed the data to the receiver and its output to the store, until
    /// [`Event::Received`]. Ask [`Session::receiver`] for the receiver first.
    Receive,
    /// Take a chunk of so many octets, which come behind the line that was given last (RFC 3030 §2), and feed them to
    /// the receiver, until [`Event::ChunkReceived`] or [`Event::Received`]; whatever happens, the chunk is read to its
    /// end before that is said.
    ReceiveChunk {
        /// Its octets.
        octets: u64,
        /// Whether the mail begins with it: ask [`Session::receiver`] for the receiver then.
        is_first: bool,
        /// Whether the mail ends with it.
        is_last: bool,
    },
    /// Read so many octets behind the line that was given last and throw them away, a message under way with them; then
    /// say [`Event::ChunkSkipped`].
    SkipChunk {
        /// Octets.
        octets: u64,
    },
    /// Make the received message durable.
    Store(Envelope),
    /// Throw the received message away and give the next line.
    Discard,
    /// Write all of `out` and close; a message under way is thrown away.
    Close,
}

/// The time as a session must know it, when it writes trace fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What the wall clock says.
    pub at: UnixTime,
    /// Whether it is known to be wrong (S-308).
    pub is_suspect: bool,
}
