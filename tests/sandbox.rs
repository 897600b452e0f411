//! The real server in its sandbox: what the kernel says of its threads, and what becomes of what is set too late.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for all of the command line's tests; these need less of it.
#[path = "command_line/house.rs"]
mod house;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use house::{House, Server};

/// What the kernel says of each thread: these fields of its status.
fn threads(server: &Server, fields: &[&str]) -> Vec<Vec<String>> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let mut threads = Vec::new();
    for task in tasks {
        // A thread may end meanwhile.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let field = |name: &&str| {
            status.lines().find_map(|line| line.strip_prefix(*name)).map(|it| it.trim().to_owned())
        };
        threads.push(fields.iter().map(|name| field(name).unwrap_or_default()).collect());
    }
    assert!(threads.len() > 3, "a server has more than {threads:?}");
    threads
}

/// signal(7); the number is the same on every processor that poppet is built for.
const SIGPIPE: u32 = 13;
const FIELDS: [&str; 5] = ["NoNewPrivs:", "Seccomp:", "CapEff:", "CapPrm:", "CapInh:"];

#[test]
fn every_thread_is_in_the_sandbox_s_332_s_333() {
    let house = House::with_alice();
    let server = house.serve();
    server.deliver("alice@home.lan", "Subject: x\r\n\r\nx");
    assert!(!server.pop3_logon("alice@home.lan", "wrong"));
    for thread in threads(&server, &FIELDS) {
        let seccomp = if Path::new("/proc/sys/kernel/seccomp").exists() { "2" } else { "0" };
        assert_eq!(thread[..2], ["1", seccomp]);
        assert!(thread[2..].iter().all(|set| set.chars().all(|digit| digit == '0')), "{thread:?}");
    }
    let found = house.run("doctor").out;
    assert!(found.lines().any(|line| line.starts_with("sandbox\tgood\t")), "{found}");
}

/// Threads by which setup had asked a directory went free of the sandbox, and the password stayed in memory.
#[test]
fn a_setup_serves_as_a_program_of_its_own_s_334() {
    let house = House::with_alice();
    for kind in ["pop3", "pop3s", "smtp", "submission", "submissions"] {
        house.run(&format!("set {kind} 127.0.0.1:0")).done();
    }
    let server = house.serve_by("setup home.lan alice");
    let said = fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    let words: Vec<_> = said.split(|octet| *octet == 0).skip(1).collect();
    let database = house.file("poppet.redb");
    assert_eq!(words, [b"--db".as_slice(), database.as_os_str().as_encoded_bytes(), b"serve", b""]);
    assert!(server.ready.contains(" pop3=127.0.0.1:"), "{}", server.ready);
    let found = house.run("doctor").out;
    let held: Vec<_> = found.lines().filter(|line| line.starts_with("sandbox\tgood\t")).collect();
    assert!(held.len() == 1 && !found.contains("free of it"), "{found}");
}

/// A failed beginning anew left the signal of a broken pipe deadly: the end of who read the log ended the server.
#[test]
fn a_setup_whose_program_is_gone_serves_on_and_outlives_who_reads_its_log_s_334() {
    let house = House::with_alice();
    for kind in ["pop3", "pop3s", "smtp", "submission", "submissions"] {
        house.run(&format!("set {kind} 127.0.0.1:0")).done();
    }
    let server =
        house.serve_by_one_that_is_gone("setup home.lan bob --password-stdin", "correct horse battery\n");
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_ne!(ignored & 1 << (SIGPIPE - 1), 0, "{ignored:x}");
    server.deliver("bob@home.lan", "Subject: x\r\n\r\nx");
}

/// Others of the same user read neither its memory nor what it was started with (S-338).
#[test]
fn nobody_looks_into_it_s_263() {
    let house = House::with_alice();
    let server = house.serve();
    let about = fs::metadata(format!("/proc/{}/environ", server.pid())).unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&about);
    assert_eq!(uid, 0, "the kernel gives what belongs to a process that may not be traced to root");
}

#[test]
fn the_sandbox_can_be_turned_off() {
    let house = House::with_alice();
    house.run("set sandbox off").done();
    let server = house.serve();
    for thread in threads(&server, &FIELDS[..2]) {
        assert_eq!(thread, ["0", "0"]);
    }
    let found = house.run("doctor").out;
    let off = found.lines().filter(|line| line.starts_with("sandbox\tnote\t") && line.contains("is off: "));
    assert_eq!(off.count(), 4, "{found}");
    house.run("set smarthost 127.0.0.1:10025").done();
    house.run("set sandbox maybe").failed(2, "on or off");
}

/// A port of mail is open at once; one that nobody could know before waits for a restart, and says so (S-335).
#[test]
fn a_server_at_a_strange_port_waits_for_a_restart_s_335() {
    let house = House::with_alice();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let told = || {
        let found = house.run("doctor").out;
        let line = found.lines().find(|line| line.starts_with("smarthost\twrong")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{found}"))
    };
    let server = house.serve();
    if !house.run("doctor").out.contains("and TCP ports") {
        println!("this kernel guards no ports");
        return;
    }
    house.run("set smarthost 127.0.0.1:2525").done();
    house.run(&format!("set smarthost 127.0.0.1:{port}")).warned(&format!("port {port} yet"));
    assert!(told().contains("restart the server"), "{}", told());
    drop(server);
    let _server = house.serve();
    assert!(told().contains("takes no connections"), "{}", told());
    house.run(&format!("set smarthost 127.0.0.1:{port}")).done();
}

/// The queue and doctor said it when mail waited, and the command that had named the port nothing (S-335).
#[test]
fn a_command_that_names_a_strange_port_says_what_it_waits_for_s_335() {
    let house = House::with_alice();
    house.run("route before.example 127.0.0.1:10024").done();
    let _server = house.serve();
    if !house.run("doctor").out.contains("and TCP ports") {
        println!("this kernel guards no ports");
        return;
    }
    let line = "poppet: Nothing goes to port 10025 yet: it is not among what the server's sandbox knew when it started: \
                restart the server.\n";
    for command in [
        "route example.com lmtp:127.0.0.1:10025 127.0.0.1:10024 127.0.0.1:24",
        "share home.lan 127.0.0.1:10025",
        "set smarthost 127.0.0.1:10025 --for alice@home.lan",
        "set directory_servers ldaps://127.0.0.1:10025",
    ] {
        let ran = house.run(command);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", line), "{command}");
    }
    let told = house.run("--json route example.org a.example:10025 b.example:10026").json();
    let meaning = told["meaning"].as_array().unwrap();
    assert_eq!(meaning.len(), 1, "{told}");
    assert!(meaning[0].as_str().unwrap().contains("ports 10025, 10026 yet: they are not among"), "{told}");
    let told = house.run("--json set smarthost a.example:10025").json();
    assert!(told["meaning"][0].as_str().unwrap().contains("port 10025 yet"), "{told}");
    house.run("auth directory --migrate").failed(5, "restart the server");
    house.run("route example.com 127.0.0.1:10024").warned("Before, mail for example.com went to");
}
