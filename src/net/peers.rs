//! Whose connections are taken: what a local address is, and how many connections stand at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::mail::is_local;
use crate::settings::Peers;

/// Whether the setting lets that address in.
pub fn is_welcome(peers: Peers, address: IpAddr) -> bool {
    peers == Peers::All || is_local(address)
}

/// Whether a program of this machine connects as it does when nobody chooses: other addresses of 127.0.0.0/8 are
/// somebody's choice.
pub fn is_this_machine(address: IpAddr) -> bool {
    [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&address.to_canonical())
}

/// Counts connections, in all and for each address.
#[derive(Debug, Default)]
pub struct Admission {
    counts: Mutex<Counts>,
    /// Whether places are scarce; read by every session that waits.
    is_pressed: AtomicBool,
}

/// A connection's place among those counted; dropped, the place is free.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    network: IpAddr,
    is_known: bool,
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// In all; the last of them, one of [`limits::KNOWN_SHARE`], are for those who are known.
    pub all: u32,
    /// Of one address.
    pub each: u32,
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// There are as many connections as there may be, for a stranger or for anybody.
    InAll,
    /// That address has as many as it may have (S-264).
    ForAddress,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    /// How many there might be when the last one came.
    most: u32,
    networks: HashMap<IpAddr, u32>,
}

impl Admission {
    /// Gives a connection of `address` a place, if there is one left for it (S-265).
    pub fn enter(self: &Arc<Self>, address: IpAddr, is_known: bool, most: Most) -> Result<Place, Crowded> {
        let network = network(address);
        let mut counts = self.lock();
        counts.most = most.all;
        let kept = if is_known { 0 } else { most.all.div_ceil(limits::KNOWN_SHARE) };
        if counts.all >= most.all - kept {
            self.look(&counts);
            return Err(Crowded::InAll);
        }
        let of_network = counts.networks.entry(network).or_default();
        if *of_network >= most.each {
            return Err(Crowded::ForAddress);
        }
        *of_network += 1;
        counts.all += 1;
        self.look(&counts);
        drop(counts);
        Ok(Place { admission: Arc::clone(self), network, is_known })
    }

    /// How many connections stand.
    pub fn count(&self) -> u32 {
        self.lock().all
    }

    fn look(&self, counts: &Counts) {
        let is_pressed = u64::from(counts.all) * 100 >= u64::from(counts.most) * limits::PRESSED_PERCENT;
        self.is_pressed.store(is_pressed, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether its peer must be quick: he is a stranger, and places are scarce.
    pub fn is_pressed(&self) -> bool {
        !self.is_known && self.admission.is_pressed.load(Ordering::Relaxed)
    }

    /// Whether its peer is no stranger.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Its peer has logged on.
    pub fn befriend(&mut self) {
        self.is_known = true;
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
        self.admission.look(&counts);
    }
}

/// What counts as one address: a host has a whole IPv6 /64 to choose from. RFC 4291 §2.5.4.
pub(super) fn network(address: IpAddr) -> IpAddr {
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

    /// One stranger's connection of an address.
    fn enter(admission: &Arc<Admission>, address: &str, all: u32, each: u32) -> Result<Place, Crowded> {
        admission.enter(ip(address), false, Most { all, each })
    }

    #[test]
    fn one_address_can_not_take_all_places_s_264() {
        let admission = Arc::new(Admission::default());
        let mut places: Vec<_> = (0..3).map(|_| enter(&admission, "10.0.0.1", 6, 3).unwrap()).collect();
        assert_eq!(enter(&admission, "10.0.0.1", 6, 3).unwrap_err(), Crowded::ForAddress);
        places.push(enter(&admission, "10.0.0.2", 6, 3).unwrap());
        places.push(enter(&admission, "10.0.0.3", 6, 3).unwrap());
        assert_eq!(enter(&admission, "10.0.0.4", 6, 3).unwrap_err(), Crowded::InAll);
        places.remove(0);
        assert!(enter(&admission, "10.0.0.1", 6, 3).is_ok());
    }

    #[test]
    fn the_last_places_are_for_those_who_are_known_s_265() {
        let admission = Arc::new(Admission::default());
        let most = Most { all: 80, each: 1000 };
        let crowd: Vec<_> =
            (0..1000).map_while(|_| admission.enter(ip("10.0.0.1"), false, most).ok()).collect();
        assert_eq!(crowd.len(), 70);
        let known: Vec<_> =
            (0..1000).map_while(|_| admission.enter(ip("10.0.0.2"), true, most).ok()).collect();
        assert_eq!(known.len(), 10);
        drop(crowd);
        let others: Vec<_> =
            (0..1000).map_while(|_| admission.enter(ip("10.0.0.2"), true, most).ok()).collect();
        assert_eq!(others.len(), 70, "those who are known may have them all");
    }

    #[test]
    fn the_smallest_setting_keeps_a_place_too() {
        for (all, strangers) in [(1, 0), (10, 8), (16, 14), (17, 14)] {
            let (admission, most) = (Arc::new(Admission::default()), Most { all, each: 100 });
            let crowd: Vec<_> =
                (0..100).map_while(|_| admission.enter(ip("10.0.0.1"), false, most).ok()).collect();
            assert_eq!(crowd.len(), strangers, "{all}");
            assert!(admission.enter(ip("10.0.0.2"), true, most).is_ok(), "{all}");
        }
    }

    #[test]
    fn only_strangers_must_be_quick_and_only_while_places_are_scarce_s_266() {
        let admission = Arc::new(Admission::default());
        let mut places: Vec<_> = (0..74).map(|_| enter(&admission, "10.0.0.1", 100, 100).unwrap()).collect();
        assert!(!places[0].is_pressed());
        places.push(admission.enter(ip("127.0.0.1"), true, Most { all: 100, each: 100 }).unwrap());
        assert!(places[0].is_pressed() && !places[74].is_pressed());
        places[0].befriend();
        assert!(!places[0].is_pressed() && places[1].is_pressed());
        drop(places.split_off(74));
        assert!(!places[1].is_pressed());
        enter(&admission, "10.0.0.2", 90, 100).unwrap();
        assert!(places[1].is_pressed(), "a setting that was changed counts with the next connection");
    }

    #[test]
    fn this_machine_is_told_from_addresses_that_somebody_chose() {
        for (address, is_own) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("::1", true),
            ("127.0.0.2", false),
            ("10.0.0.1", false),
            ("::", false),
        ] {
            assert_eq!(is_this_machine(ip(address)), is_own, "{address}");
        }
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_s_264() {
        let admission = Arc::new(Admission::default());
        let _place = enter(&admission, "2001:db8:1:2::1", 5, 1).unwrap();
        assert!(enter(&admission, "2001:db8:1:2:ffff::2", 5, 1).is_err());
        assert!(enter(&admission, "2001:db8:1:3::1", 5, 1).is_ok());
    }

    #[test]
    fn places_given_back_leave_nothing_behind() {
        let admission = Arc::new(Admission::default());
        drop(enter(&admission, "10.0.0.1", 2, 1).unwrap());
        let counts = admission.lock();
        assert_eq!((counts.all, counts.networks.len()), (0, 0));
    }
}
