//! The CRAM-MD5 mechanism: HMAC-MD5 over the server's challenge, keyed with the password. RFC 2195.

use super::{Claim, SaslError, Terms};
use crate::mail::Secret;

/// What CRAM-MD5 proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The challenge.
    pub challenge: String,
    /// The digest as the peer sent it.
    pub digest: [u8; 16],
}

impl Proof {
    /// Whether only who knows that password could have made it; takes the same time whatever differs.
    pub fn is_made_with(&self, _password: &Secret) -> bool {
        false
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    challenge: String,
}

impl Exchange {
    pub(super) fn new(_terms: &Terms, _count: u32) -> Exchange {
        Exchange { challenge: String::new() }
    }

    pub(super) fn challenge(&self) -> Vec<u8> {
        self.challenge.clone().into_bytes()
    }

    pub(super) fn take(&mut self, _response: &[u8]) -> Result<Claim, SaslError> {
        Err(SaslError::BadResponse)
    }
}
