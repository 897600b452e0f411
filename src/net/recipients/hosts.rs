//! Whether a peer is one of the servers of a route, so that no mail goes back to whom it comes from (O6).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::future::FutureExt;

use crate::limits;
use crate::mail::{HopProtocol, NextHop};
use crate::net::resolver;

/// The addresses of routes' servers, as they were lately; at most [`limits::SHARE_HOSTS`] servers, the oldest makes room.
#[derive(Debug, Default)]
pub struct KnownHosts {
    known: Mutex<HashMap<Box<str>, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    addresses: Vec<IpAddr>,
    until: Instant,
}

impl KnownHosts {
    /// Whether that peer is one of these servers. A program of this machine is none: one address is that of all of them,
    /// of the server behind another port as of who sends mail. One that speaks LMTP is none: it hands mail to mailboxes, and what a
    /// program beside it sends is no mail that comes back. A server whose name can't be looked up in
    /// [`limits::SHARE_LOOK_UP`] is not known: mail for it bears whence it came, and that is looked at again when it is
    /// sent.
    pub async fn are_at(&self, hops: &[NextHop], peer: IpAddr, now: Instant) -> bool {
        let peer = peer.to_canonical();
        if peer.is_loopback() {
            return false;
        }
        let hosts = hops.iter().filter(|hop| hop.protocol != HopProtocol::Lmtp).map(|hop| &*hop.host);
        let (addresses, names): (Vec<_>, Vec<_>) = hosts.partition(|host| host.parse::<IpAddr>().is_ok());
        if addresses
            .iter()
            .filter_map(|host| host.parse().ok())
            .any(|host: IpAddr| host.to_canonical() == peer)
        {
            return true;
        }
        let look = async {
            for name in names {
                if self.addresses(name, now).await.iter().any(|address| address.to_canonical() == peer) {
                    return true;
                }
            }
            false
        };
        let too_late = async {
            smol::Timer::after(limits::SHARE_LOOK_UP).await;
            false
        };
        look.or(too_late).await
    }

    async fn addresses(&self, host: &str, now: Instant) -> Vec<IpAddr> {
        let earlier = self.lock().get(host).cloned();
        if let Some(known) = &earlier
            && now < known.until
        {
            return known.addresses.clone();
        }
        // Noted before the question: whoever comes while it is open, or after it took too long, doesn't wait for it too.
        let earlier = earlier.map_or_else(Vec::new, |known| known.addresses);
        self.note(host, earlier.clone(), now, limits::SHARE_HOST_REST);
        match resolver::addresses(host).await {
            Ok(addresses) => {
                self.note(host, addresses.clone(), now, limits::SHARE_HOST_AGE);
                addresses
            }
            Err(_) => earlier,
        }
    }

    /// Remembers the addresses of a server for so long.
    pub(super) fn note(&self, host: &str, addresses: Vec<IpAddr>, now: Instant, age: Duration) {
        let mut known = self.lock();
        if known.len() >= limits::SHARE_HOSTS && !known.contains_key(host) {
            let oldest = known.iter().min_by_key(|(_, known)| known.until).map(|(host, _)| host.clone());
            oldest.and_then(|oldest| known.remove(&oldest));
        }
        known.insert(host.into(), Known { addresses, until: now + age });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A domain shared with a server at another port of this machine: every program beside it was taken for that server,
    /// and its mail refused.
    #[test]
    fn who_comes_from_this_machine_is_no_server_of_a_route_o6() {
        let hosts = KnownHosts::default();
        for (hop, peer, is_there) in [
            ("127.0.0.1:2526", "127.0.0.1", false),
            ("127.0.0.1:2526", "::ffff:127.0.0.1", false),
            ("[::1]:2526", "::1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "127.0.0.1", false),
        ] {
            let hops = [hop.parse().unwrap()];
            let are_at = hosts.are_at(&hops, peer.parse().unwrap(), Instant::now());
            assert_eq!(smol::block_on(are_at), is_there, "{hop} {peer}");
        }
    }

    /// Who shares thousands of domains had all their servers in memory for ever.
    #[test]
    fn so_many_servers_are_remembered_and_the_oldest_makes_room() {
        let (hosts, begun) = (KnownHosts::default(), Instant::now());
        let count = || hosts.lock().len();
        let note = |number: usize| {
            let now = begun + Duration::from_secs(number as u64);
            hosts.note(&format!("h{number}.lan"), Vec::new(), now, limits::SHARE_HOST_AGE);
        };
        (1..limits::SHARE_HOSTS).for_each(note);
        assert_eq!(count(), limits::SHARE_HOSTS - 1);
        note(limits::SHARE_HOSTS);
        assert_eq!(count(), limits::SHARE_HOSTS);
        note(1);
        assert_eq!(count(), limits::SHARE_HOSTS, "who is known needs no room");
        note(limits::SHARE_HOSTS + 1);
        assert_eq!(count(), limits::SHARE_HOSTS);
        assert!(!hosts.lock().contains_key("h1.lan") && hosts.lock().contains_key("h2.lan"));
    }

    /// Each recipient of a mail waited for a name server that was gone.
    #[test]
    fn a_server_that_cannot_be_looked_up_is_not_looked_up_again_at_once() {
        let (hosts, begun) = (KnownHosts::default(), Instant::now());
        // Longer than any name, so that nobody is asked about it.
        let host = "x".repeat(300);
        let rests = |after: Duration| {
            assert_eq!(smol::block_on(hosts.addresses(&host, begun + after)), [] as [IpAddr; 0]);
            hosts.lock()[host.as_str()].until - begun
        };
        let rest = limits::SHARE_HOST_REST;
        assert_eq!(rests(Duration::ZERO), rest);
        assert_eq!(rests(rest - Duration::from_millis(1)), rest);
        assert_eq!(rests(rest), 2 * rest);
    }
}
