//! A database in a file on a disk.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use redb::StorageBackend;
use rustix::fs::FallocateFlags;

use super::error::StoreError;
use super::file::{self, LockedFile};
use super::medium::Medium;

/// A file on a disk.
#[derive(Debug)]
pub(super) struct DiskFile {
    path: PathBuf,
    /// Whether it may be empty still.
    is_new: bool,
    /// What was opened first: another file in its place is another database.
    opened: OnceLock<Identity>,
}

/// Device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl DiskFile {
    /// A file that must be a database.
    pub(super) fn new(path: &Path) -> DiskFile {
        DiskFile { path: path.to_owned(), is_new: false, opened: OnceLock::new() }
    }

    /// A file that shall become one.
    pub(super) fn unproven(path: &Path) -> DiskFile {
        DiskFile { path: path.to_owned(), is_new: true, opened: OnceLock::new() }
    }

    fn replaced(&self) -> StoreError {
        StoreError::Io(format!(
            "the database {} has been replaced while it was in use: restart to go on with the new one",
            self.path.display()
        ))
    }
}

impl Identity {
    fn of(facts: &Metadata) -> Identity {
        Identity(facts.dev(), facts.ino())
    }
}

impl Medium for DiskFile {
    fn open(&self) -> Result<Box<dyn StorageBackend>, StoreError> {
        let file = file::open_locked(&self.path)?;
        if !self.is_new {
            file::check_magic(&file, &self.path)?;
        }
        let facts = file.metadata().map_err(|error| file::io_error("look at", &self.path, &error))?;
        if *self.opened.get_or_init(|| Identity::of(&facts)) != Identity::of(&facts) {
            return Err(self.replaced());
        }
        Ok(Box::new(FileBackend { file, extents: Mutex::default() }))
    }

    fn free_octets(&self) -> u64 {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match rustix::fs::statvfs(directory.unwrap_or(Path::new("."))) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
            // What can't be asked must not stop the mail; a full disk still shows when it is written to.
            Err(_) => u64::MAX,
        }
    }

    fn keep_copy(&self, layout: u32) -> Result<bool, StoreError> {
        file::keep_copy(&self.path, layout, self.free_octets())
    }

    fn drop_copies(&self) -> Result<(), StoreError> {
        file::drop_copies(&self.path)
    }

    fn allocated_octets(&self) -> u64 {
        std::fs::metadata(&self.path).map(|file| file.blocks() * 512).unwrap_or(0)
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        let facts = std::fs::metadata(&self.path).map_err(|_| {
            StoreError::Io(format!(
                "the database {} has been removed while it was in use: put it back, or restart to begin anew",
                self.path.display()
            ))
        })?;
        match self.opened.get() {
            Some(opened) if *opened != Identity::of(&facts) => Err(self.replaced()),
            _ => Ok(()),
        }
    }

    fn drop_cache(&self) {
        if let Ok(file) = File::open(&self.path) {
            // Best effort: without it the kernel may show pages that never reached the disk.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
}

/// Positioned reads and writes; the lock was taken when the file was opened.
#[derive(Debug)]
struct FileBackend {
    file: LockedFile,
    /// One bit for each extent: whether it has space of its own on the disk.
    extents: Mutex<Vec<u64>>,
}

/// The disk gives space in steps of this: a commit that must find new blocks for each page it writes costs
/// the file system's journal as much as a short mail.
const EXTENT_OCTETS: u64 = 512 * 1024;

impl FileBackend {
    /// Asks the disk for the extents of a write, each once. What it can't or won't give, the write will tell.
    fn reserve(&self, offset: u64, octets: usize) {
        let last = (offset + octets as u64).saturating_sub(1) / EXTENT_OCTETS;
        for extent in offset / EXTENT_OCTETS..=last {
            if self.is_first_touch(extent as usize) {
                let from = extent * EXTENT_OCTETS;
                let length = self.file.metadata().map_or(0, |file| file.len());
                let octets = length.saturating_sub(from).min(EXTENT_OCTETS);
                if octets > 0 {
                    let _ = rustix::fs::fallocate(&*self.file, FallocateFlags::KEEP_SIZE, from, octets);
                }
            }
        }
    }

    fn is_first_touch(&self, extent: usize) -> bool {
        let mut extents = self.extents.lock().unwrap_or_else(PoisonError::into_inner);
        if extents.len() <= extent / 64 {
            extents.resize(extent / 64 + 1, 0);
        }
        let (word, bit) = (&mut extents[extent / 64], 1 << (extent % 64));
        let is_first = *word & bit == 0;
        *word |= bit;
        is_first
    }
}

impl StorageBackend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.reserve(offset, data.len());
        self.file.write_all_at(data, offset)
    }
}
