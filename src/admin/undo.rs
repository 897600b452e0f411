//! What was removed is brought back.

use super::{AdminError, Answer, Context, Failure};
use crate::clock::{Clock, UnixTime};
use crate::mail::Address;

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
    Ok(Answer::Undeleted(context.store.undelete(address, since, is_dry_run).await?))
}

/// Until when what is removed now can be brought back; none for not at all.
pub(super) fn end_of_undo(context: &Context) -> Option<UnixTime> {
    let days = u64::from(context.store.settings().undo_days);
    (days > 0).then(|| UnixTime(Clock::system(UnixTime(0)).now().0.saturating_add(days * 86_400)))
}
