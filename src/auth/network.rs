//! Where a peer comes from, in the unit in which strangers own addresses.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, or an IPv6 /64: whoever has one address of it has them all (S-172).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of a peer; an IPv4 address written as IPv6 counts as what it is.
    pub fn of(peer: IpAddr) -> Network {
        Network(match peer.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.0
    }

    /// A number that is another for most others, and never 0.
    pub fn short(&self) -> u32 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish() as u32 | 1
    }
}

/// The address that stands for a user of this machine: each counts as a network of his own, so that what one guesses
/// wrong slows nobody else. The prefix is allotted to nobody, so no real peer has it.
pub fn address_of_local_user(uid: u32) -> IpAddr {
    let [high, low] = [uid >> 16, uid & 0xffff].map(|half| half as u16);
    IpAddr::V6(Ipv6Addr::new(LOCAL_USERS[0], LOCAL_USERS[1], high, low, 0, 0, 0, 0))
}

/// A peer's address for people; a user of this machine by his number.
pub(super) fn shown(peer: IpAddr) -> String {
    local_user(peer).map_or_else(|| peer.to_string(), |uid| format!("uid {uid}"))
}

fn local_user(peer: IpAddr) -> Option<u32> {
    match peer {
        IpAddr::V6(address) if address.segments()[..2] == LOCAL_USERS => {
            let [_, _, high, low, ..] = address.segments();
            Some(u32::from(high) << 16 | u32::from(low))
        }
        _ => None,
    }
}

const LOCAL_USERS: [u16; 2] = [0x0100, 0xffff];

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uid) = local_user(self.0) {
            return write!(out, "uid {uid}");
        }
        match self.0 {
            IpAddr::V4(address) => write!(out, "{address}"),
            IpAddr::V6(address) => write!(out, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn a_64_is_one_and_every_ipv4_address_is_one_s_172() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("::ffff:192.0.2.1"), of("::ffff:192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(of("::ffff:192.0.2.1").to_string(), "192.0.2.1");
    }

    /// `fails` and the log named addresses of documentation where a user of the machine had guessed a password.
    #[test]
    fn local_users_are_no_neighbours_and_shown_by_their_number() {
        for uid in [0, 1, 65_535, 65_536, u32::MAX] {
            let address = address_of_local_user(uid);
            assert_eq!(local_user(Network::of(address).address()), Some(uid));
            assert_eq!(
                [Network::of(address).to_string(), shown(address)],
                [(); 2].map(|()| format!("uid {uid}"))
            );
        }
        assert_eq!(shown("2001:db8::1".parse().unwrap()), "2001:db8::1");
    }
}
