//! What was removed is brought back.

use super::{AdminError, Answer, Context, Failure, elsewhere, late};
use crate::auth::Person;
use crate::clock::{Clock, UnixTime};
use crate::mail::Address;
use crate::settings::Method;
use crate::store::Level;

pub(super) async fn undelete(
    context: &Context,
    address: Address,
    since: Option<UnixTime>,
    is_dry_run: bool,
) -> Result<Answer, AdminError> {
    if context.store.settings().undo_days == 0 {
        let text = "nothing that is removed is kept: \"poppet set undo_days 7\" keeps it from then on";
        return Err(AdminError::new(Failure::Refused, text));
    }
    let undeleted = context.store.undelete(address.clone(), since, is_dry_run).await?;
    let mut notes = Vec::new();
    if undeleted.is_mailbox_back && !is_dry_run {
        notes = reunite(context, &address).await?;
        let settings = context.store.settings_of(&Level::Mailbox(address));
        notes.extend(late::of_hops(context, &settings.outgoing.smarthosts));
    }
    Ok(Answer::Undeleted { undeleted, notes })
}

/// A mailbox that comes back after the method was changed has neither password nor account: it gets its account, or
/// its administrator is told what to do.
async fn reunite(context: &Context, address: &Address) -> Result<Vec<String>, AdminError> {
    let Some(mailbox) = context.store.mailbox(address.clone()).await? else { return Ok(Vec::new()) };
    let settings = context.store.settings();
    if settings.auth == Method::File {
        let is_shut = mailbox.password.is_empty() && settings.auth_learn.is_none();
        let note = format!(
            "Users have been known in another way meanwhile, so it has no password: \"poppet passwd {address}\" gives \
             it one."
        );
        return Ok(is_shut.then_some(note).into_iter().collect());
    }
    if mailbox.account.is_some() {
        return Ok(Vec::new());
    }
    let person = Person { address: address.clone(), account: None };
    let why = match elsewhere::find(context, settings.auth, person).await {
        Ok(account) => match elsewhere::holder(&context.store.users().await?, address, &account) {
            Some(other) => format!("{} is the account of {other}", account.name),
            None => {
                context.store.bind_account(settings.auth, address.clone(), Some(account)).await?;
                return Ok(Vec::new());
            }
        },
        Err(error) => error.text,
    };
    Ok(vec![format!("Its user can't log on yet: {why}.")])
}

/// Until when what is removed now can be brought back; none for not at all.
pub(super) fn end_of_undo(context: &Context) -> Option<UnixTime> {
    let days = u64::from(context.store.settings().undo_days);
    (days > 0).then(|| UnixTime(Clock::system(UnixTime(0)).now().0.saturating_add(days * 86_400)))
}
