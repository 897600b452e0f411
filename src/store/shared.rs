//! What the store's threads share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{ReadTransaction, WriteTransaction};

use super::budget::Budget;
use super::clock_trust::{ClockState, ClockTrust};
use super::devices::{self, Device};
use super::engine::{Engine, Fault, Sync};
use super::error::StoreError;
use super::levels::{Level, Levels};
use super::medium::{Medium, Meter};
use super::options::{Options, Wear};
use super::routes::{self, Routes};
use super::schema::Probation;
use super::{accounts, free, layouts, queue, records, undo};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::settings::Settings;

/// What the store's threads share.
#[derive(Debug)]
pub(super) struct Shared {
    pub engine: Engine,
    pub meter: Arc<Meter>,
    pub cache_octets: usize,
    pub budget: Budget,
    pub blobs: Blobs,
    pub queue: queue::State,
    clock_trust: Mutex<ClockTrust>,
    /// Whether nothing has changed since the layout was migrated.
    pub is_unused: AtomicBool,
    /// Whether bodies wait to be freed.
    pub has_free: AtomicBool,
    /// Whether anything was removed that could be brought back.
    pub has_removed: AtomicBool,
    /// Octets of what was removed and not purged; it gives way to new mail.
    removed_octets: AtomicU64,
    /// Octets of bodies in the file, those that wait to be freed among them; at the opening what stands before
    /// each counts too, so it is rather too many than too few.
    pub live_octets: AtomicU64,
    pub messages: AtomicU64,
    pub message_octets: AtomicU64,
    pub commits: AtomicU64,
    /// Quiet time before bodies are freed.
    pub before_freeing: Duration,
    /// Quiet time before the next opening is made quick.
    pub before_quick_repair: Duration,
    /// How long after the opening undo and retention are looked after first.
    pub before_chores: Duration,
    /// File size from which on that is worth a commit.
    pub quick_repair_octets: u64,
    medium: Arc<dyn Medium>,
    pub clock: Clock,
    levels: RwLock<Arc<Levels>>,
    devices: RwLock<Arc<[Device]>>,
    routes: RwLock<Arc<Routes>>,
    space: Mutex<Option<Space>>,
}

/// Room for bodies, when it was last looked for.
#[derive(Debug, Clone, Copy)]
struct Space {
    seen: Instant,
    /// Free ones on the disk.
    disk_octets: u64,
    /// Those of the disk that the file has.
    file_octets: u64,
    /// Those of bodies in it.
    live_octets: u64,
    /// What had been written then.
    written_octets: u64,
}

impl Space {
    /// What the file has on the disk and no body uses, once so many octets of bodies are gone. redb's file does not
    /// shrink while it is open, so a disk that it has filled would stay full for ever, however much is removed.
    fn reusable_octets(self, gone_octets: u64) -> u64 {
        let live_octets = self.live_octets.saturating_sub(gone_octets);
        // Trees, and pages that are not full.
        let used_octets = live_octets + live_octets / 8 + limits::FILE_OVERHEAD_OCTETS;
        self.file_octets.saturating_sub(used_octets)
    }
}

impl Shared {
    /// Opens the database, proves its layout, collects what a crash left, reads the settings.
    pub(super) fn open(
        medium: Arc<dyn Medium>,
        options: &Options,
        clock: &Clock,
    ) -> Result<Shared, StoreError> {
        let meter = Arc::new(Meter::default());
        let open = |cache_octets| Engine::open(Arc::clone(&medium), Arc::clone(&meter), cache_octets);
        let mut cache_octets = cache_octets(options.cache_kib.unwrap_or(limits::CACHE_KIB));
        let mut engine = open(cache_octets)?;
        engine = layouts::bring_up(&medium, engine, || open(cache_octets))?;
        let migrated_from = engine.read(layouts::unused_since)?;
        if migrated_from.is_none() {
            drop_copies(&*medium);
        }
        let (settings, _) = engine.read(records::settings)?;
        if options.cache_kib.is_none() && settings.cache_kib != limits::CACHE_KIB {
            // Only an opened database knows how large its cache shall be.
            engine.close();
            cache_octets = self::cache_octets(settings.cache_kib);
            engine = open(cache_octets)?;
        }
        if engine.read(free::has_orphans)?
            && let Err(error) = engine.write(Sync::OnePhase, free::collect_orphans)
        {
            // Reading and deleting must go on with a full disk; the next opening tries again.
            log::warn!("what streamed in before a crash can't be freed now: {error}");
        }
        let proof = engine.read(accounts::prove)?;
        let removed = engine.read(undo::prove)?;
        let whole = queue::opening::prove(&engine)?;
        let newest = proof.newest.max(removed.newest).max(whole.newest);
        clock.learn(newest);
        let probation = engine.read(records::probation).unwrap_or_else(|error| {
            log::warn!("how long the clock has run can't be read, and its day begins anew: {error}");
            // What it says is never so; it goes with the next change.
            Some(Probation { wall: UnixTime(u64::MAX), seconds: 0 })
        });
        let removed_octets = removed.octets;
        let octets_of_rows = proof.octets + removed_octets + whole.tally.octets;
        let live_octets = engine.read(|transaction| live_octets(transaction, octets_of_rows))?;
        let levels = engine.read(Levels::read)?;
        let devices = engine.read(devices::read)?;
        let routes = engine.read(routes::read)?;
        // An old page in the place of the bound must not let a new body take a living one's number.
        let bound = engine.read(records::blob_bound)?.max(engine.read(records::above_all_blobs).unwrap_or(0));
        let has_free = engine.read(free::has_free)?;
        let has_removed = engine.read(undo::has_removed)?;
        Ok(Shared {
            engine,
            meter,
            cache_octets,
            budget: Budget::new(limits::BODIES_IN_FLIGHT_OCTETS),
            blobs: Blobs(Mutex::new(Numbers { next: bound, bound })),
            queue: queue::State::new(whole.tally),
            clock_trust: Mutex::new(ClockTrust::new(newest, probation)),
            is_unused: AtomicBool::new(migrated_from.is_some()),
            has_free: AtomicBool::new(has_free),
            has_removed: AtomicBool::new(has_removed),
            removed_octets: AtomicU64::new(removed_octets),
            live_octets: AtomicU64::new(live_octets),
            messages: AtomicU64::new(0),
            message_octets: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            before_freeing: options.quiet.unwrap_or(limits::IDLE_BEFORE_FREEING),
            before_quick_repair: options.quiet.unwrap_or(limits::IDLE_BEFORE_QUICK_REPAIR),
            before_chores: options.quiet.unwrap_or(limits::FIRST_CHORES),
            quick_repair_octets: if options.quiet.is_some() { 0 } else { limits::QUICK_REPAIR_FILE_OCTETS },
            medium,
            clock: clock.clone(),
            levels: RwLock::new(Arc::new(levels)),
            devices: RwLock::new(devices),
            routes: RwLock::new(routes),
            space: Mutex::new(None),
        })
    }

    /// The first change since a migration is durable: there is no way back any more.
    pub(super) fn put_in_use(&self) {
        if self.is_unused.swap(false, Ordering::AcqRel) {
            drop_copies(&*self.medium);
        }
    }

    /// Collects what a failure of the disk left: bodies that were streaming in are nobody's now. Only the
    /// writer may call it, before it takes the next job.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        self.engine.write(Sync::OnePhase, free::collect_orphans)?;
        self.has_free.store(true, Ordering::Release);
        // A change that failed may have reached the disk all the same.
        self.reload_settings();
        self.reload_devices();
        self.reload_routes();
        // Where damage forbids the count the earlier one stays: to collect again for it would cost the long
        // mails that stream in by now.
        let count = |transaction: &ReadTransaction| {
            let (proof, removed) = (accounts::prove(transaction)?, undo::prove(transaction)?);
            let tally = queue::opening::count(transaction)?.tally;
            let octets_of_rows = proof.octets + removed.octets + tally.octets;
            Ok((live_octets(transaction, octets_of_rows)?, removed.octets, tally))
        };
        if let Ok((live_octets, removed_octets, tally)) = self.engine.read(count) {
            self.queue.recount(tally);
            self.live_octets.store(live_octets, Ordering::Relaxed);
            self.removed_octets.store(removed_octets, Ordering::Relaxed);
        }
        self.has_removed.store(true, Ordering::Release);
        Ok(())
    }

    /// The settings of all, as they are now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.levels().global)
    }

    /// The settings of a domain or mailbox, as they are now.
    pub(super) fn settings_of(&self, level: &Level) -> Arc<Settings> {
        self.levels().settings_of(level)
    }

    /// The settings of all levels.
    pub(super) fn levels(&self) -> Arc<Levels> {
        Arc::clone(&self.levels.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the settings anew.
    pub(super) fn reload_settings(&self) {
        match self.engine.read(Levels::read) {
            Ok(levels) => {
                *self.levels.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(levels);
            }
            Err(error) => log::error!("the settings can't be read, the earlier ones stay: {error}"),
        }
    }

    /// All device profiles, as they are now.
    pub(super) fn devices(&self) -> Arc<[Device]> {
        Arc::clone(&self.devices.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the device profiles anew.
    pub(super) fn reload_devices(&self) {
        match self.engine.read(devices::read) {
            Ok(devices) => *self.devices.write().unwrap_or_else(PoisonError::into_inner) = devices,
            Err(error) => log::error!("the devices can't be read, the earlier ones stay: {error}"),
        }
    }

    /// All routes, as they are now.
    pub(super) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the routes anew.
    pub(super) fn reload_routes(&self) {
        match self.engine.read(routes::read) {
            Ok(routes) => *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes,
            Err(error) => log::error!("the routes can't be read, the earlier ones stay: {error}"),
        }
    }

    /// So many octets more were removed.
    pub(super) fn removed_more(&self, octets: u64) {
        self.removed_octets.fetch_add(octets, Ordering::Relaxed);
    }

    /// So many octets less are removed: brought back, or purged.
    pub(super) fn removed_less(&self, octets: u64) {
        let less = |removed: u64| Some(removed.saturating_sub(octets));
        let _ = self.removed_octets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Octets of what was removed and not purged.
    #[cfg(test)]
    pub(super) fn removed_octets_now(&self) -> u64 {
        self.removed_octets.load(Ordering::Relaxed)
    }

    /// The wall clock, if it may be believed enough to remove mail by it, or to give it up (S-308, S-309).
    pub(super) fn believed_now(&self) -> Option<UnixTime> {
        let ClockState { now, is_believed, .. } = self.clock_state();
        is_believed.then_some(now)
    }

    /// How the wall clock is.
    pub(super) fn clock_state(&self) -> ClockState {
        let newest = self.clock.newest();
        let mut clock_trust = lock(&self.clock_trust);
        // Read behind the lock: another thread's look must not be ahead of this one.
        let (now, monotonic) = self.clock.moment();
        let is_plausible = clock_trust.observe(now, monotonic);
        let is_suspect = now < newest;
        ClockState {
            now,
            newest: newest.max(clock_trust.newest()),
            is_suspect,
            is_believed: is_plausible && !is_suspect,
            can_be_right: self.clock.can_be_right(),
        }
    }

    /// An administrator has said that `now` is right, and the database knows of no later time any more.
    pub(super) fn trust_clock(&self, now: UnixTime) {
        self.clock.set_newest(now);
        lock(&self.clock_trust).begin_anew(now, self.clock.monotonic());
    }

    /// Whether [`Shared::keep_probation`] may soon have something to do.
    pub(super) fn may_keep_probation(&self) -> bool {
        lock(&self.clock_trust).may_change()
    }

    /// Writes down how long the clock has been on probation, so that a restart does not begin anew. Only the writer may,
    /// and seldom.
    pub(super) fn keep_probation(&self) {
        self.clock_state();
        let Some(probation) = lock(&self.clock_trust).change() else { return };
        let put = |transaction: &WriteTransaction| records::put_probation(transaction, probation);
        // The engine has logged a failure, and the next hour tries again.
        if self.engine.write(Sync::OnePhase, put).is_ok() {
            lock(&self.clock_trust).is_stored(probation);
        }
    }

    /// The time of a removal; 0 while the clock may be wrong.
    pub(super) fn removal_time(&self) -> UnixTime {
        self.believed_now().unwrap_or(UnixTime(0))
    }

    /// The time of what is made: it must not seem to have been where it may be wrong.
    pub(super) fn making_time(&self) -> UnixTime {
        let ClockState { now, newest, is_believed, .. } = self.clock_state();
        if is_believed { now } else { now.min(newest) }
    }

    /// Whether so many octets fit above the reserve, once removed mail has given way. What is removed and shared
    /// with others makes no room, so that it may be too little all the same.
    pub(super) fn has_space_for(&self, octets: u64) -> bool {
        if self.may_have_space_for(octets) {
            return true;
        }
        // The last figure may not know of what has been removed or freed since; nobody is refused for that.
        self.look_for_room_again();
        self.may_have_space_for(octets)
    }

    fn may_have_space_for(&self, octets: u64) -> bool {
        let wanted_octets = self.reserve_octets().saturating_add(octets);
        self.can_come_to(wanted_octets, |gone_octets| self.room_octets(gone_octets))
    }

    /// Whether so many octets fit above the reserve as it is.
    pub(super) fn has_room_for(&self, octets: u64) -> bool {
        self.room_octets(0) >= self.reserve_octets().saturating_add(octets)
    }

    /// Whether what was removed must give way for so many octets, and can: above the reserve, or inside the file where
    /// the disk lets it grow no more. Only the writer may ask, once it has collected what a failure left.
    pub(super) fn wants_room_made(&self, octets: u64) -> bool {
        if self.is_stuck(octets) {
            return true;
        }
        if self.has_room_for(octets) {
            return false;
        }
        // Nothing is purged by a figure that may be over.
        self.look_for_room_again();
        !self.has_room_for(octets) && self.has_space_for(octets)
    }

    /// Whether the disk had no room lately, less has been given up since than so many octets need, and enough can be.
    fn is_stuck(&self, octets: u64) -> bool {
        if !self.engine.was_full() {
            return false;
        }
        let live_octets = self.live_octets.load(Ordering::Relaxed);
        let live_at_full = self.engine.fullness.live_octets_then(live_octets);
        // Pages that are not full, and those of trees that are copied.
        let wanted_octets = octets + octets / 4 + limits::COPIED_PAGES_OCTETS;
        let given_up = |gone_octets| live_at_full.saturating_sub(live_octets.saturating_sub(gone_octets));
        given_up(0) < wanted_octets && self.can_come_to(wanted_octets, given_up)
    }

    /// Whether there is so much of that room once what was removed is gone. Bodies that wait to be freed make room too;
    /// they are only counted where it matters.
    fn can_come_to(&self, wanted_octets: u64, room_octets: impl Fn(u64) -> u64) -> bool {
        let removed_octets = self.removed_octets.load(Ordering::Relaxed);
        room_octets(removed_octets) >= wanted_octets
            || self.has_free.load(Ordering::Acquire)
                && self.engine.read(free::waiting_octets).is_ok_and(|waiting_octets| {
                    room_octets(removed_octets.saturating_add(waiting_octets)) >= wanted_octets
                })
    }

    /// Forgets how much room there was, since some has been made.
    pub(super) fn look_for_room_again(&self) {
        *lock(&self.space) = None;
    }

    fn reserve_octets(&self) -> u64 {
        u64::from(self.settings().reserve_mib) * 1024 * 1024
    }

    /// Room on the disk and inside the file once so many octets of bodies are gone, less what was written since it
    /// was last looked for.
    fn room_octets(&self, gone_octets: u64) -> u64 {
        let mut space = lock(&self.space);
        // Read behind the lock: another thread's figure must not be ahead of this one.
        let written_octets = self.meter.written_octets.load(Ordering::Relaxed);
        let space = match *space {
            Some(space) if space.seen.elapsed() < limits::FREE_SPACE_AGE => space,
            _ => *space.insert(Space {
                seen: Instant::now(),
                disk_octets: self.medium.free_octets(),
                file_octets: self.medium.allocated_octets(),
                live_octets: self.live_octets.load(Ordering::Relaxed),
                written_octets,
            }),
        };
        let room_octets = space.disk_octets.saturating_add(space.reusable_octets(gone_octets));
        room_octets.saturating_sub(written_octets - space.written_octets)
    }

    /// What it has cost so far.
    pub(super) fn wear(&self) -> Wear {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Wear {
            syncs: count(&self.meter.syncs),
            writes: count(&self.meter.writes),
            written_octets: count(&self.meter.written_octets),
            reads: count(&self.meter.reads),
            read_octets: count(&self.meter.read_octets),
            messages: count(&self.messages),
            message_octets: count(&self.message_octets),
            commits: count(&self.commits),
            file_octets: count(&self.meter.file_octets),
            allocated_octets: self.medium.allocated_octets(),
            free_octets: self.medium.free_octets(),
            damages: count(&self.meter.damages),
            was_checked: self.meter.was_checked.load(Ordering::Relaxed),
        }
    }
}

/// The numbers of bodies: each is given once, for ever, also over restarts; numbers are reserved in the file
/// before they are used, many at a time.
#[derive(Debug)]
pub(super) struct Blobs(Mutex<Numbers>);

#[derive(Debug)]
struct Numbers {
    next: u64,
    bound: u64,
}

/// Numbers reserved at a time.
const RESERVED_BLOBS: u64 = 4096;

impl Blobs {
    /// A number that no body has had.
    pub(super) fn fresh(&self) -> super::BlobId {
        let mut numbers = lock(&self.0);
        numbers.next += 1;
        super::BlobId(numbers.next - 1)
    }

    /// The bound to be written with the next transaction, if the reserved numbers come to their end. Half
    /// of them is more than all jobs of one transaction can use up.
    pub(super) fn bound_to_reserve(&self) -> Option<u64> {
        let numbers = lock(&self.0);
        (numbers.next + RESERVED_BLOBS / 2 > numbers.bound).then_some(numbers.next + RESERVED_BLOBS)
    }

    /// That bound has been committed durably.
    pub(super) fn reserved(&self, bound: Option<u64>) {
        let mut numbers = lock(&self.0);
        numbers.bound = bound.unwrap_or(numbers.bound);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an empty database on an empty medium, ready for a quick opening.
pub(super) fn lay_out(medium: Arc<dyn Medium>) -> Result<(), StoreError> {
    let engine = Engine::open(medium, Arc::default(), cache_octets(limits::CACHE_KIB))?;
    engine.write(Sync::QuickRepair, records::lay_out)?;
    engine.close();
    Ok(())
}

/// Octets of all bodies, where the rows of those that somebody has, or had until a while ago, come to so many.
fn live_octets(transaction: &ReadTransaction, octets_of_rows: u64) -> Result<u64, Fault> {
    let octets = octets_of_rows.saturating_sub(free::surplus_octets(transaction)?);
    Ok(octets + free::waiting_octets(transaction)?)
}

/// What can't be removed is by the next opening.
fn drop_copies(medium: &dyn Medium) {
    if let Err(error) = medium.drop_copies() {
        log::warn!("{error}");
    }
}

fn cache_octets(kib: u32) -> usize {
    kib as usize * 1024
}
