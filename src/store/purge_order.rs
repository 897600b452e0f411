//! What was removed first: the order in which it is purged.

use std::collections::{BTreeMap, BinaryHeap};

use redb::{ReadTransaction, ReadableTable};

use super::engine::Fault;
use super::schema::{self, GONE, GoneRecord, REMOVED, Tombstone};
use crate::clock::UnixTime;
use crate::mail::MailboxId;

/// Something removed, as old as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked {
    age: Age,
    pub grave: Grave,
}

/// What stands for it. Messages come before the mailbox that they were removed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grave {
    /// Messages, by their key in `removed`.
    Messages(u64),
    /// A mailbox.
    Mailbox(MailboxId),
}

/// When it was removed, less one second: an unknown time comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Age(u64);

/// What may be purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// What was removed before that moment.
    Before(UnixTime),
    /// Everything.
    All,
}

/// The oldest of what was removed.
#[derive(Debug)]
pub(super) struct Queue {
    /// Oldest first.
    pub oldest: Vec<Ranked>,
    /// How many there are in all.
    pub count: usize,
}

impl Reach {
    pub(super) fn includes(self, ranked: Ranked) -> bool {
        match self {
            Reach::All => true,
            Reach::Before(moment) => ranked.age < Age::of(moment),
        }
    }
}

impl Age {
    fn of(at: UnixTime) -> Age {
        Age(at.0.wrapping_sub(1))
    }
}

/// Finds the oldest, at most so many, in one walk: each removal leaves a record, so there may be many thousands.
pub(super) fn queue(transaction: &ReadTransaction, most: usize) -> Result<Queue, Fault> {
    let mut oldest = BinaryHeap::new();
    let mut count = 0;
    let mut offer = |age, grave| {
        count += 1;
        oldest.push(Ranked { age, grave });
        if oldest.len() > most {
            oldest.pop();
        }
    };
    let mut mailboxes = BTreeMap::new();
    for entry in transaction.open_table(GONE)?.iter()? {
        let (key, stored) = entry?;
        let record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        mailboxes.insert(record.mailbox.id.0, Age::of(record.at));
        offer(Age::of(record.at), Grave::Mailbox(record.mailbox.id));
    }
    for entry in transaction.open_table(REMOVED)?.iter()? {
        let (key, stored) = entry?;
        let tombstone: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
        // What was removed from a removed mailbox never outlives it, whatever the clock said.
        let age = Age::of(tombstone.at);
        let of_mailbox = mailboxes.get(&schema::key_mailbox(key.value()).0).copied();
        offer(of_mailbox.map_or(age, |of_mailbox| age.min(of_mailbox)), Grave::Messages(key.value()));
    }
    Ok(Queue { oldest: oldest.into_sorted_vec(), count })
}
