//! Domains and mailboxes.

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::mail::{Address, Domain, MailboxId, MailboxMark};

/// A domain in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRow {
    /// Its name.
    pub domain: Domain,
    /// Whether its mailboxes can't be read.
    pub is_locked: bool,
    /// How many mailboxes it has.
    pub mailboxes: u32,
}

/// A mailbox as logons see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its number.
    pub id: MailboxId,
    /// Its address.
    pub address: Address,
    /// Its random mark.
    pub mark: MailboxMark,
    /// The sealed password record, as `auth` made it.
    pub password: Vec<u8>,
    /// Whether it is locked itself.
    pub is_locked: bool,
    /// Whether its domain is.
    pub is_domain_locked: bool,
}

/// A mailbox in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRow {
    /// Its address.
    pub address: Address,
    /// Its number.
    pub id: MailboxId,
    /// Whether it is locked itself.
    pub is_locked: bool,
    /// Whether its domain is.
    pub is_domain_locked: bool,
    /// When it was made.
    pub created: UnixTime,
    /// How many messages it has.
    pub messages: u32,
    /// Their octets.
    pub octets: u64,
}
