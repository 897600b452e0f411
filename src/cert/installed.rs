//! Certificates of others that are shown beside poppet's own, and to whom (T2).

use std::net::IpAddr;

use super::certificate::{self, Certificate};
use super::choice::{Choice, Place};
use super::left_out;
use super::pair::{self, Key, Pair};
use super::shelf::{Entry, POPPET, Shelf, purpose};
use super::{CertError, ServerIdentity, Standing, kept, request, server_certificate, server_identity, shelf};
use crate::auth::Gatekeeper;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Secret;
use crate::store::{Store, StoreError};

/// A certificate that was installed beside poppet's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What it is called here.
    pub label: String,
    /// DER each: the certificate itself, then those that vouch for it, in order.
    pub chain: Vec<Vec<u8>>,
    /// From when on it is valid.
    pub begins: UnixTime,
    /// Until when.
    pub ends: UnixTime,
    /// The names and addresses that it is for.
    pub subjects: Vec<String>,
    /// To whom it is shown beside those who ask for one of its names.
    pub bound: Bound,
    /// What people should know of it, a sentence each; only [`install`] tells.
    pub notes: Vec<String>,
    /// What it takes from clients that the one before had served, a sentence; only [`install`] tells.
    pub taken: Option<String>,
}

/// What a certificate is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// Whether it is shown to everybody for whom nothing else is bound.
    pub is_everywhere: bool,
    /// The names and addresses.
    pub places: Vec<Place>,
}

/// What TLS listeners show.
#[derive(Debug)]
pub struct Shown {
    /// Chains and keys; poppet's own is the first, if it is there.
    pub identities: Vec<ServerIdentity>,
    /// Who is shown which of them.
    pub choice: Choice,
    /// What could not be read, for the log.
    pub flaws: Vec<String>,
}

/// Installs a certificate with its key under a label, in one commit; what had that label is replaced, and what was bound
/// to it stays bound. The first one is shown to everybody for whom nothing else is bound. A server must be told
/// afterwards ([`crate::admin::Live::certificates_changed`]).
///
/// `chain` is PEM in any order, with what vouches for it and perhaps the key, or DER. Without `key` the one in `chain` is
/// taken, else that of a pending request, or one that is installed already. An empty label takes that of an installed one
/// for the same names, else its first name. `now` is none where the clock is suspect: then no dates are judged.
///
/// Errs with one line, and changes nothing, if they do not fit together, can't be used for a server, have ended or not
/// yet begun, or if the store fails.
pub async fn install(
    store: &Store,
    gatekeeper: &Gatekeeper,
    label: &str,
    chain: &[u8],
    key: Option<&[u8]>,
    now: Option<UnixTime>,
) -> Result<Installed, CertError> {
    let certificates = pair::certificates(chain)?;
    let shelf = shelf::load(store).await?;
    let given = key.or(pair::has_key(chain).then_some(chain));
    let keys = match given {
        Some(file) => pair::keys(file)?,
        None => shelf.keys(gatekeeper),
    };
    let (own, key) =
        pair::owner(&certificates, &keys).ok_or_else(|| CertError(unfit(&certificates, given.is_some())))?;
    let key = &keys[key];
    let Pair { chain, read, mut notes } = pair::fit(certificates, own, key, now)?;
    if let Some(host) = &store.settings().hostname
        && !covers(&shelf::subjects(&read), host)
    {
        notes.push(without_hostname(&read, host));
    }
    notes.extend(ends_soon(&read, now));
    if shelf.installed.is_empty() {
        notes.extend(by_address(store, &read).await?);
    }
    let label = match label {
        "" => shelf.label_for(&shelf::subjects(&read)),
        label => shelf::checked_label(label)?,
    };
    let private_key = gatekeeper.seal(&purpose(&label), key.der.expose());
    let entry = Entry { label: label.clone(), chain, private_key };
    let done = requested_with(&shelf, gatekeeper, key);
    let before = shelf;
    let shelf = shelf::change(store, move |shelf| {
        shelf.requests.retain(|request| !done.contains(&request.der));
        put(shelf, entry)
    })
    .await
    .map_err(|error| CertError(error.to_string()))?;
    let taken = left_out::taken(&before, &shelf, &label);
    match shelf.installed.iter().find(|entry| entry.label == label) {
        Some(entry) => Ok(Installed { notes, taken, ..described(&shelf, entry, read) }),
        None => Err(CertError(format!("{label} was removed while it was installed: say it again"))),
    }
}

/// All that are installed, in the order of their labels. Errs if the store fails or the record is damaged.
pub async fn installed(store: &Store) -> Result<Vec<Installed>, CertError> {
    let shelf = shelf::load(store).await?;
    let read = |entry: &Entry| {
        let read = entry.chain.first().and_then(|der| certificate::read(der).ok())?;
        Some(described(&shelf, entry, read))
    };
    let mut all: Vec<_> = shelf.installed.iter().filter_map(read).collect();
    all.sort_by(|one, other| one.label.cmp(&other.label));
    Ok(all)
}

/// The label of an installed one for these names and addresses, else one made of the first. Errs as [`installed`].
pub async fn label_for(store: &Store, names: &[String]) -> Result<String, CertError> {
    Ok(shelf::load(store).await?.label_for(names))
}

/// The names and addresses that the first certificate of a file is for which is no authority's; none if there is none.
pub fn subjects_in(file: &[u8]) -> Vec<String> {
    let all = pair::certificates(file).unwrap_or_default();
    let own = all.iter().find(|(_, read)| !read.is_authority);
    own.map(|(_, read)| shelf::subjects(read)).unwrap_or_default()
}

/// What a certificate is bound to, by its label; poppet's own is called `poppet`. Errs as [`installed`].
pub async fn bound(store: &Store, label: &str) -> Result<Bound, CertError> {
    Ok(shelf::load(store).await?.bound(label))
}

/// Binds a certificate to these names and addresses and to nothing else, or with none to everybody for whom nothing is
/// bound; that falls to poppet's own where no other has it. A place that another one had is taken from it. Errs with [`StoreError::NotFound`] if no certificate has that
/// label, and with [`StoreError::Refused`] if a place is none or there are too many.
pub async fn bind(store: &Store, label: &str, places: &[String]) -> Result<Bound, StoreError> {
    let label = label.to_ascii_lowercase();
    let places: Vec<Place> = places.iter().map(|text| place(text)).collect::<Result<_, _>>()?;
    let bound = label.clone();
    let shelf = shelf::change(store, move |shelf| {
        shelf.check_is_there(&label)?;
        shelf.bound.retain(|(place, owner)| *owner != label && !places.contains(place));
        let own = label == POPPET;
        match places.is_empty() {
            true => shelf.everywhere = (!own).then_some(label),
            false => {
                // It is shown where it is bound, and nowhere else.
                shelf.everywhere = shelf.everywhere.take().filter(|everywhere| *everywhere != label);
                shelf.bound.extend(places.into_iter().map(|place| (place, label.clone())));
            }
        }
        match shelf.bound.len() > limits::CERTIFICATE_PLACES {
            true => Err(StoreError::Refused(format!(
                "certificates can't be bound to over {} names and addresses: *.example.org stands for many",
                limits::CERTIFICATE_PLACES
            ))),
            false => Ok(()),
        }
    })
    .await?;
    Ok(shelf.bound(&bound))
}

/// What was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenAway {
    /// An installed certificate.
    Installed,
    /// A pending request.
    Request,
}

/// Takes an installed certificate and its key away; who it was bound to gets what everybody gets. Where none has that
/// label, a request that is called so is given up, by all of its names or by one. Errs with [`StoreError::NotFound`] if
/// there is neither, and with [`StoreError::Refused`] if several are called so.
pub async fn uninstall(store: &Store, label: &str) -> Result<TakenAway, StoreError> {
    let label = label.to_ascii_lowercase();
    if label == POPPET {
        return Err(StoreError::Refused(
            "poppet's own certificate stays: \"poppet cert bind LABEL\" shows another one to everybody"
                .into(),
        ));
    }
    let before = shelf::load(store).await.map_err(|CertError(text)| StoreError::Refused(text))?;
    let is_request = before.check_is_there(&label).is_err();
    shelf::change(store, move |shelf| {
        if is_request {
            let at = request::named(&shelf.requests, &label)?.ok_or(StoreError::NotFound(label))?;
            shelf.requests.remove(at);
            return Ok(());
        }
        shelf.check_is_there(&label)?;
        shelf.installed.retain(|entry| entry.label != label);
        shelf.bound.retain(|(_, owner)| *owner != label);
        shelf.everywhere = shelf.everywhere.take().filter(|everywhere| *everywhere != label);
        Ok(())
    })
    .await?;
    Ok(if is_request { TakenAway::Request } else { TakenAway::Installed })
}

/// What TLS listeners show, poppet's own and what is installed; none if there is nothing. What can't be read is left out
/// and told among the flaws. Errs if nothing is left.
pub async fn shown(store: &Store, gatekeeper: &Gatekeeper) -> Result<Option<Shown>, CertError> {
    let (mut identities, mut flaws, mut choice) = (Vec::new(), Vec::new(), Choice::default());
    let mut labels: Vec<(String, Certificate)> = Vec::new();
    match server_identity(store, gatekeeper).await {
        Ok(own) => {
            let read = own.as_ref().and_then(|own| certificate::read(own.chain.first()?).ok());
            labels.extend(read.map(|read| (POPPET.to_owned(), read)));
            identities.extend(own);
        }
        Err(CertError(text)) => flaws.push(text),
    }
    let shelf = match shelf::load(store).await {
        Ok(shelf) => shelf,
        Err(CertError(text)) => {
            flaws.push(text);
            Shelf::default()
        }
    };
    for entry in &shelf.installed {
        let read = entry.chain.first().and_then(|der| certificate::read(der).ok());
        match (gatekeeper.unseal(&purpose(&entry.label), &entry.private_key), read) {
            (Some(private_key), Some(read)) => {
                identities.push(ServerIdentity { chain: entry.chain.clone(), private_key });
                labels.push((entry.label.clone(), read));
            }
            _ => flaws.push(format!("{} can't be opened: install it anew, or restore a backup", entry.label)),
        }
    }
    if identities.is_empty() {
        return flaws.into_iter().next().map_or(Ok(None), |text| Err(CertError(text)));
    }
    choose(&shelf, &labels, &mut choice);
    Ok(Some(Shown { identities, choice, flaws }))
}

fn choose(shelf: &Shelf, labels: &[(String, Certificate)], choice: &mut Choice) {
    let number = |label: &str| labels.iter().position(|(known, _)| known == label);
    choice.everywhere = shelf.everywhere.as_deref().and_then(number).unwrap_or(0);
    choice
        .bound
        .extend(shelf.bound.iter().filter_map(|(place, label)| Some((place.clone(), number(label)?))));
    let mut numbers: Vec<usize> = (0..labels.len()).collect();
    // Of two with the same name the one that lasts longer comes later; poppet's own gives way.
    numbers.sort_by_key(|number| (labels[*number].0 != POPPET, labels[*number].1.ends));
    for number in numbers {
        choice.named.extend(labels[number].1.hosts.iter().map(|host| (host.clone(), number)));
    }
}

fn put(shelf: &mut Shelf, entry: Entry) -> Result<(), StoreError> {
    if shelf.installed.is_empty() {
        shelf.everywhere = Some(entry.label.clone());
    }
    let before = shelf.installed.len();
    shelf.installed.retain(|known| known.label != entry.label);
    if shelf.installed.len() == before && before >= limits::INSTALLED_CERTIFICATES {
        return Err(StoreError::Refused(format!(
            "there can't be over {} installed certificates: \"poppet cert del\" removes those that are not needed",
            limits::INSTALLED_CERTIFICATES
        )));
    }
    shelf.installed.push(entry);
    Ok(())
}

/// The requests that this key was made for.
fn requested_with(shelf: &Shelf, gatekeeper: &Gatekeeper, key: &Key) -> Vec<Vec<u8>> {
    let is_same = |secret: Option<Secret>| secret.is_some_and(|secret| secret == key.der);
    let requests = shelf.requests.iter();
    requests
        .filter(|request| is_same(gatekeeper.unseal(shelf::REQUEST, &request.private_key)))
        .map(|request| request.der.clone())
        .collect()
}

fn described(shelf: &Shelf, entry: &Entry, read: Certificate) -> Installed {
    Installed {
        label: entry.label.clone(),
        chain: entry.chain.clone(),
        begins: read.begins,
        ends: read.ends,
        subjects: shelf::subjects(&read),
        bound: shelf.bound(&entry.label),
        notes: Vec::new(),
        taken: None,
    }
}

fn place(text: &str) -> Result<Place, StoreError> {
    text.parse().map_err(|()| {
        let text = crate::mail::printable(text.as_bytes());
        StoreError::Refused(format!(
            "{text:?} is no place: say names like mail.example.org or *.example.org, or addresses of this machine"
        ))
    })
}

fn unfit(certificates: &[(Vec<u8>, Certificate)], is_given: bool) -> String {
    let whose = match certificates {
        [(_, one)] => format!("the certificate of {}", kept::named(&one.name)),
        _ => "any certificate of the file".into(),
    };
    match is_given {
        true => format!(
            "the key does not fit {whose}: it is another one's, such as that of the former certificate"
        ),
        false => format!(
            "no key here fits {whose}: add the KEYFILE that it was requested with, or \"poppet cert request\" makes a \
             new key and request"
        ),
    }
}

/// What it means that the server is called otherwise.
fn without_hostname(read: &Certificate, host: &str) -> String {
    let name = read.hosts.iter().find(|name| !name.starts_with('*'));
    let remedy = name.map(|name| {
        format!(
            " For this one to be theirs say \"poppet set hostname {name}\", and set them up with that name."
        )
    });
    format!(
        "It has not this server's hostname, {host}: clients that ask for that get poppet's own.{}",
        remedy.unwrap_or_default()
    )
}

/// The log and doctor tell it, too, but later.
fn ends_soon(read: &Certificate, now: Option<UnixTime>) -> Option<String> {
    let is_soon = Standing::of(read.ends, now) != Standing::Good;
    is_soon.then(|| format!("It ends on {}: see that it is renewed before.", read.ends.rfc3339()))
}

/// What the first one means for clients that ask for no name: by an address they got poppet's own, whose authority they
/// may trust.
async fn by_address(store: &Store, read: &Certificate) -> Result<Option<String>, CertError> {
    let own = server_certificate(store).await?.and_then(|der| certificate::read(&der).ok());
    let own = own.into_iter().flat_map(|own| own.host_addresses);
    let lost = own.filter(|address| !address.is_loopback() && !read.host_addresses.contains(address));
    let lost: Vec<_> = lost.map(|address| address.to_string()).collect();
    Ok((!lost.is_empty()).then(|| {
        format!(
            "Clients that trust poppet's own authority and come by an address refuse it: \"poppet cert bind poppet {}\" \
             keeps poppet's own for them.",
            lost.join(" ")
        )
    }))
}

/// Whether clients that look for that name, or address, take what is for those.
pub(super) fn covers(subjects: &[String], host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return subjects.iter().any(|subject| subject == host);
    }
    let named = subjects.iter().map(|name| (name.clone(), 1)).collect();
    Choice { named, ..Choice::default() }.of(Some(host), None) == 1
}

#[cfg(test)]
pub mod tests;
