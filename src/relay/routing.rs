//! On which way a recipient's mail leaves.

use crate::mail::{Address, AddressSpace, Domain, Lane, RemoteAddress, Sending};
use crate::smtp::ForwardPath;
use crate::store::{Level, Origin, Store};

/// The way for mail to `recipient`: the route of his address, of his domain, of the nearest domain above it; else the
/// smart host that `sender`, a user of ours, has for himself or by his domain; else the route for all else, the smart
/// host for all, the servers of his domain if `mx` is on. A user whose own smart host is `off` doesn't send through that
/// of all. From memory.
pub fn lane(store: &Store, sender: Option<&Address>, recipient: &RemoteAddress) -> Lane {
    let domain = recipient.domain();
    if let Some(space) = domain.as_ref().and_then(|domain| route_of(store, recipient, domain)) {
        return Lane::Route(space);
    }
    let own = sender.and_then(|sender| own_smart_host(store, sender));
    if let Some(Own::Hosts(whose)) = own {
        return Lane::SmartHostOf(whose);
    }
    if store.route(&AddressSpace::All).is_some() {
        return Lane::Route(AddressSpace::All);
    }
    let settings = store.settings();
    if own.is_none() && !settings.outgoing.smarthosts.is_empty() {
        return Lane::SmartHost;
    }
    if settings.outgoing.mx && !recipient.domain_text().is_empty() {
        let text = match domain {
            Some(domain) => domain.to_string(),
            None => recipient.domain_text().to_ascii_lowercase().replacen("[ipv6:", "[IPv6:", 1),
        };
        return Lane::Direct(text.into());
    }
    Lane::Nowhere
}

/// What a level below that of all says of the smart host.
enum Own {
    /// It has one.
    Hosts(Sending),
    /// It shall have none.
    Off,
}

fn own_smart_host(store: &Store, sender: &Address) -> Option<Own> {
    let whose = match store.origin(Some(&Level::Mailbox(sender.clone())), "smarthost") {
        Origin::Mailbox => Sending::User(sender.clone()),
        Origin::Domain => Sending::Domain(sender.domain()),
        Origin::Global | Origin::Default => return None,
    };
    let is_off = store.settings_for(sender).outgoing.smarthosts.is_empty();
    Some(if is_off { Own::Off } else { Own::Hosts(whose) })
}

/// The nearest route of an address.
fn route_of(store: &Store, recipient: &RemoteAddress, domain: &Domain) -> Option<AddressSpace> {
    if !store.has_routes() {
        return None;
    }
    let address = address(recipient, domain).map(AddressSpace::Address);
    let nearest = address.into_iter().chain([AddressSpace::Domain(domain.clone())]).chain(above(domain));
    nearest.into_iter().find(|space| store.route(space).is_some())
}

/// The recipient as an address of our form, in which routes are written: `"alice"@X` is `alice@x`. RFC 5321 §4.1.2.
fn address(recipient: &RemoteAddress, domain: &Domain) -> Option<Address> {
    let text = format!("{}@{domain}", recipient.local_text());
    match ForwardPath::parse(text.as_bytes(), true).ok()? {
        ForwardPath::Address(address) => Some(address),
        ForwardPath::Role(role, domain) => Address::new(role.as_str(), &domain).ok(),
        ForwardPath::Postmaster | ForwardPath::OtherLocalPart(_) | ForwardPath::Foreign => None,
    }
}

/// `*.b.example`, `*.example` for `a.b.example`.
fn above(domain: &Domain) -> impl Iterator<Item = AddressSpace> {
    let text = domain.as_str();
    let dots = text.match_indices('.').map(|(at, _)| at + 1);
    dots.filter_map(move |at| text[at..].parse().ok().map(AddressSpace::Below))
}

#[cfg(test)]
mod tests;
