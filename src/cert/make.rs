//! Making certificates: P-256 keys, an authority of one step, servers that every client takes. RFC 5280.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, OtherNameValue, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, DnsName, PrivatePkcs8KeyDer};

use super::choice::Place;
use super::{CertError, Identity};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Address, Secret};

/// Makes an authority: P-256, valid from 1970 to 2100, for `organisation`. It can sign servers but no
/// other authorities. Errs if the system gives no random numbers.
pub fn make_authority(organisation: &str) -> Result<Identity, CertError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("{AUTHORITY_NAME}{organisation}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = UnixTime(0).calendar();
    params.not_after = AUTHORITY_END.calendar();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(Identity { certificate: certificate.der().to_vec(), private_key: Secret::new(key.serialize_der()) })
}

/// Makes a server certificate signed by `authority` for these names and addresses. Errs if there are
/// none, if one is no domain name, or if the authority is not one of ours.
pub fn make_server(
    authority: &Identity,
    names: &[String],
    addresses: &[IpAddr],
    now: UnixTime,
) -> Result<Identity, CertError> {
    // The serial number is left to rcgen: 159 bits of a digest of the new key.
    let mut params = CertificateParams::default();
    params.subject_alt_names = subjects(names, addresses)?;
    let name = names.first().filter(|name| name.len() <= limits::COMMON_NAME_OCTETS);
    params.distinguished_name = named(name.map_or("poppet", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let (begin, end) = server_validity(now);
    params.not_before = begin.calendar();
    params.not_after = end.calendar();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.signed_by(&key, &issuer(authority)?).map_err(failed)?;
    Ok(Identity { certificate: certificate.der().to_vec(), private_key: Secret::new(key.serialize_der()) })
}

/// Makes a user's certificate signed by `authority`, which says nothing but his address and that he is a client, and its
/// key. It is valid for so many days, or at any time that may be if the clock can't be right; until when is given, too.
/// Errs if the authority is not one of ours.
pub fn make_client(
    authority: &Identity,
    address: &Address,
    days: u32,
    now: UnixTime,
) -> Result<(Identity, UnixTime), CertError> {
    let mut params = CertificateParams::default();
    let text = address.as_str();
    params.subject_alt_names = vec![match text.try_into() {
        Ok(ascii) => SanType::Rfc822Name(ascii),
        Err(_) => SanType::OtherName((SMTP_UTF8_MAILBOX.to_vec(), OtherNameValue::Utf8String(text.into()))),
    }];
    params.distinguished_name = named(text);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let (begin, end) = validity(now, days.into());
    params.not_before = begin.calendar();
    params.not_after = end.calendar();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.signed_by(&key, &issuer(authority)?).map_err(failed)?;
    let identity =
        Identity { certificate: certificate.der().to_vec(), private_key: Secret::new(key.serialize_der()) };
    Ok((identity, end))
}

/// Makes a P-256 key and a request for an authority elsewhere to sign, DER both. Errs if the system gives no random
/// numbers. RFC 2986 §4.
pub fn make_request(places: &[Place]) -> Result<(Vec<u8>, Secret), CertError> {
    let mut params = CertificateParams::default();
    for place in places {
        params.subject_alt_names.push(match place {
            Place::Name(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            Place::Address(address) => SanType::IpAddress(*address),
        });
    }
    // Authorities may want one, whatever clients look at.
    let name = places.iter().map(ToString::to_string).find(|name| name.len() <= limits::COMMON_NAME_OCTETS);
    params.distinguished_name = named(name.as_deref().unwrap_or("poppet"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let request = params.serialize_request(&key).map_err(failed)?;
    Ok((request.der().to_vec(), Secret::new(key.serialize_der())))
}

/// From when to when a server certificate made now is valid.
///
/// Apple's clients take at most 825 days from an authority that the user added. A clock that can't be
/// right says nothing, so the certificate is then valid at any time that it may be.
pub fn server_validity(now: UnixTime) -> (UnixTime, UnixTime) {
    validity(now, limits::CERTIFICATE_DAYS)
}

fn validity(now: UnixTime, days: u64) -> (UnixTime, UnixTime) {
    if is_plausible(now) {
        (UnixTime(now.0 - 2 * DAY), UnixTime((now.0 + days * DAY).min(AUTHORITY_END.0)))
    } else {
        (UnixTime(0), SUSPECT_END)
    }
}

/// Whether a wall clock may be right: it is not older than this program, and not beyond its authority.
pub fn is_plausible(now: UnixTime) -> bool {
    (PROGRAM_TIME.0..AUTHORITY_END.0).contains(&now.0)
}

/// Whether a certificate can have that name. Some domains are too long for it.
pub fn is_name(name: &str) -> bool {
    DnsName::try_from(name).is_ok()
}

fn subjects(names: &[String], addresses: &[IpAddr]) -> Result<Vec<SanType>, CertError> {
    if names.is_empty() && addresses.is_empty() {
        return Err(CertError("a server certificate needs a name or an address; set hostname".into()));
    }
    let names = names.iter().map(|name| {
        let wrong = || CertError(format!("{name:?} is no domain name that a certificate can have"));
        if !is_name(name) {
            return Err(wrong());
        }
        Ok(SanType::DnsName(name.as_str().try_into().map_err(|_| wrong())?))
    });
    names.chain(addresses.iter().map(|&address| Ok(SanType::IpAddress(address)))).collect()
}

/// The authority as the one who signs: its name must be octet for octet the one in its certificate.
fn issuer(authority: &Identity) -> Result<Issuer<'static, KeyPair>, CertError> {
    let damaged = || CertError("the certificate of the authority is damaged or not made by poppet".into());
    let key = PrivatePkcs8KeyDer::from(authority.private_key.expose());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(|_| damaged())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&common_name(&authority.certificate).ok_or_else(damaged)?);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(Issuer::new(params, key))
}

/// The common name of an authority of ours, whose subject has nothing else.
fn common_name(certificate: &[u8]) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate)).ok()?;
    let subject = roots.roots.first()?.subject.as_ref();
    let (head, text) = subject.split_at_checked(SUBJECT_HEAD)?;
    let [0x31, set, 0x30, sequence, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0C, length] = *head else { return None };
    let length = usize::from(length);
    let fits = text.len() == length
        && length <= limits::COMMON_NAME_OCTETS
        && usize::from(sequence) == length + 7
        && usize::from(set) == length + 9;
    fits.then(|| String::from_utf8(text.to_vec()).ok())?
}

/// A distinguished name of a common name alone, cut to what X.520 allows.
fn named(text: &str) -> DistinguishedName {
    let mut end = text.len().min(limits::COMMON_NAME_OCTETS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, &text[..end]);
    name
}

fn failed(error: rcgen::Error) -> CertError {
    CertError(format!("a certificate can't be made: {error}"))
}

const AUTHORITY_NAME: &str = "poppet authority of ";
/// SET, SEQUENCE, the object identifier 2.5.4.3, UTF8String, each with its length.
const SUBJECT_HEAD: usize = 11;
/// RFC 8398 §3.
const SMTP_UTF8_MAILBOX: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 9];
const DAY: u64 = 86_400;
/// 2026-01-01: no right clock is older than this program.
const PROGRAM_TIME: UnixTime = UnixTime(1_767_225_600);
/// 2049-12-31: the last year that the short form of dates knows. RFC 5280 §4.1.2.5.
const SUSPECT_END: UnixTime = UnixTime(2_524_607_999);
/// 2100-01-01.
const AUTHORITY_END: UnixTime = UnixTime(4_102_444_800);

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(organisation: &str) -> Option<String> {
        common_name(&make_authority(organisation).unwrap().certificate)
    }

    #[test]
    fn the_authority_s_name_is_found_again_and_cut_to_its_edge() {
        assert_eq!(name_of("home.lan").as_deref(), Some("poppet authority of home.lan"));
        assert_eq!(name_of("").as_deref(), Some("poppet authority of "));
        for length in [43, 44, 45, 255] {
            assert_eq!(name_of(&"x".repeat(length)).unwrap().len(), (20 + length).min(64), "{length}");
        }
        assert_eq!(name_of(&"ä".repeat(40)).unwrap(), format!("poppet authority of {}", "ä".repeat(22)));
        assert_eq!(name_of(&format!("x{}", "ä".repeat(40))).unwrap().len(), 63, "no letter is cut in two");
    }

    #[test]
    fn a_server_s_validity_suits_apple_and_a_clock_at_1970_s_261() {
        for now in [PROGRAM_TIME.0, PROGRAM_TIME.0 + 1, 1_795_295_700, 4_000_000_000] {
            let (begin, end) = server_validity(UnixTime(now));
            assert!(begin.0 + DAY < now && end.0 > now + 800 * DAY && end.0 - begin.0 <= 825 * DAY, "{now}");
        }
        for suspect in [0, 1, PROGRAM_TIME.0 - 1, AUTHORITY_END.0, u64::MAX] {
            assert_eq!(server_validity(UnixTime(suspect)), (UnixTime(0), SUSPECT_END), "{suspect}");
        }
        assert_eq!(SUSPECT_END.rfc3339(), "2049-12-31 23:59:59Z");
        assert_eq!(PROGRAM_TIME.rfc3339(), "2026-01-01 00:00:00Z");
        assert_eq!(AUTHORITY_END.rfc3339(), "2100-01-01 00:00:00Z");
    }

    #[test]
    fn what_no_certificate_can_have_is_an_error_and_no_panic() {
        let authority = make_authority("home.lan").unwrap();
        let make = |name: &str| make_server(&authority, &[name.to_owned()], &[], UnixTime(0));
        for bad in
            ["", "höme.lan", "a b", "-", "192.0.2.1", "a..b", "a\0b", &"a".repeat(64), &"a.".repeat(200)]
        {
            let error = make(bad).unwrap_err();
            assert!(error.0.ends_with("is no domain name that a certificate can have"), "{bad:?}");
        }
        assert!(make_server(&authority, &[], &[], UnixTime(0)).is_err());
        assert!(make(&[&"a".repeat(63), "home.lan"].join(".")).is_ok(), "longer than a common name");
        assert!(make("localhost").is_ok());
    }

    #[test]
    fn a_damaged_authority_signs_nothing_and_never_panics() {
        let authority = make_authority("home.lan").unwrap();
        let names = ["mail.home.lan".to_owned()];
        let make = |authority: &Identity| make_server(authority, &names, &[], UnixTime(0));
        let mut foreign = authority.clone();
        foreign.private_key = Secret::new([1, 2, 3]);
        assert!(make(&foreign).is_err());
        for length in 0..authority.certificate.len() {
            let mut cut = authority.clone();
            cut.certificate.truncate(length);
            assert!(make(&cut).is_err(), "{length}");
        }
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let mut damaged = authority.clone();
            let at = random.usize(..damaged.certificate.len());
            damaged.certificate[at] = random.u8(..);
            let _ = make(&damaged);
        }
    }
}
