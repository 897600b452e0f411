//! What was found a short while ago, so that a hundred mails for one server ask once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Unresolved;
use crate::limits;

/// What was found for names, or that there is nothing; never that a name server failed.
pub(super) struct Kept<T>(Mutex<HashMap<String, Entry<T>>>);

struct Entry<T> {
    found: Result<T, Unresolved>,
    until: Instant,
}

impl<T: Clone> Kept<T> {
    /// What is kept for a name.
    pub fn get(&self, name: &str) -> Option<Result<T, Unresolved>> {
        self.get_at(name, Instant::now())
    }

    /// Keeps what was found for a name.
    pub fn put(&self, name: &str, found: &Result<T, Unresolved>) {
        self.put_at(name, found, Instant::now());
    }

    fn get_at(&self, name: &str, now: Instant) -> Option<Result<T, Unresolved>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).filter(|entry| entry.until > now).map(|entry| entry.found.clone())
    }

    fn put_at(&self, name: &str, found: &Result<T, Unresolved>, now: Instant) {
        let Some(time) = time(found) else { return };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= limits::KEPT_NAMES && !entries.contains_key(name) {
            entries.retain(|_, entry| entry.until > now);
            let soonest = entries.iter().min_by_key(|(_, entry)| entry.until).map(|(name, _)| name.clone());
            if entries.len() >= limits::KEPT_NAMES
                && let Some(soonest) = soonest
            {
                entries.remove(&soonest);
            }
        }
        entries.insert(name.to_owned(), Entry { found: found.clone(), until: now + time });
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept(Mutex::new(HashMap::new()))
    }
}

fn time<T>(found: &Result<T, Unresolved>) -> Option<Duration> {
    match found {
        Ok(_) => Some(limits::NAME_KEPT),
        Err(Unresolved::NotThere | Unresolved::TakesNoMail) => Some(limits::ABSENCE_KEPT),
        Err(Unresolved::Failed(_) | Unresolved::Unreachable(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_for_its_time_and_failures_not_at_all() {
        let now = Instant::now();
        let nearly = Duration::from_millis(1);
        for (found, time) in [
            (Ok(1), limits::NAME_KEPT),
            (Err(Unresolved::NotThere), limits::ABSENCE_KEPT),
            (Err(Unresolved::TakesNoMail), limits::ABSENCE_KEPT),
        ] {
            let kept = Kept::default();
            kept.put_at("a", &found, now);
            assert_eq!(kept.get_at("a", now + time - nearly), Some(found));
            assert_eq!(kept.get_at("a", now + time), None);
            assert_eq!(kept.get_at("b", now), None);
        }
        for failure in [Unresolved::Failed("x".into()), Unresolved::Unreachable("x".into())] {
            let kept: Kept<u8> = Kept::default();
            kept.put_at("a", &Err(failure), now);
            assert_eq!(kept.get_at("a", now), None);
        }
    }

    #[test]
    fn who_asks_for_many_names_drives_out_the_oldest_and_fills_no_memory() {
        let (kept, begin) = (Kept::default(), Instant::now());
        for number in 0..=limits::KEPT_NAMES {
            kept.put_at(&number.to_string(), &Ok(number), begin + Duration::from_millis(number as u64));
        }
        assert_eq!(kept.0.lock().unwrap().len(), limits::KEPT_NAMES);
        assert_eq!(kept.get_at("0", begin), None);
        for number in [1, limits::KEPT_NAMES] {
            assert_eq!(kept.get_at(&number.to_string(), begin), Some(Ok(number)));
        }
    }
}
