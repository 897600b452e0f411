//! The sessions that stand: showing them, telling them to end, and counting them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smol::channel::{Receiver, Sender};

use super::seat::{Line, Order, Seat};
use crate::admin::{SessionRow, Target, Whom};
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

#[derive(Debug)]
struct Table {
    next: u64,
    lines: HashMap<u64, Arc<Line>>,
    alive: Option<Sender<()>>,
}

impl Sessions {
    /// No session yet.
    pub fn new() -> Sessions {
        let (alive, last_gone) = smol::channel::bounded(1);
        let table = Table { next: 1, lines: HashMap::new(), alive: Some(alive) };
        Sessions { table: Mutex::new(table), endings: AtomicU64::new(0), last_gone }
    }

    /// Adds a session; none once the server stops.
    pub fn add(self: &Arc<Self>, kind: ListenerKind, peer: IpAddr, now: Instant) -> Option<Seat> {
        let mut table = self.lock();
        let alive = table.alive.clone()?;
        let number = table.next;
        table.next += 1;
        let line = Arc::new(Line::new(number, kind, peer, now));
        table.lines.insert(number, Arc::clone(&line));
        drop(table);
        Some(Seat { sessions: Arc::clone(self), line, _alive: alive })
    }

    /// Takes a session out; its seat does so when it is dropped.
    pub(super) fn remove(&self, number: u64) {
        self.lock().lines.remove(&number);
    }

    /// Tells all sessions that the server stops; none is added from now on.
    pub fn stop(&self) {
        let mut table = self.lock();
        table.alive = None;
        for line in table.lines.values() {
            line.tell(Order::Stop);
        }
    }

    /// Tells the sessions of that mailbox to end.
    pub fn end(&self, mailbox: MailboxId) {
        self.endings.fetch_add(1, Ordering::SeqCst);
        for line in self.lock().lines.values() {
            if line.mailbox() == Some(mailbox) {
                line.tell(Order::End);
            }
        }
    }

    /// Tells those sessions to end, whatever they do; says how many.
    pub fn kick(&self, whom: &Whom) -> u32 {
        let mut kicked = 0;
        for line in self.lock().lines.values() {
            let is_meant = match whom {
                Whom::All => true,
                Whom::Number(number) => line.number == *number,
                Whom::Target(Target::Mailbox(address)) => line.is_of(|user| user == address),
                Whom::Target(Target::Domain(domain)) => line.is_of(|user| user.domain() == *domain),
            };
            if is_meant {
                line.tell(Order::Kick);
                kicked += 1;
            }
        }
        kicked
    }

    /// Shows every session, the oldest first.
    pub fn show(&self, now: Instant) -> Vec<SessionRow> {
        let lines: Vec<_> = self.lock().lines.values().cloned().collect();
        let mut rows: Vec<_> = lines.iter().map(|line| row(line, now)).collect();
        rows.sort_by_key(|row| row.number);
        rows
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
        for line in self.lock().lines.values() {
            counts[line.kind as usize].1 += 1;
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row(line: &Line, now: Instant) -> SessionRow {
    let look = line.look(now);
    SessionRow {
        number: line.number,
        listener: line.kind.name().into(),
        user: look.user,
        peer: line.peer,
        tls: look.tls,
        state: look.doing.name().into(),
        seconds: look.age.as_secs(),
        idle_seconds: look.idle.as_secs(),
        octets_in: look.octets_in,
        octets_out: look.octets_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Address;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn add(sessions: &Arc<Sessions>, kind: ListenerKind) -> Seat {
        sessions.add(kind, IpAddr::from([192, 0, 2, 1]), Instant::now()).unwrap()
    }

    /// Sessions of alice, of bob, of carol elsewhere, and of nobody.
    fn four() -> (Arc<Sessions>, Vec<Seat>) {
        let sessions = Arc::new(Sessions::new());
        let seats: Vec<_> = (0..4).map(|_| add(&sessions, ListenerKind::Pop3)).collect();
        for (number, user) in [(1, "alice@home.lan"), (2, "bob@home.lan"), (3, "carol@office.lan")] {
            let is_bound = seats[number - 1].bind(MailboxId(number as u32), &address(user), 0);
            assert!(is_bound);
        }
        (sessions, seats)
    }

    fn orders(seats: &[Seat]) -> Vec<Order> {
        seats.iter().map(Seat::order).collect()
    }

    #[test]
    fn only_the_sessions_of_that_mailbox_are_told_to_end_s_180() {
        let (sessions, seats) = four();
        sessions.end(MailboxId(1));
        assert_eq!(orders(&seats), [Order::End, Order::GoOn, Order::GoOn, Order::GoOn]);
    }

    #[test]
    fn those_that_are_meant_are_kicked_and_counted() {
        use Order::{GoOn, Kick};
        let target = |text: &str| Whom::Target(text.parse().unwrap());
        for (whom, kicked, told) in [
            (Whom::All, 4, [Kick, Kick, Kick, Kick]),
            (Whom::Number(4), 1, [GoOn, GoOn, GoOn, Kick]),
            (Whom::Number(5), 0, [GoOn, GoOn, GoOn, GoOn]),
            (Whom::Number(0), 0, [GoOn, GoOn, GoOn, GoOn]),
            (target("bob@home.lan"), 1, [GoOn, Kick, GoOn, GoOn]),
            (target("home.lan"), 2, [Kick, Kick, GoOn, GoOn]),
            (target("lan"), 0, [GoOn, GoOn, GoOn, GoOn]),
            (target("dave@home.lan"), 0, [GoOn, GoOn, GoOn, GoOn]),
        ] {
            let (sessions, seats) = four();
            assert_eq!((sessions.kick(&whom), orders(&seats)), (kicked, told.to_vec()), "{whom:?}");
        }
    }

    #[test]
    fn sessions_are_shown_the_oldest_first_with_who_they_are() {
        let (sessions, seats) = four();
        seats[1].show_tls("TLSv1.3 TLS13_AES_128_GCM_SHA256".into());
        let rows = sessions.show(Instant::now());
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(rows[1].user, Some(address("bob@home.lan")));
        assert_eq!(rows[1].tls.as_deref(), Some("TLSv1.3 TLS13_AES_128_GCM_SHA256"));
        assert_eq!((rows[3].user.as_ref(), rows[3].tls.as_ref()), (None, None));
        assert_eq!((rows[0].listener.as_str(), rows[0].state.as_str()), ("pop3", "waiting"));
    }

    #[test]
    fn a_logon_that_crosses_an_ending_is_noticed_s_180() {
        let sessions = Arc::new(Sessions::new());
        let seat = add(&sessions, ListenerKind::Pop3);
        let endings = sessions.endings();
        sessions.end(MailboxId(1));
        assert!(!seat.bind(MailboxId(1), &address("alice@home.lan"), endings));
    }

    #[test]
    fn a_session_told_to_end_does_not_fall_back_to_a_mere_stop() {
        let (sessions, seats) = four();
        sessions.end(MailboxId(1));
        sessions.stop();
        assert_eq!(orders(&seats), [Order::End, Order::Stop, Order::Stop, Order::Stop]);
    }

    #[test]
    fn a_stopping_server_takes_no_session_and_waits_for_the_last() {
        let sessions = Arc::new(Sessions::new());
        let seat = add(&sessions, ListenerKind::Smtp);
        assert_eq!(sessions.counts()[ListenerKind::Smtp as usize], (ListenerKind::Smtp, 1));
        sessions.stop();
        assert_eq!(seat.order(), Order::Stop);
        assert!(sessions.add(ListenerKind::Smtp, IpAddr::from([192, 0, 2, 1]), Instant::now()).is_none());
        let waiter = std::thread::spawn({
            let sessions = Arc::clone(&sessions);
            move || smol::block_on(sessions.gone())
        });
        drop(seat);
        waiter.join().unwrap();
        assert!(sessions.counts().iter().all(|(_, count)| *count == 0));
    }
}
