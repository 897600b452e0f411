//! From an older layout of the file to this one (F5): all steps in one durable transaction, with the new version in it.
//!
//! ```text
//! opened --current--> used
//!        --older----> former copies removed, copied beside itself --> migrated, one commit --> "migrated" stands in it
//!                                                                  |  first change          |  taken back
//!                                                                  v                        v
//!                                            row and copy are gone, in use      the copy takes the file's place
//!        --newer----> refused: nothing is touched
//! ```
//!
//! Where there is no room for a copy, "migrated" does not stand in it, and nothing is ever taken back. So a copy takes the
//! file's place only as long as nothing that anybody was told of would be lost with it.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadTransaction, WriteTransaction};

use super::disk_file::DiskFile;
use super::engine::{Engine, Fault, Sync};
use super::error::StoreError;
use super::file;
use super::medium::{Medium, Meter};
use super::records;
use super::schema::{self, META, META_MIGRATED, META_SCHEMA, META_VERSION, SCHEMA};
use crate::limits;
use crate::settings::Settings;

/// One step: from the layout of its place in [`STEPS`] to the next.
type Step = fn(&WriteTransaction) -> Result<(), Fault>;

/// The first goes from layout 1 to 2.
const STEPS: [Step; SCHEMA as usize - 1] = [with_version];

/// Layout 2 knows which poppet laid it out.
fn with_version(transaction: &WriteTransaction) -> Result<(), Fault> {
    put_version(transaction)
}

/// Writes which layout this is, and which poppet made it.
pub(super) fn put(transaction: &WriteTransaction) -> Result<(), Fault> {
    let version = schema::encode(&META, META_SCHEMA, &SCHEMA)?;
    transaction.open_table(META)?.insert(META_SCHEMA, version.as_slice())?;
    put_version(transaction)
}

fn put_version(transaction: &WriteTransaction) -> Result<(), Fault> {
    let version = schema::encode(&META, META_VERSION, &env!("CARGO_PKG_VERSION"))?;
    transaction.open_table(META)?.insert(META_VERSION, version.as_slice())?;
    Ok(())
}

/// The layout that the file has, if it is an older one. Errs with [`StoreError::Foreign`] if it is no poppet's, and
/// with [`StoreError::NewerSchema`].
pub(super) fn older(transaction: &ReadTransaction) -> Result<Option<u32>, Fault> {
    let table = match transaction.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(records::foreign().into()),
    };
    let found: u32 = match table.get(META_SCHEMA)? {
        Some(stored) => schema::decode(&META, META_SCHEMA, stored.value())?,
        None => return Err(records::foreign().into()),
    };
    match found {
        SCHEMA => Ok(None),
        0 => Err(records::foreign().into()),
        older if older < SCHEMA => Ok(Some(older)),
        newer => {
            let stored = table.get(META_VERSION)?;
            let maker =
                stored.and_then(|stored| schema::decode::<String>(&META, META_VERSION, stored.value()).ok());
            let maker = maker.map(|version| crate::mail::printable(version.as_bytes())).unwrap_or_default();
            Err(StoreError::NewerSchema(format!(
                "the database was written by a newer poppet (layout {newer} of {}, this one knows {SCHEMA}): install \
                 that one",
                if maker.is_empty() { "a later version" } else { &maker }
            ))
            .into())
        }
    }
}

/// Brings a file of an older layout to this one; `open` opens it anew. Nothing is done to one that is current.
pub(super) fn bring_up(
    medium: &Arc<dyn Medium>,
    engine: Engine,
    open: impl FnOnce() -> Result<Engine, StoreError>,
) -> Result<Engine, StoreError> {
    let Some(from) = engine.read(older)? else { return Ok(engine) };
    // Closed, so that the copy is a file that was closed properly.
    engine.close();
    // What an attempt before this one left may lack mail that has been taken since, and it takes this one's room.
    medium.drop_copies()?;
    let is_copied = match medium.keep_copy(from) {
        Ok(true) => {
            log::info!("the database has layout {from}: a copy of it is kept until the first change");
            true
        }
        Ok(false) => {
            log::warn!("the database has layout {from}, and there is no room for a copy of it");
            false
        }
        Err(error) => {
            log::warn!("the database has layout {from}, and can't be copied: {error}");
            false
        }
    };
    let engine = open()?;
    engine.write(Sync::TwoPhase, |transaction| {
        let steps = STEPS.iter().skip(from as usize - 1);
        steps.into_iter().try_for_each(|step| step(transaction))?;
        put(transaction)?;
        // Only then is there a way back.
        if is_copied {
            let migrated = schema::encode(&META, META_MIGRATED, &from)?;
            transaction.open_table(META)?.insert(META_MIGRATED, migrated.as_slice())?;
        }
        Ok(())
    })?;
    log::info!("the database has layout {SCHEMA} now");
    Ok(engine)
}

/// From which layout the file was migrated, if a copy of it was kept and nothing has changed in the file since.
pub(super) fn unused_since(transaction: &ReadTransaction) -> Result<Option<u32>, Fault> {
    match transaction.open_table(META)?.get(META_MIGRATED)? {
        Some(stored) => Ok(Some(schema::decode(&META, META_MIGRATED, stored.value())?)),
        None => Ok(None),
    }
}

/// From now on there is no way back: somebody will be told of what this transaction writes.
pub(super) fn put_in_use(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(META)?.remove(META_MIGRATED)?;
    Ok(())
}

/// The settings of a database that nobody uses; none if somebody does. Changes nothing, and migrates nothing. Errs as
/// [`super::Store::open`] does.
pub(super) fn look(path: &Path) -> Result<Option<Settings>, StoreError> {
    let engine = match open(path) {
        Err(StoreError::InUse(_)) => return Ok(None),
        engine => engine?,
    };
    engine.read(older)?;
    Ok(Some(engine.read(records::settings)?.0))
}

/// Puts the copy of an older layout back in the place of a database that was migrated and never changed since; says
/// whether the database has an older layout then. Errs as [`super::Store::open`] does.
pub(super) fn take_back(path: &Path) -> Result<bool, StoreError> {
    let engine = open(path)?;
    if engine.read(older)?.is_some() {
        // A migration that came to nothing: from now on the database takes mail that its copies lack.
        file::drop_copies(path)?;
        return Ok(true);
    }
    let Some(from) = engine.read(unused_since)? else { return Ok(false) };
    engine.close();
    file::put_copy_back(path, from)
}

fn open(path: &Path) -> Result<Engine, StoreError> {
    let octets = limits::CACHE_KIB as usize * 1024;
    Engine::open(Arc::new(DiskFile::new(path)), Arc::new(Meter::default()), octets)
}
