//! One connection to another server: made, covered by TLS, read by lines, written with an eye on what comes back.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::pki_types::ServerName;
use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroize;

use super::verifier::{SMARTHOST, Seen, Trust, Verifier};
use crate::clock::Clock;
use crate::limits;
use crate::net::{alarm, authorities};
use crate::sandbox;
use crate::wire::line::{Line, LineFault, LineReader};

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Connecting, each address.
    pub connect: Duration,
    /// A TLS handshake.
    pub handshake: Duration,
    /// While the server takes no octet.
    pub block: Duration,
    /// No reply is waited for longer than that, whatever the session allows.
    pub reply: Duration,
    /// A try in all, the octets of messages not counted.
    pub attempt: Duration,
    /// A connection without mail.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: limits::HOP_CONNECT,
            handshake: limits::HOP_CONNECT,
            block: limits::HOP_BLOCK,
            reply: limits::HOP_END_OF_DATA,
            attempt: limits::HOP_ATTEMPT,
            idle: limits::HOP_IDLE,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    transport: Transport,
    /// What has come and nobody has used up.
    input: Vec<u8>,
    lines: LineReader,
    clock: Clock,
    patience: Patience,
    /// The server's address.
    pub peer: SocketAddr,
    /// What was seen of its certificate; none in the clear.
    pub seen: Option<Seen>,
}

/// Why there is no connection, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreached {
    /// This machine has no way to the server's network: to it alone perhaps, as where only the server speaks IPv6.
    NoWay(String),
    /// Nobody on the way has found the server.
    Absent(String),
    /// The server is there, and nobody listens.
    Refused(String),
    /// Anything else, silence among it.
    Failed(String),
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, and whether more lies behind it already.
    Line(Vec<u8>, bool),
    /// A line that can't be taken.
    Faulty(LineFault),
    /// Nothing, for too long.
    TimedOut,
    /// The server has closed the connection, or it broke.
    Lost,
}

/// How far octets of a body came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The system, at least, has taken them.
    All,
    /// The server has answered before the body's end: [`Link::hear`] has it, and it will not read on.
    Answered,
    /// The server takes nothing any more.
    Stalled,
    /// The connection is gone.
    Lost,
}

#[derive(Debug)]
enum Transport {
    /// Given to a handshake that failed.
    Gone,
    Clear(Async<TcpStream>),
    Tls(Box<TlsStream<Async<TcpStream>>>),
}

trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

impl Link {
    /// Connects to one address.
    pub async fn connect(address: SocketAddr, patience: Patience, clock: &Clock) -> Result<Link, Unreached> {
        let connecting = within(clock, patience.connect, Async::<TcpStream>::connect(address)).await;
        let socket = match connecting {
            None => return Err(Unreached::Failed("it can't be reached in time".into())),
            Some(Err(error)) => return Err(unreached(&error, address.port())),
            Some(Ok(socket)) => socket,
        };
        // Commands and replies are small, and each is waited for.
        let _ = socket.get_ref().set_nodelay(true);
        Ok(Link {
            transport: Transport::Clear(socket),
            input: Vec::new(),
            lines: LineReader::new(false),
            clock: clock.clone(),
            patience,
            peer: address,
            seen: None,
        })
    }

    /// This end's address; none if the connection is gone.
    pub fn own_address(&self) -> Option<IpAddr> {
        self.transport.tcp().and_then(|socket| socket.local_addr().ok()).map(|address| address.ip())
    }

    /// Whether TLS is on and the certificate was proven.
    pub fn is_verified(&self) -> bool {
        self.seen.as_ref().is_some_and(Seen::is_proven)
    }

    /// Whether the connection was lost when TLS began.
    pub fn is_tls_lost(&self) -> bool {
        matches!(self.transport, Transport::Gone)
    }

    /// Begins TLS with `host`. Errs with what is wrong, for people; what was seen of the certificate stays in `seen`, and
    /// the connection is lost.
    pub async fn begin_tls(&mut self, host: &str, trust: Trust) -> Result<(), String> {
        let Transport::Clear(socket) = std::mem::replace(&mut self.transport, Transport::Gone) else {
            return Err("TLS was begun already".into());
        };
        if !self.input.is_empty() {
            return Err(
                "it has sent octets in the clear behind its reply to STARTTLS: somebody may stand between"
                    .into(),
            );
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is no name that a certificate can have"))?;
        let verifier = Verifier::new(trust, host);
        let connector = TlsConnector::from(Arc::new(verifier.config()?));
        let shaking = connector.connect_with(name, socket, |connection| {
            connection.set_buffer_limit(Some(limits::TLS_OUTPUT_OCTETS));
        });
        let shaken = within(&self.clock, self.patience.handshake, Box::pin(shaking)).await;
        let seen = verifier.seen();
        let fault = seen.fault.clone();
        self.seen = Some(seen);
        match shaken {
            None => Err("it takes too long to begin TLS".into()),
            Some(Err(error)) => Err(fault.unwrap_or_else(|| authorities::explain(&error, host, SMARTHOST))),
            Some(Ok(stream)) => {
                self.lines = LineReader::new(false);
                self.transport = Transport::Tls(Box::new(stream));
                Ok(())
            }
        }
    }

    /// Waits for a line of at most `limit` octets.
    pub async fn hear(&mut self, limit: usize, patience: Duration) -> Heard {
        let clock = self.clock.clone();
        let patience = patience.min(self.patience.reply);
        within(&clock, patience, self.line(limit)).await.unwrap_or(Heard::TimedOut)
    }

    /// Writes all octets, and empties `out`. Errs when the server is gone or takes none for too long.
    pub async fn write(&mut self, out: &mut Vec<u8>) -> Result<(), Written> {
        let written = self.put(out, false).await;
        // It may have been a password.
        out.zeroize();
        match written {
            Written::All => self.flush().await,
            written => Err(written),
        }
    }

    /// Writes octets of a body and empties `out`, and looks meanwhile whether the server answers already. Nothing is
    /// waited for but the system's taking the octets.
    pub async fn write_body(&mut self, out: &mut Vec<u8>) -> Written {
        let written = self.put(out, true).await;
        out.clear();
        written
    }

    /// Has all that was written go out.
    pub async fn flush(&mut self) -> Result<(), Written> {
        let (clock, block) = (self.clock.clone(), self.patience.block);
        let Some(transport) = self.transport.octets() else { return Err(Written::Lost) };
        match within(&clock, block, transport.flush()).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Written::Lost),
            None => Err(Written::Stalled),
        }
    }

    /// Closes with what is in `out`, and waits for nothing long.
    pub async fn close(mut self, out: &mut Vec<u8>) {
        let clock = self.clock.clone();
        let closing = async {
            if self.write(out).await.is_ok()
                && let Some(transport) = self.transport.octets()
            {
                let _ = transport.close().await;
            }
        };
        within(&clock, limits::CLOSING, closing).await;
    }

    async fn line(&mut self, limit: usize) -> Heard {
        loop {
            if let Some(heard) = self.take_line(limit) {
                return heard;
            }
            let Some(transport) = self.transport.octets() else { return Heard::Lost };
            let mut block = [0; READ_OCTETS];
            let reading = poll_fn(|context| Pin::new(&mut *transport).poll_read(context, &mut block));
            match reading.await {
                Ok(0) | Err(_) => return Heard::Lost,
                Ok(octets) => self.input.extend_from_slice(&block[..octets]),
            }
        }
    }

    fn take_line(&mut self, limit: usize) -> Option<Heard> {
        loop {
            let (used, line) = self.lines.next(&self.input, limit);
            let heard = match line {
                Line::Whole(line) => Some(Heard::Line(line.to_vec(), used < self.input.len())),
                Line::Faulty(fault) => Some(Heard::Faulty(fault)),
                Line::Incomplete => None,
            };
            self.input.drain(..used);
            if heard.is_some() || used == 0 || self.input.is_empty() {
                return heard;
            }
        }
    }

    /// Writes all; a server that takes no octet for too long has stalled.
    async fn put(&mut self, octets: &[u8], is_watching: bool) -> Written {
        let (clock, block) = (self.clock.clone(), self.patience.block);
        let mut from = 0;
        while from < octets.len() {
            let writing = poll_fn(|context| self.poll_put(context, &octets[from..], is_watching));
            match within(&clock, block, writing).await {
                None => return Written::Stalled,
                Some(Ok(count)) => from += count,
                Some(Err(written)) => return written,
            }
        }
        Written::All
    }

    fn poll_put(
        &mut self,
        context: &mut Context<'_>,
        octets: &[u8],
        is_watching: bool,
    ) -> Poll<Result<usize, Written>> {
        if is_watching {
            self.look(context);
            if self.is_answered() {
                return Poll::Ready(Err(Written::Answered));
            }
        }
        let Some(transport) = self.transport.octets() else { return Poll::Ready(Err(Written::Lost)) };
        Pin::new(transport).poll_write(context, octets).map(|written| match written {
            Ok(0) | Err(_) => Err(Written::Lost),
            Ok(count) => Ok(count),
        })
    }

    /// Takes in what has come, if it is little: who writes much while he should read is left to his time-out.
    fn look(&mut self, context: &mut Context<'_>) {
        if self.input.len() >= limits::REPLY_LINE_OCTETS {
            return;
        }
        let mut block = [0; READ_OCTETS];
        let Some(transport) = self.transport.octets() else { return };
        if let Poll::Ready(Ok(octets)) = Pin::new(transport).poll_read(context, &mut block) {
            self.input.extend_from_slice(&block[..octets]);
        }
    }

    /// Whether a refusal has come: no server that reads on says that before the end.
    fn is_answered(&self) -> bool {
        matches!(self.input.first(), Some(b'4' | b'5')) && self.input.contains(&b'\n')
    }
}

impl Transport {
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Transport::Gone => None,
            Transport::Clear(socket) => Some(socket.get_ref()),
            Transport::Tls(stream) => Some(stream.get_ref().0.get_ref()),
        }
    }

    fn octets(&mut self) -> Option<&mut dyn Octets> {
        match self {
            Transport::Gone => None,
            Transport::Clear(socket) => Some(socket),
            Transport::Tls(stream) => Some(stream),
        }
    }
}

/// What comes in time by that clock; what doesn't is dropped half done.
pub async fn within<T>(clock: &Clock, time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let in_time = async { Some(future.await) };
    in_time
        .or(async {
            alarm::rest(clock, time).await;
            None
        })
        .await
}

fn unreached(error: &io::Error, port: u16) -> Unreached {
    match error.kind() {
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown | ErrorKind::AddrNotAvailable => {
            Unreached::NoWay(format!("there is no way to it: {error}"))
        }
        ErrorKind::HostUnreachable => Unreached::Absent(format!("there is no way to it: {error}")),
        ErrorKind::ConnectionRefused => {
            Unreached::Refused("it takes no connections: is its port right?".into())
        }
        ErrorKind::PermissionDenied if !sandbox::lets_connect(port) => {
            Unreached::Failed(format!("port {port} is {}", sandbox::news()))
        }
        _ => Unreached::Failed(format!("it can't be reached: {error}")),
    }
}

const READ_OCTETS: usize = 2048;
