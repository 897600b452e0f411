//! A server that takes mail, or doesn't, as a test wants it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Where a session stands when a test may step in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Connected, and nothing said.
    Connected,
    /// That command was read, and not answered.
    Command(String),
    /// That command was answered.
    Answered(String),
    /// The first octets of a body were read.
    Body,
    /// A body was read to its end, and not answered.
    End,
    /// The body's end was answered.
    Taken,
}

/// What happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// What is usual.
    Usual,
    /// That instead of the usual reply.
    Say(&'static str),
    /// The connection is dropped.
    Drop,
    /// The connection stays, and nobody speaks until it is gone.
    Silence,
}

/// What it does at each step of each session, which are counted from 0.
pub type Script = dyn Fn(usize, &Step) -> Act + Send + Sync;

/// A stream in the clear, or inside TLS.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// What covers a connection with TLS.
pub type Cover = dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync;

/// The server.
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    /// TLS: behind STARTTLS where that is offered, else from the first octet on.
    cover: Option<Box<Cover>>,
    extensions: &'static str,
    is_lmtp: bool,
    bodies: Mutex<Vec<Vec<u8>>>,
    commands: Mutex<Vec<String>>,
    sessions: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    is_over: AtomicBool,
}

impl Sink {
    /// One that takes everything.
    pub fn new() -> Sink {
        Sink::playing(|_, _| Act::Usual)
    }

    /// One that plays that script.
    pub fn playing(script: impl Fn(usize, &Step) -> Act + Send + Sync + 'static) -> Sink {
        Sink::with("", false, None, script)
    }

    /// One that offers these lines of EHLO's reply, speaks LMTP, and is inside TLS.
    pub fn with(
        extensions: &'static str,
        is_lmtp: bool,
        cover: Option<Box<Cover>>,
        script: impl Fn(usize, &Step) -> Act + Send + Sync + 'static,
    ) -> Sink {
        Sink::on(TcpListener::bind("127.0.0.1:0").unwrap(), extensions, is_lmtp, cover, script)
    }

    /// One that takes everything, at a socket that listens already.
    pub fn at(listener: TcpListener) -> Sink {
        Sink::on(listener, "", false, None, |_, _| Act::Usual)
    }

    fn on(
        listener: TcpListener,
        extensions: &'static str,
        is_lmtp: bool,
        cover: Option<Box<Cover>>,
        script: impl Fn(usize, &Step) -> Act + Send + Sync + 'static,
    ) -> Sink {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            cover,
            extensions,
            is_lmtp,
            bodies: Mutex::default(),
            commands: Mutex::default(),
            sessions: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if serving.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&serving);
                thread::spawn(move || shared.serve(socket));
            }
        });
        Sink { address, shared }
    }

    /// How it is named as a smart host.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Bodies that came to their end, without dot-stuffing.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.shared.bodies.lock().unwrap().clone()
    }

    /// What was said to it.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// Connections that it has had.
    pub fn sessions(&self) -> usize {
        self.shared.sessions.load(Ordering::SeqCst)
    }

    /// The most connections at once.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // So that the listener's thread looks, and the port is closed.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, socket: TcpStream) {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let number = self.sessions.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        let naked = socket.try_clone().unwrap();
        let stream: Option<Box<dyn Stream>> = match &self.cover {
            Some(cover) if !self.extensions.contains("STARTTLS") => cover(socket),
            _ => Some(Box::new(socket)),
        };
        if let Some(stream) = stream {
            let _ = self.talk(number, BufReader::new(stream), naked);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// None when the session is over.
    fn talk(&self, number: usize, mut stream: BufReader<Box<dyn Stream>>, naked: TcpStream) -> Option<()> {
        let mut is_covered = !self.extensions.contains("STARTTLS");
        self.play(number, &Step::Connected, "220 sink ready\r\n", &mut stream)?;
        let mut recipients = 0;
        loop {
            let line = read_line(&mut stream)?;
            let verb = line.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            self.commands.lock().unwrap().push(line);
            let reply = match verb.as_str() {
                "EHLO" | "LHLO" if is_covered => {
                    format!("250-sink\r\n{}250 SIZE 0\r\n", self.extensions.replace("250-STARTTLS\r\n", ""))
                }
                "EHLO" | "LHLO" => format!("250-sink\r\n{}250 SIZE 0\r\n", self.extensions),
                "AUTH" => "235 come in\r\n".into(),
                "DATA" => "354 go on\r\n".into(),
                "QUIT" => "221 bye\r\n".into(),
                _ => "250 ok\r\n".into(),
            };
            match verb.as_str() {
                "MAIL" => recipients = 0,
                "RCPT" => recipients += 1,
                _ => {}
            }
            let said = self.play(number, &Step::Command(verb.clone()), &reply, &mut stream)?;
            if verb == "STARTTLS" && said {
                is_covered = true;
                stream = BufReader::new(self.cover.as_ref()?(naked.try_clone().unwrap())?);
            } else if verb == "DATA" && said {
                self.take_body(number, if self.is_lmtp { recipients } else { 1 }, &mut stream)?;
            } else if self.play(number, &Step::Answered(verb.clone()), "", &mut stream).is_none()
                || verb == "QUIT"
            {
                return None;
            }
        }
    }

    fn take_body(
        &self,
        number: usize,
        replies: usize,
        stream: &mut BufReader<Box<dyn Stream>>,
    ) -> Option<()> {
        self.play(number, &Step::Answered("DATA".into()), "", stream)?;
        let mut body = Vec::new();
        let mut is_begun = false;
        loop {
            let mut line = Vec::new();
            if stream.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            if !is_begun {
                is_begun = true;
                self.play(number, &Step::Body, "", stream)?;
            }
            if line == b".\r\n" {
                break;
            }
            body.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        self.bodies.lock().unwrap().push(body);
        for _ in 0..replies {
            self.play(number, &Step::End, "250 taken\r\n", stream)?;
        }
        self.play(number, &Step::Taken, "", stream).map(drop)
    }

    /// Says what is usual, if the script says nothing else; whether it was the usual. None ends the session.
    fn play(
        &self,
        number: usize,
        step: &Step,
        usual: &str,
        stream: &mut BufReader<Box<dyn Stream>>,
    ) -> Option<bool> {
        let (text, is_usual) = match (self.script)(number, step) {
            Act::Usual => (usual, true),
            Act::Say(text) => (text, false),
            Act::Drop => return None,
            Act::Silence => {
                let _ = stream.read_to_end(&mut Vec::new());
                return None;
            }
        };
        let stream = stream.get_mut();
        stream.write_all(text.as_bytes()).ok()?;
        stream.flush().ok()?;
        Some(is_usual)
    }
}

fn read_line(stream: &mut BufReader<Box<dyn Stream>>) -> Option<String> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).ok()? == 0 {
        return None;
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}
