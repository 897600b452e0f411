//! STARTTLS and AUTH. RFC 3207, RFC 4954.

use super::{Phase, Session};
use crate::limits;
use crate::sasl::scram::Salt;
use crate::sasl::{Exchange, Mechanism, Relayed, SaslError, Step, Terms};
use crate::smtp::reply::{self, say};
use crate::smtp::{Door, Event, Next};

impl Session {
    pub(super) fn start_tls(&mut self, out: &mut Vec<u8>) -> Next {
        if self.facts.tls.is_some() {
            return self.refuse(reply::TLS_ALREADY, out);
        }
        if !self.facts.offers_starttls {
            return self.refuse(reply::UNOFFERED_COMMAND, out);
        }
        self.phase = Phase::TlsHandshake;
        say(out, reply::BEGIN_TLS);
        Next::StartTls
    }

    /// What was said before TLS may have been said by anybody: all of it is forgotten. RFC 3207 §4.2.
    pub(super) fn begin_again(&mut self, tls: String, terms: Terms, out: &mut Vec<u8>) -> Next {
        if !matches!(self.phase, Phase::TlsHandshake) {
            return self.hang_up(reply::OUT_OF_STEP, out);
        }
        self.facts.tls = Some(tls);
        self.facts.offers_starttls = false;
        self.facts.terms = terms;
        self.facts.tls_terms = None;
        (self.hello, self.user, self.mail) = (None, None, None);
        self.phase = Phase::Command;
        Next::Read
    }

    pub(super) fn begin_logon(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Next {
        if self.facts.door == Door::Mx {
            return self.refuse(reply::UNOFFERED_COMMAND, out);
        }
        if self.is_logged_in() {
            return self.refuse(reply::ALREADY_LOGGED_IN, out);
        }
        let mut words = argument.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
        let (Some(name), initial, None) = (words.next(), words.next(), words.next()) else {
            return self.refuse(reply::BAD_AUTH, out);
        };
        let Some(mechanism) = Mechanism::find(name) else {
            return self.refuse(reply::UNKNOWN_MECHANISM, out);
        };
        if !self.facts.terms.offers(mechanism) {
            // RFC 4954 §6: 538 only where TLS would help.
            let is_early = self.facts.tls_terms.as_ref().is_some_and(|inside| inside.offers(mechanism));
            let text = if is_early { reply::ENCRYPTION_REQUIRED } else { reply::UNKNOWN_MECHANISM };
            return self.refuse(text, out);
        }
        self.proven = None;
        let (exchange, step) = mechanism.begin(initial, &self.facts.terms, self.exchanges);
        self.exchanges = self.exchanges.saturating_add(1);
        self.take_step(exchange, step, out)
    }

    pub(super) fn take_response(&mut self, line: &[u8], is_followed: bool, out: &mut Vec<u8>) -> Next {
        // The peer can't know yet what to say next (S-163).
        if is_followed {
            return self.hang_up(reply::UNSYNCHRONIZED, out);
        }
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Response(mut exchange) => {
                let step = exchange.respond(line);
                self.take_step(exchange, step, out)
            }
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    pub(super) fn take_salt(&mut self, salt: Salt, out: &mut Vec<u8>) -> Next {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Salt(mut exchange) => {
                let step = exchange.salted(salt);
                self.take_step(exchange, step, out)
            }
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    pub(super) fn take_relayed(&mut self, answer: Relayed, out: &mut Vec<u8>) -> Next {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Relay(mut exchange) => {
                let step = exchange.relayed(answer);
                self.take_step(exchange, step, out)
            }
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    fn take_step(&mut self, exchange: Exchange, step: Step, out: &mut Vec<u8>) -> Next {
        match step {
            Step::Challenge(challenge) => {
                say(out, &format!("334 {challenge}"));
                self.phase = Phase::Response(exchange);
                Next::Read
            }
            Step::Salt(user_name) => {
                self.phase = Phase::Salt(exchange);
                Next::Salt(user_name)
            }
            Step::Relay(message) => {
                self.phase = Phase::Relay(exchange);
                Next::Relay(message)
            }
            Step::Claim(claim) => {
                self.phase = Phase::Login(exchange);
                Next::Login(claim)
            }
            Step::Done => {
                self.user = self.proven.take();
                self.accept(reply::LOGGED_IN, out)
            }
            Step::Failed(SaslError::Cancelled) => self.refuse(reply::LOGON_CANCELLED, out),
            Step::Failed(SaslError::BadBase64) => self.refuse(reply::BAD_BASE64, out),
            Step::Failed(SaslError::BadBinding) => {
                self.bad_bindings = self.bad_bindings.saturating_add(1);
                self.refuse_logon(out)
            }
            // Told like a wrong password, which it may well be: an empty one, an over-long one (A11).
            Step::Failed(SaslError::BadResponse | SaslError::ForeignAuthorization) => self.refuse_logon(out),
        }
    }

    pub(super) fn take_verdict(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        match (std::mem::replace(&mut self.phase, Phase::Command), event) {
            (Phase::Login(mut exchange), Event::LoggedIn { user, signature }) => {
                self.proven = Some(user);
                let step = exchange.verified(signature);
                self.take_step(exchange, step, out)
            }
            (Phase::Login(_), Event::LoginRefused) => self.refuse_logon(out),
            (Phase::Login(_), Event::LoginLocked) => self.refuse(reply::ACCOUNT_LOCKED, out),
            (Phase::Login(_), Event::LoginBusy) => self.refuse(reply::LOGON_BUSY, out),
            (Phase::Login(_) | Phase::Salt(_) | Phase::Relay(_), Event::StoreFailed) => {
                self.refuse(reply::LOGON_UNDECIDED, out)
            }
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    fn refuse_logon(&mut self, out: &mut Vec<u8>) -> Next {
        self.counts.logons_failed += 1;
        if self.counts.logons_failed < limits::LOGONS_PER_SESSION {
            return self.accept(reply::LOGON_REFUSED, out);
        }
        // The answer to the logon first, so that the user is told of his password, not of the limit.
        say(out, reply::LOGON_REFUSED);
        self.hang_up(reply::TOO_MANY_LOGONS, out)
    }
}
