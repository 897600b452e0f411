//! The sending session, pure: replies in, commands and wishes out. RFC 5321, LMTP by RFC 2033.
//!
//! ```text
//!   Connected -> greeting -> EHLO (HELO) -> [STARTTLS -> EHLO] -> [AUTH] -> Ready <------------------------+
//!                                                                             |  Mail                      |
//!                                    MAIL, RCPT.., DATA or BDAT -> SendBody -> reply -> Settled (RSET) ----+
//!                                                                             |  Finish -> QUIT -> Close
//!   any reply that can't be followed, any fault, a time-out: Failed, and the connection is good for nothing
//! ```
//!
//! With a mail under way, what would be `Failed` is `Settled`, and the connection no more use: every recipient of every
//! mail has exactly one answer. RSET waits until another mail needs it.

mod command;
mod event;
mod logon;
mod offer;
mod opening;
mod outcome;
mod reading;
#[cfg(test)]
mod tests;
mod transaction;

use self::logon::Logon;
use self::offer::Offer;
use self::reading::ReplyReader;
use self::transaction::{Transaction, Turn};
use crate::limits;
use crate::mail::HopTls;
use crate::wire::line::LineFault;

pub use event::{Credentials, Event, Framing, Next, OutgoingMail, Terms};
pub use outcome::{Answer, Failure, FailureKind, Reply, Stage, Verdict};

/// One sending session.
#[derive(Debug)]
pub struct Client {
    terms: Terms,
    state: State,
    reader: ReplyReader,
    offer: Offer,
    /// The logon under way.
    logon: Option<Box<Logon>>,
    /// The mail under way.
    mail: Option<Box<Transaction>>,
    is_tls: bool,
    /// Whether TLS is left alone even where it is offered.
    shuns_tls: bool,
    /// Whether TLS is on and the server's certificate proven.
    is_verified: bool,
    /// Whether EHLO was answered in our own name.
    meets_itself: bool,
    /// Whether RSET must come before the next mail.
    must_reset: bool,
    /// Mails that were settled.
    mails: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Greeting,
    Hello(Hello),
    /// STARTTLS was said.
    StartTls,
    Handshake,
    Logon,
    Ready,
    Mail,
    /// In step, but no more mail is taken.
    Spent,
    Quitting,
    Over,
}

/// How we say who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    Ehlo,
    Helo,
    Lhlo,
}

impl Client {
    /// A session before its connection.
    pub fn new(terms: Terms) -> Client {
        Client {
            terms,
            state: State::Start,
            reader: ReplyReader::default(),
            offer: Offer::default(),
            logon: None,
            mail: None,
            is_tls: false,
            shuns_tls: false,
            is_verified: false,
            meets_itself: false,
            must_reset: false,
            mails: 0,
        }
    }

    /// The same without TLS, where that is only taken if it is offered and has just failed: mail must not wait for a
    /// server whose TLS is broken.
    pub fn shunning_tls(mut self) -> Client {
        self.shuns_tls = self.terms.tls == HopTls::Opportunistic && self.terms.credentials.is_none();
        self
    }

    /// Takes an event, appends commands to `out`, and says what comes next. An event that answers no wish ends the
    /// session.
    ///
    /// A password may be in `out`, in base64: the caller wipes it once it is sent. SCRAM's work, up to
    /// [`limits::SCRAM_MOST_ITERATIONS`] rounds, is done here.
    pub fn handle(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        match (event, self.state) {
            (_, State::Over) => Next::Close,
            (Event::Line { .. } | Event::FaultyLine(_) | Event::TimedOut | Event::Lost, State::Quitting) => {
                self.close()
            }
            (Event::Finish, State::Start) => self.close(),
            (Event::Finish, State::Ready | State::Spent) => {
                command::say("QUIT", out);
                self.state = State::Quitting;
                Next::Read(limits::HOP_GOODBYE)
            }
            (Event::Connected { is_verified }, State::Start) => self.connected(is_verified),
            (Event::TlsStarted { is_verified }, State::Handshake) => self.tls_started(is_verified, out),
            (Event::Mail(mail), State::Ready) => self.begin_mail(*mail, out),
            (Event::BodySent, State::Mail) if self.mail.as_mut().is_some_and(|mail| mail.body_sent()) => {
                Next::Read(limits::HOP_END_OF_DATA)
            }
            (Event::Line { line, is_followed }, _) => self.line(line, is_followed, out),
            (Event::FaultyLine(fault), _) => self.confused(fault_text(fault)),
            (Event::TimedOut, _) => self.lost("The server took too long: no answer to"),
            (Event::Lost, _) => self.lost("The server went away: no answer to"),
            _ => self.out_of_step(),
        }
    }

    /// Octets that the next line may have with its CRLF.
    pub fn line_limit(&self) -> usize {
        limits::REPLY_LINE_OCTETS
    }

    fn line(&mut self, line: &[u8], is_followed: bool, out: &mut Vec<u8>) -> Next {
        let is_first = !self.reader.is_inside();
        let taken = match self.reader.take(line) {
            Ok(taken) => taken,
            Err(fault) => return self.confused(fault),
        };
        let text = line.get(CODE_OCTETS..).unwrap_or_default();
        if let State::Hello(hello) = self.state
            && line.starts_with(b"2")
        {
            self.learn(hello, text, is_first);
        }
        match taken {
            Some(reply) => self.hear(reply, text, is_followed, out),
            None => self.go_on(),
        }
    }

    /// A whole reply; `text` is what stands behind the code of its last line.
    fn hear(&mut self, reply: Reply, text: &[u8], is_followed: bool, out: &mut Vec<u8>) -> Next {
        let reply = self.without_password(reply);
        // RFC 5321 §3.8: the server is about to close.
        if reply.code == 421 {
            return self.fail(FailureKind::Unavailable, reply);
        }
        // Who says more than he is asked is out of step, and what he says next would be taken for another answer.
        let is_end =
            reply.is_refusal() && matches!(self.state, State::Greeting | State::Logon) && !is_unknown(&reply);
        if is_followed && !is_end && !matches!(self.state, State::Mail | State::StartTls) {
            return self.confused("more than it was asked for");
        }
        match self.state {
            State::Greeting => self.greeted(reply, out),
            State::Hello(hello) => self.helloed(hello, reply, out),
            State::StartTls => self.answered_starttls(reply, is_followed, out),
            State::Logon => self.answered_logon(reply, text, out),
            State::Mail => self.answered_mail(reply, is_followed, out),
            State::Start | State::Handshake | State::Ready | State::Spent | State::Quitting | State::Over => {
                self.confused("it says what nobody asked")
            }
        }
    }

    fn begin_mail(&mut self, mail: OutgoingMail, out: &mut Vec<u8>) -> Next {
        let mut mail = Transaction::new(mail, self.terms.is_lmtp, self.must_reset, &self.offer);
        let turn = mail.advance(&self.offer, out);
        self.mail = Some(Box::new(mail));
        self.state = State::Mail;
        self.take_turn(turn)
    }

    fn answered_mail(&mut self, reply: Reply, is_followed: bool, out: &mut Vec<u8>) -> Next {
        let Some(mail) = &mut self.mail else { return self.out_of_step() };
        let turn = if is_followed && !mail.awaits_more() {
            mail.hear_more_than_asked(reply, &self.offer)
        } else {
            mail.hear(reply, &self.offer, out)
        };
        self.take_turn(turn)
    }

    fn take_turn(&mut self, turn: Turn) -> Next {
        match turn {
            Turn::Wait => self.go_on(),
            Turn::Body(framing) => Next::SendBody(framing),
            Turn::Confused(fault) => self.confused(fault),
            Turn::Settled => self.settle(true),
            Turn::Spent => self.settle(false),
        }
    }

    /// All recipients have their answers.
    fn settle(&mut self, is_in_step: bool) -> Next {
        let Some(mail) = self.mail.take() else { return self.out_of_step() };
        self.mails += 1;
        self.must_reset = mail.is_begun();
        let is_reusable = is_in_step && self.offer.mails.is_none_or(|most| self.mails < most);
        self.state = match (is_in_step, is_reusable) {
            (_, true) => State::Ready,
            (true, false) => State::Spent,
            (false, false) => State::Over,
        };
        let answers = mail.into_answers(&Reply::found([4, 3, 0], "Not sent"));
        Next::Settled { answers, is_reusable }
    }

    /// The wish that stands, after a line that ended no reply.
    fn go_on(&self) -> Next {
        let mail = self.mail.as_deref();
        if let Some(framing) = mail.and_then(Transaction::framing) {
            return Next::SendBody(framing);
        }
        Next::Read(match self.stage() {
            Stage::Greeting => limits::HOP_GREETING,
            Stage::Data => limits::HOP_DATA,
            Stage::End => limits::HOP_END_OF_DATA,
            _ => limits::HOP_REPLY,
        })
    }

    fn stage(&self) -> Stage {
        match self.state {
            State::Start | State::Greeting => Stage::Greeting,
            State::Hello(_) => Stage::Hello,
            State::StartTls | State::Handshake => Stage::StartTls,
            State::Logon => Stage::Logon,
            State::Mail => self.mail.as_ref().map_or(Stage::Ready, |mail| mail.stage()),
            State::Ready | State::Spent | State::Quitting | State::Over => Stage::Ready,
        }
    }

    /// The server is in step, and the session can't go on: it says good-bye.
    fn refused(&mut self, kind: FailureKind, reply: Reply, out: &mut Vec<u8>) -> Next {
        command::say("QUIT", out);
        self.fail(kind, reply)
    }

    fn confused(&mut self, fault: &str) -> Next {
        let text =
            format!("The server can't be followed in its answer to {}: {fault}", self.stage().awaited());
        self.fail(FailureKind::Confused, Reply::found([4, 5, 0], text))
    }

    fn lost(&mut self, what: &str) -> Next {
        let text = match (self.state, self.stage()) {
            (State::Handshake, _) => "The server broke off while TLS began".into(),
            (State::Ready | State::Spent, _) => "The server closed the connection between two mails".into(),
            (_, stage) => format!("{what} {}", stage.awaited()),
        };
        self.fail(FailureKind::Lost, Reply::found([4, 4, 2], text))
    }

    /// The driver gave what it was not asked for.
    fn out_of_step(&mut self) -> Next {
        self.fail(FailureKind::Confused, Reply::found([4, 3, 0], "Internal error: an event out of its turn"))
    }

    /// The session ends here; who has no answer yet gets this one.
    fn fail(&mut self, kind: FailureKind, reply: Reply) -> Next {
        let stage = self.stage();
        self.state = State::Over;
        self.logon = None;
        match self.mail.take() {
            Some(mail) => Next::Settled { answers: mail.into_answers(&reply), is_reusable: false },
            None => Next::Failed(Failure { stage, kind, reply }),
        }
    }

    fn close(&mut self) -> Next {
        self.state = State::Over;
        Next::Close
    }
}

/// Whether the server doesn't know the command, or what it asks for.
fn is_unknown(reply: &Reply) -> bool {
    matches!(reply.code, 500 | 502 | 504)
}

fn fault_text(fault: LineFault) -> &'static str {
    match fault {
        LineFault::TooLong | LineFault::Endless => "a line is too long",
        LineFault::BareLf => "a line ends with a bare LF",
        LineFault::BareCr => "a bare CR is in a line",
        LineFault::Nul => "a NUL is in a line",
        LineFault::Binary => "it speaks no SMTP, or TLS already: port 465 wants smtps: or tls implicit",
    }
}

/// Octets of a code and what divides it from its text.
const CODE_OCTETS: usize = 4;
