//! Whose certificates servers of the directory may show (S-202).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::limits;

/// The present configuration of TLS, made again when the authorities change.
#[derive(Debug, Default)]
pub(super) struct Trust {
    made: Mutex<Option<Made>>,
}

#[derive(Debug, Clone)]
struct Made {
    of: Option<Vec<u8>>,
    at: Instant,
    config: Arc<ClientConfig>,
}

impl Trust {
    /// TLS that believes the authorities of that record, or the system's if there is none. Errs with what to do.
    pub async fn config(&self, record: Option<Vec<u8>>, now: Instant) -> Result<Arc<ClientConfig>, String> {
        if let Some(made) = self.made().as_ref().filter(|made| made.is_for(&record, now)) {
            return Ok(Arc::clone(&made.config));
        }
        let roots = match &record {
            Some(record) => own_roots(record)?,
            None => smol::unblock(system_roots).await?,
        };
        let config = Arc::new(config(roots)?);
        // Who asked at the same moment may have made one: links are kept by which it is.
        let mut made = self.made();
        if let Some(made) = made.as_ref().filter(|made| made.is_for(&record, now)) {
            return Ok(Arc::clone(&made.config));
        }
        *made = Some(Made { of: record, at: now, config: Arc::clone(&config) });
        Ok(config)
    }

    fn made(&self) -> MutexGuard<'_, Option<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn is_for(&self, record: &Option<Vec<u8>>, now: Instant) -> bool {
        self.of == *record && (self.of.is_some() || now < self.at + limits::SYSTEM_AUTHORITIES_AGE)
    }
}

/// What a failed handshake was, and what to do.
pub(super) fn explain(error: &std::io::Error, host: &str) -> String {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            // A bad signature is that of an authority with the same name and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate is of an authority that is not known: add that with \
                 \"poppet cert ca add FILE --for directory\""
                    .into()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "its certificate is not for {host}: name the server in directory_servers as its certificate does"
            ),
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid now: look at this machine's clock, or renew it".into()
            }
            other => format!("its certificate can't be used: {other}"),
        },
        Some(error) => format!("no TLS: {error}"),
        None => format!("no TLS: {error}"),
    }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(limits::DIRECTORY_SERVERS);
    Ok(config)
}

fn own_roots(record: &[u8]) -> Result<RootCertStore, String> {
    let again = "add the directory's authority again with \"poppet cert ca add FILE --for directory\"";
    let certificates: Vec<Vec<u8>> =
        postcard::from_bytes(record).map_err(|_| format!("the list of authorities is damaged: {again}"))?;
    let (roots, count) = roots(certificates.into_iter().map(CertificateDer::from));
    if count == 0 {
        return Err(format!("none of the directory's authorities can be used: {again}"));
    }
    Ok(roots)
}

/// The first of the places where systems keep the authorities that they believe; blocks.
fn system_roots() -> Result<RootCertStore, String> {
    for path in SYSTEM_AUTHORITIES {
        let Ok(text) = std::fs::read(path) else { continue };
        let (roots, count) = roots(CertificateDer::pem_slice_iter(&text).flatten());
        if count > 0 {
            return Ok(roots);
        }
    }
    Err("no authorities are known to verify it by: add its own with \"poppet cert ca add FILE --for directory\"".into())
}

fn roots<'a>(certificates: impl Iterator<Item = CertificateDer<'a>>) -> (RootCertStore, usize) {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    (roots, added)
}

const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
