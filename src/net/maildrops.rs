//! Who has which maildrop: one session each. RFC 1939 §4.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mail::MailboxId;

/// The maildrops that sessions have; one session each. RFC 1939 §4.
#[derive(Debug, Default)]
pub struct Maildrops {
    taken: Mutex<HashSet<MailboxId>>,
}

/// An exclusive hold on a maildrop; dropped, the maildrop is free (S-225).
#[derive(Debug)]
pub struct Hold {
    maildrops: Arc<Maildrops>,
    mailbox: MailboxId,
}

impl Maildrops {
    /// Takes a maildrop; none if another session has it.
    pub fn take(self: &Arc<Self>, mailbox: MailboxId) -> Option<Hold> {
        let is_free = self.lock().insert(mailbox);
        is_free.then(|| Hold { maildrops: Arc::clone(self), mailbox })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<MailboxId>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// Whose maildrop it is.
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.maildrops.lock().remove(&self.mailbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maildrop_has_one_session_and_is_free_after_it_s_225() {
        let maildrops = Arc::new(Maildrops::default());
        let hold = maildrops.take(MailboxId(1)).unwrap();
        assert!(maildrops.take(MailboxId(1)).is_none());
        assert!(maildrops.take(MailboxId(2)).is_some());
        drop(hold);
        assert!(maildrops.take(MailboxId(1)).is_some());
    }
}
