//! A timer that rings for a moment of the server's clock.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use smol::Timer;

use crate::clock::Clock;

/// A timer that is set only when it must ring earlier than it is set already: most waits are over long
/// before their deadline, and the timer need not be touched for them.
#[derive(Debug)]
pub struct Alarm {
    timer: Timer,
    rings: Option<Instant>,
}

impl Alarm {
    /// It is not set.
    pub fn new() -> Alarm {
        Alarm { timer: Timer::never(), rings: None }
    }

    /// Ready once the deadline has passed; the task is woken then.
    pub fn poll(&mut self, context: &mut Context<'_>, clock: &Clock, deadline: Instant) -> Poll<()> {
        loop {
            if self.rings.is_none_or(|rings| rings > deadline) {
                self.timer.set_at(clock.alarm_at(deadline));
                self.rings = Some(deadline);
            }
            ready!(Pin::new(&mut self.timer).poll(context));
            self.rings = None;
            if clock.monotonic() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

/// Waits for so long by that clock, from now, not from the first look at what is returned.
pub fn rest(clock: &Clock, duration: std::time::Duration) -> impl Future<Output = ()> {
    until(clock, clock.monotonic() + duration)
}

/// Waits for that moment of that clock.
pub fn until(clock: &Clock, deadline: Instant) -> impl Future<Output = ()> {
    let mut alarm = Alarm::new();
    std::future::poll_fn(move |context| alarm.poll(context, clock, deadline))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_alarm_rings_when_its_clock_has_come_so_far() {
        let clock = Clock::movable();
        smol::block_on(async {
            let mut resting = Box::pin(rest(&clock, Duration::from_secs(3600)));
            assert!(smol::future::poll_once(&mut resting).await.is_none());
            clock.put_forward(Duration::from_secs(3599));
            assert!(smol::future::poll_once(&mut resting).await.is_none());
            clock.put_forward(Duration::from_secs(1));
            resting.await;
        });
    }

    #[test]
    fn an_alarm_that_is_set_for_later_rings_for_an_earlier_deadline_too() {
        let (clock, mut alarm) = (Clock::movable(), Alarm::new());
        let now = clock.monotonic();
        smol::block_on(async {
            let later = std::future::poll_fn(|context| {
                Poll::Ready(alarm.poll(context, &clock, now + Duration::from_secs(3600)))
            });
            assert!(later.await.is_pending());
            std::future::poll_fn(|context| alarm.poll(context, &clock, now)).await;
        });
    }
}
