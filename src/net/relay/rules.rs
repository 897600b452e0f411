//! What says which way mail goes, as it is followed: nothing is tried by what nobody has looked through.

use std::sync::{Arc, Mutex, PoisonError};

use crate::settings::Settings;
use crate::store::{Route, Store};

/// The settings and routes that are followed; none before the first look.
#[derive(Debug, Default)]
pub struct Rules(Mutex<Option<Seen>>);

#[derive(Debug)]
struct Seen {
    settings: Arc<Settings>,
    routes: Arc<[Route]>,
}

impl Rules {
    /// Follows those of now; calls `changed` before anybody else may follow them, if they are others than before.
    pub fn follow(&self, store: &Store, changed: impl FnOnce()) {
        let mut followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Read behind the lock: nobody goes back to what was before.
        let present = Seen { settings: store.settings(), routes: store.routes() };
        if followed.as_ref().is_some_and(|followed| !present.are(followed)) {
            changed();
        }
        *followed = Some(present);
    }
}

impl Seen {
    fn are(&self, other: &Seen) -> bool {
        let is_same = Arc::ptr_eq(&self.routes, &other.routes) || self.routes == other.routes;
        is_same && self.settings.outgoing == other.settings.outgoing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::Folder;
    use crate::clock::{Clock, UnixTime};
    use crate::store::Options;

    /// A logon that was refused by the new password was forgotten when the scheduler saw the new settings, and tried again.
    #[test]
    fn a_change_is_told_once_and_only_where_it_is_of_the_way_o2() {
        let folder = Folder::new();
        let clock = Clock::fixed(UnixTime(1_800_000_000));
        let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
        let rules = Rules::default();
        let tells = || {
            let mut has_told = false;
            rules.follow(&store, || has_told = true);
            has_told
        };
        assert_eq!([tells(), tells()], [false, false], "the first look has nothing to compare");
        let set = |key: &str, value: &str| store.set_setting(key, Some(value)).wait().unwrap();
        set("smarthost", "a.test");
        assert_eq!([tells(), tells()], [true, false]);
        set("smarthost_user", "family");
        assert_eq!([tells(), tells()], [true, false]);
        set("undo_days", "3");
        assert_eq!([tells(), tells()], [false, false]);
        let route = Route {
            space: "b.test".parse().unwrap(),
            hops: vec!["c.test".parse().unwrap()],
            tls: None,
            is_share: false,
            created: UnixTime(0),
        };
        store.set_route(route).wait().unwrap();
        assert_eq!([tells(), tells()], [true, false]);
        store.remove_route("b.test".parse().unwrap()).wait().unwrap();
        assert_eq!([tells(), tells()], [true, false]);
    }
}
