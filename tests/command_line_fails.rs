//! The real binary: fails, unlock of who is locked out, and what outlives a restart.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use house::{House, Server};

/// A house in which two wrong passwords lock an account out until it is unlocked.
fn house() -> House {
    let house = House::with_alice();
    for line in ["set plaintext always", "set tries 2", "set lock_minutes 0"] {
        house.run(line).done();
    }
    house
}

/// Both at once: the refusals need not wait for each other.
fn guess_twice(server: &Server, user: &str) {
    std::thread::scope(|scope| {
        for password in ["one", "two"] {
            scope.spawn(move || assert!(!server.pop3_logon(user, password)));
        }
    });
}

/// Ends it in good order, and waits until it has closed the database.
fn terminate(house: &House, server: Server) {
    let done = std::process::Command::new("kill").arg(server.pid().to_string()).status().unwrap();
    assert!(done.success());
    while !house.run("status").out.contains("not running") {}
    drop(server);
}

#[test]
fn who_is_locked_out_is_shown_and_let_in_again_by_unlock() {
    let house = house();
    let server = house.serve();
    assert_eq!(house.run("fails").done(), "");
    assert_eq!(house.run("fails --json").json(), serde_json::json!([]));
    guess_twice(&server, "alice@home.lan");
    assert!(!server.pop3_logon("alice@home.lan", "wonderland"), "locked out");

    let fails = house.run("fails");
    let row: Vec<&str> = fails.done().trim_end_matches('\n').split('\t').collect();
    assert_eq!(
        (row[0], row[1], row[3], row[4], row[5], row[6]),
        ("alice@home.lan", "3", "1", "127.0.0.1", "locked", "")
    );
    let json = house.run("fails alice@home.lan --json").json();
    assert_eq!((&json[0]["state"], &json[0]["failures"]), (&"locked".into(), &3.into()));
    assert_eq!(house.run("fails bob@home.lan").done(), "");
    assert_eq!(house.run("status --json").json()["locked_out"], 1);

    let told = house.run("unlock alice@home.lan --json").json();
    assert_eq!((&told["locked"], &told["was_locked_out"]), (&false.into(), &true.into()));
    assert!(server.pop3_logon("alice@home.lan", "wonderland"));
    assert_eq!(house.run("status --json").json()["locked_out"], 0);
    assert_eq!(house.run("unlock alice@home.lan --json").json()["was_locked_out"], false);
}

#[test]
fn a_lockout_outlives_the_server_and_is_lifted_without_one() {
    let house = house();
    house.run("set lock_minutes 60").done();
    let mut server = house.serve();
    guess_twice(&server, "alice@home.lan");
    guess_twice(&server, "nobody@home.lan");
    assert_eq!(house.run("fails").done().lines().count(), 2);
    terminate(&house, server);

    let fails = house.run("fails");
    assert!(fails.done().starts_with("alice@home.lan\t2\t"), "{fails:?}");
    assert_eq!(fails.done().split('\t').nth(5), Some("locked"), "{fails:?}");
    assert!(fails.done().trim_end().ends_with('Z'), "until when: {fails:?}");
    server = house.serve();
    assert_eq!(house.run("status --json").json()["locked_out"], 1);
    assert!(!server.pop3_logon("alice@home.lan", "wonderland"));
    terminate(&house, server);

    assert_eq!(house.run("unlock alice@home.lan").done(), "");
    assert_eq!(house.run("fails").done(), "");
    server = house.serve();
    assert!(server.pop3_logon("alice@home.lan", "wonderland"));
}

#[test]
fn a_lockout_is_lifted_where_there_is_no_mailbox_and_where_the_domain_is_locked() {
    let house = house();
    let server = house.serve();
    house.run("unlock nobody@home.lan").failed(3, "there is no mailbox nobody@home.lan");
    guess_twice(&server, "nobody@home.lan");
    assert_eq!(house.run("unlock nobody@home.lan --json").json()["was_locked_out"], true);
    house.run("unlock nobody@home.lan").failed(3, "there is no mailbox nobody@home.lan");

    house.run("lock home.lan").done();
    guess_twice(&server, "alice@home.lan");
    assert_eq!(house.run("unlock alice@home.lan --json").json()["was_locked_out"], true);
    house.run("unlock alice@home.lan").failed(5, "stays locked while its domain home.lan is");
}

#[test]
fn passwords_typed_as_names_are_not_shown_s_319() {
    let house = house();
    let server = house.serve();
    assert!(!server.pop3_logon("hunter2-and-more", "x"));
    let fails = house.run("fails");
    assert!(fails.done().starts_with("hu... (no full address)\t1\t"), "{fails:?}");
    house.run("fails home.lan").failed(2, "home.lan is a domain: name a mailbox");
}
