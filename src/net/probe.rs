//! One POP3 session as a mail client has it, to see whether a server that was just started can be used. Blocks.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

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

/// Has one session. Errs with what went wrong, in part of a line.
pub fn pop3(probe: &Probe, patience: Duration) -> Result<(), String> {
    let address = reachable(probe.listener);
    let failed = |error: io::Error| format!("{address}: {error}");
    let socket = TcpStream::connect_timeout(&address, patience).map_err(failed)?;
    socket.set_read_timeout(Some(patience)).map_err(failed)?;
    socket.set_write_timeout(Some(patience)).map_err(failed)?;
    if !probe.is_implicit_tls {
        let mut clear = Talk(BufReader::new(&socket));
        clear.hear()?;
        clear.say(b"STLS\r\n")?;
    }
    let connection = ClientConnection::new(trusting(&probe.authority)?, name_of(address))
        .map_err(|error| format!("{address}: no TLS: {error}"))?;
    let mut secure = StreamOwned::new(connection, socket);
    if let Err(error) = secure.conn.complete_io(&mut secure.sock) {
        // Then an administrator has installed a certificate of another authority, and clients trust that one.
        return if is_of_others(&error) { Ok(()) } else { Err(format!("{address}: no TLS: {error}")) };
    }
    let mut talk = Talk(BufReader::new(secure));
    if probe.is_implicit_tls {
        talk.hear()?;
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
    fn say(&mut self, line: &[u8]) -> Result<(), String>
    where
        BufReader<T>: Mouth,
    {
        self.0.put(line).map_err(|error| format!("the server hung up: {error}"))?;
        self.hear()
    }

    /// RFC 1939 §3: a good answer begins with `+OK`.
    fn hear(&mut self) -> Result<(), String> {
        let line = self.line()?;
        match line.starts_with(b"+OK") {
            true => Ok(()),
            false => Err(format!("the server said {}", printable(line.trim_ascii_end()))),
        }
    }

    fn hear_to_the_dot(&mut self) -> Result<(), String> {
        (0..CAPABILITY_LINES)
            .find_map(|_| match self.line() {
                Ok(line) if line == b".\r\n" => Some(Ok(())),
                Ok(_) => None,
                Err(why) => Some(Err(why)),
            })
            .unwrap_or_else(|| Err("the server's list of capabilities does not end".into()))
    }

    fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(LINE_OCTETS).read_until(b'\n', &mut line);
        match read {
            Ok(0) => Err("the server hung up".into()),
            Ok(_) => Ok(line),
            Err(error) => Err(format!("no answer came: {error}")),
        }
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

/// RFC 2449 §4.
const LINE_OCTETS: u64 = 512;
/// More than any server has.
const CAPABILITY_LINES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

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
