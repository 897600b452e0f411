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
}

/// Makes a P-256 key and a request for these names and addresses; with none for those of poppet's own certificate but for
/// loopback's, else for `names`. One for the same that is pending is given again. Errs with what to do if there are no
/// names, too many, or one that is none, or if [`limits::CERTIFICATE_REQUESTS`] are pending: somebody waits for each.
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
        return Ok(requested(same));
    }
    let (der, key) = make::make_request(&places).map_err(refused)?;
    let private_key = gatekeeper.seal(REQUEST, key.expose());
    let request = Pending { der, subjects: places, private_key };
    let made = requested(&request);
    shelf::change(store, move |shelf: &mut Shelf| {
        if shelf.requests.len() >= limits::CERTIFICATE_REQUESTS {
            return Err(StoreError::Refused(format!(
                "{} requests wait for their certificates already, which is the most: install what has come, or give \
                 one up by \"poppet cert del NAME\"; \"poppet cert list\" shows them",
                shelf.requests.len()
            )));
        }
        shelf.requests.push(request);
        Ok(())
    })
    .await?;
    Ok(made)
}

/// The requests that no certificate has come for, the oldest first. Errs if the store fails or the record is damaged.
pub async fn requests(store: &Store) -> Result<Vec<Requested>, CertError> {
    let shelf = shelf::load(store).await?;
    Ok(shelf.requests.iter().map(requested).collect())
}

fn requested(Pending { der, subjects, .. }: &Pending) -> Requested {
    Requested { request: der.clone(), subjects: texts(subjects) }
}

/// Which pending request is meant by its names, all of them with blanks between or one that no other has; none if none
/// is. Errs if several are.
pub(super) fn named(pending: &[Pending], name: &str) -> Result<Option<usize>, StoreError> {
    let subjects: Vec<_> = pending.iter().map(|request| texts(&request.subjects)).collect();
    if let Some(at) = subjects.iter().position(|subjects| subjects.join(" ") == name) {
        return Ok(Some(at));
    }
    let mut having = (0..subjects.len()).filter(|at| subjects[*at].iter().any(|subject| subject == name));
    match (having.next(), having.next()) {
        (_, Some(_)) => Err(StoreError::Refused(format!(
            "several requests are for {name}: say all names of the one that you mean, as \"poppet cert list\" shows them"
        ))),
        (first, None) => Ok(first),
    }
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
