//! Certificates of users: who must show one, whose he is, and who logs on by it alone (A8).

use std::sync::Arc;

use super::decoy::Decoy;
use super::login::IS_HELD;
use super::subject::Caller;
use super::{Absence, Gatekeeper, Peer, Person, Verdict, elsewhere};
use crate::mail::Address;
use crate::sasl::Proof;
use crate::settings::Method;
use crate::store::Mailbox;

/// The user name; for a claim by certificate that has none, that of the only user whom the certificate names.
/// RFC 4422, appendix A.
pub fn name(user_name: String, proof: &Proof, peer: &Peer) -> String {
    match (proof, &peer.certificate) {
        (Proof::Certificate, Some(users)) if user_name.is_empty() => match &users[..] {
            [only] => only.to_string(),
            _ => user_name,
        },
        _ => user_name,
    }
}

/// Why that user can't log on from there in any way; none if he can. Nothing is computed before it is known, for it
/// tells only of the certificate, which whoever asks holds himself (S-250, S-251).
pub fn flaw(user: Option<&Address>, peer: &Peer) -> Option<&'static str> {
    match &peer.certificate {
        None => peer.needs_certificate.then_some("no certificate was shown, and clientcert asks for one"),
        Some(users) if users.is_empty() => {
            Some("the certificate names nobody here: \"poppet cert allow\" says whose it is")
        }
        Some(users) => {
            let is_his = user.is_some_and(|address| users.contains(address));
            (!is_his).then_some("the certificate is another user's")
        }
    }
}

impl Gatekeeper {
    /// Lets in by the certificate alone. The account elsewhere must still be good, if that is how users are known.
    pub(super) async fn login_by_certificate(
        &self,
        mut caller: Caller,
        decoy: Arc<Decoy>,
        peer: &Peer,
    ) -> Result<Mailbox, Verdict> {
        let subject = self.subject(&caller, decoy).await.map_err(|_| Verdict::StoreFailed)?;
        caller.meant(&subject);
        let attempt = self.attempt(&caller);
        if self.throttle().is_held(&attempt, self.inner.clock.monotonic()) {
            return Err(self.put_off(IS_HELD, &caller));
        }
        let flaw = match (&peer.certificate, flaw(subject.address.as_ref(), peer)) {
            (None, _) => Some("no certificate was shown"),
            (Some(users), Some(_)) if caller.account.is_empty() && !users.is_empty() => {
                Some("the certificate names several users: the client must say which")
            }
            (Some(_), Some(flaw)) => Some(flaw),
            (Some(_), None) => {
                peer.needs_password.then_some("certpassword is on: a certificate needs the password, too")
            }
        };
        let mailbox = match (flaw, &subject.mailbox) {
            (None, Some(mailbox)) => mailbox,
            (flaw, _) => return Err(self.refuse(&caller, None, flaw.unwrap_or("the mailbox is gone"))),
        };
        if caller.method != Method::File {
            self.must_still_be_good(&caller, mailbox).await?;
        }
        // Nobody guesses certificates: a lockout for wrong passwords is not for who has one.
        self.throttle().passed(&attempt, self.inner.clock.monotonic());
        Ok(mailbox.clone())
    }

    async fn must_still_be_good(&self, caller: &Caller, mailbox: &Mailbox) -> Result<(), Verdict> {
        let person = Person { address: mailbox.address.clone(), account: mailbox.account.clone() };
        let Some(outside) = self.outside() else {
            return Err(self.unavailable(
                caller.method,
                caller,
                "there is nobody to ask; restart the service",
            ));
        };
        match outside.admit(caller.method, person).await {
            Ok(found) if elsewhere::is_another(mailbox.account.as_ref(), &found) => {
                let why = "its account is not the one that the mailbox was bound to: \"poppet account\" binds it anew";
                Err(self.refuse(caller, None, why))
            }
            Ok(found) if elsewhere::is_untold(mailbox.account.as_ref(), &found) => {
                Err(self.unavailable(caller.method, caller, elsewhere::IS_UNTOLD))
            }
            Ok(_) => Ok(()),
            Err(Absence::Refused(why)) => Err(self.refuse(caller, None, &elsewhere::shown(&why))),
            Err(Absence::Unavailable(why)) => Err(self.unavailable(caller.method, caller, &why)),
        }
    }
}
