//! The server over real sockets: what no session alone can show.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)] // Made for other tests too.
mod house;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use house::House;
use poppet::admin::Command;
use poppet::limits;
use poppet::net::control;
use poppet::settings::ListenerKind;

#[test]
fn mail_goes_in_and_comes_out() {
    let house = House::open();
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    smtp.send("EHLO client.lan\r\n");
    smtp.expect_last("250 ");
    smtp.dialog(&[
        ("MAIL FROM:<bob@example.org>\r\n", "250 "),
        ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ("DATA\r\n", "354 "),
        ("Subject: hello\r\n\r\n..one dot\r\nbye\r\n.\r\n", "250 "),
        ("QUIT\r\n", "221 "),
    ]);
    smtp.expect_end();

    let mut pop3 = house.log_on();
    pop3.dialog(&[("STAT\r\n", "+OK 1 "), ("RETR 1\r\n", "+OK ")]);
    let message = pop3.lines_to_dot();
    assert!(message.contains("\r\nSubject: hello\r\n\r\n..one dot\r\nbye\r\n"), "{message}");
    pop3.dialog(&[("TOP 1 1\r\n", "+OK")]);
    let top = pop3.lines_to_dot();
    assert!(top.ends_with("\r\n\r\n..one dot\r\n"), "{top}");
    pop3.dialog(&[("DELE 1\r\n", "+OK"), ("QUIT\r\n", "+OK")]);
    pop3.expect_end();

    house.log_on().dialog(&[("STAT\r\n", "+OK 0 0")]);
}

#[test]
fn a_long_message_comes_out_as_it_went_in() {
    let house = House::open();
    let body: String = (0..20_000).map(|number| format!(".{number} is a line\r\n..\r\n")).collect();
    house.deliver(&body.replace("\r\n.", "\r\n..").replacen('.', "..", 1));
    let mut pop3 = house.log_on();
    pop3.dialog(&[("RETR 1\r\n", "+OK ")]);
    let message = pop3.lines_to_dot().replace("\r\n.", "\r\n");
    let (_, sent) = message.split_once("\r\n\r\n").unwrap();
    assert!(sent == body, "{} octets of {}", sent.len(), body.len());
}

#[test]
fn octet_by_octet_is_as_good_as_at_once() {
    let house = House::open();
    let mut pop3 = house.connect(ListenerKind::Pop3);
    pop3.expect("+OK");
    for octet in b"USER alice@home.lan\r\nPASS wonderland\r\nSTAT\r\n" {
        pop3.send_octets(&[*octet]);
    }
    pop3.expect("+OK");
    pop3.expect("+OK");
    pop3.expect("+OK 0 0");
}

#[test]
fn a_burst_is_answered_in_whole_also_after_half_close_s_079() {
    let house = House::open();
    let mut pop3 = house.connect(ListenerKind::Pop3);
    pop3.send("USER alice@home.lan\r\nPASS wonderland\r\nSTAT\r\nNOOP\r\nLIST\r\n");
    pop3.socket().shutdown(Shutdown::Write).unwrap();
    for reply in ["+OK", "+OK", "+OK", "+OK 0 0", "+OK", "+OK", "."] {
        pop3.expect(reply);
    }
    pop3.expect_end();
}

#[test]
fn a_maildrop_has_one_session_and_is_free_after_an_abrupt_end_s_225() {
    let house = House::open();
    let first = house.log_on();
    let mut second = house.connect(ListenerKind::Pop3);
    second.expect("+OK");
    second.dialog(&[("USER alice@home.lan\r\n", "+OK"), ("PASS wonderland\r\n", "-ERR [IN-USE]")]);
    drop(first);
    house.log_on_within_a_minute();
}

#[test]
fn ten_thousand_commands_unread_cost_bounded_memory_and_are_all_answered_s_236() {
    let house = House::open();
    let mut pop3 = house.log_on();
    let mut sender = pop3.socket().try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        sender.write_all("CAPA\r\n".repeat(10_000).as_bytes()).unwrap();
        sender.write_all(b"QUIT\r\n").unwrap();
    });
    let mut ends = 0;
    while ends < 10_000 {
        if pop3.line() == ".\r\n" {
            ends += 1;
        }
    }
    pop3.expect("+OK");
    pop3.expect_end();
    writer.join().unwrap();
}

#[test]
fn one_address_has_no_more_connections_than_it_may_s_264() {
    let house = House::open_with(&[("connections_per_address", "3")]);
    let mut standing: Vec<_> = (0..3)
        .map(|_| {
            let mut pop3 = house.connect(ListenerKind::Pop3);
            pop3.expect("+OK");
            pop3
        })
        .collect();
    let mut fourth = house.connect(ListenerKind::Pop3);
    fourth.expect("-ERR [SYS/TEMP] ");
    fourth.expect_end();
    let mut fifth = house.connect(ListenerKind::Smtp);
    fifth.expect("421 4.7.0 ");
    fifth.expect_end();

    let mut leaving = standing.remove(0);
    leaving.dialog(&[("QUIT\r\n", "+OK")]);
    leaving.expect_end();
    house.log_on_within_a_minute();
}

#[test]
fn garbage_for_a_handshake_is_answered_with_an_alert_and_an_end_s_041() {
    let house = House::open();
    for garbage in
        [&b"EHLO x\r\n"[..], &[0; 65_536], b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", &[0xff; 300]]
    {
        let mut pop3 = house.connect(ListenerKind::Pop3);
        pop3.expect("+OK");
        pop3.dialog(&[("STLS\r\n", "+OK")]);
        pop3.try_send(garbage);
        let answer = pop3.rest();
        assert!(!answer.windows(2).any(|two| two == b"OK" || two == b"22"), "{answer:?}");
    }
    house.log_on();
}

#[test]
fn plaintext_on_a_tls_port_gets_no_word_in_the_clear_s_049() {
    let house = House::open();
    for (kind, words) in [(ListenerKind::Submissions, "EHLO x\r\n"), (ListenerKind::Pop3s, "USER x\r\n")] {
        let mut peer = house.connect(kind);
        peer.try_send(words.as_bytes());
        let answer = peer.rest();
        // At most a TLS alert: content type 21.
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
}

#[test]
fn octets_behind_stls_end_the_connection() {
    let house = House::open();
    let mut pop3 = house.connect(ListenerKind::Pop3);
    pop3.expect("+OK");
    pop3.send("STLS\r\nUSER mallory@home.lan\r\n");
    let answer = String::from_utf8(pop3.rest()).unwrap();
    assert!(answer.lines().count() <= 1, "{answer}");
}

#[test]
fn the_same_words_work_inside_tls() {
    let house = House::open();
    for (kind, begin) in [(ListenerKind::Pop3s, None), (ListenerKind::Pop3, Some(("STLS\r\n", "+OK")))] {
        let mut pop3 = house.connect(kind);
        if let Some(begin) = begin {
            pop3.expect("+OK");
            pop3.dialog(&[begin]);
        }
        let mut pop3 = pop3.begin_tls(&house, &[]).unwrap();
        if begin.is_none() {
            pop3.expect("+OK");
        }
        pop3.dialog(&[
            ("USER alice@home.lan\r\n", "+OK"),
            ("PASS wonderland\r\n", "+OK"),
            ("STAT\r\n", "+OK 0 0"),
            ("QUIT\r\n", "+OK"),
        ]);
        pop3.expect_end();
    }
}

#[test]
fn a_peer_that_speaks_another_protocol_is_refused_s_048() {
    let house = House::open();
    for (protocol, is_taken) in [("pop3", true), ("h2", false), ("smtp", false)] {
        let peer = house.connect(ListenerKind::Pop3s).begin_tls(&house, &[protocol]);
        assert_eq!(peer.is_ok(), is_taken, "{protocol}");
    }
    assert!(house.connect(ListenerKind::Submissions).begin_tls(&house, &["smtp"]).is_ok());
}

#[test]
fn a_refused_command_of_the_control_socket_closes_that_client_only_s_323_s_324() {
    let house = House::open();
    for garbage in [&b"EHLO x\r\n"[..], b"ppc2\x01\0\0\0\0", b"ppc1\xff\xff\xff\xff", b"ppc1\x01\0\0\0\xff"] {
        let mut client = UnixStream::connect(house.control_socket()).unwrap();
        client.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        // Octets that were not read make it a reset.
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{garbage:?}");
    }
    let stalled: Vec<_> =
        (0..10).map(|_| UnixStream::connect(house.control_socket())).filter_map(Result::ok).collect();
    house.log_on();
    drop(stalled);
}

#[test]
fn users_send_inside_tls_after_a_logon() {
    let house = House::open();
    let mut smtp = house.connect(ListenerKind::Submissions).begin_tls(&house, &[]).unwrap();
    smtp.expect("220 ");
    smtp.send("EHLO client.lan\r\n");
    smtp.expect_last("250 ");
    smtp.dialog(&[
        ("MAIL FROM:<alice@home.lan>\r\n", "530 "),
        ("AUTH PLAIN AGFsaWNlQGhvbWUubGFuAHdvbmRlcmxhbmQ=\r\n", "235 "),
        ("MAIL FROM:<alice@home.lan>\r\n", "250 "),
        ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ("DATA\r\n", "354 "),
        ("Subject: to myself\r\n\r\nhello\r\n.\r\n", "250 "),
        ("QUIT\r\n", "221 "),
    ]);
    smtp.expect_end();
    let mut pop3 = house.log_on();
    pop3.dialog(&[("RETR 1\r\n", "+OK ")]);
    let message = pop3.lines_to_dot();
    assert!(message.contains("ESMTPSA (version=TLS1.3 cipher=TLS13_"), "{message}");
}

#[test]
fn starttls_begins_anew_on_the_open_port() {
    let house = House::open();
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    smtp.send("EHLO client.lan\r\n");
    smtp.expect_last("250 ");
    smtp.dialog(&[("STARTTLS\r\n", "220 ")]);
    let mut smtp = smtp.begin_tls(&house, &[]).unwrap();
    smtp.send("EHLO client.lan\r\n");
    smtp.expect_last("250 ");
    smtp.dialog(&[("MAIL FROM:<>\r\n", "250 "), ("RCPT TO:<Postmaster>\r\n", "250 ")]);
    smtp.dialog(&[("RCPT TO:<nobody@home.lan>\r\n", "550 "), ("RCPT TO:<a@example.org>\r\n", "550 ")]);
}

#[test]
fn a_mail_under_way_is_taken_before_the_server_stops() {
    let mut house = House::open();
    let pop3 = house.address(ListenerKind::Pop3);
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    smtp.dialog(&[
        ("HELO client.lan\r\n", "250 "),
        ("MAIL FROM:<>\r\n", "250 "),
        ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ("DATA\r\n", "354 "),
    ]);
    smtp.send("Subject: the first half\r\n\r\n");
    let stopping = std::thread::spawn(move || {
        house.stop();
        house
    });
    while TcpStream::connect(pop3).is_ok() {}
    smtp.dialog(&[("the second half\r\n.\r\n", "250 ")]);
    smtp.expect("421 ");
    smtp.expect_end();
    stopping.join().unwrap();
}

#[test]
fn a_stopping_server_says_so_and_leaves_nothing() {
    let mut house = House::open();
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    let mut pop3 = house.log_on();
    house.stop();
    smtp.expect("421 ");
    smtp.expect_end();
    pop3.expect_end();
    assert!(!house.control_socket().exists());
    assert!(TcpStream::connect(house.address(ListenerKind::Pop3)).is_err());
}

/// The first octets of a TLS hello: no line feed among them.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03";

/// A mail program set to TLS on a port without it waited for a minute: its hello has no line end, and the
/// server waited for one.
#[test]
fn a_hello_of_tls_on_a_port_in_the_clear_is_answered_at_once_s_067() {
    let house = House::open();
    for kind in [ListenerKind::Smtp, ListenerKind::Submission] {
        for octets in [HELLO, &HELLO[..1], b"\x80\x2E\x01\x00\x02", b"\x03\x00\x00\x13"] {
            let mut smtp = house.connect(kind);
            smtp.expect("220 ");
            smtp.send_octets(octets);
            smtp.expect("500 5.5.1 ");
            smtp.expect_end();
        }
        let mut smtp = house.connect(kind);
        smtp.dialog(&[("EHLO x\r\n", "220 ")]);
        smtp.expect_last("250 ");
        smtp.send_octets(HELLO);
        smtp.dialog(&[("\r\n", "501 5.5.2 "), ("NOOP\r\n", "250 ")]);
    }
}

/// A line without an end was cut off without a word.
#[test]
fn a_line_without_an_end_is_refused_before_the_connection_is_closed_s_051() {
    let house = House::open();
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    smtp.send_octets(&vec![b'a'; limits::SKIPPED_LINE_OCTETS + 1]);
    smtp.expect("500 5.5.2 ");
    smtp.expect_end();
}

/// Who was logged on when his password was changed was told that the server stops.
#[test]
fn a_sender_whose_password_is_changed_is_told_to_log_on_again_s_180() {
    let house = House::open();
    let mut smtp = house.connect(ListenerKind::Submission);
    smtp.dialog(&[("EHLO x\r\n", "220 ")]);
    smtp.expect_last("250 ");
    smtp.dialog(&[("AUTH PLAIN AGFsaWNlQGhvbWUubGFuAHdvbmRlcmxhbmQ=\r\n", "235 ")]);
    let command = Command::SetPassword { address: "alice@home.lan".parse().unwrap(), password: None };
    control::ask(&house.control_socket().with_extension("redb"), &command).unwrap().unwrap();
    smtp.expect("421 4.7.0 ");
    smtp.expect_end();
}
