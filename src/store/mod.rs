//! The only room that knows redb: one file, one writer thread, two reader threads.
//!
//! ```text
//!  any thread --Job--> writer thread: drains what queued, one transaction, one sync, keeps the promises
//!             --read-> reader threads: one short transaction each question
//! ```
//!
//! Every question gives a [`Ticket`]; `schema.rs` documents the file before any code touches it.

mod accounts;
mod blob;
mod error;
mod options;
mod upload;

pub use accounts::{DomainRow, Mailbox, MailboxRow};
pub use blob::{BlobId, Chunk};
pub use error::{Ask, StoreError};
pub use options::{Options, Wear};
pub use upload::{Delivery, Upload};

use std::path::Path;
use std::sync::Arc;

use crate::clock::{Clock, UnixTime};
use crate::mail::{Address, Domain, MailboxId, MailboxMark, MessageId, Uid};
use crate::settings::Settings;

/// The opened database; clones share it. The last clone dropped closes it.
#[derive(Debug, Clone)]
pub struct Store {}

/// What a forward-path's address is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A mailbox.
    Mailbox(MailboxId, Address),
    /// The domain is ours, the user unknown.
    UnknownUser,
    /// The domain is not ours.
    ForeignDomain,
}

/// A maildrop as it stands: what a POP3 session snapshots at logon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The first half of every UIDL.
    pub mark: MailboxMark,
    /// Uid and octets of each message, uids rising. Octets are those that RETR sends before dot-stuffing.
    pub messages: Vec<(Uid, u32)>,
}

/// A message found: what is needed to send it chunk by chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Octets in all: `prefix` and body.
    pub octets: u64,
    /// What stands before the body for this recipient alone: Return-Path and Delivered-To.
    pub prefix: Vec<u8>,
    /// The first chunk of the body, read in the same transaction; none for an empty body.
    pub first: Option<Chunk>,
    /// The body.
    pub blob: BlobId,
    /// How many chunks the body has.
    pub chunks: u16,
    /// When it was received.
    pub received: UnixTime,
}

/// A message in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRow {
    /// Its number in the mailbox.
    pub uid: Uid,
    /// Octets.
    pub octets: u32,
    /// When it was received.
    pub received: UnixTime,
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// Durable, in so many mailboxes; those removed since RCPT are not counted.
    Stored(usize),
    /// Every mailbox has been removed since RCPT.
    NobodyLeft,
}

impl Store {
    /// Makes a new database at `path`: a temporary name, synced, renamed, the directory synced.
    /// Errs with [`StoreError::Exists`] if there is one already.
    pub fn create(_path: &Path, _options: &Options, _clock: Clock) -> Result<Store, StoreError> {
        todo!()
    }

    /// Opens the database at `path`. Errs with [`StoreError::NotFound`], [`StoreError::InUse`],
    /// [`StoreError::Foreign`], [`StoreError::NewerSchema`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open(_path: &Path, _options: &Options, _clock: Clock) -> Result<Store, StoreError> {
        todo!()
    }

    /// Answers no more questions, finishes what is queued, closes the file. Later questions of other
    /// clones err with [`StoreError::Closed`]. Blocks.
    pub fn close(&self) {
        todo!()
    }

    // ---- settings and small records ----

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        todo!()
    }

    /// Sets a setting durably; none takes it back to its default. The value has been checked with
    /// [`Settings::assign`]; errs with [`StoreError::Refused`] if it is not valid after all.
    pub fn set_setting(&self, _key: &str, _value: Option<&str>) -> Ask<()> {
        todo!()
    }

    /// A small record that another room keeps here (sealed keys, certificates), by name.
    pub fn record(&self, _name: &str) -> Ask<Option<Vec<u8>>> {
        todo!()
    }

    /// Writes such a record durably.
    pub fn put_record(&self, _name: &str, _value: Vec<u8>) -> Ask<()> {
        todo!()
    }

    // ---- domains and mailboxes ----

    /// All domains in alphabetical order.
    pub fn domains(&self) -> Ask<Vec<DomainRow>> {
        todo!()
    }

    /// Adds a domain; errs with [`StoreError::Exists`].
    pub fn add_domain(&self, _domain: Domain) -> Ask<()> {
        todo!()
    }

    /// Removes a domain with its mailboxes and mail; errs with [`StoreError::NotFound`].
    pub fn remove_domain(&self, _domain: Domain) -> Ask<()> {
        todo!()
    }

    /// Locks or unlocks a domain; errs with [`StoreError::NotFound`].
    pub fn lock_domain(&self, _domain: Domain, _is_locked: bool) -> Ask<()> {
        todo!()
    }

    /// One mailbox; none if the address has none.
    pub fn mailbox(&self, _address: Address) -> Ask<Option<Mailbox>> {
        todo!()
    }

    /// The mailboxes of one domain or of all, in the order of domain and name, with their counters.
    /// Errs with [`StoreError::NotFound`] for an unknown domain.
    pub fn mailboxes(&self, _domain: Option<Domain>) -> Ask<Vec<MailboxRow>> {
        todo!()
    }

    /// Adds a mailbox; errs with [`StoreError::NotFound`] (the domain) or [`StoreError::Exists`].
    pub fn add_mailbox(&self, _address: Address, _mark: MailboxMark, _password: Vec<u8>) -> Ask<MailboxId> {
        todo!()
    }

    /// Removes a mailbox with its mail; errs with [`StoreError::NotFound`].
    pub fn remove_mailbox(&self, _address: Address) -> Ask<()> {
        todo!()
    }

    /// Locks or unlocks a mailbox; errs with [`StoreError::NotFound`].
    pub fn lock_mailbox(&self, _address: Address, _is_locked: bool) -> Ask<()> {
        todo!()
    }

    /// Replaces the sealed password record; errs with [`StoreError::NotFound`].
    pub fn set_password(&self, _address: Address, _password: Vec<u8>) -> Ask<()> {
        todo!()
    }

    /// What that address is here.
    pub fn resolve(&self, _address: Address) -> Ask<Resolved> {
        todo!()
    }

    /// Whether that domain is ours.
    pub fn has_domain(&self, _domain: Domain) -> Ask<bool> {
        todo!()
    }

    // ---- mail in ----

    /// Begins taking a body; see [`Upload`].
    pub fn upload(&self) -> Upload {
        todo!()
    }

    /// Whether a message of so many octets fits above the disk reserve. Doesn't block for long: statvfs
    /// at most once a second.
    pub fn has_space_for(&self, _octets: u64) -> bool {
        todo!()
    }

    // ---- mail out ----

    /// A maildrop as it stands. Errs with [`StoreError::Damaged`] when rows and counters disagree, so that
    /// nobody is ever told of a shorter maildrop.
    pub fn snapshot(&self, _mailbox: MailboxId) -> Ask<Snapshot> {
        todo!()
    }

    /// Finds a message; none if it has been removed.
    pub fn open_message(&self, _message: MessageId) -> Ask<Option<Opened>> {
        todo!()
    }

    /// One chunk of a body, proven by its checksum. Errs with [`StoreError::Damaged`], also when it is
    /// not there (any more).
    pub fn chunk(&self, _blob: BlobId, _index: u16) -> Ask<Chunk> {
        todo!()
    }

    /// Removes messages, all or none, durably; those that are gone already are no error.
    pub fn remove_messages(&self, _mailbox: MailboxId, _uids: Vec<Uid>) -> Ask<()> {
        todo!()
    }

    /// The messages of a mailbox for a listing.
    pub fn messages(&self, _mailbox: MailboxId) -> Ask<Vec<MessageRow>> {
        todo!()
    }

    // ---- the file itself ----

    /// Counts of syncs, octets and messages since the store was opened, and the file's and disk's sizes.
    pub fn wear(&self) -> Wear {
        todo!()
    }
}
