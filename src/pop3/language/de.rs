//! Die Texte der Sitzung auf Deutsch: the session's texts in German.

use std::fmt::{Formatter, Result};

use super::{Mistake, Text};

/// The language's name.
pub const NAME: &str = "Deutsch";

/// Writes a text.
pub fn text(text: Text<'_>, out: &mut Formatter<'_>) -> Result {
    match text {
        Text::Ready => write!(out, "poppet ist bereit"),
        Text::Goodbye => write!(out, "auf Wiedersehen"),
        Text::GoodbyeDeleted(messages) => write!(out, "auf Wiedersehen; gelöscht: {messages}"),
        Text::Capabilities => write!(out, "das ist hier möglich:"),
        Text::Mechanisms => write!(out, "diese Anmeldeverfahren sind hier möglich:"),
        Text::Languages => write!(out, "diese Sprachen gibt es hier:"),
        Text::LanguageChosen => write!(out, "ab jetzt auf Deutsch"),
        Text::NoSuchLanguage => {
            write!(out, "diese Sprache gibt es hier nicht; LANG allein zeigt die Auswahl")
        }
        Text::Utf8 => write!(out, "ab jetzt mit UTF-8"),
        Text::AndThePassword => write!(out, "und das Passwort?"),
        Text::BeginTls => write!(out, "TLS kann beginnen"),
        Text::Cancelled => write!(out, "abgebrochen"),
        Text::Welcome { name, messages, octets } => {
            write!(out, "Postfach von {name}: ")?;
            holds(messages, octets, out)
        }
        Text::Holds { messages, octets } => holds(messages, octets, out),
        Text::NothingDone => write!(out, "nichts getan"),
        Text::Octets(octets) => write!(out, "{octets} Byte"),
        Text::TopFollows => write!(out, "der Anfang der Nachricht folgt"),
        Text::Deleted(number) => write!(out, "Nachricht {number} ist gelöscht"),
        Text::IsDeleted(number) => write!(out, "Nachricht {number} ist gelöscht; RSET holt sie zurück"),
        Text::NoMessage { number, highest } => {
            write!(out, "es gibt keine Nachricht {number}; die höchste Nummer ist {highest}")
        }
        Text::Removed(number) => write!(out, "Nachricht {number} wurde von der Administration entfernt"),
        Text::Unreadable(number) => {
            write!(out, "Nachricht {number} ist gerade nicht lesbar; bitte später erneut versuchen")
        }
        Text::NotRemoved => write!(out, "die gelöschten Nachrichten konnten nicht entfernt werden"),
        Text::BadCredentials => write!(out, "Benutzername oder Passwort ist falsch"),
        Text::Locked => write!(out, "das Postfach ist gesperrt; bitte an die Administration wenden"),
        Text::InUse => write!(
            out,
            "eine andere Sitzung benutzt das Postfach; bitte erneut versuchen, wenn sie beendet ist"
        ),
        Text::TooSoon(1) => {
            write!(out, "die letzte Anmeldung war eben erst; bitte in 1 Sekunde erneut versuchen")
        }
        Text::TooSoon(seconds) => {
            write!(out, "die letzte Anmeldung war eben erst; bitte in {seconds} Sekunden erneut versuchen")
        }
        Text::Busy => write!(out, "der Server ist überlastet; bitte gleich erneut versuchen"),
        Text::TooMuchSaid => write!(out, "zu viele Befehle vor der Anmeldung; die Verbindung wird beendet"),
        Text::OtherProtocol => write!(out, "hier antwortet ein POP3-Server; die Verbindung wird beendet"),
        Text::BareLf => write!(out, "Zeilen enden mit CR und LF; die Verbindung wird beendet"),
        Text::Endless => write!(out, "die Zeile hat kein Ende; die Verbindung wird beendet"),
        Text::BehindStls => write!(out, "auf STLS darf vor TLS nichts folgen; die Verbindung wird beendet"),
        Text::Mistake(it) => mistake(it, out),
        Text::LastMistake(it) => {
            mistake(it, out)?;
            write!(out, "; zu viele Fehler, die Verbindung wird beendet")
        }
    }
}

fn holds(messages: u32, octets: u64, out: &mut Formatter<'_>) -> Result {
    let noun = if messages == 1 { "Nachricht" } else { "Nachrichten" };
    write!(out, "{messages} {noun} ({octets} Byte)")
}

fn mistake(mistake: Mistake, out: &mut Formatter<'_>) -> Result {
    let text = match mistake {
        Mistake::UnknownCommand => "unbekannter Befehl; CAPA zeigt, was hier möglich ist",
        Mistake::LogOnFirst => "bitte erst anmelden, mit USER und PASS oder mit AUTH",
        Mistake::LoggedOnAlready => "die Anmeldung ist schon erfolgt; für eine neue erst QUIT",
        Mistake::StandsAlone(verb) => return write!(out, "{verb} steht allein"),
        Mistake::TakesNumber(verb) => {
            return write!(out, "{verb} braucht die Nummer einer Nachricht, zum Beispiel {verb} 1");
        }
        Mistake::TakesNumberOrNothing(verb) => {
            return write!(
                out,
                "{verb} steht allein oder mit der Nummer einer Nachricht, zum Beispiel {verb} 1"
            );
        }
        Mistake::ApopUsage => "APOP braucht einen Benutzernamen und eine Prüfsumme aus 32 Hexadezimalziffern",
        Mistake::AuthUsage => "AUTH braucht ein Anmeldeverfahren, zum Beispiel AUTH PLAIN",
        Mistake::LangUsage => "LANG steht allein oder mit einer Sprache, zum Beispiel LANG de",
        Mistake::PassUsage => "PASS braucht ein Passwort",
        Mistake::TopUsage => {
            "TOP braucht die Nummer einer Nachricht und eine Anzahl von Zeilen, zum Beispiel TOP 1 0"
        }
        Mistake::UserUsage => "USER braucht einen Benutzernamen, in UTF-8 und ohne Steuerzeichen",
        Mistake::UserFirst => "bitte zuerst USER angeben",
        Mistake::NoPassword => "PASS braucht ein Passwort; bitte mit USER neu beginnen",
        Mistake::NoTimestamp => "APOP ist hier nicht möglich; AUTH allein zeigt die Auswahl",
        Mistake::UnknownMechanism => "unbekanntes Anmeldeverfahren; AUTH allein zeigt die Auswahl",
        Mistake::MechanismNotOffered => {
            "dieses Anmeldeverfahren ist hier abgeschaltet; AUTH allein zeigt die Auswahl"
        }
        Mistake::MechanismNeedsTls => "dieses Anmeldeverfahren geht nur mit TLS; bitte erst TLS beginnen",
        Mistake::MechanismNeedsTls13 => {
            "dieses Anmeldeverfahren geht nur mit TLS 1.3; bitte das ohne -PLUS wählen"
        }
        Mistake::NoCertificate => {
            "es wurde kein bekanntes Zertifikat gezeigt; AUTH allein zeigt, was ohne möglich ist"
        }
        Mistake::NoExchange => "es läuft keine Anmeldung; bitte mit AUTH beginnen",
        Mistake::BadBase64 => "das ist kein Base64; bitte mit AUTH neu beginnen",
        Mistake::BadResponse => "diese Antwort passt nicht zum Anmeldeverfahren; bitte mit AUTH neu beginnen",
        Mistake::BadBinding => {
            "die Anmeldung gehört zu einer anderen TLS-Verbindung; vielleicht hört jemand mit"
        }
        Mistake::ForeignAuthorization => {
            "niemand darf hier für andere handeln; diesen Namen bitte leer lassen"
        }
        Mistake::TlsActive => "TLS ist schon aktiv",
        Mistake::NoTls => "TLS ist hier nicht möglich; der Server bietet es an diesem Port nicht an",
        Mistake::StlsAfterUtf8 => "STLS kommt vor UTF8; bitte neu verbinden",
        Mistake::StlsFirst => "zuerst STLS: Passwörter werden unverschlüsselt nicht angenommen",
        Mistake::PasswordsNeedTls => {
            "Passwörter werden auf dieser Verbindung nicht angenommen; bitte einen Port mit TLS wählen"
        }
        Mistake::PasswordsNotTaken => {
            "Passwörter werden hier nicht angenommen; AUTH allein zeigt die Auswahl"
        }
        Mistake::Nul => "eine Zeile darf kein NUL enthalten",
        Mistake::BareCr => "eine Zeile darf kein einzelnes CR enthalten",
        Mistake::TooLong => "die Zeile ist zu lang",
    };
    out.write_str(text)
}
