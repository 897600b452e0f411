//! Reports: whatever a server has said and a mail's header holds, the parts are three, the fields are ours, and nothing
//! of either stands where we speak. RFC 3464, RFC 6522.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::clock::UnixTime;
use poppet::mail::{Language, OriginalRecipient};
use poppet::smtp::Now;
use poppet::smtp::client::{Answer, Reply, Verdict};
use poppet::smtp::report::{About, Notice, Of, Returned};
use poppet_fuzz::choices::Choices;

const FIELDS: [&str; 11] = [
    "Original-Envelope-Id",
    "Reporting-MTA",
    "Arrival-Date",
    "Original-Recipient",
    "Final-Recipient",
    "Action",
    "Status",
    "Remote-MTA",
    "Diagnostic-Code",
    "Last-Attempt-Date",
    "Will-Retry-Until",
];

// A line each: what the server said, its name, the recipient, whom the sender meant; the rest is the mail.
fuzz_target!(|input: &[u8]| {
    let Some((mut choices, texts)) = Choices::take(input) else { return };
    let mut lines = texts.splitn(5, |&octet| octet == 0xFF).map(String::from_utf8_lossy);
    let mut line = || lines.next().unwrap_or_default().into_owned();
    let (text, host, address, meant) = (line(), line(), line(), line());
    let mail = texts.splitn(5, |&octet| octet == 0xFF).nth(4).unwrap_or_default();
    let about = [About::Failure, About::Delay, About::Relayed][usize::from(choices.one_of(3))];
    let language = Language::ALL[usize::from(choices.one_of(3))];
    let verdict = [Verdict::Never, Verdict::Later, Verdict::Unsure][usize::from(choices.one_of(3))];
    let is_whole = choices.one_of(2) == 1;
    let is_utf8 = choices.one_of(2) == 1;
    let code = u16::from(choices.octet()) * 5;
    let enhanced =
        (choices.one_of(2) == 1).then(|| [5, u16::from(choices.one_of(9)), u16::from(choices.octet()) * 9]);
    let answer = Answer { verdict, reply: Reply { code, enhanced, text: text.clone() } };
    let original = OriginalRecipient { address_type: "utf-8".into(), address: meant };
    // It comes out of xtext, which has nothing else. RFC 3461 §4.
    let envelope_id: String = host.chars().filter(|letter| (' '..='~').contains(letter)).collect();
    let at = UnixTime(1_795_295_700);
    let of = Of {
        address: &address,
        original: Some(&original),
        answer: (choices.one_of(2) == 1).then_some(&answer),
        host: &host,
        text: &text,
        at,
    };
    let notice = Notice {
        about,
        hostname: "mail.home.lan",
        language,
        now: Now { at, is_suspect: false },
        mail_number: 1,
        to: "alice@home.lan",
        domain: None,
        is_utf8,
        envelope_id: Some(&envelope_id),
        arrived: Some(at),
        until: Some(at),
        of: vec![of, of],
        returned: if is_whole { Returned::Whole(mail) } else { Returned::Header(mail) },
    };
    check(&notice.write().message, is_utf8);
});

fn check(message: &[u8], is_utf8: bool) {
    for line in lines(message) {
        assert!(line.len() <= 998 && !line.contains(&b'\r') && !line.contains(&0), "a line breaks");
    }
    let text = String::from_utf8_lossy(message);
    let (header, body) = text.split_once("\r\n\r\n").expect("there is a header");
    assert!(header.is_ascii() && header.split("\r\n").count() <= 12, "the header is not ours: {header}");
    let boundary = header.split('"').nth(1).expect("there is a boundary");
    let body = format!("\r\n{body}");
    let parts: Vec<&str> = body.split(&format!("\r\n--{boundary}")).collect();
    assert!(parts.len() == 5 && parts[0].is_empty() && parts[4] == "--\r\n", "the parts are others: {text}");
    let status = parts[2].split_once("\r\n\r\n").expect("the part has a header").1;
    assert!(is_utf8 || status.is_ascii(), "the status is beyond ASCII: {status}");
    assert_eq!(
        status.trim_end_matches("\r\n").split("\r\n\r\n").count(),
        3,
        "there are other recipients: {status}"
    );
    for line in status.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(' ')) {
        let name = line.split(':').next().unwrap_or_default();
        assert!(FIELDS.contains(&name), "a field is made: {line}");
    }
}

/// The lines without their CRLF; an LF alone stays within.
fn lines(message: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    for line in message.split(|&octet| octet == b'\n') {
        lines.push(line.strip_suffix(b"\r").unwrap_or(line));
    }
    lines
}
