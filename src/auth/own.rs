//! A user proves his password in order to change it (A14).

use super::{Gatekeeper, Peer, Verdict};
use crate::mail::Secret;
use crate::sasl::{Claim, Proof};

impl Gatekeeper {
    /// Whether that is his password, tried as at a logon and counted as one. Only the password file's can be changed
    /// here: the caller looks at the method first.
    pub async fn prove_own(&self, user_name: &str, password: Secret, peer: &Peer) -> Verdict {
        let claim = Claim { user_name: user_name.into(), proof: Proof::Password(password) };
        self.login(claim, peer).await
    }
}
