//! Settings with levels: those of all, of a domain, of a mailbox; the nearest counts, unless one above is final.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::rising::rising;
use super::schema::{self, LEVELS};
use super::{Store, accounts, finals, records};
use crate::mail::{Address, Domain};
use crate::settings::{Key, Settings};

/// Who has settings of his own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// A domain, for its mailboxes.
    Domain(Domain),
    /// A mailbox.
    Mailbox(Address),
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It was set for the mailbox itself.
    Mailbox,
    /// It was set for its domain.
    Domain,
    /// It was set for all.
    Global,
    /// It was never set.
    Default,
}

/// What mailboxes may expect at worst, as a server says before it knows whose mail is wanted.
/// RFC 2449 §6.5, §6.7.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policies {
    /// The fewest days that mail of any mailbox stays; none means for ever everywhere.
    pub retain_days: Option<u32>,
    /// Whether those days are not the same for all.
    pub retain_differs: bool,
    /// The longest interval between two logons of any mailbox.
    pub login_delay_seconds: u32,
    /// Whether that interval is not the same for all.
    pub login_delay_differs: bool,
}

/// All settings of all levels, as they are in memory.
#[derive(Debug)]
pub(super) struct Levels {
    pub global: Arc<Settings>,
    pub policies: Policies,
    set: Vec<String>,
    own: HashMap<Box<str>, Own>,
    /// Keys of the table of finals.
    finals: HashSet<String>,
}

/// What counts for a domain or a mailbox that has settings of its own.
#[derive(Debug)]
struct Own {
    settings: Arc<Settings>,
    keys: Vec<String>,
}

impl Store {
    /// The settings as they are for that mailbox: its own, its domain's, those of all, in this order. From
    /// memory.
    pub fn settings_for(&self, address: &Address) -> Arc<Settings> {
        let levels = self.shared.levels();
        levels.settings_of(&Level::Mailbox(address.clone()))
    }

    /// The settings as they are for a domain or a mailbox, from memory.
    pub fn settings_of(&self, level: &Level) -> Arc<Settings> {
        self.shared.settings_of(level)
    }

    /// Whose value of a setting counts, for a domain or mailbox, or for all.
    pub fn origin(&self, level: Option<&Level>, key: &str) -> Origin {
        self.shared.levels().origin(level, key)
    }

    /// The worst that any mailbox may expect, from memory.
    pub fn policies(&self) -> Policies {
        self.shared.levels().policies
    }

    /// The settings of all, and those of each domain or mailbox that has some of its own, from memory.
    pub fn all_settings(&self) -> Vec<Arc<Settings>> {
        let levels = self.shared.levels();
        let own = levels.own.values().map(|own| Arc::clone(&own.settings));
        std::iter::once(Arc::clone(&levels.global)).chain(own).collect()
    }

    /// Sets a setting of a domain or mailbox durably; none takes it back to what counts for the level above, and it is
    /// no longer final then. Errs with [`StoreError::NotFound`] if there is no such domain or mailbox, with
    /// [`StoreError::Refused`] if the value is not valid, the setting has no levels, or a value above is final. The
    /// levels of what is removed go with it.
    pub fn set_level(&self, level: Level, key: &str, value: Option<&str>) -> Ask<()> {
        let key = match self.check_level(key, value) {
            Ok(key) => key,
            Err(error) => return Ask::ready(Err(error)),
        };
        let value = value.map(str::to_owned);
        let shared = Arc::clone(&self.shared);
        self.change_then(
            move |transaction| set(transaction, &level, key, value.as_deref()),
            move |()| shared.reload_settings(),
        )
    }

    /// Errs with [`StoreError::Refused`] unless that is a setting and a value of it.
    pub(super) fn check_setting(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let mut settings = Settings::clone(&self.settings());
        let known = match value {
            Some(value) => settings.assign(key, value),
            None => settings.take_from(&Settings::default(), key),
        };
        known.map_err(|error| StoreError::Refused(error.to_string()))
    }

    /// The name of a setting with levels; errs with [`StoreError::Refused`] unless that is a value of it.
    pub(super) fn check_level(&self, key: &str, value: Option<&str>) -> Result<&'static str, StoreError> {
        self.check_setting(key, value)?;
        match Key::find(key) {
            Ok(key) if key.has_levels() => Ok(key.name),
            Ok(key) => Err(StoreError::Refused(format!(
                "{} counts for all: leave out --for, as in \"poppet set {} VALUE\"",
                key.name, key.name
            ))),
            Err(error) => Err(StoreError::Refused(error.to_string())),
        }
    }
}

impl Level {
    /// The key of a domain or mailbox in the tables of those.
    pub(super) fn key(&self) -> String {
        match self {
            Level::Domain(domain) => domain.to_string(),
            Level::Mailbox(address) => schema::mailbox_key(address),
        }
    }
}

impl Levels {
    /// Reads them all.
    pub(super) fn read(transaction: &ReadTransaction) -> Result<Levels, Fault> {
        let (global, set) = records::settings(transaction)?;
        let mut levels = Levels {
            global: Arc::new(global),
            policies: Policies::default(),
            set,
            own: HashMap::new(),
            finals: finals::read(transaction)?,
        };
        // A domain stands before its mailboxes, which inherit from it.
        for entry in transaction.open_table(LEVELS)?.iter()? {
            let (key, stored) = entry?;
            let value = schema::unseal(&LEVELS, key.value(), stored.value())?;
            let Some((target, name)) = key.value().split_once(' ') else {
                return Err(schema::damaged(&LEVELS, "a key has no setting").into());
            };
            levels.add(target, name, value);
        }
        levels.policies = levels.worst();
        Ok(levels)
    }

    fn add(&mut self, target: &str, name: &str, value: &[u8]) {
        if finals::above(target).any(|above| self.finals.contains(&finals::key(above, name))) {
            return;
        }
        let inherited = || self.inherited(target);
        let mut settings = match self.own.get(target) {
            Some(own) => Settings::clone(&own.settings),
            None => Settings::clone(&inherited()),
        };
        let assigned = std::str::from_utf8(value).map(|value| settings.assign(name, value));
        if !matches!(assigned, Ok(Ok(()))) {
            log::warn!(
                "the setting {name} of {target} has a value that this poppet does not know: it is passed over"
            );
            return;
        }
        let mut keys = self.own.remove(target).map_or(Vec::new(), |own| own.keys);
        keys.push(name.to_owned());
        self.own.insert(target.into(), Own { settings: Arc::new(settings), keys });
    }

    fn inherited(&self, target: &str) -> Arc<Settings> {
        let domain = target.split_once('@').and_then(|(domain, _)| self.own.get(domain));
        Arc::clone(domain.map_or(&self.global, |own| &own.settings))
    }

    /// The settings of a domain or mailbox.
    pub(super) fn settings_of(&self, level: &Level) -> Arc<Settings> {
        if self.own.is_empty() {
            return Arc::clone(&self.global);
        }
        let key = level.key();
        match self.own.get(key.as_str()) {
            Some(own) => Arc::clone(&own.settings),
            None => self.inherited(&key),
        }
    }

    /// Where the value of a setting comes from.
    pub(super) fn origin(&self, level: Option<&Level>, name: &str) -> Origin {
        let has =
            |target: &str| self.own.get(target).is_some_and(|own| own.keys.iter().any(|key| key == name));
        let key = level.map(Level::key).unwrap_or_default();
        match key.split_once('@') {
            Some(_) if has(&key) => Origin::Mailbox,
            Some((domain, _)) if has(domain) => Origin::Domain,
            None if has(&key) => Origin::Domain,
            _ if self.set.iter().any(|set| set == name) => Origin::Global,
            _ => Origin::Default,
        }
    }

    /// Whether nothing else can be set for a level, or below it where it is a domain or all.
    pub(super) fn is_final(&self, level: Option<&Level>, name: &str) -> bool {
        let target = level.map(Level::key).unwrap_or_default();
        let mut at_or_above = finals::above(&target).chain([target.as_str()]);
        at_or_above.any(|level| self.finals.contains(&finals::key(level, name)))
    }

    fn worst(&self) -> Policies {
        let global = &self.global;
        let mut worst = Policies {
            retain_days: global.retain.least_days(),
            login_delay_seconds: global.login_delay_seconds,
            ..Policies::default()
        };
        for own in self.own.values().map(|own| &own.settings) {
            worst.retain_differs |= own.retain.least_days() != global.retain.least_days();
            worst.login_delay_differs |= own.login_delay_seconds != global.login_delay_seconds;
            worst.retain_days = worst.retain_days.into_iter().chain(own.retain.least_days()).min();
            worst.login_delay_seconds = worst.login_delay_seconds.max(own.login_delay_seconds);
        }
        worst
    }
}

/// Sets a setting of one level, or takes it back to what is inherited; it has been checked. Errs with
/// [`StoreError::NotFound`] if there is no such domain or mailbox.
pub(super) fn set(
    transaction: &WriteTransaction,
    level: &Level,
    name: &str,
    value: Option<&str>,
) -> Result<(), Fault> {
    accounts::must_be_here(transaction, level)?;
    let target = level.key();
    let key = format!("{target} {name}");
    let mut table = transaction.open_table(LEVELS)?;
    match value {
        Some(value) => {
            finals::must_be_open(transaction, &target, name)?;
            table.insert(key.as_str(), schema::seal(&LEVELS, key.as_str(), value.into()).as_slice())?;
        }
        None => {
            table.remove(key.as_str())?;
            finals::put(transaction, &target, name, false)?;
        }
    }
    Ok(())
}

/// Removes the settings of one level and gives them; none of them is final any more.
pub(super) fn take(transaction: &WriteTransaction, target: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut table = transaction.open_table(LEVELS)?;
    let (from, to) = (format!("{target} "), format!("{target}!"));
    let mut taken = Vec::new();
    for entry in rising(&LEVELS, &table, from.as_str()..to.as_str())? {
        let (key, stored) = entry?;
        let value = schema::unseal(&LEVELS, key.value(), stored.value()).map_err(Fault::fatal)?;
        let name = key.value()[from.len()..].to_owned();
        taken.push((name, String::from_utf8_lossy(value).into_owned()));
    }
    for (name, _) in &taken {
        table.remove(format!("{from}{name}").as_str())?;
    }
    finals::take(transaction, target)?;
    Ok(taken)
}

/// Puts back what [`take`] gave.
pub(super) fn put_back(
    transaction: &WriteTransaction,
    target: &str,
    levels: Vec<(String, String)>,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(LEVELS)?;
    for (name, value) in levels {
        let key = format!("{target} {name}");
        table.insert(key.as_str(), schema::seal(&LEVELS, key.as_str(), value.into_bytes()).as_slice())?;
    }
    Ok(())
}
