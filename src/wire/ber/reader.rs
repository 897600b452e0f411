//! Reads foreign octets: never past their end, never deeper than it is told, nothing copied.

use std::fmt;

use super::{NUMBER, Tag};
use crate::limits;

/// How strict the reader is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rules {
    /// A length may have more octets than it needs, and anything but zero is true: Active Directory writes every length
    /// with four.
    #[default]
    Ber,
    /// One form for each value. X.690 §10, §11.
    Der,
}

/// Reads the elements of one level, one after the other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    rules: Rules,
    depth: usize,
}

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is.
    pub tag: Tag,
    /// What it holds.
    pub content: &'a [u8],
    /// All of it, as it was sent.
    pub octets: &'a [u8],
}

/// What is wrong with the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BerError {
    /// They end in the middle of an element.
    Cut,
    /// A length has more than four octets, or says more than may be.
    TooLong,
    /// A length that says nothing, which the sender may not write here.
    Indefinite,
    /// A length with more octets than it needs, or a value in another form than its only one.
    NotStrict,
    /// A tag with a number of several octets.
    LongTag,
    /// Elements in elements, too many of them.
    TooDeep,
    /// Another element than the one that should stand here.
    Unexpected,
    /// A number, or a boolean, that can't be one.
    BadValue,
    /// Octets behind the last element.
    Behind,
}

impl<'a> Reader<'a> {
    /// Reads by the rules of BER.
    pub fn new(octets: &'a [u8]) -> Reader<'a> {
        Reader { rest: octets, rules: Rules::Ber, depth: 0 }
    }

    /// Reads by the rules of DER.
    pub fn der(octets: &'a [u8]) -> Reader<'a> {
        Reader { rest: octets, rules: Rules::Der, depth: 0 }
    }

    /// Whether every element was taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag; none at the end.
    pub fn peek(&self) -> Option<Tag> {
        self.rest.first().copied().map(Tag)
    }

    /// The next element, whatever it is. Errs if there is none, or it is broken.
    pub fn take(&mut self) -> Result<Element<'a>, BerError> {
        let Head { tag, head, content } = head(self.rest, self.rules)?;
        let whole = head.checked_add(content).ok_or(BerError::TooLong)?;
        if whole > self.rest.len() {
            return Err(BerError::Cut);
        }
        let (octets, rest) = self.rest.split_at(whole);
        self.rest = rest;
        Ok(Element { tag, content: &octets[head..], octets })
    }

    /// What the next element holds, which must have that tag.
    pub fn expect(&mut self, tag: Tag) -> Result<&'a [u8], BerError> {
        match self.peek() {
            None => Err(BerError::Cut),
            Some(next) if next != tag => Err(BerError::Unexpected),
            Some(_) => Ok(self.take()?.content),
        }
    }

    /// What the next element holds if it has that tag; else nothing is taken.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, BerError> {
        if self.peek() == Some(tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// Reads what the next element is made of, which must have that tag. Errs also below too many levels.
    pub fn inside(&mut self, tag: Tag) -> Result<Reader<'a>, BerError> {
        let depth = self.depth + 1;
        if depth > limits::BER_DEPTH {
            return Err(BerError::TooDeep);
        }
        Ok(Reader { rest: self.expect(tag)?, rules: self.rules, depth })
    }

    /// Reads what the next element is made of if it has that tag; else nothing is taken.
    pub fn optional_inside(&mut self, tag: Tag) -> Result<Option<Reader<'a>>, BerError> {
        if self.peek() == Some(tag) { self.inside(tag).map(Some) } else { Ok(None) }
    }

    /// A whole number of that tag, such as [`Tag::INTEGER`]; errs if 64 bits don't hold it.
    pub fn integer(&mut self, tag: Tag) -> Result<i64, BerError> {
        let octets = self.expect(tag)?;
        let first = *octets.first().ok_or(BerError::BadValue)?;
        let is_wasteful = matches!(octets, [0, next, ..] if next & 0x80 == 0)
            || matches!(octets, [0xFF, next, ..] if next & 0x80 != 0);
        if is_wasteful && self.rules == Rules::Der {
            return Err(BerError::NotStrict);
        }
        if octets.len() > 8 {
            return Err(BerError::BadValue);
        }
        let sign = if first & 0x80 == 0 { 0 } else { -1 };
        Ok(octets.iter().fold(sign, |number, octet| (number << 8) | i64::from(*octet)))
    }

    /// Yes or no, of that tag.
    pub fn boolean(&mut self, tag: Tag) -> Result<bool, BerError> {
        match (self.expect(tag)?, self.rules) {
            ([0], _) => Ok(false),
            ([0xFF], _) | ([_], Rules::Ber) => Ok(true),
            ([_], Rules::Der) => Err(BerError::NotStrict),
            _ => Err(BerError::BadValue),
        }
    }

    /// Errs unless every element was taken.
    pub fn end(&self) -> Result<(), BerError> {
        if self.is_empty() { Ok(()) } else { Err(BerError::Behind) }
    }
}

/// How many octets the first element of a stream has, if all of them are there; none if more must come. Errs as soon
/// as its head is broken, or says more than `most` octets, so that nobody waits for what he won't take.
pub fn frame(octets: &[u8], most: usize) -> Result<Option<usize>, BerError> {
    let Head { head, content, .. } = match head(octets, Rules::Ber) {
        Err(BerError::Cut) => return Ok(None),
        head => head?,
    };
    let whole = head.checked_add(content).filter(|whole| *whole <= most).ok_or(BerError::TooLong)?;
    Ok((whole <= octets.len()).then_some(whole))
}

/// What stands before the content, and how long either is.
struct Head {
    tag: Tag,
    head: usize,
    content: usize,
}

fn head(octets: &[u8], rules: Rules) -> Result<Head, BerError> {
    let [tag, rest @ ..] = octets else { return Err(BerError::Cut) };
    if tag & NUMBER == NUMBER {
        return Err(BerError::LongTag);
    }
    let [first, rest @ ..] = rest else { return Err(BerError::Cut) };
    let count = usize::from(first & 0x7F);
    if first & 0x80 == 0 {
        return Ok(Head { tag: Tag(*tag), head: 2, content: count });
    }
    match count {
        0 => return Err(BerError::Indefinite),
        1..=4 => {}
        _ => return Err(BerError::TooLong),
    }
    let length = rest.get(..count).ok_or(BerError::Cut)?;
    let content = length.iter().fold(0_u64, |length, octet| (length << 8) | u64::from(*octet));
    if rules == Rules::Der && (length[0] == 0 || content < 0x80) {
        return Err(BerError::NotStrict);
    }
    let content = usize::try_from(content).map_err(|_| BerError::TooLong)?;
    Ok(Head { tag: Tag(*tag), head: 2 + count, content })
}

impl fmt::Display for BerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            BerError::Cut => "it ends in the middle of an element",
            BerError::TooLong => "an element is too long",
            BerError::Indefinite => "an element has no definite length",
            BerError::NotStrict => "an element is not in its strict form",
            BerError::LongTag => "a tag has several octets",
            BerError::TooDeep => "elements are too deep in one another",
            BerError::Unexpected => "an element is not the one that should stand there",
            BerError::BadValue => "a value is none of its kind",
            BerError::Behind => "octets stand behind the last element",
        })
    }
}
