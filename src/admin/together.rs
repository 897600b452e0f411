//! Several questions at once, without a runtime of their own.

use std::future::poll_fn;
use std::task::Poll;

use crate::auth::Answering;

/// Asks so many of the questions at once, in their order, until `go_on` says no to an answer; what is under way then
/// is still waited for. Gives the answers in the order of the questions, none for those that were not asked any more.
pub(super) async fn together<'a, T>(
    at_once: usize,
    questions: Vec<Answering<'a, T>>,
    mut go_on: impl FnMut(&T) -> bool,
) -> Vec<Option<T>> {
    let mut answers: Vec<Option<T>> = questions.iter().map(|_| None).collect();
    let mut waiting = questions.into_iter().enumerate();
    let mut asked: Vec<(usize, Answering<'a, T>)> = Vec::new();
    let mut is_going_on = true;
    poll_fn(|context| {
        loop {
            while is_going_on && asked.len() < at_once {
                let Some(next) = waiting.next() else { break };
                asked.push(next);
            }
            let before = asked.len();
            asked.retain_mut(|(index, question)| match question.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(answer) => {
                    is_going_on &= go_on(&answer);
                    answers[*index] = Some(answer);
                    false
                }
            });
            // Places that got free are taken at once, for nobody else would wake this up.
            match asked.is_empty() {
                true if !is_going_on || waiting.len() == 0 => return Poll::Ready(()),
                _ if asked.len() == before => return Poll::Pending,
                _ => {}
            }
        }
    })
    .await;
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::ticket::{self, block_on};

    fn numbers(count: usize) -> Vec<Answering<'static, usize>> {
        (0..count).map(|number| Box::pin(async move { number }) as Answering<'static, usize>).collect()
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        for (count, at_once) in [(0, 1), (1, 8), (7, 8), (8, 8), (9, 8), (100, 3)] {
            let answers = block_on(together(at_once, numbers(count), |_| true));
            assert_eq!(answers, (0..count).map(Some).collect::<Vec<_>>(), "{count} {at_once}");
        }
    }

    #[test]
    fn after_a_no_nothing_more_is_asked() {
        let answers = block_on(together(2, numbers(6), |number| *number < 2));
        assert_eq!(answers, [Some(0), Some(1), Some(2), Some(3), None, None]);
        assert_eq!(block_on(together(2, numbers(3), |_| false)), [Some(0), Some(1), None]);
    }

    #[test]
    fn only_so_many_are_under_way_and_each_answer_makes_room() {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        let (promises, tickets): (Vec<_>, Vec<_>) = (0..20).map(|_| ticket::pair::<(), Gone>()).unzip();
        let questions = tickets
            .into_iter()
            .map(|ticket| {
                Box::pin(async move {
                    let now = UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1;
                    let _ = ticket.await;
                    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
                    now
                }) as Answering<'static, usize>
            })
            .collect();
        let keeper = std::thread::spawn(move || promises.into_iter().rev().for_each(|it| it.keep(Ok(()))));
        let answers = block_on(together(4, questions, |_| true));
        keeper.join().unwrap();
        assert_eq!(answers.len(), 20);
        assert!(answers.iter().all(|now| now.is_some_and(|now| now <= 4)), "{answers:?}");
    }

    struct Gone;

    impl From<ticket::Abandoned> for Gone {
        fn from(_: ticket::Abandoned) -> Gone {
            Gone
        }
    }
}
