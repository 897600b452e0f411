//! Whose certificates other servers may show us: authorities that were given, else those of the system (S-136, S-202).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};

use super::task;
use crate::limits;
use crate::sandbox;

/// What is made of the present authorities, made again when they change.
#[derive(Debug)]
pub struct Authorities<T> {
    made: Mutex<Option<Made<T>>>,
}

/// How an administrator names those for whom authorities vouch.
#[derive(Debug, Clone, Copy)]
pub struct Whose {
    /// What stands behind `--for` in `poppet cert ca add`.
    pub purpose: &'static str,
    /// The setting in which a server is named.
    pub setting: &'static str,
}

#[derive(Debug)]
struct Made<T> {
    of: Option<Vec<u8>>,
    at: Instant,
    made: Arc<T>,
}

impl<T> Default for Authorities<T> {
    fn default() -> Authorities<T> {
        Authorities { made: Mutex::new(None) }
    }
}

impl<T> Authorities<T> {
    /// What `make` makes of the authorities of that record, or of the system's if there is none; the same again while
    /// they are the same. Errs with what to do.
    pub async fn of(
        &self,
        record: Option<Vec<u8>>,
        now: Instant,
        whose: Whose,
        make: impl FnOnce(RootCertStore) -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        if let Some(made) = self.made().as_ref().filter(|made| made.is_for(&record, now)) {
            return Ok(Arc::clone(&made.made));
        }
        let roots = match &record {
            Some(record) => own_roots(record, whose)?,
            None => task::unblock(move || system_roots(whose)).await?,
        };
        let anew = Arc::new(make(roots)?);
        // Who asked at the same moment may have made one: links are kept by which it is.
        let mut made = self.made();
        if let Some(made) = made.as_ref().filter(|made| made.is_for(&record, now)) {
            return Ok(Arc::clone(&made.made));
        }
        *made = Some(Made { of: record, at: now, made: Arc::clone(&anew) });
        Ok(anew)
    }

    fn made(&self) -> MutexGuard<'_, Option<Made<T>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Made<T> {
    fn is_for(&self, record: &Option<Vec<u8>>, now: Instant) -> bool {
        self.of == *record && (self.of.is_some() || now < self.at + limits::SYSTEM_AUTHORITIES_AGE)
    }
}

/// What a failed handshake was, and what to do.
pub fn explain(error: &io::Error, host: &str, whose: Whose) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => explain_tls(error, host, whose),
        None => format!("no TLS: {error}"),
    }
}

/// The same of what TLS itself found.
pub fn explain_tls(error: &rustls::Error, host: &str, whose: Whose) -> String {
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        // A server that begins in clear text.
        rustls::Error::InvalidMessage(_) => {
            return "it speaks no TLS at that port: is it the right one?".into();
        }
        error => return format!("no TLS: {error}"),
    };
    match certificate {
        // A bad signature is that of an authority with the same name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is of an authority that is not known: add that with \"poppet cert ca add FILE --for {}\"",
            whose.purpose
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "its certificate is not for {host}: name the server in {} as its certificate does",
            whose.setting
        ),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid now: look at this machine's clock, or renew it".into()
        }
        other => format!("its certificate can't be used: {other}"),
    }
}

fn own_roots(record: &[u8], whose: Whose) -> Result<RootCertStore, String> {
    let purpose = whose.purpose;
    let again =
        format!("add the {purpose}'s authority again with \"poppet cert ca add FILE --for {purpose}\"");
    let certificates: Vec<Vec<u8>> =
        postcard::from_bytes(record).map_err(|_| format!("the list of authorities is damaged: {again}"))?;
    let (roots, count) = roots(certificates.into_iter().map(CertificateDer::from));
    if count == 0 {
        return Err(format!("none of the {purpose}'s authorities can be used: {again}"));
    }
    Ok(roots)
}

/// The first of the places where systems keep the authorities that they believe; blocks.
fn system_roots(whose: Whose) -> Result<RootCertStore, String> {
    let mut denied = None;
    for path in SYSTEM_AUTHORITIES {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                denied.get_or_insert(*path);
                continue;
            }
            Err(_) => continue,
        };
        let (roots, count) = roots(CertificateDer::pem_slice_iter(&text).flatten());
        if count > 0 {
            return Ok(roots);
        }
    }
    Err(no_roots(denied.filter(|_| sandbox::guards_files()), whose))
}

/// What to do where no authorities can be read; `denied` is what the sandbox does not let.
fn no_roots(denied: Option<&str>, whose: Whose) -> String {
    match denied {
        Some(path) => {
            format!("no authorities can be read to verify it by: where {path} leads is {}", sandbox::news())
        }
        None => format!(
            "no authorities are known to verify it by: add its own with \"poppet cert ca add FILE --for {}\"",
            whose.purpose
        ),
    }
}

fn roots<'a>(certificates: impl Iterator<Item = CertificateDer<'a>>) -> (RootCertStore, usize) {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    (roots, added)
}

/// Files in which systems keep the authorities that they believe.
pub const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// An administrator was sent to add an authority that the machine has, behind a link that has come to lead elsewhere.
    #[test]
    fn authorities_that_the_sandbox_hides_need_a_restart_and_no_file() {
        let whose = Whose { purpose: "smarthost", setting: "smarthost" };
        let hidden = no_roots(Some("/etc/ssl/cert.pem"), whose);
        assert!(hidden.contains("where /etc/ssl/cert.pem leads") && hidden.ends_with("restart the server"));
        assert!(no_roots(None, whose).ends_with("\"poppet cert ca add FILE --for smarthost\""));
    }
}
