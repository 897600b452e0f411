//! The method by which users are known changes, with what each mailbox has for it, in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::engine::Fault;
use super::error::Ask;
use super::schema::{self, DOMAINS, GONE, GoneRecord, MAILBOXES, MailboxRecord, SETTINGS};
use super::undo::put_gone;
use super::writer::Job;
use super::{SMALL_CHANGE_OCTETS, Store, StoreError, records};
use crate::mail::{Account, Address, MailboxId, MailboxMark};
use crate::settings::Method;

/// A mailbox with what its user is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its address.
    pub address: Address,
    /// Its random mark.
    pub mark: MailboxMark,
    /// Whether it has a password record.
    pub has_password: bool,
    /// Whose account elsewhere it is.
    pub account: Option<Account>,
}

/// A change of the method.
#[derive(Debug, Clone)]
pub struct Switch {
    /// What the method is, as far as its asker knows.
    pub from: Method,
    /// What it is to be.
    pub to: Method,
    /// Whose word counts once for a mailbox without a password, from then on.
    pub learn: Option<Method>,
    /// Every mailbox there is, as far as its asker knows; none where not even a domain may be here.
    pub users: Option<Vec<SwitchedUser>>,
    /// A small record of another room that comes with it, by its name.
    pub record: Option<(&'static str, Vec<u8>)>,
}

/// What a mailbox has for the new method.
#[derive(Debug, Clone)]
pub struct SwitchedUser {
    /// The mailbox as it is.
    pub before: User,
    /// Its new sealed password record, empty for none; none keeps the one it has.
    pub password: Option<Vec<u8>>,
    /// Whose account elsewhere it is then.
    pub account: Option<Account>,
}

impl Store {
    /// Every mailbox with what its user is known by, in the order of domain and name.
    pub fn users(&self) -> Ask<Vec<User>> {
        self.ask(users)
    }

    /// Changes the method and what each mailbox has for it, all or nothing; gives the mailboxes. Those that are
    /// removed lose password and account with their method: they must not come back with what counted before. Mail stays
    /// untouched. Errs
    /// with [`StoreError::Refused`] if method or mailboxes are not what the asker knows, or a domain is here that may
    /// not be.
    pub fn switch_method(&self, switch: Switch) -> Ask<Vec<MailboxId>> {
        let passwords = switch.users.iter().flatten().filter_map(|user| user.password.as_ref());
        let octets = SMALL_CHANGE_OCTETS + passwords.map(Vec::len).sum::<usize>();
        let shared = Arc::clone(&self.shared);
        let change = move |transaction: &WriteTransaction| change(transaction, switch);
        let (job, ask) = Job::asking(octets, change, move |_: &Vec<MailboxId>| shared.reload_settings());
        self.send(job);
        ask
    }
}

/// Takes the word of others for no more first passwords where every mailbox has one. Comes behind the write that it
/// belongs to, so a damaged row is no reason to refuse: it may be one without.
pub(super) fn end_learning(transaction: &WriteTransaction) -> Result<(), Fault> {
    let is_learning = transaction.open_table(SETTINGS)?.get(LEARN)?.is_some();
    if !is_learning {
        return Ok(());
    }
    for entry in transaction.open_table(MAILBOXES)?.iter()? {
        let (key, stored) = entry?;
        let row: Result<MailboxRecord, _> = schema::decode(&MAILBOXES, key.value(), stored.value());
        if row.map_or(true, |record| record.password.is_empty()) {
            return Ok(());
        }
    }
    records::set_setting(transaction, LEARN, None).map_err(Fault::into_fatal)
}

fn users(transaction: &ReadTransaction) -> Result<Vec<User>, Fault> {
    let rows = rows(&transaction.open_table(MAILBOXES)?)?;
    Ok(rows.into_iter().map(|(address, record)| user(address, &record)).collect())
}

fn user(address: Address, record: &MailboxRecord) -> User {
    let (mark, has_password) = (record.mark, !record.password.is_empty());
    User { address, mark, has_password, account: record.account.clone() }
}

fn rows(
    mailboxes: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Vec<(Address, MailboxRecord)>, Fault> {
    let mut rows = Vec::new();
    for entry in mailboxes.iter()? {
        let (key, stored) = entry?;
        let record = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        rows.push((schema::key_address(key.value())?, record));
    }
    Ok(rows)
}

/// Everything is read before the first word is written: a refusal leaves nothing half done.
fn change(transaction: &WriteTransaction, switch: Switch) -> Result<Vec<MailboxId>, Fault> {
    let Switch { from, to, learn, users, record } = switch;
    if method(transaction)? != from {
        return Err(changed_meanwhile().into());
    }
    if users.is_none() && transaction.open_table(DOMAINS)?.len()? > 0 {
        return Err(StoreError::Refused("a domain is here already; say it again".into()).into());
    }
    let mut mailboxes = transaction.open_table(MAILBOXES)?;
    let rows = moved(rows(&mailboxes)?, users.unwrap_or_default())?;
    let learn = learn.filter(|_| rows.iter().any(|(_, record)| record.password.is_empty()));
    let mut gone = transaction.open_table(GONE)?;
    // Said again, a method takes nothing from those who may come back.
    let forgotten = if from == to { Vec::new() } else { forgotten(&gone)? };

    let mut ids = Vec::with_capacity(rows.len());
    for (address, record) in &rows {
        let key = schema::mailbox_key(address);
        let stored = schema::encode(&MAILBOXES, key.as_str(), record).map_err(Fault::fatal)?;
        mailboxes.insert(key.as_str(), stored.as_slice())?;
        ids.push(record.id);
    }
    for record in &forgotten {
        put_gone(&mut gone, record.mailbox.id, record).map_err(Fault::into_fatal)?;
    }
    for (key, method) in [("auth", Some(to).filter(|to| *to != Method::default())), (LEARN, learn)] {
        records::set_setting(transaction, key, method.map(Method::name)).map_err(Fault::into_fatal)?;
    }
    if let Some((name, value)) = record {
        records::put_record(transaction, name, value).map_err(Fault::into_fatal)?;
    }
    Ok(ids)
}

/// The rows as they are to be; errs unless they are those that the asker knows.
fn moved(
    rows: Vec<(Address, MailboxRecord)>,
    users: Vec<SwitchedUser>,
) -> Result<Vec<(Address, MailboxRecord)>, StoreError> {
    let mut known: HashMap<Address, SwitchedUser> =
        users.into_iter().map(|user| (user.before.address.clone(), user)).collect();
    let mut moved = Vec::with_capacity(rows.len());
    for (address, mut record) in rows {
        let user = known.remove(&address).ok_or_else(changed_meanwhile)?;
        if user.before != self::user(address.clone(), &record) {
            return Err(changed_meanwhile());
        }
        record.password = user.password.unwrap_or(record.password);
        record.account = user.account;
        moved.push((address, record));
    }
    match known.is_empty() {
        true => Ok(moved),
        false => Err(changed_meanwhile()),
    }
}

/// Removed mailboxes without what their users were known by.
fn forgotten(gone: &impl ReadableTable<u64, &'static [u8]>) -> Result<Vec<GoneRecord>, Fault> {
    let mut forgotten = Vec::new();
    for entry in gone.iter()? {
        let (key, stored) = entry?;
        let mut record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        record.mailbox.password.clear();
        record.mailbox.account = None;
        forgotten.push(record);
    }
    Ok(forgotten)
}

/// The method as the file has it; what is no method counts as the default, as everywhere.
pub(super) fn method(transaction: &WriteTransaction) -> Result<Method, Fault> {
    let table = transaction.open_table(SETTINGS)?;
    let Some(stored) = table.get("auth")? else { return Ok(Method::default()) };
    let value = schema::unseal(&SETTINGS, "auth", stored.value())?;
    Ok(std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or_default())
}

fn changed_meanwhile() -> StoreError {
    StoreError::Refused("the mailboxes have changed meanwhile; nothing was changed, say it again".into())
}

/// The setting whose word counts once for a mailbox without a password.
const LEARN: &str = "auth_learn";
