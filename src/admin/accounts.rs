//! Domains and mailboxes come and go, and get new passwords.

use super::{AdminError, Answer, Context, Failure};
use crate::mail::{Address, Domain, MailboxId, MailboxMark, Secret};
use crate::store::{Mailbox, MailboxRow, StoreError};

pub(super) async fn add_domain(context: &Context, domain: Domain) -> Result<Answer, AdminError> {
    match context.store.add_domain(domain.clone()).await {
        Ok(()) => Ok(Answer::Done),
        Err(StoreError::Exists(_)) => {
            Err(AdminError::new(Failure::Exists, format!("the domain {domain} is here already")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks before it hashes: a hash takes long, and its answer would be thrown away.
pub(super) async fn add_mailbox(
    context: &Context,
    address: Address,
    password: Option<Secret>,
) -> Result<Answer, AdminError> {
    may_be_added(context, &address).await?;
    let mark = context.gatekeeper.fresh_mark();
    let (record, generated) = seal(context, &address, mark, password)?;
    match context.store.add_mailbox(address.clone(), mark, record).await {
        Ok(_) => Ok(Answer::Password(generated)),
        Err(StoreError::Exists(_)) => Err(exists(&address)),
        Err(StoreError::NotFound(_)) => Err(foreign_domain(&address)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a mailbox of that address could be added.
pub(super) async fn may_be_added(context: &Context, address: &Address) -> Result<Answer, AdminError> {
    if !context.store.has_domain(address.domain()).await? {
        return Err(foreign_domain(address));
    }
    match context.store.mailbox(address.clone()).await? {
        Some(_) => Err(exists(address)),
        None => Ok(Answer::Done),
    }
}

pub(super) async fn set_password(
    context: &Context,
    address: Address,
    password: Option<Secret>,
) -> Result<Answer, AdminError> {
    let mailbox = mailbox(context, &address).await?;
    let (record, generated) = seal(context, &address, mailbox.mark, password)?;
    context.store.set_password(address, record).await?;
    end_sessions(context, [mailbox.id]);
    Ok(Answer::Password(generated))
}

pub(super) async fn remove_domain(
    context: &Context,
    domain: Domain,
    is_confirmed: bool,
) -> Result<Answer, AdminError> {
    let mailboxes = rows(context, Some(domain.clone())).await?;
    let postmaster = postmaster_among(context, &mailboxes);
    if !mailboxes.is_empty() && !is_confirmed {
        return Err(goes_with_it(&domain.to_string(), mailboxes.len(), &mailboxes, postmaster));
    }
    context.store.remove_domain(domain).await?;
    end_sessions(context, mailboxes.iter().map(|row| row.id));
    forget(context, postmaster).await?;
    Ok(removed(context, &mailboxes))
}

pub(super) async fn remove_mailbox(
    context: &Context,
    address: Address,
    is_confirmed: bool,
) -> Result<Answer, AdminError> {
    let mailbox = mailbox(context, &address).await?;
    let mut mailboxes = rows(context, Some(address.domain())).await?;
    mailboxes.retain(|row| row.id == mailbox.id);
    let postmaster = postmaster_among(context, &mailboxes);
    if (postmaster.is_some() || mailboxes.iter().any(|row| row.messages > 0)) && !is_confirmed {
        return Err(goes_with_it(&address.to_string(), 0, &mailboxes, postmaster));
    }
    context.store.remove_mailbox(address).await?;
    end_sessions(context, [mailbox.id]);
    forget(context, postmaster).await?;
    Ok(removed(context, &mailboxes))
}

pub(super) async fn mailboxes(context: &Context, domain: Option<Domain>) -> Result<Answer, AdminError> {
    rows(context, domain).await.map(Answer::Mailboxes)
}

/// The mailbox of that address; errs with [`Failure::NotFound`].
pub(super) async fn mailbox(context: &Context, address: &Address) -> Result<Mailbox, AdminError> {
    match context.store.mailbox(address.clone()).await? {
        Some(mailbox) => Ok(mailbox),
        None if context.store.has_domain(address.domain()).await? => Err(AdminError::new(
            Failure::NotFound,
            format!(
                "there is no mailbox {address}: \"poppet list {}\" shows those there are",
                address.domain()
            ),
        )),
        None => Err(unknown_domain(&address.domain())),
    }
}

/// The mailboxes of one domain or of all; errs with [`Failure::NotFound`].
pub(super) async fn rows(context: &Context, domain: Option<Domain>) -> Result<Vec<MailboxRow>, AdminError> {
    match (context.store.mailboxes(domain.clone()).await, domain) {
        (Err(StoreError::NotFound(_)), Some(domain)) => Err(unknown_domain(&domain)),
        (result, _) => Ok(result?),
    }
}

/// Ends the sessions of mailboxes that have changed, if a server runs (S-180).
pub(super) fn end_sessions(context: &Context, mailboxes: impl IntoIterator<Item = MailboxId>) {
    if let Some(live) = &context.live {
        mailboxes.into_iter().for_each(|mailbox| live.end_sessions(mailbox));
    }
}

/// The error for a domain that is not here.
pub(super) fn unknown_domain(domain: &Domain) -> AdminError {
    AdminError::new(
        Failure::NotFound,
        format!("there is no domain {domain}: \"poppet list\" shows those there are"),
    )
}

/// Seals the given password or a generated one, which is given back to be shown once.
fn seal(
    context: &Context,
    address: &Address,
    mark: MailboxMark,
    password: Option<Secret>,
) -> Result<(Vec<u8>, Option<Secret>), AdminError> {
    match password {
        Some(password) => Ok((context.gatekeeper.seal_password(address, mark, &password)?, None)),
        None => {
            let password = context.gatekeeper.generate_password();
            let record = context.gatekeeper.seal_password(address, mark, &password)?;
            Ok((record, Some(password)))
        }
    }
}

fn foreign_domain(address: &Address) -> AdminError {
    let domain = address.domain();
    AdminError::new(
        Failure::NotFound,
        format!("there is no domain {domain}: add the domain first: poppet add {domain}"),
    )
}

fn exists(address: &Address) -> AdminError {
    AdminError::new(
        Failure::Exists,
        format!("the mailbox {address} is here already: \"poppet passwd {address}\" gives it a new password"),
    )
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

fn goes_with_it(
    target: &str,
    mailboxes: usize,
    rows: &[MailboxRow],
    postmaster: Option<Address>,
) -> AdminError {
    let messages: u64 = rows.iter().map(|row| u64::from(row.messages)).sum();
    let counts = [(mailboxes as u64, "mailbox"), (messages, "message")];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun));
    let what = counts.collect::<Vec<_>>().join(" and ");
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
        (count, "mailbox") => format!("{count} mailboxes"),
        (count, noun) => format!("{count} {noun}s"),
    }
}

fn removed(context: &Context, rows: &[MailboxRow]) -> Answer {
    Answer::Removed {
        mailboxes: rows.len().try_into().unwrap_or(u32::MAX),
        messages: rows.iter().map(|row| u64::from(row.messages)).sum(),
        until: super::undo::end_of_undo(context),
    }
}
