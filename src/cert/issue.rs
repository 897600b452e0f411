//! Certificates for users' devices, made here.

use super::fingerprint::Fingerprint;
use super::kept::{self, Allowed};
use super::{AUTHORITY, CertError, Identity, certificate, make, pkcs12};
use crate::auth::Gatekeeper;
use crate::clock::UnixTime;
use crate::mail::{Address, MailboxMark, Secret};
use crate::store::{Store, StoreError};

/// A certificate that was made for a user's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate with its key and the authority's, PKCS #12.
    pub file: Vec<u8>,
    /// What opens the file.
    pub password: Secret,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// Until when it is valid.
    pub ends: UnixTime,
}

/// Makes a certificate for the mailbox with that mark, and allows it by its fingerprint, so that it can be denied; the
/// key is kept nowhere. Errs if there is no authority, or the store fails.
pub async fn issue(
    store: &Store,
    gatekeeper: &Gatekeeper,
    (address, mark): (Address, MailboxMark),
    label: String,
    days: u32,
    now: UnixTime,
) -> Result<Issued, StoreError> {
    let refused = |CertError(text)| StoreError::Refused(text);
    let authority = match super::kept(store, AUTHORITY).await.map_err(refused)? {
        Some(kept) => kept.open(gatekeeper, AUTHORITY).map_err(refused)?,
        None => {
            let text = "there is no authority that could sign: \"poppet setup\" makes one";
            return Err(StoreError::Refused(text.into()));
        }
    };
    let (Identity { certificate, private_key }, ends) =
        make::make_client(&authority, &address, days, now).map_err(refused)?;
    let fingerprint = certificate::fingerprint(&certificate);
    let password = gatekeeper.generate_password();
    let contents = pkcs12::Contents {
        certificates: &[&certificate, &authority.certificate],
        private_key: &private_key,
        name: address.as_str(),
    };
    let file = pkcs12::seal(&contents, &password, || gatekeeper.draw());
    kept::allow(
        store,
        Allowed { address, mark, fingerprint, label, ends: Some(ends), is_issued: true, made: now },
    )
    .await?;
    Ok(Issued { file, password, fingerprint, ends })
}
