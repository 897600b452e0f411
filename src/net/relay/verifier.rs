//! Whether the certificate that a server shows is right: by authority, by fingerprint, or taken as it is (S-136).

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use crate::net::authorities::{self, Authorities, Whose};

/// What a server's certificate is held against.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The authorities, or why there are none.
    pub authorities: Result<Arc<RootCertStore>, String>,
    /// SHA-256 fingerprints; with any of them nothing else counts.
    pub pins: Vec<[u8; 32]>,
    /// Whether TLS goes on with a certificate that is not right.
    pub is_lenient: bool,
    /// Whether this machine's clock is wrong, so that an authority's word of an unknown time counts nothing (S-316).
    pub is_clock_suspect: bool,
}

/// What was seen of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its SHA-256 fingerprint; none if the server showed no certificate.
    pub fingerprint: Option<[u8; 32]>,
    /// Why it is not right, for people; none if it is.
    pub fault: Option<String>,
}

impl Seen {
    /// Whether a certificate was shown, and is right.
    pub fn is_proven(&self) -> bool {
        self.fingerprint.is_some() && self.fault.is_none()
    }
}

/// One handshake's judge.
#[derive(Debug)]
pub struct Verifier {
    trust: Trust,
    host: String,
    seen: Mutex<Seen>,
}

/// Why a certificate is not right, for TLS and for people.
struct Fault {
    error: Error,
    text: String,
}

/// The authorities for smart hosts and routes.
pub type RelayAuthorities = Authorities<RootCertStore>;

/// How an administrator names them.
pub const SMARTHOST: Whose = Whose { purpose: "smarthost", setting: "smarthost" };

impl Verifier {
    /// A judge for a handshake with that host.
    pub fn new(trust: Trust, host: &str) -> Arc<Verifier> {
        Arc::new(Verifier { trust, host: host.into(), seen: Mutex::default() })
    }

    /// What was seen, once the handshake has ended, well or not.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// TLS that asks this judge. No session is taken up again: that one would not be judged.
    pub fn config(self: &Arc<Self>) -> Result<ClientConfig, String> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Fault> {
        if !self.trust.pins.is_empty() {
            let is_pinned = self.trust.pins.contains(&fingerprint(certificate));
            return if is_pinned { Ok(()) } else { Err(Fault::own(NOT_PINNED)) };
        }
        if self.trust.is_clock_suspect {
            return Err(Fault::own(CLOCK_WRONG));
        }
        let roots = self.trust.authorities.clone().map_err(|why| Fault::own(&why))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| Fault::own(&error.to_string()))?;
        verifier.verify_server_cert(certificate, others, name, ocsp, now).map(drop).map_err(|error| {
            let text = authorities::explain_tls(&error, &self.host, SMARTHOST);
            Fault { error, text }
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge(certificate, others, name, ocsp, now);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            fingerprint: Some(fingerprint(certificate)),
            fault: judged.as_ref().err().map(|fault| fault.text.clone()),
        };
        match judged {
            Err(fault) if !self.trust.is_lenient => Err(fault.error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A fingerprint as `smarthost_pin` takes it.
pub fn hex(fingerprint: &[u8; 32]) -> String {
    fingerprint.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    octets
}

impl Fault {
    /// What we find ourselves.
    fn own(text: &str) -> Fault {
        let error = OtherError(Arc::new(std::io::Error::other(text.to_owned())));
        Fault { error: Error::InvalidCertificate(CertificateError::Other(error)), text: text.into() }
    }
}

const CLOCK_WRONG: &str = "this machine's clock is wrong, so it can't tell whether its certificate is still valid: set the \
                           clock, or name the certificate in smarthost_pin";
const NOT_PINNED: &str = "its certificate is none of those that are pinned: look at smarthost_pin";

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handshake in which nobody judged a certificate counted as one with the right one.
    #[test]
    fn who_has_shown_no_certificate_has_proved_nothing_s_140() {
        let shown = Some([7; 32]);
        for (fingerprint, fault, is_proven) in
            [(shown, None, true), (None, None, false), (shown, Some("x"), false), (None, Some("x"), false)]
        {
            let seen = Seen { fingerprint, fault: fault.map(String::from) };
            assert_eq!(seen.is_proven(), is_proven, "{seen:?}");
        }
        let trust = Trust {
            authorities: Err(String::new()),
            pins: Vec::new(),
            is_lenient: true,
            is_clock_suspect: false,
        };
        assert!(!Verifier::new(trust, "smart.example").seen().is_proven(), "before the handshake");
    }

    /// A board that wakes up in 1970 knows no certificate's time, but knows one that it was told of.
    #[test]
    fn by_a_suspect_clock_only_a_pinned_certificate_is_right_s_316() {
        let shown = CertificateDer::from(vec![0x30, 0]);
        let name = ServerName::try_from("smart.example").unwrap();
        let fault = |pins: &[[u8; 32]], is_clock_suspect| {
            let authorities = Ok(Arc::new(RootCertStore::empty()));
            let trust = Trust { authorities, pins: pins.to_vec(), is_lenient: false, is_clock_suspect };
            let verifier = Verifier::new(trust, "smart.example");
            let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_295_700));
            let judged = verifier.verify_server_cert(&shown, &[], &name, &[], at);
            assert_eq!(judged.is_ok(), verifier.seen().is_proven());
            verifier.seen().fault
        };
        assert_eq!(fault(&[fingerprint(&shown)], true), None);
        assert_eq!(fault(&[[7; 32]], true).as_deref(), Some(NOT_PINNED));
        assert_eq!(fault(&[], true).as_deref(), Some(CLOCK_WRONG));
        let by_dates = fault(&[], false).unwrap();
        assert!(!by_dates.contains("clock is wrong"), "{by_dates}");
    }

    /// What one way has taken as it was must not count as proven on another: no session is kept.
    #[test]
    fn no_session_is_taken_up_again_s_140() {
        let trust = Trust {
            authorities: Err(String::new()),
            pins: Vec::new(),
            is_lenient: true,
            is_clock_suspect: false,
        };
        let config = Verifier::new(trust, "smart.example").config().unwrap();
        let resumption = format!("{:?}", config.resumption);
        assert!(resumption.contains("NoClientSessionStorage"), "{resumption}");
        assert!(!config.enable_early_data);
    }
}
