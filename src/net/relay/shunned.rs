//! Servers of a way that are passed over for a while, so that the next one is asked at once; in memory only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lanes::Moment;
use super::reach::{Trouble, TroubleKind};
use super::settling::shown;
use crate::admin::LaneTrouble;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Lane;

/// Those of all ways; at most [`limits::SHUNNED_HOSTS`], who would be asked again soonest makes room.
#[derive(Debug, Default)]
pub struct Shunned {
    known: Mutex<Known>,
}

/// Those of one way, as long as nobody changes anything.
#[derive(Debug, Clone)]
pub struct Shuns {
    shared: Arc<Shunned>,
    lane: Lane,
    epoch: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// Rises when all is forgotten: what was tried before says nothing any more.
    epoch: u64,
    hosts: BTreeMap<(Lane, String), Shun>,
}

#[derive(Debug)]
struct Shun {
    trouble: Trouble,
    since: UnixTime,
    until: Instant,
    next: UnixTime,
}

impl Shunned {
    /// Those of a way.
    pub fn of(self: &Arc<Shunned>, lane: &Lane) -> Shuns {
        let epoch = self.lock().epoch;
        Shuns { shared: Arc::clone(self), lane: lane.clone(), epoch }
    }

    /// Asks everybody again: an administrator has changed something.
    pub fn forget(&self) {
        let mut known = self.lock();
        known.epoch += 1;
        known.hosts.clear();
    }

    /// Those at which a person must look.
    pub fn troubles(&self, now: Instant) -> Vec<LaneTrouble> {
        let known = self.lock();
        let held = known.hosts.iter().filter(|(_, shun)| shun.is_held() && now < shun.until);
        let trouble = |((lane, _), shun): (&(Lane, String), &Shun)| LaneTrouble {
            lane: lane.clone(),
            since: shun.since,
            next: Some(shun.next),
            text: format!("{}; another server takes the mail", shown(&shun.trouble)),
        };
        held.map(trouble).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shuns {
    /// What was wrong with a server that is passed over now.
    pub fn get(&self, server: &str, now: Instant) -> Option<Trouble> {
        let known = self.shared.lock();
        let shun = known.hosts.get(&(self.lane.clone(), server.to_owned()))?;
        (now < shun.until).then(|| shun.trouble.clone())
    }

    /// Passes over a server from now on: for hours where a person must look, else for a while. Says so where it is the
    /// former, and news.
    pub fn note(&self, server: &str, trouble: &Trouble, now: Moment) {
        let pause = pause(trouble.kind);
        let mut known = self.shared.lock();
        if known.epoch != self.epoch {
            return;
        }
        known.hosts.retain(|_, shun| now.monotonic < shun.until);
        if known.hosts.len() >= limits::SHUNNED_HOSTS {
            let soonest = known.hosts.iter().min_by_key(|(_, shun)| shun.until).map(|(key, _)| key.clone());
            soonest.and_then(|key| known.hosts.remove(&key));
        }
        let shun = Shun {
            trouble: trouble.clone(),
            since: now.wall,
            until: now.monotonic + pause,
            next: UnixTime(now.wall.0.saturating_add(pause.as_secs())),
        };
        let is_news = shun.is_held();
        known.hosts.insert((self.lane.clone(), server.to_owned()), shun);
        drop(known);
        if is_news {
            let text = shown(trouble);
            log::warn!(
                "outgoing mail, {}: a server is passed over until \"poppet queue retry\": {text}",
                self.lane
            );
        }
    }
}

impl Shun {
    fn is_held(&self) -> bool {
        self.trouble.kind == TroubleKind::Held
    }
}

fn pause(kind: TroubleKind) -> Duration {
    if kind == TroubleKind::Held { limits::HELD_RETRY } else { limits::SHUN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(begun: Instant) -> Moment {
        Moment { monotonic: begun, wall: UnixTime(1000) }
    }

    fn trouble(kind: TroubleKind) -> Trouble {
        Trouble::found(kind, "a.test", [4, 4, 1], "x")
    }

    #[test]
    fn who_is_passed_over_is_asked_again_after_its_pause() {
        let (shunned, begun) = (Arc::new(Shunned::default()), Instant::now());
        for (kind, pause) in [(TroubleKind::Held, limits::HELD_RETRY), (TroubleKind::Later, limits::SHUN)] {
            let shuns = shunned.of(&Lane::SmartHost);
            shuns.note("a.test:25", &trouble(kind), moment(begun));
            let last = begun + pause - Duration::from_millis(1);
            assert_eq!(shuns.get("a.test:25", last), Some(trouble(kind)));
            assert_eq!(shuns.get("a.test:25", begun + pause), None);
            assert_eq!(shuns.get("a.test:26", begun), None);
            assert_eq!(shunned.of(&Lane::Nowhere).get("a.test:25", begun), None, "another way");
            assert_eq!(shunned.troubles(last).len(), usize::from(kind == TroubleKind::Held));
            assert_eq!(shunned.troubles(begun + pause), []);
        }
    }

    /// A try with the old password that ends after the new one was given says nothing of that.
    #[test]
    fn who_changes_something_has_everybody_asked_again() {
        let (shunned, begun) = (Arc::new(Shunned::default()), Instant::now());
        let before = shunned.of(&Lane::SmartHost);
        before.note("a.test:25", &trouble(TroubleKind::Held), moment(begun));
        shunned.forget();
        assert_eq!(before.get("a.test:25", begun), None);
        before.note("a.test:25", &trouble(TroubleKind::Held), moment(begun));
        assert_eq!(before.get("a.test:25", begun), None);
    }

    #[test]
    fn so_many_are_remembered_and_the_soonest_makes_room() {
        let (shunned, begun) = (Arc::new(Shunned::default()), Instant::now());
        let shuns = shunned.of(&Lane::SmartHost);
        for number in 0..=limits::SHUNNED_HOSTS {
            let now = moment(begun + Duration::from_millis(number as u64));
            shuns.note(&format!("h{number}:25"), &trouble(TroubleKind::Later), now);
            let wanted = (number + 1).min(limits::SHUNNED_HOSTS);
            assert_eq!(shunned.lock().hosts.len(), wanted, "{number}");
        }
        assert_eq!(shuns.get("h0:25", begun), None);
        assert!(shuns.get("h1:25", begun).is_some());
    }
}
