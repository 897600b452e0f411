//! The only room that awaits sockets: listeners, TLS, one driver a protocol, the control socket.
//!
//! ```text
//! serve -> server: what sessions share, and threads: this one and some more serve, as many again shake hands
//!            |-> listener: bind, accept, judge by peers -> session -> stream (plain, or TLS once tls has shaken hands)
//!            |                                      |-> pop3: lines, wishes -> body out, or international
//!            |                                      |-> smtp: lines, wishes -> recipients, allowance, intake in
//!            |                                      '-> seat: orders in; counts out, for sessions to show
//!            |-> shown: the certificate of a peer, and whom it names, for the gatekeeper
//!            |-> outside: users whom the system or a directory knows, for the gatekeeper; spa: their NTLM
//!            |-> renewing: poppet's own certificate made anew, files of others followed (following), ends told
//!            |-> control::door: commands of the command line -> admin; control::public: a user's own password
//!            |-> notify: the service manager hears how it is; passed: sockets that it keeps
//!            '-> signals: SIGTERM, SIGINT stop it; SIGHUP loads the certificate anew
//! ```

pub mod control;
pub mod machine;

mod ahead;
mod alarm;
mod allowance;
mod authorities;
mod body;
mod doors;
mod end_point;
mod endings;
mod failures;
mod familiar;
mod fold;
mod following;
mod intake;
mod international;
mod intervals;
mod listener;
mod maildrops;
mod meter;
mod notify;
mod outside;
pub mod passed;
mod patience;
mod peers;
mod pop3;
pub mod probe;
mod recipients;
pub mod relay;
pub mod renewing;
pub mod resolver;
mod seat;
mod server;
mod session;
mod sessions;
mod shown;
mod smtp;
mod spa;
mod space;
mod stream;
mod task;
mod terms;
mod tls;
mod uplink;

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::{fmt, io, thread};

use async_signal::{Signal, Signals};
use smol::future::FutureExt;
use smol::stream::StreamExt;

pub use authorities::SYSTEM_AUTHORITIES;
pub use notify::{Notifier, Patience};
pub use outside::Outsiders;
pub use spa::needed as ntlm_program;

use crate::admin::Context;
use crate::clock::Clock;
use crate::sandbox::{Layer, Needs};
use crate::settings::{Listen, ListenerKind};
use server::Running;

/// What a server is started with.
#[derive(Debug, Default)]
pub struct Plan {
    /// The database's path; the control socket is beside it.
    pub database: PathBuf,
    /// Listeners that override the stored ones.
    pub overrides: Vec<(ListenerKind, Listen)>,
    /// Listening sockets that a service manager keeps; each takes the place of one that would be bound to its address.
    pub passed: Vec<TcpListener>,
    /// What this process may do no more, for the status.
    pub sandbox: Vec<Layer>,
    /// What it goes on to need, if it is to give up all else once everything is bound.
    pub needs: Option<Needs>,
    /// Who is told how the server is.
    pub notifier: Notifier,
}

/// Why a server can't serve; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeError(pub String);

impl fmt::Display for ServeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// Serves until `SIGTERM` or `SIGINT`; `ready` is called once every listener is bound, with each bound
/// address. Blocks; on return no session is left and the store is closed.
pub fn serve(
    context: Context,
    clock: Clock,
    plan: Plan,
    ready: impl FnOnce(&[(ListenerKind, SocketAddr)]) + Send,
) -> Result<(), ServeError> {
    serve_until(context, clock, plan, ready, std::future::pending())
}

/// As [`serve`], but ends also when `stop` does.
pub fn serve_until(
    context: Context,
    clock: Clock,
    plan: Plan,
    ready: impl FnOnce(&[(ListenerKind, SocketAddr)]) + Send,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    // A file over the process's size limit must be an error of one write, not the end of the server.
    let signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup, Signal::Xfsz])
        .map_err(|error| ServeError(format!("can't listen to signals: {error}; allow more open files")))?;
    let notifier = plan.notifier.clone();
    let running = Running::start(context, clock, plan)?;
    ready(running.bound());
    notifier.ready(&status(running.bound()));
    running.serve_until(heed(signals, &running, &notifier).or(stop));
    log::info!("stopping");
    notifier.stopping();
    running.stop();
    Ok(())
}

/// Calls `then` on a thread of its own when `SIGTERM`, `SIGINT` or `SIGHUP` comes: for a command that has
/// something to put right before it ends. Errs if signals can't be listened to.
pub fn at_signal(then: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup])?;
    let wait = move || {
        if smol::block_on(signals.next()).is_some() {
            then();
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

/// For people who look at the service.
fn status(bound: &[(ListenerKind, SocketAddr)]) -> String {
    let words: Vec<_> = bound.iter().map(|(kind, address)| format!("{} {address}", kind.name())).collect();
    format!("serves {}", words.join(", "))
}

async fn heed(mut signals: Signals, running: &Running, notifier: &Notifier) {
    while let Some(signal) = signals.next().await {
        match signal {
            Ok(Signal::Term | Signal::Int) => return,
            Ok(Signal::Hup) => {
                notifier.reloading();
                running.server().load_certificate().await;
                // A program that has renewed a certificate says so by this.
                running.server().renewing.ring();
                notifier.ready(&status(running.bound()));
            }
            Ok(_) | Err(_) => {}
        }
    }
}
