//! Whose account elsewhere a mailbox is: shown with what became of it, and bound anew (S-206, S-220).

use serde::{Deserialize, Serialize};

use super::accounts::{end_sessions, mailbox};
use super::{AdminError, Answer, Context, Failure, elsewhere};
use crate::auth::{Absence, Person};
use crate::mail::{Account, Address};
use crate::settings::Method;
use crate::store::{StoreError, User};

/// Whose account a mailbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    /// The mailbox.
    pub address: Address,
    /// How users are known.
    pub method: Method,
    /// What it is bound to; none if its address names the account.
    pub account: Option<Account>,
    /// What became of it.
    pub state: AccountState,
}

/// What became of a mailbox's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountState {
    /// Accounts are not asked for: users are known by the password file.
    NotUsed,
    /// It is the one that the mailbox is bound to.
    Fits,
    /// The name is another one's now, who is kept out (S-220).
    Another(Account),
    /// There is none, or it may not be used: why.
    Refused(String),
    /// Nobody could tell: why.
    Unknown(String),
}

/// Whose account a mailbox is: [`Answer::Account`].
pub(super) async fn show(context: &Context, address: &Address) -> Result<Answer, AdminError> {
    let account = mailbox(context, address).await?.account;
    let method = context.store.settings().auth;
    let state = state(context, method, address, account.as_ref()).await;
    Ok(Answer::Account(AccountRow { address: address.clone(), method, account, state }))
}

/// Binds a mailbox to the account that has that name now, or lets its address name it: [`Answer::Account`]. Where users
/// are known by file nobody is asked, and it counts once they aren't any more (A6). Errs with
/// [`Failure::Refused`] if there is no such account or another mailbox has it, with [`Failure::Failed`] if nobody could
/// tell. Its sessions end: they may be somebody else's.
pub(super) async fn bind(
    context: &Context,
    address: &Address,
    name: Option<&str>,
) -> Result<Answer, AdminError> {
    let mailbox = mailbox(context, address).await?;
    let method = context.store.settings().auth;
    let account = match name {
        // Kept for the day when all mailboxes move; then it is looked up.
        Some(name) if method == Method::File => Some(elsewhere::named(name)?),
        Some(name) => {
            let named = elsewhere::named(name)?;
            Some(elsewhere::find(context, method, person(address, Some(named))).await?)
        }
        None => None,
    };
    let wanted = account.clone().or_else(|| implied(method, address));
    let users = context.store.users().await?;
    if let Some((wanted, other)) =
        wanted.and_then(|it| taken_by(&users, method, address, &it).map(|by| (it, by)))
    {
        let text = format!("{} is the account of {other}: two mailboxes never have the same", wanted.name);
        return Err(AdminError::new(Failure::Refused, text));
    }
    match context.store.bind_account(method, address.clone(), account.clone()).await {
        Err(StoreError::Refused(text)) => return Err(AdminError::new(Failure::Refused, text)),
        result => result?,
    }
    end_sessions(context, [mailbox.id]);
    show(context, address).await
}

async fn state(
    context: &Context,
    method: Method,
    address: &Address,
    bound: Option<&Account>,
) -> AccountState {
    let Some(outside) = context.gatekeeper.outside().filter(|_| method != Method::File) else {
        return AccountState::NotUsed;
    };
    // By its name alone: what has that name now is the question.
    let named = bound.map(|bound| Account { identity: Vec::new(), ..bound.clone() });
    match outside.find(method, person(address, named)).await {
        Ok(now) => match bound {
            Some(bound) if !bound.is_same_as(&now) => AccountState::Another(now),
            _ => AccountState::Fits,
        },
        Err(Absence::Refused(why)) => AccountState::Refused(why),
        Err(Absence::Unavailable(why)) => AccountState::Unknown(why),
    }
}

fn person(address: &Address, account: Option<Account>) -> Person {
    Person { address: address.clone(), account }
}

/// The account that a mailbox has by its name where nothing else is said; only local ones go by that alone.
fn implied(method: Method, address: &Address) -> Option<Account> {
    Account::named(address.local_part()).filter(|_| method == Method::Local)
}

/// Which other mailbox has an account, bound to it or by its name.
fn taken_by<'a>(
    users: &'a [User],
    method: Method,
    address: &Address,
    account: &Account,
) -> Option<&'a Address> {
    let has_it = |user: &&User| {
        let own = user.account.is_none().then(|| implied(method, &user.address)).flatten();
        user.address != *address && own.is_some_and(|own| own.is_same_as(account))
    };
    let by_name = || users.iter().find(has_it).map(|user| &user.address);
    elsewhere::holder(users, address, account).or_else(by_name)
}
