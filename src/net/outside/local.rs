//! The system's accounts, by the small process that alone reads shadow.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Semaphore;

use super::directory::{Waiting, within};
use crate::auth::{Absence, Finding, Person};
use crate::limits;
use crate::local::{self, Answer, Claim, HEADER_OCTETS, Question};
use crate::mail::{Account, Secret};
use crate::store::Store;

/// Asks the helper: one connection a question, no more at once than [`limits::OUTSIDE_QUESTIONS`].
pub struct Local {
    store: Store,
    places: Semaphore,
    waiting: AtomicUsize,
    patience: Duration,
}

/// What became of a question.
enum Reply {
    Answer(Answer),
    /// Why there is none, and what to do.
    None(String),
}

impl Local {
    /// Asks nobody yet.
    pub fn new(store: Store) -> Local {
        Local {
            store,
            places: Semaphore::new(limits::OUTSIDE_QUESTIONS),
            waiting: AtomicUsize::new(0),
            patience: limits::OUTSIDE_ANSWER,
        }
    }

    /// Whether that is the person's password. An account with another uid than the one known is another one's (S-220).
    pub async fn prove(&self, person: &Person, password: &Secret) -> Finding {
        let (name, uid) = match account(person) {
            Ok(account) => account,
            Err(why) => return Finding::Wrong(why),
        };
        let Some(_place) = self.places.try_acquire() else { return Finding::Busy };
        let password = Some(Secret::new(password.expose()));
        let claim = Claim { uid, password, trusts_clock: !self.store.has_suspect_clock() };
        match self.ask(&name, Some(claim), self.patience).await {
            Reply::Answer(Answer::Account(uid)) => Finding::Right(Some(with_uid(name, uid))),
            Reply::Answer(Answer::Refused(reason)) => Finding::Wrong(reason.text(&name)),
            Reply::Answer(Answer::Busy) => Finding::Busy,
            Reply::Answer(Answer::Unreadable) => Finding::Unavailable(UNREADABLE.into()),
            Reply::None(why) => Finding::Unavailable(why),
        }
    }

    /// The person's account, with its uid as its identity. One that is locked or has expired is found: it gets mail.
    pub async fn find(&self, person: &Person) -> Result<Account, Absence> {
        let (name, uid) = account(person).map_err(Absence::Refused)?;
        let reply = self.wait_and_ask(&name, None).await;
        found(name, uid, reply)
    }

    /// The same for somebody who has proved himself in another way than by the password: an account that is locked or
    /// has expired lets him in no more than with it.
    pub async fn admit(&self, person: &Person) -> Result<Account, Absence> {
        let (name, uid) = account(person).map_err(Absence::Refused)?;
        let claim = Claim { uid, password: None, trusts_clock: !self.store.has_suspect_clock() };
        let reply = self.wait_and_ask(&name, Some(claim)).await;
        found(name, None, reply)
    }

    /// Asks when there is a place; waiting for it is part of the time that all may take.
    async fn wait_and_ask(&self, name: &str, proof: Option<Claim>) -> Reply {
        let until = Instant::now() + self.patience;
        let Some(waiting) = Waiting::begin(&self.waiting) else { return Reply::Answer(Answer::Busy) };
        let Some(_place) = within(self.patience, self.places.acquire()).await else {
            return Reply::Answer(Answer::Busy);
        };
        drop(waiting);
        self.ask(name, proof, until.saturating_duration_since(Instant::now())).await
    }

    async fn ask(&self, name: &str, proof: Option<Claim>, patience: Duration) -> Reply {
        let settings = self.store.settings();
        let question = Question { name: name.into(), allows_old: settings.old_hashes, proof };
        let socket = &settings.local_socket;
        let late = async {
            smol::Timer::after(patience).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match converse(socket, &question).or(late).await {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => Reply::None(unreachable(socket, &error)),
        }
    }
}

/// One question, one answer.
async fn converse(socket: &str, question: &Question) -> io::Result<Answer> {
    let question = question.encode().ok_or(io::ErrorKind::InvalidInput)?;
    let mut helper = Async::<UnixStream>::connect(socket).await?;
    // Who is told that too many ask is told before he has spoken.
    let sent = helper.write_all(&question).await;
    let mut header = [0; HEADER_OCTETS];
    if let Err(error) = helper.read_exact(&mut header).await {
        return Err(sent.err().unwrap_or(error));
    }
    if local::length(&header) != Some(Answer::OCTETS) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut answer = [0; Answer::OCTETS];
    helper.read_exact(&mut answer).await?;
    Answer::decode(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name and the uid by which the person is known, or else the name before the @.
fn account(person: &Person) -> Result<(String, Option<u32>), String> {
    let Some(account) = &person.account else { return Ok((person.address.local_part().into(), None)) };
    let uid = match account.identity.as_slice() {
        [] => None,
        octets => Some(octets.try_into().map(u32::from_be_bytes).map_err(|_| {
            format!(
                "the mailbox {0} belongs to no local account: bind it to one by \"poppet account {0} NAME\"",
                person.address
            )
        })?),
    };
    Ok((account.name.clone(), uid))
}

/// The account of an answer, which must have that uid if one is known.
fn found(name: String, uid: Option<u32>, reply: Reply) -> Result<Account, Absence> {
    match reply {
        Reply::Answer(Answer::Account(found)) if uid.is_some_and(|uid| uid != found) => {
            Err(Absence::Refused(local::Reason::OtherUid.text(&name)))
        }
        Reply::Answer(Answer::Account(uid)) => Ok(with_uid(name, uid)),
        Reply::Answer(Answer::Refused(reason)) => Err(Absence::Refused(reason.text(&name))),
        Reply::Answer(Answer::Busy) => Err(Absence::Unavailable(BUSY.into())),
        Reply::Answer(Answer::Unreadable) => Err(Absence::Unavailable(UNREADABLE.into())),
        Reply::None(why) => Err(Absence::Unavailable(why)),
    }
}

fn with_uid(name: String, uid: u32) -> Account {
    Account { name, identity: uid.to_be_bytes().into() }
}

fn unreachable(socket: &str, error: &io::Error) -> String {
    let start = format!(
        "start poppet-local.socket, or \"poppet local-users --socket {socket} --group GROUP\" as root, with the group that the server has"
    );
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("nobody answers about local accounts at {socket}: {start}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{socket} is not for the server's user: let him into its group")
        }
        io::ErrorKind::TimedOut => {
            format!(
                "no answer about local accounts came from {socket} in time: look into the log of poppet-local"
            )
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => format!(
            "the question about a local account was not answered at {socket}: look into the log of poppet-local"
        ),
        io::ErrorKind::InvalidData => {
            format!("what answers at {socket} is another version of poppet, or something else: {start}")
        }
        _ => format!("local accounts can't be asked about at {socket}: {error}; {start}"),
    }
}

const BUSY: &str = "too many ask about local accounts at once: try again";
const UNREADABLE: &str =
    "the helper for local accounts can't read passwd, shadow and group: look into the log of poppet-local";

#[cfg(test)]
mod tests;
