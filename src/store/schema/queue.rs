//! The queue's part of the layout: rows by number, and two indexes by way that `queue` can be read without.

use std::ops::RangeInclusive;

use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use super::{NumberTable, TextTable, Wide};
use crate::clock::UnixTime;
use crate::mail::Lane;
use crate::store::queue::{QueueId, QueueState, Queued};

pub(in crate::store) const QUEUE: NumberTable = TableDefinition::new("queue");
pub(in crate::store) const QUEUE_LANES: TextTable = TableDefinition::new("queue_lanes");
pub(in crate::store) const QUEUE_DUE: TextTable = TableDefinition::new("queue_due");
pub(in crate::store) const QUEUE_WAYS: TextTable = TableDefinition::new("queue_ways");

/// The key of [`QueueNumbers`]: behind the newest row, in the same leaf.
pub(in crate::store) const NUMBERS_KEY: u64 = u64::MAX;

/// A queued recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct QueueRecord {
    pub queued: Queued,
    /// When it became [`QueueState::Dead`]; 0 until a clock that is right has been seen.
    pub died: UnixTime,
}

/// Which numbers come next: they only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct QueueNumbers {
    pub next_recipient: u64,
    pub next_lane: u32,
    /// The newest time that anything was taken, or that an administrator has said to be right.
    pub newest: UnixTime,
}

/// A way on which somebody waits; it goes with the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct LaneRecord {
    pub lane: Lane,
    pub number: u32,
    pub tally: QueueTally,
}

/// So many queued recipients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct QueueTally {
    pub waiting: u64,
    pub held: u64,
    pub dead: u64,
    /// Octets of their bodies, each counted for itself.
    pub octets: u64,
}

/// One who waits for his time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct DueEntry {
    /// Tells submitters apart: CRC-32 of the text.
    pub submitter: u32,
}

/// One who is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct WayEntry {
    pub received: UnixTime,
    pub state: QueueState,
}

impl QueueRecord {
    /// Octets of the body.
    pub fn body_octets(&self) -> u64 {
        self.queued.octets.saturating_sub(self.queued.outbound.prefix.len() as u64)
    }

    /// What it adds to the counts.
    pub fn tally(&self) -> QueueTally {
        let is = |state| u64::from(self.queued.state == state);
        QueueTally {
            waiting: is(QueueState::Waiting),
            held: is(QueueState::Held),
            dead: is(QueueState::Dead),
            octets: self.body_octets(),
        }
    }

    /// What `queue_ways` has of it.
    pub fn way_entry(&self) -> WayEntry {
        WayEntry { received: self.queued.received, state: self.queued.state }
    }

    /// What `queue_due` has of it.
    pub fn due_entry(&self) -> DueEntry {
        DueEntry { submitter: submitter_mark(&self.queued.outbound.submitter) }
    }

    /// Its key in `queue_due` on the way of that number; none if it doesn't wait for its time.
    pub fn due_key(&self, lane: u32) -> Option<Wide> {
        let is_waiting = self.queued.state == QueueState::Waiting;
        is_waiting.then(|| due_key(lane, self.queued.next, self.queued.id))
    }
}

impl QueueTally {
    /// So many more.
    pub fn add(&mut self, other: QueueTally) {
        self.waiting = self.waiting.saturating_add(other.waiting);
        self.held = self.held.saturating_add(other.held);
        self.dead = self.dead.saturating_add(other.dead);
        self.octets = self.octets.saturating_add(other.octets);
    }

    /// So many less.
    pub fn take(&mut self, other: QueueTally) {
        self.waiting = self.waiting.saturating_sub(other.waiting);
        self.held = self.held.saturating_sub(other.held);
        self.dead = self.dead.saturating_sub(other.dead);
        self.octets = self.octets.saturating_sub(other.octets);
    }

    /// Recipients of whatever state.
    pub fn recipients(&self) -> u64 {
        self.waiting.saturating_add(self.held).saturating_add(self.dead)
    }
}

impl QueueNumbers {
    /// Those of an empty queue.
    pub fn first() -> QueueNumbers {
        QueueNumbers { next_recipient: 1, next_lane: 1, newest: UnixTime(0) }
    }
}

/// What tells a submitter from others.
pub(in crate::store) fn submitter_mark(submitter: &str) -> u32 {
    crc32fast::hash(submitter.as_bytes())
}

const TIME_BITS: u32 = 48;
const NUMBER_BITS: u32 = 48;

/// The key of one who waits for a time; a time beyond nine million years is that.
pub(in crate::store) fn due_key(lane: u32, at: UnixTime, id: QueueId) -> Wide {
    let at = at.0.min((1 << TIME_BITS) - 1);
    Wide::of(u128::from(lane) << (TIME_BITS + NUMBER_BITS) | u128::from(at) << NUMBER_BITS | u128::from(id.0))
}

/// Time and number in such a key.
pub(in crate::store) fn split_due_key(key: Wide) -> (UnixTime, QueueId) {
    let key = key.number();
    let low = |bits: u128, count: u32| (bits & ((1 << count) - 1)) as u64;
    (UnixTime(low(key >> NUMBER_BITS, TIME_BITS)), QueueId(low(key, NUMBER_BITS)))
}

/// The keys of those on a way who wait for a time between two, both among them.
pub(in crate::store) fn due_range(lane: u32, from: UnixTime, to: UnixTime) -> RangeInclusive<Wide> {
    due_key(lane, from, QueueId(0))..=due_key(lane, to, QueueId((1 << NUMBER_BITS) - 1))
}

/// The key of one on a way.
pub(in crate::store) fn way_key(lane: u32, id: QueueId) -> Wide {
    Wide::of(u128::from(lane) << 64 | u128::from(id.0))
}

/// The number in such a key.
pub(in crate::store) fn split_way_key(key: Wide) -> QueueId {
    QueueId(key.number() as u64)
}

/// The keys of those on a way from a number on.
pub(in crate::store) fn way_range(lane: u32, from: QueueId) -> RangeInclusive<Wide> {
    way_key(lane, from)..=way_key(lane, QueueId(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_a_way_stand_by_time_and_number_apart_from_other_ways() {
        let far = UnixTime(u64::MAX);
        let keys = [
            due_key(1, UnixTime(0), QueueId(9)),
            due_key(1, UnixTime(5), QueueId(1)),
            due_key(1, UnixTime(5), QueueId(2)),
            due_key(1, UnixTime(4_294_967_296), QueueId(1)),
            due_key(1, far, QueueId(1)),
            due_key(2, UnixTime(0), QueueId(0)),
            due_key(u32::MAX, far, QueueId(0)),
        ];
        assert!(keys.is_sorted());
        assert_eq!(split_due_key(keys[2]), (UnixTime(5), QueueId(2)));
        assert_eq!(split_due_key(keys[3]), (UnixTime(4_294_967_296), QueueId(1)));
        let until = due_range(1, UnixTime(0), UnixTime(5));
        assert_eq!(keys.map(|key| until.contains(&key)), [true, true, true, false, false, false, false]);
        let all = due_range(1, UnixTime(6), far);
        assert_eq!(keys.map(|key| all.contains(&key)), [false, false, false, true, true, false, false]);
    }

    #[test]
    fn a_way_ends_before_the_next() {
        let range = way_range(7, QueueId(3));
        for (key, is_inside) in [
            (way_key(7, QueueId(2)), false),
            (way_key(7, QueueId(3)), true),
            (way_key(7, QueueId(u64::MAX)), true),
            (way_key(8, QueueId(0)), false),
            (way_key(6, QueueId(9)), false),
        ] {
            assert_eq!(range.contains(&key), is_inside);
        }
        assert_eq!(split_way_key(way_key(u32::MAX, QueueId(5))), QueueId(5));
    }
}
