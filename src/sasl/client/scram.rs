//! SCRAM-SHA-256 from the client's side: it proves that it knows the password, and has the server prove the same.
//! RFC 5802 §3, RFC 7677.
//!
//! ```text
//!   First --client-first--> Begun --server-first, client-final--> Awaiting --server-final, empty--> Proven
//! ```

use std::num::NonZeroU32;

use base64ct::{Base64, Encoding};
use ring::pbkdf2;
use zeroize::Zeroizing;

use super::super::digest::is_same;
use super::super::scram::{hashed, keyed};
use super::super::{Seed, prepare};
use super::{ExchangeError, decode};
use crate::limits;
use crate::mail::Secret;

/// An exchange under way.
pub(super) struct Scram {
    password: Secret,
    /// Our first message without its header.
    bare: String,
    nonce: String,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    First,
    Begun,
    /// What the server must say to prove itself.
    Awaiting([u8; 32]),
    Proven,
    Over,
}

/// The server's first message.
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Zeroizing<Vec<u8>>,
    iterations: NonZeroU32,
}

impl Scram {
    pub(super) fn new(user: &str, password: Secret, seed: &Seed) -> Scram {
        let nonce = Base64::encode_string(&seed.draw("scram-client", 0)[..24]);
        // RFC 5802 §5.1: the two signs that would end the name.
        let name = user.replace('=', "=3D").replace(',', "=2C");
        Scram { password, bare: format!("n={name},r={nonce}"), nonce, state: State::First }
    }

    /// `client-first-message`; we bind to no channel and say so. RFC 5802 §7.
    pub(super) fn first(&self) -> String {
        format!("{HEADER}{}", self.bare)
    }

    pub(super) fn first_is_sent(&mut self) {
        self.state = State::Begun;
    }

    pub(super) fn is_proven(&self) -> bool {
        matches!(self.state, State::Proven)
    }

    /// Takes a message of the server, and gives ours.
    pub(super) fn take(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::First if message.is_empty() => {
                self.state = State::Begun;
                Ok(Zeroizing::new(self.first().into_bytes()))
            }
            State::Begun => self.finish(message),
            State::Awaiting(signature) => {
                check_signature(message, &signature)?;
                self.state = State::Proven;
                Ok(Zeroizing::default())
            }
            State::First | State::Proven | State::Over => Err(ExchangeError::BadChallenge),
        }
    }

    /// `client-final-message`, of the server's first one. RFC 5802 §3.
    fn finish(&mut self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
        let server_first = std::str::from_utf8(message).map_err(|_| ExchangeError::BadChallenge)?;
        let first = ServerFirst::parse(server_first, &self.nonce)?;
        let without_proof = format!("c={},r={}", Base64::encode_string(HEADER.as_bytes()), first.nonce);
        let signed = format!("{},{server_first},{without_proof}", self.bare);
        let mut salted = Zeroizing::new([0; 32]);
        let password = Zeroizing::new(prepare::password(self.password.expose()).into_owned());
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, first.iterations, &first.salt, &password, &mut *salted);
        let client_key = Zeroizing::new(keyed(&*salted, b"Client Key"));
        let mut proof = keyed(&hashed(&*client_key), signed.as_bytes());
        proof.iter_mut().zip(client_key.iter()).for_each(|(octet, key)| *octet ^= key);
        let server_key = Zeroizing::new(keyed(&*salted, b"Server Key"));
        self.state = State::Awaiting(keyed(&*server_key, signed.as_bytes()));
        Ok(Zeroizing::new(format!("{without_proof},p={}", Base64::encode_string(&proof)).into_bytes()))
    }
}

impl<'a> ServerFirst<'a> {
    /// Its nonce must begin with ours and go on, so that no old exchange can be played again. RFC 5802 §5.1.
    fn parse(text: &'a str, our_nonce: &str) -> Result<ServerFirst<'a>, ExchangeError> {
        let mut attributes = text.split(',');
        let mut value = |name| {
            attributes
                .next()
                .and_then(|attribute| attribute.strip_prefix(name))
                .ok_or(ExchangeError::BadChallenge)
        };
        let (nonce, salt, iterations) = (value("r=")?, value("s=")?, value("i=")?);
        let added = nonce.strip_prefix(our_nonce).unwrap_or_default();
        let is_nonce = !added.is_empty() && added.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_nonce || added.len() > limits::SCRAM_NONCE_OCTETS {
            return Err(ExchangeError::BadChallenge);
        }
        let salt = decode(salt.as_bytes())?;
        let is_number = !iterations.is_empty() && iterations.bytes().all(|octet| octet.is_ascii_digit());
        if salt.is_empty() || !is_number {
            return Err(ExchangeError::BadChallenge);
        }
        let most = limits::SCRAM_MOST_ITERATIONS;
        let iterations = iterations
            .parse::<NonZeroU32>()
            .ok()
            .filter(|count| (limits::SCRAM_LEAST_ITERATIONS..=most).contains(&count.get()))
            .ok_or(ExchangeError::BadIterations)?;
        Ok(ServerFirst { nonce, salt, iterations })
    }
}

/// Takes `server-final-message`. RFC 5802 §7.
fn check_signature(message: &[u8], expected: &[u8; 32]) -> Result<(), ExchangeError> {
    let text = std::str::from_utf8(message).map_err(|_| ExchangeError::BadChallenge)?;
    let first = text.split(',').next().unwrap_or_default();
    if first.starts_with("e=") {
        return Err(ExchangeError::Refused);
    }
    let signature = decode(first.strip_prefix("v=").ok_or(ExchangeError::BadChallenge)?.as_bytes())?;
    let signature = signature.as_slice().try_into().map_err(|_| ExchangeError::WrongSignature)?;
    if is_same(signature, expected) { Ok(()) } else { Err(ExchangeError::WrongSignature) }
}

/// `gs2-header`: no channel binding, no other name to act as. RFC 5802 §7.
const HEADER: &str = "n,,";

#[cfg(test)]
impl Scram {
    /// With the nonce of an example.
    pub(super) fn with_nonce(user: &str, password: &str, nonce: &str) -> Scram {
        let password = Secret::new(password);
        Scram { password, bare: format!("n={user},r={nonce}"), nonce: nonce.into(), state: State::First }
    }
}
