//! TLS against a running server: old versions, floods, cut ends, and a certificate that changes.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for other tests too.
mod house;

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

use house::{House, Peer};
use poppet::admin::{Answer, Command};
use poppet::limits;
use poppet::net::control;
use poppet::settings::ListenerKind;
use rustls::ClientConnection;

// ---- the beginning -----------------------------------------------------------------------------

#[test]
fn versions_that_are_broken_are_answered_with_an_alert_and_an_end_s_248() {
    let house = House::open();
    for (what, octets, alert) in [
        ("SSL 3.0", hello(0, true), PROTOCOL_VERSION),
        ("TLS 1.0", hello(1, true), PROTOCOL_VERSION),
        ("TLS 1.1", hello(2, true), PROTOCOL_VERSION),
        ("TLS 1.0 as it was", hello(1, false), HANDSHAKE_FAILURE),
        ("SSL 2.0", b"\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80".repeat(3), DECODE_ERROR),
    ] {
        let mut peer = house.connect(ListenerKind::Pop3s);
        peer.send_octets(&octets);
        let answer = peer.rest();
        assert_eq!(answer.first(), Some(&ALERT), "{what}: {answer:?}");
        assert_eq!(answer[5..], [FATAL, alert], "{what}");
    }
    tls(&house, ListenerKind::Pop3s).expect("+OK");
}

#[test]
fn who_names_no_host_gets_the_one_certificate_there_is_s_252() {
    let house = House::open();
    let mut config = house.client_config();
    config.enable_sni = false;
    let mut peer = house.connect(ListenerKind::Pop3s).begin_tls_with(config).unwrap();
    peer.expect("+OK");
}

/// They are on threads of their own, so that who is in goes on; and a new client gets in beside them.
#[test]
fn handshakes_that_nobody_finishes_hold_nobody_up_s_253() {
    const FLOOD: usize = 300;
    let house = House::open_with(&[("connections_per_address", "1000")]);
    let mut standing = house.log_on();
    let begun = Instant::now();
    let flood: Vec<Peer> = (0..FLOOD)
        .map(|number| {
            let mut client =
                ClientConnection::new(Arc::new(house.client_config()), "mail.home.lan".try_into().unwrap())
                    .unwrap();
            let mut octets = Vec::new();
            client.write_tls(&mut octets).unwrap();
            // Each second one stops within its first word.
            octets.truncate(if number % 2 == 0 { octets.len() } else { 7 });
            let mut peer = house.connect(ListenerKind::Pop3s);
            peer.send_octets(&octets);
            peer
        })
        .collect();
    standing.dialog(&[("NOOP\r\n", "+OK")]);
    tls(&house, ListenerKind::Pop3s).dialog(&[("", "+OK"), ("QUIT\r\n", "+OK")]);
    assert!(begun.elapsed() < limits::HANDSHAKE, "the flood was over by itself");
    drop(flood);
}

// ---- while it stands ---------------------------------------------------------------------------

/// Thirty-two new keys without a word between them are a flood, not a habit.
#[test]
fn keys_are_changed_a_few_times_and_not_for_ever_s_254() {
    let house = House::open();
    for (keys, goes_on) in [(31, true), (32, true), (33, false), (10_000, false)] {
        let mut peer = tls(&house, ListenerKind::Pop3s);
        peer.dialog(&[("", "+OK"), ("USER alice@home.lan\r\n", "+OK"), ("PASS wonderland\r\n", "+OK")]);
        for _ in 0..keys {
            peer.tls().refresh_traffic_keys().unwrap();
            peer.tls().writer().flush().unwrap();
        }
        peer.try_send(b"QUIT\r\n");
        let heard = peer.try_rest();
        assert_eq!(heard.starts_with(b"+OK"), goes_on, "{keys}: {heard:?}");
        if !goes_on {
            house.log_on_within_a_minute().dialog(&[("QUIT\r\n", "+OK")]);
        }
    }
}

#[test]
fn records_of_one_octet_are_a_line_as_any_other_s_254() {
    let house = House::open();
    let mut peer = tls(&house, ListenerKind::Pop3s);
    peer.expect("+OK");
    for octet in b"USER alice@home.lan\r\nPASS wonderland\r\nSTAT\r\n" {
        peer.send_octets(&[*octet]);
    }
    for reply in ["+OK", "+OK", "+OK 0 0"] {
        peer.expect(reply);
    }
}

/// Who cuts the connection could else cut a message short, and the rest of it would never be missed.
#[test]
fn a_message_whose_end_was_cut_off_is_not_stored_s_255() {
    let house = House::open();
    for (text, says_goodbye) in [
        ("text\r\n", false),
        ("text\r\n.", false),
        ("text\r\n.\r", false),
        ("text\r\n", true),
        ("text\r\n.\r", true),
    ] {
        let mut smtp = in_data(&house);
        smtp.send(text);
        if says_goodbye {
            smtp.say_goodbye();
        }
        smtp.socket().shutdown(Shutdown::Write).unwrap();
        smtp.try_rest();
    }
    let mut pop3 = house.log_on();
    pop3.dialog(&[("STAT\r\n", "+OK 0 0"), ("QUIT\r\n", "+OK")]);
    let mut smtp = in_data(&house);
    smtp.send("text\r\n.\r\n");
    smtp.socket().shutdown(Shutdown::Write).unwrap();
    smtp.expect("250 ");
    house.log_on_within_a_minute().dialog(&[("STAT\r\n", "+OK 1 ")]);
}

// ---- another certificate -----------------------------------------------------------------------

/// The server presented its old one until it was started anew.
#[test]
fn a_new_certificate_is_shown_at_once_and_ends_no_session_s_257() {
    let house = House::open();
    let mut standing: Vec<Peer> = (0..20).map(|_| tls(&house, ListenerKind::Pop3s)).collect();
    let first = certificate(&mut standing[0]);
    let command = Command::EnsureCertificate {
        organisation: "home.lan".parse().unwrap(),
        names: ["mail.home.lan", "another.home.lan"].map(String::from).to_vec(),
        addresses: Vec::new(),
    };
    let answer = control::ask(&house.control_socket().with_extension("redb"), &command).unwrap().unwrap();
    assert!(matches!(answer, Answer::Certificate { is_new: true, .. }), "{answer:?}");
    let mut late = tls(&house, ListenerKind::Pop3s);
    assert_ne!(certificate(&mut late), first);
    late.expect("+OK");
    for peer in &mut standing {
        peer.dialog(&[("", "+OK"), ("QUIT\r\n", "+OK")]);
    }
}

fn tls(house: &House, kind: ListenerKind) -> Peer {
    house.connect(kind).begin_tls(house, &[]).unwrap()
}

fn certificate(peer: &mut Peer) -> Vec<u8> {
    peer.tls().peer_certificates().unwrap()[0].to_vec()
}

/// Inside TLS, in a message for alice.
fn in_data(house: &House) -> Peer {
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.dialog(&[("EHLO client.lan\r\n", "220 ")]);
    smtp.expect_last("250 ");
    smtp.dialog(&[("STARTTLS\r\n", "220 ")]);
    let mut smtp = smtp.begin_tls(house, &["smtp"]).unwrap();
    smtp.send("EHLO client.lan\r\n");
    smtp.expect_last("250 ");
    smtp.dialog(&[
        ("MAIL FROM:<bob@example.org>\r\n", "250 "),
        ("RCPT TO:<alice@home.lan>\r\n", "250 "),
        ("DATA\r\n", "354 "),
    ]);
    smtp.send("Subject: test\r\n\r\n");
    smtp
}

/// A client's first words of that minor version, and whether they name signatures, which came with TLS 1.2.
fn hello(minor: u8, names_signatures: bool) -> Vec<u8> {
    let extensions: &[u8] = if names_signatures { b"\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03" } else { b"" };
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session; an elliptic curve's suite and RSA's; no compression.
    body.extend(b"\x00\x00\x04\xc0\x09\x00\x2f\x01\x00");
    body.extend(extensions);
    let mut octets = vec![22, 3, minor, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    octets.append(&mut body);
    octets
}

const ALERT: u8 = 21;
const FATAL: u8 = 2;
// As TLS numbers its alerts.
const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
