//! Wrong tries of one account, each forgotten after its time.

use serde::{Deserialize, Serialize};

/// How many there were when: seconds rise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries(Vec<(u64, u32)>);

impl Tries {
    /// Adds one. Those of the same sixteenth of a window of so many seconds are forgotten together, with the last of
    /// them; with 0 none is, so that they are one number.
    pub fn add(&mut self, now: u64, window: u64) {
        let part = match window {
            0 => u64::MAX,
            window => (window / PARTS).max(1),
        };
        match self.0.last_mut() {
            Some((last, count)) if *last / part == now / part => {
                *count = count.saturating_add(1);
                *last = now.max(*last);
            }
            _ => self.0.push((now, 1)),
        }
        // A window that was changed may have left many.
        while self.0.len() > MOST {
            let (_, count) = self.0.remove(0);
            self.0[0].1 = self.0[0].1.saturating_add(count);
        }
    }

    /// Forgets those that are so many seconds old.
    pub fn forget(&mut self, now: u64, age: u64) {
        self.0.retain(|(at, _)| now.saturating_sub(*at) < age);
    }

    /// How many are left.
    pub fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

const PARTS: u64 = 16;
const MOST: usize = 2 * PARTS as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_forgotten_when_its_window_is_over_and_not_before() {
        for (window, at, now, left) in [
            (3600, &[0][..], 3599, 1),
            (3600, &[0], 3600, 0),
            (3600, &[0, 1000, 2000], 3600, 2),
            (3600, &[0, 1000, 2000], 4599, 2),
            (3600, &[0, 1000, 2000], 4600, 1),
            (3600, &[0, 1000, 2000], 5600, 0),
            // 224 and 0 are of one sixteenth, 225 is not.
            (3600, &[0, 224], 3600, 2),
            (3600, &[0, 225], 3600, 1),
            (60, &[0, 1, 2, 3], 62, 1),
        ] {
            let mut tries = Tries::default();
            at.iter().for_each(|at| tries.add(*at, window));
            tries.forget(now, window);
            assert_eq!(tries.count(), left, "{window} {at:?} {now}");
        }
    }

    #[test]
    fn without_a_window_they_are_one_number() {
        let mut tries = Tries::default();
        (0..1000).for_each(|day| tries.add(day * 86_400, 0));
        assert_eq!((tries.count(), tries.0.len()), (1000, 1));
    }

    #[test]
    fn a_flood_takes_no_room_whatever_the_window_was() {
        let mut tries = Tries::default();
        let mut now = 0;
        for window in [60, 0, 31_536_000, 120, 3600, 60] {
            for _ in 0..1000 {
                now += 7;
                tries.add(now, window);
            }
            assert!(tries.0.len() <= MOST);
        }
        assert_eq!(tries.count(), 6000, "none is lost before its time");
    }
}
