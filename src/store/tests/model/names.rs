//! Where addresses lead, worked out in another way than the store does.

use std::collections::BTreeSet;

use super::*;

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Name {
    Mailbox(u32),
    Alias(String),
}

impl Model {
    /// The mailboxes to which an address leads; none where its domain is not ours.
    pub fn resolve(&self, address: &str) -> Option<BTreeSet<u32>> {
        let (_, domain) = address.split_once('@')?;
        let home = self.home(domain);
        if !self.domains.contains_key(&home) {
            return None;
        }
        let catch_all = format!("*@{home}");
        let found = self
            .find(address)
            .or_else(|| self.aliases.contains_key(&catch_all).then_some(Name::Alias(catch_all)));
        Some(match found {
            Some(Name::Mailbox(id)) => BTreeSet::from([id]),
            Some(Name::Alias(alias)) => self.reach(&alias).1,
            None => BTreeSet::new(),
        })
    }

    /// Makes an alias; says whether that may be.
    pub fn set_alias(&mut self, alias: &str, targets: &[String]) -> bool {
        let may = match alias.split_once('@') {
            None => !self.domains.contains_key(alias) && self.domains.contains_key(&targets[0]),
            Some((_, domain)) => {
                let mut after = self.clone();
                after.aliases.insert(alias.into(), (targets.to_vec(), 0));
                self.domains.contains_key(domain)
                    && self.mailbox_of(alias).is_none()
                    && targets.iter().all(|target| after.find(target).is_some())
                    && !after.reach(alias).0.contains(alias)
            }
        };
        if may {
            let mut once: Vec<String> = Vec::new();
            for target in targets {
                if !once.contains(target) {
                    once.push(target.clone());
                }
            }
            let now = self.now;
            let entry = self.aliases.entry(alias.into()).or_insert((Vec::new(), now));
            entry.0 = once;
        }
        may
    }

    /// Takes a domain away with all that belongs to it; says whether it was here.
    pub fn remove_domain(&mut self, domain: &str) -> bool {
        if self.domains.remove(domain).is_none() {
            return false;
        }
        self.aliases.retain(|alias, (targets, _)| match alias.split_once('@') {
            Some((_, of)) => of != domain,
            None => targets[0] != domain,
        });
        let ids: Vec<u32> = self.boxes.keys().copied().collect();
        for id in ids {
            if self.is_present(id) && self.boxes[&id].address.domain().as_str() == domain {
                self.bury(id);
            }
        }
        true
    }

    fn home(&self, domain: &str) -> String {
        self.aliases.get(domain).map_or(domain.into(), |(targets, _)| targets[0].clone())
    }

    fn mailbox_of(&self, name: &str) -> Option<u32> {
        self.present(&name.parse().ok()?)
    }

    fn find(&self, address: &str) -> Option<Name> {
        let (local, domain) = address.split_once('@')?;
        let home = self.home(domain);
        let plain = local.split('+').next()?;
        let names = [address.to_owned(), format!("{local}@{home}"), format!("{plain}@{home}")];
        names.into_iter().find_map(|name| match self.mailbox_of(&name) {
            Some(id) => Some(Name::Mailbox(id)),
            None => self.aliases.contains_key(&name).then_some(Name::Alias(name)),
        })
    }

    /// The aliases and the mailboxes behind an alias.
    fn reach(&self, alias: &str) -> (BTreeSet<String>, BTreeSet<u32>) {
        let (mut aliases, mut mailboxes) = (BTreeSet::new(), BTreeSet::new());
        let mut left = vec![alias.to_owned()];
        while let Some(alias) = left.pop() {
            for target in self.aliases.get(&alias).map_or(&[][..], |(targets, _)| targets) {
                match self.find(target) {
                    Some(Name::Mailbox(id)) => {
                        mailboxes.insert(id);
                    }
                    Some(Name::Alias(next)) if aliases.insert(next.clone()) => left.push(next),
                    _ => {}
                }
            }
        }
        (aliases, mailboxes)
    }
}
