//! A received message on its way to its mailboxes, and what it gives rise to.

use std::collections::BTreeMap;

use super::Driver;
use super::sending::Spent;
use crate::mail::{Address, Domain, MailboxId, RemoteAddress};
use crate::net::international::{self, Reckoning};
use crate::net::patience::in_time;
use crate::net::recipients;
use crate::net::seat::Doing;
use crate::net::stream::Lost;
use crate::relay::returning::mark;
use crate::settings::ForwardSender;
use crate::smtp::report::is_list;
use crate::smtp::{Envelope, Event, Leaving, Next, Session};
use crate::store::{Delivered, Delivery, Filing, Outbound, Store, StoreError, Upload};

impl Driver<'_> {
    pub(super) async fn store(&mut self, envelope: Envelope) -> Result<Next, Lost> {
        let upload = match self.intake.take().map(|intake| intake.into_upload()) {
            Some(Ok(Some(upload))) => upload,
            Some(Err(error)) => return Ok(self.answer("taking a message", Err(error))),
            Some(Ok(None)) | None => return Ok(self.handle(Event::StoreFailed)),
        };
        let header = match self.header_to_report(&envelope, &upload).await {
            Ok(header) => header,
            Err(error) => return Ok(self.answer("storing a message", Err(error))),
        };
        let delivered = match self.take_allowance() {
            Err(Spent) => return Ok(self.handle(Event::SenderSpent)),
            Ok(taken) => {
                let storing = in_time(&self.server.clock, Box::pin(self.file(&envelope, upload)));
                // Who sees it knows that its time runs.
                self.stream.seat().show(Doing::Storing);
                let delivered = storing.await;
                if let (Some(taken), Ok(Delivered::Stored { .. })) = (taken, &delivered) {
                    taken.keep();
                }
                delivered
            }
        };
        let mut following = None;
        let event = delivered.map(|delivered| match delivered {
            Delivered::Stored { to_warn, .. } => {
                self.tally.received += 1;
                self.stream.has_earned();
                following = (header.is_some() || !to_warn.is_empty()).then_some(to_warn);
                Event::Stored
            }
            Delivered::Full => {
                let addresses = envelope.recipients.iter().map(|(_, address)| address);
                Event::MailboxesFull { is_final: recipients::is_final(&self.server.store, addresses) }
            }
            Delivered::NobodyLeft => Event::NoRecipientLeft,
        });
        let next = self.answer("storing a message", event);
        if let Some(to_warn) = following {
            // A peer that has gone meanwhile keeps nobody from what he must be told.
            let written = self.write().await;
            Box::pin(self.follow_up(&envelope, header, to_warn)).await;
            written?;
        }
        Ok(next)
    }

    /// Makes the message durable for all in its envelope, also those elsewhere, in one commit.
    async fn file(&self, envelope: &Envelope, upload: Upload) -> Result<Delivered, StoreError> {
        let store = &self.server.store;
        if envelope.leaving.is_empty() {
            return deliver(store, envelope, upload).await;
        }
        let deliveries = deliveries(store, envelope, &upload).await?;
        let needs_utf8 = envelope.is_utf8 && Box::pin(international::is_header_foreign(&upload)).await?;
        let mut ours = OurDomains::default();
        let (submitter, came_from) = (self.submitter(), self.whence().came_from());
        let mut outbound = Vec::with_capacity(envelope.leaving.len());
        for (leaving, named) in &envelope.leaving {
            let is_forwarded = leaving.forwarder.is_some();
            outbound.push(Outbound {
                reverse_path: self.reverse_path(envelope, leaving, &mut ours).await?,
                submitter: submitter.clone(),
                came_from: came_from.filter(|_| !is_forwarded),
                needs_utf8,
                ..outbound_of(envelope, leaving, *named)
            });
        }
        upload.file(Filing { outbound, deliveries, settled: Vec::new() }).await
    }

    /// The envelope's sender, or the address that leads back to him: where what one of ours forwards leaves our domains,
    /// and he is of none of them, so that the other server might ask who may send for his (O5).
    async fn reverse_path(
        &self,
        envelope: &Envelope,
        leaving: &Leaving,
        ours: &mut OurDomains,
    ) -> Result<Box<str>, StoreError> {
        let (server, sender) = (self.server, envelope.reverse_path.as_str());
        let rule = server.store.settings().outgoing.forward_sender;
        let Some(forwarder) = leaving.forwarder.as_ref().filter(|_| rule == ForwardSender::Rewrite) else {
            return Ok(sender.into());
        };
        let ends = [RemoteAddress::from_path(sender).domain(), leaving.recipient.domain()];
        for domain in ends.into_iter().flatten() {
            if ours.has(&server.store, domain).await? {
                return Ok(sender.into());
            }
        }
        let rewritten = server.returns.rewritten(sender, &forwarder.domain(), server.clock.now());
        Ok(rewritten.map_or_else(|| sender.into(), |address| address.as_str().into()))
    }
}

/// Which domains of one mail's addresses are ours; each is looked up once, however many recipients it has.
#[derive(Default)]
struct OurDomains(BTreeMap<Domain, bool>);

impl OurDomains {
    async fn has(&mut self, store: &Store, domain: Domain) -> Result<bool, StoreError> {
        if let Some(is_ours) = self.0.get(&domain) {
            return Ok(*is_ours);
        }
        let is_ours = store.has_domain(domain.clone()).await?;
        self.0.insert(domain, is_ours);
        Ok(is_ours)
    }
}

/// A copy that leaves, as far as the envelope tells. What is forwarded bears its forwarder's mark, by which it is known if
/// it comes again (S-120), and may go back to whence it came: it was sent to another address there.
fn outbound_of(envelope: &Envelope, leaving: &Leaving, index: usize) -> Outbound {
    let named = envelope.named.get(index);
    let mut rcpt_dsn = named.map_or_else(Default::default, |named| named.dsn.clone());
    if let Some(notify) = &mut rcpt_dsn.notify
        && is_list(envelope, index)
    {
        // He hears that it has gone to a list, and no more. RFC 3461 §5.2.7.3.
        notify.success = false;
    }
    let path = named.map_or("", |named| &named.path);
    let forwarder = leaving.forwarder.as_ref();
    Outbound {
        lane: leaving.lane.clone(),
        reverse_path: envelope.reverse_path.as_str().into(),
        recipient: leaving.recipient.clone(),
        mail_dsn: envelope.dsn.clone(),
        rcpt_dsn,
        is_utf8: envelope.is_utf8,
        needs_utf8: envelope.is_utf8,
        submitter: "".into(),
        chooser: leaving.chooser.clone(),
        came_from: None,
        prefix: forwarder.map_or_else(Vec::new, |forwarder| mark(forwarder, path, envelope.is_utf8)),
    }
}

/// Makes the message durable for the mailboxes in its envelope.
pub(super) async fn deliver(
    store: &Store,
    envelope: &Envelope,
    upload: Upload,
) -> Result<Delivered, StoreError> {
    let deliveries = deliveries(store, envelope, &upload).await?;
    upload.finish(deliveries).await
}

/// To whom the message goes, how much he may have, and how long it is for those who can't read it. Errs if its header
/// can't be read back.
pub(super) async fn deliveries(
    store: &Store,
    envelope: &Envelope,
    upload: &Upload,
) -> Result<Vec<Delivery>, StoreError> {
    let is_international = envelope.is_international();
    let reckoning = if is_international { Some(Box::pin(Reckoning::of(upload)).await?) } else { None };
    let delivery = |(mailbox, address): &(MailboxId, Address)| {
        let prefix = Session::delivery_fields(&envelope.reverse_path, address);
        let surrogate_octets = reckoning.as_ref().map_or(0, |it| it.octets_behind(&prefix));
        let quota = store.settings_for(address).quota;
        Delivery { mailbox: *mailbox, prefix, surrogate_octets, quota, is_warning: false }
    };
    Ok(envelope.recipients.iter().map(delivery).collect())
}
