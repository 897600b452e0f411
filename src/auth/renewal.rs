//! Records made of other costs than today's are made anew once their password is known again (S-167).

use super::Gatekeeper;
use super::hash::NoMemory;
use super::throttle::Attempt;
use crate::mail::Secret;
use crate::settings::Method;
use crate::store::{Mailbox, StoreError};

impl Gatekeeper {
    /// Has a record made anew of the right password, behind the gate and behind the logon that brought it; if
    /// there is no place, the next logon brings it again. `secret` is what the old record keeps.
    pub(super) fn renew_later(
        &self,
        mailbox: &Mailbox,
        password: &Secret,
        secret: Option<&Secret>,
        attempt: &Attempt,
    ) {
        let (gatekeeper, mailbox) = (self.clone(), mailbox.clone());
        let (password, secret) = (password.clone(), secret.cloned());
        let work = move || {
            let address = mailbox.address.clone();
            if let Err(error) = gatekeeper.renew(mailbox, &password, secret) {
                log::warn!("the password record of {address} is still the old one: {error}");
            }
        };
        // Nobody waits for it.
        drop(self.inner.gate.enter(attempt.network(), true, work));
    }

    /// Replaces the record unless a new password, or a wiping of secrets, was faster. It is the same password,
    /// so sessions go on. Blocks.
    fn renew(&self, mailbox: Mailbox, password: &Secret, secret: Option<Secret>) -> Result<bool, StoreError> {
        let secret = secret.filter(|_| self.keeps_secrets());
        let record = self.make_record(&mailbox.address, password, secret).map_err(no_memory)?;
        let sealed = record.seal(&self.inner.sealer, self.draw(), &mailbox.address, mailbox.mark);
        // Else the user's next logon would be hashed again.
        self.recognition().remember(Method::File, &sealed, password, self.inner.clock.monotonic());
        self.inner.store.replace_password(mailbox.address, mailbox.password, sealed).wait()
    }
}

fn no_memory(_: NoMemory) -> StoreError {
    StoreError::Refused("not enough memory for its hash; \"poppet set argon2_kib\" lower".into())
}
