//! Where an address leads.
//!
//! ```text
//! name@alias.domain --> name@domain --> mailbox | alias --> its targets: the same, without catch-alls
//!                           |               ^
//!                           +-without tag---+
//!                           +-nobody's name--> the domain's catch-all
//! ```
//!
//! An alias is entered once, so that cycles end; what it leads to is bounded by [`limits::ALIAS_TARGETS`] and
//! [`limits::ALIAS_DEPTH`], to which aliases are held when they are made.

use std::collections::HashSet;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::engine::Fault;
use super::schema::{self, ALIASES, AliasRecord, DOMAINS, MAIL, MAILBOXES, MailboxRecord};
use super::upload::read_counters;
use super::{Destination, Lock, Resolved, accounts};
use crate::limits;
use crate::mail::{Address, Alias, AliasTarget, Domain, Role};
use crate::settings::TagSeparator;

/// What an address is here.
pub(super) fn resolve(
    transaction: &ReadTransaction,
    address: Address,
    separator: TagSeparator,
) -> Result<Resolved, Fault> {
    // Most mail is for a mailbox by its own name.
    if let Some(record) = accounts::look_up(&transaction.open_table(MAILBOXES)?, &address)? {
        return destinations(transaction, vec![(record, address)]);
    }
    let names = Names::of(transaction, separator)?;
    let mailboxes = names.mailboxes_of(&address)?;
    resolved(transaction, &names, mailboxes, &address)
}

/// What an address is here by its own name: without the domain's catch-all.
pub(super) fn resolve_named(
    transaction: &ReadTransaction,
    address: &Address,
    separator: TagSeparator,
) -> Result<Resolved, Fault> {
    let names = Names::of(transaction, separator)?;
    let mailboxes = names.reached_from(names.find(address)?)?;
    resolved(transaction, &names, mailboxes, address)
}

fn resolved<T: ReadableTable<&'static str, &'static [u8]>>(
    transaction: &ReadTransaction,
    names: &Names<T>,
    mailboxes: Vec<(MailboxRecord, Address)>,
    address: &Address,
) -> Result<Resolved, Fault> {
    if !mailboxes.is_empty() {
        return destinations(transaction, mailboxes);
    }
    Ok(match names.is_ours(&address.domain())? {
        true => Resolved::UnknownUser,
        false => Resolved::ForeignDomain,
    })
}

/// Whether mail to `sender` reaches the mailbox of `user`; a role's mail is none of the catch-all's.
pub(super) fn leads_to(
    transaction: &ReadTransaction,
    sender: &Address,
    user: &Address,
    separator: TagSeparator,
) -> Result<bool, Fault> {
    let names = Names::of(transaction, separator)?;
    let mailboxes = match Role::of(sender.local_part(), separator.0) {
        Some(_) => names.reached_from(names.find(sender)?)?,
        None => names.mailboxes_of(sender)?,
    };
    Ok(mailboxes.iter().any(|(_, address)| address == user))
}

/// The address with an alias domain replaced by what that stands for, and the mailbox to which alone an alias of that
/// name leads. Neither tags of the name itself nor catch-alls count: they are no names of a user's own.
pub(super) fn user_of(
    transaction: &ReadTransaction,
    address: &Address,
    separator: TagSeparator,
) -> Result<(Address, Option<Address>), Fault> {
    let names = Names::of(transaction, separator)?;
    let home = names.home_of(&address.domain())?;
    let at_home = home.and_then(|home| Address::new(address.local_part(), &home).ok());
    let at_home = at_home.unwrap_or_else(|| address.clone());
    let key = schema::mailbox_key(&at_home);
    let Some(record) = names.alias(&key)? else { return Ok((at_home, None)) };
    let reached = names.expand(&key, record.targets)?;
    let target = match &reached.mailboxes[..] {
        [(_, target)] if reached.bound.is_none() => Some(target.clone()),
        _ => None,
    };
    Ok((at_home, target))
}

/// The mailboxes with what senders must know of them.
fn destinations(
    transaction: &ReadTransaction,
    mailboxes: Vec<(MailboxRecord, Address)>,
) -> Result<Resolved, Fault> {
    let domains = transaction.open_table(DOMAINS)?;
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
    Ok(Resolved::Mailboxes(destinations))
}

/// The tables in which names are found.
pub(super) struct Names<T> {
    domains: T,
    mailboxes: T,
    aliases: T,
    separator: TagSeparator,
    /// An alias, by its key, that counts as if it was stored: it is about to be.
    pub pending: Option<(String, AliasRecord)>,
}

/// What a name is.
pub(super) enum Found {
    /// A mailbox with its own address.
    Mailbox(MailboxRecord, Address),
    /// An alias with its key.
    Alias(String, AliasRecord),
}

/// Where an alias leads.
#[derive(Default)]
pub(super) struct Reached {
    /// The mailboxes, each once.
    pub mailboxes: Vec<(MailboxRecord, Address)>,
    /// Whether it leads to itself.
    pub is_cyclic: bool,
    /// What kept the walk from its end.
    pub bound: Option<Bound>,
}

/// What an alias may not have more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// Aliases one behind the other.
    Depth,
    /// Targets, with those of the aliases that it leads to.
    Targets,
}

impl Names<redb::ReadOnlyTable<&'static str, &'static [u8]>> {
    /// As they stand.
    fn of(transaction: &ReadTransaction, separator: TagSeparator) -> Result<Self, Fault> {
        Ok(Names {
            domains: transaction.open_table(DOMAINS)?,
            mailboxes: transaction.open_table(MAILBOXES)?,
            aliases: transaction.open_table(ALIASES)?,
            separator,
            pending: None,
        })
    }
}

impl<'t> Names<redb::Table<'t, &'static str, &'static [u8]>> {
    /// As they stand before a change; they must be dropped before it.
    pub(super) fn before_change(
        transaction: &'t WriteTransaction,
        separator: TagSeparator,
    ) -> Result<Self, Fault> {
        Ok(Names {
            domains: transaction.open_table(DOMAINS)?,
            mailboxes: transaction.open_table(MAILBOXES)?,
            aliases: transaction.open_table(ALIASES)?,
            separator,
            pending: None,
        })
    }
}

impl<T: ReadableTable<&'static str, &'static [u8]>> Names<T> {
    /// Whether a domain has mailboxes, or could have.
    pub(super) fn has_domain(&self, domain: &Domain) -> Result<bool, Fault> {
        Ok(self.domains.get(domain.as_str())?.is_some())
    }

    /// Whether a mailbox has that very name.
    pub(super) fn has_mailbox(&self, address: &Address) -> Result<bool, Fault> {
        Ok(self.mailboxes.get(schema::mailbox_key(address).as_str())?.is_some())
    }

    /// Whether mail for a domain is for us.
    pub(super) fn is_ours(&self, domain: &Domain) -> Result<bool, Fault> {
        Ok(self.has_domain(domain)? || self.aliases.get(domain.as_str())?.is_some())
    }

    /// The domain that an alias domain stands for.
    pub(super) fn home_of(&self, domain: &Domain) -> Result<Option<Domain>, Fault> {
        let record = self.alias(domain.as_str())?;
        Ok(record.and_then(|record| match record.targets.into_iter().next() {
            Some(AliasTarget::Domain(home)) => Some(home),
            _ => None,
        }))
    }

    /// The mailbox or alias of an address: that of the very name, else that of the name without its tag.
    pub(super) fn find(&self, address: &Address) -> Result<Option<Found>, Fault> {
        if let Some(found) = self.named(address)? {
            return Ok(Some(found));
        }
        let home = self.home_of(&address.domain())?;
        let at_home = home.and_then(|home| Address::new(address.local_part(), &home).ok());
        if let Some(address) = &at_home
            && let Some(found) = self.named(address)?
        {
            return Ok(Some(found));
        }
        match untagged(at_home.as_ref().unwrap_or(address), self.separator) {
            Some(plain) => self.named(&plain),
            None => Ok(None),
        }
    }

    /// Where an alias leads.
    pub(super) fn expand(&self, key: &str, targets: Vec<AliasTarget>) -> Result<Reached, Fault> {
        let mut reached = Reached::default();
        let mut entered = HashSet::from([key.to_owned()]);
        let mut known = HashSet::new();
        let mut left = limits::ALIAS_TARGETS;
        let mut level = targets;
        for _ in 0..limits::ALIAS_DEPTH {
            let mut next = Vec::new();
            for target in level {
                if left == 0 {
                    reached.bound = Some(Bound::Targets);
                    return Ok(reached);
                }
                left -= 1;
                let AliasTarget::Address(address) = target else { continue };
                match self.find(&address)? {
                    Some(Found::Mailbox(record, address)) if known.insert(record.id) => {
                        reached.mailboxes.push((record, address));
                    }
                    Some(Found::Alias(found, _)) if found == key => reached.is_cyclic = true,
                    Some(Found::Alias(found, record)) if !entered.contains(&found) => {
                        entered.insert(found);
                        next.extend(record.targets);
                    }
                    _ => {}
                }
            }
            if next.is_empty() {
                return Ok(reached);
            }
            level = next;
        }
        reached.bound = Some(Bound::Depth);
        Ok(reached)
    }

    /// The aliases that lead to this one, directly or by others.
    pub(super) fn aliases_above(&self, alias: &Alias) -> Result<Vec<(Alias, AliasRecord)>, Fault> {
        let mut above = Vec::new();
        let mut keys = HashSet::from([schema::alias_key(alias)]);
        let mut below = vec![alias.clone()];
        while !below.is_empty() {
            let locals: HashSet<&str> = below.iter().filter_map(local_part).collect();
            let mut next = Vec::new();
            for entry in self.aliases.iter()? {
                let (key, stored) = entry?;
                if keys.contains(key.value()) {
                    continue;
                }
                let record: AliasRecord = schema::decode(&ALIASES, key.value(), stored.value())?;
                if self.leads_into(&record, &locals, &keys)? {
                    next.push((key.value().to_owned(), record));
                }
            }
            below.clear();
            for (key, record) in next {
                let alias = schema::key_alias(&key)?;
                keys.insert(key);
                below.push(alias.clone());
                above.push((alias, record));
            }
        }
        Ok(above)
    }

    /// Whether a target is one of these aliases, whose local parts are `locals`: few are, so few are looked up.
    fn leads_into(
        &self,
        record: &AliasRecord,
        locals: &HashSet<&str>,
        keys: &HashSet<String>,
    ) -> Result<bool, Fault> {
        for target in &record.targets {
            let AliasTarget::Address(address) = target else { continue };
            let is_near = locals.contains(address.local_part())
                || untagged(address, self.separator).is_some_and(|plain| locals.contains(plain.local_part()));
            if is_near
                && let Some(Found::Alias(key, _)) = self.find(address)?
                && keys.contains(&key)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn mailboxes_of(&self, address: &Address) -> Result<Vec<(MailboxRecord, Address)>, Fault> {
        let found = match self.find(address)? {
            Some(found) => Some(found),
            None => self.catch_all(&address.domain())?,
        };
        self.reached_from(found)
    }

    fn reached_from(&self, found: Option<Found>) -> Result<Vec<(MailboxRecord, Address)>, Fault> {
        Ok(match found {
            Some(Found::Mailbox(record, address)) => vec![(record, address)],
            Some(Found::Alias(key, record)) => self.expand(&key, record.targets)?.mailboxes,
            None => Vec::new(),
        })
    }

    fn catch_all(&self, domain: &Domain) -> Result<Option<Found>, Fault> {
        let home = self.home_of(domain)?;
        let key = schema::alias_key(&Alias::CatchAll(home.unwrap_or_else(|| domain.clone())));
        Ok(self.alias(&key)?.map(|record| Found::Alias(key, record)))
    }

    fn named(&self, address: &Address) -> Result<Option<Found>, Fault> {
        if let Some(record) = accounts::look_up(&self.mailboxes, address)? {
            return Ok(Some(Found::Mailbox(record, address.clone())));
        }
        let key = schema::mailbox_key(address);
        Ok(self.alias(&key)?.map(|record| Found::Alias(key, record)))
    }

    fn alias(&self, key: &str) -> Result<Option<AliasRecord>, Fault> {
        if let Some((pending, record)) = &self.pending
            && pending == key
        {
            return Ok(Some(record.clone()));
        }
        match self.aliases.get(key)? {
            Some(stored) => Ok(Some(schema::decode(&ALIASES, key, stored.value())?)),
            None => Ok(None),
        }
    }
}

fn local_part(alias: &Alias) -> Option<&str> {
    match alias {
        Alias::Address(address) => Some(address.local_part()),
        // Nobody can send to a catch-all by its name.
        Alias::CatchAll(_) | Alias::Domain(_) => None,
    }
}

/// The address without its tag; none if it has none. The first separator that has a name before it parts them.
pub fn untagged(address: &Address, separator: TagSeparator) -> Option<Address> {
    let separator = separator.0?;
    let (at, _) = address.local_part().char_indices().skip(1).find(|&(_, letter)| letter == separator)?;
    Address::new(&address.local_part()[..at], &address.domain()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_begins_at_the_first_separator_that_has_a_name_before_it_s_111() {
        for (address, separator, plain) in [
            ("bob+x@home.lan", '+', Some("bob@home.lan")),
            ("bob+@home.lan", '+', Some("bob@home.lan")),
            ("bob+x+y@home.lan", '+', Some("bob@home.lan")),
            ("bob++@home.lan", '+', Some("bob@home.lan")),
            ("j\u{f6}rg+x@home.lan", '+', Some("j\u{f6}rg@home.lan")),
            ("bob@home.lan", '+', None),
            ("bob-x@home.lan", '+', None),
            ("bob-x+y@home.lan", '-', Some("bob@home.lan")),
            ("_x@home.lan", '_', None),
            ("_x_y@home.lan", '_', Some("_x@home.lan")),
            ("__y@home.lan", '_', Some("_@home.lan")),
            ("bob.x@home.lan", '.', Some("bob@home.lan")),
            ("bob.-x@home.lan", '-', None),
        ] {
            let address: Address = address.parse().unwrap();
            let found = untagged(&address, TagSeparator(Some(separator)));
            assert_eq!(found.as_ref().map(Address::as_str), plain, "{address}");
            assert_eq!(untagged(&address, TagSeparator(None)), None);
        }
    }
}
