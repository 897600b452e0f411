//! The machine's name servers, as `/etc/resolv.conf` has them.

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits;
use crate::net::task;
use crate::sandbox;

/// Which name servers are asked.
pub(super) enum Servers {
    /// The machine's. The file is read each time: it is small, and changes with the network.
    Machine,
    /// These.
    #[cfg(test)]
    These(Vec<SocketAddr>),
}

impl Servers {
    /// Those to be asked, in their order.
    pub async fn list(&self) -> Vec<SocketAddr> {
        match self {
            Servers::Machine => task::unblock(|| named(&read())).await,
            #[cfg(test)]
            Servers::These(servers) => servers.clone(),
        }
    }
}

/// What stands in the file; nothing if there is none.
fn read() -> String {
    let mut octets = Vec::new();
    let read = File::open(PATH).and_then(|file| file.take(MOST_OCTETS).read_to_end(&mut octets));
    tell(read.err().as_ref());
    String::from_utf8_lossy(&octets).into_owned()
}

/// A machine may have no such file; one that may not be read is told once, until it can be read again.
fn tell(error: Option<&io::Error>) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    let denial = error.and_then(|error| denial(error, sandbox::guards_files()));
    let was_told = IS_TOLD.swap(denial.is_some(), Ordering::Relaxed);
    match (denial, error) {
        (Some(text), _) if !was_told => log::warn!("{text}"),
        (None, Some(error)) => log::debug!("{PATH} can't be read, so 127.0.0.1 is asked: {error}"),
        _ => {}
    }
}

/// What is to be done about a file that may not be read; none if it is something else.
fn denial(error: &io::Error, is_guarded: bool) -> Option<String> {
    let cause = match is_guarded {
        true => format!("where it leads is {}", sandbox::news()),
        false => format!("let all read it: chmod a+r {PATH}, and what it leads to"),
    };
    (error.kind() == io::ErrorKind::PermissionDenied)
        .then(|| format!("{PATH} may not be read, so 127.0.0.1 is asked for names: {cause}"))
}

/// The servers that a text names, the first few; this machine's own if it names none. Its other words are for looking up
/// hosts, which the system does.
fn named(text: &str) -> Vec<SocketAddr> {
    let words = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "nameserver").then(|| words.next()).flatten()
    });
    let mut servers: Vec<_> = words.filter_map(server).take(limits::NAME_SERVERS).collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    servers
}

/// A link-local address has an interface behind it, by name or number. RFC 4007 §11.
fn server(word: &str) -> Option<SocketAddr> {
    let Some((address, interface)) = word.split_once('%') else {
        return word.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let number = interface.parse().ok().or_else(|| {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).ok()?;
        rustix::net::netdevice::name_to_index(&socket, interface).ok()
    });
    Some(SocketAddrV6::new(address, PORT, 0, number?).into())
}

const PATH: &str = "/etc/resolv.conf";
const MOST_OCTETS: u64 = 64 * 1024;
const PORT: u16 = 53;

#[cfg(test)]
mod tests {
    use super::*;

    /// It was told at the level of debugging only, while mail waited for names that this machine itself does not know.
    #[test]
    fn a_file_that_may_not_be_read_is_told_with_what_to_do() {
        let text = |kind: io::ErrorKind, is_guarded| denial(&kind.into(), is_guarded);
        assert_eq!(text(io::ErrorKind::NotFound, true), None);
        let guarded = text(io::ErrorKind::PermissionDenied, true).unwrap();
        assert!(guarded.ends_with("when it started: restart the server"), "{guarded}");
        let open = text(io::ErrorKind::PermissionDenied, false).unwrap();
        assert!(open.contains("chmod a+r /etc/resolv.conf"), "{open}");
    }

    #[test]
    fn the_first_three_servers_count_and_all_else_is_passed_over() {
        for (text, servers) in [
            ("", &["127.0.0.1:53"][..]),
            ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nsearch lan\n", &["127.0.0.1:53"]),
            ("nameserver 192.0.2.1\noptions timeout:1\n", &["192.0.2.1:53"]),
            ("  nameserver\t2001:db8::1  # mine\r\n", &["[2001:db8::1]:53"]),
            ("nameserver\nnameserver mail.example\nnameserver 192.0.2.1:5353\n", &["127.0.0.1:53"]),
            ("nameserver fe80::1%7\n", &["[fe80::1%7]:53"]),
            ("nameserver fe80::1%lo\n", &["[fe80::1%1]:53"]),
            ("nameserver fe80::1%no-such-link\n", &["127.0.0.1:53"]),
            ("nameserver 192.0.2.1%lo\n", &["127.0.0.1:53"]),
            (
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
                &["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"],
            ),
        ] {
            let shown: Vec<_> = named(text).iter().map(SocketAddr::to_string).collect();
            assert_eq!(shown, servers, "{text:?}");
        }
    }
}
