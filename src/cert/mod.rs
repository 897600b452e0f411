//! The small certificate authority that `setup` makes, what it signs, and whose certificates of users are believed
//! (T1, A8).
//!
//! ```text
//! ensure (setup, each start of serve, and while it runs: new addresses and names, each day); renew (by command)
//!        -> "tls.server" covers the names and has time left? then nothing (renewal)
//!        -> "tls.authority", or make one (2100) -> sign a server (820 days) -> both kept, keys sealed
//! issue -> the authority signs a user's certificate -> allowed by its fingerprint -> pkcs12, encrypted
//! request -> a key here, a request for an authority elsewhere -> install (pair: do they fit?) -> shelf: "tls.installed"
//! shown: poppet's own and what is installed, with the choice of who is shown which
//! watched: files that another program renews -> files: read with care -> installed; standing: when ends are told;
//!          left_out: names that they have no more
//! kept: authorities, revocation lists, allowed fingerprints -> trust: judges what clients show
//! ```

mod certificate;
mod choice;
mod files;
mod fingerprint;
mod installed;
mod issue;
mod kept;
mod left_out;
mod make;
mod pair;
mod pem;
mod pkcs12;
mod renewal;
mod request;
mod shelf;
mod signature;
mod standing;
#[cfg(test)]
mod tests;
mod trust;
mod watched;

pub use certificate::{Certificate, RevocationList, fingerprint, read, read_revocations};
pub use choice::{Choice, Place};
pub use files::{FilePair, Stamps, Unreadable};
pub use fingerprint::Fingerprint;
pub use installed::{
    Bound, Installed, Shown, TakenAway, bind, bound, install, installed, label_for, shown, subjects_in,
    uninstall,
};
pub use issue::{Issued, issue};
pub use kept::{
    Allowed, DIRECTORY_AUTHORITIES, SMART_HOST_AUTHORITIES, Vouches, add_authorities, add_revocations, allow,
    allowed, authorities, deny, remove_authority, remove_revocations, revocations,
};
pub use left_out::{left_out, remember_names, without};
pub use make::{is_name, make_authority, make_client, make_server};
pub use pem::{blocks, labelled, pem};
pub use request::{Requested, request, requests};
pub use shelf::POPPET;
pub use standing::Standing;
pub use trust::{Judged, Trust, Verifier};
pub use watched::{Watched, note_taken, too_many_watched, unwatch, watch, watched};

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::auth::Gatekeeper;
use crate::clock::UnixTime;
use crate::mail::Secret;
use crate::store::{Store, StoreError};

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The private key, PKCS#8 DER.
    pub private_key: Secret,
}

/// One of those that TLS listeners present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The server certificate, then those that vouch for it, DER each.
    pub chain: Vec<Vec<u8>>,
    /// The private key, DER: PKCS #8, or as it was installed PKCS #1 or SEC 1.
    pub private_key: Secret,
}

/// Why a certificate could not be made; the text says what to do where something can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertError(pub String);

/// Makes authority and server certificate where there are none, seals their keys and puts them into the
/// store; says whether it made any. `organisation` is the domain's name.
///
/// A server certificate made here is made anew when it lacks one of the names and addresses, when it ends within
/// [`crate::limits::CERTIFICATE_RENEWAL_DAYS`], or when it was made for all times because the clock could not be right; the
/// authority stays, so clients notice nothing. An address that is gone is no reason, and stays in it. `now` is 1970 where
/// the clock is suspect: then time is no reason. Errs if the store fails or what it holds doesn't open.
pub async fn ensure(
    store: &Store,
    gatekeeper: &Gatekeeper,
    organisation: &str,
    names: &[String],
    addresses: &[IpAddr],
    now: UnixTime,
) -> Result<bool, CertError> {
    let former = kept(store, SERVER).await?;
    let subjects = renewal::subjects(names, &renewal::fitting(addresses));
    let believed = store.believed_now().is_some();
    if former.as_ref().is_some_and(|kept| kept.is_good_for(&subjects, now, believed)) {
        return Ok(false);
    }
    let former = former.and_then(|kept| kept.made_for);
    make_anew(store, gatekeeper, organisation, (names, addresses), now, former.as_ref()).await?;
    Ok(true)
}

/// Makes the server certificate anew, whatever the one before is like, and the authority where there is none. Errs as
/// [`ensure`], but for a damaged certificate, whose place it takes.
pub async fn renew(
    store: &Store,
    gatekeeper: &Gatekeeper,
    organisation: &str,
    names: &[String],
    addresses: &[IpAddr],
    now: UnixTime,
) -> Result<(), CertError> {
    let former = kept(store, SERVER).await.ok().flatten().and_then(|kept| kept.made_for);
    make_anew(store, gatekeeper, organisation, (names, addresses), now, former.as_ref()).await
}

async fn make_anew(
    store: &Store,
    gatekeeper: &Gatekeeper,
    organisation: &str,
    (names, addresses): (&[String], &[IpAddr]),
    now: UnixTime,
    former: Option<&MadeFor>,
) -> Result<(), CertError> {
    let addresses = renewal::with_former(&renewal::fitting(addresses), former);
    let authority = match kept(store, AUTHORITY).await? {
        Some(kept) => kept.open(gatekeeper, AUTHORITY)?,
        None => {
            let authority = make_authority(organisation)?;
            let certificates = vec![authority.certificate.clone()];
            let kept = Kept::seal(gatekeeper, AUTHORITY, certificates, &authority.private_key, None);
            keep(store, AUTHORITY, &kept).await?;
            authority
        }
    };
    let server = make_server(&authority, names, &addresses, now)?;
    let (_, ends) = make::server_validity(now);
    let certificates = vec![server.certificate, authority.certificate];
    let made_for = Some(MadeFor { subjects: renewal::subjects(names, &addresses), ends });
    keep(store, SERVER, &Kept::seal(gatekeeper, SERVER, certificates, &server.private_key, made_for)).await
}

/// Poppet's own server certificate, which is one of those that [`shown`] gives; none if there is none. Errs if the store
/// fails or the key doesn't open.
pub async fn server_identity(
    store: &Store,
    gatekeeper: &Gatekeeper,
) -> Result<Option<ServerIdentity>, CertError> {
    let Some(kept) = kept(store, SERVER).await? else { return Ok(None) };
    let Identity { private_key, .. } = kept.open(gatekeeper, SERVER)?;
    Ok(Some(ServerIdentity { chain: kept.certificates, private_key }))
}

/// Poppet's own server certificate, DER; none if there is none. Errs if the store fails.
pub async fn server_certificate(store: &Store) -> Result<Option<Vec<u8>>, CertError> {
    Ok(kept(store, SERVER).await?.and_then(|kept| kept.certificates.into_iter().next()))
}

/// The authority's certificate, DER, for clients to trust; none if there is none. Errs if the store fails.
pub async fn authority(store: &Store) -> Result<Option<Vec<u8>>, CertError> {
    Ok(kept(store, AUTHORITY).await?.and_then(|kept| kept.certificates.into_iter().next()))
}

impl fmt::Display for CertError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for CertError {}

impl From<StoreError> for CertError {
    fn from(error: StoreError) -> CertError {
        CertError(format!("the certificate can't be read or kept: {error}"))
    }
}

/// A chain and its key as the store's record, postcard.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// DER each, the key's own first.
    certificates: Vec<Vec<u8>>,
    /// PKCS#8 DER, sealed for the record's name.
    private_key: Vec<u8>,
    /// None for an authority and for what others made.
    made_for: Option<MadeFor>,
}

/// What a server certificate of ours was made for.
#[derive(Serialize, Deserialize)]
struct MadeFor {
    subjects: Vec<String>,
    ends: UnixTime,
}

impl Kept {
    fn seal(
        gatekeeper: &Gatekeeper,
        name: &str,
        certificates: Vec<Vec<u8>>,
        private_key: &Secret,
        made_for: Option<MadeFor>,
    ) -> Kept {
        Kept { certificates, private_key: gatekeeper.seal(name, private_key.expose()), made_for }
    }

    fn open(&self, gatekeeper: &Gatekeeper, name: &str) -> Result<Identity, CertError> {
        let private_key = gatekeeper.unseal(name, &self.private_key).ok_or_else(|| damaged(name))?;
        let certificate = self.certificates.first().cloned().ok_or_else(|| damaged(name))?;
        Ok(Identity { certificate, private_key })
    }

    /// What others made is theirs to renew.
    fn is_good_for(&self, subjects: &[String], now: UnixTime, believed: bool) -> bool {
        self.made_for.as_ref().is_none_or(|made_for| {
            !renewal::is_out_of_time(made_for, now, believed)
                && subjects.iter().all(|subject| made_for.subjects.contains(subject))
        })
    }
}

async fn kept(store: &Store, name: &str) -> Result<Option<Kept>, CertError> {
    match store.record(name).await? {
        Some(record) => postcard::from_bytes(&record).map(Some).map_err(|_| damaged(name)),
        None => Ok(None),
    }
}

async fn keep(store: &Store, name: &str, kept: &Kept) -> Result<(), CertError> {
    let record = postcard::to_allocvec(kept).map_err(|error| CertError(format!("{name}: {error}")))?;
    Ok(store.put_record(name, record).await?)
}

fn damaged(name: &str) -> CertError {
    CertError(format!("the record {name} is damaged or sealed by another device key; restore a backup"))
}

const AUTHORITY: &str = "tls.authority";
const SERVER: &str = "tls.server";
