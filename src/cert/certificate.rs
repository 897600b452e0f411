//! Foreign certificates and revocation lists read: whom they name, from when to when, for what. RFC 5280 §4, §5.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ring::digest;

use super::CertError;
use super::fingerprint::Fingerprint;
use super::make::is_name;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Address;
use crate::wire::ber::{BerError, Reader, Tag};

/// What a certificate says of itself; whether that is true is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name of its subject, foreign text; empty if it has none.
    pub name: String,
    /// The addresses among its other names that a mailbox here could have.
    pub addresses: Vec<Address>,
    /// The names of hosts among them, in small letters; may begin with `*.`.
    pub hosts: Vec<String>,
    /// The addresses of hosts among them.
    pub host_addresses: Vec<IpAddr>,
    /// From when on it is valid.
    pub begins: UnixTime,
    /// Until when.
    pub ends: UnixTime,
    /// Whether clients may show it: it names no purpose, or that one.
    pub is_for_clients: bool,
    /// Whether servers may show it, likewise.
    pub is_for_servers: bool,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// Who has signed it, DER.
    pub issuer: Vec<u8>,
    /// The common name of that, foreign text; may be empty.
    pub issuer_name: String,
    /// What its key has signed is by this subject, DER.
    pub subject: Vec<u8>,
    /// Its public key with the algorithm, DER.
    pub key: Vec<u8>,
}

/// What a revocation list says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// Whose list it is, DER.
    pub issuer: Vec<u8>,
    /// The common name of that.
    pub name: String,
    /// When it was made.
    pub made: UnixTime,
    /// When the next one is to come; none if it doesn't say.
    pub next: Option<UnixTime>,
    /// How many certificates are revoked.
    pub revoked: usize,
    /// What is signed, the algorithm and the signature.
    pub signed: Signed,
}

/// Octets and who vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What is signed.
    pub octets: Vec<u8>,
    /// How, the algorithm's DER without its head.
    pub algorithm: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// SHA-256 of a certificate.
pub fn fingerprint(certificate: &[u8]) -> Fingerprint {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    Fingerprint(octets)
}

/// Reads a certificate, DER. Errs if it is none of version 3, is longer than
/// [`limits::CLIENT_CERTIFICATE_OCTETS`], or has more names than [`limits::CERTIFICATE_NAMES`].
pub fn read(der: &[u8]) -> Result<Certificate, CertError> {
    if der.len() > limits::CLIENT_CERTIFICATE_OCTETS {
        return Err(CertError(format!("it has over {} octets", limits::CLIENT_CERTIFICATE_OCTETS)));
    }
    certificate(der).map_err(|flaw| match flaw {
        Flaw::Ber(error) => CertError(format!("it is no certificate: {error}")),
        Flaw::Says(text) => CertError(text.into()),
    })
}

/// What of a certificate, DER, its issuer has signed, and how. Errs if it is none.
pub fn signed(der: &[u8]) -> Result<Signed, CertError> {
    parts(der).map_err(|error| CertError(format!("it is no certificate: {error}")))
}

/// Reads a revocation list, DER; errs if it is none.
pub fn read_revocations(der: &[u8]) -> Result<RevocationList, CertError> {
    revocation_list(der).map_err(|flaw| match flaw {
        Flaw::Ber(error) => CertError(format!("it is no revocation list: {error}")),
        Flaw::Says(text) => CertError(text.into()),
    })
}

enum Flaw {
    Ber(BerError),
    Says(&'static str),
}

impl From<BerError> for Flaw {
    fn from(error: BerError) -> Flaw {
        Flaw::Ber(error)
    }
}

fn certificate(der: &[u8]) -> Result<Certificate, Flaw> {
    let mut all = Reader::der(der);
    let mut signed = all.inside(Tag::SEQUENCE)?;
    all.end()?;
    let mut fields = signed.inside(Tag::SEQUENCE)?;
    // The first has names of no kind that says whom it means, and no purposes.
    let version = fields.optional_inside(Tag::context(0, true))?;
    if version.map(|mut version| version.integer(Tag::INTEGER)).transpose()? != Some(2) {
        return Err(Flaw::Says("it is of an old version: make one of version 3"));
    }
    fields.expect(Tag::INTEGER)?;
    fields.expect(Tag::SEQUENCE)?;
    let issuer = element(&mut fields, Tag::SEQUENCE)?;
    let mut validity = fields.inside(Tag::SEQUENCE)?;
    let (begins, ends) = (moment(&mut validity)?, moment(&mut validity)?);
    validity.end()?;
    let subject = element(&mut fields, Tag::SEQUENCE)?;
    let key = element(&mut fields, Tag::SEQUENCE)?;
    fields.optional(Tag::context(1, false))?;
    fields.optional(Tag::context(2, false))?;
    let (name, issuer_name) = (common_name(&subject)?, common_name(&issuer)?);
    let mut certificate = Certificate {
        name,
        addresses: Vec::new(),
        hosts: Vec::new(),
        host_addresses: Vec::new(),
        begins,
        ends,
        is_for_clients: true,
        is_for_servers: true,
        is_authority: false,
        issuer,
        issuer_name,
        subject,
        key,
    };
    if let Some(mut wrapped) = fields.optional_inside(Tag::context(3, true))? {
        extensions(wrapped.inside(Tag::SEQUENCE)?, &mut certificate)?;
        wrapped.end()?;
    }
    fields.end()?;
    signed.expect(Tag::SEQUENCE)?;
    signed.expect(Tag::BIT_STRING)?;
    signed.end()?;
    Ok(certificate)
}

/// RFC 5280 §4.1.
fn parts(der: &[u8]) -> Result<Signed, BerError> {
    let mut parts = Reader::der(der).inside(Tag::SEQUENCE)?;
    let octets = parts.take()?.octets.to_vec();
    let algorithm = parts.expect(Tag::SEQUENCE)?.to_vec();
    match parts.expect(Tag::BIT_STRING)? {
        [0, signature @ ..] => Ok(Signed { octets, algorithm, signature: signature.to_vec() }),
        _ => Err(BerError::BadValue),
    }
}

/// Each may be there once. RFC 5280 §4.2.
fn extensions(mut extensions: Reader<'_>, certificate: &mut Certificate) -> Result<(), Flaw> {
    // In order, because a stranger may name thousands.
    let mut seen = BTreeSet::new();
    while !extensions.is_empty() {
        let mut extension = extensions.inside(Tag::SEQUENCE)?;
        let kind = extension.expect(Tag::OBJECT_IDENTIFIER)?;
        if !seen.insert(kind) {
            return Err(Flaw::Says("it has an extension twice"));
        }
        extension.optional(Tag::BOOLEAN)?;
        let value = extension.expect(Tag::OCTET_STRING)?;
        extension.end()?;
        match kind {
            ALTERNATIVE_NAMES => other_names(value, certificate)?,
            PURPOSES => purposes(value, certificate)?,
            CONSTRAINTS => {
                let mut constraints = Reader::der(value).inside(Tag::SEQUENCE)?;
                certificate.is_authority =
                    constraints.peek() == Some(Tag::BOOLEAN) && constraints.boolean(Tag::BOOLEAN)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// rfc822Name, and SmtpUTF8Mailbox beyond ASCII; dNSName and iPAddress. RFC 5280 §4.2.1.6, RFC 8398 §3.
fn other_names(value: &[u8], certificate: &mut Certificate) -> Result<(), Flaw> {
    let mut names = Reader::der(value).inside(Tag::SEQUENCE)?;
    let mut count = 0;
    while !names.is_empty() {
        count += 1;
        if count > limits::CERTIFICATE_NAMES {
            return Err(Flaw::Says("it has too many names"));
        }
        let name = names.take()?;
        match name.tag {
            RFC822_NAME if name.content.is_ascii() => put_address(name.content, &mut certificate.addresses),
            OTHER_NAME => {
                let text = smtp_utf8_mailbox(name.octets)?;
                text.into_iter().for_each(|text| put_address(text, &mut certificate.addresses));
            }
            DNS_NAME => {
                let host = std::str::from_utf8(name.content).ok().map(str::to_ascii_lowercase);
                let host = host.filter(|host| !certificate.hosts.contains(host));
                certificate.hosts.extend(host.filter(|host| is_host(host)));
            }
            IP_ADDRESS => certificate.host_addresses.extend(ip_address(name.content)),
            _ => {}
        }
    }
    Ok(())
}

fn put_address(text: &[u8], addresses: &mut Vec<Address>) {
    let address = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    addresses.extend(address.filter(|address| !addresses.contains(address)));
}

/// The star stands for one label, the first. RFC 6125 §6.4.3.
fn is_host(host: &str) -> bool {
    is_name(host.strip_prefix("*.").unwrap_or(host))
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.ok().or_else(|| <[u8; 16]>::try_from(octets).map(IpAddr::from).ok())
}

fn smtp_utf8_mailbox(octets: &[u8]) -> Result<Option<&[u8]>, Flaw> {
    let mut name = Reader::der(octets).inside(OTHER_NAME)?;
    if name.expect(Tag::OBJECT_IDENTIFIER)? != SMTP_UTF8_MAILBOX {
        return Ok(None);
    }
    Ok(Some(name.inside(Tag::context(0, true))?.expect(Tag::UTF8_STRING)?))
}

/// RFC 5280 §4.2.1.12.
fn purposes(value: &[u8], certificate: &mut Certificate) -> Result<(), Flaw> {
    let mut purposes = Reader::der(value).inside(Tag::SEQUENCE)?;
    (certificate.is_for_clients, certificate.is_for_servers) = (false, false);
    while !purposes.is_empty() {
        match purposes.expect(Tag::OBJECT_IDENTIFIER)? {
            CLIENT_PURPOSE => certificate.is_for_clients = true,
            SERVER_PURPOSE => certificate.is_for_servers = true,
            _ => {}
        }
    }
    Ok(())
}

fn revocation_list(der: &[u8]) -> Result<RevocationList, Flaw> {
    let mut all = Reader::der(der);
    let mut signed = all.inside(Tag::SEQUENCE)?;
    all.end()?;
    let octets = element(&mut signed, Tag::SEQUENCE)?;
    let algorithm = signed.expect(Tag::SEQUENCE)?.to_vec();
    let [0, signature @ ..] = signed.expect(Tag::BIT_STRING)? else {
        return Err(Flaw::Says("it has no signature"));
    };
    signed.end()?;
    let mut fields = Reader::der(&octets).inside(Tag::SEQUENCE)?;
    if fields.optional(Tag::INTEGER)? != Some(&[1]) {
        return Err(Flaw::Says("it is of an old version: make one of version 2"));
    }
    fields.expect(Tag::SEQUENCE)?;
    let issuer = element(&mut fields, Tag::SEQUENCE)?;
    let made = moment(&mut fields)?;
    let next = match fields.peek() {
        Some(Tag::UTC_TIME | Tag::GENERALIZED_TIME) => Some(moment(&mut fields)?),
        _ => None,
    };
    let mut revoked = 0;
    if let Some(mut list) = fields.optional_inside(Tag::SEQUENCE)? {
        while !list.is_empty() {
            list.expect(Tag::SEQUENCE)?;
            revoked += 1;
        }
    }
    let (name, signature) = (common_name(&issuer)?, signature.to_vec());
    let signed = Signed { octets: octets.clone(), algorithm, signature };
    Ok(RevocationList { issuer, name, made, next, revoked, signed })
}

/// The next element with its head, which must have that tag.
fn element(fields: &mut Reader<'_>, tag: Tag) -> Result<Vec<u8>, Flaw> {
    let element = fields.take()?;
    if element.tag != tag {
        return Err(BerError::Unexpected.into());
    }
    Ok(element.octets.to_vec())
}

/// The last common name, which is the most particular; other kinds of text than ASCII and UTF-8 give none.
fn common_name(name: &[u8]) -> Result<String, Flaw> {
    let (mut parts, mut found) = (Reader::der(name).inside(Tag::SEQUENCE)?, String::new());
    while !parts.is_empty() {
        let mut part = parts.inside(Tag::SET)?;
        while !part.is_empty() {
            let mut pair = part.inside(Tag::SEQUENCE)?;
            let kind = pair.expect(Tag::OBJECT_IDENTIFIER)?;
            let value = pair.take()?;
            let is_text = matches!(value.tag, Tag::UTF8_STRING | Tag::PRINTABLE_STRING | Tag::IA5_STRING);
            if kind == COMMON_NAME && is_text {
                found = String::from_utf8_lossy(value.content).into_owned();
            }
        }
    }
    Ok(found)
}

/// UTCTime to 2049, GeneralizedTime from then on, both without a fraction and in UTC. RFC 5280 §4.1.2.5.
fn moment(fields: &mut Reader<'_>) -> Result<UnixTime, Flaw> {
    let element = fields.take()?;
    let (year, rest) = match (element.tag, element.content) {
        (Tag::UTC_TIME, [year @ .., _, _, _, _, _, _, _, _, _, _, b'Z']) if year.len() == 2 => {
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &element.content[2..])
        }
        (Tag::GENERALIZED_TIME, [year @ .., _, _, _, _, _, _, _, _, _, _, b'Z']) if year.len() == 4 => {
            (number(year)?, &element.content[4..])
        }
        _ => return Err(NO_DATE),
    };
    let part = |at: usize| number(&rest[at..at + 2]).and_then(|part| u8::try_from(part).map_err(|_| NO_DATE));
    let month = time::Month::try_from(part(0)?).map_err(|_| NO_DATE)?;
    let date = time::Date::from_calendar_date(i32::from(year), month, part(2)?).map_err(|_| NO_DATE)?;
    let moment = date.with_hms(part(4)?, part(6)?, part(8)?).map_err(|_| NO_DATE)?;
    // What was before 1970 is no different to us.
    Ok(UnixTime(u64::try_from(moment.assume_utc().unix_timestamp()).unwrap_or(0)))
}

fn number(digits: &[u8]) -> Result<u16, Flaw> {
    digits.iter().try_fold(0_u16, |number, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + u16::from(digit - b'0')),
        _ => Err(NO_DATE),
    })
}

const NO_DATE: Flaw = Flaw::Says("it has a date that is none");
const RFC822_NAME: Tag = Tag::context(1, false);
const OTHER_NAME: Tag = Tag::context(0, true);
const DNS_NAME: Tag = Tag::context(2, false);
const IP_ADDRESS: Tag = Tag::context(7, false);
/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];
/// 2.5.29.19.
const CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
/// 2.5.29.37.
const PURPOSES: &[u8] = &[0x55, 0x1D, 0x25];
/// 1.3.6.1.5.5.7.3.1.
const SERVER_PURPOSE: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// 1.3.6.1.5.5.7.3.2.
const CLIENT_PURPOSE: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// 1.3.6.1.5.5.7.8.9.
const SMTP_UTF8_MAILBOX: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x09];

#[cfg(test)]
mod tests;
