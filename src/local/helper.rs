//! The helper: takes a connection, a question, a permit to hash; answers, and hangs up.
//!
//! ```text
//! accept -> a stranger: hung up on
//!        -> all places taken: Busy
//!        -> a thread: question within its time -> permit, or Busy -> files, rules, hash -> answer
//! nobody came for a while, and it was started for a connection -> it ends
//! ```
//!
//! How many guesses somebody has who may ask is bounded by what a hash takes and how many are computed at once; pauses
//! and locks are the server's.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{self, Timeout};
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets};
use zeroize::Zeroizing;

use super::door::Audience;
use super::question::{self, Answer, Claim, HEADER_OCTETS, Question};
use super::{Day, Files, Proof};
use crate::clock::Clock;
use crate::limits;

/// Answers questions about the accounts of a folder's files.
#[derive(Clone)]
pub struct Helper {
    folder: PathBuf,
    clock: Clock,
    audience: Audience,
    seats: Arc<Seats>,
}

/// Gives up what a process can that only reads files: new privileges, traces of its memory, and of the capabilities
/// all but reading. What the system doesn't let it give up stays; the log says so.
pub fn confine() {
    let kept = |has: CapabilitySet| has & CapabilitySet::DAC_READ_SEARCH;
    let lessened = rustix::thread::capabilities(None).and_then(|has| {
        let permitted = kept(has.permitted);
        let sets = CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() };
        // A service manager that has taken the rest may have forbidden the call with it.
        if sets == has { Ok(()) } else { rustix::thread::set_capabilities(None, sets) }
    });
    for (what, done) in [
        ("new privileges", rustix::thread::set_no_new_privs(true)),
        ("traces", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)),
        ("capabilities", lessened),
    ] {
        if let Err(error) = done {
            log::warn!("can't give up {what}: {error}; it goes on with them");
        }
    }
}

impl Helper {
    /// For the accounts in `folder`, which is `/etc`, and those who may ask.
    pub fn new(folder: &Path, clock: Clock, audience: Audience) -> Helper {
        let seats = Seats { state: Mutex::default(), freed: Condvar::new(), permits: permits() };
        Helper { folder: folder.into(), clock, audience, seats: Arc::new(seats) }
    }

    /// Answers whoever connects; comes back when nobody was there for so long, if that is given. Errs if the socket
    /// fails. Blocks.
    pub fn serve(&self, listener: &UnixListener, idle: Option<Duration>) -> io::Result<()> {
        listener.set_nonblocking(false)?;
        sockopt::set_socket_timeout(listener, Timeout::Recv, idle)?;
        loop {
            match listener.accept() {
                Ok((client, _)) => self.seat(client),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.seats.lock().connections == 0 {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) if error.raw_os_error().is_some_and(is_want) => thread::sleep(limits::ACCEPT_REST),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives a connection a thread of its own, or tells it that there is none.
    fn seat(&self, client: UnixStream) {
        let client = Arc::new(client);
        if let Some(seat) = self.seats.take() {
            let (helper, taken) = (self.clone(), Arc::clone(&client));
            let builder =
                thread::Builder::new().name("question".into()).stack_size(limits::THREAD_STACK_OCTETS);
            let started = builder.spawn(move || {
                helper.attend(&taken);
                drop(seat);
            });
            match started {
                Ok(_) => return,
                Err(error) => log::warn!("no thread for a question: {error}; it is put off"),
            }
        }
        if let Err(error) = tell(&client, Answer::Busy) {
            log::debug!("a client was put off and did not listen: {error}");
        }
    }

    fn attend(&self, client: &UnixStream) {
        if let Err(uid) = self.audience.admits(client, || Files::read(&self.folder).ok()) {
            log::warn!(
                "user {uid} may not ask about accounts: let the server's user into the socket's group"
            );
            return;
        }
        let done = hear(client).and_then(|question| tell(client, self.answer(&question)));
        if let Err(error) = done {
            log::warn!("a question was not answered: {error}");
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        let files = match Files::read(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                let folder = self.folder.display();
                log::warn!("can't read passwd, shadow and group in {folder}: {error}; run this as root");
                return Answer::Unreadable;
            }
        };
        let found = match &question.proof {
            None => files.find(&question.name, question.allows_old),
            Some(Claim { uid, password, trusts_clock }) => {
                let day = Day::today(&self.clock, *trusts_clock);
                let (name, allows_old, uid) = (question.name.as_str(), question.allows_old, *uid);
                match password {
                    None => files.admit(name, uid, allows_old, day),
                    Some(password) => {
                        let Some(_permit) = self.seats.permit() else { return Answer::Busy };
                        files.prove(&Proof { name, uid, password, allows_old }, day)
                    }
                }
            }
        };
        found.map_or_else(Answer::Refused, Answer::Account)
    }
}

/// One question, all of it within its time.
fn hear(client: &UnixStream) -> io::Result<Question> {
    let end = Instant::now() + limits::LOCAL_QUESTION;
    let mut header = [0; HEADER_OCTETS];
    fill(client, &mut header, end)?;
    let octets = question::length(&header).ok_or(ErrorKind::InvalidData)?;
    let mut octets = Zeroizing::new(vec![0; octets]);
    fill(client, &mut octets, end)?;
    Ok(Question::decode(&octets).ok_or(ErrorKind::InvalidData)?)
}

fn fill(mut client: &UnixStream, mut room: &mut [u8], end: Instant) -> io::Result<()> {
    while !room.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        client.set_read_timeout(Some(left))?;
        match client.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(octets) => room = &mut room[octets..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An answer is shorter than any buffer of a socket.
fn tell(mut client: &UnixStream, answer: Answer) -> io::Result<()> {
    client.set_write_timeout(Some(limits::LOCAL_QUESTION))?;
    client.write_all(&answer.encode())
}

/// Who is there and who hashes.
struct Seats {
    state: Mutex<State>,
    freed: Condvar,
    permits: usize,
}

#[derive(Default)]
struct State {
    connections: usize,
    hashing: usize,
}

/// A connection's place.
struct Seat(Arc<Seats>);

/// The right to hash.
struct Permit<'a>(&'a Seats);

impl Seats {
    fn take(self: &Arc<Seats>) -> Option<Seat> {
        let mut state = self.lock();
        if state.connections >= limits::LOCAL_CONNECTIONS {
            return None;
        }
        state.connections += 1;
        Some(Seat(Arc::clone(self)))
    }

    /// Waits for a permit, but not for ever.
    fn permit(&self) -> Option<Permit<'_>> {
        let is_full = |state: &mut State| state.hashing >= self.permits;
        let waited = self.freed.wait_timeout_while(self.lock(), limits::LOCAL_PATIENCE, is_full);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return None;
        }
        state.hashing += 1;
        Some(Permit(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().connections -= 1;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().hashing -= 1;
        self.0.freed.notify_one();
    }
}

/// As many hashes at once as there are processors, in a quarter of the memory, up to a limit; one at least.
fn permits() -> usize {
    let facts = rustix::system::sysinfo();
    #[allow(clippy::unnecessary_cast, reason = "the field is narrower on 32-bit machines")]
    let memory = (facts.totalram as u64).saturating_mul(facts.mem_unit.into());
    permits_for(thread::available_parallelism().map_or(1, usize::from), memory)
}

fn permits_for(processors: usize, memory: u64) -> usize {
    let fitting = usize::try_from(memory / 4 / limits::LOCAL_HASH_OCTETS).unwrap_or(usize::MAX);
    processors.min(fitting).clamp(1, limits::LOCAL_HASHES)
}

/// Whether the system lacks descriptors or memory, which others give back.
fn is_want(error: i32) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS, rustix::io::Errno::NOMEM]
        .iter()
        .any(|want| want.raw_os_error() == error)
}

#[cfg(test)]
mod tests;
