//! Requests for an authority elsewhere to sign; their keys stay here, sealed (T2). RFC 2986.

use super::choice::Place;
use super::shelf::{self, Pending, REQUEST, Shelf};
use super::{CertError, certificate, is_name, make, server_certificate};
use crate::auth::Gatekeeper;
use crate::limits;
use crate::store::{Store, StoreError};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// PKCS #10, DER.
    pub request: Vec<u8>,
    /// The names and addresses in it.
    pub subjects: Vec<String>,
    /// Those of an older request that had to go for this one.
    pub void: Vec<String>,
}

/// Makes a P-256 key and a request for these names and addresses; with none for those of poppet's own certificate but for
/// loopback's, else for `names`. One for the same that is pending is given again. Of more than [`limits::CERTIFICATE_REQUESTS`] the oldest
/// goes. Errs with what to do if there are no names, too many, or one that is none.
pub async fn request(
    store: &Store,
    gatekeeper: &Gatekeeper,
    subjects: &[String],
    names: &[String],
) -> Result<Requested, StoreError> {
    let refused = |CertError(text)| StoreError::Refused(text);
    let own = match subjects {
        [] => own_subjects(store, names).await.map_err(refused)?,
        subjects => subjects.to_vec(),
    };
    let places = places(&own).map_err(refused)?;
    let pending = shelf::load(store).await.map_err(refused)?.requests;
    if let Some(same) = pending.iter().find(|request| is_same(&request.subjects, &places)) {
        return Ok(Requested {
            request: same.der.clone(),
            subjects: texts(&same.subjects),
            void: Vec::new(),
        });
    }
    let (der, key) = make::make_request(&places).map_err(refused)?;
    let private_key = gatekeeper.seal(REQUEST, key.expose());
    let request = Pending { der: der.clone(), subjects: places.clone(), private_key };
    let oldest = (pending.len() >= limits::CERTIFICATE_REQUESTS).then(|| texts(&pending[0].subjects));
    shelf::change(store, move |shelf: &mut Shelf| {
        shelf.requests.push(request);
        let over = shelf.requests.len().saturating_sub(limits::CERTIFICATE_REQUESTS);
        shelf.requests.drain(..over);
        Ok(())
    })
    .await?;
    Ok(Requested { request: der, subjects: texts(&places), void: oldest.unwrap_or_default() })
}

/// The requests that no certificate has come for, the oldest first. Errs if the store fails or the record is damaged.
pub async fn requests(store: &Store) -> Result<Vec<Requested>, CertError> {
    let shelf = shelf::load(store).await?;
    let requests = shelf.requests.into_iter();
    Ok(requests
        .map(|Pending { der, subjects, .. }| Requested {
            request: der,
            subjects: texts(&subjects),
            void: Vec::new(),
        })
        .collect())
}

async fn own_subjects(store: &Store, names: &[String]) -> Result<Vec<String>, CertError> {
    let own = server_certificate(store).await?.and_then(|der| certificate::read(&der).ok());
    // No authority signs what every machine is called.
    let is_own = |subject: &String| {
        subject != "localhost"
            && subject
                .parse()
                .is_ok_and(|place| !matches!(place, Place::Address(address) if address.is_loopback()))
    };
    Ok(match own {
        Some(read) => shelf::subjects(&read).into_iter().filter(is_own).collect(),
        None => names.iter().filter(|name| is_name(name)).cloned().collect(),
    })
}

fn places(subjects: &[String]) -> Result<Vec<Place>, CertError> {
    let mut places = Vec::new();
    for text in subjects {
        let place: Place = text.parse().map_err(|()| {
            let text = crate::mail::printable(text.as_bytes());
            CertError(format!(
                "{text:?} is neither a domain name in ASCII nor an address: mend it, or leave it out"
            ))
        })?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    match places.len() {
        0 => Err(CertError("a request needs a name: say \"poppet cert request mail.example.org\"".into())),
        count if count > limits::CERTIFICATE_NAMES => Err(CertError(format!(
            "a certificate can't have over {} names: make several",
            limits::CERTIFICATE_NAMES
        ))),
        _ => Ok(places),
    }
}

fn is_same(one: &[Place], other: &[Place]) -> bool {
    one.len() == other.len() && one.iter().all(|place| other.contains(place))
}

fn texts(places: &[Place]) -> Vec<String> {
    places.iter().map(ToString::to_string).collect()
}
