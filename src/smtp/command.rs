//! Command lines: verbs, arguments, and which verb may come when. RFC 5321 §4.1.1, §4.1.4.

/// What a command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// RFC 5321 §4.1.1.1.
    Ehlo,
    /// RFC 5321 §4.1.1.1.
    Helo,
    /// RFC 3207.
    StartTls,
    /// RFC 4954.
    Auth,
    /// RFC 5321 §4.1.1.2.
    Mail,
    /// RFC 5321 §4.1.1.3.
    Rcpt,
    /// RFC 5321 §4.1.1.4.
    Data,
    /// RFC 3030 §2.
    Bdat,
    /// RFC 5321 §4.1.1.5.
    Rset,
    /// RFC 5321 §4.1.1.9.
    Noop,
    /// RFC 5321 §4.1.1.10.
    Quit,
    /// RFC 5321 §4.1.1.6.
    Vrfy,
    /// RFC 5321 §4.1.1.8.
    Help,
    /// Known to the RFCs, not offered here: EXPN, ETRN, TURN, SEND, SOML, SAML (S-069).
    Unoffered,
    /// Of an other protocol: HTTP, SSH, TLS (S-066, S-067).
    OtherProtocol,
    /// Anything else.
    Unknown,
}

impl Verb {
    /// Every verb, for the table's test.
    pub const ALL: [Verb; 16] = [
        Verb::Ehlo,
        Verb::Helo,
        Verb::StartTls,
        Verb::Auth,
        Verb::Mail,
        Verb::Rcpt,
        Verb::Data,
        Verb::Bdat,
        Verb::Rset,
        Verb::Noop,
        Verb::Quit,
        Verb::Vrfy,
        Verb::Help,
        Verb::Unoffered,
        Verb::OtherProtocol,
        Verb::Unknown,
    ];
}

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing said yet, or everything forgotten by STARTTLS.
    Fresh,
    /// EHLO or HELO was said.
    Ready,
    /// MAIL was accepted.
    Mail,
    /// A recipient was accepted too.
    Recipients,
    /// A chunk has come, and it was not the last.
    Chunks,
}

impl Stage {
    /// Every stage, in the order in which a mail passes through them.
    pub const ALL: [Stage; 5] = [Stage::Fresh, Stage::Ready, Stage::Mail, Stage::Recipients, Stage::Chunks];
}

/// Whether a verb may come at a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It may.
    Fine,
    /// EHLO must be said before.
    HelloFirst,
    /// MAIL must be said before.
    MailFirst,
    /// No recipient has been accepted.
    RecipientFirst,
    /// Not while a mail is under way.
    MailUnderWay,
    /// Only BDAT takes this mail further.
    ChunksUnderWay,
}

/// The table of RFC 5321 §4.1.4, RFC 3207 §4, RFC 4954 §3 and RFC 3030 §2.
///
/// STARTTLS may come inside a transaction, which it ends: everything said before it is forgotten (S-035).
pub fn order(verb: Verb, stage: Stage) -> Order {
    match (verb, stage) {
        (Verb::StartTls | Verb::Auth | Verb::Mail | Verb::Rcpt | Verb::Data | Verb::Bdat, Stage::Fresh) => {
            Order::HelloFirst
        }
        (Verb::Auth | Verb::Mail, Stage::Mail | Stage::Recipients | Stage::Chunks) => Order::MailUnderWay,
        (Verb::Rcpt | Verb::Data | Verb::Bdat, Stage::Ready) => Order::MailFirst,
        (Verb::Data | Verb::Bdat, Stage::Mail) => Order::RecipientFirst,
        (Verb::Rcpt | Verb::Data, Stage::Chunks) => Order::ChunksUnderWay,
        _ => Order::Fine,
    }
}

/// What BDAT announces: how many octets come behind its line, and whether the mail ends with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Octets.
    pub octets: u64,
    /// Whether it is the last one.
    pub is_last: bool,
}

impl Chunk {
    /// Takes the argument of BDAT: up to 20 digits, and `LAST` in letters of any case behind one blank. None if it
    /// is anything else, or a number beyond 64 bits (S-142).
    pub fn parse(argument: &[u8]) -> Option<Chunk> {
        let (digits, end_marker) = match argument.iter().position(|&octet| octet == b' ') {
            Some(at) => (&argument[..at], Some(&argument[at + 1..])),
            None => (argument, None),
        };
        let is_good = (1..=20).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit)
            && end_marker.is_none_or(|word| word.eq_ignore_ascii_case(b"LAST"));
        let octets = std::str::from_utf8(digits).ok().filter(|_| is_good)?.parse().ok()?;
        Some(Chunk { octets, is_last: end_marker.is_some() })
    }
}

/// A command line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// What it asks for.
    pub verb: Verb,
    /// What stands behind the verb and its blank, without blanks at the end. RFC 5321 §4.1.1.
    pub argument: &'a [u8],
}

impl Command<'_> {
    /// Takes a line, without its CRLF, apart. Never fails: what is no command is [`Verb::Unknown`].
    pub fn parse(line: &[u8]) -> Command<'_> {
        let end = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
        let (word, rest) = line.split_at(end);
        let is_binary = line.first().is_some_and(|&octet| octet != b'\t' && !(b' '..=b'~').contains(&octet));
        let verb = if is_binary || line.starts_with(b"SSH-") { Verb::OtherProtocol } else { find(word) };
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let end = rest.iter().rposition(|octet| !b" \t".contains(octet)).map_or(0, |at| at + 1);
        Command { verb, argument: &rest[..end] }
    }
}

fn find(word: &[u8]) -> Verb {
    match word.to_ascii_uppercase().as_slice() {
        b"EHLO" => Verb::Ehlo,
        b"HELO" => Verb::Helo,
        b"STARTTLS" => Verb::StartTls,
        b"AUTH" => Verb::Auth,
        b"MAIL" => Verb::Mail,
        b"RCPT" => Verb::Rcpt,
        b"DATA" => Verb::Data,
        b"BDAT" => Verb::Bdat,
        b"RSET" => Verb::Rset,
        b"NOOP" => Verb::Noop,
        b"QUIT" => Verb::Quit,
        b"VRFY" => Verb::Vrfy,
        b"HELP" => Verb::Help,
        b"EXPN" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML" => Verb::Unoffered,
        b"GET" | b"POST" | b"CONNECT" | b"PRI" | b"PUT" | b"HEAD" | b"OPTIONS" => Verb::OtherProtocol,
        _ => Verb::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_known_in_any_case_s_062() {
        for (line, verb, argument) in [
            (&b"NOOP"[..], Verb::Noop, &b""[..]),
            (b"noop  \t ", Verb::Noop, b""),
            (b"eHlO me", Verb::Ehlo, b"me"),
            (b"MAIL FROM:<a@b> ", Verb::Mail, b"FROM:<a@b>"),
            (b"MAIL  FROM:<a@b>", Verb::Mail, b" FROM:<a@b>"),
            (b"", Verb::Unknown, b""),
            (b" NOOP", Verb::Unknown, b"NOOP"),
            (b"\tNOOP", Verb::Unknown, b""),
            (b"NOOP\t", Verb::Unknown, b""),
            (b"NOOPX", Verb::Unknown, b""),
            (b"XCLIENT ADDR=127.0.0.1", Verb::Unknown, b"ADDR=127.0.0.1"),
            (b"PROXY TCP4 127.0.0.1", Verb::Unknown, b"TCP4 127.0.0.1"),
        ] {
            assert_eq!(Command::parse(line), Command { verb, argument }, "{line:?}");
        }
    }

    #[test]
    fn other_protocols_are_known_s_066_s_067() {
        for line in [
            &b"GET /evil HTTP/1.1"[..],
            b"POST / HTTP/1.0",
            b"CONNECT www.evil.com:80",
            b"PRI * HTTP/2.0",
            b"SSH-2.0-OpenSSH_9.2",
            b"\x16\x03\x01\x02",
            b"\x03\x13",
            b"\x80abc",
            b"\x7f",
        ] {
            assert_eq!(Command::parse(line).verb, Verb::OtherProtocol, "{line:?}");
        }
    }

    #[test]
    fn the_table_of_verbs_and_stages_is_this_one_s_063() {
        use Order::{ChunksUnderWay, Fine, HelloFirst, MailFirst, MailUnderWay, RecipientFirst};
        for verb in Verb::ALL {
            let expected = match verb {
                Verb::StartTls => [HelloFirst, Fine, Fine, Fine, Fine],
                Verb::Auth | Verb::Mail => [HelloFirst, Fine, MailUnderWay, MailUnderWay, MailUnderWay],
                Verb::Rcpt => [HelloFirst, MailFirst, Fine, Fine, ChunksUnderWay],
                Verb::Data => [HelloFirst, MailFirst, RecipientFirst, Fine, ChunksUnderWay],
                Verb::Bdat => [HelloFirst, MailFirst, RecipientFirst, Fine, Fine],
                _ => [Fine; 5],
            };
            assert_eq!(Stage::ALL.map(|stage| order(verb, stage)), expected, "{verb:?}");
        }
    }

    #[test]
    fn chunks_are_counted_strictly_s_142() {
        for (argument, octets, is_last) in [
            ("0", 0, false),
            ("0 LAST", 0, true),
            ("89 last", 89, true),
            ("1 LaSt", 1, true),
            ("18446744073709551614", u64::MAX - 1, false),
            ("18446744073709551615", u64::MAX, false),
            ("00000000000000000005", 5, false),
        ] {
            assert_eq!(Chunk::parse(argument.as_bytes()), Some(Chunk { octets, is_last }), "{argument}");
        }
        for argument in [
            "",
            "LAST",
            "-1",
            "+1",
            "5 FIRST",
            "5 LAST x",
            "5  LAST",
            " 5",
            "5LAST",
            "5\tLAST",
            "5 LASTS",
            "5 LAS",
            "5 ",
            "0x10",
            "1e3",
            "1.0",
            "1,000",
            "5 5",
            "18446744073709551616",
            "99999999999999999999",
            "000000000000000000005",
            "\u{665}",
        ] {
            assert_eq!(Chunk::parse(argument.as_bytes()), None, "{argument:?}");
        }
        assert_eq!(Chunk::parse(b"5\xFF"), None);
        assert_eq!(Command::parse(b"bdat 5 LAST  ").argument, b"5 LAST");
    }
}
