//! Reads one dialog file into steps; the format is described in `README.md` beside the dialogs.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// One dialog, parsed.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The file's name, for reports.
    pub name: String,
    /// The listener, by its name in settings.
    pub door: String,
    /// Whether any segmentation gives this result; if not, it is only played whole.
    pub any_segments: bool,
    /// Whether the dialog is the same inside TLS.
    pub inside_tls: bool,
    /// Whether a port with implicit TLS is talked to in the clear.
    pub in_the_clear: bool,
    /// Which server is talked to.
    pub house: Kind,
    /// What the first address begins with; the play's number follows.
    pub user: String,
    /// The password of both mailboxes, as written.
    pub password: String,
    /// What lies in the mailbox at the start, as written.
    pub mails: Vec<String>,
    /// Settings of its own that the first mailbox has.
    pub own: Vec<(String, String)>,
    /// Aliases and where each leads, as written.
    pub aliases: Vec<(String, Vec<String>)>,
    /// What is locked: nothing, `mailbox`, `domain`, or `all` of the mailbox.
    pub locked: Option<String>,
    /// The steps with their line numbers.
    pub steps: Vec<(usize, Step)>,
}

/// What the server is set to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// It takes passwords everywhere.
    #[default]
    Easy,
    /// It takes passwords inside TLS only.
    Strict,
    /// As the easy one, with the mechanisms made of MD5 and an administrator who prefers German.
    Challenging,
    /// As the easy one, and one of its mailboxes keeps mail for a day and may be logged on to once an hour.
    Ruled,
    /// As the easy one, and all who talk to it are one old device.
    ForDevices,
}

/// One line of a dialog. The first number is the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client sends this; a CRLF has been added where one belongs.
    Send(u8, String),
    /// The server's next line matches.
    Expect(u8, String),
    /// Lines of the server up to and with the one that matches.
    Skip(u8, String),
    /// Among the lines skipped last, one matches.
    Has(String),
    /// Among the lines skipped last, none matches.
    Lacks(String),
    /// The server closes without another octet.
    Closed(u8),
    /// The server closes, and whatever it said before does not hold this text.
    Gone(u8, String),
    /// The TLS handshake takes place now.
    StartTls(u8),
    /// The client closes without a word.
    Drop(u8),
    /// The client logs on with USER and PASS, again while the maildrop is in use.
    Login(u8),
    /// The client sends SCRAM-SHA-256's messages for `user`, the empty response to the server's last one too; or
    /// with another password up to the refusal.
    Scram(u8, String),
    /// So many messages are in the mailbox of `user` or `other`.
    Count(String, usize),
    /// So many messages in the mailbox of `user` or `other` count as retrieved.
    Retrieved(String, u32),
    /// The newest message in the mailbox of `user` or `other` matches.
    Newest(String, String),
}

/// Why a file is no dialog.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptError(pub usize, pub String);

impl fmt::Display for ScriptError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.0, self.1)
    }
}

impl Script {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Script, ScriptError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ScriptError(0, cause.to_string()))?;
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        Script::parse(&name, &text)
    }

    /// Parses a file's text.
    pub fn parse(name: &str, text: &str) -> Result<Script, ScriptError> {
        let mut script = Script {
            name: name.into(),
            any_segments: true,
            inside_tls: true,
            user: "u".into(),
            password: "correct horse".into(),
            ..Script::default()
        };
        let mut repeat: Option<(usize, usize, usize)> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let wrong = |what: &str| ScriptError(number, format!("{what}: {line:?}"));
            if number == 1 && !line.starts_with("# ") {
                return Err(wrong("the first line says what the dialog shows, behind \"# \""));
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            if let Some(directive) = line.strip_prefix("@ ") {
                if !script.steps.is_empty() {
                    return Err(wrong("directives stand before the first step"));
                }
                script.direct(directive).ok_or_else(|| wrong("unknown directive"))?;
            } else if let Some(times) = line.strip_prefix("REPEAT ") {
                let times = times.parse().map_err(|_| wrong("REPEAT wants a number"))?;
                repeat = Some((number, script.steps.len(), times));
            } else if line == "END" {
                let (_, from, times) = repeat.take().ok_or_else(|| wrong("END without REPEAT"))?;
                let block = script.steps.split_off(from);
                for time in 0..times {
                    script.steps.extend(block.iter().map(|(line, step)| (*line, step.counted(time))));
                }
            } else {
                script.steps.push((number, step(line).ok_or_else(|| wrong("unknown step"))?));
            }
        }
        match repeat {
            Some((number, ..)) => Err(ScriptError(number, "REPEAT without END".into())),
            None if script.door.is_empty() => Err(ScriptError(1, "no \"@ door\"".into())),
            None if script.steps.is_empty() => Err(ScriptError(1, "no steps".into())),
            None => Ok(script),
        }
    }

    fn direct(&mut self, directive: &str) -> Option<()> {
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match (word, rest) {
            ("door", "pop3" | "pop3s" | "smtp" | "submission" | "submissions") => self.door = rest.into(),
            ("plays", "whole") => self.any_segments = false,
            ("tls", "no") => self.inside_tls = false,
            ("clear", "") => (self.in_the_clear, self.inside_tls) = (true, false),
            ("passwords", "tls") => self.house = Kind::Strict,
            ("challenge", "on") => self.house = Kind::Challenging,
            ("rules", "on") => self.house = Kind::Ruled,
            ("own", _) => {
                let (key, value) = rest.split_once(' ')?;
                self.own.push((key.into(), value.into()));
                self.house = Kind::Ruled;
            }
            ("device", "on") => self.house = Kind::ForDevices,
            ("alias", _) => {
                let mut words = rest.split(' ').map(str::to_owned);
                let alias = (words.next()?, words.collect::<Vec<_>>());
                self.aliases.push(Some(alias).filter(|(_, targets)| !targets.is_empty())?);
            }
            ("user", _) => self.user = rest.into(),
            ("password", _) => self.password = rest.into(),
            ("mail", _) => self.mails.push(rest.into()),
            ("mail-octets", _) => {
                let octets: usize = rest.parse().ok().filter(|octets| *octets >= 16)?;
                self.mails.push(format!("Subject: x\\r\\n\\r\\n{}\\r\\n", "y".repeat(octets - 16)));
            }
            ("locked", "mailbox" | "domain" | "all") => self.locked = Some(rest.into()),
            _ => return None,
        }
        Some(())
    }
}

impl Step {
    /// The step with `{#}` replaced by how many times the block has been repeated before.
    fn counted(&self, time: usize) -> Step {
        let count = |text: &String| text.replace("{#}", &time.to_string());
        match self {
            Step::Send(connection, text) => Step::Send(*connection, count(text)),
            Step::Expect(connection, pattern) => Step::Expect(*connection, count(pattern)),
            other => other.clone(),
        }
    }
}

fn step(line: &str) -> Option<Step> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let digits = word.trim_end_matches([':', '-', '~']);
    let kind = digits.trim_end_matches(|octet: char| octet.is_ascii_digit());
    let connection = match &digits[kind.len()..] {
        "" => 1,
        number => number.parse().ok()?,
    };
    let mark = &word[digits.len()..];
    let rest = rest.to_owned();
    let bare = rest.is_empty() && mark.is_empty();
    Some(match (kind, mark) {
        ("C", ":") => Step::Send(connection, rest + "\\r\\n"),
        ("C", "-") => Step::Send(connection, rest),
        ("S", ":") => Step::Expect(connection, rest),
        ("S", "~") => Step::Skip(connection, rest),
        ("HAS", ":") => Step::Has(rest),
        ("LACKS", ":") => Step::Lacks(rest),
        ("X", _) if bare => Step::Closed(connection),
        ("GONE", "") if !rest.is_empty() => Step::Gone(connection, rest),
        ("TLS", _) if bare => Step::StartTls(connection),
        ("DROP", _) if bare => Step::Drop(connection),
        ("LOGIN", _) if bare => Step::Login(connection),
        ("SCRAM", _) if mark.is_empty() && !rest.is_empty() => Step::Scram(connection, rest),
        ("COUNT", "") => {
            let (who, count) = rest.split_once(' ')?;
            Step::Count(known(who)?, count.parse().ok()?)
        }
        ("RETRIEVED", "") => {
            let (who, count) = rest.split_once(' ')?;
            Step::Retrieved(known(who)?, count.parse().ok()?)
        }
        ("NEWEST", "") => {
            let (who, pattern) = rest.split_once(' ')?;
            Step::Newest(known(who)?, pattern.into())
        }
        _ => return None,
    })
}

fn known(who: &str) -> Option<String> {
    matches!(who, "user" | "other").then(|| who.into())
}

/// One element of an expanded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// This octet.
    Octet(u8),
    /// In a pattern: any number of octets.
    Any,
    /// In a pattern: one octet.
    One,
}

/// Expands escapes and `{...}` in a written text.
pub fn expand(text: &str, names: &HashMap<&str, String>) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '*' => tokens.push(Token::Any),
            '?' => tokens.push(Token::One),
            '\\' => rest = escape(rest, &mut tokens)?,
            '{' => {
                let end = closing(rest).ok_or_else(|| format!("no }} behind {{{rest}"))?;
                tokens.extend(substitute(&rest[..end], names)?.into_iter().map(Token::Octet));
                rest = &rest[end + 1..];
            }
            other => tokens.extend(other.to_string().bytes().map(Token::Octet)),
        }
    }
    Ok(tokens)
}

/// Expands a written text that is no pattern: `*` and `?` stand for themselves.
pub fn octets(text: &str, names: &HashMap<&str, String>) -> Result<Vec<u8>, String> {
    let tokens = expand(text, names)?;
    Ok(tokens
        .into_iter()
        .map(|token| match token {
            Token::Octet(octet) => octet,
            Token::Any => b'*',
            Token::One => b'?',
        })
        .collect())
}

/// Whether the whole of `text` is what the pattern describes.
pub fn matches(pattern: &[Token], text: &[u8]) -> bool {
    let (mut at, mut read, mut retry) = (0, 0, None);
    while read < text.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                retry = Some((at, read));
                at += 1;
            }
            Some(Token::One) => (at, read) = (at + 1, read + 1),
            Some(Token::Octet(octet)) if *octet == text[read] => (at, read) = (at + 1, read + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (at, read) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|token| *token == Token::Any)
}

fn escape<'a>(rest: &'a str, tokens: &mut Vec<Token>) -> Result<&'a str, String> {
    let kind = rest.chars().next().ok_or("nothing behind the backslash")?;
    let octet = match kind {
        'r' => b'\r',
        'n' => b'\n',
        't' => b'\t',
        '0' => 0,
        '\\' | '{' | '}' | '*' | '?' => kind as u8,
        'x' => {
            let digits = rest.get(1..3).ok_or("\\x wants two digits")?;
            tokens.push(Token::Octet(
                u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no octet"))?,
            ));
            return Ok(&rest[3..]);
        }
        other => return Err(format!("unknown escape \\{other}")),
    };
    tokens.push(Token::Octet(octet));
    Ok(&rest[kind.len_utf8()..])
}

fn closing(rest: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, octet) in rest.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(index),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn substitute(inside: &str, names: &HashMap<&str, String>) -> Result<Vec<u8>, String> {
    if let Some(plain) = inside.strip_prefix("b64:") {
        return Ok(base64(&octets(plain, names)?).into_bytes());
    }
    if let Some((text, times)) = inside.rsplit_once('*') {
        let times: usize = times.parse().map_err(|_| format!("{{{inside}}}: no number behind *"))?;
        return Ok(octets(text, names)?.repeat(times));
    }
    let value = names.get(inside).ok_or_else(|| format!("unknown name {{{inside}}}"))?;
    if inside == "pass" { octets(value, &HashMap::new()) } else { Ok(value.clone().into_bytes()) }
}

fn base64(octets: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    Base64::encode_string(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> HashMap<&'static str, String> {
        HashMap::from([("user", "u1@home.lan".to_owned()), ("pass", "a\\x20b".to_owned())])
    }

    #[test]
    fn texts_are_expanded() {
        let expanded = |text| String::from_utf8(octets(text, &names()).unwrap()).unwrap();
        assert_eq!(expanded("USER {user}\\r\\n"), "USER u1@home.lan\r\n");
        assert_eq!(expanded("{ab*3}.{b64:\\0{user}\\0{pass}}"), "ababab.AHUxQGhvbWUubGFuAGEgYg==");
        assert_eq!(expanded("a*b?c\\{\\x41"), "a*b?c{A");
    }

    #[test]
    fn texts_that_mean_nothing_are_refused() {
        for text in ["{nobody}", "{user", "\\q", "\\xZZ", "\\", "{a*x}", "\\x4"] {
            assert!(octets(text, &names()).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_match_whole_lines_only() {
        for (pattern, text, expected) in [
            ("250 *", "250 2.0.0 ok", true),
            ("250 *", "250", false),
            ("*ab", "aab", true),
            ("*ab", "aba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "x", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*b*", "xxaxxbxx", true),
        ] {
            let tokens = expand(pattern, &names()).unwrap();
            assert_eq!(matches(&tokens, text.as_bytes()), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn a_file_that_is_no_dialog_is_refused_with_its_line() {
        for (text, line) in [
            ("no title\n@ door pop3\nX\n", 1),
            ("# t\nX\n", 1),
            ("# t\n@ door pop3\n", 1),
            ("# t\n@ door imap\nX\n", 2),
            ("# t\n@ door pop3\nX\n@ tls no\n", 4),
            ("# t\n@ door pop3\nC hello\n", 3),
            ("# t\n@ door pop3\nCOUNT user many\n", 3),
            ("# t\n@ door pop3\nCOUNT nobody 1\n", 3),
            ("# t\n@ door pop3\nRETRIEVED user -1\n", 3),
            ("# t\n@ own retain\n@ door pop3\nX\n", 2),
            ("# t\n@ alias list@home.lan\n@ door pop3\nX\n", 2),
            ("# t\n@ device off\n@ door pop3\nX\n", 2),
            ("# t\n@ rules off\n@ door pop3\nX\n", 2),
            ("# t\n@ door pop3\nREPEAT 2\nX\n", 3),
            ("# t\n@ door pop3\nEND\n", 3),
            ("# t\n@ door pop3\nX now\n", 3),
        ] {
            assert_eq!(Script::parse("t", text).map_err(|error| error.0).err(), Some(line), "{text}");
        }
    }

    #[test]
    fn steps_name_their_connection() {
        assert_eq!(step("C2: NOOP"), Some(Step::Send(2, "NOOP\\r\\n".into())));
        assert_eq!(step("C- NOOP"), Some(Step::Send(1, "NOOP".into())));
        assert_eq!(step("S2~ 250 *"), Some(Step::Skip(2, "250 *".into())));
        assert_eq!(step("X2"), Some(Step::Closed(2)));
        assert_eq!(step("C:"), Some(Step::Send(1, "\\r\\n".into())));
    }
}
