//! The CRAM-MD5 mechanism: HMAC-MD5 over the server's challenge, keyed with the password. RFC 2195.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::{Claim, SaslError, Terms, digest, parse_user_name};
use crate::mail::Secret;

/// What CRAM-MD5 proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The challenge.
    pub challenge: String,
    /// The digest as the peer sent it.
    pub digest: [u8; 16],
}

impl Proof {
    /// Whether only who knows that password could have made it; takes the same time whatever differs.
    pub fn is_made_with(&self, password: &Secret) -> bool {
        // A key of any length will do; were it not so, nobody would come in.
        let Ok(keyed) = Hmac::<Md5>::new_from_slice(password.expose()) else { return false };
        let made = keyed.chain_update(&self.challenge).finalize().into_bytes();
        digest::is_same(&made.into(), &self.digest)
    }
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    challenge: String,
}

impl Exchange {
    pub(super) fn new(terms: &Terms, count: u32) -> Exchange {
        Exchange { challenge: digest::challenge(terms, "cram-md5", count) }
    }

    pub(super) fn challenge(&self) -> Vec<u8> {
        self.challenge.clone().into_bytes()
    }

    /// Takes `user-name SP digest`; the name may hold blanks itself. Errs with [`SaslError::BadResponse`] if it
    /// is not that. RFC 2195 §2.
    pub(super) fn take(&mut self, response: &[u8]) -> Result<Claim, SaslError> {
        let place = response.iter().rposition(|&octet| octet == b' ').ok_or(SaslError::BadResponse)?;
        let digest = digest::parse(&response[place + 1..]).ok_or(SaslError::BadResponse)?;
        let proof = Proof { challenge: self.challenge.clone(), digest };
        Ok(Claim { user_name: parse_user_name(&response[..place])?, proof: super::Proof::CramMd5(proof) })
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::super::{Mechanism, Seed, Step};
    use super::*;
    use crate::limits;

    fn taken(response: &[u8]) -> Result<(String, Proof), SaslError> {
        let challenge = "<1896.697170952@postoffice.reston.mci.net>".to_owned();
        Exchange { challenge }.take(response).map(|claim| match claim.proof {
            super::super::Proof::CramMd5(proof) => (claim.user_name, proof),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_example_of_rfc_2195_section_2_is_right_and_its_neighbours_are_not() {
        let response = Base64::decode_vec("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw").unwrap();
        let (user_name, proof) = taken(&response).unwrap();
        assert_eq!(user_name, "tim");
        assert!(proof.is_made_with(&Secret::new("tanstaaftanstaaf")));
        for password in ["", "tanstaaftanstaa", "tanstaaftanstaaf ", "Tanstaaftanstaaf"] {
            assert!(!proof.is_made_with(&Secret::new(password)), "{password:?}");
        }
        let replayed = Proof { challenge: "<1896.697170953@postoffice.reston.mci.net>".into(), ..proof };
        assert!(!replayed.is_made_with(&Secret::new("tanstaaftanstaaf")));
    }

    #[test]
    fn a_password_longer_than_a_block_is_hashed_first() {
        // RFC 2202 §2, the sixth case: a key of 80 octets.
        let challenge = "Test Using Larger Than Block-Size Key - Hash Key First".to_owned();
        let digest = digest::parse(b"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd").unwrap();
        let proof = Proof { challenge, digest };
        assert!(proof.is_made_with(&Secret::new([0xAA; 80])));
        assert!(!proof.is_made_with(&Secret::new([0xAA; 79])));
    }

    #[test]
    fn the_shapes_of_a_response() {
        const DIGEST: &str = "b913a602c7eda7a495b4e6e7334d3890";
        for (name, found) in [("tim", "tim"), ("tim t", "tim t"), ("j\u{f6}rg", "j\u{f6}rg"), (" ", " ")] {
            assert_eq!(taken(format!("{name} {DIGEST}").as_bytes()).unwrap().0, found);
        }
        for wrong in [
            String::new(),
            " ".into(),
            "tim".into(),
            DIGEST.into(),
            format!(" {DIGEST}"),
            format!("tim {DIGEST} "),
            format!("tim {DIGEST}0"),
            format!("tim {}", &DIGEST[1..]),
            format!("tim {}", DIGEST.to_ascii_uppercase()),
            format!("tim\t{DIGEST}"),
            format!("t\0m {DIGEST}"),
            format!("{} {DIGEST}", "n".repeat(limits::USER_NAME_OCTETS + 1)),
        ] {
            assert_eq!(taken(wrong.as_bytes()), Err(SaslError::BadResponse), "{wrong:?}");
        }
        assert!(taken(format!("{} {DIGEST}", "n".repeat(limits::USER_NAME_OCTETS)).as_bytes()).is_ok());
        assert_eq!(taken(&[b"\xFF ", DIGEST.as_bytes()].concat()), Err(SaslError::BadResponse));
    }

    #[test]
    fn the_server_speaks_first_and_takes_no_initial_response() {
        let terms = Terms { hostname: "h".repeat(255), seed: Seed([1; 32]), ..Terms::default() };
        let Step::Challenge(text) = Mechanism::CramMd5.begin(None, &terms, 3).1 else { panic!() };
        assert_eq!(Base64::decode_vec(&text).unwrap(), Exchange::new(&terms, 3).challenge());
        // RFC 1939 §3: 512 octets are a reply's most.
        assert!(text.len() <= 500, "{}", text.len());
        for initial in [&b"="[..], b"", b"dGlt"] {
            let step = Mechanism::CramMd5.begin(Some(initial), &terms, 0).1;
            assert_eq!(step, Step::Failed(SaslError::BadResponse));
        }
    }
}
