//! The session: the three states, and one method that takes events.

use super::authorization::Authorization;
use super::command::{self, Command, Phase};
use super::language::{self, Mistake, Text};
use super::reply::{Replies, Voice};
use super::transaction::{OutOfStep, Transaction};
use super::{Event, Facts, LoginRefusal, Maildrop, Next, Policy};
use crate::limits;
use crate::mail::{Language, Uid};
use crate::wire::line::LineFault;

/// One POP3 session.
#[derive(Debug)]
pub struct Session {
    state: State,
    voice: Voice,
    /// Mistakes of the peer in this state.
    mistakes: usize,
    lines_before_logon: usize,
    /// Exchanges in which the peer named another end of the TLS connection than ours.
    bad_bindings: u32,
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
            voice: Voice::default(),
            mistakes: 0,
            lines_before_logon: 0,
            bad_bindings: 0,
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
        let out = &mut Replies::new(self.voice, out);
        let next = match event {
            Event::Connected => self.greet(out),
            Event::Line { line, is_followed } => self.line(line, is_followed, out),
            Event::FaultyLine(fault) => Ok(self.faulty_line(fault, out)),
            Event::TlsStarted(facts) => self.tls_started(facts, out),
            Event::Salted(salt) => self.asked(|it, out| it.salted(salt, out), out),
            Event::Relayed(answer) => self.asked(|it, out| it.relayed(answer, out), out),
            Event::Verified { signature } => self.asked(|it, out| it.verified(signature, out), out),
            Event::LoggedIn(maildrop, policy) => self.logged_in(maildrop, policy, out),
            Event::LoginRefused(refusal) => self.login_refused(refusal, out),
            Event::Opened { octets } => self.transaction().and_then(|it| it.opened(octets, out)),
            Event::Gone => self.transaction().and_then(|it| it.gone(out)),
            Event::BodySent => self.transaction().and_then(Transaction::body_sent),
            Event::Flushed => self.transaction().and_then(|it| it.flushed(out)),
            Event::Committed => self.committed(out),
            Event::StoreFailed => self.store_failed(out),
        };
        let next = next.unwrap_or(Next::Close);
        self.voice = out.voice;
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

    /// Whether the peer takes messages with UTF-8 in their headers as they are. RFC 6856 §2.1.
    pub fn is_utf8(&self) -> bool {
        self.voice.is_utf8
    }

    /// How often the peer named another end of the TLS connection than ours: somebody may stand between, which the
    /// log should tell, too (S-181).
    pub fn bad_bindings(&self) -> u32 {
        self.bad_bindings
    }

    /// The messages behind that one, for a driver that reads ahead; none before logon.
    pub fn following(&self, uid: Uid) -> impl Iterator<Item = Uid> {
        let maildrop = match &self.state {
            State::Transaction(it) => Some(it.maildrop()),
            _ => None,
        };
        maildrop.into_iter().flat_map(move |maildrop| maildrop.following(uid))
    }

    fn greet(&mut self, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        match &mut self.state {
            State::Authorization(it) => {
                out.greeting(it.timestamp());
                Ok(Next::Read)
            }
            _ => Err(OutOfStep),
        }
    }

    fn line(&mut self, line: &[u8], is_followed: bool, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        if !self.is_logged_in() {
            self.lines_before_logon += 1;
            if self.lines_before_logon > limits::LINES_BEFORE_LOGON {
                return Ok(hang_up(Text::TooMuchSaid, out));
            }
        }
        let phase = match &self.state {
            State::Authorization(it) if it.is_exchanging() => None,
            State::Authorization(it) if it.takes_lines() => Some(Phase::Authorization),
            State::Transaction(it) if it.takes_lines() => Some(Phase::Transaction),
            _ => return Err(OutOfStep),
        };
        let outcome = match phase.map(|phase| command::parse(line, phase)) {
            Some(Err(_)) if self.is_other_protocol(line) => return Ok(hang_up(Text::OtherProtocol, out)),
            Some(Err(mistake)) => Err(mistake),
            Some(Ok(command)) => {
                self.speaks_pop3 = true;
                self.command(command, is_followed, out)
            }
            None => self.response(line, out),
        };
        Ok(outcome.unwrap_or_else(|mistake| self.mistake(mistake, out)))
    }

    fn is_other_protocol(&self, line: &[u8]) -> bool {
        !self.speaks_pop3 && !self.is_logged_in() && command::is_other_protocol(line)
    }

    fn response(&mut self, line: &[u8], out: &mut Replies<'_>) -> Result<Next, Mistake> {
        match &mut self.state {
            State::Authorization(it) => it.response(line, out),
            _ => Err(Mistake::NoExchange),
        }
    }

    fn command(
        &mut self,
        command: Command<'_>,
        is_followed: bool,
        out: &mut Replies<'_>,
    ) -> Result<Next, Mistake> {
        match (&mut self.state, command) {
            (_, Command::Lang(range)) => self.lang(range, out),
            (State::Authorization(it), command) => it.command(command, is_followed, out),
            (State::Transaction(_), Command::Quit) => Ok(self.quit(out)),
            (State::Transaction(it), command) => it.command(command, out),
            (State::Update { .. }, _) => Err(Mistake::LoggedOnAlready),
        }
    }

    /// The languages, or another one from this reply on; if that fails the present one stays. RFC 6856 §3.2.
    fn lang(&mut self, range: Option<&[u8]>, out: &mut Replies<'_>) -> Result<Next, Mistake> {
        let Some(range) = range else {
            out.languages();
            return Ok(Next::Read);
        };
        // The same for everybody, so that it tells nothing of anybody. RFC 6856 §7.
        let found = if range == b"*" { self.preferred_language() } else { language::find(range)? };
        match found {
            Some(language) => {
                out.voice.choose(language);
                out.language_chosen();
            }
            None => out.err(Text::NoSuchLanguage),
        }
        Ok(Next::Read)
    }

    fn preferred_language(&self) -> Option<Language> {
        match &self.state {
            State::Authorization(it) => Some(it.facts().language),
            State::Transaction(it) => Some(it.facts().language),
            State::Update { .. } => None,
        }
    }

    /// One reply for the whole line, whatever it held (S-024, S-234).
    fn faulty_line(&mut self, fault: LineFault, out: &mut Replies<'_>) -> Next {
        if let State::Authorization(it) = &mut self.state {
            it.abandon_exchange();
        }
        match fault {
            // A line feed that one side takes for an end of line and the other doesn't (S-022).
            LineFault::BareLf => hang_up(Text::BareLf, out),
            LineFault::Endless => hang_up(Text::Endless, out),
            LineFault::Binary => hang_up(Text::OtherProtocol, out),
            // No client of ours begins with a NUL inside a line; other protocols do (S-067).
            LineFault::Nul if !self.speaks_pop3 => hang_up(Text::OtherProtocol, out),
            LineFault::Nul => self.mistake(Mistake::Nul, out),
            LineFault::BareCr => self.mistake(Mistake::BareCr, out),
            LineFault::TooLong => self.mistake(Mistake::TooLong, out),
        }
    }

    fn mistake(&mut self, mistake: Mistake, out: &mut Replies<'_>) -> Next {
        self.mistakes += 1;
        self.bad_bindings = self.bad_bindings.saturating_add(u32::from(mistake == Mistake::BadBinding));
        let most = if self.is_logged_in() { limits::ERRORS_AFTER_LOGON } else { limits::ERRORS_PER_SESSION };
        if self.mistakes < most {
            out.err(Text::Mistake(mistake));
            return Next::Read;
        }
        out.err(Text::LastMistake(mistake));
        Next::Close
    }

    /// Gives an answer to the logon under way.
    fn asked(
        &mut self,
        answer: impl FnOnce(&mut Authorization, &mut Replies<'_>) -> Result<Result<Next, Mistake>, OutOfStep>,
        out: &mut Replies<'_>,
    ) -> Result<Next, OutOfStep> {
        let State::Authorization(it) = &mut self.state else { return Err(OutOfStep) };
        let outcome = answer(it, out)?;
        Ok(outcome.unwrap_or_else(|mistake| self.mistake(mistake, out)))
    }

    fn tls_started(&mut self, facts: Box<Facts>, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        // What was said in the clear is forgotten, whoever said it. RFC 2595 §4.
        out.voice = Voice::default();
        match &mut self.state {
            State::Authorization(it) => it.tls_started(facts).then_some(Next::Read).ok_or(OutOfStep),
            _ => Err(OutOfStep),
        }
    }

    fn logged_in(
        &mut self,
        maildrop: Maildrop,
        policy: Policy,
        out: &mut Replies<'_>,
    ) -> Result<Next, OutOfStep> {
        let State::Authorization(it) = &mut self.state else {
            return Err(OutOfStep);
        };
        let (user_name, facts) = it.enter()?;
        let (messages, octets) = (maildrop.messages_left(), maildrop.octets_left());
        match user_name.as_str() {
            // Who came with nothing but his certificate has typed no name.
            "" => out.ok(Text::Holds { messages, octets }),
            name => out.ok(Text::Welcome { name: &out.voice.name(name), messages, octets }),
        }
        self.state = State::Transaction(Transaction::new(maildrop, facts, policy));
        self.mistakes = 0;
        Ok(Next::Read)
    }

    fn login_refused(&mut self, refusal: LoginRefusal, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        match &mut self.state {
            State::Authorization(it) if it.is_asking() => Ok(it.refuse(refusal, out)),
            _ => Err(OutOfStep),
        }
    }

    /// Goes to the UPDATE state, unless there is nothing to update.
    fn quit(&mut self, out: &mut Replies<'_>) -> Next {
        let State::Transaction(it) = &self.state else {
            return Next::Close;
        };
        let uids = it.maildrop().deleted_uids();
        self.state = State::Update { messages: uids.len() };
        if uids.is_empty() {
            out.ok(Text::Goodbye);
            return Next::Close;
        }
        Next::Commit(uids)
    }

    fn committed(&mut self, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        let State::Update { messages } = self.state else {
            return Err(OutOfStep);
        };
        out.ok(Text::GoodbyeDeleted(messages));
        Ok(Next::Close)
    }

    fn store_failed(&mut self, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        match &mut self.state {
            State::Authorization(it) if it.is_asking() => Ok(it.refuse(LoginRefusal::Busy, out)),
            State::Authorization(_) => Err(OutOfStep),
            State::Transaction(it) => it.unreadable(out),
            State::Update { .. } => Ok(hang_up(Text::NotRemoved, out)),
        }
    }

    fn transaction(&mut self) -> Result<&mut Transaction, OutOfStep> {
        match &mut self.state {
            State::Transaction(it) => Ok(it),
            _ => Err(OutOfStep),
        }
    }
}

fn hang_up(text: Text<'_>, out: &mut Replies<'_>) -> Next {
    out.err(text);
    Next::Close
}
