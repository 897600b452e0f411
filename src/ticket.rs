//! A promise that another thread keeps: awaited by the server's tasks, waited for by the command line.
//!
//! ```text
//! pair() -> (Promise) --keep(value)--> (Ticket) --.await or .wait()--> value
//!              | dropped unkept
//!              +--------------------> (Ticket) --> Err(E::from(Abandoned))
//! ```

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// The thread that should have answered is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned;

/// Makes a promise and the ticket that it redeems.
pub fn pair<T, E: From<Abandoned>>() -> (Promise<T, E>, Ticket<T, E>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::Open(None)), kept: Condvar::new() });
    (Promise { shared: Some(Arc::clone(&shared)) }, Ticket { shared })
}

/// The side that answers; dropped without an answer, the ticket holder gets [`Abandoned`].
#[derive(Debug)]
pub struct Promise<T, E: From<Abandoned>> {
    shared: Option<Arc<Shared<T, E>>>,
}

impl<T, E: From<Abandoned>> Promise<T, E> {
    /// Answers and wakes whoever waits.
    pub fn keep(mut self, result: Result<T, E>) {
        if let Some(shared) = self.shared.take() {
            shared.settle(result);
        }
    }
}

impl<T, E: From<Abandoned>> Drop for Promise<T, E> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.settle(Err(E::from(Abandoned)));
        }
    }
}

/// The side that waits, as a future or by blocking.
#[must_use = "what was promised is only known once the ticket is awaited"]
#[derive(Debug)]
pub struct Ticket<T, E: From<Abandoned>> {
    shared: Arc<Shared<T, E>>,
}

impl<T, E: From<Abandoned>> Ticket<T, E> {
    /// A ticket whose answer is known already.
    pub fn ready(result: Result<T, E>) -> Self {
        let (promise, ticket) = pair();
        promise.keep(result);
        ticket
    }

    /// Blocks this thread until the promise is kept; for the command line and for tests.
    pub fn wait(self) -> Result<T, E> {
        let mut state = self.shared.lock();
        loop {
            if let State::Kept(result) = std::mem::replace(&mut *state, State::Open(None)) {
                return result;
            }
            state = self.shared.kept.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T, E: From<Abandoned>> Future for Ticket<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.lock();
        match std::mem::replace(&mut *state, State::Open(None)) {
            State::Kept(result) => Poll::Ready(result),
            State::Open(_) => {
                *state = State::Open(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

/// Runs a future to its end on this thread; the future must not need the server's reactor.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[derive(Debug)]
struct Shared<T, E> {
    state: Mutex<State<T, E>>,
    kept: Condvar,
}

#[derive(Debug)]
enum State<T, E> {
    Open(Option<Waker>),
    Kept(Result<T, E>),
}

impl<T, E> Shared<T, E> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, result: Result<T, E>) {
        let before = std::mem::replace(&mut *self.lock(), State::Kept(result));
        self.kept.notify_one();
        if let State::Open(Some(waker)) = before {
            waker.wake();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Gone;

    impl From<Abandoned> for Gone {
        fn from(_: Abandoned) -> Gone {
            Gone
        }
    }

    #[test]
    fn a_kept_promise_reaches_the_one_who_waits() {
        let (promise, ticket) = pair::<u32, Gone>();
        let waiter = thread::spawn(move || ticket.wait());
        promise.keep(Ok(7));
        assert_eq!(waiter.join().unwrap(), Ok(7));
    }

    #[test]
    fn a_kept_promise_wakes_the_task_that_awaits() {
        let (promise, ticket) = pair::<u32, Gone>();
        let waiter = thread::spawn(move || block_on(ticket));
        promise.keep(Ok(8));
        assert_eq!(waiter.join().unwrap(), Ok(8));
    }

    #[test]
    fn a_dropped_promise_is_an_error_and_not_a_hang() {
        let (promise, ticket) = pair::<u32, Gone>();
        drop(promise);
        assert_eq!(ticket.wait(), Err(Gone));
    }

    #[test]
    fn a_ready_ticket_needs_no_thread() {
        assert_eq!(Ticket::<u32, Gone>::ready(Ok(9)).wait(), Ok(9));
    }
}
