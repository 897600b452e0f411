//! Trace fields. RFC 5321 §4.4, RFC 3848, RFC 6531 §3.7.3, RFC 8314 §7.

use std::net::IpAddr;

use super::{Now, ReversePath};
use crate::limits;
use crate::mail::Address;
use crate::mail::mailbox::is_address_literal;

/// What a Received field tells.
#[derive(Debug)]
pub struct Received<'a> {
    /// The name that the peer gave, if it was fit to be written down.
    pub hello: Option<&'a str>,
    /// Whether he said EHLO.
    pub is_extended: bool,
    /// His address.
    pub peer: IpAddr,
    /// Our name.
    pub hostname: &'a str,
    /// TLS version and suite.
    pub tls: Option<&'a str>,
    /// Whether he has logged on.
    pub is_logged_in: bool,
    /// Whether SMTPUTF8 was said.
    pub is_utf8: bool,
    /// The mail's number.
    pub mail_number: u64,
    /// The forward-path as RCPT named it, if there was only one: the others must not see each other (RFC 5321 §7.2),
    /// nor anybody where an alias leads.
    pub only_recipient: Option<&'a str>,
    /// Whether the sender bears a name of ours and has not proved that it is his (S-113).
    pub is_unproven: bool,
    /// When.
    pub now: Now,
}

impl Received<'_> {
    /// The field with its CRLF, folded.
    pub fn field(&self) -> String {
        let address = literal(self.peer);
        let from = match self.hello {
            Some(name) => format!("{} ({address})", atom(name)),
            None => address,
        };
        let tls = self.tls.map_or_else(String::new, |tls| format!(" ({})", tls_comment(tls)));
        let recipient = self.told_recipient().map_or_else(String::new, |path| format!(" for <{path}>"));
        let doubt = if self.is_unproven { " (sender not verified)" } else { "" };
        let suspicion = if self.now.is_suspect { " (clock not set)" } else { "" };
        format!(
            "Received: from {from}\r\n\tby {} with {}{tls}\r\n\tid {:016x}{recipient}{doubt};\r\n\t{}{suspicion}\r\n",
            atom(self.hostname),
            self.protocol(),
            self.mail_number,
            self.now.at.rfc5322(),
        )
    }

    /// A `<Postmaster>` alone is no path here (RFC 5321 §4.4), and beyond ASCII it is told only if SMTPUTF8 was said
    /// (RFC 6531 §3.7.3). The session took it, but it must not break out whoever calls (S-123).
    fn told_recipient(&self) -> Option<&str> {
        self.only_recipient.filter(|path| {
            let is_told = |letter: char| {
                letter == ' ' || letter.is_ascii_graphic() || self.is_utf8 && !letter.is_ascii()
            };
            path.contains('@') && path.chars().all(|letter| is_told(letter) && !letter.is_control())
        })
    }

    /// The words of RFC 3848 and RFC 6531 §4.3; TLS and AUTH are extensions, whatever the greeting was.
    fn protocol(&self) -> String {
        let is_extended = self.is_extended || self.tls.is_some() || self.is_logged_in;
        let base = match (self.is_utf8, is_extended) {
            (true, _) => "UTF8SMTP",
            (false, true) => "ESMTP",
            (false, false) => "SMTP",
        };
        let secure = if self.tls.is_some() { "S" } else { "" };
        let authenticated = if self.is_logged_in { "A" } else { "" };
        format!("{base}{secure}{authenticated}")
    }
}

/// What submission adds where it is missing. RFC 6409 §8.2, §8.3.
#[derive(Debug)]
pub struct MissingFields {
    /// `Date: …` with its CRLF.
    pub date: String,
    /// `Message-ID: …` with its CRLF.
    pub message_id: String,
}

impl MissingFields {
    /// The fields for this mail.
    pub fn new(now: Now, mail_number: u64, hostname: &str) -> MissingFields {
        MissingFields {
            date: format!("Date: {}\r\n", now.at.rfc5322()),
            message_id: format!("Message-ID: <{mail_number:016x}.{}@{}>\r\n", now.at.0, atom(hostname)),
        }
    }
}

/// Return-Path and Delivered-To, which stand before the stored message. RFC 5321 §4.4.
pub fn delivery_fields(reverse_path: &ReversePath, recipient: &Address) -> Vec<u8> {
    format!("Return-Path: <{}>\r\nDelivered-To: {recipient}\r\n", reverse_path.as_str()).into_bytes()
}

/// The name of EHLO or HELO as it may be written down: a host name as hosts have them, or an address
/// literal (S-064, S-123).
pub fn hello_name(argument: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(argument).ok()?;
    let is_host = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    let is_good = (1..=limits::DOMAIN_OCTETS).contains(&name.len()) && (is_host || is_address_literal(name));
    is_good.then_some(name)
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

fn tls_comment(tls: &str) -> String {
    let (version, suite) = tls.split_once(' ').unwrap_or((tls, "unknown"));
    format!("version={} cipher={}", atom(&version.replacen("TLSv", "TLS", 1)), atom(suite))
}

/// Whatever could break out of the field becomes a question mark (S-123).
pub(super) fn atom(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_.:[]".contains(letter) { letter } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;

    fn received<'a>() -> Received<'a> {
        Received {
            hello: Some("client.example"),
            is_extended: true,
            peer: [192, 0, 2, 1].into(),
            hostname: "mail.home.lan",
            tls: None,
            is_logged_in: false,
            is_utf8: false,
            mail_number: 0x1F,
            only_recipient: None,
            is_unproven: false,
            now: Now { at: UnixTime(1_795_295_700), is_suspect: false },
        }
    }

    #[test]
    fn a_received_field_tells_who_where_how_and_when() {
        let field = Received {
            tls: Some("TLSv1.3 TLS13_AES_128_GCM_SHA256"),
            only_recipient: Some("Alice+x@home.lan"),
            ..received()
        };
        assert_eq!(
            field.field(),
            "Received: from client.example ([192.0.2.1])\r\n\
             \tby mail.home.lan with ESMTPS (version=TLS1.3 cipher=TLS13_AES_128_GCM_SHA256)\r\n\
             \tid 000000000000001f for <Alice+x@home.lan>;\r\n\
             \tSat, 21 Nov 2026 21:15:00 +0000\r\n"
        );
    }

    #[test]
    fn a_name_unfit_to_write_down_leaves_the_address_alone_s_064_s_308() {
        let field = Received {
            hello: None,
            peer: "2001:db8::1".parse().unwrap(),
            now: Now { at: UnixTime(0), is_suspect: true },
            ..received()
        };
        assert_eq!(
            field.field(),
            "Received: from [IPv6:2001:db8::1]\r\n\tby mail.home.lan with ESMTP\r\n\
             \tid 000000000000001f;\r\n\tThu, 1 Jan 1970 00:00:00 +0000 (clock not set)\r\n"
        );
        for name in ["", "x y", "x\r\nBcc: y", "[999.1.1.1]", "(x)", "bücher.example", &"a".repeat(256)] {
            assert_eq!(hello_name(name.as_bytes()), None, "{name:?}");
        }
        for name in
            ["NPIF65E56", "_", "localhost", "[127.0.0.1]", "192.0.2.7", "[IPv6:::1]", &"a".repeat(255)]
        {
            assert_eq!(hello_name(name.as_bytes()), Some(name));
        }
    }

    #[test]
    fn nothing_foreign_breaks_out_of_the_field_s_123() {
        let field = Received {
            hello: Some("x\r\nBcc: y"),
            tls: Some("TLSv1.2 A)\r\nEvil: x"),
            hostname: "m\nx",
            is_utf8: true,
            only_recipient: Some("\"a\r\nEvil: x\"@home.lan"),
            ..received()
        };
        assert_eq!(field.field().matches("\r\n").count(), field.field().matches("\n").count());
        assert_eq!(field.field().lines().filter(|line| !line.starts_with('\t')).count(), 1);
    }

    #[test]
    fn a_recipient_beyond_ascii_is_told_only_if_smtputf8_was_said() {
        for (is_utf8, is_told) in [(true, true), (false, false)] {
            let field = Received { is_utf8, only_recipient: Some("jörg@home.lan"), ..received() }.field();
            assert_eq!((field.contains(" for <jörg@home.lan>;"), field.is_ascii()), (is_told, !is_told));
        }
    }

    #[test]
    fn a_recipient_is_told_only_where_it_is_a_path_s_123() {
        for (path, is_told) in [
            ("\"a b\"@home.lan", true),
            ("\"a>b\"@home.lan", true),
            ("a@[192.0.2.1]", true),
            ("Postmaster", false),
            ("", false),
            ("a\n@home.lan", false),
            ("a\u{85}@home.lan", false),
        ] {
            let field = Received { is_utf8: true, only_recipient: Some(path), ..received() }.field();
            assert_eq!(field.contains(&format!(" for <{path}>;")), is_told, "{path:?}");
            assert_eq!(field.contains(" for "), is_told, "{path:?}");
        }
    }

    #[test]
    fn a_sender_of_ours_that_is_not_proved_is_marked_s_113() {
        for (is_unproven, end) in
            [(true, "for <a@home.lan> (sender not verified);\r\n"), (false, "for <a@home.lan>;\r\n")]
        {
            let field = Received { is_unproven, only_recipient: Some("a@home.lan"), ..received() }.field();
            assert!(field.contains(end), "{field}");
        }
    }

    #[test]
    fn the_protocol_word_follows_rfc_3848() {
        for (is_extended, tls, is_logged_in, is_utf8, word) in [
            (false, None, false, false, "SMTP"),
            (true, None, false, false, "ESMTP"),
            (true, Some("x y"), false, false, "ESMTPS"),
            (true, None, true, false, "ESMTPA"),
            (true, Some("x y"), true, false, "ESMTPSA"),
            (false, Some("x y"), true, false, "ESMTPSA"),
            (true, None, false, true, "UTF8SMTP"),
            (true, Some("x y"), false, true, "UTF8SMTPS"),
            (true, None, true, true, "UTF8SMTPA"),
            (true, Some("x y"), true, true, "UTF8SMTPSA"),
        ] {
            let field = Received { is_extended, tls, is_logged_in, is_utf8, ..received() };
            assert_eq!(field.protocol(), word);
        }
    }
}
