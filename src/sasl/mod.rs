//! Logon exchanges, one file each: a line in, a challenge or credentials out. RFC 4422.
//!
//! An exchange never decides; it gives what the peer claims, and `auth` decides.
//!
//! ```text
//! PLAIN: begin ---initial response---> Done | Failed
//!          +--Challenge("")--respond---> Done | Failed
//! LOGIN: begin --Challenge(user name)--respond--> Challenge(password) --respond--> Done | Failed
//!          +--------------initial response--------------^
//! ```

mod base64;
mod login;
mod plain;

use crate::limits;
use crate::mail::Secret;

/// What a peer claims about himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name as it was typed: UTF-8, not empty, at most [`crate::limits::USER_NAME_OCTETS`].
    pub user_name: String,
    /// The password: not empty, at most [`crate::limits::PASSWORD_OCTETS`].
    pub password: Secret,
}

impl Credentials {
    /// Takes a user name and a password as they came. Errs with [`SaslError::BadResponse`] if one of them
    /// is empty or too long, if the name is not UTF-8 or holds a control character, or if the password
    /// holds a NUL. RFC 4616 §2.
    pub fn new(user_name: &[u8], password: &[u8]) -> Result<Credentials, SaslError> {
        if password.is_empty() || password.len() > limits::PASSWORD_OCTETS || password.contains(&0) {
            return Err(SaslError::BadResponse);
        }
        Ok(Credentials { user_name: parse_user_name(user_name)?, password: Secret::new(password) })
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
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login.
    Login,
}

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange {
    state: State,
}

#[derive(Debug)]
enum State {
    Plain,
    LoginUserName,
    LoginPassword { user_name: String },
    Over,
}

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
    /// Every mechanism, in the order in which they are offered.
    pub const ALL: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

    /// The mechanism of that name, in letters of any case.
    pub fn find(name: &[u8]) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }

    /// Begins an exchange; `initial` is the initial response as it stood in the command, base64, or `=`
    /// for the empty one. RFC 4954 §4, RFC 5034 §4.
    pub fn begin(self, initial: Option<&[u8]>) -> (Exchange, Step) {
        let (state, challenge) = match self {
            Mechanism::Plain => (State::Plain, plain::CHALLENGE),
            Mechanism::Login => (State::LoginUserName, login::USER_NAME_CHALLENGE),
        };
        let mut exchange = Exchange { state };
        let step = match initial {
            None => Step::Challenge(challenge),
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

    fn take(&mut self, text: &[u8]) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        let Some(response) = base64::decode(text) else {
            return Step::Failed(SaslError::BadBase64);
        };
        let outcome = match state {
            State::Plain => plain::parse(&response),
            State::LoginUserName => match parse_user_name(&response) {
                Ok(user_name) => {
                    self.state = State::LoginPassword { user_name };
                    return Step::Challenge(login::PASSWORD_CHALLENGE);
                }
                Err(error) => Err(error),
            },
            State::LoginPassword { user_name } => Credentials::new(user_name.as_bytes(), &response),
            State::Over => Err(SaslError::BadResponse),
        };
        match outcome {
            Ok(credentials) => Step::Done(credentials),
            Err(error) => Step::Failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::*;

    #[test]
    fn mechanisms_are_found_by_name_in_any_case_s_164() {
        assert_eq!(Mechanism::find(b"PLAIN"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::find(b"login"), Some(Mechanism::Login));
        assert_eq!(Mechanism::find(b"Plain"), Some(Mechanism::Plain));
        let long = [b'A'; 65];
        for unknown in [&b""[..], b"PLAI", b"PLAINX", b"CRAM-MD5", b"NTLM", b"PLAIN ", b"PLAIN\0", &long] {
            assert_eq!(Mechanism::find(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn a_star_cancels_wherever_a_response_is_awaited_s_154() {
        for mechanism in Mechanism::ALL {
            let (mut exchange, _) = mechanism.begin(None);
            assert_eq!(exchange.respond(b"*"), Step::Failed(SaslError::Cancelled));
            assert_eq!(exchange.respond(b"AGEAYg=="), Step::Failed(SaslError::BadResponse));
        }
        let (mut exchange, _) = Mechanism::Login.begin(Some(b"YWxpY2U="));
        assert_eq!(exchange.respond(b"*"), Step::Failed(SaslError::Cancelled));
    }

    #[test]
    fn a_star_in_the_command_is_no_cancellation_but_bad_base64() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.begin(Some(b"*")).1, Step::Failed(SaslError::BadBase64));
        }
    }

    #[test]
    fn an_equals_sign_is_the_empty_initial_response_and_nothing_later_s_158() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.begin(Some(b"=")).1, Step::Failed(SaslError::BadResponse));
            let (mut exchange, _) = mechanism.begin(None);
            assert_eq!(exchange.respond(b"="), Step::Failed(SaslError::BadBase64));
            let (mut exchange, _) = mechanism.begin(None);
            assert_eq!(exchange.respond(b""), Step::Failed(SaslError::BadResponse));
        }
    }

    #[test]
    fn an_exchange_that_is_over_stays_over() {
        let (mut exchange, step) = Mechanism::Plain.begin(Some(b"AGEAYg=="));
        assert!(matches!(step, Step::Done(_)));
        assert_eq!(exchange.respond(b"AGEAYg=="), Step::Failed(SaslError::BadResponse));
        let (mut exchange, _) = Mechanism::Login.begin(Some(b"!"));
        assert_eq!(exchange.respond(b"YWxpY2U="), Step::Failed(SaslError::BadResponse));
    }

    #[test]
    fn names_and_passwords_are_held_at_their_edges_s_159() {
        let new = |name: usize, password: usize| Credentials::new(&vec![b'n'; name], &vec![b'p'; password]);
        let most = (limits::USER_NAME_OCTETS, limits::PASSWORD_OCTETS);
        for (name, password) in [(1, 1), (most.0 - 1, most.1 - 1), most] {
            let credentials = new(name, password).unwrap();
            assert_eq!((credentials.user_name.len(), credentials.password.expose().len()), (name, password));
        }
        for (name, password) in [(0, 1), (1, 0), (most.0 + 1, 1), (1, most.1 + 1)] {
            assert_eq!(new(name, password), Err(SaslError::BadResponse), "{name} {password}");
        }
    }

    #[test]
    fn user_names_are_utf_8_without_control_characters() {
        for good in ["a", "alice@home.lan", "jörg", "a b", "'; --"] {
            assert_eq!(Credentials::new(good.as_bytes(), b"x").unwrap().user_name, good);
        }
        for bad in [&b"a\n"[..], b"\x7f", b"a\rb", b"a\0b", b"\xFF", b"j\xF6rg", "a\u{85}".as_bytes()] {
            assert_eq!(Credentials::new(bad, b"x"), Err(SaslError::BadResponse), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_any_octets_but_nul() {
        for good in [&b" a b "[..], b"\xFF\xFE", b"\t", "ö".as_bytes()] {
            assert_eq!(Credentials::new(b"a", good).unwrap().password.expose(), good);
        }
        assert_eq!(Credentials::new(b"a", b"x\0y"), Err(SaslError::BadResponse));
    }

    #[test]
    fn no_response_makes_an_exchange_panic() {
        let seed = 4616;
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let mechanism = Mechanism::ALL[random.usize(..2)];
            let (mut exchange, _) = mechanism.begin(None);
            for _ in 0..3 {
                let octets: Vec<u8> = (0..random.usize(..12)).map(|_| random.u8(..) % 4 * 47).collect();
                let text = if random.bool() { Base64::encode_string(&octets).into_bytes() } else { octets };
                if let Step::Done(credentials) = exchange.respond(&text) {
                    assert!(!credentials.user_name.is_empty() && !credentials.password.expose().is_empty());
                }
            }
        }
    }
}
