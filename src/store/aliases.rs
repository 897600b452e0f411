//! Aliases, catch-alls and alias domains: made, taken away, told, proven.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::names::{self, Found, Names, Pending, Rules};
use super::reaching::{Bound, Follow};
use super::resolving;
use super::schema::{self, ALIASES, AliasRecord, DOMAINS, META, META_ALIASES};
use super::{Store, accounts, routes};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Address, Alias, AliasTarget, Domain, MailboxId, RemoteAddress};

/// What a forward-path's address is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// It leads to these mailboxes, each once; never none, and nowhere else.
    Mailboxes(Vec<Destination>),
    /// It leads to these mailboxes, perhaps none, and also to addresses elsewhere (O5); never none of these.
    Outside(Vec<Destination>, Vec<ToOutside>),
    /// The domain is ours, the user unknown.
    UnknownUser,
    /// The domain is not ours.
    ForeignDomain,
}

/// An address elsewhere to which one of ours leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToOutside {
    /// The address.
    pub address: RemoteAddress,
    /// The mailbox or alias that forwards to it.
    pub forwarder: Alias,
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
    /// Where that leads, as it was set; some of it may have been removed since.
    pub targets: Vec<AliasTarget>,
    /// When it was made.
    pub created: UnixTime,
}

impl Store {
    /// What that address is here: a mailbox; else an alias; else, without its tag, a mailbox or an alias; else the
    /// domain's catch-all. An alias domain leads to the same name at its target; a mailbox that forwards leads to where
    /// it does. Cycles lead nowhere; what leads nowhere is an unknown user.
    pub fn resolve(&self, address: Address) -> Ask<Resolved> {
        let rules = self.rules();
        self.ask(move |transaction| resolving::resolve(transaction, address, rules))
    }

    /// The same for a name that is somebody's own: the domain's catch-all doesn't count.
    pub fn resolve_named(&self, address: Address) -> Ask<Resolved> {
        let rules = self.rules();
        self.ask(move |transaction| resolving::resolve_named(transaction, &address, rules))
    }

    /// Makes an alias, or gives it other targets; whether an address is one here or elsewhere is told by its domain.
    /// Errs with [`StoreError::Exists`] if a mailbox or domain has that name; with [`StoreError::NotFound`] if its domain
    /// or a target in a domain of ours is not here, where a catch-all doesn't count; with [`StoreError::Refused`] for a
    /// cycle, no target, one of the wrong kind, more than [`limits::ALIAS_TARGETS`] with those of the aliases and forwards
    /// that it leads to, or more than [`limits::ALIAS_DEPTH`] one behind the other, also where one that leads to this one
    /// would have that.
    pub fn set_alias(&self, alias: Alias, targets: Vec<AliasTarget>) -> Ask<()> {
        let (rules, now) = (self.rules(), self.clock.now());
        self.change(move |transaction| set(transaction, &alias, targets, rules, now))
    }

    /// Takes an alias away, an alias domain with its routes; errs with [`StoreError::NotFound`].
    pub fn remove_alias(&self, alias: Alias) -> Ask<()> {
        let shared = Arc::clone(&self.shared);
        let remove = move |transaction: &WriteTransaction| {
            let key = schema::alias_key(&alias);
            if transaction.open_table(ALIASES)?.get(key.as_str())?.is_none() {
                return Err(StoreError::NotFound(format!("there is no alias {alias}")).into());
            }
            if let Alias::Domain(domain) = &alias {
                routes::remove_of_domain(transaction, domain)?;
            }
            remove_all(transaction, vec![key])
        };
        self.change_then(remove, move |()| shared.reload_routes())
    }

    /// The aliases of one domain or of all, in the order of domain and name, a domain's own first. Errs with
    /// [`StoreError::NotFound`] for an unknown domain.
    pub fn aliases(&self, domain: Option<Domain>) -> Ask<Vec<AliasRow>> {
        self.ask(move |transaction| rows(transaction, domain))
    }

    /// Whether mail to `sender` reaches the mailbox of `user`, so that he may send under it (M10): directly, or by
    /// aliases and tags. A catch-all counts, but not for roles, whose mail it doesn't get; the
    /// postmaster's fallback does not.
    pub fn leads_to(&self, sender: Address, user: Address) -> Ask<bool> {
        let rules = self.rules();
        self.ask(move |transaction| resolving::leads_to(transaction, &sender, &user, rules))
    }
}

fn set(
    transaction: &WriteTransaction,
    alias: &Alias,
    targets: Vec<AliasTarget>,
    rules: Rules,
    now: UnixTime,
) -> Result<(), Fault> {
    let key = schema::alias_key(alias);
    let mut names = Names::before_change(transaction, rules)?;
    must_suit(alias, &targets)?;
    let targets = match alias {
        Alias::Domain(domain) => {
            check_domain(&names, domain, &targets)?;
            targets
        }
        Alias::Address(_) | Alias::CatchAll(_) => {
            check_place(&names, alias)?;
            let pending = |targets| Some(Pending::Alias(key.clone(), AliasRecord { targets, created: now }));
            // What leads to itself is a cycle, and no target that is missing.
            names.pending = pending(targets.clone());
            let targets = proven(&names, alias, targets)?;
            names.pending = pending(targets.clone());
            must_end(&names, &Found::Alias(alias.clone(), targets.clone()))?;
            targets
        }
    };
    drop(names);
    let mut aliases = transaction.open_table(ALIASES)?;
    let earlier = match aliases.get(key.as_str())? {
        Some(stored) => Some(schema::decode::<AliasRecord>(&ALIASES, key.as_str(), stored.value())?),
        None => None,
    };
    let record = AliasRecord { targets, created: earlier.map_or(now, |earlier| earlier.created) };
    aliases.insert(key.as_str(), schema::encode(&ALIASES, key.as_str(), &record)?.as_slice())?;
    count(transaction, aliases.len()?)
}

/// Targets of the right kind, and not too many of them.
fn must_suit(alias: &Alias, targets: &[AliasTarget]) -> Result<(), StoreError> {
    let refuse = |text: String| Err(StoreError::Refused(text));
    match (alias, targets) {
        (_, []) => refuse(format!("{alias} leads nowhere: name where its mail shall go")),
        (Alias::Domain(_), [AliasTarget::Domain(_)]) => Ok(()),
        (Alias::Domain(_), _) => {
            let name = alias.domain();
            let name = name.as_str().split('.').next().unwrap_or_default();
            refuse(format!(
                "{alias} is a domain, having no @: it can lead to one domain, as home.lan; an address is written as \
                 {name}@home.lan"
            ))
        }
        (_, targets) if targets.len() > limits::ALIAS_TARGETS => refuse(bound_text(alias, Bound::Targets)),
        _ => Ok(()),
    }
}

fn bound_text(alias: &Alias, bound: Bound) -> String {
    match bound {
        Bound::Targets => format!(
            "{alias} would have more than {} targets, with those of the aliases it leads to: name fewer",
            limits::ALIAS_TARGETS
        ),
        Bound::Depth => format!(
            "{alias} would lead through more than {} aliases: let it lead to mailboxes",
            limits::ALIAS_DEPTH
        ),
    }
}

/// A new alias domain stands in no other's place, and leads to a domain that is none.
fn check_domain<T: ReadableTable<&'static str, &'static [u8]>>(
    names: &Names<T>,
    domain: &Domain,
    targets: &[AliasTarget],
) -> Result<(), Fault> {
    if names.has_domain(domain)? {
        return Err(StoreError::Exists(format!("the domain {domain} exists already")).into());
    }
    let [AliasTarget::Domain(target)] = targets else { return Ok(()) };
    if names.has_domain(target)? {
        return Ok(());
    }
    Err(match names.home_of(target)? {
        Some(_) if target == domain => StoreError::Refused(format!("{domain} can't be an alias of itself")),
        Some(home) => {
            StoreError::Refused(format!("{target} is an alias of {home} itself: let {domain} lead to {home}"))
        }
        None => StoreError::NotFound(format!("there is no domain {target}")),
    }
    .into())
}

/// The domain is here, and no mailbox has the name.
fn check_place<T: ReadableTable<&'static str, &'static [u8]>>(
    names: &Names<T>,
    alias: &Alias,
) -> Result<(), Fault> {
    let domain = alias.domain();
    if !names.has_domain(&domain)? {
        return Err(match names.home_of(&domain)? {
            Some(home) => StoreError::Refused(format!(
                "{domain} is an alias of {home}: make the alias there, and it counts for both"
            )),
            None => StoreError::NotFound(format!("there is no domain {domain}")),
        }
        .into());
    }
    match alias {
        Alias::Address(address) if names.mailbox(address)?.is_some() => {
            Err(StoreError::Exists(format!("{address} is a mailbox already: an alias needs another name"))
                .into())
        }
        _ => Ok(()),
    }
}

/// The targets of an alias or a mailbox, each once, as addresses of ours if their domain is; each of these is here, or
/// may be where a route leads.
pub(super) fn proven<T: ReadableTable<&'static str, &'static [u8]>>(
    names: &Names<T>,
    alias: &Alias,
    targets: Vec<AliasTarget>,
) -> Result<Vec<AliasTarget>, Fault> {
    let mut once = Vec::with_capacity(targets.len());
    let mut seen = std::collections::HashSet::new();
    for target in targets {
        let target = proven_target(names, alias, target)?;
        if seen.insert(target.clone()) {
            once.push(target);
        }
    }
    Ok(once)
}

fn proven_target<T: ReadableTable<&'static str, &'static [u8]>>(
    names: &Names<T>,
    alias: &Alias,
    target: AliasTarget,
) -> Result<AliasTarget, Fault> {
    let refuse = |text| Err(StoreError::Refused(text).into());
    let remote = match &target {
        AliasTarget::Address(address) => RemoteAddress::from(address),
        AliasTarget::Outside(text) => match RemoteAddress::parse(text) {
            Ok(remote) => remote,
            Err(error) => return refuse(format!("{alias} can't lead to {text}: {error}")),
        },
        AliasTarget::Domain(domain) => {
            return refuse(format!("{alias} can't lead to the domain {domain}: name an address there"));
        }
    };
    let outside = AliasTarget::Outside(remote.as_str().into());
    let Some(domain) = remote.domain() else { return Ok(outside) };
    if !names.is_ours(&domain)? {
        return Ok(outside);
    }
    let address = names::possibly_here(&target);
    let found = match &address {
        Some(address) => names.find(address)?,
        None => None,
    };
    match (address, found) {
        (Some(address), Some(_)) => Ok(AliasTarget::Address(address)),
        (address, _) if names.is_routed(&domain, address.as_ref())? => Ok(outside),
        _ => Err(StoreError::NotFound(format!(
            "there is no mailbox or alias {remote} that {alias} could lead to: add it first"
        ))
        .into()),
    }
}

/// With what is pending, what was found and what leads to it lead neither too far nor in a circle.
pub(super) fn must_end<T: ReadableTable<&'static str, &'static [u8]>>(
    names: &Names<T>,
    found: &Found,
) -> Result<(), Fault> {
    let name = found.name();
    let reached = names.reached_from(Some(found.clone()), Follow::Forwards)?;
    if reached.is_cyclic {
        let text = format!("{name} would lead to itself: take away what leads back to it");
        return Err(StoreError::Refused(text).into());
    }
    if let Some(bound) = reached.bound {
        return Err(StoreError::Refused(bound_text(&name, bound)).into());
    }
    for above in names.above(&name)? {
        let above_name = above.name();
        if let Some(bound) = names.reached_from(Some(above), Follow::Forwards)?.bound {
            return Err(StoreError::Refused(bound_text(&above_name, bound)).into());
        }
    }
    Ok(())
}

fn rows(transaction: &ReadTransaction, domain: Option<Domain>) -> Result<Vec<AliasRow>, Fault> {
    if let Some(domain) = &domain
        && !accounts::has_domain(transaction, domain)?
    {
        return Err(StoreError::NotFound(format!("there is no domain {domain}")).into());
    }
    let mut rows = Vec::new();
    for entry in transaction.open_table(ALIASES)?.iter()? {
        let (key, stored) = entry?;
        let alias = schema::key_alias(key.value())?;
        if domain.as_ref().is_none_or(|domain| *domain == alias.domain()) {
            let record: AliasRecord = schema::decode(&ALIASES, key.value(), stored.value())?;
            rows.push(AliasRow { alias, targets: record.targets, created: record.created });
        }
    }
    rows.sort_by_cached_key(|row| {
        let is_name = matches!(row.alias, Alias::Address(_));
        (row.alias.domain(), is_name, schema::alias_key(&row.alias))
    });
    Ok(rows)
}

/// Errs with [`StoreError::Exists`] if an alias has that name.
pub(super) fn must_be_free(
    aliases: &impl ReadableTable<&'static str, &'static [u8]>,
    alias: &Alias,
) -> Result<(), Fault> {
    match aliases.get(schema::alias_key(alias).as_str())? {
        Some(_) => {
            let text = format!("{alias} is an alias already: take that away first, or choose another name");
            Err(StoreError::Exists(text).into())
        }
        None => Ok(()),
    }
}

/// Errs with [`StoreError::Refused`] if an alias has the name of a mailbox that shall come back.
pub(super) fn must_not_be_taken(
    aliases: &impl ReadableTable<&'static str, &'static [u8]>,
    address: &Address,
) -> Result<(), Fault> {
    match aliases.get(schema::mailbox_key(address).as_str())? {
        Some(_) => {
            let text = format!("{address} is an alias by now: take that away first, then undelete it again");
            Err(StoreError::Refused(text).into())
        }
        None => Ok(()),
    }
}

/// What to say instead where a domain is not found that is an alias.
pub(super) fn explain_absence(
    aliases: &impl ReadableTable<&'static str, &'static [u8]>,
    domain: &Domain,
    fault: Fault,
) -> Fault {
    match aliases.get(domain.as_str()) {
        Ok(Some(stored)) if fault.is_refusal() => {
            let record = schema::decode::<AliasRecord>(&ALIASES, domain.as_str(), stored.value());
            let home = record.ok().and_then(|record| record.targets.first().map(AliasTarget::to_string));
            let home = home.unwrap_or_else(|| "another".into());
            StoreError::NotFound(format!("{domain} is an alias of {home} and has no mailboxes of its own"))
                .into()
        }
        _ => fault,
    }
}

/// The keys of a domain's aliases, and of the alias domains that lead to it.
pub(super) fn of_domain(
    aliases: &impl ReadableTable<&'static str, &'static [u8]>,
    domain: &Domain,
) -> Result<Vec<String>, Fault> {
    let mut keys = Vec::new();
    for entry in aliases.iter()? {
        let (key, stored) = entry?;
        let is_doomed = match schema::key_alias(key.value())? {
            Alias::Domain(_) => {
                let record: AliasRecord = schema::decode(&ALIASES, key.value(), stored.value())?;
                record.targets.contains(&AliasTarget::Domain(domain.clone()))
            }
            alias => alias.domain() == *domain,
        };
        if is_doomed {
            keys.push(key.value().to_owned());
        }
    }
    Ok(keys)
}

/// Removes the aliases of these keys.
pub(super) fn remove_all(transaction: &WriteTransaction, keys: Vec<String>) -> Result<(), Fault> {
    let mut aliases = transaction.open_table(ALIASES)?;
    for key in keys {
        aliases.remove(key.as_str())?;
    }
    count(transaction, aliases.len()?)
}

/// Proves that every alias is found by its name, and that there are as many as there should be: damage must not make
/// an unknown user of one.
pub(super) fn prove(transaction: &ReadTransaction) -> Result<(), Fault> {
    let aliases = transaction.open_table(ALIASES)?;
    let domains = transaction.open_table(DOMAINS)?;
    let mut count = 0_u32;
    for entry in aliases.iter()? {
        let alias = schema::key_alias(entry?.0.value())?;
        let key = schema::alias_key(&alias);
        let stored = aliases.get(key.as_str())?.ok_or_else(missing)?;
        let record: AliasRecord = schema::decode(&ALIASES, key.as_str(), stored.value())?;
        let home = match (&alias, record.targets.as_slice()) {
            (Alias::Domain(_), [AliasTarget::Domain(home)]) => home.clone(),
            _ => alias.domain(),
        };
        accounts::find_domain(&domains, &home).map_err(|_| missing())?;
        count += 1;
    }
    let counted: u32 = match transaction.open_table(META)?.get(META_ALIASES)? {
        Some(stored) => schema::decode(&META, META_ALIASES, stored.value())?,
        None => 0,
    };
    match count == counted {
        true => Ok(()),
        false => Err(schema::damaged(&ALIASES, "some aliases are missing").into()),
    }
}

fn missing() -> StoreError {
    schema::damaged(&ALIASES, "an alias is not found by its name")
}

fn count(transaction: &WriteTransaction, count: u64) -> Result<(), Fault> {
    let count = schema::encode(&META, META_ALIASES, &(count as u32)).map_err(Fault::fatal)?;
    transaction.open_table(META)?.insert(META_ALIASES, count.as_slice())?;
    Ok(())
}
