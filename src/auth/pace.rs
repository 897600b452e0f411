//! The pace of log lines that strangers cause without being slowed down: one a second (S-278).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// Remembers when the last line was written, and how many were left out since.
#[derive(Debug, Default)]
pub struct Pace {
    last: Mutex<Option<(Instant, u64)>>,
}

impl Pace {
    /// How many lines were left out before this one; none if this one is to be left out.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some((at, left_out)) if now.saturating_duration_since(*at) < PAUSE => {
                *left_out = left_out.saturating_add(1);
                None
            }
            _ => Some(last.replace((now, 0)).map_or(0, |(_, left_out)| left_out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_and_a_count_s_278() {
        let (pace, start) = (Pace::default(), Instant::now());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(pace.admit(after(0)), Some(0));
        assert_eq!((pace.admit(after(1)), pace.admit(after(999))), (None, None));
        assert_eq!(pace.admit(after(1000)), Some(2));
        assert_eq!(pace.admit(after(1999)), None);
        assert_eq!(pace.admit(after(2000)), Some(1));
        assert_eq!(pace.admit(after(9000)), Some(0));
    }
}
