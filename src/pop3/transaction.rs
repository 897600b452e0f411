//! The TRANSACTION state: what his messages are, one after another, until QUIT. RFC 1939 §5.

use super::command::Command;
use super::language::{Mistake, Text};
use super::maildrop::{Entry, Found, Maildrop};
use super::reply::Replies;
use super::{Facts, Next, Policy};
use crate::limits;

/// A maildrop and what is being done with it.
#[derive(Debug)]
pub struct Transaction {
    maildrop: Maildrop,
    /// What was so before the logon.
    facts: Box<Facts>,
    /// What holds for this maildrop.
    policy: Policy,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// The next command is awaited.
    None,
    /// LIST or UIDL of all is on its way, from `number` on.
    Listing { column: Column, number: u32 },
    /// RETR or TOP waits for its message.
    Opening { number: u32, octets: u32, body_lines: Option<u32> },
    /// The message is on its way.
    Sending,
}

/// What a listing tells of each message.
#[derive(Debug, Clone, Copy)]
enum Column {
    Octets,
    UniqueId,
}

/// An event came that nothing had asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfStep;

impl Transaction {
    /// Begins with what the logon gave.
    pub fn new(maildrop: Maildrop, facts: Box<Facts>, policy: Policy) -> Transaction {
        Transaction { maildrop, facts, policy, work: Work::None }
    }

    /// The snapshot.
    pub fn maildrop(&self) -> &Maildrop {
        &self.maildrop
    }

    /// What is known of the connection.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether a command can be taken now.
    pub fn takes_lines(&self) -> bool {
        matches!(self.work, Work::None)
    }

    /// Does a command of this state; QUIT is the session's.
    pub fn command(&mut self, command: Command<'_>, out: &mut Replies<'_>) -> Result<Next, Mistake> {
        match command {
            Command::Capa => out.capabilities(&self.facts, Some(self.policy)),
            Command::Noop => out.ok(Text::NothingDone),
            Command::Stat => {
                let maildrop = &self.maildrop;
                out.ok_with(format_args!("{} {}", maildrop.messages_left(), maildrop.octets_left()));
            }
            Command::Rset => {
                self.maildrop.reset();
                out.ok(self.maildrop.holds());
            }
            Command::Dele(number) => self.delete(number, out),
            Command::List(None) => return Ok(self.begin_listing(Column::Octets, out)),
            Command::Uidl(None) => return Ok(self.begin_listing(Column::UniqueId, out)),
            Command::List(Some(number)) => self.list_one(Column::Octets, number, out),
            Command::Uidl(Some(number)) => self.list_one(Column::UniqueId, number, out),
            Command::Retr(number) => return Ok(self.open(number, None, out)),
            Command::Top { number, body_lines } => return Ok(self.open(number, Some(body_lines), out)),
            _ => return Err(Mistake::LoggedOnAlready),
        }
        Ok(Next::Read)
    }

    /// Goes on with a listing after its first part is out.
    pub fn flushed(&mut self, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        match self.work {
            Work::Listing { column, number } => Ok(self.list_from(column, number, out)),
            _ => Err(OutOfStep),
        }
    }

    /// Announces the opened message. One that is not as long as LIST said is as good as unreadable,
    /// because clients rely on that number (P7).
    pub fn opened(&mut self, octets: u64, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        let Work::Opening { octets: promised, body_lines, .. } = self.work else {
            return Err(OutOfStep);
        };
        if octets != u64::from(promised) {
            return self.unreadable(out);
        }
        match body_lines {
            None => out.ok(Text::Octets(octets)),
            Some(_) => out.ok(Text::TopFollows),
        }
        self.work = Work::Sending;
        Ok(Next::SendBody { body_lines })
    }

    /// Says that the message to open was removed behind the session's back; numbers stay (S-228).
    pub fn gone(&mut self, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        let Work::Opening { number, .. } = self.work else {
            return Err(OutOfStep);
        };
        self.work = Work::None;
        out.err(Text::Removed(number));
        Ok(Next::Read)
    }

    /// Says that the message to open can't be read now.
    pub fn unreadable(&mut self, out: &mut Replies<'_>) -> Result<Next, OutOfStep> {
        let Work::Opening { number, .. } = self.work else {
            return Err(OutOfStep);
        };
        self.work = Work::None;
        out.err(Text::Unreadable(number));
        Ok(Next::Read)
    }

    /// The message is out.
    pub fn body_sent(&mut self) -> Result<Next, OutOfStep> {
        match self.work {
            Work::Sending => {
                self.work = Work::None;
                Ok(Next::Read)
            }
            _ => Err(OutOfStep),
        }
    }

    fn delete(&mut self, number: u32, out: &mut Replies<'_>) {
        match self.maildrop.delete(number) {
            Found::Message(_) => out.ok(Text::Deleted(number)),
            missing => self.tell_missing(missing, number, out),
        }
    }

    fn open(&mut self, number: u32, body_lines: Option<u32>, out: &mut Replies<'_>) -> Next {
        match self.maildrop.find(number) {
            Found::Message(Entry { uid, octets }) => {
                self.work = Work::Opening { number, octets, body_lines };
                Next::Open { uid }
            }
            missing => {
                self.tell_missing(missing, number, out);
                Next::Read
            }
        }
    }

    fn list_one(&self, column: Column, number: u32, out: &mut Replies<'_>) {
        match (self.maildrop.find(number), column) {
            (Found::Message(entry), Column::Octets) => {
                out.ok_with(format_args!("{number} {}", entry.octets));
            }
            (Found::Message(entry), Column::UniqueId) => {
                out.ok_with(format_args!("{number} {}", self.maildrop.uidl(entry)));
            }
            (missing, _) => self.tell_missing(missing, number, out),
        }
    }

    fn begin_listing(&mut self, column: Column, out: &mut Replies<'_>) -> Next {
        out.ok(self.maildrop.holds());
        self.list_from(column, 1, out)
    }

    /// Appends lines until all are told or until so much waits for the peer that it must go out first,
    /// which keeps memory flat whatever the maildrop's size (S-239).
    fn list_from(&mut self, column: Column, first: u32, out: &mut Replies<'_>) -> Next {
        for number in first..=self.maildrop.last_number() {
            if number > first && out.waiting_octets() >= limits::OUTPUT_OCTETS {
                self.work = Work::Listing { column, number };
                return Next::Flush;
            }
            let Found::Message(entry) = self.maildrop.find(number) else {
                continue;
            };
            match column {
                Column::Octets => out.line(format_args!("{number} {}", entry.octets)),
                Column::UniqueId => out.line(format_args!("{number} {}", self.maildrop.uidl(entry))),
            }
        }
        self.work = Work::None;
        out.end();
        Next::Read
    }

    fn tell_missing(&self, found: Found, number: u32, out: &mut Replies<'_>) {
        let highest = self.maildrop.last_number();
        out.err(match found {
            Found::Deleted => Text::IsDeleted(number),
            _ => Text::NoMessage { number, highest },
        });
    }
}
