//! Logging on elsewhere: a server's challenges in, our responses out. RFC 4422 §3.
//!
//! ```text
//!   new -> initial --AUTH--> respond <-> respond -> 235, believed only if `is_proven`
//! ```
//!
//! PLAIN, LOGIN and CRAM-MD5 are for verified TLS only, and so is SCRAM here: nobody is told a password, or what
//! it could be guessed from, who has not proven who he is (S-140). NTLM is never spoken.

mod scram;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use zeroize::Zeroizing;

use self::scram::Scram;
use super::{Mechanism, Seed, base64};
use crate::mail::Secret;

/// The mechanisms that we speak, the best first. Inside verified TLS, PLAIN's password is safe on its way, and
/// CRAM-MD5 would only make the server keep it readable.
pub const PREFERRED: [Mechanism; 4] =
    [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5];

/// Text that leaves memory when dropped.
pub type Wiped = Zeroizing<String>;

/// An exchange under way.
pub struct Exchange {
    state: State,
}

enum State {
    /// The response that goes with the command, or else follows the first challenge.
    Plain(Zeroizing<Vec<u8>>),
    LoginUser {
        user: String,
        password: Secret,
    },
    LoginPassword(Secret),
    CramMd5 {
        user: String,
        password: Secret,
    },
    Scram(Box<Scram>),
    /// All is said.
    Said,
    /// It has failed.
    Over,
}

/// Why an exchange can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeError {
    /// The challenge is none of that mechanism.
    BadChallenge,
    /// The server asks for more work than we do for anybody, or for less than is safe. RFC 7677 §4.
    BadIterations,
    /// The server doesn't prove that it knows the password: it is not who it says. RFC 5802 §3.
    WrongSignature,
    /// The server says that the proof is wrong. RFC 5802 §7.
    Refused,
}

impl Exchange {
    /// Begins an exchange; `seed` is of this connection alone. None for a mechanism that is not among [`PREFERRED`], or
    /// for a name or a password that can't be sent: empty, or with a NUL or, the name, another control character.
    pub fn new(mechanism: Mechanism, user: &str, password: &Secret, seed: &Seed) -> Option<Exchange> {
        let is_fit = !user.is_empty() && !user.chars().any(char::is_control);
        if !is_fit || password.expose().is_empty() || password.expose().contains(&0) {
            return None;
        }
        let (user, password) = (user.to_owned(), password.clone());
        let state = match mechanism {
            Mechanism::ScramSha256 => State::Scram(Box::new(Scram::new(&user, password, seed))),
            Mechanism::Plain => State::Plain(plain(&user, &password)),
            Mechanism::Login => State::LoginUser { user, password },
            Mechanism::CramMd5 => State::CramMd5 { user, password },
            Mechanism::External | Mechanism::ScramSha256Plus | Mechanism::Ntlm => return None,
        };
        Some(Exchange { state })
    }

    /// The response that goes with the command, base64, if there is one of at most `room` octets; a longer one follows
    /// the server's first challenge, which is empty then. RFC 4954 §4.
    pub fn initial(&mut self, room: usize) -> Option<Wiped> {
        let response = match &self.state {
            State::Plain(response) => encode(response),
            State::Scram(scram) => encode(scram.first().as_bytes()),
            _ => return None,
        };
        if response.len() > room {
            return None;
        }
        match &mut self.state {
            State::Scram(scram) => scram.first_is_sent(),
            state => *state = State::Said,
        }
        Some(response)
    }

    /// Takes a challenge, base64, and gives the response, base64. What LOGIN prompts for is known by its turn, whatever
    /// it says. Errs as [`ExchangeError`] says; the exchange is over then.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Wiped, ExchangeError> {
        let (state, response) = match std::mem::replace(&mut self.state, State::Over) {
            State::Plain(response) => (State::Said, response),
            State::LoginUser { user, password } => {
                (State::LoginPassword(password), Zeroizing::new(user.into_bytes()))
            }
            State::LoginPassword(password) => (State::Said, Zeroizing::new(password.expose().to_vec())),
            State::CramMd5 { user, password } => {
                (State::Said, cram_md5(&user, &password, &decode(challenge)?)?)
            }
            State::Scram(mut scram) => {
                let response = scram.take(&decode(challenge)?)?;
                (State::Scram(scram), response)
            }
            State::Said | State::Over => return Err(ExchangeError::BadChallenge),
        };
        self.state = state;
        Ok(encode(&response))
    }

    /// Whether the server's word that we are logged on may be believed: all is said, and a mechanism that proves the
    /// server too has done so.
    pub fn is_proven(&self) -> bool {
        match &self.state {
            State::Said => true,
            State::Scram(scram) => scram.is_proven(),
            _ => false,
        }
    }
}

/// What stands for a password in PLAIN and in LOGIN, base64.
pub fn spoken(user: &str, password: &Secret) -> [Wiped; 2] {
    [encode(&plain(user, password)), encode(password.expose())]
}

/// RFC 4616 §2; no other name to act as.
fn plain(user: &str, password: &Secret) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([b"\0", user.as_bytes(), b"\0", password.expose()].concat())
}

/// The name, and the challenge keyed with the password. RFC 2195 §2.
fn cram_md5(user: &str, password: &Secret, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
    let keyed = Hmac::<Md5>::new_from_slice(password.expose()).map_err(|_| ExchangeError::BadChallenge)?;
    let digest = keyed.chain_update(challenge).finalize().into_bytes();
    let digits: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    Ok(Zeroizing::new(format!("{user} {digits}").into_bytes()))
}

fn encode(octets: &[u8]) -> Wiped {
    Zeroizing::new(Base64::encode_string(octets))
}

fn decode(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
    base64::decode(text).ok_or(ExchangeError::BadChallenge)
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Exchange")
    }
}

#[cfg(test)]
mod tests;
