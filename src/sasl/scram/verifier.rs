//! What is kept of a password for SCRAM, and how a proof is checked with it. RFC 5802 §3.

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};
use zeroize::{Zeroize, Zeroizing};

use super::super::digest::is_same;

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
    /// Makes the verifier of a password, prepared already ([`crate::sasl::prepare`]). Takes `salt.iterations`
    /// rounds, one at least.
    pub fn derive(password: &[u8], salt: Salt) -> Verifier {
        let iterations = NonZeroU32::new(salt.iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt.octets, password, &mut *salted);
        let mut client_key = keyed(&*salted, b"Client Key");
        let stored_key = hashed(&client_key);
        client_key.zeroize();
        Verifier { salt, stored_key, server_key: keyed(&*salted, b"Server Key") }
    }
}

impl Proof {
    /// The server's signature if the proof was made with the verifier's password; takes the same time whatever
    /// differs.
    pub fn verify(&self, verifier: &Verifier) -> Option<[u8; 32]> {
        let mut client_key = keyed(&verifier.stored_key, &self.auth_message);
        client_key.iter_mut().zip(self.client_proof).for_each(|(octet, proof)| *octet ^= proof);
        let is_right = is_same(&hashed(&client_key), &verifier.stored_key);
        client_key.zeroize();
        let signature = keyed(&verifier.server_key, &self.auth_message);
        is_right.then_some(signature)
    }
}

pub(in crate::sasl) fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    octets(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref())
}

pub(in crate::sasl) fn hashed(message: &[u8]) -> [u8; 32] {
    octets(digest::digest(&digest::SHA256, message).as_ref())
}

fn octets(from: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.iter_mut().zip(from).for_each(|(octet, drawn)| *octet = *drawn);
    octets
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Verifier")
    }
}
