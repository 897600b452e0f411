//! Takes back every time by which the database would know that a clock is too old: a clock that was ahead had written it.

use redb::{ReadableTable, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::Fault;
use super::purge;
use super::queue;
use super::schema::{
    self, Counters, DOMAINS, DomainRecord, GONE, GoneRecord, MAIL, MAILBOXES, MailboxRecord, TextTable,
};
use super::undo::put_gone;
use super::upload::{read_counters, write_counters};
use crate::clock::UnixTime;

/// Nothing is remembered as later than `now`, and `now` is. What is in the future was not: it becomes `now`, so that
/// nothing goes before its days have passed once more. The times of messages stay: they were told to their readers.
pub(super) fn take_back(transaction: &WriteTransaction, now: UnixTime) -> Result<(), Fault> {
    clamp(transaction, DOMAINS, |record: &mut DomainRecord| lower(&mut record.created, now))?;
    let mut mailboxes = Vec::new();
    clamp(transaction, MAILBOXES, |record: &mut MailboxRecord| {
        mailboxes.push(record.id);
        lower(&mut record.created, now)
    })?;
    let mut mail = transaction.open_table(MAIL)?;
    for id in mailboxes {
        let counters = read_counters(&mail, id)?;
        if let Some(counters) = counters.and_then(|counters| clamped(counters, now)) {
            write_counters(&mut mail, id, &counters)?;
        }
    }
    drop(mail);
    purge::date_all(transaction, now)?;
    clamp_gone(transaction, now)?;
    queue::remember(transaction, now)
}

/// Changes the records of a table that `change` says it has changed.
fn clamp<T: Serialize + DeserializeOwned>(
    transaction: &WriteTransaction,
    definition: TextTable,
    mut change: impl FnMut(&mut T) -> bool,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(definition)?;
    let mut changed = Vec::new();
    for entry in table.iter()? {
        let (key, stored) = entry?;
        let mut record: T = schema::decode(&definition, key.value(), stored.value())?;
        if change(&mut record) {
            changed.push((key.value().to_owned(), record));
        }
    }
    for (key, record) in changed {
        table.insert(key.as_str(), schema::encode(&definition, key.as_str(), &record)?.as_slice())?;
    }
    Ok(())
}

/// Removed mailboxes have their counters with them, and may come back.
fn clamp_gone(transaction: &WriteTransaction, now: UnixTime) -> Result<(), Fault> {
    let mut gone = transaction.open_table(GONE)?;
    let mut changed = Vec::new();
    for entry in gone.iter()? {
        let (key, stored) = entry?;
        let mut record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        let is_made_later = lower(&mut record.mailbox.created, now);
        let counters = clamped(record.counters, now);
        if is_made_later || counters.is_some() {
            changed.push(GoneRecord { counters: counters.unwrap_or(record.counters), ..record });
        }
    }
    for record in changed {
        put_gone(&mut gone, record.mailbox.id, &record)?;
    }
    Ok(())
}

/// None where nothing in them is later.
fn clamped(mut counters: Counters, now: UnixTime) -> Option<Counters> {
    let is_purge_later = lower(&mut counters.purged_removed_at, now);
    let is_mail_later = counters.newest_unix_seconds > now.0;
    counters.newest_unix_seconds = counters.newest_unix_seconds.min(now.0);
    (is_purge_later || is_mail_later).then_some(counters)
}

fn lower(time: &mut UnixTime, now: UnixTime) -> bool {
    let is_later = *time > now;
    *time = (*time).min(now);
    is_later
}
