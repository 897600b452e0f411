//! The real binary with a mailbox beyond ASCII: its name wherever it is written, and international mail for clients
//! that can read it and for those that can't. RFC 6531, RFC 6856, RFC 6858.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the command line's tests.
#[path = "command_line/house.rs"]
mod house;
#[allow(dead_code)] // Made for the dialogs.
#[path = "dialogs/proofs.rs"]
mod proofs;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use base64ct::{Base64, Encoding};
use house::{House, Server};
use proofs::Scram;

/// One name, as it is kept and as others may write it: in capitals, with the letter and its dots apart, wide.
const NAMES: [&str; 4] = ["jörg@home.lan", "JÖRG@Home.LAN", "jo\u{308}rg@home.lan", "JO\u{308}RG@home.lan"];
const PASSWORD: &str = "žluťoučký kůň";

/// A house with Jörg and Bob in it, whose POP3 takes passwords without TLS.
fn furnished() -> House {
    let house = House::with_alice();
    house.run("set plaintext always").done();
    for name in ["JO\u{308}RG@home.lan", "bob@home.lan"] {
        house.run_with(&format!("add {name} --password-stdin"), &format!("{PASSWORD}\n")).done();
    }
    house
}

struct Peer {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Peer {
    fn call(server: &Server, listener: &str) -> Peer {
        let stream = TcpStream::connect(server.at(listener)).unwrap();
        let mut peer = Peer { replies: BufReader::new(stream.try_clone().unwrap()), stream };
        peer.line();
        peer
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.replies.read_until(b'\n', &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    /// Sends a line; gives the last line of the reply.
    fn ask(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        loop {
            let reply = self.line();
            if reply.as_bytes().get(3) != Some(&b'-') || reply.starts_with("-ERR") {
                return reply;
            }
        }
    }

    #[track_caller]
    fn must(&mut self, line: &str, beginning: &str) -> String {
        let reply = self.ask(line);
        assert!(reply.starts_with(beginning), "{line:?} was answered {reply:?}");
        reply
    }

    /// Sends a line; gives what follows the first line of the reply, without its final dot and unstuffed.
    fn lines(&mut self, line: &str) -> String {
        self.must(line, "+OK");
        let mut lines = String::new();
        loop {
            match self.line().as_str() {
                ".\r\n" => return lines,
                line => lines.push_str(line.strip_prefix('.').unwrap_or(line)),
            }
        }
    }

    /// STAT's octets, LIST's, and RETR's message: all must agree (P7).
    fn retrieve(&mut self) -> String {
        let stat = self.must("STAT", "+OK 1 ");
        let list = self.must("LIST 1", "+OK 1 ");
        let announced = self.must("RETR 1", "+OK ");
        let octets: usize = list.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(stat.ends_with(&format!(" {octets}\r\n")), "{stat}");
        assert!(announced.starts_with(&format!("+OK {octets} ")), "{announced}");
        let mut message = String::new();
        loop {
            match self.line().as_str() {
                ".\r\n" => break,
                line => message.push_str(line.strip_prefix('.').unwrap_or(line)),
            }
        }
        assert_eq!(message.len(), octets, "{message}");
        message
    }
}

/// Logs on; a session that ends otherwise than by QUIT may hold the maildrop for a moment.
fn log_on(server: &Server, user: &str, password: &str, is_utf8: bool) -> Peer {
    let mut peer = Peer::call(server, "pop3");
    if is_utf8 {
        peer.must("UTF8", "+OK");
    }
    peer.must(&format!("USER {user}"), "+OK");
    peer.must(&format!("PASS {password}"), "+OK");
    peer
}

/// Sends a mail that says SMTPUTF8, or doesn't.
fn send(server: &Server, from: &str, to: &[&str], message: &str) {
    let mut smtp = Peer::call(server, "smtp");
    smtp.must("EHLO client.test", "250");
    smtp.must(&format!("MAIL FROM:<{from}"), "250");
    for to in to {
        smtp.must(&format!("RCPT TO:<{to}>"), "250");
    }
    smtp.must("DATA", "354");
    smtp.must(&format!("{message}."), "250");
    smtp.must("QUIT", "221");
}

#[test]
fn the_name_is_one_mailbox_on_the_command_line_and_shown_as_it_is() {
    let house = furnished();
    for name in NAMES {
        house.run(&format!("add {name}")).failed(4, "jörg@home.lan");
        assert!(house.run(&format!("stat {name}")).done().starts_with("jörg@home.lan\t0\t"));
    }
    assert!(house.run("list home.lan").done().contains("\njörg@home.lan\topen\t"));
    assert_eq!(house.run("stat home.lan --json").json()[2]["mailbox"], "jörg@home.lan");
    {
        let server = house.serve();
        send(&server, "møller@far.test> SMTPUTF8", &["JÖRG@home.lan"], "Subject: Grüße\r\n\r\nHallo\r\n");
        let listed = house.run("read jo\u{308}rg@home.lan");
        assert!(listed.done().contains("Grüße"), "{listed:?}");
        let read = house.run("read JÖRG@home.lan 1");
        assert!(read.done().starts_with("Return-Path: <møller@far.test>\r\nDelivered-To: jörg@home.lan\r\n"));
        assert!(house.run("stat jörg@home.lan").done().starts_with("jörg@home.lan\t1\t"));
        house.run("del JÖRG@home.lan").failed(5, "say \"poppet del jörg@home.lan --yes\"");
        house.run("del JÖRG@home.lan --yes").done();
        house.run("stat xörg@home.lan").failed(3, "there is no mailbox xörg@home.lan");
        assert!(house.run("undelete jo\u{308}rg@home.lan").done().starts_with("jörg@home.lan\tyes\t1\t"));
    }
    house.run("lock JÖRG@home.lan").done();
    assert!(house.run("list home.lan").done().contains("\njörg@home.lan\tlocked\t"));
}

#[test]
fn the_log_shows_the_name_as_it_is() {
    let house = furnished();
    let path = house.file("log");
    {
        let err = Stdio::from(File::create(&path).unwrap());
        let server = house.serve_with(&[("POPPET_LOG", "info")], err);
        log_on(&server, "JÖRG@home.lan", PASSWORD, true).must("QUIT", "+OK");
        let mut stranger = Peer::call(&server, "pop3");
        stranger.must("USER jo\u{308}rg@home.lan", "+OK");
        stranger.must("PASS wrong", "-ERR [AUTH]");
    }
    let log = fs::read_to_string(path).unwrap();
    let refused = log.lines().find(|line| line.contains(" refused, ")).unwrap();
    assert!(refused.ends_with(": user jörg@home.lan"), "{refused}");
    assert!(!log.contains("\\x"), "{log}");
}

#[test]
fn jorg_logs_on_by_each_mechanism_however_his_name_is_written() {
    let house = furnished();
    let server = house.serve();
    for (number, name) in NAMES.into_iter().enumerate() {
        for is_utf8 in [false, true] {
            log_on(&server, name, PASSWORD, is_utf8).must("QUIT", "+OK");
        }
        let plain = Base64::encode_string(format!("\0{name}\0{PASSWORD}").as_bytes());
        let mut peer = Peer::call(&server, "pop3");
        peer.must(&format!("AUTH PLAIN {plain}"), "+OK");
        peer.must("QUIT", "+OK");

        let mut peer = Peer::call(&server, "pop3");
        let mut scram = Scram::new(name, PASSWORD.as_bytes(), number as u64);
        let challenge = peer.must(&format!("AUTH SCRAM-SHA-256 {}", scram.first()), "+ ");
        let last = scram.last(challenge[2..].trim_end()).unwrap();
        let proof = peer.must(&last, "+ ");
        scram.ends(proof[2..].trim_end()).unwrap();
        peer.must("", "+OK");
        peer.must("QUIT", "+OK");
    }
}

#[test]
fn international_mail_is_whole_with_utf8_and_a_surrogate_without() {
    let house = furnished();
    let server = house.serve();
    let header = "From: Jörg Møller <møller@far.test>\r\nSubject: Grüße\r\nX-Ort: Köln\r\n";
    let message = format!("{header}\r\n..Hallo Jörg\r\nzwei\r\ndrei\r\n");
    let to = ["alice@home.lan", "bob@home.lan", "jörg@home.lan"];
    send(&server, "møller@far.test> SMTPUTF8", &to, &message);
    let users = [("alice@home.lan", "wonderland"), ("bob@home.lan", PASSWORD), ("jörg@home.lan", PASSWORD)];
    for (user, password) in users {
        let mut reader = log_on(&server, user, password, true);
        let stored = reader.retrieve();
        let front = format!("Return-Path: <møller@far.test>\r\nDelivered-To: {user}\r\nReceived: ");
        assert!(stored.starts_with(&front), "{stored}");
        assert!(stored.ends_with(&message.replace("..", ".")), "{stored}");
        let top = reader.lines("TOP 1 0");
        assert!(stored.starts_with(&top) && top.ends_with(&format!("{header}\r\n")), "{top}");
        reader.must("QUIT", "+OK");

        let mut reader = log_on(&server, user, password, false);
        let surrogate = reader.retrieve();
        let (shown, body) = surrogate.split_once("\r\n\r\n").unwrap();
        assert!(shown.is_ascii(), "{shown}");
        assert!(shown.starts_with("Return-Path: <invalid@internationalized-address.invalid>\r\n"), "{shown}");
        let told = user.is_ascii().then(|| format!("\r\nDelivered-To: {user}\r\n"));
        assert_eq!(shown.contains("Delivered-To"), told.is_some());
        assert!(told.is_none_or(|told| shown.contains(&told)), "{shown}");
        assert!(shown.contains("\r\nReceived: ") && shown.contains("\r\nSubject: =?UTF-8?B?"), "{shown}");
        assert!(!shown.contains("X-Ort"), "{shown}");
        assert_eq!(body, ".Hallo Jörg\r\nzwei\r\ndrei\r\n");
        for (lines, wanted) in [(0, ""), (1, ".Hallo Jörg\r\n"), (2, ".Hallo Jörg\r\nzwei\r\n"), (9, body)]
        {
            assert_eq!(reader.lines(&format!("TOP 1 {lines}")), format!("{shown}\r\n\r\n{wanted}"));
        }
        // Removed and brought back it is the same.
        reader.must("DELE 1", "+OK");
        reader.must("QUIT", "+OK");
        house.run(&format!("undelete {user}")).done();
        assert_eq!(log_on(&server, user, password, false).retrieve(), surrogate);
    }
}

#[test]
fn who_reads_one_after_the_other_gets_each_as_it_is_listed() {
    let house = furnished();
    let server = house.serve();
    for number in 0..12 {
        let word = ["Grüße", "greetings", "日本語"][number % 3];
        let body = "Zeile für Zeile\r\n".repeat(number * 1500);
        let from = ["a@b.test> SMTPUTF8", "a@b.test> BODY=8BITMIME"][number % 2];
        send(&server, from, &["bob@home.lan"], &format!("Subject: {word} {number}\r\n\r\n{body}"));
    }
    for is_utf8 in [false, true] {
        let mut reader = log_on(&server, "bob@home.lan", PASSWORD, is_utf8);
        let list = reader.lines("LIST");
        for (number, line) in (0..).zip(list.lines()) {
            let message = reader.lines(&format!("RETR {}", number + 1));
            assert_eq!(line, format!("{} {}", number + 1, message.len()), "{is_utf8}");
            let header = message.split_once("\r\n\r\n").unwrap().0;
            // What doesn't say SMTPUTF8 is served as it is stored.
            let is_shown_as_stored = is_utf8 || number % 2 == 1 || number % 3 == 1;
            assert_eq!(header.contains(["Grüße", "greetings", "日本語"][number % 3]), is_shown_as_stored);
        }
        assert_eq!(list.lines().count(), 12);
        reader.must("QUIT", "+OK");
    }
}

#[test]
fn mail_for_a_postmaster_beyond_ascii_gets_a_surrogate_without_smtputf8_too() {
    let house = furnished();
    house.run("set postmaster jörg@home.lan").done();
    let server = house.serve();
    send(&server, "a@b.test>", &["postmaster"], "Subject: hello\r\n\r\ntext\r\n");
    let mut reader = log_on(&server, "jörg@home.lan", PASSWORD, true);
    let stored = reader.retrieve();
    reader.must("QUIT", "+OK");
    assert!(stored.contains("\r\nDelivered-To: jörg@home.lan\r\n"), "{stored}");
    let surrogate = log_on(&server, "jörg@home.lan", PASSWORD, false).retrieve();
    assert_eq!(surrogate, stored.replace("Delivered-To: jörg@home.lan\r\n", ""));
}
