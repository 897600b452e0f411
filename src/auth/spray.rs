//! Many wrong passwords in a minute, whatever the accounts and networks: somebody tries them (S-170).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::network::Network;
use super::tag::Tag;
use crate::limits;

/// Counts the failures of all, minute by minute.
#[derive(Default)]
pub struct Spray {
    begun: Option<Instant>,
    failures: u32,
    accounts: HashSet<Tag>,
    networks: HashSet<Network>,
    /// Whether there were too many in the minute before this one.
    was_over: bool,
    told: Option<Instant>,
}

impl Spray {
    /// Notes a failure; gives a line for the log if there are too many now, and it has not been told lately.
    pub fn note(&mut self, account: Tag, network: Network, now: Instant) -> Option<String> {
        if self.age(now).is_none_or(|age| age >= MINUTE) {
            self.was_over = self.is_on(now);
            self.begun = Some(now);
            self.failures = 0;
            self.accounts.clear();
            self.networks.clear();
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures > limits::SPRAYED_FAILURES {
            return None;
        }
        self.accounts.insert(account);
        self.networks.insert(network);
        let lately = self.told.is_some_and(|at| now.saturating_duration_since(at) < limits::SPRAY_ALARMS);
        if self.failures < limits::SPRAYED_FAILURES || lately {
            return None;
        }
        self.told = Some(now);
        Some(format!(
            "someone tries passwords: {} wrong ones within a minute for {} from {}; \"poppet fails\" shows which",
            self.failures,
            counted(self.accounts.len(), "account"),
            counted(self.networks.len(), "network")
        ))
    }

    /// Whether there were too many in this minute or the one before.
    pub fn is_on(&self, now: Instant) -> bool {
        let Some(age) = self.age(now) else { return false };
        let is_over = self.failures >= limits::SPRAYED_FAILURES;
        is_over && age < 2 * MINUTE || self.was_over && age < MINUTE
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.begun.map(|begun| now.saturating_duration_since(begun))
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    struct Trial(Spray, Instant);

    impl Trial {
        fn new() -> Trial {
            Trial(Spray::default(), Instant::now())
        }

        fn at(&self, seconds: u64) -> Instant {
            self.1 + Duration::from_secs(seconds)
        }

        /// So many failures at once, each of another account, from three networks.
        fn fail(&mut self, count: u32, seconds: u64) -> Vec<String> {
            let now = self.at(seconds);
            let network = |number: u32| Network::of(std::net::IpAddr::V4((number % 3).into()));
            let note = |number: u32| self.0.note([number as u8; 16], network(number), now);
            (0..count).filter_map(note).collect()
        }
    }

    #[test]
    fn too_many_in_a_minute_are_an_alarm_and_one_less_is_none_s_170() {
        let mut trial = Trial::new();
        assert!(trial.fail(limits::SPRAYED_FAILURES - 1, 0).is_empty());
        assert!(!trial.0.is_on(trial.at(0)));
        assert_eq!(
            trial.fail(1, 59),
            ["someone tries passwords: 60 wrong ones within a minute for 59 accounts from 3 networks; \
              \"poppet fails\" shows which"]
        );
        for (seconds, is_on) in [(59, true), (119, true), (120, false)] {
            assert_eq!(trial.0.is_on(trial.at(seconds)), is_on, "{seconds}");
        }
        let mut trial = Trial::new();
        trial.fail(limits::SPRAYED_FAILURES - 1, 0);
        assert!(trial.fail(limits::SPRAYED_FAILURES - 1, 60).is_empty(), "each minute counts for itself");
    }

    #[test]
    fn what_goes_on_is_told_each_ten_minutes_and_is_on_all_the_time() {
        let mut trial = Trial::new();
        let mut told = Vec::new();
        for minute in 0..21 {
            let lines = trial.fail(2 * limits::SPRAYED_FAILURES, minute * 60).len();
            told.extend((0..lines).map(|_| minute));
            assert!(trial.0.is_on(trial.at(minute * 60 + 59)));
        }
        assert_eq!(told, [0, 10, 20]);
        assert!(trial.fail(1, 21 * 60).is_empty() && trial.0.is_on(trial.at(21 * 60 + 59)));
        assert!(!trial.0.is_on(trial.at(22 * 60)));
    }

    #[test]
    fn a_flood_takes_no_room() {
        let mut trial = Trial::new();
        trial.fail(100_000, 0);
        assert!(trial.0.accounts.len() <= limits::SPRAYED_FAILURES as usize);
        assert_eq!(trial.0.failures, 100_000);
    }
}
