//! Every mailbox moves to another method at once, and keeps its mail (A2).
//!
//! ```text
//! users as they are --> each rule of the new method, for each --> something fails? a line each, nothing changed
//!                                                              \-> one transaction; refused if they are others now
//! ```

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::auth::{Ready, Tried};
use super::together::together;
use super::{AdminError, Answer, Context, Failure, accounts, auth};
use crate::auth::{Absence, Answering, Outside, Person};
use crate::limits;
use crate::mail::{Account, Address, Secret};
use crate::settings::Method;
use crate::store::{Switch, SwitchedUser, User};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrate {
    /// The new method.
    pub method: Method,
    /// The password of the directory's account; none leaves the one that is kept.
    pub directory_password: Option<Secret>,
    /// Whether passwords are learnt from the present method, where the new one is `file`.
    pub learns: bool,
    /// Whether it is only told what would fail.
    pub is_dry_run: bool,
    /// Whether mailboxes move whose account is not found, and nobody looks whether the method can be used.
    pub is_forced: bool,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The method before.
    pub before: Method,
    /// Whether the mailboxes have moved; otherwise nothing was changed.
    pub is_done: bool,
    /// How many mailboxes there are.
    pub mailboxes: u32,
    /// Mailboxes that don't fit the new method; those moved too if it is done.
    pub failing: Vec<FailingRow>,
    /// Passwords that were generated, to be shown once.
    pub passwords: Vec<(Address, Secret)>,
    /// Mailboxes whose password is still to be learnt.
    pub to_learn: u32,
    /// What is to be known of the method, in lines for people.
    pub notes: Vec<String>,
}

/// A mailbox that does not fit the new method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingRow {
    /// Which.
    pub mailbox: Address,
    /// What it breaks.
    pub rule: String,
    /// What can be done about it.
    pub remedy: String,
    /// Whether it may move all the same.
    pub is_forcible: bool,
}

/// Moves every mailbox, or tells what does not fit. Errs with [`Failure::Refused`] if the method can't be used or the
/// mailboxes have changed meanwhile, with [`Failure::Failed`] if nobody answers for their accounts any more.
pub(super) async fn migrate(context: &Context, migrate: Migrate) -> Result<Answer, AdminError> {
    let settings = context.store.settings();
    let (from, to) = (settings.auth, migrate.method);
    if migrate.learns && to != Method::File {
        return Err(AdminError::usage("--learn goes with file: elsewhere no passwords are kept"));
    }
    let learn = if from == Method::File { settings.auth_learn } else { Some(from) };
    let learn = learn.filter(|_| migrate.learns);
    if migrate.learns && learn.is_none() {
        return Err(AdminError::usage("users are known by file already, so there is nobody to learn from"));
    }
    let given = migrate.directory_password.clone();
    let has_typed = given.is_some();
    let tried = match auth::make_ready(context, to, given, migrate.is_forced).await? {
        Ready::Wants(answer) => return Ok(answer),
        Ready::Yes(tried) => tried,
    };
    let mut migration = move_all(context, &migrate, (from, learn), tried.as_ref()).await?;
    if migration.is_done || migrate.is_dry_run {
        migration.notes = auth::notes(context, to, has_typed);
    }
    Ok(Answer::Migrated(migration))
}

async fn move_all(
    context: &Context,
    migrate: &Migrate,
    (from, learn): (Method, Option<Method>),
    tried: Option<&Tried>,
) -> Result<Migration, AdminError> {
    let to = migrate.method;
    let users = context.store.users().await?;
    let mut migration = Migration {
        before: from,
        is_done: false,
        mailboxes: users.len() as u32,
        failing: Vec::new(),
        passwords: Vec::new(),
        to_learn: 0,
        notes: Vec::new(),
    };
    let accounts = match to {
        Method::File => vec![None; users.len()],
        to => {
            let accounts = find_accounts(context, (from, to), &users, migrate.is_forced).await?;
            migration.failing = failing(to, &users, &accounts);
            accounts.into_iter().map(|found| found.and_then(Result::ok)).collect()
        }
    };
    let may_move = |row: &FailingRow| migrate.is_forced && row.is_forcible;
    if migrate.is_dry_run || !migration.failing.iter().all(may_move) {
        return Ok(migration);
    }
    let mut switched = Vec::with_capacity(users.len());
    for (user, account) in users.into_iter().zip(accounts) {
        context.asker.must_be_there()?;
        let keeps = to == Method::File && from == Method::File && user.has_password;
        let (password, account) = match to {
            Method::File if keeps => (None, user.account.clone()),
            Method::File if learn.is_some() => {
                migration.to_learn += 1;
                (Some(Vec::new()), user.account.clone())
            }
            Method::File => {
                let password = context.gatekeeper.generate_password();
                let sealed = context.gatekeeper.seal_password(&user.address, user.mark, &password)?;
                migration.passwords.push((user.address.clone(), password));
                (Some(sealed), None)
            }
            Method::Local | Method::Directory => (Some(Vec::new()), account),
        };
        switched.push(SwitchedUser { before: user, password, account });
    }
    // Nobody else would ever hear the passwords; and he may have thought better of it.
    context.asker.must_be_there()?;
    let record = tried.map(Tried::record);
    let switch = Switch { from, to, learn, users: Some(switched), record };
    let mailboxes = context.store.switch_method(switch).await?;
    if from != to {
        accounts::end_sessions(context, mailboxes);
    }
    migration.is_done = true;
    Ok(migration)
}

type Found = Option<Result<Account, Absence>>;

/// The account of each mailbox at the new method, in their order; none where it was not asked for. Errs where nobody
/// answers any more: the others would only wait in vain.
async fn find_accounts(
    context: &Context,
    (from, to): (Method, Method),
    users: &[User],
    is_forced: bool,
) -> Result<Vec<Found>, AdminError> {
    let Some(outside) = context.gatekeeper.outside() else {
        let text = "nobody here can ask for accounts: say it with the poppet command";
        return Err(AdminError::new(Failure::Failed, text));
    };
    let learns_from = context.store.settings().auth_learn;
    let ask = |user| question(outside.as_ref(), (from, to), learns_from, user);
    let questions = users.iter().map(ask).collect();
    let (mut unanswered, mut why) = (0, String::new());
    let answers = together(limits::OUTSIDE_QUESTIONS, questions, |answer| {
        if let Err(Absence::Unavailable(text)) = answer {
            unanswered += 1;
            why.clone_from(text);
        }
        unanswered < limits::OUTSIDE_QUESTIONS && !context.asker.is_gone()
    })
    .await;
    context.asker.must_be_there()?;
    let asked = answers.iter().flatten().count();
    if asked < users.len() && !is_forced {
        let all = users.len();
        let text =
            format!("{to} answers no more, after {asked} of {all} mailboxes: {why}; nothing was changed");
        return Err(AdminError::new(Failure::Failed, text));
    }
    Ok(answers)
}

/// Asks for a mailbox's account, unless the new method has it already. One that an administrator has named, or that
/// passwords are learnt by, is what is asked for; one that is left from another method means nothing.
fn question<'a>(
    outside: &'a dyn Outside,
    (from, to): (Method, Method),
    learns_from: Option<Method>,
    user: &User,
) -> Answering<'a, Result<Account, Absence>> {
    let person = |account| Person { address: user.address.clone(), account };
    match user.account.clone() {
        Some(account) if from == to => Box::pin(async move { Ok(account) }),
        Some(account) if from == Method::File && (account.identity.is_empty() || learns_from == Some(to)) => {
            outside.find(to, person(Some(account)))
        }
        _ if to == Method::Local && !may_be_system_name(user.address.local_part()) => {
            let text = "no account of the system can have that name".to_owned();
            Box::pin(async move { Err(Absence::Refused(text)) })
        }
        _ => outside.find(to, person(None)),
    }
}

/// What tools of all systems take for a name, and some of the rest.
fn may_be_system_name(name: &str) -> bool {
    name.is_ascii() && !name.contains('+') && name.bytes().any(|octet| !octet.is_ascii_digit())
}

/// What does not fit, in the order of the mailboxes.
fn failing(to: Method, users: &[User], accounts: &[Found]) -> Vec<FailingRow> {
    let mut names: HashMap<&str, Vec<&Address>> = HashMap::new();
    for user in users {
        names.entry(user.address.local_part()).or_default().push(&user.address);
    }
    let twins = Twins::new(users, accounts);
    let mut rows = Vec::new();
    for (user, found) in users.iter().zip(accounts) {
        let address = &user.address;
        let mut fail = |is_forcible, rule: String, remedy: String| {
            rows.push(FailingRow { mailbox: address.clone(), rule, remedy, is_forcible });
        };
        let same_name = names.get(address.local_part()).map_or(&[][..], Vec::as_slice);
        let other = same_name.iter().find(|other| **other != address);
        if let (Method::Local, Some(other)) = (to, other) {
            let rule = format!("{other} has the same name, and local accounts are known by that alone");
            let remedy = format!(
                "\"poppet del {address}\" once its user has fetched his mail, then \"poppet alias {address} {other}\"; \
                 or the other way round"
            );
            fail(false, rule, remedy);
            continue;
        }
        match found {
            Some(Ok(account)) => {
                if let Some(other) = twins.of(address, account) {
                    let rule = format!("{} is the account of {other}, too", account.name);
                    let remedy = "\"poppet account\" names another one for one of them".to_owned();
                    fail(false, rule, remedy);
                }
            }
            Some(Err(Absence::Refused(why))) => fail(true, why.clone(), remedy(address)),
            Some(Err(Absence::Unavailable(why))) => fail(true, why.clone(), AGAIN.to_owned()),
            None => fail(true, format!("{to} answers no more"), AGAIN.to_owned()),
        }
    }
    rows
}

/// Who has which account, by identity and by name.
struct Twins<'a> {
    owners: HashMap<Vec<u8>, Vec<(&'a Address, &'a Account)>>,
}

impl<'a> Twins<'a> {
    fn new(users: &'a [User], accounts: &'a [Found]) -> Twins<'a> {
        let mut owners: HashMap<_, Vec<_>> = HashMap::new();
        for (user, found) in users.iter().zip(accounts) {
            let Some(Ok(account)) = found else { continue };
            for key in keys(account) {
                owners.entry(key).or_default().push((&user.address, account));
            }
        }
        Twins { owners }
    }

    /// Another mailbox that has the same account.
    fn of(&self, address: &Address, account: &Account) -> Option<&'a Address> {
        let near = keys(account).into_iter().filter_map(|key| self.owners.get(&key)).flatten();
        let mut others = near.filter(|(owner, it)| *owner != address && it.is_same_as(account));
        others.next().map(|(owner, _)| *owner)
    }
}

/// Under what an account is looked for; two that are one have one of them in common.
fn keys(account: &Account) -> Vec<Vec<u8>> {
    let name = [b"name ", account.name.to_lowercase().as_bytes()].concat();
    let identity = [b"identity ", &account.identity[..]].concat();
    if account.identity.is_empty() { vec![name] } else { vec![name, identity] }
}

/// What is wrong with the account is told with what to do about it; this is what else there is.
fn remedy(address: &Address) -> String {
    format!("else name another account by \"poppet account {address} NAME\", or say \"poppet del {address}\"")
}

/// What to do where nobody answers.
const AGAIN: &str = "say it again when it answers";
