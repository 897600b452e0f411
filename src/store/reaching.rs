//! The walk from a name along its targets to the mailboxes and the addresses elsewhere that get its mail.

use std::collections::HashSet;

use redb::ReadableTable;

use super::engine::Fault;
use super::names::{Found, Names, possibly_here};
use super::schema::{self, MailboxRecord};
use super::{Forward, Lock, ToOutside, accounts};
use crate::limits;
use crate::mail::{Address, Alias, AliasTarget, MailboxId, RemoteAddress};

/// How far mail is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// To the mailboxes that have the name, as logons and senders do.
    Aliases,
    /// Also where they forward it.
    Forwards,
}

/// Where an alias leads.
#[derive(Default)]
pub(super) struct Reached {
    /// The mailboxes that get it, each once.
    pub mailboxes: Vec<(MailboxRecord, Address)>,
    /// Who gets it elsewhere, each once.
    pub outside: Vec<ToOutside>,
    /// Whether it leads to itself.
    pub is_cyclic: bool,
    /// What kept the walk from its end.
    pub bound: Option<Bound>,
}

/// What an alias or a forward may not have more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// Aliases and forwards one behind the other.
    Depth,
    /// Targets, with those of what they lead to.
    Targets,
}

/// What a target is.
enum Lead {
    Here(Found),
    Outside(RemoteAddress),
    /// It has been removed.
    Nowhere,
}

/// A walk along targets, level by level.
struct Walk {
    start: String,
    reached: Reached,
    /// Keys of aliases.
    entered: HashSet<String>,
    known: HashSet<MailboxId>,
    known_outside: HashSet<(String, String)>,
    /// Mailboxes that forward and keep no copy, with their targets.
    emptied: Vec<(MailboxRecord, Address, Vec<AliasTarget>)>,
    next: Vec<(Alias, Vec<AliasTarget>)>,
}

impl<T: ReadableTable<&'static str, &'static [u8]>> Names<T> {
    /// Where what was found leads.
    pub(super) fn reached_from(&self, found: Option<Found>, follow: Follow) -> Result<Reached, Fault> {
        match found {
            None => Ok(Reached::default()),
            Some(Found::Alias(alias, targets)) => self.expand(&alias, targets, follow),
            Some(Found::Mailbox(record, address)) => {
                let mut walk = Walk::from(&Alias::Address(address.clone()));
                self.enter_mailbox(&mut walk, record, address, follow)?;
                self.walk_on(&mut walk, follow)?;
                self.fill_emptied(walk, follow)
            }
        }
    }

    /// Where an alias with those targets leads.
    pub(super) fn expand(
        &self,
        alias: &Alias,
        targets: Vec<AliasTarget>,
        follow: Follow,
    ) -> Result<Reached, Fault> {
        let mut walk = Walk::from(alias);
        walk.next.push((alias.clone(), targets));
        self.walk_on(&mut walk, follow)?;
        self.fill_emptied(walk, follow)
    }

    /// Goes on until nothing new is reached.
    fn walk_on(&self, walk: &mut Walk, follow: Follow) -> Result<(), Fault> {
        let mut left = limits::ALIAS_TARGETS;
        for _ in 0..limits::ALIAS_DEPTH {
            for (forwarder, targets) in std::mem::take(&mut walk.next) {
                for target in targets {
                    if left == 0 {
                        walk.reached.bound = Some(Bound::Targets);
                        return Ok(());
                    }
                    left -= 1;
                    match self.lead(&target)? {
                        Lead::Here(Found::Mailbox(record, address)) => {
                            self.enter_mailbox(walk, record, address, follow)?;
                        }
                        Lead::Here(Found::Alias(alias, targets)) => walk.enter_alias(alias, targets),
                        Lead::Outside(address) => walk.leave(address, &forwarder),
                        Lead::Nowhere => {}
                    }
                }
            }
            if walk.next.is_empty() {
                return Ok(());
            }
        }
        walk.reached.bound = Some(Bound::Depth);
        Ok(())
    }

    fn enter_mailbox(
        &self,
        walk: &mut Walk,
        mut record: MailboxRecord,
        address: Address,
        follow: Follow,
    ) -> Result<(), Fault> {
        if !walk.known.insert(record.id) {
            walk.reached.is_cyclic |= schema::mailbox_key(&address) == walk.start;
            return Ok(());
        }
        let forward = record.forward.take();
        let forward = match follow {
            Follow::Forwards if self.takes_mail(&record, &address)? => forward,
            Follow::Forwards | Follow::Aliases => None,
        };
        match forward {
            None => walk.reached.mailboxes.push((record, address)),
            Some(Forward { targets, keeps_copy }) => {
                walk.next.push((Alias::Address(address.clone()), targets.clone()));
                match keeps_copy {
                    true => walk.reached.mailboxes.push((record, address)),
                    false => walk.emptied.push((record, address, targets)),
                }
            }
        }
        Ok(())
    }

    /// A mailbox whose forward leads nowhere, because its targets have been removed, gets its mail itself.
    fn fill_emptied(&self, walk: Walk, follow: Follow) -> Result<Reached, Fault> {
        let mut reached = walk.reached;
        for (record, address, targets) in walk.emptied {
            let mut sub = Walk::from(&Alias::Address(address.clone()));
            sub.known.insert(record.id);
            sub.next.push((Alias::Address(address.clone()), targets));
            self.walk_on(&mut sub, follow)?;
            if sub.reached.mailboxes.is_empty() && sub.reached.outside.is_empty() {
                reached.mailboxes.push((record, address));
            }
        }
        Ok(reached)
    }

    /// Whether a mailbox is not locked for all, so that it can forward.
    fn takes_mail(&self, record: &MailboxRecord, address: &Address) -> Result<bool, Fault> {
        let domain = accounts::find_domain(&self.domains, &address.domain())?;
        Ok(record.lock != Lock::All && domain.lock != Lock::All)
    }

    fn lead(&self, target: &AliasTarget) -> Result<Lead, Fault> {
        if let Some(address) = possibly_here(target)
            && let Some(found) = self.find(&address)?
        {
            return Ok(Lead::Here(found));
        }
        let remote = match target {
            AliasTarget::Address(address) => RemoteAddress::from(address),
            AliasTarget::Outside(text) => RemoteAddress::from_path(text),
            AliasTarget::Domain(_) => return Ok(Lead::Nowhere),
        };
        let is_elsewhere = match remote.domain() {
            Some(domain) if self.is_ours(&domain)? => {
                self.is_routed(&domain, possibly_here(target).as_ref())?
            }
            // What was a mailbox of a domain of ours is nobody else's when the domain is gone.
            _ => matches!(target, AliasTarget::Outside(_)),
        };
        Ok(if is_elsewhere { Lead::Outside(remote) } else { Lead::Nowhere })
    }
}

impl Walk {
    fn from(start: &Alias) -> Walk {
        let start = schema::alias_key(start);
        Walk {
            entered: HashSet::from([start.clone()]),
            start,
            reached: Reached::default(),
            known: HashSet::new(),
            known_outside: HashSet::new(),
            emptied: Vec::new(),
            next: Vec::new(),
        }
    }

    fn enter_alias(&mut self, alias: Alias, targets: Vec<AliasTarget>) {
        let key = schema::alias_key(&alias);
        self.reached.is_cyclic |= key == self.start;
        if self.entered.insert(key) {
            self.next.push((alias, targets));
        }
    }

    fn leave(&mut self, address: RemoteAddress, forwarder: &Alias) {
        let key = (address.local_text().to_owned(), address.domain_text().to_ascii_lowercase());
        if self.known_outside.insert(key) {
            self.reached.outside.push(ToOutside { address, forwarder: forwarder.clone() });
        }
    }
}
