//! The server's side of the control socket: a few clients at once, each with little time (S-324).

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::net::sockopt;
use rustix::process::geteuid;
use smol::future::{self, FutureExt};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Semaphore;
use smol::{Async, Executor};

use super::bound::Bound;
use super::frame::{self, Speech};
use super::socket_path;
use super::talk::{late, read_request};
use crate::admin::{self, Asker, Command, Context};
use crate::net::ServeError;
use crate::net::alarm;
use crate::net::fold::Topic;
use crate::net::server::Server;
use crate::net::task;
use crate::{limits, ticket};

/// The bound control socket.
#[derive(Debug)]
pub struct Door(Bound);

impl Door {
    /// Makes the socket beside the database, for this user and root alone. What a dead server left is
    /// removed; errs if a server listens there, or if something else is in the place (S-325).
    pub fn bind(database: &Path) -> Result<Door, ServeError> {
        let mode = Mode::RUSR | Mode::WUSR;
        Bound::bind(socket_path(database), mode, limits::CONTROL_CLIENTS as i32).map(Door)
    }

    /// Accepts for ever.
    pub fn accept(
        &self,
        context: Context,
        server: Arc<Server>,
        executor: Arc<Executor<'static>>,
    ) -> impl Future<Output = ()> + Send + use<> {
        accept(self.0.socket(), context, server, executor)
    }

    /// Removes the socket, unless another one has taken its place.
    pub fn remove(self) {
        self.0.remove();
    }
}

async fn accept(
    socket: Arc<Async<UnixListener>>,
    context: Context,
    server: Arc<Server>,
    executor: Arc<Executor<'static>>,
) {
    let places = Arc::new(Semaphore::new(limits::CONTROL_CLIENTS));
    let mut spare = None;
    loop {
        let place = places.acquire_arc().await;
        spare = spare.or_else(|| socket.as_fd().try_clone_to_owned().ok());
        let Some(client) = accept_with(&socket, &mut spare).await else {
            alarm::rest(&server.clock, limits::ACCEPT_REST).await;
            continue;
        };
        let (context, server) = (context.clone(), Arc::clone(&server));
        let serving = async move {
            if let Err(cause) = serve(client, context).await {
                let line = format_args!("control socket: a client was sent away: {cause}");
                server.fold.warn(Topic::Control, server.clock.monotonic(), line);
            }
            drop(place);
        };
        task::begin(&executor, serving).detach();
    }
}

/// Gives up a spare descriptor for the client where there is no other: an administrator gets in when nobody else does
/// (S-269).
async fn accept_with(socket: &Async<UnixListener>, spare: &mut Option<OwnedFd>) -> Option<Async<UnixStream>> {
    if let Ok((client, _)) = socket.accept().await {
        return Some(client);
    }
    drop(spare.take()?);
    let (client, _) = socket.get_ref().accept().ok()?;
    Async::new(client).ok()
}

/// One request, one answer; what makes no sense closes this client only.
async fn serve(mut client: Async<UnixStream>, context: Context) -> Result<(), String> {
    let peer = sockopt::socket_peercred(&client).map_err(|error| error.to_string())?.uid;
    if !peer.is_root() && peer != geteuid() {
        return Err(format!("user {} is neither root nor this server's user", peer.as_raw()));
    }
    let command = request(&mut client).or(late(limits::CONTROL_REQUEST)).await?;
    let asker = Asker::default();
    let context = Context { asker: asker.clone(), ..context };
    // A server that stops hears no answer any more.
    let _leaving = Leaving(asker.clone());
    // A command may hash a password, which would hold up the sessions of this thread.
    let executing = task::unblock(move || {
        let answer = ticket::block_on(admin::execute(&context, command));
        frame::encode(Speech::Administrator, &answer)
    });
    let answer = executing.or(watch(&mut client, &asker)).await.ok_or("the answer is too long")?;
    let answered = async { client.write_all(&answer).await.map_err(|error| error.to_string()) };
    answered.or(late(limits::WRITE_STALL)).await
}

/// Notes that nobody waits for the answer any more, when it is dropped.
struct Leaving(Asker);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Notes when a client hangs up who waits for his answer; ends never.
async fn watch<T>(client: &mut Async<UnixStream>, asker: &Asker) -> T {
    // Who goes on talking is there, and not listened to.
    while matches!(client.read(&mut [0; 64]).await, Ok(1..)) {}
    asker.leave();
    future::pending().await
}

async fn request(client: &mut Async<UnixStream>) -> Result<Command, String> {
    let content = read_request(client, Speech::Administrator, limits::CONTROL_REQUEST_OCTETS).await?;
    postcard::from_bytes(content.expose()).map_err(|_| "it sent an unknown command".into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    use super::*;
    use crate::net::control::place;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("poppet-door-{:016x}-{name}", fastrand::u64(..)));
            std::fs::create_dir(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_socket_is_for_its_owner_alone_s_323() {
        let folder = Folder::new("mode");
        let door = Door::bind(&folder.0.join("poppet.redb")).unwrap();
        let path = folder.0.join("poppet.sock");
        assert_eq!(std::fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
        door.remove();
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_server_left_is_replaced_and_a_living_one_is_not_s_325() {
        let folder = Folder::new("stale");
        let database = folder.0.join("poppet.redb");
        drop(Door::bind(&database).unwrap());
        assert!(folder.0.join("poppet.sock").exists());
        let _living = Door::bind(&database).unwrap();
        let ServeError(text) = Door::bind(&database).unwrap_err();
        assert!(text.starts_with("another server runs on this database"), "{text}");
    }

    /// An administrator broke a migration off, and minutes later the server moved all mailboxes: their passwords were
    /// made for nobody.
    #[test]
    fn a_client_who_hangs_up_is_seen_to_leave_while_his_command_is_carried_out() {
        for says in [&b""[..], b"and", b"andmore"] {
            let (here, mut there) = UnixStream::pair().unwrap();
            let (mut client, asker) = (Async::new(here).unwrap(), Asker::default());
            std::io::Write::write_all(&mut there, says).unwrap();
            let is_there = async { (0..100).map(|_| asker.is_gone()).all(|is_gone| !is_gone) };
            assert!(smol::block_on(is_there.or(watch(&mut client, &asker))));
            drop(there);
            let noted = async {
                while !asker.is_gone() {
                    future::yield_now().await;
                }
            };
            smol::block_on(noted.or(watch(&mut client, &asker)));
        }
    }

    #[test]
    fn what_is_no_socket_of_ours_stays_s_325() {
        let folder = Folder::new("foreign");
        let (database, path) = (folder.0.join("poppet.redb"), folder.0.join("poppet.sock"));
        std::fs::write(&path, "precious").unwrap();
        Door::bind(&database).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");

        std::fs::rename(&path, folder.0.join("target")).unwrap();
        std::os::unix::fs::symlink("target", &path).unwrap();
        Door::bind(&database).unwrap_err();
        assert_eq!(std::fs::read(folder.0.join("target")).unwrap(), b"precious");
    }

    #[test]
    fn a_successors_socket_is_left_alone() {
        let folder = Folder::new("successor");
        let database = folder.0.join("poppet.redb");
        let first = Door::bind(&database).unwrap();
        std::fs::remove_file(folder.0.join("poppet.sock")).unwrap();
        let _second = Door::bind(&database).unwrap();
        first.remove();
        assert!(folder.0.join("poppet.sock").exists());
    }

    #[test]
    fn a_path_longer_than_an_address_works_too() {
        let folder = Folder::new(&"long".repeat(40));
        let database = folder.0.join("poppet.redb");
        let _door = Door::bind(&database).unwrap();
        let path = folder.0.join("poppet.sock");
        assert!(path.exists());
        place::reach(&path, |short| UnixStream::connect(short)).unwrap();
    }
}
