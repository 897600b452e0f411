//! What is asked of a server, as it is sent. RFC 4511 §4.2, §4.3, §4.5, §4.12.

use std::fmt;

use crate::mail::Secret;
use crate::wire::ber::{Tag, Writer};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// To begin TLS. RFC 4511 §4.14.
    StartTls,
    /// Whether that is the password of that name. RFC 4513 §5.1.3.
    Bind {
        /// A DN, or what else the server takes for one: Active Directory takes `user@domain` and `DOMAIN\user`.
        name: String,
        /// The password.
        password: Secret,
    },
    /// What is there.
    Search(Search),
}

/// What is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Below which name, or of which.
    pub base: String,
    /// How far.
    pub scope: Scope,
    /// By which filter, as [`super::Filter::fill`] makes it.
    pub filter: Vec<u8>,
    /// What is wanted of each entry.
    pub attributes: &'static [&'static str],
    /// How long the server may search.
    pub seconds: u32,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// That entry alone.
    Base,
    /// All below it, too.
    Subtree,
}

/// Why a question is not asked; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// An empty password proves nothing, and servers call that a success (S-191). RFC 4513 §5.1.2.
    NoPassword,
    /// A password without a name proves nothing either. RFC 4513 §5.1.1.
    NoName,
    /// It would go in clear text (S-202).
    Clear,
    /// The connection asks already, or is dead.
    NotNow,
}

/// A password that servers might take for none: nothing but blanks, or with a NUL, where some of them end (S-191).
pub fn is_no_password(password: &Secret) -> bool {
    password.expose().contains(&0) || password.expose().iter().all(|octet| *octet == b' ')
}

/// The message that asks it. Nothing of a password is left behind but in what is given.
pub(super) fn message(id: i32, question: &Question) -> Secret {
    let mut writer = Writer::with_capacity(match question {
        Question::Bind { name, password } => name.len() + password.expose().len() + HEADS_OCTETS,
        _ => 0,
    });
    writer.inside(Tag::SEQUENCE, |writer| {
        writer.integer(Tag::INTEGER, i64::from(id));
        match question {
            Question::StartTls => {
                writer.inside(EXTENDED, |writer| writer.element(Tag::context(0, false), START_TLS));
            }
            Question::Bind { name, password } => writer.inside(BIND, |writer| {
                writer.integer(Tag::INTEGER, 3);
                writer.element(Tag::OCTET_STRING, name.as_bytes());
                writer.element(Tag::context(0, false), password.expose());
            }),
            Question::Search(search) => writer.inside(SEARCH, |writer| write_search(search, writer)),
        }
    });
    Secret::new(writer.finish())
}

/// The message that says good-bye; no answer comes. RFC 4511 §4.3.
pub(super) fn unbind(id: i32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |writer| {
        writer.integer(Tag::INTEGER, i64::from(id));
        writer.element(UNBIND, b"");
    });
    writer.finish()
}

fn write_search(search: &Search, writer: &mut Writer) {
    writer.element(Tag::OCTET_STRING, search.base.as_bytes());
    writer.integer(
        Tag::ENUMERATED,
        match search.scope {
            Scope::Base => 0,
            Scope::Subtree => 2,
        },
    );
    writer.integer(Tag::ENUMERATED, NEVER_ALIASES);
    writer.integer(Tag::INTEGER, SIZE_LIMIT);
    writer.integer(Tag::INTEGER, i64::from(search.seconds));
    writer.boolean(Tag::BOOLEAN, false);
    writer.written(&search.filter);
    writer.inside(Tag::SEQUENCE, |writer| {
        for attribute in search.attributes {
            writer.element(Tag::OCTET_STRING, attribute.as_bytes());
        }
    });
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Refusal::NoPassword => "an empty password is never sent",
            Refusal::NoName => "a password is never sent without a name",
            Refusal::Clear => "passwords are not sent in clear text",
            Refusal::NotNow => "the connection is not free",
        })
    }
}

/// One entry is wanted, and a second one tells that it is not the only one (S-194).
pub(super) const SIZE_LIMIT: i64 = 2;
/// The tags, lengths and numbers of a bind request take less.
const HEADS_OCTETS: usize = 64;
const NEVER_ALIASES: i64 = 0;
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const BIND: Tag = Tag::application(0, true);
const UNBIND: Tag = Tag::application(2, false);
const SEARCH: Tag = Tag::application(3, true);
const EXTENDED: Tag = Tag::application(23, true);
