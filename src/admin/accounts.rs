//! Domains and mailboxes come, are found, and get new passwords.

use super::missing::{alias_of, no_domain, no_mailbox};
use super::{AdminError, Answer, Context, Failure, aliases, elsewhere};
use crate::mail::{Address, Alias, Domain, MailboxId, MailboxMark, Secret};
use crate::settings::Method;
use crate::store::{Mailbox, MailboxRow, NewMailbox, StoreError};

pub(super) async fn add_domain(context: &Context, domain: Domain) -> Result<Answer, AdminError> {
    match context.store.add_domain(domain.clone()).await {
        Ok(()) => {
            names_changed(context);
            Ok(Answer::Done)
        }
        Err(StoreError::Exists(_)) => {
            let text = match alias_of(context, &domain).await? {
                Some(real) => format!(
                    "{domain} is an alias of the domain {real}: \"poppet del {domain}\" first, then it can have \
                     mailboxes of its own"
                ),
                None => format!("the domain {domain} is here already"),
            };
            Err(AdminError::new(Failure::Exists, text))
        }
        Err(error) => Err(error.into()),
    }
}

/// The certificate is to have a new name.
pub(super) fn names_changed(context: &Context) {
    if let Some(live) = &context.live {
        live.names_changed();
    }
}

/// Looks before it hashes: a hash takes long, and its answer would be thrown away.
pub(super) async fn add_mailbox(
    context: &Context,
    address: Address,
    password: Option<Secret>,
    account: Option<String>,
) -> Result<Answer, AdminError> {
    may_be_added(context, &address).await?;
    let mark = context.gatekeeper.fresh_mark();
    if context.store.settings().auth != Method::File {
        return elsewhere::add_mailbox(context, address, mark, (password, account)).await;
    }
    if account.is_some() {
        let text = "users are known by file, so a mailbox has no account elsewhere: leave out --account";
        return Err(AdminError::new(Failure::Refused, text));
    }
    let (record, generated) = seal(context, &address, mark, password)?;
    let method = Method::File;
    let new = NewMailbox { address: address.clone(), mark, password: record, account: None, method };
    match context.store.add_user(new).await {
        Ok(_) => Ok(Answer::Password(generated)),
        Err(StoreError::Exists(_)) => Err(exists(context, &address)),
        Err(StoreError::NotFound(_)) => Err(foreign_domain(&address)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a mailbox of that address could be added.
pub(super) async fn may_be_added(context: &Context, address: &Address) -> Result<Answer, AdminError> {
    let domain = address.domain();
    if !context.store.has_domain(domain.clone()).await? {
        return Err(foreign_domain(address));
    }
    if let Some(real) = alias_of(context, &domain).await? {
        let text = format!(
            "{domain} is an alias of the domain {real}: add {}@{real}, and {address} leads there",
            address.local_part()
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    if context.store.mailbox(address.clone()).await?.is_some() {
        return Err(exists(context, address));
    }
    match aliases::find(context, &Alias::Address(address.clone())).await? {
        None if context.store.settings().auth == Method::File => Ok(Answer::Done),
        None => Ok(Answer::NoPassword),
        Some(row) => Err(AdminError::new(
            Failure::Exists,
            format!(
                "{address} is an alias of {}: \"poppet del {address}\" first, then it can be a mailbox",
                aliases::shown(&row.targets)
            ),
        )),
    }
}

pub(super) async fn set_password(
    context: &Context,
    address: Address,
    password: Option<Secret>,
) -> Result<Answer, AdminError> {
    let mailbox = mailbox(context, &address).await?;
    must_have_password(context, &mailbox)?;
    let (record, generated) = seal(context, &address, mailbox.mark, password)?;
    context.store.set_password(address, record).await?;
    end_sessions(context, [mailbox.id]);
    Ok(Answer::Password(generated))
}

/// Whether a mailbox of that address could get another password.
pub(super) async fn may_have_password(context: &Context, address: &Address) -> Result<Answer, AdminError> {
    must_have_password(context, &mailbox(context, address).await?)?;
    Ok(Answer::Done)
}

fn must_have_password(context: &Context, mailbox: &Mailbox) -> Result<(), AdminError> {
    match context.store.settings().auth {
        Method::File => Ok(()),
        method => Err(elsewhere::no_password_here(method, mailbox)),
    }
}

pub(super) async fn mailboxes(context: &Context, domain: Option<Domain>) -> Result<Answer, AdminError> {
    rows(context, domain).await.map(Answer::Mailboxes)
}

/// The mailbox of that address; errs with [`Failure::NotFound`].
pub(super) async fn mailbox(context: &Context, address: &Address) -> Result<Mailbox, AdminError> {
    match context.store.mailbox(address.clone()).await? {
        Some(mailbox) => Ok(mailbox),
        None => Err(no_mailbox(context, address).await),
    }
}

/// The mailboxes of one domain or of all; errs with [`Failure::NotFound`].
pub(super) async fn rows(context: &Context, domain: Option<Domain>) -> Result<Vec<MailboxRow>, AdminError> {
    match (context.store.mailboxes(domain.clone()).await, domain) {
        (Err(StoreError::NotFound(_)), Some(domain)) => Err(no_domain(context, &domain).await),
        (result, _) => Ok(result?),
    }
}

/// Ends the sessions of mailboxes that have changed, if a server runs (S-180).
pub(super) fn end_sessions(context: &Context, mailboxes: impl IntoIterator<Item = MailboxId>) {
    if let Some(live) = &context.live {
        mailboxes.into_iter().for_each(|mailbox| live.end_sessions(mailbox));
    }
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

fn exists(context: &Context, address: &Address) -> AdminError {
    let advice = match context.store.settings().auth {
        Method::File => format!(": \"poppet passwd {address}\" gives it a new password"),
        _ => String::new(),
    };
    AdminError::new(Failure::Exists, format!("the mailbox {address} is here already{advice}"))
}
