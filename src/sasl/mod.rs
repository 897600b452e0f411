//! Logon exchanges, one file each: a line in; a challenge, a question or a claim out. RFC 4422.
//!
//! An exchange never decides; it gives what the peer claims and how he proves it, and `auth` decides.
//!
//! ```text
//!                              | Relay: what does the helper say? --relayed--> Challenge, Claim or Failed
//! begin --initial response--> Challenge --respond--> ... --> Claim --verified--> Done
//!                              | Salt: whose salt? --salted--^          |          ^
//!                              |                                        +-Challenge+  SCRAM's own signature
//!                              +--> Failed, at every step; `*` cancels
//! ```

pub mod apop;
mod base64;
pub mod client;
pub mod cram_md5;
mod digest;
mod external;
mod login;
pub mod ntlm;
mod plain;
pub mod prepare;
pub mod scram;
mod terms;

use std::time::Duration;

use base64ct::{Base64, Encoding};

use crate::limits;
use crate::mail::Secret;

pub use terms::{Channel, Seed, Terms};

/// What a peer claims about himself, and how he proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The user name as it was typed: UTF-8, at most [`crate::limits::USER_NAME_OCTETS`]. Empty only with
    /// [`Proof::Certificate`]: he is whom his certificate names.
    pub user_name: String,
    /// The proof.
    pub proof: Proof,
}

/// How a peer proves who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By the password itself: not empty, at most [`crate::limits::PASSWORD_OCTETS`].
    Password(Secret),
    /// By a digest over the greeting's time stamp.
    Apop(apop::Proof),
    /// By a keyed digest over a challenge.
    CramMd5(cram_md5::Proof),
    /// By NTLMv2's response to a challenge.
    Ntlm(Box<ntlm::Proof>),
    /// By SCRAM's proof, which the verifier checks.
    Scram(Box<scram::Proof>),
    /// By the certificate of his TLS connection, which must be that user's.
    Certificate,
    /// By NTLM, which Samba's helper has looked into and found right; the user name is what the helper calls him.
    Relayed,
    /// By NTLM that was passed on and is not right, or may not be passed on: a wrong try like any other, of the user
    /// whom the message names. Why, for the log.
    RelayRefused(String),
    /// The same, but counted already when the helper's word came; how long the answer must wait.
    RelayCounted(Duration),
}

impl Proof {
    /// What the log says of it: its kind, and none of its octets.
    pub fn kind(&self) -> &'static str {
        match self {
            Proof::Password(_) => "password",
            Proof::Apop(_) => "APOP",
            Proof::CramMd5(_) => "CRAM-MD5",
            Proof::Ntlm(_) => "NTLM",
            Proof::Scram(_) => "SCRAM",
            Proof::Certificate => "certificate",
            Proof::Relayed | Proof::RelayRefused(_) | Proof::RelayCounted(_) => "NTLM",
        }
    }
}

impl Claim {
    /// Takes a user name and a password as they came. Errs with [`SaslError::BadResponse`] if one of them
    /// is empty or too long, if the name is not UTF-8 or holds a control character, or if the password
    /// holds a NUL. RFC 4616 §2.
    pub fn password(user_name: &[u8], password: &[u8]) -> Result<Claim, SaslError> {
        if password.is_empty() || password.len() > limits::PASSWORD_OCTETS || password.contains(&0) {
            return Err(SaslError::BadResponse);
        }
        let proof = Proof::Password(Secret::new(password));
        Ok(Claim { user_name: parse_user_name(user_name)?, proof })
    }
}

/// The user name of those octets. Errs with [`SaslError::BadResponse`] if it is empty, too long, not UTF-8,
/// or holds a control character.
pub fn parse_user_name(octets: &[u8]) -> Result<String, SaslError> {
    if octets.is_empty() || octets.len() > limits::USER_NAME_OCTETS {
        return Err(SaslError::BadResponse);
    }
    match std::str::from_utf8(octets) {
        Ok(name) if !name.chars().any(char::is_control) => Ok(name.to_owned()),
        _ => Err(SaslError::BadResponse),
    }
}

/// A way to log on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4422, appendix A.
    External,
    /// RFC 7677 with the channel binding of RFC 9266.
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
    /// RFC 2195.
    CramMd5,
    /// NTLMv2, which Windows calls SPA. [MS-NLMP], [MS-POP3], [MS-SMTPNTLM].
    Ntlm,
}

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange {
    state: State,
}

#[derive(Debug)]
enum State {
    External,
    Plain,
    LoginUserName,
    LoginPassword {
        user_name: String,
    },
    CramMd5(cram_md5::Exchange),
    Ntlm(Box<ntlm::Exchange>),
    Scram(Box<scram::Exchange>),
    /// NTLM that somebody else looks into.
    Relay(Box<ntlm::Relay>),
    /// A claim without further words waits for its verdict.
    Claimed,
    Over,
}

/// What comes next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge, base64 already, behind `334 ` or `+ `; it may be empty.
    Challenge(String),
    /// Find the salt of that user, or one made up, and say [`Exchange::salted`].
    Salt(String),
    /// Hand that message to Samba's helper, and say [`Exchange::relayed`]; base64 already.
    Relay(String),
    /// Find out whether that is true, and say [`Exchange::verified`] if it is.
    Claim(Claim),
    /// The peer has proved himself.
    Done,
    /// The exchange is over without success.
    Failed(SaslError),
}

/// What Samba's helper says to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relayed {
    /// Its own message, base64.
    Challenge(String),
    /// He is who he says; what the helper calls him: `DOMAIN\\user`.
    User(String),
    /// He is not, or may not come in, or the message makes no sense. Why, for the log.
    Refused(String),
    /// The same, and it is counted and logged already; how long the answer must wait.
    Counted(Duration),
}

/// What a mechanism makes of a response: as [`Step`], before base64.
enum Turn {
    Challenge(Vec<u8>),
    Salt(String),
    Relay(Vec<u8>),
    Claim(Claim),
    Done,
}

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslError {
    /// The peer sent `*`. RFC 4954 §4, RFC 5034 §4.
    Cancelled,
    /// Not base64, strictly taken (S-156).
    BadBase64,
    /// Not what the mechanism sends (S-159).
    BadResponse,
    /// The name of an other user to act as; nobody here may do that.
    ForeignAuthorization,
    /// The peer's side of the TLS connection is not ours, or he was told that we bind to none: somebody may
    /// stand between (S-181).
    BadBinding,
}

impl Mechanism {
    /// Every mechanism, in the order in which they are offered.
    pub const ALL: [Mechanism; 7] = [
        Mechanism::External,
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha256,
        Mechanism::Plain,
        Mechanism::Login,
        Mechanism::CramMd5,
        Mechanism::Ntlm,
    ];

    /// The mechanism of that name, in letters of any case.
    pub fn find(name: &[u8]) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::External => "EXTERNAL",
            Mechanism::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::Ntlm => "NTLM",
        }
    }

    /// Begins an exchange; `initial` is the initial response as it stood in the command, base64, or `=`
    /// for the empty one. RFC 4954 §4, RFC 5034 §4. `count` is how many exchanges this connection has begun
    /// before, so that no challenge comes twice. The mechanism should be one that `terms` offer.
    pub fn begin(self, initial: Option<&[u8]>, terms: &Terms, count: u32) -> (Exchange, Step) {
        let (state, challenge) = match self {
            Mechanism::External => (State::External, Some(Vec::new())),
            Mechanism::Plain => (State::Plain, Some(plain::CHALLENGE.into())),
            Mechanism::Login => (State::LoginUserName, Some(login::USER_NAME_CHALLENGE.into())),
            Mechanism::CramMd5 => {
                let exchange = cram_md5::Exchange::new(terms, count);
                let challenge = exchange.challenge();
                // RFC 5034 §4: a mechanism whose server speaks first takes no initial response.
                if initial.is_some() {
                    return (Exchange { state: State::Over }, Step::Failed(SaslError::BadResponse));
                }
                (State::CramMd5(exchange), Some(challenge))
            }
            Mechanism::Ntlm if terms.relays_ntlm => {
                (State::Relay(Box::new(ntlm::Relay::new(terms))), Some(Vec::new()))
            }
            Mechanism::Ntlm => (State::Ntlm(Box::new(ntlm::Exchange::new(terms, count))), Some(Vec::new())),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => {
                let is_plus = self == Mechanism::ScramSha256Plus;
                (State::Scram(Box::new(scram::Exchange::new(terms, count, is_plus))), Some(Vec::new()))
            }
        };
        let mut exchange = Exchange { state };
        let step = match initial {
            None => Step::Challenge(Base64::encode_string(&challenge.unwrap_or_default())),
            Some(b"=") => exchange.take(b""),
            Some(text) => exchange.take(text),
        };
        (exchange, step)
    }
}

impl Exchange {
    /// Takes one response line without its CRLF. Once the exchange is over, each further line fails it again.
    pub fn respond(&mut self, line: &[u8]) -> Step {
        if line == b"*" {
            self.state = State::Over;
            return Step::Failed(SaslError::Cancelled);
        }
        self.take(line)
    }

    /// Takes the answer to [`Step::Salt`].
    pub fn salted(&mut self, salt: scram::Salt) -> Step {
        let outcome = match &mut self.state {
            State::Scram(exchange) => exchange.salted(salt),
            _ => Err(SaslError::BadResponse),
        };
        self.step(outcome)
    }

    /// Takes the answer to [`Step::Claim`]: it is true. SCRAM's signature is [`scram::Proof::verify`]'s.
    pub fn verified(&mut self, signature: Option<[u8; 32]>) -> Step {
        let outcome = match (&mut self.state, signature) {
            (State::Claimed, _) => Ok(Turn::Done),
            (State::Scram(exchange), Some(signature)) => exchange.verified(signature),
            _ => Err(SaslError::BadResponse),
        };
        self.step(outcome)
    }

    /// Takes the answer to [`Step::Relay`].
    pub fn relayed(&mut self, answer: Relayed) -> Step {
        let outcome = match &mut self.state {
            State::Relay(exchange) => exchange.answered(answer),
            _ => Err(SaslError::BadResponse),
        };
        self.step(outcome)
    }

    fn take(&mut self, text: &[u8]) -> Step {
        let Some(response) = base64::decode(text) else {
            self.state = State::Over;
            return Step::Failed(SaslError::BadBase64);
        };
        let outcome = match &mut self.state {
            State::External => external::parse(&response).map(Turn::Claim),
            State::Plain => plain::parse(&response).map(Turn::Claim),
            State::LoginUserName => match parse_user_name(&response) {
                Ok(user_name) => {
                    self.state = State::LoginPassword { user_name };
                    Ok(Turn::Challenge(login::PASSWORD_CHALLENGE.into()))
                }
                Err(error) => Err(error),
            },
            State::LoginPassword { user_name } => {
                Claim::password(user_name.as_bytes(), &response).map(Turn::Claim)
            }
            State::CramMd5(exchange) => exchange.take(&response).map(Turn::Claim),
            State::Ntlm(exchange) => exchange.take(&response),
            State::Relay(exchange) => exchange.take(&response),
            State::Scram(exchange) => exchange.take(&response),
            State::Claimed | State::Over => Err(SaslError::BadResponse),
        };
        self.step(outcome)
    }

    fn step(&mut self, outcome: Result<Turn, SaslError>) -> Step {
        match outcome {
            Ok(Turn::Challenge(octets)) => Step::Challenge(Base64::encode_string(&octets)),
            Ok(Turn::Salt(user_name)) => Step::Salt(user_name),
            Ok(Turn::Relay(message)) => Step::Relay(Base64::encode_string(&message)),
            Ok(Turn::Claim(claim)) => {
                if !matches!(self.state, State::Scram(_)) {
                    self.state = State::Claimed;
                }
                Step::Claim(claim)
            }
            Ok(Turn::Done) => {
                self.state = State::Over;
                Step::Done
            }
            Err(error) => {
                self.state = State::Over;
                Step::Failed(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
