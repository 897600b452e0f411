//! Plays one dialog against the server, in one way of cutting what is sent and inside or outside TLS.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::house::{HOST_NAME, House, Room};
use crate::proofs::{self, Scram};
use crate::script::{Script, Step, Token, expand, matches, octets};

/// How what the client sends is cut into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Consecutive lines in one write.
    Whole,
    /// Each octet by itself.
    Octets,
    /// Wherever this seed has it.
    Random(u64),
}

/// Whether TLS is begun before the dialog's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// As the door has it.
    AsWritten,
    /// By STARTTLS or STLS; the greeting counts as the dialog's.
    Started,
    /// On the neighbouring port with implicit TLS.
    Implicit,
}

/// One way of playing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// How it is cut.
    pub cut: Cut,
    /// Where it is played.
    pub layer: Layer,
}

/// Why a play failed, and at which line of the file.
pub struct Failure {
    /// The line.
    pub line: usize,
    /// What was expected and what came.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.what)
    }
}

/// Longer than the slowest answer to a wrong password.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays the dialog once.
pub fn play(script: &Script, way: Way) -> Result<(), Failure> {
    let house = House::open(script.house);
    let room = house.room(script).map_err(|what| Failure { line: 0, what })?;
    let random = match way.cut {
        Cut::Random(seed) => fastrand::Rng::with_seed(seed),
        _ => fastrand::Rng::with_seed(0),
    };
    let mut player = Player {
        house,
        room,
        script,
        way,
        random,
        peer: fresh_address(),
        open: BTreeMap::new(),
        skipped: Vec::new(),
    };
    let mut at = 0;
    while let Some((line, step)) = script.steps.get(at) {
        let fail = |what| Failure { line: *line, what };
        if let Step::Send(connection, _) = step {
            let group = script.steps[at..].iter().map(|(_, step)| match step {
                Step::Send(of, text) if of == connection => Some(text),
                _ => None,
            });
            let texts: Vec<_> = group.take_while(Option::is_some).flatten().collect();
            at += texts.len();
            player.send(*connection, &texts).map_err(fail)?;
        } else {
            at += 1;
            player.step(step).map_err(fail)?;
        }
    }
    let end = script.steps.last().map_or(0, |(line, _)| *line);
    player.finish().map_err(|what| Failure { line: end, what })
}

struct Player<'a> {
    house: &'static House,
    room: Room,
    script: &'a Script,
    way: Way,
    random: fastrand::Rng,
    peer: Ipv4Addr,
    open: BTreeMap<u8, Connection>,
    skipped: Vec<Vec<u8>>,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(..) => Ok(()),
            Step::Expect(connection, pattern) => {
                let tokens = expand(pattern, &self.room.names)?;
                let line = self.connection(*connection)?.line()?;
                self.learn(&line)?;
                agree(&tokens, pattern, &line)
            }
            Step::Skip(connection, pattern) => self.skip(*connection, pattern),
            Step::Has(pattern) => match self.find(pattern)? {
                Some(_) => Ok(()),
                None => Err(format!("no line like {pattern:?} among {}", shown(&self.skipped.concat()))),
            },
            Step::Lacks(pattern) => match self.find(pattern)? {
                Some(line) => Err(format!("a line like {pattern:?}: {}", shown(&line))),
                None => Ok(()),
            },
            Step::Closed(connection) => self.connection(*connection)?.closed(),
            Step::Gone(connection, text) => {
                let text = octets(text, &self.room.names)?;
                self.connection(*connection)?.gone(&text)
            }
            Step::StartTls(connection) => {
                let house = self.house;
                self.connection(*connection)?.start_tls(house)
            }
            Step::Drop(connection) => {
                self.open.remove(connection);
                Ok(())
            }
            Step::Login(connection) => self.login(*connection),
            Step::Scram(connection, password) => self.scram(*connection, password),
            Step::Count(who, count) => match self.house.count(&self.room, who)? {
                found if found == *count => Ok(()),
                found => Err(format!("{count} messages expected for {who}, {found} found")),
            },
            Step::Retrieved(who, count) => match self.house.retrieved(&self.room, who)? {
                found if found == *count => Ok(()),
                found => Err(format!("{count} retrieved messages expected for {who}, {found} found")),
            },
            Step::Newest(who, pattern) => {
                let message = self.house.newest(&self.room, who)?;
                agree(&expand(pattern, &self.room.names)?, pattern, &message)
            }
        }
    }

    fn send(&mut self, connection: u8, texts: &[&String]) -> Result<(), String> {
        let mut sent = Vec::new();
        for text in texts {
            sent.extend(octets(text, &self.room.names)?);
        }
        self.connection(connection)?;
        let pieces: Vec<&[u8]> = match self.way.cut {
            Cut::Whole => vec![&sent],
            Cut::Octets => sent.chunks(1).collect(),
            Cut::Random(_) => cut(&sent, &mut self.random),
        };
        let connection = self.connection(connection)?;
        for piece in pieces {
            // A server that has closed is met when its answer is read.
            if connection.stream.write_all(piece).and_then(|()| connection.stream.flush()).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn skip(&mut self, connection: u8, pattern: &str) -> Result<(), String> {
        let tokens = expand(pattern, &self.room.names)?;
        self.skipped.clear();
        loop {
            let line = self.connection(connection)?.line().map_err(|what| {
                format!("{pattern:?} expected, then {what}; before it {}", shown(&self.skipped.concat()))
            })?;
            self.skipped.push(line.clone());
            if matches(&tokens, &line) {
                return Ok(());
            }
        }
    }

    fn find(&self, pattern: &str) -> Result<Option<Vec<u8>>, String> {
        let tokens = expand(pattern, &self.room.names)?;
        Ok(self.skipped.iter().find(|line| matches(&tokens, line)).cloned())
    }

    /// Computes what a client could answer to a time stamp or a challenge: `{apop}`, `{cram-md5}`.
    fn learn(&mut self, line: &[u8]) -> Result<(), String> {
        let password = octets("{pass}", &self.room.names)?;
        let text = String::from_utf8_lossy(line);
        if let (true, Some(stamp)) = (text.starts_with("+OK "), proofs::stamp(&text)) {
            self.room.names.insert("apop", proofs::apop(stamp, &password));
        }
        let challenge = text.split_once(' ').and_then(|(_, text)| Base64::decode_vec(text).ok());
        let challenge = challenge.and_then(|octets| String::from_utf8(octets).ok());
        if let Some(challenge) = challenge.as_deref().and_then(proofs::stamp) {
            self.room.names.insert("cram-md5", proofs::cram_md5(challenge, &password));
        }
        Ok(())
    }

    /// A whole exchange of SCRAM-SHA-256 but for the last reply.
    fn scram(&mut self, connection: u8, password: &str) -> Result<(), String> {
        let password = octets(password, &self.room.names)?;
        let mut scram = Scram::new(&self.room.names["user"], &password, self.random.u64(..));
        self.send(connection, &[&format!("AUTH SCRAM-SHA-256 {}\\r\\n", scram.first())])?;
        let server_first = self.challenge(connection)?;
        self.send(connection, &[&format!("{}\\r\\n", scram.last(&server_first)?)])?;
        if password != octets("{pass}", &self.room.names)? {
            return Ok(());
        }
        scram.ends(&self.challenge(connection)?)?;
        self.send(connection, &[&"\\r\\n".to_owned()])
    }

    fn challenge(&mut self, connection: u8) -> Result<String, String> {
        let line = String::from_utf8_lossy(&self.connection(connection)?.line()?).into_owned();
        let challenge = line.strip_prefix("+ ").or_else(|| line.strip_prefix("334 "));
        challenge.map(str::to_owned).ok_or_else(|| format!("a challenge expected, got {line:?}"))
    }

    /// Logs on; a maildrop that a dropped connection still holds is asked for again.
    fn login(&mut self, number: u8) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let command = octets("USER {user}\\r\\nPASS {pass}\\r\\n", &self.room.names)?;
            let connection = self.connection(number)?;
            connection.line()?;
            connection.stream.write_all(&command).map_err(|cause| cause.to_string())?;
            connection.stream.flush().map_err(|cause| cause.to_string())?;
            let replies = (connection.line()?, connection.line()?);
            if replies.0.starts_with(b"+OK") && replies.1.starts_with(b"+OK") {
                return Ok(());
            }
            if !replies.1.starts_with(b"-ERR [IN-USE]") || Instant::now() > end {
                return Err(format!("no logon: {} {}", shown(&replies.0), shown(&replies.1)));
            }
            self.open.remove(&number);
        }
    }

    /// Every connection that is still open gets no unexpected word more after its end of input.
    fn finish(mut self) -> Result<(), String> {
        for connection in self.open.values_mut() {
            connection.stream.shut_down();
            connection.closed()?;
        }
        Ok(())
    }

    fn connection(&mut self, number: u8) -> Result<&mut Connection, String> {
        if !self.open.contains_key(&number) {
            let connection = Connection::open(self.house, self.script, self.way.layer, self.peer)
                .map_err(|cause| format!("can't connect: {cause}"))?;
            self.open.insert(number, connection);
        }
        self.open.get_mut(&number).ok_or_else(|| "no connection".into())
    }
}

/// Cuts into pieces of 1 to 40 octets.
fn cut<'a>(mut sent: &'a [u8], random: &mut fastrand::Rng) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let most = [3, 12, 40, 4000][random.usize(..4)];
    while !sent.is_empty() {
        let (piece, rest) = sent.split_at(random.usize(1..=sent.len().min(most)));
        pieces.push(piece);
        sent = rest;
    }
    pieces
}

/// A loopback address for each play, so that the penalty for one play's wrong password is its own.
fn fresh_address() -> Ipv4Addr {
    static NUMBER: AtomicU32 = AtomicU32::new(0x7F4D_0001);
    Ipv4Addr::from(NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn agree(tokens: &[Token], pattern: &str, text: &[u8]) -> Result<(), String> {
    if matches(tokens, text) { Ok(()) } else { Err(format!("{pattern:?} expected, got {}", shown(text))) }
}

fn shown(text: &[u8]) -> String {
    let shown = text.escape_ascii().to_string();
    if shown.len() > 1000 { format!("{}... ({} octets)", &shown[..1000], text.len()) } else { shown }
}

struct Connection {
    stream: Stream,
    inbox: Vec<u8>,
}

impl Connection {
    fn open(house: &House, script: &Script, layer: Layer, peer: Ipv4Addr) -> Result<Connection, String> {
        let implicit = match script.door.as_str() {
            "pop3" => "pop3s",
            "submission" => "submissions",
            other => other,
        };
        let door = if layer == Layer::Implicit { implicit } else { script.door.as_str() };
        let stream = Stream::Plain(dial(house.address(door), peer).map_err(|cause| cause.to_string())?);
        let mut connection = Connection { stream, inbox: Vec::new() };
        if matches!(door, "pop3s" | "submissions") && !script.in_the_clear {
            connection.start_tls(house)?;
        }
        if layer == Layer::Started {
            connection.start(house, door == "pop3")?;
        }
        Ok(connection)
    }

    /// Begins TLS in the protocol's own way, then gives the greeting back.
    fn start(&mut self, house: &House, is_pop3: bool) -> Result<(), String> {
        let greeting = self.line()?;
        if is_pop3 {
            self.say("STLS", "+OK")?;
        } else {
            self.say("EHLO client.test", "250 ")?;
            self.say("STARTTLS", "220 ")?;
        }
        self.start_tls(house)?;
        self.inbox = [greeting.as_slice(), b"\r\n"].concat();
        Ok(())
    }

    fn say(&mut self, command: &str, reply: &str) -> Result<(), String> {
        write!(self.stream, "{command}\r\n").map_err(|cause| cause.to_string())?;
        loop {
            let line = self.line()?;
            if line.starts_with(reply.as_bytes()) {
                return Ok(());
            }
            if !line.starts_with(b"250-") {
                return Err(format!("{command} was answered {}", shown(&line)));
            }
        }
    }

    fn start_tls(&mut self, house: &House) -> Result<(), String> {
        if !self.inbox.is_empty() {
            return Err(format!("octets before the handshake: {}", shown(&self.inbox)));
        }
        let Stream::Plain(socket) = &self.stream else {
            return Err("TLS is there already".into());
        };
        let mut socket = socket.try_clone().map_err(|cause| cause.to_string())?;
        let name = ServerName::try_from(HOST_NAME).map_err(|cause| cause.to_string())?;
        let mut session =
            ClientConnection::new(house.tls.clone(), name).map_err(|cause| cause.to_string())?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|cause| format!("no TLS handshake: {cause}"))?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(session, socket)));
        Ok(())
    }

    /// The server's next line without its CRLF; a line that ends in any other way is a failure.
    fn line(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(end) = self.inbox.iter().position(|octet| *octet == b'\n') {
                let mut line: Vec<u8> = self.inbox.drain(..=end).collect();
                line.pop();
                return match line.pop() {
                    Some(b'\r') => Ok(line),
                    _ => Err(format!("a line without CRLF: {}", shown(&line))),
                };
            }
            if self.fill().map_err(|cause| format!("no line: {cause}"))? == 0 {
                return Err(format!("the server closed after {:?}", shown(&self.inbox)));
            }
        }
    }

    fn closed(&mut self) -> Result<(), String> {
        while self.inbox.is_empty() {
            match self.fill() {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(cause) if is_end(&cause) => return Ok(()),
                Err(cause) => return Err(format!("the server should have closed: {cause}")),
            }
        }
        Err(format!("the server should have closed, but said {}", shown(&self.inbox)))
    }

    fn gone(&mut self, text: &[u8]) -> Result<(), String> {
        while self.fill().or_else(|cause| if is_end(&cause) { Ok(0) } else { Err(cause.to_string()) })? > 0 {}
        match self.inbox.windows(text.len()).any(|window| window == text) {
            true => Err(format!("{} in {}", shown(text), shown(&self.inbox))),
            false => {
                self.inbox.clear();
                Ok(())
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let octets = self.stream.read(&mut piece)?;
        self.inbox.extend_from_slice(&piece[..octets]);
        Ok(octets)
    }
}

/// Ends of a connection other than an orderly one: unread input makes the kernel reset it.
fn is_end(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
    )
}

fn dial(server: SocketAddr, peer: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(peer, 0))?;
    connect(&socket, &server)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn shut_down(&mut self) {
        let socket = match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => {
                tls.conn.send_close_notify();
                let _ = tls.flush();
                &tls.sock
            }
        };
        let _ = socket.shutdown(Shutdown::Write);
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(into),
            Stream::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(octets),
            Stream::Tls(tls) => tls.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}
