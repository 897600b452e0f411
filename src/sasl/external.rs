//! The EXTERNAL mechanism: TLS has proved who he is, he only says whom he means. RFC 4422, appendix A.

use super::{Claim, Proof, SaslError, parse_user_name};

/// Takes the name to act as; the empty response means him whom the certificate names, and so does the empty name
/// of the claim. Errs with [`SaslError::BadResponse`] if it is neither.
pub fn parse(response: &[u8]) -> Result<Claim, SaslError> {
    let user_name = if response.is_empty() { String::new() } else { parse_user_name(response)? };
    Ok(Claim { user_name, proof: Proof::Certificate })
}

#[cfg(test)]
mod tests {
    use super::super::{Mechanism, Step, Terms};
    use super::*;
    use crate::limits;

    #[test]
    fn a_name_or_none_is_taken_and_nothing_else() {
        let most = "n".repeat(limits::USER_NAME_OCTETS);
        for name in ["", "fred@example.com", "j\u{f6}rg", &most] {
            let claim = Claim { user_name: name.into(), proof: Proof::Certificate };
            assert_eq!(parse(name.as_bytes()), Ok(claim));
        }
        for wrong in [&b"\0"[..], b"fred\0", b"fr\ned", b"\xFF", &[b'n'; limits::USER_NAME_OCTETS + 1]] {
            assert_eq!(parse(wrong), Err(SaslError::BadResponse), "{wrong:?}");
        }
    }

    #[test]
    fn the_empty_name_comes_with_the_command_or_after_it() {
        let nobody = || Step::Claim(Claim { user_name: String::new(), proof: Proof::Certificate });
        assert_eq!(Mechanism::External.begin(Some(b"="), &Terms::default(), 0).1, nobody());
        let (mut exchange, step) = Mechanism::External.begin(None, &Terms::default(), 0);
        assert_eq!(step, Step::Challenge(String::new()));
        assert_eq!(exchange.respond(b""), nobody());
        assert_eq!(exchange.verified(None), Step::Done);
    }
}
