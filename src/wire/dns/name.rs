//! Names of the name system as text: small letters, dots between labels, and nothing that could harm a log.

use std::fmt;

use crate::limits;

/// A name in small letters without the last dot; the root's is empty. Octets that no host's name has stand as `\DDD`, so
/// different names are different texts. RFC 1035 §5.1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// Takes a domain's or host's name of letters, digits, `-` and `_`; none for any other text.
    pub fn new(text: &str) -> Option<Name> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let is_label =
            |label: &str| (1..=limits::LABEL_OCTETS).contains(&label.len()) && label.bytes().all(is_plain);
        // A name has one octet more than its text in front, and one behind. RFC 1035 §2.3.4.
        let is_name = text.len() + 2 <= limits::DOMAIN_OCTETS && text.split('.').all(is_label);
        is_name.then(|| Name(text.to_ascii_lowercase().into()))
    }

    /// The name of the root.
    pub fn root() -> Name {
        Name::default()
    }

    /// Whether it is the root's.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a host can be called so: it has plain octets only, and none that the system takes for an address, as
    /// `10.1` and `0x7f000001`. RFC 1123 §2.1.
    pub fn is_host(&self) -> bool {
        let last = self.0.rsplit('.').next().unwrap_or_default();
        let is_number = match last.strip_prefix("0x") {
            Some(digits) => digits.bytes().all(|octet| octet.is_ascii_hexdigit()),
            None => last.bytes().all(|octet| octet.is_ascii_digit()),
        };
        !self.0.contains('\\') && !is_number
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the name as a message has it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for label in self.0.split('.').filter(|label| !label.is_empty()) {
            out.push(label.len().min(limits::LABEL_OCTETS) as u8);
            out.extend(label.bytes().take(limits::LABEL_OCTETS));
        }
        out.push(0);
    }

    /// Makes a name of its labels as they were read.
    pub(super) fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Name {
        let mut text = String::new();
        for label in labels {
            if !text.is_empty() {
                text.push('.');
            }
            for &octet in label {
                if is_plain(octet) {
                    text.push(char::from(octet.to_ascii_lowercase()));
                } else {
                    text.push_str(&format!("\\{octet:03}"));
                }
            }
        }
        Name(text.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_".contains(&octet)
}
