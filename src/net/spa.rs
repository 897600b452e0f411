//! Samba's `ntlm_auth`, which looks into NTLM messages where users are not known by the password file (A7).
//!
//! ```text
//! NEGOTIATE ----YR--> a new process --TT--> waits for its peer --AUTHENTICATE, KK--> AF, NA or BH, and it ends
//! ```
//!
//! Each exchange has a process of its own, and there are few at once: one that waits for its peer makes room for a new
//! one, so that nobody shuts others out by saying nothing (S-189).

mod process;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::future::FutureExt;

use crate::limits;
use crate::mail::printable;
use crate::sasl::Relayed;
use crate::settings::Settings;
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

/// A process that waits for its peer's answer, unless it had to make room.
#[derive(Debug)]
struct Waiting {
    helpers: Arc<Helpers>,
    number: u64,
}

#[derive(Debug, Default)]
struct Places {
    /// Processes that there are.
    taken: usize,
    /// The last number given.
    last: u64,
    /// Those that wait for their peers, the oldest first.
    waiting: Vec<(u64, Process)>,
}

/// One of the few processes at once.
#[derive(Debug)]
struct Place(Arc<Helpers>);

/// The program that the settings name, or the first that is there; none if there is none. As cheap as looking for a
/// file, so it is looked for each time.
pub fn program(settings: &Settings) -> Option<Program> {
    let paths = match &settings.ntlm_auth {
        Some(path) => &[path.as_str()][..],
        None => &PATHS,
    };
    paths.iter().map(Path::new).find(|path| process::is_program(path)).map(Program::ntlm_auth)
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
    ) -> Result<Relayed, Unavailable> {
        let begun = self.waiting.take().and_then(|waiting| waiting.process());
        let asked = async {
            let (mut process, word) = if message.starts_with(NEGOTIATE) {
                drop(begun);
                let program = program.ok_or_else(|| Unavailable(NOT_THERE.into()))?;
                (Process::start(program, Place::take(helpers)?).await?, "YR")
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
        let mut places = self.places();
        places.last += 1;
        let number = places.last;
        places.waiting.push((number, process));
        Waiting { helpers: Arc::clone(self), number }
    }
}

impl Place {
    /// A place, if need be that of the process that has waited longest for its peer. Errs if all of them are at work.
    fn take(helpers: &Arc<Helpers>) -> Result<Place, Unavailable> {
        let mut places = helpers.places();
        let oldest = if places.taken < limits::OUTSIDE_QUESTIONS {
            None
        } else if places.waiting.is_empty() {
            return Err(Unavailable(TOO_MANY.into()));
        } else {
            Some(places.waiting.remove(0))
        };
        places.taken += 1;
        drop(places);
        // It gives its place back, and must not find the lock taken.
        drop(oldest);
        Ok(Place(Arc::clone(helpers)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.0.places();
        places.taken = places.taken.saturating_sub(1);
    }
}

impl Waiting {
    /// The process, if it still waits.
    fn process(&self) -> Option<Process> {
        let mut places = self.helpers.places();
        let at = places.waiting.iter().position(|(number, _)| *number == self.number)?;
        Some(places.waiting.remove(at).1)
    }
}

/// A peer who is gone is not waited for.
impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.process());
    }
}

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
const NOT_THERE: &str = "ntlm_auth is not there: install the package winbind, or `poppet set spa off`";
const MADE_ROOM: &str = "it had to make room for others before the client went on";
const TOO_LATE: &str = "it does not answer in time: see that winbind runs and reaches the domain";
const TOO_MANY: &str = "too many are asked at once";
