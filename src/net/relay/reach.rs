//! The way to a server that takes mail: its hosts in their order, their addresses, a session that is logged on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustls::RootCertStore;
use smol::channel::Receiver;

use super::link::{Link, Patience, Unreached};
use super::moment;
use super::shunned::Shuns;
use super::talk::{Manner, Talk};
use super::verifier::Trust;
use crate::admin::{TrialState, TrialStep};
use crate::auth::Gatekeeper;
use crate::clock::Clock;
use crate::limits;
use crate::mail::{HopProtocol, HopTls, NextHop};
use crate::net::resolver::{self, Unresolved};
use crate::net::uplink;
use crate::relay::Way;
use crate::relay::way::Hops;
use crate::sasl::Seed;
use crate::smtp::client::{Credentials, Failure, FailureKind, Reply, Terms};

/// What is needed to reach the servers of a way.
#[derive(Clone)]
pub struct Means {
    /// The way.
    pub way: Way,
    /// As whom we log on.
    pub credentials: Option<Credentials>,
    /// Our name.
    pub hostname: String,
    /// Who vouches for certificates, or why nobody does.
    pub authorities: Result<Arc<RootCertStore>, String>,
    /// Where we listen ourselves.
    pub own: Vec<SocketAddr>,
    /// Who draws random octets for the nonces of a logon.
    pub gatekeeper: Gatekeeper,
    /// How long what may take.
    pub patience: Patience,
    /// The time.
    pub clock: Clock,
    /// Ends when nothing can be waited for any more.
    pub cut: Receiver<()>,
    /// Which servers are passed over; none where all are to be tried.
    pub shuns: Option<Shuns>,
}

/// Why nobody can be reached on a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it means for mail that waits.
    pub kind: TroubleKind,
    /// Which server said it; empty where it is about none.
    pub host: String,
    /// What was said or found.
    pub reply: Reply,
}

/// What it means that nobody can be reached; what is better for the mail comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// Another time perhaps.
    Later,
    /// We are offline, as far as one can tell: that is nobody's failure (O8).
    Offline,
    /// The same, seen by no name server's being there: then nobody else is found by his name either.
    Nameless,
    /// Nothing goes that way until a person has looked.
    Held,
    /// There is nobody, and never will be.
    Never,
}

/// One server.
#[derive(Debug, Clone)]
struct Target {
    host: String,
    port: u16,
    is_lmtp: bool,
    tls: HopTls,
    /// Whether the name system named it, who may be told anything (S-137).
    is_exchanger: bool,
}

impl Means {
    /// A session with the first server of the way that lets us come in. What is done is noted in `steps`, if there are
    /// any to be noted. Errs with the trouble that promises most.
    pub async fn reach(&self, steps: &mut Option<Vec<TrialStep>>) -> Result<Talk, Trouble> {
        let targets = self.targets(steps).await?;
        let is_only = targets.len() == 1;
        let mut worst: Option<Trouble> = None;
        let (targets, held) = self.in_order(targets);
        for trouble in held {
            worst = worst.or(Some(trouble));
        }
        for target in &targets {
            let begun = self.clock.monotonic();
            let trouble = match Box::pin(self.reach_target(target, is_only, steps)).await {
                Ok(talk) => return Ok(talk),
                Err(trouble) => trouble,
            };
            if !is_only {
                self.shun(target, &trouble, begun);
            }
            note(steps, &target.host, false, &trouble.reply.text);
            worst = Some(match worst {
                Some(before) if before.kind <= trouble.kind => before,
                _ => trouble,
            });
        }
        Err(worst.unwrap_or_else(|| Trouble::found(TroubleKind::Held, "", [4, 4, 4], "no server is named")))
    }

    /// The servers as they are to be tried, those last that did not answer in time of late; and what is wrong with those
    /// that are not tried: who is asked again and again with a password that he refuses locks the account.
    fn in_order(&self, targets: Vec<Target>) -> (Vec<Target>, Vec<Trouble>) {
        let Some(shuns) = &self.shuns else { return (targets, Vec::new()) };
        let now = self.clock.monotonic();
        let (mut first, mut last, mut held) = (Vec::new(), Vec::new(), Vec::new());
        for target in targets {
            match shuns.get(&target.name(), now) {
                None => first.push(target),
                Some(trouble) if trouble.kind == TroubleKind::Held => held.push(trouble),
                Some(_) => last.push(target),
            }
        }
        first.append(&mut last);
        (first, held)
    }

    /// Has a server of several passed over that a person must look at, or that was waited for in vain.
    fn shun(&self, target: &Target, trouble: &Trouble, begun: Instant) {
        let Some(shuns) = &self.shuns else { return };
        let now = moment(&self.clock);
        let is_slow = now.monotonic.saturating_duration_since(begun) >= self.patience.connect;
        if trouble.kind == TroubleKind::Held || (trouble.kind == TroubleKind::Later && is_slow) {
            shuns.note(&target.name(), trouble, now);
        }
    }

    /// What a server's certificate is held against.
    pub fn trust(&self) -> Trust {
        Trust {
            authorities: self.authorities.clone(),
            pins: self.way.pins.clone(),
            is_lenient: self.way.tls == HopTls::Opportunistic,
            is_clock_suspect: self.clock.is_suspect(),
        }
    }

    async fn targets(&self, steps: &mut Option<Vec<TrialStep>>) -> Result<Vec<Target>, Trouble> {
        let domain = match &self.way.hops {
            Hops::Hosts(hops) => return Ok(hops.iter().map(|hop| self.target(hop)).collect()),
            Hops::Exchangers(domain) => domain,
        };
        let exchanger = |host: String| Target {
            host,
            port: SMTP_PORT,
            is_lmtp: false,
            tls: self.way.tls,
            is_exchanger: true,
        };
        let is_us = |host: &str| host.eq_ignore_ascii_case(&self.hostname);
        match resolver::exchangers_besides(domain, is_us).await {
            Ok(hosts) if hosts.is_empty() => {
                let trouble = Trouble::ourselves("", true);
                note(steps, "", false, &trouble.reply.text);
                Err(trouble)
            }
            Ok(hosts) => {
                note(steps, "", true, &format!("mail for {domain} is taken by {}", hosts.join(", ")));
                Ok(hosts.into_iter().map(exchanger).collect())
            }
            Err(why) => {
                let trouble = unresolved(why, domain, true);
                note(steps, "", false, &trouble.reply.text);
                Err(trouble)
            }
        }
    }

    fn target(&self, hop: &NextHop) -> Target {
        let tls = match hop.protocol {
            HopProtocol::Smtps => HopTls::Implicit,
            HopProtocol::Smtp | HopProtocol::Lmtp => self.way.tls,
        };
        let is_lmtp = hop.protocol == HopProtocol::Lmtp;
        Target { host: hop.host.to_string(), port: self.way.port(hop), is_lmtp, tls, is_exchanger: false }
    }

    async fn reach_target(
        &self,
        target: &Target,
        is_only: bool,
        steps: &mut Option<Vec<TrialStep>>,
    ) -> Result<Talk, Trouble> {
        let found = match target.is_exchanger {
            true => resolver::addresses_elsewhere(&target.host).await,
            false => resolver::addresses(&target.host).await,
        };
        let addresses = found.map_err(|why| unresolved(why, &target.host, target.is_exchanger))?;
        let mut best: Option<Trouble> = None;
        for address in addresses.into_iter().take(limits::HOP_ADDRESSES) {
            let address = SocketAddr::new(address.to_canonical(), target.port);
            let trouble = match self.reach_address(target, address, is_only, steps).await {
                Ok(talk) => return Ok(talk),
                Err(trouble) => trouble,
            };
            log::debug!("{} ({address}): {}", target.host, trouble.reply.text);
            best = Some(match best {
                Some(before) if before.kind <= trouble.kind => before,
                _ => trouble,
            });
        }
        Err(best.unwrap_or_else(|| {
            Trouble::found(TroubleKind::Later, &target.host, [4, 4, 4], "it has no address")
        }))
    }

    async fn reach_address(
        &self,
        target: &Target,
        address: SocketAddr,
        is_only: bool,
        steps: &mut Option<Vec<TrialStep>>,
    ) -> Result<Talk, Trouble> {
        let link = self.connect(target, address, is_only).await?;
        note(steps, &target.host, true, &format!("it answers at {address}"));
        let manner = self.manner(target, &link, false);
        let (failure, link) = match Talk::begin(link, &manner, &self.clock, self.cut.clone()).await {
            Ok(talk) => return Ok(talk),
            Err(failed) => failed,
        };
        // Where TLS is a gift, its failure must not keep the mail; a password is never risked for it.
        let is_gift = target.tls == HopTls::Opportunistic && self.credentials.is_none();
        if is_gift && link.is_tls_lost() {
            note_as(
                steps,
                &target.host,
                TrialState::Note,
                &format!("TLS fails ({}), so it is tried without", failure.reply.text),
            );
            let link = self.connect(target, address, is_only).await?;
            let manner = self.manner(target, &link, true);
            return match Talk::begin(link, &manner, &self.clock, self.cut.clone()).await {
                Ok(talk) => Ok(talk),
                Err((failure, link)) => Err(self.trouble(failure, &link, target)),
            };
        }
        Err(self.trouble(failure, &link, target))
    }

    /// What a session failed of, and what a person can do about it.
    fn trouble(&self, failure: Failure, link: &Link, target: &Target) -> Trouble {
        let has_wrong_certificate = link.seen.as_ref().is_some_and(|seen| seen.fault.is_some());
        let advice = match failure.kind {
            FailureKind::LogonRefused => LOGON_ADVICE,
            FailureKind::Unsafe if has_wrong_certificate && self.way.is_smart_host => CERTIFICATE_ADVICE,
            FailureKind::Unsafe if has_wrong_certificate => AUTHORITY_ADVICE,
            _ => "",
        };
        let mut trouble = Trouble::of(failure, &target.host, target.is_exchanger);
        trouble.reply.text += advice;
        trouble
    }

    async fn connect(&self, target: &Target, address: SocketAddr, is_only: bool) -> Result<Link, Trouble> {
        let fault = |kind, text: &str| Err(Trouble::found(kind, &target.host, [4, 4, 1], text));
        let link = match Link::connect(address, self.patience, &self.clock).await {
            Ok(link) => link,
            Err(why) => {
                let kind = kind_of(&why, self.way.is_smart_host, is_only, uplink::has_way_out);
                let (Unreached::NoWay(text)
                | Unreached::Absent(text)
                | Unreached::Refused(text)
                | Unreached::Failed(text)) = &why;
                return fault(kind, text);
            }
        };
        if is_ourselves(&link, &self.own) {
            return Err(Trouble::ourselves(&target.host, target.is_exchanger));
        }
        Ok(link)
    }

    fn manner(&self, target: &Target, link: &Link, shuns_tls: bool) -> Manner {
        Manner {
            host: target.host.clone(),
            terms: Terms {
                is_lmtp: target.is_lmtp,
                hostname: self.hostname.clone(),
                is_here: is_here(link),
                tls: target.tls,
                credentials: self.credentials.clone(),
                seed: Seed(self.gatekeeper.draw()),
            },
            trust: Trust { is_lenient: target.tls == HopTls::Opportunistic, ..self.trust() },
            patience: self.patience,
            shuns_tls,
        }
    }
}

impl TroubleKind {
    /// Whether it is the network that is waited for.
    pub fn is_offline(self) -> bool {
        matches!(self, TroubleKind::Offline | TroubleKind::Nameless)
    }
}

impl Target {
    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Trouble {
    /// What we find ourselves.
    pub fn found(kind: TroubleKind, host: &str, enhanced: [u16; 3], text: &str) -> Trouble {
        let reply = Reply { code: 0, enhanced: Some(enhanced), text: text.into() };
        Trouble { kind, host: host.into(), reply }
    }

    /// What a session failed of.
    fn of(failure: Failure, host: &str, is_exchanger: bool) -> Trouble {
        let kind = match failure.kind {
            FailureKind::LogonRefused | FailureKind::Unsafe => TroubleKind::Held,
            FailureKind::Unavailable | FailureKind::Confused | FailureKind::Lost => TroubleKind::Later,
            FailureKind::Ourselves => return Trouble::ourselves(host, is_exchanger),
        };
        Trouble { kind, host: host.into(), reply: failure.reply }
    }

    /// The way leads back here: a person has set it so, or the name system says so (S-118, S-137).
    fn ourselves(host: &str, is_exchanger: bool) -> Trouble {
        if is_exchanger {
            let text = "the name system says that this server takes its mail, which knows nothing of it";
            return Trouble::found(TroubleKind::Never, host, [5, 4, 6], text);
        }
        let text = "that is this server itself: name another one as smart host, or in the route";
        Trouble::found(TroubleKind::Held, host, [4, 4, 6], text)
    }
}

/// Notes a step that went well, or ended the way, where steps are noted.
pub fn note(steps: &mut Option<Vec<TrialStep>>, host: &str, is_good: bool, text: &str) {
    note_as(steps, host, if is_good { TrialState::Good } else { TrialState::Wrong }, text);
}

/// Notes how a step went, where steps are noted.
pub fn note_as(steps: &mut Option<Vec<TrialStep>>, host: &str, state: TrialState, text: &str) {
    if let Some(steps) = steps {
        steps.push(TrialStep { host: host.into(), state, text: text.into() });
    }
}

/// What it means that there is no connection. All that a smart host takes depends on it, and where it can't be reached
/// we are as good as offline; any other server that can't be reached is its own failure, unless nobody can be.
fn kind_of(
    why: &Unreached,
    is_smart_host: bool,
    is_only: bool,
    has_way_out: impl FnOnce() -> bool,
) -> TroubleKind {
    let is_offline = match why {
        Unreached::NoWay(_) => is_smart_host || !has_way_out(),
        Unreached::Absent(_) => is_smart_host,
        Unreached::Refused(_) => is_smart_host && is_only,
        Unreached::Failed(_) => false,
    };
    if is_offline { TroubleKind::Offline } else { TroubleKind::Later }
}

/// RFC 7505 §4.1: 5.1.10 is for a domain that takes no mail; RFC 3463 §3.2: 5.1.2 for one that is not there.
fn unresolved(why: Unresolved, name: &str, is_exchanger: bool) -> Trouble {
    let found = |kind, enhanced, text: String| Trouble::found(kind, "", enhanced, &text);
    match why {
        Unresolved::NotThere if is_exchanger => {
            found(TroubleKind::Never, [5, 1, 2], format!("there is no domain {name} that takes mail"))
        }
        Unresolved::NotThere => {
            found(TroubleKind::Later, [4, 4, 4], format!("there is no host {name}: is it spelt right?"))
        }
        Unresolved::TakesNoMail => {
            found(TroubleKind::Never, [5, 1, 10], format!("the domain {name} says that it takes no mail"))
        }
        Unresolved::Failed(text) => {
            found(TroubleKind::Later, [4, 4, 3], format!("the name {name} can't be looked up: {text}"))
        }
        Unresolved::Unreachable(text) => {
            found(TroubleKind::Nameless, [4, 4, 3], format!("the name {name} can't be looked up: {text}"))
        }
    }
}

/// Whether a connection leads to one of our own doors.
fn is_ourselves(link: &Link, own: &[SocketAddr]) -> bool {
    let peer = link.peer.ip();
    is_here(link)
        && own.iter().any(|own| {
            let ip = own.ip().to_canonical();
            own.port() == link.peer.port() && (ip.is_unspecified() || ip == peer)
        })
}

/// Whether the server stands on this machine: only there are both ends the same.
fn is_here(link: &Link) -> bool {
    let peer = link.peer.ip();
    peer.is_loopback() || link.own_address().map(|ip| ip.to_canonical()) == Some(peer)
}

const SMTP_PORT: u16 = 25;
/// Behind what a server says of a logon.
const LOGON_ADVICE: &str = "; see \"poppet get smarthost_user\", and give the password again with \"poppet set \
                            smarthost_password\"";
/// Behind what is wrong with a smart host's certificate.
const CERTIFICATE_ADVICE: &str = "; if it is the right one, have it believed with \"poppet set smarthost_pin \
                                  FINGERPRINT\", or whoever signed it with \"poppet cert ca add FILE --for smarthost\"";
/// Behind what is wrong with that of a route's server.
const AUTHORITY_ADVICE: &str =
    "; if it is the right one, have its signer believed with \"poppet cert ca add FILE --for smarthost\"";

#[cfg(test)]
mod tests {
    use super::*;

    /// One host that was switched off, or one with IPv6 alone, kept the mail for all other domains for hours.
    #[test]
    fn only_without_a_smart_host_or_any_way_out_we_are_offline_o8() {
        let no_way = Unreached::NoWay(String::new());
        let absent = Unreached::Absent(String::new());
        let refused = Unreached::Refused(String::new());
        let failed = Unreached::Failed(String::new());
        for (why, is_smart_host, is_only, has_way_out, is_offline) in [
            (&no_way, false, true, true, false),
            (&no_way, false, true, false, true),
            (&no_way, true, false, true, true),
            (&absent, false, true, true, false),
            (&absent, false, true, false, false),
            (&absent, true, false, true, true),
            (&refused, false, true, false, false),
            (&refused, true, false, false, false),
            (&refused, true, true, true, true),
            (&failed, true, true, false, false),
        ] {
            let wanted = if is_offline { TroubleKind::Offline } else { TroubleKind::Later };
            let kind = kind_of(why, is_smart_host, is_only, || has_way_out);
            assert_eq!(kind, wanted, "{why:?} {is_smart_host} {is_only} {has_way_out}");
        }
    }
}
