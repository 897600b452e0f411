//! The names that users log on with (A9).

use super::fake::{is_refused, is_welcome};
use super::proofs::KINDS;
use super::*;
use crate::auth::work::Work;
use crate::mail::{Alias, AliasTarget};
use crate::settings::Method;

/// alice@home.lan, bob@home.lan and bob@work.lan, carol@work.lan; an alias, a list, a catch-all, an alias domain.
fn house() -> House {
    let house = House::new();
    house.store.add_domain("work.lan".parse().unwrap()).wait().unwrap();
    for (address, password) in [("bob@home.lan", "b1"), ("bob@work.lan", "b2"), ("carol@work.lan", "carol")] {
        house.add(address, password);
    }
    let to = |text: &str| {
        text.split(' ').map(|text| AliasTarget::Address(text.parse().unwrap())).collect::<Vec<_>>()
    };
    let set = |alias, targets| house.store.set_alias(alias, targets).wait().unwrap();
    set(Alias::Address("info@home.lan".parse().unwrap()), to("alice@home.lan"));
    set(Alias::Address("all@home.lan".parse().unwrap()), to("alice@home.lan bob@home.lan"));
    set(Alias::CatchAll("work.lan".parse().unwrap()), to("carol@work.lan"));
    set(Alias::Domain("home.net".parse().unwrap()), vec![AliasTarget::Domain("home.lan".parse().unwrap())]);
    house
}

/// What is typed, the password that would be right, and whether it is taken if names are strict, and if loose.
const TYPED: &[(&str, &str, bool, bool)] = &[
    ("alice@home.lan", "wonderland", true, true),
    ("ALICE@HOME.LAN", "wonderland", true, true),
    ("info@home.lan", "wonderland", true, true),
    ("alice@home.net", "wonderland", true, true),
    ("info@home.net", "wonderland", true, true),
    ("all@home.lan", "wonderland", false, false),
    ("all@home.lan", "b1", false, false),
    ("anybody@work.lan", "carol", false, false),
    ("alice+x@home.lan", "wonderland", false, false),
    ("alice", "wonderland", false, true),
    ("Alice", "wonderland", false, true),
    ("carol", "carol", false, true),
    ("info", "wonderland", false, false),
    ("bob", "b1", false, false),
    ("bob", "b2", false, false),
    ("alice%home.lan", "wonderland", false, true),
    ("info%home.net", "wonderland", false, true),
    ("bob%work.lan", "b2", false, true),
    ("HOME\\alice", "wonderland", false, true),
    ("home.lan\\alice", "wonderland", false, true),
    ("work\\bob", "b2", false, true),
    ("work\\alice", "wonderland", false, false),
    ("wor\\bob", "b2", false, false),
    ("lan\\alice", "wonderland", false, false),
    ("alice@", "wonderland", false, false),
    ("\\alice", "wonderland", false, false),
    ("%home.lan", "wonderland", false, false),
    ("", "wonderland", false, false),
];

#[test]
fn strict_names_are_addresses_and_loose_ones_also_what_is_unambiguous_a9() {
    let house = house();
    for (names, is_loose) in [("strict", false), ("loose", true)] {
        house.set("names", names);
        for &(typed, password, strict, loose) in TYPED {
            house.forget();
            let verdict = house.login(typed, password);
            let is_taken = if is_loose { loose } else { strict };
            assert_eq!(is_welcome(&verdict), is_taken, "{names} {typed} {password}");
            assert!(is_taken || verdict == refused(1), "ambiguous is a plain failure: {typed}");
        }
    }
}

#[test]
fn a_proof_is_taken_under_every_name_that_a_password_is() {
    let house = house();
    house.set("challenge", "on");
    house.set("names", "loose");
    house.set_password("alice@home.lan", "wonderland");
    for kind in KINDS {
        for typed in
            ["alice@home.lan", "info@home.lan", "alice@home.net", "alice", "alice%home.lan", "HOME\\alice"]
        {
            house.forget();
            assert!(is_welcome(&house.prove(kind, typed, "wonderland")), "{kind:?} {typed}");
        }
        house.forget();
        assert_eq!(house.prove(kind, "bob", "b1"), refused(1), "{kind:?}");
    }
}

#[test]
fn another_spelling_is_not_another_try_a10() {
    let house = house();
    house.set("names", "loose");
    let spellings = ["alice@home.lan", "info@home.lan", "alice%home.lan", "ALICE@home.net"];
    for (typed, seconds) in spellings.into_iter().zip([1, 2, 4, 8]) {
        let peer: IpAddr = format!("192.0.2.{seconds}").parse().unwrap();
        let verdict = block_on(house.gatekeeper.login(claim(typed, typed), &peer.into()));
        assert_eq!(verdict, refused(seconds), "{typed}");
    }
    for typed in ["alice", "HOME\\alice"] {
        let peer: IpAddr = "192.0.2.99".parse().unwrap();
        let verdict = block_on(house.gatekeeper.login(claim(typed, typed), &peer.into()));
        assert_eq!(verdict, refused(15), "{typed}");
    }
}

#[test]
fn spellings_of_who_is_not_there_are_counted_together_as_well_a11() {
    let house = House::new();
    house.set("names", "loose");
    let set = |alias, target| house.store.set_alias(alias, vec![target]).wait().unwrap();
    set(Alias::Domain("home.net".parse().unwrap()), AliasTarget::Domain("home.lan".parse().unwrap()));
    let spellings = ["nobody@home.lan", "nobody@home.net", "nobody", "nobody%home.lan", "HOME\\nobody"];
    for (typed, seconds) in spellings.into_iter().zip([1, 2, 4, 8, 15]) {
        let peer: IpAddr = format!("192.0.2.{seconds}").parse().unwrap();
        let verdict = block_on(house.gatekeeper.login(claim(typed, typed), &peer.into()));
        assert_eq!(verdict, refused(seconds), "{typed}: as if there was somebody");
    }
}

#[test]
fn names_cost_the_same_whether_there_is_somebody_or_not_s_167() {
    let house = house();
    for names in ["strict", "loose"] {
        house.set("names", names);
        for (typed, ..) in
            TYPED.iter().copied().chain([("nobody", "", false, false), ("HOME\\nobody", "", false, false)])
        {
            house.forget();
            house.gatekeeper.inner.ledger.take();
            house.login(typed, "wrong");
            let work = [Work::LookUp, Work::Opening, Work::Hash(7168, 1)];
            assert_eq!(house.gatekeeper.inner.ledger.take(), work, "{names} {typed}");
        }
    }
}

#[test]
fn an_alias_has_the_salt_of_whom_it_leads_to_and_a_stranger_s_stays() {
    let house = house();
    house.set("names", "loose");
    for typed in ["info@home.lan", "alice@home.net", "alice", "HOME\\alice"] {
        assert_eq!(house.salt(typed), house.salt("alice@home.lan"), "{typed}");
    }
    assert_eq!(
        house.salt("nobody@home.net"),
        house.salt("nobody@home.lan"),
        "whether somebody is there or not"
    );
    assert_ne!(house.salt("all@home.lan"), house.salt("alice@home.lan"));
    assert_eq!(house.salt("all@home.lan"), house.salt("ALL@home.lan"));
}

#[test]
fn local_users_have_one_name_each_and_log_on_with_it_as_in_windows() {
    for (method, is_taken) in [(Method::Local, true), (Method::Directory, false)] {
        let (house, fake) = House::elsewhere(method);
        assert_eq!(is_welcome(&house.login("alice", "rabbit")), is_taken, "{method}");
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")), "{method}");
        fake.asked();
        house.forget();
        assert!(is_refused(&house.login("alice@home.net", "rabbit"), 1));
        let (_, person, _) = fake.asked().remove(0);
        assert!(person.address.as_str().starts_with("nobody-"));
    }
}
