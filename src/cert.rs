//! The small certificate authority that `setup` makes, and the server certificate that it signs (T1).

use std::net::IpAddr;

use crate::clock::UnixTime;
use crate::mail::Secret;

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The private key, PKCS#8 DER.
    pub private_key: Secret,
}

/// Why a certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertError(pub String);

/// Makes an authority: P-256, valid from 1970 on, for `organisation`.
pub fn make_authority(_organisation: &str, _now: UnixTime) -> Result<Identity, CertError> {
    todo!()
}

/// Makes a server certificate signed by `authority` for these names and addresses.
pub fn make_server(
    _authority: &Identity,
    _names: &[String],
    _addresses: &[IpAddr],
    _now: UnixTime,
) -> Result<Identity, CertError> {
    todo!()
}

/// A certificate as PEM text. RFC 7468.
pub fn pem(_certificate: &[u8]) -> String {
    todo!()
}

/// What TLS listeners present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// The server certificate, then the authority's, DER each.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS#8 DER.
    pub private_key: Secret,
}

/// Makes authority and server certificate where there are none, seals their keys and puts them into the
/// store; says whether it made any. `organisation` is the domain's name.
pub async fn ensure(
    _store: &crate::store::Store,
    _gatekeeper: &crate::auth::Gatekeeper,
    _organisation: &str,
    _names: &[String],
    _addresses: &[IpAddr],
    _now: UnixTime,
) -> Result<bool, CertError> {
    todo!()
}

/// What TLS listeners present; none if no certificate is installed.
pub async fn server_identity(
    _store: &crate::store::Store,
    _gatekeeper: &crate::auth::Gatekeeper,
) -> Result<Option<ServerIdentity>, CertError> {
    todo!()
}

/// The authority's certificate, DER, for clients to trust; none if there is none.
pub async fn authority(_store: &crate::store::Store) -> Result<Option<Vec<u8>>, CertError> {
    todo!()
}
