//! The reader threads: each question has a short transaction of its own, because one held over network I/O
//! pins pages and lets the file grow (storage lab §3).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Shared;

/// A question with its promise inside.
pub(super) type Question = Box<dyn FnOnce(&Shared) + Send>;

/// Questions that wait for a reader: one wakes one thread, which a channel behind a lock would not do.
#[derive(Default)]
pub(super) struct Questions {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Question>,
    is_closed: bool,
}

impl Questions {
    /// Puts a question in line; once closed it is dropped, which its asker sees.
    pub(super) fn ask(&self, question: Question) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.waiting.push_back(question);
        drop(state);
        self.asked.notify_one();
    }

    /// Puts a question before all that wait.
    pub(super) fn ask_first(&self, question: Question) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.waiting.push_front(question);
        drop(state);
        self.asked.notify_one();
    }

    /// Takes no more questions; those in line are answered still.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.asked.notify_all();
    }

    /// The next question, as soon as there is one; none once it is closed and empty.
    fn next(&self) -> Option<Question> {
        let mut state = self.lock();
        loop {
            match state.waiting.pop_front() {
                None if state.is_closed => return None,
                None => state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner),
                question => return question,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Questions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Questions")
    }
}

/// A reader's life: until nobody can ask any more.
pub(super) fn run(shared: &Shared, questions: &Questions) {
    while let Some(question) = questions.next() {
        question(shared);
    }
}
