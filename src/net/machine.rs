//! What this machine is called and which addresses it has, as the kernel tells in `/proc/net`.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::mail::Domain;

/// This machine's own name without its domain; none if it has none that a certificate can carry.
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let label = name.split('.').next().unwrap_or_default();
    label.parse::<Domain>().ok().filter(|name| name.as_str() != "localhost").map(String::from)
}

/// The names that this machine goes by in its own network.
pub fn names() -> Vec<String> {
    let host = host_name().into_iter().flat_map(|host| [format!("{host}.local"), host]);
    std::iter::once("localhost".into()).chain(host).collect()
}

/// Every address of this machine: LAN addresses first, loopback last. Link-local ones are left out: nobody can type them
/// into a mail client. So are those that IPv6 makes up for a day, so as not to be known again (RFC 8981 §3), and those
/// that are not sure yet: what a client is to be set up with must stay.
pub fn addresses() -> Vec<IpAddr> {
    let trie = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let six = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let mut addresses: Vec<IpAddr> = ipv4_addresses(&trie).into_iter().map(IpAddr::V4).collect();
    addresses.extend(ipv6_addresses(&six).into_iter().map(IpAddr::V6));
    addresses.extend(routed_address());
    addresses.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    addresses.retain(|address| !is_useless(address));
    addresses.sort_by_key(|address| (address.is_loopback(), address.is_ipv6(), *address));
    addresses.dedup();
    addresses
}

/// Whether an address is known to be none of this machine's, whatever interface it could have. Binding a datagram socket
/// sends nothing.
pub fn is_foreign(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable)
}

/// Whether IPv6 is there to listen on.
pub fn has_ipv6() -> bool {
    std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|text| !text.trim().is_empty())
}

/// The leaves of the kernel's routing trie that are marked as its own: a line `|-- 192.168.1.5` and below
/// it `/32 host LOCAL`.
fn ipv4_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(leaf);
        }
    }
    addresses
}

/// The first column is the address in 32 digits, the fifth has its flags.
fn ipv6_addresses(table: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let mut columns = line.split_whitespace();
        let digits = columns.next().filter(|digits| digits.len() == 32)?;
        let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
        let address = u128::from_str_radix(digits, 16).ok()?;
        (flags & PASSING_FLAGS == 0).then(|| Ipv6Addr::from(address))
    };
    table.lines().filter_map(address).collect()
}

/// The address that would be used to speak to the LAN, for kernels that hide their tables. Connecting a
/// datagram socket sends nothing.
fn routed_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 168, 0, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn is_useless(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// Of `<linux/if_addr.h>`: temporary, found to be another machine's, on its way out, not sure yet.
const PASSING_FLAGS: u32 = 0x01 | 0x08 | 0x20 | 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
        \x20    +-- 192.168.1.0/24 2 0 2\n        |-- 192.168.1.0\n           /24 link UNICAST\n\
        \x20       |-- 192.168.1.5\n           /32 host LOCAL\n        |-- 192.168.1.255\n\
        \x20          /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";

    #[test]
    fn own_addresses_are_found_in_the_kernels_tables() {
        assert_eq!(ipv4_addresses(TRIE), [Ipv4Addr::new(192, 168, 1, 5), Ipv4Addr::LOCALHOST]);
        let six = "fd000000000000000000000000000005 02 40 00 80 eth0\n\
                   00000000000000000000000000000001 01 80 10 80 lo\n";
        assert_eq!(ipv6_addresses(six), ["fd00::5".parse::<Ipv6Addr>().unwrap(), Ipv6Addr::LOCALHOST]);
    }

    /// A machine with them had another certificate each day.
    #[test]
    fn addresses_that_ipv6_makes_up_for_a_day_and_unsure_ones_are_left_out() {
        for (flags, stays) in [
            ("80", true),
            ("00", true),
            ("01", false),
            ("21", false),
            ("20", false),
            ("40", false),
            ("c8", false),
        ] {
            let line = format!("20010db8000000000000000000000005 02 40 00 {flags} eth0\n");
            assert_eq!(ipv6_addresses(&line).len(), usize::from(stays), "{flags}");
        }
    }

    #[test]
    fn tables_of_another_form_give_nothing() {
        for text in ["", "|-- x\n/32 host LOCAL", "/32 host LOCAL", "zz", "fd00 1", "\0"] {
            assert_eq!((ipv4_addresses(text), ipv6_addresses(text)), (vec![], vec![]), "{text:?}");
        }
    }

    #[test]
    fn an_address_of_others_is_foreign_and_own_ones_are_not() {
        assert!(is_foreign([192, 0, 2, 1].into()));
        let own = addresses();
        let foreign = own.iter().find(|address| is_foreign(**address) && (address.is_ipv4() || has_ipv6()));
        assert_eq!(foreign, None);
    }

    #[test]
    fn loopback_is_always_there_and_comes_last() {
        let addresses = addresses();
        assert_eq!(addresses.last(), Some(&IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert!(addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(addresses.iter().all(|address| !is_useless(address)));
    }
}
