//! One connection's side of the talk: a question goes out, its answer comes in, all else ends it.

use std::fmt;

use super::answer::{self, Entry, Said};
use super::outcome::Outcome;
use super::request::{self, Question, Refusal};
use crate::limits;
use crate::mail::Secret;
use crate::wire::ber::{self, BerError, Tag};

/// A connection's talk.
#[derive(Debug)]
pub struct Client {
    channel: Channel,
    input: Vec<u8>,
    last_id: i32,
    state: State,
}

/// What covers a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// TLS does.
    Tls,
    /// Nothing does yet: TLS must begin before anything else is said (S-202).
    BeforeTls,
    /// Nothing does, and the administrator wants it so.
    Clear,
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// Octets of the server.
    Octets(&'a [u8]),
    /// Hands are shaken: TLS covers what follows.
    Secured,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for octets.
    Read,
    /// Shake hands, and tell.
    Secure,
    /// The question is answered; another one may be asked.
    Answer(Answer),
    /// Close the connection, and never use it again.
    Drop(Fault),
}

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// TLS covers the connection.
    Secured,
    /// TLS is not to be had.
    NotSecured(Outcome),
    /// What the server says of the name and password.
    Bound(Outcome),
    /// What was found, no more than two entries.
    Found(Vec<Entry>, Outcome),
}

/// Why a connection can't be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Its octets are no messages.
    Broken(BerError),
    /// It answers what was not asked (S-200).
    Strange,
    /// Octets came in clear text where TLS begins (S-203).
    Behind,
    /// More was sent than such an answer has.
    TooMuch,
    /// The server says good-bye.
    Ended(Outcome),
}

#[derive(Debug)]
enum State {
    Idle,
    /// The question's number and kind, and what has come so far.
    Asked {
        id: i32,
        kind: Kind,
        entries: Vec<Entry>,
        messages: usize,
    },
    /// Until hands are shaken.
    Securing,
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StartTls,
    Bind,
    Search,
}

impl Client {
    /// A connection on which nothing was said.
    pub fn new(channel: Channel) -> Client {
        Client { channel, input: Vec::new(), last_id: 0, state: State::Idle }
    }

    /// Whether another question can be asked.
    pub fn is_free(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The octets that ask it. Errs if it must not be asked here; nothing may be sent then.
    pub fn ask(&mut self, question: &Question) -> Result<Secret, Refusal> {
        let kind = match question {
            Question::StartTls => Kind::StartTls,
            Question::Bind { name, password } => {
                if request::is_no_password(password) {
                    return Err(Refusal::NoPassword);
                }
                if name.trim().is_empty() {
                    return Err(Refusal::NoName);
                }
                Kind::Bind
            }
            Question::Search(_) => Kind::Search,
        };
        if self.channel == Channel::BeforeTls && kind != Kind::StartTls {
            return Err(Refusal::Clear);
        }
        if !self.is_free() || (self.channel == Channel::Tls && kind == Kind::StartTls) {
            return Err(Refusal::NotNow);
        }
        self.last_id = self.last_id.checked_add(1).ok_or(Refusal::NotNow)?;
        self.state = State::Asked { id: self.last_id, kind, entries: Vec::new(), messages: 0 };
        Ok(request::message(self.last_id, question))
    }

    /// The octets that say good-bye.
    pub fn unbind(&mut self) -> Vec<u8> {
        self.state = State::Dead;
        request::unbind(self.last_id.saturating_add(1))
    }

    /// What is to be done next. A time-out is no event: who has waited long enough closes the connection (S-200).
    pub fn handle(&mut self, event: Event<'_>) -> Next {
        let next = match (event, &self.state) {
            (Event::Octets(octets), State::Asked { .. }) => {
                self.input.extend_from_slice(octets);
                self.read()
            }
            (Event::Secured, State::Securing) => {
                self.channel = Channel::Tls;
                self.state = State::Idle;
                Next::Answer(Answer::Secured)
            }
            (Event::Octets(_), State::Securing) => Next::Drop(Fault::Behind),
            _ => Next::Drop(Fault::Strange),
        };
        if let Next::Drop(_) = next {
            self.state = State::Dead;
        }
        next
    }

    fn read(&mut self) -> Next {
        loop {
            // What speaks another protocol is not waited for.
            if self.input.first().is_some_and(|first| *first != Tag::SEQUENCE.0) {
                return Next::Drop(Fault::Broken(BerError::Unexpected));
            }
            let length = match ber::frame(&self.input, limits::LDAP_MESSAGE_OCTETS) {
                Ok(Some(length)) => length,
                Ok(None) => return Next::Read,
                Err(error) => return Next::Drop(Fault::Broken(error)),
            };
            let message = answer::parse(&self.input[..length]);
            self.input.drain(..length);
            let next = match message {
                Ok(message) => self.take(message),
                Err(error) => Next::Drop(Fault::Broken(error)),
            };
            if next != Next::Read {
                return next;
            }
        }
    }

    fn take(&mut self, message: answer::Message) -> Next {
        let State::Asked { id, kind, entries, messages } = &mut self.state else {
            return Next::Drop(Fault::Strange);
        };
        if let (0, Said::Extended(outcome)) = (message.id, &message.said) {
            return Next::Drop(Fault::Ended(outcome.clone()));
        }
        if message.id != i64::from(*id) {
            return Next::Drop(Fault::Strange);
        }
        *messages += 1;
        let answer = match (*kind, message.said) {
            (Kind::Search, Said::Entry(_) | Said::Reference) if *messages > limits::LDAP_ANSWER_MESSAGES => {
                return Next::Drop(Fault::TooMuch);
            }
            (Kind::Search, Said::Entry(entry)) => {
                if entries.len() as i64 >= request::SIZE_LIMIT {
                    return Next::Drop(Fault::TooMuch);
                }
                entries.push(entry);
                return Next::Read;
            }
            (Kind::Search, Said::Reference) => return Next::Read,
            (Kind::Search, Said::Searched(outcome)) => Answer::Found(std::mem::take(entries), outcome),
            (Kind::Bind, Said::Bound(outcome)) => Answer::Bound(outcome),
            (Kind::StartTls, Said::Extended(outcome)) if outcome.is_success() => return self.secure(),
            (Kind::StartTls, Said::Extended(outcome)) => Answer::NotSecured(outcome),
            _ => return Next::Drop(Fault::Strange),
        };
        // The next question's answer can't be here before it is asked.
        if !self.input.is_empty() {
            return Next::Drop(Fault::Strange);
        }
        self.state = State::Idle;
        Next::Answer(answer)
    }

    fn secure(&mut self) -> Next {
        if !self.input.is_empty() {
            return Next::Drop(Fault::Behind);
        }
        self.state = State::Securing;
        Next::Secure
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Broken(error) => write!(out, "its answer is no LDAP: {error}"),
            Fault::Strange => out.write_str("it answers what was not asked"),
            Fault::Behind => out.write_str("it said something in clear text where TLS begins"),
            Fault::TooMuch => out.write_str("it sends more than was asked for"),
            Fault::Ended(outcome) => write!(out, "it ends the connection: {outcome}"),
        }
    }
}
