//! What is kept about certificates of users: authorities, revocation lists, and those that are allowed by themselves.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::certificate::{self, Certificate, RevocationList};
use super::fingerprint::Fingerprint;
use super::{CertError, authority, signature};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Address, MailboxMark};
use crate::store::{Store, StoreError};

/// Whom an authority vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Vouches {
    /// For users who show a certificate.
    ForClients,
    /// For the servers of a directory.
    ForDirectory,
    /// For smart hosts and the hosts of routes.
    ForSmartHosts,
}

/// A certificate that is a user's because the administrator said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Whose.
    pub address: Address,
    /// His mailbox: one of the same name that is made later is another one.
    pub mark: MailboxMark,
    /// Which certificate.
    pub fingerprint: Fingerprint,
    /// What the administrator calls it, such as the device that has it.
    pub label: String,
    /// Until when it is valid, where that is known.
    pub ends: Option<UnixTime>,
    /// Whether poppet has made it.
    pub is_issued: bool,
    /// When it was allowed.
    pub made: UnixTime,
}

impl Vouches {
    /// The name of the record with the list.
    fn record(self) -> &'static str {
        match self {
            Vouches::ForClients => CLIENT_AUTHORITIES,
            Vouches::ForDirectory => DIRECTORY_AUTHORITIES,
            Vouches::ForSmartHosts => SMART_HOST_AUTHORITIES,
        }
    }
}

/// The authorities that vouch so, DER each. Errs if the store fails or the record is damaged.
pub async fn authorities(store: &Store, vouches: Vouches) -> Result<Vec<Vec<u8>>, StoreError> {
    list(store, vouches.record()).await
}

/// The revocation lists, DER each. Errs as [`authorities`].
pub async fn revocations(store: &Store) -> Result<Vec<Vec<u8>>, StoreError> {
    list(store, REVOCATIONS).await
}

/// The certificates that are allowed by themselves. Errs as [`authorities`].
pub async fn allowed(store: &Store) -> Result<Vec<Allowed>, StoreError> {
    list(store, ALLOWED).await
}

/// Adds the authorities of a file, PEM or DER; gives them. Errs with what to do if the file has none, has something
/// else, or is poppet's own; and with [`StoreError::Exists`] if all of them are there already.
pub async fn add_authorities(
    store: &Store,
    vouches: Vouches,
    file: &[u8],
    now: Option<UnixTime>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let new = super::pem::blocks(file, "CERTIFICATE").map_err(refused)?;
    let own = authority(store).await.map_err(refused)?;
    for der in &new {
        check_authority(der, now).map_err(refused)?;
        if vouches == Vouches::ForClients && own.as_ref() == Some(der) {
            return Err(StoreError::Refused(IS_OWN.into()));
        }
    }
    change(store, vouches.record(), move |authorities: &mut Vec<Vec<u8>>| {
        let before = authorities.len();
        for der in &new {
            if !authorities.contains(der) {
                authorities.push(der.clone());
            }
        }
        match authorities.len() {
            after if after == before => Err(StoreError::Exists("that authority is here already".into())),
            after if after > limits::CERTIFICATE_AUTHORITIES => Err(StoreError::Refused(format!(
                "there can't be over {} authorities: \"poppet cert ca del\" removes those that are not needed",
                limits::CERTIFICATE_AUTHORITIES
            ))),
            _ => Ok(new),
        }
    })
    .await
}

/// Removes the one authority that has that common name, or whose fingerprint begins so, and of clients' the revocation
/// lists that no other one has signed. Errs with [`StoreError::NotFound`] if there is none, and with
/// [`StoreError::Refused`] if there are several.
pub async fn remove_authority(store: &Store, vouches: Vouches, which: &str) -> Result<(), StoreError> {
    let meant = which.to_owned();
    change(store, vouches.record(), move |authorities: &mut Vec<Vec<u8>>| {
        let is_meant = |der: &Vec<u8>| {
            certificate::fingerprint(der).begins_with(&meant)
                || certificate::read(der).is_ok_and(|read| read.name == meant)
        };
        match authorities.iter().filter(|der| is_meant(der)).count() {
            0 => Err(StoreError::NotFound(meant)),
            1 => {
                authorities.retain(|der| !is_meant(der));
                Ok(())
            }
            _ => Err(StoreError::Refused(
                "several authorities have that name: say the fingerprint, or its first digits".into(),
            )),
        }
    })
    .await?;
    if vouches == Vouches::ForClients {
        let left = authorities(store, vouches).await?;
        change(store, REVOCATIONS, move |lists: &mut Vec<Vec<u8>>| {
            lists.retain(|der| {
                certificate::read_revocations(der).is_ok_and(|list| signer(&left, &list).is_some())
            });
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Adds the revocation list of a file, PEM or DER, or several; one takes the place of its issuer's older one. Gives them.
/// Errs with what to do if none of the clients' authorities has signed it, or if a newer one is here.
pub async fn add_revocations(store: &Store, file: &[u8]) -> Result<Vec<RevocationList>, StoreError> {
    let new = super::pem::blocks(file, "X509 CRL").map_err(refused)?;
    let authorities = authorities(store, Vouches::ForClients).await?;
    let mut read = Vec::new();
    for der in &new {
        let list = certificate::read_revocations(der).map_err(refused)?;
        if signer(&authorities, &list).is_none() {
            return Err(StoreError::Refused(format!(
                "no authority here has signed that revocation list of {}: \"poppet cert ca add FILE\" comes first",
                named(&list.name)
            )));
        }
        read.push(list);
    }
    super::trust::check_revocations(&authorities, new.clone()).map_err(refused)?;
    change(store, REVOCATIONS, move |lists: &mut Vec<Vec<u8>>| {
        for (der, list) in new.into_iter().zip(&read) {
            let same = |kept: &Vec<u8>| {
                certificate::read_revocations(kept).ok().filter(|kept| kept.issuer == list.issuer)
            };
            if lists.iter().filter_map(same).any(|kept| kept.made > list.made) {
                return Err(StoreError::Refused(format!(
                    "a newer revocation list of {} is here; \"poppet cert crl del\" would remove it",
                    named(&list.name)
                )));
            }
            lists.retain(|kept| same(kept).is_none());
            lists.push(der);
        }
        Ok(read)
    })
    .await
}

/// Removes the revocation list of that issuer, by its common name. Errs with [`StoreError::NotFound`].
pub async fn remove_revocations(store: &Store, issuer: &str) -> Result<(), StoreError> {
    let issuer = issuer.to_owned();
    change(store, REVOCATIONS, move |lists: &mut Vec<Vec<u8>>| {
        let is_meant =
            |der: &Vec<u8>| certificate::read_revocations(der).is_ok_and(|list| list.name == issuer);
        match lists.iter().filter(|der| is_meant(der)).count() {
            0 => Err(StoreError::NotFound(issuer)),
            1 => {
                lists.retain(|der| !is_meant(der));
                Ok(())
            }
            // One of them may be another authority's, whose revoked certificates would be good again.
            _ => Err(StoreError::Refused(
                "several authorities of that name have lists here: \"poppet cert ca del FINGERPRINT\" takes one with \
                 its list"
                    .into(),
            )),
        }
    })
    .await
}

/// Allows a certificate. Errs with [`StoreError::Exists`] if it is that user's already.
pub async fn allow(store: &Store, new: Allowed) -> Result<(), StoreError> {
    change(store, ALLOWED, move |list: &mut Vec<Allowed>| {
        let is_same = |kept: &Allowed| kept.fingerprint == new.fingerprint && kept.address == new.address;
        if list.iter().any(|kept| is_same(kept) && kept.mark == new.mark) {
            return Err(StoreError::Exists(format!("that certificate is {}'s already", new.address)));
        }
        // What another mailbox of that name had is over.
        list.retain(|kept| !is_same(kept));
        if list.len() >= limits::ALLOWED_CERTIFICATES {
            return Err(StoreError::Refused(format!(
                "there can't be over {} allowed certificates: \"poppet cert deny\" removes those that are not needed",
                limits::ALLOWED_CERTIFICATES
            )));
        }
        list.push(new);
        Ok(())
    })
    .await
}

/// Allows a user's certificate no more; its fingerprint, or how that begins. Gives whose it was. Errs with
/// [`StoreError::NotFound`], and with [`StoreError::Refused`] if several begin so.
pub async fn deny(store: &Store, address: &Address, fingerprint: &str) -> Result<Allowed, StoreError> {
    let (address, meant) = (address.clone(), fingerprint.to_owned());
    change(store, ALLOWED, move |list: &mut Vec<Allowed>| {
        let is_meant = |kept: &Allowed| kept.address == address && kept.fingerprint.begins_with(&meant);
        let mut found = list.iter().enumerate().filter(|(_, kept)| is_meant(kept)).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (None, _) => Err(StoreError::NotFound(format!(
                "{address} has no such certificate: \"poppet cert list\" shows them"
            ))),
            (Some(at), None) => Ok(list.remove(at)),
            (Some(_), Some(_)) => Err(StoreError::Refused("several begin so: say more of its digits".into())),
        }
    })
    .await
}

/// The authority that has signed a revocation list.
pub fn signer(authorities: &[Vec<u8>], list: &RevocationList) -> Option<Certificate> {
    let read = authorities.iter().filter_map(|der| certificate::read(der).ok());
    let mut meant = read.filter(|authority| authority.subject == list.issuer);
    meant.find(|authority| signature::is_good(&authority.key, &list.signed))
}

fn check_authority(der: &[u8], now: Option<UnixTime>) -> Result<(), CertError> {
    let read = certificate::read(der)?;
    let name = named(&read.name);
    if !read.is_authority {
        return Err(CertError(format!(
            "the certificate of {name} is no authority's: \"poppet cert allow\" takes a single user's"
        )));
    }
    if now.is_some_and(|now| now > read.ends) {
        return Err(CertError(format!("the authority {name} ended on {}", read.ends.rfc3339())));
    }
    super::trust::check_authority(der)
}

/// Foreign text in a sentence.
pub fn named(name: &str) -> String {
    if name.is_empty() { "no name".into() } else { crate::mail::printable(name.as_bytes()) }
}

async fn list<T: DeserializeOwned>(store: &Store, name: &'static str) -> Result<Vec<T>, StoreError> {
    match store.record(name).await? {
        Some(record) => postcard::from_bytes(&record).map_err(|_| damaged(name)),
        None => Ok(Vec::new()),
    }
}

/// Changes a list in one transaction; nothing is changed if `change` errs.
async fn change<T, A>(
    store: &Store,
    name: &'static str,
    change: impl FnOnce(&mut Vec<T>) -> Result<A, StoreError> + Send + 'static,
) -> Result<A, StoreError>
where
    T: Serialize + DeserializeOwned,
    A: Send + 'static,
{
    store
        .change_record(name, move |record| {
            let mut list: Vec<T> = match record {
                Some(record) => postcard::from_bytes(record).map_err(|_| damaged(name))?,
                None => Vec::new(),
            };
            let answer = change(&mut list)?;
            let record = postcard::to_allocvec(&list).map_err(|_| damaged(name))?;
            Ok((record, answer))
        })
        .await
}

fn refused(CertError(text): CertError) -> StoreError {
    StoreError::Refused(text)
}

fn damaged(name: &str) -> StoreError {
    StoreError::Damaged(format!("the record {name} is damaged; restore a backup"))
}

const IS_OWN: &str = "poppet's own authority vouches for servers only: what it has issued to users is allowed by \
                      fingerprint, so it can be denied; nothing needs to be added";
const CLIENT_AUTHORITIES: &str = "client.authorities";
/// The record of the authorities that vouch for the directory's servers: DER each, postcard.
pub const DIRECTORY_AUTHORITIES: &str = "directory.authorities";
/// The record of the authorities that vouch for smart hosts and the hosts of routes: DER each, postcard.
pub const SMART_HOST_AUTHORITIES: &str = "smarthost.authorities";
const REVOCATIONS: &str = "client.revocations";
const ALLOWED: &str = "client.allowed";
