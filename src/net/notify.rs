//! What a service manager is told of the server, by datagrams to `$NOTIFY_SOCKET`. sd_notify(3).
//!
//! ```text
//! starting --long--> EXTEND_TIMEOUT_USEC, again and again   (Patience)
//!    '-> READY=1 --SIGHUP--> RELOADING=1 -> READY=1
//!           |-> WATCHDOG=1, each time the store has answered a task of the executor   (feed)
//!           '--SIGTERM--> STOPPING=1
//! ```
//!
//! Whoever doesn't listen is not waited for: a word that is lost costs a restart at most.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::alarm;
use crate::clock::Clock;
use crate::limits;

/// The way to the service manager; without one every word goes nowhere. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Notifier(Option<Arc<Manager>>);

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often the watchdog is fed; none if there is none.
    feeding: Option<Duration>,
}

/// Asks the service manager for time as long as it lives; dropped, its thread has ended.
#[derive(Debug)]
pub struct Patience {
    /// Dropped, the thread ends.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say. Opens a socket; nothing else is opened for a word.
    pub fn from_environment() -> Notifier {
        let manager = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()).and_then(|path| {
            let opened = address(&path).and_then(|address| Ok((UnixDatagram::unbound()?, address)));
            // A full buffer must not hold the server up.
            let opened = opened.and_then(|(socket, address)| {
                socket.set_nonblocking(true)?;
                Ok((socket, address))
            });
            opened.inspect_err(|error| log::warn!("the service manager can't be told anything: {error}")).ok()
        });
        let text = |name: &str| env::var(name).ok();
        let feeding = feeding(text("WATCHDOG_USEC"), text("WATCHDOG_PID"), std::process::id());
        Notifier(manager.map(|(socket, address)| Arc::new(Manager { socket, address, feeding })))
    }

    /// Whether a service manager listens.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Everything is bound and served; `status` is for people, one line.
    pub fn ready(&self, status: &str) {
        self.say(&ready(status));
    }

    /// The certificate is loaded anew; [`Notifier::ready`] ends that.
    pub fn reloading(&self) {
        self.say(&reloading(clock_gettime(ClockId::Monotonic)));
    }

    /// No more connections are taken.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=ends what is under way");
    }

    /// Asks for time from now on, until what is given back is dropped or [`limits::LONGEST_START`] has passed: a start
    /// that takes longer than that hangs.
    pub fn patience(&self) -> Patience {
        if !self.is_heard() {
            return Patience { end: None, thread: None };
        }
        let (end, ended) = mpsc::channel::<()>();
        let notifier = self.clone();
        let ask = move || {
            let rounds = limits::LONGEST_START.as_secs() / limits::START_ASKING.as_secs();
            for _ in 0..rounds {
                if ended.recv_timeout(limits::START_ASKING) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                notifier.say(&extension(limits::START_ASKING * 3));
            }
        };
        let thread = thread::Builder::new().name("patience".into()).spawn(ask);
        Patience { end: Some(end), thread: thread.ok() }
    }

    /// One word. Nobody may hear it: a service manager that starts itself anew hears the next.
    fn say(&self, words: &str) {
        let Some(manager) = &self.0 else { return };
        if let Err(error) = manager.socket.send_to_addr(words.as_bytes(), &manager.address) {
            log::debug!("the service manager does not hear: {error}");
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Feeds the watchdog for ever, each time after `answers` has said that the store is there; must run where sessions run.
/// What never answers lets it starve, and the service manager starts the server anew (S-275).
pub async fn feed<Answer: Future<Output = bool>>(
    notifier: Notifier,
    clock: Clock,
    answers: impl Fn() -> Answer,
) {
    let Some(pause) = notifier.0.as_ref().and_then(|manager| manager.feeding) else { return };
    loop {
        if answers().await {
            notifier.say("WATCHDOG=1");
        }
        alarm::rest(&clock, pause).await;
    }
}

/// A path, or `@` and an abstract name.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "NOTIFY_SOCKET is neither a whole path nor an abstract name",
        )),
    }
}

/// How often the watchdog is fed: a third of its patience, so that one late answer is no end. None if there is no
/// watchdog, or it watches another process.
fn feeding(microseconds: Option<String>, watched: Option<String>, own: u32) -> Option<Duration> {
    if watched.is_some_and(|watched| watched.parse() != Ok(own)) {
        return None;
    }
    let patience = microseconds?.parse().ok().filter(|patience| *patience > 0)?;
    Some(Duration::from_micros(patience) / 3)
}

fn ready(status: &str) -> String {
    // What follows a line end would be a word of its own.
    format!("READY=1\nSTATUS={}", status.replace(['\n', '\r'], " "))
}

fn reloading(now: Timespec) -> String {
    let microseconds = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
    format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=loads the certificate")
}

fn extension(by: Duration) -> String {
    format!(
        "EXTEND_TIMEOUT_USEC={}\nSTATUS=opens the database, which takes longer after a power cut",
        by.as_micros()
    )
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A service manager of its own, with an abstract name.
    fn manager(name: &str, feeding: Option<Duration>) -> (UnixDatagram, Notifier) {
        let name = format!("poppet-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let hears = UnixDatagram::bind_addr(&address).unwrap();
        hears.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        (hears, Notifier(Some(Arc::new(Manager { socket, address, feeding }))))
    }

    fn heard(hears: &UnixDatagram) -> String {
        let mut octets = [0; 1024];
        let length = hears.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..length]).into_owned()
    }

    #[test]
    fn words_reach_the_service_manager_one_a_datagram() {
        let (hears, notifier) = manager("words", None);
        notifier.ready("pop3=0.0.0.0:110");
        notifier.reloading();
        notifier.stopping();
        assert_eq!(heard(&hears), "READY=1\nSTATUS=pop3=0.0.0.0:110");
        assert!(heard(&hears).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert!(heard(&hears).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        let notifier = Notifier::default();
        assert!(!notifier.is_heard());
        notifier.ready("");
        drop(notifier.patience());
        smol::block_on(feed(notifier, Clock::movable(), std::future::pending));
    }

    #[test]
    fn one_that_is_gone_is_not_waited_for() {
        let (hears, notifier) = manager("gone", None);
        drop(hears);
        notifier.ready("");
    }

    #[test]
    fn a_place_is_a_whole_path_or_an_abstract_name() {
        assert_eq!(address("/run/x".as_ref()).unwrap().as_pathname().unwrap().to_str(), Some("/run/x"));
        assert_eq!(address("@x/y".as_ref()).unwrap().as_abstract_name(), Some(&b"x/y"[..]));
        let long = format!("/{}", "x".repeat(limits::SOCKET_PATH_OCTETS + 1));
        for bad in ["", "run/x", "vsock:2:1", "x", &long] {
            assert!(address(bad.as_ref()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_watchdog_is_fed_three_times_in_its_patience_if_it_is_ours_s_275() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(feeding(text("30000000"), None, 7), Some(Duration::from_secs(10)));
        assert_eq!(feeding(text("30000000"), text("7"), 7), Some(Duration::from_secs(10)));
        for (patience, watched) in [
            (None, None),
            (None, text("7")),
            (text("30000000"), text("8")),
            (text("30000000"), text("")),
            (text("0"), None),
            (text("-1"), None),
            (text("x"), None),
            (text("18446744073709551616"), None),
        ] {
            assert_eq!(feeding(patience.clone(), watched.clone(), 7), None, "{patience:?} {watched:?}");
        }
    }

    #[test]
    fn no_status_becomes_a_word_of_its_own() {
        assert_eq!(ready("a\nMAINPID=1\r\nb"), "READY=1\nSTATUS=a MAINPID=1  b");
    }

    #[test]
    fn times_are_microseconds() {
        let at = |tv_sec, tv_nsec| reloading(Timespec { tv_sec, tv_nsec });
        assert!(at(12, 345_678_999).contains("\nMONOTONIC_USEC=12345678\n"));
        assert!(at(0, 999).contains("\nMONOTONIC_USEC=0\n"));
        assert!(at(i64::MAX, 0).contains(&format!("={}\n", i64::MAX)));
        assert!(extension(Duration::from_secs(60)).starts_with("EXTEND_TIMEOUT_USEC=60000000\n"));
    }

    /// A store that never answers, or is closed, gets no restart put off.
    #[test]
    fn only_an_answer_of_the_store_feeds_the_watchdog_s_275() {
        let (hears, notifier) = manager("feeding", Some(Duration::from_secs(10)));
        hears.set_nonblocking(true).unwrap();
        let (clock, answer) = (Clock::movable(), Cell::new(Some(true)));
        let asked = Cell::new(0);
        let answers = || {
            asked.set(asked.get() + 1);
            let answer = answer.get();
            async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        let is_fed = || hears.recv(&mut [0; 64]).is_ok();
        smol::block_on(async {
            let mut feeding = std::pin::pin!(feed(notifier, clock.clone(), answers));
            for (says, feeds) in [(Some(true), true), (Some(false), false), (Some(true), true), (None, false)]
            {
                answer.set(says);
                let before = asked.get();
                while asked.get() == before {
                    assert!(smol::future::poll_once(&mut feeding).await.is_none());
                    clock.put_forward(Duration::from_secs(5));
                }
                assert_eq!(is_fed(), feeds, "{says:?}");
            }
            clock.put_forward(Duration::from_secs(3600));
            for _ in 0..20 {
                assert!(smol::future::poll_once(&mut feeding).await.is_none());
            }
            assert!(!is_fed(), "an answer that never comes is waited for");
        });
    }
}
