//! What a connection allows of logons: which mechanisms it offers, and what their challenges are made of.

use ring::hmac;

use super::Mechanism;

/// What a connection allows of logons, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether a password may be sent: USER and PASS, PLAIN, LOGIN (A13, `sparequired`).
    pub takes_passwords: bool,
    /// Whether proofs with MD5 are taken: APOP, CRAM-MD5 and, inside TLS, NTLM (A4, `challenge`).
    pub takes_challenges: bool,
    /// Whether users are not known by the password file, so that there are no verifiers for SCRAM.
    pub lacks_verifiers: bool,
    /// Whether NTLM is passed on to Samba's helper, where users are not known by the password file (A7).
    pub relays_ntlm: bool,
    /// The TLS connection; none in the clear.
    pub channel: Option<Channel>,
    /// The name that the server goes by.
    pub hostname: String,
    /// What this connection's challenges are made of.
    pub seed: Seed,
    /// The wall clock in units of 100 ns since 1601, for NTLM; 0 where the clock is suspect.
    pub file_time: u64,
}

/// What a logon can be bound to of its TLS connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// `tls-exporter`; none before TLS 1.3. RFC 9266.
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point`: the hash of the server's certificate. RFC 5929 §4.
    pub end_point: Option<Vec<u8>>,
    /// Whether the peer has shown a certificate that is somebody's here.
    pub has_certificate: bool,
}

/// Random octets of one connection, never used for another.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl Terms {
    /// Whether a mechanism works on this connection.
    pub fn offers(&self, mechanism: Mechanism) -> bool {
        let channel = self.channel.as_ref();
        match mechanism {
            Mechanism::External => channel.is_some_and(|channel| channel.has_certificate),
            // RFC 5802 §6: PLUS beside the other wherever we can bind.
            Mechanism::ScramSha256Plus => {
                !self.lacks_verifiers && channel.is_some_and(|channel| channel.exporter.is_some())
            }
            Mechanism::ScramSha256 => !self.lacks_verifiers,
            Mechanism::Plain | Mechanism::Login => self.takes_passwords,
            Mechanism::CramMd5 => self.takes_challenges,
            // In the clear it could be relayed to or from any other server (S-186).
            Mechanism::Ntlm => (self.takes_challenges || self.relays_ntlm) && channel.is_some(),
        }
    }

    /// The mechanisms that work on this connection, in the order in which they are offered.
    pub fn offered(&self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(|&mechanism| self.offers(mechanism))
    }
}

impl Seed {
    /// Octets for one purpose and exchange of the connection; nobody outside can tell them from random.
    pub fn draw(&self, purpose: &str, count: u32) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, &[purpose.as_bytes(), &count.to_be_bytes()].concat());
        let mut octets = [0; 32];
        octets.iter_mut().zip(tag.as_ref()).for_each(|(octet, drawn)| *octet = *drawn);
        octets
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Seed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_follows_the_connection_and_the_settings() {
        let tls = |exporter: bool, has_certificate| {
            Some(Channel { exporter: exporter.then_some([1; 32]), end_point: None, has_certificate })
        };
        for (channel, takes_passwords, takes_challenges, names) in [
            (None, false, false, "SCRAM-SHA-256"),
            (None, true, false, "SCRAM-SHA-256 PLAIN LOGIN"),
            (None, false, true, "SCRAM-SHA-256 CRAM-MD5"),
            (None, true, true, "SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5"),
            (tls(false, false), false, false, "SCRAM-SHA-256"),
            (tls(false, false), true, false, "SCRAM-SHA-256 PLAIN LOGIN"),
            (tls(false, false), false, true, "SCRAM-SHA-256 CRAM-MD5 NTLM"),
            (tls(false, true), false, false, "EXTERNAL SCRAM-SHA-256"),
            (tls(true, false), true, false, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"),
            (tls(true, false), false, false, "SCRAM-SHA-256-PLUS SCRAM-SHA-256"),
            (
                tls(true, true),
                true,
                true,
                "EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5 NTLM",
            ),
        ] {
            let terms = Terms { channel, takes_passwords, takes_challenges, ..Terms::default() };
            let offered: Vec<_> = terms.offered().map(Mechanism::name).collect();
            assert_eq!(offered.join(" "), names, "{terms:?}");
        }
    }

    #[test]
    fn what_is_drawn_differs_by_purpose_count_and_seed_and_by_nothing_else() {
        let seed = Seed([1; 32]);
        assert_eq!(seed.draw("a", 0), Seed([1; 32]).draw("a", 0));
        for other in [seed.draw("b", 0), seed.draw("a", 1), Seed([2; 32]).draw("a", 0)] {
            assert_ne!(seed.draw("a", 0), other);
        }
    }

    #[test]
    fn a_seed_is_not_printed_s_320() {
        assert_eq!(format!("{:?}", Seed([1; 32])), "Seed");
    }
}
