//! Indexes that are found wrong while the server runs are made anew from the rows: mail must not wait for a person who
//! starts it again, and an opening counts them only.
//!
//! ```text
//! Sound --a question finds them wrong--> Doubted --quiet--> made anew --> Mended --wrong again, a while later--> Doubted
//!                                                       \--damage--> GivenUp, until the next opening
//! ```

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::opening;
use crate::limits;
use crate::store::Shared;
use crate::store::engine::Fault;
use crate::store::error::StoreError;
use crate::store::writer::Message;

/// What is thought of the indexes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Health {
    #[default]
    Sound,
    /// To be made anew as soon as it is quiet.
    Doubted,
    /// They were, or could not be for want of room, at that moment.
    Tried(Instant),
    /// The rows are damaged too.
    GivenUp,
}

impl Health {
    /// What is thought once they were found wrong; none if nothing new.
    pub(super) fn doubted(self, now: Instant) -> Option<Health> {
        match self {
            Health::Sound => Some(Health::Doubted),
            Health::Tried(at) if now.saturating_duration_since(at) >= limits::QUEUE_MENDING => {
                Some(Health::Doubted)
            }
            Health::Tried(_) | Health::Doubted | Health::GivenUp => None,
        }
    }
}

/// How a question tells that it found the indexes wrong.
pub(super) struct Doubts {
    pub shared: Arc<Shared>,
    pub writer: Sender<Message>,
}

impl Doubts {
    /// Looks at an answer, of which `is_sound` knows whether all was where it should be.
    pub(super) fn heed<T>(&self, answer: &Result<T, Fault>, is_sound: impl FnOnce(&T) -> bool) {
        let is_wrong = match answer {
            Ok(answer) => !is_sound(answer),
            Err(fault) => matches!(fault.error, StoreError::Damaged(_)),
        };
        if is_wrong && doubt(&self.shared) {
            // A writer that has stopped needs no word.
            let _ = self.writer.send(Message::Look);
        }
    }
}

/// The indexes were found wrong; says whether that is new.
pub(in crate::store) fn doubt(shared: &Shared) -> bool {
    shared.queue.doubt(shared.clock.monotonic())
}

/// Makes the indexes anew; only the writer may, between its commits.
pub(in crate::store) fn mend(shared: &Shared) {
    let health = match opening::make_anew(&shared.engine) {
        Ok(whole) => {
            shared.queue.recount(whole.tally);
            log::warn!("the indexes of the queue are whole again, and its mail goes on");
            Health::Tried(shared.clock.monotonic())
        }
        Err(error) => {
            log::error!("the indexes of the queue can't be made anew, and some mail may not leave: {error}");
            match error {
                StoreError::Damaged(_) => Health::GivenUp,
                _ => Health::Tried(shared.clock.monotonic()),
            }
        }
    };
    shared.queue.set_health(health);
    // Who was not found before may be due.
    shared.queue.wake();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn indexes_that_are_wrong_again_are_made_anew_once_an_hour_and_never_where_the_rows_are_damaged_s_296() {
        let now = Instant::now();
        assert_eq!(Health::Sound.doubted(now), Some(Health::Doubted));
        assert_eq!(Health::Doubted.doubted(now), None, "it is known");
        let tried = Health::Tried(now);
        for (after, is_doubted) in [(-1, false), (0, true), (1, true)] {
            let after = Duration::from_secs(limits::QUEUE_MENDING.as_secs().wrapping_add_signed(after));
            assert_eq!(tried.doubted(now + after).is_some(), is_doubted, "{after:?}");
        }
        assert_eq!(Health::GivenUp.doubted(now + limits::QUEUE_MENDING * 2), None);
    }
}
