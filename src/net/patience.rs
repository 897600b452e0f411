//! How long a peer is waited for: usually, and where places are scarce and he is a stranger.

use std::time::{Duration, Instant};

use smol::future::FutureExt;

use super::alarm;
use crate::clock::Clock;
use crate::limits;
use crate::store::StoreError;

/// Until when a peer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// As long as there are places.
    pub usual: Instant,
    /// For a stranger, once places are scarce.
    pub pressed: Instant,
}

/// The wait for one line.
#[derive(Debug, Clone, Copy)]
pub struct LineWait {
    asked: Instant,
    idle: Duration,
    begun: Option<Instant>,
}

impl LineWait {
    /// The peer has been asked for a line at that moment, and may be silent for so long.
    pub fn new(asked: Instant, idle: Duration) -> LineWait {
        LineWait { asked, idle, begun: None }
    }

    /// Part of the line has come; only the first part counts, so that trickling octets buy no time (S-266).
    pub fn has_begun(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
    }

    /// Until when the line must have begun, or ended if it has begun.
    pub fn deadline(&self) -> Deadline {
        let idle = self.asked + self.idle;
        let usual = self.begun.map_or(idle, |begun| idle.min(begun + limits::LINE));
        let pressed = self.begun.unwrap_or(self.asked) + limits::PRESSED_PATIENCE;
        Deadline { usual, pressed: pressed.min(usual) }
    }
}

/// How long a peer has taken nothing, counted anew with each octet that he takes: what waits behind TLS may be
/// more than a slow peer takes in time.
#[derive(Debug)]
pub(super) struct Stall {
    pub patience: Duration,
    written: u64,
    deadline: Option<Instant>,
}

impl Stall {
    /// Nothing has been waited for yet.
    pub fn new(patience: Duration) -> Stall {
        Stall { patience, written: 0, deadline: None }
    }

    /// Whether the peer had to be waited for.
    pub fn has_begun(&self) -> bool {
        self.deadline.is_some()
    }

    /// Until when he must take an octet; so many have gone out by now.
    pub fn deadline(&mut self, written: u64, now: impl FnOnce() -> Instant) -> Instant {
        if written != self.written {
            *self = Stall { written, ..Stall::new(self.patience) };
        }
        *self.deadline.get_or_insert_with(|| now() + self.patience)
    }
}

/// What the store answers within [`limits::STORE_PATIENCE`]: a disk that hangs leaves no peer without a word (S-275).
/// What was asked for may happen after all. The time begins with the call.
pub fn in_time<T>(
    clock: &Clock,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, StoreError>> {
    let rest = alarm::rest(clock, limits::STORE_PATIENCE);
    let late = async {
        rest.await;
        Err(StoreError::Io("the disk of the database does not answer: look at it with dmesg".into()))
    };
    answer.or(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_minute_from_its_first_octet_however_it_trickles_s_266() {
        let asked = Instant::now();
        let at = |seconds| asked + Duration::from_secs(seconds);
        let mut wait = LineWait::new(asked, limits::IDLE_SMTP);
        assert_eq!(wait.deadline(), Deadline { usual: at(300), pressed: at(10) });
        for second in [7, 8, 66] {
            wait.has_begun(at(second));
            assert_eq!(wait.deadline(), Deadline { usual: at(67), pressed: at(17) });
        }
    }

    #[test]
    fn a_line_that_begins_late_gets_no_longer_than_silence_would() {
        let asked = Instant::now();
        let at = |seconds| asked + Duration::from_secs(seconds);
        let mut wait = LineWait::new(asked, limits::IDLE_BEFORE_LOGON);
        wait.has_begun(at(55));
        assert_eq!(wait.deadline(), Deadline { usual: at(60), pressed: at(60) });
    }
}
