//! The pace of log lines that strangers cause: one of a kind each second, or few (S-278).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

const PAUSE: Duration = Duration::from_secs(1);

/// What a line is about; each kind has its own pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A logon that was refused.
    Refused,
    /// A logon that was put off.
    PutOff,
    /// The database does not answer.
    NoAnswer,
    /// There is no memory for a hash.
    NoMemory,
    /// The record of a password is damaged.
    Damaged,
    /// Whoever knows the users can't be asked.
    Unavailable,
}

const KINDS: usize = 6;

/// Remembers when the last lines were written, and how many were left out since.
#[derive(Debug, Default)]
pub struct Pace {
    kinds: Mutex<[Option<Last>; KINDS]>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    at: Instant,
    lines: u32,
    left_out: u64,
}

impl Pace {
    /// What to add to this line: how many like it were left out before. None if this one is to be left out.
    pub fn admit(&self, about: About, now: Instant) -> Option<String> {
        self.count(about, now).map(|left_out| match left_out {
            0 => String::new(),
            more => format!(" (and {more} more before it)"),
        })
    }

    fn count(&self, about: About, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut kinds[about as usize];
        match last {
            Some(last) if now.saturating_duration_since(last.at) < PAUSE => {
                if last.lines < about.most_lines() {
                    last.lines += 1;
                    return Some(0);
                }
                last.left_out = last.left_out.saturating_add(1);
                None
            }
            _ => {
                let left_out = last.map_or(0, |last| last.left_out);
                *last = Some(Last { at: now, lines: 1, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

impl About {
    fn most_lines(self) -> u32 {
        match self {
            // Who guards against guessers by the log needs to see each of them.
            About::Refused => limits::LOG_LINES,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_and_a_count_s_278() {
        let (pace, start) = (Pace::default(), Instant::now());
        let admit = |milliseconds| pace.count(About::PutOff, start + Duration::from_millis(milliseconds));
        assert_eq!(admit(0), Some(0));
        assert_eq!((admit(1), admit(999)), (None, None));
        assert_eq!(admit(1000), Some(2));
        assert_eq!(admit(1999), None);
        assert_eq!(admit(2000), Some(1));
        assert_eq!(admit(9000), Some(0));
    }

    #[test]
    fn refusals_have_some_lines_a_second_and_hide_nothing_else_s_278() {
        let (pace, now) = (Pace::default(), Instant::now());
        let lines = (0..1700).filter(|_| pace.admit(About::Refused, now).is_some()).count();
        assert_eq!(lines, limits::LOG_LINES as usize);
        assert_eq!(pace.admit(About::Refused, now + PAUSE).unwrap(), " (and 1680 more before it)");
        for about in [About::PutOff, About::NoAnswer, About::NoMemory, About::Damaged, About::Unavailable] {
            assert_eq!(pace.admit(about, now).as_deref(), Some(""), "{about:?}");
            assert_eq!(pace.admit(about, now), None, "{about:?}");
        }
    }
}
