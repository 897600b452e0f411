//! The real binary: what the doctor finds, and says of the ways out.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for all of the command line's tests; these need less of it.
#[path = "command_line/house.rs"]
mod house;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use house::House;
use poppet::clock::{Clock, UnixTime};
use poppet::store::{Options, Store};

/// What doctor has found: check, state, what.
fn findings(house: &House, line: &str) -> (i32, Vec<Vec<String>>) {
    let ran = house.run(line);
    let rows = ran.out.lines().map(|line| line.split('\t').map(String::from).collect()).collect();
    (ran.code, rows)
}

#[track_caller]
fn state_of(found: &[Vec<String>], check: &str) -> String {
    let row = found.iter().find(|row| row[0] == check);
    row.unwrap_or_else(|| panic!("no {check} in {found:?}"))[1].clone()
}

#[test]
fn the_doctor_finds_a_server_well_c7() {
    let house = House::with_alice();
    let (code, found) = findings(&house, "doctor");
    assert_eq!((code, state_of(&found, "server").as_str()), (1, "wrong"), "{found:?}");
    let _server = house.serve();
    let (code, found) = findings(&house, "doctor");
    assert_eq!(code, 0, "{found:?}");
    for check in
        ["server", "pop3", "smtp", "disk", "damage", "clock", "certificate", "logons", "open", "queue"]
    {
        assert_eq!(state_of(&found, check), "good", "{check}: {found:?}");
    }
    assert_eq!(state_of(&found, "smarthost"), "note");
    let document = house.run("doctor --json").json();
    assert_eq!(document[0]["check"], "server");
    assert!(document.as_array().unwrap().iter().all(|row| row["what"].is_string()), "{document}");
}

/// A board whose clock had been ahead for a while took the right one for wrong until that date had come.
#[test]
fn an_administrator_says_that_the_clock_is_right_s_309() {
    let house = House::with_alice();
    assert!(house.run("clock").done().contains("state\tright\n"));
    assert_eq!(house.run("clock trust --yes").done(), "", "a clock that is believed needs no word");
    for _ in 0..2 {
        be_ahead(&house);
        let (_, found) = findings(&house, "doctor");
        let told = found.iter().find(|row| row[0] == "clock").unwrap();
        assert!(told[1] == "wrong" && told[2].contains("say \"poppet clock trust\""), "{told:?}");
        house.run("clock trust").failed(5, "if that is right now, say \"poppet clock trust --yes\"");
        assert_eq!(house.run("clock --json").json()["state"], "older than the database");
        let trusted = house.run("clock trust --yes --json").json();
        assert!(trusted["state"] == "not believed yet", "{trusted}");
        assert!(
            house.run("clock").done().contains("state\tright\n"),
            "without a server each look is a start"
        );
    }
    be_ahead(&house);
    let _server = house.serve_with(&[], std::process::Stdio::null());
    assert!(house.run("status").done().contains("clock\tolder than the database\n"));
    house.run("clock trust --yes").done();
    assert!(house.run("status").done().contains("clock\tnot believed yet\n"));
    assert_eq!(state_of(&findings(&house, "doctor").1, "clock"), "note");
    house.run("clock right").failed(2, "clock takes trust or nothing");
    house.run("clock --yes").failed(2, "belongs to");
}

/// A domain is made by a clock that is ahead, though not so far that it is not believed.
fn be_ahead(house: &House) {
    let later = Clock::fixed(UnixTime(Clock::system(UnixTime(0)).now().0 + 40 * 86_400));
    let store = Store::open(&house.file("poppet.redb"), &Options::default(), later).unwrap();
    let name = format!("x{}.lan", store.domains().wait().unwrap().len());
    store.add_domain(name.parse().unwrap()).wait().unwrap();
    store.close();
}

/// One line about the key was all that was told, whatever else was wrong.
#[test]
fn the_doctor_looks_on_where_the_database_can_not_be_opened_c7() {
    let house = House::with_alice();
    let (database, key) = (house.file("poppet.redb"), house.file("poppet.key"));
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let (code, found) = findings(&house, "doctor");
    let told = &found[0];
    assert!(told[0] == "database" && told[1] == "wrong" && told[2].contains("\"chmod 600 "), "{told:?}");
    assert_eq!((code, state_of(&found, "files").as_str()), (1, "wrong"), "{found:?}");
    assert_eq!((state_of(&found, "clock"), state_of(&found, "disk")), ("good".into(), "good".into()));
    fs::remove_file(&key).unwrap();
    let (code, found) = findings(&house, "doctor");
    assert_eq!((code, state_of(&found, "database").as_str()), (1, "wrong"), "{found:?}");
    fs::write(&database, "no database").unwrap();
    let (code, found) = findings(&house, "doctor");
    assert_eq!((code, state_of(&found, "database").as_str()), (1, "wrong"), "{found:?}");
    fs::remove_file(&database).unwrap();
    house.run("doctor").failed(6, "there is no database at");
}

#[test]
fn certificates_for_places_that_are_not_of_the_world_or_not_here_are_told_of() {
    let house = House::with_alice();
    let request = house.run("cert request mail.example.org pi.local 192.168.1.5");
    assert!(request.err.contains("No public authority signs for pi.local, 192.168.1.5,"), "{request:?}");
    let told = house.run("cert request pi.local --json").json();
    assert_eq!(told["not_public"], serde_json::json!(["pi.local"]));
    assert!(!house.run("cert request mail.example.org").err.contains("No public authority"));
    let bound = house.run("cert bind poppet 192.0.2.1 127.0.0.1");
    assert!(bound.code == 0 && bound.err.contains("this machine doesn't have 192.0.2.1 now"), "{bound:?}");
    house.run("cert bind poppet 127.0.0.1").done();
}

/// A request whose file could not be made had its key made all the same, and the oldest one's went for it.
#[test]
fn a_request_that_can_not_be_written_is_none() {
    let house = House::with_alice();
    let (there, new) = (house.file("there.pem"), house.file("new.pem"));
    fs::write(&there, "mine").unwrap();
    house
        .run(&format!("cert request a.example --out {}", house.file("no/folder.pem").display()))
        .failed(1, "can't make");
    house
        .run(&format!("cert request a.example --out {}", there.display()))
        .failed(4, "name another file by --out");
    house
        .run(&format!("cert request alice@home.lan --out {}", new.display()))
        .failed(5, "is neither a domain name");
    assert!(!house.run("cert list").done().contains("pending"));
    assert_eq!((fs::read_to_string(&there).unwrap(), new.exists()), ("mine".into(), false));
    house
        .run(&format!("cert request a.example b.example --out {}", new.display()))
        .warned("for a.example, b.example");
    assert!(fs::read_to_string(&new).unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
    house.run("cert del a.example b.example").done();
    house
        .run("cert del a.example")
        .failed(3, "no certificate \"a.example\" is installed, and none is requested");
}

#[test]
fn the_doctor_tells_what_is_open_m11() {
    let house = House::with_alice();
    let _server = house.serve();
    house.run("device add scanner 192.168.1.40 --lenient").done();
    house.run("set peers all").done();
    let (code, found) = findings(&house, "doctor");
    assert_eq!(code, 0, "{found:?}");
    assert_eq!((state_of(&found, "open"), state_of(&found, "device")), ("note".into(), "note".into()));
}

#[test]
fn the_doctor_tells_what_is_wrong_with_a_way_o2() {
    let house = House::with_alice();
    let port = shut_port();
    house.run(&format!("set smarthost 127.0.0.1:{port}")).done();
    house.run(&format!("route example.com 127.0.0.1:{port}")).done();
    house.run(&format!("route *.example.org 127.0.0.1:{port}")).done();
    house.run(&format!("set smarthost 127.0.0.1:{port} --for home.lan")).done();
    let look = || {
        for (line, way) in [
            ("doctor", "smarthost"),
            ("doctor --for alice@home.lan", "smarthost:home.lan"),
            ("doctor --for home.lan", "smarthost:home.lan"),
            ("doctor", "route:example.com"),
            ("doctor --for example.com", "route:example.com"),
            ("doctor --for bob@example.com", "route:example.com"),
            ("doctor --for *.example.org", "route:*.example.org"),
            ("doctor --for mail.example.org", "route:*.example.org"),
            ("doctor --for bob@example.net", "smarthost"),
        ] {
            let (code, found) = findings(&house, line);
            assert_eq!(code, 1, "{line}: {found:?}");
            assert!(found.iter().any(|row| row[0] == way && row[1] == "wrong"), "{line}: {found:?}");
        }
    };
    look();
    let _server = house.serve();
    look();
}

#[test]
fn the_doctor_refuses_what_is_no_target() {
    let house = House::with_alice();
    for (line, code, wanted) in [
        ("doctor --for a_b", 2, "\"a_b\" can't be"),
        ("doctor --for *.example.com", 3, "there is no route for *.example.com"),
        ("doctor x", 2, "too many"),
        ("doctor --for", 2, "--for needs a value"),
    ] {
        house.run(line).failed(code, wanted);
    }
    let ran = house.run("doctor --for alice@home.lan");
    assert!(ran.code == 1 && ran.out.contains("poppet set smarthost HOST"), "{ran:?}");
    House::empty().run("doctor").failed(6, "poppet setup");
}

/// A port at which nobody listens.
fn shut_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
