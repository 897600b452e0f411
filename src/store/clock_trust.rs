//! Whether the wall clock may be believed enough to remove mail by it (S-309).
//!
//! ```text
//! opened, or leapt --near what the database remembers--> believed --its time is remembered--> believed
//!                  --far ahead of it------------------> on probation --a day has been run--> believed
//! an administrator's word ---------------------------> on probation
//! ```
//!
//! The day is the sum of all runs, for a board that is switched off every night: what they came to stands in the file.
//! A run adds to it as long as the clock is not before the end of the one before, nor far behind it. Until a run has
//! written its part the clock may still be set, as it is after each start of a board without a battery; a leap after that
//! begins anew.
//!
//! What the database remembers from before this poppet was written is of a clock that stood in the past, and says nothing.
//! Only a believed time is remembered as the newest: else mail that comes on probation would end it at the next start.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::schema::Probation;
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
    /// No right clock is before that time.
    least: UnixTime,
    last: Option<Seen>,
    /// What the runs before this one came to; none once it counts no more.
    earlier: Option<Probation>,
    /// What stands in the file.
    stored: Option<Probation>,
    /// Whether this run has added to it.
    has_added: bool,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    wall: UnixTime,
    monotonic: Instant,
    /// Since when the clock has not leapt.
    since: Instant,
    /// Whether it began at a time that fits what the database remembers.
    is_plausible: bool,
    /// How long earlier runs were on probation.
    before: Duration,
}

impl ClockTrust {
    /// `newest` is the newest time that the database remembers, `stored` what earlier runs came to.
    pub(super) fn new(newest: UnixTime, stored: Option<Probation>) -> ClockTrust {
        let least = newest.max(clock::WRITTEN);
        ClockTrust { newest, least, last: None, earlier: stored, stored, has_added: false }
    }

    /// Looks at the clock; says whether it may be believed. A clock that is far ahead of all mail, at the start or
    /// after a leap, must run for a day first.
    pub(super) fn observe(&mut self, wall: UnixTime, monotonic: Instant) -> bool {
        let seen = match self.last {
            Some(last) if !has_leapt(last, wall, monotonic) => Seen { wall, monotonic, ..last },
            _ => self.begin(wall, monotonic),
        };
        self.last = Some(seen);
        let is_believed = seen.is_plausible || seen.on_probation() >= limits::CLOCK_PROBATION;
        if is_believed {
            self.newest = self.newest.max(wall);
        }
        is_believed
    }

    /// The clock at the start, or after a leap.
    fn begin(&mut self, wall: UnixTime, monotonic: Instant) -> Seen {
        if self.has_added {
            self.earlier = None;
        }
        // A file that knows no time yet, or only those of a clock that stood in the past, has nothing that could be too
        // old: all that came then has no date that is believed.
        let is_plausible = wall <= days_after(self.newest) || self.newest < clock::WRITTEN;
        let earlier = self.earlier.filter(|earlier| is_followed(*earlier, wall));
        let before = Duration::from_secs(earlier.map_or(0, |earlier| earlier.seconds));
        Seen { wall, monotonic, since: monotonic, is_plausible, before }
    }

    /// Whether there is, or may soon be, something for [`ClockTrust::change`].
    pub(super) fn may_change(&self) -> bool {
        let is_open = |seen: Seen| !seen.is_plausible || seen.wall < self.least;
        self.stored.is_some() || self.last.is_some_and(is_open)
    }

    /// What is to stand in the file, as of the last look, if that is something else; a leap from then on begins anew. Once
    /// it does stand there, [`ClockTrust::is_stored`] is to know.
    pub(super) fn change(&mut self) -> Option<Option<Probation>> {
        let wanted = self.to_store();
        let is_new = wanted != self.stored;
        self.has_added |= is_new && wanted.is_some();
        is_new.then_some(wanted)
    }

    fn to_store(&self) -> Option<Probation> {
        let Some(seen) = self.last else { return self.stored };
        // A clock in the past tells nothing; one that has been on for a moment may still be set.
        if seen.wall < self.least || seen.run() < limits::CLOCK_RUN {
            return self.earlier;
        }
        if seen.is_plausible {
            return None;
        }
        let seconds = seen.on_probation().min(limits::CLOCK_PROBATION).as_secs();
        let is_enough = |stored: &Probation| {
            stored.seconds == limits::CLOCK_PROBATION.as_secs() && is_followed(*stored, seen.wall)
        };
        Some(self.stored.filter(is_enough).unwrap_or(Probation { wall: seen.wall, seconds }))
    }

    /// That stands in the file.
    pub(super) fn is_stored(&mut self, stored: Option<Probation>) {
        self.stored = stored;
        self.earlier = self.earlier.filter(|_| stored.is_some());
    }

    /// The newest time that was believed, or that the database remembered when it was opened; 0 for none.
    pub(super) fn newest(&self) -> UnixTime {
        self.newest
    }

    /// An administrator says that `wall` is right. Who errs has a day to see it before anything goes by that time.
    pub(super) fn begin_anew(&mut self, wall: UnixTime, monotonic: Instant) {
        let seen = Seen { wall, monotonic, since: monotonic, is_plausible: false, before: Duration::ZERO };
        *self = ClockTrust { last: Some(seen), earlier: None, ..ClockTrust::new(wall, self.stored) };
    }
}

impl Seen {
    /// How long the clock has run on.
    fn run(self) -> Duration {
        self.monotonic.saturating_duration_since(self.since)
    }

    /// How long it has been on probation, all runs together.
    fn on_probation(self) -> Duration {
        self.before.saturating_add(self.run())
    }
}

/// Whether a clock that says `wall` may be that of the earlier runs: it has not gone back, as one does that wakes up at the
/// same time always, and has not leapt far ahead.
fn is_followed(earlier: Probation, wall: UnixTime) -> bool {
    (earlier.wall..=days_after(earlier.wall)).contains(&wall)
}

/// The latest time at which a clock may go on that was last seen then.
fn days_after(seen: UnixTime) -> UnixTime {
    UnixTime(seen.0.saturating_add(limits::CLOCK_AHEAD_DAYS * 86_400))
}

fn has_leapt(last: Seen, wall: UnixTime, monotonic: Instant) -> bool {
    let passed = monotonic.saturating_duration_since(last.monotonic).as_secs();
    (last.wall.0.saturating_add(passed)).abs_diff(wall.0) > limits::CLOCK_LEAP.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const NEWEST: u64 = 1_800_000_000;

    fn watch(steps: &[(u64, u64)]) -> Vec<bool> {
        let begun = Instant::now();
        let mut clock_trust = ClockTrust::new(UnixTime(NEWEST), None);
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
        let mut clock_trust = ClockTrust::new(UnixTime(0), None);
        let now = Instant::now();
        let looks = [(NEWEST, true), (NEWEST + 3650 * DAY, false), (NEWEST, true)];
        assert_eq!(looks.map(|(wall, _)| clock_trust.observe(UnixTime(wall), now)), looks.map(|look| look.1));
    }

    #[test]
    fn a_clock_that_an_administrator_sets_right_is_on_probation_for_a_day_s_309() {
        let (mut clock_trust, begun) = (ClockTrust::new(UnixTime(NEWEST + 3650 * DAY), None), Instant::now());
        clock_trust.begin_anew(UnixTime(NEWEST), begun);
        assert_eq!(clock_trust.newest(), UnixTime(NEWEST));
        for (passed, is_believed) in [(0, false), (DAY - 1, false), (DAY, true), (DAY + 1, true)] {
            let moment = begun + Duration::from_secs(passed);
            assert_eq!(clock_trust.observe(UnixTime(NEWEST + passed), moment), is_believed, "{passed}");
        }
    }

    #[test]
    fn what_is_not_believed_is_not_remembered_s_309() {
        let (mut clock_trust, begun) = (ClockTrust::new(UnixTime(NEWEST), None), Instant::now());
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
            let mut clock_trust = ClockTrust::new(UnixTime(newest), None);
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

    /// A clock in a file that says that earlier runs ended then, after so long.
    fn on_probation_before(wall: u64, seconds: u64) -> ClockTrust {
        ClockTrust::new(UnixTime(NEWEST), Some(Probation { wall: UnixTime(wall), seconds }))
    }

    /// Writes what is to be written; says what stands in the file then.
    fn stored(clock_trust: &mut ClockTrust) -> Option<u64> {
        if let Some(change) = clock_trust.change() {
            clock_trust.is_stored(change);
        }
        clock_trust.stored.map(|stored| stored.seconds)
    }

    const FAR: u64 = NEWEST + 100 * DAY;
    const HOUR: u64 = 3600;

    #[test]
    fn a_clock_that_has_leapt_since_its_run_was_written_begins_anew_also_in_the_file_s_309() {
        for leap in [-2 * HOUR as i64, 2 * HOUR as i64] {
            let (mut clock_trust, begun) = (on_probation_before(FAR, 20 * HOUR), Instant::now());
            let look = |trust: &mut ClockTrust, wall: i64, after: u64| {
                let wall = UnixTime(FAR.saturating_add_signed(wall));
                trust.observe(wall, begun + Duration::from_secs(after))
            };
            assert!(!look(&mut clock_trust, 0, 0));
            assert!(!look(&mut clock_trust, HOUR as i64, HOUR));
            assert_eq!(stored(&mut clock_trust), Some(21 * HOUR));
            assert!(!look(&mut clock_trust, HOUR as i64 + leap, HOUR));
            assert_eq!(stored(&mut clock_trust), None, "{leap}");
            assert!(!look(&mut clock_trust, (DAY - 1 + HOUR) as i64 + leap, HOUR + DAY - 1));
            assert!(look(&mut clock_trust, (DAY + HOUR) as i64 + leap, HOUR + DAY));
        }
    }

    /// A board that goes on by the time at which it was switched off is set by a time service a minute later.
    #[test]
    fn a_clock_that_is_set_soon_after_a_start_goes_on_where_it_was_s_308_s_309() {
        for (woken, is_counted) in [(0, true), (FAR, true), (FAR - 1, true), (NEWEST + 1, true)] {
            let (mut clock_trust, begun) = (on_probation_before(FAR, 20 * HOUR), Instant::now());
            clock_trust.observe(UnixTime(woken), begun);
            assert_eq!(stored(&mut clock_trust), Some(20 * HOUR), "{woken}");
            let set = begun + Duration::from_secs(60);
            assert!(!clock_trust.observe(UnixTime(FAR + 9 * HOUR), set), "{woken}");
            let later = set + Duration::from_secs(4 * HOUR);
            assert_eq!(clock_trust.observe(UnixTime(FAR + 13 * HOUR), later), is_counted, "{woken}");
        }
    }

    #[test]
    fn a_clock_in_the_past_leaves_what_it_finds_however_long_it_runs_s_308() {
        let (mut clock_trust, begun) = (on_probation_before(FAR, 20 * HOUR), Instant::now());
        for after in [0, HOUR, 20 * HOUR] {
            clock_trust.observe(UnixTime(after), begun + Duration::from_secs(after));
            assert_eq!(stored(&mut clock_trust), Some(20 * HOUR));
            assert!(clock_trust.may_change(), "it may be set");
        }
    }

    #[test]
    fn a_run_counts_for_later_ones_once_it_is_long_enough_s_304() {
        let least = limits::CLOCK_RUN.as_secs();
        for (ran, wanted) in [(least - 1, 5), (least, 5 + least), (least + 1, 6 + least)] {
            let (mut clock_trust, begun) = (on_probation_before(FAR, 5), Instant::now());
            clock_trust.observe(UnixTime(FAR), begun);
            clock_trust.observe(UnixTime(FAR + ran), begun + Duration::from_secs(ran));
            assert_eq!(stored(&mut clock_trust), Some(wanted), "{ran}");
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let (mut clock_trust, begun) = (on_probation_before(FAR, 5), Instant::now());
        clock_trust.observe(UnixTime(FAR), begun);
        clock_trust.observe(UnixTime(FAR + HOUR), begun + Duration::from_secs(HOUR));
        assert_eq!(clock_trust.change(), clock_trust.change());
        assert_eq!(stored(&mut clock_trust), Some(5 + HOUR));
        assert_eq!(clock_trust.change(), None);
    }

    #[test]
    fn what_a_word_or_a_plausible_clock_makes_needless_goes_s_309() {
        let (mut clock_trust, begun) = (on_probation_before(FAR, 5), Instant::now());
        clock_trust.begin_anew(UnixTime(NEWEST), begun);
        assert_eq!(stored(&mut clock_trust), None);
        let mut clock_trust = on_probation_before(FAR, DAY);
        clock_trust.observe(UnixTime(NEWEST + 1), begun);
        assert_eq!(stored(&mut clock_trust), Some(DAY), "it may still be set");
        let run = limits::CLOCK_RUN;
        clock_trust.observe(UnixTime(NEWEST + 1 + run.as_secs()), begun + run);
        assert_eq!((stored(&mut clock_trust), clock_trust.may_change()), (None, false));
        assert!(!clock_trust.observe(UnixTime(FAR), begun + run), "it goes for this run too");
    }
}
