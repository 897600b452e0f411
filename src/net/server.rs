//! The running server: what all its sessions share, its start and its end.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::channel::Receiver;
use smol::future::FutureExt;
use smol::{Executor, Task};

use super::ahead::Readers;
use super::allowance::{self, Allowance};
use super::doors::{self, Doors};
use super::failures;
use super::familiar::Familiar;
use super::fold::{Fold, Topic};
use super::intervals::Intervals;
use super::listener;
use super::maildrops::Maildrops;
use super::peers::{self, Admission};
use super::recipients::KnownHosts;
use super::relay::Ration;
use super::relay::{self, Relay};
use super::renewing::{self, Renewing};
use super::sessions::Sessions;
use super::space::SpaceAlarm;
use super::tls::Tls;
use super::{Outsiders, Plan, ServeError, control, notify, passed, spa, task};
use crate::admin::{Context, Live, LiveStatus, RelayStatus, SessionRow, Trial, Whom};
use crate::auth::Gatekeeper;
use crate::cert;
use crate::clock::Clock;
use crate::limits;
use crate::mail::{Address, Lane, MailboxId, is_local};
use crate::relay::returning::ReturnKey;
use crate::sandbox::{self, Layer};
use crate::settings::{ListenerKind, Plaintext, Settings};
use crate::store::{Store, StoreError};
use crate::ticket;

/// What all sessions share.
pub struct Server {
    /// The opened database.
    pub store: Store,
    /// Who may come in.
    pub gatekeeper: Gatekeeper,
    /// The time.
    pub clock: Clock,
    /// The certificate and the handshakes.
    pub tls: Tls,
    /// The sessions that stand.
    pub sessions: Arc<Sessions>,
    /// Who has which maildrop.
    pub maildrops: Arc<Maildrops>,
    /// When who logged on last, where that matters.
    pub intervals: Intervals,
    /// How many mails users and devices have sent in the last day.
    pub allowance: Allowance,
    /// How many sessions read ahead.
    pub readers: Arc<Readers>,
    /// How many connections stand.
    pub admission: Arc<Admission>,
    /// What proves that an address leads back to a sender of forwarded mail.
    pub returns: ReturnKey,
    /// Where the servers of routes are.
    pub hosts: KnownHosts,
    /// Whence users have logged on lately.
    pub familiar: Familiar,
    /// Samba's helpers, for those who log on by NTLM elsewhere.
    pub helpers: Arc<spa::Helpers>,
    /// Log lines that strangers cause.
    pub fold: Fold,
    /// Whether the log knows that the disk has no room.
    pub space: SpaceAlarm,
    /// How many reports of failure senders have had in this hour.
    pub reports: Ration,
    /// Connections for which there are descriptors, whatever the settings say (S-269).
    pub most_connections: u32,
    /// Sessions that a bug has ended (S-273).
    pub broken_off: AtomicU64,
    /// What this process may do no more, known once everything is bound.
    pub sandbox: OnceLock<Vec<Layer>>,
    /// Mail that leaves.
    pub relay: Relay,
    /// Certificates that are looked after.
    pub renewing: Renewing,
    bound: OnceLock<Vec<(ListenerKind, SocketAddr)>>,
    /// Doors that this process may not open.
    shut: OnceLock<Vec<(ListenerKind, String)>>,
    begun: Instant,
    mails: AtomicU64,
}

/// A server with its threads.
pub struct Running {
    server: Arc<Server>,
    executor: Arc<Executor<'static>>,
    doors: Vec<Task<()>>,
    workers: Vec<JoinHandle<()>>,
    /// Dropped, the threads end.
    quit: smol::channel::Sender<()>,
    control: control::Door,
    /// None if there is no place for it: the mail goes on without.
    public: Option<control::PublicDoor>,
}

impl Server {
    /// The name in greetings: the setting, else the machine's own.
    pub fn hostname(&self, settings: &Settings) -> String {
        hostname(settings)
    }

    /// Where it listens.
    pub fn doors(&self) -> Vec<SocketAddr> {
        self.bound.get().into_iter().flatten().map(|(_, address)| *address).collect()
    }

    /// Whether a password may be sent on such a connection (A13).
    pub fn takes_passwords(&self, is_secure: bool, peer: IpAddr) -> bool {
        match self.store.settings().plaintext {
            Plaintext::Tls => is_secure,
            Plaintext::Lan => is_secure || is_local(peer),
            Plaintext::Always => true,
            Plaintext::Never => false,
        }
    }

    /// Whether a peer is no stranger: this machine, a device, or from where a user has logged on lately (S-265).
    pub fn knows(&self, peer: IpAddr, now: Instant) -> bool {
        peers::is_this_machine(peer) || self.familiar.knows(peer, now) || self.store.device_at(peer).is_some()
    }

    /// Tells the log how to free a maildrop that another session has (S-225).
    pub fn tell_in_use(&self, address: &Address, peer: IpAddr) {
        let line = format_args!(
            "{peer}: {address} is in use; \"poppet kick {address}\" ends the session that has it"
        );
        self.fold.warn(Topic::InUse, self.clock.monotonic(), line);
    }

    /// A number that no mail had before, as far as the clock goes forward.
    pub fn mail_number(&self) -> u64 {
        self.mails.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes one line about an act that the store could not do.
    pub fn store_failed(&self, act: &str, error: &StoreError) {
        self.fold.warn(Topic::Store, self.clock.monotonic(), format_args!("{act}: {error}"));
    }

    /// Presents the certificate, and believes those of users, that the store has now; keeps what was if that is not to be
    /// had.
    pub async fn load_certificate(&self) {
        let trust = match cert::Trust::load(&self.store).await {
            Ok(trust) => Arc::new(trust),
            Err(cert::CertError(text)) => {
                log::warn!("certificates of users can't be believed anew: {text}");
                self.tls.trust()
            }
        };
        match cert::shown(&self.store, &self.gatekeeper).await {
            Ok(Some(shown)) => {
                shown.flaws.iter().for_each(|text| log::warn!("a certificate can't be shown: {text}"));
                match self.tls.present(&shown, trust, &self.clock) {
                    Ok(()) => log::info!("the certificate is loaded"),
                    Err(error) => log::warn!("the certificate can't be used: {error}"),
                }
            }
            Ok(None) => log::warn!("there is no certificate: TLS is not offered; \"poppet setup\" makes one"),
            Err(cert::CertError(text)) => log::warn!("the certificate can't be read: {text}"),
        }
    }
}

impl Live for Server {
    fn status(&self) -> LiveStatus {
        let named = |kind: ListenerKind| kind.name().to_owned();
        LiveStatus {
            pid: std::process::id(),
            uptime_seconds: self.begun.elapsed().as_secs(),
            listeners: self.bound.get().into_iter().flatten().map(|(kind, at)| (named(*kind), *at)).collect(),
            sessions: self.sessions.counts().into_iter().map(|(kind, count)| (named(kind), count)).collect(),
            broken_off: self.broken_off.load(Ordering::Relaxed),
            sandbox: self.sandbox.get().cloned().unwrap_or_default(),
            shut: self
                .shut
                .get()
                .into_iter()
                .flatten()
                .map(|(kind, why)| (named(*kind), why.clone()))
                .collect(),
        }
    }

    fn sessions(&self) -> Vec<SessionRow> {
        self.sessions.show(self.clock.monotonic())
    }

    fn kick(&self, whom: &Whom) -> u32 {
        self.sessions.kick(whom)
    }

    fn lets_connect(&self, port: u16) -> bool {
        sandbox::lets_connect(port)
    }

    fn lets_start(&self) -> bool {
        let program = spa::program(&self.store.settings());
        program.is_none_or(|program| sandbox::lets_start(&program.into_path()))
    }

    fn end_sessions(&self, mailbox: MailboxId) {
        self.sessions.end(mailbox);
    }

    fn certificates_changed(&self) {
        ticket::block_on(self.load_certificate());
    }

    fn relay(&self) -> RelayStatus {
        self.relay.status(&self.store)
    }

    fn relay_changed(&self) {
        self.relay.changed(&self.clock);
    }

    fn try_way(&self, lane: &Lane) -> Trial {
        // Sockets need smol's own loop.
        smol::block_on(relay::try_in(self, lane))
    }

    fn names_changed(&self) {
        self.renewing.names_changed();
    }

    fn look_at_watched(&self) {
        self.renewing.ring();
    }

    fn troubles_of_watched(&self) -> Vec<(String, String)> {
        self.renewing.troubles()
    }
}

impl Running {
    /// Binds everything and begins to serve; errs with what to do.
    pub fn start(context: Context, clock: Clock, plan: Plan) -> Result<Running, ServeError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = processors.div_ceil(2).min(limits::SERVER_THREADS);
        let (executor, handshakes) = (Arc::new(Executor::new()), Arc::new(Executor::new()));
        let (most_connections, connections) = (most_connections(), context.store.settings().connections);
        if most_connections < connections {
            log::warn!(
                "only {most_connections} connections at once: this process may open no more files \
                 (\"ulimit -n\", or LimitNOFILE= of its unit)"
            );
        }
        Outsiders::introduce(&context.store, &context.gatekeeper);
        let server = Arc::new(Server {
            most_connections,
            // Wall-clock seconds first: numbers of different runs differ.
            mails: AtomicU64::new(clock.now().0 << 20),
            begun: clock.monotonic(),
            allowance: ticket::block_on(Allowance::load(&context.store, &clock)),
            clock,
            tls: Tls::new(Arc::clone(&handshakes)),
            sessions: Arc::new(Sessions::new()),
            maildrops: Arc::default(),
            admission: Arc::default(),
            familiar: Familiar::default(),
            returns: ReturnKey::new(context.gatekeeper.subkey("returns of forwarded mail").expose()),
            hosts: KnownHosts::default(),
            intervals: Intervals::default(),
            readers: Arc::default(),
            helpers: Arc::default(),
            fold: Fold::default(),
            space: SpaceAlarm::default(),
            reports: Ration::default(),
            broken_off: AtomicU64::new(0),
            sandbox: OnceLock::new(),
            relay: Relay::default(),
            renewing: Renewing::default(),
            bound: OnceLock::new(),
            shut: OnceLock::new(),
            store: context.store.clone(),
            gatekeeper: context.gatekeeper.clone(),
        });
        ticket::block_on(server.load_certificate());

        let wanted: Vec<_> = passed::wanted(&context.store.settings(), &plan.overrides).collect();
        let Doors { open: doors, shut } = doors::open(
            &wanted,
            plan.passed,
            server.tls.is_ready(),
            plan.notifier.is_heard(),
            listener::open,
        )?;
        let _ = server.shut.set(shut);
        let control = control::Door::bind(&plan.database)?;
        let public = control::PublicDoor::bind(&plan.database).inspect_err(|error| {
            log::warn!("users can't change their passwords: {error}");
        });
        let public = public.ok();
        let _ = server.bound.set(doors.iter().map(|door| (door.kind, door.address)).collect());
        let sealed = plan.needs.as_ref().map(sandbox::seal);
        let _ = server.sandbox.set(plan.sandbox.into_iter().chain(sealed).collect());

        let (quit, quitting) = smol::channel::bounded(1);
        // This thread serves sessions too.
        let serving = (1..threads).map(|number| (format!("serve-{number}"), &executor));
        let shaking = (0..threads).map(|number| (format!("handshake-{number}"), &handshakes));
        let workers = serving
            .chain(shaking)
            .map(|(name, executor)| work(name, executor, &quitting))
            .collect::<Result<_, _>>()?;
        let context = Context { live: Some(Arc::clone(&server) as Arc<dyn Live>), ..context };
        let mut tasks: Vec<_> = doors
            .into_iter()
            .map(|door| {
                task::begin(&executor, listener::accept(door, Arc::clone(&server), Arc::clone(&executor)))
            })
            .collect();
        tasks.push(task::begin(&executor, allowance::write_down(Arc::clone(&server))));
        if let Some(public) = &public {
            let (server, threads) = (Arc::clone(&server), Arc::clone(&executor));
            tasks.push(task::begin(&executor, public.accept(context.clone(), server, threads)));
        }
        let noting = failures::write_down(server.gatekeeper.clone(), failures::Pauses::default());
        tasks.push(task::begin(&executor, noting));
        renewing::start(&server, &context, &executor);
        tasks.push(task::begin(
            &executor,
            control.accept(context, Arc::clone(&server), Arc::clone(&executor)),
        ));
        let asked = Arc::clone(&server);
        let feeding = notify::feed(plan.notifier, server.clock.clone(), move || {
            let answer = asked.store.answers();
            async { !matches!(answer.await, Err(StoreError::Closed)) }
        });
        tasks.push(task::begin(&executor, feeding));
        Relay::start(&server, &executor);
        Ok(Running { server, executor, doors: tasks, workers, quit, control, public })
    }

    /// What all sessions share.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Every bound address.
    pub fn bound(&self) -> &[(ListenerKind, SocketAddr)] {
        self.server.bound.get().map_or(&[], Vec::as_slice)
    }

    /// Serves on this thread until `end` ends.
    pub fn serve_until(&self, end: impl Future<Output = ()>) {
        // The thread that waits for the sockets must be one that serves: each event of another would cost a
        // switch of threads.
        smol::block_on(self.executor.run(end));
    }

    /// Takes no more connections, leaves [`limits::STOPPING`] to what is under way, closes the store.
    pub fn stop(self) {
        for door in self.doors {
            // Once this returns, the listener is closed and its share of the executor is given back.
            smol::block_on(self.executor.run(door.cancel()));
        }
        self.control.remove();
        if let Some(public) = self.public {
            public.remove();
        }
        self.server.sessions.stop();
        self.server.relay.stop();
        let gone = async {
            self.server.sessions.gone().await;
            self.server.relay.gone().await;
        };
        // What is noted of a mail whose answer was not waited for needs a moment, too.
        let cut = async {
            smol::Timer::after(limits::STOPPING * 4 / 5).await;
            self.server.relay.cut();
            smol::Timer::after(limits::STOPPING / 5).await;
        };
        smol::block_on(self.executor.run(gone.or(cut)));
        drop(self.quit);
        for worker in self.workers {
            let _ = worker.join();
        }
        // What is still under way goes with its task, and nothing of it stays.
        drop(self.executor);
        ticket::block_on(self.server.allowance.save(&self.server.store, &self.server.clock));
        ticket::block_on(self.server.gatekeeper.save_failures());
        self.server.store.close();
    }
}

/// The name in greetings: the setting, else the machine's own.
pub fn hostname(settings: &Settings) -> String {
    settings.hostname.clone().unwrap_or_else(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if name.is_empty() { "localhost".into() } else { name }
    })
}

fn work(
    name: String,
    executor: &Arc<Executor<'static>>,
    quitting: &Receiver<()>,
) -> Result<JoinHandle<()>, ServeError> {
    let (executor, quitting) = (Arc::clone(executor), quitting.clone());
    thread::Builder::new()
        .name(name)
        .stack_size(limits::THREAD_STACK_OCTETS)
        .spawn(move || {
            let _ = smol::block_on(executor.run(quitting.recv()));
        })
        .map_err(|error| ServeError(format!("can't start a thread: {error}; allow this user more processes")))
}

/// Raises the limit of open files as far as it may be, and says how many connections there can be.
fn most_connections() -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = current.saturating_sub(limits::RESERVED_DESCRIPTORS).max(current / 4);
    u32::try_from(most).unwrap_or(u32::MAX)
}
