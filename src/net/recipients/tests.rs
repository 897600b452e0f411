//! Who a forward-path is: names that every domain has, routes, shared domains, and who may send out.

use super::*;
use crate::auth::tests::Folder;
use crate::clock::{Clock, UnixTime};
use crate::mail::{Alias, AliasTarget, MailboxMark};
use crate::store::{Lock, Options};
use crate::ticket::block_on;

#[test]
fn a_postmaster_who_is_locked_for_all_is_passed_over() {
    // An administrator left, was locked with --all, and nobody could tell the house any more that something is
    // wrong with its mail: postmaster and abuse were refused for good.
    let folder = Folder::new();
    let store = Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
    store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
    for (name, mark) in [("alice", 1), ("bob", 2), ("carl", 3)] {
        store.add_mailbox(named(name), MailboxMark([mark; 16]), vec![]).wait().unwrap();
    }
    store.set_setting("postmaster", Some("bob@home.lan")).wait().unwrap();
    let lock = |name, lock| store.lock_mailbox(named(name), lock).wait().unwrap();
    let all = |wanted: Option<&str>| {
        for path in [
            ForwardPath::Postmaster,
            ForwardPath::Address(named("postmaster")),
            ForwardPath::Address(named("abuse")),
        ] {
            let what = format!("{path:?}");
            assert_eq!(reached(&store, path).as_deref(), wanted, "{what}");
        }
    };
    all(Some("bob@home.lan"));
    lock("bob", Lock::Reading);
    all(Some("bob@home.lan"));
    lock("bob", Lock::All);
    all(Some("alice@home.lan"));
    lock("alice", Lock::All);
    all(Some("carl@home.lan"));
    lock("carl", Lock::All);
    all(None);
    lock("bob", Lock::Open);
    all(Some("bob@home.lan"));
    let to_carl = vec![AliasTarget::Address(named("carl"))];
    store.set_alias(Alias::Address(named("abuse")), to_carl).wait().unwrap();
    assert_eq!(reached(&store, ForwardPath::Address(named("abuse"))).as_deref(), Some("bob@home.lan"));
    lock("carl", Lock::Open);
    assert_eq!(reached(&store, ForwardPath::Address(named("abuse"))).as_deref(), Some("carl@home.lan"));
    lock("carl", Lock::All);
    assert_eq!(reached(&store, ForwardPath::Address(named("carl"))), None, "others are not passed over");
}

fn named(name: &str) -> Address {
    format!("{name}@home.lan").parse().unwrap()
}

/// Who gets the mail; none where it is locked.
fn reached(store: &Store, path: ForwardPath) -> Option<String> {
    match block_on(look_up(store, &store.settings(), path, 0)).unwrap() {
        Recipient::Mailboxes(found) => {
            Some(found.into_iter().map(|(_, address)| address.to_string()).collect())
        }
        Recipient::Locked => None,
        other => panic!("{other:?}"),
    }
}
