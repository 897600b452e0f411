//! Logon exchanges, one file each: a line in, a challenge or credentials out. RFC 4422.
//!
//! An exchange never decides; it gives what the peer claims, and `auth` decides.

use crate::mail::Secret;

/// What a peer claims about himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name as it was typed: UTF-8, not empty, at most [`crate::limits::USER_NAME_OCTETS`].
    pub user_name: String,
    /// The password: not empty, at most [`crate::limits::PASSWORD_OCTETS`].
    pub password: Secret,
}

/// A way to log on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
}

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange {}

/// What comes next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge, base64 already, behind `334 ` or `+ `; it may be empty.
    Challenge(&'static str),
    /// The exchange is complete.
    Done(Credentials),
    /// The exchange is over without credentials.
    Failed(SaslError),
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
}

impl Mechanism {
    /// The mechanism of that name, in letters of any case.
    pub fn find(_name: &[u8]) -> Option<Mechanism> {
        todo!()
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        todo!()
    }

    /// Begins an exchange; `initial` is the initial response as it stood in the command, base64 or `=`.
    pub fn begin(self, _initial: Option<&[u8]>) -> (Exchange, Step) {
        todo!()
    }
}

impl Exchange {
    /// Takes one response line without its CRLF.
    pub fn respond(&mut self, _line: &[u8]) -> Step {
        todo!()
    }
}
