//! Reads a message of the name system: never past its end, and names backwards only.

use super::Name;
use crate::limits;

/// What is left of a message, or of one record in it.
pub(super) struct Reader<'a> {
    /// From the message's beginning to the end of what may be read: pointers count from there.
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Of a whole message, from its first octet.
    pub fn new(octets: &'a [u8]) -> Reader<'a> {
        Reader { octets, at: 0 }
    }

    /// So many octets; none if there are fewer.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.octets.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    /// The next number of two octets; none if there are fewer.
    pub fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A reader of the next octets, which this one then has behind it.
    pub fn inside(&mut self, count: usize) -> Option<Reader<'a>> {
        let begin = self.at;
        self.take(count)?;
        Some(Reader { octets: self.octets.get(..self.at)?, at: begin })
    }

    /// Whether all has been read.
    pub fn is_done(&self) -> bool {
        self.at == self.octets.len()
    }

    /// A name, whose rest may stand earlier in the message. Each pointer leads to before where its part began, so the way
    /// ends; a name has at most 255 octets. RFC 1035 §2.3.4, §4.1.4.
    pub fn name(&mut self) -> Option<Name> {
        let mut labels = Vec::new();
        let (mut at, mut part_begin, mut octet_count) = (self.at, self.at, 1);
        let mut behind = None;
        loop {
            let length = usize::from(*self.octets.get(at)?);
            match length {
                0 => break,
                1..=limits::LABEL_OCTETS => {
                    octet_count += 1 + length;
                    if octet_count > limits::DOMAIN_OCTETS {
                        return None;
                    }
                    labels.push(self.octets.get(at + 1..at + 1 + length)?);
                    at += 1 + length;
                }
                POINTER.. => {
                    let target = (length - POINTER) << 8 | usize::from(*self.octets.get(at + 1)?);
                    if target >= part_begin {
                        return None;
                    }
                    behind.get_or_insert(at + 2);
                    (at, part_begin) = (target, target);
                }
                _ => return None,
            }
        }
        self.at = behind.unwrap_or(at + 1);
        Some(Name::from_labels(labels.into_iter()))
    }
}

/// The two highest bits of a length say that it is a place.
const POINTER: usize = 0xC0;
