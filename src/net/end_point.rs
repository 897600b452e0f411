//! What a certificate is called in channel bindings: its hash, by the hash function of its own signature.

use ring::digest;

/// `tls-server-end-point` of a certificate, DER; none if its signature has no hash function of its own, one that
/// is unknown here, or if it is no certificate. RFC 5929 §4.1.
pub fn of(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = signature_hash(certificate)?;
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

/// The hash function of the signature, where MD5 and SHA-1 count as SHA-256. RFC 5280 §4.1.1.
fn signature_hash(certificate: &[u8]) -> Option<&'static digest::Algorithm> {
    let (content, _) = take(certificate, SEQUENCE)?;
    let (_, behind) = take(content, SEQUENCE)?;
    let (algorithm, _) = take(behind, SEQUENCE)?;
    let (name, parameters) = take(algorithm, OBJECT_IDENTIFIER)?;
    if name == RSA_PSS {
        return pss_hash(parameters);
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, hash)| *hash)
}

/// A signature of RSASSA-PSS tells its hash function in its parameters; told none, it is SHA-1.
fn pss_hash(parameters: &[u8]) -> Option<&'static digest::Algorithm> {
    let (parameters, _) = take(parameters, SEQUENCE)?;
    let Some((tagged, _)) = take(parameters, FIRST_CONTEXT) else { return Some(&digest::SHA256) };
    let (algorithm, _) = take(tagged, SEQUENCE)?;
    let (name, _) = take(algorithm, OBJECT_IDENTIFIER)?;
    HASHES.iter().find(|(known, _)| *known == name).map(|(_, hash)| *hash)
}

/// The content of the element that `der` begins with, if it has that tag, and what stands behind it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (octets, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        // A length without end, or more octets of length than any certificate has.
        0x80 | 0x84.. => return None,
        _ => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (length.iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet)), rest)
        }
    };
    let element = rest.split_at_checked(octets)?;
    (found == tag).then_some(element)
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const FIRST_CONTEXT: u8 = 0xA0;

/// 1.2.840.113549.1.1.10.
const RSA_PSS: &[u8] = b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0A";
/// Signatures whose name tells the hash function.
const NAMED: &[(&[u8], &digest::Algorithm)] = &[
    // RSA PKCS#1 v1.5, 1.2.840.113549.1.1: MD5, SHA-1, SHA-256, SHA-384, SHA-512.
    (b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x04", &digest::SHA256),
    (b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x05", &digest::SHA256),
    (b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0B", &digest::SHA256),
    (b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0C", &digest::SHA384),
    (b"\x2A\x86\x48\x86\xF7\x0D\x01\x01\x0D", &digest::SHA512),
    // ECDSA, 1.2.840.10045.4: SHA-1, SHA-256, SHA-384, SHA-512.
    (b"\x2A\x86\x48\xCE\x3D\x04\x01", &digest::SHA256),
    (b"\x2A\x86\x48\xCE\x3D\x04\x03\x02", &digest::SHA256),
    (b"\x2A\x86\x48\xCE\x3D\x04\x03\x03", &digest::SHA384),
    (b"\x2A\x86\x48\xCE\x3D\x04\x03\x04", &digest::SHA512),
];
/// Hash functions by their own names.
const HASHES: &[(&[u8], &digest::Algorithm)] = &[
    // 1.3.14.3.2.26, and 2.16.840.1.101.3.4.2: SHA-256, SHA-384, SHA-512.
    (b"\x2B\x0E\x03\x02\x1A", &digest::SHA256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", &digest::SHA256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", &digest::SHA384),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", &digest::SHA512),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut der = vec![tag];
        match length {
            0..0x80 => der.push(length as u8),
            0x80..0x100 => der.extend([0x81, length as u8]),
            _ => der.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        der.extend_from_slice(content);
        der
    }

    /// What stands where a certificate stands, with a body of so many octets.
    fn certificate(octets: usize, algorithm: &[u8]) -> Vec<u8> {
        let parts = [element(SEQUENCE, &vec![7; octets]), element(SEQUENCE, algorithm), element(3, b"\0sig")];
        element(SEQUENCE, &parts.concat())
    }

    fn pss(parameters: &[u8]) -> Vec<u8> {
        [element(OBJECT_IDENTIFIER, RSA_PSS), element(SEQUENCE, parameters)].concat()
    }

    #[test]
    fn our_own_certificates_are_hashed_with_sha_256() {
        let authority = cert::make_authority("home.lan").unwrap();
        let hash = digest::digest(&digest::SHA256, &authority.certificate);
        assert_eq!(of(&authority.certificate).as_deref(), Some(hash.as_ref()));
    }

    #[test]
    fn each_signature_has_its_hash_function() {
        for octets in [1, 200, 5000] {
            for (name, hash) in NAMED {
                let certificate = certificate(octets, &element(OBJECT_IDENTIFIER, name));
                assert_eq!(of(&certificate).as_deref(), Some(digest::digest(hash, &certificate).as_ref()));
            }
        }
        for (name, hash) in HASHES {
            let algorithm = element(SEQUENCE, &element(OBJECT_IDENTIFIER, name));
            let certificate = certificate(9, &pss(&element(FIRST_CONTEXT, &algorithm)));
            assert_eq!(of(&certificate).as_deref(), Some(digest::digest(hash, &certificate).as_ref()));
        }
        assert_eq!(of(&certificate(9, &pss(b""))).map(|hash| hash.len()), Some(32));
    }

    #[test]
    fn a_signature_without_a_known_hash_function_has_no_binding() {
        // Ed25519, ECDSA with SHA-224, and one that is cut.
        for name in [&b"\x2B\x65\x70"[..], b"\x2A\x86\x48\xCE\x3D\x04\x03\x01", b"\x2A\x86\x48", b""] {
            assert_eq!(of(&certificate(9, &element(OBJECT_IDENTIFIER, name))), None, "{name:?}");
        }
        let unknown = element(SEQUENCE, &element(OBJECT_IDENTIFIER, b"\x2A"));
        assert_eq!(of(&certificate(9, &pss(&element(FIRST_CONTEXT, &unknown)))), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_binding_wherever_it_is_cut() {
        let whole = certificate(200, &element(OBJECT_IDENTIFIER, NAMED[0].0));
        for length in 0..whole.len() {
            assert_eq!(of(&whole[..length]), None, "{length}");
        }
        for foreign in
            [&b"0"[..], b"\x30\x80\0\0", b"\x30\x85\0\0\0\0\0", b"\x30\x84\xFF\xFF\xFF\xFF", b"hello"]
        {
            assert_eq!(of(foreign), None, "{foreign:?}");
        }
    }
}
