//! The only room that knows redb: one file, one writer thread, two reader threads.
//!
//! ```text
//!  any thread --Job--> writer thread: drains what queued, one transaction, one sync, keeps the promises
//!             --read-> reader threads: one short transaction each question
//! ```
//!
//! Every question gives a [`Ticket`](crate::ticket::Ticket); `schema.rs` documents the file before any
//! code touches it.

mod accounts;
mod aliases;
mod blob;
mod body;
mod budget;
mod clock_trust;
mod devices;
mod disk_file;
mod engine;
mod error;
mod file;
mod finals;
mod forwards;
mod free;
mod fullness;
mod idle;
mod layouts;
mod levels;
mod logons;
mod maildrop;
mod medium;
mod names;
mod options;
mod passwords;
mod purge;
mod purge_order;
mod queue;
mod reaching;
mod reader;
mod records;
mod removed_rows;
mod removing;
mod resolving;
mod retention;
mod retiming;
mod rising;
mod routes;
mod schema;
mod shared;
mod switching;
mod threads;
mod undo;
mod upload;
mod users;
mod writer;

#[cfg(test)]
mod tests;

pub use accounts::{DomainRow, Lock, Mailbox, MailboxRow};
pub use aliases::{AliasRow, Destination, Resolved, ToOutside};
pub use blob::{BlobId, Chunk};
pub use clock_trust::ClockState;
pub use devices::{Device, Reach};
pub use error::{Ask, StoreError};
pub use forwards::Forward;
pub use levels::{Level, Origin, Policies};
pub use logons::{Found, Wanted};
pub use medium::Medium;
pub use names::untagged;
pub use options::{Options, Wear};
pub use queue::{
    Fate, Filing, LaneRow, LastTry, Outbound, QueueAct, QueueCounts, QueueId, QueueState, Queued, Settlement,
    Which,
};
pub use routes::{Home, Route};
pub use switching::{Switch, SwitchedUser, User};
pub use undo::{GoneRow, Recoverable, Undeleted};
pub use upload::{Delivery, Upload};
pub use users::NewMailbox;

use std::path::Path;
use std::sync::Arc;

use redb::{ReadTransaction, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, UnixTime};
use crate::mail::{Address, Domain, MailboxId, MailboxMark, MessageId, Uid};
use crate::settings::Settings;
use disk_file::DiskFile;
use engine::Fault;
use shared::Shared;
use threads::Threads;
use writer::{Job, Message};

/// The opened database; clones share it. The last clone dropped closes it.
#[derive(Debug, Clone)]
pub struct Store {
    threads: Arc<Threads>,
    shared: Arc<Shared>,
    clock: Clock,
}

/// A maildrop as it stands: what a POP3 session snapshots at logon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The first half of every UIDL.
    pub mark: MailboxMark,
    /// Uid and octets of each message, uids rising. Octets are those that RETR sends before dot-stuffing.
    pub messages: Vec<(Uid, u32)>,
    /// Those of them that are international mail, with the octets that RETR sends to a client that can't read it.
    pub surrogates: Vec<(Uid, u32)>,
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
    pub chunks: u32,
    /// When it was received.
    pub received: UnixTime,
    /// Whether a client that can't read international mail needs a surrogate of it. RFC 6858.
    pub is_international: bool,
}

/// A message in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its number in the mailbox.
    pub uid: Uid,
    /// Octets.
    pub octets: u32,
    /// When it was received.
    pub received: UnixTime,
    /// Whether it has been retrieved.
    pub is_retrieved: bool,
}

/// What a delivery came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Durable.
    Stored {
        /// In so many mailboxes; those removed since RCPT are not counted.
        mailboxes: usize,
        /// Those of them whose user is to be warned that it gets full, and has not been since it was emptier.
        to_warn: Vec<MailboxId>,
        /// For so many recipients it waits to leave.
        leaving: usize,
    },
    /// Nothing is stored nor settled: every mailbox would hold more than its quota allows, and nothing leaves. With one
    /// that has room all get it, so that what was accepted is never kept from some.
    Full,
    /// Nothing is stored nor settled: every mailbox has been removed since RCPT, and nothing leaves; or one that was to
    /// come home waits no more ([`Fate::Home`]).
    NobodyLeft,
}

impl Delivered {
    /// Durable in so many mailboxes, none of them nearly full.
    pub fn to(mailboxes: usize) -> Delivered {
        Delivered::Stored { mailboxes, to_warn: Vec::new(), leaving: 0 }
    }
}

impl Store {
    /// The layout of the file that this poppet makes and uses.
    pub const LAYOUT: u32 = schema::SCHEMA;

    /// Makes a new database at `path`: a temporary name, synced, renamed, the directory synced.
    /// Errs with [`StoreError::Exists`] if there is one already.
    pub fn create(path: &Path, options: &Options, clock: Clock) -> Result<Store, StoreError> {
        let temporary = file::create_temporary(path)?;
        let made = shared::lay_out(Arc::new(DiskFile::unproven(&temporary)));
        if let Err(error) = made.and_then(|()| file::put_in_place(&temporary, path)) {
            // What is half made must not stay; if it does, the next creation throws it away.
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        Store::open(path, options, clock)
    }

    /// Opens the database at `path`. Errs with [`StoreError::NotFound`], [`StoreError::InUse`],
    /// [`StoreError::Foreign`], [`StoreError::NewerSchema`], [`StoreError::Damaged`],
    /// [`StoreError::Refused`] (a link, or readable by others), [`StoreError::Io`].
    pub fn open(path: &Path, options: &Options, clock: Clock) -> Result<Store, StoreError> {
        Store::open_on(Arc::new(DiskFile::new(path)), options, clock)
    }

    /// The settings of the database at `path`; none if somebody has it open. Changes nothing. Errs as [`Store::open`] does.
    pub fn look(path: &Path) -> Result<Option<Settings>, StoreError> {
        layouts::look(path)
    }

    /// Brings the older layout of a database back that was migrated and never changed since; says whether the database
    /// has an older layout then. Errs as [`Store::open`] does.
    pub fn take_back(path: &Path) -> Result<bool, StoreError> {
        layouts::take_back(path)
    }

    /// Whether any process has the database at `path` open, be it that it brings it to its layout. Opens and changes
    /// nothing.
    pub fn is_open(path: &Path) -> bool {
        file::is_locked(path)
    }

    /// Makes a new database on an empty medium, as tests do that cut the power or damage what is stored.
    pub fn create_on(medium: Arc<dyn Medium>, options: &Options, clock: Clock) -> Result<Store, StoreError> {
        shared::lay_out(Arc::clone(&medium))?;
        Store::open_on(medium, options, clock)
    }

    /// Opens the database on any medium; errs as [`Store::open`] does.
    pub fn open_on(medium: Arc<dyn Medium>, options: &Options, clock: Clock) -> Result<Store, StoreError> {
        let shared = Arc::new(Shared::open(medium, options, &clock)?);
        Ok(Store { threads: Arc::new(Threads::start(&shared)?), shared, clock })
    }

    /// Answers no more questions, finishes what is queued, closes the file. Later questions of other
    /// clones err with [`StoreError::Closed`]. Blocks.
    pub fn close(&self) {
        self.threads.stop();
        self.shared.engine.close();
    }

    /// Whether nothing should be decided by the wall clock now (S-316).
    pub fn has_suspect_clock(&self) -> bool {
        self.clock.is_suspect()
    }

    /// The clock that knows the newest time of the file.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How the wall clock is beside what the database remembers.
    pub fn clock_state(&self) -> ClockState {
        self.shared.clock_state()
    }

    /// An administrator says that the wall clock is right: no time that the database remembers is later from then on, so
    /// the clock is suspect no more. Nothing is removed by it for another day, or before the next opening. Errs with
    /// [`StoreError::Refused`] if it can't be right.
    pub fn trust_clock(&self) -> Ask<()> {
        let ClockState { now, is_suspect, can_be_right, .. } = self.clock_state();
        if !can_be_right {
            let text = "the clock is older than this poppet, so it can't be right: set it";
            return Ask::ready(Err(StoreError::Refused(text.into())));
        }
        let shared = Arc::clone(&self.shared);
        self.change_then(
            // Some of it is written when damage is met.
            move |transaction| retiming::take_back(transaction, now).map_err(Fault::into_fatal),
            move |()| {
                if is_suspect {
                    shared.trust_clock(now);
                }
            },
        )
    }

    // ---- settings and small records ----

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        self.shared.settings()
    }

    /// Sets a setting durably; none takes it back to its default, which is not final. The value should have been
    /// checked with [`Settings::assign`]; errs with [`StoreError::Refused`] if it is not valid.
    pub fn set_setting(&self, key: &str, value: Option<&str>) -> Ask<()> {
        if let Err(error) = self.check_setting(key, value) {
            return Ask::ready(Err(error));
        }
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        let shared = Arc::clone(&self.shared);
        self.change_then(
            move |transaction| records::set_setting(transaction, &key, value.as_deref()),
            move |()| shared.reload_settings(),
        )
    }

    /// A small record that another room keeps here (sealed keys, certificates), by name.
    pub fn record(&self, name: &str) -> Ask<Option<Vec<u8>>> {
        let name = name.to_owned();
        self.ask(move |transaction| records::record(transaction, &name))
    }

    /// Writes such a record durably.
    pub fn put_record(&self, name: &str, value: Vec<u8>) -> Ask<()> {
        let name = name.to_owned();
        self.change(move |transaction| records::put_record(transaction, &name, value))
    }

    /// Takes such a record away durably; one that is not there is no error.
    pub fn remove_record(&self, name: &str) -> Ask<()> {
        let name = name.to_owned();
        self.change(move |transaction| records::remove_record(transaction, &name))
    }

    /// Changes such a record durably, in one transaction: `change` gets what it is and gives what it is to be, with an
    /// answer. Nothing is changed if it errs.
    pub fn change_record<T: Send + 'static>(
        &self,
        name: &str,
        change: impl FnOnce(Option<&[u8]>) -> Result<(Vec<u8>, T), StoreError> + Send + 'static,
    ) -> Ask<T> {
        let name = name.to_owned();
        self.change(move |transaction| records::change_record(transaction, &name, change))
    }

    // ---- domains and mailboxes ----

    /// All domains in alphabetical order.
    pub fn domains(&self) -> Ask<Vec<DomainRow>> {
        self.ask(accounts::domains)
    }

    /// Adds a domain; errs with [`StoreError::Exists`].
    pub fn add_domain(&self, domain: Domain) -> Ask<()> {
        let now = self.shared.making_time();
        self.change(move |transaction| accounts::add_domain(transaction, &domain, now))
    }

    /// Locks or unlocks a domain; errs with [`StoreError::NotFound`].
    pub fn lock_domain(&self, domain: Domain, lock: Lock) -> Ask<()> {
        self.change(move |transaction| accounts::lock_domain(transaction, &domain, lock))
    }

    /// One mailbox; none if the address has none.
    pub fn mailbox(&self, address: Address) -> Ask<Option<Mailbox>> {
        self.ask(move |transaction| accounts::mailbox(transaction, address))
    }

    /// The mailboxes of one domain or of all, in the order of domain and name, with their counters.
    /// Errs with [`StoreError::NotFound`] for an unknown domain.
    pub fn mailboxes(&self, domain: Option<Domain>) -> Ask<Vec<MailboxRow>> {
        let undo_days = self.settings().undo_days;
        self.ask(move |transaction| accounts::mailboxes(transaction, domain, undo_days))
    }

    /// The mailbox that was made first of those that take mail, or else of all, and whether it takes mail; none if there
    /// is none.
    pub fn oldest_mailbox(&self) -> Ask<Option<(Address, bool)>> {
        self.ask(accounts::oldest_mailbox)
    }

    /// Adds a mailbox; errs with [`StoreError::NotFound`] (the domain) or [`StoreError::Exists`].
    pub fn add_mailbox(&self, address: Address, mark: MailboxMark, password: Vec<u8>) -> Ask<MailboxId> {
        let now = self.shared.making_time();
        self.change(move |transaction| {
            accounts::add_mailbox(transaction, &address, mark, (password, None), now)
        })
    }

    /// Locks or unlocks a mailbox; errs with [`StoreError::NotFound`].
    pub fn lock_mailbox(&self, address: Address, lock: Lock) -> Ask<()> {
        self.change(move |transaction| {
            accounts::change_mailbox(transaction, &address, |record| record.lock = lock)
        })
    }

    /// Replaces the sealed password record; with the last one that was to be learnt, learning ends. Errs with
    /// [`StoreError::NotFound`].
    pub fn set_password(&self, address: Address, password: Vec<u8>) -> Ask<()> {
        let shared = Arc::clone(&self.shared);
        let change = move |transaction: &WriteTransaction| {
            accounts::change_mailbox(transaction, &address, |record| record.password = password)?;
            switching::end_learning(transaction)
        };
        self.change_then(change, move |()| shared.reload_settings())
    }

    /// Whether that domain is ours.
    pub fn has_domain(&self, domain: Domain) -> Ask<bool> {
        self.ask(move |transaction| accounts::has_domain(transaction, &domain))
    }

    // ---- mail in ----

    /// Begins taking a body; see [`Upload`].
    pub fn upload(&self) -> Upload {
        Upload::new(self.clone())
    }

    /// Whether a message of so many octets fits above the disk reserve. Doesn't block for long: statvfs
    /// once a second, or at once where it would be refused.
    pub fn has_space_for(&self, octets: u64) -> bool {
        self.shared.has_space_for(octets)
    }

    // ---- mail out ----

    /// A maildrop as it stands. Errs with [`StoreError::Damaged`] when rows and counters disagree, so that
    /// nobody is ever told of a shorter maildrop; with [`StoreError::NotFound`] if it has been removed.
    pub fn snapshot(&self, mailbox: MailboxId) -> Ask<Snapshot> {
        self.ask(move |transaction| maildrop::snapshot(transaction, mailbox))
    }

    /// Finds a message; none if it has been removed.
    pub fn open_message(&self, message: MessageId) -> Ask<Option<Opened>> {
        self.ask(move |transaction| maildrop::open_message(transaction, message))
    }

    /// Finds several messages of a mailbox at once, up to about so many octets of first chunks; ends before
    /// the first that is not found or not whole, which [`Store::open_message`] will tell of.
    pub fn open_messages(
        &self,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        octets: usize,
    ) -> Ask<Vec<(Uid, Opened)>> {
        self.ask(move |transaction| Ok(maildrop::open_messages(transaction, mailbox, &uids, octets)))
    }

    /// One chunk of a body, proven by its checksum. Errs with [`StoreError::Damaged`], also when it is
    /// not there (any more).
    pub fn chunk(&self, blob: BlobId, index: u32) -> Ask<Chunk> {
        self.ask(move |transaction| maildrop::chunk(transaction, blob, index))
    }

    /// The messages of a mailbox for a listing. Errs as [`Store::snapshot`] does.
    pub fn messages(&self, mailbox: MailboxId) -> Ask<Vec<MessageRow>> {
        self.ask(move |transaction| maildrop::rows(transaction, mailbox))
    }

    // ---- the file itself ----

    /// Whether a reader still answers, by a real read of the file; for a watchdog (S-275). A failure is an answer too, but
    /// for [`StoreError::Closed`]. It comes before questions that wait: many of them on a slow disk are no hang.
    pub fn answers(&self) -> Ask<()> {
        self.threads.ask_first(|transaction| records::record(transaction, "").map(drop))
    }

    /// Counts of syncs, octets and messages since the store was opened, and the file's and disk's sizes.
    pub fn wear(&self) -> Wear {
        self.shared.wear()
    }

    // ---- how questions travel ----

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Ask<T> {
        self.threads.ask(question)
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Ask<T> {
        self.change_then(change, |_| ())
    }

    /// A change, and what is to be done once it is durable and before its asker knows.
    fn change_then<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Ask<T> {
        let (job, ask) = Job::asking(SMALL_CHANGE_OCTETS, change, then);
        self.send(job);
        ask
    }

    fn send(&self, job: Job) {
        self.threads.send(Message::Job(job));
    }
}

/// What a change without bodies writes, roughly.
const SMALL_CHANGE_OCTETS: usize = 4096;
