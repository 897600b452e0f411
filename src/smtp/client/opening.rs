//! From the connection to the logon: greeting, EHLO, STARTTLS. RFC 5321 §3.1, §3.2, RFC 3207.

use super::command::say;
use super::offer::Offer;
use super::outcome::{FailureKind, Reply};
use super::{Client, Hello, Next, State};
use crate::limits;
use crate::mail::HopTls;

impl Client {
    /// The connection stands. The driver has looked at the certificate; this only makes sure.
    pub(super) fn connected(&mut self, is_verified: bool) -> Next {
        self.is_tls = self.terms.tls == HopTls::Implicit;
        self.is_verified = self.is_tls && is_verified;
        self.state = State::Greeting;
        if self.is_tls && !is_verified {
            return self.fail(FailureKind::Unsafe, Reply::found([4, 7, 5], UNPROVEN));
        }
        Next::Read(limits::HOP_GREETING)
    }

    pub(super) fn greeted(&mut self, reply: Reply, out: &mut Vec<u8>) -> Next {
        match reply.class() {
            2 if self.is_own_name(&reply.text) => self.fail_ourselves(),
            2 => self.say_hello(if self.terms.is_lmtp { Hello::Lhlo } else { Hello::Ehlo }, out),
            4 | 5 => self.refused(FailureKind::Unavailable, reply, out),
            _ => self.confused("its code is none of a greeting"),
        }
    }

    /// A line of the reply to EHLO, without its code.
    pub(super) fn learn(&mut self, hello: Hello, line: &[u8], is_first: bool) {
        if is_first {
            let name = String::from_utf8_lossy(line);
            self.meets_itself |= self.is_own_name(&name);
        } else if hello != Hello::Helo {
            self.offer.learn(line);
        }
    }

    pub(super) fn helloed(&mut self, hello: Hello, reply: Reply, out: &mut Vec<u8>) -> Next {
        let needs_extensions =
            self.terms.credentials.is_some() || (self.wants_tls() && self.terms.tls == HopTls::Required);
        match reply.class() {
            2 if self.meets_itself => self.fail_ourselves(),
            2 if self.wants_tls() && self.offer.starttls => {
                say("STARTTLS", out);
                self.state = State::StartTls;
                Next::Read(limits::HOP_REPLY)
            }
            2 if self.wants_tls() && self.terms.tls == HopTls::Required => {
                let text =
                    "The server offers no STARTTLS, and nothing is sent to it without: is its port right?";
                self.refused(FailureKind::Unsafe, Reply::found([4, 7, 4], text), out)
            }
            2 => self.log_on(out),
            // RFC 5321 §3.2: an old server.
            5 if hello == Hello::Ehlo && HELO_CODES.contains(&reply.code) && !needs_extensions => {
                self.say_hello(Hello::Helo, out)
            }
            4 | 5 => self.refused(FailureKind::Unavailable, reply, out),
            _ => self.confused("its code is none of EHLO's"),
        }
    }

    /// The reply to STARTTLS. What lies behind it was said by somebody without a key (S-045).
    pub(super) fn answered_starttls(&mut self, reply: Reply, is_followed: bool, out: &mut Vec<u8>) -> Next {
        match reply.class() {
            _ if is_followed => {
                let text = "Somebody puts words into the server's mouth: more than a reply came before TLS";
                self.fail(FailureKind::Unsafe, Reply::found([4, 7, 0], text))
            }
            2 => {
                self.state = State::Handshake;
                Next::StartTls
            }
            4 | 5 if self.terms.tls == HopTls::Opportunistic => self.log_on(out),
            4 | 5 => self.refused(FailureKind::Unsafe, reply, out),
            _ => self.confused("its code is none of STARTTLS's"),
        }
    }

    /// TLS stands: what was said before is forgotten. RFC 3207 §4.2.
    pub(super) fn tls_started(&mut self, is_verified: bool, out: &mut Vec<u8>) -> Next {
        (self.is_tls, self.is_verified) = (true, is_verified);
        if self.terms.tls == HopTls::Required && !is_verified {
            return self.fail(FailureKind::Unsafe, Reply::found([4, 7, 5], UNPROVEN));
        }
        self.say_hello(if self.terms.is_lmtp { Hello::Lhlo } else { Hello::Ehlo }, out)
    }

    fn say_hello(&mut self, hello: Hello, out: &mut Vec<u8>) -> Next {
        self.offer = Offer::default();
        self.state = State::Hello(hello);
        say(&format!("{} {}", hello.verb(), self.terms.hostname), out);
        Next::Read(limits::HOP_REPLY)
    }

    fn wants_tls(&self) -> bool {
        !self.is_tls && !self.shuns_tls && self.terms.tls != HopTls::Implicit
    }

    /// Whether the first word of that is our own name, on our own machine. By LMTP it may well be: a server for mailboxes
    /// stands on the same machine, and we are none. RFC 2033 §4.2.
    fn is_own_name(&self, text: &str) -> bool {
        let name = text.split_ascii_whitespace().next().unwrap_or_default();
        self.terms.is_here
            && !self.terms.is_lmtp
            && !name.is_empty()
            && name.eq_ignore_ascii_case(&self.terms.hostname)
    }

    fn fail_ourselves(&mut self) -> Next {
        let text = "The server goes by our own name: the way leads back to this server";
        self.fail(FailureKind::Ourselves, Reply::found([5, 4, 6], text))
    }
}

impl Hello {
    fn verb(self) -> &'static str {
        match self {
            Hello::Ehlo => "EHLO",
            Hello::Helo => "HELO",
            Hello::Lhlo => "LHLO",
        }
    }
}

/// What servers say that don't know EHLO. RFC 5321 §4.2.4.
const HELO_CODES: [u16; 6] = [500, 501, 502, 503, 504, 555];
/// Of a certificate.
const UNPROVEN: &str = "The server's certificate is not proven, and nothing is sent to it without";
