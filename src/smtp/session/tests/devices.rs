//! Devices that the administrator knows: what they may do without a logon, and what they may not.

use super::*;
use crate::smtp::Device;

fn device(door: Door, is_lenient: bool, sender: Option<&str>) -> Talk {
    let sender = sender.map(|sender| sender.parse().unwrap());
    let device = Box::new(Device { name: "scanner".into(), sender, is_lenient });
    let mut talk = Talk::with(Facts { device: Some(device), ..facts(door) });
    talk.dialog(&[("HELO scanner", "250")]);
    talk
}

#[test]
fn a_device_sends_through_each_door_without_a_logon() {
    for door in [Door::Mx, Door::Submission] {
        for is_lenient in [false, true] {
            let mut talk = device(door, is_lenient, None);
            assert_eq!(talk.send(), "250 2.0.0 Stored\r\n");
            assert!(!talk.session.is_logged_in());
            let (envelope, message) = &talk.stored[0];
            assert_eq!(envelope.reverse_path.as_str(), "a@far.example");
            assert!(message.contains(" with SMTP\r\n"), "no A without AUTH: {message}");
            assert!(message.contains("\r\nDate: ") && message.contains("\r\nMessage-ID: <"), "{message}");
        }
    }
    let mut stranger = Talk::with(facts(Door::Submission));
    stranger.dialog(&[("HELO scanner", "250"), ("MAIL FROM:<a@far.example>", "530 5.7.0")]);
}

#[test]
fn a_device_relays_nothing_to_strangers() {
    let mut talk = device(Door::Submission, true, None);
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<x@far.example>", "550 5.7.1"), ("DATA", "554")]);
}

#[test]
fn only_a_lenient_device_writes_as_it_likes_quirk_13_s_022() {
    let lines = ["MAIL FROM: a@b ", "MAIL FROM:<root>", "MAIL FROM:   <a@b>", "MAIL FROM:scanner"];
    for door in [Door::Mx, Door::Submission] {
        for line in lines {
            device(door, false, None).dialog(&[(line, "501")]);
            device(door, true, None).dialog(&[(line, "250"), ("RCPT TO: alice@home.lan ", "250")]);
        }
        let data = b"Subject: x\nDate: y\n\nbare\n.\nend\r\n.\r\n";
        let mut talk = device(door, true, None);
        talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<alice@home.lan>", "250"), ("DATA", "354")]);
        assert!(talk.data(data).starts_with("250"));
        let message = &talk.stored[0].1;
        assert!(message.contains("Subject: x\r\nDate: y\r\nMessage-ID: <"), "{message:?}");
        assert!(message.ends_with("\r\n\r\nbare\r\n.\r\nend\r\n"), "{message:?}");

        let mut talk = device(door, false, None);
        talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<alice@home.lan>", "250"), ("DATA", "354")]);
        assert!(talk.data(data).starts_with("550 5.6.11") && talk.is_closed && talk.stored.is_empty());
    }
}

#[test]
fn a_device_has_the_sender_that_it_was_given_but_for_the_null_one() {
    for (said, sent) in [
        ("<a@far.example>", "scanner@home.lan"),
        ("<boss@home.lan>", "scanner@home.lan"),
        ("<scanner@home.lan>", "scanner@home.lan"),
        ("<root>", "scanner@home.lan"),
        ("<>", ""),
    ] {
        let mut talk = device(Door::Mx, true, Some("scanner@home.lan"));
        talk.dialog(&[(&format!("MAIL FROM:{said}"), "250")]);
        assert_eq!(talk.wishes(), [format!("sender <{sent}>")], "{said}");
        talk.dialog(&[("RCPT TO:<alice@home.lan>", "250"), ("BDAT 0 LAST", "250")]);
        assert_eq!(talk.stored[0].0.reverse_path.as_str(), sent, "{said}");
    }
}

#[test]
fn a_sender_that_is_none_is_no_sender_for_having_one() {
    let mut talk = device(Door::Mx, false, Some("scanner@home.lan"));
    talk.dialog(&[("MAIL FROM:<a@b@c>", "501 5.1.7"), ("MAIL FROM:a@b", "501"), ("MAIL", "501")]);
}

#[test]
fn who_logs_on_from_a_device_is_a_user() {
    let mut talk = device(Door::Submission, false, Some("scanner@home.lan"));
    talk.dialog(&[
        ("EHLO x", "250"),
        (&format!("AUTH PLAIN {RIGHT}"), "235"),
        ("MAIL FROM: <alice@home.lan>", "250"),
    ]);
    assert_eq!(talk.wishes(), ["sender <alice@home.lan>"]);
    talk.dialog(&[("RCPT TO:<bob@home.lan>", "250"), ("DATA", "354")]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    assert!(talk.stored[0].1.contains(" with ESMTPA\r\n"));
}

#[test]
fn tls_leaves_a_device_what_it_is() {
    let mut talk = device(Door::Submission, false, None);
    talk.dialog(&[("STARTTLS", "220"), ("EHLO x", "250"), ("MAIL FROM:<a@b>", "250")]);
}
