//! How many reports each sender's mail has given rise to in this hour (S-127).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

/// Counts by who has sent the mail; an hour begins with the first report of it.
#[derive(Debug, Default)]
pub struct Ration {
    counts: Mutex<HashMap<Box<str>, Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    reports: u32,
}

/// A report that has been counted; dropped before [`Turn::keep`], it was none.
#[must_use = "dropped, the report is not counted"]
#[derive(Debug)]
pub struct Turn<'a> {
    ration: &'a Ration,
    sender: Box<str>,
    is_kept: bool,
}

impl Ration {
    /// Counts one more report; none if that sender has had so many in this hour. However many others there are: whose
    /// hour began first is forgotten for a new one.
    pub fn take(&self, sender: &str, now: Instant) -> Option<Turn<'_>> {
        let mut counts = self.lock();
        if !counts.contains_key(sender) && counts.len() >= limits::REPORT_COUNTS {
            make_room(&mut counts, now);
        }
        let count = counts.entry(sender.into()).or_insert(Count { since: now, reports: 0 });
        if count.is_over(now) {
            *count = Count { since: now, reports: 0 };
        }
        if count.reports >= limits::REPORTS_PER_HOUR {
            return None;
        }
        count.reports += 1;
        Some(Turn { ration: self, sender: sender.into(), is_kept: false })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flood of strangers must not keep a user of ours from his reports, so it is the oldest who goes.
fn make_room(counts: &mut HashMap<Box<str>, Count>, now: Instant) {
    counts.retain(|_, count| !count.is_over(now));
    if counts.len() < limits::REPORT_COUNTS {
        return;
    }
    let oldest = counts.iter().min_by_key(|(_, count)| count.since).map(|(sender, _)| sender.clone());
    if let Some(oldest) = oldest {
        counts.remove(&oldest);
    }
}

impl Count {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= HOUR
    }
}

impl Turn<'_> {
    /// The report is made.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_kept
            && let Some(count) = self.ration.lock().get_mut(&self.sender)
        {
            count.reports = count.reports.saturating_sub(1);
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn take(ration: &Ration, sender: &str, now: Instant) -> bool {
        ration.take(sender, now).map(Turn::keep).is_some()
    }

    #[test]
    fn a_senders_hour_has_so_many_reports_and_no_more_s_127() {
        let (ration, start) = (Ration::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for number in 1..limits::REPORTS_PER_HOUR {
            assert!(take(&ration, "alice@home.lan", after(0)), "{number}");
        }
        assert!(take(&ration, "alice@home.lan", after(1800)), "the hundredth");
        assert!(!take(&ration, "alice@home.lan", after(1800)), "one above");
        assert!(take(&ration, "bob@home.lan", after(1800)), "another sender has his own");
        assert!(!take(&ration, "alice@home.lan", after(3599)));
        assert!(take(&ration, "alice@home.lan", after(3600)), "a new hour");
    }

    #[test]
    fn a_report_that_could_not_be_made_is_not_counted() {
        let (ration, now) = (Ration::default(), Instant::now());
        for _ in 0..3 * limits::REPORTS_PER_HOUR {
            drop(ration.take("alice@home.lan", now).unwrap());
        }
        assert!(take(&ration, "alice@home.lan", now));
    }

    /// A stranger with many networks had filled the table, and no user who was not in it was told of his failed mail.
    #[test]
    fn a_flood_of_senders_needs_no_more_memory_and_keeps_nobody_from_his_reports() {
        let (ration, start) = (Ration::default(), Instant::now());
        let later = start + Duration::from_secs(1);
        assert!(take(&ration, "0@far.example", start));
        for number in 1..limits::REPORT_COUNTS {
            assert!(take(&ration, &format!("{number}@far.example"), later));
        }
        assert_eq!(ration.lock().len(), limits::REPORT_COUNTS);
        assert!(take(&ration, "alice@home.lan", later));
        assert_eq!(ration.lock().len(), limits::REPORT_COUNTS);
        assert!(!ration.lock().contains_key("0@far.example"), "whose hour began first");
        assert!(take(&ration, "1@far.example", later));
        assert_eq!(ration.lock()["1@far.example"].reports, 2, "who is known is still counted");
        assert!(take(&ration, "one@more.example", later + HOUR));
        assert_eq!(ration.lock().len(), 1);
    }
}
