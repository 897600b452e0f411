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
use super::task::{self, Work};
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
    task::begin(executor, keep(looking, move |server| Box::pin(look(server, context.clone())))).detach();
    task::begin(executor, keep(watching, |server| Box::pin(follow_network(server)))).detach();
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
async fn keep(server: Arc<Server>, begin: impl Fn(Arc<Server>) -> Work) {
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
            task::unblock(move || renew_own(&of_own)).await;
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
    let told = task::unblock(move || ticket::block_on(admin::execute(&context, list))).await;
    if let Ok(Answer::Certificates(Told::Rows(rows))) = told {
        let (wall, monotonic) = (server.store.believed_now(), server.clock.monotonic());
        endings.due(&rows, wall, monotonic).iter().for_each(|line| log::warn!("{line}"));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::IpAddr;
    use std::process;

    use super::*;
    use crate::admin::{Asker, Live};
    use crate::cert;
    use crate::net::tests::shaking::leaf;
    use crate::net::tests::trial::{Trial, serving};

    fn context(trial: &Trial) -> Context {
        let server = trial.server();
        let live = Some(Arc::clone(server) as Arc<dyn Live>);
        let (store, gatekeeper) = (server.store.clone(), server.gatekeeper.clone());
        Context { store, gatekeeper, live, asker: Asker::default() }
    }

    /// Whether the certificate that is shown holds for a name or an address.
    fn holds_for(trial: &Trial, name: &str) -> bool {
        let shown = leaf(trial, "mail.home.lan");
        let address: Option<IpAddr> = name.parse().ok();
        let octets = match address {
            Some(IpAddr::V4(address)) => address.octets().to_vec(),
            Some(IpAddr::V6(address)) => address.octets().to_vec(),
            None => name.as_bytes().to_vec(),
        };
        shown.windows(octets.len()).any(|window| window == octets)
    }

    /// Less than an hour passes, so that it is no look of each hour that finds it.
    fn until_it_holds_for(trial: &Trial, name: &str) {
        let step = limits::CERTIFICATE_REST.as_secs() + 1;
        let passed = Cell::new(0);
        trial.until(name, || {
            if passed.get() + step < limits::CERTIFICATE_LOOK.as_secs() {
                trial.pass(step);
                passed.set(passed.get() + step);
            }
            holds_for(trial, name)
        });
    }

    #[test]
    fn a_new_domain_and_another_hostname_are_in_the_certificate_without_a_restart() {
        serving(&[], |trial| {
            let act = |command| ticket::block_on(admin::execute(&context(trial), command)).unwrap();
            assert!(!holds_for(trial, "mail.garden.lan"));
            act(Command::AddDomain("garden.lan".parse().unwrap()));
            until_it_holds_for(trial, "mail.garden.lan");
            let (key, value) = ("hostname".to_owned(), Some("post.shed.lan".to_owned()));
            act(Command::Assign { key, value, is_final: false });
            until_it_holds_for(trial, "post.shed.lan");
            assert!(holds_for(trial, "mail.garden.lan"));
        });
    }

    #[test]
    fn it_is_made_anew_by_command_and_shown_at_once() {
        serving(&[], |trial| {
            let before = leaf(trial, "mail.home.lan");
            let renew = CertificateAct::Renew { names: vec!["box".into()], addresses: vec![] };
            ticket::block_on(admin::execute(&context(trial), Command::Certificates(renew))).unwrap();
            let after = leaf(trial, "mail.home.lan");
            assert_ne!(before, after);
            assert!(holds_for(trial, "box"));
        });
    }

    #[test]
    fn an_hour_and_a_clock_that_was_set_are_reasons_to_look_s_261() {
        let clock = Clock::movable();
        let looked = Looked::at(&clock);
        assert!(!looked.is_over(&clock));
        let (leap, wall) = (limits::CLOCK_LEAP.as_secs(), clock.now().0);
        for (was, is_over) in [(wall - leap - 60, true), (wall + leap + 60, true), (wall - leap / 2, false)] {
            let looked = Looked { wall: UnixTime(was), ..Looked::at(&clock) };
            assert_eq!(looked.is_over(&clock), is_over, "{was}");
        }
        assert!(Looked { was_suspect: true, ..Looked::at(&clock) }.is_over(&clock));
        // A fixed clock's wall stands still.
        clock.put_forward(limits::CERTIFICATE_LOOK);
        assert!(looked.is_over(&clock));
    }

    #[test]
    fn a_new_address_of_the_machine_is_in_the_certificate_within_seconds_and_one_that_goes_stays() {
        let inside = "net::renewing::tests::in_a_network_of_its_own";
        let mut command = process::Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net").arg(std::env::current_exe().unwrap());
        command.args(["--exact", inside, "--ignored", "--nocapture"]);
        let run = command.output().expect("unshare, of util-linux, is needed");
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "the test above starts it in a network namespace"]
    fn in_a_network_of_its_own() {
        let ip = |words: &str| {
            let status = process::Command::new("ip").args(words.split(' ')).status();
            assert!(status.expect("ip, of iproute2, is needed").success(), "{words}");
        };
        ip("link set lo up");
        serving(&[], |trial| {
            for (number, address) in ["192.0.2.1", "2001:db8::1"].into_iter().enumerate() {
                let prefix = if number == 0 { 24 } else { 64 };
                assert!(!holds_for(trial, address));
                ip(&format!("addr add {address}/{prefix} dev lo"));
                until_it_holds_for(trial, address);
            }
            ip("addr del 192.0.2.1/24 dev lo");
            ip("addr add 192.0.2.2/24 dev lo");
            until_it_holds_for(trial, "192.0.2.2");
            assert!(holds_for(trial, "192.0.2.1"), "the machine may come back to it");
            let authority = ticket::block_on(cert::authority(&trial.server().store)).unwrap();
            assert!(authority.is_some());
        });
    }
}
