//! The only clock: wall time that may be suspect, and monotonic time.
//!
//! A board without a battery wakes up in 1970. Until the wall clock has passed the newest time that the
//! database remembers, it is suspect: it may be written down, but nothing is decided by it (S-308–S-316). What it
//! remembers may be a time at which a clock was ahead: then only an administrator can say that the clock is right.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// As in a mail's header: `Sat, 21 Nov 2026 21:15:00 +0000`. RFC 5322 §3.3.
    pub fn rfc5322(self) -> String {
        let date = self.calendar();
        format!(
            "{}, {} {} {} {:02}:{:02}:{:02} +0000",
            &date.weekday().to_string()[..3],
            date.day(),
            &date.month().to_string()[..3],
            date.year(),
            date.hour(),
            date.minute(),
            date.second()
        )
    }

    /// As people and scripts read it: `2026-11-21 21:15:00Z`. RFC 3339.
    pub fn rfc3339(self) -> String {
        let date = self.calendar();
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            date.hour(),
            date.minute(),
            date.second()
        )
    }

    /// The calendar date in UTC; times beyond year 9999 are shown as 1970.
    pub fn calendar(self) -> OffsetDateTime {
        i64::try_from(self.0)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// Reads the time; clones share what they have learnt.
#[derive(Debug, Clone)]
pub struct Clock {
    newest: Arc<AtomicU64>,
    /// The wall time that a test has fixed.
    fixed: Option<UnixTime>,
    /// The monotonic time that a test has fixed.
    stopped: Option<Instant>,
    /// Milliseconds by which a test has put time forward.
    ahead: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clock, which is suspect until it has passed `newest_known`, and the time when this
    /// poppet was written.
    pub fn system(newest_known: UnixTime) -> Clock {
        let newest = Arc::new(AtomicU64::new(newest_known.max(WRITTEN).0));
        Clock { newest, fixed: None, stopped: None, ahead: None }
    }

    /// A clock whose wall time stands still, for tests.
    pub fn fixed(at: UnixTime) -> Clock {
        Clock { newest: Arc::default(), fixed: Some(at), stopped: None, ahead: None }
    }

    /// The system's clock, whose monotonic time a test can put forward.
    pub fn movable() -> Clock {
        Clock { ahead: Some(Arc::default()), ..Clock::system(UnixTime(0)) }
    }

    /// A clock that goes on only as a test puts it forward, wall time as well as monotonic.
    pub fn steady(from: UnixTime) -> Clock {
        Clock { stopped: Some(Instant::now()), ahead: Some(Arc::default()), ..Clock::fixed(from) }
    }

    /// Puts the monotonic time of a movable clock and of all its clones forward, and a steady one.
    pub fn put_forward(&self, by: Duration) {
        if let Some(ahead) = &self.ahead {
            ahead.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// What the wall clock says, true or not.
    pub fn now(&self) -> UnixTime {
        self.wall_at(self.ahead())
    }

    /// Both times of one moment: what [`Clock::now`] and [`Clock::monotonic`] say.
    pub fn moment(&self) -> (UnixTime, Instant) {
        // Whoever puts the clock forward meanwhile does so for both.
        let ahead = self.ahead();
        (self.wall_at(ahead), self.monotonic_at(ahead))
    }

    fn wall_at(&self, ahead: Duration) -> UnixTime {
        if let Some(fixed) = self.fixed {
            return UnixTime(fixed.0.saturating_add(ahead.as_secs()));
        }
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs())
    }

    /// Whether the wall clock is older than what the database has seen.
    pub fn is_suspect(&self) -> bool {
        self.now().0 < self.newest.load(Ordering::Relaxed)
    }

    /// The newest time that is known to have been; the wall clock is suspect before it.
    pub fn newest(&self) -> UnixTime {
        UnixTime(self.newest.load(Ordering::Relaxed))
    }

    /// Whether the wall clock can be right at all: it is not older than this poppet.
    pub fn can_be_right(&self) -> bool {
        self.now() >= WRITTEN
    }

    /// An administrator says that it was `now` just now: what seemed to have been later has not been.
    pub fn set_newest(&self, now: UnixTime) {
        self.newest.store(now.max(WRITTEN).0, Ordering::Relaxed);
    }

    /// Remembers that `seen` has been, so that an older wall clock is known to be wrong.
    pub fn learn(&self, seen: UnixTime) {
        self.newest.fetch_max(seen.0, Ordering::Relaxed);
    }

    /// Time that never goes back; for every time-out and delay.
    pub fn monotonic(&self) -> Instant {
        self.monotonic_at(self.ahead())
    }

    fn monotonic_at(&self, ahead: Duration) -> Instant {
        self.stopped.unwrap_or_else(Instant::now) + ahead
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead.as_ref().map_or(0, |ahead| ahead.load(Ordering::Relaxed)))
    }

    /// When a timer of the system must ring for a moment of [`Clock::monotonic`], or to look whether that has come.
    pub fn alarm_at(&self, moment: Instant) -> Instant {
        match self.ahead {
            None => moment,
            Some(_) => Instant::now() + MOVED_WITHIN,
        }
    }
}

/// How soon a timer finds out that a movable clock has been moved.
const MOVED_WITHIN: Duration = Duration::from_millis(2);

/// No clock of a running poppet can truly be earlier (S-316): 2026-11-01.
pub const WRITTEN: UnixTime = UnixTime(1_793_491_200);

/// Something that is to be told at most once a second: counts how often it was not.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<(Instant, u64)>>);

impl Seldom {
    /// What to add to a line that tells of it: nothing, or how often it was left out; none if it is to be left out
    /// now (S-278).
    pub fn turn(&self, now: Instant) -> Option<String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((at, left_out)) if now.saturating_duration_since(*at) < Duration::from_secs(1) => {
                *left_out = left_out.saturating_add(1);
                None
            }
            _ => match last.replace((now, 0)) {
                None | Some((_, 0)) => Some(String::new()),
                Some((_, left_out)) => Some(format!(" (and {left_out} more of this kind before it)")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_rfcs_want_them() {
        let moment = UnixTime(1_795_295_700);
        assert_eq!(moment.rfc5322(), "Sat, 21 Nov 2026 21:15:00 +0000");
        assert_eq!(moment.rfc3339(), "2026-11-21 21:15:00Z");
    }

    #[test]
    fn dates_beyond_2038_and_2106_are_right_s_311() {
        assert_eq!(UnixTime(2_147_483_648).rfc3339(), "2038-01-19 03:14:08Z");
        assert_eq!(UnixTime(4_294_967_296).rfc3339(), "2106-02-07 06:28:16Z");
        assert_eq!(UnixTime(u64::MAX).rfc3339(), "1970-01-01 00:00:00Z");
    }

    #[test]
    fn a_clock_older_than_the_database_is_suspect_s_312() {
        let clock = Clock::fixed(UnixTime(100));
        assert!(!clock.is_suspect());
        clock.learn(UnixTime(101));
        assert!(clock.is_suspect());
        clock.learn(UnixTime(50));
        assert!(clock.is_suspect(), "what was learnt is not forgotten");
    }

    #[test]
    fn an_administrator_s_word_ends_a_suspicion_for_all_clones_but_never_below_this_poppet_s_309() {
        for (now, can_be_right) in
            [(0, false), (WRITTEN.0 - 1, false), (WRITTEN.0, true), (WRITTEN.0 + 1, true)]
        {
            let clock = Clock::fixed(UnixTime(now));
            clock.learn(UnixTime(WRITTEN.0 * 2));
            clock.clone().set_newest(UnixTime(now));
            assert_eq!((clock.can_be_right(), clock.is_suspect()), (can_be_right, !can_be_right), "{now}");
            assert_eq!(clock.newest(), UnixTime(now).max(WRITTEN), "{now}");
        }
    }

    #[test]
    fn a_movable_clock_goes_forward_for_all_its_clones_and_no_other_does() {
        let (movable, fixed) = (Clock::movable(), Clock::fixed(UnixTime(0)));
        let (before, clone) = (movable.monotonic(), movable.clone());
        for clock in [&clone, &fixed] {
            clock.put_forward(Duration::from_secs(3600));
        }
        assert!(movable.monotonic() >= before + Duration::from_secs(3600));
        assert!(fixed.monotonic() < before + Duration::from_secs(3600));
        let moment = before + Duration::from_secs(7200);
        assert_eq!(fixed.alarm_at(moment), moment);
        assert!(movable.alarm_at(moment) < moment);
    }

    /// Its monotonic time went on with the machine's, and tests by it failed where a second passed between two lines.
    #[test]
    fn a_steady_clock_goes_on_as_it_is_put_forward_and_no_further() {
        let clock = Clock::steady(UnixTime(100));
        let (clone, before) = (clock.clone(), clock.monotonic());
        let read = Instant::now();
        while Instant::now() == read {}
        assert_eq!((clone.now(), clone.monotonic()), (UnixTime(100), before));
        clock.put_forward(Duration::from_secs(3600));
        assert_eq!((clone.now(), clone.monotonic()), (UnixTime(3700), before + Duration::from_secs(3600)));
    }

    /// Read one after the other, they were of two moments now and then: a clock that a test had put forward between them
    /// seemed to have leapt.
    #[test]
    fn both_times_of_a_moment_are_of_the_same_one() {
        let clock = Clock::steady(UnixTime(0));
        let begun = clock.monotonic();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..100_000).for_each(|_| clock.put_forward(Duration::from_secs(1))));
            while clock.now() < UnixTime(100_000) {
                let (wall, monotonic) = clock.moment();
                assert_eq!(wall, UnixTime((monotonic - begun).as_secs()));
            }
        });
    }

    /// A disk that failed at every mail wrote two lines for each, as fast as a sender could send.
    #[test]
    fn what_comes_often_is_told_once_a_second_s_278() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let turn = |milliseconds| seldom.turn(start + Duration::from_millis(milliseconds));
        assert_eq!(turn(0).as_deref(), Some(""));
        assert_eq!(turn(1), None);
        assert_eq!(turn(999), None);
        assert_eq!(turn(1000).as_deref(), Some(" (and 2 more of this kind before it)"));
        assert_eq!(turn(1999), None);
        assert_eq!(turn(9000).as_deref(), Some(" (and 1 more of this kind before it)"));
        assert_eq!(turn(10_000).as_deref(), Some(""));
    }
}
