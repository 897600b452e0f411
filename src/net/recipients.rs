//! Whose mail a forward-path's mail is. No name outside is ever looked up.

use crate::mail::{Address, Domain};
use crate::settings::Settings;
use crate::smtp::{ForwardPath, Recipient};
use crate::store::{Resolved, Store, StoreError};

/// Finds out who a forward-path is. Every domain of ours has a postmaster: his own mailbox, else the one
/// that the settings name, else the oldest. RFC 5321 §4.5.1.
pub async fn look_up(store: &Store, settings: &Settings, path: ForwardPath) -> Result<Recipient, StoreError> {
    match path {
        ForwardPath::Address(address) => resolve(store, address).await,
        ForwardPath::Postmaster => postmaster(store, settings).await,
        ForwardPath::Role(role, domain) => match Address::new(role.as_str(), &domain) {
            Ok(own) => match resolve(store, own).await? {
                Recipient::UnknownUser => postmaster(store, settings).await,
                recipient => Ok(recipient),
            },
            Err(_) => unknown_at(store, domain).await,
        },
        ForwardPath::OtherLocalPart(domain) => unknown_at(store, domain).await,
        ForwardPath::Foreign => Ok(Recipient::ForeignDomain),
    }
}

async fn resolve(store: &Store, address: Address) -> Result<Recipient, StoreError> {
    Ok(match store.resolve(address).await? {
        Resolved::Mailboxes(found) => {
            Recipient::Mailboxes(found.into_iter().map(|found| (found.mailbox, found.address)).collect())
        }
        Resolved::UnknownUser => Recipient::UnknownUser,
        Resolved::ForeignDomain => Recipient::ForeignDomain,
    })
}

async fn postmaster(store: &Store, settings: &Settings) -> Result<Recipient, StoreError> {
    if let Some(address) = &settings.postmaster {
        return Ok(match resolve(store, address.clone()).await? {
            Recipient::ForeignDomain => Recipient::UnknownUser,
            recipient => recipient,
        });
    }
    let oldest = store.mailboxes(None).await?.into_iter().min_by_key(|row| row.id);
    Ok(oldest.map_or(Recipient::UnknownUser, |row| Recipient::Mailboxes(vec![(row.id, row.address)])))
}

async fn unknown_at(store: &Store, domain: Domain) -> Result<Recipient, StoreError> {
    let is_ours = store.has_domain(domain).await?;
    Ok(if is_ours { Recipient::UnknownUser } else { Recipient::ForeignDomain })
}
