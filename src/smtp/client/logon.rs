//! Logging on at the server: inside verified TLS only, by the best way that both know. RFC 4954 (S-140).

use super::command::say;
use super::outcome::{FailureKind, Reply};
use super::{Client, Next, State, is_unknown};
use crate::limits;
use crate::mail::printable;
use crate::sasl::Mechanism;
use crate::sasl::client::{Exchange, ExchangeError, PREFERRED, Wiped, spoken};

/// A logon under way.
#[derive(Debug)]
pub(super) struct Logon {
    mechanism: Mechanism,
    exchange: Exchange,
    /// Whether the server has asked for something.
    is_challenged: bool,
}

impl Client {
    /// Begins the logon, if there is to be one.
    pub(super) fn log_on(&mut self, out: &mut Vec<u8>) -> Next {
        if self.terms.credentials.is_none() {
            self.state = State::Ready;
            return Next::Ready;
        }
        if !self.is_verified {
            let reply = Reply::found([4, 7, 11], if self.is_tls { UNVERIFIED } else { IN_CLEAR });
            return self.refused(FailureKind::Unsafe, reply, out);
        }
        match PREFERRED.into_iter().find(|mechanism| self.offer.mechanisms.contains(mechanism)) {
            Some(mechanism) => self.begin_logon(mechanism, out),
            None => self.refused(FailureKind::Unsafe, Reply::found([4, 7, 4], NO_MECHANISM), out),
        }
    }

    fn begin_logon(&mut self, mechanism: Mechanism, out: &mut Vec<u8>) -> Next {
        let Some(credentials) = &self.terms.credentials else { return self.out_of_step() };
        let exchange = Exchange::new(mechanism, &credentials.user, &credentials.password, &self.terms.seed);
        let Some(mut exchange) = exchange else {
            return self.refused(FailureKind::LogonRefused, Reply::found([5, 7, 8], UNFIT), out);
        };
        let mut command = Wiped::new(format!("AUTH {}", mechanism.name()));
        // RFC 4954 §4: the command is no longer than others; what has no room follows the challenge.
        let room = limits::HOP_COMMAND_OCTETS.saturating_sub(command.len() + " \r\n".len());
        if let Some(response) = exchange.initial(room) {
            command.reserve_exact(response.len() + 1);
            command.push(' ');
            command.push_str(&response);
        }
        say(&command, out);
        self.logon = Some(Box::new(Logon { mechanism, exchange, is_challenged: false }));
        self.state = State::Logon;
        Next::Read(limits::HOP_REPLY)
    }

    /// A reply to AUTH, or to a response. `challenge` is what stands behind the code of its last line.
    pub(super) fn answered_logon(&mut self, reply: Reply, challenge: &[u8], out: &mut Vec<u8>) -> Next {
        let Some(logon) = &mut self.logon else { return self.out_of_step() };
        match reply.code {
            334 => {
                logon.is_challenged = true;
                match logon.exchange.respond(challenge) {
                    Ok(response) => say(&response, out),
                    Err(error) => return self.broke_logon(error),
                }
                Next::Read(limits::HOP_REPLY)
            }
            _ if reply.is_positive() && logon.exchange.is_proven() => {
                (self.logon, self.state) = (None, State::Ready);
                Next::Ready
            }
            _ if reply.is_positive() => self.broke_logon(ExchangeError::WrongSignature),
            // It lists what it does not know.
            _ if is_unknown(&reply) && !logon.is_challenged => {
                let mechanism = logon.mechanism;
                self.try_another(mechanism, reply, out)
            }
            _ if reply.class() == 4 => self.refused(FailureKind::Unavailable, reply, out),
            _ if reply.class() == 5 => self.refused(FailureKind::LogonRefused, reply, out),
            _ => self.confused("its code is none of AUTH's"),
        }
    }

    fn try_another(&mut self, refused: Mechanism, reply: Reply, out: &mut Vec<u8>) -> Next {
        self.offer.mechanisms.retain(|&mechanism| mechanism != refused);
        if self.offer.mechanisms.is_empty() {
            return self.refused(FailureKind::LogonRefused, reply, out);
        }
        self.log_on(out)
    }

    fn broke_logon(&mut self, error: ExchangeError) -> Next {
        match error {
            ExchangeError::BadChallenge => self.confused("its challenge is none of that way to log on"),
            ExchangeError::BadIterations => {
                let text =
                    "The server asks SCRAM for too few rounds to be safe, or for more than anybody should";
                self.fail(FailureKind::Unsafe, Reply::found([4, 7, 4], text))
            }
            ExchangeError::WrongSignature => {
                let text = "The server does not prove that it knows the password: it may not be the one it says it is";
                self.fail(FailureKind::Unsafe, Reply::found([4, 7, 0], text))
            }
            ExchangeError::Refused => {
                let text = "The server finds the user name or the password wrong";
                self.fail(FailureKind::LogonRefused, Reply::found([5, 7, 8], text))
            }
        }
    }

    /// The reply to a logon without its text, if that repeats the password or what stands for it: who reads the log
    /// shall not know it.
    pub(super) fn without_password(&self, mut reply: Reply) -> Reply {
        let (State::Logon, Some(credentials)) = (self.state, &self.terms.credentials) else { return reply };
        let octets = credentials.password.expose();
        let shown: Wiped = Wiped::new(octets.chunks(1).map(printable).collect());
        let coded = spoken(&credentials.user, &credentials.password);
        if [&shown, &coded[0], &coded[1]]
            .iter()
            .any(|text| !text.is_empty() && reply.text.contains(text.as_str()))
        {
            reply.text = REPEATED.into();
        }
        reply
    }
}

/// Instead of a text.
const REPEATED: &str = "(its words repeat the password)";
/// TLS without a proof.
const UNVERIFIED: &str = "The server's certificate is not proven, and no password goes there without: set smarthost_tls \
    to required, and if the server has a certificate of its own, set smarthost_pin";
/// No TLS.
const IN_CLEAR: &str = "The server is reached without TLS, and no password goes in the clear: set smarthost_tls to \
    required or implicit, or set smarthost_user to off";
/// Nothing in common.
const NO_MECHANISM: &str = "The server offers none of SCRAM-SHA-256, PLAIN, LOGIN and CRAM-MD5 to log on: ask its \
    administrator, or set smarthost_user to off";
/// Not sendable.
const UNFIT: &str = "The user name or the password for the smart host is empty, or holds what can't be sent: set \
    smarthost_user and smarthost_password anew";
