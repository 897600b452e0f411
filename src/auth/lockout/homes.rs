//! Networks from which a user has logged on lately: from there he is slowed, and not shut out (S-171).

use std::net::IpAddr;
use std::sync::Arc;

use super::super::aging::Aging;
use super::super::network::Network;
use super::super::tag::Tag;
use crate::limits;

/// Who is at home where.
pub struct Homes {
    users: Aging<Tag, Home>,
}

struct Home {
    name: Arc<str>,
    /// With the second of a logon, a day old at most where there was a later one.
    networks: Vec<(Network, u64)>,
}

impl Homes {
    /// Nobody is at home anywhere.
    pub fn new() -> Homes {
        Homes { users: Aging::new(limits::LOCKOUT_USERS) }
    }

    /// Whether that user has logged on from there in the last [`limits::LOCKOUT_HOME_SECONDS`].
    pub fn has(&self, user: &Tag, network: Network, now: u64) -> bool {
        let networks = self.users.peek(user).map_or(&[][..], |home| &home.networks);
        networks.iter().any(|(of, at)| *of == network && is_fresh(*at, now))
    }

    /// Notes a logon; says whether that changes what is to be written down. Another logon of the same day does not.
    pub fn note(&mut self, user: Tag, name: &Arc<str>, network: Network, now: u64) -> bool {
        let home = self.users.peek(&user);
        let today = |(of, at): &&(Network, u64)| *of == network && now.saturating_sub(*at) < DAY_SECONDS;
        if home.is_some_and(|home| home.networks.iter().any(|entry| today(&entry))) {
            return false;
        }
        let mut networks = home.map(|home| home.networks.clone()).unwrap_or_default();
        networks.retain(|(of, at)| *of != network && is_fresh(*at, now));
        if networks.len() >= limits::LOCKOUT_HOMES {
            networks.remove(0);
        }
        networks.push((network, now));
        self.users.put(user, Home { name: Arc::clone(name), networks });
        true
    }

    /// Every network at which somebody is at home.
    pub fn networks(&self) -> impl Iterator<Item = Network> {
        self.users.values().flat_map(|home| home.networks.iter().map(|(network, _)| *network))
    }

    /// All of them, to be written down: names, addresses of networks, seconds.
    pub fn all(&self, now: u64) -> Vec<(String, Vec<(IpAddr, u64)>)> {
        let fresh = |home: &Home| {
            let fresh = home.networks.iter().filter(|(_, at)| is_fresh(*at, now));
            fresh.map(|(network, at)| (network.address(), *at)).collect::<Vec<_>>()
        };
        let all = self.users.values().map(|home| (home.name.to_string(), fresh(home)));
        all.filter(|(_, networks)| !networks.is_empty()).collect()
    }
}

fn is_fresh(at: u64, now: u64) -> bool {
    now.saturating_sub(at) < limits::LOCKOUT_HOME_SECONDS
}

/// How often a home is noted anew.
const DAY_SECONDS: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4((0x0A00_0000 + number).into()))
    }

    #[test]
    fn a_home_is_one_user_s_and_lasts_its_time_s_171() {
        let (mut homes, name) = (Homes::new(), Arc::from("alice@home.lan"));
        assert!(homes.note([1; 16], &name, network(1), 100));
        let last = 100 + limits::LOCKOUT_HOME_SECONDS;
        for (user, from, now, has) in [
            ([1; 16], 1, 100, true),
            ([1; 16], 1, last - 1, true),
            ([1; 16], 1, last, false),
            ([1; 16], 2, 100, false),
            ([2; 16], 1, 100, false),
        ] {
            assert_eq!(homes.has(&user, network(from), now), has, "{user:?} {from} {now}");
        }
    }

    #[test]
    fn polls_change_what_is_written_down_once_a_day() {
        let (mut homes, name) = (Homes::new(), Arc::from("alice@home.lan"));
        let changes = (0..3 * 24 * 60).filter(|minute| homes.note([1; 16], &name, network(1), minute * 60));
        assert_eq!(changes.count(), 3);
        assert_eq!(
            homes.all(3 * 86_400),
            [("alice@home.lan".to_owned(), vec![(network(1).address(), 2 * 86_400)])]
        );
        assert!(homes.all(10 * limits::LOCKOUT_HOME_SECONDS).is_empty());
    }

    #[test]
    fn a_user_s_oldest_home_makes_room_and_no_other_user_s() {
        let mut homes = Homes::new();
        let most = limits::LOCKOUT_HOMES as u32;
        homes.note([2; 16], &Arc::from("bob@home.lan"), network(1), 0);
        for number in 0..=most {
            homes.note([1; 16], &Arc::from("alice@home.lan"), network(number), u64::from(number));
        }
        let has = |number| homes.has(&[1; 16], network(number), 100);
        assert_eq!((has(0), has(1), has(most)), (false, true, true));
        assert!(homes.has(&[2; 16], network(1), 100));
    }
}
