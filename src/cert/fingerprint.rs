//! The fingerprint of a certificate: by it people tell one from another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// SHA-256 of a certificate's octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Whether it begins with these hexadecimal digits, 8 or more, in letters of any case, with or without colons.
    pub fn begins_with(&self, digits: &str) -> bool {
        let digits = bare(digits);
        digits.len() >= LEAST_DIGITS && self.to_string().starts_with(&digits)
    }

    /// The first digits, enough for a log.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

/// 64 hexadecimal digits in letters of any case, with colons or spaces between them or not, as programs show it.
impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Fingerprint, ()> {
        let digits = bare(text);
        let mut octets = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(());
        }
        for (index, octet) in octets.iter_mut().enumerate() {
            *octet = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).map_err(|_| ())?;
        }
        Ok(Fingerprint(octets))
    }
}

/// `sha256 Fingerprint=` stands before it where openssl shows it.
fn bare(text: &str) -> String {
    let digits = text.rsplit('=').next().unwrap_or_default();
    digits
        .chars()
        .filter(|sign| !matches!(sign, ':' | ' '))
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

const LEAST_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_programs_show_it() {
        let shown = "00ff".repeat(16);
        let wanted: Fingerprint = shown.parse().unwrap();
        assert_eq!(wanted.to_string(), shown);
        let colons = ["00:FF"; 16].join(":");
        for text in [colons.clone(), format!("sha256 Fingerprint={colons}"), shown.to_uppercase()] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for bad in [
            "",
            "=",
            &shown[1..],
            &format!("{shown}0"),
            &format!("{}g", &shown[1..]),
            &"é".repeat(32),
            &"+f".repeat(32),
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn eight_digits_are_enough_to_mean_one() {
        let fingerprint = Fingerprint([0xAB; 32]);
        assert!(fingerprint.begins_with("ab:AB:ab:ab") && fingerprint.begins_with(&fingerprint.to_string()));
        for wrong in ["", "abababa", "ababababc", "abababac", &"ab".repeat(33)] {
            assert!(!fingerprint.begins_with(wrong), "{wrong}");
        }
        assert_eq!(fingerprint.short(), "abababababababab");
    }
}
