//! The control socket: the command line's way into the running server. Length-prefixed, versioned,
//! for root and the service's user only (S-323). Its public half takes one thing from everybody: a new password of
//! his own.
//!
//! ```text
//! poppet.sock   0600  ppc1  root, server's user -> door   -> admin::execute
//! own.sock      0666  ppo1  every local user    -> public -> admin::own::change, as slow as a logon
//! ```

mod bound;
pub mod door;
mod frame;
mod own;
mod place;
pub mod public;
mod talk;

pub use door::Door;
pub use own::change_own;
pub use public::{PublicDoor, own_folder};

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::{AdminError, Answer, Command, Failure};
use crate::limits;
use crate::mail::Secret;
use frame::Speech;

/// Where the control socket of a database is: `poppet.redb` gives `poppet.sock`.
pub fn socket_path(database: &Path) -> PathBuf {
    database.with_extension("sock")
}

/// Asks the running server; none if no server listens there. Blocks.
pub fn ask(database: &Path, command: &Command) -> Option<Result<Answer, AdminError>> {
    let path = socket_path(database);
    match place::reach(&path, |short| UnixStream::connect(short)) {
        Ok(socket) => Some(converse(Speech::Administrator, socket, command, patience_for(command))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => None,
        // Whoever then opens the database is told what helps.
        Err(_) if place::closed_own_folder(&path).is_some() => None,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(Err(unreachable(format!(
            "{} is not for this user; run this as root or as the server's user",
            path.display()
        )))),
        Err(error) => Some(Err(unreachable(format!(
            "the server can't be reached at {}: {error}; look whether it runs",
            path.display()
        )))),
    }
}

/// How long an act may take.
fn patience_for(command: &Command) -> Duration {
    match command {
        Command::MigrateAuth(_) => limits::MIGRATION_ANSWER,
        _ => limits::CONTROL_ANSWER,
    }
}

/// Says one thing and hears one.
fn converse<T: DeserializeOwned>(
    speech: Speech,
    mut socket: UnixStream,
    question: &impl Serialize,
    patience: Duration,
) -> Result<T, AdminError> {
    let request = frame::encode(speech, question).map(Secret::new).ok_or_else(|| {
        unreachable("the command is too long for the running server; give less at once".into())
    })?;
    let answer =
        exchange(speech, &mut socket, request.expose(), patience).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => hung_up(),
            ErrorKind::InvalidData => other_version(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                unreachable("the server does not answer; look into its log, or restart it".into())
            }
            _ => unreachable(format!("the connection to the server broke: {error}; try again")),
        })?;
    postcard::from_bytes::<Result<T, AdminError>>(&answer).map_err(|_| other_version())?
}

fn exchange(
    speech: Speech,
    socket: &mut UnixStream,
    request: &[u8],
    patience: Duration,
) -> io::Result<Vec<u8>> {
    socket.set_write_timeout(Some(limits::CONTROL_REQUEST))?;
    socket.set_read_timeout(Some(patience))?;
    socket.write_all(request)?;
    let mut header = [0; frame::HEADER_OCTETS];
    socket.read_exact(&mut header)?;
    let octets =
        frame::length(speech, &header, limits::CONTROL_ANSWER_OCTETS).ok_or(ErrorKind::InvalidData)?;
    // What is announced need not come: memory follows what does.
    let mut answer = Vec::new();
    socket.take(octets as u64).read_to_end(&mut answer)?;
    if answer.len() == octets { Ok(answer) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// As a server does that ends meanwhile, and one that does not understand.
fn hung_up() -> AdminError {
    unreachable(
        "the server has hung up: it was stopped meanwhile, or is another version of poppet; start it again, and look \
         what was done"
            .into(),
    )
}

fn other_version() -> AdminError {
    unreachable("the running server is another version of poppet: restart it".into())
}

fn unreachable(text: String) -> AdminError {
    AdminError { kind: Failure::Unreachable, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_beside_the_database() {
        assert_eq!(
            socket_path(Path::new("/var/lib/poppet/poppet.redb")),
            Path::new("/var/lib/poppet/poppet.sock")
        );
    }

    #[test]
    fn a_server_of_another_version_is_told_by_its_answer() {
        for answer in [&b""[..], b"ppc1", b"ppc2\0\0\0\0", b"ppc1\xff\xff\xff\xff", b"ppc1\x02\0\0\0\x01"] {
            let (mut server, mut client) = UnixStream::pair().unwrap();
            server.write_all(answer).unwrap();
            server.shutdown(std::net::Shutdown::Write).unwrap();
            let error =
                exchange(Speech::Administrator, &mut client, b"?", limits::CONTROL_ANSWER).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData),
                "{answer:?}: {error}"
            );
        }
    }

    /// A server that was stopped in the middle of a migration was told to be another version.
    #[test]
    fn a_server_that_hangs_up_may_have_been_stopped() {
        let (server, client) = UnixStream::pair().unwrap();
        drop(server);
        let answer: Result<(), _> =
            converse(Speech::Administrator, client, &Command::Auth, limits::CONTROL_ANSWER);
        let error = answer.unwrap_err();
        assert_eq!(error.kind, Failure::Unreachable);
        assert!(error.text.contains("stopped meanwhile, or is another version"), "{}", error.text);
    }

    #[test]
    fn an_answer_comes_back_whole() {
        let (mut server, mut client) = UnixStream::pair().unwrap();
        server.write_all(b"ppc1\x03\0\0\0abc").unwrap();
        let answer = exchange(Speech::Administrator, &mut client, b"?", limits::CONTROL_ANSWER).unwrap();
        assert_eq!(answer, b"abc");
    }
}
