//! Certificates as text. RFC 7468.

use base64ct::{Base64, Encoding};

/// A certificate as PEM text: lines of 64 characters. RFC 7468 §2, §5.
pub fn pem(certificate: &[u8]) -> String {
    let base64 = Base64::encode_string(certificate);
    let mut text = String::with_capacity(base64.len() + base64.len() / COLUMNS + 64);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(COLUMNS.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
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
}
