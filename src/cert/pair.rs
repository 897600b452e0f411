//! A certificate, those that vouch for it, and its key, as files bring them: read, put in order, held against each
//! other (T2).
//!
//! ```text
//! certificates(file), keys(file) -> owner: whose key is it? -> fit
//!     of a server, with names, in time, strong? -> its issuer among the others, and so on -> Pair
//! ```

use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::certificate::{self, Certificate};
use super::kept::named;
use super::{CertError, pem, signature};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Secret;
use crate::wire::ber::{Reader, Tag};

/// A private key that a server can use.
#[derive(Debug, Clone)]
pub struct Key {
    /// PKCS #8, PKCS #1 or SEC 1, DER.
    pub der: Secret,
    /// The public key with its algorithm, DER.
    public: Vec<u8>,
    signing: Arc<dyn SigningKey>,
}

/// A certificate, those that vouch for it, and its key, which fit together.
#[derive(Debug)]
pub struct Pair {
    /// DER each, the certificate itself first.
    pub chain: Vec<Vec<u8>>,
    /// What that says of itself.
    pub read: Certificate,
    /// What people should know, in sentences.
    pub notes: Vec<String>,
}

/// The certificates of a file, PEM in any order or DER. Errs with what to do if there are none, too many, or if one can't
/// be read.
pub fn certificates(file: &[u8]) -> Result<Vec<(Vec<u8>, Certificate)>, CertError> {
    if let Some(text) = other_kind(file) {
        return Err(CertError(text.into()));
    }
    let mut all: Vec<(Vec<u8>, Certificate)> = Vec::new();
    for der in pem::blocks(file, "CERTIFICATE")? {
        if all.iter().any(|(known, _)| *known == der) {
            continue;
        }
        if all.len() >= limits::SERVER_CHAIN {
            return Err(CertError(format!(
                "the file has over {} certificates: leave the server's own, and those between it and its authority",
                limits::SERVER_CHAIN
            )));
        }
        let read = certificate::read(&der).map_err(|CertError(text)| {
            CertError(format!("a certificate of the file can't be taken: {text}"))
        })?;
        all.push((der, read));
    }
    Ok(all)
}

/// Whether a PEM file has a private key.
pub fn has_key(file: &[u8]) -> bool {
    let marker = b"PRIVATE KEY-----";
    file.windows(marker.len()).any(|window| window == marker)
}

/// The private keys of a file, PEM or DER. Errs with what to do if there are none, or if one can't be used.
pub fn keys(file: &[u8]) -> Result<Vec<Key>, CertError> {
    if file.first() == Some(&0x30) {
        return Ok(vec![key(file)?]);
    }
    let text = std::str::from_utf8(file).unwrap_or_default();
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertError(ENCRYPTED.into()));
    }
    let mut keys = Vec::new();
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        if text.contains(&format!("-----BEGIN {label}-----")) {
            for der in pem::blocks(file, label)? {
                keys.push(key(Secret::new(der).expose())?);
            }
        }
    }
    match keys.is_empty() {
        true => Err(CertError(
            "the key's file has no private key: it must be PEM, with a line -----BEGIN PRIVATE KEY-----, or DER".into(),
        )),
        false => Ok(keys),
    }
}

/// A private key, DER. Errs with what to do if it can't be used.
pub fn key(der: &[u8]) -> Result<Key, CertError> {
    let parsed = match PrivateKeyDer::try_from(der) {
        Ok(parsed) => parsed,
        Err(_) if is_encrypted(der) => return Err(CertError(ENCRYPTED.into())),
        Err(_) => return Err(CertError("the key is none: it must be PKCS #8, PKCS #1 or SEC 1".into())),
    };
    let unusable = || {
        CertError(
            "the key can't be used: take one of P-256, P-384, Ed25519, or RSA with 2048 to 4096 bits"
                .to_owned(),
        )
    };
    let signing = any_supported_type(&parsed).map_err(|_| unusable())?;
    let public = signing.public_key().ok_or_else(unusable)?.to_vec();
    Ok(Key { der: Secret::new(der), public, signing })
}

/// Which of the certificates has one of these keys, and which key that is.
pub fn owner(certificates: &[(Vec<u8>, Certificate)], keys: &[Key]) -> Option<(usize, usize)> {
    certificates
        .iter()
        .enumerate()
        .find_map(|(at, (_, read))| keys.iter().position(|key| key.public == read.key).map(|key| (at, key)))
}

/// The certificate at that place with those that vouch for it, in order. Errs with what to do if it is none for a server,
/// too weak, if it or its chain is out of time (`now` is none where the clock is suspect), or if they do not belong
/// together.
pub fn fit(
    mut certificates: Vec<(Vec<u8>, Certificate)>,
    own: usize,
    key: &Key,
    now: Option<UnixTime>,
) -> Result<Pair, CertError> {
    let (der, read) = certificates.remove(own);
    check_strength(&der, &read)?;
    check_server(&read)?;
    check_dates(&read, now)?;
    let mut chain = vec![(der, read)];
    while let Some(next) = issuer(&chain, &certificates)? {
        let (der, read) = certificates.remove(next);
        if read.subject != read.issuer {
            check_strength(&der, &read)?;
            check_dates(&read, now)?;
        }
        chain.push((der, read));
    }
    let notes = notes(&chain, certificates.len())?;
    let (ders, mut reads): (Vec<_>, Vec<_>) = chain.into_iter().unzip();
    let shown = ders.iter().map(|der| CertificateDer::from(der.clone())).collect();
    CertifiedKey::new(shown, Arc::clone(&key.signing))
        .keys_match()
        .map_err(|error| CertError(format!("the certificate can't be used with that key: {error}")))?;
    Ok(Pair { chain: ders, read: reads.swap_remove(0), notes })
}

/// Which of the others has signed the last of the chain; none if it has signed itself, or its issuer is not there.
fn issuer(
    chain: &[(Vec<u8>, Certificate)],
    others: &[(Vec<u8>, Certificate)],
) -> Result<Option<usize>, CertError> {
    let Some((der, last)) = chain.last() else { return Ok(None) };
    if last.subject == last.issuer {
        return Ok(None);
    }
    let signed = certificate::signed(der)?;
    let is_named = |(_, other): &&(Vec<u8>, Certificate)| other.subject == last.issuer;
    if others.iter().find(is_named).is_none() {
        return Ok(None);
    }
    let signer = others
        .iter()
        .position(|other| is_named(&other) && signature::verdict(&other.1.key, &signed) != Some(false));
    match signer {
        Some(at) if others[at].1.is_authority => Ok(Some(at)),
        Some(_) => Err(CertError(format!(
            "the certificate of {} in the file may not sign others: fetch the authority's certificates anew",
            named(&last.issuer_name)
        ))),
        None => Err(CertError(format!(
            "the certificate of {} was not signed by that of {} in the file: fetch the authority's certificates anew",
            who(last),
            named(&last.issuer_name)
        ))),
    }
}

fn notes(chain: &[(Vec<u8>, Certificate)], left: usize) -> Result<Vec<String>, CertError> {
    let mut notes = Vec::new();
    if let [(_, own)] = chain {
        let issuer = named(&own.issuer_name);
        if own.subject == own.issuer {
            notes.push("It vouches for itself: clients must be told to trust it.".into());
        } else if left > 0 {
            return Err(CertError(format!(
                "the other certificates of the file do not vouch for that of {}: leave them out, or add that of {issuer}",
                who(own)
            )));
        } else {
            notes.push(format!(
                "The file has no certificate of {issuer}, who has signed: clients that do not have that refuse this one. \
                 Add what the authority has sent with it, and install it again."
            ));
        }
    }
    if left > 0 {
        notes.push(format!("{left} of the file's certificates do not vouch for it and were left out."));
    }
    Ok(notes)
}

/// SHA-1 and short RSA keys are forged by those who can pay for it (S-250).
fn check_strength(der: &[u8], read: &Certificate) -> Result<(), CertError> {
    if let Some(bits) = rsa_bits(&read.key).filter(|bits| *bits < limits::LEAST_RSA_BITS) {
        return Err(CertError(format!(
            "the certificate of {} has a key of RSA with {bits} bits: take {} or more, or P-256",
            who(read),
            limits::LEAST_RSA_BITS
        )));
    }
    let algorithm = certificate::signed(der)?.algorithm;
    let name = Reader::der(&algorithm).expect(Tag::OBJECT_IDENTIFIER).unwrap_or_default();
    if WEAK_SIGNATURES.contains(&name) {
        return Err(CertError(format!(
            "the certificate of {} is signed with SHA-1 or MD5, which clients refuse: have it signed with SHA-256",
            who(read)
        )));
    }
    Ok(())
}

fn check_server(read: &Certificate) -> Result<(), CertError> {
    let why = match read {
        Certificate { is_for_servers: false, .. } => {
            "is for another purpose than a server: ask for serverAuth"
        }
        Certificate { hosts, host_addresses, .. } if hosts.is_empty() && host_addresses.is_empty() => {
            "names no host where clients look, which is subjectAltName: ask for one with names"
        }
        _ => return Ok(()),
    };
    Err(CertError(format!("the certificate of {} {why}", who(read))))
}

fn check_dates(read: &Certificate, now: Option<UnixTime>) -> Result<(), CertError> {
    match now {
        Some(now) if now > read.ends => Err(CertError(format!(
            "the certificate of {} ended on {}: ask the authority for a new one",
            who(read),
            read.ends.rfc3339()
        ))),
        Some(now) if now < read.begins => Err(CertError(format!(
            "the certificate of {} begins only on {}: install it then, or set the clock right",
            who(read),
            read.begins.rfc3339()
        ))),
        _ => Ok(()),
    }
}

/// Whose certificate it is, in a sentence.
fn who(read: &Certificate) -> String {
    match read.hosts.first() {
        Some(host) if read.name.is_empty() => named(host),
        _ => named(&read.name),
    }
}

/// How long the modulus is; none for other kinds of keys. RFC 3279 §2.3.1.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut parts = Reader::der(key).inside(Tag::SEQUENCE).ok()?;
    let kind = parts.inside(Tag::SEQUENCE).ok()?.expect(Tag::OBJECT_IDENTIFIER).ok()?;
    let [0, numbers @ ..] = parts.expect(Tag::BIT_STRING).ok()? else { return None };
    let modulus = Reader::der(numbers).inside(Tag::SEQUENCE).ok()?.expect(Tag::INTEGER).ok()?;
    let first = modulus.iter().position(|octet| *octet != 0)?;
    let bits = (modulus.len() - first) * 8 - modulus[first].leading_zeros() as usize;
    (kind == RSA).then_some(bits)
}

/// What else authorities and programs put into files, and how it becomes what is wanted.
fn other_kind(file: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(file).unwrap_or_default();
    let has = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
    let first = Reader::new(file).inside(Tag::SEQUENCE).ok().and_then(|inside| inside.peek());
    if has("CERTIFICATE") {
        None
    } else if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") {
        Some("the file is the request: what the authority answers to it is wanted")
    } else if has("PKCS7") || first == Some(Tag::OBJECT_IDENTIFIER) {
        Some(
            "the file is PKCS #7: \"openssl pkcs7 -print_certs -in FILE -out chain.pem\" makes PEM of it, with -inform \
             DER if it is no text",
        )
    } else if first == Some(Tag::INTEGER) {
        Some(
            "the file is PKCS #12, or a key: \"openssl pkcs12 -in FILE -nodes -out pair.pem\" makes PEM of it; remove \
             that afterwards",
        )
    } else {
        None
    }
}

/// EncryptedPrivateKeyInfo begins with how it is encrypted, keys with a number. RFC 5958 §3.
fn is_encrypted(der: &[u8]) -> bool {
    Reader::new(der).inside(Tag::SEQUENCE).is_ok_and(|inside| inside.peek() == Some(Tag::SEQUENCE))
}

const ENCRYPTED: &str = "the key is encrypted: \"openssl pkey -in KEYFILE -out plain.pem\" asks for its password and \
                         decrypts it; remove plain.pem afterwards";
/// 1.2.840.113549.1.1.1.
const RSA: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x01";
/// RSA with MD5 and with SHA-1, ECDSA with SHA-1.
const WEAK_SIGNATURES: &[&[u8]] = &[
    b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04",
    b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05",
    b"\x2A\x86\x48\xCE\x3D\x04\x01",
];

#[cfg(test)]
pub mod tests;
