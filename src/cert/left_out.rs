//! Names that a renewal of followed files has left out (T3): clients that ask for them refuse what they are shown, and
//! nothing in the new certificate tells of it.
//!
//! ```text
//! before each renewal: remember_names -> "tls.names": what clients could ask for, by label
//! whenever it is asked: left_out -> those of them that nothing has which is shown for them
//! cert watch, unwatch: forget_names
//! ```

use std::collections::BTreeMap;

use super::certificate;
use super::choice::Place;
use super::installed::covers;
use super::shelf::{self, Entry, Shelf};
use super::{CertError, damaged};
use crate::limits;
use crate::store::{Store, StoreError};

/// By label.
type Names = BTreeMap<String, Vec<String>>;

/// Remembers what clients can ask the certificate of that label for, which is about to be replaced; what it left out
/// itself stays remembered. Errs if the store fails or the certificates' record is damaged.
pub async fn remember_names(store: &Store, label: &str) -> Result<(), CertError> {
    let shelf = shelf::load(store).await?;
    let Some(own) = shelf.installed.iter().find(|entry| entry.label == label).map(subjects) else {
        return Ok(());
    };
    let before = load(store).await?.remove(label).unwrap_or_default();
    let mut names: Vec<String> = before.iter().filter(|name| !covers(&own, name)).cloned().collect();
    names.extend(own.iter().cloned());
    let bound = shelf.bound(label).places.into_iter().filter_map(|place| match place {
        Place::Name(name) => Some(name),
        Place::Address(_) => None,
    });
    for name in bound.filter(|name| covers(&own, name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(limits::REMEMBERED_NAMES);
    if names == before {
        return Ok(());
    }
    let label = label.to_owned();
    Ok(change(store, move |all| all.insert(label, names)).await?)
}

/// What was remembered and clients can ask for no more, by label: the certificate does not have it any more, nor has what
/// they are shown for it, nor has somebody bound it to another one. Errs as [`remember_names`].
pub async fn left_out(store: &Store) -> Result<Names, CertError> {
    let (shelf, mut all) = (shelf::load(store).await?, load(store).await?);
    for (label, names) in &mut all {
        let own =
            shelf.installed.iter().find(|entry| entry.label == *label).map(subjects).unwrap_or_default();
        names.retain(|name| !covers(&own, name) && !is_served(&shelf, label, name));
    }
    all.retain(|_, names| !names.is_empty());
    Ok(all)
}

/// Whoever asks for the files to be followed, or to be followed no more, takes the names as they are.
pub(super) async fn forget_names(store: &Store, label: &str) -> Result<(), StoreError> {
    if !load(store).await?.contains_key(label) {
        return Ok(());
    }
    let label = label.to_owned();
    change(store, move |all| all.remove(&label)).await
}

/// What an installation under that label has taken from those who ask for names of the one before, a sentence for people;
/// none if all are served on.
pub(super) fn taken(before: &Shelf, after: &Shelf, label: &str) -> Option<String> {
    let own = before.installed.iter().find(|entry| entry.label == label).map(subjects)?;
    let is_gone = |name: &String| is_served(before, label, name) && !is_served(after, label, name);
    let gone: Vec<_> = own.into_iter().filter(is_gone).collect();
    (!gone.is_empty()).then(|| {
        let (shown, more) = shown(&gone);
        format!(
            "The one before, which it replaces, was also for {shown}{more}: clients that go there refuse what they are shown \
             now, unless another certificate for that is installed with a label of its own (--as); what is bound to {label} \
             is to be bound to that then (\"poppet cert bind\")."
        )
    })
}

/// The first of them, and how many more there are.
fn shown(names: &[String]) -> (String, String) {
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "), more)
}

/// What has happened to the certificate, and what helps: half a sentence for people.
pub fn without(names: &[String]) -> String {
    let (shown, more) = shown(names);
    format!(
        "renewed without {shown}{more}, so clients that go there refuse it: let the program that renews its files ask for \
         all names, or, if nobody needs it, say \"poppet cert watch CHAIN KEY\" of the files once more"
    )
}

/// Whether what is shown for a name or address of that label's has it, as [`super::choice::Choice::of`] chooses. One that
/// is bound to another label counts as served: somebody has said what is shown for it.
fn is_served(shelf: &Shelf, label: &str, name: &str) -> bool {
    let has_it = |entry: &Entry| covers(&subjects(entry), name);
    let place = name.parse().ok();
    let is_address = matches!(place, Some(Place::Address(_)));
    let wildcard = match &place {
        Some(Place::Name(name)) => name.split_once('.').map(|(_, rest)| Place::Name(format!("*.{rest}"))),
        _ => None,
    };
    let owner = [place, wildcard]
        .into_iter()
        .flatten()
        .find_map(|place| shelf.bound.iter().find(|(bound, _)| *bound == place))
        .map(|(_, owner)| owner.as_str());
    match owner {
        Some(owner) if owner != label => true,
        // Who comes by an address asks for no name.
        None if is_address => shelf
            .installed
            .iter()
            .any(|entry| shelf.everywhere.as_ref() == Some(&entry.label) && has_it(entry)),
        None => shelf.installed.iter().any(has_it),
        Some(_) => shelf.installed.iter().any(|entry| entry.label == label && has_it(entry)),
    }
}

/// None of one that can't be read.
fn subjects(entry: &Entry) -> Vec<String> {
    let read = entry.chain.first().and_then(|der| certificate::read(der).ok());
    read.as_ref().map(shelf::subjects).unwrap_or_default()
}

async fn load(store: &Store) -> Result<Names, StoreError> {
    Ok(names(store.record(RECORD).await?.as_deref()))
}

async fn change<T>(
    store: &Store,
    change: impl FnOnce(&mut Names) -> T + Send + 'static,
) -> Result<(), StoreError> {
    let broken = |_| StoreError::Damaged(damaged(RECORD).0);
    store
        .change_record(RECORD, move |record| {
            let mut all = names(record);
            change(&mut all);
            Ok((postcard::to_allocvec(&all).map_err(broken)?, ()))
        })
        .await
}

/// A damaged record is none: no renewal is to wait for it.
fn names(record: Option<&[u8]>) -> Names {
    record.and_then(|record| postcard::from_bytes(record).ok()).unwrap_or_default()
}

const RECORD: &str = "tls.names";
/// As many as fit a line.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests;
