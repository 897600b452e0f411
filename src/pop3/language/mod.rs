//! Every text that the session says, in each of its languages. RFC 6856 §3.
//!
//! What is said stands here once, as a case of [`Text`] or [`Mistake`]; how, in one file a language. A case
//! without its words in some language doesn't compile.

mod de;
mod en;
mod fr;

use std::fmt;

use crate::mail::Language;

/// A human-readable text of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'a> {
    /// The greeting.
    Ready,
    /// The answer to QUIT.
    Goodbye,
    /// The same, after so many messages were removed.
    GoodbyeDeleted(usize),
    /// Above the capabilities.
    Capabilities,
    /// Above the mechanisms.
    Mechanisms,
    /// Above the languages.
    Languages,
    /// The language has been chosen.
    LanguageChosen,
    /// No language is like that.
    NoSuchLanguage,
    /// UTF8 has been taken.
    Utf8,
    /// The user name has been taken.
    AndThePassword,
    /// STLS has been taken.
    BeginTls,
    /// The exchange was given up.
    Cancelled,
    /// He has logged on.
    Welcome {
        /// Who.
        name: &'a str,
        /// How many messages he has.
        messages: u32,
        /// How many octets they have.
        octets: u64,
    },
    /// What the maildrop holds.
    Holds {
        /// Messages that are not deleted.
        messages: u32,
        /// How many octets they have.
        octets: u64,
    },
    /// NOOP.
    NothingDone,
    /// Above a message of so many octets.
    Octets(u64),
    /// Above a message's first lines.
    TopFollows,
    /// That message has been marked.
    Deleted(u32),
    /// That message was marked before.
    IsDeleted(u32),
    /// There is no such message.
    NoMessage {
        /// Its number.
        number: u32,
        /// The highest that there is.
        highest: u32,
    },
    /// The administrator has removed that message.
    Removed(u32),
    /// That message can't be read now.
    Unreadable(u32),
    /// Deletions didn't come true.
    NotRemoved,
    /// Unknown user or wrong password.
    BadCredentials,
    /// The mailbox or its domain is locked.
    Locked,
    /// Another session has the maildrop.
    InUse,
    /// Come again in so many seconds.
    TooSoon(u32),
    /// Too many logons, or the store can't answer.
    Busy,
    /// Lines without a logon.
    TooMuchSaid,
    /// The peer speaks something else.
    OtherProtocol,
    /// A bare line feed.
    BareLf,
    /// A line without an end.
    Endless,
    /// Octets behind STLS.
    BehindStls,
    /// A mistake.
    Mistake(Mistake),
    /// A mistake that is the last one.
    LastMistake(Mistake),
}

/// A peer's mistake; its text says what is wrong and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// There is no such command.
    UnknownCommand,
    /// A command of the TRANSACTION state.
    LogOnFirst,
    /// A command of the AUTHORIZATION state.
    LoggedOnAlready,
    /// That command takes no argument.
    StandsAlone(&'static str),
    /// That command takes a message's number.
    TakesNumber(&'static str),
    /// That command takes a message's number or nothing.
    TakesNumberOrNothing(&'static str),
    /// How APOP goes.
    ApopUsage,
    /// How AUTH goes.
    AuthUsage,
    /// How LANG goes.
    LangUsage,
    /// How PASS goes.
    PassUsage,
    /// How TOP goes.
    TopUsage,
    /// How USER goes.
    UserUsage,
    /// PASS or APOP where it can't be.
    UserFirst,
    /// The password is empty, too long, or holds a NUL.
    NoPassword,
    /// The greeting had no time stamp, or APOP doesn't work now.
    NoTimestamp,
    /// There is no such mechanism.
    UnknownMechanism,
    /// The mechanism is switched off.
    MechanismNotOffered,
    /// The mechanism works inside TLS.
    MechanismNeedsTls,
    /// The mechanism binds to TLS 1.3.
    MechanismNeedsTls13,
    /// The mechanism takes a certificate, and he has shown none.
    NoCertificate,
    /// A response without an exchange.
    NoExchange,
    /// Not base64.
    BadBase64,
    /// Not what the mechanism sends.
    BadResponse,
    /// The logon is bound to another connection.
    BadBinding,
    /// He wants to act as somebody else.
    ForeignAuthorization,
    /// STLS inside TLS.
    TlsActive,
    /// STLS where there is none.
    NoTls,
    /// STLS after UTF8. RFC 6856 §2.1.
    StlsAfterUtf8,
    /// A password in the clear where STLS is offered.
    StlsFirst,
    /// A password in the clear where STLS is not offered.
    PasswordsNeedTls,
    /// A password where none is ever taken.
    PasswordsNotTaken,
    /// A NUL inside a line.
    Nul,
    /// A lone CR inside a line.
    BareCr,
    /// A line over its limit.
    TooLong,
}

impl Text<'_> {
    /// The response code in front of it, with its blank; the same in every language. RFC 2449 §8, RFC 3206.
    fn code(self) -> &'static str {
        match self {
            Text::BadCredentials => "[AUTH] ",
            Text::Locked => "[SYS/PERM] ",
            Text::InUse => "[IN-USE] ",
            Text::TooSoon(_) => "[LOGIN-DELAY] ",
            Text::Busy | Text::Unreadable(_) | Text::NotRemoved => "[SYS/TEMP] ",
            Text::Mistake(mistake) | Text::LastMistake(mistake) => match mistake {
                Mistake::BadBinding | Mistake::ForeignAuthorization => "[AUTH] ",
                _ => "",
            },
            _ => "",
        }
    }
}

/// A text in a language, behind its response code.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a>(pub Language, pub Text<'a>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said(language, text) = *self;
        out.write_str(text.code())?;
        match language {
            Language::English => en::text(text, out),
            Language::German => de::text(text, out),
            Language::French => fr::text(text, out),
        }
    }
}

/// A language's name in itself.
pub fn name(language: Language) -> &'static str {
    match language {
        Language::English => en::NAME,
        Language::German => de::NAME,
        Language::French => fr::NAME,
    }
}

/// The language for a basic language range such as `de` or `de-AT`, by lookup: the range is cut from its end
/// until it is a language's tag. None if there is none; errs if it is no range. RFC 4647 §2.1, §3.4.
pub fn find(range: &[u8]) -> Result<Option<Language>, Mistake> {
    let mut subtags = range.split(|&octet| octet == b'-');
    let primary = subtags.next().unwrap_or_default();
    let is_subtag = |subtag: &[u8]| (1..=8).contains(&subtag.len());
    let is_range = is_subtag(primary)
        && primary.iter().all(u8::is_ascii_alphabetic)
        && subtags.all(|subtag| is_subtag(subtag) && subtag.iter().all(u8::is_ascii_alphanumeric));
    if !is_range {
        return Err(Mistake::LangUsage);
    }
    // All tags here are of one subtag, so that the first one decides.
    Ok(Language::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag().as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_find_their_language_by_lookup() {
        for (range, language) in [
            ("en", Some(Language::English)),
            ("EN", Some(Language::English)),
            ("de", Some(Language::German)),
            ("de-AT", Some(Language::German)),
            ("De-Latn-CH-1996", Some(Language::German)),
            ("de-x-haus", Some(Language::German)),
            ("fr-CA", Some(Language::French)),
            ("MUL", None),
            ("den", None),
            ("d", None),
            ("i-default", None),
            ("deutsch", None),
            ("abcdefgh", None),
        ] {
            assert_eq!(find(range.as_bytes()), Ok(language), "{range}");
        }
    }

    #[test]
    fn what_is_no_range_is_a_mistake() {
        for range in [
            "",
            "-",
            "de-",
            "-de",
            "de--AT",
            "de_AT",
            "d3",
            "de-*",
            "*-AT",
            "abcdefghi",
            "de-abcdefghi",
            "dé",
        ] {
            assert_eq!(find(range.as_bytes()), Err(Mistake::LangUsage), "{range}");
        }
    }
}
