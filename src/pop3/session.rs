//! The session: the three states, and one method that takes events.

use super::authorization::{Authorization, greeting_name};
use super::command::{self, Command, Mistake, Phase};
use super::transaction::{OutOfStep, Transaction};
use super::{Event, Facts, LoginRefusal, Maildrop, Next, reply};
use crate::limits;
use crate::mail::Uid;
use crate::wire::line::LineFault;

/// One POP3 session.
#[derive(Debug)]
pub struct Session {
    state: State,
    /// Mistakes of the peer in this state.
    mistakes: usize,
    lines_before_logon: usize,
    /// Whether a command of POP3 has come; until then the peer may speak another protocol.
    speaks_pop3: bool,
    is_closed: bool,
}

/// The states of RFC 1939 §3.
#[derive(Debug)]
enum State {
    Authorization(Authorization),
    Transaction(Transaction),
    /// Waits for the deletions of so many messages.
    Update {
        messages: usize,
    },
}

impl Session {
    /// A session in the AUTHORIZATION state, before its greeting.
    pub fn new(facts: Facts) -> Session {
        Session {
            state: State::Authorization(Authorization::new(Box::new(facts))),
            mistakes: 0,
            lines_before_logon: 0,
            speaks_pop3: false,
            is_closed: false,
        }
    }

    /// Takes an event, appends replies to `out`, and says what comes next. After [`Event::TlsStarted`]
    /// the facts are those of a secure connection. An event that nothing asked for closes the session.
    pub fn handle(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        if self.is_closed {
            return Next::Close;
        }
        let next = match event {
            Event::Connected => Ok(greet(out)),
            Event::Line { line, is_followed } => self.line(line, is_followed, out),
            Event::FaultyLine(fault) => Ok(self.faulty_line(fault, out)),
            Event::TlsStarted(facts) => self.tls_started(facts),
            Event::Salted(salt) => self.asked(|it, out| it.salted(salt, out), out),
            Event::Verified { signature } => self.asked(|it, out| it.verified(signature, out), out),
            Event::LoggedIn(maildrop, _policy) => self.logged_in(maildrop, out),
            Event::LoginRefused(refusal) => self.login_refused(refusal, out),
            Event::Opened { octets } => self.transaction().and_then(|it| it.opened(octets, out)),
            Event::Gone => self.transaction().and_then(|it| it.gone(out)),
            Event::BodySent => self.transaction().and_then(Transaction::body_sent),
            Event::Flushed => self.transaction().and_then(|it| it.flushed(out)),
            Event::Committed => self.committed(out),
            Event::StoreFailed => self.store_failed(out),
        };
        let next = next.unwrap_or(Next::Close);
        self.is_closed = next == Next::Close;
        next
    }

    /// Octets that the next line may have with its CRLF: a SASL response may be longer than a command.
    pub fn line_limit(&self) -> usize {
        match &self.state {
            State::Authorization(it) if it.is_exchanging() => limits::SASL_LINE_OCTETS + 2,
            _ => limits::POP3_LINE_OCTETS,
        }
    }

    /// Whether the peer has logged on.
    pub fn is_logged_in(&self) -> bool {
        !matches!(self.state, State::Authorization(_))
    }

    /// The messages behind that one, for a driver that reads ahead; none before logon.
    pub fn following(&self, uid: Uid) -> impl Iterator<Item = Uid> {
        let maildrop = match &self.state {
            State::Transaction(it) => Some(it.maildrop()),
            _ => None,
        };
        maildrop.into_iter().flat_map(move |maildrop| maildrop.following(uid))
    }

    fn line(&mut self, line: &[u8], is_followed: bool, out: &mut Vec<u8>) -> Result<Next, OutOfStep> {
        if !self.is_logged_in() {
            self.lines_before_logon += 1;
            if self.lines_before_logon > limits::LINES_BEFORE_LOGON {
                return Ok(hang_up("too much said before logon; closing", out));
            }
        }
        let outcome = match &mut self.state {
            State::Authorization(it) if it.is_exchanging() => it.response(line, out),
            State::Authorization(it) if it.takes_lines() => {
                match command::parse(line, Phase::Authorization) {
                    Ok(command) => {
                        self.speaks_pop3 = true;
                        it.command(command, is_followed, out)
                    }
                    Err(_) if !self.speaks_pop3 && command::is_other_protocol(line) => {
                        return Ok(hang_up("this is a POP3 server; closing", out));
                    }
                    Err(mistake) => Err(mistake),
                }
            }
            State::Transaction(it) if it.takes_lines() => match command::parse(line, Phase::Transaction) {
                Ok(Command::Quit) => return Ok(self.quit(out)),
                Ok(command) => it.command(command, out),
                Err(mistake) => Err(mistake),
            },
            _ => return Err(OutOfStep),
        };
        Ok(outcome.unwrap_or_else(|mistake| self.mistake(mistake, out)))
    }

    /// One reply for the whole line, whatever it held (S-024, S-234).
    fn faulty_line(&mut self, fault: LineFault, out: &mut Vec<u8>) -> Next {
        if let State::Authorization(it) = &mut self.state {
            it.abandon_exchange();
        }
        match fault {
            // A line feed that one side takes for an end of line and the other doesn't (S-022).
            LineFault::BareLf => hang_up("lines end with CR and LF; closing", out),
            LineFault::Endless => hang_up("the line has no end; closing", out),
            LineFault::Binary => hang_up("this is a POP3 server; closing", out),
            // No client of ours begins with a NUL inside a line; other protocols do (S-067).
            LineFault::Nul if !self.speaks_pop3 => hang_up("this is a POP3 server; closing", out),
            LineFault::Nul => self.mistake(Mistake("a line can't hold a NUL"), out),
            LineFault::BareCr => self.mistake(Mistake("a line can't hold a lone CR"), out),
            LineFault::TooLong => self.mistake(Mistake("the line is too long"), out),
        }
    }

    fn mistake(&mut self, Mistake(text): Mistake, out: &mut Vec<u8>) -> Next {
        self.mistakes += 1;
        let most = if self.is_logged_in() { limits::ERRORS_AFTER_LOGON } else { limits::ERRORS_PER_SESSION };
        if self.mistakes < most {
            reply::err(out, text);
            return Next::Read;
        }
        reply::err(out, format_args!("{text}; too many mistakes, closing"));
        Next::Close
    }

    /// Gives an answer to the logon under way.
    fn asked(
        &mut self,
        answer: impl FnOnce(&mut Authorization, &mut Vec<u8>) -> Result<Result<Next, Mistake>, OutOfStep>,
        out: &mut Vec<u8>,
    ) -> Result<Next, OutOfStep> {
        let State::Authorization(it) = &mut self.state else { return Err(OutOfStep) };
        let outcome = answer(it, out)?;
        Ok(outcome.unwrap_or_else(|mistake| self.mistake(mistake, out)))
    }

    fn tls_started(&mut self, facts: Box<Facts>) -> Result<Next, OutOfStep> {
        match &mut self.state {
            State::Authorization(it) => it.tls_started(facts).then_some(Next::Read).ok_or(OutOfStep),
            _ => Err(OutOfStep),
        }
    }

    fn logged_in(&mut self, maildrop: Maildrop, out: &mut Vec<u8>) -> Result<Next, OutOfStep> {
        let State::Authorization(it) = &self.state else {
            return Err(OutOfStep);
        };
        let name = greeting_name(it.entering().ok_or(OutOfStep)?);
        reply::ok(out, format_args!("{name}'s maildrop has {maildrop}"));
        self.state = State::Transaction(Transaction::new(maildrop));
        self.mistakes = 0;
        Ok(Next::Read)
    }

    fn login_refused(&mut self, refusal: LoginRefusal, out: &mut Vec<u8>) -> Result<Next, OutOfStep> {
        match &mut self.state {
            State::Authorization(it) if it.is_asking() => Ok(it.refuse(refusal, out)),
            _ => Err(OutOfStep),
        }
    }

    /// Goes to the UPDATE state, unless there is nothing to update.
    fn quit(&mut self, out: &mut Vec<u8>) -> Next {
        let State::Transaction(it) = &self.state else {
            return Next::Close;
        };
        let uids = it.maildrop().deleted_uids();
        self.state = State::Update { messages: uids.len() };
        if uids.is_empty() {
            reply::ok(out, "goodbye");
            return Next::Close;
        }
        Next::Commit(uids)
    }

    fn committed(&mut self, out: &mut Vec<u8>) -> Result<Next, OutOfStep> {
        let State::Update { messages } = self.state else {
            return Err(OutOfStep);
        };
        reply::ok(out, format_args!("goodbye; deleted for good: {messages}"));
        Ok(Next::Close)
    }

    fn store_failed(&mut self, out: &mut Vec<u8>) -> Result<Next, OutOfStep> {
        match &mut self.state {
            State::Authorization(it) if it.is_asking() => Ok(it.refuse(LoginRefusal::Busy, out)),
            State::Authorization(_) => Err(OutOfStep),
            State::Transaction(it) => it.unreadable(out),
            State::Update { .. } => Ok(hang_up("[SYS/TEMP] some deleted messages not removed", out)),
        }
    }

    fn transaction(&mut self) -> Result<&mut Transaction, OutOfStep> {
        match &mut self.state {
            State::Transaction(it) => Ok(it),
            _ => Err(OutOfStep),
        }
    }
}

/// No time stamp stands in the greeting, because a client that sees one tries APOP (quirk 6).
fn greet(out: &mut Vec<u8>) -> Next {
    reply::ok(out, "poppet is ready");
    Next::Read
}

fn hang_up(text: &str, out: &mut Vec<u8>) -> Next {
    reply::err(out, text);
    Next::Close
}
