//! serve: the server in the foreground.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::DumpableBehavior;

use super::output::Output;
use super::verbs::Serve;
use super::{logger, machine, table};
use crate::admin::{self, AdminError, Answer, Command, Context, Failure, LiveStatus};
use crate::clock::{Clock, UnixTime};
use crate::mail::Domain;
use crate::net::{self, Plan, control};
use crate::settings::{Listen, ListenerKind};
use crate::ticket::block_on;

pub(super) fn serve(verb: &Serve, database: PathBuf, output: &Output) -> Result<(), AdminError> {
    let overrides = overrides(verb)?;
    if let Some(live) = running(&database) {
        return Err(AdminError::new(
            Failure::Exists,
            format!("the server of this database runs already, as process {}: end that one first", live.pid),
        ));
    }
    let clock = Clock::system(UnixTime(0));
    let context = admin::open(&database, &clock)?;
    run(context, clock, Plan { database, overrides, ..Plan::default() }, output)
}

/// How the server is that has this database open; none if there is none.
pub(super) fn running(database: &Path) -> Option<LiveStatus> {
    match control::ask(database, &Command::Status)? {
        Ok(Answer::Status(status)) => status.live,
        _ => None,
    }
}

/// Serves an opened database; the ready line names every bound address.
pub(super) fn run(context: Context, clock: Clock, plan: Plan, output: &Output) -> Result<(), AdminError> {
    if !has_listener(&context, &plan) {
        return Err(AdminError::new(
            Failure::Failed,
            "no listener is on: give one, as in \"poppet serve --pop3 0.0.0.0:110\", or run \"poppet setup\"",
        ));
    }
    logger::start();
    keep_memory_private();
    renew_certificate(&context);
    let ready = |bound: &[(ListenerKind, SocketAddr)]| {
        if let Err(error) = output.text(&ready_line(bound)) {
            log::warn!("{}", table::harmless(&error.text));
        }
    };
    net::serve(context, clock, plan, ready).map_err(|error| AdminError::new(Failure::Failed, error.0))
}

/// Passwords and keys are in memory: nobody of this user reads it, and no core file holds it (S-263).
fn keep_memory_private() {
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        log::warn!("traces of this process can't be forbidden: {error}; it goes on with them");
    }
}

/// What the server certificate is to be for, of what only the machine knows.
pub(super) fn certificate_for(organisation: Domain) -> Command {
    Command::EnsureCertificate { organisation, names: machine::names(), addresses: machine::addresses() }
}

/// Makes the server certificate anew if the machine has moved, domains have come, or it ends soon. The mail
/// goes on with the old one if that fails.
fn renew_certificate(context: &Context) {
    match renewed(context) {
        Ok(true) => log::info!("the server certificate is made anew; clients that trust the authority go on"),
        Ok(false) => {}
        Err(error) => log::warn!("the server certificate can't be renewed: {}", table::harmless(&error.text)),
    }
}

fn renewed(context: &Context) -> Result<bool, AdminError> {
    let domains = block_on(context.store.domains())?;
    let Some(first) = domains.into_iter().next() else { return Ok(false) };
    match block_on(admin::execute(context, certificate_for(first.domain)))? {
        Answer::Certificate { is_new, .. } => Ok(is_new),
        _ => Ok(false),
    }
}

fn has_listener(context: &Context, plan: &Plan) -> bool {
    let settings = context.store.settings();
    ListenerKind::ALL.iter().any(|kind| {
        let given = plan.overrides.iter().find(|(given, _)| given == kind).map(|(_, listen)| listen);
        !given.unwrap_or(settings.listen(*kind)).0.is_empty()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Serve {
        Serve { pop3: None, pop3s: None, smtp: None, submission: None, submissions: None }
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
