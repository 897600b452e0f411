//! Certificates as text. RFC 7468.

use base64ct::{Base64, Encoding};

use super::CertError;
use crate::mail::Secret;

/// A certificate as PEM text. RFC 7468 §5.
pub fn pem(certificate: &[u8]) -> String {
    labelled("CERTIFICATE", certificate)
}

/// DER as PEM text of that label: lines of 64 characters. RFC 7468 §2.
pub fn labelled(label: &str, der: &[u8]) -> String {
    let base64 = Base64::encode_string(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(COLUMNS.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

/// What a file holds: the blocks of that label if it is PEM, else all of it as DER. Errs if there is none, or if one is
/// broken. What stands between the blocks, and blocks of other labels, are passed over. RFC 7468 §2.
pub fn blocks(file: &[u8], label: &str) -> Result<Vec<Vec<u8>>, CertError> {
    if file.first() == Some(&0x30) {
        return Ok(vec![file.to_vec()]);
    }
    let none = || {
        CertError(format!(
            "the file has no {label}: it must be PEM, with a line -----BEGIN {label}-----, or DER"
        ))
    };
    let mut text = std::str::from_utf8(file).map_err(|_| none())?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    while let Some((_, behind)) = text.split_once(&begin) {
        let broken = || CertError(format!("the file has a broken {label}: fetch it anew"));
        let (base64, rest) = behind.split_once(&end).ok_or_else(broken)?;
        // It may be a private key.
        let base64 = Secret::new(base64.split_ascii_whitespace().collect::<String>());
        let base64 = std::str::from_utf8(base64.expose()).map_err(|_| broken())?;
        blocks.push(Base64::decode_vec(base64).map_err(|_| broken())?);
        text = rest;
    }
    if blocks.is_empty() { Err(none()) } else { Ok(blocks) }
}

const COLUMNS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_64_columns_and_give_the_octets_back() {
        for length in [1, 47, 48, 49, 95, 96, 97, 1000] {
            let octets: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let text = pem(&octets);
            let lines: Vec<_> = text.strip_suffix('\n').unwrap().split('\n').collect();
            let (first, body, last) = (lines[0], &lines[1..lines.len() - 1], lines[lines.len() - 1]);
            assert_eq!((first, last), ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"));
            let (end, full) = body.split_last().unwrap();
            assert!(full.iter().all(|line| line.len() == 64) && (1..=64).contains(&end.len()), "{length}");
            assert_eq!(Base64::decode_vec(&body.concat()).unwrap(), octets);
        }
    }

    #[test]
    fn blocks_of_a_label_are_found_among_others() {
        let (one, two) = (pem(b"one"), pem(b"two"));
        let key = one.replace("CERTIFICATE", "PRIVATE KEY");
        let file = format!("Bag Attributes\n{one}{key}\r\n{}", two.replace('\n', "\r\n"));
        assert_eq!(blocks(file.as_bytes(), "CERTIFICATE"), Ok(vec![b"one".to_vec(), b"two".to_vec()]));
        assert_eq!(blocks(b"0\x03abc", "CERTIFICATE"), Ok(vec![b"0\x03abc".to_vec()]));
        for bad in [
            "",
            "\u{1}",
            &key,
            &one.replace("END", "AND"),
            &one.replace('b', "!"),
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert!(blocks(bad.as_bytes(), "CERTIFICATE").is_err(), "{bad}");
        }
        assert!(blocks(b"\xff\xfe", "CERTIFICATE").is_err());
    }
}
