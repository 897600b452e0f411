//! Whom a name means that somebody logs on with (A9), and what a logon teaches of him.
//!
//! Strangers ask this as often as they like: what is read depends on the name's form and on our domains and aliases,
//! which mail from anywhere finds out too (S-168), but not on whether a mailbox is there.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::accounts::{self, change_mailbox, look_up};
use super::engine::Fault;
use super::error::Ask;
use super::names::Rules;
use super::schema::{self, DOMAINS, MAILBOXES, MailboxRecord};
use super::{Mailbox, Store, resolving, switching, users};
use crate::mail::{Account, Address, Domain, MailboxMark};
use crate::settings::Method;

/// Whom somebody says to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Who has that address, or to whom alone an alias of that name leads.
    Address(Address),
    /// Who alone has that local part in all domains.
    Name(String),
    /// Who has that local part in the domain of that name, or of that first label if only one such domain has him.
    NameIn {
        /// The domain, or its first label, in small letters.
        domain: String,
        /// The local part.
        name: String,
    },
}

/// Who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// His mailbox; none if there is none or more than one.
    pub mailbox: Option<Mailbox>,
    /// The address that the name stands for, whether there is a mailbox or not; none if it could be several.
    pub address: Option<Address>,
}

impl Store {
    /// Whom that name means.
    pub fn user(&self, wanted: Wanted) -> Ask<Found> {
        let rules = self.rules();
        self.ask(move |transaction| match &wanted {
            Wanted::Address(address) => at_address(transaction, address, rules),
            Wanted::Name(name) => of_name(transaction, name, |_| true),
            Wanted::NameIn { domain, name } => of_name(transaction, name, |other| {
                other.as_str() == domain || other.as_str().split('.').next() == Some(domain)
            }),
        })
    }

    /// The mailbox of an account: the only one with that identity; else the only one with that name, or one of these,
    /// in letters of any case; else the only one of all domains with that local part, if it has no account yet.
    pub fn mailbox_of_account(
        &self,
        account: Account,
        names: Vec<String>,
        local_part: String,
    ) -> Ask<Option<Mailbox>> {
        self.ask(move |transaction| of_account(transaction, &account, &names, &local_part))
    }

    /// Binds a mailbox to an account that has logged on by that method, if users are still known by it, and it is still
    /// the same mailbox and bound as it was; gives whether it did. Errs with
    /// [`StoreError::Refused`](super::StoreError::Refused) if the account is another mailbox's (S-206).
    pub fn learn_account(&self, method: Method, mailbox: &Mailbox, account: Account) -> Ask<bool> {
        let (address, mark, old) = (mailbox.address.clone(), mailbox.mark, mailbox.account.clone());
        self.change(move |transaction| {
            let is_method = switching::method(transaction)? == method;
            let table = transaction.open_table(MAILBOXES)?;
            let is_same = is_method
                && look_up(&table, &address)?.is_some_and(|now| now.mark == mark && now.account == old);
            if is_same {
                users::must_not_be_another(&table, &address, Some(&account), false)?;
            }
            drop(table);
            if is_same {
                change_mailbox(transaction, &address, |record| record.account = Some(account))?;
            }
            Ok(is_same)
        })
    }

    /// Gives a mailbox its first sealed password record, if users are known by the password file, and it is still the
    /// same mailbox and has none; gives whether it did. With the last of them learning ends.
    pub fn learn_password(&self, address: Address, mark: MailboxMark, password: Vec<u8>) -> Ask<bool> {
        let shared = Arc::clone(&self.shared);
        let change = move |transaction: &WriteTransaction| {
            let is_method = switching::method(transaction)? == Method::File;
            let table = transaction.open_table(MAILBOXES)?;
            let is_same = is_method
                && look_up(&table, &address)?.is_some_and(|now| now.mark == mark && now.password.is_empty());
            drop(table);
            if is_same {
                change_mailbox(transaction, &address, |record| record.password = password)?;
                switching::end_learning(transaction)?;
            }
            Ok(is_same)
        };
        self.change_then(change, move |_| shared.reload_settings())
    }
}

/// Looks twice, at the name itself and at where an alias of that name leads, or else at the name again.
fn at_address(transaction: &ReadTransaction, address: &Address, rules: Rules) -> Result<Found, Fault> {
    let own = accounts::mailbox(transaction, address.clone())?;
    let (at_home, target) = resolving::user_of(transaction, address, rules)?;
    let other = accounts::mailbox(transaction, target.unwrap_or_else(|| at_home.clone()))?;
    let mailbox = own.or(other);
    let address = mailbox.as_ref().map_or(at_home, |mailbox| mailbox.address.clone());
    Ok(Found { mailbox, address: Some(address) })
}

/// Looks into every domain, also behind the one that has the name.
fn of_name(
    transaction: &ReadTransaction,
    name: &str,
    is_meant: impl Fn(&Domain) -> bool,
) -> Result<Found, Fault> {
    let (mut found, mut possible) = (Vec::new(), Vec::new());
    for entry in transaction.open_table(DOMAINS)?.iter()? {
        let domain = accounts::parse_domain(entry?.0.value())?;
        let Ok(address) = Address::new(name, &domain) else { break };
        if !is_meant(&domain) {
            continue;
        }
        found.extend(accounts::mailbox(transaction, address.clone())?);
        found.truncate(2);
        possible.push(address);
        possible.truncate(2);
    }
    let mailbox = only(found);
    let address = mailbox.as_ref().map(|mailbox| mailbox.address.clone());
    Ok(Found { mailbox, address: address.or_else(|| only(possible)) })
}

/// Only who has proved himself elsewhere is looked for in this way, for it reads every mailbox.
fn of_account(
    transaction: &ReadTransaction,
    account: &Account,
    names: &[String],
    local_part: &str,
) -> Result<Option<Mailbox>, Fault> {
    let is_name = |name: &str| {
        let name = name.to_lowercase();
        name == account.name.to_lowercase() || names.iter().any(|other| other.to_lowercase() == name)
    };
    let (mut by_identity, mut by_name, mut by_local_part) = (Vec::new(), Vec::new(), Vec::new());
    for entry in transaction.open_table(MAILBOXES)?.iter()? {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        let address = schema::key_address(key.value())?;
        if address.local_part() == local_part {
            by_local_part.push((address.clone(), record.account.is_none()));
        }
        let Some(bound) = record.account else { continue };
        let (is_known, is_told) = (!bound.identity.is_empty(), !account.identity.is_empty());
        if is_known && is_told {
            by_identity.extend((bound.identity == account.identity).then_some(address));
        } else if is_name(&bound.name) {
            by_name.push(address);
        }
    }
    let address = match (&by_identity[..], &by_name[..], &by_local_part[..]) {
        ([address], _, _) | ([], [address], _) | ([], [], [(address, true)]) => address.clone(),
        _ => return Ok(None),
    };
    accounts::mailbox(transaction, address)
}

/// The only one.
fn only<T>(mut all: Vec<T>) -> Option<T> {
    let one = all.pop();
    one.filter(|_| all.is_empty())
}

#[cfg(test)]
mod tests;
