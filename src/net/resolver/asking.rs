//! One question to the name servers: over UDP, and over TCP where the answer is cut.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use ring::rand::{SecureRandom, SystemRandom};
use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::{Resolver, Unresolved, within};
use crate::limits;
use crate::wire::dns::{Answer, Kind, Name, NoAnswer, Outcome, Question};

/// What became of asking one server.
enum Fate {
    Answered(Answer),
    /// It can't or won't: its number for the reason.
    Refused(u8),
    /// It says nonsense.
    Garbled,
    /// Nothing came in time.
    Silent,
    /// There is no way to it, or nobody there.
    Unreachable(io::Error),
}

impl Resolver {
    /// Asks each server in turn, and once more those that were silent, until one answers. RFC 1035 §4.2.1.
    pub(super) async fn ask(&self, name: Name, kind: Kind) -> Result<Answer, Unresolved> {
        let servers = self.servers.list().await;
        let mut fates: Vec<(SocketAddr, Fate)> =
            servers.into_iter().map(|server| (server, Fate::Silent)).collect();
        let searching = async {
            for _ in 0..limits::NAME_TRIES {
                for (server, fate) in &mut fates {
                    if !matches!(fate, Fate::Silent) {
                        continue;
                    }
                    match self.ask_one(*server, name.clone(), kind).await {
                        Fate::Answered(answer) => return Some(answer),
                        other => *fate = other,
                    }
                    log::debug!("the name server {} about {name}: {fate}", server.ip());
                }
            }
            None
        };
        let answer = within(self.patience.search, Box::pin(searching)).await.flatten();
        match answer {
            Some(Answer { outcome: Outcome::NoSuchName, .. }) => Err(Unresolved::NotThere),
            Some(answer) => Ok(answer),
            None => Err(self.explain(&fates, &name).await),
        }
    }

    /// Whose fault it is: a name server that serves somebody knows the root, and treats it otherwise than a name whose
    /// own servers are dead.
    async fn explain(&self, fates: &[(SocketAddr, Fate)], name: &Name) -> Unresolved {
        for (server, fate) in fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Unreachable(_))) {
            let fate_of_root = self.ask_one(*server, Name::root(), Kind::Ns).await;
            let is_for_all = match (fate, fate_of_root) {
                (Fate::Silent, Fate::Silent | Fate::Unreachable(_)) => true,
                (Fate::Refused(one), Fate::Refused(other)) => *one == other && [FAILS, REFUSES].contains(one),
                _ => false,
            };
            if !is_for_all {
                let server = server.ip();
                return Unresolved::Failed(format!(
                    "the name server {server} is of no help about {name}: {fate}"
                ));
            }
        }
        Unresolved::Unreachable(match fates {
            [] => "no name server is named in /etc/resolv.conf".into(),
            [(server, fate), ..] => format!("no name server helps: {} {fate}", server.ip()),
        })
    }

    async fn ask_one(&self, server: SocketAddr, name: Name, kind: Kind) -> Fate {
        let Some(id) = random() else {
            return Fate::Unreachable(io::Error::other("no random number is to be had"));
        };
        let question = Question { id: u16::from_ne_bytes(id), name, kind };
        match within(self.patience.reply, by_datagram(server, &question)).await {
            Some(Ok(Fate::Answered(answer))) if answer.is_cut => {
                match within(self.patience.reply, by_stream(server, &question)).await {
                    Some(Ok(fate)) => fate,
                    // What was said is not all, but it is something.
                    _ if !answer.records.is_empty() => Fate::Answered(answer),
                    _ => Fate::Silent,
                }
            }
            Some(fate) => fate.unwrap_or_else(Fate::Unreachable),
            None => Fate::Silent,
        }
    }
}

/// A socket for each question, so that its port is another one each time; connected, so that the kernel takes datagrams
/// of the server only, and tells if nobody is there. RFC 5452 §9.1, §9.2.
async fn by_datagram(server: SocketAddr, question: &Question) -> io::Result<Fate> {
    let here: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = Async::<UdpSocket>::bind((here, 0))?;
    socket.get_ref().connect(server)?;
    socket.send(&question.octets()).await?;
    let mut octets = [0; DATAGRAM_OCTETS];
    for _ in 0..limits::STRAY_ANSWERS {
        let count = socket.recv(&mut octets).await?;
        match question.answer(&octets[..count]) {
            Err(NoAnswer::Stray) => {}
            read => return Ok(fate(read)),
        }
    }
    Ok(Fate::Silent)
}

/// RFC 1035 §4.2.2.
async fn by_stream(server: SocketAddr, question: &Question) -> io::Result<Fate> {
    let mut stream = Async::<TcpStream>::connect(server).await?;
    let octets = question.octets();
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), &octets[..]].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).await?;
    Ok(fate(question.answer(&octets)))
}

fn fate(read: Result<Answer, NoAnswer>) -> Fate {
    match read {
        Ok(Answer { outcome: Outcome::Failed(number), .. }) => Fate::Refused(number),
        Ok(answer) => Fate::Answered(answer),
        Err(_) => Fate::Garbled,
    }
}

/// Octets that nobody can guess; none if the system has none.
pub(super) fn random<const OCTETS: usize>() -> Option<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    SystemRandom::new().fill(&mut octets).ok().map(|()| octets)
}

impl fmt::Display for Fate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Answered(_) => out.write_str("answers"),
            Fate::Refused(FAILS) => out.write_str("fails (SERVFAIL)"),
            Fate::Refused(REFUSES) => out.write_str("refuses"),
            Fate::Refused(number) => write!(out, "refuses with number {number}"),
            Fate::Garbled => out.write_str("says what can't be read"),
            Fate::Silent => out.write_str("does not answer in time"),
            Fate::Unreachable(error) => write!(out, "can't be reached: {error}"),
        }
    }
}

/// Name servers send 512 octets to who doesn't ask for more. RFC 1035 §4.2.1.
const DATAGRAM_OCTETS: usize = 4096;
/// Numbers for reasons. RFC 1035 §4.1.1.
const FAILS: u8 = 2;
const REFUSES: u8 = 5;
