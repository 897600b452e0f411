//! Mailboxes whose users are known elsewhere: found there, held against each other, added (A5, A6).

use super::{AdminError, Answer, Context, Failure, auth};
use crate::auth::{Absence, Person};
use crate::mail::{Account, Address, MailboxMark, Secret};
use crate::settings::Method;
use crate::store::{Mailbox, NewMailbox, StoreError, User};

/// Adds a mailbox for a user whom the system or the directory knows, by that account or by the one that its address
/// names. Errs with [`Failure::Refused`] if there is no such account or another mailbox has it, with
/// [`Failure::Failed`] if nobody could tell.
pub(super) async fn add_mailbox(
    context: &Context,
    address: Address,
    mark: MailboxMark,
    (password, account): (Option<Secret>, Option<String>),
) -> Result<Answer, AdminError> {
    let method = context.store.settings().auth;
    if password.is_some() {
        let text = format!(
            "users are known by {method}, where {address} has a password already: leave out --password-stdin"
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    let name = account.as_deref().map(named).transpose()?;
    let account = find(context, method, Person { address: address.clone(), account: name }).await?;
    if let Some(other) = holder(&context.store.users().await?, &address, &account) {
        let text = format!(
            "{} is the account of {other} already, and two mailboxes never have the same: name another one with \
             --account",
            account.name
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    // A name that is searched all the same gives an identity.
    let is_unseen = method == Method::Directory && account.identity.is_empty();
    let unseen = is_unseen.then(|| auth::unseen(&context.store.settings())).flatten();
    let new = NewMailbox { address, mark, password: Vec::new(), account: Some(account), method };
    match context.store.add_user(new).await {
        Ok(_) => Ok(unseen.map_or(Answer::Password(None), |note| Answer::AddedUnseen { note })),
        Err(StoreError::Refused(text)) => Err(AdminError::new(Failure::Refused, text)),
        Err(error) => Err(error.into()),
    }
}

/// Why `poppet passwd` has nothing to set where users are known elsewhere.
pub(super) fn no_password_here(method: Method, mailbox: &Mailbox) -> AdminError {
    let address = &mailbox.address;
    let name = mailbox.account.as_ref().map_or(address.local_part(), |account| &account.name);
    let text = match method {
        Method::Local => format!("{address} has the system's password: \"passwd {name}\" changes it"),
        _ => format!("{address} has the directory's password: it is changed there, for the account {name}"),
    };
    AdminError::new(Failure::Refused, text)
}

/// An account by its name, as typed.
pub(super) fn named(name: &str) -> Result<Account, AdminError> {
    Account::named(name).ok_or_else(|| {
        AdminError::usage("an account's name has 1 to 256 octets and no control characters: say another one")
    })
}

/// The account of a person. Errs as [`add_mailbox`] does.
pub(super) async fn find(context: &Context, method: Method, person: Person) -> Result<Account, AdminError> {
    let Some(outside) = context.gatekeeper.outside() else {
        let text =
            "nobody here can ask for accounts: say it to the running server, or with the poppet command";
        return Err(AdminError::new(Failure::Failed, text));
    };
    outside.find(method, person).await.map_err(|absence| match absence {
        Absence::Refused(text) => AdminError::new(Failure::Refused, text),
        Absence::Unavailable(text) => {
            AdminError::new(Failure::Failed, format!("{text}; nothing was changed"))
        }
    })
}

/// Which other mailbox has an account.
pub(super) fn holder<'a>(users: &'a [User], address: &Address, account: &Account) -> Option<&'a Address> {
    let others = users.iter().filter(|user| user.address != *address);
    others
        .filter(|user| user.account.as_ref().is_some_and(|it| it.is_same_as(account)))
        .map(|it| &it.address)
        .next()
}
