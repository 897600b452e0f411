//! A medium in memory that fails, or loses its power, when a test wants it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::*;

/// The medium; clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Memory(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    octets: Vec<u8>,
    /// What must be undone, newest last, to have what the last sync left.
    unsynced: Vec<Undo>,
    /// The operation that fails, counted down.
    fails_in: Option<u32>,
    /// Whether all that follow fail too.
    is_cut: bool,
    /// Which pages were ever written: only those take room, as in a file with holes.
    written: Vec<bool>,
    allocated: u64,
    /// Octets that it can hold.
    capacity: u64,
}

#[derive(Debug)]
enum Undo {
    Octets(usize, Vec<u8>),
    Length(usize),
}

impl Memory {
    pub(super) fn new() -> Memory {
        Memory(Arc::new(Mutex::new(State {
            octets: Vec::new(),
            unsynced: Vec::new(),
            fails_in: None,
            is_cut: false,
            written: Vec::new(),
            allocated: 0,
            capacity: u64::MAX,
        })))
    }

    /// Lets the operation of that number from now fail; with a cut all that follow fail too.
    pub(super) fn fail_in(&self, operations: u32, is_cut: bool) {
        let mut state = self.state();
        state.fails_in = Some(operations);
        state.is_cut = is_cut;
    }

    /// Ends a fault; says whether it was met.
    pub(super) fn heal(&self) -> bool {
        let mut state = self.state();
        state.is_cut = false;
        state.fails_in.take() == Some(0)
    }

    /// What the power leaves: no more than was synced.
    pub(super) fn lose_unsynced(&self) {
        let mut state = self.state();
        while let Some(undo) = state.unsynced.pop() {
            match undo {
                Undo::Octets(offset, octets) => {
                    let end = offset + octets.len();
                    state.octets[offset..end].copy_from_slice(&octets);
                }
                Undo::Length(length) => state.octets.resize(length, 0),
            }
        }
    }

    /// Lets it hold so many octets and no more.
    pub(super) fn shrink(&self, capacity: u64) {
        self.state().capacity = capacity;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PAGE_OCTETS: usize = 4096;

impl State {
    fn take_room(&mut self, offset: usize, octets: usize) -> io::Result<()> {
        for page in offset / PAGE_OCTETS..(offset + octets).div_ceil(PAGE_OCTETS) {
            if !self.written.get(page).copied().unwrap_or(true) {
                if self.allocated + PAGE_OCTETS as u64 > self.capacity {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.written[page] = true;
                self.allocated += PAGE_OCTETS as u64;
            }
        }
        Ok(())
    }

    fn operate(&mut self) -> io::Result<()> {
        match self.fails_in {
            Some(0) if self.is_cut => Err(io::Error::other("the power is gone")),
            Some(1) => {
                self.fails_in = Some(0);
                Err(io::Error::other("the medium was told to fail"))
            }
            Some(left) => {
                self.fails_in = Some(left.saturating_sub(1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().octets.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let from = offset as usize;
        let found = state.octets.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let (before, length) = (state.octets.len(), length as usize);
        if length < before {
            let lost = state.octets[length..].to_vec();
            state.unsynced.push(Undo::Octets(length, lost));
        }
        state.unsynced.push(Undo::Length(before));
        state.octets.resize(length, 0);
        state.written.resize(length.div_ceil(PAGE_OCTETS), false);
        state.allocated = state.written.iter().filter(|&&is| is).count() as u64 * PAGE_OCTETS as u64;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let from = offset as usize;
        state.take_room(from, octets.len())?;
        let place = state.octets.get_mut(from..from + octets.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let before = place.to_vec();
        place.copy_from_slice(octets);
        state.unsynced.push(Undo::Octets(from, before));
        Ok(())
    }
}

impl Medium for Memory {
    fn open(&self) -> Result<Box<dyn StorageBackend>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn free_octets(&self) -> u64 {
        let state = self.state();
        state.capacity.saturating_sub(state.allocated)
    }

    fn allocated_octets(&self) -> u64 {
        self.state().allocated
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn drop_cache(&self) {}
}
