//! A disk that a test can cut the power of: what was not synced is kept, dropped or torn, in any order.

use std::io;
use std::sync::{Arc, Mutex};

use poppet::store::{Medium, StoreError};
use redb::StorageBackend;

/// Octets that a disk writes at once, or not.
const SECTOR_OCTETS: usize = 512;

/// A simulated disk; clones are the same disk.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What reads see.
    live: Vec<u8>,
    /// What a power cut leaves at least.
    durable: Vec<u8>,
    /// What was done since the last sync.
    unsynced: Vec<Change>,
    /// Writes, syncs and changes of length so far.
    operations: u64,
    /// The operation at which the power goes.
    cut_at: u64,
    /// Of so many syncs only the last is done.
    lies: u64,
    syncs: u64,
    /// Octets that it can hold.
    capacity: usize,
    /// The operation that fails, and how; it may be one or that and all that follow.
    fault: Option<Fault>,
}

/// How operations fail.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
pub struct Fault {
    /// The first operation that fails, counted from now.
    pub operations: u64,
    /// Whether all that follow fail too, until [`Disk::heal`].
    pub lasts: bool,
    /// What the operating system says.
    pub kind: io::ErrorKind,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, octets: Vec<u8> },
    Length(usize),
}

impl Disk {
    /// A disk that holds `image`.
    pub fn new(image: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(State {
            durable: image.clone(),
            live: image,
            unsynced: Vec::new(),
            operations: 0,
            cut_at: u64::MAX,
            lies: 1,
            syncs: 0,
            capacity: usize::MAX,
            fault: None,
        })))
    }

    /// Cuts the power at the operation of that number from now.
    #[allow(dead_code)]
    pub fn cut_in(&self, operations: u64) {
        let mut state = self.state();
        state.cut_at = state.operations + operations;
    }

    /// Ignores all but every `lies`th sync.
    #[allow(dead_code)]
    pub fn lie(&self, lies: u64) {
        self.state().lies = lies;
    }

    /// Lets it hold so many octets and no more.
    #[allow(dead_code)]
    pub fn shrink(&self, capacity: usize) {
        self.state().capacity = capacity;
    }

    /// Lets operations fail without a power cut.
    #[allow(dead_code)]
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        let operations = state.operations + fault.operations;
        state.fault = Some(Fault { operations, ..fault });
    }

    /// Ends a fault; says whether it was met.
    #[allow(dead_code)]
    pub fn heal(&self) -> bool {
        let mut state = self.state();
        let operations = state.operations;
        state.fault.take().is_some_and(|fault| operations > fault.operations)
    }

    /// Whether the power is gone.
    #[allow(dead_code)]
    pub fn is_cut(&self) -> bool {
        let state = self.state();
        state.operations >= state.cut_at
    }

    /// Cuts the power now, if it is there still, and gives what is found afterwards.
    #[allow(dead_code)]
    pub fn image_after_cut(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut state = self.state();
        state.cut_at = 0;
        let mut image = std::mem::take(&mut state.durable);
        for change in std::mem::take(&mut state.unsynced) {
            match change {
                Change::Length(length) if random.bool() => image.resize(length, 0),
                Change::Length(_) => {}
                Change::Write { offset, octets } => tear(&mut image, offset, &octets, random),
            }
        }
        image
    }

    /// What the disk holds after a proper end.
    #[allow(dead_code)]
    pub fn image(&self) -> Vec<u8> {
        self.state().live.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Each sector is kept or not; one that is kept may end in its middle.
fn tear(image: &mut Vec<u8>, offset: usize, octets: &[u8], random: &mut fastrand::Rng) {
    let fate = random.u8(..3);
    let mut at = 0;
    while at < octets.len() {
        let end = (at + SECTOR_OCTETS - (offset + at) % SECTOR_OCTETS).min(octets.len());
        let is_kept = match fate {
            0 => false,
            1 => true,
            _ => random.bool(),
        };
        let kept = match (is_kept, random.u8(..32)) {
            (false, _) => 0,
            (true, 0) => random.usize(..=end - at),
            (true, _) => end - at,
        };
        if kept > 0 {
            if image.len() < offset + at + kept {
                image.resize(offset + at + kept, 0);
            }
            image[offset + at..][..kept].copy_from_slice(&octets[at..][..kept]);
        }
        at = end;
    }
}

impl State {
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.operations > self.cut_at {
            return Err(io::Error::other("the power is gone"));
        }
        match self.fault {
            Some(fault) if self.operations == fault.operations + 1 => Err(fault.kind.into()),
            Some(fault) if fault.lasts && self.operations > fault.operations => Err(fault.kind.into()),
            _ => Ok(()),
        }
    }

    fn apply_unsynced(target: &mut Vec<u8>, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Length(length) => target.resize(*length, 0),
                Change::Write { offset, octets } => target[*offset..][..octets.len()].copy_from_slice(octets),
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.operations >= state.cut_at {
            return Err(io::Error::other("the power is gone"));
        }
        let from = offset as usize;
        let octets = state.live.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(octets);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if len as usize > state.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.live.resize(len as usize, 0);
        state.unsynced.push(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Err(error) = state.operate() {
            // As Linux does: what could not be written is marked clean all the same, and stays readable (S-292).
            state.unsynced.clear();
            return Err(error);
        }
        state.syncs += 1;
        if !state.syncs.is_multiple_of(state.lies) {
            return Ok(());
        }
        let changes = std::mem::take(&mut state.unsynced);
        State::apply_unsynced(&mut state.durable, &changes);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let from = offset as usize;
        state
            .live
            .get_mut(from..from + data.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        state.unsynced.push(Change::Write { offset: from, octets: data.to_vec() });
        Ok(())
    }
}

impl Medium for Disk {
    fn open(&self) -> Result<Box<dyn StorageBackend>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn free_octets(&self) -> u64 {
        let state = self.state();
        (state.capacity - state.live.len()) as u64
    }

    fn allocated_octets(&self) -> u64 {
        self.state().live.len() as u64
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_copy(&self, _layout: u32) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn drop_cache(&self) {
        let mut state = self.state();
        let mut live = state.durable.clone();
        State::apply_unsynced(&mut live, &state.unsynced);
        state.live = live;
    }
}
