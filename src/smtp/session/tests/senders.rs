//! Who may send as whom, whom a mail reaches, and what is kept of both for reports.

use super::*;
use crate::smtp::{Device, MailDsn, Named, RcptDsn};

#[test]
fn the_store_is_asked_of_each_sender_once_its_syntax_and_size_are_fine() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b@c>", "501"),
        ("MAIL FROM:<a@b> SIZE=1001", "552"),
        ("MAIL FROM:<a@b> X", "555"),
    ]);
    assert!(talk.wishes().is_empty());
    talk.dialog(&[("MAIL FROM:<> SIZE=1000", "250 2.1.0"), ("RCPT TO:<bob@home.lan>", "250")]);
    assert_eq!(talk.wishes(), ["sender <>", "look up for 1000"]);
    talk.dialog(&[("RSET", "250"), ("MAIL FROM:<Boss@Home.lan>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
    assert_eq!(talk.wishes(), ["sender <Boss@Home.lan>", "look up for 0"]);
}

#[test]
fn what_the_store_says_of_a_sender_has_its_reply_s_113_s_114() {
    let device = Device { name: "scanner".into(), sender: None, is_lenient: true };
    let a_device = Talk::with(Facts { device: Some(Box::new(device)), ..facts(Door::Submission) });
    for (mut talk, foreign) in [
        (Talk::mx(), "553 5.7.1 This sender address belongs to this server"),
        (Talk::submission(), "553 5.7.1 This sender address is not yours"),
        (a_device, "553 5.7.1 This sender address belongs to this server"),
    ] {
        talk.dialog(&[("EHLO x", "250")]);
        let answers: [(SenderAnswer, &str); 4] = [
            (|| Event::SenderForeign, foreign),
            (|| Event::SenderSpent, "450 4.7.1"),
            (|| Event::StoreFailed, "451 4.3.0"),
            (|| Event::StoreFull, "451 4.3.0"),
        ];
        for (sender, code) in answers {
            talk.sender = sender;
            talk.dialog(&[("MAIL FROM:<boss@home.lan>", code), ("RCPT TO:<bob@home.lan>", "503")]);
        }
        talk.sender = || Event::SenderFits;
        assert!(talk.send().starts_with("250"));
    }
}

#[test]
fn a_sender_who_has_proved_nothing_is_told_of_in_the_trace_s_113() {
    for (sender, is_told) in
        [((|| Event::SenderUnproven) as SenderAnswer, true), (|| Event::SenderFits, false)]
    {
        let mut talk = Talk::mx();
        talk.sender = sender;
        assert!(talk.send().starts_with("250"));
        let message = &talk.stored[0].1;
        assert_eq!(message.contains("(sender not verified)"), is_told, "{message}");
        talk.sender = || Event::SenderFits;
        assert!(talk.send().starts_with("250"));
        assert!(!talk.stored[1].1.contains("(sender not verified)"), "each mail is its own");
    }
}

#[test]
fn an_answer_amiss_of_the_sender_ends_the_session() {
    for sender in [(|| Event::SpaceFound) as SenderAnswer, || Event::Stored, || Event::ChunkReceived] {
        let mut talk = Talk::mx();
        talk.sender = sender;
        assert!(talk.say("MAIL FROM:<a@b>").starts_with("421") && talk.is_closed);
    }
}

#[test]
fn a_mailbox_that_takes_nothing_says_why_c2_m8() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<locked@home.lan>", "550 5.2.1"),
        ("RCPT TO:<full@home.lan>", "552 5.2.2"),
        ("RCPT TO:<fullnow@home.lan>", "452 4.2.2"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<bob@home.lan>", "250"),
    ]);
}

#[test]
fn a_list_is_one_recipient_named_and_each_mailbox_gets_one_mail() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<All@home.lan>", "250"),
        ("RCPT TO:<bob@home.lan>", "250"),
        ("RCPT TO:<All@home.lan>", "250"),
        ("RCPT TO:<\"bob\"@HOME.lan>", "250"),
        ("RCPT TO:<bob@home.lan>", "250"),
        ("RCPT TO:<alice@home.lan>", "452 4.5.3"),
        ("DATA", "354"),
    ]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    let (envelope, message) = &talk.stored[0];
    assert_eq!(envelope.recipients, [(MailboxId(1), at_home("alice")), (MailboxId(2), at_home("bob"))]);
    let named = |path: &str, mailboxes| Named { path: path.into(), mailboxes, dsn: RcptDsn::default() };
    assert_eq!(
        envelope.named,
        [named("All@home.lan", 2), named("bob@home.lan", 1), named("\"bob\"@HOME.lan", 1)]
    );
    assert!(!message.contains(" for <"), "{message}");
}

#[test]
fn the_trace_names_the_list_that_was_named_and_nobody_in_it() {
    for paths in [&["RCPT TO:<All@home.lan>"][..], &["RCPT TO:<All@home.lan>", "RCPT TO:<All@home.lan>"]] {
        let mut talk = Talk::mx();
        talk.dialog(&[("MAIL FROM:<a@b>", "250")]);
        paths.iter().for_each(|line| talk.dialog(&[(line, "250")]));
        talk.dialog(&[("DATA", "354")]);
        assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
        let message = &talk.stored[0].1;
        assert!(message.contains(" for <All@home.lan>;\r\n") && !message.contains("bob"), "{message}");
    }
}

#[test]
fn who_has_become_full_or_has_sent_enough_meanwhile_is_told_after_the_data() {
    for (answer, code) in [
        (Event::MailboxesFull { is_final: true }, "552 5.2.2"),
        (Event::MailboxesFull { is_final: false }, "452 4.2.2"),
        (Event::SenderSpent, "450 4.7.1"),
    ] {
        let mut talk = Talk::mx();
        talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250"), ("DATA", "354")]);
        let mut out = Vec::new();
        assert!(matches!(talk.session.handle(Event::Received(DataEnd::Good), &mut out), Next::Store(_)));
        talk.is_message_held = false;
        assert!(talk.tell(answer).starts_with(code));
        talk.dialog(&[("DATA", "503"), ("MAIL FROM:<a@b>", "250")]);
    }
}

#[test]
fn reports_are_for_users_only_s_071_s_076() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b> RET=HDRS", "555 5.5.4"),
        ("MAIL FROM:<a@b> ENVID=1", "555 5.5.4"),
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<bob@home.lan> NOTIFY=SUCCESS", "555 5.5.4"),
        ("RCPT TO:<bob@home.lan> ORCPT=rfc822;x@y", "555 5.5.4"),
        ("RCPT TO:<bob@home.lan>", "250"),
        ("BDAT 0 LAST", "250"),
    ]);
    assert_eq!(talk.stored[0].0.dsn, MailDsn::default());
}
