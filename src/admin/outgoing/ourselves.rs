//! Whether a server that is to take mail is this one: what it sends itself would go round (S-118).

use std::net::IpAddr;

use crate::admin::{AdminError, Context, Failure, LiveStatus};
use crate::mail::{HopTls, NextHop};
use crate::relay::way::{Hops, Way};
use crate::settings::{ListenerKind, Settings};

/// What takes mail: its usual ports are others for users than for servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A smart host takes it as from a user.
    SmartHost,
    /// The host of a route as from a server.
    Route,
}

/// Errs with [`Failure::Refused`] if one of the servers is this one: by its name, or at an address and a port at which it
/// listens. What a name leads to is looked at when mail is sent.
pub fn must_lead_elsewhere(
    context: &Context,
    hops: &[NextHop],
    tls: HopTls,
    taker: Taker,
) -> Result<(), AdminError> {
    let live = context.live.as_ref().map(|live| live.status());
    let own = Own::new(&context.store.settings(), live.as_ref(), kernel_name());
    let way = way_to(hops, tls, taker);
    match hops.iter().find(|hop| own.is(hop, &way)) {
        None => Ok(()),
        Some(hop) => Err(AdminError::new(
            Failure::Refused,
            format!(
                "{hop} is this server itself, so its mail would go round for ever: name another host, or the port at \
                 which another program of this machine takes mail"
            ),
        )),
    }
}

fn way_to(hops: &[NextHop], tls: HopTls, taker: Taker) -> Way {
    Way {
        hops: Hops::Hosts(hops.to_vec()),
        tls,
        pins: Vec::new(),
        user: None,
        sender: None,
        is_smart_host: taker == Taker::SmartHost,
    }
}

/// By what this server can be reached.
struct Own {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Own {
    /// The running server tells best where it listens.
    fn new(settings: &Settings, live: Option<&LiveStatus>, kernel_name: Option<String>) -> Own {
        let mut bound = Vec::new();
        for kind in [ListenerKind::Smtp, ListenerKind::Submission, ListenerKind::Submissions] {
            match live {
                Some(live) => bound.extend(
                    live.listeners
                        .iter()
                        .filter(|(name, _)| name == kind.name())
                        .map(|(_, address)| *address),
                ),
                None => bound.extend(settings.listen(kind).0.iter().copied()),
            }
        }
        let mut names = vec!["localhost".to_owned()];
        names.extend(settings.hostname.iter().chain(&kernel_name).map(|name| name.to_ascii_lowercase()));
        Own {
            names,
            addresses: bound.iter().map(|address| address.ip().to_canonical()).collect(),
            ports: bound.iter().map(|address| address.port()).collect(),
        }
    }

    fn is(&self, hop: &NextHop, way: &Way) -> bool {
        let is_here = match hop.host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) => {
                address.is_loopback() || address.is_unspecified() || self.addresses.contains(&address)
            }
            Err(_) => self.names.iter().any(|name| **name == *hop.host.trim_end_matches('.')),
        };
        is_here && self.ports.contains(&way.port(hop))
    }
}

/// What the machine is called where nothing is set.
fn kernel_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(listeners: &[(&str, &str)]) -> LiveStatus {
        LiveStatus {
            pid: 1,
            uptime_seconds: 1,
            listeners: listeners.iter().map(|(name, at)| ((*name).to_owned(), at.parse().unwrap())).collect(),
            sessions: Vec::new(),
            broken_off: 0,
            sandbox: Vec::new(),
            shut: Vec::new(),
        }
    }

    fn is_own(own: &Own, hop: &str, taker: Taker) -> bool {
        let hop = hop.parse().unwrap();
        own.is(&hop, &way_to(&[], HopTls::Required, taker))
    }

    #[test]
    fn a_way_to_ourselves_is_known_by_name_address_and_port_s_118() {
        let settings = Settings { hostname: Some("Mail.home.lan".into()), ..Settings::default() };
        let live = live(&[
            ("smtp", "0.0.0.0:25"),
            ("submission", "192.0.2.7:587"),
            ("submissions", "[::]:1465"),
            ("pop3", "0.0.0.0:110"),
        ]);
        let own = Own::new(&settings, Some(&live), Some("box".into()));
        for (hop, is_smart_host_here, is_route_here) in [
            ("mail.home.lan", true, true),
            ("mail.home.lan:26", false, false),
            ("MAIL.home.lan:25", true, true),
            ("box", true, true),
            ("localhost:1465", true, true),
            ("localhost", true, true),
            ("127.0.0.1", true, true),
            ("127.9.9.9:25", true, true),
            ("[::1]:587", true, true),
            ("[::ffff:127.0.0.1]:25", true, true),
            ("0.0.0.0:25", true, true),
            ("192.0.2.7", true, true),
            ("192.0.2.8", false, false),
            // Another program of this machine.
            ("lmtp:127.0.0.1:24", false, false),
            ("lmtp:localhost", false, false),
            ("localhost:10025", false, false),
            ("localhost:110", false, false),
            ("smtps:localhost", false, false),
            ("mail.example.com", false, false),
        ] {
            assert_eq!(is_own(&own, hop, Taker::SmartHost), is_smart_host_here, "{hop}");
            assert_eq!(is_own(&own, hop, Taker::Route), is_route_here, "{hop}");
        }
    }

    #[test]
    fn without_a_server_the_stored_listeners_tell_s_118() {
        let mut settings = Settings::default();
        settings.assign("smtp", "127.0.0.1:2525").unwrap();
        settings.assign("submission", "off").unwrap();
        settings.assign("submissions", "off").unwrap();
        let own = Own::new(&settings, None, None);
        assert!(is_own(&own, "localhost:2525", Taker::Route));
        assert!(!is_own(&own, "localhost", Taker::Route));
        assert!(!is_own(&own, "localhost", Taker::SmartHost));
    }
}
