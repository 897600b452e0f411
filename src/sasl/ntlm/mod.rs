//! The NTLM mechanism, NTLMv2 alone: the answer to a challenge, keyed with the password's old hash. [MS-NLMP],
//! [MS-POP3], [MS-SMTPNTLM].
//!
//! ```text
//! Begun --empty--> Asked --empty--> failed
//!   |                |
//!   +---NEGOTIATE----+--CHALLENGE--> Challenged --AUTHENTICATE--> Claim
//! ```
//!
//! Nothing is signed or sealed afterwards: TLS does that, and the channel binding ties the logon to it (S-186).

mod av_pair;
mod message;
mod proof;
mod relay;
#[cfg(test)]
mod tests;
mod text;

use super::{Claim, SaslError, Terms, Turn, parse_user_name};
use message::{Authenticate, Challenge};

pub use proof::{Flaw, Proof};
pub(super) use relay::Relay;
pub use relay::sender;

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Exchange {
    state: State,
    hostname: String,
    file_time: u64,
    server_challenge: [u8; 8],
    end_point: Option<Vec<u8>>,
}

#[derive(Debug)]
enum State {
    Begun,
    /// An empty response was answered with an empty challenge.
    Asked,
    Challenged {
        negotiate: Vec<u8>,
        challenge: Vec<u8>,
    },
    Over,
}

impl Exchange {
    pub(super) fn new(terms: &Terms, count: u32) -> Exchange {
        let [a, b, c, d, e, f, g, h, ..] = terms.seed.draw("NTLM", count);
        Exchange {
            state: State::Begun,
            hostname: terms.hostname.clone(),
            file_time: terms.file_time,
            server_challenge: [a, b, c, d, e, f, g, h],
            end_point: terms.channel.as_ref().and_then(|channel| channel.end_point.clone()),
        }
    }

    /// Takes a message. Errs with [`SaslError::BadResponse`] if it is not the one that is due (S-188), or if it
    /// names nobody.
    pub(super) fn take(&mut self, response: &[u8]) -> Result<Turn, SaslError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begun if response.is_empty() => {
                self.state = State::Asked;
                Ok(Turn::Challenge(Vec::new()))
            }
            State::Begun | State::Asked => {
                let asked_flags = message::negotiated_flags(response)?;
                let challenge = Challenge {
                    asked_flags,
                    server_challenge: self.server_challenge,
                    hostname: &self.hostname,
                    file_time: self.file_time,
                }
                .write();
                self.state = State::Challenged { negotiate: response.to_vec(), challenge: challenge.clone() };
                Ok(Turn::Challenge(challenge))
            }
            State::Challenged { negotiate, challenge } => {
                self.claim(&negotiate, &challenge, response).map(Turn::Claim)
            }
            State::Over => Err(SaslError::BadResponse),
        }
    }

    fn claim(&self, negotiate: &[u8], challenge: &[u8], response: &[u8]) -> Result<Claim, SaslError> {
        let authenticate = Authenticate::parse(response)?;
        let user_name = parse_user_name(mailbox_name(&authenticate).as_bytes())?;
        let proof = Proof::new(
            &authenticate,
            self.server_challenge,
            [negotiate, challenge, response],
            self.end_point.as_deref(),
        )?;
        Ok(Claim { user_name, proof: super::Proof::Ntlm(Box::new(proof)) })
    }
}

/// The name as a mailbox knows it: people type `alice@home.lan`, or `alice` with the domain `home.lan`; a domain
/// without a dot is a workgroup's name and says nothing here.
fn mailbox_name(authenticate: &Authenticate<'_>) -> String {
    let Authenticate { user_name, domain, .. } = authenticate;
    if domain.contains('.') && !user_name.is_empty() && !user_name.contains('@') {
        format!("{user_name}@{domain}")
    } else {
        user_name.clone()
    }
}
