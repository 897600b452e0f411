//! Who is at the other end of a connection that logs on.

use std::net::IpAddr;

use crate::mail::Address;

/// The other end, as far as a logon depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where he is.
    pub address: IpAddr,
    /// The users whom his certificate names, if he has shown one: of our mailboxes, by its address or its fingerprint.
    /// Empty if it names nobody here; then nobody logs on with it (S-250).
    pub certificate: Option<Vec<Address>>,
    /// Whether nobody logs on at this door without a certificate.
    pub needs_certificate: bool,
    /// Whether a certificate alone is not enough.
    pub needs_password: bool,
}

/// A peer of whom no certificate is asked.
impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Peer {
        Peer { address, certificate: None, needs_certificate: false, needs_password: false }
    }
}
