//! Sealed records without the store: to see what they hold and to wipe secrets from them (A4).

use std::sync::Arc;

use super::random::Randomness;
use super::record::Record;
use super::seal::Sealer;
use crate::mail::{Address, MailboxMark, Secret};

/// Opens sealed records; it holds no store, so it may travel into one.
#[derive(Clone)]
pub struct Records {
    sealer: Sealer,
    randomness: Arc<Randomness>,
}

/// What a mailbox's record allows beside the password in the clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Means {
    /// SCRAM, by its verifier.
    pub verifier: bool,
    /// APOP, CRAM-MD5 and NTLM, by the secret; where the setting `challenge` is on.
    pub secret: bool,
}

impl Records {
    pub(super) fn new(sealer: Sealer, randomness: Arc<Randomness>) -> Records {
        Records { sealer, randomness }
    }

    /// What a sealed record of that mailbox holds; nothing if it is damaged.
    pub fn means(&self, address: &Address, mark: MailboxMark, sealed: &[u8]) -> Means {
        let record = Record::open(&self.sealer, address, mark, sealed);
        record.map_or(Means::default(), |record| Means {
            verifier: record.verifier().is_some(),
            secret: record.secret().is_some(),
        })
    }

    /// Opens what [`super::Gatekeeper::seal`] made for the same purpose; none if it is not that.
    pub fn unseal(&self, purpose: &str, sealed: &[u8]) -> Option<Secret> {
        self.sealer.unseal(purpose, b"", sealed)
    }

    /// The record sealed anew without its secret; none if it holds none.
    pub fn without_secret(&self, address: &Address, mark: MailboxMark, sealed: &[u8]) -> Option<Vec<u8>> {
        let record = Record::open(&self.sealer, address, mark, sealed)?;
        record.secret()?;
        Some(record.without_secret().seal(&self.sealer, self.randomness.draw(), address, mark))
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Records")
    }
}
