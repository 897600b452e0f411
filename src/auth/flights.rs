//! Tries of strangers that are under way: hashed now, or refused and not answered yet (S-170).

use std::time::Instant;

use super::aging::Aging;
use super::network::Network;
use super::tag::Tag;
use crate::limits;

/// Which accounts each network tries now; none of them more than [`limits::STRANGERS_TRIES`].
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

    /// Begins a try of that account; false if its network has too many under way. Several of one account are one: the
    /// throttle bounds those.
    pub fn begin(&mut self, network: Network, account: Tag, now: Instant) -> bool {
        let mut flights = self.networks.remove(&network).unwrap_or_default();
        flights.retain(|flight| flight.hashing > 0 || now < flight.until);
        let own = flights.iter().position(|flight| flight.account == account);
        let may_begin = match own {
            Some(own) => {
                flights[own].hashing += 1;
                true
            }
            None if flights.len() >= limits::STRANGERS_TRIES => false,
            None => {
                flights.push(Flight { account, hashing: 1, until: now });
                true
            }
        };
        self.networks.put(network, flights);
        may_begin
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

    #[test]
    fn one_network_tries_few_accounts_at_once_s_170() {
        let (mut flights, now) = (Flights::new(), Instant::now());
        for (account, from, may_begin) in [
            (ALICE, 1, true),
            (BOB, 1, true),
            (CAROL, 1, false),
            (ALICE, 1, true),
            (CAROL, 2, true),
            (CAROL, 1, false),
        ] {
            assert_eq!(flights.begin(network(from), account, now), may_begin, "{account:?} {from}");
        }
        flights.end(network(1), ALICE, now);
        assert!(!flights.begin(network(1), CAROL, now), "another of alice is under way");
        flights.end(network(1), ALICE, now);
        assert!(flights.begin(network(1), CAROL, now));
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
