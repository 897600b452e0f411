//! What senders ask of delivery reports. RFC 3461 §4.

use super::xtext::{self, Repertoire};
use crate::limits;
pub use crate::mail::{MailDsn, Notify, OriginalRecipient, RcptDsn, Ret};

impl Ret {
    /// Takes the value of RET. RFC 3461 §4.3.
    pub(super) fn parse(value: &[u8]) -> Option<Ret> {
        match value.to_ascii_uppercase().as_slice() {
            b"FULL" => Some(Ret::Full),
            b"HDRS" => Some(Ret::Headers),
            _ => None,
        }
    }
}

/// Takes the value of ENVID. RFC 3461 §4.4.
pub(super) fn parse_envelope_id(value: &[u8]) -> Option<String> {
    xtext::decode(value, Repertoire::Ascii).filter(|id| id.len() <= limits::ENVELOPE_ID_OCTETS)
}

impl Notify {
    /// Takes the value of NOTIFY: `NEVER` alone, or a list of the others, each once. RFC 3461 §4.1.
    pub(super) fn parse(value: &[u8]) -> Option<Notify> {
        let mut notify = Notify::default();
        if value.eq_ignore_ascii_case(b"NEVER") {
            return Some(notify);
        }
        for word in value.split(|&octet| octet == b',') {
            let wish = match word.to_ascii_uppercase().as_slice() {
                b"SUCCESS" => &mut notify.success,
                b"FAILURE" => &mut notify.failure,
                b"DELAY" => &mut notify.delay,
                _ => return None,
            };
            if std::mem::replace(wish, true) {
                return None;
            }
        }
        Some(notify)
    }
}

impl OriginalRecipient {
    /// Takes the value of ORCPT: `type;address`. RFC 3461 §4.2, and RFC 6533 §3 for addresses beyond ASCII.
    pub(super) fn parse(value: &[u8]) -> Option<OriginalRecipient> {
        if value.len() > limits::ORIGINAL_RECIPIENT_OCTETS {
            return None;
        }
        let (address_type, address) = value.split_at(value.iter().position(|&octet| octet == b';')?);
        let is_type_octet = |octet: &u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\".[]".contains(octet);
        if address_type.is_empty() || !address_type.iter().all(is_type_octet) {
            return None;
        }
        let address_type = String::from_utf8(address_type.to_ascii_lowercase()).ok()?;
        let repertoire = if address_type == "utf-8" { Repertoire::Utf8 } else { Repertoire::Ascii };
        Some(OriginalRecipient { address: xtext::decode(&address[1..], repertoire)?, address_type })
    }
}
