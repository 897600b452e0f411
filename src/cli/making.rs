//! add --create-user and del --delete-user: a mailbox comes and goes with its account of the system.

use super::account::local_account;
use super::accounts::{del_target, with_password};
use super::desk::{Desk, stranger};
use super::password;
use super::place;
use super::table::{Cell, Report, Said};
use super::verbs::{Add, Del};
use crate::admin::{self, AdminError, Answer, Command, Failure, Target};
use crate::local::making::{self, Found, MakingError};
use crate::mail::{Address, Secret};
use crate::settings::Method;

/// Makes the account first: the mailbox is added only for one that is there. If that fails, all is as it was.
pub(super) fn add(verb: &Add, address: &Address, desk: &Desk) -> Result<Report, AdminError> {
    let name = verb.account.as_deref().unwrap_or(address.local_part());
    must_be_roots("--create-user", desk)?;
    making::check_name(name).map_err(|MakingError(text)| AdminError::usage(text))?;
    desk.ask(Command::MayHavePassword { address: address.clone(), is_new: true })?;
    match making::look(name).map_err(failed)? {
        Some(found) => join(verb, address, name, &found, desk),
        None => make(verb, address, name, desk),
    }
}

/// Removes the mailbox and then its account. What may not be removed is said before anything is.
pub(super) fn del(verb: &Del, desk: &Desk) -> Result<Report, AdminError> {
    let Ok(Target::Mailbox(address)) = verb.target.parse() else {
        return Err(AdminError::usage(
            "--delete-user goes with one mailbox: name one, such as alice@home.lan",
        ));
    };
    must_be_roots("--delete-user", desk)?;
    let Answer::Account(row) = desk.ask(Command::Account(address.clone()))? else { return Err(stranger()) };
    let (name, uid) = local_account(&row);
    let found = making::look(&name).map_err(failed)?.ok_or_else(|| {
        AdminError::new(Failure::NotFound, format!("there is no account {name}: leave out --delete-user"))
    })?;
    making::must_be_ours(&name, &found).map_err(refused)?;
    if uid.is_some_and(|uid| uid != found.uid) {
        let text = format!("the account {name} is not {address}'s any more: leave out --delete-user");
        return Err(AdminError::new(Failure::Refused, text));
    }
    let report = del_target(Target::Mailbox(address.clone()), verb.yes, desk)?;
    making::remove(&name).map_err(|MakingError(text)| {
        let text = format!(
            "{address} is removed, and its account {name} is still there: {text}; say \"userdel {name}\""
        );
        AdminError::new(Failure::Failed, text)
    })?;
    Ok(with_account(report, format!("Its account {name} is removed for good."), &name))
}

/// Only root makes and removes accounts, and only where they are what users are known by.
fn must_be_roots(option: &str, desk: &Desk) -> Result<(), AdminError> {
    if !place::is_root() {
        let text = format!(
            "accounts of the system are root's to make and remove: run this as root, or leave out {option}"
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    let Answer::Settings(settings) = desk.ask(Command::Settings(Some("auth".into())))? else {
        return Err(stranger());
    };
    let method = settings.first().map_or("", |setting| setting.value.as_str());
    match method == Method::Local.name() {
        true => Ok(()),
        false => Err(AdminError::new(
            Failure::Refused,
            format!("users are known by {method}, not by accounts of the system: leave out {option}"),
        )),
    }
}

fn make(verb: &Add, address: &Address, name: &str, desk: &Desk) -> Result<Report, AdminError> {
    let (password, is_generated) = match password::obtain(address, verb.password_stdin)? {
        Some(password) => (password, false),
        None => (admin::fresh_password()?, true),
    };
    admin::check_password(&password).map_err(AdminError::from)?;
    making::make(name, &password).map_err(failed)?;
    add_mailbox(verb, address, desk).map_err(|error| match making::remove(name) {
        Ok(()) => error,
        Err(MakingError(text)) => {
            let text =
                format!("{}; and the account {name} that was made for it is still there: {text}", error.text);
            AdminError::new(error.kind, text)
        }
    })?;
    let shown: Option<Secret> = is_generated.then_some(password);
    let sentence = format!("The mailbox {{}} is added, with the account {name} for it");
    Ok(with_password(address, shown, &sentence))
}

fn join(verb: &Add, address: &Address, name: &str, found: &Found, desk: &Desk) -> Result<Report, AdminError> {
    if verb.password_stdin {
        let text =
            format!("the account {name} is there already and keeps its password: leave out --password-stdin");
        return Err(AdminError::new(Failure::Refused, text));
    }
    making::join(name, found).map_err(refused)?;
    if let Err(error) = add_mailbox(verb, address, desk) {
        if !found.is_member {
            let _ = making::leave(name);
        }
        return Err(error);
    }
    let sentence = format!(
        "The mailbox {address} is added. The account {name} was there already: it is in the group poppet-users, and \
         keeps its password."
    );
    let facts =
        vec![("mailbox", Cell::text(address)), ("password", Cell::None), ("account", Cell::text(name))];
    Ok(Report::Said(sentence, facts, Said::Quiet))
}

fn add_mailbox(verb: &Add, address: &Address, desk: &Desk) -> Result<Answer, AdminError> {
    let account = verb.account.clone();
    desk.ask(Command::AddMailbox { address: address.clone(), password: None, account })
}

fn with_account(report: Report, more: String, name: &str) -> Report {
    match report {
        Report::Said(sentence, mut facts, said) => {
            facts.push(("account", Cell::text(name)));
            Report::Said(format!("{sentence} {more}"), facts, said)
        }
        other => other,
    }
}

fn failed(MakingError(text): MakingError) -> AdminError {
    AdminError::new(Failure::Failed, text)
}

fn refused(MakingError(text): MakingError) -> AdminError {
    AdminError::new(Failure::Refused, text)
}
