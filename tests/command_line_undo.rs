//! The real binary: what is removed comes back, and settings of a domain or a mailbox.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use house::House;
use serde_json::json;

// ---- undelete ----------------------------------------------------------------------------------

#[test]
fn a_mailbox_that_was_removed_comes_back_with_its_mail() {
    let house = House::with_alice();
    house.run("add bob@home.lan").done();
    {
        let server = house.serve();
        server.deliver("bob@home.lan", "Subject: first\r\n\r\ntext");
        server.deliver("bob@home.lan", "Subject: second\r\n\r\ntext");
        let listed = house.run("read bob@home.lan");
        house.run("lock bob@home.lan").done();
        let removed = house.run("del bob@home.lan --yes --json").json();
        assert!(removed["recoverable_until"].as_str().unwrap().ends_with('Z'), "{removed}");
        house.run("read bob@home.lan").failed(3, "there is no mailbox bob@home.lan");
        let stat = house.run("stat bob@home.lan --json").json();
        assert_eq!((&stat[0]["messages"], &stat[0]["recoverable"]), (&json!(0), &json!(2)));

        let dry = house.run("undelete bob@home.lan --dry-run");
        assert!(
            dry.done().starts_with("bob@home.lan\tyes\t2\t") && dry.done().ends_with("\tyes\n"),
            "{dry:?}"
        );
        house.run("read bob@home.lan").failed(3, "");
        assert!(house.run("undelete bob@home.lan").done().starts_with("bob@home.lan\tyes\t2\t"));
        assert_eq!(house.run("read bob@home.lan").done(), listed.done());
        assert!(house.run("list home.lan").done().contains("bob@home.lan\tlocked\t"));
        assert!(house.run("undelete bob@home.lan").done().starts_with("bob@home.lan\tno\t0\t0\t0\t"));
    }
    // Without a server too.
    house.run("del bob@home.lan --yes").done();
    let undeleted = house.run("undelete bob@home.lan --since 1h --json").json();
    assert_eq!((&undeleted["mailbox_back"], &undeleted["messages"]), (&json!(true), &json!(2)));
}

#[test]
fn a_domain_must_be_here_before_its_mailboxes_come_back() {
    let house = House::with_alice();
    house.run("add office.lan").done();
    house.run("add bob@office.lan").done();
    house.run("del office.lan --yes").done();
    house.run("undelete bob@office.lan").failed(3, "say \"poppet add office.lan\" first");
    assert!(house.run("stat").done().contains("\noffice.lan\t0\t0\t0\t0\t0\t0\t"), "it can still come back");
    house.run("add office.lan").done();
    house.run("undelete bob@office.lan").done();
    assert!(house.run("list office.lan").done().starts_with("bob@office.lan\topen\t"));
}

#[test]
fn what_can_not_come_back_says_why() {
    let house = House::with_alice();
    house.run("undelete bob@home.lan").failed(3, "there is no mailbox bob@home.lan, and none that can be");
    house.run("undelete home.lan").failed(2, "home.lan is a domain");
    house.run("undelete alice@home.lan --since yesterday").failed(2, "\"yesterday\" is no moment: say 2d");
    house.run("undelete alice@home.lan --since 2026-02-30").failed(2, "is no moment");
    house.run("undelete").failed(2, "not given: ADDRESS");
    house.run("set undo_days 0").warned("goes for good soon");
    house.run("undelete alice@home.lan").failed(5, "poppet set undo_days 7");
    house.run("add bob@home.lan").done();
    let removed = house.run("del bob@home.lan --yes --json").json();
    assert!(removed["recoverable_until"].is_null(), "{removed}");
}

#[test]
fn a_person_is_told_how_to_undo() {
    let house = House::with_alice();
    house.run("add bob@home.lan").done();
    let text = house.on_a_terminal("poppet del bob@home.lan");
    assert!(text.contains("\"poppet undelete bob@home.lan\" brings it back"), "{text}");
    let text = house.on_a_terminal("poppet undelete bob@home.lan");
    assert!(text.contains("The mailbox and no messages of bob@home.lan are back."), "{text}");
}

// ---- settings with levels ----------------------------------------------------------------------

#[test]
fn settings_of_a_mailbox_count_before_those_of_its_domain() {
    let house = House::with_alice();
    let get = |target: &str| house.run(&format!("get login_delay --for {target} --json")).json();
    let is = |target: &str, value: &str, kind: &str| {
        let told = get(target);
        assert_eq!((&told["value"], &told["kind"]), (&json!(value), &json!(kind)), "{target}");
    };
    is("alice@home.lan", "0", "default");
    house.run("set login_delay 10").done();
    is("alice@home.lan", "10", "all");
    house.run("set login_delay 20 --for home.lan").done();
    is("alice@home.lan", "20", "domain");
    let set = house.run("set login_delay 30 --for alice@home.lan --json").json();
    assert_eq!((&set["value"], &set["for"]), (&json!("30"), &json!("alice@home.lan")));
    is("alice@home.lan", "30", "mailbox");
    is("home.lan", "20", "domain");
    let _server = house.serve();
    is("alice@home.lan", "30", "mailbox");
    house.run("set login_delay --default --for alice@home.lan").done();
    is("alice@home.lan", "20", "domain");
    assert_eq!(house.run("get login_delay --for alice@home.lan").done(), "20\n");
    let all = house.run("get --for alice@home.lan").done().to_owned();
    assert!(
        all.starts_with("retain\tnever\tdefault\t") && all.contains("\nlogin_delay\t20\tdomain\t"),
        "{all}"
    );
    assert!(house.run("get").done().contains("\nretain\tnever\tdefault\thow long mail stays: never"));
}

#[test]
fn what_has_no_levels_is_refused() {
    let house = House::with_alice();
    house.run("set commit two-phase --for home.lan").failed(5, "commit counts for all: leave out --for");
    house
        .run("get commit --for home.lan")
        .failed(5, "what can be had with it is retain, login_delay, quota,");
    house.run("get password_octets --for home.lan").failed(5, "fixed limit");
    house.run("set retain 1 --for nowhere.lan").failed(3, "there is no domain nowhere.lan");
    house.run("set retain 1 --for bob@home.lan").failed(3, "there is no mailbox bob@home.lan");
    house.run("set retain soon --for home.lan").failed(2, "retain can't be \"soon\": it takes never");
    house.run("set retian 1 --for home.lan").failed(3, "did you mean retain?");
    house.run("set retain --for home.lan").failed(2, "--default");
}
