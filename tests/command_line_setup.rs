//! The real binary: setup and serve, what they make, tell and refuse.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use house::House;

// ---- setup -------------------------------------------------------------------------------------

#[test]
fn setup_makes_everything_and_tells_the_password_once_s_260() {
    let house = House::empty();
    let ran = house.run("setup home.lan alice --no-start");
    let out = ran.done();
    for wanted in [
        "Password of alice@home.lan",
        "Recovery words",
        "poppet-authority.pem (import it",
        "pop3s://localhost:",
        "smtp://localhost:",
        "--crlf",
    ] {
        assert!(out.contains(wanted), "{wanted} in {out}");
    }
    let mode = |name: &str| fs::metadata(house.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("poppet.key"), 0o600);
    assert_eq!(mode("poppet.redb") & 0o077, 0);
    assert_eq!(mode("poppet-authority.pem") & 0o444, 0o444);
    assert!(fs::read_to_string(house.file("poppet-authority.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    assert_eq!(house.run("list").done(), "home.lan\topen\t1\t0\n");
}

#[test]
fn setup_makes_its_folder_for_its_owner_alone() {
    let house = House::empty();
    let database = house.file("deep/er/poppet.redb");
    house.run_words(&["--db", database.to_str().unwrap(), "setup", "home.lan", "a", "--no-start"], "").done();
    let mode = fs::metadata(database.parent().unwrap()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}

#[test]
fn setup_again_says_what_stands_and_makes_what_is_missing() {
    let house = House::with_alice();
    let key = fs::read(house.file("poppet.key")).unwrap();
    let authority = fs::read(house.file("poppet-authority.pem")).unwrap();
    fs::remove_file(house.file("poppet-authority.pem")).unwrap();

    let again = house.run("setup home.lan alice --no-start");
    assert_eq!(again.done().matches("stands already").count(), 4, "{again:?}");
    assert!(again.out.contains("its password stays"), "{again:?}");
    assert!(!again.out.contains("Password of") && !again.out.contains("Recovery words"));
    assert_eq!(fs::read(house.file("poppet.key")).unwrap(), key);
    assert_eq!(fs::read(house.file("poppet-authority.pem")).unwrap(), authority);

    let other = house.run("setup office.lan bob --no-start --json").json();
    assert_eq!(other["new"]["database"], false);
    assert_eq!(other["new"]["mailbox"], true);
    assert!(other["password"].as_str().is_some_and(|password| password.len() >= 16));
    assert_eq!(house.run("get postmaster").done(), "alice@home.lan\n", "the first one stays");
}

#[test]
fn setup_beside_a_running_server_says_so_and_ends() {
    let house = House::with_alice();
    let server = house.serve();
    let ran = house.run("setup home.lan bob --json").json();
    assert_eq!(ran["pid"], server.pid());
    assert_eq!(ran["new"]["mailbox"], true);
}

#[test]
fn setup_beside_a_server_with_flags_tells_where_that_one_listens() {
    let house = House::with_alice();
    let server = house.serve();
    let ports = &house.run("setup home.lan bob --json").json()["ports"];
    let port = |listener: &str| server.at(listener).rsplit(':').next().unwrap().parse::<u16>().unwrap();
    assert_eq!((&ports["pop3"], &ports["smtp"]), (&port("pop3").into(), &port("smtp").into()));
    assert!(ports["pop3s"].is_null(), "that one is off");
}

#[test]
fn the_certificate_is_for_every_domain_and_renewed_when_one_has_come() {
    let house = House::with_alice();
    let is_renewed = |line: &str| {
        house.run(&format!("setup {line} --no-start --json")).json()["new"]["certificate"] == true
    };
    let authority = fs::read(house.file("poppet-authority.pem")).unwrap();
    assert!(!is_renewed("home.lan alice"));
    assert!(is_renewed("office.lan bob"));
    assert!(!is_renewed("home.lan alice"), "the second domain didn't drive the first one out");
    house.run("add shop.lan").done();
    drop(house.serve());
    assert!(!is_renewed("home.lan alice"), "serve has renewed it for the new domain");
    house.run(&format!("add {}.lan", ["a".repeat(63).as_str(); 3].join("."))).done();
    house.run(&format!("add {}.lan", ["b".repeat(60).as_str(); 4].join("."))).done();
    drop(house.serve());
    assert!(!is_renewed("home.lan alice"), "names too long for a certificate are left out");
    assert_eq!(fs::read(house.file("poppet-authority.pem")).unwrap(), authority, "clients go on");
}

#[test]
fn setup_that_was_interrupted_loses_no_secret() {
    let house = House::with_alice();
    house.run("del home.lan --yes").done();
    let again = house.run("setup home.lan alice --no-start --json").json();
    assert_eq!((&again["new"]["database"], &again["new"]["mailbox"]), (&false.into(), &true.into()));
    assert!(again["recovery_words"].is_string() && again["password"].is_string(), "{again}");
    assert!(house.run("setup home.lan bob --no-start --json").json()["recovery_words"].is_null());
    assert_eq!(house.run("get postmaster").done(), "alice@home.lan\n");

    // The authority's file can't be written: no mailbox is made whose password nobody would hear of.
    let house = House::empty();
    fs::create_dir(house.file("poppet-authority.pem")).unwrap();
    house.run("setup home.lan alice --no-start").failed(1, "run setup again");
    fs::remove_dir(house.file("poppet-authority.pem")).unwrap();
    let again = house.run("setup home.lan alice --no-start");
    assert!(again.done().contains("Password of") && again.out.contains("Recovery words"), "{again:?}");
}

#[test]
fn setup_refuses_a_folder_that_others_can_write() {
    let house = House::empty();
    fs::set_permissions(house.file("."), fs::Permissions::from_mode(0o777)).unwrap();
    house.run("setup home.lan alice --no-start").failed(6, "chmod o-w");
    assert!(!house.file("poppet.redb").exists());
    fs::set_permissions(house.file("."), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(house.run("setup home.lan alice --no-start").done().contains("Recovery words"));
}

#[test]
fn setup_refuses_what_names_no_mailbox_before_it_makes_anything() {
    let house = House::empty();
    house.run("setup ho_me.lan alice").failed(2, "as in home.lan");
    house.run("setup home.lan ../x").failed(2, "give a name such as alice");
    house.run("setup alice home.lan").failed(2, "the domain comes first: poppet setup home.lan alice");
    house.run("setup home.lan alice --no-start --password-stdin").failed(5, "--password-stdin");
    assert!(!house.file("poppet.redb").exists());
}

/// "Nothing serves yet" named "poppet serve", which would have served another database.
#[test]
fn a_database_that_was_named_is_named_in_every_remedy() {
    let house = House::empty();
    let other = house.file("my mail.redb");
    let run = |line: &str| {
        let words = ["--db", other.to_str().unwrap()].into_iter().chain(line.split(' ')).collect::<Vec<_>>();
        house.run_words(&words, "")
    };
    let serve = format!("\"poppet serve --db '{}'\"", other.display());
    let ran = run("setup home.lan alice --no-start");
    assert!(ran.done().ends_with(&format!("Nothing serves yet: {serve} does.\n")), "{ran:?}");
    run("who").failed(6, &format!("{serve} starts it"));
    assert!(run("doctor").out.contains(&format!("{serve} starts it")));
    fs::remove_file(house.file("my mail.key")).unwrap();
    run("list").failed(6, &format!("\"poppet setup --recovery-words-stdin --db '{}'\"", other.display()));
}

#[test]
fn setup_finds_what_is_in_its_way_before_it_makes_anything() {
    let house = House::with_alice();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    house.run(&format!("set pop3 {address}")).done();
    for line in ["setup home.lan bob", "setup home.lan bob --dry-run"] {
        house.run(line).failed(1, &format!("{address} (pop3) can't be had"));
    }
    assert!(!house.run("list home.lan").done().contains("bob"));
    house.run("setup home.lan bob --no-start").done();

    let house = House::empty();
    fs::write(house.file("poppet.redb"), "a letter to aunt May, which is no database").unwrap();
    fs::set_permissions(house.file("poppet.redb"), fs::Permissions::from_mode(0o600)).unwrap();
    house.run("setup home.lan alice --dry-run").failed(6, "poppet.redb");
}

#[test]
fn recovery_words_bring_a_lost_key_back() {
    let house = House::empty();
    let words = house.run("setup home.lan alice --no-start --json").json()["recovery_words"].clone();
    let words = format!("{}\n", words.as_str().unwrap().to_ascii_lowercase());
    let key = fs::read(house.file("poppet.key")).unwrap();
    let bring_back = |words: &str| house.run_with("setup --recovery-words-stdin", words);
    bring_back(&words).failed(4, "move it away");

    fs::remove_file(house.file("poppet.key")).unwrap();
    house.run("list").failed(6, "\"poppet setup --recovery-words-stdin\"");
    bring_back("\n").failed(5, "no recovery words");
    bring_back("00000").failed(5, "11 groups");
    let others = House::empty();
    let foreign = others.run("setup home.lan alice --no-start --json").json()["recovery_words"].clone();
    bring_back(foreign.as_str().unwrap()).failed(5, "another device key");
    assert!(!house.file("poppet.key").exists(), "a wrong key is no help");

    let told = house.run_with("setup --recovery-words-stdin --json", &words).json();
    assert_eq!(told["database_there"], true);
    assert_eq!(fs::read(house.file("poppet.key")).unwrap(), key);
    assert_eq!(fs::metadata(house.file("poppet.key")).unwrap().permissions().mode() & 0o777, 0o600);
    house.run("list").done();

    let bare = House::empty();
    let told = bare.run_with("setup --recovery-words-stdin --json", &words).json();
    assert_eq!(told["database_there"], false);
    assert_eq!(fs::read(bare.file("poppet.key")).unwrap(), key);
    house.run_with("setup home.lan alice --recovery-words-stdin", &words).failed(2, "and nothing else");
}

// ---- serve -------------------------------------------------------------------------------------

#[test]
fn the_ready_line_names_what_is_bound() {
    let house = House::with_alice();
    let server = house.serve();
    let names: Vec<&str> =
        server.ready.split_whitespace().map(|word| word.split('=').next().unwrap()).collect();
    assert_eq!(names, ["ready", "pop3", "smtp"]);
    for listener in ["pop3", "smtp"] {
        assert!(std::net::TcpStream::connect(server.at(listener)).is_ok());
    }
}

#[test]
fn a_second_server_is_refused_s_299() {
    let house = House::with_alice();
    let server = house.serve();
    house.run("serve").failed(4, &format!("process {}", server.pid()));
}

#[test]
fn serve_without_a_listener_says_what_to_do() {
    let house = House::with_alice();
    let off = "serve --pop3 off --pop3s off --smtp off --submission off --submissions off";
    house.run(off).failed(1, "no listener is on");
    house.run("serve --smtp 25").failed(2, "--smtp can't be");
}
