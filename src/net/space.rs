//! One alarm when the disk has no more room for mail, and one line when it has again (M9).

use std::sync::atomic::{AtomicBool, Ordering};

use crate::limits;
use crate::store::Store;

/// Whether the alarm has been raised.
#[derive(Debug, Default)]
pub struct SpaceAlarm(AtomicBool);

/// What the log is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Short,
    EnoughAgain,
}

impl SpaceAlarm {
    /// Whether a message of so many octets fits above the disk reserve; tells the log of a disk that has got short of
    /// room, or is so no more. A message that is too large for a disk with some room left is no alarm.
    pub fn has_space_for(&self, store: &Store, octets: u64) -> bool {
        let has_space = store.has_space_for(octets);
        let is_short = !has_space && !store.has_space_for(0);
        let is_roomy = || store.has_space_for(limits::ROOM_AGAIN_OCTETS);
        match self.news(is_short, is_roomy) {
            Some(News::Short) => log::error!(
                "the disk is short of room: mail is refused until {} MiB are free and a little more; make some on it, or \
                 keep less with \"poppet set reserve_mib MIB\"",
                store.settings().reserve_mib
            ),
            Some(News::EnoughAgain) => log::info!("the disk has room again: mail is taken"),
            None => {}
        }
        has_space
    }

    /// An alarm that is raised stays so until there is a good deal of room: near the edge it would come and go.
    fn news(&self, is_short: bool, is_roomy: impl FnOnce() -> bool) -> Option<News> {
        match (self.0.load(Ordering::Relaxed), is_short) {
            (false, true) => (!self.0.swap(true, Ordering::Relaxed)).then_some(News::Short),
            (true, false) if is_roomy() => self.0.swap(false, Ordering::Relaxed).then_some(News::EnoughAgain),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_gets_short_of_room_raises_one_alarm_until_it_has_a_good_deal_m9() {
        let alarm = SpaceAlarm::default();
        for (is_short, is_roomy, news) in [
            (false, true, None),
            (true, false, Some(News::Short)),
            (true, false, None),
            (false, false, None),
            (true, false, None),
            (false, true, Some(News::EnoughAgain)),
            (false, true, None),
            (true, false, Some(News::Short)),
        ] {
            assert_eq!(alarm.news(is_short, || is_roomy), news);
        }
    }
}
