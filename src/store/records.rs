//! Settings and small records.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::blob::blob_of;
use super::engine::Fault;
use super::error::StoreError;
use super::finals;
use super::layouts;
use super::schema::{
    self, CHUNKS, FREE, META, META_BLOB, META_PROBATION, PENDING, Probation, RECORDS, REFS, SETTINGS,
};
use crate::settings::Settings;

/// Makes every table of a new database, so that a reader finds them all.
pub(super) fn lay_out(transaction: &WriteTransaction) -> Result<(), Fault> {
    for table in [META, SETTINGS, RECORDS, schema::DOMAINS, schema::MAILBOXES, schema::ALIASES] {
        transaction.open_table(table)?;
    }
    for table in [schema::DEVICES, schema::ROUTES, schema::LEVELS, schema::FINALS] {
        transaction.open_table(table)?;
    }
    for table in [schema::MAIL, schema::REMOVED, schema::GONE, CHUNKS, REFS, PENDING, FREE] {
        transaction.open_table(table)?;
    }
    transaction.open_table(schema::QUEUE)?;
    transaction.open_table(schema::QUEUE_LANES)?;
    for table in [schema::QUEUE_DUE, schema::QUEUE_WAYS] {
        transaction.open_table(table)?;
    }
    layouts::put(transaction)
}

/// The settings of all, and the names of those that were set.
pub(super) fn settings(transaction: &ReadTransaction) -> Result<(Settings, Vec<String>), Fault> {
    let mut settings = Settings::default();
    let mut set = Vec::new();
    for entry in transaction.open_table(SETTINGS)?.iter()? {
        let (key, stored) = entry?;
        let value = schema::unseal(&SETTINGS, key.value(), stored.value())?;
        let assigned = std::str::from_utf8(value).map(|value| settings.assign(key.value(), value));
        if !matches!(assigned, Ok(Ok(()))) {
            log::warn!(
                "the setting {} has a value that this poppet does not know: its default counts",
                key.value()
            );
            continue;
        }
        set.push(key.value().to_owned());
    }
    Ok((settings, set))
}

/// Sets a setting, or takes it back to its default, which is not final; it has been checked.
pub(super) fn set_setting(
    transaction: &WriteTransaction,
    key: &str,
    value: Option<&str>,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(SETTINGS)?;
    match value {
        Some(value) => {
            table.insert(key, schema::seal(&SETTINGS, key, value.into()).as_slice())?;
        }
        None => {
            table.remove(key)?;
            finals::put(transaction, "", key, false)?;
        }
    }
    Ok(())
}

/// A record of another room.
pub(super) fn record(transaction: &ReadTransaction, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let table = transaction.open_table(RECORDS)?;
    let Some(stored) = table.get(name)? else { return Ok(None) };
    Ok(Some(schema::unseal(&RECORDS, name, stored.value())?.to_vec()))
}

/// Writes a record of another room.
pub(super) fn put_record(transaction: &WriteTransaction, name: &str, value: Vec<u8>) -> Result<(), Fault> {
    transaction.open_table(RECORDS)?.insert(name, schema::seal(&RECORDS, name, value).as_slice())?;
    Ok(())
}

/// Takes a record of another room away, if it is there.
pub(super) fn remove_record(transaction: &WriteTransaction, name: &str) -> Result<(), Fault> {
    transaction.open_table(RECORDS)?.remove(name)?;
    Ok(())
}

/// Changes a record of another room; `change` gives what it is to be and an answer.
pub(super) fn change_record<T>(
    transaction: &WriteTransaction,
    name: &str,
    change: impl FnOnce(Option<&[u8]>) -> Result<(Vec<u8>, T), StoreError>,
) -> Result<T, Fault> {
    let table = transaction.open_table(RECORDS)?;
    let stored = table.get(name)?.map(|stored| stored.value().to_vec());
    drop(table);
    let before = stored.as_deref().map(|stored| schema::unseal(&RECORDS, name, stored)).transpose()?;
    let (record, answer) = change(before)?;
    put_record(transaction, name, record)?;
    Ok(answer)
}

/// The number that no body has reached yet.
pub(super) fn blob_bound(transaction: &ReadTransaction) -> Result<u64, Fault> {
    match transaction.open_table(META)?.get(META_BLOB)? {
        Some(stored) => Ok(schema::decode(&META, META_BLOB, stored.value())?),
        None => Ok(1),
    }
}

/// The first number above those of all bodies in the file.
pub(super) fn above_all_blobs(transaction: &ReadTransaction) -> Result<u64, Fault> {
    let last = transaction.open_table(CHUNKS)?.last()?.map(|(key, _)| blob_of(key.value()));
    Ok(last.map_or(1, |blob| blob.0 + 1))
}

/// Reserves the numbers below `bound` for bodies.
pub(super) fn put_blob_bound(transaction: &WriteTransaction, bound: u64) -> Result<(), Fault> {
    let stored = schema::encode(&META, META_BLOB, &bound).map_err(Fault::fatal)?;
    transaction.open_table(META)?.insert(META_BLOB, stored.as_slice())?;
    Ok(())
}

/// How long the clock has been on probation; none if it has not been.
pub(super) fn probation(transaction: &ReadTransaction) -> Result<Option<Probation>, Fault> {
    match transaction.open_table(META)?.get(META_PROBATION)? {
        Some(stored) => Ok(Some(schema::decode(&META, META_PROBATION, stored.value())?)),
        None => Ok(None),
    }
}

/// Writes that, or takes it away.
pub(super) fn put_probation(
    transaction: &WriteTransaction,
    probation: Option<Probation>,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(META)?;
    match probation {
        Some(probation) => {
            let stored = schema::encode(&META, META_PROBATION, &probation).map_err(Fault::fatal)?;
            table.insert(META_PROBATION, stored.as_slice())?;
        }
        None => drop(table.remove(META_PROBATION)?),
    }
    Ok(())
}

/// The error for a file of others.
pub(super) fn foreign() -> StoreError {
    StoreError::Foreign("the file is a redb database, but not one of poppet: name another with --db".into())
}
