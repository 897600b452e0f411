//! Aliases, catch-alls and alias domains: made, taken away, told, proven.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::resolving::{self, Bound, Names};
use super::schema::{self, ALIASES, AliasRecord, DOMAINS, META, META_ALIASES};
use super::{Store, accounts, routes};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Address, Alias, AliasTarget, Domain, MailboxId, RemoteAddress};
use crate::settings::TagSeparator;

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
    /// domain's catch-all. An alias domain leads to the same name at its target. Cycles lead nowhere; what leads
    /// nowhere is an unknown user.
    pub fn resolve(&self, address: Address) -> Ask<Resolved> {
        let separator = self.settings().tag_separator;
        self.ask(move |transaction| resolving::resolve(transaction, address, separator))
    }

    /// The same for a name that is somebody's own: the domain's catch-all doesn't count.
    pub fn resolve_named(&self, address: Address) -> Ask<Resolved> {
        let separator = self.settings().tag_separator;
        self.ask(move |transaction| resolving::resolve_named(transaction, &address, separator))
    }

    /// Makes an alias, or gives it other targets. Errs with [`StoreError::Exists`] if a mailbox or domain has that
    /// name; with [`StoreError::NotFound`] if its domain or a target is not here, where a catch-all doesn't count;
    /// with [`StoreError::Refused`] for a cycle, no target, one of the wrong kind or outside, more than
    /// [`limits::ALIAS_TARGETS`] with those of the aliases that it leads to, or more than [`limits::ALIAS_DEPTH`]
    /// one behind the other, also where an alias that leads to this one would have that.
    pub fn set_alias(&self, alias: Alias, targets: Vec<AliasTarget>) -> Ask<()> {
        let (separator, now) = (self.settings().tag_separator, self.clock.now());
        self.change(move |transaction| set(transaction, &alias, targets, separator, now))
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
        let separator = self.settings().tag_separator;
        self.ask(move |transaction| resolving::leads_to(transaction, &sender, &user, separator))
    }
}

fn set(
    transaction: &WriteTransaction,
    alias: &Alias,
    mut targets: Vec<AliasTarget>,
    separator: TagSeparator,
    now: UnixTime,
) -> Result<(), Fault> {
    let mut seen = std::collections::HashSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    let key = schema::alias_key(alias);
    let mut names = Names::before_change(transaction, separator)?;
    must_suit(alias, &targets)?;
    let record = AliasRecord { targets, created: now };
    match alias {
        Alias::Domain(domain) => check_domain(&names, domain, &record.targets)?,
        Alias::Address(_) | Alias::CatchAll(_) => {
            check_place(&names, alias)?;
            names.pending = Some((key.clone(), record.clone()));
            check_targets(&names, alias, &record.targets)?;
        }
    }
    drop(names);
    let mut aliases = transaction.open_table(ALIASES)?;
    let earlier = match aliases.get(key.as_str())? {
        Some(stored) => Some(schema::decode::<AliasRecord>(&ALIASES, key.as_str(), stored.value())?),
        None => None,
    };
    let record = AliasRecord { created: earlier.map_or(now, |earlier| earlier.created), ..record };
    aliases.insert(key.as_str(), schema::encode(&ALIASES, key.as_str(), &record)?.as_slice())?;
    count(transaction, aliases.len()?)
}

/// Targets of the right kind, and not too many of them.
fn must_suit(alias: &Alias, targets: &[AliasTarget]) -> Result<(), StoreError> {
    let refuse = |text: String| Err(StoreError::Refused(text));
    if let Some(outside) = targets.iter().find(|target| matches!(target, AliasTarget::Outside(_))) {
        return refuse(outside_text(alias, outside));
    }
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
        (_, targets) => match targets.iter().find(|target| matches!(target, AliasTarget::Domain(_))) {
            Some(domain) => {
                refuse(format!("{alias} can't lead to the domain {domain}: name an address there"))
            }
            None => Ok(()),
        },
    }
}

fn outside_text(alias: &Alias, target: &AliasTarget) -> String {
    format!(
        "mail can't leave this server yet, so {alias} can't be forwarded to {target}: name addresses of its domains"
    )
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
        Alias::Address(address) if names.has_mailbox(address)? => {
            Err(StoreError::Exists(format!("{address} is a mailbox already: an alias needs another name"))
                .into())
        }
        _ => Ok(()),
    }
}

/// Every target is here, and with the pending alias none leads too far or in a circle.
fn check_targets<T: ReadableTable<&'static str, &'static [u8]>>(
    names: &Names<T>,
    alias: &Alias,
    targets: &[AliasTarget],
) -> Result<(), Fault> {
    for target in targets {
        let AliasTarget::Address(address) = target else { continue };
        if names.find(address)?.is_some() {
            continue;
        }
        return Err(match names.is_ours(&address.domain())? {
            true => StoreError::NotFound(format!(
                "there is no mailbox or alias {address} that {alias} could lead to: add it first"
            )),
            false => StoreError::Refused(outside_text(alias, target)),
        }
        .into());
    }
    let reached = names.expand(&schema::alias_key(alias), targets.to_vec())?;
    if reached.is_cyclic {
        let text = format!("{alias} would lead to itself: take away what leads back to it");
        return Err(StoreError::Refused(text).into());
    }
    if let Some(bound) = reached.bound {
        return Err(StoreError::Refused(bound_text(alias, bound)).into());
    }
    for (above, record) in names.aliases_above(alias)? {
        if let Some(bound) = names.expand(&schema::alias_key(&above), record.targets)?.bound {
            return Err(StoreError::Refused(bound_text(&above, bound)).into());
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
