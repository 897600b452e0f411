//! One POP3 session as a mail client has it, to see whether a server that was just started can be used. Blocks.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
};

use crate::mail::{Address, Secret, printable};

/// What a client knows before it connects.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Where POP3 listens.
    pub listener: SocketAddr,
    /// Whether TLS comes first there; else the client asks for it. RFC 2595 §4.
    pub is_implicit_tls: bool,
    /// The authority that it trusts, PEM.
    pub authority: String,
    /// Who logs on; without, the capabilities are asked for.
    pub logon: Option<(Address, Secret)>,
}

/// Has one session. Errs with what went wrong, in part of a line. A server that turns this client away as it would a
/// stranger (it wants a certificate, or has a crowd) works.
pub fn pop3(probe: &Probe, patience: Duration) -> Result<(), String> {
    match session(probe, patience) {
        Err(Ending::TurnedAway) => Ok(()),
        Err(Ending::Broken(why)) => Err(why),
        Ok(()) => Ok(()),
    }
}

/// Why a session ended before its time.
#[derive(Debug)]
enum Ending {
    /// By a server that works.
    TurnedAway,
    /// What went wrong.
    Broken(String),
}

impl From<String> for Ending {
    fn from(why: String) -> Ending {
        Ending::Broken(why)
    }
}

fn session(probe: &Probe, patience: Duration) -> Result<(), Ending> {
    let address = reachable(probe.listener);
    let failed = |error: io::Error| format!("{address}: {error}");
    let socket = TcpStream::connect_timeout(&address, patience).map_err(failed)?;
    socket.set_read_timeout(Some(patience)).map_err(failed)?;
    socket.set_write_timeout(Some(patience)).map_err(failed)?;
    if !probe.is_implicit_tls {
        let mut clear = Talk(BufReader::new(&socket));
        clear.hear_greeting()?;
        clear.say(b"STLS\r\n")?;
    }
    let connection = ClientConnection::new(trusting(&probe.authority)?, name_of(address))
        .map_err(|error| format!("{address}: no TLS: {error}"))?;
    let mut secure = StreamOwned::new(connection, socket);
    if let Err(error) = secure.conn.complete_io(&mut secure.sock) {
        // Then an administrator has installed a certificate of another authority, and clients trust that one.
        return match is_of_others(&error) || wants_certificate(&error) {
            true => Err(Ending::TurnedAway),
            false => Err(format!("{address}: no TLS: {error}").into()),
        };
    }
    let mut talk = Talk(BufReader::new(secure));
    if probe.is_implicit_tls {
        talk.hear_greeting()?;
    }
    match &probe.logon {
        Some((address, password)) => {
            talk.say(format!("USER {address}\r\n").as_bytes())?;
            talk.say(Secret::new([b"PASS ", password.expose(), b"\r\n"].concat()).expose())?;
            talk.say(b"STAT\r\n")?;
        }
        None => {
            talk.say(b"CAPA\r\n")?;
            talk.hear_to_the_dot()?;
        }
    }
    talk.say(b"QUIT\r\n")
}

/// A conversation line by line.
struct Talk<T: Read>(BufReader<T>);

/// What can be written to, also where it is only lent.
trait Mouth {
    fn put(&mut self, octets: &[u8]) -> io::Result<()>;
}

impl Mouth for BufReader<&TcpStream> {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.get_mut().write_all(octets)
    }
}

impl Mouth for BufReader<StreamOwned<ClientConnection, TcpStream>> {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.get_mut().write_all(octets)?;
        self.get_mut().flush()
    }
}

impl<T: Read> Talk<T> {
    /// Says a line and hears a good answer.
    fn say(&mut self, line: &[u8]) -> Result<(), Ending>
    where
        BufReader<T>: Mouth,
    {
        self.0.put(line).map_err(|error| format!("the server hung up: {error}"))?;
        self.hear()
    }

    /// RFC 1939 §3: a good answer begins with `+OK`.
    fn hear(&mut self) -> Result<(), Ending> {
        let line = self.line()?;
        good(&line)
    }

    /// A server with a crowd says so in the place of its greeting. RFC 3206 §4.
    fn hear_greeting(&mut self) -> Result<(), Ending> {
        let line = self.line()?;
        if line.starts_with(b"-ERR [SYS/TEMP]") { Err(Ending::TurnedAway) } else { good(&line) }
    }

    fn hear_to_the_dot(&mut self) -> Result<(), Ending> {
        (0..CAPABILITY_LINES)
            .find_map(|_| match self.line() {
                Ok(line) if line == b".\r\n" => Some(Ok(())),
                Ok(_) => None,
                Err(why) => Some(Err(why)),
            })
            .unwrap_or_else(|| Err("the server's list of capabilities does not end".to_owned().into()))
    }

    fn line(&mut self) -> Result<Vec<u8>, Ending> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(LINE_OCTETS).read_until(b'\n', &mut line);
        match read {
            Ok(0) => Err("the server hung up".to_owned().into()),
            Ok(_) => Ok(line),
            // In TLS 1.3 the server refuses after the last word of the handshake, which is the client's.
            Err(error) if wants_certificate(&error) => Err(Ending::TurnedAway),
            Err(error) => Err(format!("no answer came: {error}").into()),
        }
    }
}

fn good(line: &[u8]) -> Result<(), Ending> {
    match line.starts_with(b"+OK") {
        true => Ok(()),
        false => Err(format!("the server said {}", printable(line.trim_ascii_end())).into()),
    }
}

/// Where a listener at all addresses is reached from this machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The certificate has every address of this machine.
fn name_of(address: SocketAddr) -> ServerName<'static> {
    ServerName::IpAddress(address.ip().into())
}

fn trusting(authority: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()).flatten() {
        roots.add(certificate).map_err(|error| format!("the authority can't be used: {error}"))?;
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn is_of_others(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}

/// Whether the server asks its clients for certificates, of which this one has none.
fn wants_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure
        ))
    )
}

/// RFC 2449 §4.
const LINE_OCTETS: u64 = 512;
/// More than any server has.
const CAPABILITY_LINES: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Upgrades of sound servers were taken back: one that wants certificates, and one with a crowd, counted as broken.
    #[test]
    fn a_server_that_turns_strangers_away_works() {
        let is_broken = |greeting: &str| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let greeting = greeting.to_owned();
            let server = std::thread::spawn(move || {
                let (mut socket, _) = listener.accept().unwrap();
                socket.write_all(greeting.as_bytes()).unwrap();
            });
            let probe =
                Probe { listener: address, is_implicit_tls: false, authority: String::new(), logon: None };
            let told = pop3(&probe, Duration::from_secs(20));
            server.join().unwrap();
            told.is_err()
        };
        for (greeting, wanted) in [
            ("-ERR [SYS/TEMP] too many connections, come again later\r\n", false),
            ("-ERR [SYS/PERM] no\r\n", true),
            ("-ERR no\r\n", true),
            ("", true),
        ] {
            assert_eq!(is_broken(greeting), wanted, "{greeting}");
        }
        let heard = |alert| {
            let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
            struct Failing(Option<io::Error>);
            impl Read for Failing {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    self.0.take().map_or(Ok(0), Err)
                }
            }
            matches!(Talk(BufReader::new(Failing(Some(error)))).hear_greeting(), Err(Ending::TurnedAway))
        };
        for (alert, is_turned_away) in [
            (AlertDescription::CertificateRequired, true),
            (AlertDescription::HandshakeFailure, true),
            (AlertDescription::InternalError, false),
            (AlertDescription::ProtocolVersion, false),
        ] {
            assert_eq!(heard(alert), is_turned_away, "{alert:?}");
        }
    }

    #[test]
    fn a_listener_at_all_addresses_is_reached_by_loopback() {
        for (listener, wanted) in [
            ("0.0.0.0:995", "127.0.0.1:995"),
            ("[::]:995", "[::1]:995"),
            ("192.0.2.1:1995", "192.0.2.1:1995"),
        ] {
            assert_eq!(reachable(listener.parse().unwrap()).to_string(), wanted);
        }
    }
}
