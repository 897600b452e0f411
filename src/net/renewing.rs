//! Looks after certificates while the server runs: poppet's own is made anew (T1), files of others are followed (T3),
//! ends are told (S-259).
//!
//! ```text
//! uplink, new domains, another hostname --rest--> bell -> own: EnsureCertificate, as at the start
//! SIGHUP, cert watch, each minute                      -> following: files of others
//! each hour, and when the wall clock is set            -> own, endings
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Executor;
use smol::channel::{self, Receiver, Sender};
use smol::future::FutureExt;

use super::alarm;
use super::endings::Endings;
use super::following::{self, Following};
use super::listener::guarded;
use super::machine;
use super::server::Server;
use super::uplink::Uplink;
use crate::admin::{self, AdminError, Answer, CertificateAct, Command, Context, Told};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::ticket;

/// What the looking after certificates shares with the rest of the server.
#[derive(Debug)]
pub struct Renewing {
    sender: Sender<()>,
    bell: Receiver<()>,
    /// Whether names or addresses may have changed.
    are_names_new: AtomicBool,
    following: Mutex<Following>,
}

impl Default for Renewing {
    fn default() -> Renewing {
        let (sender, bell) = channel::bounded(1);
        Renewing { sender, bell, are_names_new: AtomicBool::new(false), following: Mutex::default() }
    }
}

impl Renewing {
    /// Looks at the files that are followed now.
    pub fn ring(&self) {
        // One that is rung already is heard once.
        let _ = self.sender.try_send(());
    }

    /// The same, and whether poppet's own certificate has all names and addresses.
    pub fn names_changed(&self) {
        self.are_names_new.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// What is wrong with the files that are followed, by label.
    pub fn troubles(&self) -> Vec<(String, String)> {
        self.following().troubles()
    }

    pub(super) fn following(&self) -> MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to look; `context` is that of the running server.
pub fn start(server: &Arc<Server>, context: &Context, executor: &Executor<'static>) {
    let (looking, watching) = (Arc::clone(server), Arc::clone(server));
    let context = context.clone();
    executor.spawn(keep(looking, move |server| look(server, context.clone()))).detach();
    executor.spawn(keep(watching, follow_network)).detach();
}

/// Makes poppet's own certificate anew if the machine has moved, domains have come, or it ends soon; says whether it did.
/// The mail goes on with the old one if that fails; the log knows of it.
pub fn renew_own(context: &Context) -> bool {
    match ticket::block_on(ensure(context)) {
        Ok(true) => {
            log::info!("the server certificate is made anew; clients that trust the authority go on");
            true
        }
        Ok(false) => false,
        Err(error) => {
            log::warn!("the server certificate can't be renewed: {}", error.text);
            false
        }
    }
}

/// A bug must not end it for good.
async fn keep<Task: Future<Output = ()>>(server: Arc<Server>, begin: impl Fn(Arc<Server>) -> Task) {
    loop {
        guarded(Arc::clone(&server), begin(Arc::clone(&server))).await;
        alarm::rest(&server.clock, limits::WATCH_LOOK).await;
    }
}

async fn ensure(context: &Context) -> Result<bool, AdminError> {
    let Some(first) = context.store.domains().await?.into_iter().next() else { return Ok(false) };
    let (names, addresses) = (machine::names(), machine::addresses());
    let command = Command::EnsureCertificate { organisation: first.domain, names, addresses };
    match admin::execute(context, command).await? {
        Answer::Certificate { is_new, .. } => Ok(is_new),
        _ => Ok(false),
    }
}

async fn look(server: Arc<Server>, context: Context) {
    // Whoever has started the server has looked at poppet's own.
    let mut looked = Looked::at(&server.clock);
    let mut endings = Endings::default();
    tell_endings(&server, &context, &mut endings).await;
    loop {
        following::look(&server).await;
        if server.renewing.are_names_new.swap(false, Ordering::Relaxed) || looked.is_over(&server.clock) {
            looked = Looked::at(&server.clock);
            let of_own = context.clone();
            // A key is made, and the server's threads have others to serve.
            smol::unblock(move || renew_own(&of_own)).await;
            tell_endings(&server, &context, &mut endings).await;
        }
        let bell = async {
            let _ = server.renewing.bell.recv().await;
        };
        bell.or(alarm::rest(&server.clock, limits::WATCH_LOOK)).await;
        if server.renewing.are_names_new.load(Ordering::Relaxed) {
            // Several domains are added one after the other, and addresses come with a network.
            alarm::rest(&server.clock, limits::CERTIFICATE_REST).await;
        }
    }
}

async fn follow_network(server: Arc<Server>) {
    let uplink = Uplink::watch();
    loop {
        uplink.changed().await;
        server.renewing.names_changed();
        alarm::rest(&server.clock, limits::CERTIFICATE_REST).await;
    }
}

/// When it was looked last, and by what clock.
struct Looked {
    monotonic: Instant,
    wall: UnixTime,
    was_suspect: bool,
}

impl Looked {
    fn at(clock: &Clock) -> Looked {
        Looked { monotonic: clock.monotonic(), wall: clock.now(), was_suspect: clock.is_suspect() }
    }

    /// Whether it is time to look again: an hour has passed, or the wall clock was set, as on a board without a battery
    /// that has reached a time server.
    fn is_over(&self, clock: &Clock) -> bool {
        let passed = clock.monotonic().saturating_duration_since(self.monotonic);
        let expected = self.wall.0.saturating_add(passed.as_secs());
        passed >= limits::CERTIFICATE_LOOK
            || self.was_suspect != clock.is_suspect()
            || Duration::from_secs(expected.abs_diff(clock.now().0)) > limits::CLOCK_LEAP
    }
}

async fn tell_endings(server: &Server, context: &Context, endings: &mut Endings) {
    let context = context.clone();
    let list = Command::Certificates(CertificateAct::List);
    let told = smol::unblock(move || ticket::block_on(admin::execute(&context, list))).await;
    if let Ok(Answer::Certificates(Told::Rows(rows))) = told {
        let (wall, monotonic) = (server.store.believed_now(), server.clock.monotonic());
        endings.due(&rows, wall, monotonic).iter().for_each(|line| log::warn!("{line}"));
    }
}
