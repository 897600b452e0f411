//! The AUTHORIZATION state: who is there? RFC 1939 §4, §7, RFC 2595 §4, RFC 5034.
//!
//! ```text
//!        USER          PASS
//! idle --------> named ----> logging on --welcome--> TRANSACTION
//!  | ^ \--AUTH-> exchange -------^ |
//!  | |              | fails        | refused
//!  | +--------------+--------------+
//!  +--STLS--> starting TLS --> idle
//! ```

use super::command::{Command, Mistake};
use super::transaction::OutOfStep;
use super::{Facts, LoginRefusal, Next, reply};
use crate::limits;
use crate::mail::printable;
use crate::sasl::scram::Salt;
use crate::sasl::{self, Claim, Exchange, Mechanism, SaslError, Step};

/// What is known before logon.
#[derive(Debug)]
pub struct Authorization {
    facts: Box<Facts>,
    step: At,
    failed_logons: usize,
    /// Exchanges begun on this connection.
    exchanges: u32,
    /// Whom the exchange under way has named.
    named: String,
}

#[derive(Debug)]
enum At {
    Idle,
    Named(String),
    Exchange(Exchange),
    /// The salt of a user is looked for.
    Salting(Exchange),
    /// A claim is looked into; without an exchange it came by USER and PASS or by APOP.
    Verifying {
        user_name: String,
        exchange: Option<Exchange>,
    },
    /// His maildrop is being opened.
    Entering {
        user_name: String,
    },
    StartingTls,
}

impl Authorization {
    /// The state at the beginning.
    pub fn new(facts: Box<Facts>) -> Authorization {
        Authorization { facts, step: At::Idle, failed_logons: 0, exchanges: 0, named: String::new() }
    }

    /// Whether a line would be a response of an exchange instead of a command.
    pub fn is_exchanging(&self) -> bool {
        matches!(self.step, At::Exchange(_))
    }

    /// Whether a command or a response can be taken now.
    pub fn takes_lines(&self) -> bool {
        matches!(self.step, At::Idle | At::Named(_) | At::Exchange(_))
    }

    /// Gives up an exchange, if one is under way.
    pub fn abandon_exchange(&mut self) {
        if self.is_exchanging() {
            self.step = At::Idle;
        }
    }

    /// Does a command of this state; `is_followed` tells whether octets lie behind it.
    pub fn command(
        &mut self,
        command: Command<'_>,
        is_followed: bool,
        out: &mut Vec<u8>,
    ) -> Result<Next, Mistake> {
        match command {
            Command::Capa => reply::capabilities(Some(&self.facts), out),
            Command::AuthList => reply::mechanisms(&self.facts, out),
            Command::User(name) => return self.user(name, out),
            Command::Pass(password) => return self.pass(password),
            Command::Auth { mechanism, initial } => return self.auth(mechanism, initial, out),
            Command::Stls => return self.start_tls(is_followed, out),
            Command::Quit => {
                reply::ok(out, "goodbye");
                return Ok(Next::Close);
            }
            _ => return Err(Mistake("log on first, with USER and PASS or with AUTH")),
        }
        Ok(Next::Read)
    }

    /// Takes a response of the exchange under way.
    pub fn response(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Next, Mistake> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Exchange(mut exchange) => {
                let step = exchange.respond(line);
                self.proceed(exchange, step, out)
            }
            other => {
                self.step = other;
                Err(Mistake("no exchange is under way; begin one with AUTH"))
            }
        }
    }

    /// Forgets what was said in the clear (RFC 2595 §4); false if no TLS was to begin.
    pub fn tls_started(&mut self, facts: Box<Facts>) -> bool {
        let was_awaited = matches!(self.step, At::StartingTls);
        if was_awaited {
            self.step = At::Idle;
            self.facts = facts;
        }
        was_awaited
    }

    /// The name under which he comes in, if he does so now.
    pub fn entering(&self) -> Option<&str> {
        match &self.step {
            At::Entering { user_name } => Some(user_name),
            _ => None,
        }
    }

    /// Whether an answer to a question of the logon is awaited.
    pub fn is_asking(&self) -> bool {
        matches!(self.step, At::Salting(_) | At::Verifying { .. } | At::Entering { .. })
    }

    /// Goes on with the salt that the exchange has asked for; errs if it has not.
    pub fn salted(&mut self, salt: Salt, out: &mut Vec<u8>) -> Result<Result<Next, Mistake>, OutOfStep> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Salting(mut exchange) => {
                let step = exchange.salted(salt);
                Ok(self.proceed(exchange, step, out))
            }
            _ => Err(OutOfStep),
        }
    }

    /// Goes on after a claim has been verified; errs if none was made.
    pub fn verified(
        &mut self,
        signature: Option<[u8; 32]>,
        out: &mut Vec<u8>,
    ) -> Result<Result<Next, Mistake>, OutOfStep> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Verifying { user_name, exchange: None } => {
                self.step = At::Entering { user_name };
                Ok(Ok(Next::Enter))
            }
            At::Verifying { user_name, exchange: Some(mut exchange) } => {
                self.named = user_name;
                let step = exchange.verified(signature);
                Ok(self.proceed(exchange, step, out))
            }
            _ => Err(OutOfStep),
        }
    }

    /// Tells him why he may not come in; too many wrong passwords end the session.
    pub fn refuse(&mut self, refusal: LoginRefusal, out: &mut Vec<u8>) -> Next {
        self.step = At::Idle;
        reply::err(
            out,
            match refusal {
                LoginRefusal::BadCredentials => "[AUTH] user name or password is wrong",
                LoginRefusal::Locked => "[SYS/PERM] the mailbox is locked; ask the administrator",
                LoginRefusal::InUse => {
                    "[IN-USE] another session has the maildrop; come again when it has ended"
                }
                LoginRefusal::TooSoon { .. } => {
                    "[LOGIN-DELAY] you have logged on a moment ago; come again later"
                }
                LoginRefusal::Busy => "[SYS/TEMP] too much to do; come again in a moment",
            },
        );
        if refusal == LoginRefusal::BadCredentials {
            self.failed_logons += 1;
            if self.failed_logons >= limits::LOGONS_PER_SESSION {
                return Next::Close;
            }
        }
        Next::Read
    }

    /// Any name is welcome, whether there is such a user or not (S-166).
    fn user(&mut self, name: &[u8], out: &mut Vec<u8>) -> Result<Next, Mistake> {
        self.step = At::Idle;
        self.ensure_passwords_are_taken()?;
        let name = sasl::parse_user_name(name)
            .map_err(|_| Mistake("USER takes a user name, in UTF-8 and without control characters"))?;
        self.step = At::Named(name);
        reply::ok(out, "and the password?");
        Ok(Next::Read)
    }

    fn pass(&mut self, password: &[u8]) -> Result<Next, Mistake> {
        self.ensure_passwords_are_taken()?;
        let At::Named(name) = std::mem::replace(&mut self.step, At::Idle) else {
            return Err(Mistake("give USER first"));
        };
        let claim = Claim::password(name.as_bytes(), password)
            .map_err(|_| Mistake("PASS takes a password; begin again with USER"))?;
        self.step = At::Verifying { user_name: name, exchange: None };
        Ok(Next::Verify(claim))
    }

    fn auth(&mut self, mechanism: &[u8], initial: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Next, Mistake> {
        self.step = At::Idle;
        let mechanism =
            Mechanism::find(mechanism).ok_or(Mistake("unknown mechanism; AUTH alone lists them"))?;
        if !self.facts.terms.offers(mechanism) {
            self.ensure_passwords_are_taken()?;
            return Err(Mistake("that mechanism is not offered here; AUTH alone lists those that are"));
        }
        let (exchange, step) = mechanism.begin(initial, &self.facts.terms, self.exchanges);
        self.exchanges = self.exchanges.saturating_add(1);
        self.proceed(exchange, step, out)
    }

    fn proceed(&mut self, exchange: Exchange, step: Step, out: &mut Vec<u8>) -> Result<Next, Mistake> {
        match step {
            Step::Challenge(challenge) => {
                // The blank stands also before nothing (quirk 2).
                reply::line(out, format_args!("+ {challenge}"));
                self.step = At::Exchange(exchange);
                Ok(Next::Read)
            }
            Step::Salt(user_name) => {
                self.step = At::Salting(exchange);
                Ok(Next::Salt { user_name })
            }
            Step::Claim(claim) => {
                self.step = At::Verifying { user_name: claim.user_name.clone(), exchange: Some(exchange) };
                Ok(Next::Verify(claim))
            }
            Step::Done => {
                self.step = At::Entering { user_name: std::mem::take(&mut self.named) };
                Ok(Next::Enter)
            }
            Step::Failed(SaslError::Cancelled) => {
                reply::err(out, "cancelled");
                Ok(Next::Read)
            }
            Step::Failed(SaslError::BadBase64) => Err(Mistake("that is no base64; begin again with AUTH")),
            Step::Failed(SaslError::BadResponse) => {
                Err(Mistake("that is not what the mechanism sends; begin again with AUTH"))
            }
            Step::Failed(SaslError::BadBinding) => Err(Mistake(
                "[AUTH] this logon is bound to another TLS connection; somebody may be listening",
            )),
            Step::Failed(SaslError::ForeignAuthorization) => {
                Err(Mistake("[AUTH] nobody here may act as another user; leave that name empty"))
            }
        }
    }

    fn start_tls(&mut self, is_followed: bool, out: &mut Vec<u8>) -> Result<Next, Mistake> {
        if self.facts.terms.channel.is_some() {
            return Err(Mistake("TLS is active already"));
        }
        if !self.facts.offers_stls {
            return Err(Mistake("TLS can't begin here; the server offers none on this port"));
        }
        if is_followed {
            // What came in the clear behind STLS must never be taken for what came inside TLS (S-032).
            reply::err(out, "nothing may follow STLS before TLS; closing");
            return Ok(Next::Close);
        }
        self.step = At::StartingTls;
        reply::ok(out, "begin TLS");
        Ok(Next::StartTls)
    }

    fn ensure_passwords_are_taken(&self) -> Result<(), Mistake> {
        match &*self.facts {
            facts if facts.terms.takes_passwords => Ok(()),
            facts if facts.offers_stls => Err(Mistake("STLS first: passwords are not taken in the clear")),
            _ => Err(Mistake("passwords are not taken on this connection; use a port with TLS")),
        }
    }
}

/// The user name as a reply may have it.
pub fn greeting_name(user_name: &str) -> String {
    printable(user_name.as_bytes())
}
