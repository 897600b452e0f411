//! Messages opened before they are asked for: who takes one after the other need not wait for the store each
//! time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits;
use crate::mail::{MailboxId, Uid};
use crate::store::{Ask, Opened, Store};

/// How many sessions read ahead.
#[derive(Debug, Default)]
pub struct Readers(AtomicUsize);

/// What one session has opened ahead.
#[derive(Debug, Default)]
pub struct Ahead {
    ready: VecDeque<(Uid, Opened)>,
    asked: Option<Ask<Vec<(Uid, Opened)>>>,
    /// What is asked for next, if it goes on as before.
    expected: Option<Uid>,
    /// How many messages to open at once; rises while the guesses are right.
    window: usize,
    place: Option<Place>,
}

#[derive(Debug)]
struct Place(Arc<Readers>);

impl Ahead {
    /// That message, if it was opened ahead; what stood before it is dropped.
    pub async fn take(&mut self, uid: Uid) -> Option<Opened> {
        loop {
            match self.ready.front() {
                Some((front, _)) if *front == uid => return self.ready.pop_front().map(|(_, opened)| opened),
                Some((front, _)) if *front < uid => {
                    self.ready.pop_front();
                }
                Some(_) => return None,
                // An error is told when the message itself is opened.
                None => self.ready = self.asked.take()?.await.unwrap_or_default().into(),
            }
        }
    }

    /// That message is being sent, and `following` gives those behind it: opens some of them, if so far each
    /// message was the one behind the last.
    pub fn sending<I: Iterator<Item = Uid>>(
        &mut self,
        uid: Uid,
        following: impl Fn(Uid) -> I,
        store: &Store,
        mailbox: MailboxId,
        readers: &Arc<Readers>,
    ) {
        let is_expected = self.expected == Some(uid);
        self.expected = following(uid).next();
        if !is_expected || self.expected.is_none() {
            self.ready.clear();
            self.asked = None;
            self.window = 0;
            return;
        }
        if self.asked.is_some() || self.ready.len() > self.window / 2 {
            return;
        }
        if self.place.is_none() {
            self.place = readers.enter();
        }
        if self.place.is_some() {
            self.window = (self.window * 2).clamp(1, limits::READ_AHEAD_MESSAGES);
            let last = self.ready.back().map_or(uid, |(last, _)| *last);
            let uids: Vec<Uid> = following(last).take(self.window).collect();
            self.asked =
                (!uids.is_empty()).then(|| store.open_messages(mailbox, uids, limits::READ_AHEAD_OCTETS));
        }
    }

    /// Whether anything is held.
    pub fn is_empty(&self) -> bool {
        self.place.is_none()
    }
}

impl Readers {
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let more = |count| (count < limits::READ_AHEAD_SESSIONS).then_some(count + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
