//! What a connection allows of logons: the settings, the peer's address and the TLS connection tell.

use std::net::IpAddr;

use super::server::Server;
use super::stream::Stream;
use super::tls::Shaken;
use crate::clock::Clock;
use crate::sasl::{Channel, Seed, Terms};
use crate::settings::{Demand, Method, Settings};

/// The terms of a connection as it is now; to be asked again once TLS has begun.
pub fn of(server: &Server, stream: &Stream, peer: IpAddr) -> Terms {
    let settings = server.store.settings();
    let channel = stream.shaken().map(Shaken::channel);
    let has_certificate = channel.as_ref().is_some_and(|channel| channel.has_certificate);
    let is_required = settings.clientcert.of(stream.seat().kind()) == Demand::Required;
    with(server, &settings, channel, !is_required || has_certificate, peer)
}

/// What the terms of a connection in the clear would be inside TLS, as far as that can be known before: he may have a
/// certificate.
pub fn inside_tls(server: &Server, stream: &Stream, peer: IpAddr) -> Terms {
    let settings = server.store.settings();
    let has_certificate = settings.clientcert.of(stream.seat().kind()) != Demand::Off;
    with(server, &settings, Some(Channel { has_certificate, ..Channel::default() }), true, peer)
}

/// Where nobody logs on without the certificate that is not there, no secret is asked for in vain.
pub(super) fn with(
    server: &Server,
    settings: &Settings,
    channel: Option<Channel>,
    has_what_is_required: bool,
    peer: IpAddr,
) -> Terms {
    let may_speak_clearly = has_what_is_required && server.takes_passwords(channel.is_some(), peer);
    let is_file = settings.auth == Method::File;
    let relays_ntlm = has_what_is_required
        && !is_file
        && settings.spa
        && server.gatekeeper.outside().is_some_and(|it| it.relays_ntlm());
    let is_secure = has_what_is_required && channel.is_some();
    Terms {
        lacks_verifiers: !is_file,
        relays_ntlm,
        takes_passwords: may_speak_clearly && !settings.sparequired,
        // In the clear who stands between may give challenges of his own, and learns of the password what a
        // broken hash tells (S-183): there they stand no better than passwords.
        takes_challenges: is_file && settings.challenge && (is_secure || may_speak_clearly),
        // Where it needs the password too, it proves nothing alone.
        channel: channel.map(|channel| Channel {
            has_certificate: channel.has_certificate && !settings.certpassword,
            ..channel
        }),
        hostname: server.hostname(settings),
        seed: Seed(server.gatekeeper.draw()),
        file_time: file_time(&server.clock),
    }
}

/// The wall clock in units of 100 ns since 1601; 0 where it is suspect. [MS-DTYP] §2.3.3.
fn file_time(clock: &Clock) -> u64 {
    if clock.is_suspect() {
        return 0;
    }
    clock.now().0.saturating_add(SECONDS_FROM_1601_TO_1970).saturating_mul(10_000_000)
}

const SECONDS_FROM_1601_TO_1970: u64 = 11_644_473_600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;

    #[test]
    fn file_times_count_from_1601_unless_the_clock_is_suspect_s_315() {
        let at = |seconds| file_time(&Clock::fixed(UnixTime(seconds)));
        assert_eq!(at(0), 116_444_736_000_000_000);
        assert_eq!(at(1_795_295_700), 134_397_693_000_000_000);
        assert_eq!(at(u64::MAX), u64::MAX);
        let clock = Clock::fixed(UnixTime(100));
        clock.learn(UnixTime(101));
        assert_eq!(file_time(&clock), 0);
    }
}
