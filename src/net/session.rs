//! One connection from its first octet to its line in the log.

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use smol::Async;

use super::fold::Topic;
use super::peers::Place;
use super::server::Server;
use super::sessions::Seat;
use super::stream::{Lost, Stream};
use super::tls::Speaks;
use super::{pop3, smtp};
use crate::mail::Address;
use crate::settings::ListenerKind;
use crate::smtp::Door;

/// What a session has done, for its line in the log (P18).
#[derive(Debug, Default)]
pub struct Tally {
    /// Who logged on.
    pub user: Option<Address>,
    /// Logons refused.
    pub refused_logons: u32,
    /// Messages sent to the peer in whole.
    pub sent: u32,
    /// Messages removed.
    pub removed: usize,
    /// Messages taken and stored.
    pub received: u32,
}

impl Tally {
    fn is_empty(&self) -> bool {
        self.user.is_none() && self.refused_logons == 0 && self.received == 0
    }
}

/// Serves one peer to the end.
pub async fn serve(
    server: Arc<Server>,
    kind: ListenerKind,
    socket: Async<TcpStream>,
    peer: IpAddr,
    _place: Place,
    seat: Seat,
) {
    let begun = server.clock.monotonic();
    let mut stream = Stream::new(socket, server.clock.clone());
    let mut tally = Tally::default();
    let ended = talk(&server, kind, &mut stream, peer, &seat, &mut tally).await;

    let seconds = (server.clock.monotonic() - begun).as_secs_f32();
    log_end(kind, peer, &stream, &tally, seconds, &ended);
    match ended {
        Ok(()) => stream.close().await,
        Err(Lost::Handshake(cause)) => {
            let line = format_args!("{} {peer}: no TLS: {cause}", kind.name());
            server.fold.warn(Topic::Handshake, server.clock.monotonic(), line);
        }
        Err(Lost::Gone | Lost::Stalled | Lost::BrokenBody) => {}
    }
}

async fn talk(
    server: &Server,
    kind: ListenerKind,
    stream: &mut Stream,
    peer: IpAddr,
    seat: &Seat,
    tally: &mut Tally,
) -> Result<(), Lost> {
    if kind.is_implicit_tls() {
        stream.begin_tls(&server.tls, speaks(kind), seat).await?;
    }
    let door = match kind {
        ListenerKind::Pop3 | ListenerKind::Pop3s => {
            return pop3::Driver::new(server, seat, stream, tally, peer).run().await;
        }
        ListenerKind::Smtp => Door::Mx,
        ListenerKind::Submission | ListenerKind::Submissions => Door::Submission,
    };
    smtp::Driver::new(server, seat, stream, tally, peer, door).run().await
}

fn speaks(kind: ListenerKind) -> Speaks {
    match kind {
        ListenerKind::Pop3 | ListenerKind::Pop3s => Speaks::Pop3,
        ListenerKind::Smtp | ListenerKind::Submission | ListenerKind::Submissions => Speaks::Smtp,
    }
}

fn log_end(
    kind: ListenerKind,
    peer: IpAddr,
    stream: &Stream,
    tally: &Tally,
    seconds: f32,
    ended: &Result<(), Lost>,
) {
    // Sessions without a deed are mostly strangers', and strangers must not fill the log.
    let level = if tally.is_empty() { log::Level::Debug } else { log::Level::Info };
    if !log::log_enabled!(level) {
        return;
    }
    let end = match ended {
        Ok(()) => "ended",
        Err(Lost::Gone) => "lost",
        Err(Lost::Stalled) => "stalled",
        Err(Lost::Handshake(_)) => "no TLS",
        Err(Lost::BrokenBody) => "broken off",
    };
    log::log!(
        level,
        "{} {peer} {} {end} after {seconds:.1} s: user {}, in {}, out {}, received {}, sent {}, removed {}, \
         logons refused {}",
        kind.name(),
        stream.tls_description().as_deref().unwrap_or("clear"),
        tally.user.as_ref().map_or("-", Address::as_str),
        stream.octets_in,
        stream.octets_out,
        tally.received,
        tally.sent,
        tally.removed,
        tally.refused_logons,
    );
}
