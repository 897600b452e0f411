//! Domains, mailboxes and aliases go, and what goes with them is told.

use super::accounts::{end_sessions, rows};
use super::missing::{no_domain_or_alias, no_mailbox_or_alias};
use super::{AdminError, Answer, Context, Failure, aliases, outgoing};
use crate::mail::{Address, Alias, Domain};
use crate::store::MailboxRow;

pub(super) async fn remove_domain(
    context: &Context,
    domain: Domain,
    is_confirmed: bool,
) -> Result<Answer, AdminError> {
    let alias = Alias::Domain(domain.clone());
    if aliases::find(context, &alias).await?.is_some() {
        return aliases::remove(context, alias).await;
    }
    if !context.store.has_domain(domain.clone()).await? {
        return Err(no_domain_or_alias(context, &domain).await);
    }
    let mailboxes = rows(context, Some(domain.clone())).await?;
    let postmaster = postmaster_among(context, &mailboxes);
    let with_it = WithIt {
        mailboxes: mailboxes.len() as u64,
        aliases: aliases::count_with(context, &domain).await?,
        messages: messages(&mailboxes),
    };
    if (with_it.mailboxes > 0 || with_it.aliases > 0) && !is_confirmed {
        return Err(goes_with_it(&domain.to_string(), &with_it, postmaster));
    }
    let dead_ends = aliases::dead_ends(context).await?;
    context.store.remove_domain(domain.clone()).await?;
    end_sessions(context, mailboxes.iter().map(|row| row.id));
    forget(context, postmaster).await?;
    let addresses = mailboxes.iter().map(|row| row.address.clone());
    outgoing::forget_password(context, Some(&domain), addresses).await?;
    removed(context, &mailboxes, with_it.aliases, &dead_ends).await
}

pub(super) async fn remove_mailbox(
    context: &Context,
    address: Address,
    is_confirmed: bool,
) -> Result<Answer, AdminError> {
    let alias = Alias::Address(address.clone());
    if aliases::find(context, &alias).await?.is_some() {
        return aliases::remove(context, alias).await;
    }
    let Some(mailbox) = context.store.mailbox(address.clone()).await? else {
        return Err(no_mailbox_or_alias(context, &address).await);
    };
    let mut mailboxes = rows(context, Some(address.domain())).await?;
    mailboxes.retain(|row| row.id == mailbox.id);
    let postmaster = postmaster_among(context, &mailboxes);
    let with_it = WithIt { mailboxes: 0, aliases: 0, messages: messages(&mailboxes) };
    if (postmaster.is_some() || with_it.messages > 0) && !is_confirmed {
        return Err(goes_with_it(address.as_str(), &with_it, postmaster));
    }
    let dead_ends = aliases::dead_ends(context).await?;
    context.store.remove_mailbox(address).await?;
    end_sessions(context, [mailbox.id]);
    forget(context, postmaster).await?;
    outgoing::forget_password(context, None, [mailbox.address]).await?;
    removed(context, &mailboxes, 0, &dead_ends).await
}

/// What would go with a target.
struct WithIt {
    mailboxes: u64,
    aliases: u32,
    messages: u64,
}

fn messages(rows: &[MailboxRow]) -> u64 {
    rows.iter().map(|row| u64::from(row.messages)).sum()
}

/// Who gets the mail for postmaster, if it is one of these.
fn postmaster_among(context: &Context, rows: &[MailboxRow]) -> Option<Address> {
    context
        .store
        .settings()
        .postmaster
        .clone()
        .filter(|address| rows.iter().any(|row| row.address == *address))
}

/// A removed mailbox gets no mail for postmaster: the setting goes with it.
async fn forget(context: &Context, postmaster: Option<Address>) -> Result<(), AdminError> {
    match postmaster {
        Some(_) => Ok(context.store.set_setting("postmaster", None).await?),
        None => Ok(()),
    }
}

fn goes_with_it(target: &str, with_it: &WithIt, postmaster: Option<Address>) -> AdminError {
    let counts =
        [(with_it.mailboxes, "mailbox"), (with_it.aliases.into(), "alias"), (with_it.messages, "message")];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun));
    let what = match counts.collect::<Vec<_>>().as_slice() {
        [mailboxes, aliases, messages] => format!("{mailboxes}, {aliases} and {messages}"),
        few => few.join(" and "),
    };
    let confirm = format!("\"poppet del {target} --yes\" if that is meant");
    let text = match postmaster {
        None => format!("{target} would take {what} with it: say {confirm}"),
        Some(postmaster) => {
            let with_it = if what.is_empty() { what } else { format!("would take {what} with it, and ") };
            let holder = if postmaster.as_str() == target { "" } else { &format!("{postmaster} in it ") };
            let remedy = "say \"poppet set postmaster OTHER\" first, or";
            format!("{target} {with_it}{holder}gets the mail for postmaster: {remedy} {confirm}")
        }
    };
    AdminError::new(Failure::Refused, text)
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun) {
        (1, noun) => format!("1 {noun}"),
        (count, "mailbox" | "alias") => format!("{count} {noun}es"),
        (count, noun) => format!("{count} {noun}s"),
    }
}

async fn removed(
    context: &Context,
    rows: &[MailboxRow],
    aliases: u32,
    dead_ends: &[Alias],
) -> Result<Answer, AdminError> {
    Ok(Answer::Removed {
        mailboxes: rows.len().try_into().unwrap_or(u32::MAX),
        messages: messages(rows),
        until: super::undo::end_of_undo(context),
        aliases,
        dead_ends: aliases::new_dead_ends(context, dead_ends).await?,
    })
}
