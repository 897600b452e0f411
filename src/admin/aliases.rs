//! Addresses that are no mailboxes (M6): aliases with one target or many, catch-alls, alias domains.

use super::missing::{alias_of, no_domain, no_domain_or_alias};
use super::{AdminError, Answer, Context, Failure, forwards};
use crate::mail::{Address, Alias, AliasTarget, Domain};
use crate::store::{AliasRow, Resolved, StoreError};

/// All of them, the one of that name, or those that lead to the domain or mailbox of that name.
pub(super) async fn aliases(context: &Context, of: Option<Alias>) -> Result<Answer, AdminError> {
    let mut rows = context.store.aliases(None).await?;
    let Some(of) = of else { return Ok(Answer::Aliases(rows)) };
    if rows.iter().any(|row| row.alias == of) {
        rows.retain(|row| row.alias == of);
        return Ok(Answer::Aliases(rows));
    }
    match of {
        Alias::Domain(domain) => {
            if !context.store.has_domain(domain.clone()).await? {
                return Err(no_domain_or_alias(context, &domain).await);
            }
            let itself = AliasTarget::Domain(domain.clone());
            rows.retain(|row| row.alias.domain() == domain || row.targets.contains(&itself));
        }
        Alias::Address(address) => {
            must_be_mailbox(context, &address).await?;
            rows.retain(|row| row.targets.contains(&AliasTarget::Address(address.clone())));
        }
        Alias::CatchAll(domain) => {
            must_be_domain(context, &domain).await?;
            return Err(no_alias(&Alias::CatchAll(domain)));
        }
    }
    Ok(Answer::Aliases(rows))
}

/// Makes an alias or gives it other targets.
pub(super) async fn set(
    context: &Context,
    alias: Alias,
    targets: Vec<AliasTarget>,
) -> Result<Answer, AdminError> {
    may_have_that_name(context, &alias).await?;
    let before = find(context, &alias).await?.map_or(Vec::new(), |row| row.targets);
    match (context.store.set_alias(alias.clone(), targets.clone()).await, targets.as_slice()) {
        (Err(StoreError::NotFound(_)), [AliasTarget::Domain(domain)]) => {
            return Err(no_domain(context, domain).await);
        }
        (result, _) => result?,
    }
    let targets = find(context, &alias).await?.map_or(targets, |row| row.targets);
    let notes = forwards::no_way_out(context, None, &targets).into_iter().collect();
    Ok(Answer::AliasSet { targets, before, notes })
}

pub(super) async fn remove(context: &Context, alias: Alias) -> Result<Answer, AdminError> {
    let Some(row) = find(context, &alias).await? else { return Err(no_alias(&alias)) };
    let before = dead_ends(context).await?;
    match context.store.remove_alias(alias.clone()).await {
        Err(StoreError::NotFound(_)) => return Err(no_alias(&alias)),
        result => result?,
    }
    Ok(Answer::AliasRemoved { row, dead_ends: new_dead_ends(context, &before).await? })
}

/// The alias of that name.
pub(super) async fn find(context: &Context, alias: &Alias) -> Result<Option<AliasRow>, AdminError> {
    Ok(context.store.aliases(None).await?.into_iter().find(|row| row.alias == *alias))
}

/// How many go with a domain: its own, and the domains that lead to it.
pub(super) async fn count_with(context: &Context, domain: &Domain) -> Result<u32, AdminError> {
    let itself = AliasTarget::Domain(domain.clone());
    let rows = context.store.aliases(None).await?;
    let with_it = rows.iter().filter(|row| row.alias.domain() == *domain || row.targets.contains(&itself));
    Ok(with_it.count().try_into().unwrap_or(u32::MAX))
}

/// The aliases that lead nowhere: mail to them is refused.
pub(super) async fn dead_ends(context: &Context) -> Result<Vec<Alias>, AdminError> {
    let mut dead = Vec::new();
    for row in context.store.aliases(None).await? {
        let mut is_dead = true;
        for target in row.targets {
            is_dead &= leads_nowhere(context, target).await?;
        }
        if is_dead {
            dead.push(row.alias);
        }
    }
    Ok(dead)
}

/// Those that did not before.
pub(super) async fn new_dead_ends(context: &Context, before: &[Alias]) -> Result<Vec<Alias>, AdminError> {
    let mut dead = dead_ends(context).await?;
    dead.retain(|alias| !before.contains(alias));
    Ok(dead)
}

/// Targets in a sentence.
pub(super) fn shown(targets: &[AliasTarget]) -> String {
    let mut names: Vec<String> = targets.iter().take(SHOWN).map(AliasTarget::to_string).collect();
    if targets.len() > SHOWN {
        names.push(format!("{} more", targets.len() - SHOWN));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => "nobody".into(),
    }
}

async fn leads_nowhere(context: &Context, target: AliasTarget) -> Result<bool, AdminError> {
    Ok(match target {
        AliasTarget::Address(address) => {
            !matches!(context.store.resolve(address).await?, Resolved::Mailboxes(_) | Resolved::Outside(..))
        }
        AliasTarget::Domain(domain) => !context.store.has_domain(domain).await?,
        AliasTarget::Outside(_) => false,
    })
}

/// What the store would refuse as well, with what to type instead.
async fn may_have_that_name(context: &Context, alias: &Alias) -> Result<(), AdminError> {
    match alias {
        Alias::Domain(domain) if is_domain(context, domain).await? => Err(AdminError::new(
            Failure::Exists,
            format!(
                "{domain} is a domain with mailboxes of its own: \"poppet del {domain}\" first, then it can be an alias"
            ),
        )),
        Alias::Domain(_) => Ok(()),
        Alias::CatchAll(domain) => must_be_domain(context, domain).await,
        Alias::Address(address) => {
            if let Some(real) = alias_of(context, &address.domain()).await? {
                let text = format!(
                    "{} is an alias of the domain {real}: make {}@{real} the alias, and {address} leads there too",
                    address.domain(),
                    address.local_part()
                );
                return Err(AdminError::new(Failure::Refused, text));
            }
            must_be_domain(context, &address.domain()).await?;
            match context.store.mailbox(address.clone()).await? {
                None => Ok(()),
                Some(_) => Err(AdminError::new(
                    Failure::Exists,
                    format!("{address} is a mailbox: choose another name, or \"poppet del {address}\" first"),
                )),
            }
        }
    }
}

/// A domain with mailboxes of its own.
async fn must_be_domain(context: &Context, domain: &Domain) -> Result<(), AdminError> {
    match is_domain(context, domain).await? {
        true => Ok(()),
        false => Err(no_domain(context, domain).await),
    }
}

async fn is_domain(context: &Context, domain: &Domain) -> Result<bool, AdminError> {
    Ok(context.store.domains().await?.iter().any(|row| row.domain == *domain))
}

async fn must_be_mailbox(context: &Context, address: &Address) -> Result<(), AdminError> {
    if context.store.mailbox(address.clone()).await?.is_some() {
        return Ok(());
    }
    if alias_of(context, &address.domain()).await?.is_none() {
        must_be_domain(context, &address.domain()).await?;
        return Err(no_alias(&Alias::Address(address.clone())));
    }
    Err(super::missing::no_mailbox(context, address).await)
}

fn no_alias(alias: &Alias) -> AdminError {
    let domain = alias.domain();
    let text = match alias {
        Alias::CatchAll(_) => {
            format!("{domain} has no catch-all: \"poppet alias '{alias}' ADDRESS\" makes one")
        }
        Alias::Address(_) => {
            format!("there is no alias or mailbox {alias}: \"poppet alias {domain}\" shows the aliases")
        }
        Alias::Domain(_) => format!("there is no alias {alias}: \"poppet alias\" shows those there are"),
    };
    AdminError::new(Failure::NotFound, text)
}

/// Names in a sentence.
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_few_targets() {
        for (count, wanted) in [
            (0, "nobody"),
            (1, "u0@home.lan"),
            (2, "u0@home.lan and u1@home.lan"),
            (3, "u0@home.lan, u1@home.lan and u2@home.lan"),
            (4, "u0@home.lan, u1@home.lan, u2@home.lan and 1 more"),
            (1000, "u0@home.lan, u1@home.lan, u2@home.lan and 997 more"),
        ] {
            let target = |number| AliasTarget::Address(format!("u{number}@home.lan").parse().unwrap());
            let targets: Vec<_> = (0..count).map(target).collect();
            assert_eq!(shown(&targets), wanted);
        }
    }
}
