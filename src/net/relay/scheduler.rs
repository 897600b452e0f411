//! Which mail is sent when: looks at what waits whenever something has happened, and gives ways their places.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use smol::Executor;
use smol::future::FutureExt;

use super::{courier, moment, sweeping};
use crate::limits;
use crate::net::alarm;
use crate::net::listener::guarded;
use crate::net::server::Server;
use crate::net::task;
use crate::net::uplink::Uplink;

/// Begins to look.
pub fn start(server: &Arc<Server>, executor: &Arc<Executor<'static>>) {
    let threads = Arc::clone(executor);
    keep(server, executor, move |server| {
        let threads = Arc::clone(&threads);
        async move { schedule(&server, &threads).await }
    });
    keep(server, executor, |server| async move { follow_network(&server).await });
    keep(server, executor, |server| async move { age(&server).await });
}

/// A bug must not end the sending of all mail.
fn keep<Task: Future<Output = ()> + Send + 'static>(
    server: &Arc<Server>,
    executor: &Executor<'static>,
    begin: impl Fn(Arc<Server>) -> Task + Send + 'static,
) {
    let server = Arc::clone(server);
    let keeping = async move {
        while !server.relay.is_stopping() {
            guarded(Arc::clone(&server), Box::pin(begin(Arc::clone(&server)))).await;
            alarm::rest(&server.clock, limits::ROUTES_LOOK).await;
        }
    };
    task::begin(executor, keeping).detach();
}

async fn schedule(server: &Arc<Server>, executor: &Arc<Executor<'static>>) {
    let relay = &server.relay;
    let mut swept = None;
    while !relay.is_stopping() {
        relay.follow_rules(&server.store, &server.clock);
        let generation = relay.generation();
        if swept != Some(generation) {
            let is_swept = !has_waiting(server) || sweeping::move_rows(server).await;
            swept = is_swept.then_some(generation);
        }
        let seen = look(server, executor).await;
        alarm::rest(&server.clock, seen.breath()).await;
        relay.bell.rung().or(alarm::until(&server.clock, seen.look_again)).await;
    }
    // Whoever waits for the last connection to go hears the bell from now on.
    relay.ring();
}

/// What a look at all ways came to.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Until when there is nothing to do, unless something happens.
    look_again: Instant,
    /// Ways on which something waits.
    lanes: usize,
}

impl Seen {
    /// For how long nobody looks again, whatever happens: each mail that is sent rings, and each look reads all ways.
    fn breath(self) -> Duration {
        if self.lanes < MANY_LANES { Duration::ZERO } else { BREATH }
    }
}

/// Gives ways their places.
async fn look(server: &Arc<Server>, executor: &Arc<Executor<'static>>) -> Seen {
    let relay = &server.relay;
    if relay.bell.is_queue_changed.swap(false, Ordering::Relaxed) {
        relay.lanes().wet();
    }
    if !has_waiting(server) {
        // What kept mail from leaving is nobody's trouble any more.
        let now = moment(&server.clock);
        relay.lanes().plan(&[], now, 0);
        return Seen { look_again: now.monotonic + IDLE_LOOK, lanes: 0 };
    }
    let rows = match server.store.queue_lanes().await {
        Ok(rows) => rows,
        Err(error) => {
            server.store_failed("looking at the queue", &error);
            return Seen { look_again: server.clock.monotonic() + limits::ROUTES_LOOK, lanes: 0 };
        }
    };
    let most_each = server.store.settings().outgoing.hop_connections;
    let now = moment(&server.clock);
    let plan = relay.lanes().plan(&rows, now, most_each);
    for lane in plan.open {
        let server = Arc::clone(server);
        let task = courier::run(Arc::clone(&server), courier::Place::new(&server, lane));
        task::begin(executor, guarded(server, Box::pin(task))).detach();
    }
    let pause = plan.look_again.map_or(limits::ROUTES_LOOK, |pause| pause.min(limits::ROUTES_LOOK));
    // Not from when the wait begins: what the clock has gone on since counts.
    Seen { look_again: now.monotonic + pause, lanes: rows.len() }
}

async fn follow_network(server: &Arc<Server>) {
    let uplink = Uplink::watch();
    loop {
        uplink.changed().await;
        // Addresses and routes come one after the other.
        alarm::rest(&server.clock, limits::UPLINK_REST).await;
        server.relay.network_changed(&server.clock);
    }
}

async fn age(server: &Arc<Server>) {
    loop {
        alarm::rest(&server.clock, limits::AGING).await;
        if has_waiting(server) {
            sweeping::age_rows(server).await;
        }
    }
}

fn has_waiting(server: &Server) -> bool {
    server.store.queue_counts().waiting > 0
}

/// How long an empty queue is left alone; the store rings when there is something.
const IDLE_LOOK: Duration = Duration::from_secs(3600);
/// From so many ways on, looks are spaced.
const MANY_LANES: usize = 100;
/// The least between two looks at many ways.
const BREATH: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// Mail for ten thousand domains waited, and each mail that was sent had all of them read anew, one look behind the
    /// other.
    #[test]
    fn looks_at_many_ways_are_spaced_and_those_at_few_are_not_s_135() {
        let breath = |lanes| Seen { look_again: Instant::now() + limits::ROUTES_LOOK, lanes }.breath();
        assert_eq!([0, 1, MANY_LANES - 1].map(breath), [Duration::ZERO; 3]);
        assert_eq!([MANY_LANES, MANY_LANES + 1, 10_000].map(breath), [BREATH; 3]);
        // Each has a time of its own when it is due, and those lie closer together than that.
        assert_eq!(Seen { look_again: Instant::now(), lanes: 10_000 }.breath(), BREATH);
    }
}
