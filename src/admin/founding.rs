//! How a database comes to be, and how it is opened.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AdminError, Answer, Asker, Context, holder};
use crate::auth::{DeviceKey, Gatekeeper};
use crate::cert;
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Domain, printable};
use crate::settings::Settings;
use crate::store::{Options, Store, StoreError};
use crate::ticket::block_on;

/// A database that stands, and what its making has to tell.
pub struct Founded {
    /// The opened database.
    pub context: Context,
    /// Whether it has been made just now.
    pub is_new: bool,
    /// The words that bring the device key back; none once there is a mailbox, for then they have been shown.
    pub recovery_words: Option<String>,
}

/// Opens a database that no server has open. Errs with [`super::Failure::Unreachable`].
pub fn open(database: &Path, clock: &Clock) -> Result<Context, AdminError> {
    let store = open_store(database, clock)?;
    let key = DeviceKey::load(database).map_err(|error| AdminError::unreachable(error.0))?;
    with_key(store, key)
}

/// What must be known of a database before it stays open.
pub struct Seen {
    /// Its settings.
    pub settings: Arc<Settings>,
    /// TCP ports of the servers that its settings, of any level, and routes name.
    pub ports: Vec<u16>,
    /// Folders with files of certificates that are followed, where they are named and where links lead.
    pub followed: Vec<PathBuf>,
}

/// None for a record that is damaged: whoever serves says so.
fn followed(store: &Store) -> Vec<PathBuf> {
    let all = block_on(cert::watched(store)).unwrap_or_default();
    let mut folders: Vec<PathBuf> = all.iter().flat_map(cert::Watched::folders).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// What is to be known of such a database, which is closed again. What a power cut left is recovered on the way. Errs as
/// [`open`] does.
pub fn look(database: &Path) -> Result<Seen, AdminError> {
    let store = open_store(database, &Clock::system(UnixTime(0)))?;
    let seen = Seen { settings: store.settings(), ports: ports(&store), followed: followed(&store) };
    store.close();
    Ok(seen)
}

/// The ports that were named; usual ones are known to all.
fn ports(store: &Store) -> Vec<u16> {
    let (levels, routes) = (store.all_settings(), store.routes());
    let smart_hosts = levels.iter().flat_map(|settings| &settings.outgoing.smarthosts);
    let hops = smart_hosts.chain(routes.iter().flat_map(|route| route.hops.iter()));
    let directories = levels.iter().flat_map(|settings| &settings.directory.servers);
    let mut ports: Vec<u16> =
        hops.filter_map(|hop| hop.port).chain(directories.map(|server| server.port)).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn open_store(database: &Path, clock: &Clock) -> Result<Store, AdminError> {
    if matches!(database.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
        return Err(AdminError::unreachable(format!(
            "there is no database at {}: run \"poppet setup DOMAIN USER\" first, or name it with --db",
            shown(database)
        )));
    }
    Store::open(database, &Options::default(), clock.clone()).map_err(|error| match error {
        StoreError::InUse(_) => {
            AdminError::unreachable(in_use(&shown(database), holder(database), "try again"))
        }
        error => AdminError::unreachable(error),
    })
}

/// What is said of a database that a program has open which is no server that answers, and who that is.
pub fn in_use(database: &str, holder: Option<String>, then: &str) -> String {
    let holder = holder.unwrap_or_else(|| "another program".into());
    format!("{holder} has {database} open and no server answers beside it: end that program, then {then}")
}

/// The settings of a database that nobody has open; none if somebody has. Changes nothing. Errs with
/// [`super::Failure::Unreachable`] if it is no database of this poppet.
pub fn peek(database: &Path) -> Result<Option<Settings>, AdminError> {
    Store::look(database).map_err(AdminError::unreachable)
}

/// Whether something else than a database of poppet stands there: another file, a folder, a link. Changes nothing.
pub fn is_foreign(database: &Path) -> bool {
    match database.symlink_metadata() {
        // An empty file may be open to others, which would be told first.
        Ok(facts) if facts.is_file() => {
            facts.len() == 0 || matches!(Store::look(database), Err(StoreError::Foreign(_)))
        }
        Ok(_) => true,
        Err(_) => false,
    }
}

/// The layout of a database that this poppet makes and uses.
pub const LAYOUT: u32 = Store::LAYOUT;

/// Brings the older layout of a database back that a newer poppet has migrated, unless it has been changed since; says
/// whether the database has an older layout then. Errs with [`super::Failure::Unreachable`].
pub fn take_back(database: &Path) -> Result<bool, AdminError> {
    Store::take_back(database).map_err(AdminError::unreachable)
}

/// Whether any process has the database open, be it that it brings it to its layout. Opens and changes nothing.
pub fn is_open(database: &Path) -> bool {
    Store::is_open(database)
}

/// Makes folder, device key and database where there are none, or opens what stands.
/// Errs with [`super::Failure::Unreachable`].
pub fn found(database: &Path, clock: &Clock) -> Result<Founded, AdminError> {
    if database.symlink_metadata().is_ok() {
        return reopened(database, clock);
    }
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            AdminError::unreachable(format!(
                "can't make the folder {}: {error}; choose another place with --db",
                shown(folder)
            ))
        })?;
    }
    // The key comes first: a database that was bound to a lost key would be worth nothing, while a key
    // that a power cut left alone is used by the next attempt.
    let key = match DeviceKey::load(database) {
        Ok(key) => key,
        Err(error) if database.with_extension("key").symlink_metadata().is_ok() => {
            return Err(AdminError::unreachable(error.0));
        }
        Err(_) => DeviceKey::create(database)
            // Read back, so that a folder in which no later command would trust the key is refused at once.
            .and_then(|_| DeviceKey::load(database))
            .map_err(|error| AdminError::unreachable(error.0))?,
    };
    let recovery_words = key.recovery_words();
    let store =
        Store::create(database, &Options::default(), clock.clone()).map_err(AdminError::unreachable)?;
    Ok(Founded { context: with_key(store, key)?, is_new: true, recovery_words: Some(recovery_words) })
}

/// What stands may be left by an attempt that a full disk or a power cut ended before it could tell the words.
fn reopened(database: &Path, clock: &Clock) -> Result<Founded, AdminError> {
    let context = open(database, clock)?;
    let recovery_words = match block_on(context.store.mailboxes(None))?.is_empty() {
        true => Some(
            DeviceKey::load(database).map_err(|error| AdminError::unreachable(error.0))?.recovery_words(),
        ),
        false => None,
    };
    Ok(Founded { context, is_new: false, recovery_words })
}

/// Writes the device key of these recovery words beside the database, for the database's owner; gives whether the
/// database is there, for which the key is proved before it is written. Errs with [`super::Failure::Exists`] if there is
/// a key, with [`super::Failure::Refused`] for words that are wrong or another key's, and as [`open`] does.
pub fn restore_key(database: &Path, words: &str, clock: &Clock) -> Result<bool, AdminError> {
    let key = DeviceKey::from_recovery_words(words)
        .map_err(|error| AdminError::new(super::Failure::Refused, error.0))?;
    let file = database.with_extension("key");
    if file.symlink_metadata().is_ok() {
        let text = format!(
            "there is a key already: {}; if it is damaged or another one's, move it away, then say it again",
            shown(&file)
        );
        return Err(AdminError::new(super::Failure::Exists, text));
    }
    let is_there = database.symlink_metadata().is_ok();
    if is_there {
        let store = open_store(database, clock)?;
        let proof = Gatekeeper::new(store.clone(), key.clone()).map(drop);
        store.close();
        proof.map_err(|error| match error {
            StoreError::Refused(_) => AdminError::new(
                super::Failure::Refused,
                "these words are those of another device key: take the ones that setup told when it made this database",
            ),
            error => AdminError::unreachable(error),
        })?;
    }
    key.store_beside(database).map_err(|error| AdminError::unreachable(error.0))?;
    give_to_owner(database, &file)?;
    Ok(is_there)
}

/// Root's file would be of no use to the service's user.
fn give_to_owner(database: &Path, file: &Path) -> Result<(), AdminError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let given =
        fs::metadata(database).or_else(|_| fs::metadata(folder)).and_then(|owner| {
            match fs::metadata(file)?.uid() == owner.uid() {
                true => Ok(()),
                false => chown(file, Some(owner.uid()), Some(owner.gid())),
            }
        });
    given.map_err(|error| {
        let text = format!("{} can't be given to the database's owner: {error}; chown it", shown(file));
        AdminError::new(super::Failure::Failed, text)
    })
}

/// The certificate is for the whole box: the given names of the machine, the hostname, and every domain.
pub(super) async fn ensure_certificate(
    context: &Context,
    organisation: &Domain,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<Answer, AdminError> {
    let names = &names_of_the_box(context, organisation, names).await?;
    let (store, gatekeeper) = (&context.store, &context.gatekeeper);
    let is_new = cert::ensure(store, gatekeeper, organisation.as_str(), names, addresses, now(store))
        .await
        .map_err(failed)?;
    if let Some(live) = context.live.as_ref().filter(|_| is_new) {
        live.certificates_changed();
    }
    let authority = cert::authority(store).await.map_err(failed)?.unwrap_or_default();
    Ok(Answer::Certificate { is_new, authority: cert::pem(&authority) })
}

/// Makes the server certificate anew for the same names, whatever the one before is like.
pub(super) async fn renew_certificate(
    context: &Context,
    names: &[String],
    addresses: &[IpAddr],
) -> Result<(), AdminError> {
    let Some(first) = context.store.domains().await?.into_iter().next() else {
        let text = "there is no domain that it could be for: \"poppet setup DOMAIN USER\" makes one";
        return Err(AdminError::new(super::Failure::NotFound, text));
    };
    let organisation = first.domain;
    let names = &names_of_the_box(context, &organisation, names).await?;
    let (store, gatekeeper) = (&context.store, &context.gatekeeper);
    cert::renew(store, gatekeeper, organisation.as_str(), names, addresses, now(store)).await.map_err(failed)
}

/// 1970 where the clock is suspect: what is made then is good at any time.
fn now(store: &Store) -> UnixTime {
    let clock = store.clock();
    if clock.is_suspect() { UnixTime(0) } else { clock.now() }
}

fn failed(error: cert::CertError) -> AdminError {
    AdminError::new(super::Failure::Failed, error.0)
}

/// Every name that a client may know the server by, each once, as far as a certificate can have them.
async fn names_of_the_box(
    context: &Context,
    organisation: &Domain,
    machine: &[String],
) -> Result<Vec<String>, AdminError> {
    let stored = context.store.domains().await?.into_iter().map(|row| row.domain);
    let domains = std::iter::once(organisation.clone()).chain(stored.filter(|domain| domain != organisation));
    let mut names: Vec<String> = context.store.settings().hostname.clone().into_iter().collect();
    names.extend_from_slice(machine);
    names.extend(
        domains
            .take(limits::CERTIFICATE_DOMAINS)
            .flat_map(|domain| [domain.to_string(), format!("mail.{domain}")]),
    );
    let mut seen = HashSet::new();
    names.retain(|name| cert::is_name(name) && seen.insert(name.clone()));
    Ok(names)
}

fn with_key(store: Store, key: DeviceKey) -> Result<Context, AdminError> {
    let gatekeeper = Gatekeeper::new(store.clone(), key).map_err(AdminError::unreachable)?;
    Ok(Context { store, gatekeeper, live: None, asker: Asker::default() })
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}
