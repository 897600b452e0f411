//! The LOGIN mechanism: user name and password, one after the other. draft-murchison-sasl-login.

/// In base64 `VXNlcm5hbWU6`; some clients compare the octets, so no other text will do (quirk 11).
pub const USER_NAME_CHALLENGE: &str = "Username:";
/// In base64 `UGFzc3dvcmQ6`; see [`USER_NAME_CHALLENGE`].
pub const PASSWORD_CHALLENGE: &str = "Password:";

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::super::{Claim, Exchange, Mechanism, SaslError, Step, Terms};
    use crate::limits;

    fn respond(exchange: &mut Exchange, response: &[u8]) -> Step {
        exchange.respond(Base64::encode_string(response).as_bytes())
    }

    #[test]
    fn it_asks_for_the_name_and_then_for_the_password_s_160() {
        let (mut exchange, step) = Mechanism::Login.begin(None, &Terms::default(), 0);
        assert_eq!(step, Step::Challenge("VXNlcm5hbWU6".into()));
        assert_eq!(respond(&mut exchange, b"alice"), Step::Challenge("UGFzc3dvcmQ6".into()));
        let step = respond(&mut exchange, b" a b ");
        assert_eq!(step, Step::Claim(Claim::password(b"alice", b" a b ").unwrap()));
    }

    #[test]
    fn the_name_may_come_with_the_command_s_160() {
        let (mut exchange, step) = Mechanism::Login.begin(Some(b"YWxpY2U="), &Terms::default(), 0);
        assert_eq!(step, Step::Challenge("UGFzc3dvcmQ6".into()));
        let step = respond(&mut exchange, b"x");
        assert_eq!(step, Step::Claim(Claim::password(b"alice", b"x").unwrap()));
    }

    #[test]
    fn a_name_that_can_be_none_ends_it_before_a_password_is_asked_for() {
        for name in [&b""[..], b"a\0b", b"a\n", b"\xFF", &[b'n'; limits::USER_NAME_OCTETS + 1]] {
            let (mut exchange, _) = Mechanism::Login.begin(None, &Terms::default(), 0);
            assert_eq!(respond(&mut exchange, name), Step::Failed(SaslError::BadResponse), "{name:?}");
        }
    }

    #[test]
    fn a_password_that_can_be_none_ends_it() {
        for password in [&b""[..], b"a\0b", &[b'p'; limits::PASSWORD_OCTETS + 1]] {
            let (mut exchange, _) = Mechanism::Login.begin(Some(b"YWxpY2U="), &Terms::default(), 0);
            assert_eq!(respond(&mut exchange, password), Step::Failed(SaslError::BadResponse));
        }
        let (mut exchange, _) = Mechanism::Login.begin(Some(b"YWxpY2U="), &Terms::default(), 0);
        assert_eq!(exchange.respond(b"not base64"), Step::Failed(SaslError::BadBase64));
    }
}
