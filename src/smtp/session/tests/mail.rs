//! Senders, recipients, relay probes, data and what is stored.

use super::*;
use crate::wire::data::DataFault;

#[test]
fn a_mail_is_stored_with_its_trace() {
    let mut talk = Talk::mx();
    assert_eq!(talk.send(), "250 2.0.0 Stored\r\n");
    let (envelope, message) = &talk.stored[0];
    assert_eq!(envelope.reverse_path.as_str(), "a@far.example");
    assert_eq!(envelope.recipients, [(MailboxId(1), "alice@home.lan".parse().unwrap())]);
    assert_eq!(
        message,
        "Received: from client.example ([192.0.2.1])\r\n\tby mail.home.lan with ESMTP\r\n\
         \tid 0000000000000007 for <alice@home.lan>;\r\n\tSat, 21 Nov 2026 21:15:00 +0000\r\n\
         Subject: x\r\n\r\ntext\r\n"
    );
    let fields = Session::delivery_fields(&envelope.reverse_path, &envelope.recipients[0].1);
    assert_eq!(fields, b"Return-Path: <a@far.example>\r\nDelivered-To: alice@home.lan\r\n");
    talk.dialog(&[("DATA", "503"), ("MAIL FROM:<>", "250")]);
}

#[test]
fn a_submitted_mail_gets_what_it_lacks_quirk_15() {
    let mut talk = Talk::submission();
    assert_eq!(talk.send(), "250 2.0.0 Stored\r\n");
    let message = &talk.stored[0].1;
    assert!(message.contains(" with ESMTPA\r\n"), "{message}");
    assert!(
        message.ends_with(
            "Subject: x\r\nDate: Sat, 21 Nov 2026 21:15:00 +0000\r\n\
             Message-ID: <0000000000000007.1795295700@mail.home.lan>\r\n\r\ntext\r\n"
        ),
        "{message}"
    );
}

#[test]
fn recipients_do_not_see_each_other_and_get_one_each_s_057() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<>", "250"),
        ("RCPT TO:<bob@home.lan>", "250 2.1.5"),
        ("RCPT TO:<BOB@HOME.LAN>", "250 2.1.5"),
        ("RCPT TO:<\"bob\"@home.lan>", "250 2.1.5"),
        ("RCPT TO:<Postmaster>", "250 2.1.5"),
        ("rcpt to:<POSTMASTER@home.lan>", "250 2.1.5"),
        ("DATA", "354"),
    ]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    let (envelope, message) = &talk.stored[0];
    assert_eq!(envelope.recipients.len(), 2);
    assert!(!message.contains(" for <"), "{message}");
}

#[test]
fn no_relay_probe_gets_through_s_081_to_s_096() {
    const PROBES: [(&str, &str); 16] = [
        ("", "relaytest@far.example"),
        ("antispam@far.example", "relaytest@far.example"),
        ("antispam@home.lan", "relaytest@far.example"),
        ("antispam@[192.0.2.9]", "relaytest@far.example"),
        ("antispam@[192.0.2.9]", "relaytest%far.example@[192.0.2.9]"),
        ("antispam@[192.0.2.9]", "relaytest%far.example@home.lan"),
        ("antispam@[192.0.2.9]", "\"relaytest@far.example\""),
        ("antispam@[192.0.2.9]", "\"relaytest%far.example\""),
        ("antispam@[192.0.2.9]", "relaytest@far.example@[192.0.2.9]"),
        ("antispam@[192.0.2.9]", "\"relaytest@far.example\"@[192.0.2.9]"),
        ("antispam@[192.0.2.9]", "relaytest@far.example@home.lan"),
        ("antispam@[192.0.2.9]", "@[192.0.2.9]:relaytest@far.example"),
        ("antispam@[192.0.2.9]", "@home.lan:relaytest@far.example"),
        ("antispam@[192.0.2.9]", "far.example!relaytest"),
        ("antispam@[192.0.2.9]", "far.example!relaytest@[192.0.2.9]"),
        ("antispam@[192.0.2.9]", "far.example!relaytest@home.lan"),
    ];
    for (number, (sender, recipient)) in (81..).zip(PROBES) {
        let mut talk = Talk::mx();
        talk.dialog(&[(&format!("MAIL FROM:<{sender}>"), "250")]);
        let reply = talk.say(&format!("RCPT TO:<{recipient}>"));
        assert!(reply.starts_with("550 5.") || reply.starts_with("501 5.1.3"), "S-{number:03}: {reply:?}");
        talk.dialog(&[("DATA", "554 5.5.1")]);
    }
}

#[test]
fn more_recipients_that_are_refused_s_097_to_s_106() {
    let mut replies = Vec::new();
    for recipient in [
        "<bob>",
        "<a@b@c>",
        "<@home.lan,@[192.0.2.9]:x%far.example@home.lan>",
        "<far.example!x%y@home.lan>",
        "<alice@home.lan.>",
        "<alice@home.lan..>",
        "<alice@[127.0.0.1]>",
        "<alice@[0177.0.0.1]>",
        "<\"\"@home.lan>",
        "<\"a b\"@home.lan>",
        "<\"a@home.lan>",
        "alice@home.lan",
        "<alice@home.lan",
        "<<alice@home.lan>>",
        "< alice@home.lan >",
        "  <alice@home.lan>",
        "<>",
        "",
        "<;sleep 66;@home.lan>",
        "<`id`@home.lan>",
        "<|cmd@home.lan>",
        "</file@home.lan>",
        "<:include:/etc/passwd@home.lan>",
        "<alice@far.example>",
        "<postmaster@far.example>",
        "<alice@home.lan.far.example>",
        "<alice@xhome.lan>",
        "<alice@home.lan> NOTIFY=NEVER",
        "<alice@home.lan> x",
        "<ö@home.lan>",
    ] {
        let mut talk = Talk::mx();
        talk.dialog(&[("MAIL FROM:<spamtest@localhost>", "250")]);
        let reply = talk.say(&format!("RCPT TO:{recipient}"));
        assert!(reply.starts_with('5') && !talk.is_closed, "{recipient:?} -> {reply:?}");
        talk.dialog(&[("DATA", "554")]);
        replies.push(reply);
    }
    assert!(replies[0].starts_with("501 5.1.3"), "S-098");
    assert!(replies[2].starts_with("550 5.7.1"), "S-100");
    assert!(replies[8].starts_with("550 5.1.1"), "S-103");
    assert!(replies.iter().rev().nth(2).unwrap().starts_with("555 5.5.4"), "S-076");
    assert!(replies.last().unwrap().starts_with("553 5.6.7"), "S-077");
}

#[test]
fn lengths_are_told_s_105() {
    let long = format!("{}@home.lan", "a".repeat(65));
    let mut talk = Talk::mx();
    talk.dialog(&[
        (&format!("MAIL FROM:<{long}>"), "501 5.1.7"),
        (&format!("MAIL FROM:<{}@b>", "a".repeat(1024)), "501 5.1.7"),
        ("MAIL FROM:<>", "250"),
        (&format!("RCPT TO:<{long}>"), "501 5.1.3"),
        (&format!("RCPT TO:<{}@home.lan>", "a".repeat(64)), "550 5.1.1"),
    ]);
}

#[test]
fn the_open_port_is_strict_and_devices_are_not_quirk_13() {
    for (line, open_port, device) in [
        ("MAIL FROM:<a@b>", "250", "250"),
        ("MAIL FROM: <a@b>", "250", "250"),
        ("mail from:<a@b>", "250", "250"),
        ("MAIL FROM:<a@b>  ", "250", "250"),
        ("MAIL FROM:   <a@b>", "501 5.5.4", "250"),
        ("MAIL FROM:a@b", "501 5.5.4", "250"),
        ("MAIL FROM: a@b SIZE=10", "501 5.5.4", "250"),
        ("MAIL FROM:<root>", "501 5.1.7", "250"),
        ("MAIL FROM:<@x:a@b>", "501 5.1.7", "501 5.1.7"),
        ("MAIL FROM <a@b>", "501 5.5.4", "501 5.5.4"),
        ("MAIL FROM:", "501 5.5.4", "501 5.5.4"),
        ("MAIL", "501 5.5.4", "501 5.5.4"),
        ("MAIL TO:<a@b>", "501 5.5.4", "501 5.5.4"),
        ("MAIL FROM:<a@b>x", "501 5.5.4", "501 5.5.4"),
    ] {
        Talk::mx().dialog(&[(line, open_port)]);
        Talk::submission().dialog(&[(line, device)]);
    }
    let mut talk = Talk::submission();
    talk.dialog(&[("MAIL FROM:a@b", "250"), ("RCPT TO: bob@home.lan ", "250")]);
}

#[test]
fn mail_parameters_are_answered_s_071_to_s_077_s_150() {
    for (parameters, code) in [
        ("SIZE=999", "250"),
        ("SIZE=1000", "250"),
        ("SIZE=1001", "552 5.3.4"),
        ("SIZE=999999999999", "552 5.3.4"),
        ("SIZE=18446744073709551616", "552 5.3.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=1 SIZE=2", "501 5.5.4"),
        ("BODY=8BITMIME SMTPUTF8", "250"),
        ("BODY=BINARYMIME", "501 5.5.4"),
        ("FOO=1", "555 5.5.4"),
        ("RET=HDRS", "555 5.5.4"),
        ("AUTH=<>", "250"),
        ("AUTH=evil+0Aheader:", "501 5.5.4"),
        ("=\"", "501 5.5.4"),
    ] {
        Talk::mx().dialog(&[(&format!("MAIL FROM:<a@b> {parameters}"), code)]);
    }
}

#[test]
fn smtputf8_is_taken_when_it_was_said_s_077_s_108() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<ö@x>", "553 5.6.7"),
        ("MAIL FROM:<ö@x> SMTPUTF8", "250"),
        ("RCPT TO:<henryⅣ@home.lan>", "550 5.1.1"),
        ("RCPT TO:<alice@höme.lan>", "550 5.7.1"),
        ("RCPT TO:<alice@home.lan>", "250"),
        ("DATA", "354"),
    ]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    assert!(talk.stored[0].1.contains(" with UTF8SMTP\r\n"));
    assert_eq!(talk.stored[0].0.reverse_path.as_str(), "ö@x");
    assert!(talk.say_octets(b"MAIL FROM:<\xC3\x28@x> SMTPUTF8", false).starts_with("501"), "S-109");
}

#[test]
fn a_mailbox_beyond_ascii_gets_mail_when_smtputf8_was_said_s_077() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<jörg@home.lan>", "553 5.6.7"),
        ("RSET", "250"),
        ("MAIL FROM:<a@b> SMTPUTF8", "250"),
        ("RCPT TO:<JÖRG@home.lan>", "250"),
        ("DATA", "354"),
    ]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    assert!(talk.stored[0].1.contains(" with UTF8SMTP\r\n"), "{}", talk.stored[0].1);
    assert!(talk.stored[0].1.contains(" for <JÖRG@home.lan>;\r\n"), "{}", talk.stored[0].1);
}

#[test]
fn a_disk_without_room_is_told_at_mail_s_151() {
    let mut talk = Talk::mx();
    talk.space = false;
    talk.dialog(&[("MAIL FROM:<a@b> SIZE=10", "452 4.3.1"), ("RCPT TO:<bob@home.lan>", "503")]);
    talk.space = true;
    talk.dialog(&[("MAIL FROM:<a@b>", "250")]);
}

fn ready_for_data() -> Talk {
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250"), ("DATA", "354")]);
    talk
}

#[test]
fn each_end_of_data_has_its_reply() {
    for (end, code, is_closed) in [
        (DataEnd::Good, "250 2.0.0", false),
        (DataEnd::Faulty(DataFault::BareLf), "550 5.6.11", true),
        (DataEnd::Faulty(DataFault::BareCr), "550 5.6.11", true),
        (DataEnd::Faulty(DataFault::Nul), "550 5.6.0", true),
        (DataEnd::TooLarge, "552 5.3.4", false),
        (DataEnd::MuchTooLarge, "552 5.3.4", true),
        (DataEnd::Looping, "554 5.4.6", false),
        (DataEnd::Delivered, "554 5.4.6", false),
    ] {
        let mut talk = ready_for_data();
        let reply = talk.tell(Event::Received(end));
        assert!(reply.starts_with(code), "{end:?} -> {reply:?}");
        assert_eq!((talk.is_closed, talk.stored.len()), (is_closed, usize::from(end == DataEnd::Good)));
        if !is_closed {
            talk.dialog(&[("DATA", "503"), ("MAIL FROM:<a@b>", "250")]);
        }
    }
}

#[test]
fn each_answer_of_the_store_has_its_reply_and_250_comes_from_a_durable_mail_only() {
    for (answer, code) in [
        (Event::Stored, "250 2.0.0"),
        (Event::NoRecipientLeft, "550 5.1.1"),
        (Event::StoreFull, "452 4.3.1"),
        (Event::StoreFailed, "451 4.3.0"),
    ] {
        let mut talk = ready_for_data();
        let mut out = Vec::new();
        let next = talk.session.handle(Event::Received(DataEnd::Good), &mut out);
        assert!(matches!(next, Next::Store(_)) && out.is_empty(), "nothing is said before it is stored");
        assert!(talk.tell(answer).starts_with(code), "{code}");
        talk.dialog(&[("DATA", "503"), ("NOOP", "250")]);
    }
}

#[test]
fn a_store_that_fails_amid_data_ends_the_session_since_data_may_follow() {
    for (answer, code) in [(Event::StoreFull, "452 4.3.1"), (Event::StoreFailed, "451 4.3.0")] {
        let mut talk = ready_for_data();
        assert!(talk.tell(answer).starts_with(code) && talk.is_closed);
    }
}

#[test]
fn a_store_that_can_not_look_up_is_not_an_unknown_user() {
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<a@b>", "250")]);
    let mut out = Vec::new();
    let line = Event::Line { line: b"RCPT TO:<bob@home.lan>", is_followed: false };
    assert!(matches!(talk.session.handle(line, &mut out), Next::LookUp { .. }));
    assert!(talk.tell(Event::StoreFailed).starts_with("451 4.3.0"));
    talk.dialog(&[("RCPT TO:<bob@home.lan>", "250")]);
}

#[test]
fn vrfy_tells_nothing_s_068() {
    let mut talk = Talk::mx();
    assert_eq!(talk.say("VRFY alice"), talk.say("VRFY nobody"));
}
