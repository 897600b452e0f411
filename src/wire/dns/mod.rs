//! Messages of the name system: a question out, an answer in, as much of them as finding mail servers needs. RFC 1035 §4.
//!
//! ```text
//! Question::octets -->  name server  --> answer
//!                                          |-> Stray: not to this question, somebody else's or a lie: wait on
//!                                          '-> Answer: what the server says, aliases followed as far as it follows them
//! ```
//!
//! An answer is read to its end or to its first octet that can't be, and what stood before counts: a name server that
//! cuts an answer says so. Pointers lead backwards only, so no name is read twice.

mod name;
mod reader;

pub use name::Name;

use std::net::IpAddr;

use crate::limits;
use reader::Reader;

/// What is asked about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Its addresses of IPv4.
    A,
    /// Its name servers; asked of the root it tells whether a name server serves at all.
    Ns,
    /// Its mail exchangers.
    Mx,
    /// Its addresses of IPv6.
    Aaaa,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// A number that nobody can guess, by which the answer is known.
    pub id: u16,
    /// About which name.
    pub name: Name,
    /// What.
    pub kind: Kind,
}

/// What a name server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub outcome: Outcome,
    /// Whether more would have been said over TCP.
    pub is_cut: bool,
    /// The name that the aliases lead to; the one that was asked for, if there are none.
    pub name: Name,
    /// What was asked for about that name, at most [`limits::DNS_RECORDS`], in the order of the answer.
    pub records: Vec<Record>,
}

/// How a question went. RFC 1035 §4.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, be it that there is nothing of the kind.
    Answered,
    /// There is no such name; of aliases the last is meant. RFC 6604 §3.
    NoSuchName,
    /// The name server can't: its own number for the reason.
    Failed(u8),
}

/// What an answer has about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A server that takes the name's mail; the lowest preference comes first.
    Exchanger {
        /// Where it stands among the others.
        preference: u16,
        /// Its name; the root's if there is none.
        host: Name,
    },
    /// Anything else.
    Other,
}

/// Why octets are no answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// They are about another question, or no answer at all: the right one may still come. RFC 5452 §9.1.
    Stray,
    /// They answer the question, and can't be read, or lead in circles.
    Garbled,
}

impl Question {
    /// The question as a datagram has it. RFC 1035 §4.1.1, §4.1.2.
    pub fn octets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_OCTETS + limits::DOMAIN_OCTETS + 4);
        for number in [self.id, RECURSION_DESIRED, 1, 0, 0, 0] {
            out.extend(number.to_be_bytes());
        }
        self.name.write(&mut out);
        out.extend(self.kind.number().to_be_bytes());
        out.extend(INTERNET.to_be_bytes());
        out
    }

    /// Reads what came as the answer to this question. Errs if it is none, or can't be read.
    pub fn answer(&self, octets: &[u8]) -> Result<Answer, NoAnswer> {
        let mut reader = Reader::new(octets);
        let mut header = [0; HEADER_OCTETS / 2];
        for number in &mut header {
            *number = reader.number().ok_or(NoAnswer::Stray)?;
        }
        let [id, flags, questions, answers, ..] = header;
        if id != self.id || flags & IS_RESPONSE == 0 || flags & OPERATION != 0 {
            return Err(NoAnswer::Stray);
        }
        let outcome = match flags & OUTCOME {
            0 => Outcome::Answered,
            3 => Outcome::NoSuchName,
            number => Outcome::Failed(number as u8),
        };
        let mut answer =
            Answer { outcome, is_cut: flags & IS_CUT != 0, name: self.name.clone(), records: Vec::new() };
        match (questions, outcome) {
            (1, _) if self.is_repeated(&mut reader) => {}
            // Who can't read a question can't repeat it.
            (0, Outcome::Failed(_)) => return Ok(answer),
            _ => return Err(NoAnswer::Stray),
        }
        if !matches!(outcome, Outcome::Failed(_)) {
            let (found, is_whole) = gather(&mut reader, answers, self.kind);
            if !is_whole && !answer.is_cut {
                return Err(NoAnswer::Garbled);
            }
            answer.follow(found)?;
        }
        Ok(answer)
    }

    fn is_repeated(&self, reader: &mut Reader<'_>) -> bool {
        reader.name().as_ref() == Some(&self.name)
            && reader.number() == Some(self.kind.number())
            && reader.number() == Some(INTERNET)
    }
}

impl Answer {
    /// Takes what is about the name at the end of the aliases. RFC 1034 §3.6.2.
    fn follow(&mut self, found: Vec<(Name, Found)>) -> Result<(), NoAnswer> {
        let mut steps = 0;
        while let Some(target) = found.iter().find_map(|(owner, found)| match found {
            Found::Alias(target) if *owner == self.name => Some(target),
            _ => None,
        }) {
            steps += 1;
            if steps > limits::DNS_ALIASES {
                return Err(NoAnswer::Garbled);
            }
            self.name = target.clone();
        }
        let about = found.into_iter().filter(|(owner, _)| *owner == self.name);
        self.records = about
            .filter_map(|(_, found)| match found {
                Found::Record(record) => Some(record),
                Found::Alias(_) => None,
            })
            .collect();
        Ok(())
    }
}

enum Found {
    Alias(Name),
    Record(Record),
}

/// The records of the kind and the aliases, and whether all could be read.
fn gather(reader: &mut Reader<'_>, count: u16, kind: Kind) -> (Vec<(Name, Found)>, bool) {
    let mut found = Vec::new();
    for _ in 0..count {
        match record(reader, kind) {
            Some(Some(one)) if found.len() < limits::DNS_RECORDS => found.push(one),
            Some(_) => {}
            None => return (found, false),
        }
    }
    (found, true)
}

/// The next record with its owner; within, none if it is of no interest. RFC 1035 §3.2.1.
fn record(reader: &mut Reader<'_>, wanted: Kind) -> Option<Option<(Name, Found)>> {
    let owner = reader.name()?;
    let (kind, class) = (reader.number()?, reader.number()?);
    // How long it may be kept: our own cache is shorter than any.
    reader.take(4)?;
    let length = reader.number()?;
    let mut inside = reader.inside(usize::from(length))?;
    if class != INTERNET {
        return Some(None);
    }
    let found = if kind == ALIAS {
        Found::Alias(inside.name()?)
    } else if kind == wanted.number() {
        Found::Record(content(&mut inside, wanted)?)
    } else {
        return Some(None);
    };
    inside.is_done().then_some(Some((owner, found)))
}

fn content(inside: &mut Reader<'_>, kind: Kind) -> Option<Record> {
    Some(match kind {
        Kind::A => Record::Address(<[u8; 4]>::try_from(inside.take(4)?).ok()?.into()),
        Kind::Aaaa => Record::Address(<[u8; 16]>::try_from(inside.take(16)?).ok()?.into()),
        Kind::Mx => Record::Exchanger { preference: inside.number()?, host: inside.name()? },
        Kind::Ns => {
            inside.name()?;
            Record::Other
        }
    })
}

impl Kind {
    /// Its number. RFC 1035 §3.2.2; AAAA RFC 3596 §2.1.
    const fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Ns => 2,
            Kind::Mx => 15,
            Kind::Aaaa => 28,
        }
    }
}

const HEADER_OCTETS: usize = 12;
/// CNAME. RFC 1035 §3.2.2.
const ALIAS: u16 = 5;
/// IN. RFC 1035 §3.2.4.
const INTERNET: u16 = 1;
/// The bits of the header's second number. RFC 1035 §4.1.1.
const IS_RESPONSE: u16 = 0x8000;
const OPERATION: u16 = 0x7800;
const IS_CUT: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const OUTCOME: u16 = 0x000F;

#[cfg(test)]
mod tests;
