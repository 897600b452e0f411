//! setup as root: poppet becomes a service of this machine, is upgraded, and removed.
//!
//! ```text
//! Facts::look --> plan --> refused: one line with the remedy, nothing done
//!                      --> Plan --dry-run--> printed
//!                               --carry out--> served: a POP3 logon inside TLS has worked
//!                                          \--> failed: an upgrade is taken back, and the former serves again (S-345),
//!                                               unless it can't read the database any more; else what the log says
//! ```
//!
//! Every step can be done twice: an attempt that was killed is finished by running setup again.

mod doing;
mod facts;
mod files;
mod plan;
mod ports;
mod removal;
mod site;
#[cfg(test)]
mod tests;
mod tools;
mod units;
mod user;

pub(super) use doing::{Doing, Outcome};
pub(super) use facts::{Facts, Listeners, Taken, is_current, user_number};
pub(super) use files::put_public;
pub(super) use plan::plan;
pub(super) use ports::{refusal, taken};
pub(super) use removal::{Removing, remove};
pub(super) use site::{AUTHORITY, DATABASE, Manager, Site};

use std::path::Path;

use crate::admin::AdminError;
use crate::settings::Listen;

/// Who has the database open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serving {
    /// No server.
    Nobody,
    /// The server with that process number.
    Process(u32),
    /// A server of another version.
    Stranger,
}

/// What setup does with the database and the server; tests do it themselves.
pub(super) trait Hands {
    /// Who has the database open.
    fn server(&self) -> Serving;

    /// The listeners of the database, or those that a new one gets. Errs if it is busy, foreign or newer.
    fn listeners(&self, has_database: bool, server: &Serving) -> Result<Listeners, AdminError>;

    /// Whether the service's process runs that program, and not one that stood in its place before; yes where nobody
    /// tells the process.
    fn is_current(&self, program: &Path, pid: Option<u32>) -> bool;

    /// The wanted addresses that can't be had.
    fn taken(&self, listeners: &[Listen; 5]) -> Vec<Taken>;

    /// Makes what is missing of database, key, settings, domain and certificates, while no server runs.
    fn found(&self) -> Result<(), AdminError>;

    /// Tries a connection as a mail client makes it; errs with what went wrong.
    fn prove(&self) -> Result<(), String>;

    /// Whether any process has the database open, be it that it can't answer yet or any more.
    fn is_open(&self) -> bool;

    /// Takes the change of the database's layout back that the new version made, unless it has been used since; says
    /// whether the database has an older layout then.
    fn take_back(&self, database: &Path) -> Result<bool, AdminError>;
}
