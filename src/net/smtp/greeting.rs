//! The greeting, and who speaks before it. RFC 5321 §4.3.1.

use super::Driver;
use crate::limits;
use crate::net::fold::Topic;
use crate::settings::EarlyTalker;
use crate::smtp::{Event, Next};

impl Driver<'_> {
    /// Greets the peer; if he has spoken already, he waits for it or is refused (S-078). Inside TLS nobody can tell.
    pub(super) async fn greet(&mut self) -> Next {
        if self.stream.tls_description().is_some() || !self.stream.has_unread() {
            return self.handle(Event::Connected);
        }
        let is_refused = self.settings.early_talker == EarlyTalker::Refuse;
        self.tell_of_early_talker(is_refused);
        if is_refused {
            return self.handle(Event::SpokenEarly);
        }
        // Told to end meanwhile, it is told so when the first line is wanted.
        self.stream.pause(limits::EARLY_TALKER_PAUSE).await;
        self.handle(Event::Connected)
    }

    fn tell_of_early_talker(&self, is_refused: bool) {
        let act = if is_refused { "is refused" } else { "is greeted later" };
        let line = format_args!("{}: spoke before it was greeted and {act}", self.peer);
        self.server.fold.warn(Topic::EarlyTalker, self.server.clock.monotonic(), line);
    }
}
