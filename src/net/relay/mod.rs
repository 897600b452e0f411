//! The driver of outgoing mail: connections to other servers, and which mail is sent when.
//!
//! ```text
//!   Store::watch_queue, timers, the network, changes --> scheduler --lanes: who has a place--> courier, one a connection
//!                                                                                                |
//!      reach: hosts, addresses, link, TLS by verifier, logon --> talk: the session's wishes <----+
//!                                                                 |  body: octets from the store |
//!                                                                 v                              v
//!                                                    answers --relay::judging--> settled, or reported (reporting)
//!   rules: settings and routes as they are followed; a change has all looked at anew
//!   shunned: servers that reach passes over for a while, where a way has several
//!   sweeping: rows whose way has changed (bearing), or that have waited too long
//! ```

mod bearing;
mod body;
pub mod courier;
pub mod lanes;
mod link;
mod ration;
mod reach;
pub mod reader;
pub mod reporting;
mod rules;
mod scheduler;
mod settling;
mod shunned;
mod sweeping;
mod talk;
mod trial;
mod verifier;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use smol::Executor;
use smol::channel::{self, Receiver, Sender};

pub use ration::{Ration, Turn};
pub use trial::{try_in, try_way};

use self::lanes::{Lanes, Moment};
use self::link::Patience;
use self::rules::Rules;
use self::shunned::Shunned;
use self::verifier::RelayAuthorities;
use super::server::Server;
use crate::admin::{LaneTrouble, RelayStatus};
use crate::clock::Clock;
use crate::store::Store;

/// What the sending of all mail shares.
#[derive(Debug)]
pub struct Relay {
    lanes: Mutex<Lanes>,
    shunned: Arc<Shunned>,
    /// Who has it may take mail from the queue, or move it there: nobody takes what another has.
    taking: smol::lock::Mutex<()>,
    bell: Arc<Bell>,
    rules: Rules,
    /// Rises with each change of settings and routes.
    generation: AtomicU64,
    is_stopping: AtomicBool,
    /// Dropped, nothing is waited for any more.
    knife: Mutex<Option<Sender<()>>>,
    cut: Receiver<()>,
    begun: OnceLock<Instant>,
    patience: Patience,
    authorities: RelayAuthorities,
    sent: AtomicU64,
    unsure: AtomicU64,
}

/// Wakes the scheduler.
#[derive(Debug)]
struct Bell {
    sender: Sender<()>,
    receiver: Receiver<()>,
    /// Whether the queue has changed since the scheduler looked.
    is_queue_changed: AtomicBool,
}

impl Default for Bell {
    fn default() -> Bell {
        let (sender, receiver) = channel::bounded(1);
        Bell { sender, receiver, is_queue_changed: AtomicBool::new(true) }
    }
}

impl Bell {
    /// One that is rung already is heard once.
    fn ring(&self) {
        let _ = self.sender.try_send(());
    }

    fn ring_for_queue(&self) {
        self.is_queue_changed.store(true, Ordering::Relaxed);
        self.ring();
    }

    async fn rung(&self) {
        let _ = self.receiver.recv().await;
    }
}

impl Default for Relay {
    fn default() -> Relay {
        let (knife, cut) = channel::bounded(1);
        Relay {
            lanes: Mutex::default(),
            shunned: Arc::default(),
            taking: smol::lock::Mutex::new(()),
            bell: Arc::default(),
            rules: Rules::default(),
            generation: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            knife: Mutex::new(Some(knife)),
            cut,
            begun: OnceLock::new(),
            patience: Patience::default(),
            authorities: RelayAuthorities::default(),
            sent: AtomicU64::new(0),
            unsure: AtomicU64::new(0),
        }
    }
}

impl Relay {
    /// Begins to send what waits; the tasks end with the executor, or when the sending is stopped.
    pub fn start(server: &Arc<Server>, executor: &Arc<Executor<'static>>) {
        // Not the server: its last holder must not be the store's own thread.
        let bell = Arc::clone(&server.relay.bell);
        server.store.watch_queue(Box::new(move || bell.ring_for_queue()));
        let _ = server.relay.begun.set(server.clock.monotonic());
        scheduler::start(server, executor);
    }

    /// How sending goes.
    pub fn status(&self, store: &Store) -> RelayStatus {
        let shunned = self.shunned.troubles(store.clock().monotonic());
        let lanes = self.lanes();
        let mut troubles = lanes.troubles();
        // Where the way itself rests, that says it all.
        let rests = |lane| troubles.iter().any(|trouble: &LaneTrouble| trouble.lane == lane);
        let beside: Vec<LaneTrouble> = shunned.into_iter().filter(|shun| !rests(shun.lane.clone())).collect();
        troubles.extend(beside);
        RelayStatus {
            counts: store.queue_counts(),
            offline_since: lanes.offline_since(),
            troubles,
            connections: lanes.connections(),
            sent: self.sent.load(Ordering::Relaxed),
            unsure: self.unsure.load(Ordering::Relaxed),
        }
    }

    /// Looks at everything anew, whatever rests: an administrator has changed something.
    pub fn changed(&self, clock: &Clock) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.shunned.forget();
        self.lanes().hurry(true, clock.monotonic());
        self.ring();
    }

    /// Looks at everything anew if settings or routes are others than before; who is about to try a way asks first.
    fn follow_rules(&self, store: &Store, clock: &Clock) {
        self.rules.follow(store, || self.changed(clock));
    }

    /// Looks through what waits for another way; what rests goes on resting.
    fn look_through(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.ring();
    }

    /// The network has changed: what failed may go now.
    pub fn network_changed(&self, clock: &Clock) {
        self.lanes().hurry(false, clock.monotonic());
        self.ring();
    }

    /// Begins no more mail.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.lanes().nudge_all();
        self.ring();
    }

    /// Waits for nothing any more: what has no answer by now may have been taken, and that is noted (S-131).
    pub fn cut(&self) {
        self.knife.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits until no connection stands, once it is stopped.
    pub async fn gone(&self) {
        while self.lanes().connections() > 0 {
            self.bell.rung().await;
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn begun(&self) -> Instant {
        self.begun.get().copied().unwrap_or_else(Instant::now)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn ring(&self) {
        self.bell.ring();
    }

    pub(in crate::net) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn moment(clock: &Clock) -> Moment {
    let (wall, monotonic) = clock.moment();
    Moment { monotonic, wall }
}
