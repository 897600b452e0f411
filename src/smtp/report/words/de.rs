//! Die Texte der Berichte auf Deutsch: the reports' texts in German.

use super::{About, Cause, Text};

/// The text.
pub fn say(text: Text<'_>) -> String {
    match text {
        Text::DeliveredSubject => "Ihre Mail ist angekommen".into(),
        Text::Delivered => "Ihre Mail ist angekommen. Diese Empfänger haben sie jetzt im Postfach:".into(),
        Text::IsList => "eine Liste: sie ging an alle, die darauf stehen".into(),
        Text::AskedFor => {
            "Ihr Mailprogramm hat um diesen Bericht gebeten. Sie brauchen nichts zu tun.".into()
        }
        Text::Subject(About::Failure) => "Ihre Mail konnte nicht zugestellt werden".into(),
        Text::Subject(About::Delay) => "Ihre Mail ist noch nicht angekommen".into(),
        Text::Subject(About::Relayed) => "Ihre Mail wurde weitergegeben".into(),
        Text::Opening(about, date) => {
            opening(about, &date.map(|at| format!(" vom {at}")).unwrap_or_default())
        }
        Text::TriedFor(1) => "Es wurde einen Tag lang immer wieder versucht.".into(),
        Text::TriedFor(days) => format!("Es wurde {days} Tage lang immer wieder versucht."),
        Text::TriedUntil(until) => format!("Versucht wird es bis {until}."),
        Text::Cause(cause) => why(cause).into(),
        Text::Advice(cause) => format!("Was Sie tun können: {}", advice(cause)),
        Text::Meant(address) => format!("gesandt an {address}"),
        Text::WhatWasSaid => "Für alle, die es genau wissen wollen:".into(),
        Text::SaidBy(host, address) => format!("Zu {address} sagte der Server {host}:"),
        Text::Found(address) => format!("Zu {address} stellte unser eigener Server fest:"),
        Text::HeaderReturned => "Der Kopf Ihrer Mail liegt bei.".into(),
        Text::MailReturned => "Ihre Mail liegt bei.".into(),
        Text::Signature(hostname) => {
            format!("Dies schrieb der Mailserver {hostname}. Eine Antwort geht an seinen Postmaster.")
        }
    }
}

fn opening(about: About, of: &str) -> String {
    match about {
        About::Failure => format!(
            "Ihre Mail{of} konnte nicht zugestellt werden. Diese Empfänger haben sie nicht bekommen, und es wird nicht weiter versucht."
        ),
        About::Delay => format!(
            "Ihre Mail{of} hat diese Empfänger noch nicht erreicht. Sie ist aufgehoben und wird weiter versucht; Sie brauchen sie nicht noch einmal zu senden."
        ),
        About::Relayed => format!(
            "Ihre Mail{of} wurde den Servern dieser Empfänger übergeben. Sie senden selbst keine Berichte; Sie hören also nichts mehr davon, außer wenn es scheitert:"
        ),
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSuchMailbox => {
            "Dieses Postfach gibt es nicht: Die Adresse ist falsch geschrieben oder nicht mehr in Gebrauch."
        }
        Cause::NoSuchDomain => {
            "Diese Domain gibt es nicht, oder sie nimmt keine Mail an: Was hinter dem @ steht, ist falsch geschrieben oder nicht mehr in Gebrauch."
        }
        Cause::Closed => "Das Postfach ist geschlossen und nimmt keine Mail an.",
        Cause::MailboxFull => "Das Postfach ist voll.",
        Cause::TooLarge => "Die Mail ist zu groß für den Server des Empfängers.",
        Cause::NoRoom => {
            "Der Server des Empfängers hat keinen Platz dafür: Die Mail ist zu groß, oder das Postfach ist voll."
        }
        Cause::Refused => {
            "Der Server des Empfängers lehnt die Mail ab, nach einer eigenen Regel oder weil er sie für Spam hält."
        }
        Cause::NotAllowed => {
            "Der nächste Server lässt unseren nicht senden: Zwischen den beiden stimmt etwas nicht."
        }
        Cause::BadSender => "Der Server des Empfängers erkennt Ihre Adresse als Absender nicht an.",
        Cause::NeedsUtf8 => {
            "Eine Adresse oder der Kopf der Mail hat Umlaute oder andere besondere Buchstaben, mit denen der Server des Empfängers nicht umgehen kann."
        }
        Cause::EightBit => {
            "Die Mail ist so kodiert (8 Bit), dass der Server des Empfängers sie nicht nehmen kann."
        }
        Cause::Loop => "Die Mail ging zwischen Servern im Kreis.",
        Cause::TooMany => "Der Server nimmt keine Mail für so viele Empfänger auf einmal an.",
        Cause::Unreachable => "Der Server des Empfängers war nicht zu erreichen.",
        Cause::Busy => "Der Server des Empfängers nimmt die Mail zurzeit nicht an.",
        Cause::Unsure => {
            "Die Verbindung brach jedes Mal ab, bevor der Server die Mail bestätigt hatte. Vielleicht ist sie dennoch angekommen."
        }
    }
}

fn advice(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSuchMailbox => {
            "Prüfen Sie die Adresse Buchstabe für Buchstabe und senden Sie die Mail noch einmal."
        }
        Cause::NoSuchDomain => {
            "Prüfen Sie Buchstabe für Buchstabe, was hinter dem @ steht, und senden Sie die Mail noch einmal."
        }
        Cause::Closed => "Erreichen Sie den Empfänger auf anderem Weg.",
        Cause::MailboxFull => {
            "Sagen Sie es dem Empfänger auf anderem Weg, oder senden Sie die Mail in einigen Tagen noch einmal."
        }
        Cause::TooLarge => "Senden Sie sie mit weniger oder kleineren Anhängen, oder in mehreren Mails.",
        Cause::NoRoom => "Senden Sie sie mit kleineren Anhängen, oder in einigen Tagen noch einmal.",
        Cause::Refused => {
            "Lesen Sie unten, was der Server sagte; der Empfänger kann die Betreiber bitten, Ihre Mail anzunehmen."
        }
        Cause::NotAllowed => {
            "Zeigen Sie dies dem, der unseren Server betreibt: Antworten Sie auf diese Mail."
        }
        Cause::BadSender => "Prüfen Sie Ihre eigene Adresse in den Einstellungen Ihres Mailprogramms.",
        Cause::NeedsUtf8 => "Nehmen Sie eine Adresse ohne solche Buchstaben, wenn es eine gibt.",
        Cause::EightBit => {
            "Lassen Sie Ihr Mailprogramm quoted-printable oder base64 schreiben, wenn sich das einstellen lässt."
        }
        Cause::Loop => "Zeigen Sie dies dem, der unseren Server betreibt: Antworten Sie auf diese Mail.",
        Cause::TooMany => "Senden Sie sie an weniger Empfänger auf einmal.",
        Cause::Unreachable => {
            "Prüfen Sie, was hinter dem @ steht. Stimmt es, senden Sie die Mail später noch einmal, oder erreichen Sie den Empfänger auf anderem Weg."
        }
        Cause::Busy => {
            "Senden Sie die Mail später noch einmal, oder erreichen Sie den Empfänger auf anderem Weg."
        }
        Cause::Unsure => "Fragen Sie den Empfänger, bevor Sie sie noch einmal senden.",
    }
}
