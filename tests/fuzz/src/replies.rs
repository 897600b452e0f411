//! The form that replies have.

use poppet::limits;

/// Octets of a reply line with its CRLF, in both protocols. RFC 1939 §3, RFC 5321 §4.5.3.1.5.
const LINE_OCTETS: usize = 512;

/// The lines of a reply without their CRLFs. Panics if one is too long, does not end with CRLF, or holds what no
/// reply may: foreign text is never sent back as it came (S-025).
pub fn lines(reply: &[u8]) -> Vec<&str> {
    let text =
        std::str::from_utf8(reply).unwrap_or_else(|_| panic!("a reply is no text: {}", reply.escape_ascii()));
    let Some(text) = text.strip_suffix("\r\n") else {
        assert!(text.is_empty(), "a reply without an end: {text:?}");
        return Vec::new();
    };
    let lines: Vec<&str> = text.split("\r\n").collect();
    for line in &lines {
        let is_challenge = line.starts_with("+ ") || line.starts_with("334 ");
        let limit = if is_challenge { limits::SASL_LINE_OCTETS } else { LINE_OCTETS };
        assert!(line.len() + 2 <= limit, "a reply line has {} octets", line.len() + 2);
        assert!(!line.chars().any(char::is_control), "a control character is in a reply: {line:?}");
    }
    lines
}

/// Panics unless those lines are one reply of POP3, of many lines if `is_long` and it is one of success.
/// RFC 1939 §3.
pub fn check_pop3(lines: &[&str], is_long: bool) {
    let (first, rest) = lines.split_first().expect("a command has no reply");
    let is_ok = *first == "+OK" || first.starts_with("+OK ");
    let is_error = *first == "-ERR" || first.starts_with("-ERR ");
    assert!(is_ok || is_error || first.starts_with("+ "), "no reply begins so: {first:?}");
    if is_ok && is_long {
        let (last, body) = rest.split_last().expect("a long reply has no end");
        assert_eq!(*last, ".", "a long reply has no end");
        assert!(!body.iter().any(|line| line.starts_with('.')), "a long reply ends twice: {body:?}");
    } else {
        assert!(rest.is_empty(), "more than one reply: {lines:?}");
    }
}

/// The codes of the SMTP replies in those lines. Panics if they are none. RFC 5321 §4.2.
pub fn smtp_codes(lines: &[&str]) -> Vec<u16> {
    let (mut codes, mut open) = (Vec::new(), None);
    for line in lines {
        let code = line.get(..3).and_then(|digits| digits.parse::<u16>().ok());
        let code = code
            .filter(|code| (200..600).contains(code))
            .unwrap_or_else(|| panic!("no reply begins so: {line:?}"));
        assert!(open.is_none_or(|open| open == code), "a reply has two codes: {lines:?}");
        match line.as_bytes().get(3) {
            Some(b'-') => open = Some(code),
            Some(b' ') => {
                open = None;
                codes.push(code);
            }
            _ => panic!("no reply goes on so: {line:?}"),
        }
    }
    assert!(open.is_none(), "a reply has no last line: {lines:?}");
    codes
}
