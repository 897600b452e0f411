//! The reports' texts in English.

use super::{About, Cause, Text};

/// The text.
pub fn say(text: Text<'_>) -> String {
    match text {
        Text::DeliveredSubject => "Your mail has been delivered".into(),
        Text::Delivered => "Your mail has arrived. These recipients have it in their mailboxes now:".into(),
        Text::IsList => "a list: it went to all who are on it".into(),
        Text::AskedFor => {
            "Your mail program asked for this report. There is nothing that you need to do.".into()
        }
        Text::Subject(About::Failure) => "Your mail could not be delivered".into(),
        Text::Subject(About::Delay) => "Your mail has not arrived yet".into(),
        Text::Subject(About::Relayed) => "Your mail has been handed on".into(),
        Text::Opening(about, date) => opening(about, &date.map(|at| format!(" of {at}")).unwrap_or_default()),
        Text::TriedFor(1) => "It was tried again and again for a day.".into(),
        Text::TriedFor(days) => format!("It was tried again and again for {days} days."),
        Text::TriedUntil(until) => format!("It will be tried until {until}."),
        Text::Cause(cause) => why(cause).into(),
        Text::Advice(cause) => format!("What you can do: {}", advice(cause)),
        Text::Meant(address) => format!("sent to {address}"),
        Text::WhatWasSaid => "For whoever wants to know it exactly:".into(),
        Text::SaidBy(host, address) => format!("About {address} the server {host} said:"),
        Text::Found(address) => format!("About {address} our own server found:"),
        Text::HeaderReturned => "The header of your mail is attached.".into(),
        Text::MailReturned => "Your mail is attached.".into(),
        Text::Signature(hostname) => {
            format!("This was written by the mail server {hostname}. An answer goes to its postmaster.")
        }
    }
}

fn opening(about: About, of: &str) -> String {
    match about {
        About::Failure => format!(
            "Your mail{of} could not be delivered. These recipients have not got it, and it will not be tried any more."
        ),
        About::Delay => format!(
            "Your mail{of} has not reached these recipients yet. It is kept and tried again; you need not send it again."
        ),
        About::Relayed => format!(
            "Your mail{of} has been handed to the servers of these recipients. They send no reports themselves, so you will hear no more of it unless it fails:"
        ),
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSuchMailbox => "There is no such mailbox: the address is misspelt, or no longer in use.",
        Cause::NoSuchDomain => {
            "There is no such domain, or it takes no mail: what stands behind the @ is misspelt, or no longer in use."
        }
        Cause::Closed => "The mailbox is closed and takes no mail.",
        Cause::MailboxFull => "The mailbox is full.",
        Cause::TooLarge => "The mail is too large for the recipient's server.",
        Cause::NoRoom => {
            "The recipient's server has no room for it: the mail is too large, or the mailbox is full."
        }
        Cause::Refused => {
            "The recipient's server refuses the mail, by a rule of its own or because it takes it for spam."
        }
        Cause::NotAllowed => {
            "The next server does not let our server send: something is wrong between the two."
        }
        Cause::BadSender => "The recipient's server does not accept your address as a sender.",
        Cause::NeedsUtf8 => {
            "An address or the header has letters beyond ASCII, and the recipient's server can't take them."
        }
        Cause::EightBit => "The mail is written in a coding (8-bit) that the recipient's server can't take.",
        Cause::Loop => "The mail went round in a circle between servers.",
        Cause::TooMany => "The server does not take mail for so many recipients at once.",
        Cause::Unreachable => "The recipient's server could not be reached.",
        Cause::Busy => "The recipient's server does not take the mail at present.",
        Cause::Unsure => {
            "The connection broke each time before the server had confirmed the mail. It may have arrived all the same."
        }
    }
}

fn advice(cause: Cause) -> &'static str {
    match cause {
        Cause::NoSuchMailbox => "check the address letter by letter, and send the mail again.",
        Cause::NoSuchDomain => "check what stands behind the @ letter by letter, and send the mail again.",
        Cause::Closed => "reach the recipient in another way.",
        Cause::MailboxFull => "tell the recipient in another way, or send the mail again in some days.",
        Cause::TooLarge => "send it with fewer or smaller attachments, or in several mails.",
        Cause::NoRoom => "send it with smaller attachments, or again in some days.",
        Cause::Refused => {
            "read below what the server said; the recipient can ask those who run it to let your mail in."
        }
        Cause::NotAllowed => "show this to whoever runs our server: answer this mail.",
        Cause::BadSender => "check your own address in the settings of your mail program.",
        Cause::NeedsUtf8 => "use an address without such letters, if there is one.",
        Cause::EightBit => "let your mail program write quoted-printable or base64, if it can be set.",
        Cause::Loop => "show this to whoever runs our server: answer this mail.",
        Cause::TooMany => "send it to fewer recipients at a time.",
        Cause::Unreachable => {
            "check what stands behind the @. If it is right, send the mail again later, or reach the recipient in another way."
        }
        Cause::Busy => "send the mail again later, or reach the recipient in another way.",
        Cause::Unsure => "ask the recipient before you send it again.",
    }
}
