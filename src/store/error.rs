//! What can go wrong in the store; each text says what to do.

use std::fmt;

use crate::ticket::{Abandoned, Ticket};

/// A question to the store and its answer to come.
pub type Ask<T> = Ticket<T, StoreError>;

/// What can go wrong in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// There is no such thing; what it is.
    NotFound(String),
    /// It exists already; what it is.
    Exists(String),
    /// A rule forbids it; which.
    Refused(String),
    /// Another process has the database open.
    InUse(String),
    /// The file is no database of poppet.
    Foreign(String),
    /// The file was written by a newer poppet.
    NewerSchema(String),
    /// The file is damaged; where it was noticed.
    Damaged(String),
    /// The disk is full, or below the reserve.
    Full,
    /// The operating system refuses; the operation and the cause.
    Io(String),
    /// The store has been closed.
    Closed,
}

impl StoreError {
    /// A damage that redb has met, which has words of its own for it.
    pub(super) fn damaged(found: &str) -> StoreError {
        StoreError::Damaged(match found.starts_with("File truncated") {
            true => {
                "the end of the database's file is missing: restore a backup, and mistrust the disk".into()
            }
            false => format!("the database is damaged: restore a backup, and mistrust the disk ({found})"),
        })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NotFound(text)
            | StoreError::Exists(text)
            | StoreError::Refused(text)
            | StoreError::InUse(text)
            | StoreError::Foreign(text)
            | StoreError::NewerSchema(text)
            | StoreError::Damaged(text)
            | StoreError::Io(text) => out.write_str(text),
            StoreError::Full => out
                .write_str("the disk is full, or below the reserve that is kept free: make some room on it"),
            StoreError::Closed => out.write_str("the database is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<Abandoned> for StoreError {
    fn from(_: Abandoned) -> StoreError {
        StoreError::Closed
    }
}
