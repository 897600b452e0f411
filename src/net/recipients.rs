//! Whose mail a forward-path's mail is, and whether it has room there. No name outside is ever looked up.

use crate::mail::{Address, Domain, Role};
use crate::settings::{FullMailbox, Settings};
use crate::smtp::{ForwardPath, Recipient};
use crate::store::{Destination, Resolved, Store, StoreError};

/// Finds out who a forward-path is, for a message of so many octets; 0 if they are not known. Every domain of ours has
/// a postmaster and somebody for complaints of abuse: a mailbox or alias of that name, else who the settings name, else
/// the oldest mailbox; a catch-all is for other names. RFC 5321 §4.5.1, RFC 2142 §4.
pub async fn look_up(
    store: &Store,
    settings: &Settings,
    path: ForwardPath,
    octets: u64,
) -> Result<Recipient, StoreError> {
    let found = match path {
        ForwardPath::Address(address) => {
            let separator = store.settings().tag_separator.0;
            match Role::of(address.local_part(), separator) {
                Some(_) => role(store, settings, address).await?,
                None => store.resolve(address).await?,
            }
        }
        ForwardPath::Postmaster => administrator(store, settings).await?,
        ForwardPath::Role(name, domain) => match Address::new(name.as_str(), &domain) {
            Ok(address) => role(store, settings, address).await?,
            Err(_) => unknown_at(store, domain).await?,
        },
        ForwardPath::OtherLocalPart(domain) => unknown_at(store, domain).await?,
        ForwardPath::Foreign => Resolved::ForeignDomain,
    };
    Ok(match found {
        Resolved::Mailboxes(found) => judge(store, found, octets),
        Resolved::UnknownUser => Recipient::UnknownUser,
        Resolved::ForeignDomain => Recipient::ForeignDomain,
    })
}

/// Whether mail for these, all of them full, shall not be tried again: none of their users is expected to make room.
pub fn is_final<'a>(store: &Store, mut addresses: impl Iterator<Item = &'a Address>) -> bool {
    addresses.all(|address| store.settings_for(address).full_mailbox == FullMailbox::Refuse)
}

/// Those that are locked for all get nothing; with one that has room, all others get it.
fn judge(store: &Store, mut found: Vec<Destination>, octets: u64) -> Recipient {
    found.retain(|it| it.is_open);
    if found.is_empty() {
        return Recipient::Locked;
    }
    let has_room = |it: &Destination| {
        let quota = store.settings_for(&it.address).quota;
        quota.allows(it.messages.saturating_add(1), it.octets.saturating_add(octets))
    };
    if !found.iter().any(has_room) {
        return Recipient::Full { is_final: is_final(store, found.iter().map(|it| &it.address)) };
    }
    Recipient::Mailboxes(found.into_iter().map(|it| (it.mailbox, it.address)).collect())
}

/// A name that every domain of ours has.
async fn role(store: &Store, settings: &Settings, address: Address) -> Result<Resolved, StoreError> {
    match store.resolve_named(address).await? {
        Resolved::UnknownUser => administrator(store, settings).await,
        found => Ok(found),
    }
}

async fn administrator(store: &Store, settings: &Settings) -> Result<Resolved, StoreError> {
    if let Some(address) = &settings.postmaster
        && let Resolved::Mailboxes(found) = store.resolve(address.clone()).await?
    {
        return Ok(Resolved::Mailboxes(found));
    }
    match store.mailboxes(None).await?.into_iter().min_by_key(|row| row.id) {
        Some(oldest) => store.resolve(oldest.address).await,
        None => Ok(Resolved::UnknownUser),
    }
}

async fn unknown_at(store: &Store, domain: Domain) -> Result<Resolved, StoreError> {
    let is_ours = store.has_domain(domain).await?;
    Ok(if is_ours { Resolved::UnknownUser } else { Resolved::ForeignDomain })
}
