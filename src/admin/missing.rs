//! What to say of a name that is not here as what it was taken for: it may be something else.

use super::{AdminError, Context, Failure, aliases};
use crate::mail::{Address, Alias, Domain};

/// The error for a domain that is not here.
pub(super) async fn no_domain(context: &Context, domain: &Domain) -> AdminError {
    match alias_of(context, domain).await {
        Err(error) => error,
        Ok(Some(real)) => not_found(format!("{domain} is an alias of the domain {real}: name that one")),
        Ok(None) if context.store.devices().iter().any(|device| device.name == domain.as_str()) => not_found(
            format!("{domain} is a device: \"poppet device --help\" tells what can be done with it"),
        ),
        Ok(None) => not_found(format!("there is no domain {domain}: \"poppet list\" shows those there are")),
    }
}

/// The error for a name without @ that nothing here has: neither a domain nor an alias.
pub(super) async fn no_domain_or_alias(context: &Context, domain: &Domain) -> AdminError {
    match context.store.devices().iter().any(|device| device.name == domain.as_str()) {
        true => no_domain(context, domain).await,
        false => not_found(format!(
            "there is no domain {domain}, nor an alias of that name: \"poppet list\" and \"poppet alias\" show those \
             there are"
        )),
    }
}

/// The error for a mailbox that is not here.
pub(super) async fn no_mailbox(context: &Context, address: &Address) -> AdminError {
    match look(context, address, false).await {
        Ok(error) | Err(error) => error,
    }
}

/// The error for an address that nothing here has: neither a mailbox nor an alias.
pub(super) async fn no_mailbox_or_alias(context: &Context, address: &Address) -> AdminError {
    match look(context, address, true).await {
        Ok(error) | Err(error) => error,
    }
}

async fn look(context: &Context, address: &Address, may_be_alias: bool) -> Result<AdminError, AdminError> {
    if let Some(row) = aliases::find(context, &Alias::Address(address.clone())).await? {
        let targets = aliases::shown(&row.targets);
        return Ok(not_found(format!("{address} is no mailbox but an alias of {targets}: name a mailbox")));
    }
    let domain = address.domain();
    if let Some(real) = alias_of(context, &domain).await? {
        let text = format!(
            "{domain} is an alias of the domain {real}: {}@{real} is what {address} leads to",
            address.local_part()
        );
        return Ok(not_found(text));
    }
    if !context.store.has_domain(domain.clone()).await? {
        return Ok(no_domain(context, &domain).await);
    }
    Ok(not_found(match may_be_alias {
        false => format!("there is no mailbox {address}: \"poppet list {domain}\" shows those there are"),
        true => format!(
            "there is no mailbox {address}, nor an alias of that name: \"poppet list {domain}\" and \"poppet alias\" \
             show those there are"
        ),
    }))
}

/// To which domain that one leads; none if it is no alias.
pub(super) async fn alias_of(context: &Context, domain: &Domain) -> Result<Option<String>, AdminError> {
    let row = aliases::find(context, &Alias::Domain(domain.clone())).await?;
    Ok(row.map(|row| aliases::shown(&row.targets)))
}

fn not_found(text: String) -> AdminError {
    AdminError::new(Failure::NotFound, text)
}
