//! The session's snapshot of a maildrop: numbers, sizes and marks stay while mail arrives (P5). RFC 1939 §5.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::language::Text;
use crate::mail::{MailboxMark, Uid};

/// A message of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the mailbox, for ever.
    pub uid: Uid,
    /// Octets that RETR sends, before dot-stuffing.
    pub octets: u32,
}

/// The snapshot with its marks.
#[derive(Debug)]
pub struct Maildrop {
    mark: MailboxMark,
    entries: Vec<Entry>,
    /// One bit a message, set by DELE; empty until the first, because most sessions delete nothing.
    deleted: Vec<u64>,
    deleted_messages: u32,
    octets_left: u64,
}

/// What there is under a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A message.
    Message(Entry),
    /// A message that DELE has marked.
    Deleted,
    /// Nothing.
    Nothing,
}

/// A message's unique id: 22 characters of base64url, a dot, its uid in hexadecimal; 31 at most, the same
/// for ever and never another message's (S-229). RFC 1939 §7.
#[derive(Debug, Clone, Copy)]
pub struct Uidl {
    mark: MailboxMark,
    uid: Uid,
}

impl Maildrop {
    /// Takes the messages in the order of their uids.
    pub fn new(mark: MailboxMark, entries: Vec<Entry>) -> Maildrop {
        let octets_left = octets_of(&entries);
        Maildrop { mark, entries, deleted: Vec::new(), deleted_messages: 0, octets_left }
    }

    /// The highest number; deleted messages keep theirs.
    pub fn last_number(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// How many messages are not deleted.
    pub fn messages_left(&self) -> u32 {
        self.last_number().saturating_sub(self.deleted_messages)
    }

    /// How many octets they have.
    pub fn octets_left(&self) -> u64 {
        self.octets_left
    }

    /// What is left, as replies tell it.
    pub fn holds(&self) -> Text<'static> {
        Text::Holds { messages: self.messages_left(), octets: self.octets_left }
    }

    /// The message of that number, counted from 1.
    pub fn find(&self, number: u32) -> Found {
        let Some(index) = index_of(number) else {
            return Found::Nothing;
        };
        match self.entries.get(index) {
            None => Found::Nothing,
            Some(_) if self.is_deleted(index) => Found::Deleted,
            Some(&entry) => Found::Message(entry),
        }
    }

    /// The messages behind that one, in their order, without those that are deleted.
    pub fn following(&self, uid: Uid) -> impl Iterator<Item = Uid> {
        let next = self.entries.partition_point(|entry| entry.uid <= uid);
        let entries = self.entries.iter().enumerate().skip(next);
        entries.filter(|(index, _)| !self.is_deleted(*index)).map(|(_, entry)| entry.uid)
    }

    /// Marks that message, and gives what it found; unless that is a message nothing changes.
    pub fn delete(&mut self, number: u32) -> Found {
        let found = self.find(number);
        if let (Found::Message(entry), Some(index)) = (found, index_of(number)) {
            if self.deleted.is_empty() {
                self.deleted = vec![0; self.entries.len().div_ceil(64)];
            }
            if let Some(word) = self.deleted.get_mut(index / 64) {
                *word |= 1 << (index % 64);
                self.deleted_messages += 1;
                self.octets_left = self.octets_left.saturating_sub(u64::from(entry.octets));
            }
        }
        found
    }

    /// Takes every mark away.
    pub fn reset(&mut self) {
        self.deleted = Vec::new();
        self.deleted_messages = 0;
        self.octets_left = octets_of(&self.entries);
    }

    /// The messages that are marked, in their order.
    pub fn deleted_uids(&self) -> Vec<Uid> {
        if self.deleted_messages == 0 {
            return Vec::new();
        }
        let is_deleted = |(index, entry): (usize, &Entry)| self.is_deleted(index).then_some(entry.uid);
        self.entries.iter().enumerate().filter_map(is_deleted).collect()
    }

    /// The unique id of a message of this maildrop.
    pub fn uidl(&self, entry: Entry) -> Uidl {
        Uidl { mark: self.mark, uid: entry.uid }
    }

    fn is_deleted(&self, index: usize) -> bool {
        self.deleted.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

impl fmt::Display for Uidl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; 24];
        let mark = Base64UrlUnpadded::encode(&self.mark.0, &mut buffer).map_err(|_| fmt::Error)?;
        write!(out, "{mark}.{:x}", self.uid.0)
    }
}

fn octets_of(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| u64::from(entry.octets)).sum()
}

fn index_of(number: u32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildrop(messages: u32) -> Maildrop {
        let entry = |number| Entry { uid: Uid(number * 3), octets: number * 10 };
        Maildrop::new(MailboxMark([7; 16]), (1..=messages).map(entry).collect())
    }

    #[test]
    fn marks_are_counted_as_they_come_and_go_s_232() {
        for messages in [1, 63, 64, 65, 200] {
            let mut drop = maildrop(messages);
            let octets = drop.octets_left();
            assert_eq!(
                drop.delete(messages),
                Found::Message(Entry { uid: Uid(messages * 3), octets: messages * 10 })
            );
            assert_eq!(drop.find(messages), Found::Deleted);
            assert_eq!(drop.delete(messages), Found::Deleted);
            assert_eq!(
                (drop.messages_left(), drop.octets_left()),
                (messages - 1, octets - u64::from(messages) * 10)
            );
            assert_eq!((drop.last_number(), drop.deleted_uids()), (messages, vec![Uid(messages * 3)]));
            drop.reset();
            assert_eq!((drop.messages_left(), drop.octets_left()), (messages, octets));
            assert_eq!(drop.deleted_uids(), []);
            assert!(matches!(drop.find(messages), Found::Message(_)));
        }
    }

    #[test]
    fn numbers_that_are_none_find_nothing_and_change_nothing() {
        let mut drop = maildrop(3);
        for number in [0, 4, 64, 65, u32::MAX] {
            assert_eq!(drop.find(number), Found::Nothing);
            assert_eq!(drop.delete(number), Found::Nothing);
        }
        assert_eq!((drop.messages_left(), drop.octets_left()), (3, 60));
        let mut empty = maildrop(0);
        assert_eq!((empty.delete(1), empty.messages_left(), empty.last_number()), (Found::Nothing, 0, 0));
    }

    #[test]
    fn sizes_add_up_beyond_32_bits() {
        let entries = vec![Entry { uid: Uid(1), octets: u32::MAX }, Entry { uid: Uid(2), octets: u32::MAX }];
        assert_eq!(Maildrop::new(MailboxMark([0; 16]), entries).octets_left(), 2 * u64::from(u32::MAX));
    }

    #[test]
    fn a_unique_id_is_made_of_mark_and_uid_alone_s_229_s_230() {
        let text = |mark: [u8; 16], uid| {
            let entry = Entry { uid: Uid(uid), octets: 0 };
            Maildrop::new(MailboxMark(mark), vec![entry]).uidl(entry).to_string()
        };
        assert_eq!(text([0; 16], 0), "AAAAAAAAAAAAAAAAAAAAAA.0");
        assert_eq!(text([0xFF; 16], u32::MAX), "_____________________w.ffffffff");
        assert_eq!(text([7; 16], 0x10), "BwcHBwcHBwcHBwcHBwcHBw.10");
        assert_ne!(text([7; 16], 1), text([7; 16], 0x11));
        let mut random = fastrand::Rng::with_seed(229);
        for _ in 0..1000 {
            let text = text(random.u128(..).to_be_bytes(), random.u32(..));
            assert!(
                (1..=70).contains(&text.len()) && text.bytes().all(|octet| (0x21..=0x7E).contains(&octet))
            );
        }
    }

    #[test]
    fn a_message_costs_eight_octets_and_a_bit() {
        assert_eq!(size_of::<Entry>(), 8);
        let mut drop = maildrop(1000);
        assert_eq!(drop.deleted.capacity(), 0);
        drop.delete(1);
        assert_eq!(drop.deleted.capacity() * 64, 1024);
    }
}
