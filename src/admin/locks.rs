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

pub(super) async fn lock_mailbox(
    context: &Context,
    address: Address,
    lock: Lock,
) -> Result<Answer, AdminError> {
    let mailbox = mailbox(context, &address).await?;
    if mailbox.domain_lock.is_locked() && !lock.is_locked() {
        let domain = address.domain();
        return Err(AdminError::new(
            Failure::Refused,
            format!(
                "{address} stays locked while its domain {domain} is: unlock that first: poppet unlock {domain}"
            ),
        ));
    }
    context.store.lock_mailbox(address, lock).await?;
    if lock.is_locked() {
        end_sessions(context, [mailbox.id]);
    }
    Ok(Answer::Done)
}
