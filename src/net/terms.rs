//! What a connection allows of logons: the settings, the peer's address and the TLS connection tell.

use std::net::IpAddr;

use super::server::Server;
use super::stream::Stream;
use crate::sasl::{Seed, Terms};

/// The terms of a connection as it is now; to be asked again once TLS has begun.
pub fn of(server: &Server, stream: &Stream, peer: IpAddr) -> Terms {
    let settings = server.store.settings();
    let channel = stream.channel();
    let may_speak_clearly = server.takes_passwords(channel.is_some(), peer);
    Terms {
        takes_passwords: may_speak_clearly && !settings.sparequired,
        takes_challenges: settings.challenge && (channel.is_some() || may_speak_clearly),
        channel,
        hostname: server.hostname(&settings),
        seed: Seed(server.gatekeeper.draw()),
        file_time: 0,
    }
}
