//! The shared nouns, parsed once and valid ever after: domain, address, mailbox, message, secret.

pub mod a_label;
mod account;
mod alias;
mod dsn;
pub mod form;
mod hop;
mod lane;
pub mod mailbox;
pub mod name;
mod network;
mod remote;
mod role;

pub use account::Account;
pub use alias::{Alias, AliasTarget};
pub use dsn::{MailDsn, Notify, OriginalRecipient, RcptDsn, Ret};
pub use hop::{HopError, HopProtocol, HopTls, NextHop};
pub use lane::{AddressSpace, Lane, Sending};
pub use network::{Network, NetworkError, is_local};
pub use remote::{RemoteAddress, RemoteError};
pub use role::Role;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::limits;

/// A domain of ours, in small letters: labels of `a-z 0-9 -`, no final dot. RFC 5321 §2.3.5. One beyond ASCII is
/// written as the name system has it, `xn--hme-sna.lan`. RFC 5890 §2.3.2.1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(Box<str>);

impl Domain {
    /// The domain's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Domain, AddressError> {
        if text.len() > limits::DOMAIN_OCTETS {
            return Err(AddressError::DomainTooLong);
        }
        if !text.is_ascii() {
            return Err(AddressError::DomainNotAscii);
        }
        if text.is_empty() || !text.split('.').all(is_label) {
            return Err(AddressError::BadDomain);
        }
        if text.split('.').any(|label| a_label::claims_a_label(label) && !a_label::is_a_label(label)) {
            return Err(AddressError::BadALabel);
        }
        Ok(Domain(text.to_ascii_lowercase().into()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=limits::LABEL_OCTETS).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The address of a mailbox of ours: a name of letters, `0-9 . _ + -` at a domain, all in small letters. Letters
/// beyond ASCII are prepared, so that `JÖRG@home.lan` and `jörg@home.lan` are one mailbox, however the `ö` is
/// composed. RFC 6531 §3.3, RFC 8265 §3.3.
///
/// Envelopes may carry stranger addresses; those are the protocol's and never name a mailbox (S-107).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: Box<str>,
    at: u16,
}

impl Address {
    /// Joins a local part and a domain; errs if the local part can't name a mailbox, or is too long as it is given or
    /// once it is prepared.
    pub fn new(local: &str, domain: &Domain) -> Result<Address, AddressError> {
        if local.len() > limits::LOCAL_PART_OCTETS {
            return Err(AddressError::LocalPartTooLong);
        }
        let local = match local.is_ascii() {
            true => Cow::Borrowed(local),
            false => Cow::Owned(name::prepare(local).ok_or(AddressError::BadLocalPart)?),
        };
        if local.len() > limits::LOCAL_PART_OCTETS {
            return Err(AddressError::LocalPartTooLong);
        }
        if !is_mailbox_name(&local) {
            return Err(AddressError::BadLocalPart);
        }
        let text = format!("{}@{domain}", local.to_ascii_lowercase());
        Ok(Address { at: local.len() as u16, text: text.into() })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        &self.text[..usize::from(self.at)]
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> Domain {
        Domain(self.text[usize::from(self.at) + 1..].into())
    }

    /// Whether it can be told to those who haven't said SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoDomain)?;
        Address::new(local, &domain.parse()?)
    }
}

/// The rule for names: what begins or ends with a dot, or begins with a dash, is no name (S-107, S-112). Beyond ASCII
/// it has been prepared.
fn is_mailbox_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"._+-".contains(&octet) || !octet.is_ascii())
        && !name.starts_with(['.', '-', '+'])
        && !name.ends_with('.')
        && !name.contains("..")
}

/// Why a text is no address or no domain of ours; its text says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// There is no `@`.
    NoDomain,
    /// Empty, or with octets that a mailbox name can't have.
    BadLocalPart,
    /// Over 64 octets; a letter beyond ASCII has two or more. RFC 5321 §4.5.3.1.1.
    LocalPartTooLong,
    /// Not labels of letters, digits and dashes with dots between.
    BadDomain,
    /// A label that begins with `xn--` and is none of those. RFC 5891 §4.2.1.
    BadALabel,
    /// Letters beyond ASCII in a domain.
    DomainNotAscii,
    /// Over 255 octets. RFC 5321 §4.5.3.1.2.
    DomainTooLong,
}

impl fmt::Display for AddressError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            AddressError::NoDomain => "an address has the form name@domain",
            AddressError::BadLocalPart => {
                "a mailbox name has only letters, 0-9 and . _ + - inside, and begins with a letter, a digit or _"
            }
            AddressError::LocalPartTooLong => {
                "a mailbox name has at most 64 octets: 64 characters, or half of it beyond a-z"
            }
            AddressError::BadDomain => {
                "a domain is made of letters, digits and dashes with dots between, as in home.lan"
            }
            AddressError::BadALabel => {
                "xn-- only begins the coded form of a name beyond a-z, as in xn--hme-sna.lan for h\u{f6}me.lan"
            }
            AddressError::DomainNotAscii => {
                "a domain beyond a-z is written in its xn-- form, as in xn--hme-sna.lan for h\u{f6}me.lan"
            }
            AddressError::DomainTooLong => "a domain has at most 255 characters",
        })
    }
}

impl std::error::Error for AddressError {}

macro_rules! text_noun {
    ($($noun:ty),*) => {$(
        impl fmt::Display for $noun {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(self.as_str())
            }
        }
        impl From<$noun> for String {
            fn from(noun: $noun) -> String {
                noun.as_str().to_owned()
            }
        }
        impl TryFrom<String> for $noun {
            type Error = AddressError;
            fn try_from(text: String) -> Result<$noun, AddressError> {
                text.parse()
            }
        }
    )*};
}
text_noun!(Domain, Address);

/// A mailbox's number: never given twice, so a new mailbox of an old name starts empty (S-220).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxId(pub u32);

/// A message's number in its mailbox: it only ever rises. RFC 1939 §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub u32);

/// A message of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Whose it is.
    pub mailbox: MailboxId,
    /// Which of his.
    pub uid: Uid,
}

/// 128 random bits that tell a mailbox from every other one, also of the same name: the first half of
/// every UIDL (S-229).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MailboxMark(pub [u8; 16]);

/// A language in which people are told something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// What is spoken until somebody asks for another one.
    #[default]
    English,
    /// German.
    German,
    /// French.
    French,
}

impl Language {
    /// Every language, in the order in which they are listed.
    pub const ALL: [Language; 3] = [Language::English, Language::German, Language::French];

    /// Its tag. RFC 5646 §2.1.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
            Language::French => "fr",
        }
    }
}

/// Something that must not be seen: it can't be printed and leaves memory when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the octets over.
    pub fn new(octets: impl Into<Vec<u8>>) -> Secret {
        Secret(octets.into())
    }

    /// The octets, for the one who must know them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Foreign text made harmless for a log line or a terminal: printable ASCII as it is, all else
/// escaped, at most 128 characters (S-317).
pub fn printable(foreign: &[u8]) -> String {
    let mut text = String::new();
    for &octet in foreign {
        match octet {
            b' '..=b'~' if octet != b'\\' => text.push(octet.into()),
            _ => text.push_str(&format!("\\x{octet:02X}")),
        }
        if text.len() >= 128 {
            text.truncate(125);
            text.push_str("...");
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<String, AddressError> {
        text.parse::<Address>().map(|address| address.to_string())
    }

    #[test]
    fn addresses_are_kept_in_small_letters() {
        assert_eq!(address("Alice@Home.LAN"), Ok("alice@home.lan".into()));
        let alice: Address = "alice@home.lan".parse().unwrap();
        assert_eq!((alice.local_part(), alice.domain().as_str()), ("alice", "home.lan"));
    }

    #[test]
    fn names_that_could_be_paths_options_or_keys_are_refused_s_107_s_112() {
        for name in [
            "../../etc/x",
            "a/b",
            ".",
            "..",
            "-",
            "--help",
            ".db",
            "",
            "a..b",
            "a b",
            "a\0b",
            "ä b",
            "ä/",
            "+ä",
            "ä.",
            "ä..ä",
            "ä\u{202E}",
            "henryⅣ",
            "+x",
        ] {
            assert_eq!(address(&format!("{name}@home.lan")), Err(AddressError::BadLocalPart), "{name:?}");
        }
    }

    #[test]
    fn names_beyond_ascii_are_one_mailbox_however_they_are_written() {
        for text in ["jörg@home.lan", "JÖRG@Home.Lan", "jo\u{308}rg@home.lan", "ｊörg@HOME.LAN"] {
            assert_eq!(address(text), Ok("jörg@home.lan".into()), "{text:?}");
        }
        assert_eq!(address("ａｌｉｃｅ@home.lan"), Ok("alice@home.lan".into()));
        for (name, error) in [("．．／", AddressError::BadLocalPart), ("－x", AddressError::BadLocalPart)]
        {
            assert_eq!(address(&format!("{name}@home.lan")), Err(error), "{name}");
        }
        let jorg: Address = "Jörg@xn--hme-sna.lan".parse().unwrap();
        assert_eq!((jorg.local_part(), jorg.domain().as_str()), ("jörg", "xn--hme-sna.lan"));
        assert!(!jorg.is_ascii());
        let stored = postcard::to_allocvec(&jorg).unwrap();
        assert_eq!(postcard::from_bytes::<Address>(&stored), Ok(jorg));
    }

    #[test]
    fn lengths_beyond_ascii_are_held_in_octets_before_and_behind_the_preparation() {
        let local = |letter: &str, count| address(&format!("{}@home.lan", letter.repeat(count)));
        assert!(local("ö", 31).is_ok() && local("ö", 32).is_ok());
        assert_eq!(local("ö", 33), Err(AddressError::LocalPartTooLong));
        assert!(local("日", 21).is_ok());
        assert_eq!(local("日", 22), Err(AddressError::LocalPartTooLong));
        // Two octets each, that are three once they are small letters.
        assert_eq!(("Ⱥ".len(), "ⱥ".len()), (2, 3));
        assert!(local("Ⱥ", 21).is_ok());
        assert_eq!(local("Ⱥ", 22), Err(AddressError::LocalPartTooLong));
    }

    #[test]
    fn lengths_are_held_at_their_edges_s_105() {
        let local = |octets| format!("{}@home.lan", "a".repeat(octets));
        assert!(address(&local(limits::LOCAL_PART_OCTETS - 1)).is_ok());
        assert!(address(&local(limits::LOCAL_PART_OCTETS)).is_ok());
        assert_eq!(address(&local(limits::LOCAL_PART_OCTETS + 1)), Err(AddressError::LocalPartTooLong));

        let label = |octets| format!("a@{}.lan", "b".repeat(octets));
        assert!(address(&label(limits::LABEL_OCTETS - 1)).is_ok());
        assert!(address(&label(limits::LABEL_OCTETS)).is_ok());
        assert_eq!(address(&label(limits::LABEL_OCTETS + 1)), Err(AddressError::BadDomain));

        let domain = |octets: usize| {
            let labels = vec!["c".repeat(49); 5].join(".");
            format!("a@{}.{labels}", "d".repeat(octets - labels.len() - 1))
        };
        assert!(address(&domain(limits::DOMAIN_OCTETS - 1)).is_ok());
        assert!(address(&domain(limits::DOMAIN_OCTETS)).is_ok());
        assert_eq!(address(&domain(limits::DOMAIN_OCTETS + 1)), Err(AddressError::DomainTooLong));
    }

    #[test]
    fn domains_that_are_none_are_refused() {
        for domain in ["", ".", "home..lan", "home.lan.", "-home.lan", "home-.lan", "ho_me.lan", "a b"] {
            assert_eq!(domain.parse::<Domain>(), Err(AddressError::BadDomain), "{domain:?}");
        }
        for domain in ["xn--f.lan", "home.XN--a", "xn--abc.lan"] {
            assert_eq!(domain.parse::<Domain>(), Err(AddressError::BadALabel), "{domain:?}");
        }
        for domain in ["xn--hme-sna.lan", "XN--HME-sna.lan", "r3--sn.lan", "xn.lan", "xn-a.lan"] {
            assert!(domain.parse::<Domain>().is_ok(), "{domain:?}");
        }
        assert_eq!("höme.lan".parse::<Domain>(), Err(AddressError::DomainNotAscii));
        assert_eq!(address("alice@höme.lan"), Err(AddressError::DomainNotAscii));
        assert_eq!(address("alice"), Err(AddressError::NoDomain));
    }

    #[test]
    fn a_secret_is_not_printed_s_320() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "Secret");
    }

    #[test]
    fn foreign_text_can_not_forge_a_log_line_s_317() {
        assert_eq!(printable(b"bob\nAUTH OK"), "bob\\x0AAUTH OK");
        assert_eq!(printable("\u{2028}\x1b[2J".as_bytes()), "\\xE2\\x80\\xA8\\x1B[2J");
        assert_eq!(printable(&[b'a'; 10_000]).len(), 128);
    }
}
