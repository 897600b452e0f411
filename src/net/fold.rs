//! Log lines that strangers can cause, at most one of a kind each second, or few (S-264, S-278).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

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
    /// A session that a bug has ended.
    Bug,
    /// Samba's helper, when it can't tell.
    Spa,
    /// What a session has done.
    Session,
    /// A user who wanted to change his own password and could not.
    OwnPassword,
    /// A user's certificate that is not believed.
    Certificate,
    /// Mail for the outside that was not taken now.
    PutOff,
}

/// As many as there are.
const TOPICS: usize = Topic::PutOff as usize + 1;
const PAUSE: Duration = Duration::from_secs(1);

/// Remembers when each topic was last in the log, and how many lines were left out since.
#[derive(Debug, Default)]
pub struct Fold {
    topics: Mutex<[Option<Last>; TOPICS]>,
}

/// The second that began with a topic's last line that was not left out at once.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Instant,
    lines: u32,
    left_out: u64,
}

impl Topic {
    /// How many lines of it a second may have.
    fn most_lines(self) -> u32 {
        match self {
            // Each tells of another peer, and is looked for when something is amiss.
            Topic::Session | Topic::Certificate => limits::LOG_LINES,
            _ => 1,
        }
    }
}

impl Fold {
    /// Writes a warning, or counts it if its topic has had enough of them in this second.
    pub fn warn(&self, topic: Topic, now: Instant, line: fmt::Arguments<'_>) {
        self.write(topic, log::Level::Warn, now, line);
    }

    /// The same for a line of any level.
    pub fn write(&self, topic: Topic, level: log::Level, now: Instant, line: fmt::Arguments<'_>) {
        match self.admit(topic, now) {
            Some(0) => log::log!(level, "{line}"),
            Some(more) => log::log!(level, "{line} (and {more} more of this kind before it)"),
            None => {}
        }
    }

    /// How many lines were left out before this one; none if this one is to be left out.
    fn admit(&self, topic: Topic, now: Instant) -> Option<u64> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut topics[topic as usize];
        match last {
            Some(last) if now.saturating_duration_since(last.at) < PAUSE => {
                if last.lines < topic.most_lines() {
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
    fn sessions_have_some_lines_a_second_s_278() {
        let (fold, start) = (Fold::default(), Instant::now());
        let admitted = |milliseconds| {
            let now = start + Duration::from_millis(milliseconds);
            (0..1000).filter_map(|_| fold.admit(Topic::Session, now)).collect::<Vec<_>>()
        };
        let most = limits::LOG_LINES as usize;
        assert_eq!(admitted(0), vec![0; most]);
        assert!(admitted(999).is_empty());
        let next = admitted(1000);
        assert_eq!((next.len(), next[0]), (most, 2000 - most as u64));
        assert!(next[1..].iter().all(|left_out| *left_out == 0));
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
            Topic::Bug,
            Topic::Spa,
            Topic::Session,
        ] {
            for _ in 0..topic.most_lines() {
                assert_eq!(fold.admit(topic, now), Some(0), "{topic:?}");
            }
            assert_eq!(fold.admit(topic, now), None, "{topic:?}");
        }
    }
}
