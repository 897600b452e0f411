//! setup: everything for a domain and its first mailbox, then serve.

mod advice;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::accounts::{generated, shown};
use super::desk::{Desk, stranger};
use super::output::{Output, complain};
use super::verbs::Setup;
use super::{password, place, serve};
use crate::admin::{self, AdminError, Answer, Command, Failure, LiveStatus, Origin};
use crate::clock::{Clock, UnixTime};
use crate::mail::{Address, Domain};
use crate::net::{Plan, machine};
use crate::settings::{Key, Listen, ListenerKind, Method, Settings};
use advice::Advice;

pub(super) fn setup(verb: &Setup, database: PathBuf, output: &Output) -> Result<(), AdminError> {
    let (domain, address) = first_mailbox(&verb.domain, &verb.user)?;
    // Asked for before anything is made: a missing password leaves nothing half done.
    let given = if verb.password_stdin { password::obtain(&address, true)? } else { None };

    let clock = Clock::system(UnixTime(0));
    let running = serve::running(&database);
    let (desk, context, is_database_new, recovery_words) = match &running {
        Some(_) => (Desk::new(database.clone()), None, false, None),
        None => {
            let founded = admin::found(&database, &clock)?;
            let desk = Desk::with(database.clone(), founded.context.clone());
            (desk, Some(founded.context), founded.is_new, founded.recovery_words)
        }
    };
    // The mailbox comes last: its password is told as soon as it stands, and an attempt that a full disk ends
    // before has lost no secret.
    let is_domain_new = is_new(desk.ask(Command::AddDomain(domain.clone())))?.is_some();
    let settings = ensure_settings(&desk, &domain)?;
    let (is_certificate_new, authority) = ensure_authority(&desk, &domain)?;
    let command = Command::AddMailbox { address: address.clone(), password: given, account: None };
    let (is_mailbox_new, password, unseen) = match is_new(desk.ask(command))? {
        None => {
            // The name may be an alias's.
            desk.ask(Command::Mailbox(address.clone()))?;
            (false, None, None)
        }
        Some(Answer::AddedUnseen { note }) => (true, None, Some(note)),
        Some(answer) => (true, generated(answer)?, None),
    };

    let postmaster = ensure_postmaster(&desk, &settings, &address);

    let advice = Advice {
        address,
        database: database.clone(),
        authority,
        password: password.as_ref().map(shown),
        recovery_words,
        is_database_new,
        is_domain_new,
        is_mailbox_new,
        is_certificate_new,
        running: running.as_ref().map(|live| live.pid),
        has_password_here: settings.auth == Method::File,
        will_serve: running.is_none() && !verb.no_start,
        host_name: machine::host_name(),
        server: machine::addresses().first().map_or("localhost".into(), ToString::to_string),
        listeners: running.map_or(settings.listeners, |live| bound(&live)),
    };
    match output.is_json {
        true => output.json(&advice.json())?,
        false => output.text(&advice.text())?,
    }
    unseen.iter().for_each(|note| complain(note));
    postmaster?;
    match context {
        Some(context) if !verb.no_start => serve::run(context, Plan { database, ..Plan::default() }, output),
        _ => Ok(()),
    }
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

/// The answer if the thing has been made, none if it stands already.
fn is_new(result: Result<Answer, AdminError>) -> Result<Option<Answer>, AdminError> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == Failure::Exists => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives what was never set a first value; what an administrator has set stays.
fn ensure_settings(desk: &Desk, domain: &Domain) -> Result<Settings, AdminError> {
    let Answer::Settings(rows) = desk.ask(Command::Settings(None))? else { return Err(stranger()) };
    let mut settings = Settings::default();
    for row in rows.iter().filter(|row| !row.is_fixed && row.origin != Origin::Default) {
        settings.assign(&row.key, &row.value)?;
    }
    let mut first = Vec::new();
    if settings.hostname.is_none() {
        first.push(("hostname", format!("mail.{domain}")));
    }
    if settings.listeners.iter().all(|listen| listen.0.is_empty()) {
        let (is_root, has_ipv6) = (place::is_root(), machine::has_ipv6());
        first.extend(
            ListenerKind::ALL.map(|kind| (kind.name(), first_listen(kind, is_root, has_ipv6).to_string())),
        );
    }
    for (key, value) in first {
        settings.assign(Key::find(key)?.name, &value)?;
        desk.ask(Command::Assign { key: key.into(), value: Some(value), is_final: false })?;
    }
    Ok(settings)
}

/// Somebody gets the mail for postmaster. RFC 5321 §4.5.1.
fn ensure_postmaster(desk: &Desk, settings: &Settings, address: &Address) -> Result<(), AdminError> {
    match settings.postmaster {
        Some(_) => Ok(()),
        None => {
            let value = Some(address.to_string());
            desk.ask(Command::Assign { key: "postmaster".into(), value, is_final: false }).map(|_| ())
        }
    }
}

/// All addresses: whose connections are taken is the setting `peers`.
fn first_listen(kind: ListenerKind, is_root: bool, has_ipv6: bool) -> Listen {
    let (standard, unprivileged) = kind.ports();
    let port = if is_root { standard } else { unprivileged };
    let mut listen = Listen(vec![(std::net::Ipv4Addr::UNSPECIFIED, port).into()]);
    if has_ipv6 {
        listen.0.push((std::net::Ipv6Addr::UNSPECIFIED, port).into());
    }
    listen
}

/// Makes the certificates where there are none, and the file that clients trust; says whether they are new.
fn ensure_authority(desk: &Desk, domain: &Domain) -> Result<(bool, PathBuf), AdminError> {
    let Answer::Certificate { is_new, authority } = desk.ask(serve::certificate_for(domain.clone()))? else {
        return Err(stranger());
    };
    let path = authority_path(desk.database());
    if fs::read(&path).ok().as_deref() != Some(authority.as_bytes()) {
        write_whole(&path, authority.as_bytes()).map_err(|error| {
            let text =
                format!("can't write {}: {error}; make room or rights, then run setup again", path.display());
            AdminError::new(Failure::Failed, text)
        })?;
    }
    Ok((is_new, path))
}

/// `poppet.redb` has `poppet-authority.pem` beside it.
fn authority_path(database: &Path) -> PathBuf {
    let stem = database.file_stem().unwrap_or_default().to_string_lossy();
    database.with_file_name(format!("{stem}-authority.pem"))
}

/// Writes a file whole or not at all, readable for everyone.
fn write_whole(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("pem.new");
    // What an interrupted attempt left; that there is nothing is well.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
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

    #[test]
    fn root_gets_the_standard_ports() {
        assert_eq!(first_listen(ListenerKind::Pop3, true, false).to_string(), "0.0.0.0:110");
        assert_eq!(first_listen(ListenerKind::Smtp, false, true).to_string(), "0.0.0.0:2525,[::]:2525");
    }

    #[test]
    fn the_authority_stands_beside_the_database() {
        assert_eq!(authority_path(Path::new("/x/poppet.redb")), Path::new("/x/poppet-authority.pem"));
        assert_eq!(authority_path(Path::new("mail")), Path::new("mail-authority.pem"));
    }
}
