//! Replies of one line and of many, in the session's voice: `+OK`, `-ERR`, the lists. RFC 1939 §3, RFC 2449 §3, §8.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;

use super::language::{self, Mistake, Said, Text};
use super::{Facts, Policy};
use crate::mail::{Language, printable};
use crate::sasl::Mechanism;

/// How the session speaks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Voice {
    /// The language of all texts; before LANG English, whose texts here are ASCII.
    language: Language,
    /// Whether LANG has chosen it, which makes all texts UTF-8. RFC 6856 §3.2.
    is_chosen: bool,
    /// Whether UTF8 was said. RFC 6856 §2.1.
    pub is_utf8: bool,
}

impl Voice {
    /// Speaks that language from now on.
    pub fn choose(&mut self, language: Language) {
        (self.language, self.is_chosen) = (language, true);
    }

    /// A user name as a reply may have it: ASCII, unless the peer has said that he takes more.
    pub fn name(self, user_name: &str) -> Cow<'_, str> {
        let is_harmless = |letter: char| letter.is_alphanumeric() || matches!(letter, ' '..='~');
        if (self.is_utf8 || self.is_chosen) && user_name.chars().all(is_harmless) {
            return user_name.into();
        }
        printable(user_name.as_bytes()).into()
    }
}

/// Where replies go, and in which voice.
pub struct Replies<'a> {
    /// How they sound.
    pub voice: Voice,
    out: &'a mut Vec<u8>,
}

impl<'a> Replies<'a> {
    /// Replies that are appended to `out`.
    pub fn new(voice: Voice, out: &'a mut Vec<u8>) -> Replies<'a> {
        Replies { voice, out }
    }

    /// A reply of success, or the first line of a longer one.
    pub fn ok(&mut self, text: Text<'_>) {
        self.ok_with(Said(self.voice.language, text));
    }

    /// A reply of success whose words are no language's.
    pub fn ok_with(&mut self, words: impl Display) {
        self.line(format_args!("+OK {words}"));
    }

    /// A reply of failure, with its response code.
    pub fn err(&mut self, text: Text<'_>) {
        self.line(format_args!("-ERR {}", Said(self.voice.language, text)));
    }

    /// One line, with its CRLF.
    pub fn line(&mut self, words: impl Display) {
        // A Vec takes whatever is written.
        let _ = write!(self.out, "{words}\r\n");
    }

    /// The last line of a reply of many lines.
    pub fn end(&mut self) {
        self.line(".");
    }

    /// Octets that wait for the peer.
    pub fn waiting_octets(&self) -> usize {
        self.out.len()
    }

    /// The greeting; a client that sees a time stamp in it tries APOP (quirk 6).
    pub fn greeting(&mut self, timestamp: Option<&str>) {
        match timestamp {
            None => self.ok(Text::Ready),
            Some(timestamp) => {
                self.ok_with(format_args!("{} {timestamp}", Said(self.voice.language, Text::Ready)));
            }
        }
    }

    /// What works on this connection. What was announced before logon is so after it (RFC 2449 §5), but for
    /// STLS, which is announced only where it is permitted (RFC 2595 §4); `own` is the policy of who has logged on.
    pub fn capabilities(&mut self, facts: &Facts, own: Option<Policy>) {
        self.ok(Text::Capabilities);
        for capability in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "UTF8 USER", "LANG"] {
            self.line(capability);
        }
        self.policy(facts, own);
        if facts.terms.takes_passwords {
            self.line("USER");
        }
        let names: Vec<_> = facts.terms.offered().map(Mechanism::name).collect();
        if !names.is_empty() {
            self.line(format_args!("SASL {}", names.join(" ")));
        }
        if facts.offers_stls && own.is_none() {
            self.line("STLS");
        }
        self.line(concat!("IMPLEMENTATION poppet-", env!("CARGO_PKG_VERSION")));
        self.end();
    }

    /// EXPIRE and LOGIN-DELAY: before logon the least favourable of all mailboxes, with USER where some mailbox
    /// has a better one; after it the mailbox's own. RFC 2449 §6.5, §6.7.
    fn policy(&mut self, facts: &Facts, own: Option<Policy>) {
        let policy = own.unwrap_or(facts.policy);
        let user = |differs| if own.is_none() && differs { " USER" } else { "" };
        match policy.retain_days {
            // The least of all is for ever, so that nobody's is anything else.
            None => self.line("EXPIRE NEVER"),
            Some(days) => self.line(format_args!("EXPIRE {days}{}", user(facts.retain_differs))),
        }
        if policy.login_delay_seconds > 0 || facts.policy.login_delay_seconds > 0 {
            let user = user(facts.login_delay_differs);
            self.line(format_args!("LOGIN-DELAY {}{user}", policy.login_delay_seconds));
        }
    }

    /// The mechanisms, one a line, as Outlook wants them (quirk 1).
    pub fn mechanisms(&mut self, facts: &Facts) {
        self.ok(Text::Mechanisms);
        for mechanism in facts.terms.offered() {
            self.line(mechanism.name());
        }
        self.end();
    }

    /// The languages with their names in themselves. RFC 6856 §3.2.
    pub fn languages(&mut self) {
        self.ok(Text::Languages);
        for language in Language::ALL {
            self.line(format_args!("{} {}", language.tag(), language::name(language)));
        }
        self.end();
    }

    /// The answer to LANG with a range: the language's tag, and a text in it. RFC 6856 §3.2.
    pub fn language_chosen(&mut self) {
        let language = self.voice.language;
        self.ok_with(format_args!("{} {}", language.tag(), Said(language, Text::LanguageChosen)));
    }
}

impl From<Mistake> for Text<'_> {
    fn from(mistake: Mistake) -> Self {
        Text::Mistake(mistake)
    }
}
