//! Writes elements in their one strict form, which every reader takes.

use super::Tag;

/// Writes elements one behind the other.
#[derive(Default)]
pub struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    /// Has room for so many octets: what holds a secret must not grow, which would leave copies behind.
    pub fn with_capacity(octets: usize) -> Writer {
        Writer { octets: Vec::with_capacity(octets) }
    }

    /// An element with that content.
    pub fn element(&mut self, tag: Tag, content: &[u8]) {
        self.inside(tag, |writer| writer.octets.extend_from_slice(content));
    }

    /// An element that is made of what `write` writes.
    pub fn inside(&mut self, tag: Tag, write: impl FnOnce(&mut Writer)) {
        self.octets.push(tag.0);
        let begin = self.octets.len();
        write(self);
        let (length, count) = length(self.octets.len() - begin);
        self.octets.splice(begin..begin, length.into_iter().take(count));
    }

    /// A whole number.
    pub fn integer(&mut self, tag: Tag, number: i64) {
        let octets = number.to_be_bytes();
        let is_spare = |at: &usize| match octets[*at] {
            0 => octets[*at + 1] & 0x80 == 0,
            0xFF => octets[*at + 1] & 0x80 != 0,
            _ => false,
        };
        let spare = (0..octets.len() - 1).take_while(is_spare).count();
        self.element(tag, &octets[spare..]);
    }

    /// Yes or no.
    pub fn boolean(&mut self, tag: Tag, is_true: bool) {
        self.element(tag, if is_true { &[0xFF] } else { &[0] });
    }

    /// Elements that were written already.
    pub fn written(&mut self, elements: &[u8]) {
        self.octets.extend_from_slice(elements);
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.octets
    }
}

/// A length's octets, and how many of them count.
fn length(length: usize) -> ([u8; 9], usize) {
    let mut octets = [0; 9];
    if length < 0x80 {
        octets[0] = length as u8;
        return (octets, 1);
    }
    let all = (length as u64).to_be_bytes();
    let spare = all.iter().take_while(|octet| **octet == 0).count();
    let count = all.len() - spare;
    octets[0] = 0x80 | count as u8;
    octets[1..=count].copy_from_slice(&all[spare..]);
    (octets, count + 1)
}
