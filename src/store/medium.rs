//! What the database lies on: a file on a disk, or what a test puts in its place.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;

use super::error::StoreError;

/// Gives the storage that redb works on, anew at each opening.
pub trait Medium: std::fmt::Debug + Send + Sync {
    /// Opens the storage. Errs with the reason and the remedy.
    fn open(&self) -> Result<Box<dyn StorageBackend>, StoreError>;

    /// Free octets of the disk, for the reserve.
    fn free_octets(&self) -> u64;

    /// Octets that the file takes up on the disk.
    fn allocated_octets(&self) -> u64;

    /// Errs if what is written now would be lost: the file has been removed or replaced (S-301).
    fn is_in_place(&self) -> Result<(), StoreError>;

    /// Lets the operating system forget what it has in its cache, so that after a failed sync nothing is
    /// believed that is not on the disk (S-292).
    fn drop_cache(&self);

    /// Keeps a copy of what is stored, which has that older layout and is closed; says whether there was room. What has
    /// no place for one keeps none.
    fn keep_copy(&self, _layout: u32) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Removes such copies, and what was to become one. Errs with the reason.
    fn drop_copies(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Counts what reaches a storage; the figures of `stat --wear`.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub syncs: AtomicU64,
    pub writes: AtomicU64,
    pub written_octets: AtomicU64,
    pub reads: AtomicU64,
    pub read_octets: AtomicU64,
    pub file_octets: AtomicU64,
    /// Questions and changes that met damage.
    pub damages: AtomicU64,
    /// Whether an opening has looked at the whole file, since it was not closed properly.
    pub was_checked: AtomicBool,
}

/// A storage whose calls are counted.
#[derive(Debug)]
pub(super) struct Metered {
    inner: Box<dyn StorageBackend>,
    meter: Arc<Meter>,
}

impl Metered {
    pub(super) fn new(inner: Box<dyn StorageBackend>, meter: Arc<Meter>) -> Metered {
        Metered { inner, meter }
    }
}

impl StorageBackend for Metered {
    fn len(&self) -> io::Result<u64> {
        let octets = self.inner.len()?;
        self.meter.file_octets.store(octets, Ordering::Relaxed);
        Ok(octets)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.meter.reads.fetch_add(1, Ordering::Relaxed);
        self.meter.read_octets.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.meter.file_octets.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.meter.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.meter.writes.fetch_add(1, Ordering::Relaxed);
        self.meter.written_octets.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, redb::BackendError> {
        self.inner.try_lock_range(start, end)
    }
}
