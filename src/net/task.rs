//! How tasks begin: behind a pointer, so that what runs a task is in the binary once, not for each kind of task.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use smol::{Executor, Task};

/// Something to be done, of whatever kind.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins `work` on the executor's threads; dropped, the task ends unless it is detached.
pub fn begin(executor: &Executor<'static>, work: impl Future<Output = ()> + Send + 'static) -> Task<()> {
    let work: Work = Box::pin(work);
    executor.spawn(work)
}

/// Does what blocks on a thread of its own; dropped before that has begun, it is left.
pub async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let answer = Arc::new(Mutex::new(None));
    let place = Arc::clone(&answer);
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        let answer = work();
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    });
    smol::unblock(work).await;
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    match answer {
        Some(answer) => answer,
        // Not to be had: a panic in `work` is one in who awaits it.
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_gives_its_answer_and_its_panic_to_who_waits_for_it() {
        assert_eq!(smol::block_on(unblock(|| 7)), 7);
        let broken = std::panic::catch_unwind(|| smol::block_on(unblock(|| -> u8 { panic!("meant") })));
        assert!(broken.is_err());
    }

    #[test]
    fn a_task_ends_with_its_handle_unless_it_is_detached() {
        let executor = Executor::new();
        let held = Arc::new(());
        let waiting = |held: Arc<()>| async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        let task = begin(&executor, waiting(Arc::clone(&held)));
        begin(&executor, waiting(Arc::clone(&held))).detach();
        while executor.try_tick() {}
        assert_eq!(Arc::strong_count(&held), 3);
        drop(task);
        while executor.try_tick() {}
        assert_eq!(Arc::strong_count(&held), 2);
    }
}
