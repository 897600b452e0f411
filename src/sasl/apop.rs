//! APOP: an MD5 digest over the greeting's time stamp and the password. RFC 1939 §7.

use md5::{Digest, Md5};

use super::{Terms, digest};
use crate::mail::Secret;

/// What APOP proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The time stamp of the greeting, with its angle brackets.
    pub timestamp: String,
    /// The digest as the peer sent it.
    pub digest: [u8; 16],
}

impl Proof {
    /// Whether only who knows that password could have made it; takes the same time whatever differs.
    pub fn is_made_with(&self, password: &Secret) -> bool {
        let made = Md5::new().chain_update(&self.timestamp).chain_update(password.expose()).finalize();
        digest::is_same(&made.into(), &self.digest)
    }
}

/// The time stamp of a connection: letters, digits and dots, fresh for each, not made from the time (quirk 6,
/// S-183, S-184).
pub fn timestamp(terms: &Terms) -> String {
    digest::challenge(terms, "apop", 0)
}

/// The digest in its 32 small hexadecimal digits; none if it is not that.
pub fn parse_digest(text: &[u8]) -> Option<[u8; 16]> {
    digest::parse(text)
}

#[cfg(test)]
mod tests {
    use super::super::Seed;
    use super::*;

    fn proof(timestamp: &str, digest: &str) -> Proof {
        Proof { timestamp: timestamp.into(), digest: parse_digest(digest.as_bytes()).unwrap() }
    }

    #[test]
    fn the_example_of_rfc_1939_section_7_is_right_and_its_neighbours_are_not() {
        const TIMESTAMP: &str = "<1896.697170952@dbc.mtview.ca.us>";
        const DIGEST: &str = "c4c9334bac560ecc979e58001b3e22fb";
        assert!(proof(TIMESTAMP, DIGEST).is_made_with(&Secret::new("tanstaaf")));
        for password in ["", "tanstaa", "tanstaaf ", "Tanstaaf", "tanstaaff"] {
            assert!(!proof(TIMESTAMP, DIGEST).is_made_with(&Secret::new(password)), "{password:?}");
        }
        assert!(!proof("<1896.697170953@dbc.mtview.ca.us>", DIGEST).is_made_with(&Secret::new("tanstaaf")));
        let other = proof(TIMESTAMP, "c4c9334bac560ecc979e58001b3e22fa");
        assert!(!other.is_made_with(&Secret::new("tanstaaf")));
    }

    #[test]
    fn large_hexadecimal_digits_are_no_digest() {
        assert_eq!(parse_digest(b"C4C9334BAC560ECC979E58001B3E22FB"), None);
    }

    #[test]
    fn each_connection_has_a_time_stamp_of_its_own_s_184() {
        let of = |seed| timestamp(&Terms { seed: Seed([seed; 32]), ..Terms::default() });
        assert_ne!(of(1), of(2));
        assert_eq!(of(1), of(1));
    }
}
