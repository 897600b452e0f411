//! Settings that are final: what a domain or mailbox below has set for itself is kept, and doesn't count (C8).

use std::collections::HashSet;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::levels::{self, Level};
use super::schema::{self, FINALS};
use super::{Store, accounts, records};
use crate::settings::Key;

impl Store {
    /// Makes the value that a setting has for all or for a domain final, or no longer so, durably: those below have no
    /// other one then, also where they had set one before; that counts again afterwards. Errs with
    /// [`StoreError::NotFound`] if there is no such domain, with [`StoreError::Refused`] for a mailbox, below which
    /// is nothing, for a setting without levels, and where the value above is final itself.
    pub fn set_final(&self, level: Option<Level>, key: &str, is_final: bool) -> Ask<()> {
        let key = match may_be_final(level.as_ref(), key) {
            Ok(key) => key,
            Err(error) => return Ask::ready(Err(error)),
        };
        let shared = Arc::clone(&self.shared);
        self.change_then(
            move |transaction| set(transaction, level.as_ref(), key, is_final),
            move |()| shared.reload_settings(),
        )
    }

    /// Sets a setting as [`Store::set_setting`] does, or [`Store::set_level`] for a domain or mailbox, and in the same
    /// transaction makes it final, or no longer so, as [`Store::set_final`] does; errs as these do.
    pub fn assign(&self, level: Option<Level>, key: &str, value: Option<&str>, is_final: bool) -> Ask<()> {
        let checked = match &level {
            None => self.check_setting(key, value),
            Some(_) => self.check_level(key, value).map(drop),
        };
        let checked = checked.and_then(|()| match is_final {
            true => may_be_final(level.as_ref(), key).map(drop),
            false => Ok(()),
        });
        if let Err(error) = checked {
            return Ask::ready(Err(error));
        }
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        let shared = Arc::clone(&self.shared);
        self.change_then(
            move |transaction| assign(transaction, level.as_ref(), &key, value.as_deref(), is_final),
            move |()| shared.reload_settings(),
        )
    }

    /// Whether the value that a setting has for all, for a domain or for a mailbox is final, there or above: a mailbox
    /// can't have another one, nor can what is below the others. From memory.
    pub fn is_final(&self, level: Option<&Level>, key: &str) -> bool {
        self.shared.levels().is_final(level, key)
    }
}

/// The name of a setting that can be final at that level; errs with [`StoreError::Refused`].
fn may_be_final(level: Option<&Level>, key: &str) -> Result<&'static str, StoreError> {
    let refuse = |text: String| Err(StoreError::Refused(text));
    match (Key::find(key), level) {
        (Err(error), _) => refuse(error.to_string()),
        (Ok(key), _) if !key.has_levels() => {
            refuse(format!("{} counts for all, and is final as it is", key.name))
        }
        (Ok(key), Some(Level::Mailbox(address))) => {
            refuse(format!("{} of {address} can't be final: there is nothing below a mailbox", key.name))
        }
        (Ok(key), _) => Ok(key.name),
    }
}

/// Everything that can be refused is looked at before the first write.
fn assign(
    transaction: &WriteTransaction,
    level: Option<&Level>,
    name: &str,
    value: Option<&str>,
    is_final: bool,
) -> Result<(), Fault> {
    let target = level.map(Level::key).unwrap_or_default();
    if is_final {
        must_be_open(transaction, &target, name)?;
    }
    match level {
        None => records::set_setting(transaction, name, value)?,
        Some(level) => levels::set(transaction, level, name, value)?,
    }
    put(transaction, &target, name, is_final)
}

fn set(
    transaction: &WriteTransaction,
    level: Option<&Level>,
    name: &str,
    is_final: bool,
) -> Result<(), Fault> {
    let target = level.map(Level::key).unwrap_or_default();
    if let Some(level) = level {
        accounts::must_be_here(transaction, level)?;
    }
    if is_final {
        must_be_open(transaction, &target, name)?;
    }
    put(transaction, &target, name, is_final)
}

/// The levels above a domain or mailbox, outermost first; that of all is nothing.
pub(super) fn above(target: &str) -> impl Iterator<Item = &str> {
    let all = (!target.is_empty()).then_some("");
    all.into_iter().chain(target.split_once('@').map(|(domain, _)| domain))
}

/// The key of a setting of a level.
pub(super) fn key(target: &str, name: &str) -> String {
    format!("{target} {name}")
}

/// The keys of all that are final.
pub(super) fn read(transaction: &ReadTransaction) -> Result<HashSet<String>, Fault> {
    let mut finals = HashSet::new();
    for entry in transaction.open_table(FINALS)?.iter()? {
        let (key, stored) = entry?;
        schema::unseal(&FINALS, key.value(), stored.value())?;
        finals.insert(key.value().to_owned());
    }
    Ok(finals)
}

/// Errs with [`StoreError::Refused`] where a value above is final.
pub(super) fn must_be_open(transaction: &WriteTransaction, target: &str, name: &str) -> Result<(), Fault> {
    let finals = transaction.open_table(FINALS)?;
    for level in above(target) {
        if finals.get(key(level, name).as_str())?.is_some() {
            let place = if level.is_empty() { "all" } else { level };
            return Err(StoreError::Refused(format!(
                "{name} is final for {place}: change it there, or make it open for those below"
            ))
            .into());
        }
    }
    Ok(())
}

/// Notes that a setting of a level is final, or is not; it has been checked.
pub(super) fn put(
    transaction: &WriteTransaction,
    target: &str,
    name: &str,
    is_final: bool,
) -> Result<(), Fault> {
    let mut finals = transaction.open_table(FINALS)?;
    let key = key(target, name);
    match is_final {
        true => {
            finals.insert(key.as_str(), schema::seal(&FINALS, key.as_str(), Vec::new()).as_slice())?;
        }
        false => {
            finals.remove(key.as_str())?;
        }
    }
    Ok(())
}

/// Nothing of a level is final any more.
pub(super) fn take(transaction: &WriteTransaction, target: &str) -> Result<(), Fault> {
    let mut finals = transaction.open_table(FINALS)?;
    let (from, to) = (format!("{target} "), format!("{target}!"));
    finals.retain_in(from.as_str()..to.as_str(), |_, _| false)?;
    Ok(())
}
