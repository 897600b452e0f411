//! Networks from which users have logged on lately: some places are kept for them (S-265).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::peers::network;
use crate::limits;

/// At most [`limits::KNOWN_NETWORKS`] of them, the oldest makes room; each for [`limits::KNOWN_NETWORK_AGE`].
#[derive(Debug, Default)]
pub struct Familiar {
    logons: Mutex<HashMap<IpAddr, Instant>>,
}

impl Familiar {
    /// Remembers that somebody has logged on from there.
    pub fn note(&self, peer: IpAddr, now: Instant) {
        let (network, mut logons) = (network(peer), self.lock());
        if logons.len() >= limits::KNOWN_NETWORKS && !logons.contains_key(&network) {
            let oldest = logons.iter().min_by_key(|(_, at)| **at).map(|(network, _)| *network);
            oldest.and_then(|oldest| logons.remove(&oldest));
        }
        logons.insert(network, now);
    }

    /// Whether somebody has logged on from there lately.
    pub fn knows(&self, peer: IpAddr, now: Instant) -> bool {
        let last = self.lock().get(&network(peer)).copied();
        last.is_some_and(|last| now.saturating_duration_since(last) <= limits::KNOWN_NETWORK_AGE)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.logons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_logon_makes_its_network_known_for_a_day_and_no_other_s_265() {
        let (familiar, begun) = (Familiar::default(), Instant::now());
        familiar.note(ip("2001:db8:1:2::1"), begun);
        familiar.note(ip("::ffff:192.0.2.1"), begun);
        for (peer, is_known) in [
            ("2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:3::1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
        ] {
            assert_eq!(familiar.knows(ip(peer), begun), is_known, "{peer}");
        }
        let last = begun + limits::KNOWN_NETWORK_AGE;
        assert!(familiar.knows(ip("192.0.2.1"), last));
        assert!(!familiar.knows(ip("192.0.2.1"), last + Duration::from_nanos(1)));
        familiar.note(ip("192.0.2.1"), last);
        assert!(familiar.knows(ip("192.0.2.1"), last + Duration::from_nanos(1)), "each logon counts anew");
    }

    #[test]
    fn the_oldest_makes_room_and_no_other() {
        let (familiar, begun) = (Familiar::default(), Instant::now());
        let most = limits::KNOWN_NETWORKS as u32;
        let peer = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0x0A00_0000 + number));
        let at = |number: u32| begun + Duration::from_millis(number.into());
        for number in 0..=most {
            familiar.note(peer(number), at(number));
        }
        familiar.note(peer(most), at(most + 1));
        assert_eq!(familiar.lock().len(), limits::KNOWN_NETWORKS);
        assert!(!familiar.knows(peer(0), at(most)));
        assert!(familiar.knows(peer(1), at(most)) && familiar.knows(peer(most), at(most)));
    }
}
