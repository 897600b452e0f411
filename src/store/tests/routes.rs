//! Routes: held in memory, durable, gone with their domain.

use super::*;
use crate::mail::{Alias, AliasTarget};

fn route(space: &str, hops: &[&str], is_share: bool) -> Route {
    Route {
        space: space.parse().unwrap(),
        hops: hops.iter().map(|hop| hop.parse().unwrap()).collect(),
        tls: None,
        is_share,
        created: UnixTime(1_800_000_000),
    }
}

fn set(store: &Store, space: &str) -> Result<(), StoreError> {
    store.set_route(route(space, &["mail.far.example"], false)).wait()
}

fn share(store: &Store, space: &str) -> Result<(), StoreError> {
    store.set_route(route(space, &["mail.far.example"], true)).wait()
}

fn spaces(store: &Store) -> Vec<String> {
    store.routes().iter().map(|route| route.space.to_string()).collect()
}

fn with_home(folder: &Folder) -> Store {
    let store = folder.create();
    store.add_domain(alice().domain()).wait().unwrap();
    store
}

#[test]
fn routes_are_found_by_their_address_space_also_after_reopening() {
    let folder = Folder::new();
    let store = with_home(&folder);
    assert!(!store.has_routes());
    for space in ["far.example", "*", "x@far.example", "*.far.example", "*.example"] {
        set(&store, space).unwrap();
    }
    share(&store, "home.lan").unwrap();
    for is_reopened in [false, true] {
        let store = if is_reopened { folder.reopen(&store, 1_800_000_001) } else { store.clone() };
        let sorted = ["*", "*.example", "*.far.example", "far.example", "home.lan", "x@far.example"];
        assert_eq!(spaces(&store), sorted);
        assert!(store.has_routes());
        for space in sorted {
            let found = store.route(&space.parse().unwrap()).unwrap();
            assert_eq!(found, route(space, &["mail.far.example"], space == "home.lan"));
        }
        for space in ["example", "y@far.example", "*.home.lan", "home.lan.example"] {
            assert_eq!(store.route(&space.parse().unwrap()), None, "{space}");
        }
    }
}

#[test]
fn a_route_that_is_set_again_is_replaced_and_as_old_as_before() {
    let folder = Folder::new();
    let store = folder.create();
    set(&store, "far.example").unwrap();
    let mut other = route("FAR.example", &["lmtp:a.example:24", "b.example"], false);
    other.tls = Some(crate::mail::HopTls::Required);
    store.set_route(Route { created: UnixTime(1_900_000_000), ..other.clone() }).wait().unwrap();
    assert_eq!(store.routes()[..], [other]);
    store.remove_route("far.example".parse().unwrap()).wait().unwrap();
    assert_eq!(spaces(&store), [""; 0]);
    let again = store.remove_route("far.example".parse().unwrap()).wait();
    assert_eq!(again, Err(StoreError::NotFound("there is no route for far.example".into())));
}

#[test]
fn routes_are_refused_with_a_line_that_says_why() {
    let folder = Folder::new();
    let store = with_home(&folder);
    let hops = |count| vec!["a.example"; count];
    for (space, count, is_share, line) in [
        (
            "far.example",
            0,
            false,
            "the route for far.example has no server: name one, as in mail.example.com",
        ),
        (
            "far.example",
            limits::HOPS + 1,
            false,
            "the route for far.example has more than 8 servers: name fewer",
        ),
        ("*", 1, true, "only a domain is shared, and * is none: make a route for it instead"),
        (
            "*.home.lan",
            1,
            true,
            "only a domain is shared, and *.home.lan is none: make a route for it instead",
        ),
        (
            "alice@home.lan",
            1,
            true,
            "only a domain is shared, and alice@home.lan is none: make a route for it instead",
        ),
        (
            "far.example",
            1,
            true,
            "there is no domain far.example here to share: add it first, or make a route for it",
        ),
    ] {
        let error = store.set_route(route(space, &hops(count), is_share)).wait().unwrap_err();
        assert_eq!(error.to_string(), line);
        assert_eq!(
            matches!(error, StoreError::NotFound(_)),
            line.starts_with("there is no domain"),
            "{line}"
        );
    }
    assert_eq!(spaces(&store), [""; 0]);
    store.set_route(route("far.example", &hops(limits::HOPS), false)).wait().unwrap();
}

#[test]
fn routes_are_held_at_their_number() {
    let folder = Folder::new();
    let store = folder.create();
    let asks: Vec<_> = (0..limits::ROUTES)
        .map(|number| store.set_route(route(&format!("d{number}.example"), &["a.example"], false)))
        .collect();
    asks.into_iter().for_each(|ask| ask.wait().unwrap());
    let line = "there are 1000 routes, and no more can be made: take one away";
    assert_eq!(set(&store, "one.more.example"), Err(StoreError::Refused(line.into())));
    set(&store, "d0.example").unwrap();
    store.remove_route("d0.example".parse().unwrap()).wait().unwrap();
    set(&store, "one.more.example").unwrap();
    assert_eq!(store.routes().len(), limits::ROUTES);
}

#[test]
fn the_routes_of_a_domain_go_with_it_and_nothing_brings_them_back() {
    let folder = Folder::new();
    let store = with_home(&folder);
    store.add_mailbox(alice(), MailboxMark([1; 16]), vec![]).wait().unwrap();
    let home = AliasTarget::Domain(alice().domain());
    for house in ["house.lan", "haus.lan"] {
        store.set_alias(house.parse::<Alias>().unwrap(), vec![home.clone()]).wait().unwrap();
        share(&store, house).unwrap();
    }
    share(&store, "home.lan").unwrap();
    for space in ["alice@home.lan", "x@house.lan", "*", "*.home.lan", "far.example", "x@far.example"] {
        set(&store, space).unwrap();
    }
    store.remove_mailbox(alice()).wait().unwrap();
    assert_eq!(spaces(&store).len(), 9, "who has been handed over may go here");
    store.remove_alias("haus.lan".parse().unwrap()).wait().unwrap();
    assert!(!spaces(&store).contains(&"haus.lan".into()));
    store.remove_domain(alice().domain()).wait().unwrap();
    let left = ["*", "*.home.lan", "far.example", "x@far.example"];
    assert_eq!(spaces(&store), left);
    store.add_domain(alice().domain()).wait().unwrap();
    store.undelete(alice(), None, false).wait().unwrap();
    assert_eq!(spaces(&folder.reopen(&store, 1_800_000_001)), left);
}

#[test]
fn a_domain_tells_its_home_and_whether_it_takes_mail() {
    let folder = Folder::new();
    let store = with_home(&folder);
    let home = AliasTarget::Domain(alice().domain());
    store.set_alias("house.lan".parse().unwrap(), vec![home]).wait().unwrap();
    let of = |text: &str| store.home(text.parse().unwrap()).wait().unwrap();
    for lock in [Lock::Open, Lock::Reading, Lock::All] {
        store.lock_domain(alice().domain(), lock).wait().unwrap();
        for name in ["home.lan", "house.lan"] {
            let wanted = Home { domain: alice().domain(), is_open: lock != Lock::All };
            assert_eq!(of(name), Some(wanted), "{name} {lock:?}");
        }
    }
    for name in ["far.example", "lan", "sub.home.lan"] {
        assert_eq!(of(name), None, "{name}");
    }
}

#[test]
fn a_damaged_route_is_found_at_the_opening() {
    let folder = Folder::new();
    let store = folder.create();
    set(&store, "far.example").unwrap();
    store
        .change(|transaction| {
            transaction.open_table(schema::ROUTES)?.insert("far.example", &b"something else"[..])?;
            Ok(())
        })
        .wait()
        .unwrap();
    store.close();
    assert!(matches!(folder.open(), Err(StoreError::Damaged(_))));
}
