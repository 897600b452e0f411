//! Salts of SCRAM: made of the name, so that those of users and of strangers can't be told apart (A11).
//!
//! A random salt would tell who is there: it changes when a password is set, and comes and goes with its mailbox,
//! while one that is made up for a stranger must stay the same. So all are made up, also those that verifiers
//! are made with; without the device key nobody can compute one, and no two names have the same.

use std::net::IpAddr;

use ring::hmac;

use super::Gatekeeper;
use super::work::Work;
use crate::limits;
use crate::sasl::scram::Salt;
use crate::store::StoreError;

impl Gatekeeper {
    /// The salt with which that user's SCRAM keys are made; who is no user, or has none, has one made up that
    /// stays the same (A11). An alias has the salt of whom it leads to, as he needs it to log on with; who compares
    /// salts so learns which names are aliases. Errs if the store can't answer; logged already.
    pub async fn salt(&self, user_name: &str, peer: IpAddr) -> Result<Salt, StoreError> {
        let mut caller = self.caller(user_name, peer, "SCRAM");
        let decoy = self.decoy().ok_or_else(|| StoreError::Refused("no decoy can be made".into()))?;
        let subject = self.subject(&caller, decoy).await?;
        caller.meant(&subject);
        let made_up = self.made_up_salt(&caller.account);
        // A verifier may have been made with more or fewer iterations than today's.
        Ok(subject.verifier().map_or(made_up, |verifier| verifier.salt))
    }

    /// The salt of an account, named in small letters: the same for ever under this device key.
    pub(super) fn made_up_salt(&self, account: &str) -> Salt {
        self.inner.ledger.note(Work::Salt);
        let tag = hmac::sign(&self.inner.salts, account.as_bytes());
        let mut octets = [0; 16];
        octets.copy_from_slice(&tag.as_ref()[..16]);
        Salt { octets, iterations: limits::SCRAM_ITERATIONS }
    }
}
