//! One session's entry among those that stand: what it is told from outside, and what it shows of itself.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use smol::channel::Sender;

use super::sessions::Sessions;
use crate::mail::{Address, MailboxId};
use crate::settings::ListenerKind;

/// A session's entry; dropped, the session is no more.
#[derive(Debug)]
pub struct Seat {
    pub(super) sessions: Arc<Sessions>,
    pub(super) line: Arc<Line>,
    pub(super) _alive: Sender<()>,
}

/// What a session is told from outside; the later tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Go on.
    GoOn,
    /// The server stops: end where nothing is under way.
    Stop,
    /// The mailbox has been removed, locked or given a new password: end now (S-180).
    End,
    /// The administrator wants this session to end: end now.
    Kick,
}

/// What a session does, for who looks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It waits for the peer.
    Waiting,
    /// It shakes hands for TLS.
    Handshake,
    /// It finds out who the peer is.
    Logon,
    /// It sends a message.
    Sending,
    /// It takes a message.
    Receiving,
    /// It waits for the store to make something durable.
    Storing,
}

/// The line on which a session hears its orders, and on which its octets are counted: by the session alone,
/// while others only look.
#[derive(Debug)]
pub struct Line {
    pub(super) number: u64,
    pub(super) kind: ListenerKind,
    pub(super) peer: IpAddr,
    begun: Instant,
    order: AtomicU8,
    doing: AtomicU8,
    octets_in: AtomicU64,
    octets_out: AtomicU64,
    /// When the last octet came or went, in milliseconds from the beginning on.
    active_milliseconds: AtomicU64,
    state: Mutex<LineState>,
}

#[derive(Debug, Default)]
struct LineState {
    mailbox: Option<MailboxId>,
    user: Option<Address>,
    tls: Option<String>,
    waker: Option<Waker>,
}

/// How a session is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Who has logged on.
    pub user: Option<Address>,
    /// Version and suite; none in the clear.
    pub tls: Option<String>,
    /// What it does.
    pub doing: Doing,
    /// How long it has stood.
    pub age: Duration,
    /// How long no octet has come or gone.
    pub idle: Duration,
    /// Octets that came in.
    pub octets_in: u64,
    /// Octets that went out.
    pub octets_out: u64,
}

impl Seat {
    /// Binds the session to a mailbox; false if sessions were told to end since `endings` was read, and
    /// so perhaps this one.
    pub fn bind(&self, mailbox: MailboxId, user: &Address, endings: u64) -> bool {
        let mut state = self.line.lock();
        state.mailbox = Some(mailbox);
        state.user = Some(user.clone());
        drop(state);
        self.sessions.endings() == endings
    }

    /// Binds the session to nobody: its user was refused after all.
    pub fn unbind(&self) {
        let mut state = self.line.lock();
        (state.mailbox, state.user) = (None, None);
    }

    /// The listener through which the peer came.
    pub fn kind(&self) -> ListenerKind {
        self.line.kind
    }

    /// Shows the version and suite of its TLS connection, and the certificate that the peer has shown.
    pub fn show_tls(&self, description: String) {
        self.line.lock().tls = Some(description);
    }

    /// Shows what it does from now on.
    pub fn show(&self, doing: Doing) {
        self.line.doing.store(doing as u8, Ordering::Relaxed);
    }

    /// Counts octets that came in.
    pub fn count_in(&self, octets: usize, now: Instant) {
        self.line.count(&self.line.octets_in, octets, now);
    }

    /// Counts octets that went out.
    pub fn count_out(&self, octets: usize, now: Instant) {
        self.line.count(&self.line.octets_out, octets, now);
    }

    /// How it is now.
    pub fn look(&self, now: Instant) -> Look {
        self.line.look(now)
    }

    /// What the session is told.
    pub fn order(&self) -> Order {
        match self.line.order.load(Ordering::Acquire) {
            order if order == Order::Stop as u8 => Order::Stop,
            order if order == Order::End as u8 => Order::End,
            order if order == Order::Kick as u8 => Order::Kick,
            _ => Order::GoOn,
        }
    }

    /// Waits until the session is told something.
    pub async fn told(&self) -> Order {
        poll_fn(|context| match self.poll_order(context) {
            Order::GoOn => Poll::Pending,
            order => Poll::Ready(order),
        })
        .await
    }

    /// What the session is told; the task is woken when it changes.
    pub fn poll_order(&self, context: &Context<'_>) -> Order {
        let mut state = self.line.lock();
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        drop(state);
        self.order()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sessions.remove(self.line.number);
    }
}

impl Line {
    /// A line on which nothing has been said.
    pub fn new(number: u64, kind: ListenerKind, peer: IpAddr, begun: Instant) -> Line {
        Line {
            number,
            kind,
            peer,
            begun,
            order: AtomicU8::new(Order::GoOn as u8),
            doing: AtomicU8::new(Doing::Waiting as u8),
            octets_in: AtomicU64::new(0),
            octets_out: AtomicU64::new(0),
            active_milliseconds: AtomicU64::new(0),
            state: Mutex::new(LineState::default()),
        }
    }

    /// Tells the session something; what it was told before stays if that was more.
    pub fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        if let Some(waker) = self.lock().waker.take() {
            waker.wake();
        }
    }

    /// Whose mailbox it is bound to.
    pub fn mailbox(&self) -> Option<MailboxId> {
        self.lock().mailbox
    }

    /// Whether its user is one of those.
    pub fn is_of(&self, is_one: impl FnOnce(&Address) -> bool) -> bool {
        self.lock().user.as_ref().is_some_and(is_one)
    }

    /// How the session is now.
    pub fn look(&self, now: Instant) -> Look {
        let age = now.saturating_duration_since(self.begun);
        let active = Duration::from_millis(self.active_milliseconds.load(Ordering::Relaxed));
        let state = self.lock();
        Look {
            user: state.user.clone(),
            tls: state.tls.clone(),
            doing: self.doing(),
            age,
            idle: age.saturating_sub(active),
            octets_in: self.octets_in.load(Ordering::Relaxed),
            octets_out: self.octets_out.load(Ordering::Relaxed),
        }
    }

    fn doing(&self) -> Doing {
        let doing = self.doing.load(Ordering::Relaxed);
        DOINGS.into_iter().find(|known| *known as u8 == doing).unwrap_or(Doing::Waiting)
    }

    /// Only the session itself counts, so nothing is lost between reading and writing.
    fn count(&self, counter: &AtomicU64, octets: usize, now: Instant) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(octets as u64), Ordering::Relaxed);
        let milliseconds = now.saturating_duration_since(self.begun).as_millis();
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        self.active_milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doing {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting",
            Doing::Handshake => "handshake",
            Doing::Logon => "logon",
            Doing::Sending => "sending",
            Doing::Receiving => "receiving",
            Doing::Storing => "storing",
        }
    }
}

const DOINGS: [Doing; 6] =
    [Doing::Waiting, Doing::Handshake, Doing::Logon, Doing::Sending, Doing::Receiving, Doing::Storing];

#[cfg(test)]
mod tests {
    use super::*;

    fn line(begun: Instant) -> Line {
        Line::new(7, ListenerKind::Pop3, IpAddr::from([192, 0, 2, 1]), begun)
    }

    #[test]
    fn octets_are_counted_and_idle_time_begins_anew_with_each() {
        let begun = Instant::now();
        let line = line(begun);
        let at = |seconds| begun + Duration::from_secs(seconds);
        line.count(&line.octets_in, 10, at(2));
        line.count(&line.octets_out, 300, at(3));
        line.count(&line.octets_in, 5, at(5));
        let look = line.look(at(9));
        assert_eq!((look.octets_in, look.octets_out), (15, 300));
        assert_eq!((look.age, look.idle), (Duration::from_secs(9), Duration::from_secs(4)));
        assert_eq!(line.look(begun).idle, Duration::ZERO, "a clock that is asked twice may be early");
    }

    #[test]
    fn what_it_does_is_shown_in_one_word() {
        let line = line(Instant::now());
        for doing in DOINGS {
            line.doing.store(doing as u8, Ordering::Relaxed);
            assert_eq!(line.doing(), doing);
            assert!(doing.name().bytes().all(|octet| octet.is_ascii_lowercase()));
        }
    }

    #[test]
    fn each_order_outranks_those_before_it() {
        let orders = [Order::GoOn, Order::Stop, Order::End, Order::Kick];
        assert!(orders.is_sorted());
        for (first, second) in [(Order::Kick, Order::Stop), (Order::Stop, Order::Kick)] {
            let line = line(Instant::now());
            line.tell(first);
            line.tell(second);
            assert_eq!(line.order.load(Ordering::Relaxed), Order::Kick as u8);
        }
    }
}
