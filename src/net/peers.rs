//! Whose connections are taken: what a local address is, and how many connections stand at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::is_local;
use crate::settings::Peers;

/// Whether the setting lets that address in.
pub fn is_welcome(peers: Peers, address: IpAddr) -> bool {
    peers == Peers::All || is_local(address)
}

/// Counts connections, in all and for each address.
#[derive(Debug, Default)]
pub struct Admission {
    counts: Mutex<Counts>,
}

/// A connection's place among those counted; dropped, the place is free.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    network: IpAddr,
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// There are as many connections as there may be.
    InAll,
    /// That address has as many as it may have (S-264).
    ForAddress,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    networks: HashMap<IpAddr, u32>,
}

impl Admission {
    /// Gives a connection of `address` a place, if fewer than `all` stand and fewer than `each` of its own.
    pub fn enter(self: &Arc<Self>, address: IpAddr, all: u32, each: u32) -> Result<Place, Crowded> {
        let network = network(address);
        let mut counts = self.lock();
        if counts.all >= all {
            return Err(Crowded::InAll);
        }
        let of_network = counts.networks.entry(network).or_default();
        if *of_network >= each {
            return Err(Crowded::ForAddress);
        }
        *of_network += 1;
        counts.all += 1;
        drop(counts);
        Ok(Place { admission: Arc::clone(self), network })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(of_network) = counts.networks.get_mut(&self.network) {
            *of_network = of_network.saturating_sub(1);
            if *of_network == 0 {
                counts.networks.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: a host has a whole IPv6 /64 to choose from. RFC 4291 §2.5.4.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn strangers_are_welcome_only_where_all_are() {
        for (address, is_own) in [("10.0.0.5", true), ("8.8.8.8", false)] {
            assert_eq!(
                (is_welcome(Peers::Lan, ip(address)), is_welcome(Peers::All, ip(address))),
                (is_own, true)
            );
        }
    }

    #[test]
    fn mapped_addresses_are_what_they_map_s_115() {
        assert!(is_local(ip("::ffff:10.0.0.5")));
        assert!(!is_local(ip("::ffff:8.8.8.8")));
        assert_eq!(network(ip("::ffff:10.0.0.5")), network(ip("10.0.0.5")));
    }

    #[test]
    fn one_address_can_not_take_all_places_s_264() {
        let admission = Arc::new(Admission::default());
        let mut places: Vec<_> = (0..3).map(|_| admission.enter(ip("10.0.0.1"), 5, 3).unwrap()).collect();
        assert_eq!(admission.enter(ip("10.0.0.1"), 5, 3).unwrap_err(), Crowded::ForAddress);
        places.push(admission.enter(ip("10.0.0.2"), 5, 3).unwrap());
        places.push(admission.enter(ip("10.0.0.3"), 5, 3).unwrap());
        assert_eq!(admission.enter(ip("10.0.0.4"), 5, 3).unwrap_err(), Crowded::InAll);
        places.remove(0);
        assert!(admission.enter(ip("10.0.0.1"), 5, 3).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_s_264() {
        let admission = Arc::new(Admission::default());
        let _place = admission.enter(ip("2001:db8:1:2::1"), 5, 1).unwrap();
        assert!(admission.enter(ip("2001:db8:1:2:ffff::2"), 5, 1).is_err());
        assert!(admission.enter(ip("2001:db8:1:3::1"), 5, 1).is_ok());
    }

    #[test]
    fn places_given_back_leave_nothing_behind() {
        let admission = Arc::new(Admission::default());
        drop(admission.enter(ip("10.0.0.1"), 1, 1).unwrap());
        let counts = admission.lock();
        assert_eq!((counts.all, counts.networks.len()), (0, 0));
    }
}
