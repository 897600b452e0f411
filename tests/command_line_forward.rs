//! The real binary: aliases that lead elsewhere, forward, and list --ldif.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use house::House;
use serde_json::json;

/// alice, who is postmaster, and bob.
fn with_bob() -> House {
    let house = House::with_alice();
    assert!(house.run("add bob@home.lan").done().starts_with("bob@home.lan\t"));
    house
}

#[test]
fn aliases_lead_elsewhere_and_say_that_there_is_no_way_yet_o5() {
    let house = with_bob();
    let made = house.run("alias x@home.lan alice@home.lan o'brien@Example.com Bob.Smith@example.com");
    let note = "There is no way to o'brien@example.com and Bob.Smith@example.com yet, so mail can't go there";
    assert!(made.err.contains(note) && made.err.contains("poppet set smarthost HOST"), "{}", made.err);
    assert_eq!(made.code, 0);
    let listed = house.run("alias x@home.lan --json").json();
    let targets = json!(["alice@home.lan", "o'brien@example.com", "Bob.Smith@example.com"]);
    assert_eq!(listed[0]["targets"], targets);
    // However it is typed, an address of a domain here is one of ours.
    assert_eq!(house.run("alias x@home.lan Bob@HOME.lan").done(), "");
    assert_eq!(house.run("alias x@home.lan --json").json()[0]["targets"], json!(["bob@home.lan"]));
}

#[test]
fn forwards_come_are_shown_and_go_o5() {
    let house = with_bob();
    assert_eq!(house.run("forward").done(), "");
    assert_eq!(house.run("forward alice@home.lan bob@home.lan").done(), "");
    let changed = house.run("forward alice@home.lan bob@home.lan eve@example.com --only --json").json();
    assert_eq!(changed["targets"], json!(["bob@home.lan", "eve@example.com"]));
    assert_eq!(changed["copy"], json!(false));
    let notes = changed["meaning"].to_string();
    assert!(notes.contains("Before, mail went on to bob@home.lan, with a copy here."), "{notes}");
    assert!(notes.contains("There is no way to eve@example.com yet"), "{notes}");
    let row = "alice@home.lan\tbob@home.lan eve@example.com\tno\n";
    assert_eq!(house.run("forward").done(), row);
    assert_eq!(house.run("forward alice@home.lan").done(), row);
    let listed = house.run("list home.lan --json").json();
    assert_eq!(listed[0]["forwards"], json!(["bob@home.lan", "eve@example.com"]));
    assert_eq!(listed[1]["forwards"], json!([]));
    let locked = house.run("lock alice@home.lan --all");
    assert_eq!(locked.code, 0);
    let changed = house.run("forward alice@home.lan bob@home.lan --json").json();
    assert!(changed["meaning"].to_string().contains("locked for all and takes no mail"), "{changed}");
    let ended = house.run("forward alice@home.lan --off");
    // It warned of what was just taken away; a route did not.
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(house.run("forward").done(), "");
    assert_eq!(house.run("list home.lan --json").json()[0].get("forwards"), None);
}

#[test]
fn a_domain_is_told_as_contacts_for_another_directory_o5() {
    let house = with_bob();
    house.run("alias info@home.lan alice@home.lan bob@home.lan").done();
    let text = house.run("list home.lan --ldif --base ou=contacts,dc=example,dc=com").done().to_owned();
    assert!(
        text.starts_with("version: 1\n\ndn: cn=alice@home.lan,ou=contacts,dc=example,dc=com\n"),
        "{text}"
    );
    for line in ["mail: bob@home.lan", "targetAddress: SMTP:info@home.lan", "objectClass: contact"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert_eq!(house.run("list --ldif").done().matches("\ndn: ").count(), 3);
    for (line, code, text) in [
        ("list home.lan --base dc=x", 2, "it goes with --ldif"),
        ("list home.lan --ldif --base home.lan", 2, "--base is the name of an entry"),
        ("list home.lan --ldif --json", 2, "leave out --json"),
        ("list alice@home.lan --ldif", 2, "alice@home.lan is an address: name its domain"),
        ("list far.lan --ldif", 3, "there is no domain far.lan"),
    ] {
        let refused = house.run(line);
        assert_eq!(refused.code, code, "{line}: {}", refused.err);
        assert!(refused.err.contains(text) && refused.err.lines().count() == 1, "{line}: {}", refused.err);
    }
}

#[test]
fn forwards_that_can_not_be_are_refused_with_advice() {
    let house = with_bob();
    house.run("alias info@home.lan alice@home.lan").done();
    house.run("forward bob@home.lan info@home.lan").done();
    for (line, code, text) in [
        ("forward --off", 2, "of which mailbox? Say \"poppet forward alice@home.lan\""),
        ("forward --only", 2, "of which mailbox?"),
        ("forward home.lan", 2, "home.lan is a domain: name a mailbox"),
        ("forward alice@home.lan --only", 2, "only to whom? Say \"poppet forward alice@home.lan TO --only\""),
        ("forward alice@home.lan bob@home.lan --off", 2, "--off ends all of it"),
        (
            "forward alice@home.lan bob",
            5,
            "alice@home.lan can't lead to the domain bob: name an address there",
        ),
        ("forward alice@home.lan b_b", 2, "\"b_b\" can't be"),
        ("forward alice@home.lan bob@", 2, "an address is name@domain"),
        (
            "forward alice@home.lan",
            3,
            "alice@home.lan forwards to nobody: \"poppet forward alice@home.lan TO\"",
        ),
        ("forward alice@home.lan --off", 3, "alice@home.lan forwards to nobody"),
        ("forward zoe@home.lan bob@home.lan", 3, "no mailbox zoe@home.lan"),
        (
            "forward info@home.lan bob@home.lan",
            3,
            "info@home.lan is no mailbox but an alias of alice@home.lan",
        ),
        ("forward alice@home.lan zoe@home.lan", 3, "no mailbox or alias zoe@home.lan that alice@home.lan"),
        ("forward alice@home.lan work.lan", 5, "alice@home.lan can't lead to the domain work.lan"),
        ("forward alice@home.lan alice+x@home.lan", 5, "can't forward to itself: leave alice+x@home.lan out"),
        ("forward alice@home.lan bob@home.lan", 5, "alice@home.lan would lead to itself"),
    ] {
        let refused = house.run(line);
        assert_eq!(refused.code, code, "{line}: {}", refused.err);
        assert!(refused.err.contains(text) && refused.err.lines().count() == 1, "{line}: {}", refused.err);
    }
}
