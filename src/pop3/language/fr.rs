//! Les textes de la session en français : the session's texts in French.

use std::fmt::{Formatter, Result};

use super::{Mistake, Text};

/// The language's name.
pub const NAME: &str = "Français";

/// Writes a text.
pub fn text(text: Text<'_>, out: &mut Formatter<'_>) -> Result {
    match text {
        Text::Ready => write!(out, "poppet est prêt"),
        Text::Goodbye => write!(out, "au revoir"),
        Text::GoodbyeDeleted(messages) => write!(out, "au revoir ; messages supprimés : {messages}"),
        Text::Capabilities => write!(out, "voici ce qui est possible ici :"),
        Text::Mechanisms => write!(out, "voici les méthodes d'authentification possibles ici :"),
        Text::Languages => write!(out, "voici les langues disponibles :"),
        Text::LanguageChosen => write!(out, "désormais en français"),
        Text::NoSuchLanguage => write!(out, "cette langue n'est pas disponible ; LANG seul donne la liste"),
        Text::Utf8 => write!(out, "désormais en UTF-8"),
        Text::AndThePassword => write!(out, "et le mot de passe ?"),
        Text::BeginTls => write!(out, "TLS peut commencer"),
        Text::Cancelled => write!(out, "annulé"),
        Text::Welcome { name, messages, octets } => {
            write!(out, "boîte aux lettres de {name} : ")?;
            holds(messages, octets, out)
        }
        Text::Holds { messages, octets } => holds(messages, octets, out),
        Text::NothingDone => write!(out, "aucune action effectuée"),
        Text::Octets(octets) => write!(out, "{octets} octets"),
        Text::TopFollows => write!(out, "voici le début du message"),
        Text::Deleted(number) => write!(out, "message {number} supprimé"),
        Text::IsDeleted(number) => write!(out, "le message {number} est supprimé ; RSET le rétablit"),
        Text::NoMessage { number, highest } => {
            write!(out, "pas de message {number} ; le numéro le plus élevé est {highest}")
        }
        Text::Removed(number) => write!(out, "le message {number} a été retiré par l'administrateur"),
        Text::Unreadable(number) => {
            write!(out, "le message {number} est illisible pour le moment ; veuillez réessayer plus tard")
        }
        Text::NotRemoved => write!(out, "les messages supprimés n'ont pas pu être retirés"),
        Text::BadCredentials => write!(out, "nom d'utilisateur ou mot de passe incorrect"),
        Text::Locked => {
            write!(out, "la boîte aux lettres est verrouillée ; veuillez vous adresser à l'administrateur")
        }
        Text::InUse => write!(
            out,
            "une autre session utilise la boîte aux lettres ; veuillez réessayer quand elle sera terminée"
        ),
        Text::TooSoon(1) => {
            write!(out, "la dernière authentification est trop récente ; veuillez réessayer dans 1 seconde")
        }
        Text::TooSoon(seconds) => {
            write!(
                out,
                "la dernière authentification est trop récente ; veuillez réessayer dans {seconds} secondes"
            )
        }
        Text::Busy => write!(out, "le serveur est surchargé ; veuillez réessayer dans un instant"),
        Text::TooMuchSaid => write!(out, "trop de commandes avant l'authentification ; fin de la session"),
        Text::OtherProtocol => write!(out, "ceci est un serveur POP3 ; fin de la session"),
        Text::BareLf => write!(out, "les lignes se terminent par CR et LF ; fin de la session"),
        Text::Endless => write!(out, "la ligne n'a pas de fin ; fin de la session"),
        Text::BehindStls => write!(out, "rien ne doit suivre STLS avant TLS ; fin de la session"),
        Text::Mistake(it) => mistake(it, out),
        Text::LastMistake(it) => {
            mistake(it, out)?;
            write!(out, " ; trop d'erreurs, fin de la session")
        }
    }
}

fn holds(messages: u32, octets: u64, out: &mut Formatter<'_>) -> Result {
    // In French nothing is singular too.
    let noun = if messages <= 1 { "message" } else { "messages" };
    write!(out, "{messages} {noun} ({octets} octets)")
}

fn mistake(mistake: Mistake, out: &mut Formatter<'_>) -> Result {
    let text = match mistake {
        Mistake::UnknownCommand => "commande inconnue ; CAPA indique ce qui est possible ici",
        Mistake::LogOnFirst => "veuillez d'abord vous authentifier, avec USER et PASS ou avec AUTH",
        Mistake::LoggedOnAlready => "l'authentification est déjà faite ; QUIT pour recommencer",
        Mistake::StandsAlone(verb) => return write!(out, "{verb} s'emploie seul"),
        Mistake::TakesNumber(verb) => {
            return write!(out, "{verb} demande le numéro d'un message, par exemple {verb} 1");
        }
        Mistake::TakesNumberOrNothing(verb) => {
            return write!(out, "{verb} s'emploie seul ou avec le numéro d'un message, par exemple {verb} 1");
        }
        Mistake::ApopUsage => {
            "APOP demande un nom d'utilisateur et une empreinte de 32 chiffres hexadécimaux"
        }
        Mistake::AuthUsage => "AUTH demande une méthode d'authentification, par exemple AUTH PLAIN",
        Mistake::LangUsage => "LANG s'emploie seul ou avec une langue, par exemple LANG fr",
        Mistake::PassUsage => "PASS demande un mot de passe",
        Mistake::TopUsage => "TOP demande le numéro d'un message et un nombre de lignes, par exemple TOP 1 0",
        Mistake::UserUsage => "USER demande un nom d'utilisateur, en UTF-8 et sans caractères de contrôle",
        Mistake::UserFirst => "veuillez donner d'abord USER",
        Mistake::NoPassword => "PASS demande un mot de passe ; veuillez recommencer par USER",
        Mistake::NoTimestamp => "APOP n'est pas possible ici ; AUTH seul donne la liste des méthodes",
        Mistake::UnknownMechanism => "méthode d'authentification inconnue ; AUTH seul donne la liste",
        Mistake::MechanismNotOffered => {
            "cette méthode d'authentification est désactivée ici ; AUTH seul donne la liste"
        }
        Mistake::MechanismNeedsTls => {
            "cette méthode d'authentification n'est possible qu'avec TLS ; veuillez d'abord activer TLS"
        }
        Mistake::MechanismNeedsTls13 => {
            "cette méthode d'authentification n'est possible qu'avec TLS 1.3 ; veuillez choisir celle sans -PLUS"
        }
        Mistake::NoCertificate => {
            "aucun certificat connu n'a été présenté ; AUTH seul indique ce qui est possible sans"
        }
        Mistake::NoExchange => "aucune authentification n'est en cours ; veuillez commencer par AUTH",
        Mistake::BadBase64 => "ce n'est pas du Base64 ; veuillez recommencer par AUTH",
        Mistake::BadResponse => {
            "cette réponse ne convient pas à la méthode d'authentification ; veuillez recommencer par AUTH"
        }
        Mistake::BadBinding => {
            "cette authentification est liée à une autre connexion TLS ; quelqu'un écoute peut-être"
        }
        Mistake::ForeignAuthorization => {
            "personne ne peut agir ici au nom de quelqu'un d'autre ; veuillez laisser ce nom vide"
        }
        Mistake::TlsActive => "TLS est déjà actif",
        Mistake::NoTls => "TLS n'est pas possible ici ; le serveur ne le propose pas sur ce port",
        Mistake::StlsAfterUtf8 => "STLS vient avant UTF8 ; veuillez vous reconnecter",
        Mistake::StlsFirst => "d'abord STLS : les mots de passe ne sont pas acceptés en clair",
        Mistake::PasswordsNeedTls => {
            "les mots de passe ne sont pas acceptés sur cette connexion ; veuillez choisir un port avec TLS"
        }
        Mistake::PasswordsNotTaken => {
            "les mots de passe ne sont pas acceptés ici ; AUTH seul donne la liste des méthodes"
        }
        Mistake::Nul => "une ligne ne peut pas contenir de NUL",
        Mistake::BareCr => "une ligne ne peut pas contenir un CR isolé",
        Mistake::TooLong => "la ligne est trop longue",
    };
    out.write_str(text)
}
