//! Every text of the reports, in each language of the house.
//!
//! What is said stands here once, as a case of [`Text`]; how, in one file a language. A case without its words in some
//! language doesn't compile. Subjects are in ASCII, for the oldest of clients.

mod de;
mod en;
mod fr;

use super::cause::Cause;
use super::notice::About;
use crate::mail::Language;

/// What is told to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// The subject where a mail is in its mailboxes.
    DeliveredSubject,
    /// The mail is in these mailboxes.
    Delivered,
    /// The recipient is a list.
    IsList,
    /// The report was asked for.
    AskedFor,
    /// The subject of the others.
    Subject(About),
    /// What has happened to a mail of that date, if one is known; a list follows.
    Opening(About, Option<&'a str>),
    /// How many days it was tried.
    TriedFor(u64),
    /// Until when it is tried.
    TriedUntil(&'a str),
    /// Why.
    Cause(Cause),
    /// What can be done about it.
    Advice(Cause),
    /// A recipient who was meant, where it went to another address.
    Meant(&'a str),
    /// What was said follows.
    WhatWasSaid,
    /// That server said about that recipient.
    SaidBy(&'a str, &'a str),
    /// We found about that recipient.
    Found(&'a str),
    /// The header is attached.
    HeaderReturned,
    /// The mail is attached.
    MailReturned,
    /// Who writes.
    Signature(&'a str),
}

/// The text in a language.
pub(super) fn say(language: Language, text: Text<'_>) -> String {
    match language {
        Language::English => en::say(text),
        Language::German => de::say(text),
        Language::French => fr::say(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const CAUSES: [Cause; 16] = [
        Cause::NoSuchMailbox,
        Cause::NoSuchDomain,
        Cause::Closed,
        Cause::MailboxFull,
        Cause::TooLarge,
        Cause::NoRoom,
        Cause::Refused,
        Cause::NotAllowed,
        Cause::BadSender,
        Cause::NeedsUtf8,
        Cause::EightBit,
        Cause::Loop,
        Cause::TooMany,
        Cause::Unreachable,
        Cause::Busy,
        Cause::Unsure,
    ];
    const ABOUT: [About; 3] = [About::Failure, About::Delay, About::Relayed];

    fn all() -> Vec<Text<'static>> {
        let mut all = vec![
            Text::DeliveredSubject,
            Text::Delivered,
            Text::IsList,
            Text::AskedFor,
            Text::TriedFor(1),
            Text::TriedFor(5),
            Text::TriedUntil("QQ"),
            Text::Meant("QQ"),
            Text::WhatWasSaid,
            Text::SaidBy("QQ", "ZZ"),
            Text::Found("QQ"),
            Text::HeaderReturned,
            Text::MailReturned,
            Text::Signature("QQ"),
        ];
        for about in ABOUT {
            all.extend([Text::Subject(about), Text::Opening(about, None), Text::Opening(about, Some("QQ"))]);
        }
        for cause in CAUSES {
            all.extend([Text::Cause(cause), Text::Advice(cause)]);
        }
        all
    }

    #[test]
    fn every_language_has_every_word_with_all_that_it_tells() {
        for text in all() {
            let said: HashSet<String> =
                Language::ALL.into_iter().map(|language| say(language, text)).collect();
            assert_eq!(said.len(), Language::ALL.len(), "{said:?}");
            let told = format!("{text:?}");
            for said in said {
                assert!(!said.trim().is_empty() && !said.contains(['\r', '\n']), "{said:?}");
                for mark in ["QQ", "ZZ", "(5)"] {
                    let mark = mark.trim_matches(['(', ')']);
                    assert!(!told.contains(mark) || said.contains(mark), "{told}: {said}");
                }
            }
        }
    }

    #[test]
    fn every_cause_has_its_own_words() {
        for language in Language::ALL {
            let said: HashSet<String> =
                CAUSES.into_iter().map(|cause| say(language, Text::Cause(cause))).collect();
            assert_eq!(said.len(), CAUSES.len(), "{language:?}");
        }
    }

    #[test]
    fn subjects_are_in_ascii_and_fit_on_a_line() {
        for language in Language::ALL {
            for text in ABOUT.map(Text::Subject).into_iter().chain([Text::DeliveredSubject]) {
                let subject = say(language, text);
                assert!(subject.is_ascii() && subject.len() <= 60, "{subject}");
            }
        }
    }
}
