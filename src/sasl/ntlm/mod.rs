//! The NTLM mechanism, NTLMv2 alone: the answer to a challenge, keyed with the password's old hash. [MS-NLMP].

use super::{SaslError, Terms, Turn};
use crate::mail::Secret;

/// What NTLM proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    server_challenge: [u8; 8],
}

impl Proof {
    /// Whether only who knows that password could have made it; takes the same time whatever differs.
    pub fn is_made_with(&self, _password: &Secret) -> bool {
        self.server_challenge.is_empty()
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {}

impl Exchange {
    pub(super) fn new(_terms: &Terms, _count: u32) -> Exchange {
        Exchange {}
    }

    pub(super) fn take(&mut self, _response: &[u8]) -> Result<Turn, SaslError> {
        Err(SaslError::BadResponse)
    }
}
