//! Tests of reports of mail that leaves.

use super::Read;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Language, OriginalRecipient};
use crate::smtp::client::{Answer, Reply, Verdict};
use crate::smtp::letter::tests::NOW;
use crate::smtp::report::{About, Notice, Of, Returned};

const HEADER: &[u8] = b"Subject: x\r\nMessage-ID: <1@home.lan>\r\n\r\n";

fn answer(verdict: Verdict, code: u16, enhanced: Option<[u16; 3]>, text: &str) -> Answer {
    Answer { verdict, reply: Reply { code, enhanced, text: text.into() } }
}

fn no_such_user() -> Answer {
    answer(Verdict::Never, 550, Some([5, 1, 1]), "no such user")
}

fn of<'a>(address: &'a str, answer: &'a Answer, text: &'a str) -> Of<'a> {
    let at = UnixTime(1_795_295_640);
    Of { address, original: None, answer: Some(answer), host: "mx.far.example", text, at }
}

fn notice<'a>(about: About, of: Vec<Of<'a>>) -> Notice<'a> {
    Notice {
        about,
        hostname: "mail.home.lan",
        language: Language::English,
        now: NOW,
        mail_number: 0x1F,
        to: "alice@home.lan",
        domain: None,
        is_utf8: false,
        envelope_id: None,
        arrived: Some(UnixTime(1_795_295_600)),
        until: Some(UnixTime(1_795_727_600)),
        of,
        returned: Returned::Header(HEADER),
    }
}

fn field<'a>(group: &'a [(String, String)], name: &str) -> Option<&'a str> {
    group.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_report_of_failure_tells_people_and_programs_what_went_wrong() {
    let (unknown, full) = (no_such_user(), answer(Verdict::Never, 552, Some([5, 2, 2]), "over quota"));
    let meant = OriginalRecipient { address_type: "rfc822".into(), address: "list@home.lan".into() };
    let mut recipients = vec![
        of("bob@far.example", &unknown, "550 5.1.1 no such user"),
        of("carl@far.example", &full, "552 5.2.2 over quota"),
        of("bo@far.example", &unknown, "550 5.1.1 no such user"),
    ];
    recipients[1].original = Some(&meant);
    let report = Notice { envelope_id: Some("QQ 314"), ..notice(About::Failure, recipients) }.write();
    assert!(!report.needs_utf8);
    let expected = "Date: Sat, 21 Nov 2026 21:15:00 +0000
From: Mail delivery <postmaster@home.lan>
To: <alice@home.lan>
Subject: Your mail could not be delivered
Message-ID: <000000000000001f.1795295700@mail.home.lan>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
In-Reply-To: <1@home.lan>
References: <1@home.lan>
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"=_000000000000001f.1795295700\"

--=_000000000000001f.1795295700
Content-Type: text/plain; charset=utf-8

Your mail of Sat, 21 Nov 2026 21:13:20 +0000 could not be delivered. These
recipients have not got it, and it will not be tried any more.

There is no such mailbox: the address is misspelt, or no longer in use.

    bob@far.example
    bo@far.example

What you can do: check the address letter by letter, and send the mail again.

The mailbox is full.

    carl@far.example (sent to list@home.lan)

What you can do: tell the recipient in another way, or send the mail again in
some days.

For whoever wants to know it exactly:

About bob@far.example the server mx.far.example said:
      > 550 5.1.1 no such user

About carl@far.example the server mx.far.example said:
      > 552 5.2.2 over quota

About bo@far.example the server mx.far.example said:
      > 550 5.1.1 no such user

The header of your mail is attached.

This was written by the mail server mail.home.lan. An answer goes to its
postmaster.

--=_000000000000001f.1795295700
Content-Type: message/delivery-status

Original-Envelope-Id: QQ 314
Reporting-MTA: dns; mail.home.lan
Arrival-Date: Sat, 21 Nov 2026 21:13:20 +0000

Final-Recipient: rfc822;bob@far.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.far.example
Diagnostic-Code: smtp; 550 5.1.1 no such user
Last-Attempt-Date: Sat, 21 Nov 2026 21:14:00 +0000

Original-Recipient: rfc822;list@home.lan
Final-Recipient: rfc822;carl@far.example
Action: failed
Status: 5.2.2
Remote-MTA: dns; mx.far.example
Diagnostic-Code: smtp; 552 5.2.2 over quota
Last-Attempt-Date: Sat, 21 Nov 2026 21:14:00 +0000

Final-Recipient: rfc822;bo@far.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.far.example
Diagnostic-Code: smtp; 550 5.1.1 no such user
Last-Attempt-Date: Sat, 21 Nov 2026 21:14:00 +0000

--=_000000000000001f.1795295700
Content-Type: text/rfc822-headers

Subject: x
Message-ID: <1@home.lan>

--=_000000000000001f.1795295700--
";
    assert_eq!(String::from_utf8(report.message.clone()).unwrap().replace("\r\n", "\n"), expected);
    assert_eq!(Read::of(&report.message).parts.len(), 3);
}

#[test]
fn each_kind_of_report_says_what_it_is_in_every_language() {
    let later = answer(Verdict::Later, 0, None, "no answer");
    for language in Language::ALL {
        for (about, subject, action, status) in [
            (About::Failure, "5.1.1", "failed", "5.1.1"),
            (About::Delay, "4.4.1", "delayed", "4.4.1"),
            (About::Relayed, "2.0.0", "relayed", "2.0.0"),
        ] {
            let (unknown, _) = (no_such_user(), subject);
            let answer = if about == About::Failure { &unknown } else { &later };
            let report =
                Notice { language, ..notice(about, vec![of("bob@far.example", answer, "no answer")]) };
            let read = Read::of(&report.write().message);
            assert_eq!(read.parts.len(), 3, "{language:?} {about:?}");
            assert!(read.header.contains("\r\nAuto-Submitted: auto-replied\r\n"));
            assert!(read.prose().contains("    bob@far.example\r\n"), "{}", read.prose());
            let status_fields = read.status();
            let recipient = &status_fields[1];
            assert_eq!(field(recipient, "Action"), Some(action));
            assert_eq!(field(recipient, "Status"), Some(status));
            assert_eq!(field(recipient, "Will-Retry-Until").is_some(), about == About::Delay);
            assert_eq!(field(recipient, "Diagnostic-Code").is_some(), about != About::Relayed);
        }
    }
}

#[test]
fn a_mail_that_was_tried_for_days_says_for_how_many() {
    let later = answer(Verdict::Later, 450, None, "come again");
    let after_days = |days: u64, answer: &Answer| {
        let arrived = Some(UnixTime(NOW.at.0 - days * 86_400));
        let notice = notice(About::Failure, vec![of("bob@far.example", answer, "450 come again")]);
        Read::of(&Notice { arrived, ..notice }.write().message).prose().to_owned()
    };
    assert!(after_days(5, &later).contains("for 5 days."), "{}", after_days(5, &later));
    assert!(after_days(1, &later).contains("for a day."));
    assert!(!after_days(0, &later).contains("It was tried"));
    assert!(!after_days(5, &no_such_user()).contains("It was tried"), "it was refused at once");
    let of_the_future = Notice {
        arrived: Some(UnixTime(NOW.at.0 + 1)),
        ..notice(About::Failure, vec![of("b@far.example", &later, "")])
    };
    assert!(!Read::of(&of_the_future.write().message).prose().contains("It was tried"));
}

#[test]
fn times_that_can_not_be_believed_are_not_told() {
    let unknown = no_such_user();
    let notice = notice(About::Delay, vec![of("bob@far.example", &unknown, "x")]);
    let now = crate::smtp::Now { is_suspect: true, ..NOW };
    let read = Read::of(&Notice { arrived: None, until: None, now, ..notice }.write().message);
    for name in ["Arrival-Date", "Will-Retry-Until", "Last-Attempt-Date"] {
        assert!(!read.parts[1].1.contains(name), "{}", read.parts[1].1);
    }
    assert!(read.prose().starts_with("Your mail has not reached"), "{}", read.prose());
}

#[test]
fn who_was_not_asked_is_told_by_what_we_found() {
    for (text, status, kind) in [
        ("no answer within 30 s", "4.4.1", "x-poppet; "),
        ("535 5.7.8 who are you", "4.7.8", "smtp; "),
        ("421 too many", "4.4.7", "smtp; "),
    ] {
        let found =
            Of { address: "bob@far.example", original: None, answer: None, host: "", text, at: NOW.at };
        let read = Read::of(&notice(About::Failure, vec![found]).write().message);
        let recipient = &read.status()[1];
        assert_eq!(field(recipient, "Status"), Some(status));
        assert_eq!(field(recipient, "Diagnostic-Code"), Some(&*format!("{kind}{text}")));
        assert_eq!(field(recipient, "Remote-MTA"), None);
        assert!(read.prose().contains("our own server found:"), "{}", read.prose());
    }
}

#[test]
fn nothing_that_a_server_says_breaks_out_of_its_place_s_133() {
    let boundary = "--=_000000000000001f.1795295700";
    let long = "x".repeat(10_240);
    for text in [
        "550 a\r\nBcc: evil@far.example\r\n\r\nbody",
        "550 a\r\n.\r\nMAIL FROM:<>",
        &format!("550 a\r\n{boundary}--\r\nx"),
        &format!("{boundary}--"),
        "\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822;x@y",
        "550 \u{2028}Action: delivered\0\u{1b}[31m\u{7f}",
        "550 \u{fc}ber \u{65e5}\u{672c}",
        &long,
        "",
    ] {
        for verdict in [Verdict::Never, Verdict::Later, Verdict::Unsure] {
            let said = answer(verdict, 550, Some([65_535; 3]), text);
            let hostile = Of { host: "h\r\nBcc: x", ..of("bob@far.example", &said, text) };
            let read = Read::of(&notice(About::Failure, vec![hostile]).write().message);
            assert_eq!(read.parts.len(), 3, "{text:?}");
            let status = read.status();
            assert_eq!(status.len(), 2, "{text:?}");
            assert_eq!(field(&status[1], "Action"), Some("failed"));
            assert!(read.parts[1].1.is_ascii());
            for name in ["Bcc", "MAIL FROM", "delivered"] {
                assert!(!status.iter().flatten().any(|(found, _)| found == name), "{text:?}");
            }
            let quoted = read.prose().lines().filter(|line| line.contains("Bcc: evil")).count();
            let behind_a_mark = read.prose().lines().filter(|line| line.starts_with("      > ")).count();
            assert!(quoted <= behind_a_mark, "{}", read.prose());
            assert!(status[1].iter().all(|(_, value)| value.len() < 600), "{text:?}");
        }
    }
}

#[test]
fn nothing_that_a_sender_says_breaks_out_of_its_place_s_123() {
    let unknown = no_such_user();
    let boundary = "--=_000000000000001f.1795295700";
    let whole = format!("Subject: x\r\n\r\n{boundary}--\r\n{boundary}.0.\r\n");
    let evil = OriginalRecipient { address_type: "rfc822".into(), address: "a\r\nBcc: x".into() };
    let recipient =
        Of { original: Some(&evil), ..of("\"a\r\nBcc: x\"@far.example", &unknown, "550 5.1.1 no") };
    let report = Notice {
        hostname: "m\r\nBcc: x",
        envelope_id: Some("a\r\nBcc: x"),
        returned: Returned::Whole(whole.as_bytes()),
        ..notice(About::Failure, vec![recipient])
    };
    let read = Read::of(&report.write().message);
    assert_eq!(read.parts.len(), 3);
    assert_eq!(read.parts[2].1, format!("{whole}"), "what is returned is as it was");
    assert!(!read.header.contains("\nBcc") && !read.parts[1].1.contains("\nBcc"));
}

#[test]
fn only_a_failure_returns_the_whole_mail() {
    let unknown = no_such_user();
    let mail = b"Subject: x\r\n\r\nbody\r\n";
    for (about, is_whole) in [(About::Failure, true), (About::Delay, false), (About::Relayed, false)] {
        let notice = notice(about, vec![of("bob@far.example", &unknown, "x")]);
        let read = Read::of(&Notice { returned: Returned::Whole(mail), ..notice }.write().message);
        let (header, body) = &read.parts[2];
        assert_eq!(header.contains("message/rfc822"), is_whole, "{about:?}");
        assert_eq!(body.contains("body"), is_whole);
        assert_eq!(read.prose().contains("Your mail is attached."), is_whole);
    }
    let nothing = Notice {
        returned: Returned::Nothing,
        ..notice(About::Failure, vec![of("bob@far.example", &unknown, "x")])
    };
    let read = Read::of(&nothing.write().message);
    assert!(read.parts.len() == 2 && !read.prose().contains("attached"), "{}", read.prose());
}

#[test]
fn addresses_beyond_ascii_are_told_as_the_sender_can_read_them() {
    let unknown = no_such_user();
    let about = |is_utf8, to| {
        let notice = notice(About::Failure, vec![of("jörg@far.example", &unknown, "550 5.1.1 jörg")]);
        Notice { is_utf8, to, returned: Returned::Header("Subject: grün\r\n\r\n".as_bytes()), ..notice }
            .write()
    };
    let report = about(true, "älice@home.lan");
    assert!(report.needs_utf8);
    let read = Read::of(&report.message);
    assert!(read.parts[1].0.starts_with("Content-Type: message/global-delivery-status\r\n"));
    assert!(read.parts[2].0.starts_with("Content-Type: message/global-headers\r\n"));
    let status = read.status();
    assert_eq!(field(&status[1], "Final-Recipient"), Some("utf-8;jörg@far.example"));
    assert_eq!(field(&status[1], "Diagnostic-Code"), Some("smtp; 550 5.1.1 j?rg"));
    assert!(read.prose().contains("    jörg@far.example\r\n"));

    let report = about(false, "alice@home.lan");
    assert!(!report.needs_utf8);
    let read = Read::of(&report.message);
    assert!(read.parts[1].0 == "Content-Type: message/delivery-status" && read.parts[1].1.is_ascii());
    assert_eq!(field(&read.status()[1], "Final-Recipient"), Some("utf-8;j\\x{F6}rg@far.example"));
    assert!(about(false, "älice@home.lan").needs_utf8, "he can't be told otherwise");
}

#[test]
fn a_hundred_recipients_are_told_of_in_one_report() {
    let unknown = no_such_user();
    let text = format!("550 5.1.1 {}", "x".repeat(limits::KEPT_REPLY_OCTETS - 10));
    let addresses: Vec<String> = (0..100).map(|id| format!("{id}@{}.example", "y".repeat(60))).collect();
    let all = addresses.iter().map(|address| of(address, &unknown, &text)).collect();
    let report = notice(About::Failure, all).write();
    let read = Read::of(&report.message);
    assert_eq!(read.status().len(), 101);
    assert_eq!(read.prose().matches("There is no such mailbox").count(), 1);
    for address in &addresses {
        assert!(read.prose().contains(&format!("    {address}\r\n")), "{address}");
    }
    assert!(report.message.len() < 200 * 1024, "{}", report.message.len());
}

#[test]
fn a_report_for_a_stranger_comes_from_our_own_postmaster() {
    let unknown = no_such_user();
    let notice = notice(About::Failure, vec![of("bob@home.lan", &unknown, "x")]);
    let report = Notice { to: "eve@far.example", domain: Some("home.lan"), ..notice }.write();
    let read = Read::of(&report.message);
    assert!(
        read.header.contains("\r\nFrom: Mail delivery <postmaster@home.lan>\r\nTo: <eve@far.example>\r\n")
    );
}
