//! One logon exchange: any lines in any order, and what must hold of each step.

use base64ct::{Base64, Encoding};
use poppet::sasl::{Claim, Exchange, Mechanism, Step, Terms};

use crate::choices::Choices;
use crate::claims;

/// Stands in an input for the nonce that the server has added, which nobody can foresee.
const NONCE: &[u8] = b"%r";

/// An exchange that is played, and what has been said in it.
pub struct Play {
    terms: Terms,
    /// Responses as the mechanism saw them, before base64.
    pub responses: Vec<Vec<u8>>,
    /// Challenges as the mechanism made them.
    pub challenges: Vec<Vec<u8>>,
    /// Whether the claim made last has been found true.
    is_verified: bool,
    is_over: bool,
}

/// Plays an input against a mechanism: choices, then responses with CRLF between them. `check` gets each claim
/// with all that was said before it.
pub fn play(mechanism: Mechanism, input: &[u8], check: impl Fn(&Claim, &Terms, &Play)) {
    let Some((mut choices, said)) = Choices::take(input) else { return };
    let terms = choices.terms();
    // SCRAM without a binding it could have is a matter of its own words, whatever was offered.
    if !terms.offers(mechanism) && !mechanism.name().starts_with("SCRAM-") {
        return;
    }
    let shape = choices.octet();
    let is_raw = shape & 1 == 1;
    let mut play =
        Play { terms, responses: Vec::new(), challenges: Vec::new(), is_verified: false, is_over: false };
    let mut lines = lines(said);
    let initial = if shape & 2 == 2 { lines.next().map(|line| play.spell(line, is_raw)) } else { None };
    let (mut exchange, mut step) = mechanism.begin(initial.as_deref(), &play.terms, u32::from(shape >> 4));
    for _ in 0..MOST_STEPS {
        play.hold(&step, &check);
        step = match &step {
            Step::Salt(_) if choices.one_of(8) != 0 => exchange.salted(claims::SALT),
            Step::Relay(_) if choices.one_of(8) != 0 => exchange.relayed(claims::relayed(choices.octet())),
            Step::Claim(claim) if choices.one_of(8) != 0 => play.verify(&mut exchange, claim, &mut choices),
            // Not what was asked for.
            Step::Challenge(_) if choices.octet() == 0xFF => exchange.verified(Some([3; 32])),
            Step::Challenge(_) if choices.octet() == 0xFE => exchange.salted(claims::SALT),
            _ => match lines.next() {
                Some(line) => {
                    let line = play.spell(line, is_raw);
                    exchange.respond(&line)
                }
                None => break,
            },
        };
    }
    if play.is_over {
        assert!(!matches!(exchange.verified(Some([3; 32])), Step::Done), "done again after the end");
    }
}

/// Steps of one input, at most.
const MOST_STEPS: usize = 12;

impl Play {
    /// The line that says a response; notes what it says.
    fn spell(&mut self, line: &[u8], is_raw: bool) -> Vec<u8> {
        let mut response = line.to_vec();
        if let Some(at) = line.windows(NONCE.len()).position(|window| window == NONCE) {
            response.splice(at..at + NONCE.len(), self.nonce());
        }
        if is_raw {
            let octets = if response == b"=" { Some(Vec::new()) } else { decode(&response) };
            self.responses.extend(octets);
            response
        } else {
            let line = Base64::encode_string(&response).into_bytes();
            self.responses.push(response);
            line
        }
    }

    /// SCRAM's nonce, if the last challenge has one.
    fn nonce(&self) -> Vec<u8> {
        let challenge = self.challenges.last().map_or(&b""[..], |challenge| challenge);
        let nonce = challenge.strip_prefix(b"r=").unwrap_or_default();
        nonce.split(|&octet| octet == b',').next().unwrap_or_default().to_vec()
    }

    fn verify(&mut self, exchange: &mut Exchange, claim: &Claim, choices: &mut Choices<'_>) -> Step {
        let is_scram = matches!(claim.proof, poppet::sasl::Proof::Scram(_));
        let signature = (is_scram && choices.one_of(8) != 0).then_some([4; 32]);
        self.is_verified = !is_scram || signature.is_some();
        exchange.verified(signature)
    }

    fn hold(&mut self, step: &Step, check: impl Fn(&Claim, &Terms, &Play)) {
        assert!(
            !self.is_over || matches!(step, Step::Failed(_)),
            "an exchange goes on after its end: {step:?}"
        );
        match step {
            Step::Challenge(text) => {
                let challenge = Base64::decode_vec(text).expect("a challenge is no base64");
                self.challenges.push(challenge);
            }
            Step::Salt(user_name) => assert!(!user_name.is_empty(), "the salt of nobody is asked for"),
            Step::Relay(message) => {
                let message = Base64::decode_vec(message).expect("what is handed over is no base64");
                assert!(message.starts_with(b"NTLMSSP\0"), "what is no NTLM is handed over");
            }
            Step::Claim(claim) => {
                self.is_verified = false;
                claims::check(claim, &self.terms);
                check(claim, &self.terms, self);
            }
            Step::Done => {
                assert!(self.is_verified, "done without a verified claim");
                self.is_over = true;
            }
            Step::Failed(_) => self.is_over = true,
        }
    }
}

/// Strict base64 by its definition: what is spelt otherwise than an encoder spells it is none. RFC 4648 §4.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let octets = Base64::decode_vec(text).ok()?;
    (Base64::encode_string(&octets) == text).then_some(octets)
}

fn lines(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(said).filter(|said| !said.is_empty());
    std::iter::from_fn(move || {
        let said = rest?;
        match said.windows(2).position(|window| window == b"\r\n") {
            Some(at) => {
                rest = Some(&said[at + 2..]);
                Some(&said[..at])
            }
            None => rest.take(),
        }
    })
}
