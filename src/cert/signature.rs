//! Whether a key has signed something, with the algorithms that TLS takes.

use rustls::crypto::ring;

use super::certificate::Signed;
use crate::wire::ber::{BerError, Reader, Tag};

/// Whether that public key, DER with its algorithm, has signed it.
pub fn is_good(key: &[u8], signed: &Signed) -> bool {
    verdict(key, signed) == Some(true)
}

/// The same; none if that can't be said, because key or algorithm are of a kind that TLS does not take.
pub fn verdict(key: &[u8], signed: &Signed) -> Option<bool> {
    let (key_algorithm, key) = parts(key).ok()?;
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let meant = algorithms.iter().filter(|algorithm| {
        algorithm.public_key_alg_id().as_ref() == key_algorithm
            && algorithm.signature_alg_id().as_ref() == signed.algorithm
    });
    meant
        .map(|algorithm| algorithm.verify_signature(key, &signed.octets, &signed.signature).is_ok())
        .reduce(|one, other| one || other)
}

fn parts(key: &[u8]) -> Result<(&[u8], &[u8]), BerError> {
    let mut parts = Reader::der(key).inside(Tag::SEQUENCE)?;
    let algorithm = parts.expect(Tag::SEQUENCE)?;
    match parts.expect(Tag::BIT_STRING)? {
        [0, key @ ..] => Ok((algorithm, key)),
        _ => Err(BerError::BadValue),
    }
}
