//! The EXTERNAL mechanism: TLS has proved who he is, he only says whom he means. RFC 4422, appendix A.

use super::{Claim, Proof, SaslError, parse_user_name};

/// Takes the name to act as. Errs with [`SaslError::BadResponse`] if it is none.
pub fn parse(response: &[u8]) -> Result<Claim, SaslError> {
    Ok(Claim { user_name: parse_user_name(response)?, proof: Proof::Certificate })
}
