//! A message's data on its way in, behind DATA or in chunks.

use super::Driver;
use crate::net::intake::{self, Intake};
use crate::net::seat::Doing;
use crate::net::stream::Lost;
use crate::smtp::{Event, Next};

impl Driver<'_> {
    pub(super) async fn receive(&mut self) -> Result<Next, Lost> {
        self.write().await?;
        let mut intake = self.begin();
        match intake.receive(self.stream, &self.server.clock).await {
            Err(Lost::CutOff(order)) => Ok(self.tell(order)),
            Err(lost) => Err(lost),
            Ok(end) => {
                // The data has been read to its true end, so a failure of the store can wait for its turn.
                self.intake = Some(intake);
                Ok(self.handle(Event::Received(end)))
            }
        }
    }

    /// The chunk is read to its end before anything is said of it. RFC 3030 §2.
    pub(super) async fn receive_chunk(
        &mut self,
        octets: u64,
        is_first: bool,
        is_last: bool,
    ) -> Result<Next, Lost> {
        let intake = if is_first { Some(self.begin()) } else { self.intake.take() };
        let Some(mut intake) = intake else {
            return self.skip(octets, Event::StoreFailed).await;
        };
        self.answer_before(octets).await?;
        self.stream.seat().show(Doing::Receiving);
        match intake.receive_chunk(self.stream, &self.server.clock, octets).await {
            Err(Lost::CutOff(order)) => return Ok(self.tell(order)),
            taken => taken?,
        }
        if is_last || intake.is_spoilt() {
            let end = intake.end_chunks().await;
            self.intake = Some(intake);
            return Ok(self.handle(Event::Received(end)));
        }
        if let Some(error) = intake.failure() {
            let error = error.clone();
            return Ok(self.answer("taking a message", Err(error)));
        }
        self.intake = Some(intake);
        Ok(self.handle(Event::ChunkReceived))
    }

    pub(super) async fn skip_chunk(&mut self, octets: u64) -> Result<Next, Lost> {
        self.intake = None;
        self.skip(octets, Event::ChunkSkipped).await
    }

    /// Lets others have the memory of a message whose next chunk is not coming.
    pub(super) async fn give_way(&mut self) {
        if let Some(intake) = &mut self.intake {
            intake.give_way().await;
        }
    }

    fn begin(&self) -> Box<Intake> {
        let receiver = self.session.receiver(self.now(), self.server.mail_number());
        self.stream.seat().show(Doing::Receiving);
        Box::new(Intake::new(receiver, self.server.store.upload(), &self.server.clock))
    }

    async fn skip(&mut self, octets: u64, event: Event<'_>) -> Result<Next, Lost> {
        self.answer_before(octets).await?;
        match intake::skip(self.stream, &self.server.clock, octets).await {
            Err(Lost::CutOff(order)) => Ok(self.tell(order)),
            Err(lost) => Err(lost),
            Ok(()) => Ok(self.handle(event)),
        }
    }

    /// Who waits for a reply before he sends on must have it; where the chunk is there already, it can wait.
    async fn answer_before(&mut self, octets: u64) -> Result<(), Lost> {
        if (self.stream.input().len() as u64) < octets { self.write().await } else { Ok(()) }
    }
}
