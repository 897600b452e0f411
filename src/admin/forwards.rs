//! Mailboxes whose mail goes on to other addresses (O5), and whether what leads elsewhere has a way there.

use super::missing::no_mailbox;
use super::{AdminError, Context, Failure, OutgoingTold, accounts, aliases};
use crate::mail::{Address, AliasTarget, Lane, RemoteAddress};
use crate::relay::routing;
use crate::store::{Forward, StoreError};

/// Every forward, or that of a mailbox.
pub(super) async fn forwards(context: &Context, of: Option<Address>) -> Result<OutgoingTold, AdminError> {
    let Some(address) = of else {
        return Ok(OutgoingTold::Forwards(context.store.forwards().await?, Vec::new()));
    };
    accounts::mailbox(context, &address).await?;
    match context.store.forward(address.clone()).await? {
        Some(forward) => Ok(OutgoingTold::Forwards(vec![(address, forward)], Vec::new())),
        None => Err(no_forward(&address)),
    }
}

/// Has a mailbox's mail go on, or no more.
pub(super) async fn set(
    context: &Context,
    address: Address,
    forward: Option<Forward>,
) -> Result<OutgoingTold, AdminError> {
    let mailbox = accounts::mailbox(context, &address).await?;
    let before = context.store.forward(address.clone()).await?;
    if forward.is_none() && before.is_none() {
        return Err(no_forward(&address));
    }
    match context.store.set_forward(address.clone(), forward).await {
        // It was removed just now, or a target is none, which the store says.
        Err(StoreError::NotFound(text)) => {
            return Err(match context.store.mailbox(address.clone()).await? {
                Some(_) => AdminError::new(Failure::NotFound, text),
                None => no_mailbox(context, &address).await,
            });
        }
        result => result?,
    }
    let kept = context.store.forward(address.clone()).await?;
    let mut notes: Vec<String> =
        before.filter(|before| Some(before) != kept.as_ref()).map(was).into_iter().collect();
    if let Some(kept) = &kept {
        notes.extend(no_way_out(context, Some(&address), &kept.targets));
        let is_locked = [mailbox.lock, mailbox.domain_lock].contains(&super::Lock::All);
        notes.extend(is_locked.then(|| {
            format!(
                "{address} is locked for all and takes no mail, so nothing is forwarded: \"poppet unlock\" ends that."
            )
        }));
    }
    Ok(OutgoingTold::Forwards(kept.map(|kept| (address, kept)).into_iter().collect(), notes))
}

/// What it means that mail to some of these can't leave, in a line for people; nothing if all of it can.
pub(super) fn no_way_out(
    context: &Context,
    sender: Option<&Address>,
    targets: &[AliasTarget],
) -> Option<String> {
    let outside = targets.iter().filter(|target| match target {
        AliasTarget::Outside(text) => {
            routing::lane(&context.store, sender, &RemoteAddress::from_path(text)) == Lane::Nowhere
        }
        AliasTarget::Address(_) | AliasTarget::Domain(_) => false,
    });
    let stuck: Vec<AliasTarget> = outside.cloned().collect();
    let names = aliases::shown(&stuck);
    (!stuck.is_empty()).then(|| {
        format!(
            "There is no way to {names} yet, so mail can't go there: \"poppet set smarthost HOST\" names a server that \
             takes it, \"poppet route\" one for a domain."
        )
    })
}

fn was(before: Forward) -> String {
    let copy = if before.keeps_copy { "with a copy here" } else { "without a copy here" };
    format!("Before, mail went on to {}, {copy}.", aliases::shown(&before.targets))
}

fn no_forward(address: &Address) -> AdminError {
    let text = format!("{address} forwards to nobody: \"poppet forward {address} TO\" names somebody");
    AdminError::new(Failure::NotFound, text)
}
