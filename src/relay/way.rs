//! What a lane is at present: servers, how the way to them is secured, and as whom we log on.

use crate::mail::{Address, HopProtocol, HopTls, Lane, NextHop, Sending};
use crate::settings::Outgoing;
use crate::store::{Level, Origin, Store};

/// What is needed to send on a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// To whom.
    pub hops: Hops,
    /// How it is secured, where the protocol of the hop doesn't say.
    pub tls: HopTls,
    /// Certificates that alone are taken, if any are named.
    pub pins: Vec<[u8; 32]>,
    /// As whom we log on; the password is in [`super::password_record`] of the lane.
    pub user: Option<String>,
    /// In whose name all mail leaves there.
    pub sender: Option<Address>,
    /// Whether a server's refusal of everybody is a matter for the whole lane: a smart host's is.
    pub is_smart_host: bool,
}

/// To whom a lane leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hops {
    /// To these, in their order.
    Hosts(Vec<NextHop>),
    /// To the mail exchangers of that domain, or to that address literal.
    Exchangers(Box<str>),
}

/// The way of a lane as the settings and routes are now; none if there is none any more. User, password and pins are
/// those of the level that names the smart host, so that no password goes to a host that it wasn't meant for.
pub fn way(store: &Store, lane: &Lane) -> Option<Way> {
    match lane {
        Lane::SmartHost => smart_host(store, None),
        Lane::SmartHostOf(Sending::User(address)) => {
            smart_host(store, Some((Level::Mailbox(address.clone()), Origin::Mailbox)))
        }
        Lane::SmartHostOf(Sending::Domain(domain)) => {
            smart_host(store, Some((Level::Domain(domain.clone()), Origin::Domain)))
        }
        Lane::Route(space) => {
            let route = store.route(space)?;
            let tls = route.tls.unwrap_or(store.settings().outgoing.route_tls);
            Some(Way { tls, ..Way::to(Hops::Hosts(route.hops)) })
        }
        Lane::Direct(domain) => {
            let is_on = store.settings().outgoing.mx;
            is_on.then(|| Way::to(Hops::Exchangers(domain.clone())))
        }
        Lane::Nowhere => None,
    }
}

impl Way {
    /// The port of a server on this way: the one that was named, else what is usual. 587 for smart hosts, who take mail
    /// at its beginning (RFC 6409 §3.1), 465 for TLS from the first octet on (RFC 8314 §7.3), 25 for all others, and 24
    /// for LMTP, which must not be on 25 (RFC 2033 §1).
    pub fn port(&self, hop: &NextHop) -> u16 {
        let usual = match hop.protocol {
            HopProtocol::Lmtp => 24,
            HopProtocol::Smtps => 465,
            HopProtocol::Smtp if self.tls == HopTls::Implicit => 465,
            HopProtocol::Smtp if self.is_smart_host => 587,
            HopProtocol::Smtp => 25,
        };
        hop.port.unwrap_or(usual)
    }

    /// A way with nothing agreed upon.
    fn to(hops: Hops) -> Way {
        Way {
            hops,
            tls: HopTls::Opportunistic,
            pins: Vec::new(),
            user: None,
            sender: None,
            is_smart_host: false,
        }
    }
}

/// The smart host of all, or of a level that names one itself.
fn smart_host(store: &Store, own: Option<(Level, Origin)>) -> Option<Way> {
    let settings = match &own {
        Some((level, _)) => store.settings_of(level),
        None => store.settings(),
    };
    let is_own = |key| match &own {
        Some((level, origin)) => store.origin(Some(level), key) == *origin,
        None => true,
    };
    let outgoing = &settings.outgoing;
    if outgoing.smarthosts.is_empty() || !is_own("smarthost") {
        return None;
    }
    // What another level says was said of another host (S-140).
    let unsaid = Outgoing::default();
    let said = |key| if is_own(key) { outgoing } else { &unsaid };
    Some(Way {
        hops: Hops::Hosts(outgoing.smarthosts.clone()),
        tls: said("smarthost_tls").smarthost_tls,
        pins: said("smarthost_pin").smarthost_pins.clone(),
        user: said("smarthost_user").smarthost_user.clone(),
        sender: said("smarthost_sender").smarthost_sender.clone(),
        is_smart_host: true,
    })
}

#[cfg(test)]
mod tests;
