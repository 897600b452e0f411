//! Certificates (A8): poppet's own, the authorities that vouch for users, those that are allowed by themselves.

mod remedy;
mod row;
mod servers;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::accounts::{end_sessions, mailbox};
use super::{AdminError, Answer, Context, Failure, following, outgoing, quoted};
use crate::cert::{self, Allowed, CertError};
pub use crate::cert::{Fingerprint, Vouches};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Address, Secret};
use crate::store::StoreError;
pub use row::CertificateRow;
pub(super) use row::UNREAD;

/// What is done with certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateAct {
    /// Asks for the authority's own certificate: [`Answer::Certificate`].
    Show,
    /// Asks for all certificates: [`Told::Rows`].
    List,
    /// Asks for the authorities of users, directories and smart hosts: [`Told::Rows`].
    Authorities,
    /// Adds the authorities of a file: [`Told::Rows`], those of the file.
    AddAuthorities {
        /// For whom they vouch.
        vouches: Vouches,
        /// PEM or DER.
        file: Vec<u8>,
    },
    /// Removes an authority: [`Answer::Done`].
    RemoveAuthority {
        /// For whom it vouches.
        vouches: Vouches,
        /// Its name, its fingerprint or how that begins.
        which: String,
    },
    /// Asks for the revocation lists: [`Told::Revocations`].
    Revocations,
    /// Adds the revocation lists of a file: [`Told::Revocations`], those of the file.
    AddRevocations(Vec<u8>),
    /// Removes the revocation list of an authority, by its name: [`Answer::Done`].
    RemoveRevocations(String),
    /// Allows a certificate to a user: [`Answer::Done`].
    Allow {
        /// Whose it is.
        address: Address,
        /// Which it is.
        fingerprint: Fingerprint,
        /// What it is called; may be empty.
        label: String,
    },
    /// Allows it no more, and ends the user's sessions: [`Answer::Done`].
    Deny {
        /// Whose it is.
        address: Address,
        /// Its fingerprint, or how that begins.
        fingerprint: String,
    },
    /// Makes a certificate for a user's device: [`Told::Issued`].
    Issue {
        /// Whose it is.
        address: Address,
        /// What it is called; may be empty.
        label: String,
        /// How long it is valid.
        days: u32,
    },
    /// Makes a key and a request for an authority to sign (T2): [`Told::Request`]. The key stays here, sealed, until a
    /// certificate for it is installed.
    Request {
        /// Names and addresses that the certificate is for; none takes those of poppet's own certificate.
        subjects: Vec<String>,
        /// Names of the machine, where none are given.
        names: Vec<String>,
    },
    /// Installs what an authority has signed, whether requested here or made elsewhere (T2): [`Told::Installed`]; it is
    /// shown from now on. A pair that does not fit changes nothing.
    Install {
        /// What it is called in lists and by `bind` and `del`; empty takes that of an installed one for the same names,
        /// else its first name.
        label: String,
        /// The certificate and those between it and its authority, PEM or DER; the key may be among them.
        chain: Secret,
        /// The private key, PKCS #8, PKCS #1 or SEC 1; none takes the one in `chain`, else that of a request.
        key: Option<Secret>,
    },
    /// Shows an installed certificate to who asks for a name or comes by an address of this machine (T2): [`Told::Rows`].
    Bind {
        /// Its label, or `poppet` for poppet's own.
        label: String,
        /// Names and addresses; none has it shown to everybody for whom none is bound.
        places: Vec<String>,
    },
    /// Takes an installed certificate away; poppet's own takes its place where nothing else is bound. Or gives a request
    /// up: [`Told::Uninstalled`].
    Uninstall {
        /// Its label, or names of the request.
        label: String,
    },
    /// Follows a certificate's files, which somebody else renews (T3): [`Told::Followed`].
    Watch {
        /// What it is called; empty as for an install.
        label: String,
        /// The chain's file, an absolute path.
        chain: String,
        /// The key's, an absolute path; may be the same.
        key: String,
        /// The names and addresses in the certificate, as far as who asks can read it: an empty label is found by them
        /// where the server can't read the files yet.
        names: Vec<String>,
    },
    /// Follows them no more; what was read last stays installed: [`Answer::Done`].
    Unwatch {
        /// Its label.
        label: String,
    },
    /// Makes poppet's own server certificate anew now: [`Told::Rows`].
    Renew {
        /// Names of the machine.
        names: Vec<String>,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
}

/// What an act with certificates has to tell, as [`Answer::Certificates`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Certificates.
    Rows(Vec<CertificateRow>),
    /// Revocation lists.
    Revocations(Vec<RevocationRow>),
    /// A certificate that was made.
    Issued {
        /// With its key, PKCS #12.
        file: Vec<u8>,
        /// What opens the file.
        password: Secret,
        /// Which it is.
        fingerprint: Fingerprint,
        /// Until when it is valid.
        ends: UnixTime,
    },
    /// A request for an authority to sign.
    Request {
        /// PKCS #10, PEM. RFC 2986.
        request: String,
        /// The names and addresses in it.
        subjects: Vec<String>,
    },
    /// What was taken away.
    Uninstalled {
        /// Whether it was a request.
        is_request: bool,
    },
    /// Files that are followed now.
    Followed {
        /// What the certificate is called.
        label: String,
        /// What it is; none if none was read yet.
        row: Option<Box<CertificateRow>>,
        /// Why none was.
        trouble: Option<String>,
        /// What is to be known of it, in sentences for people.
        notes: Vec<String>,
    },
    /// A certificate that was installed.
    Installed {
        /// What it is.
        row: Box<CertificateRow>,
        /// What is to be known of it, in sentences for people.
        notes: Vec<String>,
    },
}

/// Everybody for whom nothing else is bound.
pub const EVERYWHERE: &str = "everybody else";

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateKind {
    /// It is shown to clients.
    Server,
    /// It signs that, and what is issued.
    Authority,
    /// It vouches for users.
    ClientAuthority,
    /// It vouches for the servers of a directory.
    DirectoryAuthority,
    /// It vouches for smart hosts and the hosts of routes.
    SmartHostAuthority,
    /// It is allowed to a user.
    Allowed,
    /// The same, and was made here.
    Issued,
    /// It was installed, and is shown to clients.
    Installed,
    /// A request that no certificate was installed for.
    Request,
}

/// A revocation list in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationRow {
    /// The name of whose list it is.
    pub name: String,
    /// How many certificates are revoked.
    pub revoked: u64,
    /// When it was made.
    pub made: UnixTime,
    /// When the next one is to come; none if it doesn't say.
    pub next: Option<UnixTime>,
}

impl CertificateKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            CertificateKind::Server => "server",
            CertificateKind::Authority => "authority",
            CertificateKind::ClientAuthority => "client-authority",
            CertificateKind::DirectoryAuthority => "directory-authority",
            CertificateKind::SmartHostAuthority => "smarthost-authority",
            CertificateKind::Allowed => "allowed",
            CertificateKind::Issued => "issued",
            CertificateKind::Installed => "installed",
            CertificateKind::Request => "request",
        }
    }
}

pub(super) async fn act(context: &Context, act: CertificateAct) -> Result<Answer, AdminError> {
    following::before(context, &act).await?;
    let answer = match act {
        CertificateAct::Show => return show(context).await,
        CertificateAct::List => return list(context).await,
        CertificateAct::Authorities => return Ok(rows(authorities(context).await?)),
        CertificateAct::Revocations => return revocations(context).await,
        CertificateAct::AddAuthorities { vouches, file } => add_authorities(context, vouches, &file).await?,
        CertificateAct::RemoveAuthority { vouches, which } => {
            remove_authority(context, vouches, &which).await?
        }
        CertificateAct::AddRevocations(file) => {
            let lists = cert::add_revocations(&context.store, &file).await?;
            Answer::Certificates(Told::Revocations(lists.iter().map(revocation_row).collect()))
        }
        CertificateAct::RemoveRevocations(name) => remove_revocations(context, &name).await?,
        CertificateAct::Allow { address, fingerprint, label } => {
            allow(context, address, fingerprint, label).await?
        }
        CertificateAct::Deny { address, fingerprint } => deny(context, &address, &fingerprint).await?,
        CertificateAct::Issue { address, label, days } => issue(context, address, label, days).await?,
        // Nothing that is shown changes by it.
        CertificateAct::Request { subjects, names } => {
            return servers::request(context, &subjects, &names).await;
        }
        CertificateAct::Install { label, chain, key } => {
            servers::install(context, &label, &chain, key.as_ref()).await?
        }
        CertificateAct::Bind { label, places } => servers::bind(context, &label, &places).await?,
        CertificateAct::Uninstall { label } => servers::uninstall(context, &label).await?,
        CertificateAct::Watch { label, chain, key, names } => {
            following::watch(context, label, (chain, key), &names).await?
        }
        CertificateAct::Unwatch { label } => following::unwatch(context, &label).await?,
        CertificateAct::Renew { names, addresses } => following::renew(context, &names, &addresses).await?,
    };
    if let Some(live) = &context.live {
        live.certificates_changed();
    }
    // What could not be believed may be now.
    outgoing::relay_changed(context);
    Ok(answer)
}

async fn show(context: &Context) -> Result<Answer, AdminError> {
    match cert::authority(&context.store).await.map_err(failed)? {
        Some(authority) => Ok(Answer::Certificate { is_new: false, authority: cert::pem(&authority) }),
        None => Err(AdminError::new(
            Failure::NotFound,
            "there is no authority yet: \"poppet setup DOMAIN USER\" makes one",
        )),
    }
}

async fn list(context: &Context) -> Result<Answer, AdminError> {
    all_rows(context).await.map(rows)
}

/// Every certificate.
pub(super) async fn all_rows(context: &Context) -> Result<Vec<CertificateRow>, AdminError> {
    let store = &context.store;
    let mut all = servers::rows(context).await?;
    let authority = cert::authority(store).await.map_err(failed)?;
    all.extend(authority.and_then(|der| row(CertificateKind::Authority, &der)));
    all.extend(authorities(context).await?);
    for allowed in cert::allowed(store).await? {
        let mailbox = store.mailbox(allowed.address.clone()).await?;
        let is_nobodys = mailbox.is_none_or(|mailbox| mailbox.mark != allowed.mark);
        let kind = if allowed.is_issued { CertificateKind::Issued } else { CertificateKind::Allowed };
        all.push(CertificateRow {
            address: Some(allowed.address),
            ends: allowed.ends,
            has_ended: has_ended(allowed.ends),
            is_nobodys,
            ..CertificateRow::new(kind, allowed.label, allowed.fingerprint)
        });
    }
    following::tell(context, &mut all).await?;
    Ok(all)
}

async fn authorities(context: &Context) -> Result<Vec<CertificateRow>, AdminError> {
    let mut all = Vec::new();
    for vouches in [Vouches::ForClients, Vouches::ForDirectory, Vouches::ForSmartHosts] {
        let kind = kind_of(vouches);
        let authorities = cert::authorities(&context.store, vouches).await?;
        all.extend(authorities.iter().filter_map(|der| row(kind, der)));
    }
    Ok(all)
}

async fn add_authorities(context: &Context, vouches: Vouches, file: &[u8]) -> Result<Answer, AdminError> {
    let added = cert::add_authorities(&context.store, vouches, file, now()).await?;
    let kind = kind_of(vouches);
    Ok(rows(added.iter().filter_map(|der| row(kind, der)).collect()))
}

fn kind_of(vouches: Vouches) -> CertificateKind {
    match vouches {
        Vouches::ForClients => CertificateKind::ClientAuthority,
        Vouches::ForDirectory => CertificateKind::DirectoryAuthority,
        Vouches::ForSmartHosts => CertificateKind::SmartHostAuthority,
    }
}

async fn remove_authority(context: &Context, vouches: Vouches, which: &str) -> Result<Answer, AdminError> {
    match cert::remove_authority(&context.store, vouches, which).await {
        Ok(()) => Ok(Answer::Done),
        Err(StoreError::NotFound(_)) => Err(AdminError::new(
            Failure::NotFound,
            format!(
                "there is no authority {}: \"poppet cert ca list\" shows names and fingerprints; those of directories \
                 need --for directory, those of smart hosts --for smarthost",
                quoted(which)
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

async fn revocations(context: &Context) -> Result<Answer, AdminError> {
    let lists = cert::revocations(&context.store).await?;
    let read = lists.iter().filter_map(|der| cert::read_revocations(der).ok());
    Ok(Answer::Certificates(Told::Revocations(read.map(|list| revocation_row(&list)).collect())))
}

async fn remove_revocations(context: &Context, name: &str) -> Result<Answer, AdminError> {
    match cert::remove_revocations(&context.store, name).await {
        Ok(()) => Ok(Answer::Done),
        Err(StoreError::NotFound(_)) => Err(AdminError::new(
            Failure::NotFound,
            format!(
                "there is no revocation list of {}: \"poppet cert crl list\" shows those there are",
                quoted(name)
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

async fn allow(
    context: &Context,
    address: Address,
    fingerprint: Fingerprint,
    label: String,
) -> Result<Answer, AdminError> {
    check_label(&label)?;
    let mark = mailbox(context, &address).await?.mark;
    let made = Clock::system(UnixTime(0)).now();
    let allowed = Allowed { address, mark, fingerprint, label, ends: None, is_issued: false, made };
    cert::allow(&context.store, allowed).await?;
    Ok(Answer::Done)
}

/// Whoever has it may be reading just now, and may come again at once: it must be believed no more by then.
async fn deny(context: &Context, address: &Address, fingerprint: &str) -> Result<Answer, AdminError> {
    cert::deny(&context.store, address, fingerprint).await?;
    if let Some(live) = &context.live {
        live.certificates_changed();
    }
    let mailbox = context.store.mailbox(address.clone()).await?;
    end_sessions(context, mailbox.map(|mailbox| mailbox.id));
    Ok(Answer::Done)
}

async fn issue(context: &Context, address: Address, label: String, days: u32) -> Result<Answer, AdminError> {
    check_label(&label)?;
    if !(1..=limits::MOST_CLIENT_CERTIFICATE_DAYS).contains(&days) {
        return Err(AdminError::usage(format!(
            "--days is a number from 1 to {}",
            limits::MOST_CLIENT_CERTIFICATE_DAYS
        )));
    }
    let mark = mailbox(context, &address).await?.mark;
    let now = Clock::system(UnixTime(0)).now();
    let (store, gatekeeper) = (&context.store, &context.gatekeeper);
    let cert::Issued { file, password, fingerprint, ends } =
        cert::issue(store, gatekeeper, (address, mark), label, days, now).await?;
    Ok(Answer::Certificates(Told::Issued { file, password, fingerprint, ends }))
}

fn check_label(label: &str) -> Result<(), AdminError> {
    match label.chars().count() <= limits::CERTIFICATE_LABEL_LETTERS && !label.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(AdminError::usage(format!(
            "--label is a text of one line and at most {} letters",
            limits::CERTIFICATE_LABEL_LETTERS
        ))),
    }
}

fn rows(rows: Vec<CertificateRow>) -> Answer {
    Answer::Certificates(Told::Rows(rows))
}

/// None for what was kept and can't be read any more, which nobody can have put there.
fn row(kind: CertificateKind, der: &[u8]) -> Option<CertificateRow> {
    let read = cert::read(der).ok()?;
    let addresses = read.host_addresses.iter().map(ToString::to_string);
    let subjects = read.hosts.iter().cloned().chain(addresses).collect();
    Some(CertificateRow {
        ends: Some(read.ends),
        has_ended: has_ended(Some(read.ends)),
        subjects,
        ..CertificateRow::new(kind, read.name, cert::fingerprint(der))
    })
}

fn revocation_row(list: &cert::RevocationList) -> RevocationRow {
    RevocationRow { name: list.name.clone(), revoked: list.revoked as u64, made: list.made, next: list.next }
}

/// A suspect clock ends nothing.
fn has_ended(ends: Option<UnixTime>) -> bool {
    matches!((ends, now()), (Some(ends), Some(now)) if now > ends)
}

/// None if the clock is suspect.
fn now() -> Option<UnixTime> {
    let clock = Clock::system(UnixTime(0));
    Some(clock.now()).filter(|_| !clock.is_suspect())
}

fn failed(CertError(text): CertError) -> AdminError {
    AdminError::new(Failure::Failed, text)
}
