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
    /// Known to the RFCs, not offered here: EXPN, ETRN, TURN, SEND, SOML, SAML, BDAT (S-069, S-141).
    Unoffered,
    /// Of an other protocol: HTTP, SSH, TLS (S-066, S-067).
    OtherProtocol,
    /// Anything else.
    Unknown,
}

impl Verb {
    /// Every verb, for the table's test.
    pub const ALL: [Verb; 15] = [
        Verb::Ehlo,
        Verb::Helo,
        Verb::StartTls,
        Verb::Auth,
        Verb::Mail,
        Verb::Rcpt,
        Verb::Data,
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
}

/// The table of RFC 5321 §4.1.4, RFC 3207 §4 and RFC 4954 §3.
///
/// STARTTLS may come inside a transaction, which it ends: everything said before it is forgotten (S-035).
pub fn order(verb: Verb, stage: Stage) -> Order {
    match (verb, stage) {
        (Verb::StartTls | Verb::Auth | Verb::Mail | Verb::Rcpt | Verb::Data, Stage::Fresh) => {
            Order::HelloFirst
        }
        (Verb::Auth | Verb::Mail, Stage::Mail | Stage::Recipients) => Order::MailUnderWay,
        (Verb::Rcpt | Verb::Data, Stage::Ready) => Order::MailFirst,
        (Verb::Data, Stage::Mail) => Order::RecipientFirst,
        _ => Order::Fine,
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
        b"RSET" => Verb::Rset,
        b"NOOP" => Verb::Noop,
        b"QUIT" => Verb::Quit,
        b"VRFY" => Verb::Vrfy,
        b"HELP" => Verb::Help,
        b"EXPN" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML" | b"BDAT" => Verb::Unoffered,
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
        use Order::{Fine, HelloFirst, MailFirst, MailUnderWay, RecipientFirst};
        for verb in Verb::ALL {
            let expected = match verb {
                Verb::StartTls => [HelloFirst, Fine, Fine, Fine],
                Verb::Auth | Verb::Mail => [HelloFirst, Fine, MailUnderWay, MailUnderWay],
                Verb::Rcpt => [HelloFirst, MailFirst, Fine, Fine],
                Verb::Data => [HelloFirst, MailFirst, RecipientFirst, Fine],
                _ => [Fine; 4],
            };
            let stages = [Stage::Fresh, Stage::Ready, Stage::Mail, Stage::Recipients];
            assert_eq!(stages.map(|stage| order(verb, stage)), expected, "{verb:?}");
        }
    }
}
