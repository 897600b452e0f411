//! Logons that succeeded lately are recognised without hashing, so that polling costs microseconds (A12).
//!
//! Only keyed tags of record and password are kept, and only in memory (S-177). A password that is
//! changed has a new record, so the old tag matches nothing any more.

use std::time::Instant;

use super::aging::Aging;
use super::tag::{Tag, Tagger};
use crate::limits;
use crate::mail::Secret;
use crate::settings::Method;

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

    /// Whether that password was right lately for what is known of the user: his sealed record in the password file, or
    /// his account elsewhere. If so a record counts as used now; an account doesn't, for nobody tells when its password
    /// is another one.
    pub fn recognises(&mut self, method: Method, record: &[u8], password: &Secret, now: Instant) -> bool {
        let tag = self.tag(method, record, password);
        // The look-up need not take constant time: without the key nobody can choose a tag.
        let is_recent = self.seen.peek(&tag).is_some_and(|used| !is_over(used, now));
        if is_recent && method == Method::File {
            self.seen.put(tag, now);
        }
        is_recent
    }

    /// Remembers that the password was right for that record or account.
    pub fn remember(&mut self, method: Method, record: &[u8], password: &Secret, now: Instant) {
        let tag = self.tag(method, record, password);
        self.seen.expire(|used| is_over(used, now));
        self.seen.put(tag, now);
    }

    fn tag(&self, method: Method, record: &[u8], password: &Secret) -> Tag {
        self.tagger.tag(&[b"recognition", method.name().as_bytes(), record, password.expose()])
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
        assert!(!recognition.recognises(Method::File, b"record", &password("x"), at(0)));
        recognition.remember(Method::File, b"record", &password("x"), at(0));
        for seconds in [0, 299, 598] {
            assert!(
                recognition.recognises(Method::File, b"record", &password("x"), at(seconds)),
                "{seconds}"
            );
        }
        assert!(!recognition.recognises(Method::File, b"record", &password("x"), at(598 + 300)));
        assert!(
            !recognition.recognises(Method::File, b"record", &password("x"), at(598 + 301)),
            "asking revives nothing"
        );
    }

    #[test]
    fn another_password_or_record_is_not_recognised_s_177() {
        let mut recognition = recognition();
        let now = Instant::now();
        recognition.remember(Method::File, b"record", &password("x"), now);
        for (record, text) in
            [(&b"record"[..], "y"), (b"recordx", ""), (b"recor", "dx"), (b"new record", "x"), (b"", "")]
        {
            assert!(!recognition.recognises(Method::File, record, &password(text), now), "{record:?} {text}");
        }
        assert!(recognition.recognises(Method::File, b"record", &password("x"), now));
    }

    #[test]
    fn what_one_method_knows_another_does_not() {
        let mut recognition = recognition();
        let now = Instant::now();
        for known in Method::ALL {
            recognition.remember(known, known.name().as_bytes(), &password("x"), now);
            for asked in Method::ALL {
                let is_known = recognition.recognises(asked, known.name().as_bytes(), &password("x"), now);
                assert_eq!(is_known, asked == known, "{known} {asked}");
            }
        }
    }

    #[test]
    fn an_account_elsewhere_is_recognised_for_five_minutes_after_its_proof_however_often_it_is_used() {
        let mut recognition = recognition();
        let start = Instant::now();
        recognition.remember(Method::Directory, b"alice", &password("x"), start);
        let mut at = |seconds| {
            let now = start + Duration::from_secs(seconds);
            recognition.recognises(Method::Directory, b"alice", &password("x"), now)
        };
        assert_eq!([0, 150, 299, 300, 301].map(&mut at), [true, true, true, false, false]);
    }

    #[test]
    fn the_oldest_makes_room_and_what_is_over_goes() {
        let mut recognition = recognition();
        let now = Instant::now();
        for number in 0..=limits::RECOGNISED_ENTRIES {
            recognition.remember(Method::File, &number.to_le_bytes(), &password("x"), now);
        }
        assert_eq!(recognition.seen.len(), limits::RECOGNISED_ENTRIES);
        assert!(!recognition.recognises(Method::File, &0_usize.to_le_bytes(), &password("x"), now));
        assert!(recognition.recognises(Method::File, &1_usize.to_le_bytes(), &password("x"), now));
        recognition.remember(Method::File, b"late", &password("x"), now + limits::RECOGNISED);
        assert_eq!(recognition.seen.len(), 1);
    }
}
