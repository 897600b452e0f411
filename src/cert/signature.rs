//! Whether a key has signed something, with the algorithms that TLS takes.

use rustls::crypto::ring;

use super::certificate::Signed;
use crate::wire::ber::{BerError, Reader, Tag};

/// Whether that public key, DER with its algorithm, has signed it.
pub fn is_good(key: &[u8], signed: &Signed) -> bool {
    let Ok((key_algorithm, key)) = parts(key) else { return false };
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let mut meant = algorithms.iter().filter(|algorithm| {
        algorithm.public_key_alg_id().as_ref() == key_algorithm
            && algorithm.signature_alg_id().as_ref() == signed.algorithm
    });
    meant.any(|algorithm| algorithm.verify_signature(key, &signed.octets, &signed.signature).is_ok())
}

fn parts(key: &[u8]) -> Result<(&[u8], &[u8]), BerError> {
    let mut parts = Reader::der(key).inside(Tag::SEQUENCE)?;
    let algorithm = parts.expect(Tag::SEQUENCE)?;
    match parts.expect(Tag::BIT_STRING)? {
        [0, key @ ..] => Ok((algorithm, key)),
        _ => Err(BerError::BadValue),
    }
}
