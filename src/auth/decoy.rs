//! The decoy: what stands in for a mailbox that is not there, or lacks what a claim needs (A11, S-167, S-185).

use super::hash::{Cost, Hash};
use super::password;
use super::random::Randomness;
use super::record::Record;
use super::seal::Sealer;
use crate::limits;
use crate::mail::{Address, MailboxMark, Secret};
use crate::sasl::scram::{Salt, Verifier};

/// A record that nothing opens, as costly to try as a real one.
pub struct Decoy {
    /// What its hash costs.
    pub cost: Cost,
    /// For whom it is sealed; who has no address is looked up under this one.
    pub address: Address,
    /// For whom is asked elsewhere where there is nobody; no account has such a name.
    pub stranger: Address,
    /// For whom it is sealed.
    pub mark: MailboxMark,
    /// The sealed record.
    pub sealed: Vec<u8>,
    /// A hash of no password.
    pub hash: Hash,
    /// A verifier of no password.
    pub verifier: Verifier,
    /// A secret that nobody knows.
    pub secret: Secret,
}

impl Decoy {
    /// Draws one; none if there can't be a hash of such a cost.
    pub fn new(sealer: &Sealer, randomness: &Randomness, cost: Cost) -> Option<Decoy> {
        let salt = Salt { octets: randomness.draw(), iterations: limits::SCRAM_ITERATIONS };
        let verifier = Verifier { salt, stored_key: randomness.draw(), server_key: randomness.draw() };
        let hash = Hash::dummy(randomness, cost).ok()?;
        let secret = password::generate(randomness);
        let address: Address = NOBODY.parse().ok()?;
        let number = u64::from_le_bytes(randomness.draw());
        let stranger: Address = format!("nobody-{number:016x}@nowhere.invalid").parse().ok()?;
        let mark = MailboxMark(randomness.draw());
        let record = Record::new(hash.clone(), Some(verifier.clone()), Some(secret.clone()));
        let sealed = record.seal(sealer, randomness.draw(), &address, mark);
        Some(Decoy { cost, address, stranger, mark, sealed, hash, verifier, secret })
    }
}

/// An address under a name that no domain can be registered for. RFC 2606 §2.
const NOBODY: &str = "decoy@nowhere.invalid";
