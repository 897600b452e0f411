//! How long to wait before the next try (S-129).

use std::time::Duration;

use crate::limits;

/// The pause after so many failed tries, from [`limits::FIRST_RETRY`] doubling up to [`limits::LONGEST_RETRY`], a quarter
/// more or less by `jitter` (any number), so that what failed together does not come together.
pub fn pause(tries: u32, jitter: u64) -> Duration {
    // From 750 to 1250 thousandths.
    let share = 750 + spread(jitter) % 501;
    let milliseconds = u64::try_from(middle(tries).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(milliseconds.saturating_mul(share) / 1000)
}

/// How long so many failed tries have lasted at least, by their pauses alone: for who can't be asked by a clock.
pub fn least(tries: u32) -> Duration {
    let pauses = (1..=tries.min(DOUBLINGS)).map(|tries| middle(tries) * 3 / 4);
    let rest = limits::LONGEST_RETRY * 3 / 4;
    pauses.sum::<Duration>().saturating_add(rest.saturating_mul(tries.saturating_sub(DOUBLINGS)))
}

fn middle(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(DOUBLINGS);
    limits::FIRST_RETRY.saturating_mul(1 << doublings).min(limits::LONGEST_RETRY)
}

/// Spreads numbers that are near each other, as those of a queue are: the odd factor is 2^64 by the golden ratio.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

/// Beyond these the pause is the longest anyway.
const DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The least, the most and the mean of a pause, in seconds, over many jitters.
    fn of(tries: u32) -> (f64, f64, f64) {
        let all: Vec<f64> = (0..5000).map(|jitter| pause(tries, jitter).as_secs_f64()).collect();
        let least = all.iter().copied().fold(f64::MAX, f64::min);
        let most = all.iter().copied().fold(0.0, f64::max);
        (least, most, all.iter().sum::<f64>() / all.len() as f64)
    }

    #[test]
    fn pauses_double_from_the_first_to_the_longest_s_129() {
        for (tries, middle) in [
            (0, 60.0),
            (1, 60.0),
            (2, 120.0),
            (3, 240.0),
            (4, 480.0),
            (5, 960.0),
            (6, 1920.0),
            (7, 3840.0),
            (8, 4000.0),
            (9, 4000.0),
            (1000, 4000.0),
            (u32::MAX, 4000.0),
        ] {
            let (least, most, mean) = of(tries);
            assert!((middle * 0.75..middle * 0.76).contains(&least), "{tries}: {least}");
            assert!((middle * 1.24..=middle * 1.25).contains(&most), "{tries}: {most}");
            assert!((mean - middle).abs() < middle * 0.01, "{tries}: {mean}");
        }
    }

    #[test]
    fn tries_have_lasted_as_long_as_the_shortest_of_their_pauses_s_129() {
        for (tries, seconds) in [(0, 0), (1, 45), (2, 135), (7, 5715), (10, 14_715), (112, 320_715)] {
            assert_eq!(least(tries).as_secs(), seconds, "{tries}");
        }
        assert!(least(u32::MAX) > least(u32::MAX - 1));
    }

    #[test]
    fn any_number_will_do_as_jitter() {
        for jitter in [0, 1, u64::MAX, u64::MAX - 1, 1 << 32, 1 << 63] {
            let pause = pause(1, jitter).as_secs_f64();
            assert!((45.0..=75.0).contains(&pause), "{jitter}: {pause}");
        }
    }

    #[test]
    fn neighbours_do_not_come_together() {
        let mut pauses: Vec<u128> = (100..200).map(|jitter| pause(8, jitter).as_millis()).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 80, "{} different of 100", pauses.len());
    }

    #[test]
    fn five_days_have_some_hundred_and_ten_tries() {
        let (mut tries, mut seconds) = (0, 0.0);
        while seconds < 5.0 * 86_400.0 {
            tries += 1;
            seconds += pause(tries, u64::from(tries)).as_secs_f64();
        }
        assert!((105..=125).contains(&tries), "{tries}");
    }
}
