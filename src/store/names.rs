//! Names as the tables have them: what a name is, where it leads, what leads to it.

use std::collections::HashSet;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::engine::Fault;
use super::schema::{self, ALIASES, AliasRecord, DOMAINS, MAILBOXES, MailboxRecord};
use super::{Forward, Route, Store, accounts};
use crate::mail::{Address, AddressSpace, Alias, AliasTarget, Domain};
use crate::settings::TagSeparator;

/// What tells where a name leads, beside the tables of names.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub separator: TagSeparator,
    /// Users of our domains whom nobody knows here may be known where a route leads.
    pub routes: Arc<[Route]>,
}

/// The tables in which names are found.
pub(super) struct Names<T> {
    pub domains: T,
    mailboxes: T,
    aliases: T,
    rules: Rules,
    /// What counts as if it was stored: it is about to be.
    pub pending: Option<Pending>,
}

/// An alias or a forward that is about to be made.
pub(super) enum Pending {
    /// By its key.
    Alias(String, AliasRecord),
    /// By the key of its mailbox.
    Forward(String, Forward),
}

/// What a name is.
#[derive(Clone)]
pub(super) enum Found {
    /// A mailbox with its own address.
    Mailbox(MailboxRecord, Address),
    /// An alias with its targets.
    Alias(Alias, Vec<AliasTarget>),
}

impl Store {
    /// What tells where names lead now.
    pub(super) fn rules(&self) -> Rules {
        Rules { separator: self.settings().tag_separator, routes: self.routes() }
    }
}

impl Names<redb::ReadOnlyTable<&'static str, &'static [u8]>> {
    /// As they stand.
    pub(super) fn of(transaction: &ReadTransaction, rules: Rules) -> Result<Self, Fault> {
        Ok(Names {
            domains: transaction.open_table(DOMAINS)?,
            mailboxes: transaction.open_table(MAILBOXES)?,
            aliases: transaction.open_table(ALIASES)?,
            rules,
            pending: None,
        })
    }
}

impl<'t> Names<redb::Table<'t, &'static str, &'static [u8]>> {
    /// As they stand before a change; they must be dropped before it.
    pub(super) fn before_change(transaction: &'t WriteTransaction, rules: Rules) -> Result<Self, Fault> {
        Ok(Names {
            domains: transaction.open_table(DOMAINS)?,
            mailboxes: transaction.open_table(MAILBOXES)?,
            aliases: transaction.open_table(ALIASES)?,
            rules,
            pending: None,
        })
    }
}

impl<T: ReadableTable<&'static str, &'static [u8]>> Names<T> {
    /// What parts a tag from a name.
    pub(super) fn separator(&self) -> Option<char> {
        self.rules.separator.0
    }

    /// Whether a domain has mailboxes, or could have.
    pub(super) fn has_domain(&self, domain: &Domain) -> Result<bool, Fault> {
        Ok(self.domains.get(domain.as_str())?.is_some())
    }

    /// The mailbox of that very name.
    pub(super) fn mailbox(&self, address: &Address) -> Result<Option<MailboxRecord>, Fault> {
        accounts::look_up(&self.mailboxes, address)
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
        match untagged(at_home.as_ref().unwrap_or(address), self.rules.separator) {
            Some(plain) => self.named(&plain),
            None => Ok(None),
        }
    }

    /// The same, or else the domain's catch-all.
    pub(super) fn find_or_catch_all(&self, address: &Address) -> Result<Option<Found>, Fault> {
        if let Some(found) = self.find(address)? {
            return Ok(Some(found));
        }
        let domain = address.domain();
        let catch_all = Alias::CatchAll(self.home_of(&domain)?.unwrap_or(domain));
        let record = self.alias(&schema::alias_key(&catch_all))?;
        Ok(record.map(|record| Found::Alias(catch_all, record.targets)))
    }

    /// Whether somebody of a domain of ours may be known where a route for him leads, if he isn't here.
    pub(super) fn is_routed(&self, domain: &Domain, address: Option<&Address>) -> Result<bool, Fault> {
        let home = self.home_of(domain)?.unwrap_or_else(|| domain.clone());
        Ok(self.rules.routes.iter().any(|route| match &route.space {
            AddressSpace::Address(routed) => Some(routed) == address,
            AddressSpace::Domain(routed) => routed == domain || *routed == home,
            AddressSpace::Below(above) => is_below(domain, above),
            AddressSpace::All => false,
        }))
    }

    /// The aliases and the mailboxes that forward which lead to this one, directly or by others.
    pub(super) fn above(&self, alias: &Alias) -> Result<Vec<Found>, Fault> {
        let mut above = Vec::new();
        let mut keys = HashSet::from([schema::alias_key(alias)]);
        let mut below = vec![alias.clone()];
        while !below.is_empty() {
            let locals: HashSet<&str> = below.iter().filter_map(local_part).collect();
            let mut next = Vec::new();
            for entry in self.aliases.iter()? {
                let (key, stored) = entry?;
                let record: AliasRecord = schema::decode(&ALIASES, key.value(), stored.value())?;
                if !keys.contains(key.value()) && self.leads_into(&record.targets, &locals, &keys)? {
                    next.push(Found::Alias(schema::key_alias(key.value())?, record.targets));
                }
            }
            for entry in self.mailboxes.iter()? {
                let (key, stored) = entry?;
                let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
                let targets = record.forward.as_ref().map_or(&[][..], |forward| &forward.targets);
                if !keys.contains(key.value()) && self.leads_into(targets, &locals, &keys)? {
                    next.push(Found::Mailbox(record, schema::key_address(key.value())?));
                }
            }
            below = next.iter().map(Found::name).collect();
            keys.extend(below.iter().map(schema::alias_key));
            above.extend(next);
        }
        Ok(above)
    }

    /// Whether a target is one of these, whose local parts are `locals`: few are, so few are looked up.
    fn leads_into(
        &self,
        targets: &[AliasTarget],
        locals: &HashSet<&str>,
        keys: &HashSet<String>,
    ) -> Result<bool, Fault> {
        for target in targets {
            let Some(address) = possibly_here(target) else { continue };
            let is_near = locals.contains(address.local_part())
                || untagged(&address, self.rules.separator)
                    .is_some_and(|plain| locals.contains(plain.local_part()));
            if is_near
                && let Some(found) = self.find(&address)?
                && keys.contains(&schema::alias_key(&found.name()))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn named(&self, address: &Address) -> Result<Option<Found>, Fault> {
        let key = schema::mailbox_key(address);
        if let Some(mut record) = self.mailbox(address)? {
            if let Some(Pending::Forward(pending, forward)) = &self.pending
                && *pending == key
            {
                record.forward = Some(forward.clone());
            }
            return Ok(Some(Found::Mailbox(record, address.clone())));
        }
        let record = self.alias(&key)?;
        Ok(record.map(|record| Found::Alias(Alias::Address(address.clone()), record.targets)))
    }

    /// The alias of a key.
    pub(super) fn alias(&self, key: &str) -> Result<Option<AliasRecord>, Fault> {
        if let Some(Pending::Alias(pending, record)) = &self.pending
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

impl Found {
    /// Its name.
    pub(super) fn name(&self) -> Alias {
        match self {
            Found::Mailbox(_, address) => Alias::Address(address.clone()),
            Found::Alias(alias, _) => alias.clone(),
        }
    }
}

/// The address of a target as one of ours would have it.
pub(super) fn possibly_here(target: &AliasTarget) -> Option<Address> {
    match target {
        AliasTarget::Address(address) => Some(address.clone()),
        AliasTarget::Outside(text) => text.parse().ok(),
        AliasTarget::Domain(_) => None,
    }
}

fn is_below(domain: &Domain, above: &Domain) -> bool {
    domain.as_str().strip_suffix(above.as_str()).is_some_and(|front| front.ends_with('.'))
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
