//! Locking and unlocking (C2): a locked mailbox can't be read, while sending works and mail still arrives, unless it is
//! locked for that too.

use super::accounts::{end_sessions, mailbox, rows};
use super::missing::no_domain;
use super::{AdminError, Answer, Context, Failure};
use crate::mail::{Address, Domain};
use crate::store::{Lock, StoreError};

pub(super) async fn lock_domain(context: &Context, domain: Domain, lock: Lock) -> Result<Answer, AdminError> {
    match context.store.lock_domain(domain.clone(), lock).await {
        Err(StoreError::NotFound(_)) => return Err(no_domain(context, &domain).await),
        result => result?,
    }
    if lock.is_locked() {
        end_sessions(context, rows(context, Some(domain)).await?.iter().map(|row| row.id));
    }
    Ok(Answer::Done)
}

/// A lockout for wrong passwords ends with the unlocking; also that of an address without a mailbox, and of a mailbox
/// whose own lock is open while its domain is locked.
pub(super) async fn lock_mailbox(
    context: &Context,
    address: Address,
    lock: Lock,
) -> Result<Answer, AdminError> {
    let is_locked_out = !lock.is_locked() && context.gatekeeper.is_locked_out(&address);
    let mailbox = match mailbox(context, &address).await {
        Err(error) if error.kind == Failure::NotFound && is_locked_out => {
            return lift(context, &address).await;
        }
        result => result?,
    };
    if mailbox.domain_lock.is_locked() && !lock.is_locked() {
        if is_locked_out && !mailbox.lock.is_locked() {
            return lift(context, &address).await;
        }
        let domain = address.domain();
        return Err(AdminError::new(
            Failure::Refused,
            format!(
                "{address} stays locked while its domain {domain} is: unlock that first: poppet unlock {domain}"
            ),
        ));
    }
    context.store.lock_mailbox(address.clone(), lock).await?;
    if lock.is_locked() {
        end_sessions(context, [mailbox.id]);
        return Ok(Answer::Done);
    }
    lift(context, &address).await
}

async fn lift(context: &Context, address: &Address) -> Result<Answer, AdminError> {
    let was_locked_out = context.gatekeeper.lift_lockout(address).await?;
    Ok(Answer::Unlocked { was_locked_out })
}
