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
    /// The mailboxes to which an address leads, and the addresses elsewhere; none where its domain is not ours.
    pub fn resolve(&self, address: &str) -> Option<(BTreeSet<u32>, BTreeSet<String>)> {
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
            Some(Name::Mailbox(id)) => (BTreeSet::from([id]), BTreeSet::new()),
            Some(Name::Alias(alias)) => {
                let (_, mailboxes, outside) = self.reach(&alias);
                (mailboxes, outside)
            }
            None => Default::default(),
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
                    && targets.iter().all(|target| after.find(target).is_some() || !self.is_ours(target))
                    && !after.reach(alias).0.contains(alias)
            }
        };
        if may {
            let mut once: Vec<String> = Vec::new();
            for target in targets {
                // What is outside when it is made has a mark.
                let is_outside = alias.contains('@') && !self.is_ours(target);
                let target = if is_outside { format!("!{target}") } else { target.clone() };
                if !once.contains(&target) {
                    once.push(target);
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

    fn is_ours(&self, address: &str) -> bool {
        let domain = address.split_once('@').map_or(address, |(_, domain)| domain);
        self.domains.contains_key(domain) || self.aliases.contains_key(domain)
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

    /// The aliases and the mailboxes behind an alias, and the addresses elsewhere.
    fn reach(&self, alias: &str) -> (BTreeSet<String>, BTreeSet<u32>, BTreeSet<String>) {
        let (mut aliases, mut mailboxes, mut outside) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut left = vec![alias.to_owned()];
        while let Some(alias) = left.pop() {
            for target in self.aliases.get(&alias).map_or(&[][..], |(targets, _)| targets) {
                let marked = target.strip_prefix('!');
                match self.find(marked.unwrap_or(target)) {
                    Some(Name::Mailbox(id)) => {
                        mailboxes.insert(id);
                    }
                    Some(Name::Alias(next)) => {
                        if aliases.insert(next.clone()) {
                            left.push(next);
                        }
                    }
                    None => outside.extend(marked.filter(|marked| !self.is_ours(marked)).map(str::to_owned)),
                }
            }
        }
        (aliases, mailboxes, outside)
    }
}
