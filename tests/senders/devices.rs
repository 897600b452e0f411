//! What devices may send without a logon.

use super::*;

#[test]
fn a_device_sends_without_a_logon_as_its_profile_says_m11() {
    let house = House::open();
    let mut stranger = greeted(&house, ListenerKind::Submission);
    stranger.dialog(&[("MAIL FROM:<scanner@home.lan>\r\n", "530 ")]);
    device(&house, |device| {
        device.sender = Some("alice@home.lan".parse().unwrap());
        device.is_lenient = true;
    });
    for kind in [ListenerKind::Submission, ListenerKind::Smtp] {
        let mut smtp = house.connect(kind);
        // Bare LFs, a name that is none, no angle brackets (S-022).
        smtp.expect("220 ");
        smtp.dialog(&[
            ("HELO NPIF65E56_\n", "250 "),
            ("MAIL FROM: scanner\n", "250 "),
            ("RCPT TO: alice@home.lan\n", "250 "),
            ("DATA\n", "354 "),
            ("Subject: scan\n\nline\n\r\n.\r\n", "250 "),
            ("RCPT TO:<a@example.org>\n", "503 "),
            ("QUIT\n", "221 "),
        ]);
    }
    let mails = mails(&house, "alice@home.lan");
    assert_eq!(mails.len(), 2);
    for mail in mails {
        assert!(mail.starts_with("Return-Path: <alice@home.lan>\r\n"), "{mail}");
        assert!(mail.contains("\r\nDate: ") && mail.contains("\r\nMessage-ID: "), "{mail}");
        assert!(mail.ends_with("\r\n\r\nline\r\n\r\n"), "{mail:?}");
    }
}

/// A profile was read once, when the peer connected: one who stayed sent on without a logon, mail after mail, though the
/// administrator had taken the profile away.
#[test]
fn a_device_that_stays_connected_has_no_more_than_its_profile_gives_now_m11() {
    let house = House::open();
    let bob = add(&house, "bob");
    for kind in [ListenerKind::Submission, ListenerKind::Smtp] {
        device(&house, |_| ());
        let mut scanner = greeted(&house, kind);
        mail(&mut scanner, "<scanner@home.lan>", &format!("<{bob}>"), "Subject: scan\r\n\r\n");
        house.store().remove_device("scanner").wait().unwrap();
        scanner.dialog(&[("MAIL FROM:<scanner@home.lan>\r\n", "421 4.7.0 What you may do without a logon ")]);
        scanner.expect_end();

        device(&house, |_| ());
        let mut scanner = greeted(&house, kind);
        let mut user = greeted(&house, ListenerKind::Submission);
        user.dialog(&[LOG_ON]);
        house.store().remove_device("scanner").wait().unwrap();
        device(&house, |device| device.sender = Some("alice@home.lan".parse().unwrap()));
        scanner.dialog(&[("MAIL FROM:<scanner@home.lan>\r\n", "421 4.7.0 What you may do without a logon ")]);
        user.dialog(&[("MAIL FROM:<alice@home.lan>\r\n", "250 ")]);
        house.store().remove_device("scanner").wait().unwrap();
    }
    assert_eq!(mails(&house, &bob).len(), 2);
}

#[test]
fn a_lenient_device_is_so_inside_tls_too_m11() {
    let house = House::open();
    device(&house, |device| device.is_lenient = true);
    let mut smtp = greeted(&house, ListenerKind::Smtp);
    smtp.dialog(&[("STARTTLS\r\n", "220 ")]);
    let mut smtp = smtp.begin_tls(&house, &[]).unwrap();
    smtp.dialog(&[("HELO x\n", "250 "), ("MAIL FROM:<a@home.lan>\n", "250 ")]);
}
