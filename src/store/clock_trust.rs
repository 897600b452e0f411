//! Whether the wall clock may be believed enough to remove mail by it (S-309).
//!
//! ```text
//! opened, or leapt --near what the database remembers--> believed --its time is remembered--> believed
//!                  --far ahead of it------------------> on probation --a day has passed----> believed
//! an administrator's word ---------------------------> on probation
//! ```
//!
//! What the database remembers from before this poppet was written is of a clock that stood in the past, and says nothing.
//! Only a believed time is remembered as the newest: else mail that comes on probation would end it at the next start.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::clock::{self, UnixTime};
use crate::limits;

/// How the wall clock is beside what the database remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockState {
    /// What the wall clock says.
    pub now: UnixTime,
    /// The newest time that is known to have been.
    pub newest: UnixTime,
    /// Whether the clock is older than that, so that it is wrong, or was wrong then.
    pub is_suspect: bool,
    /// Whether mail may be removed or given up by it.
    pub is_believed: bool,
    /// Whether it can be right at all: it is not older than this poppet.
    pub can_be_right: bool,
}

/// Watches the wall clock beside the monotonic one.
#[derive(Debug)]
pub(super) struct ClockTrust {
    /// The newest time that the database remembered when it was opened, or that was believed since; 0 for none.
    newest: UnixTime,
    last: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    wall: UnixTime,
    monotonic: Instant,
    /// Since when the clock has not leapt.
    since: Instant,
    /// Whether it began at a time that fits what the database remembers.
    is_plausible: bool,
}

impl ClockTrust {
    pub(super) fn new(newest: UnixTime) -> ClockTrust {
        ClockTrust { newest, last: None }
    }

    /// Looks at the clock; says whether it may be believed. A clock that is far ahead of all mail, at the start or
    /// after a leap, must run on for a day first.
    pub(super) fn observe(&mut self, wall: UnixTime, monotonic: Instant) -> bool {
        let seen = match self.last {
            Some(last) if !has_leapt(last, wall, monotonic) => Seen { wall, monotonic, ..last },
            _ => {
                let latest = self.newest.0.saturating_add(limits::CLOCK_AHEAD_DAYS * 86_400);
                // A file that knows no time yet, or only those of a clock that stood in the past, has nothing that could
                // be too old: all that came then has no date that is believed.
                let is_plausible = wall.0 <= latest || self.newest < clock::WRITTEN;
                Seen { wall, monotonic, since: monotonic, is_plausible }
            }
        };
        self.last = Some(seen);
        let is_believed =
            seen.is_plausible || monotonic.saturating_duration_since(seen.since) >= limits::CLOCK_PROBATION;
        if is_believed {
            self.newest = self.newest.max(wall);
        }
        is_believed
    }

    /// The newest time that was believed, or that the database remembered when it was opened; 0 for none.
    pub(super) fn newest(&self) -> UnixTime {
        self.newest
    }

    /// An administrator says that `wall` is right. Who errs has a day to see it before anything goes by that time.
    pub(super) fn begin_anew(&mut self, wall: UnixTime, monotonic: Instant) {
        let seen = Seen { wall, monotonic, since: monotonic, is_plausible: false };
        *self = ClockTrust { newest: wall, last: Some(seen) };
    }
}

fn has_leapt(last: Seen, wall: UnixTime, monotonic: Instant) -> bool {
    let passed = monotonic.saturating_duration_since(last.monotonic).as_secs();
    (last.wall.0.saturating_add(passed)).abs_diff(wall.0) > limits::CLOCK_LEAP.as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 86_400;
    const NEWEST: u64 = 1_800_000_000;

    fn watch(steps: &[(u64, u64)]) -> Vec<bool> {
        let begun = Instant::now();
        let mut clock_trust = ClockTrust::new(UnixTime(NEWEST));
        let look = |(wall, after): &(u64, u64)| {
            clock_trust.observe(UnixTime(*wall), begun + Duration::from_secs(*after))
        };
        steps.iter().map(look).collect()
    }

    #[test]
    fn a_clock_near_the_newest_mail_is_believed_at_once() {
        let edge = NEWEST + limits::CLOCK_AHEAD_DAYS * DAY;
        assert_eq!(watch(&[(NEWEST, 0)]), [true]);
        assert_eq!(watch(&[(edge, 0)]), [true]);
        assert_eq!(watch(&[(edge + 1, 0)]), [false]);
    }

    #[test]
    fn a_clock_that_leaps_ten_years_and_back_removes_nothing_s_309() {
        let later = NEWEST + 3650 * DAY;
        assert_eq!(
            watch(&[(NEWEST, 0), (later, 60), (later + DAY - 100, DAY - 40), (NEWEST + DAY, DAY)]),
            [true, false, false, true]
        );
    }

    #[test]
    fn a_clock_far_ahead_is_believed_after_a_day_of_running_on() {
        let later = NEWEST + 3650 * DAY;
        assert_eq!(
            watch(&[(later, 0), (later + DAY - 1, DAY - 1), (later + DAY, DAY)]),
            [false, false, true]
        );
    }

    /// A server that had run for two months took its suspended laptop for a leap of years.
    #[test]
    fn what_was_believed_counts_as_what_the_database_remembers_s_313() {
        let (long, sleep) = (60 * DAY, 3 * DAY);
        let edge = NEWEST + long + limits::CLOCK_AHEAD_DAYS * DAY;
        for (wall, is_believed) in [(NEWEST + long + sleep, true), (edge, true), (edge + 1, false)] {
            assert_eq!(watch(&[(NEWEST, 0), (NEWEST + long, long), (wall, long)]), [true, true, is_believed]);
        }
    }

    #[test]
    fn an_empty_file_believes_its_first_clock_and_no_leap_after_it() {
        let mut clock_trust = ClockTrust::new(UnixTime(0));
        let now = Instant::now();
        let looks = [(NEWEST, true), (NEWEST + 3650 * DAY, false), (NEWEST, true)];
        assert_eq!(looks.map(|(wall, _)| clock_trust.observe(UnixTime(wall), now)), looks.map(|look| look.1));
    }

    #[test]
    fn a_clock_that_an_administrator_sets_right_is_on_probation_for_a_day_s_309() {
        let (mut clock_trust, begun) = (ClockTrust::new(UnixTime(NEWEST + 3650 * DAY)), Instant::now());
        clock_trust.begin_anew(UnixTime(NEWEST), begun);
        assert_eq!(clock_trust.newest(), UnixTime(NEWEST));
        for (passed, is_believed) in [(0, false), (DAY - 1, false), (DAY, true), (DAY + 1, true)] {
            let moment = begun + Duration::from_secs(passed);
            assert_eq!(clock_trust.observe(UnixTime(NEWEST + passed), moment), is_believed, "{passed}");
        }
    }

    #[test]
    fn what_is_not_believed_is_not_remembered_s_309() {
        let (mut clock_trust, begun) = (ClockTrust::new(UnixTime(NEWEST)), Instant::now());
        assert!(!clock_trust.observe(UnixTime(NEWEST + 3650 * DAY), begun));
        assert_eq!(clock_trust.newest(), UnixTime(NEWEST));
        assert!(clock_trust.observe(UnixTime(NEWEST + 1), begun));
        assert_eq!(clock_trust.newest(), UnixTime(NEWEST + 1));
    }

    /// A board without a battery that made its database in 1970 was on probation whenever its clock had been set, and one
    /// that is switched off every night for ever.
    #[test]
    fn a_clock_that_is_set_after_a_setup_in_1970_is_believed_at_once_s_308() {
        let now = Instant::now();
        for (newest, is_believed) in
            [(0, true), (15, true), (clock::WRITTEN.0 - 1, true), (clock::WRITTEN.0, false)]
        {
            let mut clock_trust = ClockTrust::new(UnixTime(newest));
            assert!(clock_trust.observe(UnixTime(newest.min(20)), now), "{newest}");
            assert_eq!(clock_trust.observe(UnixTime(NEWEST + 100 * DAY), now), is_believed, "{newest}");
        }
    }

    #[test]
    fn a_correction_of_an_hour_is_no_leap() {
        let far = NEWEST + 100 * DAY;
        let ran = 2 * DAY;
        assert_eq!(watch(&[(far, 0), (far + ran + 3600, ran)]), [false, true]);
        assert_eq!(watch(&[(far, 0), (far + ran + 3601, ran)]), [false, false]);
    }
}
