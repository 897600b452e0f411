//! A server of a few lines: what it does is told by a function of what it was asked.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::ldap::tests::server as say;
use crate::wire::ber::{self, Tag};

/// What a client did; each with the number of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Connect(usize),
    StartTls(usize),
    Bind(usize, String, String),
    /// The base and the filter's octets.
    Search(usize, String, Vec<u8>),
    Unbind(usize),
}

/// What the server does about it; the number is the question's.
pub enum Act {
    /// Sends these octets.
    Say(Vec<u8>),
    /// Sends these octets, and closes the connection.
    SayAndClose(Vec<u8>),
    /// Says nothing, and waits for what comes.
    Silence,
    /// Sends these octets, and begins TLS.
    Secure(Vec<u8>),
}

pub type Script = Arc<dyn Fn(&Deed, i64) -> Act + Send + Sync>;

pub struct Server {
    pub address: SocketAddr,
    deeds: Arc<Mutex<Vec<Deed>>>,
}

trait Octets: Read + Write {}

impl<T: Read + Write> Octets for T {}

impl Server {
    /// Serves in clear text; TLS comes by StartTLS, if the script wants it.
    pub fn start(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Deed, i64) -> Act + Send + Sync + 'static,
    ) -> Server {
        Server::serve(tls, false, Arc::new(script))
    }

    /// Serves inside TLS.
    pub fn start_inside(
        tls: Arc<ServerConfig>,
        script: impl Fn(&Deed, i64) -> Act + Send + Sync + 'static,
    ) -> Server {
        Server::serve(Some(tls), true, Arc::new(script))
    }

    fn serve(tls: Option<Arc<ServerConfig>>, is_implicit: bool, script: Script) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { address: listener.local_addr().unwrap(), deeds: Arc::default() };
        let deeds = Arc::clone(&server.deeds);
        // They end with the test's process, or with what they serve.
        thread::spawn(move || {
            for (number, socket) in listener.incoming().flatten().enumerate() {
                let talk =
                    Talk { number, tls: tls.clone(), script: Arc::clone(&script), deeds: Arc::clone(&deeds) };
                thread::spawn(move || talk.serve(socket, is_implicit));
            }
        });
        server
    }

    pub fn deeds(&self) -> Vec<Deed> {
        self.locked().clone()
    }

    pub fn connections(&self) -> usize {
        self.locked().iter().filter(|deed| matches!(deed, Deed::Connect(_))).count()
    }

    /// Names that were bound, in order, with the number of the connection.
    pub fn binds(&self) -> Vec<(usize, String)> {
        let bind = |deed: &Deed| match deed {
            Deed::Bind(number, name, _) => Some((*number, name.clone())),
            _ => None,
        };
        self.locked().iter().filter_map(bind).collect()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Deed>> {
        self.deeds.lock().unwrap()
    }
}

struct Talk {
    number: usize,
    tls: Option<Arc<ServerConfig>>,
    script: Script,
    deeds: Arc<Mutex<Vec<Deed>>>,
}

impl Talk {
    fn serve(self, socket: TcpStream, is_implicit: bool) {
        let deed = Deed::Connect(self.number);
        let act = (self.script)(&deed, 0);
        self.deeds.lock().unwrap().push(deed);
        if let Act::SayAndClose(_) = act {
            return;
        }
        let mut stream: Box<dyn Octets> = match is_implicit {
            true => Box::new(self.secured(socket.try_clone().unwrap())),
            false => Box::new(socket.try_clone().unwrap()),
        };
        let mut input = Vec::new();
        while let Some(message) = next(&mut *stream, &mut input) {
            let (id, tag, content) = say::asked(&message);
            let deed = self.deed(tag, &content);
            let act = (self.script)(&deed, id);
            let is_end = matches!(deed, Deed::Unbind(_));
            self.deeds.lock().unwrap().push(deed);
            match act {
                _ if is_end => break,
                Act::Say(octets) => stream.write_all(&octets).unwrap(),
                Act::SayAndClose(octets) => {
                    let _ = stream.write_all(&octets);
                    break;
                }
                Act::Silence => {}
                Act::Secure(octets) => {
                    stream.write_all(&octets).unwrap();
                    stream = Box::new(self.secured(socket.try_clone().unwrap()));
                }
            }
        }
        let _ = socket.shutdown(Shutdown::Both);
    }

    fn secured(&self, socket: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(self.tls.clone().unwrap()).unwrap(), socket)
    }

    fn deed(&self, tag: Tag, content: &[u8]) -> Deed {
        match tag.0 {
            0x60 => {
                let (name, password) = say::bind(content);
                Deed::Bind(self.number, name, String::from_utf8(password).unwrap())
            }
            0x63 => {
                let (base, _, filter) = say::search(content);
                Deed::Search(self.number, base, filter)
            }
            0x77 => Deed::StartTls(self.number),
            0x42 => Deed::Unbind(self.number),
            strange => panic!("a client asked {strange:#x}"),
        }
    }
}

/// The next message; none if the client has gone.
fn next(stream: &mut dyn Octets, input: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = ber::frame(input, 1 << 20).unwrap() {
            return Some(input.drain(..length).collect());
        }
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
