//! The public half of the control socket: every local user may connect, and say one thing: his own password.
//!
//! It has places and a pace of its own, so that no crowd here keeps an administrator out (S-324).

use std::collections::HashMap;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::Mode;
use rustix::net::sockopt;
use rustix::process::{Uid, geteuid};
use smol::future::FutureExt;
use smol::io::AsyncWriteExt;
use smol::{Async, Executor};

use super::bound::Bound;
use super::frame::{self, Speech};
use super::own::{SERVICE_DATABASE, SERVICE_FOLDER, beside, runtime_folder};
use super::talk::{late, read_request};
use crate::admin::own::{self, Denied, OwnPassword};
use crate::admin::{AdminError, Context, Failure};
use crate::auth::{Peer, address_of_local_user};
use crate::mail::Address;
use crate::net::fold::Topic;
use crate::net::server::Server;
use crate::net::{ServeError, alarm, task};
use crate::{limits, ticket};

/// The bound public socket.
#[derive(Debug)]
pub struct PublicDoor(Bound);

impl PublicDoor {
    /// Makes the socket where other users can reach it: in the folder that the service manager made, in the service's
    /// own if this is its database, else beside the database. Errs as [`super::Door::bind`] does.
    pub fn bind(database: &Path) -> Result<PublicDoor, ServeError> {
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        Bound::bind(place_for(database)?, mode, limits::OWN_CLIENTS as i32).map(PublicDoor)
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

/// The folder in which the socket for users' own acts will be, which is made if it is ours to make; none if there is no
/// place for it.
pub fn own_folder(database: &Path) -> Option<PathBuf> {
    let folder = place_for(database).ok()?.parent().map(Path::to_owned);
    folder.filter(|folder| !folder.as_os_str().is_empty())
}

fn place_for(database: &Path) -> Result<PathBuf, ServeError> {
    if let Some(folder) = runtime_folder() {
        return Ok(folder.join("own.sock"));
    }
    if geteuid().is_root() && database == Path::new(SERVICE_DATABASE) {
        make_service_folder(Path::new(SERVICE_FOLDER))?;
        return Ok(Path::new(SERVICE_FOLDER).join("own.sock"));
    }
    Ok(beside(database))
}

/// Everybody may go through it, and nobody but root puts anything in.
fn make_service_folder(folder: &Path) -> Result<(), ServeError> {
    let failed = |error| ServeError(format!("can't make the folder {}: {error}", folder.display()));
    match std::fs::DirBuilder::new().mode(0o755).create(folder) {
        // The umask may have taken something away.
        Ok(()) => {
            return rustix::fs::chmod(folder, Mode::from_raw_mode(0o755))
                .map_err(|error| failed(error.into()));
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let about = std::fs::symlink_metadata(folder).map_err(failed)?;
    if about.is_dir() && about.uid() == geteuid().as_raw() && about.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(ServeError(format!("{} is no folder that only root may write to: move it away", folder.display())))
}

async fn accept(
    socket: Arc<Async<UnixListener>>,
    context: Context,
    server: Arc<Server>,
    executor: Arc<Executor<'static>>,
) {
    let crowd = Arc::new(Crowd::default());
    loop {
        let Ok((client, _)) = socket.accept().await else {
            alarm::rest(&server.clock, limits::ACCEPT_REST).await;
            continue;
        };
        let Ok(user) = sockopt::socket_peercred(&client).map(|peer| peer.uid) else { continue };
        let Some(place) = crowd.enter(user) else {
            turn_away(&client);
            // Else whoever connects all the time would have a thread for himself.
            alarm::rest(&server.clock, limits::OWN_REST).await;
            continue;
        };
        let (context, server) = (context.clone(), Arc::clone(&server));
        let serving = async move {
            if let Err(cause) = serve(client, user, context, &server).await {
                let line =
                    format_args!("user {} wanted a new password and was sent away: {cause}", user.as_raw());
                server.fold.warn(Topic::OwnPassword, server.clock.monotonic(), line);
            }
            drop(place);
        };
        task::begin(&executor, serving).detach();
    }
}

/// One wish, one answer, which waits as that of a logon does while it keeps its place.
async fn serve(
    mut client: Async<UnixStream>,
    user: Uid,
    context: Context,
    server: &Server,
) -> Result<(), String> {
    let wish = request(&mut client).or(late(limits::CONTROL_REQUEST)).await?;
    let peer = Peer::from(address_of_local_user(user.as_raw()));
    let changed = task::unblock(move || ticket::block_on(own::change(&context, wish, &peer))).await;
    let answer = match changed {
        Ok(address) => {
            log::info!(
                "{address} has a new password, changed by user {} who knew the old one",
                user.as_raw()
            );
            Ok(address)
        }
        Err(denied) => {
            tell_denial(user, &denied, server);
            alarm::rest(&server.clock, denied.delay).await;
            Err(denied.error)
        }
    };
    let answer = encode(&answer).ok_or("the answer is too long")?;
    let answered = async { client.write_all(&answer).await.map_err(|error| error.to_string()) };
    answered.or(late(limits::WRITE_STALL)).await
}

fn tell_denial(user: Uid, denied: &Denied, server: &Server) {
    let line = format_args!("user {} wanted a new password: {}", user.as_raw(), denied.error.text);
    server.fold.write(Topic::OwnPassword, log::Level::Info, server.clock.monotonic(), line);
}

async fn request(client: &mut Async<UnixStream>) -> Result<OwnPassword, String> {
    let content = read_request(client, Speech::Own, limits::OWN_REQUEST_OCTETS).await?;
    match postcard::take_from_bytes(content.expose()) {
        Ok((wish, [])) => Ok(wish),
        _ => Err("it sent something else".into()),
    }
}

/// Tells whoever finds no place, if he listens.
fn turn_away(client: &Async<UnixStream>) {
    let text = "too many change their passwords at once: try again in a minute";
    if let Some(answer) = encode(&Err(AdminError::new(Failure::Failed, text))) {
        let _ = rustix::net::send(
            client,
            &answer,
            rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT,
        );
    }
}

fn encode(answer: &Result<Address, AdminError>) -> Option<Vec<u8>> {
    frame::encode(Speech::Own, answer)
}

/// Who is being served.
#[derive(Debug, Default)]
struct Crowd(Mutex<HashMap<u32, usize>>);

/// A place in the crowd, free again when it is dropped.
#[derive(Debug)]
struct Place {
    crowd: Arc<Crowd>,
    user: u32,
}

impl Crowd {
    /// A place for that user; none if he has his, or if there are none left.
    fn enter(self: &Arc<Crowd>, user: Uid) -> Option<Place> {
        let user = user.as_raw();
        let mut users = self.lock();
        let all: usize = users.values().sum();
        let own = users.get(&user).copied().unwrap_or_default();
        if all >= limits::OWN_CLIENTS || own >= limits::OWN_CLIENTS_PER_USER {
            return None;
        }
        users.insert(user, own + 1);
        drop(users);
        Some(Place { crowd: Arc::clone(self), user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut users = self.crowd.lock();
        match users.get_mut(&self.user) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(users.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Command;
    use crate::mail::Secret;

    fn user(number: u32) -> Uid {
        Uid::from_raw(number)
    }

    #[test]
    fn nobody_takes_more_places_than_his_and_all_together_no_more_than_there_are_s_324() {
        let crowd = Arc::new(Crowd::default());
        let mine: Vec<_> =
            (0..limits::OWN_CLIENTS_PER_USER).map(|_| crowd.enter(user(1000)).unwrap()).collect();
        assert!(crowd.enter(user(1000)).is_none());
        let places: Vec<_> = (2000..).map_while(|number| crowd.enter(user(number))).collect();
        assert_eq!(mine.len() + places.len(), limits::OWN_CLIENTS);
        drop(mine);
        let again = crowd.enter(user(1000)).unwrap();
        drop((places, again));
        assert!(crowd.lock().is_empty());
    }

    fn heard(octets: &[u8]) -> Result<OwnPassword, String> {
        let (mut client, server) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut client, octets).unwrap();
        drop(client);
        smol::block_on(async { request(&mut Async::new(server).unwrap()).await })
    }

    #[test]
    fn one_wish_is_understood_and_nothing_else_s_323() {
        let wish = OwnPassword {
            user_name: "alice@home.lan".into(),
            old: Secret::new("old"),
            new: Secret::new("new"),
        };
        let request = frame::encode(Speech::Own, &wish).unwrap();
        assert_eq!(heard(&request), Ok(wish.clone()));
        for cut in 0..request.len() {
            heard(&request[..cut]).unwrap_err();
        }
        let with_more = frame::encode(Speech::Own, &(wish.clone(), 0_u8)).unwrap();
        heard(&with_more).unwrap_err();
        heard(&frame::encode(Speech::Administrator, &wish).unwrap()).unwrap_err();
        for command in [Command::Status, Command::Domains, Command::AddDomain("evil.lan".parse().unwrap())] {
            for speech in [Speech::Own, Speech::Administrator] {
                heard(&frame::encode(speech, &command).unwrap()).unwrap_err();
            }
        }
        heard(b"ppo1\xff\xff\xff\xff").unwrap_err();
    }

    #[test]
    fn a_request_is_held_at_its_edge_s_324() {
        let wish = |octets: usize| {
            let wish =
                OwnPassword { user_name: "x".repeat(octets), old: Secret::new(""), new: Secret::new("") };
            frame::encode(Speech::Own, &wish).unwrap()
        };
        // Two octets of its length, one each of the passwords'.
        let most = limits::OWN_REQUEST_OCTETS - 4;
        for octets in [most - 1, most] {
            assert!(heard(&wish(octets)).is_ok(), "{octets}");
        }
        assert!(heard(&wish(most + 1)).is_err());
    }

    #[test]
    fn the_service_s_folder_is_open_to_all_and_roots_alone_s_325() {
        let folder = std::env::temp_dir().join(format!("poppet-run-{:016x}", fastrand::u64(..)));
        make_service_folder(&folder).unwrap();
        make_service_folder(&folder).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder), 0o755);
        rustix::fs::chmod(&folder, Mode::from_raw_mode(0o777)).unwrap();
        make_service_folder(&folder).unwrap_err();
        std::fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink("/", &folder).unwrap();
        make_service_folder(&folder).unwrap_err();
        std::fs::remove_file(&folder).unwrap();
    }
}
