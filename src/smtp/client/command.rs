//! The commands MAIL and RCPT with what a server offers of parameters. RFC 5321 §4.1.1.2, §4.1.1.3.

use super::event::OutgoingMail;
use super::offer::Offer;
use crate::limits;
use crate::mail::{Notify, OriginalRecipient, RcptDsn, Ret};
use crate::smtp::xtext;

/// Whether a path can stand between angle brackets in one line: nothing in it ends the line or, outside of quotes, the
/// path, and it is not too long (S-123). RFC 5321 §4.5.3.1.3.
pub(super) fn is_path(path: &str) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_good = |letter: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            _ if letter.is_control() => return false,
            _ if was_escaped => {}
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '<' | '>' | ' ' => return is_quoted,
            _ => {}
        }
        true
    };
    path.len() + BRACKETS <= limits::PATH_OCTETS && path.chars().all(is_good) && !is_quoted
}

/// Appends MAIL. The parameters are those that the server offers and the mail needs.
pub(super) fn mail(mail: &OutgoingMail, is_utf8: bool, offer: &Offer, out: &mut Vec<u8>) {
    let mut line = format!("MAIL FROM:<{}>", mail.reverse_path);
    // RFC 1870 §5.
    if offer.size.is_some() {
        line.push_str(&format!(" SIZE={}", mail.octets));
    }
    // RFC 6152 §3.
    if mail.is_8bit && offer.eight_bit {
        line.push_str(" BODY=8BITMIME");
    }
    // RFC 6531 §3.4.
    if is_utf8 && offer.utf8 {
        line.push_str(" SMTPUTF8");
    }
    if offer.dsn {
        match mail.dsn.ret {
            Some(Ret::Full) => line.push_str(" RET=FULL"),
            Some(Ret::Headers) => line.push_str(" RET=HDRS"),
            None => {}
        }
        let id = mail.dsn.envelope_id.as_deref().filter(|id| id.len() <= limits::ENVELOPE_ID_OCTETS);
        if let Some(value) = id.and_then(xtext::encode) {
            line.push_str(&format!(" ENVID={value}"));
        }
    }
    say(&line, out);
}

/// Appends RCPT; what it asks of reports is passed on where the server offers to keep it. RFC 3461 §5.2.1.
pub(super) fn recipient(path: &str, dsn: &RcptDsn, offer: &Offer, out: &mut Vec<u8>) {
    let mut line = format!("RCPT TO:<{path}>");
    if offer.dsn {
        if let Some(notify) = dsn.notify {
            line.push_str(&format!(" NOTIFY={}", notify_value(notify)));
        }
        if let Some(value) = dsn.original_recipient.as_ref().and_then(original_value) {
            line.push_str(&format!(" ORCPT={value}"));
        }
    }
    say(&line, out);
}

/// Appends a line. It may be a password: none of it stays behind because `out` had to be moved.
pub(super) fn say(line: &str, out: &mut Vec<u8>) {
    out.reserve_exact(line.len() + b"\r\n".len());
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// RFC 3461 §4.1.
fn notify_value(notify: Notify) -> String {
    let wishes = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")]
        .map(|(is, word)| is.then_some(word));
    let words: Vec<_> = wishes.into_iter().flatten().collect();
    if words.is_empty() { "NEVER".into() } else { words.join(",") }
}

/// The address beyond ASCII is written in ASCII, which every server takes. RFC 3461 §4.2, RFC 6533 §3. None for what
/// can't be written, or is too long.
fn original_value(original: &OriginalRecipient) -> Option<String> {
    let kind = &original.address_type;
    let is_kind =
        !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let address = match kind.as_str() {
        "utf-8" if original.address.chars().any(char::is_control) => None,
        "utf-8" => Some(xtext::embed(&original.address)),
        _ => xtext::encode(&original.address),
    }?;
    Some(format!("{kind};{address}"))
        .filter(|value| is_kind && value.len() <= limits::ORIGINAL_RECIPIENT_OCTETS)
}

/// Octets of both angle brackets.
const BRACKETS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::MailDsn;

    fn full() -> Offer {
        Offer { size: Some(0), eight_bit: true, utf8: true, dsn: true, ..Offer::default() }
    }

    fn outgoing() -> OutgoingMail {
        OutgoingMail {
            reverse_path: "alice@home.lan".into(),
            recipients: Vec::new(),
            dsn: MailDsn { ret: Some(Ret::Headers), envelope_id: Some("a+b=c d".into()) },
            octets: 1234,
            is_8bit: true,
            needs_utf8: true,
            forces_8bit: false,
        }
    }

    fn said(say: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        say(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn mail_has_the_parameters_that_are_offered_and_needed() {
        let all = " SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n";
        assert_eq!(
            said(|out| mail(&outgoing(), true, &full(), out)),
            format!("MAIL FROM:<alice@home.lan>{all}")
        );
        let bare = said(|out| mail(&outgoing(), true, &Offer::default(), out));
        assert_eq!(bare, "MAIL FROM:<alice@home.lan>\r\n");
        let plain = OutgoingMail {
            reverse_path: "".into(),
            is_8bit: false,
            dsn: MailDsn::default(),
            octets: 0,
            ..outgoing()
        };
        assert_eq!(said(|out| mail(&plain, false, &full(), out)), "MAIL FROM:<> SIZE=0\r\n");
        let full_return = OutgoingMail { dsn: MailDsn { ret: Some(Ret::Full), envelope_id: None }, ..plain };
        assert_eq!(said(|out| mail(&full_return, false, &full(), out)), "MAIL FROM:<> SIZE=0 RET=FULL\r\n");
    }

    #[test]
    fn an_envelope_identifier_that_can_not_be_said_is_left_out() {
        for id in ["a\r\nb".to_owned(), "ö".into(), "\0".into(), "x".repeat(limits::ENVELOPE_ID_OCTETS + 1)]
        {
            let dsn = MailDsn { ret: None, envelope_id: Some(id) };
            let line =
                said(|out| mail(&OutgoingMail { dsn: dsn.clone(), ..outgoing() }, false, &full(), out));
            assert!(line.ends_with(" BODY=8BITMIME\r\n"), "{line}");
        }
    }

    #[test]
    fn recipients_have_what_they_ask_of_reports() {
        let original = |kind: &str, address: &str| {
            Some(OriginalRecipient { address_type: kind.into(), address: address.into() })
        };
        let notify = |success, failure, delay| Some(Notify { success, failure, delay });
        for (wish, asked, value) in [
            (None, None, ""),
            (notify(false, false, false), None, " NOTIFY=NEVER"),
            (notify(true, true, true), None, " NOTIFY=SUCCESS,FAILURE,DELAY"),
            (
                notify(false, true, false),
                original("rfc822", "a+b@c.test"),
                " NOTIFY=FAILURE ORCPT=rfc822;a+2Bb@c.test",
            ),
            (None, original("utf-8", "jörg+x@home.lan"), " ORCPT=utf-8;j\\x{F6}rg\\x{2B}x@home.lan"),
            (None, original("rfc822", "jörg@home.lan"), ""),
            (None, original("rfc822", "a\r\nb"), ""),
            (None, original("utf-8", "a\r\nb"), ""),
            (None, original("a;b c", "x"), ""),
            (None, original("", "x"), ""),
            (None, original("rfc822", &"x".repeat(limits::ORIGINAL_RECIPIENT_OCTETS - 6)), ""),
        ] {
            let dsn = RcptDsn { notify: wish, original_recipient: asked };
            let line = said(|out| recipient("bob@away.test", &dsn, &full(), out));
            assert_eq!(line, format!("RCPT TO:<bob@away.test>{value}\r\n"));
            let line = said(|out| recipient("bob@away.test", &dsn, &Offer::default(), out));
            assert_eq!(line, "RCPT TO:<bob@away.test>\r\n");
        }
    }

    #[test]
    fn a_path_that_would_end_its_line_or_itself_is_none_s_123() {
        for good in
            ["", "a@b.test", "\"a b\"@c", "\"a>b\"@c", "\"a\\\"b\"@c", "jörg@höme.lan", "a@[IPv6:::1]"]
        {
            assert!(is_path(good), "{good}");
        }
        for bad in [
            "a\r\nRCPT TO:<b",
            "a\n",
            "a\r",
            "a\0",
            "a\u{85}",
            "a>b",
            "a> SIZE=1",
            "a b",
            "<a",
            "\"a",
            "\"a\\\"@c",
            "a\"b> \"c\" x",
            "\"a\\\r\"@c",
        ] {
            assert!(!is_path(bad), "{bad:?}");
        }
        let most = limits::PATH_OCTETS - 2;
        for (octets, is_good) in [(most - 1, true), (most, true), (most + 1, false)] {
            assert_eq!(is_path(&"a".repeat(octets)), is_good, "{octets}");
        }
    }
}
