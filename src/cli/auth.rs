//! auth: how users are known.

use std::io::IsTerminal;

use serde_json::{Value, json};

use super::desk::{Desk, stranger};
use super::migration;
use super::output::Output;
use super::password;
use super::table::{Cell, Report, Said};
use super::user_verbs::Auth;
use crate::admin::{
    self, AdminError, Answer, AuthView, Command, Failure, MechanismRow, MechanismState, MethodRow, Migrate,
};
use crate::mail::Secret;
use crate::settings::Method;

pub(super) fn auth(verb: &Auth, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let Some(typed) = &verb.method else {
        if verb.migrate || verb.dry_run || verb.learn || verb.force || verb.password_stdin {
            return Err(AdminError::usage("name the method: poppet auth file, local or directory"));
        }
        return show(desk, output);
    };
    let method: Method = typed.parse().map_err(|()| {
        AdminError::usage(format!("{} is no method: it is file, local or directory", admin::quoted(typed)))
    })?;
    if (verb.dry_run || verb.learn) && !verb.migrate {
        return Err(AdminError::usage("--dry-run and --learn go with --migrate"));
    }
    let given = if verb.password_stdin { Some(password::of_directory(None)?) } else { None };
    let choose = |directory_password| {
        desk.ask(Command::ChooseAuth { method, directory_password, is_forced: verb.force })
    };
    if verb.migrate {
        return migrate(verb, method, given, desk, output);
    }
    // Chosen before anything else is made, as administrators of Windows did.
    let is_new = desk.found()?;
    let has_new_password = given.is_some();
    match with_password(given, &choose)? {
        Answer::AuthChosen { before, mut notes } => {
            notes.extend(is_new.then(|| GO_ON.into()));
            output.report(&chosen(method, before, has_new_password, notes))
        }
        _ => Err(stranger()),
    }
}

fn migrate(
    verb: &Auth,
    method: Method,
    given: Option<Secret>,
    desk: &Desk,
    output: &Output,
) -> Result<(), AdminError> {
    let ask = |directory_password| {
        desk.ask(Command::MigrateAuth(Migrate {
            method,
            directory_password,
            learns: verb.learn,
            is_dry_run: verb.dry_run,
            is_forced: verb.force,
        }))
    };
    let Answer::Migrated(migration) = with_password(given, &ask)? else { return Err(stranger()) };
    migration::report(&migration, method, output)
}

/// Hands a command in; where the password of the directory's account is missing, a person at the terminal is asked.
fn with_password(
    given: Option<Secret>,
    ask: &dyn Fn(Option<Secret>) -> Result<Answer, AdminError>,
) -> Result<Answer, AdminError> {
    match ask(given)? {
        Answer::DirectoryPasswordWanted { account } if std::io::stdin().is_terminal() => {
            match ask(Some(password::of_directory(Some(&account))?))? {
                Answer::DirectoryPasswordWanted { .. } => Err(stranger()),
                answer => Ok(answer),
            }
        }
        Answer::DirectoryPasswordWanted { account } => Err(AdminError::new(
            Failure::Refused,
            format!("{account} needs its password to search the directory: pipe it in with --password-stdin"),
        )),
        answer => Ok(answer),
    }
}

fn chosen(method: Method, before: Method, has_new_password: bool, notes: Vec<String>) -> Report {
    let sentence = match (method == before, has_new_password) {
        (true, true) => "The directory's account has a new password.".into(),
        (true, false) => format!("Users are known by {method} already."),
        (false, _) => format!("Users are known by {method} now."),
    };
    let facts = vec![
        ("method", Cell::text(method)),
        ("before", Cell::text(before)),
        ("meaning", Cell::Texts(notes.clone())),
    ];
    Report::Said(sentence, facts, Said::Meaning(notes))
}

fn show(desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let Answer::Auth(view) = desk.ask(Command::Auth)? else { return Err(stranger()) };
    match output.is_json {
        true => output.json(&as_json(&view)),
        false => output.report(&as_rows(&view)),
    }
}

fn as_rows(view: &AuthView) -> Report {
    let row = |kind: &str, name: &str, state: &str, note: &str| {
        vec![Cell::text(kind), Cell::text(name), Cell::text(state), Cell::text(note)]
    };
    let method = |it: &MethodRow| {
        let is_hinted = it.method == Method::Directory && !view.joined.is_empty();
        let hint = format!("this machine is a member of a domain ({})", view.joined.join(", "));
        let notes = is_hinted.then_some(hint).into_iter().chain(it.hindrance.clone());
        let note = notes.collect::<Vec<_>>().join("; ");
        row("method", it.method.name(), method_state(view, it), &note)
    };
    let mechanism = |it: &MechanismRow| row("mechanism", &it.names, mechanism_state(it), &it.note);
    let mut rows: Vec<_> = view.methods.iter().map(method).collect();
    rows.extend(view.mechanisms.iter().map(mechanism));
    if let (Some(from), count) = (view.learns_from, view.without_password) {
        let note = "mailboxes get the password that their users prove there at the next logon; \"poppet passwd\" sets \
                    one by hand";
        rows.push(row("learn", from.name(), &count.to_string(), note));
    }
    Report::Rows(&["kind", "name", "state", "note"], rows)
}

fn as_json(view: &AuthView) -> Value {
    let methods: Vec<_> = view
        .methods
        .iter()
        .map(|it| json!({"method": it.method.name(), "ready": it.hindrance.is_none(), "note": it.hindrance}))
        .collect();
    let mechanisms: Vec<_> = view
        .mechanisms
        .iter()
        .map(|it| json!({"names": it.names.split(' ').collect::<Vec<_>>(), "state": mechanism_state(it), "note": it.note}))
        .collect();
    json!({
        "method": view.method.name(),
        "learns_from": view.learns_from.map(Method::name),
        "without_password": view.without_password,
        "joined": view.joined,
        "methods": methods,
        "mechanisms": mechanisms,
    })
}

fn method_state(view: &AuthView, row: &MethodRow) -> &'static str {
    match (row.method == view.method, row.hindrance.is_some()) {
        (true, false) => "chosen",
        (true, true) => "chosen, not ready",
        (false, false) => "ready",
        (false, true) => "not ready",
    }
}

fn mechanism_state(row: &MechanismRow) -> &'static str {
    match row.state {
        MechanismState::Works => "works",
        MechanismState::Settable => "settable",
        MechanismState::Never => "never",
    }
}

/// The words are told as long as there is no mailbox.
const GO_ON: &str = "The database is made. \"poppet setup DOMAIN USER\" goes on from here and tells the recovery words of its device key.";
