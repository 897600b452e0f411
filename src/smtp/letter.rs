//! What the server writes to its users itself: the header of such a mail, and lines that travel whole. RFC 5322 §3.6.

use super::Now;
use super::trace::atom;

/// The header of a mail from the postmaster.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    /// Our name.
    pub hostname: &'a str,
    /// When.
    pub now: Now,
    /// The mail's number, fresh for each.
    pub mail_number: u64,
    /// To whom; who writes is the postmaster of his domain, if no other one is named.
    pub to: &'a str,
    /// The domain whose postmaster writes, where the reader is none of ours.
    pub domain: Option<&'a str>,
    /// The Message-ID of the mail that it answers, with its angle brackets. RFC 3834 §3.1.5.
    pub answers: Option<&'a str>,
    /// What about, in ASCII.
    pub subject: &'a str,
    /// How it came to be, in the words of RFC 3834 §5.2.
    pub automatic: &'a str,
    /// Its media type, folded if it is long.
    pub content_type: &'a str,
    /// Whether there is anything beyond ASCII in its body.
    pub is_8bit: bool,
}

impl Letter<'_> {
    /// The fields, and the empty line behind them.
    pub fn begin(&self) -> Vec<u8> {
        let hostname = atom(self.hostname);
        // Behind the last one: a quoted local part may have one too.
        let readers = || self.to.rsplit_once('@').map_or(hostname.as_str(), |(_, domain)| domain);
        let domain = self.domain.unwrap_or_else(readers);
        let mut out = Vec::new();
        for (name, value) in [
            ("Date", self.now.at.rfc5322()),
            ("From", format!("Mail delivery <postmaster@{domain}>")),
            ("To", format!("<{}>", self.to)),
            ("Subject", self.subject.to_owned()),
            ("Message-ID", format!("<{:016x}.{}@{hostname}>", self.mail_number, self.now.at.0)),
            ("Auto-Submitted", self.automatic.to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Content-Transfer-Encoding", if self.is_8bit { "8bit" } else { "7bit" }.to_owned()),
        ] {
            put_field(&mut out, name, &value);
        }
        for name in ["In-Reply-To", "References"] {
            if let Some(id) = self.answers {
                put_field(&mut out, name, id);
            }
        }
        out.extend_from_slice(format!("Content-Type: {}\r\n\r\n", self.content_type).as_bytes());
        out
    }
}

/// Puts a field of one line, folded only where it would be too long to travel.
pub(super) fn put_field(out: &mut Vec<u8>, name: &str, value: &str) {
    put_line(out, format!("{name}: {value}").as_bytes());
}

/// Puts a line with its CRLF. What could break it becomes a question mark, and what is too long goes on behind a blank,
/// with no letter cut in two. RFC 5322 §2.1.1.
pub(super) fn put_line(out: &mut Vec<u8>, line: &[u8]) {
    let (mut rest, mut room) = (line, LINE_OCTETS);
    while rest.len() > room {
        let is_boundary = |&at: &usize| rest[at] & 0xC0 != 0x80;
        let cut = (room - 3..=room).rev().find(is_boundary).unwrap_or(room);
        let (front, behind) = rest.split_at(cut);
        put_octets(out, front);
        out.extend_from_slice(b"\r\n ");
        (rest, room) = (behind, LINE_OCTETS - 1);
    }
    put_octets(out, rest);
    out.extend_from_slice(b"\r\n");
}

fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend(octets.iter().map(|octet| if b"\r\n\0".contains(octet) { b'?' } else { *octet }));
}

/// Octets of a line without its CRLF. RFC 5322 §2.1.1.
const LINE_OCTETS: usize = 998;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::UnixTime;

    pub const NOW: Now = Now { at: UnixTime(1_795_295_700), is_suspect: false };

    /// Every line ends with CRLF, is at most as long as may be, and has no octets that break it; gives the text.
    pub fn assert_travels_whole(message: &[u8]) -> String {
        assert!(message.ends_with(b"\r\n"));
        for line in message[..message.len() - 2].split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            assert!(line.len() <= 998 && !line.contains(&b'\r') && !line.contains(&0), "{line:?}");
        }
        assert_eq!(
            message.iter().filter(|&&octet| octet == b'\n').count(),
            message.windows(2).filter(|two| two == b"\r\n").count()
        );
        String::from_utf8_lossy(message).into_owned()
    }

    fn letter<'a>() -> Letter<'a> {
        Letter {
            hostname: "mail.home.lan",
            now: NOW,
            mail_number: 0x1F,
            to: "alice@home.lan",
            domain: None,
            answers: None,
            subject: "Hello",
            automatic: "auto-generated",
            content_type: "text/plain",
            is_8bit: false,
        }
    }

    #[test]
    fn a_letter_comes_from_the_postmaster_of_its_readers_domain() {
        assert_eq!(
            String::from_utf8(letter().begin()).unwrap(),
            "Date: Sat, 21 Nov 2026 21:15:00 +0000\r\nFrom: Mail delivery <postmaster@home.lan>\r\n\
             To: <alice@home.lan>\r\nSubject: Hello\r\nMessage-ID: <000000000000001f.1795295700@mail.home.lan>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\
             Content-Type: text/plain\r\n\r\n"
        );
        for (to, from) in [
            ("\"a@b\"@far.example", "From: Mail delivery <postmaster@far.example>"),
            ("a@[192.0.2.1]", "From: Mail delivery <postmaster@[192.0.2.1]>"),
            ("scanner", "From: Mail delivery <postmaster@mail.home.lan>"),
        ] {
            let begun = assert_travels_whole(&Letter { to, ..letter() }.begin());
            assert!(begun.contains(&format!("{from}\r\nTo: <{to}>\r\n")), "{begun}");
        }
    }

    #[test]
    fn a_letter_to_a_stranger_comes_from_ours_and_answers_what_he_wrote() {
        let answers = Some("<1@far.example>");
        let letter = Letter { to: "bob@far.example", domain: Some("home.lan"), answers, ..letter() };
        let begun = assert_travels_whole(&letter.begin());
        for line in [
            "From: Mail delivery <postmaster@home.lan>",
            "To: <bob@far.example>",
            "In-Reply-To: <1@far.example>",
            "References: <1@far.example>",
        ] {
            assert!(begun.lines().any(|told| told == line), "{line}: {begun}");
        }
    }

    #[test]
    fn nothing_foreign_makes_a_field_s_123() {
        let evil = Letter { hostname: "x\r\nBcc: y", to: "a@b\r\nBcc: y", subject: "z\nBcc: y", ..letter() };
        let begun = assert_travels_whole(&evil.begin());
        assert!(!begun.contains("\nBcc"), "{begun}");
    }

    #[test]
    fn lines_hold_at_their_edge_and_no_letter_is_cut() {
        let put = |text: &str| {
            let mut out = Vec::new();
            put_line(&mut out, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        for octets in [0, 1, 997, 998] {
            assert_eq!(put(&"x".repeat(octets)), format!("{}\r\n", "x".repeat(octets)), "{octets}");
        }
        assert_eq!(put(&"x".repeat(999)), format!("{}\r\n x\r\n", "x".repeat(998)));
        assert_eq!(put(&"x".repeat(1995)), format!("{0}x\r\n {0}\r\n", "x".repeat(997)));
        assert_eq!(put(&"x".repeat(1996)), format!("{0}x\r\n {0}\r\n x\r\n", "x".repeat(997)));
        for letter in ["ö", "日", "😀"] {
            for shift in 0..4 {
                let text = "x".repeat(shift) + &letter.repeat(1000);
                let lines = put(&text);
                assert_travels_whole(lines.as_bytes());
                assert_eq!(lines.replace("\r\n ", "").trim_end(), text, "{letter} {shift}");
            }
        }
        let mut out = Vec::new();
        put_line(&mut out, &[0x80; 5000]);
        assert_travels_whole(&out);
    }
}
