//! Turns at asking elsewhere: one question for an account at a time, and not all of them strangers'.
//!
//! ```text
//! take(account, network) -> a turn, at once or when others give theirs back: someone known first, then
//!                           who has the fewest questions under way from his network, then who came first
//!                        -> all places taken: the newest of the network that waits most makes room,
//!                           or Busy (S-173)
//! ```
//!
//! A directory locks an account out after some wrong passwords: guesses sent at once must not all be asked before the
//! first has failed (S-205).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::gate::Busy;
use super::network::Network;
use crate::limits;
use crate::ticket::{Promise, pair};

/// Gives turns; clones give the same ones.
#[derive(Clone, Default)]
pub struct Turns {
    state: Arc<Mutex<State>>,
}

/// A turn; dropped it is given back.
pub struct Turn {
    state: Arc<Mutex<State>>,
    number: u64,
}

#[derive(Default)]
struct State {
    last: u64,
    running: Vec<Seat>,
    waiting: Vec<(Seat, Promise<(), Busy>)>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seat {
    number: u64,
    account: String,
    network: Network,
    is_known: bool,
}

impl Turns {
    /// Waits for a turn to ask about an account. Errs with [`Busy`] if there is no place to wait, or if it is lost to
    /// somebody known or to a network that has fewer.
    pub async fn take(&self, account: &str, network: Network, is_known: bool) -> Result<Turn, Busy> {
        let (promise, ticket) = pair();
        let (turn, pushed_out) = {
            let mut state = lock(&self.state);
            state.last += 1;
            let number = state.last;
            let seat = Seat { number, account: account.into(), network, is_known };
            let pushed_out = match state.waiting.len() < limits::WAITING_LOGONS {
                true => None,
                false => Some(state.push_out(&seat).ok_or(Busy)?),
            };
            state.waiting.push((seat, promise));
            // Made before it is waited for: who goes away while he waits gives up his place.
            (Turn { state: Arc::clone(&self.state), number }, pushed_out)
        };
        drop(pushed_out);
        run_next(&self.state);
        ticket.await.map(|()| turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let left = {
            let mut state = lock(&self.state);
            state.running.retain(|seat| seat.number != self.number);
            let at = state.waiting.iter().position(|(seat, _)| seat.number == self.number);
            at.map(|at| state.waiting.remove(at))
        };
        drop(left);
        run_next(&self.state);
    }
}

impl State {
    /// Takes the promise of the newest of the network that waits most, counting the newcomer's with him; for somebody
    /// known a stranger's always.
    fn push_out(&mut self, newcomer: &Seat) -> Option<Promise<(), Busy>> {
        let waiting = |network| self.waiting.iter().filter(|(seat, _)| seat.network == network).count();
        let rank = |seat: &Seat| match (newcomer.is_known, seat.is_known) {
            (true, false) => limits::WAITING_LOGONS + waiting(seat.network),
            (false, true) => 0,
            _ => waiting(seat.network),
        };
        let places = self.waiting.iter().enumerate();
        let (at, most) =
            places.map(|(at, (seat, _))| (at, rank(seat))).max_by_key(|&(at, rank)| (rank, at))?;
        (most > waiting(newcomer.network) + 1).then(|| self.waiting.remove(at).1)
    }

    /// The next that may run.
    fn next(&mut self) -> Option<Promise<(), Busy>> {
        if self.running.len() >= limits::OUTSIDE_QUESTIONS {
            return None;
        }
        let strangers = self.running.iter().filter(|seat| !seat.is_known).count();
        let may_run = |seat: &Seat| {
            self.running.iter().all(|other| other.account != seat.account)
                && (seat.is_known || strangers < limits::OUTSIDE_QUESTIONS - PLACES_FOR_KNOWN)
        };
        let running = |network| self.running.iter().filter(|seat| seat.network == network).count();
        let places = self.waiting.iter().enumerate().filter(|(_, (seat, _))| may_run(seat));
        let (at, _) = places.min_by_key(|(at, (seat, _))| (!seat.is_known, running(seat.network), *at))?;
        let (seat, promise) = self.waiting.remove(at);
        self.running.push(seat);
        Some(promise)
    }
}

/// Promises are kept outside the lock: they wake tasks.
fn run_next(state: &Mutex<State>) {
    loop {
        let next = lock(state).next();
        match next {
            Some(promise) => promise.keep(Ok(())),
            None => return,
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Strangers never have these of [`limits::OUTSIDE_QUESTIONS`].
const PLACES_FOR_KNOWN: usize = 2;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::net::IpAddr;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Waiting = Pin<Box<dyn Future<Output = Result<Turn, Busy>>>>;

    fn network(number: u8) -> Network {
        Network::of(IpAddr::V4([192, 0, 2, number].into()))
    }

    fn poll(waiting: &mut Waiting) -> Poll<Result<Turn, Busy>> {
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn begin(turns: &Turns, account: &str, from: u8, is_known: bool) -> (Waiting, Option<Turn>) {
        let (turns, account) = (turns.clone(), account.to_owned());
        let mut waiting: Waiting =
            Box::pin(async move { turns.take(&account, network(from), is_known).await });
        let turn = match poll(&mut waiting) {
            Poll::Ready(Ok(turn)) => Some(turn),
            _ => None,
        };
        (waiting, turn)
    }

    #[test]
    fn an_account_is_asked_about_once_at_a_time_s_205() {
        let turns = Turns::default();
        let (_, first) = begin(&turns, "alice", 1, false);
        let (mut second, none) = begin(&turns, "alice", 2, true);
        assert!(first.is_some() && none.is_none());
        assert!(begin(&turns, "bob", 1, false).1.is_some(), "others need not wait for her");
        drop(first);
        assert!(matches!(poll(&mut second), Poll::Ready(Ok(_))));
    }

    #[test]
    fn who_goes_away_while_he_waits_holds_nobody_up() {
        let turns = Turns::default();
        let (_, first) = begin(&turns, "alice", 1, false);
        let (second, _) = begin(&turns, "alice", 1, false);
        let (mut third, _) = begin(&turns, "alice", 1, false);
        drop(second);
        drop(first);
        assert!(matches!(poll(&mut third), Poll::Ready(Ok(_))));
        drop(third);
        assert!(begin(&turns, "alice", 1, false).1.is_some());
        assert!(lock(&turns.state).waiting.is_empty() && lock(&turns.state).running.is_empty());
    }

    #[test]
    fn strangers_leave_places_for_who_is_known_s_175_s_198() {
        let turns = Turns::default();
        let strangers: Vec<_> =
            (0..20).map(|from| begin(&turns, &format!("user{from}"), from, false)).collect();
        let count = strangers.iter().filter(|(_, turn)| turn.is_some()).count();
        assert_eq!(count, limits::OUTSIDE_QUESTIONS - PLACES_FOR_KNOWN);
        let known: Vec<_> =
            (0..=PLACES_FOR_KNOWN).map(|at| begin(&turns, &format!("known{at}"), 99, true)).collect();
        let count = known.iter().filter(|(_, turn)| turn.is_some()).count();
        assert_eq!(count, PLACES_FOR_KNOWN, "all together never ask more than the limit");
    }

    #[test]
    fn networks_take_turns() {
        let turns = Turns::default();
        let mut running: Vec<_> = (0..6).map(|at| begin(&turns, &format!("a{at}"), 1, false).1).collect();
        let (mut same, _) = begin(&turns, "a9", 1, false);
        let (mut other, _) = begin(&turns, "b", 2, false);
        running.pop();
        let turn = poll(&mut other);
        assert!(matches!(turn, Poll::Ready(Ok(_))), "though it came later");
        assert!(poll(&mut same).is_pending());
    }

    #[test]
    fn a_full_house_makes_room_for_who_has_less_s_173() {
        let turns = Turns::default();
        let _running: Vec<_> = (0..6).map(|at| begin(&turns, &format!("a{at}"), 1, false).1).collect();
        let mut waiting: Vec<_> =
            (0..limits::WAITING_LOGONS).map(|at| begin(&turns, &format!("w{at}"), 1, false).0).collect();
        let more = turns.clone();
        let mut more: Waiting = Box::pin(async move { more.take("more", network(1), false).await });
        assert!(matches!(poll(&mut more), Poll::Ready(Err(Busy))), "its network has most");
        assert!(waiting.iter_mut().all(|it| poll(it).is_pending()));
        let (mut other, _) = begin(&turns, "other", 2, false);
        assert!(poll(&mut other).is_pending());
        let newest = waiting.last_mut().map(poll);
        assert!(matches!(newest, Some(Poll::Ready(Err(Busy)))), "the newest of the network that has most");
        let known = begin(&turns, "known", 1, true);
        assert!(known.1.is_some());
    }
}
