//! Where a queued recipient's mail would go if it came now: by another way, home to mailboxes of ours, or nowhere any
//! more.

use std::collections::HashMap;

use crate::mail::{Address, AddressSpace, Domain, Lane, MailboxId};
use crate::net::international::Reckoning;
use crate::net::recipients::{Search, Whence};
use crate::net::server::Server;
use crate::relay::routing;
use crate::settings::Settings;
use crate::smtp::path::Strictness;
use crate::smtp::{ForwardPath, Recipient, ReversePath, Session};
use crate::store::{Delivered, Delivery, Fate, Filing, Queued, Settlement, StoreError};

/// Where it would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearing {
    /// By that way.
    Way(Lane),
    /// Into these mailboxes: they are here now.
    Home(Vec<(MailboxId, Address)>),
    /// Nowhere: he is of a domain of ours, for which no route or share counts any more.
    Lost,
}

/// Finds out where mail would go, for many queued recipients.
pub struct Compass<'a> {
    server: &'a Server,
    settings: &'a Settings,
    /// Which domains are ours, as far as they have been asked for.
    ours: HashMap<Domain, bool>,
}

impl<'a> Compass<'a> {
    /// With the settings of now.
    pub fn new(server: &'a Server, settings: &'a Settings) -> Compass<'a> {
        Compass { server, settings, ours: HashMap::new() }
    }

    /// Where that mail would go, by the rules that count for RCPT. What is for a domain of ours never leaves by a smart
    /// host or for the servers of the domain: it would come back. Errs if the store can't be read.
    pub async fn of(&mut self, row: &Queued) -> Result<Bearing, StoreError> {
        let (store, outbound) = (&self.server.store, &row.outbound);
        let recipient = &outbound.recipient;
        if !self.is_ours(recipient.domain()).await? {
            return Ok(Bearing::Way(routing::lane(store, outbound.chooser.as_ref(), recipient)));
        }
        let Ok(path) = ForwardPath::parse(recipient.as_str().as_bytes(), true) else {
            return Ok(self.kept(row));
        };
        let search = Search::new(self.server, self.settings, Whence::Ourselves);
        Ok(match search.find(path, recipient, row.octets).await? {
            Recipient::Mailboxes(found) => Bearing::Home(found),
            // Only the way changes, not the name.
            Recipient::Outside(here, leaving) if here.is_empty() => match leaving.as_slice() {
                [only] if only.recipient == *recipient => Bearing::Way(only.lane.clone()),
                _ => self.kept(row),
            },
            _ => self.kept(row),
        })
    }

    async fn is_ours(&mut self, domain: Option<Domain>) -> Result<bool, StoreError> {
        let Some(domain) = domain else { return Ok(false) };
        if let Some(is_ours) = self.ours.get(&domain) {
            return Ok(*is_ours);
        }
        let is_ours = self.server.store.has_domain(domain.clone()).await?;
        self.ours.insert(domain, is_ours);
        Ok(is_ours)
    }

    /// On the route where it waits, as long as there is one; that for all else counts for none of our domains.
    fn kept(&self, row: &Queued) -> Bearing {
        match &row.outbound.lane {
            Lane::Route(space) if *space != AddressSpace::All && self.server.store.route(space).is_some() => {
                Bearing::Way(row.outbound.lane.clone())
            }
            _ => Bearing::Lost,
        }
    }
}

/// Delivers to those mailboxes, and ends the waiting in the same commit; gives what that came to: nothing is done for who
/// waits no more. Errs if the body can't be read, or the file written.
pub async fn bring_home(
    server: &Server,
    row: &Queued,
    mailboxes: &[(MailboxId, Address)],
) -> Result<Delivered, StoreError> {
    let (store, outbound) = (&server.store, &row.outbound);
    let mut upload = store.upload();
    for index in 0..row.chunks {
        upload.push(&store.chunk(row.body(), index).await?.0).await?;
    }
    let is_international = outbound.is_utf8 || mailboxes.iter().any(|(_, address)| !address.is_ascii());
    let reckoning = if is_international { Some(Box::pin(Reckoning::of(&upload)).await?) } else { None };
    let reverse_path = ReversePath::parse(outbound.reverse_path.as_bytes(), Strictness::Lenient, true);
    let reverse_path = reverse_path.unwrap_or_default();
    let delivery = |(mailbox, address): &(MailboxId, Address)| {
        let mut prefix = Session::delivery_fields(&reverse_path, address);
        prefix.extend_from_slice(&outbound.prefix);
        let surrogate_octets = reckoning.as_ref().map_or(0, |it| it.octets_behind(&prefix));
        let quota = store.settings_for(address).quota;
        Delivery { mailbox: *mailbox, prefix, surrogate_octets, quota, is_warning: false }
    };
    let deliveries = mailboxes.iter().map(delivery).collect();
    let settled = vec![Settlement { id: row.id, fate: Fate::Home }];
    upload.file(Filing { deliveries, outbound: Vec::new(), settled }).await
}
