//! Logons that succeeded lately are recognised without hashing, so that polling costs microseconds (A12).
//!
//! Only keyed tags of record and password are kept, and only in memory (S-177). A password that is
//! changed has a new record, so the old tag matches nothing any more.

use std::time::Instant;

use super::aging::Aging;
use super::tag::{Tag, Tagger};
use crate::limits;
use crate::mail::Secret;

/// The logons that are recognised.
pub struct Recognition {
    tagger: Tagger,
    seen: Aging<Tag, Instant>,
}

impl Recognition {
    /// Nobody is recognised yet.
    pub fn new(tagger: Tagger) -> Recognition {
        Recognition { tagger, seen: Aging::new(limits::RECOGNISED_ENTRIES) }
    }

    /// Whether that password was right for that sealed record lately; if so it counts as used now.
    pub fn recognises(&mut self, record: &[u8], password: &Secret, now: Instant) -> bool {
        let tag = self.tag(record, password);
        // The look-up need not take constant time: without the key nobody can choose a tag.
        let is_recent = self.seen.peek(&tag).is_some_and(|used| !is_over(used, now));
        if is_recent {
            self.seen.put(tag, now);
        }
        is_recent
    }

    /// Remembers that the password was right for the sealed record.
    pub fn remember(&mut self, record: &[u8], password: &Secret, now: Instant) {
        let tag = self.tag(record, password);
        self.seen.expire(|used| is_over(used, now));
        self.seen.put(tag, now);
    }

    fn tag(&self, record: &[u8], password: &Secret) -> Tag {
        self.tagger.tag(&[b"recognition", record, password.expose()])
    }
}

fn is_over(used: &Instant, now: Instant) -> bool {
    now.saturating_duration_since(*used) >= limits::RECOGNISED
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::random::Randomness;

    fn recognition() -> Recognition {
        Recognition::new(Tagger::new(&Randomness::new().unwrap()))
    }

    fn password(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_logon_is_recognised_for_five_minutes_after_its_last_use_s_177() {
        let mut recognition = recognition();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!recognition.recognises(b"record", &password("x"), at(0)));
        recognition.remember(b"record", &password("x"), at(0));
        for seconds in [0, 299, 598] {
            assert!(recognition.recognises(b"record", &password("x"), at(seconds)), "{seconds}");
        }
        assert!(!recognition.recognises(b"record", &password("x"), at(598 + 300)));
        assert!(!recognition.recognises(b"record", &password("x"), at(598 + 301)), "asking revives nothing");
    }

    #[test]
    fn another_password_or_record_is_not_recognised_s_177() {
        let mut recognition = recognition();
        let now = Instant::now();
        recognition.remember(b"record", &password("x"), now);
        for (record, text) in
            [(&b"record"[..], "y"), (b"recordx", ""), (b"recor", "dx"), (b"new record", "x"), (b"", "")]
        {
            assert!(!recognition.recognises(record, &password(text), now), "{record:?} {text}");
        }
        assert!(recognition.recognises(b"record", &password("x"), now));
    }

    #[test]
    fn the_oldest_makes_room_and_what_is_over_goes() {
        let mut recognition = recognition();
        let now = Instant::now();
        for number in 0..=limits::RECOGNISED_ENTRIES {
            recognition.remember(&number.to_le_bytes(), &password("x"), now);
        }
        assert_eq!(recognition.seen.len(), limits::RECOGNISED_ENTRIES);
        assert!(!recognition.recognises(&0_usize.to_le_bytes(), &password("x"), now));
        assert!(recognition.recognises(&1_usize.to_le_bytes(), &password("x"), now));
        recognition.remember(b"late", &password("x"), now + limits::RECOGNISED);
        assert_eq!(recognition.seen.len(), 1);
    }
}
