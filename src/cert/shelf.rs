//! The record of certificates of others: those that are installed, what they are bound to, and pending requests (T2).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::choice::Place;
use super::installed::Bound;
use super::pair::{self, Key};
use super::{CertError, damaged};
use crate::auth::Gatekeeper;
use crate::limits;
use crate::store::{Store, StoreError};

/// All of it, postcard: one record, so that what belongs together changes together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// What is installed.
    pub installed: Vec<Entry>,
    /// The label of what is shown where nothing else is bound; none is poppet's own.
    pub everywhere: Option<String>,
    /// What is bound, with the label of what it is bound to.
    pub bound: Vec<(Place, String)>,
    /// Requests, the oldest first.
    pub requests: Vec<Pending>,
}

/// An installed certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is called, in small letters.
    pub label: String,
    /// DER each, the key's own first.
    pub chain: Vec<Vec<u8>>,
    /// Its key, DER, sealed for [`purpose`].
    pub private_key: Vec<u8>,
}

/// A request that no certificate has come for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// PKCS #10, DER.
    pub der: Vec<u8>,
    /// What it is for.
    pub subjects: Vec<Place>,
    /// Its key, PKCS #8 DER, sealed for [`REQUEST`].
    pub private_key: Vec<u8>,
}

impl Shelf {
    /// What a label is bound to.
    pub fn bound(&self, label: &str) -> Bound {
        let places = self.bound.iter().filter(|(_, owner)| owner == label);
        Bound {
            is_everywhere: self.everywhere.as_deref().unwrap_or(POPPET) == label,
            places: places.map(|(place, _)| place.clone()).collect(),
        }
    }

    /// Errs unless that label is poppet's own or an installed one's.
    pub fn check_is_there(&self, label: &str) -> Result<(), StoreError> {
        let is_there = label == POPPET || self.installed.iter().any(|entry| entry.label == label);
        if is_there { Ok(()) } else { Err(StoreError::NotFound(label.to_owned())) }
    }

    /// All keys that open, those of requests first.
    pub fn keys(&self, gatekeeper: &Gatekeeper) -> Vec<Key> {
        let requests = self.requests.iter().map(|request| (REQUEST.to_owned(), &request.private_key));
        let installed = self.installed.iter().map(|entry| (purpose(&entry.label), &entry.private_key));
        let opened = requests.chain(installed).filter_map(|(name, sealed)| gatekeeper.unseal(&name, sealed));
        opened.filter_map(|key| pair::key(key.expose()).ok()).collect()
    }

    /// The label of an installed one for the same names, else the first name.
    pub fn label_for(&self, names: &[String]) -> String {
        let wanted: BTreeSet<&String> = names.iter().collect();
        let is_same = |entry: &&Entry| {
            let read = entry.chain.first().and_then(|der| super::read(der).ok());
            read.is_some_and(|read| subjects(&read).iter().collect::<BTreeSet<_>>() == wanted)
        };
        match self.installed.iter().find(is_same) {
            Some(entry) => entry.label.clone(),
            None => label_of(names.first().map_or("", String::as_str)),
        }
    }
}

/// What is kept. Errs if the store fails or the record is damaged.
pub async fn load(store: &Store) -> Result<Shelf, CertError> {
    match store.record(RECORD).await? {
        Some(record) => postcard::from_bytes(&record).map_err(|_| damaged(RECORD)),
        None => Ok(Shelf::default()),
    }
}

/// Changes it in one transaction and gives what it is then; nothing is changed if `change` errs.
pub async fn change(
    store: &Store,
    change: impl FnOnce(&mut Shelf) -> Result<(), StoreError> + Send + 'static,
) -> Result<Shelf, StoreError> {
    let broken = || StoreError::Damaged(damaged(RECORD).0);
    store
        .change_record(RECORD, move |record| {
            let mut shelf: Shelf = match record {
                Some(record) => postcard::from_bytes(record).map_err(|_| broken())?,
                None => Shelf::default(),
            };
            change(&mut shelf)?;
            Ok((postcard::to_allocvec(&shelf).map_err(|_| broken())?, shelf))
        })
        .await
}

/// The names and addresses of hosts that a certificate is for.
pub fn subjects(read: &Certificate) -> Vec<String> {
    read.hosts.iter().cloned().chain(read.host_addresses.iter().map(ToString::to_string)).collect()
}

/// A label in small letters; errs with what one is made of.
pub fn checked_label(label: &str) -> Result<String, CertError> {
    let label = label.to_ascii_lowercase();
    match label_of(&label) == label {
        true => Ok(label),
        false => Err(CertError(format!(
            "{:?} can't be a label: take letters, digits, dots and hyphens, at most {} of them, and another one than \
             poppet",
            crate::mail::printable(label.as_bytes()),
            limits::SERVER_LABEL_OCTETS
        ))),
    }
}

/// For what the key of an installed one is sealed.
pub fn purpose(label: &str) -> String {
    format!("{RECORD}.{label}")
}

/// A name made a label.
fn label_of(name: &str) -> String {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let letters = name.chars().map(|letter| match letter {
        '.' | '-' | '0'..='9' | 'a'..='z' => letter,
        _ => '-',
    });
    let label: String = letters.take(limits::SERVER_LABEL_OCTETS).collect();
    // Neither an option nor nothing.
    let label = label.trim_matches(['-', '.']);
    match label {
        "" | POPPET => "server".into(),
        label => label.to_owned(),
    }
}

/// The label of poppet's own.
pub const POPPET: &str = "poppet";
/// For what the key of a request is sealed.
pub const REQUEST: &str = "tls.request";
const RECORD: &str = "tls.installed";
