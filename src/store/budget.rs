//! The memory for bodies in flight: one budget for all connections; when it is used up, they wait in line.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{Ask, StoreError};
use crate::ticket::{self, Promise};

/// The budget; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free_octets: usize,
    waiting: VecDeque<(usize, Promise<Permit, StoreError>)>,
}

/// So many octets of the budget, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    octets: usize,
    budget: Budget,
}

impl Budget {
    pub(super) fn new(octets: usize) -> Budget {
        Budget(Arc::new(Mutex::new(State { free_octets: octets, waiting: VecDeque::new() })))
    }

    /// The octets at once, if they are free and nobody waits.
    pub(super) fn try_take(&self, octets: usize) -> Option<Permit> {
        let mut state = self.lock();
        if !state.waiting.is_empty() || state.free_octets < octets {
            return None;
        }
        state.free_octets -= octets;
        Some(Permit { octets, budget: self.clone() })
    }

    /// The octets as soon as they are free, first come, first served.
    pub(super) fn take(&self, octets: usize) -> Ask<Permit> {
        match self.try_take(octets) {
            Some(permit) => Ask::ready(Ok(permit)),
            None => {
                let (promise, ticket) = ticket::pair();
                self.lock().waiting.push_back((octets, promise));
                // Between the two locks somebody may have given octets back.
                self.serve();
                ticket
            }
        }
    }

    /// Whether anybody waits for octets.
    pub(super) fn is_wanted(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    fn give_back(&self, octets: usize) {
        self.lock().free_octets += octets;
        self.serve();
    }

    fn serve(&self) {
        loop {
            let (octets, promise) = {
                let mut state = self.lock();
                match state.waiting.front() {
                    Some((octets, _)) if *octets <= state.free_octets => {}
                    _ => return,
                }
                let Some((octets, promise)) = state.waiting.pop_front() else { return };
                state.free_octets -= octets;
                (octets, promise)
            };
            // Kept outside the lock: if nobody waits any more, the permit is dropped and comes back here.
            promise.keep(Ok(Permit { octets, budget: self.clone() }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// How many octets it is for.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Takes another permit's octets over.
    pub(super) fn merge(&mut self, mut other: Permit) {
        self.octets += std::mem::take(&mut other.octets);
    }

    /// Splits octets off.
    pub(super) fn split(&mut self, octets: usize) -> Permit {
        let octets = octets.min(self.octets);
        self.octets -= octets;
        Permit { octets, budget: self.budget.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.octets > 0 {
            self.budget.give_back(self.octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_given_in_the_order_of_asking() {
        let budget = Budget::new(10);
        let first = budget.try_take(8).unwrap();
        assert!(budget.try_take(3).is_none());
        let large = budget.take(6);
        let small = budget.take(1);
        assert!(budget.try_take(1).is_none(), "nobody overtakes those who wait");
        assert!(budget.is_wanted());
        drop(first);
        drop(large.wait().unwrap());
        drop(small.wait().unwrap());
        assert!(!budget.is_wanted());
        assert!(budget.try_take(10).is_some(), "all came back");
    }

    #[test]
    fn who_stops_waiting_takes_nothing_along() {
        let budget = Budget::new(4);
        let all = budget.try_take(4).unwrap();
        drop(budget.take(4));
        drop(all);
        assert!(budget.try_take(4).is_some());
    }

    #[test]
    fn permits_are_split_and_merged_without_loss() {
        let budget = Budget::new(10);
        let mut permit = budget.try_take(4).unwrap();
        permit.merge(budget.try_take(6).unwrap());
        drop(permit.split(3));
        assert!(budget.try_take(4).is_none());
        drop(permit);
        assert!(budget.try_take(10).is_some());
    }
}
