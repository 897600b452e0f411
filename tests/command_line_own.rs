//! The real binary: a user changes his own password through the running server.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Other tests need more of it.
#[path = "command_line/house.rs"]
mod house;

use std::os::unix::fs::PermissionsExt;

use house::{House, Ran};

const OWN: &str = "passwd --own alice@home.lan --password-stdin";

fn own(house: &House, input: &str) -> Ran {
    house.run_with(OWN, input)
}

#[test]
fn who_knows_the_old_password_sets_a_new_one() {
    let house = House::with_alice();
    house.run("set plaintext lan").done();
    let server = house.serve();
    assert_eq!(own(&house, "wonderland\nlooking glass\n").done(), "");
    assert!(!server.pop3_logon("alice@home.lan", "wonderland"));
    assert!(server.pop3_logon("alice@home.lan", "looking glass"));
    let told =
        house.run_with("passwd --own ALICE@home.lan --password-stdin --json", "looking glass\nhatter\n");
    assert_eq!(told.json(), serde_json::json!({"mailbox": "alice@home.lan", "changed": true}));
    assert!(server.pop3_logon("alice@home.lan", "hatter"));
}

#[test]
fn what_a_rule_refuses_is_5_and_changes_nothing() {
    let house = House::with_alice();
    house.run("set plaintext lan").done();
    let server = house.serve();
    let long = "x".repeat(1025);
    own(&house, "wrong\nnew\n").failed(5, "the old password is wrong, or there is no such mailbox");
    own(&house, "wonderland\nwonderland\n").failed(5, "the new password is the old one");
    own(&house, "wonderland\n\n").failed(5, "not two passwords");
    own(&house, "wonderland\n").failed(5, "not two passwords");
    own(&house, &format!("wonderland\n{long}\n")).failed(5, "at most 1024 octets");
    own(&house, "wonderland\na\0b\n").failed(5, "a line end or a NUL");
    house.run("lock alice@home.lan").done();
    own(&house, "wonderland\nnew\n").failed(5, "alice@home.lan is locked: ask the administrator");
    house.run("unlock alice@home.lan").done();
    assert!(server.pop3_logon("alice@home.lan", "wonderland"));
}

#[test]
fn without_a_server_it_is_6_and_without_anybody_to_ask_2() {
    let house = House::with_alice();
    own(&house, "wonderland\nnew\n").failed(6, "poppet.own.sock");
    house.run("passwd --own alice@home.lan").failed(2, "--password-stdin");
    house.run("passwd --own").failed(2, "not given: ADDRESS");
    house.run_with("passwd --own --password-stdin -- ", "a\nb\n").failed(2, "poppet passwd --help");
}

#[test]
fn the_socket_is_for_everybody_wherever_it_is_s_323() {
    let house = House::with_alice();
    let socket = house.file("poppet.own.sock");
    {
        let _server = house.serve();
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(std::fs::metadata(house.file("poppet.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let runtime = house.file("run");
    std::fs::create_dir(&runtime).unwrap();
    let variables = [("RUNTIME_DIRECTORY", runtime.to_str().unwrap())];
    let _server = house.serve_with(&variables, std::process::Stdio::inherit());
    assert_eq!(std::fs::metadata(runtime.join("own.sock")).unwrap().permissions().mode() & 0o777, 0o666);
}

#[test]
fn what_stands_in_its_place_stays_and_the_mail_goes_on_s_325() {
    let house = House::with_alice();
    std::fs::write(house.file("poppet.own.sock"), "precious").unwrap();
    let server = house.serve_with(&[], std::process::Stdio::null());
    server.deliver("alice@home.lan", "Subject: x\r\n\r\ntext");
    assert_eq!(std::fs::read(house.file("poppet.own.sock")).unwrap(), b"precious");
}
