//! Whether this machine has a network beyond itself, and when that changes (O8).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use smol::Async;

/// Tells when links, addresses or routes of this machine change.
#[derive(Debug)]
pub struct Uplink {
    /// Where the kernel's messages come in; none if it gives none.
    messages: Option<Async<OwnedFd>>,
}

impl Uplink {
    /// Watches from now on; without the kernel's messages, as in some containers, nothing is ever told.
    pub fn watch() -> Uplink {
        let messages = subscribe();
        if let Err(error) = &messages {
            log::debug!(
                "the kernel does not tell when the network changes, so mail waits for its next try: {error}"
            );
        }
        Uplink { messages: messages.ok() }
    }

    /// Waits until a link, an address or a route has come or gone since the last call. What exactly is not told, and it
    /// may be none that leads anywhere. One caller at a time.
    pub async fn changed(&self) {
        if let Some(messages) = &self.messages {
            match messages.read_with(drain).await {
                Ok(()) => return,
                Err(error) => log::debug!("the kernel tells no more when the network changes: {error}"),
            }
        }
        std::future::pending().await
    }
}

/// Whether this machine has a way beyond its own networks, by IPv4 or by IPv6. Nothing is sent to find that out.
pub fn has_way_out() -> bool {
    let far: [(IpAddr, IpAddr); 2] =
        [(Ipv4Addr::UNSPECIFIED.into(), FAR_IPV4.into()), (Ipv6Addr::UNSPECIFIED.into(), FAR_IPV6.into())];
    far.into_iter().any(|(here, far)| {
        // A datagram socket that is connected has a route, and no more.
        UdpSocket::bind((here, 0)).is_ok_and(|socket| socket.connect((far, DISCARD_PORT)).is_ok())
    })
}

fn subscribe() -> io::Result<Async<OwnedFd>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    // No protocol is the first: that of links, addresses and routes.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Async::new_nonblocking(socket)
}

/// Takes all messages that wait: a link that comes up brings a dozen. Errs with `WouldBlock` if there are none.
fn drain(messages: &OwnedFd) -> io::Result<()> {
    let mut has_come = false;
    for _ in 0..MOST_MESSAGES {
        // A message that is longer than this is cut; nobody reads it.
        let mut octets = [0; 64];
        match rustix::net::recv(messages, &mut octets[..], RecvFlags::DONTWAIT) {
            // The kernel had more to tell than there was room for.
            Ok(_) | Err(Errno::NOBUFS) => has_come = true,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if has_come { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
}

/// What the kernel is to tell, as `<linux/rtnetlink.h>` numbers it: links, addresses and routes of IPv4, of IPv6.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// Addresses of the blocks for examples, which are on nobody's network.
const FAR_IPV4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const FAR_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
const DISCARD_PORT: u16 = 9;
/// Messages that one call takes at most; more come in the next.
const MOST_MESSAGES: usize = 1000;

#[cfg(test)]
mod tests {
    //! Changes are made in a network namespace of their own, in which this program starts itself again.

    use std::process::Command;
    use std::time::{Duration, Instant};

    use smol::Timer;
    use smol::future::FutureExt;

    use super::*;

    #[test]
    fn an_address_a_route_and_a_link_wake_within_a_second_o8() {
        let inside = "net::uplink::tests::in_a_network_of_its_own";
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net").arg(this);
        command.args(["--exact", inside, "--ignored", "--nocapture"]);
        let run = command.output().expect("unshare, of util-linux, is needed");
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "the test above starts it in a network namespace"]
    fn in_a_network_of_its_own() {
        let uplink = Uplink::watch();
        assert!(uplink.messages.is_some());
        assert!(!tells(&uplink, Duration::from_millis(200)), "nothing has changed yet");
        assert!(!has_way_out());
        for change in [
            "link set lo up",
            "addr add 192.0.2.1/24 dev lo",
            "addr add 2001:db8::1/64 dev lo",
            "route add 198.51.100.0/24 via 192.0.2.7",
            "addr del 192.0.2.1/24 dev lo",
        ] {
            let begin = Instant::now();
            let status = Command::new("ip").args(change.split(' ')).status();
            assert!(status.expect("ip, of iproute2, is needed").success(), "{change}");
            assert!(tells(&uplink, Duration::from_secs(10)), "{change} is not told");
            // Of the addresses themselves nobody is the way to anywhere else.
            let leads_out = change.starts_with("route add");
            assert!(has_way_out() == leads_out || change.starts_with("addr del"), "{change}");
            assert!(begin.elapsed() < Duration::from_secs(1), "{change} took {:?}", begin.elapsed());
            // What belongs to one change may come in more than one piece.
            while tells(&uplink, Duration::from_millis(200)) {}
        }
    }

    #[test]
    fn without_the_kernels_messages_nothing_is_ever_told() {
        assert!(!tells(&Uplink { messages: None }, Duration::from_millis(50)));
    }

    fn tells(uplink: &Uplink, time: Duration) -> bool {
        let waiting = async {
            uplink.changed().await;
            true
        };
        smol::block_on(waiting.or(async {
            Timer::after(time).await;
            false
        }))
    }
}
