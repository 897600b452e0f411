//! Sessions of a running server as the administrator sees and ends them.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for other tests too.
mod house;

use std::time::{Duration, Instant};

use house::{House, Peer};
use poppet::admin::{Answer, Command, Failure, SessionRow, Whom};
use poppet::net::control;
use poppet::settings::ListenerKind;

fn ask(house: &House, command: Command) -> Result<Answer, poppet::admin::AdminError> {
    control::ask(&house.control_socket().with_extension("redb"), &command).unwrap()
}

fn who(house: &House) -> Vec<SessionRow> {
    match ask(house, Command::Sessions).unwrap() {
        Answer::Sessions(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn kick(house: &House, whom: Whom) -> u32 {
    match ask(house, Command::Kick(whom)).unwrap() {
        Answer::Kicked { sessions } => sessions,
        other => panic!("{other:?}"),
    }
}

fn alice() -> Whom {
    Whom::Target("alice@home.lan".parse().unwrap())
}

/// Looks again and again until it holds; half the time after which a stalled session would end by itself.
fn until(house: &House, what: &str, mut holds: impl FnMut(&[SessionRow]) -> bool) {
    let begun = Instant::now();
    while !holds(&who(house)) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {:?}", who(house));
    }
}

fn smtp_with_recipient(house: &House) -> Peer {
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    smtp.dialog(&[
        ("HELO client.lan\r\n", "250 "),
        ("MAIL FROM:<bob@example.org>\r\n", "250 "),
        ("RCPT TO:<alice@home.lan>\r\n", "250 "),
    ]);
    smtp
}

#[test]
fn sessions_show_who_they_are_and_what_they_have_moved() {
    let house = House::open();
    assert_eq!(who(&house), []);
    let mut pop3 = house.log_on();
    let mut inside = house.connect(ListenerKind::Pop3s).begin_tls(&house, &["pop3"]).unwrap();
    inside.expect("+OK");
    pop3.dialog(&[("NOOP\r\n", "+OK")]);
    until(&house, "both wait", |rows| {
        rows.len() == 2 && rows.iter().all(|row| row.state == "waiting" && row.octets_out > 0)
    });
    let rows = who(&house);
    assert_eq!(rows[0].user.as_ref().unwrap().as_str(), "alice@home.lan");
    assert_eq!((rows[0].listener.as_str(), rows[0].peer.to_string().as_str()), ("pop3", "127.0.0.1"));
    let said = "USER alice@home.lan\r\nPASS wonderland\r\nNOOP\r\n".len() as u64;
    assert_eq!((rows[0].octets_in, rows[0].tls.as_ref()), (said, None));
    assert!(rows[1].number > rows[0].number);
    assert_eq!((rows[1].listener.as_str(), rows[1].user.as_ref()), ("pop3s", None));
    assert!(rows[1].tls.as_ref().unwrap().starts_with("TLSv1.3 "), "{rows:?}");
}

#[test]
fn a_kicked_pop3_session_ends_without_its_deletions_and_frees_the_maildrop_s_225() {
    let house = House::open();
    house.deliver("text\r\n");
    let mut pop3 = house.log_on();
    pop3.dialog(&[("DELE 1\r\n", "+OK")]);
    assert_eq!(kick(&house, alice()), 1);
    pop3.expect_end();
    house.log_on_within_a_minute().dialog(&[("STAT\r\n", "+OK 1 ")]);
}

/// A client that came while the maildrop was in use, or too soon, was shown as the user's session from then on, and
/// kicked with it.
#[test]
fn who_was_refused_his_maildrop_is_nobody_s_session_s_225() {
    let house = House::open();
    let mut pop3 = house.log_on();
    let mut refused = house.connect(ListenerKind::Pop3);
    refused.expect("+OK");
    let logon = [("USER alice@home.lan\r\n", "+OK"), ("PASS wonderland\r\n", "-ERR [IN-USE]")];
    refused.dialog(&logon);
    let users: Vec<bool> = who(&house).iter().map(|row| row.user.is_some()).collect();
    assert_eq!(users, [true, false]);
    assert_eq!(kick(&house, alice()), 1);
    pop3.expect_end();
    refused.dialog(&[("CAPA\r\n", "+OK")]);
}

#[test]
fn a_session_is_kicked_by_its_number_and_no_other() {
    let house = House::open();
    let mut pop3 = house.connect(ListenerKind::Pop3);
    pop3.expect("+OK");
    let mut smtp = house.connect(ListenerKind::Smtp);
    smtp.expect("220 ");
    let number = who(&house).iter().find(|row| row.listener == "smtp").unwrap().number;
    assert_eq!(kick(&house, Whom::Number(number)), 1);
    smtp.expect("421 4.3.2 The administrator");
    smtp.expect_end();
    pop3.dialog(&[("CAPA\r\n", "+OK")]);
    until(&house, "one is left", |rows| rows.len() == 1);
    let error = ask(&house, Command::Kick(Whom::Number(number))).unwrap_err();
    assert_eq!(error.kind, Failure::NotFound);
    assert_eq!(kick(&house, Whom::All), 1);
}

#[test]
fn a_message_that_is_coming_in_is_not_taken_from_a_kicked_session() {
    let house = House::open();
    let mut smtp = smtp_with_recipient(&house);
    smtp.dialog(&[("DATA\r\n", "354 ")]);
    smtp.send("Subject: half\r\n\r\nfirst half\r\n");
    until(&house, "it receives", |rows| rows.iter().any(|row| row.state == "receiving"));
    assert_eq!(kick(&house, Whom::All), 1);
    smtp.expect("421 4.3.2 ");
    smtp.expect_end();
    house.log_on().dialog(&[("STAT\r\n", "+OK 0 0")]);
}

#[test]
fn a_session_that_can_not_write_hears_that_it_is_to_end_s_180_s_268() {
    let house = House::open();
    // More than any kernel keeps for a peer that does not read.
    house.deliver(&"0123456789abcdef0123456789abcdef0123456789abcdef\r\n".repeat(500_000));
    for is_inside_tls in [false, true] {
        let mut pop3 = match is_inside_tls {
            false => house.connect(ListenerKind::Pop3),
            true => house.connect(ListenerKind::Pop3s).begin_tls(&house, &["pop3"]).unwrap(),
        };
        pop3.expect("+OK");
        pop3.dialog(&[("USER alice@home.lan\r\n", "+OK"), ("PASS wonderland\r\n", "+OK")]);
        pop3.send("RETR 1\r\n");
        let mut looks = (0, 0);
        until(&house, "it stalls", |rows| {
            let sent = rows.first().map_or(0, |row| row.octets_out);
            looks = if sent == looks.0 { (sent, looks.1 + 1) } else { (sent, 0) };
            sent > 10_000 && looks.1 > 200
        });
        assert_eq!(who(&house)[0].state, "sending");
        assert_eq!(kick(&house, alice()), 1);
        until(&house, "it is gone", |rows| rows.is_empty());
        // Inside TLS the missing good-bye tells that it was cut.
        if !is_inside_tls {
            assert!(!pop3.rest().ends_with(b"\r\n.\r\n"), "what was cut must not look whole (S-238)");
        }
    }
}

#[test]
fn who_speaks_before_the_greeting_waits_or_is_refused_and_who_listens_is_neither_s_078() {
    let patient = House::open();
    let mut early = patient.connect(ListenerKind::Smtp);
    early.dialog(&[("NOOP\r\n", "220 ")]);
    early.expect("250 ");

    let strict = House::open_with(&[("early_talker", "refuse")]);
    let begun = Instant::now();
    // He must be faster than the server, which he is not each time.
    loop {
        let mut early = strict.connect(ListenerKind::Smtp);
        early.try_send(b"NOOP\r\n");
        let greeting = early.line();
        if greeting.starts_with("554 5.5.0 ") {
            early.expect_end();
            break;
        }
        assert!(greeting.is_empty() || greeting.starts_with("220 "), "{greeting:?}");
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody who speaks early is refused");
    }
    for _ in 0..20 {
        strict.connect(ListenerKind::Smtp).expect("220 ");
    }
}
