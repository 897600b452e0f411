//! Mailboxes whose mail goes on to other addresses (O5).

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::names::{Found, Names, Pending, Rules};
use super::schema::{self, MAILBOXES, MailboxRecord};
use super::{Store, accounts, aliases};
use crate::limits;
use crate::mail::{Address, Alias, AliasTarget};

/// Where a mailbox's mail goes on to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The addresses, here or elsewhere; never none.
    pub targets: Vec<AliasTarget>,
    /// Whether the mailbox keeps a copy. It does while all its targets here have been removed.
    pub keeps_copy: bool,
}

impl Store {
    /// Has a mailbox's mail go on, or no more; that goes and comes back with the mailbox. Nothing is forwarded while it is
    /// locked for all. Errs with [`StoreError::NotFound`] for the mailbox or a target of a domain of ours that is none,
    /// with [`StoreError::Refused`] for no target, a cycle, a target of the wrong kind, or more than
    /// [`crate::limits::FORWARD_TARGETS`]; also where something that leads to it would lead too far.
    pub fn set_forward(&self, address: Address, forward: Option<Forward>) -> Ask<()> {
        let rules = self.rules();
        self.change(move |transaction| {
            let forward = match forward {
                Some(forward) => Some(proven(transaction, &address, forward, rules)?),
                None => None,
            };
            accounts::change_mailbox(transaction, &address, |record| record.forward = forward)
        })
    }

    /// Where a mailbox's mail goes on to; none if it stays.
    pub fn forward(&self, address: Address) -> Ask<Option<Forward>> {
        self.ask(move |transaction| {
            let record = accounts::look_up(&transaction.open_table(MAILBOXES)?, &address)?;
            Ok(record.and_then(|record| record.forward))
        })
    }

    /// Every mailbox whose mail goes on, in the order of domain and name.
    pub fn forwards(&self) -> Ask<Vec<(Address, Forward)>> {
        self.ask(all)
    }
}

/// The forward as it may be stored.
fn proven(
    transaction: &WriteTransaction,
    address: &Address,
    forward: Forward,
    rules: Rules,
) -> Result<Forward, Fault> {
    let mut names = Names::before_change(transaction, rules)?;
    let name = Alias::Address(address.clone());
    let Some(record) = names.mailbox(address)? else {
        return Err(StoreError::NotFound(format!("there is no mailbox {address}")).into());
    };
    let refuse = |text| Err(StoreError::Refused(text).into());
    let targets = aliases::proven(&names, &name, forward.targets)?;
    if targets.is_empty() {
        return refuse(format!("{address} would forward to nobody: name where its mail shall go"));
    }
    if targets.len() > limits::FORWARD_TARGETS {
        return refuse(format!(
            "{address} would forward to more than {} addresses: make an alias of them, and forward to that",
            limits::FORWARD_TARGETS
        ));
    }
    for target in &targets {
        if let AliasTarget::Address(to) = target
            && let Some(Found::Mailbox(found, _)) = names.find(to)?
            && found.id == record.id
        {
            return refuse(format!(
                "{address} can't forward to itself: leave {to} out; it keeps a copy unless --only is said"
            ));
        }
    }
    let forward = Forward { targets, ..forward };
    names.pending = Some(Pending::Forward(schema::mailbox_key(address), forward.clone()));
    let found = MailboxRecord { forward: Some(forward.clone()), ..record };
    aliases::must_end(&names, &Found::Mailbox(found, address.clone()))?;
    Ok(forward)
}

fn all(transaction: &ReadTransaction) -> Result<Vec<(Address, Forward)>, Fault> {
    let mut rows = Vec::new();
    for entry in transaction.open_table(MAILBOXES)?.iter()? {
        let (key, stored) = entry?;
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        if let Some(forward) = record.forward {
            rows.push((schema::key_address(key.value())?, forward));
        }
    }
    Ok(rows)
}
