//! The real binary, command by command: good use, every exit code, and misuse.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use house::House;
use serde_json::json;

// ---- add, del, list, stat ----------------------------------------------------------------------

#[test]
fn domains_and_mailboxes_come_and_go() {
    let house = House::with_alice();
    assert_eq!(house.run("add office.lan").done(), "");
    let added = house.run("add Bob@Office.LAN");
    let (address, password) = added.done().trim_end().split_once('\t').unwrap();
    assert_eq!(address, "bob@office.lan");
    assert!(password.len() >= 16, "{password}");

    let list = house.run("list office.lan");
    assert!(list.done().starts_with("bob@office.lan\topen\t"), "{list:?}");
    assert_eq!(house.run("list").done(), "home.lan\topen\t1\t0\noffice.lan\topen\t1\t0\n");
    assert_eq!(
        house.run("stat").done(),
        "home.lan\t1\t0\t0\t0\t0\t0\t\topen\noffice.lan\t1\t0\t0\t0\t0\t0\t\topen\n"
    );
    assert_eq!(house.run("stat office.lan").done(), "bob@office.lan\t0\t0\t0\t0\t0\t\topen\t\t\n");
    assert_eq!(house.run("stat bob@office.lan").done(), "bob@office.lan\t0\t0\t0\t0\t0\t\topen\t\t\n");

    assert_eq!(house.run("del bob@office.lan").done(), "");
    assert_eq!(house.run("del office.lan").done(), "");
    assert_eq!(house.run("list").done(), "home.lan\topen\t1\t0\n");
}

#[test]
fn what_is_missing_is_3_and_what_exists_is_4() {
    let house = House::with_alice();
    house.run("add bob@nowhere.lan").failed(3, "poppet add nowhere.lan");
    house.run("add home.lan").failed(4, "home.lan");
    house.run("add alice@home.lan").failed(4, "poppet passwd alice@home.lan");
    for verb in ["del", "stat", "lock", "unlock"] {
        house.run(&format!("{verb} nowhere.lan")).failed(3, "there is no domain nowhere.lan");
        house.run(&format!("{verb} bob@home.lan")).failed(3, "there is no mailbox bob@home.lan");
    }
    house.run("list nowhere.lan").failed(3, "poppet list");
    house.run("passwd bob@home.lan").failed(3, "there is no mailbox bob@home.lan");
    house.run("read bob@home.lan").failed(3, "there is no mailbox bob@home.lan");
    house.run("read alice@home.lan 1").failed(3, "there is no message 1");
}

#[test]
fn what_would_take_something_with_it_needs_a_yes() {
    let house = House::with_alice();
    house.run("del home.lan").failed(5, "1 mailbox");
    {
        let server = house.serve();
        server.deliver("alice@home.lan", "Subject: x\r\n\r\ntext");
        house.run("del alice@home.lan").failed(5, "1 message with it, and gets the mail for postmaster: say");
        house.run("del home.lan").failed(5, "1 mailbox and 1 message");
        house.run("add bob@home.lan").done();
        server.deliver("bob@home.lan", "Subject: x\r\n\r\ntext");
        house.run("del bob@home.lan").failed(5, "1 message with it: say \"poppet del bob@home.lan --yes\"");
        house.run("del bob@home.lan --yes").done();
    }
    let removed = house.run("del home.lan --yes --json").json();
    assert_eq!((&removed["mailboxes"], &removed["messages"]), (&1.into(), &1.into()));
    assert_eq!(house.run("list").done(), "");
}

#[test]
fn the_postmaster_goes_only_with_a_yes_and_leaves_no_setting_behind() {
    let house = House::with_alice();
    house
        .run("del alice@home.lan")
        .failed(5, "alice@home.lan gets the mail for postmaster: say \"poppet set postmaster OTHER\" first");
    house.run("add bob@home.lan").done();
    house.run("set postmaster bob@home.lan").done();
    house.run("del alice@home.lan").done();
    house
        .run("del home.lan")
        .failed(5, "1 mailbox with it, and bob@home.lan in it gets the mail for postmaster");
    house.run("del bob@home.lan --yes").done();
    assert_eq!(house.run("get postmaster").done(), "\n");
}

#[test]
fn the_wear_is_counted() {
    let house = House::with_alice();
    let server = house.serve();
    server.deliver("alice@home.lan", "Subject: x\r\n\r\ntext");
    let wear = house.run("stat --wear --json").json();
    assert_eq!(wear["messages"], 1);
    assert!(wear["syncs"].as_u64().unwrap() >= 1);
    assert!(wear["syncs_per_message"].as_f64().unwrap() >= 1.0);
    house.run("stat alice@home.lan --wear").failed(2, "--wear");
}

// ---- lock, unlock, passwd ----------------------------------------------------------------------

#[test]
fn a_mailbox_stays_locked_while_its_domain_is() {
    let house = House::with_alice();
    house.run("lock home.lan").done();
    assert!(house.run("list home.lan").done().contains("\tdomain-locked\t"));
    house.run("unlock alice@home.lan").failed(5, "its domain home.lan is");
    house.run("unlock home.lan").done();
    house.run("lock alice@home.lan").done();
    assert!(house.run("list home.lan").done().contains("\tlocked\t"));
    house.run("unlock alice@home.lan").done();
    assert!(house.run("list home.lan").done().contains("\topen\t"));
}

#[test]
fn a_new_password_counts_at_once_in_the_running_server() {
    let house = House::with_alice();
    house.run("set plaintext lan").done();
    let server = house.serve();
    assert!(server.pop3_logon("alice@home.lan", "wonderland"));
    assert_eq!(house.run_with("passwd alice@home.lan --password-stdin", "looking glass\n").done(), "");
    assert!(!server.pop3_logon("alice@home.lan", "wonderland"));
    assert!(server.pop3_logon("alice@home.lan", "looking glass"));
    let generated = house.run("passwd alice@home.lan --json").json();
    assert!(server.pop3_logon("alice@home.lan", generated["password"].as_str().unwrap()));
    house.run("lock alice@home.lan").done();
    assert!(!server.pop3_logon("alice@home.lan", generated["password"].as_str().unwrap()));
}

#[test]
fn a_terminal_is_asked_for_a_password_only_where_it_can_be_used() {
    let house = House::with_alice();
    for (line, wanted) in [
        ("add alice@home.lan", "is here already"),
        ("add bob@nowhere.lan", "add the domain first"),
        ("passwd bob@home.lan", "there is no mailbox"),
    ] {
        let out = house.on_a_terminal(&format!("poppet {line}"));
        assert!(out.contains(wanted) && !out.contains("Password"), "{line}: {out}");
    }
}

#[test]
fn a_signal_at_the_password_question_gives_the_echo_back() {
    let house = House::with_alice();
    let out =
        house.on_a_terminal("timeout --foreground --signal TERM 1 poppet passwd alice@home.lan; stty -a");
    assert!(out.contains("Password for alice@home.lan"), "{out}");
    assert!(out.contains("ended by a signal"), "{out}");
    assert!(out.split_whitespace().any(|mode| mode == "echo"), "{out}");
}

#[test]
fn passwords_that_no_client_can_send_are_refused() {
    let house = House::with_alice();
    let passwd = |input: &str| house.run_with("passwd alice@home.lan --password-stdin", input);
    passwd("").failed(5, "first line");
    passwd("\n").failed(5, "first line");
    passwd("a\0b\n").failed(5, "NUL");
    passwd(&"x".repeat(1023)).done();
    passwd(&"x".repeat(1024)).done();
    passwd(&"x".repeat(1025)).failed(5, "1024");
    house.run("add office.lan --password-stdin").failed(2, "a domain has no password");
}

#[test]
fn a_password_is_never_taken_from_the_command_line_s_321() {
    let house = House::empty();
    for line in [
        "passwd alice@home.lan --password hunter2",
        "passwd alice@home.lan --password=hunter2",
        "--password hunter2 add alice@home.lan",
        "passwd alice@home.lan hunter2",
        "add alice@home.lan hunter2",
        "setup home.lan alice hunter2",
        "setup home.lan alice --password hunter2",
    ] {
        let ran = house.run(line);
        ran.failed(2, "--password-stdin");
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    for verb in ["setup", "add", "passwd"] {
        let help = house.run(&format!("{verb} --help"));
        assert!(!help.done().contains("--password "), "{help:?}");
    }
}

// ---- get, set ----------------------------------------------------------------------------------

#[test]
fn settings_are_shown_and_changed() {
    let house = House::with_alice();
    assert_eq!(house.run("get plaintext").done(), "tls\n");
    house.run("set plaintext lan").done();
    assert_eq!(house.run("get plaintext").done(), "lan\n");
    assert_eq!(house.run("get plaintext --json").json()["kind"], "set");
    house.run("set plaintext --default").done();
    assert_eq!(house.run("get plaintext --json").json()["kind"], "default");
    let all = house.run("get");
    for wanted in [
        "hostname\tmail.home.lan\tset\t",
        "message_mib\t50\tdefault\t",
        "idle_pop3_seconds\t600\tfixed\t",
        "quota\tnone\tdefault\t",
        "alias_targets\t1000\tfixed\t",
        "data_rate_octets\t30000\tfixed\t",
    ] {
        assert!(all.done().contains(wanted), "{wanted} in {all:?}");
    }
}

#[test]
fn a_setting_that_waits_for_a_restart_says_so() {
    let house = House::with_alice();
    assert_eq!(house.run("set cache_kib 4096 --json").json()["waits_for_restart"], false);
    let _server = house.serve();
    assert_eq!(house.run("set cache_kib 2048 --json").json()["waits_for_restart"], true);
    assert_eq!(house.run("set peers all --json").json()["waits_for_restart"], false);
}

#[test]
fn what_a_setting_means_is_told_without_a_terminal_too_a4() {
    let house = House::with_alice();
    house.run("set challenge on").warned("Whoever gets the database and the key can read them.");
    let told = house.run("set challenge on --json").json();
    assert_eq!(told["needs_new_password"], json!(["alice@home.lan"]));
    assert!(told["meaning"][1].as_str().unwrap().starts_with("The price:"), "{told}");
    house.run("set sparequired on").warned("Clients that know none of it can't log on.");
    house.run("set sparequired off").done();
    house
        .run("set clientcert pop3s=required")
        .warned("nobody can log on at pop3s, for no certificate is known here");
    assert_eq!(house.run("set clientcert pop3s=required --json").json()["shut"], json!(["pop3s"]));
    house.run("set clientcert off").done();
    house.run("set retain 365 --for home.lan").warned("also what is here already");
    house.run("set retain never").done();
    assert_eq!(house.run("set retain never --json").json()["meaning"], json!([]));
    assert!(house.on_a_terminal("poppet set challenge off").contains("challenge is off.\r\nAPOP"));
}

#[test]
fn settings_that_are_none_are_refused() {
    let house = House::with_alice();
    house.run("set plaintxt lan").failed(3, "did you mean plaintext?");
    house.run("get frobnicate").failed(3, "poppet get");
    house.run("set plaintext perhaps").failed(2, "tls (only inside TLS)");
    house.run("set plaintext").failed(2, "--default");
    house.run("set plaintext lan --default").failed(2, "--default");
    house.run("set idle_pop3_seconds 5").failed(5, "fixed limit");
    house.run("set postmaster bob@home.lan").failed(3, "there is no mailbox bob@home.lan");
    house.run("set argon2_kib 7168").failed(5, "argon2_passes 5");
}

// ---- read, status ------------------------------------------------------------------------------

#[test]
fn mail_is_read_on_the_box_itself() {
    let house = House::with_alice();
    let server = house.serve();
    let body: String = (0..100_000).map(|line| format!("line {line}\r\n")).collect();
    server.deliver(
        "alice@home.lan",
        &format!("From: Printer\r\nSubject: Scan\u{1b}[2J\r\n\r\n{}", body.trim_end()),
    );
    server.deliver("alice@home.lan", "Subject: second\r\n\r\nshort");

    let list = house.run("read alice@home.lan");
    let rows: Vec<Vec<&str>> = list.done().lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2, "{list:?}");
    assert_eq!((rows[0][3], rows[0][4]), ("Printer", "Scan\\u{1b}[2J"));
    assert_eq!((rows[1][3], rows[1][4]), ("", "second"));

    let message = house.run(&format!("read alice@home.lan {}", rows[0][0]));
    assert_eq!(message.done().len().to_string(), rows[0][1], "octets as listed");
    assert!(message.out.ends_with(&format!("\r\n\r\n{body}")), "octet for octet, over many pieces");
    let json = house.run(&format!("read alice@home.lan {} --json", rows[1][0])).json();
    assert!(json["text"].as_str().unwrap().ends_with("\r\n\r\nshort\r\n"));
    house.run("read home.lan").failed(2, "name a mailbox");
    house.run("read alice@home.lan 0x1").failed(2, "poppet read --help");
}

#[test]
fn status_tells_of_server_and_database() {
    let house = House::with_alice();
    let alone = house.run("status --json").json();
    assert_eq!((alone["server"].as_str(), alone["mailboxes"].as_u64()), (Some("not running"), Some(1)));
    let server = house.serve();
    let live = house.run("status --json").json();
    assert_eq!((live["server"].as_str(), live["pid"].as_u64()), (Some("running"), Some(server.pid().into())));
    assert_eq!(json!([alone["broken_off"], live["broken_off"]]), json!([null, 0]));
    assert!(live["listeners"].as_array().unwrap().contains(&format!("pop3={}", server.at("pop3")).into()));
}

// ---- databases that can't be reached -----------------------------------------------------------

#[test]
fn a_missing_database_says_how_to_make_one() {
    let house = House::empty();
    for line in ["list", "add home.lan", "status", "serve", "get", "read alice@home.lan"] {
        house.run(line).failed(6, "run \"poppet setup DOMAIN USER\" first, or name it with --db");
    }
    assert!(!house.file("poppet.redb").exists(), "looking makes nothing");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    for content in [b"".as_slice(), b"not a database", &[0; 65_536], &b"SQLite format 3\0".repeat(1000)] {
        let house = House::with_alice();
        fs::write(house.file("poppet.redb"), content).unwrap();
        for line in ["list", "serve", "setup home.lan alice"] {
            house.run(line).failed(6, "");
        }
        assert_eq!(fs::read(house.file("poppet.redb")).unwrap(), content);
    }
}

#[test]
fn a_missing_or_readable_key_is_one_line() {
    let house = House::with_alice();
    let key = house.file("poppet.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    house.run("list").failed(6, "poppet.key");
    fs::remove_file(&key).unwrap();
    for line in ["list", "serve", "setup home.lan alice"] {
        house.run(line).failed(6, "poppet.key");
    }
    assert!(!key.exists(), "no new key is made for an old database");
}

#[test]
fn the_key_of_another_device_is_refused() {
    let (house, other) = (House::with_alice(), House::with_alice());
    fs::copy(other.file("poppet.key"), house.file("poppet.key")).unwrap();
    for line in ["list", "serve", "setup home.lan alice"] {
        house.run(line).failed(6, "key");
    }
}

#[test]
fn a_database_in_use_without_a_socket_is_one_line_s_299() {
    let house = House::with_alice();
    let _server = house.serve();
    fs::remove_file(house.file("poppet.sock")).unwrap();
    for line in ["list", "serve", "setup home.lan alice"] {
        house.run(line).failed(6, "no server answers");
    }
}

#[test]
fn a_folder_where_the_database_should_be_is_one_line() {
    let house = House::empty();
    fs::create_dir(house.file("poppet.redb")).unwrap();
    house.run("list").failed(6, "");
    fs::write(house.file("file"), "").unwrap();
    let below = house.file("file/poppet.redb");
    house.run_words(&["setup", "home.lan", "a", "--db", below.to_str().unwrap()], "").failed(6, "--db");
}

// ---- the arguments themselves ------------------------------------------------------------------

#[test]
fn misuse_is_one_line_and_2() {
    let house = House::empty();
    for (line, wanted) in [
        ("", "poppet --help"),
        ("lsit", "did you mean list?"),
        ("frobnicate", "lists them all"),
        ("list home.lan surplus", "poppet list --help"),
        ("list --frob", "no option --frob"),
        ("add", "TARGET"),
        ("setup home.lan", "USER"),
        ("serve --frob", "no option --frob"),
        ("del", "TARGET"),
        ("stat a b", "too many"),
        ("lock", "TARGET"),
        ("unlock", "TARGET"),
        ("passwd", "ADDRESS"),
        ("passwd home.lan", "name a mailbox"),
        ("get a b", "too many"),
        ("set", "KEY"),
        ("read", "ADDRESS"),
        ("status x", "too many"),
        ("list alice@home.lan", "name its domain, home.lan"),
        ("add ho_me.lan", "as in home.lan"),
        ("add a..b@home.lan", "a mailbox name"),
        ("--db", "--db needs"),
        ("list --db a --db b", "twice"),
    ] {
        house.run(line).failed(2, wanted);
    }
}

#[test]
fn names_that_could_be_options_or_commands_are_only_names_s_326() {
    let house = House::empty();
    for name in ["--help", "-f", ";rm", "a\nb", "a\u{1b}[2J", "$(x)@home.lan", "../x@home.lan"] {
        let ran = house.run_words(&["add", "--", name], "");
        ran.failed(2, "");
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
}

#[test]
fn every_command_has_help_and_there_is_a_version() {
    let house = House::empty();
    let help = house.run("--help");
    let verbs = "setup serve add del undelete list stat lock unlock passwd account alias forward device quota get set read \
                 queue route share doctor status clock who kick fails auth cert local-users";
    for verb in verbs.split(' ') {
        assert!(help.done().contains(&format!("\n  {verb} ")), "{verb}");
        assert!(house.run(&format!("{verb} --help")).done().contains("Examples:"), "{verb}");
    }
    assert_eq!(house.run("help").done(), help.done());
    assert_eq!(house.run("--version").done(), concat!("poppet ", env!("CARGO_PKG_VERSION"), " (layout 2)\n"));
}

#[test]
fn json_is_one_document_for_every_command() {
    let house = House::with_alice();
    let is_list = |line: &str, wanted: bool| {
        let json = house.run(&format!("--json {line}")).json();
        assert_eq!((json.is_array(), json.is_object()), (wanted, !wanted), "{line}: {json}");
    };
    for line in [
        "list",
        "list home.lan",
        "stat",
        "stat home.lan",
        "get",
        "read alice@home.lan",
        "alias",
        "device",
        "quota",
    ] {
        is_list(line, true);
    }
    for line in [
        "add office.lan",
        "add bob@office.lan",
        "passwd bob@office.lan",
        "lock office.lan",
        "unlock office.lan",
        "alias info@office.lan alice@home.lan",
        "del info@office.lan",
        "device add scanner 192.168.1.40",
        "device del scanner",
        "quota office.lan 1G",
        "get peers",
        "set peers all",
        "stat --wear",
        "undelete alice@home.lan",
        "get retain --for home.lan",
        "set retain 30 --for home.lan",
        "status",
        "del office.lan --yes",
        "setup home.lan alice --no-start",
    ] {
        is_list(line, false);
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let house = House::with_alice();
    let mut child = house.command().arg("get").spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
