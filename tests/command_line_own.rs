//! The real binary: a user changes his own password through the running server; whose account a mailbox is.

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

// ---- account, --create-user, --delete-user: tests/clients/accounts.py has them with real accounts ----

#[test]
fn where_users_are_known_by_file_a_mailbox_has_no_account() {
    let house = House::with_alice();
    let shown = "mailbox\talice@home.lan\nmethod\tfile\naccount\t\nidentity\t\nstate\tunused\nnote\t\n";
    assert_eq!(house.run("account alice@home.lan").done(), shown);
    let told = house.run("account alice@home.lan --json").json();
    assert_eq!((&told["state"], &told["account"]), (&"unused".into(), &serde_json::Value::Null));
    let kept = house.run("account alice@home.lan alice");
    assert!(kept.code == 0 && kept.err.contains("it counts once"), "{kept:?}");
    house.run("account alice@home.lan --none").done();
    house.run("add bob@home.lan --account bob").failed(5, "--account");
    house.run("add bob@home.lan --create-user").failed(5, "leave out --create-user");
    house.run("del alice@home.lan --delete-user").failed(5, "leave out --delete-user");
    assert!(house.run("list home.lan").done().starts_with("alice@home.lan\t"));
}

#[test]
fn accounts_are_those_of_one_mailbox() {
    let house = House::with_alice();
    house.run("account").failed(2, "not given: ADDRESS");
    house.run("account home.lan").failed(2, "home.lan is a domain");
    house.run("account bob@home.lan").failed(3, "there is no mailbox bob@home.lan");
    house.run("account alice@home.lan bob --none").failed(2, "not both");
    house.run("add work.lan --create-user").failed(2, "a domain has no account");
    house.run("add work.lan --account x").failed(2, "a domain has no account");
    house.run("del home.lan --delete-user --yes").failed(2, "goes with one mailbox");
}

#[test]
fn an_account_that_nobody_can_tell_of_is_not_taken() {
    let house = House::empty();
    house.run_with("setup home.lan alice --no-start --password-stdin", "wonderland\n").done();
    house.run("del home.lan --yes").done();
    let nowhere = house.file("nowhere.sock");
    house.run_words(&["set", "local_socket", nowhere.to_str().unwrap()], "").done();
    assert_eq!(house.run("auth local --force").code, 0);
    house.run("add home.lan").done();
    house.run("add bob@home.lan").failed(1, "poppet-local.socket");
    house.run("add bob@home.lan --account root").failed(1, "poppet-local.socket");
    assert_eq!(house.run("list home.lan").done(), "");
}
