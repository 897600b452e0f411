//! Where commands are handed in: the running server, or the file opened here.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::admin::{
    self, AdminError, Answer, Command, Context, Failure, OutgoingAct, OutgoingTold, Status, Trial,
};
use crate::clock::{Clock, UnixTime};
use crate::mail::Lane;
use crate::net::{Outsiders, control, relay};
use crate::ticket::block_on;

/// Carries commands out, whoever has the database open.
pub(super) struct Desk {
    database: PathBuf,
    opened: OnceCell<Context>,
}

impl Desk {
    /// Opens nothing yet.
    pub fn new(database: PathBuf) -> Desk {
        Desk { database, opened: OnceCell::new() }
    }

    /// A desk for a database that is open already.
    pub fn with(database: PathBuf, context: Context) -> Desk {
        Outsiders::introduce(&context.store, &context.gatekeeper);
        Desk { database, opened: OnceCell::from(context) }
    }

    /// The database's path.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Hands a command to the running server, or opens the database and carries it out here.
    pub fn ask(&self, command: Command) -> Result<Answer, AdminError> {
        if self.opened.get().is_none()
            && let Some(answer) = control::ask(&self.database, &command)
        {
            return answer;
        }
        block_on(admin::execute(self.open()?, command))
    }

    /// Makes device key and database if there are none and no server runs; says whether it did.
    pub fn found(&self) -> Result<bool, AdminError> {
        let is_missing =
            matches!(self.database.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
        if self.opened.get().is_some() || !is_missing {
            return Ok(false);
        }
        let founded = admin::found(&self.database, &Clock::system(UnixTime(0)))?;
        Outsiders::introduce(&founded.context.store, &founded.context.gatekeeper);
        let _ = self.opened.set(founded.context);
        Ok(founded.is_new)
    }

    /// Hands a command about the running server to it; errs with [`Failure::Unreachable`] if none runs.
    pub fn ask_server(&self, command: Command) -> Result<Answer, AdminError> {
        control::ask(&self.database, &command).unwrap_or_else(|| Err(admin::no_server()))
    }

    /// Tries the way of a lane: the running server does, or it is done here. Errs as [`Desk::ask`].
    pub fn try_way(&self, lane: &Lane) -> Result<Trial, AdminError> {
        if self.opened.get().is_none()
            && let Some(answer) =
                control::ask(&self.database, &Command::Outgoing(OutgoingAct::Try(lane.clone())))
        {
            return match answer? {
                Answer::Outgoing(OutgoingTold::Trial(trial)) => Ok(trial),
                _ => Err(stranger()),
            };
        }
        let context = self.open()?;
        Ok(block_on(relay::try_way(&context.store, &context.gatekeeper, lane)))
    }

    /// How things are, by the server's or the file's own account.
    pub fn status(&self) -> Result<Status, AdminError> {
        match self.ask(Command::Status)? {
            Answer::Status(status) => Ok(status),
            _ => Err(stranger()),
        }
    }

    fn open(&self) -> Result<&Context, AdminError> {
        if let Some(context) = self.opened.get() {
            return Ok(context);
        }
        let context = admin::open(&self.database, &Clock::system(UnixTime(0)))?;
        Outsiders::introduce(&context.store, &context.gatekeeper);
        Ok(self.opened.get_or_init(|| context))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(context) = self.opened.get() {
            context.store.close();
        }
    }
}

/// The error for an answer that does not belong to the question: the server is of another version.
pub(super) fn stranger() -> AdminError {
    AdminError::new(
        Failure::Unreachable,
        "the server gave an answer that this version does not know: start the server again",
    )
}
