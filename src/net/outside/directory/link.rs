//! One connection to one server: made, covered by TLS, asked, closed.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use smol::Async;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::lock::Semaphore;

use super::{Patience, trust, within};
use crate::ldap::{Answer, Channel, Client, Event, Next, Question};
use crate::limits;
use crate::net::task;
use crate::sandbox;
use crate::settings::DirectoryServer;

/// A connection.
pub(super) struct Link {
    transport: Transport,
    client: Client,
    patience: Patience,
}

/// What a connection is made by.
pub(super) struct Way {
    /// How TLS verifies the server, or why it can't.
    pub tls: Result<Arc<ClientConfig>, String>,
    /// Whether clear text will do where the server has no TLS.
    pub may_be_clear: bool,
    /// How long what may take.
    pub patience: Patience,
    /// Look-ups of names that may run at once.
    pub lookups: Arc<Semaphore>,
}

/// Why a server can't be asked: what is wrong with it, for people. The connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It was waited for too long.
    Silent(String),
    /// Anything else.
    Failed(String),
}

trait Octets: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Octets for T {}

enum Transport {
    Clear(Async<TcpStream>),
    Tls(Box<TlsStream<Async<TcpStream>>>),
}

impl Link {
    /// Connects and begins TLS. In clear text nothing is said but StartTLS, unless that will do (S-202).
    pub async fn open(server: &DirectoryServer, way: &Way) -> Result<Link, Trouble> {
        let patience = way.patience;
        let socket = Box::pin(connect(server, way)).await?;
        // Questions and answers are small, and each is waited for.
        let _ = socket.get_ref().set_nodelay(true);
        let securing = async {
            if server.is_implicit_tls {
                let transport = secure(socket, server, way).await?;
                return Ok(Link { transport, client: Client::new(Channel::Tls), patience });
            }
            let channel = if way.may_be_clear { Channel::Clear } else { Channel::BeforeTls };
            let link = Link { transport: Transport::Clear(socket), client: Client::new(channel), patience };
            link.start_tls(server, way).await
        };
        within(patience.handshake, Box::pin(securing))
            .await
            .unwrap_or_else(|| Err(Trouble::Silent("it takes too long to begin TLS".into())))
    }

    /// Asks, and waits for the answer. After an error the connection is good for nothing.
    pub async fn ask(&mut self, question: &Question) -> Result<Answer, Trouble> {
        let patience = self.patience.reply;
        let asking = async {
            match self.step(question).await? {
                Next::Answer(answer) => Ok(answer),
                next => Err(Trouble::Failed(format!("it can't be followed: {next:?}"))),
            }
        };
        within(patience, Box::pin(asking))
            .await
            .unwrap_or_else(|| Err(Trouble::Silent("it does not answer in time".into())))
    }

    /// Says good-bye, and waits for nothing.
    pub async fn close(mut self) {
        let octets = self.client.unbind();
        let closing = async {
            let transport = self.transport.octets();
            let _ = transport.write_all(&octets).await;
            let _ = transport.close().await;
        };
        within(self.patience.connect, closing).await;
    }

    async fn start_tls(mut self, server: &DirectoryServer, way: &Way) -> Result<Link, Trouble> {
        match self.step(&Question::StartTls).await? {
            Next::Secure => {}
            Next::Answer(Answer::NotSecured(_)) if way.may_be_clear => return Ok(self),
            Next::Answer(Answer::NotSecured(outcome)) => {
                return Err(Trouble::Failed(format!(
                    "it begins no TLS ({outcome}), and no password is sent in clear text: set directory_servers to \
                     ldaps://, give the server a certificate, or set directory_clear on"
                )));
            }
            next => return Err(Trouble::Failed(format!("it can't be followed: {next:?}"))),
        }
        let Transport::Clear(socket) = self.transport else {
            return Err(Trouble::Failed("TLS is there already".into()));
        };
        let transport = secure(socket, server, way).await?;
        self.client.handle(Event::Secured);
        Ok(Link { transport, client: self.client, patience: self.patience })
    }

    /// Asks, and reads until there is something to do.
    async fn step(&mut self, question: &Question) -> Result<Next, Trouble> {
        let octets = self.client.ask(question).map_err(|refusal| Trouble::Failed(refusal.to_string()))?;
        let transport = self.transport.octets();
        let lost = |error: std::io::Error| Trouble::Failed(format!("the connection was lost: {error}"));
        transport.write_all(octets.expose()).await.map_err(lost)?;
        transport.flush().await.map_err(lost)?;
        let mut buffer = vec![0; BUFFER_OCTETS];
        loop {
            let count = transport.read(&mut buffer).await.map_err(lost)?;
            if count == 0 {
                return Err(Trouble::Failed("it closed the connection".into()));
            }
            match self.client.handle(Event::Octets(&buffer[..count])) {
                Next::Read => {}
                Next::Drop(fault) => return Err(Trouble::Failed(fault.to_string())),
                next => return Ok(next),
            }
        }
    }
}

impl Transport {
    fn octets(&mut self) -> &mut dyn Octets {
        match self {
            Transport::Clear(socket) => socket,
            Transport::Tls(stream) => stream,
        }
    }
}

/// Tries the server's addresses one after the other; each has its share of the time.
async fn connect(server: &DirectoryServer, way: &Way) -> Result<Async<TcpStream>, Trouble> {
    let patience = way.patience.connect;
    let silent = || Trouble::Silent("it can't be reached in time".into());
    let addresses = within(patience, resolve(server, way)).await.unwrap_or_else(|| {
        Err(Trouble::Silent(format!(
            "the name {} is not found in time: look at the name server",
            server.host
        )))
    })?;
    let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut trouble = silent();
    for address in addresses {
        trouble = match within(share, Async::<TcpStream>::connect(address)).await {
            Some(Ok(socket)) => return Ok(socket),
            Some(Err(error))
                if error.kind() == std::io::ErrorKind::PermissionDenied
                    && !sandbox::lets_connect(address.port()) =>
            {
                Trouble::Failed(format!("port {} is {}", address.port(), sandbox::news()))
            }
            Some(Err(error)) => Trouble::Failed(format!("it can't be reached: {error}")),
            None => silent(),
        };
    }
    Err(trouble)
}

/// The addresses of a server. A look-up can't be broken off, so there are few at once, waited for or not.
async fn resolve(server: &DirectoryServer, way: &Way) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = server.host.parse() {
        return Ok(vec![SocketAddr::new(address, server.port)]);
    }
    let Some(place) = way.lookups.try_acquire_arc() else {
        return Err(Trouble::Failed("the name server does not answer: look at it".into()));
    };
    let (host, port) = (server.host.clone(), server.port);
    let found = task::unblock(move || {
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
        drop(place);
        found.map(|addresses| addresses.take(limits::DIRECTORY_ADDRESSES).collect::<Vec<_>>())
    });
    match found.await {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Trouble::Failed(format!("{} has no address", server.host))),
        Err(error) => Err(Trouble::Failed(format!("the name {} is not found: {error}", server.host))),
    }
}

async fn secure(socket: Async<TcpStream>, server: &DirectoryServer, way: &Way) -> Result<Transport, Trouble> {
    let config = way.tls.clone().map_err(Trouble::Failed)?;
    let name = ServerName::try_from(server.host.clone())
        .map_err(|_| Trouble::Failed(format!("{} is no name that a certificate can have", server.host)))?;
    let shaking = TlsConnector::from(config).connect_with(name, socket, |connection| {
        connection.set_buffer_limit(Some(limits::TLS_OUTPUT_OCTETS));
    });
    let stream = shaking.await.map_err(|error| Trouble::Failed(trust::explain(&error, &server.host)))?;
    Ok(Transport::Tls(Box::new(stream)))
}

impl Trouble {
    /// What is wrong.
    pub fn text(&self) -> &str {
        match self {
            Trouble::Silent(text) | Trouble::Failed(text) => text,
        }
    }
}

const BUFFER_OCTETS: usize = 4096;
