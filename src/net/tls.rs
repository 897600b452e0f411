//! TLS for the doors: one configuration for each protocol and what it asks of certificates, swapped when a certificate
//! or what is believed of those of users changes; handshakes have threads of their own.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use futures_rustls::TlsAcceptor;
use futures_rustls::server::TlsStream;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ServerConfig};
use smol::Executor;

use super::end_point;
use super::meter::Meter;
use super::stream::Lost;
use crate::cert::{ServerIdentity, Trust, Verifier};
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

#[derive(Debug)]
struct Configs {
    pop3: Demands,
    smtp: Demands,
    trust: Arc<Trust>,
    end_point: Option<Arc<[u8]>>,
}

/// What a door asks of certificates, in the order of [`Demand::ALL`].
type Demands = [Arc<ServerConfig>; 3];

impl Tls {
    /// No certificate yet; `handshakes` is run by threads that do nothing else.
    pub fn new(handshakes: Arc<Executor<'static>>) -> Tls {
        Tls { configs: RwLock::new(None), handshakes }
    }

    /// Presents `identity`, and believes those of users that `trust` does, from the next handshake on. Errs, and keeps
    /// what was, if key and certificate don't fit together.
    pub fn present(
        &self,
        identity: &ServerIdentity,
        trust: Arc<Trust>,
        clock: &Clock,
    ) -> Result<(), rustls::Error> {
        let end_point = identity.chain.first().and_then(|certificate| end_point::of(certificate));
        let own = Arc::new(SingleCertAndKey::from(certified(identity)?));
        let demands = |protocol: &[u8]| -> Result<Demands, rustls::Error> {
            let config = |demand| config(&own, protocol, demand, &trust, clock);
            Ok([config(Demand::Off)?, config(Demand::Optional)?, config(Demand::Required)?])
        };
        let (pop3, smtp) = (demands(b"pop3")?, demands(b"smtp")?);
        let configs = Configs { pop3, smtp, trust, end_point: end_point.map(Arc::from) };
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
        let Some(configs) = self.present_configs() else {
            return Err(Lost::Handshake("there is no certificate".into()));
        };
        let (config, end_point) = (configs.of(speaks, demand), configs.end_point.clone());
        drop(configs);
        let shaking = TlsAcceptor::from(config).accept_with(socket, |connection| {
            connection.set_buffer_limit(Some(limits::TLS_OUTPUT_OCTETS));
        });
        let shaken = async { shaking.await.map_err(|error| failed(&error)) };
        let stream = self.handshakes.spawn(shaken).await?;
        Ok(Shaken { stream, end_point, names_somebody: false })
    }

    fn present_configs(&self) -> Option<Arc<Configs>> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Configs {
    fn of(&self, speaks: Speaks, demand: Demand) -> Arc<ServerConfig> {
        let [off, optional, required] = match speaks {
            Speaks::Pop3 => &self.pop3,
            Speaks::Smtp => &self.smtp,
        };
        Arc::clone(match demand {
            Demand::Off => off,
            Demand::Optional => optional,
            Demand::Required => required,
        })
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

/// What the log may say of a handshake that failed; of a certificate the verifier has said it.
fn failed(error: &io::Error) -> Lost {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(cause))) => {
            Lost::Certificate(cause.0.to_string())
        }
        Some(rustls::Error::NoCertificatesPresented) => {
            Lost::Certificate("that `clientcert required` asks for is not there".into())
        }
        _ => Lost::Handshake(error.to_string()),
    }
}

/// Errs if key and certificate don't fit together.
fn certified(identity: &ServerIdentity) -> Result<CertifiedKey, rustls::Error> {
    let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivatePkcs8KeyDer::from(identity.private_key.expose().to_vec());
    CertifiedKey::from_der(chain, key.into(), &ring::default_provider())
}

fn config(
    own: &Arc<SingleCertAndKey>,
    protocol: &[u8],
    demand: Demand,
    trust: &Arc<Trust>,
    clock: &Clock,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let (trust, clock) = (Arc::clone(trust), clock.clone());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(match demand {
            Demand::Off => WebPkiClientVerifier::no_client_auth(),
            demand => Arc::new(Verifier { trust, clock, is_required: demand == Demand::Required }),
        })
        .with_cert_resolver(Arc::clone(own) as _);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    // A session that is taken up again would bring a certificate that is revoked by now (S-256).
    if demand == Demand::Off {
        // Tickets keep the state at the peer; one is enough for clients that connect once at a time.
        config.ticketer = ring::Ticketer::new()?;
        config.send_tls13_tickets = 1;
    }
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

    use smol::Async;

    use super::*;
    use crate::cert;
    use crate::clock::{Clock, UnixTime};
    use crate::mail::Secret;

    /// A certificate of an own authority, and that authority's.
    fn identity() -> (ServerIdentity, Vec<u8>) {
        let authority = cert::make_authority("home.lan").unwrap();
        let names = ["mail.home.lan".to_owned()];
        let server = cert::make_server(&authority, &names, &[], Clock::system(UnixTime(0)).now()).unwrap();
        let chain = vec![server.certificate, authority.certificate.clone()];
        (ServerIdentity { chain, private_key: server.private_key }, authority.certificate)
    }

    fn client(authority: &[u8], version: &'static SupportedProtocolVersion) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.to_vec())).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"pop3".to_vec()];
        ClientConnection::new(Arc::new(config), "mail.home.lan".try_into().unwrap()).unwrap()
    }

    /// Shakes hands over loopback; the client sends one octet once it is content.
    fn shake(tls: &Tls, mut client: ClientConnection) -> (Shaken, ClientConnection) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connecting = thread::spawn(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            rustls::Stream::new(&mut client, &mut socket).write_all(b"x").unwrap();
            // Until the server closes.
            let _ = socket.read(&mut [0; 1024]);
            client
        });
        let socket = Meter::new(Async::new(listener.accept().unwrap().0).unwrap());
        let handshakes = Arc::clone(&tls.handshakes);
        let shaken = smol::block_on(handshakes.run(tls.accept(Speaks::Pop3, Demand::Off, socket))).unwrap();
        shaken.stream.get_ref().0.tcp().shutdown(std::net::Shutdown::Both).unwrap();
        (shaken, connecting.join().unwrap())
    }

    #[test]
    fn both_sides_of_tls_1_3_export_the_same_and_tls_1_2_nothing_s_181() {
        let (identity, authority) = identity();
        let tls = Tls::new(Arc::default());
        tls.present(&identity, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
        let mut exported = Vec::new();
        for _ in 0..2 {
            let (shaken, client) = shake(&tls, client(&authority, &rustls::version::TLS13));
            let ours = exporter(&shaken.stream).unwrap();
            let theirs = client.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
            assert_eq!(ours, theirs.unwrap());
            exported.push(ours);
        }
        assert_ne!(exported[0], exported[1], "each connection has its own");
        let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS12));
        assert_eq!(exporter(&shaken.stream), None);
        assert!(description(&shaken.stream).starts_with("TLSv1.2 "));
    }

    /// Half of a renewal: the new certificate, and the key of the old one.
    #[test]
    fn a_pair_that_does_not_fit_leaves_what_was_s_258() {
        let tls = Tls::new(Arc::default());
        let ((first, authority), (second, _)) = (identity(), identity());
        let present = |chain: &[Vec<u8>], key: &Secret| {
            let identity = ServerIdentity { chain: chain.to_vec(), private_key: key.clone() };
            tls.present(&identity, Arc::default(), &Clock::fixed(UnixTime(0)))
        };
        present(&first.chain, &first.private_key).unwrap();
        for (chain, key) in [
            (&second.chain[..], &first.private_key),
            (&first.chain, &second.private_key),
            (&[], &second.private_key),
            (&second.chain, &Secret::new("")),
            (&[second.chain[0][..99].to_vec()], &second.private_key),
        ] {
            assert!(present(chain, key).is_err());
            let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS13));
            assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(&first.chain[0]));
        }
    }

    /// A ticket is of use here, in this process, and for no data before the handshake.
    #[test]
    fn tickets_bring_no_early_data_and_outlive_no_certificate_s_256() {
        let tls = Tls::new(Arc::default());
        for _ in 0..2 {
            let (identity, _) = identity();
            tls.present(&identity, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
        }
        let configs = tls.present_configs().unwrap();
        for config in configs.pop3.iter().chain(&configs.smtp) {
            assert_eq!(config.max_early_data_size, 0);
        }
        let (own, (others, _)) = (configs.of(Speaks::Pop3, Demand::Off), identity());
        tls.present(&others, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
        let next = tls.present_configs().unwrap().of(Speaks::Pop3, Demand::Off);
        let ticket = own.ticketer.encrypt(b"a session").unwrap();
        assert!(own.ticketer.decrypt(&ticket).is_some());
        assert_eq!(next.ticketer.decrypt(&ticket), None, "its keys went with the certificate");
    }

    #[test]
    fn a_connection_is_bound_to_the_certificate_that_it_was_shown() {
        let tls = Tls::new(Arc::default());
        let (first, authority) = identity();
        tls.present(&first, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
        let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS13));
        let (second, authority) = identity();
        tls.present(&second, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
        assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(&first.chain[0]));
        let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS13));
        assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(&second.chain[0]));
        assert_ne!(end_point::of(&first.chain[0]), end_point::of(&second.chain[0]));
    }
}
