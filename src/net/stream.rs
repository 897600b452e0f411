//! One connection, plain or inside TLS: input by deadline, output that may not stall, an end with manners.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroize;

use super::alarm::{self, Alarm};
use super::meter::Meter;
use super::patience::{Deadline, Stall};
use super::peers::Place;
use super::seat::{Doing, Order, Seat};
use super::tls::{self, Shaken, Speaks, Tls};
use crate::clock::Clock;
use crate::limits;
use crate::settings::Demand;
use crate::sys;

/// A connection to a peer.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    /// What the peer has sent and nobody has used up; empty and without memory while the peer is silent.
    input: Vec<u8>,
    used: usize,
    clock: Clock,
    alarm: Alarm,
    /// Reads and writes in a row that did not have to wait.
    at_once: u8,
    /// Octets are counted as they are inside TLS, if there is TLS.
    seat: Seat,
    place: Place,
    /// When the peer came, or last did what we are here for.
    earned: Instant,
}

/// Why a connection is given up without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The peer is gone.
    Gone,
    /// The peer takes no octets (S-268), or sends too few (S-266).
    Stalled,
    /// The session was told to end in the middle of something (S-180).
    CutOff(Order),
    /// TLS could not begin; why.
    Handshake(String),
    /// TLS could not begin because of the peer's certificate; whose it is and what is wrong with it.
    Certificate(String),
    /// A body could not be read on; the peer must not take it for whole (S-238).
    BrokenBody,
}

/// What waiting for input came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// So many octets came.
    Octets(usize),
    /// The peer sends no more, or is gone.
    End,
    /// The deadline has passed.
    TimedOut,
    /// The session is told something.
    Told(Order),
}

/// How the peer takes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// He, or the system for him, has taken it at once.
    AtOnce,
    /// It had to wait for him.
    Waiting,
    /// For some time he has taken nothing.
    Slow,
}

/// What has been written.
enum Written {
    All { has_waited: bool },
    Some(usize),
}

#[derive(Debug)]
enum Socket {
    /// Given to a handshake that failed.
    Lost,
    Plain(Meter),
    Tls(Box<Shaken>),
}

impl Stream {
    /// Takes over an accepted socket.
    pub fn new(socket: Async<TcpStream>, clock: Clock, seat: Seat, place: Place) -> Stream {
        Stream {
            earned: clock.monotonic(),
            socket: Socket::Plain(Meter::new(socket)),
            input: Vec::new(),
            used: 0,
            clock,
            alarm: Alarm::new(),
            at_once: 0,
            seat,
            place,
        }
    }

    /// The session's seat: what it is told and what it shows.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Whether the peer must be quick: he is a stranger, and places are scarce.
    pub fn is_pressed(&self) -> bool {
        self.place.is_pressed()
    }

    /// The peer has logged on: he is no stranger any more.
    pub fn befriend(&mut self) {
        self.place.befriend();
    }

    /// The peer has done what we are here for, such as bringing a mail: he may stay longer.
    pub fn has_earned(&mut self) {
        self.earned = self.clock.monotonic();
    }

    /// Begins TLS within [`limits::HANDSHAKE`] (S-042). Errs if octets in the clear are left over, for then the peer is
    /// an attacker's victim, if the handshake fails, and if the session is told something; the connection is lost.
    pub async fn begin_tls(&mut self, tls: &Tls, speaks: Speaks, demand: Demand) -> Result<(), Lost> {
        if !self.input().is_empty() {
            return Err(Lost::Handshake("there are octets in the clear behind the command".into()));
        }
        let Socket::Plain(socket) = std::mem::replace(&mut self.socket, Socket::Lost) else {
            return Err(Lost::Handshake("TLS was begun already".into()));
        };
        self.seat.show(Doing::Handshake);
        let told = async { Err(Lost::CutOff(self.seat.told().await)) };
        let late = async {
            alarm::rest(&self.clock, limits::HANDSHAKE).await;
            Err(Lost::Handshake("the peer took too long".into()))
        };
        let shaken = Box::pin(tls.accept(speaks, demand, socket).or(told).or(late)).await?;
        self.seat.show_tls(tls::description(&shaken.stream));
        self.socket = Socket::Tls(Box::new(shaken));
        Ok(())
    }

    /// The TLS connection; none in the clear.
    pub fn shaken(&self) -> Option<&Shaken> {
        match &self.socket {
            Socket::Lost | Socket::Plain(_) => None,
            Socket::Tls(shaken) => Some(shaken),
        }
    }

    /// The peer's certificate is somebody's here: he may log on by it.
    pub fn names_somebody(&mut self) {
        if let Socket::Tls(shaken) = &mut self.socket {
            shaken.names_somebody = true;
        }
    }

    /// Version and suite; none in the clear.
    pub fn tls_description(&self) -> Option<String> {
        self.shaken().map(|shaken| tls::description(&shaken.stream))
    }

    /// Whether octets of the peer are there that nobody has read; takes none, and doesn't wait.
    pub fn has_unread(&self) -> bool {
        self.socket.meter().is_some_and(|socket| matches!(socket.tcp().peek(&mut [0]), Ok(1..)))
    }

    /// What came in and has not been used up.
    pub fn input(&self) -> &[u8] {
        &self.input[self.used..]
    }

    /// Uses up the first octets of the input.
    pub fn consume(&mut self, octets: usize) {
        self.used = (self.used + octets).min(self.input.len());
    }

    /// Puts octets that were read with [`Stream::read`] and not used up where the next line is looked for.
    pub fn give_back(&mut self, octets: &[u8]) {
        self.shift();
        self.input.extend_from_slice(octets);
    }

    /// Waits until more input is there; what the session is told beyond `heard` ends the wait. A stranger is waited
    /// for no longer than his session may last while places are scarce.
    pub async fn fill(&mut self, deadline: Deadline, heard: Order) -> Input {
        let deadline = self.for_strangers(deadline);
        self.shift();
        self.breathe().await;
        poll_fn(|context| {
            // On the stack only while it is polled: a session that waits has no buffer.
            let mut buffer = [0; limits::INPUT_OCTETS];
            let input = ready!(self.poll_input(context, &mut buffer, deadline, heard));
            if let Input::Octets(octets) = input {
                self.input.extend_from_slice(&buffer[..octets]);
            }
            Poll::Ready(input)
        })
        .await
    }

    /// Whether such a wait for a line is over.
    pub fn has_passed(&self, deadline: Deadline) -> bool {
        let deadline = self.for_strangers(deadline);
        self.clock.monotonic() >= if self.is_pressed() { deadline.pressed } else { deadline.usual }
    }

    /// Reads into `buffer`; the input must have been used up. What is told beyond `heard` ends the wait. Who is pressed
    /// has no less time: ask for that at each deadline.
    pub async fn read(&mut self, buffer: &mut [u8], deadline: Instant, heard: Order) -> Input {
        self.breathe().await;
        let deadline = Deadline { usual: deadline, pressed: deadline };
        poll_fn(|context| self.poll_input(context, buffer, deadline, heard)).await
    }

    /// Writes all octets; errs when the peer is gone, when he takes none for [`limits::WRITE_STALL`], and when he
    /// takes none and the session is told to end now (S-180).
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), Lost> {
        match self.write_while_taken(octets, limits::WRITE_STALL).await? {
            Written::All { .. } => Ok(()),
            Written::Some(_) => Err(Lost::Stalled),
        }
    }

    /// Writes all of `out` and empties it; errs as [`Stream::write`] does. When the peer takes no octet for
    /// [`limits::QUIET`], `give_back` is called, which tells how many octets that was, and of `out` only what he has
    /// not taken is kept (S-237).
    pub async fn write_out(
        &mut self,
        out: &mut Vec<u8>,
        give_back: impl FnOnce() -> usize,
    ) -> Result<Pace, Lost> {
        let pace = match self.write_while_taken(out, limits::QUIET).await? {
            Written::All { has_waited: false } => Pace::AtOnce,
            Written::All { has_waited: true } => Pace::Waiting,
            Written::Some(octets) => {
                let capacity = out.capacity();
                out.drain(..octets);
                out.shrink_to_fit();
                sys::given_back(give_back() + capacity - out.capacity());
                self.write(out).await?;
                Pace::Slow
            }
        };
        out.clear();
        Ok(pace)
    }

    /// Ends early when the peer takes none for so long.
    async fn write_while_taken(&mut self, octets: &[u8], patience: Duration) -> Result<Written, Lost> {
        let (mut taken, mut has_waited) = (0, false);
        while taken < octets.len() {
            self.breathe().await;
            let mut stall = Stall::new(patience);
            let written = poll_fn(|context| {
                if let Poll::Ready(result) = self.socket.poll_write(context, &octets[taken..]) {
                    return Poll::Ready(result.map(Some).map_err(|_| Lost::Gone));
                }
                self.poll_stall(context, &mut stall).map_ok(|()| None)
            })
            .await?;
            match written {
                Some(0) => return Err(Lost::Gone),
                Some(written) => {
                    self.seat.count_out(written, self.clock.monotonic());
                    taken += written;
                }
                None => return Ok(Written::Some(taken)),
            }
            has_waited |= stall.has_begun();
        }
        match self.flush(patience).await? {
            Some(flush_has_waited) => Ok(Written::All { has_waited: has_waited || flush_has_waited }),
            None => Ok(Written::Some(taken)),
        }
    }

    /// Waits, unless the session is told something; false if it was.
    pub async fn pause(&mut self, duration: Duration) -> bool {
        let until = self.clock.monotonic() + duration;
        poll_fn(|context| {
            if self.seat.poll_order(context) != Order::GoOn {
                return Poll::Ready(false);
            }
            self.alarm.poll(context, &self.clock, until).map(|()| true)
        })
        .await
    }

    /// Says in TLS and TCP that nothing more comes, so that the peer can tell an end from a loss.
    pub async fn close(mut self) {
        let deadline = self.clock.monotonic() + limits::CLOSING;
        poll_fn(|context| match self.socket.poll_close(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => self.alarm.poll(context, &self.clock, deadline),
        })
        .await;
        let Some(mut tcp) = self.socket.meter().map(Meter::tcp) else { return };
        let _ = tcp.shutdown(Shutdown::Write);
        // Unread octets would make the system reset the connection, and the last reply could be lost.
        let mut rest = [0; limits::INPUT_OCTETS];
        for _ in 0..limits::SKIPPED_LINE_OCTETS / limits::INPUT_OCTETS {
            if !matches!(tcp.read(&mut rest), Ok(1..)) {
                break;
            }
        }
    }

    /// Whether it had to wait; none if the peer takes no octet for so long.
    async fn flush(&mut self, patience: Duration) -> Result<Option<bool>, Lost> {
        if matches!(self.socket, Socket::Plain(_)) {
            return Ok(Some(false));
        }
        let mut stall = Stall::new(patience);
        poll_fn(|context| {
            if let Poll::Ready(result) = self.socket.poll_flush(context) {
                return Poll::Ready(result.map(|()| Some(stall.has_begun())).map_err(|_| Lost::Gone));
            }
            self.poll_stall(context, &mut stall).map_ok(|()| None)
        })
        .await
    }

    fn poll_input(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        deadline: Deadline,
        heard: Order,
    ) -> Poll<Input> {
        let order = self.seat.order();
        if order > heard {
            return Poll::Ready(Input::Told(order));
        }
        match self.socket.poll_read(context, buffer) {
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Input::End),
            Poll::Ready(Ok(octets)) => {
                self.seat.count_in(octets, self.clock.monotonic());
                return Poll::Ready(Input::Octets(octets));
            }
            Poll::Pending => self.at_once = 0,
        }
        match self.seat.poll_order(context) {
            order if order > heard => Poll::Ready(Input::Told(order)),
            _ => self.poll_deadline(context, deadline).map(|()| Input::TimedOut),
        }
    }

    /// Counts from the last octet that the peer took.
    fn poll_stall(&mut self, context: &mut Context<'_>, stall: &mut Stall) -> Poll<Result<(), Lost>> {
        self.at_once = 0;
        let order = self.seat.poll_order(context);
        if order >= Order::End {
            return Poll::Ready(Err(Lost::CutOff(order)));
        }
        let usual = stall.deadline(self.socket.written(), || self.clock.monotonic());
        let pressed =
            usual.min((usual + limits::PRESSED_PATIENCE).checked_sub(stall.patience).unwrap_or(usual));
        self.poll_deadline(context, Deadline { usual, pressed }).map(Ok)
    }

    /// Nobody tells a session when places get scarce: strangers' look for themselves from time to time.
    fn poll_deadline(&mut self, context: &mut Context<'_>, deadline: Deadline) -> Poll<()> {
        loop {
            let until = if self.place.is_pressed() { deadline.pressed } else { deadline.usual };
            let now = self.clock.monotonic();
            if now >= until {
                return Poll::Ready(());
            }
            let look = if self.place.is_known() { until } else { until.min(now + limits::PRESSED_LOOK) };
            ready!(self.alarm.poll(context, &self.clock, look));
        }
    }

    /// Lets other sessions have the thread, if this one has not had to wait for long: a fast peer would
    /// keep it for ever.
    async fn breathe(&mut self) {
        self.at_once += 1;
        if self.at_once >= limits::TURNS {
            self.at_once = 0;
            smol::future::yield_now().await;
        }
    }

    fn for_strangers(&self, deadline: Deadline) -> Deadline {
        let most = deadline.usual.min(self.earned + limits::PRESSED_SESSION);
        Deadline { pressed: deadline.pressed.min(most), ..deadline }
    }

    fn shift(&mut self) {
        // A password may have been in it.
        self.input[..self.used].zeroize();
        if self.used == self.input.len() {
            self.input = Vec::new();
        } else {
            self.input.drain(..self.used);
        }
        self.used = 0;
    }
}

impl Socket {
    fn meter(&self) -> Option<&Meter> {
        match self {
            Socket::Lost => None,
            Socket::Plain(socket) => Some(socket),
            Socket::Tls(shaken) => Some(shaken.stream.get_ref().0),
        }
    }

    /// Octets that went out, outside TLS.
    fn written(&self) -> u64 {
        self.meter().map_or(0, Meter::written)
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        insistently(|| match self {
            Socket::Lost => Poll::Ready(Ok(0)),
            Socket::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Socket::Tls(shaken) => Pin::new(&mut shaken.stream).poll_read(context, buffer),
        })
    }

    fn poll_write(&mut self, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        insistently(|| match self {
            Socket::Lost => Poll::Ready(Ok(0)),
            Socket::Plain(socket) => Pin::new(socket).poll_write(context, octets),
            Socket::Tls(shaken) => Pin::new(&mut shaken.stream).poll_write(context, octets),
        })
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Lost => Poll::Ready(Ok(())),
            Socket::Plain(socket) => Pin::new(socket).poll_flush(context),
            Socket::Tls(shaken) => Pin::new(&mut shaken.stream).poll_flush(context),
        }
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Lost | Socket::Plain(_) => Poll::Ready(Ok(())),
            Socket::Tls(shaken) => Pin::new(&mut shaken.stream).poll_close(context),
        }
    }
}

/// Asks again when a signal came between.
fn insistently<T>(mut ask: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match ask() {
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_counted_from_the_last_octet_that_was_taken_s_268() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut stall = Stall::new(limits::WRITE_STALL);
        assert_eq!(stall.deadline(0, || at(0)), at(0) + limits::WRITE_STALL);
        assert_eq!(stall.deadline(0, || at(59)), at(0) + limits::WRITE_STALL);
        assert_eq!(stall.deadline(1, || at(59)), at(59) + limits::WRITE_STALL);
        assert_eq!(stall.deadline(1, || at(100)), at(59) + limits::WRITE_STALL);
    }
}
