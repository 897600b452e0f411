//! The two messages of a SCRAM client, taken apart by their grammar. RFC 5802 §7.

use zeroize::Zeroizing;

use super::super::{SaslError, base64, parse_user_name};
use crate::limits;

/// What the client says about binding to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// `n`: he can't.
    Not,
    /// `y`: he can, and believes that the server can't.
    BelievesNot,
    /// `p=tls-exporter`: he does. RFC 9266.
    Exporter,
}

/// `client-first-message`.
#[derive(Debug)]
pub(super) struct ClientFirst<'a> {
    pub(super) flag: Flag,
    /// The header with both its commas.
    pub(super) header: &'a [u8],
    /// All behind the header.
    pub(super) bare: &'a [u8],
    pub(super) user_name: String,
    pub(super) nonce: &'a str,
}

/// `client-final-message`.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    pub(super) binding: Zeroizing<Vec<u8>>,
    pub(super) nonce: &'a str,
    pub(super) without_proof: &'a [u8],
    pub(super) proof: [u8; 32],
}

impl<'a> ClientFirst<'a> {
    /// Errs with [`SaslError::ForeignAuthorization`] if another name to act as stands in it, and with
    /// [`SaslError::BadResponse`] if it is no such message, asks for an extension that must be known, or
    /// for another binding.
    pub(super) fn parse(message: &'a [u8]) -> Result<ClientFirst<'a>, SaslError> {
        let text = std::str::from_utf8(message).map_err(|_| SaslError::BadResponse)?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(acts_as), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SaslError::BadResponse);
        };
        let flag = match flag {
            "n" => Flag::Not,
            "y" => Flag::BelievesNot,
            "p=tls-exporter" => Flag::Exporter,
            _ => return Err(SaslError::BadResponse),
        };
        let mut attributes = bare.split(',');
        let user_name = parse_name(value(attributes.next(), "n=")?)?;
        let nonce = parse_nonce(value(attributes.next(), "r=")?)?;
        if nonce.len() > limits::SCRAM_NONCE_OCTETS {
            return Err(SaslError::BadResponse);
        }
        attributes.try_for_each(pass_extension)?;
        if !acts_as.is_empty() {
            let acts_as = value(Some(acts_as), "a=")?;
            if !acts_as.is_empty() && parse_name(acts_as)? != user_name {
                return Err(SaslError::ForeignAuthorization);
            }
        }
        let (header, bare) = message.split_at(message.len() - bare.len());
        Ok(ClientFirst { flag, header, bare, user_name, nonce })
    }
}

impl<'a> ClientFinal<'a> {
    /// Errs with [`SaslError::BadResponse`] if it is no such message.
    pub(super) fn parse(message: &'a [u8]) -> Result<ClientFinal<'a>, SaslError> {
        let text = std::str::from_utf8(message).map_err(|_| SaslError::BadResponse)?;
        let (without_proof, proof) = text.rsplit_once(',').ok_or(SaslError::BadResponse)?;
        let mut attributes = without_proof.split(',');
        let binding = decode(value(attributes.next(), "c=")?)?;
        let nonce = parse_nonce(value(attributes.next(), "r=")?)?;
        attributes.try_for_each(pass_extension)?;
        let proof = decode(value(Some(proof), "p=")?)?;
        let proof = proof.as_slice().try_into().map_err(|_| SaslError::BadResponse)?;
        Ok(ClientFinal { binding, nonce, without_proof: without_proof.as_bytes(), proof })
    }
}

fn value<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, SaslError> {
    attribute.and_then(|attribute| attribute.strip_prefix(name)).ok_or(SaslError::BadResponse)
}

/// Undoes `=2C` and `=3D`; nothing else may follow a `=`. RFC 5802 §5.1.
fn parse_name(text: &str) -> Result<String, SaslError> {
    let mut name = String::with_capacity(text.len());
    let mut parts = text.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslError::BadResponse),
        };
        name.push(sign);
        name.push_str(rest);
    }
    parse_user_name(name.as_bytes())
}

fn parse_nonce(text: &str) -> Result<&str, SaslError> {
    // No comma can be among them: it ends the attribute.
    let is_nonce = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
    is_nonce.then_some(text).ok_or(SaslError::BadResponse)
}

/// Passes what a later version may add. `m` must not be passed, and what this version has elsewhere is out of
/// its place. RFC 5802 §5.1, §7.
fn pass_extension(attribute: &str) -> Result<(), SaslError> {
    match attribute.as_bytes() {
        [name, b'=', rest @ ..]
            if name.is_ascii_alphabetic()
                && !b"anmrcsipve".contains(name)
                && !rest.is_empty()
                && !rest.contains(&0) =>
        {
            Ok(())
        }
        _ => Err(SaslError::BadResponse),
    }
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    base64::decode(text.as_bytes()).ok_or(SaslError::BadResponse)
}
