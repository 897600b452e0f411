//! What a stored mail gives rise to: a report to its sender (RFC 3461 §5.2.3), a warning to whom it nearly fills his
//! mailbox (M8). Neither can make the mail fail, which has had its reply by then.

use super::Driver;
use super::storing::deliveries;
use crate::limits;
use crate::mail::{Address, MailboxId};
use crate::net::fold::Topic;
use crate::net::recipients::is_final;
use crate::net::relay::Turn;
use crate::net::relay::reader;
use crate::smtp::warning::{Filling, warning};
use crate::smtp::{Envelope, MailDsn, Now, ReversePath, report};
use crate::store::{Resolved, StoreError, Upload};

/// Mailboxes, each with its address.
type Mailboxes = Vec<(MailboxId, Address)>;

impl Driver<'_> {
    /// The front of a message whose sender wants a report of it; none where he wants none. Errs if it can't be read back.
    pub(super) async fn header_to_report(
        &self,
        envelope: &Envelope,
        upload: &Upload,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match report::is_wanted(envelope) {
            true => upload.front(limits::SCANNED_HEADER_OCTETS).await.map(Some),
            false => Ok(None),
        }
    }

    /// Reports to the sender if there is a header to report, and warns the users of those mailboxes.
    pub(super) async fn follow_up(
        &self,
        envelope: &Envelope,
        header: Option<Vec<u8>>,
        to_warn: Vec<MailboxId>,
    ) {
        if let Some(header) = header
            && let Err(cause) = self.report(envelope, &header).await
        {
            let sender = envelope.reverse_path.as_str();
            let line = format!("{}: no report of delivery for {sender:?}: {cause}", self.peer);
            self.server.fold.warn(Topic::Report, self.server.clock.monotonic(), format_args!("{line}"));
        }
        for (mailbox, address) in envelope.recipients.iter().filter(|(id, _)| to_warn.contains(id)) {
            if let Err(error) = self.warn(*mailbox, address).await {
                self.server.store_failed("warning of a full mailbox", &error);
            }
        }
    }

    /// Errs with what the log should tell.
    async fn report(&self, envelope: &Envelope, header: &[u8]) -> Result<(), String> {
        let server = self.server;
        let found = reader::find(server, envelope.reverse_path.as_str()).await;
        let reader = found.map_err(|error| error.to_string())??;
        let (hostname, number) = (server.hostname(&self.settings), server.mail_number());
        let (domain, now) = (reader.domain.as_deref(), self.now());
        let made = report::success(&hostname, reader.language, now, number, domain, envelope, header);
        let Some(made) = made else { return Ok(()) };
        // Whoever may send as anybody must not fill a stranger's mailbox (S-127).
        let turn = match reader.outside.is_empty() {
            true => None,
            false => Some(
                server
                    .reports
                    .take(&self.submitter(), server.clock.monotonic())
                    .ok_or("there were too many reports in this hour")?,
            ),
        };
        match reader::file(server, &reader, &made, Vec::new()).await {
            Ok(true) => {
                turn.into_iter().for_each(Turn::keep);
                Ok(())
            }
            Ok(false) => Err("the mailbox has been removed".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn warn(&self, mailbox: MailboxId, address: &Address) -> Result<(), StoreError> {
        let store = &self.server.store;
        // Also who has it forwarded and keeps a copy.
        let (Resolved::Mailboxes(found) | Resolved::Outside(found, _)) =
            store.resolve(address.clone()).await?
        else {
            return Ok(());
        };
        let Some(found) = found.into_iter().find(|found| found.mailbox == mailbox) else { return Ok(()) };
        let settings = store.settings_for(address);
        let filling = Filling {
            messages: found.messages,
            most_messages: settings.quota.messages,
            octets: found.octets,
            most_octets: settings.quota.octets,
            is_final: is_final(store, [address].into_iter()),
        };
        let hostname = self.server.hostname(&self.settings);
        let number = self.server.mail_number();
        let text = warning(&hostname, self.now(), number, address, filling, settings.language);
        let mut upload = store.upload();
        upload.push(&text).await?;
        let envelope = from_nobody(vec![(mailbox, address.clone())], false);
        let mut deliveries = deliveries(store, &envelope, &upload).await?;
        deliveries.iter_mut().for_each(|delivery| delivery.is_warning = true);
        upload.finish(deliveries).await.map(drop)
    }

    pub(super) fn now(&self) -> Now {
        let clock = &self.server.clock;
        Now { at: clock.now(), is_suspect: clock.is_suspect() }
    }
}

/// The envelope of what nobody may be told of in turn. RFC 3461 §6.1.
fn from_nobody(recipients: Mailboxes, is_utf8: bool) -> Envelope {
    Envelope {
        reverse_path: ReversePath::default(),
        recipients,
        leaving: Vec::new(),
        named: Vec::new(),
        is_utf8,
        dsn: MailDsn::default(),
    }
}
