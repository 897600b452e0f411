//! Tries of strangers that are refused and not answered yet (S-170).
//!
//! Where nobody has been refused nothing is held up: after a restart all users of an office are strangers, and log on at
//! once.

use std::time::Instant;

use super::aging::Aging;
use super::network::Network;
use super::tag::Tag;
use crate::limits;

/// Which accounts each network tries now. Once so many as [`limits::STRANGERS_TRIES`] of them are refused, it tries no
/// others until those are answered.
pub struct Flights {
    networks: Aging<Network, Vec<Flight>>,
}

#[derive(Clone, Copy)]
struct Flight {
    account: Tag,
    /// Tries that wait for their hash.
    hashing: u32,
    /// When the last of them is answered that was refused.
    until: Instant,
}

impl Flights {
    /// None is under way.
    pub fn new() -> Flights {
        Flights { networks: Aging::new(limits::FAILURE_ENTRIES) }
    }

    /// Begins a try of that account; false if too many others of its network are refused now. Several of one account are
    /// one: the throttle bounds those.
    pub fn begin(&mut self, network: Network, account: Tag, now: Instant) -> bool {
        if !self.may_go_on(network, account, now) {
            return false;
        }
        let mut flights = self.networks.remove(&network).unwrap_or_default();
        flights.retain(|flight| flight.hashing > 0 || now < flight.until);
        match flights.iter_mut().find(|flight| flight.account == account) {
            Some(own) => own.hashing += 1,
            None => flights.push(Flight { account, hashing: 1, until: now }),
        }
        self.networks.put(network, flights);
        true
    }

    /// Whether a try that has begun may still cost something: of many sent at once the first ones may have been refused
    /// while it waited.
    pub fn may_go_on(&self, network: Network, account: Tag, now: Instant) -> bool {
        let Some(flights) = self.networks.peek(&network) else { return true };
        let refused = flights.iter().filter(|flight| now < flight.until && flight.account != account);
        refused.count() < limits::STRANGERS_TRIES
    }

    /// A try was refused, which is answered at that time.
    pub fn refused(&mut self, network: Network, account: Tag, until: Instant) {
        let Some(mut flights) = self.networks.remove(&network) else { return };
        if let Some(own) = flights.iter_mut().find(|flight| flight.account == account) {
            own.until = own.until.max(until);
        }
        self.networks.put(network, flights);
    }

    /// A try has its hash, or gets none.
    pub fn end(&mut self, network: Network, account: Tag, now: Instant) {
        let Some(mut flights) = self.networks.remove(&network) else { return };
        if let Some(own) = flights.iter_mut().find(|flight| flight.account == account) {
            own.hashing = own.hashing.saturating_sub(1);
        }
        flights.retain(|flight| flight.hashing > 0 || now < flight.until);
        if !flights.is_empty() {
            self.networks.put(network, flights);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(std::net::IpAddr::V4((0x0A00_0000 + number).into()))
    }

    const ALICE: Tag = [1; 16];
    const BOB: Tag = [2; 16];
    const CAROL: Tag = [3; 16];
    const DAVE: Tag = [4; 16];

    #[test]
    fn a_network_that_is_refused_tries_few_accounts_at_once_s_170() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let answered = now + Duration::from_secs(1);
        for account in [ALICE, BOB, CAROL] {
            assert!(flights.begin(network(1), account, now));
        }
        flights.refused(network(1), ALICE, answered);
        assert!(flights.may_go_on(network(1), CAROL, now), "one may have mistyped");
        flights.refused(network(1), BOB, answered);
        assert!(!flights.may_go_on(network(1), CAROL, now), "two tell what that network does");
        assert!(!flights.begin(network(1), DAVE, now));
        for account in [ALICE, BOB] {
            assert!(flights.begin(network(1), account, now), "the throttle bounds those");
        }
        assert!(flights.begin(network(2), CAROL, now), "others are others");
        assert!(flights.begin(network(1), DAVE, answered));
    }

    /// After a restart the third and fourth of four users who logged on at once were told to come again.
    #[test]
    fn users_who_log_on_at_once_are_held_up_by_nobody() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        for number in 0..200 {
            assert!(flights.begin(network(1), [number; 16], now), "{number}");
        }
        assert!((0..200).all(|number| flights.may_go_on(network(1), [number; 16], now)));
    }

    #[test]
    fn a_try_is_under_way_until_it_is_answered() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        let answered = now + Duration::from_secs(15);
        for account in [ALICE, BOB] {
            assert!(flights.begin(network(1), account, now));
            flights.refused(network(1), account, answered);
            flights.end(network(1), account, now);
        }
        assert!(!flights.begin(network(1), CAROL, now));
        assert!(!flights.begin(network(1), CAROL, answered - Duration::from_nanos(1)));
        assert!(flights.begin(network(1), CAROL, answered));
    }

    #[test]
    fn what_is_over_leaves_nothing_behind() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        assert!(flights.begin(network(1), ALICE, now));
        flights.end(network(1), ALICE, now);
        flights.end(network(1), ALICE, now);
        flights.refused(network(1), ALICE, now + Duration::from_secs(1));
        assert_eq!(flights.networks.len(), 0);
    }
}
