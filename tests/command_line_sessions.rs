//! The real binary: who and kick.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use house::House;

fn greeted(address: String) -> BufReader<TcpStream> {
    let mut peer = BufReader::new(TcpStream::connect(address).unwrap());
    peer.read_line(&mut String::new()).unwrap();
    peer
}

#[test]
fn sessions_are_shown_and_ended() {
    let house = House::with_alice();
    let server = house.serve();
    assert_eq!(house.run("who").done(), "");
    assert_eq!(house.run("who --json").json(), serde_json::json!([]));

    let mut pop3 = greeted(server.at("pop3"));
    let mut smtp = greeted(server.at("smtp"));
    let who = house.run("who");
    let rows: Vec<Vec<&str>> = who.done().lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2, "{who:?}");
    assert_eq!((rows[0][1], rows[0][2], rows[0][3], rows[0].len()), ("pop3", "", "127.0.0.1", 10));
    let json = house.run("--json who").json();
    assert_eq!((json[1]["listener"].as_str(), json[1]["user"].is_null()), (Some("smtp"), true));
    assert!(json[1]["octets_out"].as_u64().unwrap() > 0 && json[1]["idle_seconds"].is_u64());

    assert_eq!(house.run(&format!("kick {}", rows[0][0])).done(), "1\n");
    assert_eq!(pop3.read_to_string(&mut String::new()).unwrap(), 0);
    assert_eq!(house.run("kick --all --json").json()["sessions"].as_u64(), Some(1));
    let mut goodbye = String::new();
    smtp.read_to_string(&mut goodbye).unwrap();
    assert!(goodbye.starts_with("421 4.3.2 "), "{goodbye}");
}

/// The log called a session lost that was kicked while its wrong password was answered slowly, as if the client had
/// gone by itself.
#[test]
fn who_is_kicked_while_he_waits_for_his_refusal_is_kicked_p18() {
    let house = House::with_alice();
    house.run("set plaintext always").done();
    let mut command = house.command();
    let flags = "serve --pop3 127.0.0.1:0 --smtp off --pop3s off --submission off --submissions off";
    command.args(flags.split(' ')).env("POPPET_LOG", "info").stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let mut pop3 = greeted(ready.trim().strip_prefix("ready pop3=").unwrap().to_owned());
    pop3.get_mut().write_all(&b"USER alice@home.lan\r\nPASS wrong\r\n".repeat(2)).unwrap();

    let begun = Instant::now();
    while house.run("who").done().split('\t').nth(4) != Some("logon") {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is never seen to wait");
    }
    assert_eq!(house.run("kick --all").done(), "1\n");
    pop3.read_to_string(&mut String::new()).unwrap();
    let log = BufReader::new(server.stderr.take().unwrap());
    let line = log.lines().map_while(Result::ok).find(|line| line.contains("logons refused"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(line.as_ref().is_some_and(|line| line.contains(" clear kicked after ")), "{line:?}");
}

#[test]
fn fetched_mail_is_told_as_retrieved() {
    let house = House::with_alice();
    house.run("set plaintext always").done();
    let server = house.serve();
    for subject in ["one", "two"] {
        server.deliver("alice@home.lan", &format!("Subject: {subject}\r\n\r\ntext"));
    }
    let told = || {
        let stat = house.run("stat alice@home.lan --json").json();
        (stat[0]["messages"].as_u64(), stat[0]["retrieved"].as_u64())
    };
    assert_eq!(told(), (Some(2), Some(0)));
    let mut client = greeted(server.at("pop3"));
    let session = b"USER alice@home.lan\r\nPASS wonderland\r\nTOP 1 0\r\nRETR 2\r\nQUIT\r\n";
    client.get_mut().write_all(session).unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    assert_eq!(replies.matches("\r\n+OK").count(), 4, "{replies}");
    assert_eq!(told(), (Some(2), Some(1)));
    let stat = house.run("stat");
    assert!(stat.done().starts_with("home.lan\t1\t2\t"), "{stat:?}");
    assert_eq!(stat.done().split('\t').nth(4), Some("1"), "{stat:?}");
}

#[test]
fn whom_nobody_is_is_3() {
    let house = House::with_alice();
    let _server = house.serve();
    house.run("kick 999").failed(3, "there is no session 999: \"poppet who\"");
    house.run("kick alice@home.lan").failed(3, "there are no sessions of alice@home.lan");
    house.run("kick home.lan").failed(3, "there are no sessions of home.lan");
    house.run("kick --all").failed(3, "there are no sessions");
}

#[test]
fn without_a_server_there_is_nobody_and_6() {
    let house = House::with_alice();
    for line in ["who", "who --json", "kick 1", "kick alice@home.lan", "kick --all"] {
        house.run(line).failed(6, "the server is not running");
    }
    let left = house.serve();
    drop(left);
    house.run("who").failed(6, "the server is not running");
}

#[test]
fn misuse_is_2_with_or_without_a_server() {
    let house = House::with_alice();
    for (line, wanted) in [
        ("kick", "--all"),
        ("kick 1 --all", "either"),
        ("kick all", "poppet kick --all"),
        ("kick -1", "poppet kick --help"),
        ("kick 99999999999999999999", "poppet who"),
        ("kick a@", "can't be"),
        ("kick 1 2", "too many"),
        ("who alice", "too many"),
        ("kikc 1", "did you mean kick?"),
        ("whoo", "did you mean who?"),
    ] {
        house.run(line).failed(2, wanted);
    }
}
