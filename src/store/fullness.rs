//! A disk that has had no room for a change. What it says of its room may be more than it gives: there are quotas, and a
//! file system without holes refuses to double a file which it could let grow.

use std::sync::Mutex;
use std::time::Instant;

use super::shared::lock;
use crate::limits;

/// The last time that it had none.
#[derive(Debug, Default)]
pub(super) struct Fullness(Mutex<Option<Full>>);

#[derive(Debug, Clone, Copy)]
struct Full {
    at: Instant,
    /// What the disk said that it had.
    free_octets: u64,
    /// Of bodies, as they were counted after it.
    live_octets: Option<u64>,
}

impl Fullness {
    /// A change found no room, though the disk says that it has so much.
    pub(super) fn note(&self, free_octets: u64) {
        *lock(&self.0) = Some(Full { at: Instant::now(), free_octets, live_octets: None });
    }

    /// Whether that was lately, and the disk does not say since that it has more.
    pub(super) fn is_lately(&self, free_octets: u64) -> bool {
        lock(&self.0).is_some_and(|full| {
            full.at.elapsed() < limits::FULL_DISK_AGE
                && free_octets.saturating_sub(full.free_octets) < limits::ROOM_AGAIN_OCTETS
        })
    }

    /// Octets of bodies when it was first asked since; now there are so many.
    pub(super) fn live_octets_then(&self, live_octets: u64) -> u64 {
        let mut full = lock(&self.0);
        full.as_mut().map_or(live_octets, |full| *full.live_octets.get_or_insert(live_octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_once_the_disk_has_so_much_more_and_measures_from_each_failure() {
        let fullness = Fullness::default();
        assert!(!fullness.is_lately(0));
        fullness.note(7);
        for (more_octets, is_lately) in [(-1, true), (0, false), (1, false)] {
            let free_octets = (limits::ROOM_AGAIN_OCTETS + 7).saturating_add_signed(more_octets);
            assert_eq!(fullness.is_lately(free_octets), is_lately, "{more_octets}");
        }
        assert_eq!((fullness.live_octets_then(50), fullness.live_octets_then(40)), (50, 50));
        fullness.note(7);
        assert_eq!(fullness.live_octets_then(40), 40);
    }
}
