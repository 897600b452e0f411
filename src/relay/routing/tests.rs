//! On which way mail leaves: the nearest rule counts.

use super::*;
use crate::auth::tests::Folder;
use crate::clock::{Clock, UnixTime};
use crate::mail::{Alias, AliasTarget, MailboxMark};
use crate::store::{Options, Route};

fn store(folder: &Folder) -> Store {
    let clock = Clock::system(UnixTime(0));
    let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
    for (number, user) in
        ["alice@home.lan", "bob@home.lan", "carl@work.lan", "dora@work.lan"].iter().enumerate()
    {
        let address: Address = user.parse().unwrap();
        let _ = store.add_domain(address.domain()).wait();
        store.add_mailbox(address, MailboxMark([number as u8; 16]), vec![]).wait().unwrap();
    }
    store
}

fn route(store: &Store, space: &str) {
    let route = Route {
        space: space.parse().unwrap(),
        hops: vec!["mail.far.example".parse().unwrap()],
        tls: None,
        is_share: false,
        created: UnixTime(0),
    };
    store.set_route(route).wait().unwrap();
}

fn at(store: &Store, sender: Option<&str>, recipient: &str) -> String {
    let sender = sender.map(|sender| sender.parse().unwrap());
    lane(store, sender.as_ref(), &RemoteAddress::from_path(recipient)).to_string()
}

#[test]
fn the_nearest_route_counts_o3() {
    let folder = Folder::new();
    let store = store(&folder);
    assert_eq!(at(&store, None, "x@far.example"), "nowhere");
    for space in
        ["ann@far.example", "far.example", "*.far.example", "*.deep.far.example", "xn--hme-sna.lan", "*"]
    {
        route(&store, space);
    }
    store.set_setting("smarthost", Some("smart.example")).wait().unwrap();
    for (recipient, lane) in [
        ("ann@far.example", "route:ann@far.example"),
        ("ANN@Far.Example", "route:ann@far.example"),
        ("\"Ann\"@far.example", "route:ann@far.example"),
        ("ann+x@far.example", "route:far.example"),
        ("\"ann \"@far.example", "route:far.example"),
        ("\"ann@far.example\"@far.example", "route:far.example"),
        ("an%n@far.example", "route:far.example"),
        ("postmaster@far.example", "route:far.example"),
        ("ann@a.far.example", "route:*.far.example"),
        ("ann@a.b.far.example", "route:*.far.example"),
        ("ann@deep.far.example", "route:*.far.example"),
        ("ann@a.deep.far.example", "route:*.deep.far.example"),
        ("ann@far.example.org", "route:*"),
        ("ann@notfar.example", "route:*"),
        ("ann@example", "route:*"),
        ("ann@[192.0.2.1]", "route:*"),
        ("x@h\u{f6}me.lan", "route:xn--hme-sna.lan"),
        ("x@XN--HME-SNA.lan", "route:xn--hme-sna.lan"),
        ("nobody", "route:*"),
    ] {
        assert_eq!(at(&store, None, recipient), lane, "{recipient}");
    }
    store.remove_route(AddressSpace::All).wait().unwrap();
    assert_eq!(at(&store, None, "ann@example"), "smarthost");
}

#[test]
fn a_senders_own_smart_host_stands_between_routes_and_all_else_o2() {
    let folder = Folder::new();
    let store = store(&folder);
    let level = |level: Level, value| store.set_level(level, "smarthost", value).wait().unwrap();
    let alice = || Level::Mailbox("alice@home.lan".parse().unwrap());
    let dora = || Level::Mailbox("dora@work.lan".parse().unwrap());
    level(alice(), Some("own.example"));
    level(Level::Domain("work.lan".parse().unwrap()), Some("work.example"));
    level(dora(), Some("off"));
    let seen = |recipient: &str| {
        let senders = ["alice@home.lan", "bob@home.lan", "carl@work.lan", "dora@work.lan"].map(Some);
        senders
            .into_iter()
            .chain([None])
            .map(|sender| at(&store, sender, recipient))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let own = "smarthost:alice@home.lan";
    let work = "smarthost:work.lan";
    assert_eq!(seen("x@far.example"), format!("{own} nowhere {work} nowhere nowhere"));
    store.set_setting("smarthost", Some("smart.example")).wait().unwrap();
    assert_eq!(seen("x@far.example"), format!("{own} smarthost {work} nowhere smarthost"));
    store.set_setting("mx", Some("on")).wait().unwrap();
    assert_eq!(seen("x@far.example"), format!("{own} smarthost {work} mx:far.example smarthost"));
    route(&store, "*");
    assert_eq!(seen("x@far.example"), format!("{own} route:* {work} route:* route:*"));
    route(&store, "*.example");
    assert_eq!(seen("x@far.example"), ["route:*.example"; 5].join(" "));
    level(alice(), None);
    assert_eq!(at(&store, Some("alice@home.lan"), "x@far.lan"), "route:*");
}

#[test]
fn the_servers_of_a_domain_are_asked_for_under_one_name_o9() {
    let folder = Folder::new();
    let store = store(&folder);
    store.set_setting("mx", Some("on")).wait().unwrap();
    for (recipient, lane) in [
        ("x@Far.Example", "mx:far.example"),
        ("x@h\u{d6}me.lan", "mx:xn--hme-sna.lan"),
        ("x@[192.0.2.1]", "mx:[192.0.2.1]"),
        ("x@[IPv6:2001:DB8::1]", "mx:[IPv6:2001:db8::1]"),
        ("x@my_host.example", "mx:my_host.example"),
        ("x", "nowhere"),
    ] {
        assert_eq!(at(&store, None, recipient), lane, "{recipient}");
    }
}

#[test]
fn a_route_that_goes_with_its_domain_is_no_rule_any_more() {
    let folder = Folder::new();
    let store = store(&folder);
    let home: AliasTarget = AliasTarget::Domain("home.lan".parse().unwrap());
    store.set_alias(Alias::Domain("house.lan".parse().unwrap()), vec![home]).wait().unwrap();
    for space in ["home.lan", "eve@home.lan", "house.lan", "far.example"] {
        route(&store, space);
    }
    store.remove_domain("home.lan".parse().unwrap()).wait().unwrap();
    for (recipient, lane) in [
        ("x@home.lan", "nowhere"),
        ("eve@home.lan", "nowhere"),
        ("x@house.lan", "nowhere"),
        ("x@far.example", "route:far.example"),
    ] {
        assert_eq!(at(&store, None, recipient), lane, "{recipient}");
    }
}
