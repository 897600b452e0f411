//! Networks of peers: which are the owner's own, and which hold an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address, or all that share its first bits; IPv4 addresses written as IPv6 are what they map (S-115).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of all addresses whose first `prefix` bits are those of `address`. None if the address has fewer
    /// bits than that, or any set behind them: somebody meant another network then.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Network> {
        let (address, prefix) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(mapped)) => (mapped.into(), prefix.checked_sub(96)?),
            _ => (address, prefix),
        };
        let is_good = prefix <= bits(address) && masked(address, prefix) == address;
        is_good.then_some(Network { address, prefix })
    }

    /// The first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether it holds that address.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        bits(address) == bits(self.address) && masked(address, self.prefix) == self.address
    }

    /// Whether every address in it is local, as [`is_local`] has it.
    pub fn is_local(self) -> bool {
        // Each local range is a network, so first and last address tell.
        is_local(self.address) && is_local(last(self.address, self.prefix))
    }
}

/// Whether an address is loopback, private or link-local: RFC 1122 §3.2.1.3, RFC 1918 §3, RFC 3927 §2.1,
/// RFC 4193 §3.1, RFC 4291 §2.5.6, and the shared space of RFC 6598 §7 that overlay networks use.
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !host_v4(prefix)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !host_v6(prefix)).into(),
    }
}

fn last(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() | host_v4(prefix)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() | host_v6(prefix)).into(),
    }
}

fn host_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

fn host_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Takes `192.168.1.40`, `192.168.1.0/24`, `fd00::7` and `fd00::/64`.
    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::NoAddress)?;
        let prefix = match prefix {
            Some(prefix) if prefix.bytes().all(|octet| octet.is_ascii_digit()) => {
                prefix.parse().map_err(|_| NetworkError::BadPrefix)?
            }
            Some(_) => return Err(NetworkError::BadPrefix),
            None => bits(address),
        };
        Network::new(address, prefix).ok_or(NetworkError::BadPrefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            return self.address.fmt(out);
        }
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Network, NetworkError> {
        text.parse()
    }
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// There is no IP address in it.
    NoAddress,
    /// What stands behind the stroke is no number of bits that fits the address.
    BadPrefix,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            NetworkError::NoAddress => "it is no IP address such as 192.168.1.40 or fd00::7",
            NetworkError::BadPrefix => {
                "it is no network such as 192.168.1.0/24 or fd00::/64, with nothing set behind its bits"
            }
        })
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_first_and_last_address_and_no_neighbour() {
        for (network, inside, outside) in [
            (
                "192.168.1.40",
                &["192.168.1.40", "::ffff:192.168.1.40"][..],
                &["192.168.1.39", "192.168.1.41"][..],
            ),
            ("192.168.1.0/24", &["192.168.1.0", "192.168.1.255"], &["192.168.0.255", "192.168.2.0", "::1"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "fd00::1"]),
            ("fd00::/64", &["fd00::", "fd00::ffff:ffff:ffff:ffff"], &["fd00:0:0:1::", "10.0.0.1"]),
            ("::/0", &["::", "ffff::"], &["10.0.0.1", "::ffff:10.0.0.1"]),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.to_string(), network);
            assert!(inside.iter().all(|address| parsed.contains(ip(address))), "{network}");
            assert!(!outside.iter().any(|address| parsed.contains(ip(address))), "{network}");
        }
    }

    #[test]
    fn a_mapped_network_is_what_it_maps_s_115() {
        let mapped: Network = "::ffff:10.0.0.0/104".parse().unwrap();
        assert_eq!(mapped.to_string(), "10.0.0.0/8");
        assert_eq!("::ffff:10.0.0.5".parse::<Network>().unwrap().to_string(), "10.0.0.5");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, error) in [
            ("", NetworkError::NoAddress),
            ("scanner", NetworkError::NoAddress),
            ("192.168.1", NetworkError::NoAddress),
            ("192.168.1.0:25", NetworkError::NoAddress),
            ("192.168.1.40/24", NetworkError::BadPrefix),
            ("192.168.1.0/33", NetworkError::BadPrefix),
            ("192.168.1.0/", NetworkError::BadPrefix),
            ("192.168.1.0/+24", NetworkError::BadPrefix),
            ("192.168.1.0/256", NetworkError::BadPrefix),
            ("fd00::1/64", NetworkError::BadPrefix),
            ("fd00::/129", NetworkError::BadPrefix),
            ("::ffff:10.0.0.0/64", NetworkError::BadPrefix),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn local_addresses_are_told_from_public_ones_at_their_edges() {
        for local in [
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "169.254.0.0",
            "169.254.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "::1",
            "fc00::",
            "fdff:ffff::1",
            "fe80::",
            "febf::1",
        ] {
            assert!(is_local(ip(local)), "{local}");
        }
        for public in [
            "0.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "8.8.8.8",
            "::",
            "::2",
            "fbff::",
            "fe00::",
            "fe7f::",
            "fec0::",
            "2001:db8::1",
        ] {
            assert!(!is_local(ip(public)), "{public}");
        }
    }

    #[test]
    fn a_network_is_local_only_as_a_whole() {
        for (text, is_local) in [
            ("192.168.0.0/16", true),
            ("192.168.0.0/15", false),
            ("10.0.0.0/8", true),
            ("8.0.0.0/6", false),
            ("fc00::/7", true),
            ("fc00::/6", false),
            ("8.8.8.8", false),
            ("2001:db8::/64", false),
            ("0.0.0.0/0", false),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().is_local(), is_local, "{text}");
        }
    }
}
