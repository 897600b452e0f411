//! The store's threads: how they start and stop, and how questions reach them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redb::ReadTransaction;

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::reader::{self, Question, Questions};
use super::shared::{Shared, lock};
use super::writer::{self, Message};
use crate::limits;
use crate::ticket::{self, Promise};

/// The store's threads.
#[derive(Debug)]
pub(super) struct Threads {
    writer: Sender<Message>,
    questions: Arc<Questions>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts the writer and the readers; where one can't be started, those that run end.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Threads, StoreError> {
        let (writer, messages) = mpsc::channel();
        let threads = Threads { writer, questions: Arc::default(), handles: Mutex::default() };
        let its_shared = Arc::clone(shared);
        let handle =
            spawn("store-writer", move || outlive(&its_shared, || writer::run(&its_shared, &messages)))?;
        lock(&threads.handles).push(handle);
        for _ in 0..limits::READER_THREADS {
            let (its_shared, questions) = (Arc::clone(shared), Arc::clone(&threads.questions));
            let handle =
                spawn("store-reader", move || outlive(&its_shared, || reader::run(&its_shared, &questions)))?;
            lock(&threads.handles).push(handle);
        }
        Ok(threads)
    }

    /// Gives the writer a job; after [`Threads::stop`] its promise is dropped, which its asker sees.
    pub(super) fn send(&self, message: Message) {
        let _ = self.writer.send(message);
    }

    /// Gives the readers a question.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Ask<T> {
        let (question, ticket) = asked(question);
        self.questions.ask(question);
        ticket
    }

    /// The same, before all questions that wait.
    pub(super) fn ask_first<T: Send + 'static>(
        &self,
        question: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Ask<T> {
        let (question, ticket) = asked(question);
        self.questions.ask_first(question);
        ticket
    }

    /// Asks in as many transactions as it takes until `step` gives the answer; other questions come between.
    pub(super) fn ask_in_steps<T: Send + 'static>(
        &self,
        step: impl FnMut(&ReadTransaction) -> Result<Option<T>, Fault> + Send + 'static,
    ) -> Ask<T> {
        let (promise, ticket) = ticket::pair();
        self.questions.ask(in_steps(Arc::clone(&self.questions), step, promise));
        ticket
    }

    /// The way to the writer, for a job that is followed by others.
    pub(super) fn writer(&self) -> Sender<Message> {
        self.writer.clone()
    }

    /// Lets the threads finish what is queued, and waits for them.
    pub(super) fn stop(&self) {
        self.send(Message::Stop);
        self.questions.close();
        let handles = std::mem::take(&mut *lock(&self.handles));
        for handle in handles {
            // The last clone may be dropped by one of these threads, which can't wait for itself.
            if handle.thread().id() != thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

fn asked<T: Send + 'static>(
    question: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
) -> (Question, Ask<T>) {
    let (promise, ticket) = ticket::pair();
    (Box::new(move |shared| promise.keep(shared.engine.read(question))), ticket)
}

fn in_steps<T: Send + 'static>(
    questions: Arc<Questions>,
    mut step: impl FnMut(&ReadTransaction) -> Result<Option<T>, Fault> + Send + 'static,
    promise: Promise<T, StoreError>,
) -> Question {
    Box::new(move |shared| match shared.engine.read(&mut step) {
        Ok(Some(answer)) => promise.keep(Ok(answer)),
        Ok(None) => questions.clone().ask(in_steps(questions, step, promise)),
        Err(error) => promise.keep(Err(error)),
    })
}

/// Goes on behind a bug, with the database opened anew: a server whose store is dead would greet peers for ever and take
/// nothing from them (S-274).
fn outlive(shared: &Shared, work: impl Fn()) {
    while catch_unwind(AssertUnwindSafe(&work)).is_err() {
        shared.engine.distrust();
        thread::sleep(REST_AFTER_BUG);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(STACK_OCTETS)
        .spawn(work)
        .map_err(|error| StoreError::Io(format!("can't start the thread {name}: {error}")))
}

/// A bug that comes again and again must not keep the processor busy, nor fill the log.
const REST_AFTER_BUG: Duration = Duration::from_secs(1);

/// redb descends its trees with some recursion; 128 KiB has been enough for 7 GB (storage lab §2).
const STACK_OCTETS: usize = 256 * 1024;
