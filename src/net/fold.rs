//! Log lines that strangers can cause, at most one of a kind each second (S-264).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a line is about; each kind is folded for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A connection from an address that is not let in.
    Stranger,
    /// A connection for which there was no place.
    Crowd,
    /// A TLS handshake that failed.
    Handshake,
    /// A connection that could not be accepted.
    Accept,
    /// A client of the control socket that made no sense.
    Control,
    /// A question that the store could not answer.
    Store,
    /// A logon to a maildrop that another session has.
    InUse,
    /// A peer that spoke before it was greeted.
    EarlyTalker,
    /// A user or device that has sent as many mails as it may in a day.
    Allowance,
    /// A report that could not be delivered.
    Report,
}

const TOPICS: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Remembers when each topic was last in the log, and how many lines were left out since.
#[derive(Debug, Default)]
pub struct Fold {
    topics: Mutex<[Option<Last>; TOPICS]>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    at: Instant,
    left_out: u64,
}

impl Fold {
    /// Writes a warning, or counts it if its topic had one less than a second ago.
    pub fn warn(&self, topic: Topic, now: Instant, line: fmt::Arguments<'_>) {
        match self.admit(topic, now) {
            Some(0) => log::warn!("{line}"),
            Some(more) => log::warn!("{line} (and {more} more of this kind before it)"),
            None => {}
        }
    }

    /// How many lines were left out before this one; none if this one is to be left out.
    fn admit(&self, topic: Topic, now: Instant) -> Option<u64> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut topics[topic as usize];
        match last {
            Some(last) if now.saturating_duration_since(last.at) < PAUSE => {
                last.left_out = last.left_out.saturating_add(1);
                None
            }
            _ => {
                let left_out = last.map_or(0, |last| last.left_out);
                *last = Some(Last { at: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_and_a_count_s_264() {
        let (fold, start) = (Fold::default(), Instant::now());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(fold.admit(Topic::Crowd, after(0)), Some(0));
        assert_eq!(fold.admit(Topic::Crowd, after(1)), None);
        assert_eq!(fold.admit(Topic::Crowd, after(999)), None);
        assert_eq!(fold.admit(Topic::Crowd, after(1000)), Some(2));
        assert_eq!(fold.admit(Topic::Crowd, after(1999)), None);
        assert_eq!(fold.admit(Topic::Crowd, after(5000)), Some(1));
        assert_eq!(fold.admit(Topic::Crowd, after(9000)), Some(0));
    }

    #[test]
    fn a_flood_of_one_kind_hides_no_other_kind() {
        let (fold, now) = (Fold::default(), Instant::now());
        for topic in [
            Topic::Stranger,
            Topic::Crowd,
            Topic::Handshake,
            Topic::Accept,
            Topic::Control,
            Topic::Store,
            Topic::InUse,
            Topic::EarlyTalker,
            Topic::Allowance,
            Topic::Report,
        ] {
            assert_eq!(fold.admit(topic, now), Some(0), "{topic:?}");
            assert_eq!(fold.admit(topic, now), None, "{topic:?}");
        }
    }
}
