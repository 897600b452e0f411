//! The parts of a setup, each made if it is missing: settings, certificates, domain, mailbox.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::accounts::generated;
use super::super::desk::{Desk, stranger};
use super::super::install::{self, put_public};
use super::super::{place, serve};
use crate::admin::{self, AdminError, Answer, Command, Failure, Origin};
use crate::mail::{Address, Domain, Secret};
use crate::net::machine;
use crate::settings::{Key, Listen, ListenerKind, Settings};

/// What stands once a domain can have mailboxes.
pub(super) struct Ground {
    /// Whether the domain has been made just now.
    pub is_domain_new: bool,
    /// The settings.
    pub settings: Settings,
    /// Whether the certificate has been made just now.
    pub is_certificate_new: bool,
    /// The authority's certificate, PEM.
    pub authority: String,
}

/// The first mailbox.
pub(super) struct FirstMailbox {
    /// Whether it has been made just now.
    pub is_new: bool,
    /// Its password, if it was generated.
    pub password: Option<Secret>,
    /// What to say about a password that nobody was shown.
    pub unseen: Option<String>,
}

/// Errs with what would leave a setup half done, before it makes anything: a file that is no database of this poppet,
/// or, if it is to serve, an address that can't be had.
pub(super) fn ensure_possible(database: &Path, is_to_serve: bool) -> Result<(), AdminError> {
    let has_database = database.symlink_metadata().is_ok();
    let listeners = match has_database {
        false => first_listeners(),
        true => match admin::peek(database)? {
            Some(settings) if is_unset(&settings.listeners) => first_listeners(),
            Some(settings) => settings.listeners,
            // Who has it open may be done in a moment; the opening tells.
            None => return Ok(()),
        },
    };
    let taken = if is_to_serve { install::taken(&listeners) } else { Vec::new() };
    install::refusal(&taken, has_database).map_or(Ok(()), Err)
}

/// Makes what is missing below the first mailbox.
pub(super) fn ensure_ground(desk: &Desk, domain: &Domain) -> Result<Ground, AdminError> {
    let is_domain_new = is_new(desk.ask(Command::AddDomain(domain.clone())))?.is_some();
    let settings = ensure_settings(desk, domain)?;
    let (is_certificate_new, authority) = ensure_authority(desk, domain)?;
    Ok(Ground { is_domain_new, settings, is_certificate_new, authority })
}

/// Makes the mailbox if it is missing, with that password or a generated one.
pub(super) fn ensure_mailbox(
    desk: &Desk,
    address: &Address,
    given: Option<Secret>,
) -> Result<FirstMailbox, AdminError> {
    let command = Command::AddMailbox { address: address.clone(), password: given, account: None };
    Ok(match is_new(desk.ask(command))? {
        None => {
            // The name may be an alias's.
            desk.ask(Command::Mailbox(address.clone()))?;
            FirstMailbox { is_new: false, password: None, unseen: None }
        }
        Some(Answer::AddedUnseen { note }) => {
            FirstMailbox { is_new: true, password: None, unseen: Some(note) }
        }
        Some(answer) => FirstMailbox { is_new: true, password: generated(answer)?, unseen: None },
    })
}

/// The settings as they are.
pub(super) fn settings_of(desk: &Desk) -> Result<Settings, AdminError> {
    let Answer::Settings(rows) = desk.ask(Command::Settings(None))? else { return Err(stranger()) };
    let mut settings = Settings::default();
    for row in rows.iter().filter(|row| !row.is_fixed && row.origin != Origin::Default) {
        settings.assign(&row.key, &row.value)?;
    }
    Ok(settings)
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
    let mut settings = settings_of(desk)?;
    let mut first = Vec::new();
    if settings.hostname.is_none() {
        first.push(("hostname", format!("mail.{domain}")));
    }
    if is_unset(&settings.listeners) {
        first.extend(
            ListenerKind::ALL
                .into_iter()
                .zip(first_listeners())
                .map(|(kind, listen)| (kind.name(), listen.to_string())),
        );
    }
    for (key, value) in first {
        settings.assign(Key::find(key)?.name, &value)?;
        desk.ask(Command::Assign { key: key.into(), value: Some(value), is_final: false })?;
    }
    Ok(settings)
}

/// Somebody gets the mail for postmaster. RFC 5321 §4.5.1.
pub(super) fn ensure_postmaster(
    desk: &Desk,
    settings: &Settings,
    address: &Address,
) -> Result<(), AdminError> {
    match settings.postmaster {
        Some(_) => Ok(()),
        None => {
            let value = Some(address.to_string());
            desk.ask(Command::Assign { key: "postmaster".into(), value, is_final: false }).map(|_| ())
        }
    }
}

/// Whether nobody has said where to listen.
fn is_unset(listeners: &[Listen; 5]) -> bool {
    listeners.iter().all(|listen| listen.0.is_empty())
}

/// Where a new server listens.
pub(super) fn first_listeners() -> [Listen; 5] {
    let (is_root, has_ipv6) = (place::is_root(), machine::has_ipv6());
    ListenerKind::ALL.map(|kind| first_listen(kind, is_root, has_ipv6))
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

/// Makes the certificates where there are none; says whether they are new.
fn ensure_authority(desk: &Desk, domain: &Domain) -> Result<(bool, String), AdminError> {
    match desk.ask(serve::certificate_for(domain.clone()))? {
        Answer::Certificate { is_new, authority } => Ok((is_new, authority)),
        _ => Err(stranger()),
    }
}

/// Writes the file that clients trust, unless it is there.
pub(super) fn ensure_authority_file(path: &Path, authority: &str) -> Result<(), AdminError> {
    if fs::read(path).ok().as_deref() == Some(authority.as_bytes()) {
        return Ok(());
    }
    put_public(path, authority.as_bytes()).map_err(|error| {
        let text =
            format!("can't write {}: {error}; make room or rights, then run setup again", path.display());
        AdminError::new(Failure::Failed, text)
    })
}

/// `poppet.redb` has `poppet-authority.pem` beside it.
pub(super) fn authority_path(database: &Path) -> PathBuf {
    let stem = database.file_stem().unwrap_or_default().to_string_lossy();
    database.with_file_name(format!("{stem}-authority.pem"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
