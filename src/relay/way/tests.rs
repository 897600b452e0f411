//! What a lane is: nothing of one host's account is ever told to another.

use super::*;
use crate::auth::tests::Folder;
use crate::clock::{Clock, UnixTime};
use crate::mail::MailboxMark;
use crate::store::{Options, Route};

const PIN: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn store(folder: &Folder) -> Store {
    let clock = Clock::system(UnixTime(0));
    let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
    store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
    store.add_mailbox(alice(), MailboxMark([1; 16]), vec![]).wait().unwrap();
    store
}

fn alice() -> Address {
    "alice@home.lan".parse().unwrap()
}

fn of(store: &Store, lane: &str) -> Option<Way> {
    way(store, &lane.parse().unwrap())
}

fn hosts(way: &Way) -> String {
    match &way.hops {
        Hops::Hosts(hops) => hops.iter().map(NextHop::to_string).collect::<Vec<_>>().join(","),
        Hops::Exchangers(domain) => format!("mx of {domain}"),
    }
}

#[test]
fn an_own_smart_host_inherits_no_account_s_140() {
    let folder = Folder::new();
    let store = store(&folder);
    let settings = [
        ("smarthost", "smart.example"),
        ("smarthost_user", "family"),
        ("smarthost_tls", "opportunistic"),
        ("smarthost_pin", PIN),
        ("smarthost_sender", "family@smart.example"),
    ];
    for (key, value) in settings {
        store.set_setting(key, Some(value)).wait().unwrap();
    }
    let all = of(&store, "smarthost").unwrap();
    assert_eq!((hosts(&all).as_str(), all.user.as_deref()), ("smart.example", Some("family")));
    assert_eq!((all.tls, all.pins.len(), all.is_smart_host), (HopTls::Opportunistic, 1, true));
    assert_eq!(all.sender.unwrap().as_str(), "family@smart.example");

    let levels = [
        ("smarthost:alice@home.lan", Level::Mailbox(alice())),
        ("smarthost:home.lan", Level::Domain(alice().domain())),
    ];
    for (lane, level) in levels {
        assert_eq!(of(&store, lane), None, "{lane} names none itself");
        let set = |key, value| store.set_level(level.clone(), key, value).wait().unwrap();
        set("smarthost", Some("own.example,next.example"));
        let own = of(&store, lane).unwrap();
        assert_eq!(hosts(&own), "own.example,next.example");
        assert_eq!((own.user, own.pins, own.sender), (None, Vec::new(), None), "{lane}");
        assert_eq!((own.tls, own.is_smart_host), (HopTls::Required, true));
        for (key, value) in &settings[1..] {
            set(key, Some(value));
        }
        let own = of(&store, lane).unwrap();
        assert_eq!(
            (own.user.as_deref(), own.pins.len(), own.tls),
            (Some("family"), 1, HopTls::Opportunistic)
        );
        set("smarthost", Some("off"));
        assert_eq!(of(&store, lane), None, "{lane} is off");
        set("smarthost", None);
        assert_eq!(of(&store, lane), None, "{lane} has none any more, and no other one takes its place");
    }
}

#[test]
fn a_users_own_smart_host_does_not_take_his_domains_account_s_140() {
    let folder = Folder::new();
    let store = store(&folder);
    for (key, value) in [("smarthost", "work.example"), ("smarthost_user", "work"), ("smarthost_pin", PIN)] {
        store.set_level(Level::Domain(alice().domain()), key, Some(value)).wait().unwrap();
    }
    store.set_level(Level::Mailbox(alice()), "smarthost", Some("own.example")).wait().unwrap();
    let own = of(&store, "smarthost:alice@home.lan").unwrap();
    assert_eq!((hosts(&own).as_str(), own.user, own.pins.len()), ("own.example", None, 0));
    let domain = of(&store, "smarthost:home.lan").unwrap();
    assert_eq!(
        (hosts(&domain).as_str(), domain.user.as_deref(), domain.pins.len()),
        ("work.example", Some("work"), 1)
    );
}

#[test]
fn routes_and_exchangers_have_no_account_and_end_with_their_rule() {
    let folder = Folder::new();
    let store = store(&folder);
    for lane in ["smarthost", "route:far.example", "route:*", "mx:far.example", "nowhere"] {
        assert_eq!(of(&store, lane), None, "{lane}");
    }
    let mut route = Route {
        space: "far.example".parse().unwrap(),
        hops: vec!["a.example".parse().unwrap(), "lmtp:b.example".parse().unwrap()],
        tls: None,
        is_share: false,
        created: UnixTime(0),
    };
    store.set_setting("smarthost_user", Some("family")).wait().unwrap();
    store.set_setting("mx", Some("on")).wait().unwrap();
    store.set_route(route.clone()).wait().unwrap();
    let found = of(&store, "route:far.example").unwrap();
    assert_eq!((hosts(&found).as_str(), found.tls), ("a.example,lmtp:b.example", HopTls::Opportunistic));
    assert_eq!((found.user, found.is_smart_host), (None, false));
    store.set_setting("route_tls", Some("required")).wait().unwrap();
    assert_eq!(of(&store, "route:far.example").unwrap().tls, HopTls::Required);
    route.tls = Some(HopTls::Implicit);
    store.set_route(route).wait().unwrap();
    assert_eq!(of(&store, "route:far.example").unwrap().tls, HopTls::Implicit);
    let direct = of(&store, "mx:far.example").unwrap();
    assert_eq!(
        (hosts(&direct).as_str(), direct.tls, direct.user),
        ("mx of far.example", HopTls::Opportunistic, None)
    );
    store.set_setting("mx", None).wait().unwrap();
    assert_eq!(of(&store, "mx:far.example"), None);
}

#[test]
fn a_server_has_the_port_that_is_usual_for_it() {
    for (hop, tls, is_smart_host, port) in [
        ("a", HopTls::Required, true, 587),
        ("a", HopTls::Opportunistic, true, 587),
        ("a", HopTls::Implicit, true, 465),
        ("a", HopTls::Implicit, false, 465),
        ("a", HopTls::Required, false, 25),
        ("smtps:a", HopTls::Required, false, 465),
        ("smtps:a", HopTls::Opportunistic, true, 465),
        ("lmtp:a", HopTls::Opportunistic, false, 24),
        ("lmtp:a", HopTls::Implicit, true, 24),
        ("a:2525", HopTls::Implicit, true, 2525),
        ("lmtp:a:25", HopTls::Opportunistic, false, 25),
    ] {
        let way = Way { tls, is_smart_host, ..Way::to(Hops::Hosts(Vec::new())) };
        assert_eq!(way.port(&hop.parse().unwrap()), port, "{hop} {tls} {is_smart_host}");
    }
}
