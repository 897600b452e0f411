//! Which certificates of users are believed, and whom they name (A8).
//!
//! ```text
//! judge(chain, clock) -> too long, unreadable, for another purpose? refused
//!        -> its fingerprint is allowed: the users it was allowed for, as long as its dates are good
//!        -> an authority of the list vouches for it (webpki: path, dates, purpose, revocation): its addresses
//!        -> refused, with one line for the log
//! users(judged) -> of these, the mailboxes that stand here; nobody if there are none (S-250)
//! ```
//!
//! A suspect clock judges no dates (S-308): a chain is then looked at as of the day on which the last of its
//! certificates began. Whether a certificate is revoked is known where a list of its authority is here; one that is
//! overdue counts, because a forgotten renewal must not lock everybody out.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime as TlsTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::certificate::{self, Certificate};
use super::fingerprint::Fingerprint;
use super::kept::{self, Allowed, Vouches};
use super::{CertError, make};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Address, MailboxMark, printable};
use crate::store::{Store, StoreError};

/// Which certificates are believed, as it was when it was loaded.
#[derive(Debug, Default)]
pub struct Trust {
    chains: Option<Arc<dyn ClientCertVerifier>>,
    allowed: HashMap<Fingerprint, Vec<(Address, MailboxMark)>>,
}

/// A certificate that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What tells it from others.
    pub fingerprint: Fingerprint,
    /// The common name of its subject, harmless.
    pub name: String,
    named: Named,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// By the administrator.
    Allowed(Vec<(Address, MailboxMark)>),
    /// By an authority.
    Vouched(Vec<Address>),
}

impl Trust {
    /// Loads what is kept. Errs if the store fails or what it holds can't be used.
    pub async fn load(store: &Store) -> Result<Trust, CertError> {
        let authorities = kept::authorities(store, Vouches::ForClients).await?;
        let chains = chains(&authorities, kept::revocations(store).await?)?;
        let mut allowed: HashMap<_, Vec<_>> = HashMap::new();
        for Allowed { fingerprint, address, mark, .. } in kept::allowed(store).await? {
            allowed.entry(fingerprint).or_default().push((address, mark));
        }
        Ok(Trust { chains, allowed })
    }

    /// Whether a chain, the user's own certificate first, is believed. Errs with why not, for the log.
    pub fn judge(&self, chain: &[CertificateDer<'_>], clock: &Clock) -> Result<Judged, CertError> {
        let (own, others) = chain.split_first().ok_or_else(|| CertError("no certificate is there".into()))?;
        if others.len() > limits::CLIENT_CHAIN {
            return Err(CertError(format!("comes with over {} others", limits::CLIENT_CHAIN)));
        }
        let fingerprint = certificate::fingerprint(own);
        let read = certificate::read(own).map_err(|CertError(text)| {
            CertError(format!("{} can't be taken: {text}", fingerprint.short()))
        })?;
        let name = printable(read.name.as_bytes());
        let why = |text: String| CertError(format!("{name:?} ({}) {text}", fingerprint.short()));
        if !read.is_for_clients {
            return Err(why("is for another purpose than logging on".into()));
        }
        let now = Some(clock.now()).filter(|now| !clock.is_suspect() && make::is_plausible(*now));
        if now.is_some_and(|now| now > read.ends) {
            return Err(why(format!("ended on {}", read.ends.rfc3339())));
        }
        if now.is_some_and(|now| now < read.begins) {
            return Err(why(format!("begins only on {}", read.begins.rfc3339())));
        }
        if let Some(users) = self.allowed.get(&fingerprint) {
            let named = Named::Allowed(users.clone());
            return Ok(Judged { fingerprint, name, named });
        }
        let Some(chains) = &self.chains else {
            return Err(why("is not allowed, and there is no authority to vouch for it".into()));
        };
        let moment = now.unwrap_or_else(|| latest(&read, others));
        let moment = TlsTime::since_unix_epoch(std::time::Duration::from_secs(moment.0));
        match chains.verify_client_cert(own, others, moment) {
            Ok(_) => Ok(Judged { fingerprint, name, named: Named::Vouched(read.addresses) }),
            Err(error) => Err(why(flaw(&error))),
        }
    }

    /// The subjects of the authorities, for clients that choose their certificate by them; none where single ones are
    /// allowed too, which such a client would not find among them.
    fn hints(&self) -> &[DistinguishedName] {
        match &self.chains {
            Some(chains) if self.allowed.is_empty() => chains.root_hint_subjects(),
            _ => &[],
        }
    }
}

impl Judged {
    /// The users whom it names: mailboxes that are here now. Errs if the store fails.
    pub async fn users(&self, store: &Store) -> Result<Vec<Address>, StoreError> {
        let candidates: Vec<(&Address, Option<MailboxMark>)> = match &self.named {
            Named::Allowed(users) => users.iter().map(|(address, mark)| (address, Some(*mark))).collect(),
            Named::Vouched(addresses) => addresses.iter().map(|address| (address, None)).collect(),
        };
        let mut users = Vec::new();
        for (address, mark) in candidates {
            let mailbox = store.mailbox(address.clone()).await?;
            let mailbox = mailbox.filter(|mailbox| mark.is_none_or(|mark| mark == mailbox.mark));
            users.extend(mailbox.map(|mailbox| mailbox.address));
        }
        Ok(users)
    }
}

/// Asks for certificates in handshakes, and judges them. Every refusal is one alert, `certificate_unknown`: what it is
/// stands in the log with whose certificate it was.
#[derive(Debug)]
pub struct Verifier {
    /// What is believed.
    pub trust: Arc<Trust>,
    /// What the dates are held against.
    pub clock: Clock,
    /// Whether nobody gets past the handshake without one.
    pub is_required: bool,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trust.hints()
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: TlsTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<_> =
            std::iter::once(own).chain(others).map(|der| CertificateDer::from(der.as_ref())).collect();
        match self.trust.judge(&chain, &self.clock) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error)))))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Errs unless it can vouch for others.
pub fn check_authority(der: &[u8]) -> Result<(), CertError> {
    chains(&[der.to_vec()], Vec::new()).map(drop)
}

/// Errs unless these revocation lists can be used beside those authorities.
pub fn check_revocations(authorities: &[Vec<u8>], lists: Vec<Vec<u8>>) -> Result<(), CertError> {
    chains(authorities, lists).map(drop)
}

fn chains(
    authorities: &[Vec<u8>],
    revocations: Vec<Vec<u8>>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, CertError> {
    if authorities.is_empty() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    for der in authorities {
        let added = roots.add(CertificateDer::from(der.clone()));
        added.map_err(|error| CertError(format!("an authority can't be used: {error}")))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()))
        .with_crls(revocations.into_iter().map(CertificateRevocationListDer::from))
        // Lists are not there of every authority.
        .allow_unknown_revocation_status()
        .build();
    verifier.map(Some).map_err(|error| CertError(format!("a revocation list can't be used: {error}")))
}

/// When the last of them began; the others hold until then, or the chain was never good.
fn latest(own: &Certificate, others: &[CertificateDer<'_>]) -> UnixTime {
    let begins = others.iter().filter_map(|der| certificate::read(der).ok()).map(|read| read.begins);
    begins.chain([own.begins]).max().unwrap_or(own.begins)
}

/// What webpki has against it, in our words.
fn flaw(error: &Error) -> String {
    let Error::InvalidCertificate(error) = error else { return format!("can't be judged: {error}") };
    match error {
        CertificateError::UnknownIssuer => "is of no authority that is trusted here".into(),
        CertificateError::Revoked => "is revoked".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has an authority that has ended".into()
        }
        CertificateError::BadSignature => "bears a wrong signature".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is for another purpose than logging on".into()
        }
        other => format!("is refused: {other}"),
    }
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

#[cfg(test)]
mod tests;
