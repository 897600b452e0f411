//! Every administrative act: a command in, a typed answer out; no argv, no printing, no sockets.
//!
//! The server executes commands that come through its control socket; without a server, the command line
//! opens the file and executes them itself. It is the same code either way (C4).

pub mod command;

pub use command::{Answer, Command, MessageSummary, SettingRow, Status, Target};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::auth::Gatekeeper;
use crate::store::Store;

/// On what a command is executed.
#[derive(Clone)]
pub struct Context {
    /// The opened database.
    pub store: Store,
    /// Seals passwords and keys.
    pub gatekeeper: Gatekeeper,
    /// The running server; none if the command line has opened the file itself.
    pub live: Option<Arc<dyn Live>>,
}

/// What only a running server knows.
pub trait Live: Send + Sync {
    /// How it is doing.
    fn status(&self) -> LiveStatus;
    /// Ends every session of that mailbox: it has been removed, locked, or has a new password (S-180).
    fn end_sessions(&self, mailbox: crate::mail::MailboxId);
}

/// How the running server is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStatus {
    /// Its process number.
    pub pid: u32,
    /// Seconds since it was ready.
    pub uptime_seconds: u64,
    /// Every bound address with its listener's name.
    pub listeners: Vec<(String, std::net::SocketAddr)>,
    /// Sessions of each kind now: name and count.
    pub sessions: Vec<(String, u32)>,
    /// Whether the wall clock is known to be wrong.
    pub is_clock_suspect: bool,
}

/// Why an act was not done; the kind chooses the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminError {
    /// What kind of failure.
    pub kind: Failure,
    /// One line that says what is wrong and what would be right.
    pub text: String,
}

impl AdminError {
    /// A failure of that kind.
    pub fn new(kind: Failure, text: impl Into<String>) -> AdminError {
        AdminError { kind, text: text.into() }
    }

    /// The command was not understood.
    pub fn usage(text: impl Into<String>) -> AdminError {
        AdminError::new(Failure::Usage, text)
    }
}

/// Kinds of failure, with the exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// 1: it failed.
    Failed,
    /// 2: the command was not understood.
    Usage,
    /// 3: there is no such thing.
    NotFound,
    /// 4: it exists already.
    Exists,
    /// 5: a rule refuses it.
    Refused,
    /// 6: the database or the server can't be reached.
    Unreachable,
}

/// Carries a command out. Needs no runtime: [`crate::ticket::block_on`] can wait for it.
pub async fn execute(_context: &Context, _command: Command) -> Result<Answer, AdminError> {
    todo!()
}
