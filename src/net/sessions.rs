//! The sessions that stand: telling them to end, and counting them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use smol::channel::{Receiver, Sender};

use crate::mail::MailboxId;
use crate::settings::ListenerKind;

/// All sessions that stand.
#[derive(Debug)]
pub struct Sessions {
    table: Mutex<Table>,
    endings: AtomicU64,
    /// Each seat has a clone of the sender, so the receiver learns when the last one is gone.
    last_gone: Receiver<()>,
}

/// A session's entry; dropped, the session is no more.
#[derive(Debug)]
pub struct Seat {
    sessions: Arc<Sessions>,
    number: u64,
    line: Arc<Line>,
    _alive: Sender<()>,
}

/// What a session is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    GoOn,
    /// The server stops: end where nothing is under way.
    Stop,
    /// The mailbox has been removed, locked or given a new password: end now (S-180).
    End,
}

#[derive(Debug)]
struct Table {
    next: u64,
    lines: HashMap<u64, Arc<Line>>,
    alive: Option<Sender<()>>,
}

/// The line on which a session hears its orders.
#[derive(Debug)]
struct Line {
    kind: ListenerKind,
    order: AtomicU8,
    state: Mutex<LineState>,
}

#[derive(Debug, Default)]
struct LineState {
    mailbox: Option<MailboxId>,
    waker: Option<Waker>,
}

impl Sessions {
    /// No session yet.
    pub fn new() -> Sessions {
        let (alive, last_gone) = smol::channel::bounded(1);
        let table = Table { next: 0, lines: HashMap::new(), alive: Some(alive) };
        Sessions { table: Mutex::new(table), endings: AtomicU64::new(0), last_gone }
    }

    /// Adds a session; none once the server stops.
    pub fn add(self: &Arc<Self>, kind: ListenerKind) -> Option<Seat> {
        let mut table = lock(&self.table);
        let alive = table.alive.clone()?;
        let line = Arc::new(Line {
            kind,
            order: AtomicU8::new(Order::GoOn as u8),
            state: Mutex::new(LineState::default()),
        });
        let number = table.next;
        table.next += 1;
        table.lines.insert(number, Arc::clone(&line));
        drop(table);
        Some(Seat { sessions: Arc::clone(self), number, line, _alive: alive })
    }

    /// Tells all sessions that the server stops; none is added from now on.
    pub fn stop(&self) {
        let mut table = lock(&self.table);
        table.alive = None;
        for line in table.lines.values() {
            line.tell(Order::Stop);
        }
    }

    /// Tells the sessions of that mailbox to end.
    pub fn end(&self, mailbox: MailboxId) {
        self.endings.fetch_add(1, Ordering::SeqCst);
        for line in lock(&self.table).lines.values() {
            if lock(&line.state).mailbox == Some(mailbox) {
                line.tell(Order::End);
            }
        }
    }

    /// How often sessions of any mailbox were told to end. A logon that saw this number change may rest
    /// on a password that is no more.
    pub fn endings(&self) -> u64 {
        self.endings.load(Ordering::SeqCst)
    }

    /// Waits until no session is left; only after [`Sessions::stop`].
    pub async fn gone(&self) {
        while self.last_gone.recv().await.is_ok() {}
    }

    /// How many sessions of each kind stand.
    pub fn counts(&self) -> Vec<(ListenerKind, u32)> {
        let mut counts: Vec<_> = ListenerKind::ALL.into_iter().map(|kind| (kind, 0)).collect();
        for line in lock(&self.table).lines.values() {
            counts[line.kind as usize].1 += 1;
        }
        counts
    }
}

impl Seat {
    /// Binds the session to a mailbox; false if sessions were told to end since `endings` was read, and
    /// so perhaps this one.
    pub fn bind(&self, mailbox: MailboxId, endings: u64) -> bool {
        lock(&self.line.state).mailbox = Some(mailbox);
        self.sessions.endings() == endings
    }

    /// What the session is told.
    pub fn order(&self) -> Order {
        match self.line.order.load(Ordering::Acquire) {
            order if order == Order::Stop as u8 => Order::Stop,
            order if order == Order::End as u8 => Order::End,
            _ => Order::GoOn,
        }
    }

    /// Waits until the session is told something.
    pub async fn told(&self) {
        let heard = |context: &mut Context<'_>| match self.poll_order(context) {
            Order::GoOn => Poll::Pending,
            Order::Stop | Order::End => Poll::Ready(()),
        };
        poll_fn(heard).await;
    }

    /// The same; the task is woken when it changes.
    pub fn poll_order(&self, context: &Context<'_>) -> Order {
        let mut state = lock(&self.line.state);
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        drop(state);
        self.order()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.sessions.table).lines.remove(&self.number);
    }
}

impl Line {
    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        if let Some(waker) = lock(&self.state).waker.take() {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sessions_of_that_mailbox_are_told_to_end_s_180() {
        let sessions = Arc::new(Sessions::new());
        let seats: Vec<_> = (0..3).filter_map(|_| sessions.add(ListenerKind::Pop3)).collect();
        assert!(seats[0].bind(MailboxId(1), sessions.endings()));
        assert!(seats[1].bind(MailboxId(2), sessions.endings()));
        sessions.end(MailboxId(1));
        assert_eq!(seats.iter().map(Seat::order).collect::<Vec<_>>(), [Order::End, Order::GoOn, Order::GoOn]);
    }

    #[test]
    fn a_logon_that_crosses_an_ending_is_noticed_s_180() {
        let sessions = Arc::new(Sessions::new());
        let seat = sessions.add(ListenerKind::Pop3).unwrap();
        let endings = sessions.endings();
        sessions.end(MailboxId(1));
        assert!(!seat.bind(MailboxId(1), endings));
    }

    #[test]
    fn a_session_told_to_end_does_not_fall_back_to_a_mere_stop() {
        let sessions = Arc::new(Sessions::new());
        let seat = sessions.add(ListenerKind::Smtp).unwrap();
        seat.bind(MailboxId(1), 0);
        sessions.end(MailboxId(1));
        sessions.stop();
        assert_eq!(seat.order(), Order::End);
    }

    #[test]
    fn a_stopping_server_takes_no_session_and_waits_for_the_last() {
        let sessions = Arc::new(Sessions::new());
        let seat = sessions.add(ListenerKind::Smtp).unwrap();
        assert_eq!(sessions.counts()[ListenerKind::Smtp as usize], (ListenerKind::Smtp, 1));
        sessions.stop();
        assert_eq!(seat.order(), Order::Stop);
        assert!(sessions.add(ListenerKind::Smtp).is_none());
        let waiter = std::thread::spawn({
            let sessions = Arc::clone(&sessions);
            move || smol::block_on(sessions.gone())
        });
        drop(seat);
        waiter.join().unwrap();
        assert!(sessions.counts().iter().all(|(_, count)| *count == 0));
    }
}
