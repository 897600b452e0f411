//! One connection from its first octet to its line in the log.

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use smol::Async;
use smol::future::FutureExt;

use super::fold::Topic;
use super::peers::{Place, network};
use super::seat::{Look, Order, Seat};
use super::server::Server;
use super::stream::{Lost, Stream};
use super::tls::Speaks;
use super::{alarm, pop3, shown, smtp, spa};
use crate::auth::{Showing, Verdict};
use crate::limits;
use crate::mail::Address;
use crate::sasl::{Claim, Relayed, ntlm};
use crate::settings::ListenerKind;
use crate::smtp::Door;

/// What a session has done, for its line in the log (P18).
#[derive(Debug, Default)]
pub struct Tally {
    /// Who logged on.
    pub user: Option<Address>,
    /// How he proved it.
    pub proof: Option<&'static str>,
    /// Logons refused.
    pub refused_logons: u32,
    /// Logons bound to another TLS connection than this one: somebody may stand between (S-181).
    pub bad_bindings: u32,
    /// Messages sent to the peer in whole.
    pub sent: u32,
    /// Messages removed.
    pub removed: usize,
    /// Messages taken and stored.
    pub received: u32,
}

/// How a session ended that had its say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer said that it is over.
    Quit,
    /// The peer went without a word.
    Left,
    /// The session had enough of the peer.
    HungUp,
    /// The peer was silent for too long.
    Idle,
    /// The session was told to end.
    Told(Order),
}

impl Tally {
    fn is_empty(&self) -> bool {
        self.user.is_none() && self.refused_logons == 0 && self.received == 0 && self.bad_bindings == 0
    }
}

/// Serves one peer to the end.
pub async fn serve(
    server: Arc<Server>,
    kind: ListenerKind,
    socket: Async<TcpStream>,
    peer: IpAddr,
    place: Place,
    seat: Seat,
) {
    let mut stream = Stream::new(socket, server.clock.clone(), seat, place);
    let mut tally = Tally::default();
    let ended = talk(&server, kind, &mut stream, peer, &mut tally).await;

    // Sessions without a deed are mostly strangers', and strangers must not fill the log.
    let level = if tally.is_empty() { log::Level::Debug } else { log::Level::Info };
    if log::log_enabled!(level) {
        let look = stream.seat().look(server.clock.monotonic());
        let line = line(kind, peer, &look, &tally, &ended);
        if level == log::Level::Info && tally.user.is_none() {
            server.fold.write(Topic::Session, level, server.clock.monotonic(), format_args!("{line}"));
        } else {
            log::log!(level, "{line}");
        }
    }
    match ended {
        Ok(_) => stream.close().await,
        Err(Lost::Handshake(cause)) => {
            let line = format_args!("{} {peer}: no TLS: {cause}", kind.name());
            server.fold.warn(Topic::Handshake, server.clock.monotonic(), line);
        }
        Err(Lost::Certificate(cause)) => {
            let line = format_args!("{} {peer}: the certificate {cause}", kind.name());
            server.fold.warn(Topic::Certificate, server.clock.monotonic(), line);
        }
        Err(Lost::Gone | Lost::Stalled | Lost::CutOff(_) | Lost::BrokenBody) => {}
    }
}

/// Asks the gatekeeper. Who proves himself is a stranger no more, nor are others from there (S-265).
pub async fn log_on(server: &Server, stream: &mut Stream, claim: Claim, peer: IpAddr) -> Verdict {
    let at = match shown::peer(server, stream, peer).await {
        Ok(at) => at,
        Err(error) => {
            server.store_failed("looking up whom a certificate names", &error);
            return Verdict::StoreFailed;
        }
    };
    let verdict = server.gatekeeper.login(claim, &at).await;
    if let Verdict::Welcome(_) = verdict {
        stream.befriend();
        server.familiar.note(peer, server.clock.monotonic());
    }
    verdict
}

/// Asks Samba's helper; none if it can't tell or is asked too much, which the log is told. Who would not get in whatever
/// it says is not shown to it.
pub async fn relay(
    server: &Server,
    helper: &mut spa::Helper,
    message: &str,
    peer: IpAddr,
) -> Option<Relayed> {
    let showing = match ntlm::sender(message) {
        Some(sender) => {
            // Those before him may be with a helper that never answers.
            let late = async {
                alarm::rest(&server.clock, limits::OUTSIDE_ANSWER).await;
                Showing::PutOff
            };
            Some(server.gatekeeper.begin_relay(&sender, peer).or(late).await)
        }
        None => None,
    };
    // How long others had their turns tells nothing of this one.
    let begun = server.clock.monotonic();
    let program = spa::program(&server.store.settings());
    if let Some(Showing::Kept(_) | Showing::PutOff) = &showing {
        // Its process has nothing to wait for any more.
        *helper = spa::Helper::default();
    }
    let answer = match &showing {
        Some(Showing::PutOff) => return None,
        Some(Showing::Kept(why)) => Ok(Relayed::Refused((*why).into())),
        Some(Showing::Shown(_)) | None => {
            let origin = spa::Origin { network: network(peer), is_known: server.familiar.knows(peer, begun) };
            helper.ask(&server.helpers, program, message, origin).await
        }
    };
    match (answer, showing) {
        (Ok(Relayed::Refused(why)), showing) => {
            // Counted before the rest, and the next one's turn comes: it is not shown if that was one too many.
            let refused = match showing {
                Some(Showing::Shown(relaying)) => Relayed::Counted(relaying.refused(&why)),
                _ => Relayed::Refused(why),
            };
            // How long the helper took would tell whether there is such a user, and who is locked out (A11).
            let passed = server.clock.monotonic().saturating_duration_since(begun);
            alarm::rest(&server.clock, limits::RELAY_REFUSAL.saturating_sub(passed)).await;
            Some(refused)
        }
        (Ok(answer), _) => Some(answer),
        (Err(spa::Unavailable(why)), _) => {
            server.fold.warn(Topic::Spa, server.clock.monotonic(), format_args!("ntlm_auth: {why}"));
            None
        }
    }
}

/// Drivers and what they do are boxed, so that a session of one protocol has no room for the other's.
async fn talk(
    server: &Server,
    kind: ListenerKind,
    stream: &mut Stream,
    peer: IpAddr,
    tally: &mut Tally,
) -> Result<Ended, Lost> {
    if kind.is_implicit_tls() {
        shown::begin_tls(server, stream, speaks(kind)).await?;
    }
    let door = match kind {
        ListenerKind::Pop3 | ListenerKind::Pop3s => {
            let mut driver = Box::new(pop3::Driver::new(server, stream, tally, peer));
            return Box::pin(driver.run()).await;
        }
        ListenerKind::Smtp => Door::Mx,
        ListenerKind::Submission | ListenerKind::Submissions => Door::Submission,
    };
    let mut driver = Box::new(smtp::Driver::new(server, stream, tally, peer, door));
    Box::pin(driver.run()).await
}

fn speaks(kind: ListenerKind) -> Speaks {
    match kind {
        ListenerKind::Pop3 | ListenerKind::Pop3s => Speaks::Pop3,
        ListenerKind::Smtp | ListenerKind::Submission | ListenerKind::Submissions => Speaks::Smtp,
    }
}

/// All facts of a session in one line (P18).
fn line(kind: ListenerKind, peer: IpAddr, look: &Look, tally: &Tally, ended: &Result<Ended, Lost>) -> String {
    let mut line = format!(
        "{} {peer} {} {} after {:.1} s: user {}",
        kind.name(),
        look.tls.as_deref().unwrap_or("clear"),
        word(ended),
        look.age.as_secs_f32(),
        tally.user.as_ref().map_or("-", Address::as_str),
    );
    if let Some(proof) = tally.proof {
        line += &format!(" by {proof}");
    }
    line += &format!(
        ", in {}, out {}, received {}, sent {}, removed {}, logons refused {}",
        look.octets_in, look.octets_out, tally.received, tally.sent, tally.removed, tally.refused_logons,
    );
    if tally.bad_bindings > 0 {
        line += &format!(", bound to another TLS connection {}", tally.bad_bindings);
    }
    line
}

fn word(ended: &Result<Ended, Lost>) -> &'static str {
    match ended {
        Ok(Ended::Quit) => "quit",
        Ok(Ended::Left) | Err(Lost::Gone) => "lost",
        Ok(Ended::HungUp) => "hung up",
        Ok(Ended::Idle) => "idle",
        Ok(Ended::Told(order)) | Err(Lost::CutOff(order)) => match order {
            Order::GoOn | Order::Stop => "stopping",
            Order::End => "evicted",
            Order::Kick => "kicked",
        },
        Err(Lost::Stalled) => "stalled",
        Err(Lost::Handshake(_) | Lost::Certificate(_)) => "no TLS",
        Err(Lost::BrokenBody) => "broken off",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::seat::Doing;
    use super::*;

    fn look(tls: Option<&str>) -> Look {
        Look {
            user: None,
            tls: tls.map(str::to_owned),
            doing: Doing::Waiting,
            age: Duration::from_millis(61_250),
            idle: Duration::ZERO,
            octets_in: 120,
            octets_out: 34_567,
        }
    }

    #[test]
    fn a_session_is_one_line_with_all_its_facts_p18() {
        let peer = IpAddr::from([192, 168, 1, 7]);
        let alice = || "alice@home.lan".parse().ok();
        let tls = Some("TLSv1.3 TLS13_AES_128_GCM_SHA256");
        let retrieved =
            Tally { user: alice(), proof: Some("SCRAM"), sent: 3, removed: 2, ..Tally::default() };
        let misbound = Tally { refused_logons: 1, bad_bindings: 1, ..Tally::default() };
        for (kind, tls, tally, ended, wanted) in [
            (
                ListenerKind::Pop3s,
                tls,
                retrieved,
                Ok(Ended::Quit),
                "pop3s 192.168.1.7 TLSv1.3 TLS13_AES_128_GCM_SHA256 quit after 61.2 s: user alice@home.lan by \
                 SCRAM, in 120, out 34567, received 0, sent 3, removed 2, logons refused 0",
            ),
            (
                ListenerKind::Smtp,
                None,
                Tally { received: 1, ..Tally::default() },
                Err(Lost::Gone),
                "smtp 192.168.1.7 clear lost after 61.2 s: user -, in 120, out 34567, received 1, sent 0, \
                 removed 0, logons refused 0",
            ),
            (
                ListenerKind::Submission,
                None,
                misbound,
                Ok(Ended::HungUp),
                "submission 192.168.1.7 clear hung up after 61.2 s: user -, in 120, out 34567, received 0, \
                 sent 0, removed 0, logons refused 1, bound to another TLS connection 1",
            ),
        ] {
            assert_eq!(line(kind, peer, &look(tls), &tally, &ended), wanted);
        }
    }

    #[test]
    fn each_end_has_its_word_p18() {
        for (ended, wanted) in [
            (Ok(Ended::Quit), "quit"),
            (Ok(Ended::Left), "lost"),
            (Err(Lost::Gone), "lost"),
            (Ok(Ended::HungUp), "hung up"),
            (Ok(Ended::Idle), "idle"),
            (Ok(Ended::Told(Order::Stop)), "stopping"),
            (Ok(Ended::Told(Order::End)), "evicted"),
            (Err(Lost::CutOff(Order::End)), "evicted"),
            (Ok(Ended::Told(Order::Kick)), "kicked"),
            (Err(Lost::CutOff(Order::Kick)), "kicked"),
            (Err(Lost::Stalled), "stalled"),
            (Err(Lost::Handshake("x".into())), "no TLS"),
            (Err(Lost::Certificate("x".into())), "no TLS"),
            (Err(Lost::BrokenBody), "broken off"),
        ] {
            assert_eq!(word(&ended), wanted, "{ended:?}");
        }
    }

    #[test]
    fn only_strangers_without_a_deed_are_left_out_of_the_log() {
        assert!(Tally::default().is_empty());
        for tally in [
            Tally { user: "alice@home.lan".parse().ok(), ..Tally::default() },
            Tally { refused_logons: 1, ..Tally::default() },
            Tally { bad_bindings: 1, ..Tally::default() },
            Tally { received: 1, ..Tally::default() },
        ] {
            assert!(!tally.is_empty(), "{tally:?}");
        }
    }
}
