//! LANG and UTF8: other languages, and letters beyond ASCII. RFC 6856.

use super::*;
use crate::pop3::LoginRefusal;
use crate::pop3::language::{Mistake, Said, Text};

#[test]
fn lang_alone_lists_the_languages_in_both_states() {
    let list = "+OK these languages are spoken here:\r\nen English\r\nde Deutsch\r\nfr Français\r\n.";
    assert_eq!(Play::new(CLEAR).reply("LANG"), list);
    assert_eq!(Play::logged_on(&[]).reply("lang "), list);
}

#[test]
fn lang_changes_the_language_from_its_reply_on_and_keeps_it_when_it_fails() {
    for mut play in [Play::new(CLEAR), Play::logged_on(&[1])] {
        assert_eq!(play.reply("LANG de-AT"), "+OK de ab jetzt auf Deutsch");
        assert_eq!(play.reply("CAPA").lines().next(), Some("+OK das ist hier möglich:"));
        let reply = "-ERR diese Sprache gibt es hier nicht; LANG allein zeigt die Auswahl";
        assert_eq!(play.reply("LANG MUL"), reply);
        let reply = "-ERR LANG steht allein oder mit einer Sprache, zum Beispiel LANG de";
        assert_eq!(play.reply("LANG de_AT"), reply);
        assert_eq!(play.reply("LANG fr"), "+OK fr désormais en français");
        assert_eq!(play.reply("WHAT"), "-ERR commande inconnue ; CAPA indique ce qui est possible ici");
        assert_eq!(play.reply("LANG en"), "+OK en English from now on");
    }
}

#[test]
fn a_star_asks_for_the_administrator_s_language_whoever_asks() {
    for language in Language::ALL {
        let facts = Facts { language, ..CLEAR };
        let mut play = Play::new(facts);
        let reply = play.reply("LANG *");
        assert!(reply.starts_with(&format!("+OK {} ", language.tag())), "{reply}");
        play.reply("USER alice");
        assert_eq!(play.reply("LANG *"), reply);
        let _ = play.line("PASS secret");
        let _ = play.enters(&[1]);
        assert_eq!(play.reply("LANG *"), reply);
    }
}

#[test]
fn an_unknown_language_is_no_mistake_that_counts() {
    let mut play = Play::new(CLEAR);
    for _ in 0..2 * limits::ERRORS_PER_SESSION {
        play.refuses("LANG uga");
    }
    play.logs_on(&[1]);
}

#[test]
fn a_session_in_german_is_german_to_its_end() {
    let mut play = Play::new(CLEAR);
    for (line, reply) in [
        ("LANG de", "+OK de ab jetzt auf Deutsch"),
        ("STAT", "-ERR bitte erst anmelden, mit USER und PASS oder mit AUTH"),
        ("PASS x", "-ERR bitte zuerst USER angeben"),
        ("USER jörg", "+OK und das Passwort?"),
    ] {
        assert_eq!(play.reply(line), reply, "{line}");
    }
    let _ = play.line("PASS falsch");
    let (_, text) = play.event(Event::LoginRefused(LoginRefusal::BadCredentials));
    assert_eq!(text, "-ERR [AUTH] Benutzername oder Passwort ist falsch\r\n");
    play.reply("USER jörg");
    let _ = play.line("PASS secret");
    assert_eq!(play.enters(&[9, 8]).1, "+OK Postfach von jörg: 2 Nachrichten (17 Byte)\r\n");
    assert_eq!(play.reply("DELE 2"), "+OK Nachricht 2 ist gelöscht");
    assert_eq!(play.reply("LIST"), "+OK 1 Nachricht (9 Byte)\r\n1 9\r\n.");
    assert_eq!(play.reply("STAT"), "+OK 1 9");
    assert_eq!(play.reply("RETR 3"), "-ERR es gibt keine Nachricht 3; die höchste Nummer ist 2");
    let _ = play.line("RETR 1");
    let reply = "-ERR [SYS/TEMP] Nachricht 1 ist gerade nicht lesbar; bitte später erneut versuchen\r\n";
    assert_eq!(play.event(Event::StoreFailed).1, reply);
    assert_eq!(play.line("QUIT").0, Next::Commit(vec![Uid(12)]));
    assert_eq!(play.event(Event::Committed).1, "+OK auf Wiedersehen; gelöscht: 1\r\n");
}

#[test]
fn tls_makes_language_and_utf8_forgotten_and_utf8_makes_tls_impossible() {
    let mut play = Play::new(Facts { offers_stls: true, ..CLEAR });
    play.reply("LANG fr");
    assert_eq!(play.line("STLS"), (Next::StartTls, "+OK TLS peut commencer\r\n".into()));
    let _ = play.event(Event::TlsStarted(Box::new(SECURE)));
    assert_eq!(play.reply("PASS x"), "-ERR give USER first");

    let mut play = Play::new(CLOSED);
    assert!(!play.session.is_utf8());
    assert_eq!(play.reply("utf8"), "+OK UTF-8 from now on");
    assert_eq!(play.reply("UTF8"), "+OK UTF-8 from now on");
    assert!(play.session.is_utf8());
    assert_eq!(play.reply("STLS"), "-ERR STLS comes before UTF8; connect anew");
    assert!(play.session.is_utf8());
}

#[test]
fn utf8_is_known_when_the_maildrop_is_asked_for_and_comes_before_it_only() {
    let mut play = Play::new(CLEAR);
    play.refuses("UTF8 USER");
    assert!(!play.session.is_utf8());
    play.reply("UTF8");
    play.logs_on(&[1]);
    assert!(play.session.is_utf8());
    let mut play = Play::logged_on(&[1]);
    assert_eq!(play.reply("UTF8"), "-ERR you are logged on already; QUIT to begin anew");
    assert!(!play.session.is_utf8());
}

#[test]
fn a_name_beyond_ascii_is_shown_to_who_takes_it_and_never_a_strange_letter() {
    for (first, name, shown) in [
        ("CAPA", "jörg", "j\\xC3\\xB6rg"),
        ("UTF8", "jörg", "jörg"),
        ("LANG en", "jörg", "jörg"),
        ("LANG en", "дядя Фёдор", "дядя Фёдор"),
        ("UTF8", "a\u{202E}b", "a\\xE2\\x80\\xAEb"),
        ("UTF8", "a\u{2028}b", "a\\xE2\\x80\\xA8b"),
    ] {
        let mut play = Play::new(CLEAR);
        play.reply(first);
        play.reply(&format!("USER {name}"));
        let _ = play.line("PASS x");
        let (next, text) = play.enters(&[3]);
        assert_eq!(
            (next, text),
            (Next::Read, format!("+OK {shown}'s maildrop has 1 message (3 octets)\r\n"))
        );
    }
}

const NAME: &str = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

/// Each text once, with the longest values where it takes some.
const TEXTS: [Text<'static>; 38] = [
    Text::Ready,
    Text::Goodbye,
    Text::GoodbyeDeleted(usize::MAX),
    Text::Capabilities,
    Text::Mechanisms,
    Text::Languages,
    Text::LanguageChosen,
    Text::NoSuchLanguage,
    Text::Utf8,
    Text::AndThePassword,
    Text::BeginTls,
    Text::Cancelled,
    Text::Welcome { name: NAME, messages: 1, octets: 0 },
    Text::Welcome { name: NAME, messages: u32::MAX, octets: u64::MAX },
    Text::Holds { messages: 1, octets: 1 },
    Text::Holds { messages: u32::MAX, octets: u64::MAX },
    Text::NothingDone,
    Text::TopFollows,
    Text::Deleted(u32::MAX),
    Text::IsDeleted(u32::MAX),
    Text::NoMessage { number: u32::MAX, highest: u32::MAX },
    Text::Removed(u32::MAX),
    Text::Unreadable(u32::MAX),
    Text::NotRemoved,
    Text::BadCredentials,
    Text::Locked,
    Text::InUse,
    Text::TooSoon(1),
    Text::TooSoon(u32::MAX),
    Text::Busy,
    Text::TooMuchSaid,
    Text::OtherProtocol,
    Text::BareLf,
    Text::Endless,
    Text::BehindStls,
    Text::Octets(u64::MAX),
    Text::Mistake(Mistake::BadBinding),
    Text::LastMistake(Mistake::ForeignAuthorization),
];

const MISTAKES: [Mistake; 34] = [
    Mistake::UnknownCommand,
    Mistake::LogOnFirst,
    Mistake::LoggedOnAlready,
    Mistake::StandsAlone("NOOP"),
    Mistake::TakesNumber("DELE"),
    Mistake::TakesNumberOrNothing("LIST"),
    Mistake::ApopUsage,
    Mistake::AuthUsage,
    Mistake::LangUsage,
    Mistake::PassUsage,
    Mistake::TopUsage,
    Mistake::UserUsage,
    Mistake::UserFirst,
    Mistake::NoPassword,
    Mistake::NoTimestamp,
    Mistake::UnknownMechanism,
    Mistake::MechanismNotOffered,
    Mistake::MechanismNeedsTls,
    Mistake::MechanismNeedsTls13,
    Mistake::NoCertificate,
    Mistake::NoExchange,
    Mistake::BadBase64,
    Mistake::BadResponse,
    Mistake::BadBinding,
    Mistake::ForeignAuthorization,
    Mistake::TlsActive,
    Mistake::NoTls,
    Mistake::StlsAfterUtf8,
    Mistake::StlsFirst,
    Mistake::PasswordsNeedTls,
    Mistake::PasswordsNotTaken,
    Mistake::Nul,
    Mistake::BareCr,
    Mistake::TooLong,
];

#[test]
fn every_text_is_one_line_in_every_language_with_the_same_response_code() {
    let mistakes = MISTAKES.into_iter().flat_map(|it| [Text::Mistake(it), Text::LastMistake(it)]);
    for text in TEXTS.into_iter().chain(mistakes) {
        let english = Said(Language::English, text).to_string();
        assert!(english.is_ascii(), "{english}");
        for language in [Language::German, Language::French] {
            let said = Said(language, text).to_string();
            let line_octets = "-ERR \r\n".len() + said.len();
            assert!(line_octets <= limits::POP3_LINE_OCTETS, "{line_octets}: {said}");
            assert!(!said.contains(char::is_control), "{said:?}");
            assert!(said != english || matches!(text, Text::Octets(_) | Text::Holds { .. }), "{said}");
            assert_eq!(code(&said), code(&english), "{said}");
            for digits in english.split(|letter: char| !letter.is_ascii_digit()) {
                assert!(said.contains(digits), "{said} lacks {digits}");
            }
        }
    }
}

fn code(text: &str) -> &str {
    if text.starts_with('[') { text.split_once("] ").unwrap().0 } else { "" }
}

#[test]
fn the_longest_user_name_fits_a_reply_line_in_every_language() {
    for language in Language::ALL {
        let mut play = Play::new(CLEAR);
        play.reply(&format!("LANG {}", language.tag()));
        play.reply(&format!("USER {}", "ö".repeat(limits::USER_NAME_OCTETS / 2)));
        let _ = play.line("PASS x");
        let (next, text) = play.enters(&[u32::MAX; 9]);
        assert!(next == Next::Read && text.len() <= limits::POP3_LINE_OCTETS, "{text}");
    }
}
