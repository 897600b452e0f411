//! The handle of redb behind a barrier: errors and panics of a damaged file end here, and the database is
//! closed and reopened when its handle is no longer good.
//!
//! ```text
//! Open --I/O error in a write, panic, broken handle--> Shut --next question, not too often--> Open
//!   |                                                                                         |
//!   +------------------------------------close()-----------------> Closed <--------------------+
//! ```

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::error::StoreError;
use super::fullness::Fullness;
use super::medium::{Medium, Meter, Metered};
use crate::clock::Seldom;

/// How a transaction is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// Not synced: it rides on the next durable commit.
    Later,
    /// One sync.
    OnePhase,
    /// Two syncs.
    TwoPhase,
    /// Two syncs and the allocator's state, so that a reopening after a crash is quick.
    QuickRepair,
}

/// What went wrong inside a transaction.
#[derive(Debug)]
pub(super) struct Fault {
    pub error: StoreError,
    kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultKind {
    /// Found before anything was written: the transaction goes on without this change.
    Refusal,
    /// The transaction must be given up.
    Fatal,
    /// The operating system failed: redb refuses further writes, reads go on.
    Disk,
    /// The handle is no longer good, not even for reading.
    Handle,
}

impl Fault {
    /// Whether the transaction may go on without the change that met it.
    pub(super) fn is_refusal(&self) -> bool {
        self.kind == FaultKind::Refusal
    }

    /// What was found after the first write of a change: the transaction can't go on.
    pub(super) fn fatal(error: StoreError) -> Fault {
        Fault { error, kind: FaultKind::Fatal }
    }

    /// The same, found after the first write of a change.
    pub(super) fn into_fatal(self) -> Fault {
        match self.kind {
            FaultKind::Refusal => Fault::fatal(self.error),
            _ => self,
        }
    }
}

/// The database, open or about to be reopened.
#[derive(Debug)]
pub(super) struct Engine {
    medium: Arc<dyn Medium>,
    meter: Arc<Meter>,
    cache_octets: usize,
    slot: RwLock<Slot>,
    /// Rises at each reopening: what was not synced before it is lost.
    generation: AtomicU64,
    pub fullness: Fullness,
    /// A disk may fail at every mail that a stranger sends.
    failures: Seldom,
    reopenings: Seldom,
}

#[derive(Debug)]
enum Slot {
    Open(Database),
    /// Not reopened yet; not before that moment, and if that fails again, not before twice that pause.
    Shut {
        not_before: Instant,
        pause: Duration,
        why: StoreError,
    },
    Closed,
}

/// So long a failed reopening is not tried again, at first and at most: a damaged file must not keep the
/// processor busy.
const REOPEN_PAUSES: Range<Duration> = Duration::from_millis(20)..Duration::from_secs(2);

impl Engine {
    /// Opens the database on `medium`.
    pub(super) fn open(
        medium: Arc<dyn Medium>,
        meter: Arc<Meter>,
        cache_octets: usize,
    ) -> Result<Engine, StoreError> {
        let database = open_database(&medium, &meter, cache_octets)?;
        Ok(Engine {
            medium,
            meter,
            cache_octets,
            slot: RwLock::new(Slot::Open(database)),
            generation: AtomicU64::new(0),
            fullness: Fullness::default(),
            failures: Seldom::default(),
            reopenings: Seldom::default(),
        })
    }

    /// How often the database has been reopened.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the disk had no room for a change lately, whatever it says that it has.
    pub(super) fn was_full(&self) -> bool {
        self.fullness.is_lately(self.medium.free_octets())
    }

    /// Asks in a read transaction of its own.
    pub(super) fn read<T>(
        &self,
        ask: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let (mut ask, mut answer) = (Some(ask), None);
        self.read_by(&mut |transaction| {
            if let Some(ask) = ask.take() {
                answer = Some(ask(transaction)?);
            }
            Ok(())
        })?;
        answer.ok_or(StoreError::Closed)
    }

    /// Changes in a write transaction of its own; durable as `sync` says when it returns.
    pub(super) fn write<T>(
        &self,
        sync: Sync,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let (mut change, mut answer) = (Some(change), None);
        self.write_by(sync, &mut |transaction| {
            if let Some(change) = change.take() {
                answer = Some(change(transaction)?);
            }
            Ok(())
        })?;
        answer.ok_or(StoreError::Closed)
    }

    /// All of [`Engine::read`] that is the same for every question: it is in the binary once, not for each of them.
    fn read_by(&self, ask: &mut dyn FnMut(&ReadTransaction) -> Result<(), Fault>) -> Result<(), StoreError> {
        let (result, generation) = {
            let slot = self.open_slot()?;
            let Slot::Open(database) = &*slot else { return Err(StoreError::Closed) };
            let result = behind_barrier(|| {
                let transaction = database.begin_read()?;
                ask(&transaction)
            });
            (result, self.generation())
        };
        result.map_err(|fault| {
            if fault.kind == FaultKind::Handle {
                self.shut(generation, &fault.error);
            }
            self.count(fault.error)
        })
    }

    /// The same of [`Engine::write`].
    fn write_by(
        &self,
        sync: Sync,
        change: &mut dyn FnMut(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        let (result, generation) = {
            let slot = self.open_slot()?;
            let Slot::Open(database) = &*slot else { return Err(StoreError::Closed) };
            let result = behind_barrier(|| {
                self.medium.is_in_place()?;
                let mut transaction = database.begin_write()?;
                prepare(&mut transaction, sync)?;
                change(&transaction)?;
                transaction.commit()?;
                Ok(())
            });
            (result, self.generation())
        };
        result.map_err(|fault| {
            // After a failed write or sync redb refuses further writes, and rightly (S-292).
            if matches!(fault.kind, FaultKind::Disk | FaultKind::Handle) {
                self.shut(generation, &fault.error);
            }
            if fault.kind == FaultKind::Disk && fault.error == StoreError::Full {
                self.fullness.note(self.medium.free_octets());
            }
            self.count(fault.error)
        })
    }

    /// Counts damage that was met.
    fn count(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::Damaged(_)) {
            self.meter.damages.fetch_add(1, Ordering::Relaxed);
        }
        error
    }

    /// Opens the database anew before it is used again: its caller broke off in the middle of something.
    pub(super) fn distrust(&self) {
        let why = "a thread of the store broke off by a bug in poppet; please report the lines above";
        self.shut(self.generation(), &StoreError::Io(why.into()));
    }

    /// Closes the database for good.
    pub(super) fn close(&self) {
        let before = std::mem::replace(&mut *self.lock_for_change(), Slot::Closed);
        let _ = behind_barrier(move || {
            drop(before);
            Ok(())
        });
    }

    /// The slot with an open database, reopened if it was shut.
    fn open_slot(&self) -> Result<RwLockReadGuard<'_, Slot>, StoreError> {
        loop {
            let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
            match &*slot {
                Slot::Open(_) => return Ok(slot),
                Slot::Closed => return Err(StoreError::Closed),
                Slot::Shut { not_before, why, .. } if Instant::now() < *not_before => {
                    return Err(why.clone());
                }
                Slot::Shut { .. } => {}
            }
            drop(slot);
            self.reopen();
        }
    }

    fn reopen(&self) {
        let mut slot = self.lock_for_change();
        let Slot::Shut { pause, .. } = *slot else { return };
        *slot = match open_database(&self.medium, &self.meter, self.cache_octets) {
            Ok(database) => {
                if let Some(more) = self.reopenings.turn(Instant::now()) {
                    log::warn!("the database has been reopened and is in use again{more}");
                }
                Slot::Open(database)
            }
            Err(why) => {
                log::error!("the database can't be reopened: {why}");
                Slot::Shut {
                    not_before: Instant::now() + pause,
                    pause: (pause * 2).min(REOPEN_PAUSES.end),
                    why,
                }
            }
        };
    }

    /// Closes a handle that is no longer good, unless another thread has done so already.
    fn shut(&self, generation: u64, why: &StoreError) {
        let mut slot = self.lock_for_change();
        if self.generation() != generation || !matches!(*slot, Slot::Open(_)) {
            return;
        }
        if let Some(more) = self.failures.turn(Instant::now()) {
            log::error!("the database failed and is being reopened: {why}{more}");
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        let broken = std::mem::replace(
            &mut *slot,
            Slot::Shut { not_before: Instant::now(), pause: REOPEN_PAUSES.start, why: why.clone() },
        );
        let _ = behind_barrier(move || {
            drop(broken);
            Ok(())
        });
        self.medium.drop_cache();
    }

    fn lock_for_change(&self) -> RwLockWriteGuard<'_, Slot> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    /// redb writes when it is dropped, and panics then too, also where an opening was given up.
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens redb on a fresh storage; a repair after a crash is told in the log.
fn open_database(
    medium: &Arc<dyn Medium>,
    meter: &Arc<Meter>,
    cache_octets: usize,
) -> Result<Database, StoreError> {
    let storage = Metered::new(medium.open()?, Arc::clone(meter));
    let meter = Arc::clone(meter);
    behind_barrier(move || {
        let database = Database::builder()
            .set_cache_size(cache_octets)
            .set_repair_callback(move |repair| {
                meter.was_checked.store(true, Ordering::Relaxed);
                log::info!(
                    "the database was not closed properly: checking it, {:.0} % done",
                    repair.progress() * 100.0
                );
            })
            .create_with_backend(storage)?;
        Ok(database)
    })
    .map_err(|fault| fault.error)
}

fn prepare(transaction: &mut WriteTransaction, sync: Sync) -> Result<(), Fault> {
    match sync {
        Sync::Later => transaction.set_durability(Durability::None).map_err(|error| {
            StoreError::Io(format!("the database refuses a commit without a sync: {error}"))
        })?,
        Sync::OnePhase => {}
        Sync::TwoPhase => transaction.set_two_phase_commit(true),
        Sync::QuickRepair => transaction.set_quick_repair(true),
    }
    Ok(())
}

/// Runs `work`; a panic in it, which redb has for some damaged files (F3), becomes an error.
fn behind_barrier<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Fault {
            error: StoreError::Damaged(
                "the database is damaged in a way that can't be read: restore a backup".into(),
            ),
            kind: FaultKind::Handle,
        })
    })
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault { error, kind: FaultKind::Refusal }
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Fault {
        redb::Error::from(error).into()
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Fault {
        match error {
            redb::Error::Corrupted(text) => Fault::fatal(StoreError::damaged(&text)),
            redb::Error::Io(error) => Fault { error: disk_error(&error), kind: FaultKind::Disk },
            redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::RepairAborted
            | redb::Error::UpgradeRequired(_) => Fault::fatal(StoreError::Foreign(format!(
                "the file is no database of poppet, or it is damaged ({error}): restore a backup"
            ))),
            error => Fault {
                error: StoreError::Io(format!("the database must be reopened: {error}")),
                kind: FaultKind::Handle,
            },
        }
    }
}

fn disk_error(error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::QuotaExceeded
        | std::io::ErrorKind::FileTooLarge => StoreError::Full,
        std::io::ErrorKind::ReadOnlyFilesystem => StoreError::Io(
            "the disk of the database is read-only: make it writable (mount -o remount,rw)".into(),
        ),
        _ => StoreError::Io(format!("the disk of the database fails ({error}): look at it with dmesg")),
    }
}

macro_rules! fault_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Fault {
                redb::Error::from(error).into()
            }
        }
    )*};
}
fault_from!(redb::DatabaseError, redb::TransactionError, redb::TableError, redb::CommitError);

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::AtomicBool;

    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use super::*;

    /// A medium in memory that panics once, when it is told to.
    #[derive(Debug, Clone)]
    struct Brittle {
        octets: Arc<InMemoryBackend>,
        shall_panic: Arc<AtomicBool>,
    }

    impl Brittle {
        fn touch(&self) {
            assert!(!self.shall_panic.swap(false, Ordering::AcqRel), "the medium was told to panic");
        }
    }

    impl StorageBackend for Brittle {
        fn len(&self) -> io::Result<u64> {
            self.octets.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.touch();
            self.octets.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.touch();
            self.octets.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.touch();
            self.octets.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.touch();
            self.octets.write(offset, data)
        }
    }

    impl Medium for Brittle {
        fn open(&self) -> Result<Box<dyn StorageBackend>, StoreError> {
            Ok(Box::new(self.clone()))
        }

        fn free_octets(&self) -> u64 {
            u64::MAX
        }

        fn allocated_octets(&self) -> u64 {
            0
        }

        fn is_in_place(&self) -> Result<(), StoreError> {
            Ok(())
        }

        fn drop_cache(&self) {}
    }

    /// The opening of a damaged file was given up, redb closed it and panicked, and with it the process.
    #[test]
    fn a_panic_of_redb_while_it_closes_goes_no_further() {
        let shall_panic = Arc::new(AtomicBool::new(false));
        let medium =
            Brittle { octets: Arc::new(InMemoryBackend::new()), shall_panic: Arc::clone(&shall_panic) };
        let engine = Engine::open(Arc::new(medium), Arc::default(), 1 << 20).unwrap();
        engine.write(Sync::OnePhase, |_| Ok(())).unwrap();
        shall_panic.store(true, Ordering::Release);
        drop(engine);
        assert!(!shall_panic.load(Ordering::Acquire), "closing touched the medium");
    }
}
