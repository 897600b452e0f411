//! What a client computes to log on without sending its password: APOP, CRAM-MD5, SCRAM-SHA-256.

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use ring::{digest, hmac as ring_hmac, pbkdf2};

/// The time stamp or challenge `<...@...>` of a text, with its angle brackets.
pub fn stamp(text: &str) -> Option<&str> {
    let begin = text.find('<')?;
    let end = begin + text[begin..].find('>')?;
    text[begin..end].contains('@').then(|| &text[begin..=end])
}

/// APOP's digest. RFC 1939 §7.
pub fn apop(stamp: &str, password: &[u8]) -> String {
    hex(&Md5::new().chain_update(stamp).chain_update(password).finalize())
}

/// CRAM-MD5's digest. RFC 2195 §2.
pub fn cram_md5(challenge: &str, password: &[u8]) -> String {
    let mut keyed = Hmac::<Md5>::new_from_slice(password).expect("a key of any length");
    keyed.update(challenge.as_bytes());
    hex(&keyed.finalize().into_bytes())
}

/// The client's side of SCRAM-SHA-256 without channel binding. RFC 5802 §3, RFC 7677.
pub struct Scram {
    first_bare: String,
    password: Vec<u8>,
    server_signature: Vec<u8>,
}

impl Scram {
    /// Begins for that user; `nonce` is used once.
    pub fn new(user: &str, password: &[u8], nonce: u64) -> Scram {
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={name},r=client{nonce:016x}");
        Scram { first_bare, password: password.into(), server_signature: Vec::new() }
    }

    /// The first message, in base64.
    pub fn first(&self) -> String {
        Base64::encode_string(format!("n,,{}", self.first_bare).as_bytes())
    }

    /// The final message, in base64, for the server's first in base64.
    pub fn last(&mut self, server_first: &str) -> Result<String, String> {
        let server_first = decoded(server_first)?;
        let attribute = |name: &str| {
            let found = server_first.split(',').find_map(|part| part.strip_prefix(name));
            found.ok_or_else(|| format!("no {name} in {server_first:?}"))
        };
        let nonce = attribute("r=")?;
        if !self
            .first_bare
            .split_once("r=")
            .is_some_and(|(_, mine)| nonce.len() > mine.len() && nonce.starts_with(mine))
        {
            return Err(format!("the nonce {nonce} is not made from ours"));
        }
        let salt = Base64::decode_vec(attribute("s=")?).map_err(|cause| cause.to_string())?;
        let iterations = attribute("i=")?.parse().map_err(|_| "no number of iterations")?;
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, &self.password, &mut salted);
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare);
        let client_key = keyed(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let signature = keyed(stored_key.as_ref(), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        self.server_signature = keyed(&keyed(&salted, b"Server Key"), auth_message.as_bytes());
        let last = format!("{without_proof},p={}", Base64::encode_string(&proof));
        Ok(Base64::encode_string(last.as_bytes()))
    }

    /// Whether the server's final message in base64 proves that it knows the password too.
    pub fn ends(&self, server_final: &str) -> Result<(), String> {
        let expected = format!("v={}", Base64::encode_string(&self.server_signature));
        let found = decoded(server_final)?;
        if found == expected { Ok(()) } else { Err(format!("{expected} expected, got {found}")) }
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let octets = Base64::decode_vec(text).map_err(|cause| format!("{cause}: {text:?}"))?;
    String::from_utf8(octets).map_err(|cause| cause.to_string())
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    ring_hmac::sign(&ring_hmac::Key::new(ring_hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfcs_come_out() {
        let stamp = stamp("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>").unwrap();
        assert_eq!(apop(stamp, b"tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
        let challenge = "<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(cram_md5(challenge, b"tanstaaftanstaaf"), "b913a602c7eda7a495b4e6e7334d3890");
        // RFC 7677 §3.
        let mut scram = Scram::new("user", b"pencil", 0);
        scram.first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO".into();
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = decoded(&scram.last(&Base64::encode_string(first.as_bytes())).unwrap()).unwrap();
        assert!(last.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{last}");
        let end = Base64::encode_string(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(scram.ends(&end), Ok(()));
        assert!(scram.ends("dj0=").is_err());
    }
}
