//! The real binary: how users are known is shown, chosen, and changed with every mailbox.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for all of the command line's tests; these need less of it.
#[path = "command_line/house.rs"]
mod house;

use house::House;

/// Nobody listens there.
const NO_DIRECTORY: &str = "set directory_servers ldaps://127.0.0.1:1";

#[test]
fn the_method_is_shown_in_rows_and_as_one_document() {
    let house = House::with_alice();
    let shown = house.run("auth");
    let rows: Vec<Vec<&str>> = shown.done().lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 4), "{shown:?}");
    assert!(rows.iter().any(|row| row[..3] == ["method", "file", "chosen"]), "{shown:?}");
    let directory = rows.iter().find(|row| row[1] == "directory").unwrap();
    assert!(
        directory[2] == "not ready" && directory[3].contains("poppet set directory_servers"),
        "{shown:?}"
    );
    assert!(rows.iter().any(|row| row[..3] == ["mechanism", "APOP CRAM-MD5", "settable"]), "{shown:?}");

    let json = house.run("auth --json").json();
    assert_eq!((&json["method"], &json["learns_from"]), (&"file".into(), &serde_json::Value::Null));
    assert_eq!(json["methods"].as_array().unwrap().len(), 3);
    assert_eq!(json["mechanisms"][0]["names"], serde_json::json!(["USER/PASS", "PLAIN", "LOGIN"]));
    let _server = house.serve();
    assert_eq!(house.run("auth --json").json(), json);
}

#[test]
fn misuse_is_told_in_one_line_a2() {
    let house = House::with_alice();
    for (line, wanted) in [
        ("auth ldap", "\"ldap\" is no method: it is file, local or directory"),
        ("auth --migrate", "name the method"),
        ("auth --password-stdin", "name the method"),
        ("auth local --dry-run", "go with --migrate"),
        ("auth file --learn", "go with --migrate"),
        ("auth local --migrate --learn", "--learn goes with file"),
        ("auth file --migrate --learn", "nobody to learn from"),
        ("auth directory --migrat", "did you mean --migrate?"),
        ("auth directory hunter2", "--password-stdin"),
    ] {
        let ran = house.run(line);
        ran.failed(2, wanted);
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    house.run("auth directory --password-stdin").failed(5, "no password in its first line");
}

#[test]
fn with_a_domain_only_all_mailboxes_together_move_a2() {
    let house = House::with_alice();
    house.run("add office.lan").done();
    for method in ["local", "directory"] {
        let wanted = format!("(home.lan, office.lan): \"poppet auth {method} --migrate\"");
        house.run(&format!("auth {method}")).failed(5, &wanted);
        house.run(&format!("auth {method} --force")).failed(5, &wanted);
    }
    house.run("auth file").done();
    house.run("set auth local").failed(5, "\"poppet auth METHOD\"");
}

/// Only `setup` made a database, and a domain with it: there was no moment to choose in.
#[test]
fn a_method_is_chosen_before_anything_else_is_there_a2() {
    let house = House::empty();
    house.run("auth directory").failed(5, "poppet set directory_servers");
    house.run(NO_DIRECTORY).done();
    let chosen = house.run("auth directory --force");
    chosen.done();
    assert_eq!(house.run("get auth").done(), "directory\n");
    house.run("auth file").done();
    let words = house.run("setup home.lan alice --no-start");
    assert!(words.done().contains("Recovery words"), "they are told as long as nobody is here: {words:?}");

    let house = House::empty();
    house.run("auth file").warned("\"poppet setup DOMAIN USER\" goes on from here");
    house.run("auth nobody").failed(2, "no method");
    House::empty().run("auth").failed(6, "poppet setup");
}

#[test]
fn a_directory_that_is_not_ready_is_refused_step_by_step_a6() {
    let house = House::with_alice();
    house.run("del home.lan --yes").done();
    house.run("auth directory").failed(5, "poppet set directory_servers");
    house.run(NO_DIRECTORY).done();
    house.run("auth directory").failed(5, "directory can't be used now: ");
    house.run("set directory_bind upn").done();
    house.run("auth directory").failed(5, "directory can't be used now: ");
    house.run_with("auth directory --password-stdin", "secret\n").failed(5, "directory_account NAME");
    house.run("set directory_account cn=poppet").done();
    house.run("auth directory").failed(5, "cn=poppet needs its password");
    house.run_with("auth directory --password-stdin", "secret\n").failed(5, "--force does not look");
    house.run("auth directory").failed(5, "cn=poppet needs its password");
    assert_eq!(house.run("get auth").done(), "file\n");
    house.run_with("auth directory --password-stdin --force", "secret\n").warned("was not tried");
    assert_eq!(house.run("get auth").done(), "directory\n");
    house.run("auth directory").done();
}

/// Success was told for accounts that were not there.
#[test]
fn who_adds_a_mailbox_that_nobody_looks_for_is_told_so_a6() {
    const UNSEEN: &str = "Nobody has looked whether accounts are there";
    let house = House::empty();
    house.run("auth file").warned("goes on from here");
    house.run(NO_DIRECTORY).done();
    house.run("set directory_bind upn").done();
    house.run("auth directory --force").warned(UNSEEN);
    let setup = house.run("setup home.lan alice --no-start");
    assert_eq!(setup.code, 0, "{setup:?}");
    assert!(setup.err.contains(UNSEEN), "{setup:?}");
    house.run("add bob@home.lan").warned(UNSEEN);
    let told = house.run("add carol@home.lan --json").json();
    assert!(told["meaning"][0].as_str().unwrap().starts_with(UNSEEN), "{told}");
    assert!(told["password"].is_null(), "{told}");
}

/// The passwords went to a file on a full disk: everybody had one, and nobody knew any.
#[test]
fn passwords_that_can_not_be_put_out_are_told_beside() {
    for flags in ["", "--json"] {
        let house = House::with_alice();
        house.run("set plaintext lan").done();
        house.run(NO_DIRECTORY).done();
        house.run("auth directory --migrate --force").warned("alice@home.lan: ");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let words = ["auth", "file", "--migrate", flags];
        let words = words.into_iter().filter(|word| !word.is_empty());
        let output = house.command().args(words).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_ne!(output.status.code(), Some(0), "{told}");
        let line = told.lines().next().unwrap();
        let password = line.strip_prefix("poppet: the password of alice@home.lan is ").unwrap();
        assert!(house.serve().pop3_logon("alice@home.lan", password), "{told}");
    }
}

#[test]
fn mailboxes_move_there_by_force_and_back_with_new_passwords_a2() {
    for is_served in [false, true] {
        let house = House::with_alice();
        house.run("set plaintext lan").done();
        house.run(NO_DIRECTORY).done();
        let server = is_served.then(|| house.serve());
        house.run("auth directory --migrate").failed(5, "directory can't be used now: ");
        let moved = house.run("auth directory --migrate --force");
        moved.warned("alice@home.lan: ");
        assert_eq!(house.run("list home.lan").done().split('\t').count(), 5, "with the account");
        house.run("passwd alice@home.lan").failed(5, "alice@home.lan has the directory's password");
        house.run_with("add bob@home.lan --password-stdin", "x\n").failed(5, "leave out --password-stdin");
        assert_eq!(house.run("add bob@home.lan").code, 1);
        house.run("setup home.lan alice --no-start").done();

        house.run("auth file --migrate --dry-run").done();
        assert_eq!(house.run("get auth").done(), "directory\n");
        let back = house.run("auth file --migrate");
        let (address, password) = back.done().trim_end().split_once('\t').unwrap();
        assert_eq!(address, "alice@home.lan");
        assert_eq!(house.run("list home.lan").done().split('\t').count(), 4);
        if let Some(server) = server {
            assert!(!server.pop3_logon("alice@home.lan", "wonderland"));
            assert!(server.pop3_logon("alice@home.lan", password));
        }
    }
}

#[test]
fn what_does_not_fit_is_listed_and_the_exit_code_is_5_a2() {
    let house = House::with_alice();
    house.run(NO_DIRECTORY).done();
    for more in ["", " --json"] {
        let ran = house.run(&format!("auth directory --migrate --dry-run --force{more}"));
        assert_eq!(ran.code, 5, "{ran:?}");
        assert!(
            ran.err.contains("1 of 1 mailboxes does not fit directory, so nothing was changed"),
            "{ran:?}"
        );
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        if more.is_empty() {
            assert_eq!(ran.out.split('\t').count(), 3, "{ran:?}");
        } else {
            let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!(
                (&json["done"], &json["failing"][0]["mailbox"]),
                (&false.into(), &"alice@home.lan".into())
            );
        }
    }
    assert_eq!(house.run("get auth").done(), "file\n");
}

#[test]
fn passwords_that_are_to_be_learnt_are_counted_and_can_be_set_by_hand() {
    let house = House::with_alice();
    house.run(NO_DIRECTORY).done();
    house.run("auth directory --migrate --force").warned("alice@home.lan");
    house.run("auth file --migrate --learn").done();
    assert!(house.run("auth").done().contains("\nlearn\tdirectory\t1\t"));
    house.run_with("passwd alice@home.lan --password-stdin", "wonderland\n").done();
    assert!(!house.run("auth").done().contains("\nlearn\t"));
    assert_eq!(house.run("get auth_learn").done(), "off\n");
}

#[test]
fn what_comes_back_without_a_password_is_told() {
    let house = House::with_alice();
    house.run("add bob@home.lan").done();
    house.run("del bob@home.lan").done();
    house.run(NO_DIRECTORY).done();
    house.run("auth directory --migrate --force").warned("alice@home.lan");
    house.run("auth file --migrate").done();
    let back = house.run("undelete bob@home.lan");
    assert!(back.code == 0 && back.err.contains("\"poppet passwd bob@home.lan\""), "{back:?}");
    house.run("passwd bob@home.lan").done();
}

/// setup brought no one to ask for accounts, and refused every first mailbox of a method other than file.
#[test]
fn setup_asks_for_the_account_of_the_first_mailbox_as_add_does_a5() {
    let house = House::with_alice();
    house.run("del home.lan --yes").done();
    let socket = house.file("nobody.sock");
    house.run(&format!("set local_socket {}", socket.display())).done();
    assert_eq!(house.run("auth local --force").code, 0);
    let setup = house.run("setup home.lan alice --no-start");
    setup.failed(1, "nobody answers about local accounts");
    house.run("add alice@home.lan").failed(1, setup.err.trim_end().trim_start_matches("poppet: "));
}
