//! The session's snapshot of a maildrop: numbers, sizes and marks stay while mail arrives (P5). RFC 1939 §5.

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
    #[allow(dead_code)]
    mark: MailboxMark,
    #[allow(dead_code)]
    entries: Vec<Entry>,
}

impl Maildrop {
    /// Takes the messages in the order of their uids.
    pub fn new(mark: MailboxMark, entries: Vec<Entry>) -> Maildrop {
        Maildrop { mark, entries }
    }
}
