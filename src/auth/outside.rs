//! Who knows users that are not in the password file: asked by the gatekeeper, answered by another room.

use std::pin::Pin;

use crate::mail::{Account, Address, Secret};
use crate::settings::Method;

/// The record of the directory's search account: its password, sealed for this very name.
pub const DIRECTORY_PASSWORD: &str = "directory.password";

/// What an answer from elsewhere comes as.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// His mailbox's address.
    pub address: Address,
    /// His account there, if another name or an identity is known; else it goes by the address.
    pub account: Option<Account>,
}

/// Knows users by the system's accounts or by a directory. Each answer comes within
/// [`crate::limits::OUTSIDE_ANSWER`]; none of them blocks a thread.
pub trait Outside: Send + Sync {
    /// Whether that is the person's password, which is not empty. Asked once for each logon that the throttle lets
    /// through: a directory locks accounts out for wrong ones (S-205).
    fn prove(&self, method: Method, person: Person, password: Secret) -> Answering<'_, Finding>;

    /// The person's account, for a mailbox that is to be added or moved to that method.
    fn find(&self, method: Method, person: Person) -> Answering<'_, Result<Account, Absence>>;

    /// The same for somebody who has proved himself in another way than by his password: only if the account lets him
    /// in now, and is the one that his mailbox is bound to. Unless it is known better, whoever is found is let in.
    fn admit(&self, method: Method, person: Person) -> Answering<'_, Result<Account, Absence>> {
        self.find(method, person)
    }

    /// Whether that method can be used now; else why not and what to do, in one line. Unless it is known better, by
    /// [`look_for_nobody`].
    fn probe(&self, method: Method) -> Answering<'_, Result<(), String>> {
        Box::pin(look_for_nobody(self, method))
    }

    /// Has [`Outside::find`] search with that sealed password of the directory's account instead of the one that is
    /// kept, until this is said without one; for who wants to know whether it is right before it is kept.
    fn search_with(&self, _sealed: Option<Vec<u8>>) {}

    /// Whether NTLM can be passed on: Samba's helper is installed (A7).
    fn relays_ntlm(&self) -> bool;
}

/// What became of a password that was tried elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is his; with the account as it is now, if more is known of it than before.
    Right(Option<Account>),
    /// It is not, or he may not come in: one answer for the peer, the reason for the log (S-204).
    Wrong(String),
    /// Nobody could tell: it counts as no try (S-196). Why, for the log.
    Unavailable(String),
    /// Too many ask at once.
    Busy,
}

/// Why an account can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// There is none, or it may not be used: what is wrong and what to do, in one line.
    Refused(String),
    /// Nobody could tell: what is wrong and what to do, in one line.
    Unavailable(String),
}

/// Asks for a person who is known nowhere; errs with the reason if nobody could tell.
pub async fn look_for_nobody(outside: &(impl Outside + ?Sized), method: Method) -> Result<(), String> {
    let Ok(address) = NOBODY.parse() else { return Ok(()) };
    match outside.find(method, Person { address, account: None }).await {
        Ok(_) | Err(Absence::Refused(_)) => Ok(()),
        Err(Absence::Unavailable(why)) => Err(why),
    }
}

/// A person who is known nowhere.
const NOBODY: &str = "poppet-probe@poppet.invalid";
