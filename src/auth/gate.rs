//! The gate before the password hash: few at once, some waiting, and every network in turn (A12).
//!
//! ```text
//! enter(network, work) -> a permit free: a thread computes it
//!                      -> else it waits in its network's lane; lanes take turns (S-175)
//!                      -> all places taken: the newest of the longest lane makes room, a stranger's
//!                         for someone known, or Busy (S-173)
//!                      -> every second turn is for those who are known, and each of them while passwords are tried
//!                         everywhere (S-170): sixty strangers before one of them were five seconds
//! ```
//!
//! Threads come with the first work and go when there has been none for a while, and their memory with them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::network::Network;
use crate::clock::Seldom;
use crate::limits;
use crate::ticket::{Abandoned, Ticket, pair};

/// Lets so many hashes be computed at once; clones are the same gate.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

/// Too many logons at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Gate {
    /// A gate with so many permits, one at least.
    pub fn new(permits: usize) -> Gate {
        let state = State {
            lanes: VecDeque::new(),
            waiting: 0,
            threads: 0,
            idle: 0,
            is_known_first: false,
            was_stranger: false,
        };
        let shared = Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            permits: permits.max(1),
            failures: Seldom::default(),
        };
        Gate { shared: Arc::new(shared) }
    }

    /// Has `work` done by a thread of the gate. Errs with [`Busy`] if it found no place or lost it to a
    /// network that has fewer. A flood of strangers never takes the place of a network that is known.
    pub fn enter<T: Send + 'static>(
        &self,
        network: Network,
        is_known: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Ticket<T, Busy> {
        let (promise, ticket) = pair();
        let job: Job = Box::new(move || promise.keep(Ok(work())));
        let mut state = self.shared.lock();
        let Some(pushed_out) = state.admit(network, is_known, job) else { return Ticket::ready(Err(Busy)) };
        if state.waiting > state.idle && state.threads < self.shared.permits {
            self.start_thread(&mut state);
        }
        drop(state);
        self.shared.work.notify_one();
        // Dropped outside the lock: its promise wakes a stranger's task.
        drop(pushed_out);
        ticket
    }

    /// Whether lanes of those who are known come before all of strangers, instead of each second time (S-170).
    pub fn put_known_first(&self, is_known_first: bool) {
        self.shared.lock().is_known_first = is_known_first;
    }

    fn start_thread(&self, state: &mut State) {
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name("password".into()).stack_size(limits::HASHING_STACK_OCTETS);
        match builder.spawn(move || shared.serve()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                if let Some(more) = self.shared.failures.turn(Instant::now()) {
                    log::warn!("no thread for password hashes: {error}; logons are put off{more}");
                }
                // Nobody would ever take them.
                state.lanes.clear();
                state.waiting = 0;
            }
            // Those that run will take it.
            Err(_) => {}
        }
    }
}

/// How many hashes of so much memory this machine can compute at once: as many as it has processors,
/// in a quarter of its memory, one at least.
pub fn permits_for(processors: usize, memory_octets: u64, hash_kib: u32) -> usize {
    let fitting = memory_octets / 4 / (u64::from(hash_kib.max(1)) * 1024);
    processors.min(usize::try_from(fitting).unwrap_or(usize::MAX)).max(1)
}

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    permits: usize,
    /// Every logon may find no thread.
    failures: Seldom,
}

struct State {
    /// None is empty; the first is next.
    lanes: VecDeque<Lane>,
    waiting: usize,
    threads: usize,
    idle: usize,
    is_known_first: bool,
    /// Whose job was taken last.
    was_stranger: bool,
}

struct Lane {
    network: Network,
    is_known: bool,
    jobs: VecDeque<Job>,
}

impl State {
    /// Gives the job a place; none if there is no place for it, else whoever lost his to it.
    fn admit(&mut self, network: Network, is_known: bool, job: Job) -> Option<Option<Job>> {
        let mut pushed_out = None;
        if self.waiting >= limits::WAITING_LOGONS {
            pushed_out = Some(self.push_out(network, is_known)?);
        }
        match self.lanes.iter_mut().find(|lane| lane.network == network) {
            Some(lane) => lane.jobs.push_back(job),
            None => self.lanes.push_back(Lane { network, is_known, jobs: VecDeque::from([job]) }),
        }
        self.waiting += 1;
        Some(pushed_out)
    }

    /// Takes the newest job of a lane that has more than the newcomer's would have; for someone known,
    /// strangers count as having more always, and for a stranger, someone known never.
    fn push_out(&mut self, network: Network, is_known: bool) -> Option<Job> {
        let lane_of = |lane: &&Lane| lane.network == network;
        let mine = self.lanes.iter().find(lane_of).map_or(0, |lane| lane.jobs.len());
        let rank = |lane: &Lane| match (is_known, lane.is_known) {
            (true, false) => limits::WAITING_LOGONS + lane.jobs.len(),
            (false, true) => 0,
            _ => lane.jobs.len(),
        };
        let (index, lane) = self.lanes.iter_mut().enumerate().max_by_key(|(_, lane)| rank(lane))?;
        if rank(lane) <= mine + 1 {
            return None;
        }
        let job = lane.jobs.pop_back()?;
        if lane.jobs.is_empty() {
            self.lanes.remove(index);
        }
        self.waiting -= 1;
        Some(job)
    }

    /// The next job; its network goes to the end of the turn.
    fn next(&mut self) -> Option<Job> {
        let is_their_turn = self.is_known_first || self.was_stranger;
        let known = self.lanes.iter().position(|lane| lane.is_known).filter(|_| is_their_turn);
        let mut lane = self.lanes.remove(known.unwrap_or(0))?;
        self.was_stranger = !lane.is_known;
        let job = lane.jobs.pop_front()?;
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        self.waiting -= 1;
        Some(job)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.next() {
                drop(state);
                // A panic ends this job, whose promise breaks, and not the thread that is counted.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (guard, waited) = self
                .work
                .wait_timeout_while(state, limits::IDLE_HASHING, |state| state.waiting == 0)
                .unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if waited.timed_out() && state.waiting == 0 {
                state.threads -= 1;
                return;
            }
        }
    }
}

impl From<Abandoned> for Busy {
    fn from(_: Abandoned) -> Busy {
        Busy
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(std::net::IpAddr::V4((0x0A00_0000 + number).into()))
    }

    /// A gate whose only permit is taken until something is sent.
    fn occupied() -> (Gate, Sender<()>, Ticket<(), Busy>) {
        let gate = Gate::new(1);
        let (release, wait): (_, Receiver<()>) = channel();
        let (started, has_started) = channel();
        let ticket = gate.enter(network(0), false, move || {
            started.send(()).unwrap();
            wait.recv().unwrap();
        });
        has_started.recv().unwrap();
        (gate, release, ticket)
    }

    #[test]
    fn work_is_done_and_answered() {
        let gate = Gate::new(2);
        let tickets: Vec<_> =
            (0..20).map(|number| gate.enter(network(1), false, move || number * 2)).collect();
        let answers: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect();
        assert_eq!(answers, (0..20).map(|number| number * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_never_runs_more_at_once_than_there_are_permits_s_173() {
        let gate = Gate::new(3);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tickets: Vec<_> = (0..500)
            .map(|number| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                gate.enter(network(number % 50), false, move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        let done = tickets.into_iter().map(Ticket::wait).filter(Result::is_ok).count();
        assert!(done >= limits::WAITING_LOGONS, "{done}");
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }

    #[test]
    fn waiting_logons_are_counted_to_their_edge_s_173() {
        let (gate, release, first) = occupied();
        let waiting: Vec<_> =
            (0..limits::WAITING_LOGONS).map(|_| gate.enter(network(1), false, || ())).collect();
        assert_eq!(gate.enter(network(1), false, || ()).wait(), Err(Busy));
        release.send(()).unwrap();
        assert_eq!(first.wait(), Ok(()));
        assert!(waiting.into_iter().all(|ticket| ticket.wait() == Ok(())));
    }

    #[test]
    fn one_network_s_flood_neither_shuts_out_nor_delays_another_s_175() {
        let (gate, release, first) = occupied();
        let (done, order) = channel();
        let enter = |from, name: u32| {
            let done = done.clone();
            gate.enter(network(from), false, move || done.send(name).unwrap())
        };
        let mut flood: Vec<_> = (0..limits::WAITING_LOGONS as u32).map(|name| enter(1, name)).collect();
        let known = [enter(2, 1000), enter(2, 1001)];
        release.send(()).unwrap();
        first.wait().unwrap();
        known.into_iter().for_each(|ticket| ticket.wait().unwrap());
        let pushed_out = flood.split_off(limits::WAITING_LOGONS - 2);
        assert!(pushed_out.into_iter().all(|ticket| ticket.wait() == Err(Busy)), "its newest made room");
        assert!(flood.into_iter().all(|ticket| ticket.wait() == Ok(())));
        let order: Vec<_> = order.try_iter().collect();
        assert_eq!(order[..5], [0, 1000, 1, 1001, 2]);
    }

    #[test]
    fn when_everyone_has_the_same_the_last_to_come_is_busy() {
        let (gate, release, _first) = occupied();
        let waiting: Vec<_> = (0..limits::WAITING_LOGONS as u32)
            .map(|number| gate.enter(network(number + 1), false, || ()))
            .collect();
        assert_eq!(gate.enter(network(1000), false, || ()).wait(), Err(Busy));
        release.send(()).unwrap();
        assert!(waiting.into_iter().all(|ticket| ticket.wait() == Ok(())));
    }

    #[test]
    fn strangers_from_everywhere_do_not_shut_out_someone_known_s_175() {
        let (gate, release, _first) = occupied();
        let strangers: Vec<_> = (1..=limits::WAITING_LOGONS as u32)
            .map(|number| gate.enter(network(number), false, || ()))
            .collect();
        let known: Vec<_> = (0..3).map(|_| gate.enter(network(1000), true, || ())).collect();
        assert_eq!(
            gate.enter(network(1001), false, || ()).wait(),
            Err(Busy),
            "a stranger gains nothing by it"
        );
        release.send(()).unwrap();
        assert!(known.into_iter().all(|ticket| ticket.wait() == Ok(())));
        let lost = strangers.into_iter().map(Ticket::wait).filter(Result::is_err).count();
        assert_eq!(lost, 3);
    }

    #[test]
    fn known_lanes_have_every_second_turn_and_all_while_passwords_are_tried_everywhere_s_170() {
        for (is_known_first, wanted) in [(true, [5, 6, 1, 2, 3]), (false, [5, 1, 6, 2, 3])] {
            let (gate, release, first) = occupied();
            gate.put_known_first(is_known_first);
            let (done, order) = channel();
            let tickets =
                [(1, false), (2, false), (3, false), (5, true), (6, true)].map(|(from, is_known)| {
                    let done = done.clone();
                    gate.enter(network(from), is_known, move || done.send(from).unwrap())
                });
            release.send(()).unwrap();
            first.wait().unwrap();
            tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
            assert_eq!(order.try_iter().collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn someone_known_who_floods_is_only_one_lane_among_the_known() {
        let (gate, release, _first) = occupied();
        let flood: Vec<_> =
            (0..limits::WAITING_LOGONS).map(|_| gate.enter(network(1), true, || ())).collect();
        assert_eq!(gate.enter(network(2), false, || ()).wait(), Err(Busy));
        let known = gate.enter(network(3), true, || ());
        release.send(()).unwrap();
        assert_eq!(known.wait(), Ok(()));
        assert_eq!(flood.into_iter().map(Ticket::wait).filter(Result::is_err).count(), 1);
    }

    #[test]
    fn a_panic_costs_one_logon_and_no_permit() {
        let gate = Gate::new(1);
        for _ in 0..3 {
            // `resume_unwind` does not print.
            let broken: Ticket<(), Busy> =
                gate.enter(network(1), false, || std::panic::resume_unwind(Box::new(())));
            assert_eq!(broken.wait(), Err(Busy));
        }
        assert_eq!(gate.enter(network(1), false, || 7).wait(), Ok(7));
        assert_eq!(gate.shared.lock().threads, 1);
    }

    #[test]
    fn permits_follow_processors_and_memory() {
        const MIB: u64 = 1024 * 1024;
        for (processors, memory, kib, permits) in [
            (4, 512 * MIB, 19 * 1024, 4),
            (16, 512 * MIB, 19 * 1024, 6),
            (1, 64 * MIB, 19 * 1024, 1),
            (4, 64 * MIB, 7 * 1024, 2),
            (4, 0, 19 * 1024, 1),
            (0, u64::MAX, 1, 1),
            (8, u64::MAX, 0, 8),
        ] {
            assert_eq!(permits_for(processors, memory, kib), permits, "{processors} {memory} {kib}");
        }
    }
}
