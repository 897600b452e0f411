//! A message on its way in: read to its true end whatever happens, so that client and server stay in step.

use std::time::{Duration, Instant};

use super::seat::Order;
use super::stream::{Input, Lost, Stream};
use crate::clock::Clock;
use crate::limits;
use crate::smtp::{DataEnd, Receiver};
use crate::store::{StoreError, Upload};

/// A message whose data comes in: in one piece behind DATA, or in chunks.
#[derive(Debug)]
pub struct Intake {
    receiver: Receiver,
    body: Body,
    flow: Flow,
}

/// What the store has of a message; none of one that will not be taken; or why the store could not take it.
type Body = Result<Option<Upload>, StoreError>;

impl Intake {
    /// A message of which nothing has come yet.
    pub fn new(receiver: Receiver, upload: Upload, clock: &Clock) -> Intake {
        Intake { receiver, body: Ok(Some(upload)), flow: Flow::new(clock) }
    }

    /// Takes the data behind 354 to its end. Errs if the peer is gone, silent for [`limits::IDLE_SMTP`], or
    /// slower than [`limits::DATA_RATE_OCTETS`] in [`limits::DATA_RATE_SPAN`] (S-266), and if the administrator
    /// ends the session; the message is void then.
    pub async fn receive(&mut self, stream: &mut Stream, clock: &Clock) -> Result<DataEnd, Lost> {
        let mut piece = Vec::new();
        let (used, mut end) = self.receiver.receive(stream.input(), &mut piece);
        stream.consume(used);
        let mut block = vec![0; if end.is_some() { 0 } else { limits::INPUT_OCTETS }];
        loop {
            self.push(&mut piece).await;
            if let Some(end) = end {
                return Ok(end);
            }
            let octets = self.flow.read(stream, clock, &mut block, &mut self.body).await?;
            let (used, ended) = self.receiver.receive(&block[..octets], &mut piece);
            stream.give_back(&block[used..octets]);
            grow(&mut block, octets);
            end = ended;
        }
    }

    /// Takes a chunk of so many octets to its end, whatever becomes of the message. RFC 3030 §2. Errs as
    /// [`Intake::receive`] does.
    pub async fn receive_chunk(
        &mut self,
        stream: &mut Stream,
        clock: &Clock,
        octets: u64,
    ) -> Result<(), Lost> {
        let mut piece = Vec::new();
        let ahead = at_most(octets, stream.input().len());
        self.receiver.receive_chunk(&stream.input()[..ahead], &mut piece);
        stream.consume(ahead);
        self.push(&mut piece).await;
        let mut left = octets - ahead as u64;
        let mut block = vec![0; at_most(left, limits::INPUT_OCTETS)];
        while left > 0 {
            let most = at_most(left, block.len());
            let octets = self.flow.read(stream, clock, &mut block[..most], &mut self.body).await?;
            self.receiver.receive_chunk(&block[..octets], &mut piece);
            self.push(&mut piece).await;
            left -= octets as u64;
            grow(&mut block, octets);
        }
        Ok(())
    }

    /// Ends a message in chunks, and says how it ended.
    pub async fn end_chunks(&mut self) -> DataEnd {
        let mut piece = Vec::new();
        let end = self.receiver.end_chunks(&mut piece);
        self.push(&mut piece).await;
        end
    }

    /// Whether the message will not be taken, however it goes on.
    pub fn is_spoilt(&self) -> bool {
        self.receiver.is_spoilt()
    }

    /// Why the store could not take it, if it could not.
    pub fn failure(&self) -> Option<&StoreError> {
        self.body.as_ref().err()
    }

    /// Frees the memory of a body whose sender is slow, if others wait for it.
    pub async fn give_way(&mut self) {
        give_way(&mut self.body).await;
    }

    /// The body; none of a message that will not be taken. Errs if the store could not take it.
    pub fn into_upload(self) -> Result<Option<Upload>, StoreError> {
        self.body
    }

    /// Hands a piece to the store; after an error the rest is only read.
    async fn push(&mut self, piece: &mut Vec<u8>) {
        if self.receiver.is_spoilt() && self.body.is_ok() {
            self.body = Ok(None);
        }
        if let (Ok(Some(upload)), false) = (&mut self.body, piece.is_empty())
            && let Err(error) = upload.push(piece).await
        {
            self.body = Err(error);
        }
        piece.clear();
    }
}

/// Reads so many octets and throws them away. Errs as [`Intake::receive`] does.
pub async fn skip(stream: &mut Stream, clock: &Clock, octets: u64) -> Result<(), Lost> {
    let ahead = at_most(octets, stream.input().len());
    stream.consume(ahead);
    let mut left = octets - ahead as u64;
    let mut block = vec![0; at_most(left, limits::INPUT_OCTETS)];
    let mut flow = Flow::new(clock);
    while left > 0 {
        let most = at_most(left, block.len());
        left -= flow.read(stream, clock, &mut block[..most], &mut Ok(None)).await? as u64;
    }
    Ok(())
}

/// Only a peer that fills a small block gets a large one: thousands of slow ones must not hold much (S-266).
fn grow(block: &mut Vec<u8>, octets: usize) {
    if octets == block.len() && octets < limits::DATA_INPUT_OCTETS {
        *block = vec![0; limits::DATA_INPUT_OCTETS];
    }
}

/// The lesser of the two.
fn at_most(octets: u64, most: usize) -> usize {
    usize::try_from(octets).map_or(most, |octets| octets.min(most))
}

/// How a message comes in, chunk after chunk.
#[derive(Debug)]
struct Flow {
    pace: Pace,
    next_look: Instant,
}

impl Flow {
    fn new(clock: &Clock) -> Flow {
        Flow { pace: Pace::default(), next_look: clock.monotonic() + limits::GIVING_WAY }
    }

    /// Reads what comes next, at least one octet; meanwhile the body gives way to others.
    async fn read(
        &mut self,
        stream: &mut Stream,
        clock: &Clock,
        block: &mut [u8],
        body: &mut Body,
    ) -> Result<usize, Lost> {
        let asked = clock.monotonic();
        let octets = loop {
            let now = clock.monotonic();
            if now >= self.next_look {
                self.next_look = now + limits::GIVING_WAY;
                give_way(body).await;
            }
            match stream.read(block, self.next_look.min(asked + limits::IDLE_SMTP), Order::End).await {
                Input::Octets(octets) => break octets,
                Input::TimedOut if clock.monotonic() < asked + patience(stream) => {}
                Input::TimedOut => return Err(Lost::Stalled),
                Input::Told(order) => return Err(Lost::CutOff(order)),
                Input::End => return Err(Lost::Gone),
            }
        };
        if self.pace.is_kept(octets, clock.monotonic() - asked, span(stream)) {
            Ok(octets)
        } else {
            Err(Lost::Stalled)
        }
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

async fn give_way(body: &mut Body) {
    if let Ok(Some(upload)) = body
        && upload.is_in_the_way()
        && let Err(error) = upload.give_way().await
    {
        *body = Err(error);
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
