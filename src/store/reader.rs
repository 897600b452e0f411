//! The reader threads: each question has a short transaction of its own, because one held over network I/O
//! pins pages and lets the file grow (storage lab §3).

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use super::Shared;

/// A question with its promise inside.
pub(super) type Question = Box<dyn FnOnce(&Shared) + Send>;

/// A reader's life: until nobody can ask any more.
pub(super) fn run(shared: &Arc<Shared>, questions: &Mutex<Receiver<Question>>) {
    loop {
        let question = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match question {
            Ok(question) => question(shared),
            Err(_) => return,
        }
    }
}
