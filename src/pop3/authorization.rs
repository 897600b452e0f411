//! The AUTHORIZATION state: who is there? RFC 1939 §4, §7, RFC 2595 §4, RFC 5034.
//!
//! ```text
//!        USER          PASS
//! idle --------> named ----> logging on --welcome--> TRANSACTION
//!  | ^ \--APOP-----------------^   |
//!  | ^ \--AUTH-> exchange -------^ |
//!  | |              | fails        | refused
//!  | +--------------+--------------+
//!  +--STLS--> starting TLS --> idle
//! ```

use super::command::Command;
use super::language::{Mistake, Text};
use super::reply::Replies;
use super::transaction::OutOfStep;
use super::{Facts, LoginRefusal, Next};
use crate::limits;
use crate::sasl::scram::Salt;
use crate::sasl::{self, Claim, Exchange, Mechanism, Proof, Relayed, SaslError, Step, apop};

/// What is known before logon.
#[derive(Debug)]
pub struct Authorization {
    facts: Box<Facts>,
    /// What stood in the greeting for APOP.
    timestamp: Option<Box<str>>,
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
    /// Samba's helper looks into a message.
    Relaying(Exchange),
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
        let timestamp = facts.terms.takes_challenges.then(|| apop::timestamp(&facts.terms).into());
        Authorization {
            facts,
            timestamp,
            step: At::Idle,
            failed_logons: 0,
            exchanges: 0,
            named: String::new(),
        }
    }

    /// What is known of the connection.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What the greeting shows for APOP; nothing where it would not work (quirk 6).
    pub fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
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
        out: &mut Replies<'_>,
    ) -> Result<Next, Mistake> {
        match command {
            Command::Capa => out.capabilities(&self.facts, None),
            Command::AuthList => out.mechanisms(&self.facts),
            Command::Utf8 => {
                out.voice.is_utf8 = true;
                out.ok(Text::Utf8);
            }
            Command::Apop { name, digest } => return self.apop(name, digest),
            Command::User(name) => return self.user(name, out),
            Command::Pass(password) => return self.pass(password),
            Command::Auth { mechanism, initial } => return self.auth(mechanism, initial, out),
            Command::Stls => return self.start_tls(is_followed, out),
            Command::Quit => {
                out.ok(Text::Goodbye);
                return Ok(Next::Close);
            }
            _ => return Err(Mistake::LogOnFirst),
        }
        Ok(Next::Read)
    }

    /// Takes a response of the exchange under way.
    pub fn response(&mut self, line: &[u8], out: &mut Replies<'_>) -> Result<Next, Mistake> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Exchange(mut exchange) => {
                let step = exchange.respond(line);
                self.proceed(exchange, step, out)
            }
            other => {
                self.step = other;
                Err(Mistake::NoExchange)
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

    /// The name under which he comes in, and what is known of his connection; errs if he doesn't come in now.
    pub fn enter(&mut self) -> Result<(String, Box<Facts>), OutOfStep> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Entering { user_name } => Ok((user_name, std::mem::take(&mut self.facts))),
            _ => Err(OutOfStep),
        }
    }

    /// Whether an answer to a question of the logon is awaited.
    pub fn is_asking(&self) -> bool {
        matches!(self.step, At::Salting(_) | At::Relaying(_) | At::Verifying { .. } | At::Entering { .. })
    }

    /// Goes on with the salt that the exchange has asked for; errs if it has not.
    pub fn salted(&mut self, salt: Salt, out: &mut Replies<'_>) -> Result<Result<Next, Mistake>, OutOfStep> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Salting(mut exchange) => {
                let step = exchange.salted(salt);
                Ok(self.proceed(exchange, step, out))
            }
            _ => Err(OutOfStep),
        }
    }

    /// Goes on with what Samba's helper says; errs if it was not asked.
    pub fn relayed(
        &mut self,
        answer: Relayed,
        out: &mut Replies<'_>,
    ) -> Result<Result<Next, Mistake>, OutOfStep> {
        match std::mem::replace(&mut self.step, At::Idle) {
            At::Relaying(mut exchange) => {
                let step = exchange.relayed(answer);
                Ok(self.proceed(exchange, step, out))
            }
            _ => Err(OutOfStep),
        }
    }

    /// Goes on after a claim has been verified; errs if none was made.
    pub fn verified(
        &mut self,
        signature: Option<[u8; 32]>,
        out: &mut Replies<'_>,
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
    pub fn refuse(&mut self, refusal: LoginRefusal, out: &mut Replies<'_>) -> Next {
        self.step = At::Idle;
        out.err(match refusal {
            LoginRefusal::BadCredentials => Text::BadCredentials,
            LoginRefusal::Locked => Text::Locked,
            LoginRefusal::InUse => Text::InUse,
            LoginRefusal::TooSoon { seconds } => Text::TooSoon(seconds),
            LoginRefusal::Busy => Text::Busy,
        });
        if refusal == LoginRefusal::BadCredentials {
            self.failed_logons += 1;
            if self.failed_logons >= limits::LOGONS_PER_SESSION {
                return Next::Close;
            }
        }
        Next::Read
    }

    /// Any name is welcome, whether there is such a user or not (S-166).
    fn user(&mut self, name: &[u8], out: &mut Replies<'_>) -> Result<Next, Mistake> {
        self.step = At::Idle;
        self.ensure_passwords_are_taken()?;
        let name = sasl::parse_user_name(name).map_err(|_| Mistake::UserUsage)?;
        self.step = At::Named(name);
        out.ok(Text::AndThePassword);
        Ok(Next::Read)
    }

    fn pass(&mut self, password: &[u8]) -> Result<Next, Mistake> {
        self.ensure_passwords_are_taken()?;
        let At::Named(name) = std::mem::replace(&mut self.step, At::Idle) else {
            return Err(Mistake::UserFirst);
        };
        let claim = Claim::password(name.as_bytes(), password).map_err(|_| Mistake::NoPassword)?;
        self.step = At::Verifying { user_name: name, exchange: None };
        Ok(Next::Verify(claim))
    }

    /// A digest over the time stamp of the greeting. The stamp stays good after STLS, which has no greeting of its
    /// own: clients have kept it, it is ours alone and fresh, and who has put another one in its place can't see
    /// inside TLS what it was good for (S-183). RFC 1939 §7.
    fn apop(&mut self, name: &[u8], digest: &[u8]) -> Result<Next, Mistake> {
        self.step = At::Idle;
        let timestamp = self.timestamp.as_deref().filter(|_| self.facts.terms.takes_challenges);
        let timestamp = timestamp.ok_or(Mistake::NoTimestamp)?.to_owned();
        let user_name = sasl::parse_user_name(name).map_err(|_| Mistake::ApopUsage)?;
        let digest = apop::parse_digest(digest).ok_or(Mistake::ApopUsage)?;
        self.step = At::Verifying { user_name: user_name.clone(), exchange: None };
        Ok(Next::Verify(Claim { user_name, proof: Proof::Apop(apop::Proof { timestamp, digest }) }))
    }

    fn auth(
        &mut self,
        mechanism: &[u8],
        initial: Option<&[u8]>,
        out: &mut Replies<'_>,
    ) -> Result<Next, Mistake> {
        self.step = At::Idle;
        let mechanism = Mechanism::find(mechanism).ok_or(Mistake::UnknownMechanism)?;
        self.ensure_is_offered(mechanism)?;
        let (exchange, step) = mechanism.begin(initial, &self.facts.terms, self.exchanges);
        self.exchanges = self.exchanges.saturating_add(1);
        self.proceed(exchange, step, out)
    }

    fn proceed(&mut self, exchange: Exchange, step: Step, out: &mut Replies<'_>) -> Result<Next, Mistake> {
        match step {
            Step::Challenge(challenge) => {
                // The blank stands also before nothing (quirk 2).
                out.line(format_args!("+ {challenge}"));
                self.step = At::Exchange(exchange);
                Ok(Next::Read)
            }
            Step::Salt(user_name) => {
                self.step = At::Salting(exchange);
                Ok(Next::Salt { user_name })
            }
            Step::Relay(message) => {
                self.step = At::Relaying(exchange);
                Ok(Next::Relay { message })
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
                out.err(Text::Cancelled);
                Ok(Next::Read)
            }
            Step::Failed(SaslError::BadBase64) => Err(Mistake::BadBase64),
            Step::Failed(SaslError::BadResponse) => Err(Mistake::BadResponse),
            Step::Failed(SaslError::BadBinding) => Err(Mistake::BadBinding),
            Step::Failed(SaslError::ForeignAuthorization) => Err(Mistake::ForeignAuthorization),
        }
    }

    fn start_tls(&mut self, is_followed: bool, out: &mut Replies<'_>) -> Result<Next, Mistake> {
        if self.facts.terms.channel.is_some() {
            return Err(Mistake::TlsActive);
        }
        if !self.facts.offers_stls {
            return Err(Mistake::NoTls);
        }
        if out.voice.is_utf8 {
            return Err(Mistake::StlsAfterUtf8);
        }
        if is_followed {
            // What came in the clear behind STLS must never be taken for what came inside TLS (S-032).
            out.err(Text::BehindStls);
            return Ok(Next::Close);
        }
        self.step = At::StartingTls;
        out.ok(Text::BeginTls);
        Ok(Next::StartTls)
    }

    fn ensure_passwords_are_taken(&self) -> Result<(), Mistake> {
        match &*self.facts {
            facts if facts.terms.takes_passwords => Ok(()),
            facts if facts.offers_stls && facts.behind_stls.takes_passwords => Err(Mistake::StlsFirst),
            facts if facts.offers_stls || facts.terms.channel.is_some() => Err(Mistake::PasswordsNotTaken),
            _ => Err(Mistake::PasswordsNeedTls),
        }
    }

    /// Says what to do instead if the mechanism doesn't work now.
    fn ensure_is_offered(&self, mechanism: Mechanism) -> Result<(), Mistake> {
        let Facts { terms, offers_stls, behind_stls, .. } = &*self.facts;
        if terms.offers(mechanism) {
            return Ok(());
        }
        Err(match mechanism {
            Mechanism::Plain | Mechanism::Login => return self.ensure_passwords_are_taken(),
            Mechanism::CramMd5 | Mechanism::Ntlm if *offers_stls && behind_stls.takes_challenges => {
                Mistake::MechanismNeedsTls
            }
            Mechanism::Ntlm if !terms.takes_challenges && !terms.relays_ntlm => Mistake::MechanismNotOffered,
            Mechanism::External | Mechanism::Ntlm | Mechanism::ScramSha256Plus if terms.channel.is_none() => {
                Mistake::MechanismNeedsTls
            }
            Mechanism::External => Mistake::NoCertificate,
            Mechanism::ScramSha256Plus => Mistake::MechanismNeedsTls13,
            _ => Mistake::MechanismNotOffered,
        })
    }
}
