//! TLS for the doors: one configuration a protocol, swapped when the certificate is; handshakes have threads of
//! their own.

use std::net::TcpStream;
use std::sync::{Arc, PoisonError, RwLock};

use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use smol::future::FutureExt;
use smol::{Async, Executor};

use super::stream::Lost;
use crate::cert::ServerIdentity;
use crate::limits;

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
    configs: RwLock<Option<Configs>>,
    /// Handshakes are costly: on threads of their own a flood of them stops no session (S-253).
    handshakes: Arc<Executor<'static>>,
}

#[derive(Debug, Clone)]
struct Configs {
    pop3: Arc<ServerConfig>,
    smtp: Arc<ServerConfig>,
}

impl Tls {
    /// No certificate yet; `handshakes` is run by threads that do nothing else.
    pub fn new(handshakes: Arc<Executor<'static>>) -> Tls {
        Tls { configs: RwLock::new(None), handshakes }
    }

    /// Presents `identity` from the next handshake on. Errs, and keeps what was, if key and certificate
    /// don't fit together.
    pub fn present(&self, identity: &ServerIdentity) -> Result<(), rustls::Error> {
        let configs = Configs { pop3: config(identity, b"pop3")?, smtp: config(identity, b"smtp")? };
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = Some(configs);
        Ok(())
    }

    /// Whether there is a certificate to present.
    pub fn is_ready(&self) -> bool {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Shakes hands within [`limits::HANDSHAKE`] (S-042). Errs with what the log may say.
    pub async fn accept(
        &self,
        speaks: Speaks,
        socket: Async<TcpStream>,
    ) -> Result<TlsStream<Async<TcpStream>>, Lost> {
        let config = {
            let configs = self.configs.read().unwrap_or_else(PoisonError::into_inner);
            configs.as_ref().map(|configs| match speaks {
                Speaks::Pop3 => Arc::clone(&configs.pop3),
                Speaks::Smtp => Arc::clone(&configs.smtp),
            })
        };
        let Some(config) = config else {
            return Err(Lost::Handshake("there is no certificate".into()));
        };
        let shaking = TlsAcceptor::from(config).accept_with(socket, |connection| {
            connection.set_buffer_limit(Some(limits::TLS_OUTPUT_OCTETS));
        });
        let shaken = async { shaking.await.map_err(|error| Lost::Handshake(error.to_string())) };
        self.handshakes.spawn(shaken.or(deadline())).await
    }
}

/// The version and suite of a connection, as trace fields and logs name them.
pub fn description(stream: &TlsStream<Async<TcpStream>>) -> String {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLS",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    format!("{version} {}", suite.unwrap_or("unknown"))
}

fn config(identity: &ServerIdentity, protocol: &[u8]) -> Result<Arc<ServerConfig>, rustls::Error> {
    let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivatePkcs8KeyDer::from(identity.private_key.expose().to_vec());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key.into())?;
    // Tickets keep the state at the peer; one is enough for clients that connect once at a time.
    config.ticketer = ring::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

async fn deadline<T>() -> Result<T, Lost> {
    smol::Timer::after(limits::HANDSHAKE).await;
    Err(Lost::Handshake("the peer took too long".into()))
}
