//! The PLAIN mechanism: who to act as, who he is and his password in one response. RFC 4616.

use super::{Claim, SaslError};

/// The server's challenge is empty. RFC 4616 §2.
pub const CHALLENGE: &str = "";

/// Takes `[authzid] NUL authcid NUL password` apart. Errs with [`SaslError::ForeignAuthorization`] if
/// he wants to act as somebody else, and with [`SaslError::BadResponse`] if it is not that.
pub fn parse(response: &[u8]) -> Result<Claim, SaslError> {
    let mut parts = response.splitn(3, |&octet| octet == 0);
    let (Some(acts_as), Some(user_name), Some(password)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(SaslError::BadResponse);
    };
    let credentials = Claim::password(user_name, password)?;
    if !acts_as.is_empty() && acts_as != user_name {
        return Err(SaslError::ForeignAuthorization);
    }
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::super::{Mechanism, Proof, Step, Terms};
    use super::*;
    use crate::limits;

    fn parsed(response: &[u8]) -> Result<(String, Vec<u8>), SaslError> {
        parse(response).map(|claim| match claim.proof {
            Proof::Password(password) => (claim.user_name, password.expose().to_vec()),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_shapes_of_a_response_s_159() {
        let tim = || Ok(("tim".to_owned(), b"tanstaaftanstaaf".to_vec()));
        let bad = || Err(SaslError::BadResponse);
        let foreign = || Err(SaslError::ForeignAuthorization);
        for (response, outcome) in [
            ("\0tim\0tanstaaftanstaaf", tim()),
            ("tim\0tim\0tanstaaftanstaaf", tim()),
            ("\0a\0x", Ok(("a".into(), b"x".to_vec()))),
            ("\0jörg\0grüß", Ok(("jörg".into(), "grüß".into()))),
            ("Ursel\0Kurt\0xipj3plmq", foreign()),
            ("Tim\0tim\0tanstaaftanstaaf", foreign()),
            ("", bad()),
            ("tim", bad()),
            ("\0", bad()),
            ("\0tim", bad()),
            ("tim\0secret", bad()),
            ("\0\0", bad()),
            ("\0\0secret", bad()),
            ("\0tim\0", bad()),
            ("\0tim\0sec\0ret", bad()),
            ("\0tim\0secret\0", bad()),
            ("\0\0\0\0", bad()),
            ("\0t\nm\0secret", bad()),
        ] {
            assert_eq!(parsed(response.as_bytes()), outcome, "{response:?}");
        }
        assert_eq!(parsed(b"\0t\xFFm\0secret"), bad());
    }

    #[test]
    fn a_password_is_refused_over_its_limit_before_anybody_hashes_it_s_159() {
        let response = |octets: usize| [&b"\0tim\0"[..], &vec![b'p'; octets]].concat();
        for octets in [1, 1000, limits::PASSWORD_OCTETS - 1, limits::PASSWORD_OCTETS] {
            assert_eq!(parsed(&response(octets)).unwrap().1.len(), octets);
        }
        assert_eq!(parsed(&response(limits::PASSWORD_OCTETS + 1)), Err(SaslError::BadResponse));
    }

    #[test]
    fn it_goes_with_and_without_an_initial_response() {
        let text = Base64::encode_string(b"\0tim\0secret").into_bytes();
        let done = Step::Claim(Claim::password(b"tim", b"secret").unwrap());
        assert_eq!(Mechanism::Plain.begin(Some(&text), &Terms::default(), 0).1, done);
        let (mut exchange, step) = Mechanism::Plain.begin(None, &Terms::default(), 0);
        assert_eq!(step, Step::Challenge(String::new()));
        assert_eq!(exchange.respond(&text), done);
    }
}
