//! What removes mail, mailboxes and domains, brings them back, and notes what was retrieved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::WriteTransaction;

use super::engine::Fault;
use super::error::Ask;
use super::undo::{self, GoneRow, Undeleted};
use super::writer::Job;
use super::{SMALL_CHANGE_OCTETS, Shared, Store, accounts, maildrop};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Address, Domain, MailboxId, Uid};
use crate::settings::Method;

impl Store {
    /// Removes a domain with its mailboxes and mail, which [`Store::undelete`] brings back, and with its aliases and
    /// routes, which nothing brings back; errs with
    /// [`super::StoreError::NotFound`].
    pub fn remove_domain(&self, domain: Domain) -> Ask<()> {
        self.bury(
            move |transaction, at| accounts::remove_domain(transaction, &domain, at),
            |shared| {
                shared.reload_settings();
                shared.reload_routes();
            },
        )
    }

    /// Removes a mailbox with its mail, which [`Store::undelete`] brings back; errs with
    /// [`super::StoreError::NotFound`].
    pub fn remove_mailbox(&self, address: Address) -> Ask<()> {
        self.bury(
            move |transaction, at| accounts::remove_mailbox(transaction, &address, at),
            Shared::reload_settings,
        )
    }

    /// Brings back what was removed from a mailbox since that moment, or all that is still there, with the same
    /// uids; a removed mailbox too, with its password, lock and settings. What comes twice does nothing the second
    /// time. A dry run changes nothing. Open sessions don't see what came back.
    ///
    /// Errs with [`super::StoreError::NotFound`] if nothing of that name is or was here, or its domain isn't; with
    /// [`super::StoreError::Refused`] if the mailbox was made anew and what could come back is its predecessor's, or if another mailbox has its account now.
    pub fn undelete(&self, address: Address, since: Option<UnixTime>, is_dry_run: bool) -> Ask<Undeleted> {
        let shared = Arc::clone(&self.shared);
        let undeleted = Arc::new(AtomicU64::new(0));
        let octets = Arc::clone(&undeleted);
        let is_name_unique = self.settings().auth == Method::Local;
        let undelete = move |transaction: &WriteTransaction| {
            let outcome = undo::undelete(transaction, &address, since, is_dry_run, is_name_unique)?;
            octets.store(outcome.octets, Ordering::Relaxed);
            Ok(outcome.undeleted)
        };
        self.change_then(undelete, move |_| {
            shared.removed_less(undeleted.load(Ordering::Relaxed));
            shared.reload_settings();
        })
    }

    /// The removed mailboxes of one domain or of all that can be brought back.
    pub fn gone(&self, domain: Option<Domain>) -> Ask<Vec<GoneRow>> {
        let undo_days = self.settings().undo_days;
        self.ask(move |transaction| undo::gone(transaction, domain, undo_days))
    }

    /// Removes messages, all or none, durably; those that are gone already are no error. [`Store::undelete`] brings
    /// them back.
    pub fn remove_messages(&self, mailbox: MailboxId, uids: Vec<Uid>) -> Ask<()> {
        self.bury(move |transaction, at| Ok(maildrop::remove(transaction, mailbox, uids, at)?.octets), |_| ())
    }

    /// Notes that messages were retrieved, where that was not known yet; may be lost by a power cut.
    pub fn mark_retrieved(&self, mailbox: MailboxId, uids: Vec<Uid>) -> Ask<()> {
        let mut last = Ask::ready(Ok(()));
        for uids in uids.chunks(limits::MARKED_ROWS) {
            let (uids, at) = (uids.to_vec(), self.shared.removal_time());
            let mark = move |transaction: &WriteTransaction| {
                maildrop::mark_retrieved(transaction, mailbox, uids, at)
            };
            let (mut job, ask) = Job::asking(SMALL_CHANGE_OCTETS, mark, |()| ());
            job.is_durable = false;
            self.send(job);
            last = ask;
        }
        last
    }

    /// What a POP3 session leaves behind at QUIT, in one commit: removes messages as [`Store::remove_messages`]
    /// does, and notes which of the others were retrieved.
    pub fn finish_session(&self, mailbox: MailboxId, removed: Vec<Uid>, retrieved: Vec<Uid>) -> Ask<()> {
        if removed.is_empty() {
            return self.mark_retrieved(mailbox, retrieved);
        }
        let first = retrieved.len() - retrieved.len() % limits::MARKED_ROWS;
        // The last of the jobs before answers for them all; only the removal must be known to be done.
        drop(self.mark_retrieved(mailbox, retrieved[..first].to_vec()));
        let rest = retrieved[first..].to_vec();
        self.bury(
            move |transaction, at| {
                let octets = maildrop::remove(transaction, mailbox, removed, at)?.octets;
                match maildrop::mark_retrieved(transaction, mailbox, rest, at) {
                    // A row that can't be read is no reason to take the removal back, which is written by now.
                    Err(fault) if !fault.is_refusal() => Err(fault),
                    _ => Ok(octets),
                }
            },
            |_| (),
        )
    }

    /// A removal, which tells how many octets it has removed.
    fn bury(
        &self,
        removal: impl FnOnce(&WriteTransaction, UnixTime) -> Result<u64, Fault> + Send + 'static,
        then: impl FnOnce(&Shared) + Send + 'static,
    ) -> Ask<()> {
        let shared = Arc::clone(&self.shared);
        let at = shared.removal_time();
        let removed = Arc::new(AtomicU64::new(0));
        let octets = Arc::clone(&removed);
        let bury = move |transaction: &WriteTransaction| {
            octets.store(removal(transaction, at)?, Ordering::Relaxed);
            Ok(())
        };
        self.change_then(bury, move |()| {
            shared.removed_more(removed.load(Ordering::Relaxed));
            shared.has_removed.store(true, Ordering::Release);
            then(&shared);
        })
    }
}
