//! serve: the server in the foreground.
//!
//! ```text
//! one thread:  1 sockets of the service manager are taken, before anything else is opened
//!              2 the settings are looked up, as the user who will serve; the database is closed again
//!              3 low ports are opened, and root becomes that user for good
//!              4 confine: nothing is opened any more but what the settings need
//! more:        5 the database is opened, whose threads inherit all that
//!              6 net::serve, which seals the sandbox once all is bound
//! ```

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, io, process, thread};

use super::output::Output;
use super::verbs::Serve;
use super::{confinement, logger, place, table};
use crate::admin::{self, AdminError, Answer, Command, Context, Failure, LiveStatus, Seen};
use crate::clock::{Clock, UnixTime};
use crate::local::{self, Servant};
use crate::mail::Domain;
use crate::net::{self, Notifier, Plan, ServeError, control, machine, passed};
use crate::sandbox;
use crate::settings::{Listen, ListenerKind, Settings};
use crate::sys;

pub(super) fn serve(verb: &Serve, database: PathBuf, output: &Output) -> Result<(), AdminError> {
    logger::start();
    let passed = passed::from_service_manager();
    let overrides = overrides(verb)?;
    if let Some(live) = running(&database) {
        return Err(AdminError::new(
            Failure::Exists,
            format!("the server of this database runs already, as process {}: end that one first", live.pid),
        ));
    }
    let servant = verb.user.as_deref().map(servant).transpose()?;
    let notifier = Notifier::from_environment();
    start(servant, Plan { database, overrides, passed, notifier, ..Plan::default() }, output)
}

/// Serves a database that is open here, once this has closed it. The program begins anew for that: threads of what was
/// done before, as those that ask a directory, would go free of the sandbox, and passwords would stay in memory.
pub(super) fn run(context: Context, database: PathBuf, output: &Output) -> Result<(), AdminError> {
    context.store.close();
    drop(context);
    let error = begin_anew(&database);
    sys::outlive_readers();
    logger::start();
    log::debug!("the program can't begin anew: {error}; it goes on as it is");
    start(None, Plan { database, ..Plan::default() }, output)
}

/// Comes back only if it fails, as where an emulator runs the program, or where its file is gone.
fn begin_anew(database: &Path) -> io::Error {
    match env::current_exe() {
        Ok(program) => process::Command::new(program).arg("--db").arg(database).arg("serve").exec(),
        Err(error) => error,
    }
}

/// The steps of this file's heading from the second on.
fn start(servant: Option<Servant>, mut plan: Plan, output: &Output) -> Result<(), AdminError> {
    if servant.is_none() {
        refuse_root(&plan.database)?;
    }
    let seen = look(&plan, servant.as_ref())?;
    let settings = Arc::clone(&seen.settings);
    if !has_listener(&settings, &plan) {
        return Err(AdminError::new(
            Failure::Failed,
            "no listener is on: give one, as in \"poppet serve --pop3 0.0.0.0:110\", or run \"poppet setup\"",
        ));
    }
    passed::open_low(&mut plan, &settings).map_err(failed)?;
    if let Some(servant) = &servant {
        servant.become_for_good().map_err(|text| AdminError::new(Failure::Failed, text))?;
    }
    match settings.sandbox {
        true => {
            let needs = confinement::needs(&seen, &plan);
            plan.sandbox = sandbox::confine(&needs);
            plan.needs = Some(needs);
        }
        false => plan.sandbox = sandbox::without(),
    }

    let clock = Clock::system(UnixTime(0));
    let patience = plan.notifier.patience();
    let context = admin::open(&plan.database, &clock)?;
    net::renewing::renew_own(&context);
    drop(patience);
    if let Some(trouble) = admin::trouble_of_clock(&context.store.clock_state()) {
        log::warn!("clock: {trouble}");
    }
    let ready = |bound: &[(ListenerKind, SocketAddr)]| {
        warn_root();
        if let Err(error) = output.text(&ready_line(bound)) {
            log::warn!("{}", table::harmless(&error.text));
        }
    };
    net::serve(context, clock, plan, ready).map_err(failed)
}

fn failed(error: ServeError) -> AdminError {
    AdminError::new(Failure::Failed, error.0)
}

/// The user who is to serve.
fn servant(name: &str) -> Result<Servant, AdminError> {
    let shown = table::harmless(name);
    let servant = Servant::find(Path::new(ETC), name).map_err(|error| {
        AdminError::new(Failure::Failed, format!("can't read the accounts in {ETC}: {error}"))
    })?;
    match servant {
        None => Err(AdminError::new(
            Failure::NotFound,
            format!(
                "there is no user {shown} of this system: make it with \"useradd --system {shown}\", or name another"
            ),
        )),
        Some(servant) if servant.is_root() => Err(AdminError::usage(format!(
            "{shown} is root, who is to serve nobody: name another user with --user"
        ))),
        Some(servant) => Ok(servant),
    }
}

/// Root serves only what is his own (S-331).
fn refuse_root(database: &Path) -> Result<(), AdminError> {
    if !place::is_root() {
        return Ok(());
    }
    let owner = database.symlink_metadata().map_or(0, |about| about.uid());
    if owner != 0 {
        let name = local::name_of(Path::new(ETC), owner);
        return Err(of_another(database, owner, name.as_deref(), place::start_command(database)));
    }
    Ok(())
}

/// The service comes first where there may be one.
fn of_another(database: &Path, owner: u32, name: Option<&str>, start: &str) -> AdminError {
    let user = name.map_or(format!("user {owner}"), |name| format!("the user {name}"));
    let by_hand = format!("poppet serve --user {}", name.unwrap_or("NAME"));
    let remedy = match start {
        place::SERVE => format!("run \"{by_hand}\""),
        service => format!("run \"{service}\" for the service, or \"{by_hand}\""),
    };
    let text = format!("the database {} belongs to {user}, not to root: {remedy}", database.display());
    AdminError::new(Failure::Refused, text)
}

/// Once all else is well: before that the cause of a failure is one line.
fn warn_root() {
    if place::is_root() {
        log::warn!(
            "this server is root, and so is whoever finds a bug in it: make a user, give the database's folder and its files \
             to it, and say \"poppet serve --user NAME\""
        );
    }
}

/// The settings and what goes with them, read by the user who will serve: what is in his folder is nothing that root should open.
fn look(plan: &Plan, servant: Option<&Servant>) -> Result<Seen, AdminError> {
    let _patience = plan.notifier.patience();
    let Some(servant) = servant else { return admin::look(&plan.database) };
    let look = || {
        servant.become_for_good().map_err(|text| AdminError::new(Failure::Refused, text))?;
        admin::look(&plan.database)
    };
    thread::scope(|scope| scope.spawn(look).join()).unwrap_or_else(|_| {
        Err(AdminError::new(Failure::Failed, "the database can't be looked at; please report this"))
    })
}

/// How the server is that has this database open; none if there is none.
pub(super) fn running(database: &Path) -> Option<LiveStatus> {
    match control::ask(database, &Command::Status)? {
        Ok(Answer::Status(status)) => status.live,
        _ => None,
    }
}

/// What the server certificate is to be for, of what only the machine knows.
pub(super) fn certificate_for(organisation: Domain) -> Command {
    Command::EnsureCertificate { organisation, names: machine::names(), addresses: machine::addresses() }
}

fn has_listener(settings: &Settings, plan: &Plan) -> bool {
    passed::wanted(settings, &plan.overrides).next().is_some()
}

fn overrides(verb: &Serve) -> Result<Vec<(ListenerKind, Listen)>, AdminError> {
    let given = [&verb.pop3, &verb.pop3s, &verb.smtp, &verb.submission, &verb.submissions];
    let mut overrides = Vec::new();
    for (kind, value) in ListenerKind::ALL.into_iter().zip(given) {
        let Some(value) = value else { continue };
        let listen = value.parse().map_err(|_| {
            AdminError::usage(format!(
                "--{} can't be {:?}: it takes off, or addresses with ports such as 127.0.0.1:{}",
                kind.name(),
                table::harmless(value),
                kind.ports().1
            ))
        })?;
        overrides.push((kind, listen));
    }
    Ok(overrides)
}

/// `ready pop3=127.0.0.1:1110 smtp=…`; a listener with several addresses has them with commas between.
fn ready_line(bound: &[(ListenerKind, SocketAddr)]) -> String {
    let mut line = String::from("ready");
    for kind in ListenerKind::ALL {
        let addresses: Vec<String> =
            bound.iter().filter(|(of, _)| *of == kind).map(|(_, address)| address.to_string()).collect();
        if !addresses.is_empty() {
            line.push_str(&format!(" {}={}", kind.name(), addresses.join(",")));
        }
    }
    line + "\n"
}

/// Where the system's accounts are.
const ETC: &str = "/etc";

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Serve {
        Serve { pop3: None, pop3s: None, smtp: None, submission: None, submissions: None, user: None }
    }

    #[test]
    fn the_ready_line_names_what_is_bound_and_nothing_else() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let bound = [
            (ListenerKind::Smtp, at("127.0.0.1:2525")),
            (ListenerKind::Pop3, at("127.0.0.1:1110")),
            (ListenerKind::Smtp, at("[::1]:2525")),
        ];
        assert_eq!(ready_line(&bound), "ready pop3=127.0.0.1:1110 smtp=127.0.0.1:2525,[::1]:2525\n");
    }

    /// The owner was a number, and nothing was said of the service that had been removed.
    #[test]
    fn root_is_told_whose_the_database_is_and_who_serves_it_s_331() {
        let told = |name, start| of_another(Path::new("/d/p.redb"), 994, name, start).text;
        for (name, start, wanted) in [
            (
                Some("poppet"),
                "poppet serve",
                "the user poppet, not to root: run \"poppet serve --user poppet\"",
            ),
            (None, "poppet serve", "user 994, not to root: run \"poppet serve --user NAME\""),
            (
                Some("poppet"),
                "poppet setup",
                "run \"poppet setup\" for the service, or \"poppet serve --user poppet\"",
            ),
        ] {
            assert!(told(name, start).ends_with(wanted), "{}", told(name, start));
        }
    }

    #[test]
    fn listener_flags_take_off_and_addresses() {
        let verb = Serve { pop3: Some("off".into()), smtp: Some("127.0.0.1:0".into()), ..flags() };
        let overrides = overrides(&verb).unwrap();
        assert_eq!(overrides[0], (ListenerKind::Pop3, Listen::default()));
        assert_eq!(overrides[1].1.0.len(), 1);
    }

    #[test]
    fn other_listener_flags_are_misuse_and_say_what_is_right() {
        for value in ["", "on", "110", "localhost:110", "127.0.0.1", "127.0.0.1:65536", "\u{1b}"] {
            let error = overrides(&Serve { pop3s: Some(value.into()), ..flags() }).unwrap_err();
            assert_eq!(error.kind, Failure::Usage, "{value}");
            assert!(error.text.starts_with("--pop3s") && error.text.contains("127.0.0.1:1995"));
            assert!(!error.text.contains('\u{1b}'));
        }
    }
}
