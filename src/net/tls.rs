//! TLS for the doors: configurations that are swapped when a certificate or what is believed of those of users changes;
//! handshakes have threads of their own.

mod configs;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use smol::Executor;

use self::configs::Configs;
use super::meter::Meter;
use super::stream::Lost;
use crate::cert::{Shown, Trust};
use crate::clock::Clock;
use crate::limits;
use crate::sasl::Channel;
use crate::settings::Demand;

/// What a door speaks inside TLS; a peer that names another protocol is refused (S-048). RFC 7301 §3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// RFC 1939.
    Pop3,
    /// RFC 5321.
    Smtp,
}

/// The present configurations, if there is a certificate.
#[derive(Debug)]
pub struct Tls {
    configs: RwLock<Option<Arc<Configs>>>,
    /// Handshakes are costly: on threads of their own a flood of them stops no session (S-253).
    handshakes: Arc<Executor<'static>>,
}

/// A connection whose hands are shaken.
#[derive(Debug)]
pub struct Shaken {
    /// The connection.
    pub stream: TlsStream<Meter>,
    /// `tls-server-end-point` of the certificate that was shown to the peer, which may be another one by now.
    pub end_point: Option<Arc<[u8]>>,
    /// Whether the peer has shown a certificate that is somebody's here.
    pub names_somebody: bool,
}

impl Tls {
    /// No certificate yet; `handshakes` is run by threads that do nothing else.
    pub fn new(handshakes: Arc<Executor<'static>>) -> Tls {
        Tls { configs: RwLock::new(None), handshakes }
    }

    /// Presents what is to be shown, and believes those of users that `trust` does, from the next handshake on. Errs, and
    /// keeps what was, if no key fits its certificate.
    pub fn present(&self, shown: &Shown, trust: Arc<Trust>, clock: &Clock) -> Result<(), rustls::Error> {
        let configs = Configs::new(shown, trust, clock)?;
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(configs));
        Ok(())
    }

    /// What is believed of users' certificates now.
    pub fn trust(&self) -> Arc<Trust> {
        self.present_configs().map(|configs| Arc::clone(&configs.trust)).unwrap_or_default()
    }

    /// Whether there is a certificate to present.
    pub fn is_ready(&self) -> bool {
        self.present_configs().is_some()
    }

    /// Shakes hands for as long as it is awaited. Errs with what the log may say.
    pub async fn accept(&self, speaks: Speaks, demand: Demand, socket: Meter) -> Result<Shaken, Lost> {
        let address = socket.tcp().local_addr().ok().map(|address| address.ip());
        let configs = self.present_configs();
        let config = configs.as_ref().and_then(|configs| configs.of(speaks, demand, address));
        let (Some(configs), Some(config)) = (configs, config) else {
            return Err(Lost::Handshake("there is no certificate".into()));
        };
        let shaking = TlsAcceptor::from(config).accept_with(socket, |connection| {
            connection.set_buffer_limit(Some(limits::TLS_OUTPUT_OCTETS));
        });
        let shaken = async { shaking.await.map_err(|error| failed(&error)) };
        let stream = self.handshakes.spawn(shaken).await?;
        // The certificate was chosen by the same two.
        let end_point = configs.end_point(stream.get_ref().1.server_name(), address);
        Ok(Shaken { stream, end_point, names_somebody: false })
    }

    fn present_configs(&self) -> Option<Arc<Configs>> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shaken {
    /// What a logon can be bound to.
    pub fn channel(&self) -> Channel {
        Channel {
            exporter: exporter(&self.stream),
            end_point: self.end_point.as_deref().map(<[u8]>::to_vec),
            has_certificate: self.names_somebody,
        }
    }

    /// The certificates that the peer has shown and that were believed then, his own first; none if he has shown none.
    pub fn certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.stream.get_ref().1.peer_certificates()
    }
}

/// The version and suite of a connection, as trace fields and logs name them.
pub fn description(stream: &TlsStream<Meter>) -> String {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLS",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    format!("{version} {}", suite.unwrap_or("unknown"))
}

/// `tls-exporter`; none before TLS 1.3, where it may not be unique. RFC 9266 §2.
fn exporter(stream: &TlsStream<Meter>) -> Option<[u8; 32]> {
    let (_, connection) = stream.get_ref();
    if connection.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return None;
    }
    // The context is there, and empty.
    connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
}

/// What the log may say of a handshake that failed; of a certificate the verifier has said it. A peer who is gone ends
/// the session quietly.
fn failed(error: &io::Error) -> Lost {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(cause))) => {
            Lost::Certificate(cause.0.to_string())
        }
        Some(rustls::Error::NoCertificatesPresented) => {
            Lost::Certificate("that \"clientcert required\" asks for is not there".into())
        }
        _ if is_gone(error.kind()) => Lost::Gone,
        _ => Lost::Handshake(error.to_string()),
    }
}

/// Whether the peer has hung up, as who looks for open ports does.
fn is_gone(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof,
    };
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut | UnexpectedEof)
}

#[cfg(test)]
mod tests;
