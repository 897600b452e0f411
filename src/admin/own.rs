//! A user changes his own password (A14): the old one is proved as at a logon, with its delays and locks.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::end_sessions;
use super::{AdminError, Context, Failure};
use crate::auth::{self, Peer, Verdict, Welcome, check_password};
use crate::limits;
use crate::mail::{Address, Secret};
use crate::settings::Method;

/// What a user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPassword {
    /// His name, in any form in which he logs on.
    pub user_name: String,
    /// His password until now.
    pub old: Secret,
    /// His password from now on.
    pub new: Secret,
}

/// Why he keeps the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What he is told.
    pub error: AdminError,
    /// How long the answer must wait (S-169).
    pub delay: Duration,
}

/// Gives a user a new password once he has proved the old one; says whose it is now. It blocks for the time of a hash,
/// so a server calls it on a thread that may block; it waits for nothing else, so whoever calls it lets the delay pass.
/// His sessions end (S-180). On a denial nothing has changed.
pub async fn change(context: &Context, wish: OwnPassword, peer: &Peer) -> Result<Address, Denied> {
    check_method(context)?;
    check_wish(&wish)?;
    for _ in 0..limits::OWN_ROUNDS {
        let welcome = prove(context, &wish, peer).await?;
        let address = &welcome.address;
        let mailbox = context.store.mailbox(address.clone()).await.map_err(AdminError::from)?;
        let Some(mailbox) = mailbox.filter(|mailbox| mailbox.mark == welcome.mark) else { continue };
        // Proved once more, for the record that is replaced: an administrator may have set another since.
        prove(context, &wish, peer).await?;
        let record = seal(context, &welcome, &wish.new)?;
        let replaced = context.store.replace_password(address.clone(), mailbox.password, record).await;
        if replaced.map_err(AdminError::from)? {
            end_sessions(context, [mailbox.id]);
            return Ok(welcome.address);
        }
    }
    Err(denied(Failure::Failed, "the password has just been changed by somebody else: try again"))
}

/// A password that is easy to read and type, for an account that is made.
pub fn fresh_password() -> Result<Secret, AdminError> {
    auth::fresh_password().ok_or_else(|| {
        let text = "the system gives no random numbers: look at /dev/urandom, or give a password by --password-stdin";
        AdminError::new(Failure::Failed, text)
    })
}

/// Only the password file is ours to change.
fn check_method(context: &Context) -> Result<(), Denied> {
    match context.store.settings().auth {
        Method::File => Ok(()),
        Method::Local => Err(denied(
            Failure::Refused,
            "your password is the system's: change it with passwd(1) if you have a shell, or ask the administrator, who \
             sets it as root with passwd NAME",
        )),
        Method::Directory => {
            Err(denied(Failure::Refused, "your password is the directory's: change it there"))
        }
    }
}

/// What needs no look at the mailbox.
fn check_wish(wish: &OwnPassword) -> Result<(), Denied> {
    if wish.user_name.len() > limits::USER_NAME_OCTETS {
        return Err(denied(Failure::Usage, "that is no mailbox: name one, such as alice@home.lan"));
    }
    check_password(&wish.new).map_err(AdminError::from)?;
    match wish.new == wish.old {
        true => Err(denied(Failure::Refused, "the new password is the old one: choose another")),
        false => Ok(()),
    }
}

async fn prove(context: &Context, wish: &OwnPassword, peer: &Peer) -> Result<Welcome, Denied> {
    let verdict = context.gatekeeper.prove_own(&wish.user_name, wish.old.clone(), peer).await;
    let (kind, text, delay) = match verdict {
        Verdict::Welcome(welcome) if welcome.is_locked => {
            let text = format!("{} is locked: ask the administrator", welcome.address);
            return Err(denied(Failure::Refused, text));
        }
        Verdict::Welcome(welcome) => return Ok(welcome),
        Verdict::Refused { delay } => (
            Failure::Refused,
            "the old password is wrong, or there is no such mailbox: nothing was changed, try again",
            delay,
        ),
        Verdict::Busy => (Failure::Failed, "too many logons at once: try again in a minute", Duration::ZERO),
        Verdict::StoreFailed | Verdict::Unavailable => {
            let text = "the passwords can't be looked at now: try again later, or tell the administrator";
            (Failure::Failed, text, Duration::ZERO)
        }
    };
    Err(Denied { error: AdminError::new(kind, text), delay })
}

/// One at a time, whoever asks: the memory of hashes that no gate counts is bounded so.
fn seal(context: &Context, welcome: &Welcome, new: &Secret) -> Result<Vec<u8>, Denied> {
    let _turn = SEALING.lock().unwrap_or_else(PoisonError::into_inner);
    let sealed = context.gatekeeper.seal_password(&welcome.address, welcome.mark, new);
    Ok(sealed.map_err(AdminError::from)?)
}

fn denied(kind: Failure, text: impl Into<String>) -> Denied {
    AdminError::new(kind, text).into()
}

impl From<AdminError> for Denied {
    fn from(error: AdminError) -> Denied {
        Denied { error, delay: Duration::ZERO }
    }
}

static SEALING: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests;
