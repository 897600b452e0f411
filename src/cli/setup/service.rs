//! setup as root: the service is installed or upgraded, then the running server makes the domain and the mailbox.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::advice::{Advice, Next};
use super::making::{self, FirstMailbox};
use super::{bound, given_password, server_address, tell};
use crate::admin::{self, AdminError, Answer, Command, Failure};
use crate::cli::accounts::shown;
use crate::cli::desk::Desk;
use crate::cli::install::{self, AUTHORITY, Doing, Facts, Hands, Listeners, Outcome, Serving, Site, Taken};
use crate::cli::output::{Output, complain};
use crate::cli::table::{Cell, Report, Said};
use crate::cli::verbs::Setup;
use crate::cli::{place, serve};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Address, Domain, Secret, printable};
use crate::net::probe::{self, Probe};
use crate::net::{control, machine};
use crate::settings::{Listen, ListenerKind, Method, Plaintext, Settings};

/// Installs or upgrades the service, and makes what is named. `names` is the domain and the first mailbox.
pub(super) fn setup(
    verb: &Setup,
    site: &Site,
    names: Option<(Domain, Address)>,
    output: &Output,
) -> Result<(), AdminError> {
    let given = match &names {
        Some((_, address)) if !verb.dry_run => given_password(verb, address)?,
        _ => None,
    };
    let own = std::fs::read("/proc/self/exe").map_err(|error| {
        let text = format!("can't read this program itself: {error}; is /proc mounted?");
        AdminError::new(Failure::Failed, text)
    })?;
    let domain = names.as_ref().map(|(domain, _)| domain.clone());
    let hands = RealHands { database: site.database.clone(), domain, founded: RefCell::default() };
    let facts = Facts::look(site, &own, &hands)?;
    let plan = install::plan(site, &facts, names.is_some())?;
    if verb.dry_run {
        return output.report(&plan.report(site));
    }
    let doing = Doing { site, own: &own, hands: &hands, patience: limits::SERVICE_PATIENCE };
    let outcome = doing.carry_out(&plan)?;
    match names {
        None => output.report(&upgraded(site, outcome)),
        Some((domain, address)) => {
            let first = FirstOfService { site, hands: &hands, outcome };
            first.make(&domain, address, given, output)
        }
    }
}

/// Asks a person. What the refusal says stands before its advice.
pub(super) fn is_agreed(refusal: &AdminError) -> bool {
    let what = refusal.text.split(": say").next().unwrap_or_default();
    let _ = write!(std::io::stderr(), "{what}. Remove it? [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn upgraded(site: &Site, outcome: Outcome) -> Report {
    let version = env!("CARGO_PKG_VERSION");
    let former = outcome.is_former_kept.then(|| site.former());
    let kept = former.map(|path| format!("; the version before is kept as {path}")).unwrap_or_default();
    let facts = vec![
        ("service", Cell::Is(true)),
        ("version", Cell::text(version)),
        ("former", former.map_or(Cell::None, Cell::text)),
    ];
    Report::Said(format!("poppet {version} runs as a service{kept}."), facts, Said::Quiet)
}

/// The domain and the mailbox of a service that runs.
struct FirstOfService<'a> {
    site: &'a Site,
    hands: &'a RealHands,
    outcome: Outcome,
}

impl FirstOfService<'_> {
    fn make(
        &self,
        domain: &Domain,
        address: Address,
        given: Option<Secret>,
        output: &Output,
    ) -> Result<(), AdminError> {
        let desk = Desk::new(self.site.database.clone());
        let ground = making::ensure_ground(&desk, domain)?;
        put_authority(&self.site.at(AUTHORITY), &ground.authority)?;
        let mailbox = making::ensure_mailbox(&desk, &address, given.clone())?;
        let postmaster = making::ensure_postmaster(&desk, &ground.settings, &address);
        let founded = self.hands.founded.take().unwrap_or_default();
        let running = serve::running(&self.site.database);
        let proof = self.prove_logon(&ground.settings, &ground.authority, &mailbox, &address, given);
        let advice = Advice {
            address,
            database: self.site.database.clone(),
            authority: AUTHORITY.into(),
            password: mailbox.password.as_ref().map(shown),
            recovery_words: founded.recovery_words,
            is_database_new: founded.is_new,
            is_domain_new: founded.is_domain_new || ground.is_domain_new,
            is_mailbox_new: mailbox.is_new,
            is_certificate_new: founded.is_certificate_new || ground.is_certificate_new,
            next: Next::Service {
                pid: running.as_ref().map(|live| live.pid),
                log: self.site.log_command(),
                former: self.outcome.is_former_kept.then(|| self.site.former()),
            },
            has_password_here: ground.settings.auth == Method::File,
            host_name: machine::host_name(),
            server: server_address(),
            listeners: running.map_or(ground.settings.listeners, |live| bound(&live)),
        };
        // The password first: whatever fails now, it is not lost.
        tell(&advice, output)?;
        mailbox.unseen.iter().for_each(|note| complain(note));
        postmaster?;
        proof.map_err(|why| {
            let log = self.site.log_command();
            let text =
                format!("all stands, but a logon to the new mailbox fails: {why}; \"{log}\" tells more");
            AdminError::new(Failure::Failed, text)
        })
    }

    /// Logs on to a mailbox whose password is known, if it may be sent.
    fn prove_logon(
        &self,
        settings: &Settings,
        authority: &str,
        mailbox: &FirstMailbox,
        address: &Address,
        given: Option<Secret>,
    ) -> Result<(), String> {
        let may_be_sent =
            settings.auth == Method::File && settings.plaintext != Plaintext::Never && !settings.sparequired;
        let password = mailbox.password.clone().or(given).filter(|_| mailbox.is_new && may_be_sent);
        match password {
            Some(password) => self.hands.probe(authority, Some((address.clone(), password))),
            None => Ok(()),
        }
    }
}

fn put_authority(path: &Path, authority: &str) -> Result<(), AdminError> {
    if std::fs::read(path).is_ok_and(|found| found == authority.as_bytes()) {
        return Ok(());
    }
    install::put_public(path, authority.as_bytes()).map_err(|error| {
        let text = format!("can't write {AUTHORITY}: {error}; make room or rights, then run setup again");
        AdminError::new(Failure::Failed, text)
    })
}

/// The service's database has one place, so there is no other to be named.
fn in_the_way(database: &Path, is_services: bool, error: AdminError) -> AdminError {
    if !is_services || !admin::is_foreign(database) {
        return error;
    }
    AdminError::unreachable(format!(
        "{} is no database of poppet: move it away, or put a backup in its place, then run setup again",
        printable(database.as_os_str().as_encoded_bytes())
    ))
}

/// What has been made before the service runs.
#[derive(Default)]
struct Made {
    is_new: bool,
    recovery_words: Option<String>,
    is_domain_new: bool,
    is_certificate_new: bool,
}

/// The database and the server of this machine.
struct RealHands {
    database: PathBuf,
    domain: Option<Domain>,
    founded: RefCell<Option<Made>>,
}

impl RealHands {
    /// Has a session of POP3 where the running server listens; there is nothing to try if POP3 is off.
    fn probe(&self, authority: &str, logon: Option<(Address, Secret)>) -> Result<(), String> {
        let live = serve::running(&self.database).ok_or("the server does not answer yet")?;
        let find = |kind: ListenerKind| {
            live.listeners.iter().find(|(name, _)| name == kind.name()).map(|(_, address)| *address)
        };
        let implicit = find(ListenerKind::Pop3s).map(|listener| (listener, true));
        let Some((listener, is_implicit_tls)) =
            implicit.or_else(|| find(ListenerKind::Pop3).map(|listener| (listener, false)))
        else {
            return Ok(());
        };
        let probe = Probe { listener, is_implicit_tls, authority: authority.into(), logon };
        probe::pop3(&probe, limits::PROOF_ANSWER)
    }
}

impl Hands for RealHands {
    fn server(&self) -> Serving {
        match control::ask(&self.database, &Command::Status) {
            None => Serving::Nobody,
            Some(Ok(Answer::Status(status))) => {
                status.live.map_or(Serving::Stranger, |live| Serving::Process(live.pid))
            }
            Some(_) => Serving::Stranger,
        }
    }

    fn listeners(&self, has_database: bool, server: &Serving) -> Result<Listeners, AdminError> {
        let stored = match (has_database, server) {
            (_, Serving::Stranger) => return Ok(None),
            (false, _) => None,
            (true, Serving::Process(_)) => {
                Some(making::settings_of(&Desk::new(self.database.clone()))?.listeners)
            }
            (true, Serving::Nobody) => match admin::peek(&self.database)
                .map_err(|error| in_the_way(&self.database, place::is_services(&self.database), error))?
            {
                Some(settings) => Some(settings.listeners),
                None => return Ok(None),
            },
        };
        let is_unset = |listeners: &[Listen; 5]| listeners.iter().all(|listen| listen.0.is_empty());
        Ok(match stored {
            Some(listeners) if self.domain.is_none() || !is_unset(&listeners) => Some(listeners),
            _ => Some(making::first_listeners()),
        })
    }

    fn is_current(&self, program: &Path, pid: Option<u32>) -> bool {
        pid.is_none_or(|pid| install::is_current(program, pid))
    }

    fn taken(&self, listeners: &[Listen; 5]) -> Vec<Taken> {
        install::taken(listeners)
    }

    fn found(&self) -> Result<(), AdminError> {
        let founded = admin::found(&self.database, &Clock::system(UnixTime(0)))?;
        let desk = Desk::with(self.database.clone(), founded.context);
        if let Some(domain) = &self.domain {
            let ground = making::ensure_ground(&desk, domain)?;
            self.founded.replace(Some(Made {
                is_new: founded.is_new,
                recovery_words: founded.recovery_words,
                is_domain_new: ground.is_domain_new,
                is_certificate_new: ground.is_certificate_new,
            }));
        }
        Ok(())
    }

    fn prove(&self) -> Result<(), String> {
        let desk = Desk::new(self.database.clone());
        let show = Command::Certificates(admin::CertificateAct::Show);
        match desk.ask_server(show).map_err(|error| error.text)? {
            Answer::Certificate { authority, .. } => self.probe(&authority, None),
            _ => Err("the server is of another version".into()),
        }
    }

    fn is_open(&self) -> bool {
        admin::is_open(&self.database)
    }

    fn take_back(&self, database: &Path) -> Result<bool, AdminError> {
        admin::take_back(database)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Whoever found an empty poppet.redb there was told to name another with --db, by which there is no service.
    #[test]
    fn what_is_no_database_in_the_services_place_is_to_be_moved_away() {
        let folder = std::env::temp_dir().join(format!("poppet-in-the-way-{:016x}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("notes", "buy some milk and bread");
        fs::write(folder.join("empty"), "").unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        symlink(folder.join("notes"), folder.join("link")).unwrap();
        for name in ["notes", "empty", "folder", "link"] {
            let database = folder.join(name);
            let error = admin::peek(&database).err().unwrap();
            let moved = in_the_way(&database, true, error.clone());
            assert!(moved.text.contains("move it away") && !moved.text.contains("--db"), "{}", moved.text);
            assert_eq!(in_the_way(&database, false, error.clone()), error, "it was named");
        }
        let other = AdminError::unreachable("there is no database");
        assert_eq!(in_the_way(&folder.join("none"), true, other.clone()), other);
        fs::remove_dir_all(&folder).unwrap();
    }
}
