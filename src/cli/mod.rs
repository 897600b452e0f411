//! The command line: arguments, questions, tables or JSON, exit codes.
//!
//! ```text
//! argv -> globals: --db, --json, wherever they stand -> args: argh -> a verb
//!      -> desk: the running server's control socket, or the opened file -> a Report
//!      -> output: table, tab-separated or JSON -> exit code
//! ```

mod account;
mod accounts;
mod alias;
mod args;
mod auth;
mod cert;
mod certificate_verb;
mod clock;
mod confinement;
mod consequence;
mod desk;
mod device;
mod doctor;
mod fails;
mod forward;
mod globals;
mod install;
mod local_users;
mod logger;
mod look;
mod mail_verbs;
mod making;
mod migration;
mod options;
mod outgoing_verbs;
mod output;
mod own;
mod password;
mod place;
mod queue;
mod quota;
mod read;
mod route;
mod serve;
mod sessions;
mod setup;
mod table;
mod typed;
mod undo;
mod user_verbs;
mod verbs;

use std::process::ExitCode;

/// The sandbox is tried as the server is in it.
#[cfg(test)]
pub(crate) use confinement::needs;

use crate::admin::{AdminError, Failure, Lock};
use args::{Parsed, Verb};
use desk::Desk;
use globals::Globals;
use output::Output;

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error.text);
            exit_code(error.kind)
        }
    }
}

fn run() -> Result<(), AdminError> {
    let globals = Globals::lift(std::env::args_os().skip(1))?;
    let output = Output::new(globals.is_json);
    match args::parse(&globals.rest)? {
        Parsed::Text(text) => output.text(&text),
        Parsed::Verb(verb) => carry_out(verb, &globals, &output),
    }
}

fn carry_out(verb: Verb, globals: &Globals, output: &Output) -> Result<(), AdminError> {
    if let Verb::Passwd(verb) = &verb
        && verb.own
    {
        return output.report(&own::passwd(verb, globals.database.as_deref())?);
    }
    let database = place::database(globals.database.as_deref())?;
    typed::settle(&database);
    if needs_database(&verb) {
        place::refuse_in_place_of_service(globals.database.as_deref(), &database)?;
    }
    let desk = Desk::new(database.clone());
    let report = match verb {
        Verb::Setup(verb) => return setup::setup(&verb, database, output),
        Verb::Serve(verb) => return serve::serve(&verb, database, output),
        Verb::Read(verb) => return read::read(&verb, &desk, output),
        Verb::Add(verb) => accounts::add(&verb, &desk)?,
        Verb::Del(verb) => accounts::del(&verb, &desk)?,
        Verb::Lock(verb) if verb.all => accounts::lock(&verb.target, Lock::All, &desk)?,
        Verb::Lock(verb) => accounts::lock(&verb.target, Lock::Reading, &desk)?,
        Verb::Unlock(verb) => accounts::lock(&verb.target, Lock::Open, &desk)?,
        Verb::Passwd(verb) => accounts::passwd(&verb, &desk)?,
        Verb::Alias(verb) => alias::alias(&verb, &desk)?,
        Verb::Device(verb) => device::device(&verb, &desk)?,
        Verb::Quota(verb) => quota::quota(&verb, &desk)?,
        Verb::List(verb) if verb.ldif => return look::contacts(&verb, &desk, output),
        Verb::List(verb) => look::list(&verb, &desk)?,
        Verb::Stat(verb) => look::stat(&verb, &desk)?,
        Verb::Get(verb) => options::get(&verb, &desk)?,
        Verb::Set(verb) => options::set(&verb, &desk)?,
        Verb::Undelete(verb) => undo::undelete(&verb, &desk)?,
        Verb::Status(_) => look::status(&desk)?,
        Verb::Clock(verb) => clock::clock(&verb, &desk)?,
        Verb::Who(_) => sessions::who(&desk)?,
        Verb::Kick(verb) => sessions::kick(&verb, &desk)?,
        Verb::Auth(verb) => return auth::auth(&verb, &desk, output),
        Verb::Cert(verb) => return cert::cert(&verb, &desk, output),
        Verb::Account(verb) => account::account(&verb, &desk)?,
        Verb::LocalUsers(verb) => return local_users::serve(&verb, output),
        Verb::Fails(verb) => fails::fails(&verb, &desk)?,
        Verb::Queue(verb) => return queue::queue(&verb, &desk, output),
        Verb::Route(verb) => route::route(&verb, &desk)?,
        Verb::Share(verb) => route::share(&verb, &desk)?,
        Verb::Doctor(verb) => return doctor::doctor(&verb, &desk, output),
        Verb::Forward(verb) => forward::forward(&verb, &desk)?,
    };
    output.report(&report)
}

/// Whether it is for a database that stands. Only a setup with names makes one.
fn needs_database(verb: &Verb) -> bool {
    match verb {
        Verb::Setup(verb) => verb.names.is_empty() && !verb.remove && !verb.recovery_words_stdin,
        Verb::LocalUsers(_) => false,
        _ => true,
    }
}

fn exit_code(kind: Failure) -> ExitCode {
    ExitCode::from(match kind {
        Failure::Failed => 1,
        Failure::Usage => 2,
        Failure::NotFound => 3,
        Failure::Exists => 4,
        Failure::Refused => 5,
        Failure::Unreachable => 6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside an installed service, who is not root was told by "setup" to give names, and by "serve" to run setup.
    #[test]
    fn only_what_makes_a_database_is_no_matter_of_the_services() {
        for (words, wanted) in [
            (&["setup"][..], true),
            (&["setup", "--dry-run"], true),
            (&["serve"], true),
            (&["list"], true),
            (&["setup", "home.lan", "alice"], false),
            (&["setup", "--remove"], false),
            (&["setup", "--recovery-words-stdin"], false),
            (&["local-users"], false),
        ] {
            let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
            match args::parse(&words) {
                Ok(Parsed::Verb(verb)) => assert_eq!(needs_database(&verb), wanted, "{words:?}"),
                _ => panic!("{words:?}"),
            }
        }
    }
}
