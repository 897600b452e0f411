//! Where an address leads.
//!
//! ```text
//! name@alias.domain --> name@domain --> mailbox | alias --> its targets: the same without catch-alls, or elsewhere
//!                           |               ^   |
//!                           +-without tag---+   +-- it forwards --> its targets, perhaps beside a copy for itself
//!                           +-nobody's name--> the domain's catch-all
//! ```
//!
//! An alias and a mailbox that forwards are entered once, so that cycles end; what they lead to is bounded by
//! [`crate::limits::ALIAS_TARGETS`] and [`crate::limits::ALIAS_DEPTH`], to which they are held when they are made.

use redb::{ReadTransaction, ReadableTable};

use super::engine::Fault;
use super::names::{Names, Rules};
use super::reaching::{Follow, Reached};
use super::schema::{self, MAIL, MAILBOXES, MailboxRecord};
use super::upload::read_counters;
use super::{Destination, Lock, Resolved, accounts};
use crate::mail::{Address, Alias, Role};

/// What an address is here.
pub(super) fn resolve(
    transaction: &ReadTransaction,
    address: Address,
    rules: Rules,
) -> Result<Resolved, Fault> {
    // Most mail is for a mailbox by its own name, and stays there.
    if let Some(record) = accounts::look_up(&transaction.open_table(MAILBOXES)?, &address)?
        && record.forward.is_none()
    {
        return Ok(Resolved::Mailboxes(destinations(transaction, vec![(record, address)])?));
    }
    let names = Names::of(transaction, rules)?;
    let reached = names.reached_from(names.find_or_catch_all(&address)?, Follow::Forwards)?;
    resolved(transaction, &names, reached, &address)
}

/// What an address is here by its own name: without the domain's catch-all.
pub(super) fn resolve_named(
    transaction: &ReadTransaction,
    address: &Address,
    rules: Rules,
) -> Result<Resolved, Fault> {
    let names = Names::of(transaction, rules)?;
    let reached = names.reached_from(names.find(address)?, Follow::Forwards)?;
    resolved(transaction, &names, reached, address)
}

fn resolved<T: ReadableTable<&'static str, &'static [u8]>>(
    transaction: &ReadTransaction,
    names: &Names<T>,
    reached: Reached,
    address: &Address,
) -> Result<Resolved, Fault> {
    let destinations = destinations(transaction, reached.mailboxes)?;
    Ok(match (destinations.is_empty(), reached.outside.is_empty()) {
        (_, false) => Resolved::Outside(destinations, reached.outside),
        (false, true) => Resolved::Mailboxes(destinations),
        (true, true) if names.is_ours(&address.domain())? => Resolved::UnknownUser,
        (true, true) => Resolved::ForeignDomain,
    })
}

/// Whether mail to `sender` reaches the mailbox of `user`; a role's mail is none of the catch-all's. Who gets the mail
/// that another's mailbox forwards is not its user.
pub(super) fn leads_to(
    transaction: &ReadTransaction,
    sender: &Address,
    user: &Address,
    rules: Rules,
) -> Result<bool, Fault> {
    let names = Names::of(transaction, rules)?;
    let found = match Role::of(sender.local_part(), names.separator()) {
        Some(_) => names.find(sender)?,
        None => names.find_or_catch_all(sender)?,
    };
    let reached = names.reached_from(found, Follow::Aliases)?;
    Ok(reached.mailboxes.iter().any(|(_, address)| address == user))
}

/// The address with an alias domain replaced by what that stands for, and the mailbox to which alone an alias of that
/// name leads. Neither tags of the name itself nor catch-alls count: they are no names of a user's own.
pub(super) fn user_of(
    transaction: &ReadTransaction,
    address: &Address,
    rules: Rules,
) -> Result<(Address, Option<Address>), Fault> {
    let names = Names::of(transaction, rules)?;
    let home = names.home_of(&address.domain())?;
    let at_home = home.and_then(|home| Address::new(address.local_part(), &home).ok());
    let at_home = at_home.unwrap_or_else(|| address.clone());
    let Some(record) = names.alias(&schema::mailbox_key(&at_home))? else { return Ok((at_home, None)) };
    let reached = names.expand(&Alias::Address(at_home.clone()), record.targets, Follow::Aliases)?;
    let target = match (&reached.mailboxes[..], reached.outside.is_empty()) {
        ([(_, target)], true) if reached.bound.is_none() => Some(target.clone()),
        _ => None,
    };
    Ok((at_home, target))
}

/// The mailboxes with what senders must know of them.
fn destinations(
    transaction: &ReadTransaction,
    mailboxes: Vec<(MailboxRecord, Address)>,
) -> Result<Vec<Destination>, Fault> {
    let domains = transaction.open_table(schema::DOMAINS)?;
    let mail = transaction.open_table(MAIL)?;
    let mut destinations = Vec::with_capacity(mailboxes.len());
    for (record, address) in mailboxes {
        let domain = accounts::find_domain(&domains, &address.domain())?;
        let counters = read_counters(&mail, record.id)?
            .ok_or_else(|| schema::damaged(&MAIL, "a mailbox has no counters"))?;
        destinations.push(Destination {
            mailbox: record.id,
            address,
            is_open: record.lock != Lock::All && domain.lock != Lock::All,
            messages: counters.live.messages,
            octets: counters.live.octets,
        });
    }
    Ok(destinations)
}
