//! setup: everything for a domain and its first mailbox, then serve; as root, as a service.
//!
//! ```text
//! root, a service manager, the service's database --> service: installed or upgraded, then the mailbox
//! else ------------------------------------------> foreground: the mailbox, then this process serves
//! ```

mod advice;
mod making;
mod recovery;
mod service;

use std::path::{Path, PathBuf};

use super::accounts::{may_ask, shown};
use super::desk::Desk;
use super::install::{self, Removing, Site};
use super::output::{Output, complain};
use super::table::{Cell, Report};
use super::typed::told;
use super::verbs::Setup;
use super::{password, place, serve};
use crate::admin::{self, AdminError, Failure, LiveStatus};
use crate::clock::{Clock, UnixTime};
use crate::mail::{Address, Domain, Secret, printable};
use crate::net::machine;
use crate::settings::{Listen, ListenerKind, Method};
use advice::{Advice, Next};

pub(super) fn setup(verb: &Setup, database: PathBuf, output: &Output) -> Result<(), AdminError> {
    check(verb)?;
    if verb.recovery_words_stdin {
        return output.report(&recovery::restore(&database)?);
    }
    let site = if place::is_root() { Site::here(&database).filter(Site::is_services) } else { None };
    if verb.remove {
        return remove(verb, site, output);
    }
    if site.is_none() && !verb.no_start && place::is_services(&database) && Site::here(&database).is_none() {
        complain("no systemd, OpenRC or procd runs here, so there is no service: this command serves itself");
    }
    let names = match verb.names.as_slice() {
        [domain, user] => Some(first_mailbox(domain, user)?),
        _ => None,
    };
    match (site, names) {
        (Some(site), names) if !verb.no_start => service::setup(verb, &site, names, output),
        (_, Some((domain, address))) if verb.dry_run => dry_run(verb, &database, &domain, &address, output),
        (_, Some((domain, address))) => foreground(verb, database, &domain, address, output),
        (_, None) => Err(AdminError::usage(
            "not given: DOMAIN USER, as in poppet setup home.lan alice; \"poppet setup --help\" shows what is right",
        )),
    }
}

/// What goes together.
fn check(verb: &Setup) -> Result<(), AdminError> {
    let is_named = !verb.names.is_empty();
    let has_other = verb.no_start || verb.password_stdin || verb.dry_run || verb.remove || verb.yes;
    let text = match verb {
        Setup { recovery_words_stdin: true, .. } if is_named || has_other => {
            "--recovery-words-stdin brings a lost device key back, and nothing else"
        }
        Setup { remove: true, .. } if is_named => "--remove takes the service away, and no name",
        Setup { remove: true, no_start: true, .. } => "--remove takes --dry-run or --yes, and nothing else",
        Setup { remove: false, yes: true, .. } => "--yes is for --remove",
        Setup { password_stdin: true, .. } if !is_named => {
            "--password-stdin is for a mailbox: give DOMAIN and USER"
        }
        _ => return Ok(()),
    };
    Err(AdminError::usage(format!("{text}; \"poppet setup --help\" shows what is right")))
}

/// What would be made for a server in the foreground. Nothing is touched.
fn dry_run(
    verb: &Setup,
    database: &Path,
    domain: &Domain,
    address: &Address,
    output: &Output,
) -> Result<(), AdminError> {
    let is_running = serve::running(database).is_some();
    if !is_running {
        making::ensure_possible(database, !verb.no_start)?;
    }
    let mut steps = vec![
        (
            "database",
            format!(
                "make what is missing: {}, device key, certificates",
                printable(database.as_os_str().as_encoded_bytes())
            ),
        ),
        ("domain", format!("make the domain {domain}, unless it is there")),
        ("mailbox", format!("make the mailbox {address}, unless it is there")),
    ];
    if !is_running && !verb.no_start {
        steps.push(("serve", "serve until Ctrl-C".into()));
    }
    let rows = steps
        .into_iter()
        .zip(1..)
        .map(|((what, how), number)| vec![Cell::Number(number), Cell::text(what), Cell::text(how)]);
    output.report(&Report::Rows(&["step", "what", "how"], rows.collect()))
}

fn remove(verb: &Setup, site: Option<Site>, output: &Output) -> Result<(), AdminError> {
    let Some(site) = site else {
        return Err(AdminError::new(
            Failure::NotFound,
            "nothing is installed from here: --remove is for root, where a service manager runs, without --db",
        ));
    };
    let removing = match (verb.dry_run, verb.yes) {
        (true, _) => Removing::Dry,
        (false, true) => Removing::Confirmed,
        (false, false) => Removing::Unconfirmed,
    };
    match install::remove(&site, removing) {
        Err(refusal) if refusal.kind == Failure::Refused && !verb.yes && may_ask() => {
            if !service::is_agreed(&refusal) {
                return Err(AdminError::new(Failure::Refused, "all stays as it is"));
            }
            output.report(&install::remove(&site, Removing::Confirmed)?)
        }
        removed => output.report(&removed?),
    }
}

fn foreground(
    verb: &Setup,
    database: PathBuf,
    domain: &Domain,
    address: Address,
    output: &Output,
) -> Result<(), AdminError> {
    // Asked for before anything is made: a missing password leaves nothing half done.
    let given = given_password(verb, &address)?;
    let clock = Clock::system(UnixTime(0));
    let running = serve::running(&database);
    let (desk, context, is_database_new, recovery_words) = match &running {
        Some(_) => (Desk::new(database.clone()), None, false, None),
        None => {
            making::ensure_possible(&database, !verb.no_start)?;
            let founded = admin::found(&database, &clock)?;
            let desk = Desk::with(database.clone(), founded.context.clone());
            (desk, Some(founded.context), founded.is_new, founded.recovery_words)
        }
    };
    // The mailbox comes last: its password is told as soon as it stands, and an attempt that a full disk ends
    // before has lost no secret.
    let ground = making::ensure_ground(&desk, domain)?;
    let authority = making::authority_path(&database);
    making::ensure_authority_file(&authority, &ground.authority)?;
    let mailbox = making::ensure_mailbox(&desk, &address, given)?;
    let postmaster = making::ensure_postmaster(&desk, &ground.settings, &address);

    let next = match &running {
        Some(live) => Next::RunsAlready(live.pid),
        None if verb.no_start => Next::Nothing,
        None => Next::Serves,
    };
    let advice = Advice {
        address,
        database: database.clone(),
        authority,
        password: mailbox.password.as_ref().map(shown),
        recovery_words,
        is_database_new,
        is_domain_new: ground.is_domain_new,
        is_mailbox_new: mailbox.is_new,
        is_certificate_new: ground.is_certificate_new,
        next,
        has_password_here: ground.settings.auth == Method::File,
        host_name: machine::host_name(),
        server: server_address(),
        listeners: running.map_or(ground.settings.listeners, |live| bound(&live)),
    };
    tell(&advice, output)?;
    mailbox.unseen.iter().for_each(|note| complain(note));
    postmaster?;
    match context {
        Some(context) if !verb.no_start => serve::run(context, database, output),
        _ => Ok(()),
    }
}

fn given_password(verb: &Setup, address: &Address) -> Result<Option<Secret>, AdminError> {
    if verb.password_stdin { password::obtain(address, true) } else { Ok(None) }
}

fn tell(advice: &Advice, output: &Output) -> Result<(), AdminError> {
    match output.is_json {
        true => output.json(&advice.json()),
        false => output.text(&told(&advice.text())),
    }
}

fn server_address() -> String {
    machine::addresses().first().map_or("localhost".into(), ToString::to_string)
}

/// Where a running server listens, whatever its settings say: its flags may have been others.
fn bound(live: &LiveStatus) -> [Listen; 5] {
    ListenerKind::ALL.map(|kind| {
        let own = live.listeners.iter().filter(|(name, _)| name == kind.name());
        Listen(own.map(|(_, address)| *address).collect())
    })
}

/// The first mailbox as typed: `home.lan alice`, or for careful people `home.lan alice@home.lan`.
fn first_mailbox(domain: &str, user: &str) -> Result<(Domain, Address), AdminError> {
    let domain: Domain = match domain.parse()? {
        admin::Target::Domain(domain) => domain,
        admin::Target::Mailbox(address) => {
            let text =
                format!("the domain comes first: poppet setup {} {}", address.domain(), address.local_part());
            return Err(AdminError::usage(text));
        }
    };
    if !domain.as_str().contains('.') && user.contains('.') && user.parse::<Domain>().is_ok() {
        return Err(AdminError::usage(format!(
            "the domain comes first: poppet setup {user} {domain}, or for that very mailbox \
             poppet setup {domain} {user}@{domain}"
        )));
    }
    let address = match user.contains('@') {
        true => user.parse().ok().filter(|address: &Address| address.domain() == domain),
        false => Address::new(user, &domain).ok(),
    };
    let address = address.ok_or_else(|| {
        AdminError::usage(format!(
            "{} can't name a mailbox of {domain}: give a name such as alice, of letters, 0-9 and . _ + -",
            admin::quoted(user)
        ))
    })?;
    Ok((domain, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mailbox_is_a_name_or_its_whole_address() {
        for user in ["alice", "Alice", "alice@home.lan"] {
            let (_, address) = first_mailbox("Home.lan", user).unwrap();
            assert_eq!(address.as_str(), "alice@home.lan");
        }
    }

    #[test]
    fn names_that_name_no_mailbox_are_misuse_s_107_s_326() {
        for (domain, user) in [
            ("home.lan", "alice@other.lan"),
            ("home.lan", ""),
            ("home.lan", "--help"),
            ("home.lan", "../x"),
            ("home.lan", "a\u{1b}[2J"),
            ("ho me", "alice"),
            ("", "alice"),
            ("alice", "home.lan"),
            ("alice@home.lan", "alice"),
        ] {
            let error = first_mailbox(domain, user).unwrap_err();
            assert_eq!(error.kind, Failure::Usage, "{domain} {user}");
            assert!(error.text.lines().count() == 1 && !error.text.contains('\u{1b}'));
        }
    }
}
