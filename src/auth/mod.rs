//! Who may come in: the device key, the encrypted password file, the hashing gate, recognition, the throttle.
//!
//! ```text
//! login(attempt) -> throttle: how long to wait if it fails?
//!                -> store: mailbox and its sealed record (a dummy record for an unknown user, A11)
//!                -> recognition: seen within five minutes? then done, no hash (A12)
//!                -> gate: a permit, or Busy (S-173) -> Argon2id -> Verdict
//! ```

pub mod key;

pub use key::DeviceKey;

use std::net::IpAddr;
use std::time::Duration;

use crate::mail::{Address, MailboxId, MailboxMark, Secret};
use crate::sasl::Credentials;
use crate::store::{Store, StoreError};

/// Decides about logons; clones share their memory of failures and of recognised logons.
#[derive(Debug, Clone)]
pub struct Gatekeeper {}

/// What a logon came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// He is who he says.
    Welcome(Welcome),
    /// Unknown user or wrong password. Answer only after `delay`.
    Refused {
        /// How long the reply must wait (S-169).
        delay: Duration,
    },
    /// Too many logons at once (S-173).
    Busy,
    /// The store can't answer; logged already.
    StoreFailed,
}

/// A user who proved himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// His mailbox.
    pub mailbox: MailboxId,
    /// Its address.
    pub address: Address,
    /// Its random mark.
    pub mark: MailboxMark,
    /// Whether the mailbox or its domain is locked: sending still works, reading doesn't (C2).
    pub is_locked: bool,
}

/// Why a password can't be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// An empty password; a directory would take it for no password at all (S-191).
    Empty,
    /// Over [`crate::limits::PASSWORD_OCTETS`] octets.
    TooLong,
    /// It holds a line end or a NUL, which no client can send.
    Unsendable,
}

impl Gatekeeper {
    /// Opens the gate for the mailboxes of `store`. Errs with [`StoreError::Refused`] if the database
    /// belongs to another device key; a new database is bound to this one.
    pub fn new(_store: Store, _key: DeviceKey) -> Result<Gatekeeper, StoreError> {
        todo!()
    }

    /// Finds out whether `credentials` are right.
    pub async fn login(&self, _credentials: Credentials, _peer: IpAddr) -> Verdict {
        todo!()
    }

    /// Makes the sealed record of a password for [`Store::add_mailbox`] or [`Store::set_password`];
    /// it opens only for that address and mark. Takes the time of one hash; blocks.
    pub fn seal_password(
        &self,
        _address: &Address,
        _mark: MailboxMark,
        _password: &Secret,
    ) -> Result<Vec<u8>, PasswordError> {
        todo!()
    }

    /// Seals octets under the device key for a purpose, such as a private key for the store's records.
    pub fn seal(&self, _purpose: &str, _octets: &[u8]) -> Vec<u8> {
        todo!()
    }

    /// Opens what [`Gatekeeper::seal`] made for the same purpose; none if it is not that.
    pub fn unseal(&self, _purpose: &str, _sealed: &[u8]) -> Option<Secret> {
        todo!()
    }

    /// A fresh random mark for a new mailbox.
    pub fn fresh_mark(&self) -> MailboxMark {
        todo!()
    }

    /// A password that is easy to read and type, of at least 80 random bits.
    pub fn generate_password(&self) -> Secret {
        todo!()
    }
}
