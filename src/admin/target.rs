//! What a command is about: a domain, a mailbox, sessions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{AdminError, quoted};
use crate::mail::{Address, Domain};

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A domain, such as `home.lan`.
    Domain(Domain),
    /// A mailbox, such as `alice@home.lan`.
    Mailbox(Address),
}

impl FromStr for Target {
    type Err = AdminError;

    fn from_str(text: &str) -> Result<Target, AdminError> {
        let target = match text.contains('@') {
            true => text.parse().map(Target::Mailbox),
            false => text.parse().map(Target::Domain),
        };
        target.map_err(|error| AdminError::usage(format!("{} can't be: {error}", quoted(text))))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Domain(domain) => domain.fmt(out),
            Target::Mailbox(address) => address.fmt(out),
        }
    }
}

/// Whose sessions are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whom {
    /// Everybody's.
    All,
    /// The session of that number.
    Number(u64),
    /// Those of a mailbox, or of all mailboxes of a domain.
    Target(Target),
}
