//! The commands of POP3, parsed. RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856.

use super::language::Mistake;

/// The states of RFC 1939 §3 in which commands are taken; in UPDATE none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before logon.
    Authorization,
    /// After logon.
    Transaction,
}

/// A command with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// RFC 1939 §7.
    Apop {
        /// As in USER.
        name: &'a [u8],
        /// The last word.
        digest: &'a [u8],
    },
    /// Alone it asks for the mechanisms' names, as Outlook does (quirk 1). RFC 5034 §4.
    AuthList,
    /// RFC 5034 §4.
    Auth {
        /// The mechanism's name as it was typed.
        mechanism: &'a [u8],
        /// The initial response: base64 or `=`.
        initial: Option<&'a [u8]>,
    },
    /// RFC 2449 §5.
    Capa,
    /// RFC 1939 §5; like all numbers of messages it is not 0.
    Dele(u32),
    /// RFC 6856 §3.2: a language range or `*`; alone it asks for the languages.
    Lang(Option<&'a [u8]>),
    /// RFC 1939 §5.
    List(Option<u32>),
    /// RFC 1939 §5.
    Noop,
    /// RFC 1939 §7: all that stands behind the first blank, blanks included (quirk 8).
    Pass(&'a [u8]),
    /// RFC 1939 §4, §6.
    Quit,
    /// RFC 1939 §5.
    Retr(u32),
    /// RFC 1939 §5.
    Rset,
    /// RFC 1939 §5.
    Stat,
    /// RFC 2595 §4.
    Stls,
    /// RFC 1939 §7.
    Top {
        /// Which message.
        number: u32,
        /// How many lines of its body.
        body_lines: u32,
    },
    /// RFC 1939 §7.
    Uidl(Option<u32>),
    /// RFC 1939 §7: the name without blanks behind it.
    User(&'a [u8]),
    /// RFC 6856 §2.1.
    Utf8,
}

/// Parses a line without its CRLF. Errs if there is no such command, if it is not for this phase, or
/// if its arguments are not what it takes; blanks at the end don't matter but in PASS.
pub fn parse(line: &[u8], phase: Phase) -> Result<Command<'_>, Mistake> {
    let (name, rest) = split_at_blank(line);
    let rule = RULES
        .iter()
        .find(|rule| name.eq_ignore_ascii_case(rule.name.as_bytes()))
        .ok_or(Mistake::UnknownCommand)?;
    if !rule.phases.contains(&phase) {
        return Err(match phase {
            Phase::Authorization => Mistake::LogOnFirst,
            Phase::Transaction => Mistake::LoggedOnAlready,
        });
    }
    (rule.arguments)(rest).ok_or(rule.usage)
}

/// Whether a first line shows that the peer speaks another protocol, or none (S-066, S-067).
pub fn is_other_protocol(line: &[u8]) -> bool {
    let (name, _) = split_at_blank(line);
    line.first().is_some_and(|&octet| !matches!(octet, b' '..=b'~' | b'\t'))
        || OTHER_PROTOCOLS.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        || name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SSH-"))
}

fn split_at_blank(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&octet| octet == b' ') {
        Some(blank) => (&line[..blank], &line[blank + 1..]),
        None => (line, b""),
    }
}

struct Rule {
    name: &'static str,
    phases: &'static [Phase],
    /// Takes what stands behind the first blank.
    arguments: for<'a> fn(&'a [u8]) -> Option<Command<'a>>,
    usage: Mistake,
}

const BEFORE: &[Phase] = &[Phase::Authorization];
const AFTER: &[Phase] = &[Phase::Transaction];
const BOTH: &[Phase] = &[Phase::Authorization, Phase::Transaction];

/// Every command, with the states in which it works.
const RULES: &[Rule] = &[
    Rule { name: "APOP", phases: BEFORE, arguments: apop, usage: Mistake::ApopUsage },
    Rule { name: "AUTH", phases: BEFORE, arguments: auth, usage: Mistake::AuthUsage },
    Rule {
        name: "CAPA",
        phases: BOTH,
        arguments: |rest| alone(rest, Command::Capa),
        usage: Mistake::StandsAlone("CAPA"),
    },
    Rule {
        name: "DELE",
        phases: AFTER,
        arguments: |rest| one_number(rest).map(Command::Dele),
        usage: Mistake::TakesNumber("DELE"),
    },
    Rule { name: "LANG", phases: BOTH, arguments: lang, usage: Mistake::LangUsage },
    Rule {
        name: "LIST",
        phases: AFTER,
        arguments: |rest| number_or_all(rest).map(Command::List),
        usage: Mistake::TakesNumberOrNothing("LIST"),
    },
    Rule {
        name: "NOOP",
        phases: AFTER,
        arguments: |rest| alone(rest, Command::Noop),
        usage: Mistake::StandsAlone("NOOP"),
    },
    Rule {
        name: "PASS",
        phases: BEFORE,
        arguments: |rest| Some(Command::Pass(rest)),
        usage: Mistake::PassUsage,
    },
    Rule {
        name: "QUIT",
        phases: BOTH,
        arguments: |rest| alone(rest, Command::Quit),
        usage: Mistake::StandsAlone("QUIT"),
    },
    Rule {
        name: "RETR",
        phases: AFTER,
        arguments: |rest| one_number(rest).map(Command::Retr),
        usage: Mistake::TakesNumber("RETR"),
    },
    Rule {
        name: "RSET",
        phases: AFTER,
        arguments: |rest| alone(rest, Command::Rset),
        usage: Mistake::StandsAlone("RSET"),
    },
    Rule {
        name: "STAT",
        phases: AFTER,
        arguments: |rest| alone(rest, Command::Stat),
        usage: Mistake::StandsAlone("STAT"),
    },
    Rule {
        name: "STLS",
        phases: BEFORE,
        arguments: |rest| alone(rest, Command::Stls),
        usage: Mistake::StandsAlone("STLS"),
    },
    Rule { name: "TOP", phases: AFTER, arguments: top, usage: Mistake::TopUsage },
    Rule {
        name: "UIDL",
        phases: AFTER,
        arguments: |rest| number_or_all(rest).map(Command::Uidl),
        usage: Mistake::TakesNumberOrNothing("UIDL"),
    },
    Rule {
        name: "USER",
        phases: BEFORE,
        arguments: |rest| Some(Command::User(without_blanks_behind(rest))),
        usage: Mistake::UserUsage,
    },
    Rule {
        name: "UTF8",
        phases: BEFORE,
        arguments: |rest| alone(rest, Command::Utf8),
        usage: Mistake::StandsAlone("UTF8"),
    },
];

/// First words of HTTP and SMTP. Their senders can be made to talk to us by a web page or a mix-up,
/// and the lines that follow are not for us.
const OTHER_PROTOCOLS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI", "EHLO", "HELO",
    "LHLO",
];

fn alone<'a>(rest: &'a [u8], command: Command<'a>) -> Option<Command<'a>> {
    words(rest).next().is_none().then_some(command)
}

fn without_blanks_behind(rest: &[u8]) -> &[u8] {
    let end = rest.iter().rposition(|&octet| octet != b' ').map_or(0, |last| last + 1);
    &rest[..end]
}

/// A name may hold blanks, a digest has none.
fn apop(rest: &[u8]) -> Option<Command<'_>> {
    let rest = without_blanks_behind(rest);
    let blank = rest.iter().rposition(|&octet| octet == b' ')?;
    let (name, digest) = (without_blanks_behind(&rest[..blank]), &rest[blank + 1..]);
    (!name.is_empty()).then_some(Command::Apop { name, digest })
}

fn auth(rest: &[u8]) -> Option<Command<'_>> {
    let mut words = words(rest);
    let Some(mechanism) = words.next() else {
        return Some(Command::AuthList);
    };
    let initial = words.next();
    words.next().is_none().then_some(Command::Auth { mechanism, initial })
}

fn lang(rest: &[u8]) -> Option<Command<'_>> {
    let mut words = words(rest);
    let range = words.next();
    words.next().is_none().then_some(Command::Lang(range))
}

fn one_number(rest: &[u8]) -> Option<u32> {
    number_or_all(rest)?
}

fn number_or_all(rest: &[u8]) -> Option<Option<u32>> {
    let mut words = words(rest);
    let Some(word) = words.next() else {
        return Some(None);
    };
    let number = message_number(word)?;
    words.next().is_none().then_some(Some(number))
}

fn top(rest: &[u8]) -> Option<Command<'_>> {
    let mut words = words(rest);
    let number = message_number(words.next()?)?;
    let body_lines = decimal(words.next()?)?;
    words.next().is_none().then_some(Command::Top { number, body_lines })
}

fn message_number(word: &[u8]) -> Option<u32> {
    decimal(word).filter(|&number| number != 0)
}

/// One spelling a number: no sign, no zeros in front, and what doesn't fit is none (S-231).
fn decimal(word: &[u8]) -> Option<u32> {
    let is_plain = word.iter().all(u8::is_ascii_digit) && (word.len() == 1 || !word.starts_with(b"0"));
    is_plain.then(|| std::str::from_utf8(word).ok()?.parse().ok()).flatten()
}

fn words(rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    rest.split(|&octet| octet == b' ').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(line: &[u8]) -> Option<Command<'_>> {
        parse(line, Phase::Transaction).ok()
    }

    fn authorization(line: &[u8]) -> Option<Command<'_>> {
        parse(line, Phase::Authorization).ok()
    }

    #[test]
    fn numbers_have_one_spelling_s_231() {
        for (word, number) in [("1", 1), ("10", 10), ("65536", 65_536), ("4294967295", u32::MAX)] {
            assert_eq!(transaction(format!("RETR {word}").as_bytes()), Some(Command::Retr(number)));
            assert_eq!(transaction(format!("dele {word}").as_bytes()), Some(Command::Dele(number)));
            assert_eq!(transaction(format!("List {word} ").as_bytes()), Some(Command::List(Some(number))));
            assert_eq!(transaction(format!("UIDL {word}").as_bytes()), Some(Command::Uidl(Some(number))));
        }
        for word in [
            "0",
            "-1",
            "+1",
            "01",
            "00",
            "4294967296",
            "4294967297",
            "18446744073709551617",
            "1 2",
            "1x",
            "x",
            "0x1",
            "1.",
            "1,2",
            "1\t",
            "\t1",
            "1e0",
            "²",
            "*",
            "1\u{0}",
        ] {
            for verb in ["RETR", "DELE", "LIST", "UIDL"] {
                assert_eq!(transaction(format!("{verb} {word}").as_bytes()), None, "{verb} {word:?}");
            }
            assert_eq!(transaction(format!("TOP {word} 1").as_bytes()), None, "TOP {word:?} 1");
        }
        for line in ["RETR", "RETR ", "DELE", "TOP", "TOP 1", "TOP 1 "] {
            assert_eq!(transaction(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn top_takes_any_number_of_lines_that_fits_s_231() {
        for (word, body_lines) in [("0", 0), ("1", 1), ("99999999", 99_999_999), ("4294967295", u32::MAX)] {
            let line = format!("TOP 7 {word}");
            assert_eq!(transaction(line.as_bytes()), Some(Command::Top { number: 7, body_lines }));
        }
        for word in ["-1", "4294967296", "00", "x", "1 1"] {
            assert_eq!(transaction(format!("TOP 7 {word}").as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn pass_takes_the_rest_of_the_line_s_235() {
        for (line, password) in [
            (&b"PASS secret"[..], &b"secret"[..]),
            (b"pass  a b ", b" a b "),
            (b"PASS ", b""),
            (b"PASS", b""),
            (b"PASS \xFF\t", b"\xFF\t"),
        ] {
            assert_eq!(authorization(line), Some(Command::Pass(password)), "{line:?}");
        }
    }

    #[test]
    fn user_names_lose_the_blanks_behind_them() {
        assert_eq!(authorization(b"USER alice"), Some(Command::User(b"alice")));
        assert_eq!(authorization(b"user a b  "), Some(Command::User(b"a b")));
        assert_eq!(authorization(b"USER"), Some(Command::User(b"")));
    }

    #[test]
    fn auth_alone_asks_for_the_mechanisms_and_otherwise_takes_two_words_at_most() {
        assert_eq!(authorization(b"AUTH"), Some(Command::AuthList));
        assert_eq!(authorization(b"auth "), Some(Command::AuthList));
        let auth = |mechanism, initial| Some(Command::Auth { mechanism, initial });
        assert_eq!(authorization(b"AUTH PLAIN"), auth(b"PLAIN", None));
        assert_eq!(authorization(b"AUTH plain "), auth(b"plain", None));
        assert_eq!(authorization(b"AUTH PLAIN ="), auth(b"PLAIN", Some(b"=")));
        assert_eq!(authorization(b"AUTH PLAIN AA== x"), None);
    }

    #[test]
    fn apop_takes_a_name_and_a_last_word() {
        for (line, name, digest) in [
            ("APOP alice c4c9", "alice", "c4c9"),
            ("apop  a b  c4c9  ", " a b", "c4c9"),
            ("APOP jörg@home.lan x", "jörg@home.lan", "x"),
        ] {
            let command = Command::Apop { name: name.as_bytes(), digest: digest.as_bytes() };
            assert_eq!(authorization(line.as_bytes()), Some(command), "{line}");
        }
        for line in ["APOP", "APOP ", "APOP alice", "APOP alice ", "APOP  alice"] {
            assert_eq!(parse(line.as_bytes(), Phase::Authorization), Err(Mistake::ApopUsage), "{line}");
        }
    }

    #[test]
    fn lang_takes_one_word_at_most() {
        for (line, range) in
            [("LANG", None), ("lang ", None), ("LANG de ", Some("de")), ("LANG *", Some("*"))]
        {
            let command = Command::Lang(range.map(str::as_bytes));
            assert_eq!(authorization(line.as_bytes()), Some(command), "{line}");
            assert_eq!(transaction(line.as_bytes()), Some(command), "{line}");
        }
        assert_eq!(parse(b"LANG de en", Phase::Authorization), Err(Mistake::LangUsage));
    }

    #[test]
    fn commands_without_arguments_stand_alone() {
        for (line, command) in [
            ("STAT", Command::Stat),
            ("nOOp ", Command::Noop),
            ("rset  ", Command::Rset),
            ("QUIT", Command::Quit),
            ("capa", Command::Capa),
            ("LIST", Command::List(None)),
            ("UIDL ", Command::Uidl(None)),
        ] {
            assert_eq!(transaction(line.as_bytes()), Some(command), "{line}");
        }
        for line in ["STAT 1", "NOOP x", "RSET 1", "QUIT now", "CAPA x"] {
            assert_eq!(transaction(line.as_bytes()), None, "{line}");
        }
        assert_eq!(authorization(b"utf8 "), Some(Command::Utf8));
        for line in ["STLS x", "UTF8 x", "UTF8 USER"] {
            assert_eq!(authorization(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_none_s_025_s_062() {
        let unknown = Err(Mistake::UnknownCommand);
        for line in [
            "",
            " ",
            " STAT",
            "STAT\t",
            "\tSTAT",
            "STATX",
            "STA",
            "LAST",
            "XTND XMIT",
            "UTF-8",
            "LANGUAGE de",
            "STAT\u{0}",
            "RETR1",
            "ſTAT",
            "RPOP x",
            "TOP\t1 1",
        ] {
            assert_eq!(parse(line.as_bytes(), Phase::Transaction), unknown, "{line:?}");
            assert_eq!(parse(line.as_bytes(), Phase::Authorization), unknown, "{line:?}");
        }
        for octet in (0..=0x20).chain(0x7F..=0xFF_u8) {
            let line = [b"STAT", &[octet][..], b"1"].concat();
            assert_eq!(transaction(&line), None, "{octet:02X}");
        }
    }

    #[test]
    fn the_first_line_tells_other_protocols_s_066_s_067() {
        for line in [
            &b"GET /evil HTTP/1.1"[..],
            b"post / HTTP/1.0",
            b"CONNECT www.evil.com:80",
            b"PRI * HTTP/2.0",
            b"OPTIONS",
            b"EHLO x",
            b"SSH-2.0-OpenSSH_9.2",
            b"\x16\x03\x01\x02",
            b"\x03\x00\x00\x13",
            b"\x80\x2E\x01",
            b"\xFF",
            b"\x01STAT",
            b"\x7F",
        ] {
            assert!(is_other_protocol(line), "{line:?}");
        }
        for line in [&b""[..], b" ", b"USER x", b"GETX", b"QUIT", b" GET", b"\tx", b"SSH", b"{}", b"1"] {
            assert!(!is_other_protocol(line), "{line:?}");
        }
    }
}
