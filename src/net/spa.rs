//! Samba's `ntlm_auth`, which looks into NTLM messages where users are not known by the password file (A7).
//!
//! ```text
//! NEGOTIATE ----YR--> a new process --TT--> waits for its peer --AUTHENTICATE, KK--> AF, NA or BH, and it ends
//! ```
//!
//! Each exchange has a process of its own, and there are few at once: one that waits for its peer makes room for a new
//! one, so that nobody shuts others out by saying nothing (S-189). It is the oldest of the network that has most of them,
//! never that of a known network for a stranger's; and strangers never have all of them (S-175, S-198).

mod process;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::future::FutureExt;

use crate::limits;
use crate::mail::printable;
use crate::sasl::Relayed;
use crate::settings::{Method, Settings};
use process::Process;

pub use process::Program;

/// The processes of all sessions.
#[derive(Debug)]
pub struct Helpers {
    patience: Duration,
    places: Mutex<Places>,
}

/// The helper of one connection; no process until it is asked.
#[derive(Debug, Default)]
pub struct Helper {
    waiting: Option<Waiting>,
}

/// Why nobody could tell; for the log, with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// Where an exchange comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The network: an IPv4 address, or an IPv6 /64.
    pub network: IpAddr,
    /// Whether users have logged on from there lately.
    pub is_known: bool,
}

/// A process that waits for its peer's answer, unless it had to make room.
#[derive(Debug)]
struct Waiting {
    helpers: Arc<Helpers>,
    number: u64,
}

#[derive(Debug, Default)]
struct Places {
    /// Of the processes that there are.
    taken: Vec<(u64, Origin)>,
    /// The last number given.
    last: u64,
    /// Those that wait for their peers, the oldest first.
    waiting: Vec<Process>,
}

/// One of the few processes at once.
#[derive(Debug)]
struct Place {
    helpers: Arc<Helpers>,
    number: u64,
    origin: Origin,
}

/// The program that the settings name, or the first that is there; none if there is none. As cheap as looking for a
/// file, so it is looked for each time.
pub fn program(settings: &Settings) -> Option<Program> {
    let paths = match &settings.ntlm_auth {
        Some(path) => &[path.as_str()][..],
        None => &PATHS,
    };
    paths.iter().map(Path::new).find(|path| process::is_program(path)).map(Program::ntlm_auth)
}

/// The program that a server with these settings runs; none if it runs none.
pub fn needed(settings: &Settings) -> Option<PathBuf> {
    let is_asked = settings.spa && settings.auth != Method::File;
    is_asked.then(|| program(settings)).flatten().map(Program::into_path)
}

/// Where Samba's packages and its own installation put it.
const PATHS: [&str; 3] = ["/usr/bin/ntlm_auth", "/usr/local/bin/ntlm_auth", "/usr/local/samba/bin/ntlm_auth"];

impl Default for Helpers {
    fn default() -> Helpers {
        Helpers { patience: limits::OUTSIDE_ANSWER, places: Mutex::default() }
    }
}

impl Helper {
    /// Hands a message over, base64, and gives what the helper says to it within [`limits::OUTSIDE_ANSWER`]. Errs if
    /// it can't be asked, or can't tell: that counts as no try (S-196).
    pub async fn ask(
        &mut self,
        helpers: &Arc<Helpers>,
        program: Option<Program>,
        message: &str,
        origin: Origin,
    ) -> Result<Relayed, Unavailable> {
        let begun = self.waiting.take().and_then(|waiting| waiting.process());
        let asked = async {
            let (mut process, word) = if message.starts_with(NEGOTIATE) {
                drop(begun);
                let program = program.ok_or_else(|| Unavailable(NOT_THERE.into()))?;
                (Process::start(program, Place::take(helpers, origin)?).await?, "YR")
            } else {
                (begun.ok_or_else(|| Unavailable(MADE_ROOM.into()))?, "KK")
            };
            let answer = process.ask(word, message).await?;
            Ok((process, answer))
        };
        let too_late = async {
            smol::Timer::after(helpers.patience).await;
            Err(Unavailable(TOO_LATE.into()))
        };
        let (process, answer) = asked.or(too_late).await?;
        let relayed = read(&answer)?;
        if let Relayed::Challenge(_) = relayed {
            self.waiting = Some(helpers.keep(process));
        }
        Ok(relayed)
    }
}

/// What a line of the helper means. Errs if it says that it can't tell, or nothing that is known.
fn read(line: &str) -> Result<Relayed, Unavailable> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("TT", challenge) => Ok(Relayed::Challenge(challenge.into())),
        ("AF", user_name) => Ok(Relayed::User(user_name.into())),
        ("NA", why) if REFUSALS.contains(&why) => Ok(Relayed::Refused(why.into())),
        ("NA" | "BH", why) => Err(Unavailable(format!(
            "it says {}: see that winbind runs and is joined to the domain, and that the service's user is in the \
             group winbindd_priv",
            printable(why.as_bytes())
        ))),
        _ => Err(Unavailable("it says what ntlm_auth does not say: see the setting ntlm_auth".into())),
    }
}

impl Helpers {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(self: &Arc<Self>, process: Process) -> Waiting {
        let number = process.place().number;
        self.places().waiting.push(process);
        Waiting { helpers: Arc::clone(self), number }
    }
}

impl Places {
    /// The process that makes room for a newcomer; none if there is room. Errs if nobody has to.
    fn make_room(&mut self, newcomer: Origin) -> Result<Option<Process>, Unavailable> {
        let of = |network| self.taken.iter().filter(|(_, origin)| origin.network == network).count();
        let strangers = self.taken.iter().filter(|(_, origin)| !origin.is_known).count();
        let own = of(newcomer.network);
        let is_full = self.taken.len() >= limits::OUTSIDE_QUESTIONS;
        let is_full_for_strangers =
            own >= PLACES_OF_STRANGERS || strangers >= limits::OUTSIDE_QUESTIONS - PLACES_FOR_KNOWN;
        if !is_full && (newcomer.is_known || !is_full_for_strangers) {
            return Ok(None);
        }
        // The newcomer's place counts with his network's.
        let rank = |origin: Origin| match (newcomer.is_known, origin.is_known) {
            (true, false) => 2 * limits::OUTSIDE_QUESTIONS + of(origin.network),
            (false, true) => 0,
            _ => of(origin.network) + usize::from(origin.network == newcomer.network),
        };
        let ranks = self.waiting.iter().map(|process| rank(process.place().origin)).enumerate();
        let most = ranks.rev().max_by_key(|&(_, rank)| rank).filter(|&(_, rank)| rank > own);
        let (at, _) = most.ok_or_else(|| Unavailable(TOO_MANY.into()))?;
        Ok(Some(self.waiting.remove(at)))
    }
}

impl Place {
    /// A place, if need be that of a process that waits for its peer. Errs if there is none for who comes from there.
    fn take(helpers: &Arc<Helpers>, origin: Origin) -> Result<Place, Unavailable> {
        let mut places = helpers.places();
        let pushed_out = places.make_room(origin)?;
        places.last += 1;
        let number = places.last;
        places.taken.push((number, origin));
        drop(places);
        // It gives its place back, and must not find the lock taken.
        drop(pushed_out);
        Ok(Place { helpers: Arc::clone(helpers), number, origin })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.helpers.places().taken.retain(|(number, _)| *number != self.number);
    }
}

impl Waiting {
    /// The process, if it still waits.
    fn process(&self) -> Option<Process> {
        let mut places = self.helpers.places();
        let at = places.waiting.iter().position(|process| process.place().number == self.number)?;
        Some(places.waiting.remove(at))
    }
}

/// A peer who is gone is not waited for.
impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.process());
    }
}

/// Strangers never have these of [`limits::OUTSIDE_QUESTIONS`].
const PLACES_FOR_KNOWN: usize = 2;
/// What one network of strangers may have.
const PLACES_OF_STRANGERS: usize = 2;
/// How each NEGOTIATE message begins, and no other one. [MS-NLMP] §2.2.1.1.
const NEGOTIATE: &str = "TlRMTVNTUAABAAAA";
/// What the helper says of the user or of his message. All else tells that nobody could tell: he must not be told that
/// his password is wrong then (S-196).
const REFUSALS: [&str; 19] = [
    "NT_STATUS_WRONG_PASSWORD",
    "NT_STATUS_LOGON_FAILURE",
    "NT_STATUS_NO_SUCH_USER",
    "NT_STATUS_INVALID_PARAMETER",
    "NT_STATUS_ACCOUNT_DISABLED",
    "NT_STATUS_ACCOUNT_EXPIRED",
    "NT_STATUS_ACCOUNT_LOCKED_OUT",
    "NT_STATUS_ACCOUNT_RESTRICTION",
    "NT_STATUS_PASSWORD_EXPIRED",
    "NT_STATUS_PASSWORD_MUST_CHANGE",
    "NT_STATUS_PASSWORD_RESTRICTION",
    "NT_STATUS_INVALID_LOGON_HOURS",
    "NT_STATUS_INVALID_WORKSTATION",
    "NT_STATUS_LOGON_TYPE_NOT_GRANTED",
    "NT_STATUS_LOGON_NOT_GRANTED",
    "NT_STATUS_NTLM_BLOCKED",
    "NT_STATUS_AUTHENTICATION_FIREWALL_FAILED",
    "NT_STATUS_NO_SUCH_DOMAIN",
    "NT_STATUS_SMARTCARD_LOGON_REQUIRED",
];
const NOT_THERE: &str = "ntlm_auth is not there: install the package winbind, or \"poppet set spa off\"";
const MADE_ROOM: &str = "it had to make room for others before the client went on";
const TOO_LATE: &str = "it does not answer in time: see that winbind runs and reaches the domain";
const TOO_MANY: &str = "too many are asked at once";
