//! Mailboxes whose users are known elsewhere: by the system, or by a directory.

use redb::WriteTransaction;

use super::accounts::{self, change_mailbox};
use super::engine::Fault;
use super::error::Ask;
use super::schema::{self, MAILBOXES, MailboxRecord};
use super::{Store, StoreError, switching};
use crate::clock::UnixTime;
use crate::mail::{Account, Address, MailboxId, MailboxMark};
use crate::settings::Method;
use redb::ReadableTable;

/// A mailbox to be added.
#[derive(Debug, Clone)]
pub struct NewMailbox {
    /// Its address.
    pub address: Address,
    /// Its random mark.
    pub mark: MailboxMark,
    /// Its sealed password record; empty for none.
    pub password: Vec<u8>,
    /// Whose account elsewhere it is.
    pub account: Option<Account>,
    /// How users are known, as far as its asker knows: by local accounts no mailbox of another domain may have the same
    /// local part (A5).
    pub method: Method,
}

impl Store {
    /// Adds a mailbox; errs with [`StoreError::NotFound`] (the domain), [`StoreError::Exists`], or
    /// [`StoreError::Refused`] if its name must be unique and is not, or users are known in another way now.
    pub fn add_user(&self, new: NewMailbox) -> Ask<MailboxId> {
        let now = self.shared.making_time();
        self.change(move |transaction| add(transaction, new, now))
    }

    /// Binds a mailbox to an account that was found by that method, or to none; errs with [`StoreError::NotFound`], or
    /// [`StoreError::Refused`] if it is another mailbox's (S-206), or users are known in another way now.
    pub fn bind_account(&self, method: Method, address: Address, account: Option<Account>) -> Ask<()> {
        self.change(move |transaction| {
            must_be_method(transaction, method)?;
            must_not_be_another(&transaction.open_table(MAILBOXES)?, &address, account.as_ref(), false)?;
            change_mailbox(transaction, &address, |record| record.account = account)
        })
    }
}

fn add(transaction: &WriteTransaction, new: NewMailbox, now: UnixTime) -> Result<MailboxId, Fault> {
    let NewMailbox { address, mark, password, account, method } = new;
    must_be_method(transaction, method)?;
    if method == Method::Local
        && let Some(other) = of_name(&transaction.open_table(MAILBOXES)?, &address)?
    {
        let text = format!("{other} has that name already, and the users of local accounts are known by it");
        return Err(StoreError::Refused(text).into());
    }
    must_not_be_another(&transaction.open_table(MAILBOXES)?, &address, account.as_ref(), false)?;
    accounts::add_mailbox(transaction, &address, mark, (password, account), now)
}

/// An account means nothing to another method, and a password neither.
fn must_be_method(transaction: &WriteTransaction, method: Method) -> Result<(), Fault> {
    match switching::method(transaction)? {
        now if now == method => Ok(()),
        now => {
            let text =
                format!("users are known by {now} since a moment ago; nothing was changed, say it again");
            Err(StoreError::Refused(text).into())
        }
    }
}

/// Another mailbox with the same local part.
pub(super) fn of_name(
    mailboxes: &impl ReadableTable<&'static str, &'static [u8]>,
    address: &Address,
) -> Result<Option<Address>, Fault> {
    for entry in mailboxes.iter()? {
        let other = schema::key_address(entry?.0.value())?;
        if other.local_part() == address.local_part() && other != *address {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Errs with [`StoreError::Refused`] if a mailbox that comes, comes back or is bound anew would be known by what another
/// one is known by now: its account, or its name where that must be unique.
pub(super) fn must_not_be_another(
    mailboxes: &impl ReadableTable<&'static str, &'static [u8]>,
    address: &Address,
    account: Option<&Account>,
    is_name_unique: bool,
) -> Result<(), Fault> {
    for entry in mailboxes.iter()? {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        let other = schema::key_address(key.value())?;
        if other == *address {
            continue;
        }
        let has_account = match (&record.account, account) {
            (Some(left), Some(right)) => left.is_same_as(right),
            _ => false,
        };
        if has_account || is_name_unique && other.local_part() == address.local_part() {
            let text = format!(
                "{other} has the account of {address} now: remove that mailbox, or give it another one"
            );
            return Err(StoreError::Refused(text).into());
        }
    }
    Ok(())
}
