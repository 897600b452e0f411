//! SCRAM-SHA-256, with and without channel binding: both sides prove that they know the password, and neither
//! shows it. RFC 5802, RFC 7677, RFC 9266.

use super::{SaslError, Terms, Turn};

/// What the server keeps of a password: it proves the peer's proof and makes none. RFC 5802 §3.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// The salt and the iterations.
    pub salt: Salt,
    /// RFC 5802 §3.
    pub stored_key: [u8; 32],
    /// RFC 5802 §3.
    pub server_key: [u8; 32],
}

/// What a peer must know to make his keys of his password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt {
    /// Random octets.
    pub octets: [u8; 16],
    /// Iterations of PBKDF2.
    pub iterations: u32,
}

/// What SCRAM proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// RFC 5802 §3: the three messages that both sides sign.
    pub auth_message: Vec<u8>,
    /// RFC 5802 §3.
    pub client_proof: [u8; 32],
}

impl Verifier {
    /// Makes the verifier of a password, prepared already ([`super::prepare`]). Takes `salt.iterations` rounds.
    pub fn derive(_password: &[u8], salt: Salt) -> Verifier {
        Verifier { salt, stored_key: [0; 32], server_key: [0; 32] }
    }
}

impl Proof {
    /// The server's signature if the proof was made with the verifier's password; takes the same time whatever
    /// differs.
    pub fn verify(&self, _verifier: &Verifier) -> Option<[u8; 32]> {
        None
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {}

impl Exchange {
    pub(super) fn new(_terms: &Terms, _count: u32, _is_plus: bool) -> Exchange {
        Exchange {}
    }

    pub(super) fn take(&mut self, _response: &[u8]) -> Result<Turn, SaslError> {
        Err(SaslError::BadResponse)
    }

    pub(super) fn salted(&mut self, _salt: Salt) -> Result<Turn, SaslError> {
        Err(SaslError::BadResponse)
    }

    pub(super) fn verified(&mut self, _signature: [u8; 32]) -> Result<Turn, SaslError> {
        Err(SaslError::BadResponse)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Verifier")
    }
}
