//! What a server answers, taken apart. RFC 4511 §4.1.1, §4.5.2.

use super::outcome::Outcome;
use crate::wire::ber::{BerError, Reader, Tag};

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its DN.
    pub name: String,
    /// Its attributes as they were sent, looked through already.
    attributes: Vec<u8>,
}

/// A message of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The question it answers; 0 for none.
    pub id: i64,
    pub said: Said,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Bound(Outcome),
    Entry(Entry),
    Reference,
    Searched(Outcome),
    Extended(Outcome),
}

impl Entry {
    /// The first value of an attribute, whatever options it has; none if it has none.
    pub fn value(&self, attribute: &str) -> Option<&[u8]> {
        let mut reader = Reader::new(&self.attributes);
        while let Ok((name, mut values)) = next_attribute(&mut reader) {
            let name = name.split(|octet| *octet == b';').next().unwrap_or_default();
            if name.eq_ignore_ascii_case(attribute.as_bytes()) && !values.is_empty() {
                return values.expect(Tag::OCTET_STRING).ok();
            }
        }
        None
    }
}

/// Takes a whole message apart. What follows in a sequence that we know nothing of is left alone. RFC 4511 §4.
pub(super) fn parse(octets: &[u8]) -> Result<Message, BerError> {
    let mut message = Reader::new(octets).inside(Tag::SEQUENCE)?;
    let id = message.integer(Tag::INTEGER)?;
    let tag = message.peek().ok_or(BerError::Cut)?;
    let mut inside = message.inside(tag)?;
    let said = match tag {
        BOUND => Said::Bound(outcome(&mut inside)?),
        ENTRY => Said::Entry(entry(&mut inside)?),
        REFERENCE => Said::Reference,
        SEARCHED => Said::Searched(outcome(&mut inside)?),
        EXTENDED => Said::Extended(outcome(&mut inside)?),
        _ => return Err(BerError::Unexpected),
    };
    Ok(Message { id, said })
}

fn outcome(reader: &mut Reader<'_>) -> Result<Outcome, BerError> {
    let code = reader.integer(Tag::ENUMERATED)?;
    reader.expect(Tag::OCTET_STRING)?;
    let diagnostic = reader.expect(Tag::OCTET_STRING)?;
    Ok(Outcome::new(code, diagnostic))
}

fn entry(reader: &mut Reader<'_>) -> Result<Entry, BerError> {
    let name = reader.expect(Tag::OCTET_STRING)?;
    let name = std::str::from_utf8(name).map_err(|_| BerError::BadValue)?.to_owned();
    let octets = reader.expect(Tag::SEQUENCE)?;
    let mut attributes = Reader::new(octets);
    while !attributes.is_empty() {
        let (_, mut values) = next_attribute(&mut attributes)?;
        while !values.is_empty() {
            values.expect(Tag::OCTET_STRING)?;
        }
    }
    Ok(Entry { name, attributes: octets.to_vec() })
}

fn next_attribute<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], Reader<'a>), BerError> {
    let mut attribute = reader.inside(Tag::SEQUENCE)?;
    Ok((attribute.expect(Tag::OCTET_STRING)?, attribute.inside(Tag::SET)?))
}

const BOUND: Tag = Tag::application(1, true);
const ENTRY: Tag = Tag::application(4, true);
const SEARCHED: Tag = Tag::application(5, true);
const REFERENCE: Tag = Tag::application(19, true);
const EXTENDED: Tag = Tag::application(24, true);
