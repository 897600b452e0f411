//! The receiving session: states, and one method that takes events.

mod chunks;
mod hello;
mod logon;
mod transaction;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::hello::Hello;
use super::command::{Chunk, Command, Order, Stage, Verb, order};
use super::path::Strictness;
use super::receiver::Plan;
use super::reply::{self, say};
use super::trace::{self, MissingFields, Received};
use super::{Device, Envelope, Event, Facts, Named, Next, Now, Receiver, ReversePath};
use crate::limits;
use crate::mail::{Address, MailboxId};
use crate::sasl::Exchange;
use crate::wire::data::LineEndings;
use crate::wire::line::LineFault;

/// One SMTP session.
#[derive(Debug)]
pub struct Session {
    facts: Facts,
    phase: Phase,
    hello: Option<Hello>,
    user: Option<Address>,
    /// Who has proved himself in an exchange that still has a word to say.
    proven: Option<Address>,
    /// Exchanges begun on this connection.
    exchanges: u32,
    mail: Option<Box<Mail>>,
    /// Whether the driver holds octets of a message; without a mail they are to be thrown away.
    is_message_held: bool,
    counts: Counts,
    /// Exchanges in which the peer named another end of the TLS connection than ours.
    bad_bindings: u32,
    has_quit: bool,
    is_stopping: bool,
}

/// What the session waits for.
#[derive(Debug)]
enum Phase {
    /// [`Event::Connected`].
    Connection,
    /// A command line.
    Command,
    /// A SASL response.
    Response(Exchange),
    /// The salt of a user, for that exchange.
    Salt(Exchange),
    /// Samba's helper looks into a message.
    Relay(Exchange),
    /// The answer to a wish.
    TlsHandshake,
    Login(Exchange),
    SenderCheck,
    SpaceCheck,
    LookUp(Box<Named>),
    Message,
    Chunk(Chunk),
    /// For the chunk that is skipped, with what is said then.
    SkippedChunk(&'static str),
    Store,
    /// Nothing more.
    Closed,
}

/// The mail under way.
#[derive(Debug)]
struct Mail {
    envelope: Envelope,
    /// The envelope's mailboxes: a list has many, and may be named often.
    mailboxes: BTreeSet<MailboxId>,
    /// Its recipients elsewhere, with their domains in small letters.
    elsewhere: BTreeSet<String>,
    /// As declared by SIZE; 0 if it was not.
    declared_octets: u64,
    /// Recipients accepted, each as often as he was named.
    recipients_taken: usize,
    recipients_over: usize,
    /// Octets of its chunks, once there is one.
    chunk_octets: Option<u64>,
    /// Whether the sender is one of ours, and the peer has not proved to be he (S-113).
    is_unproven: bool,
}

#[derive(Debug, Default)]
struct Counts {
    errors: usize,
    logons_failed: usize,
    recipients_refused: usize,
    idle_commands: usize,
    small_chunks: usize,
    skipped_octets: u64,
    mails: usize,
}

impl Session {
    /// A session before its greeting.
    pub fn new(facts: Facts) -> Session {
        Session {
            facts,
            phase: Phase::Connection,
            hello: None,
            user: None,
            proven: None,
            exchanges: 0,
            mail: None,
            is_message_held: false,
            counts: Counts::default(),
            bad_bindings: 0,
            has_quit: false,
            is_stopping: false,
        }
    }

    /// Takes an event, appends replies to `out`, and says what comes next.
    ///
    /// [`Event::ShuttingDown`] while a wish is under way gives [`Next::Read`], which is void then: the
    /// driver goes on with the wish, and the session ends at its answer. An event that answers no wish
    /// ends the session.
    pub fn handle(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        let next = match event {
            Event::Connected => self.greet(out),
            Event::SpokenEarly => self.hang_up(reply::SPOKEN_EARLY, out),
            Event::Line { line, is_followed } => self.take_line(line, is_followed, out),
            Event::FaultyLine(fault) => self.take_faulty_line(fault, out),
            Event::TlsStarted { tls, terms } => self.begin_again(tls, *terms, out),
            Event::Salted(salt) => self.take_salt(salt, out),
            Event::Relayed(answer) => self.take_relayed(answer, out),
            Event::ShuttingDown => {
                self.is_stopping = true;
                Next::Read
            }
            Event::TimedOut => self.hang_up(reply::WAITED_TOO_LONG, out),
            Event::Evicted if self.device().is_some() => self.hang_up(reply::DEVICE_CHANGED, out),
            Event::Evicted => self.hang_up(reply::EVICTED, out),
            Event::Kicked => self.hang_up(reply::KICKED, out),
            Event::LoggedIn { .. } | Event::LoginRefused | Event::LoginBusy | Event::LoginLocked => {
                self.take_verdict(event, out)
            }
            Event::StoreFailed
                if matches!(self.phase, Phase::Login(_) | Phase::Salt(_) | Phase::Relay(_)) =>
            {
                self.take_verdict(event, out)
            }
            _ => self.take_answer(event, out),
        };
        match next {
            Next::Read if self.is_stopping && self.is_at_rest() => self.hang_up(reply::STOPPING, out),
            // Whatever ended the mail, its octets go with it.
            Next::Read if self.is_message_held && self.mail.is_none() => {
                self.is_message_held = false;
                Next::Discard
            }
            next => next,
        }
    }

    /// The receiver for the message that [`Next::Receive`] or the first [`Next::ReceiveChunk`] announced; what it
    /// gives first are the trace fields. `mail_number` is fresh for each mail and stands in Received as its `id`.
    pub fn receiver(&self, now: Now, mail_number: u64) -> Receiver {
        let envelope = self.mail.as_ref().map(|mail| &mail.envelope);
        // No field of ours makes mail that leaves need SMTPUTF8, which the next server may not offer.
        let is_tellable = |path: &str| path.is_ascii() || envelope.is_some_and(|it| it.leaving.is_empty());
        let trace = Received {
            hello: self.hello.as_ref().and_then(|hello| hello.name.as_deref()),
            is_extended: self.hello.as_ref().is_some_and(|hello| hello.is_extended),
            peer: self.facts.peer,
            hostname: &self.facts.hostname,
            tls: self.facts.tls.as_deref(),
            is_logged_in: self.is_logged_in(),
            is_utf8: envelope.is_some_and(|envelope| envelope.is_utf8),
            is_unproven: self.mail.as_ref().is_some_and(|mail| mail.is_unproven),
            mail_number,
            only_recipient: match envelope.map(|envelope| &envelope.named[..]) {
                Some([named]) => Some(&*named.path).filter(|path| is_tellable(path)),
                _ => None,
            },
            now,
        };
        let missing = || MissingFields::new(now, mail_number, &self.facts.hostname);
        let (recipients, forwarders) = envelope.map_or_else(Default::default, looked_out_for);
        Receiver::new(Plan {
            endings: match self.strictness() {
                Strictness::Lenient => LineEndings::Normalise,
                Strictness::Strict => LineEndings::Strict,
            },
            limit_octets: self.facts.message_octets,
            trace: trace.field(),
            missing: self.may_submit().then(missing),
            recipients,
            forwarders,
        })
    }

    /// What stands before the stored message for each recipient: Return-Path and Delivered-To.
    pub fn delivery_fields(reverse_path: &ReversePath, recipient: &Address) -> Vec<u8> {
        trace::delivery_fields(reverse_path, recipient)
    }

    /// Octets that the next line may have with its CRLF.
    pub fn line_limit(&self) -> usize {
        match self.phase {
            Phase::Response(_) => limits::SASL_LINE_OCTETS + b"\r\n".len(),
            _ => limits::SMTP_LINE_OCTETS,
        }
    }

    /// Whether the peer has logged on.
    pub fn is_logged_in(&self) -> bool {
        self.user.is_some()
    }

    /// Whether the session is over because the peer wanted so.
    pub fn has_quit(&self) -> bool {
        self.has_quit
    }

    /// How often the peer named another end of the TLS connection than ours: somebody may stand between, which
    /// only the log should tell (S-181).
    pub fn bad_bindings(&self) -> u32 {
        self.bad_bindings
    }

    fn greet(&mut self, out: &mut Vec<u8>) -> Next {
        if !matches!(self.phase, Phase::Connection) {
            return self.hang_up(reply::OUT_OF_STEP, out);
        }
        self.phase = Phase::Command;
        say(out, &format!("220 {} ESMTP poppet", self.facts.hostname));
        Next::Read
    }

    fn take_line(&mut self, line: &[u8], is_followed: bool, out: &mut Vec<u8>) -> Next {
        match self.phase {
            Phase::Response(_) => self.take_response(line, is_followed, out),
            Phase::Command => self.take_command(Command::parse(line), is_followed, out),
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    fn take_command(&mut self, command: Command<'_>, is_followed: bool, out: &mut Vec<u8>) -> Next {
        let Command { verb, argument } = command;
        match verb {
            Verb::OtherProtocol => return self.hang_up(reply::OTHER_PROTOCOL, out),
            Verb::Unknown => return self.refuse(reply::UNKNOWN_COMMAND, out),
            Verb::Unoffered => return self.refuse(reply::UNOFFERED_COMMAND, out),
            // Its octets are behind it, wherever it stands.
            Verb::Bdat => return self.take_chunk(argument, out),
            _ => {}
        }
        // RFC 2920 §3.1: these end a group; a peer who goes on behind them has lost step, or someone
        // has put octets into his stream (S-031, S-146). So does NOOP, behind which nothing can go wrong.
        let ends_group = matches!(verb, Verb::Ehlo | Verb::Helo | Verb::Data | Verb::StartTls | Verb::Auth);
        if is_followed && ends_group {
            return self.hang_up(reply::UNSYNCHRONIZED, out);
        }
        if self.has_bad_octets(verb, argument) {
            return self.refuse(reply::BAD_OCTETS, out);
        }
        match complaint(order(verb, self.stage())) {
            Some(text) => self.refuse(text, out),
            None => self.carry_out(verb, argument, out),
        }
    }

    fn has_bad_octets(&self, verb: Verb, argument: &[u8]) -> bool {
        let is_path = matches!(verb, Verb::Mail | Verb::Rcpt);
        // What is wrong with a name has a reply of its own, where any name is not fine.
        let is_hello = matches!(verb, Verb::Ehlo | Verb::Helo);
        !is_hello && argument.iter().any(|octet| octet.is_ascii_control() || (!octet.is_ascii() && !is_path))
    }

    fn carry_out(&mut self, verb: Verb, argument: &[u8], out: &mut Vec<u8>) -> Next {
        match verb {
            Verb::Data | Verb::Rset | Verb::Quit | Verb::StartTls if !argument.is_empty() => {
                self.refuse(reply::NO_ARGUMENT, out)
            }
            Verb::Ehlo | Verb::Helo => self.say_hello(verb == Verb::Ehlo, argument, out),
            Verb::StartTls => self.start_tls(out),
            Verb::Auth => self.begin_logon(argument, out),
            Verb::Mail => self.begin_mail(argument, out),
            Verb::Rcpt => self.add_recipient(argument, out),
            Verb::Data => self.begin_data(out),
            Verb::Bdat => self.take_chunk(argument, out),
            Verb::Rset => {
                self.mail = None;
                self.idle(reply::OK, out)
            }
            Verb::Noop => self.idle(reply::OK, out),
            Verb::Vrfy if argument.is_empty() => self.refuse(reply::ARGUMENT_MISSING, out),
            Verb::Vrfy => self.idle(reply::CANNOT_VERIFY, out),
            Verb::Help => self.idle(reply::HELP, out),
            Verb::Quit => {
                self.has_quit = true;
                let goodbye = format!("221 2.0.0 {} closes the connection", self.facts.hostname);
                self.hang_up(&goodbye, out)
            }
            Verb::Unoffered | Verb::OtherProtocol | Verb::Unknown => self.refuse(reply::UNKNOWN_COMMAND, out),
        }
    }

    fn take_faulty_line(&mut self, fault: LineFault, out: &mut Vec<u8>) -> Next {
        let is_response = matches!(self.phase, Phase::Response(_));
        if !is_response && !matches!(self.phase, Phase::Command) {
            return self.hang_up(reply::OUT_OF_STEP, out);
        }
        self.phase = Phase::Command;
        match fault {
            // Where that line ended is a matter of opinion, so there is no going on (S-022).
            LineFault::BareLf => self.hang_up(reply::LINE_BARE_LF, out),
            LineFault::Endless => self.hang_up(reply::LINE_ENDLESS, out),
            LineFault::TooLong if is_response => self.hang_up(reply::RESPONSE_TOO_LONG, out),
            LineFault::TooLong => self.refuse(reply::LINE_TOO_LONG, out),
            LineFault::BareCr => self.refuse(reply::LINE_BARE_CR, out),
            LineFault::Binary => self.hang_up(reply::OTHER_PROTOCOL, out),
            // No mail client begins with a NUL in its line, but other protocols do (S-067).
            LineFault::Nul if self.hello.is_none() => self.hang_up(reply::OTHER_PROTOCOL, out),
            LineFault::Nul => self.refuse(reply::LINE_NUL, out),
        }
    }

    fn stage(&self) -> Stage {
        match (&self.hello, &self.mail) {
            (None, _) => Stage::Fresh,
            (Some(_), None) => Stage::Ready,
            (Some(_), Some(mail)) if mail.chunk_octets.is_some() => Stage::Chunks,
            (Some(_), Some(mail)) if mail.envelope.is_for_nobody() => Stage::Mail,
            (Some(_), Some(_)) => Stage::Recipients,
        }
    }

    /// Users and old devices write as they like.
    fn strictness(&self) -> Strictness {
        if self.is_logged_in() || self.is_lenient_device() { Strictness::Lenient } else { Strictness::Strict }
    }

    fn is_lenient_device(&self) -> bool {
        self.facts.device.as_ref().is_some_and(|device| device.is_lenient)
    }

    /// The device that the peer is, unless a user has logged on from there.
    fn device(&self) -> Option<&Device> {
        self.facts.device.as_deref().filter(|_| !self.is_logged_in())
    }

    /// Whether what comes is mail at its beginning, from one whom we know. RFC 6409.
    fn may_submit(&self) -> bool {
        self.is_logged_in() || self.facts.device.is_some()
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.phase, Phase::Command | Phase::Response(_))
    }

    /// Replies and waits for the next command.
    fn accept(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.phase = Phase::Command;
        say(out, text);
        Next::Read
    }

    /// Replies to a command that brings no mail forward; there is a limit to those (S-059).
    fn idle(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.counts.idle_commands += 1;
        if self.counts.idle_commands > limits::IDLE_COMMANDS {
            return self.hang_up(reply::TOO_MANY_IDLE, out);
        }
        self.accept(text, out)
    }

    /// Replies to a mistake; there is a limit to those (S-060).
    fn refuse(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.counts.errors += 1;
        if self.counts.errors > limits::ERRORS_PER_SESSION {
            return self.hang_up(reply::TOO_MANY_ERRORS, out);
        }
        self.accept(text, out)
    }

    /// Replies and ends the session.
    fn hang_up(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.phase = Phase::Closed;
        (self.mail, self.is_message_held) = (None, false);
        say(out, text);
        Next::Close
    }
}

/// Whose Delivered-To tells that a mail comes again: of every recipient where all are here, and of any forwarder.
fn looked_out_for(envelope: &Envelope) -> (Vec<Address>, Vec<Address>) {
    let forwarders = envelope.leaving.iter().filter_map(|(leaving, named)| {
        let path = envelope.named.get(*named).map_or("", |named| &named.path);
        leaving.mark(path)
    });
    let recipients = match envelope.leaving.is_empty() {
        true => envelope.recipients.iter().map(|(_, address)| address.clone()).collect(),
        false => Vec::new(),
    };
    (recipients, forwarders.collect())
}

fn complaint(order: Order) -> Option<&'static str> {
    match order {
        Order::Fine => None,
        Order::HelloFirst => Some(reply::HELLO_FIRST),
        Order::MailFirst => Some(reply::MAIL_FIRST),
        Order::RecipientFirst => Some(reply::NO_RECIPIENTS),
        Order::MailUnderWay => Some(reply::MAIL_UNDER_WAY),
        Order::ChunksUnderWay => Some(reply::CHUNKS_UNDER_WAY),
    }
}
