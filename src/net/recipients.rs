//! Whose mail a forward-path's mail is, whether it has room there, and on which way it leaves if it is not for here. No
//! name outside is looked up but those of servers with which a domain is shared.
//!
//! ```text
//!   an address that leads a bounce back --> leaves, to who he was, if it is from nobody (O5)
//!   a domain of ours --its route, or that of the address--> leaves: handed over, whatever is here (O10)
//!        |-> mailbox, alias, tag, catch-all here --> mailboxes; members that are handed over, and forwards, leave;
//!        |                                           who is full gets no copy of what leaves
//!        '-> nobody here --shared--> leaves, but never back to the server that it comes from (O4, O6)
//!   any other domain --who may send out--> leaves; a stranger's is refused, whatever routes there are
//! ```
//!
//! Under which name: as RCPT has it, also at an alias domain of a shared domain. Who comes to one that is handed over by
//! an alias, or at an alias domain by the route of his address, leaves as his own address.

mod hosts;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Instant;

pub use hosts::KnownHosts;

use crate::mail::{Address, AddressSpace, Alias, Domain, Lane, MailboxId, RemoteAddress, Role};
use crate::net::server::Server;
use crate::relay::returning::ReturnKey;
use crate::relay::routing::lane;
use crate::settings::{FullMailbox, Settings};
use crate::smtp::{ForwardPath, Leaving, Recipient};
use crate::store::{Destination, Home, Resolved, Route, Store, StoreError, ToOutside, untagged};

/// Who wants mail to go somewhere.
#[derive(Debug, Clone, Copy)]
pub enum Whence<'a> {
    /// A user of ours who has logged on.
    User(&'a Address),
    /// A device that the administrator knows (M11).
    Device {
        /// Whence it sends.
        peer: IpAddr,
        /// Whether its mail may leave.
        may_leave: bool,
    },
    /// Anybody else: his mail is for us, or for those with whom we share our domains.
    Stranger(IpAddr),
    /// This server itself, with its reports.
    Ourselves,
}

impl Whence<'_> {
    /// Where the mail must not go back to; none where it was written here.
    pub fn came_from(self) -> Option<IpAddr> {
        match self {
            Whence::Device { peer, .. } | Whence::Stranger(peer) => Some(peer),
            Whence::User(_) | Whence::Ourselves => None,
        }
    }

    fn may_leave(self) -> bool {
        match self {
            Whence::User(_) | Whence::Ourselves => true,
            Whence::Device { may_leave, .. } => may_leave,
            Whence::Stranger(_) => false,
        }
    }

    fn user(&self) -> Option<&Address> {
        match self {
            Whence::User(user) => Some(user),
            Whence::Device { .. } | Whence::Stranger(_) | Whence::Ourselves => None,
        }
    }
}

/// A search for recipients.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Who is here.
    pub store: &'a Store,
    /// The settings of all.
    pub settings: &'a Settings,
    /// Who asks.
    pub from: Whence<'a>,
    /// Where other servers are.
    pub hosts: &'a KnownHosts,
    /// What proves that an address leads back to a sender of forwarded mail.
    pub returns: &'a ReturnKey,
    /// When.
    pub now: Instant,
}

impl<'a> Search<'a> {
    /// A search in the running server.
    pub fn new(server: &'a Server, settings: &'a Settings, from: Whence<'a>) -> Search<'a> {
        Search {
            store: &server.store,
            settings,
            from,
            hosts: &server.hosts,
            returns: &server.returns,
            now: server.clock.monotonic(),
        }
    }

    /// Finds out who a forward-path is, as it was `named` by RCPT, for a message of so many octets; 0 if they are not
    /// known. Every domain of ours has a postmaster and somebody for complaints of abuse: a mailbox or alias of that
    /// name, else who the settings name, else the oldest mailbox, each passed over while it is locked for all; a
    /// catch-all is for other names. RFC 5321 §4.5.1, RFC 2142 §4. They stay here for a shared domain, and go with one
    /// that is handed over.
    pub async fn find(
        &self,
        path: ForwardPath,
        named: &RemoteAddress,
        octets: u64,
    ) -> Result<Recipient, StoreError> {
        if let Some(found) = self.way_back(&path, named).await? {
            return Ok(found);
        }
        let home = match domain_of(&path) {
            Some(domain) if self.store.has_routes() => self.store.home(domain).await?,
            _ => None,
        };
        if let Some(home) = &home
            && let Some((leaving, route)) = self.handed_over(&path, named, home)
        {
            return Ok(self.leave(&path, leaving, &route).await);
        }
        Ok(match self.here(&path).await? {
            Resolved::Mailboxes(found) => self.sort(&path, found, Vec::new(), octets),
            Resolved::Outside(found, outside) => self.sort(&path, found, outside, octets),
            Resolved::UnknownUser => match home.and_then(|home| self.shared(&path, named, home)) {
                Some(Ok((leaving, route))) => self.leave(&path, leaving, &route).await,
                Some(Err(refusal)) => refusal,
                None => Recipient::UnknownUser,
            },
            Resolved::ForeignDomain => self.elsewhere(path, named, octets).await?,
        })
    }

    /// To whom a bounce of forwarded mail goes, if that is the address which was made for it; whoever brings it, since it
    /// says itself that we made it.
    async fn way_back(
        &self,
        path: &ForwardPath,
        named: &RemoteAddress,
    ) -> Result<Option<Recipient>, StoreError> {
        let ForwardPath::OtherLocalPart(domain) = path else { return Ok(None) };
        let Some(recipient) = self.returns.sender(named, self.store.believed_now()) else { return Ok(None) };
        if is_nowhere(recipient.domain_text()) || !self.store.has_domain(domain.clone()).await? {
            return Ok(None);
        }
        let lane = lane(self.store, None, &recipient);
        if lane == Lane::Nowhere {
            return Ok(Some(Recipient::NoWay));
        }
        // It may go back to whence it comes: that server has it for somebody else.
        let forwarder = Some(Alias::Domain(domain.clone()));
        Ok(Some(Recipient::WayBack(Leaving { recipient, lane, chooser: None, forwarder })))
    }

    async fn here(&self, path: &ForwardPath) -> Result<Resolved, StoreError> {
        let (store, settings) = (self.store, self.settings);
        Ok(match path.clone() {
            ForwardPath::Address(address) => {
                let separator = store.settings().tag_separator.0;
                match Role::of(address.local_part(), separator) {
                    Some(_) => role(store, settings, address).await?,
                    None => store.resolve(address).await?,
                }
            }
            ForwardPath::Postmaster => administrator(store, settings).await?,
            ForwardPath::Role(name, domain) => match Address::new(name.as_str(), &domain) {
                Ok(address) => role(store, settings, address).await?,
                Err(_) => unknown_at(store, domain).await?,
            },
            ForwardPath::OtherLocalPart(domain) => unknown_at(store, domain).await?,
            ForwardPath::Foreign => Resolved::ForeignDomain,
        })
    }

    /// The route that takes mail for an address of ours away from whatever is here: of the address, with or without its
    /// tag, or of its domain.
    fn handed_over(
        &self,
        path: &ForwardPath,
        named: &RemoteAddress,
        home: &Home,
    ) -> Option<(RemoteAddress, Route)> {
        if let Some(address) = address_of(path) {
            if let Some(route) = self.store.route(&AddressSpace::Address(address.clone())) {
                return Some((named.clone(), route));
            }
            let at_home = Address::new(address.local_part(), &home.domain).ok()?;
            let plain = untagged(&at_home, self.store.settings().tag_separator);
            let mut names = [Some(at_home.clone()), plain].into_iter().flatten();
            if let Some(route) = names.find_map(|name| self.store.route(&AddressSpace::Address(name))) {
                let is_own = address.domain() == home.domain;
                let recipient = if is_own { named.clone() } else { RemoteAddress::from(&at_home) };
                return Some((recipient, route));
            }
        }
        let route = self.route_of_domain(path, home)?;
        (!route.is_share).then(|| (named.clone(), route))
    }

    /// The route of a path's domain, else that of the domain which it is an alias of.
    fn route_of_domain(&self, path: &ForwardPath, home: &Home) -> Option<Route> {
        let own = domain_of(path).and_then(|domain| self.store.route(&AddressSpace::Domain(domain)));
        own.or_else(|| self.store.route(&AddressSpace::Domain(home.domain.clone())))
    }

    /// The route for who is nobody here, in a domain that is shared; none if it isn't.
    fn shared(
        &self,
        path: &ForwardPath,
        named: &RemoteAddress,
        home: Home,
    ) -> Option<Result<(RemoteAddress, Route), Recipient>> {
        let route = self.route_of_domain(path, &home).filter(|route| route.is_share)?;
        Some(if home.is_open { Ok((named.clone(), route)) } else { Err(Recipient::Locked) })
    }

    /// Mail for an address of ours goes to another server, unless it comes from there: it would come back.
    async fn leave(&self, path: &ForwardPath, recipient: RemoteAddress, route: &Route) -> Recipient {
        if !is_plain(path, &recipient) {
            return Recipient::UnknownUser;
        }
        if let Some(peer) = self.from.came_from()
            && self.hosts.are_at(&route.hops, peer, self.now).await
        {
            return Recipient::WouldReturn;
        }
        Recipient::Outside(Vec::new(), vec![self.named(recipient, Lane::Route(route.space.clone()))])
    }

    /// Those of the mailboxes that are handed over leave, and so does what is forwarded; the others get theirs here, but
    /// for those that are full where the mail leaves as well: a forward or a list must not fill the disk, and whoever
    /// else it leads to has it.
    fn sort(
        &self,
        path: &ForwardPath,
        found: Vec<Destination>,
        outside: Vec<ToOutside>,
        octets: u64,
    ) -> Recipient {
        let mut leaving: Vec<Leaving> = outside.into_iter().map(|to| self.forwarded(to)).collect();
        let mut kept = Vec::with_capacity(found.len());
        for it in found {
            match self.route_of_mailbox(&it.address) {
                Some(route) => {
                    let recipient = RemoteAddress::from(&it.address);
                    // Who wrote to a list may be where one of its members is.
                    let list = address_of(path).unwrap_or(it.address);
                    leaving.push(Leaving {
                        recipient,
                        lane: Lane::Route(route.space),
                        chooser: Some(list.clone()),
                        forwarder: Some(Alias::Address(list)),
                    });
                }
                None => kept.push(it),
            }
        }
        if leaving.is_empty() {
            return judge(self.store, kept, octets);
        }
        kept.retain(|it| it.is_open);
        let is_leaving = leaving.iter().any(|it| it.lane != Lane::Nowhere);
        if kept.is_empty() && !is_leaving {
            return Recipient::NoWay;
        }
        // How full a mailbox is doesn't matter to our reports.
        if !matches!(self.from, Whence::Ourselves) {
            if is_leaving {
                kept.retain(|it| has_room(self.store, it, octets));
            } else if !kept.iter().any(|it| has_room(self.store, it, octets)) {
                return full(self.store, &kept);
            }
        }
        Recipient::Outside(named_mailboxes(kept), leaving)
    }

    fn route_of_mailbox(&self, address: &Address) -> Option<Route> {
        if !self.store.has_routes() {
            return None;
        }
        let own = self.store.route(&AddressSpace::Address(address.clone()));
        let domain = || self.store.route(&AddressSpace::Domain(address.domain()));
        own.or_else(|| domain().filter(|route| !route.is_share))
    }

    /// What is forwarded leaves as the forwarder's mail, by his smart host if he has one.
    fn forwarded(&self, to: ToOutside) -> Leaving {
        let forwarder = match &to.forwarder {
            Alias::Address(address) => Some(address.clone()),
            Alias::CatchAll(domain) | Alias::Domain(domain) => {
                Address::new(Role::Postmaster.as_str(), domain).ok()
            }
        };
        let lane = lane(self.store, forwarder.as_ref(), &to.address);
        Leaving { recipient: to.address, lane, chooser: forwarder, forwarder: Some(to.forwarder) }
    }

    /// The domain as it was written is none of ours.
    async fn elsewhere(
        &self,
        path: ForwardPath,
        named: &RemoteAddress,
        octets: u64,
    ) -> Result<Recipient, StoreError> {
        if !self.from.may_leave() || is_nowhere(named.domain_text()) {
            return Ok(Recipient::ForeignDomain);
        }
        if path == ForwardPath::Foreign
            && let Some(domain) = named.domain()
            && self.store.has_domain(domain.clone()).await?
        {
            // Ours, beyond ASCII: it must not leave only to come back.
            let named = RemoteAddress::from_path(&format!("{}@{domain}", named.local_text()));
            let Ok(path) = ForwardPath::parse(named.as_str().as_bytes(), true) else {
                return Ok(Recipient::UnknownUser);
            };
            return Box::pin(self.find(path, &named, octets)).await;
        }
        let lane = lane(self.store, self.from.user(), named);
        if lane == Lane::Nowhere {
            return Ok(Recipient::NoWay);
        }
        if let (Lane::Route(space), Some(peer)) = (&lane, self.from.came_from())
            && let Some(route) = self.store.route(space)
            && self.hosts.are_at(&route.hops, peer, self.now).await
        {
            return Ok(Recipient::WouldReturn);
        }
        Ok(Recipient::Outside(Vec::new(), vec![self.named(named.clone(), lane)]))
    }

    /// Who the sender named himself.
    fn named(&self, recipient: RemoteAddress, lane: Lane) -> Leaving {
        Leaving { recipient, lane, chooser: self.from.user().cloned(), forwarder: None }
    }
}

fn domain_of(path: &ForwardPath) -> Option<Domain> {
    match path {
        ForwardPath::Address(address) => Some(address.domain()),
        ForwardPath::Role(_, domain) | ForwardPath::OtherLocalPart(domain) => Some(domain.clone()),
        ForwardPath::Postmaster | ForwardPath::Foreign => None,
    }
}

fn address_of(path: &ForwardPath) -> Option<Address> {
    match path {
        ForwardPath::Address(address) => Some(address.clone()),
        ForwardPath::Role(role, domain) => Address::new(role.as_str(), domain).ok(),
        ForwardPath::Postmaster | ForwardPath::OtherLocalPart(_) | ForwardPath::Foreign => None,
    }
}

/// Whether the other server can take a name of ours for nothing but a name: `x%far.example@home.lan` from us, whom it
/// trusts, would be mail for far.example to some (S-085 to S-096), and `|program` a program (S-106).
fn is_plain(path: &ForwardPath, named: &RemoteAddress) -> bool {
    let local = named.local_text();
    match path {
        ForwardPath::Address(_) | ForwardPath::Role(..) => true,
        ForwardPath::OtherLocalPart(_) => {
            let is_harmless = |letter: char| letter.is_alphanumeric() || "._+-'=#&*?^~".contains(letter);
            !local.is_empty() && !local.starts_with('-') && local.chars().all(is_harmless)
        }
        ForwardPath::Postmaster | ForwardPath::Foreign => false,
    }
}

/// Whether the text behind the `@` leads to this machine itself, or to no machine at all (S-102).
fn is_nowhere(domain: &str) -> bool {
    if domain.is_empty() {
        return true;
    }
    let Some(inner) = domain.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return false };
    let inner = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => &inner[5..],
        _ => inner,
    };
    inner.parse::<IpAddr>().map_or(true, |address| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified() || address.is_multicast()
    })
}

fn named_mailboxes(found: Vec<Destination>) -> Vec<(MailboxId, Address)> {
    found.into_iter().map(|it| (it.mailbox, it.address)).collect()
}

/// Whether mail for these, all of them full, shall not be tried again: none of their users is expected to make room.
pub fn is_final<'a>(store: &Store, mut addresses: impl Iterator<Item = &'a Address>) -> bool {
    addresses.all(|address| store.settings_for(address).full_mailbox == FullMailbox::Refuse)
}

/// Those that are locked for all get nothing; with one that has room, all others get it.
fn judge(store: &Store, mut found: Vec<Destination>, octets: u64) -> Recipient {
    found.retain(|it| it.is_open);
    if found.is_empty() {
        return Recipient::Locked;
    }
    if !found.iter().any(|it| has_room(store, it, octets)) {
        return full(store, &found);
    }
    Recipient::Mailboxes(named_mailboxes(found))
}

fn has_room(store: &Store, it: &Destination, octets: u64) -> bool {
    let quota = store.settings_for(&it.address).quota;
    quota.allows(it.messages.saturating_add(1), it.octets.saturating_add(octets))
}

fn full(store: &Store, found: &[Destination]) -> Recipient {
    Recipient::Full { is_final: is_final(store, found.iter().map(|it| &it.address)) }
}

/// A name that every domain of ours has.
async fn role(store: &Store, settings: &Settings, address: Address) -> Result<Resolved, StoreError> {
    let named = store.resolve_named(address).await?;
    if takes_mail(&named) || named == Resolved::ForeignDomain {
        return Ok(named);
    }
    let next = administrator(store, settings).await?;
    let is_passed_over = named == Resolved::UnknownUser || takes_mail(&next);
    Ok(if is_passed_over { next } else { named })
}

/// Who the settings name, else the oldest mailbox; one that takes mail, if there is any.
async fn administrator(store: &Store, settings: &Settings) -> Result<Resolved, StoreError> {
    let named = match &settings.postmaster {
        Some(address) => store.resolve(address.clone()).await?,
        None => Resolved::UnknownUser,
    };
    if takes_mail(&named) {
        return Ok(named);
    }
    match store.oldest_mailbox().await? {
        Some((next, is_open)) if is_open || !matches!(named, Resolved::Mailboxes(_)) => {
            store.resolve(next).await
        }
        Some(_) => Ok(named),
        None => Ok(Resolved::UnknownUser),
    }
}

fn takes_mail(found: &Resolved) -> bool {
    match found {
        Resolved::Mailboxes(found) => found.iter().any(|it| it.is_open),
        Resolved::Outside(found, outside) => !outside.is_empty() || found.iter().any(|it| it.is_open),
        Resolved::UnknownUser | Resolved::ForeignDomain => false,
    }
}

async fn unknown_at(store: &Store, domain: Domain) -> Result<Resolved, StoreError> {
    let is_ours = store.has_domain(domain).await?;
    Ok(if is_ours { Resolved::UnknownUser } else { Resolved::ForeignDomain })
}
