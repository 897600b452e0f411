//! NTLM that somebody else looks into: which messages are passed on, and which never are.
//!
//! ```text
//! Begun --empty--> Asked --empty--> failed
//!   |                |
//!   +---NEGOTIATE----+--> Negotiating --CHALLENGE--> Challenged --AUTHENTICATE--> Authenticating --> Claim
//!                         (the helper's turn)             |                       (the helper's turn)
//!                                                         +--NTLMv1, another TLS connection--> Claim of a wrong try
//! ```

use super::message::{self, Authenticate};
use super::{Proof, parse_user_name};
use crate::mail::Secret;
use crate::sasl::{self, Claim, Relayed, SaslError, Terms, Turn, base64};

/// An exchange under way.
#[derive(Debug)]
pub(in crate::sasl) struct Relay {
    state: State,
    end_point: Option<Vec<u8>>,
}

#[derive(Debug)]
enum State {
    Begun,
    /// An empty response was answered with an empty challenge.
    Asked,
    Negotiating,
    Challenged {
        server_challenge: [u8; 8],
    },
    Authenticating {
        user_name: String,
    },
    Over,
}

impl Relay {
    pub(in crate::sasl) fn new(terms: &Terms) -> Relay {
        let end_point = terms.channel.as_ref().and_then(|channel| channel.end_point.clone());
        Relay { state: State::Begun, end_point }
    }

    /// Takes a message of the peer. Errs with [`SaslError::BadResponse`] if it is not the one that is due (S-188), or
    /// if it names nobody: an anonymous logon would be found right elsewhere.
    pub(in crate::sasl) fn take(&mut self, response: &[u8]) -> Result<Turn, SaslError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begun if response.is_empty() => {
                self.state = State::Asked;
                Ok(Turn::Challenge(Vec::new()))
            }
            State::Begun | State::Asked => {
                message::negotiated_flags(response)?;
                self.state = State::Negotiating;
                Ok(Turn::Relay(response.to_vec()))
            }
            State::Challenged { server_challenge } => self.authenticate(server_challenge, response),
            State::Negotiating | State::Authenticating { .. } | State::Over => Err(SaslError::BadResponse),
        }
    }

    /// Takes what the helper says. Errs with [`SaslError::BadResponse`] if it was not asked, or says what makes no
    /// sense there.
    pub(in crate::sasl) fn answered(&mut self, answer: Relayed) -> Result<Turn, SaslError> {
        match (std::mem::replace(&mut self.state, State::Over), answer) {
            (State::Negotiating, Relayed::Challenge(text)) => {
                let challenge = base64::decode(text.as_bytes()).ok_or(SaslError::BadResponse)?;
                let server_challenge = message::server_challenge(&challenge)?;
                self.state = State::Challenged { server_challenge };
                Ok(Turn::Challenge(challenge.to_vec()))
            }
            (State::Authenticating { .. }, Relayed::User(user_name)) => {
                let user_name = parse_user_name(user_name.as_bytes())?;
                Ok(Turn::Claim(Claim { user_name, proof: sasl::Proof::Relayed }))
            }
            (State::Authenticating { user_name }, Relayed::Refused(why)) => Ok(refused(user_name, why)),
            (State::Authenticating { user_name }, Relayed::Counted(delay)) => {
                Ok(Turn::Claim(Claim { user_name, proof: sasl::Proof::RelayCounted(delay) }))
            }
            _ => Err(SaslError::BadResponse),
        }
    }

    /// What the password file would not take is not handed over either, whatever the other side allows: old responses,
    /// those for another TLS connection, and those of no password at all (S-186, S-187, S-191).
    fn authenticate(&mut self, server_challenge: [u8; 8], response: &[u8]) -> Result<Turn, SaslError> {
        let authenticate = Authenticate::parse(response)?;
        let user_name = named(&authenticate)?;
        // The code over the messages is the helper's to check: only he has the key.
        let messages = [&[], &[], response];
        let proof = Proof::new(&authenticate, server_challenge, messages, self.end_point.as_deref())?;
        if let Some(flaw) = proof.flaw() {
            return Ok(refused(user_name, flaw.to_string()));
        }
        if proof.answers_with(&Secret::new([])) {
            return Ok(refused(user_name, "the password is empty".into()));
        }
        self.state = State::Authenticating { user_name };
        Ok(Turn::Relay(response.to_vec()))
    }
}

/// Whom an AUTHENTICATE message, base64, names as who sends it; none if it is another one, or names nobody.
pub fn sender(message: &str) -> Option<String> {
    let message = base64::decode(message.as_bytes())?;
    named(&Authenticate::parse(&message).ok()?).ok()
}

/// As Samba would call him, so that right and wrong tries are of one name.
fn named(authenticate: &Authenticate<'_>) -> Result<String, SaslError> {
    let Authenticate { user_name, domain, .. } = authenticate;
    let whole = match domain.is_empty() || user_name.is_empty() {
        true => user_name.clone(),
        false => format!("{domain}\\{user_name}"),
    };
    parse_user_name(whole.as_bytes())
}

fn refused(user_name: String, why: String) -> Turn {
    Turn::Claim(Claim { user_name, proof: sasl::Proof::RelayRefused(why) })
}
