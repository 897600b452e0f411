//! SCRAM-SHA-256, with and without channel binding: both sides prove that they know the password, and neither
//! shows it. RFC 5802, RFC 7677, RFC 9266.
//!
//! ```text
//! First --client-first--> Salting --salted--> Final --client-final--> Judged --verified--> Signed --empty--> done
//! ```

mod message;
#[cfg(test)]
mod tests;
mod verifier;

use base64ct::{Base64, Encoding};

use self::message::{ClientFinal, ClientFirst, Flag};
use super::{Claim, SaslError, Terms, Turn};

pub use verifier::{Proof, Salt, Verifier};
pub(super) use verifier::{hashed, keyed};

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    is_plus: bool,
    exporter: Option<[u8; 32]>,
    server_nonce: String,
    state: State,
}

#[derive(Debug)]
enum State {
    First,
    Salting(Begun),
    Final { begun: Begun, server_first: String },
    Judged,
    Signed,
}

/// What the client's first message has settled.
#[derive(Debug)]
struct Begun {
    user_name: String,
    /// What the client must be bound to: his header, then the octets of the channel. RFC 5802 §7.
    binding: Vec<u8>,
    /// His message without its header.
    bare: Vec<u8>,
    /// Both sides' nonce.
    nonce: String,
}

impl Exchange {
    /// Begins; the server's nonce is 192 bits of the seed, so no exchange's proof is good for another.
    pub(super) fn new(terms: &Terms, count: u32, is_plus: bool) -> Exchange {
        let octets = terms.seed.draw("scram", count);
        Exchange {
            is_plus,
            exporter: terms.channel.as_ref().and_then(|channel| channel.exporter),
            server_nonce: Base64::encode_string(&octets[..24]),
            state: State::First,
        }
    }

    /// Takes a message of the client. Errs with [`SaslError::BadBinding`] where somebody may stand between,
    /// with [`SaslError::ForeignAuthorization`] if he wants to act as somebody else, and with
    /// [`SaslError::BadResponse`] for all else that is not his turn or not his message. RFC 5802 §5.
    pub(super) fn take(&mut self, response: &[u8]) -> Result<Turn, SaslError> {
        match &self.state {
            State::First => {
                let begun = self.begin(response)?;
                let user_name = begun.user_name.clone();
                self.state = State::Salting(begun);
                Ok(Turn::Salt(user_name))
            }
            State::Final { begun, server_first } => {
                let claim = finish(begun, server_first, response)?;
                self.state = State::Judged;
                Ok(Turn::Claim(claim))
            }
            // RFC 5802 §5: the client has no more to say than that he has seen the signature.
            State::Signed if response.is_empty() => Ok(Turn::Done),
            State::Salting(_) | State::Judged | State::Signed => Err(SaslError::BadResponse),
        }
    }

    /// Takes the user's salt, and gives the server's first message. Errs with [`SaslError::BadResponse`]
    /// where no salt was asked for.
    pub(super) fn salted(&mut self, salt: Salt) -> Result<Turn, SaslError> {
        let State::Salting(begun) = std::mem::replace(&mut self.state, State::Judged) else {
            return Err(SaslError::BadResponse);
        };
        let octets = Base64::encode_string(&salt.octets);
        let server_first = format!("r={},s={octets},i={}", begun.nonce, salt.iterations);
        let challenge = server_first.clone().into_bytes();
        self.state = State::Final { begun, server_first };
        Ok(Turn::Challenge(challenge))
    }

    /// The proof was right; gives the server's last message. Errs with [`SaslError::BadResponse`] where there
    /// was no proof.
    pub(super) fn verified(&mut self, signature: [u8; 32]) -> Result<Turn, SaslError> {
        let State::Judged = self.state else { return Err(SaslError::BadResponse) };
        self.state = State::Signed;
        Ok(Turn::Challenge(format!("v={}", Base64::encode_string(&signature)).into_bytes()))
    }

    fn begin(&self, response: &[u8]) -> Result<Begun, SaslError> {
        let first = ClientFirst::parse(response)?;
        let mut binding = first.header.to_vec();
        match (first.flag, self.is_plus, self.exporter) {
            (Flag::Exporter, true, Some(exporter)) => binding.extend(exporter),
            // RFC 5802 §6: he can bind and has not seen our PLUS, so somebody took it out of the list.
            (Flag::BelievesNot, false, Some(_)) => return Err(SaslError::BadBinding),
            (Flag::Not | Flag::BelievesNot, false, _) => {}
            _ => return Err(SaslError::BadResponse),
        }
        Ok(Begun {
            user_name: first.user_name,
            binding,
            bare: first.bare.to_vec(),
            nonce: format!("{}{}", first.nonce, self.server_nonce),
        })
    }
}

fn finish(begun: &Begun, server_first: &str, response: &[u8]) -> Result<Claim, SaslError> {
    let last = ClientFinal::parse(response)?;
    if last.nonce != begun.nonce {
        return Err(SaslError::BadResponse);
    }
    if *last.binding != *begun.binding {
        return Err(SaslError::BadBinding);
    }
    let auth_message = [&begun.bare, server_first.as_bytes(), last.without_proof].join(&b","[..]);
    let proof = Proof { auth_message, client_proof: last.proof };
    Ok(Claim { user_name: begun.user_name.clone(), proof: super::Proof::Scram(Box::new(proof)) })
}
