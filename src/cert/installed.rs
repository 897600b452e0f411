//! Certificates of others that are shown beside poppet's own, and to whom (T2).

use super::CertError;
use crate::auth::Gatekeeper;
use crate::clock::UnixTime;
use crate::store::Store;

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
    /// Whether it is shown to everybody for whom nothing else is bound.
    pub is_everywhere: bool,
    /// Names and addresses that it is bound to.
    pub places: Vec<String>,
    /// What people should know of it, a sentence each; only [`install`] tells.
    pub notes: Vec<String>,
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
    _store: &Store,
    _gatekeeper: &Gatekeeper,
    _label: &str,
    _chain: &[u8],
    _key: Option<&[u8]>,
    _now: Option<UnixTime>,
) -> Result<Installed, CertError> {
    Err(CertError("not built yet".into()))
}

/// All that are installed, in the order of their labels. Errs if the store fails or the record is damaged.
pub async fn installed(_store: &Store) -> Result<Vec<Installed>, CertError> {
    Ok(Vec::new())
}
