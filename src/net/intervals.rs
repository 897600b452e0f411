//! When a mailbox was logged on to last, for those that may be logged on to only so often. RFC 2449 §6.5.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;
use crate::mail::MailboxId;

/// The last logons, as far as they matter: at most [`limits::LOGON_INTERVALS`], the oldest makes room, and who lost
/// his entry may come too early once.
#[derive(Debug, Default)]
pub struct Intervals {
    logons: Mutex<HashMap<MailboxId, Instant>>,
}

impl Intervals {
    /// How many seconds too early a logon comes now, rounded up; 0 if it may come. Changes nothing: a logon that is
    /// refused makes nobody wait longer.
    pub fn seconds_early(&self, mailbox: MailboxId, delay_seconds: u32, now: Instant) -> u32 {
        let Some(last) = self.lock().get(&mailbox).copied() else { return 0 };
        let passed = now.saturating_duration_since(last);
        let early = Duration::from_secs(delay_seconds.into()).saturating_sub(passed);
        let seconds = early.as_secs() + u64::from(early.subsec_nanos() > 0);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Remembers a logon that succeeded, if the next one has to wait for it.
    pub fn note(&self, mailbox: MailboxId, delay_seconds: u32, now: Instant) {
        let mut logons = self.lock();
        if delay_seconds == 0 {
            logons.remove(&mailbox);
            return;
        }
        if logons.len() >= limits::LOGON_INTERVALS && !logons.contains_key(&mailbox) {
            let oldest = logons.iter().min_by_key(|(_, at)| **at).map(|(mailbox, _)| *mailbox);
            oldest.and_then(|oldest| logons.remove(&oldest));
        }
        logons.insert(mailbox, now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MailboxId, Instant>> {
        self.logons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: MailboxId = MailboxId(1);

    #[test]
    fn a_logon_waits_for_the_interval_and_not_a_moment_longer_s_245() {
        let (intervals, begun) = (Intervals::default(), Instant::now());
        assert_eq!(intervals.seconds_early(ALICE, 60, begun), 0, "the first may come at once");
        intervals.note(ALICE, 60, begun);
        for (milliseconds, early) in
            [(0, 60), (1, 60), (1000, 59), (58_999, 2), (59_000, 1), (59_999, 1), (60_000, 0), (60_001, 0)]
        {
            let now = begun + Duration::from_millis(milliseconds);
            assert_eq!(intervals.seconds_early(ALICE, 60, now), early, "{milliseconds}");
        }
        assert_eq!(intervals.seconds_early(MailboxId(2), 60, begun), 0, "each mailbox waits for itself");
    }

    #[test]
    fn asking_again_and_again_makes_nobody_wait_longer_s_245() {
        let (intervals, begun) = (Intervals::default(), Instant::now());
        intervals.note(ALICE, 10, begun);
        for second in 0..10 {
            assert!(intervals.seconds_early(ALICE, 10, begun + Duration::from_secs(second)) > 0);
        }
        assert_eq!(intervals.seconds_early(ALICE, 10, begun + Duration::from_secs(10)), 0);
    }

    #[test]
    fn a_changed_rule_counts_at_once() {
        let (intervals, begun) = (Intervals::default(), Instant::now());
        intervals.note(ALICE, 600, begun);
        assert_eq!(intervals.seconds_early(ALICE, 0, begun), 0);
        assert_eq!(intervals.seconds_early(ALICE, u32::MAX, begun), u32::MAX);
        intervals.note(ALICE, 0, begun);
        assert_eq!(intervals.seconds_early(ALICE, 600, begun), 0);
    }

    #[test]
    fn the_oldest_makes_room_and_no_other_s_172() {
        let (intervals, begun) = (Intervals::default(), Instant::now());
        let most = limits::LOGON_INTERVALS as u32;
        let at = |number: u32| begun + Duration::from_millis(number.into());
        for number in 0..=most {
            intervals.note(MailboxId(number), 3600, at(number));
        }
        assert_eq!(intervals.lock().len(), limits::LOGON_INTERVALS);
        intervals.note(MailboxId(most), 3600, at(most + 1));
        assert_eq!(intervals.seconds_early(MailboxId(0), 3600, at(most)), 0);
        for kept in [1, most] {
            assert!(intervals.seconds_early(MailboxId(kept), 3600, at(most)) > 0, "{kept}");
        }
    }
}
