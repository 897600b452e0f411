//! Domains and mailboxes.

use std::hint::black_box;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::aliases;
use super::engine::Fault;
use super::error::StoreError;
use super::forwards::Forward;
use super::levels::{self, Level};
use super::rising::rising;
use super::routes;
use super::schema::{
    self, ALIASES, Counters, DOMAINS, DomainRecord, MAIL, MAILBOXES, META, META_COUNT, META_MAILBOX,
    MailboxRecord, REMOVED, Tally,
};
use super::undo::{self, Recoverable};
use super::upload::{read_counters, write_counters};
use crate::clock::UnixTime;
use crate::mail::{Account, Address, Alias, Domain, MailboxId, MailboxMark};

/// What can't be done with a domain or mailbox (C2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lock {
    /// Everything can.
    #[default]
    Open,
    /// It can't be read; mail arrives, and sending works.
    Reading,
    /// It can't be read, and takes no mail.
    All,
}

impl Lock {
    /// Whether it can't be read.
    pub fn is_locked(self) -> bool {
        self != Lock::Open
    }
}

/// A domain in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainRow {
    /// Its name.
    pub domain: Domain,
    /// Its lock.
    pub lock: Lock,
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
    /// The sealed password record, as `auth` made it; empty for none.
    pub password: Vec<u8>,
    /// Whose account elsewhere it is, where users are not known by the password file.
    pub account: Option<Account>,
    /// Its own lock.
    pub lock: Lock,
    /// Its domain's.
    pub domain_lock: Lock,
}

/// A mailbox in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRow {
    /// Its address.
    pub address: Address,
    /// Its number.
    pub id: MailboxId,
    /// Its own lock.
    pub lock: Lock,
    /// Its domain's.
    pub domain_lock: Lock,
    /// Whose account elsewhere it is.
    pub account: Option<Account>,
    /// Where its mail goes on to; none if it stays.
    pub forward: Option<Forward>,
    /// When it was made.
    pub created: UnixTime,
    /// How many messages it has.
    pub messages: u32,
    /// Their octets.
    pub octets: u64,
    /// How many of them have been retrieved.
    pub retrieved: u32,
    /// What was removed from it and can be brought back.
    pub recoverable: Recoverable,
}

impl MailboxRow {
    /// Whether it gets mail: neither it nor its domain is locked for all.
    pub fn is_open(&self) -> bool {
        self.lock != Lock::All && self.domain_lock != Lock::All
    }
}

pub(super) fn domains(transaction: &ReadTransaction) -> Result<Vec<DomainRow>, Fault> {
    let mailboxes = transaction.open_table(MAILBOXES)?;
    let mut rows = Vec::new();
    for entry in transaction.open_table(DOMAINS)?.iter()? {
        let (key, stored) = entry?;
        let record: DomainRecord = schema::decode(&DOMAINS, key.value(), stored.value())?;
        let domain = parse_domain(key.value())?;
        let (from, to) = schema::mailbox_range(&domain);
        let count = mailboxes.range(from.as_str()..to.as_str())?.count();
        rows.push(DomainRow { domain, lock: record.lock, mailboxes: count as u32 });
    }
    Ok(rows)
}

/// Does the same whether the mailbox exists or not, for strangers must not find out by the time (S-167): it looks
/// for the domain, and reads the record at that name or else a neighbour's.
pub(super) fn mailbox(transaction: &ReadTransaction, address: Address) -> Result<Option<Mailbox>, Fault> {
    let key = schema::mailbox_key(&address);
    let domain = match find_domain(&transaction.open_table(DOMAINS)?, &address.domain()) {
        Err(fault) if !fault.is_refusal() => return Err(fault),
        found => found,
    };
    let table = transaction.open_table(MAILBOXES)?;
    let entry = match table.range(key.as_str()..)?.next() {
        Some(entry) => Some(entry?),
        None => table.last()?,
    };
    let Some((name, stored)) = entry else { return Ok(None) };
    let record: Result<MailboxRecord, _> =
        black_box(schema::decode(&MAILBOXES, name.value(), stored.value()));
    if name.value() != key {
        return Ok(None);
    }
    let (record, domain_lock) = (record?, domain?.lock);
    Ok(Some(Mailbox {
        id: record.id,
        address,
        mark: record.mark,
        password: record.password,
        account: record.account,
        lock: record.lock,
        domain_lock,
    }))
}

pub(super) fn mailboxes(
    transaction: &ReadTransaction,
    domain: Option<Domain>,
    undo_days: u32,
) -> Result<Vec<MailboxRow>, Fault> {
    let table = transaction.open_table(MAILBOXES)?;
    let domains = transaction.open_table(DOMAINS)?;
    let mail = transaction.open_table(MAIL)?;
    let removed = transaction.open_table(REMOVED)?;
    let entries = match &domain {
        Some(domain) => {
            find_domain(&domains, domain)?;
            let (from, to) = schema::mailbox_range(domain);
            rising(&MAILBOXES, &table, from.as_str()..to.as_str())?
        }
        None => rising(&MAILBOXES, &table, ""..)?,
    };
    let mut rows = Vec::new();
    for entry in entries {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        let address = schema::key_address(key.value())?;
        let counters = read_counters(&mail, record.id)?
            .ok_or_else(|| schema::damaged(&MAIL, "a mailbox has no counters"))?;
        rows.push(MailboxRow {
            domain_lock: find_domain(&domains, &address.domain())?.lock,
            address,
            id: record.id,
            lock: record.lock,
            account: record.account,
            forward: record.forward,
            created: record.created,
            messages: counters.live.messages,
            octets: counters.live.octets,
            retrieved: counters.live.retrieved,
            recoverable: undo::recoverable(&removed, record.id, undo_days)?,
        });
    }
    Ok(rows)
}

/// Reads no more than the mailboxes' own records: strangers can ask for it as often as they like.
pub(super) fn oldest_mailbox(transaction: &ReadTransaction) -> Result<Option<(Address, bool)>, Fault> {
    let domains = transaction.open_table(DOMAINS)?;
    let mut oldest = None;
    for entry in transaction.open_table(MAILBOXES)?.iter()? {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        let address = schema::key_address(key.value())?;
        let is_locked = record.lock.max(find_domain(&domains, &address.domain())?.lock) == Lock::All;
        let rank = (is_locked, record.id);
        if oldest.as_ref().is_none_or(|(least, _)| rank < *least) {
            oldest = Some((rank, address));
        }
    }
    Ok(oldest.map(|((is_locked, _), address)| (address, !is_locked)))
}

/// Whether a domain is ours: one with mailboxes, or an alias of one.
pub(super) fn has_domain(transaction: &ReadTransaction, domain: &Domain) -> Result<bool, Fault> {
    Ok(transaction.open_table(DOMAINS)?.get(domain.as_str())?.is_some()
        || transaction.open_table(ALIASES)?.get(domain.as_str())?.is_some())
}

pub(super) fn add_domain(
    transaction: &WriteTransaction,
    domain: &Domain,
    now: UnixTime,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(DOMAINS)?;
    if table.get(domain.as_str())?.is_some() {
        return Err(StoreError::Exists(format!("the domain {domain} exists already")).into());
    }
    aliases::must_be_free(&transaction.open_table(ALIASES)?, &Alias::Domain(domain.clone()))?;
    put_domain(&mut table, domain, &DomainRecord { lock: Lock::Open, created: now })
}

/// Takes a domain away, with its mailboxes, its aliases and those that lead to it as a whole; tells the octets of their
/// mail.
pub(super) fn remove_domain(
    transaction: &WriteTransaction,
    domain: &Domain,
    at: UnixTime,
) -> Result<u64, Fault> {
    let mut domains = transaction.open_table(DOMAINS)?;
    find_domain(&domains, domain)?;
    let doomed_aliases = aliases::of_domain(&transaction.open_table(ALIASES)?, domain)?;
    let (from, to) = schema::mailbox_range(domain);
    let mut mailboxes = transaction.open_table(MAILBOXES)?;
    let mut doomed = Vec::new();
    for entry in rising(&MAILBOXES, &mailboxes, from.as_str()..to.as_str())? {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        doomed.push((key.value().to_owned(), record));
    }
    let mut octets = 0;
    for (key, record) in doomed {
        mailboxes.remove(key.as_str())?;
        octets += undo::bury_mailbox(transaction, &key, record, at)?;
    }
    count_mailboxes(transaction, mailboxes.len()?)?;
    for alias_domain in doomed_aliases.iter().filter_map(|key| key.parse().ok()) {
        routes::remove_of_domain(transaction, &alias_domain)?;
    }
    aliases::remove_all(transaction, doomed_aliases)?;
    routes::remove_of_domain(transaction, domain)?;
    levels::take(transaction, domain.as_str())?;
    domains.remove(domain.as_str())?;
    Ok(octets)
}

pub(super) fn lock_domain(transaction: &WriteTransaction, domain: &Domain, lock: Lock) -> Result<(), Fault> {
    let mut table = transaction.open_table(DOMAINS)?;
    let record = DomainRecord { lock, ..find_domain(&table, domain)? };
    put_domain(&mut table, domain, &record)
}

pub(super) fn add_mailbox(
    transaction: &WriteTransaction,
    address: &Address,
    mark: MailboxMark,
    (password, account): (Vec<u8>, Option<Account>),
    now: UnixTime,
) -> Result<MailboxId, Fault> {
    let aliases = transaction.open_table(ALIASES)?;
    let domain = find_domain(&transaction.open_table(DOMAINS)?, &address.domain());
    domain.map_err(|fault| aliases::explain_absence(&aliases, &address.domain(), fault))?;
    aliases::must_be_free(&aliases, &Alias::Address(address.clone()))?;
    let key = schema::mailbox_key(address);
    let mut table = transaction.open_table(MAILBOXES)?;
    if table.get(key.as_str())?.is_some() {
        return Err(StoreError::Exists(format!("the mailbox {address} exists already")).into());
    }
    let id = next_mailbox(transaction)?;
    let record = MailboxRecord { id, mark, lock: Lock::Open, created: now, password, account, forward: None };
    put_mailbox(&mut table, address, &record)?;
    count_mailboxes(transaction, table.len()?)?;
    let counters = Counters {
        mark,
        live: Tally::default(),
        removed_span: (0, 0),
        purged_messages: 0,
        purged_removed_at: UnixTime(0),
        next_uid: 1,
        newest_unix_seconds: now.0,
        is_warned: false,
    };
    write_counters(&mut transaction.open_table(MAIL)?, id, &counters)?;
    Ok(id)
}

/// Takes a mailbox with its mail away; tells the octets of that.
pub(super) fn remove_mailbox(
    transaction: &WriteTransaction,
    address: &Address,
    at: UnixTime,
) -> Result<u64, Fault> {
    let mut table = transaction.open_table(MAILBOXES)?;
    let record = find_mailbox(&table, address)?;
    let key = schema::mailbox_key(address);
    table.remove(key.as_str())?;
    count_mailboxes(transaction, table.len()?)?;
    undo::bury_mailbox(transaction, &key, record, at)
}

/// Puts a removed mailbox back among the others.
pub(super) fn put_back(
    transaction: &WriteTransaction,
    address: &Address,
    record: &MailboxRecord,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(MAILBOXES)?;
    put_mailbox(&mut table, address, record)?;
    count_mailboxes(transaction, table.len()?)
}

/// The record of a mailbox, if there is one.
pub(super) fn look_up(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    address: &Address,
) -> Result<Option<MailboxRecord>, Fault> {
    let key = schema::mailbox_key(address);
    match table.get(key.as_str())? {
        Some(stored) => Ok(Some(schema::decode(&MAILBOXES, key.as_str(), stored.value())?)),
        None => Ok(None),
    }
}

/// Errs with [`StoreError::NotFound`] if the domain of an address is not here (any more).
pub(super) fn must_have_domain(transaction: &WriteTransaction, address: &Address) -> Result<(), Fault> {
    let domain = address.domain();
    if transaction.open_table(DOMAINS)?.get(domain.as_str())?.is_some() {
        return Ok(());
    }
    let none = StoreError::NotFound(format!(
        "there is no domain {domain} for {address}: say \"poppet add {domain}\" first, then undelete it again"
    ));
    Err(aliases::explain_absence(&transaction.open_table(ALIASES)?, &domain, none.into()))
}

/// Errs with [`StoreError::NotFound`] if there is no such domain or mailbox.
pub(super) fn must_be_here(transaction: &WriteTransaction, level: &Level) -> Result<(), Fault> {
    match level {
        Level::Domain(domain) => find_domain(&transaction.open_table(DOMAINS)?, domain).map(|_| ()),
        Level::Mailbox(address) => find_mailbox(&transaction.open_table(MAILBOXES)?, address).map(|_| ()),
    }
}

/// Changes one mailbox's record.
pub(super) fn change_mailbox(
    transaction: &WriteTransaction,
    address: &Address,
    change: impl FnOnce(&mut MailboxRecord),
) -> Result<(), Fault> {
    let mut table = transaction.open_table(MAILBOXES)?;
    let mut record = find_mailbox(&table, address)?;
    change(&mut record);
    put_mailbox(&mut table, address, &record)
}

/// What all mailboxes together have.
pub(super) struct Proof {
    /// The newest time that any of them remembers.
    pub newest: UnixTime,
    /// Octets of their messages.
    pub octets: u64,
}

/// Proves that every account is found by its name, so that damage is never taken for an unknown user.
pub(super) fn prove(transaction: &ReadTransaction) -> Result<Proof, Fault> {
    let mail = transaction.open_table(MAIL)?;
    let domains = transaction.open_table(DOMAINS)?;
    let mailboxes = transaction.open_table(MAILBOXES)?;
    let mut proof = Proof { newest: UnixTime(0), octets: 0 };
    for entry in domains.iter()? {
        let record = find_domain(&domains, &parse_domain(entry?.0.value())?).map_err(missing)?;
        proof.newest = proof.newest.max(record.created);
    }
    let mut count = 0;
    for entry in mailboxes.iter()? {
        let address = schema::key_address(entry?.0.value())?;
        let record = find_mailbox(&mailboxes, &address).map_err(missing)?;
        find_domain(&domains, &address.domain()).map_err(missing)?;
        let counters = read_counters(&mail, record.id)?
            .ok_or_else(|| schema::damaged(&MAIL, "a mailbox has no counters"))?;
        proof.newest = proof.newest.max(record.created).max(UnixTime(counters.newest_unix_seconds));
        proof.octets += counters.live.octets;
        count += 1;
    }
    let counted: u32 = match transaction.open_table(META)?.get(META_COUNT)? {
        Some(stored) => schema::decode(&META, META_COUNT, stored.value())?,
        None => 0,
    };
    if count != counted {
        return Err(schema::damaged(&MAILBOXES, "some mailboxes are missing").into());
    }
    aliases::prove(transaction)?;
    Ok(proof)
}

fn missing(_: Fault) -> Fault {
    schema::damaged(&MAILBOXES, "an account is not found by its name").into()
}

/// Whether a mailbox has that number.
pub(super) fn has_number(
    mailboxes: &impl ReadableTable<&'static str, &'static [u8]>,
    id: MailboxId,
) -> Result<bool, Fault> {
    for entry in mailboxes.iter()? {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        if record.id == id {
            return Ok(true);
        }
    }
    Ok(false)
}

fn count_mailboxes(transaction: &WriteTransaction, count: u64) -> Result<(), Fault> {
    let count = schema::encode(&META, META_COUNT, &(count as u32)).map_err(Fault::fatal)?;
    transaction.open_table(META)?.insert(META_COUNT, count.as_slice())?;
    Ok(())
}

fn next_mailbox(transaction: &WriteTransaction) -> Result<MailboxId, Fault> {
    let mut meta = transaction.open_table(META)?;
    let last: u32 = match meta.get(META_MAILBOX)? {
        Some(stored) => schema::decode(&META, META_MAILBOX, stored.value())?,
        None => 0,
    };
    // An old page in the place of that number must not let a new mailbox take the rows of another, living or
    // removed.
    let rows = transaction.open_table(MAIL)?.last()?.map_or(0, |(key, _)| schema::key_mailbox(key.value()).0);
    let next = last
        .max(rows)
        .checked_add(1)
        .ok_or_else(|| StoreError::Refused("the database has no mailbox number left".into()))?;
    meta.insert(META_MAILBOX, schema::encode(&META, META_MAILBOX, &next)?.as_slice())?;
    Ok(MailboxId(next))
}

/// Errs with [`StoreError::NotFound`] if there is no such domain.
pub(super) fn find_domain(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    domain: &Domain,
) -> Result<DomainRecord, Fault> {
    match table.get(domain.as_str())? {
        Some(stored) => Ok(schema::decode(&DOMAINS, domain.as_str(), stored.value())?),
        None => Err(StoreError::NotFound(format!("there is no domain {domain}")).into()),
    }
}

pub(super) fn find_mailbox(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    address: &Address,
) -> Result<MailboxRecord, Fault> {
    look_up(table, address)?
        .ok_or_else(|| StoreError::NotFound(format!("there is no mailbox {address}")).into())
}

fn put_domain(
    table: &mut redb::Table<'_, &'static str, &'static [u8]>,
    domain: &Domain,
    record: &DomainRecord,
) -> Result<(), Fault> {
    table.insert(domain.as_str(), schema::encode(&DOMAINS, domain.as_str(), record)?.as_slice())?;
    Ok(())
}

fn put_mailbox(
    table: &mut redb::Table<'_, &'static str, &'static [u8]>,
    address: &Address,
    record: &MailboxRecord,
) -> Result<(), Fault> {
    let key = schema::mailbox_key(address);
    table.insert(key.as_str(), schema::encode(&MAILBOXES, key.as_str(), record)?.as_slice())?;
    Ok(())
}

pub(super) fn parse_domain(key: &str) -> Result<Domain, StoreError> {
    key.parse().map_err(|_| schema::damaged(&DOMAINS, "a key is no domain"))
}
