//! A message on its way in: read to its true end whatever happens, so that client and server stay in step.

use std::time::Duration;

use super::seat::Order;
use super::stream::{Input, Lost, Stream};
use crate::clock::Clock;
use crate::limits;
use crate::smtp::{DataEnd, Receiver};
use crate::store::{StoreError, Upload};

/// What came of a message's data.
pub struct Intake {
    /// How it ended.
    pub end: DataEnd,
    /// The body in the store's hands, or why the store could not take it; none of a message that will not be
    /// taken.
    pub upload: Result<Option<Upload>, StoreError>,
}

/// Takes the data behind 354 to its end. Errs if the peer is gone, silent for [`limits::IDLE_SMTP`], or
/// slower than [`limits::DATA_RATE_OCTETS`] in [`limits::DATA_RATE_SPAN`] (S-266), and if the administrator ends
/// the session; nothing stays then.
pub async fn receive(
    stream: &mut Stream,
    clock: &Clock,
    mut receiver: Receiver,
    upload: Upload,
) -> Result<Intake, Lost> {
    let mut upload = Ok(Some(upload));
    let mut piece = Vec::new();
    let mut pace = Pace::default();
    let mut next_look = clock.monotonic() + limits::GIVING_WAY;

    let (used, mut end) = receiver.receive(stream.input(), &mut piece);
    stream.consume(used);
    let mut block = vec![0; if end.is_some() { 0 } else { limits::DATA_INPUT_OCTETS }];
    loop {
        if receiver.is_spoilt() && upload.is_ok() {
            upload = Ok(None);
        }
        push(&mut upload, &mut piece).await;
        if let Some(end) = end {
            return Ok(Intake { end, upload });
        }
        let asked = clock.monotonic();
        let octets = loop {
            let now = clock.monotonic();
            if now >= next_look {
                next_look = now + limits::GIVING_WAY;
                give_way(&mut upload).await;
            }
            match stream.read(&mut block, next_look.min(asked + limits::IDLE_SMTP), Order::End).await {
                Input::Octets(octets) => break octets,
                Input::TimedOut if clock.monotonic() < asked + patience(stream) => {}
                Input::TimedOut => return Err(Lost::Stalled),
                Input::Told(order) => return Err(Lost::CutOff(order)),
                Input::End => return Err(Lost::Gone),
            }
        };
        if !pace.is_kept(octets, clock.monotonic() - asked, span(stream)) {
            return Err(Lost::Stalled);
        }
        let (used, ended) = receiver.receive(&block[..octets], &mut piece);
        stream.give_back(&block[used..octets]);
        end = ended;
    }
}

/// How long he may be silent.
fn patience(stream: &Stream) -> Duration {
    if stream.is_pressed() { limits::PRESSED_PATIENCE } else { limits::IDLE_SMTP }
}

/// In what time his pace is judged.
fn span(stream: &Stream) -> Duration {
    if stream.is_pressed() { limits::PRESSED_PATIENCE } else { limits::DATA_RATE_SPAN }
}

/// Hands a piece to the store; after an error the rest is only read.
async fn push(upload: &mut Result<Option<Upload>, StoreError>, piece: &mut Vec<u8>) {
    if let (Ok(Some(body)), false) = (&mut *upload, piece.is_empty())
        && let Err(error) = body.push(piece).await
    {
        *upload = Err(error);
    }
    piece.clear();
}

/// Frees the memory of a body whose sender is slow, if others wait for it.
async fn give_way(upload: &mut Result<Option<Upload>, StoreError>) {
    if let Ok(Some(body)) = upload
        && body.is_in_the_way()
        && let Err(error) = body.give_way().await
    {
        *upload = Err(error);
    }
}

/// Whether a peer sends fast enough; only the time that he lets us wait counts.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    octets: u64,
}

impl Pace {
    fn is_kept(&mut self, octets: usize, waited: Duration, span: Duration) -> bool {
        self.waited += waited;
        self.octets += octets as u64;
        if self.waited < span {
            return true;
        }
        let part = span.as_secs_f64() / limits::DATA_RATE_SPAN.as_secs_f64();
        std::mem::take(self).octets as f64 >= limits::DATA_RATE_OCTETS as f64 * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = limits::DATA_RATE_SPAN;

    #[test]
    fn a_dribbling_peer_is_left_after_a_minute_s_266() {
        let mut pace = Pace::default();
        for _ in 0..5 {
            assert!(pace.is_kept(1, Duration::from_secs(10), MINUTE));
        }
        assert!(!pace.is_kept(1, Duration::from_secs(10), MINUTE));
    }

    #[test]
    fn the_least_pace_is_held_at_its_edges_s_266() {
        let least = limits::DATA_RATE_OCTETS as usize;
        for (octets, is_kept) in [(least - 1, false), (least, true), (least + 1, true)] {
            assert_eq!(Pace::default().is_kept(octets, MINUTE, MINUTE), is_kept, "{octets}");
        }
        let just_less = limits::DATA_RATE_SPAN - Duration::from_nanos(1);
        assert!(Pace::default().is_kept(1, just_less, MINUTE));
    }

    #[test]
    fn each_minute_is_judged_for_itself() {
        let mut pace = Pace::default();
        assert!(pace.is_kept(10_000_000, MINUTE, MINUTE));
        assert!(!pace.is_kept(1, MINUTE, MINUTE));
    }

    #[test]
    fn where_places_are_scarce_the_same_pace_is_judged_after_seconds_s_266() {
        let span = limits::PRESSED_PATIENCE;
        for (octets, is_kept) in [(4999, false), (5000, true), (5001, true)] {
            assert_eq!(Pace::default().is_kept(octets, span, span), is_kept, "{octets}");
        }
        assert!(Pace::default().is_kept(1, span - Duration::from_nanos(1), span));
        let mut pace = Pace::default();
        assert!(pace.is_kept(1, span, MINUTE));
        assert!(!pace.is_kept(1, Duration::ZERO, span), "what has been waited before counts");
    }
}
