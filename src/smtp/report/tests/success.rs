//! Tests of reports of success.

use crate::limits;
use crate::mail::{Alias, Lane, Language, Notify, OriginalRecipient, RcptDsn, RemoteAddress};
use crate::smtp::letter::tests::{NOW, assert_travels_whole};
use crate::smtp::path::{ReversePath, Strictness};
use crate::smtp::report::{is_list, is_wanted};
use crate::smtp::{Envelope, Leaving, MailDsn, Named, report};

const SUCCESS: Notify = Notify { success: true, failure: false, delay: false };

fn named(path: &str, mailboxes: usize, notify: Option<Notify>, original: Option<(&str, &str)>) -> Named {
    let original_recipient = original.map(|(address_type, address)| OriginalRecipient {
        address_type: address_type.to_owned(),
        address: address.to_owned(),
    });
    Named { path: path.to_owned(), mailboxes, dsn: RcptDsn { notify, original_recipient } }
}

fn envelope(sender: &str, is_utf8: bool, named: Vec<Named>) -> Envelope {
    Envelope {
        reverse_path: ReversePath::parse(sender.as_bytes(), Strictness::Lenient, true).unwrap(),
        recipients: Vec::new(),
        leaving: Vec::new(),
        named,
        is_utf8,
        dsn: MailDsn::default(),
    }
}

fn success(hostname: &str, number: u64, envelope: &Envelope, header: &[u8]) -> Option<Vec<u8>> {
    let made = report::success(hostname, Language::English, NOW, number, None, envelope, header);
    made.map(|made| made.message)
}

fn report(envelope: &Envelope, header: &[u8]) -> Option<String> {
    let message = success("mail.home.lan", 0x1F, envelope, header)?;
    let text = assert_travels_whole(&message);
    // The parts are three, whatever the header holds. RFC 2046 §5.1.1.
    let delimiters = text.lines().filter(|line| line.starts_with("--")).collect::<Vec<_>>();
    let (part, end) = ("--=_000000000000001f.1795295700", "--=_000000000000001f.1795295700--");
    assert_eq!(delimiters, [part, part, part, end]);
    Some(text)
}

#[test]
fn a_report_tells_people_and_programs_where_the_mail_is() {
    let mut envelope = envelope(
        "alice@home.lan",
        false,
        vec![
            named("bob@home.lan", 1, Some(SUCCESS), Some(("rfc822", "Bob@home.lan"))),
            named("carol@home.lan", 1, None, None),
            named("info@home.lan", 3, Some(SUCCESS), None),
        ],
    );
    envelope.dsn.envelope_id = Some("QQ 314".into());
    let expected = "Date: Sat, 21 Nov 2026 21:15:00 +0000
From: Mail delivery <postmaster@home.lan>
To: <alice@home.lan>
Subject: Your mail has been delivered
Message-ID: <000000000000001f.1795295700@mail.home.lan>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"=_000000000000001f.1795295700\"

--=_000000000000001f.1795295700
Content-Type: text/plain; charset=utf-8

Your mail has arrived. These recipients have it in their mailboxes now:

    bob@home.lan
    info@home.lan (a list: it went to all who are on it)

Your mail program asked for this report. There is nothing that you need to do.

--=_000000000000001f.1795295700
Content-Type: message/delivery-status

Original-Envelope-Id: QQ 314
Reporting-MTA: dns; mail.home.lan
Arrival-Date: Sat, 21 Nov 2026 21:15:00 +0000

Original-Recipient: rfc822;Bob@home.lan
Final-Recipient: rfc822;bob@home.lan
Action: delivered
Status: 2.0.0

Final-Recipient: rfc822;info@home.lan
Action: expanded
Status: 2.0.0

--=_000000000000001f.1795295700
Content-Type: text/rfc822-headers

Subject: x
To: bob@home.lan

--=_000000000000001f.1795295700--
";
    let told = report(&envelope, b"Subject: x\r\nTo: bob@home.lan\r\n\r\nbody\r\n").unwrap();
    assert_eq!(told.replace("\r\n", "\n"), expected);
}

#[test]
fn who_did_not_ask_gets_none() {
    let not_success = Notify { success: false, failure: true, delay: true };
    let asked = || named("bob@home.lan", 1, Some(SUCCESS), None);
    for (sender, named, is_told) in [
        ("alice@home.lan", vec![asked()], true),
        ("", vec![asked()], false),
        ("alice@home.lan", vec![], false),
        ("alice@home.lan", vec![named("bob@home.lan", 1, None, None)], false),
        ("alice@home.lan", vec![named("bob@home.lan", 1, Some(not_success), None)], false),
        ("alice@home.lan", vec![named("bob@home.lan", 1, Some(Notify::default()), None)], false),
        ("alice@home.lan", vec![named("c@home.lan", 1, None, None), asked()], true),
    ] {
        let told = report(&envelope(sender, false, named.clone()), b"");
        assert_eq!(told.is_some(), is_told, "{sender} {named:?}");
        assert!(told.is_none_or(|told| !told.contains("c@home.lan")), "RFC 3461 §5.2.8");
    }
}

#[test]
fn addresses_beyond_ascii_are_told_as_the_sender_can_read_them() {
    let jorg = || vec![named("jörg@home.lan", 1, Some(SUCCESS), Some(("utf-8", "jörg+x@home.lan")))];
    let told = report(&envelope("älice@home.lan", true, jorg()), "Subject: grün\r\n\r\n".as_bytes()).unwrap();
    for line in [
        "To: <älice@home.lan>",
        "    jörg@home.lan",
        "Content-Type: message/global-delivery-status",
        "Original-Recipient: utf-8;jörg+x@home.lan",
        "Final-Recipient: utf-8;jörg@home.lan",
        "Content-Type: message/global-headers",
        "Subject: grün",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    assert_eq!(told.matches("Content-Transfer-Encoding: 8bit").count(), 4);

    // An original recipient may be beyond ASCII where nothing else is, and the sender can't read such mail.
    let bob = || vec![named("bob@home.lan", 1, Some(SUCCESS), Some(("utf-8", "jörg+x@home.lan")))];
    let told = report(&envelope("alice@home.lan", false, bob()), b"Subject: x\r\n\r\n").unwrap();
    assert!(told.is_ascii() && !told.contains("8bit"), "{told}");
    for line in [
        "Content-Type: message/delivery-status",
        "Original-Recipient: utf-8;j\\x{F6}rg\\x{2B}x@home.lan",
        "Final-Recipient: rfc822;bob@home.lan",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    let told = report(&envelope("alice@home.lan", false, jorg()), b"").unwrap();
    assert!(told.is_ascii() && told.contains("Final-Recipient: utf-8;j\\x{F6}rg@home.lan"), "{told}");
}

#[test]
fn a_header_in_another_coding_comes_back_as_it_is() {
    let bob = vec![named("bob@home.lan", 1, Some(SUCCESS), None)];
    let message =
        success("mail.home.lan", 1, &envelope("a@home.lan", false, bob), b"Subject: gr\xFCn\r\n\r\n");
    let message = message.unwrap();
    assert!(message.windows(13).any(|window| window == b"Subject: gr\xFCn".as_slice()));
    let told = assert_travels_whole(&message);
    assert!(
        told.contains("Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n"),
        "{told}"
    );
    assert!(told.contains("Content-Type: message/delivery-status\r\n\r\n"), "{told}");
}

#[test]
fn a_name_without_a_domain_is_none_of_the_name_system() {
    let bob = vec![named("bob@home.lan", 1, Some(SUCCESS), None)];
    for (hostname, line) in [
        ("mail.home.lan", "Reporting-MTA: dns; mail.home.lan\r\n"),
        ("nas", "Reporting-MTA: x-local-hostname; nas\r\n"),
        ("x\r\nBcc: y", "Reporting-MTA: x-local-hostname; x??Bcc:?y\r\n"),
    ] {
        let message = success(hostname, 1, &envelope("a@home.lan", false, bob.clone()), b"").unwrap();
        assert!(assert_travels_whole(&message).contains(line), "{hostname:?}");
    }
}

#[test]
fn no_header_breaks_out_of_its_part() {
    let bob = vec![named("bob@home.lan", 1, Some(SUCCESS), None)];
    let envelope = envelope("a@home.lan", false, bob);
    let delimiter = "--=_000000000000001f.1795295700";
    for (header, returned) in [
        (format!("a: b\r\n{delimiter}--\r\nc: d\r\n\r\n"), format!("a: b\r\n {delimiter}--\r\nc: d\r\n")),
        ("a: b\r\n\r\nbody\r\n".to_owned(), "a: b\r\n".to_owned()),
        ("\r\nbody\r\n".to_owned(), String::new()),
        ("a: b\nc: d\n\nbody".to_owned(), "a: b\r\nc: d\r\n".to_owned()),
        ("a: b\rc\0d\r\n\r\n".to_owned(), "a: b?c?d\r\n".to_owned()),
        ("a: b\r\nno end".to_owned(), "a: b\r\n".to_owned()),
        (
            format!("a: {}\r\n", "x".repeat(1200)),
            format!("a: {}\r\n {}\r\n", "x".repeat(995), "x".repeat(205)),
        ),
    ] {
        let told = report(&envelope, header.as_bytes()).unwrap();
        let end = format!("text/rfc822-headers\r\n\r\n{returned}\r\n{delimiter}--\r\n");
        assert!(told.ends_with(&end), "{header:?}: {told}");
    }
}

#[test]
fn of_an_endless_header_only_so_much_comes_back_s_121() {
    let bob = vec![named("bob@home.lan", 1, Some(SUCCESS), None)];
    let envelope = envelope("a@home.lan", false, bob);
    let base = report(&envelope, b"").unwrap().len();
    let line = format!("a: {}\r\n", "x".repeat(59));
    assert_eq!(limits::SCANNED_HEADER_OCTETS % line.len(), 0);
    let lines = limits::SCANNED_HEADER_OCTETS / line.len();
    for (count, returned) in [(lines - 1, lines - 1), (lines, lines), (lines + 1, lines)] {
        let told = report(&envelope, line.repeat(count).as_bytes()).unwrap();
        assert_eq!(told.len() - base, returned * line.len(), "{count}");
    }
}

#[test]
fn the_longest_names_travel_whole() {
    let long = "ö".repeat(245);
    let all = |is_utf8| {
        let named = (0..limits::RECIPIENTS)
            .map(|_| named(&format!("{}@home.lan", "a".repeat(64)), 2, Some(SUCCESS), Some(("utf-8", &long))))
            .collect();
        let mut envelope = envelope(&format!("{}@home.lan", "b".repeat(64)), is_utf8, named);
        envelope.dsn.envelope_id = Some("x".repeat(limits::ENVELOPE_ID_OCTETS));
        report(&envelope, b"a: b\r\n\r\n").unwrap()
    };
    assert_eq!(all(true).matches("Original-Recipient: utf-8;ö").count(), limits::RECIPIENTS);
    let folded = all(false);
    assert!(folded.is_ascii());
    assert_eq!(folded.replace("\r\n ", "").matches("\\x{F6}").count(), 245 * limits::RECIPIENTS);
}

#[test]
fn who_is_elsewhere_is_told_of_only_where_he_is_one_of_several() {
    let leaving = |index| {
        let recipient = RemoteAddress::from_path("far@far.example");
        let alias: Alias = "info@home.lan".parse().unwrap();
        (Leaving { recipient, lane: Lane::SmartHost, chooser: None, forwarder: Some(alias) }, index)
    };
    for (mailboxes, leave, action) in [
        (0, 0, None),
        (0, 1, None),
        (0, 2, Some("expanded")),
        (1, 0, Some("delivered")),
        (1, 1, Some("expanded")),
    ] {
        let mut envelope =
            envelope("alice@home.lan", false, vec![named("info@home.lan", mailboxes, Some(SUCCESS), None)]);
        envelope.leaving = (0..leave).map(|_| leaving(0)).collect();
        assert_eq!(is_wanted(&envelope), action.is_some(), "{mailboxes} {leave}");
        assert_eq!(is_list(&envelope, 0), mailboxes + leave > 1);
        let told = report(&envelope, b"");
        assert_eq!(told.is_some(), action.is_some());
        if let (Some(told), Some(action)) = (told, action) {
            assert!(told.contains(&format!("\r\nAction: {action}\r\n")), "{told}");
        }
    }
    assert!(!is_list(&envelope("alice@home.lan", false, vec![]), 0));
}

#[test]
fn success_is_told_in_every_language() {
    let envelope = envelope("alice@home.lan", false, vec![named("bob@home.lan", 1, Some(SUCCESS), None)]);
    let mut told: Vec<Vec<u8>> = Language::ALL
        .into_iter()
        .map(|language| {
            report::success("h", language, NOW, 1, None, &envelope, b"a: b\r\n\r\n").unwrap().message
        })
        .collect();
    for message in &told {
        let read = super::Read::of(message);
        assert!(read.parts.len() == 3 && read.prose().contains("    bob@home.lan\r\n"));
    }
    told.dedup();
    assert_eq!(told.len(), Language::ALL.len());
}
