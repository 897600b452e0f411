//! The name system, asked through the machine's own name servers: addresses of hosts, mail exchangers of domains.
//!
//! ```text
//! exchangers -- kept? -- asking (servers, UDP, TCP) --> choosing: order, null MX, none of us
//! addresses  -- literal? -- kept? -- the system (hosts file and all) --> found
//!                                         '- fails or is silent --> asking, which knows why
//!
//! asking:  each server in turn, twice --> an answer ------------------------> there, NotThere
//!                  '- SERVFAIL, silence, nonsense --> is the root known? --> Failed (its fault), Unreachable (ours)
//! ```
//!
//! The last question keeps one domain whose own servers are dead from looking as if we were offline (O8).

mod asking;
mod choosing;
mod kept;
mod servers;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use smol::Timer;
use smol::future::FutureExt;
use smol::lock::Semaphore;

use crate::limits;
use crate::net::task;
use crate::wire::dns::{Kind, Name, Record};
use choosing::Exchangers;
use kept::Kept;
use servers::Servers;

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such name, or it has no address: for good, as far as the name system knows.
    NotThere,
    /// The domain says that it takes no mail. RFC 7505.
    TakesNoMail,
    /// The name server fails, or says nonsense: what, for people.
    Failed(String),
    /// No name server can be reached: we are offline, as far as one can tell (O8).
    Unreachable(String),
}

/// The servers of a domain, best first, those of equal preference in any order; at most [`crate::limits::MX_HOSTS`].
/// Without an MX record the domain itself. RFC 5321 §5.1.
pub async fn exchangers(domain: &str) -> Result<Vec<String>, Unresolved> {
    exchangers_besides(domain, |_| false).await
}

/// As [`exchangers`], but without those that are us, and without those that are not better than we: handing mail back and
/// forth with them is a loop. Nothing is left if the best of them is us: the mail is undeliverable. RFC 5321 §5.1.
pub async fn exchangers_besides(
    domain: &str,
    is_us: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Unresolved> {
    RESOLVER.exchangers(domain, is_us).await
}

/// The addresses of a host, or the address that the text is; at most [`crate::limits::HOP_ADDRESSES`]. The machine's own
/// ways count, `/etc/hosts` among them.
pub async fn addresses(host: &str) -> Result<Vec<IpAddr>, Unresolved> {
    RESOLVER.addresses(host).await
}

/// As [`addresses`], for a host that a stranger's MX record names: an address that is no other machine's is a lie or a
/// loop, and left out; [`Unresolved::NotThere`] if no other is left (S-137).
pub async fn addresses_elsewhere(host: &str) -> Result<Vec<IpAddr>, Unresolved> {
    RESOLVER.addresses_elsewhere(host).await
}

static RESOLVER: LazyLock<Resolver> = LazyLock::new(|| Resolver::new(Servers::Machine, Patience::default()));

/// Asks, and keeps answers for a while.
struct Resolver {
    servers: Servers,
    patience: Patience,
    exchangers: Kept<Exchangers>,
    addresses: Kept<Vec<IpAddr>>,
    lookups: Arc<Semaphore>,
}

/// How long what may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// One answer of one server.
    reply: Duration,
    /// All servers and tries.
    search: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { reply: limits::NAME_REPLY, search: limits::NAME_SEARCH }
    }
}

impl Resolver {
    fn new(servers: Servers, patience: Patience) -> Resolver {
        Resolver {
            servers,
            patience,
            exchangers: Kept::default(),
            addresses: Kept::default(),
            lookups: Arc::new(Semaphore::new(limits::SYSTEM_LOOKUPS)),
        }
    }

    async fn exchangers(
        &self,
        domain: &str,
        is_us: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, Unresolved> {
        if let Some(address) = literal(domain) {
            return Ok(vec![address.to_string()]);
        }
        let domain = domain.to_ascii_lowercase();
        let found = match self.exchangers.get(&domain) {
            Some(found) => found,
            None => {
                let found = self.ask_exchangers(&domain).await;
                self.exchangers.put(&domain, &found);
                found
            }
        };
        Ok(found?.besides(is_us, limits::MX_HOSTS))
    }

    /// Asks again with the name at the end of the aliases where the server doesn't follow them itself.
    async fn ask_exchangers(&self, domain: &str) -> Result<Exchangers, Unresolved> {
        let mut name = Name::new(domain).ok_or_else(|| no_name(domain))?;
        for _ in 0..limits::DNS_ALIASES {
            let answer = self.ask(name.clone(), Kind::Mx).await?;
            if answer.name == name || !answer.records.is_empty() {
                return Exchangers::new(answer);
            }
            name = answer.name;
        }
        Err(Unresolved::Failed(format!("too many aliases stand one behind the other for {domain}")))
    }

    async fn addresses_elsewhere(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let mut found = self.addresses(host).await?;
        found.retain(|address| is_elsewhere(*address));
        if found.is_empty() { Err(Unresolved::NotThere) } else { Ok(found) }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        if let Some(address) = literal(host) {
            return Ok(vec![address]);
        }
        let host = host.to_ascii_lowercase();
        // The system takes more for an address than anybody means: 1, 0x7f.1.
        let name = Name::new(&host).filter(Name::is_host).ok_or_else(|| no_name(&host))?;
        if let Some(found) = self.addresses.get(&host) {
            return found;
        }
        let found = match self.ask_system(&host).await {
            Some(found) => Ok(found),
            None => self.ask_addresses(name).await,
        };
        self.addresses.put(&host, &found);
        found
    }

    /// Asks as every program of this machine does, the hosts file first; none if nothing comes of it in time, whyever.
    async fn ask_system(&self, host: &str) -> Option<Vec<IpAddr>> {
        let asking = async {
            // A look-up can't be broken off, so it keeps its place for as long as it takes.
            let place = self.lookups.acquire_arc().await;
            let host = host.to_owned();
            let found = task::unblock(move || {
                let found = (host.as_str(), 0).to_socket_addrs();
                drop(place);
                found.map(|found| some(found.map(|address| address.ip())))
            });
            found.await.ok().filter(|found| !found.is_empty())
        };
        within(self.patience.search, asking).await.flatten()
    }

    async fn ask_addresses(&self, name: Name) -> Result<Vec<IpAddr>, Unresolved> {
        let mut found = Vec::new();
        let mut trouble = Unresolved::NotThere;
        for kind in [Kind::Aaaa, Kind::A] {
            match self.ask(name.clone(), kind).await {
                Ok(answer) => found.extend(answer.records.iter().filter_map(|record| match record {
                    Record::Address(address) => Some(*address),
                    _ => None,
                })),
                Err(Unresolved::NotThere) => {}
                Err(Unresolved::Unreachable(why)) => return Err(Unresolved::Unreachable(why)),
                Err(other) => trouble = other,
            }
        }
        match some(found.into_iter()) {
            found if !found.is_empty() => Ok(found),
            // The system may know such names otherwise, and be unable to just now.
            _ if trouble == Unresolved::NotThere && is_of_the_house(&name) => {
                Err(Unresolved::Failed("no name server knows it: is it spelt right?".into()))
            }
            _ => Err(trouble),
        }
    }
}

/// The address that a text is, in brackets or not. RFC 5321 §4.1.3.
fn literal(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_tagged = inside.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    inside.get(if is_tagged { 5 } else { 0 }..)?.parse().ok()
}

/// Different addresses, no more than are tried, each family with its share: where one has no way out the other is tried.
fn some(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut different: Vec<IpAddr> = Vec::new();
    for address in found.map(|address| address.to_canonical()).take(limits::DNS_RECORDS) {
        if !different.contains(&address) {
            different.push(address);
        }
    }
    let others = different.iter().filter(|one| one.is_ipv6() != different[0].is_ipv6()).count();
    let others = others.min(limits::HOP_ADDRESSES / 2);
    let mut room = [limits::HOP_ADDRESSES - others, others];
    let is_first_v6 = different.first().is_some_and(IpAddr::is_ipv6);
    different.retain(|address| {
        let room = &mut room[usize::from(address.is_ipv6() != is_first_v6)];
        let has_room = *room > 0;
        *room = room.saturating_sub(1);
        has_room
    });
    different
}

/// Whether an address is another machine's that the name system may send us to: whatever can be bound here is our own, and
/// what is only on the wire is no server's (RFC 3927 §2.6.2, RFC 4291 §2.5.6). One in the house's own networks may well
/// take mail.
fn is_elsewhere(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_nobodys = match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.octets()[0] == 0
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
        }
    };
    let is_own = || can_be_bound(address) && !can_be_bound(foreign(address));
    !is_nobodys && !is_own()
}

fn can_be_bound(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// An address of that family which no machine has: where even that can be bound (`ip_nonlocal_bind`), binding proves
/// nothing. RFC 5737 §3, RFC 3849 §2.
fn foreign(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::new(198, 51, 100, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xDB8, 0xFFFF, 0, 0, 0, 0, 1).into(),
    }
}

/// Names that the name system of the world doesn't know, but that of the house may. RFC 6762 §3.
fn is_of_the_house(name: &Name) -> bool {
    !name.as_str().contains('.') || name.as_str().ends_with(".local")
}

fn no_name(text: &str) -> Unresolved {
    log::debug!("{} is no name of a host", crate::mail::printable(text.as_bytes()));
    Unresolved::NotThere
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let in_time = async { Some(future.await) };
    in_time
        .or(async {
            Timer::after(time).await;
            None
        })
        .await
}
