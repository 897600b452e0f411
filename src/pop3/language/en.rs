//! The session's texts in English, which it speaks until LANG: ASCII only. RFC 6856 §3.2.

use std::fmt::{Formatter, Result};

use super::{Mistake, Text};

/// The language's name.
pub const NAME: &str = "English";

/// Writes a text.
pub fn text(text: Text<'_>, out: &mut Formatter<'_>) -> Result {
    match text {
        Text::Ready => write!(out, "poppet is ready"),
        Text::Goodbye => write!(out, "goodbye"),
        Text::GoodbyeDeleted(messages) => write!(out, "goodbye; deleted: {messages}"),
        Text::Capabilities => write!(out, "this works here:"),
        Text::Mechanisms => write!(out, "these mechanisms work here:"),
        Text::Languages => write!(out, "these languages are spoken here:"),
        Text::LanguageChosen => write!(out, "English from now on"),
        Text::NoSuchLanguage => {
            write!(out, "that language is not spoken here; LANG alone lists those that are")
        }
        Text::Utf8 => write!(out, "UTF-8 from now on"),
        Text::AndThePassword => write!(out, "and the password?"),
        Text::BeginTls => write!(out, "begin TLS"),
        Text::Cancelled => write!(out, "cancelled"),
        Text::Welcome { name, messages, octets } => {
            write!(out, "{name}'s maildrop has ")?;
            holds(messages, octets, out)
        }
        Text::Holds { messages, octets } => holds(messages, octets, out),
        Text::NothingDone => write!(out, "nothing done"),
        Text::Octets(octets) => write!(out, "{octets} octets"),
        Text::TopFollows => write!(out, "the top of the message follows"),
        Text::Deleted(number) => write!(out, "message {number} deleted"),
        Text::IsDeleted(number) => write!(out, "message {number} is deleted; RSET brings it back"),
        Text::NoMessage { number, highest } => {
            write!(out, "no message {number}; the highest number is {highest}")
        }
        Text::Removed(number) => write!(out, "message {number} has been removed by the administrator"),
        Text::Unreadable(number) => write!(out, "message {number} can't be read now; come again later"),
        Text::NotRemoved => write!(out, "some deleted messages not removed"),
        Text::BadCredentials => write!(out, "user name or password is wrong"),
        Text::Locked => write!(out, "the mailbox is locked; ask the administrator"),
        Text::InUse => write!(out, "another session has the maildrop; come again when it has ended"),
        Text::TooSoon(1) => write!(out, "you have logged on a moment ago; come again in 1 second"),
        Text::TooSoon(seconds) => {
            write!(out, "you have logged on a moment ago; come again in {seconds} seconds")
        }
        Text::Busy => write!(out, "too much to do; come again in a moment"),
        Text::TooMuchSaid => write!(out, "too much said before logon; closing"),
        Text::OtherProtocol => write!(out, "this is a POP3 server; closing"),
        Text::BareLf => write!(out, "lines end with CR and LF; closing"),
        Text::Endless => write!(out, "the line has no end; closing"),
        Text::BehindStls => write!(out, "nothing may follow STLS before TLS; closing"),
        Text::Mistake(it) => mistake(it, out),
        Text::LastMistake(it) => {
            mistake(it, out)?;
            write!(out, "; too many mistakes, closing")
        }
    }
}

fn holds(messages: u32, octets: u64, out: &mut Formatter<'_>) -> Result {
    let noun = if messages == 1 { "message" } else { "messages" };
    write!(out, "{messages} {noun} ({octets} octets)")
}

fn mistake(mistake: Mistake, out: &mut Formatter<'_>) -> Result {
    let text = match mistake {
        Mistake::UnknownCommand => "unknown command; CAPA tells what works here",
        Mistake::LogOnFirst => "log on first, with USER and PASS or with AUTH",
        Mistake::LoggedOnAlready => "you are logged on already; QUIT to begin anew",
        Mistake::StandsAlone(verb) => return write!(out, "{verb} stands alone"),
        Mistake::TakesNumber(verb) => {
            return write!(out, "{verb} takes the number of one message, as in {verb} 1");
        }
        Mistake::TakesNumberOrNothing(verb) => {
            return write!(out, "{verb} stands alone or takes the number of one message, as in {verb} 1");
        }
        Mistake::ApopUsage => "APOP takes a user name and a digest of 32 hexadecimal digits",
        Mistake::AuthUsage => "AUTH takes a mechanism, as in AUTH PLAIN",
        Mistake::LangUsage => "LANG stands alone or takes a language, as in LANG en",
        Mistake::PassUsage => "PASS takes a password",
        Mistake::TopUsage => "TOP takes the number of one message and a number of lines, as in TOP 1 0",
        Mistake::UserUsage => "USER takes a user name, in UTF-8 and without control characters",
        Mistake::UserFirst => "give USER first",
        Mistake::NoPassword => "PASS takes a password; begin again with USER",
        Mistake::NoTimestamp => "APOP does not work here; AUTH alone lists what does",
        Mistake::UnknownMechanism => "unknown mechanism; AUTH alone lists them",
        Mistake::MechanismNotOffered => "that mechanism is not offered here; AUTH alone lists those that are",
        Mistake::MechanismNeedsTls => "that mechanism works inside TLS only; begin TLS first",
        Mistake::MechanismNeedsTls13 => "that mechanism works inside TLS 1.3 only; take it without -PLUS",
        Mistake::NoCertificate => {
            "no known client certificate was shown; AUTH alone lists what works without"
        }
        Mistake::NoExchange => "no exchange is under way; begin one with AUTH",
        Mistake::BadBase64 => "that is no base64; begin again with AUTH",
        Mistake::BadResponse => "that is not what the mechanism sends; begin again with AUTH",
        Mistake::BadBinding => "this logon is bound to another TLS connection; somebody may be listening",
        Mistake::ForeignAuthorization => "nobody here may act as another user; leave that name empty",
        Mistake::TlsActive => "TLS is active already",
        Mistake::NoTls => "TLS can't begin here; the server offers none on this port",
        Mistake::StlsAfterUtf8 => "STLS comes before UTF8; connect anew",
        Mistake::StlsFirst => "STLS first: passwords are not taken in the clear",
        Mistake::PasswordsNeedTls => "passwords are not taken on this connection; use a port with TLS",
        Mistake::PasswordsNotTaken => "passwords are not taken here; AUTH alone lists what is",
        Mistake::Nul => "a line can't hold a NUL",
        Mistake::BareCr => "a line can't hold a lone CR",
        Mistake::TooLong => "the line is too long",
    };
    out.write_str(text)
}
