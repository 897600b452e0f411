//! Which command may come when, hellos, other protocols, faulty lines, STARTTLS.

use super::*;
use crate::sasl::scram::Salt;
use crate::wire::line::LineFault;

#[test]
fn every_verb_in_every_state_is_answered_as_in_the_table_s_063() {
    // fresh, ready, mail, recipients, chunks: each on a session of its own.
    let table: &[(&str, [&str; 5])] = &[
        ("EHLO x", ["250"; 5]),
        ("HELO x", ["250"; 5]),
        ("STARTTLS", ["503", "220", "220", "220", "220"]),
        ("AUTH PLAIN", ["503", "502", "503", "503", "503"]),
        ("MAIL FROM:<a@b>", ["503", "250", "503", "503", "503"]),
        ("RCPT TO:<bob@home.lan>", ["503", "503", "250", "250", "503"]),
        ("DATA", ["503", "503", "554", "354", "503"]),
        ("BDAT 5", ["503", "503", "554", "250", "250"]),
        ("BDAT 5 LAST", ["503", "503", "554", "250", "250"]),
        ("RSET", ["250"; 5]),
        ("NOOP", ["250"; 5]),
        ("QUIT", ["221"; 5]),
        ("VRFY root", ["252"; 5]),
        ("EXPN all", ["502"; 5]),
        ("HELP", ["214"; 5]),
        ("ETRN x", ["502"; 5]),
        ("TURN", ["502"; 5]),
        ("SEND FROM:<a@b>", ["502"; 5]),
        ("SOML FROM:<a@b>", ["502"; 5]),
        ("SAML FROM:<a@b>", ["502"; 5]),
        ("WHATISTHIS", ["500"; 5]),
        ("XCLIENT ADDR=127.0.0.1", ["500"; 5]),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 1 2", ["500"; 5]),
        ("GET / HTTP/1.1", ["500"; 5]),
    ];
    let way = ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<alice@home.lan>", "BDAT 1"];
    for (line, codes) in table {
        for (state, code) in codes.iter().enumerate() {
            for spelling in [line.to_string(), line.to_lowercase()] {
                let mut talk = Talk::with(facts(Door::Mx));
                for step in &way[..state] {
                    assert!(talk.say(step).starts_with("250"));
                }
                let reply = talk.say(&spelling);
                assert!(reply.starts_with(code), "{spelling:?} in state {state}: {reply:?}");
            }
        }
    }
}

#[test]
fn a_second_hello_ends_the_transaction_s_064() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<bob@home.lan>", "250"),
        ("EHLO again", "250"),
        ("DATA", "503"),
        ("MAIL FROM:<a@b>", "250"),
        ("RSET", "250"),
        ("RCPT TO:<bob@home.lan>", "503"),
    ]);
}

#[test]
fn arguments_that_do_not_belong_are_refused_s_038() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("STARTTLS x", "501"),
        ("RSET x", "501"),
        ("QUIT x", "501"),
        ("VRFY", "501"),
        ("NOOP x", "250"),
        ("HELP MAIL", "214"),
        ("NOOP   ", "250"),
        ("", "500"),
        (" NOOP", "500"),
        ("\tNOOP", "500"),
    ]);
}

#[test]
fn odd_octets_in_commands_are_refused_s_025() {
    for octet in (1u8..=0x1F).chain(0x7F..=0xFF) {
        for line in [
            [b"NO", &[octet][..], b"OP"].concat(),
            [b"NOOP ", &[octet][..], b"x"].concat(),
            [b"EHLO a", &[octet][..], b"b"].concat(),
            [b"MAIL FROM:<a@", &[octet][..], b"b>"].concat(),
            [b"MAIL FROM:<a", &[octet][..], b"@b>"].concat(),
        ] {
            let mut talk = Talk::mx();
            let reply = talk.say_octets(&line, false);
            assert!(reply.starts_with("50") || reply.starts_with("553"), "{line:?} -> {reply:?}");
        }
    }
}

#[test]
fn other_protocols_are_shown_the_door_s_066_s_067() {
    for line in [
        &b"GET /evil HTTP/1.1"[..],
        b"post / HTTP/1.1",
        b"CONNECT www.evil.com:80",
        b"PRI * HTTP/2.0",
        b"SSH-2.0-x",
        b"\x16\x03\x01\x02",
        b"\xff\xff",
    ] {
        let mut talk = Talk::with(facts(Door::Mx));
        assert!(talk.say_octets(line, false).starts_with('5') && talk.is_closed, "{line:?}");
    }
    let mut talk = Talk::with(facts(Door::Mx));
    assert!(talk.tell(Event::FaultyLine(LineFault::Nul)).starts_with('5') && talk.is_closed, "RDP");
}

#[test]
fn faulty_lines_are_one_mistake_each_s_022_s_023_s_024_s_051() {
    let mut talk = Talk::mx();
    for (fault, code) in
        [(LineFault::TooLong, "500 5.5.2"), (LineFault::BareCr, "501 5.5.2"), (LineFault::Nul, "501 5.5.2")]
    {
        assert!(talk.tell(Event::FaultyLine(fault)).starts_with(code), "{fault:?}");
        assert!(!talk.is_closed);
    }
    for fault in [LineFault::BareLf, LineFault::Endless] {
        let mut talk = Talk::mx();
        assert!(talk.tell(Event::FaultyLine(fault)).starts_with("500 5.5.2") && talk.is_closed, "{fault:?}");
    }
}

#[test]
fn who_does_not_wait_for_the_reply_is_shown_the_door_s_031_s_034_s_146() {
    for line in ["EHLO x", "HELO x", "STARTTLS", "DATA", "AUTH PLAIN", "AUTH LOGIN"] {
        let mut talk = Talk::with(facts(Door::Submission));
        talk.dialog(&[("EHLO x", "250")]);
        let reply = talk.say_octets(line.as_bytes(), true);
        assert!(reply.starts_with("554 5.5.0") && talk.is_closed, "{line} -> {reply:?}");
    }
}

/// RFC 2920 §3.1 names NOOP, VRFY and QUIT too, but behind them nothing can be misunderstood.
#[test]
fn what_can_do_no_harm_may_be_pipelined_s_146() {
    let mut talk = Talk::mx();
    for (line, code) in [
        ("NOOP", "250"),
        ("VRFY x", "252"),
        ("HELP", "214"),
        ("MAIL FROM:<a@b>", "250"),
        ("RSET", "250"),
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<bob@home.lan>", "250"),
        ("BDAT 5", "250"),
        ("BDAT 5 LAST", "250"),
        ("QUIT", "221"),
    ] {
        let reply = talk.say_octets(line.as_bytes(), true);
        assert!(reply.starts_with(code), "{line} -> {reply:?}");
    }
    assert_eq!(talk.stored.len(), 1);
}

#[test]
fn legal_pipelining_is_answered_in_order_s_147() {
    let mut talk = Talk::mx();
    for (line, is_followed, code) in [
        ("MAIL FROM:<a@b>", true, "250 2.1.0"),
        ("RCPT TO:<nobody@home.lan>", true, "550 5.1.1"),
        ("RCPT TO:<bob@home.lan>", true, "250 2.1.5"),
        ("DATA", false, "354"),
    ] {
        assert!(talk.say_octets(line.as_bytes(), is_followed).starts_with(code), "{line}");
    }
}

#[test]
fn data_without_recipients_makes_no_mail_of_what_follows_s_018() {
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<nobody@home.lan>", "550"), ("DATA", "554 5.5.1")]);
    talk.dialog(&[("Subject: x", "500"), ("", "500"), (".", "500")]);
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<nobody@home.lan>", "550")]);
    assert!(talk.say_octets(b"DATA", true).starts_with("554") && talk.is_closed);
}

#[test]
fn tls_forgets_everything_s_035_s_036_s_037() {
    let mut talk = Talk::submission();
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
    assert_eq!(talk.say("STARTTLS"), "220 2.0.0 Begin TLS now\r\n");
    assert!(!talk.session.is_logged_in());
    talk.dialog(&[("DATA", "503"), ("MAIL FROM:<a@b>", "503"), ("STARTTLS", "503"), ("AUTH PLAIN", "503")]);
    let extensions = talk.say("EHLO x");
    assert!(!extensions.contains("STARTTLS") && extensions.contains("AUTH"), "{extensions}");
    talk.dialog(&[("STARTTLS", "503"), ("MAIL FROM:<a@b>", "530 5.7.0")]);
}

#[test]
fn tls_that_is_not_there_is_not_begun() {
    let mut talk = Talk::with(Facts { offers_starttls: false, ..facts(Door::Mx) });
    talk.dialog(&[("EHLO x", "250"), ("STARTTLS", "502")]);
}

#[test]
fn a_password_never_travels_where_it_must_not_even_in_tls() {
    let mut talk = Talk::with(facts(Door::Submission));
    talk.terms_inside_tls.takes_passwords = false;
    talk.dialog(&[("EHLO x", "250"), ("STARTTLS", "220"), ("EHLO x", "250"), ("AUTH PLAIN", "504 5.5.4")]);
}

#[test]
fn who_waits_too_long_or_lost_his_mailbox_is_told_so_s_180_s_267() {
    for (event, reply) in [
        (Event::TimedOut, "421 4.4.2"),
        (Event::Evicted, "421 4.7.0 The mailbox"),
        (Event::Kicked, "421 4.3.2 The administrator"),
    ] {
        let mut talk = Talk::mx();
        talk.dialog(&[("MAIL FROM:<a@b>", "250")]);
        assert!(talk.tell(event).starts_with(reply) && talk.is_closed);
    }
}

#[test]
fn the_end_of_the_server_ends_the_session_where_nothing_is_under_way() {
    let mut talk = Talk::mx();
    assert!(talk.tell(Event::ShuttingDown).starts_with("421 4.3.2") && talk.is_closed);

    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250"), ("DATA", "354")]);
    assert_eq!(talk.tell(Event::ShuttingDown), "");
    assert_eq!(
        talk.data(b"x: y\r\n\r\n.\r\n"),
        "250 2.0.0 Stored\r\n421 4.3.2 The server is stopping, try again later\r\n"
    );
    assert!(talk.is_closed && talk.stored.len() == 1);
}

#[test]
fn an_answer_that_nobody_asked_for_ends_the_session() {
    for event in [
        Event::Stored,
        Event::SpaceFound,
        Event::LoginRefused,
        alice_logged_in(None),
        Event::Salted(Salt { octets: [0; 16], iterations: 4096 }),
        Event::StoreFailed,
        Event::Received(DataEnd::Good),
        Event::TlsStarted { tls: "TLSv1.3 x".into(), terms: Box::default() },
        Event::Recipient(Recipient::UnknownUser),
        Event::SenderFits,
        Event::SenderUnproven,
        Event::ChunkReceived,
        Event::ChunkSkipped,
        Event::MailboxesFull { is_final: true },
    ] {
        let mut talk = Talk::mx();
        assert!(talk.tell(event).starts_with("421") && talk.is_closed);
        assert!(!talk.session.is_logged_in());
    }
}
