//! The arithmetic of NTLMv2: from the password to the response, the session's key and the code over the messages.
//! [MS-NLMP] §3.3.2.

use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;
use zeroize::Zeroizing;

use super::super::SaslError;
use super::message::{self, Authenticate};
use super::{av_pair, text};
use crate::mail::Secret;

/// What NTLM proves with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The user's name in capitals and the domain, in UTF-16.
    identity: Vec<u8>,
    server_challenge: [u8; 8],
    /// NTProofStr, and what it was made over beside the challenge.
    sent: [u8; 16],
    blob: Vec<u8>,
    /// MIC, and the three messages that it was made over.
    code: Option<([u8; 16], Vec<u8>)>,
    flaw: Option<Flaw>,
}

/// Why a proof is not taken whoever made it; for the log, the peer is told the same as with a wrong password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The response of LM, NTLMv1 or NTLM with its session security, or none at all (S-187).
    OldResponse,
    /// Made for an other TLS connection: somebody may stand between (S-186).
    ForeignChannel,
}

impl Proof {
    /// What an AUTHENTICATE message proves. `messages` are the three of the exchange, `end_point` is
    /// `tls-server-end-point` of the connection. Errs with [`SaslError::BadResponse`] if the response is of no kind
    /// that there is.
    pub(super) fn new(
        authenticate: &Authenticate<'_>,
        server_challenge: [u8; 8],
        messages: [&[u8]; 3],
        end_point: Option<&[u8]>,
    ) -> Result<Proof, SaslError> {
        let user_name = text::upper(&authenticate.user_name);
        let identity = [text::utf_16(&user_name).as_slice(), &text::utf_16(&authenticate.domain)].concat();
        let mut proof =
            Proof { identity, server_challenge, sent: [0; 16], blob: Vec::new(), code: None, flaw: None };
        if matches!(authenticate.response.len(), 0 | OLD_RESPONSE_OCTETS) {
            proof.flaw = Some(Flaw::OldResponse);
            return Ok(proof);
        }
        let (sent, blob) = authenticate.response.split_first_chunk().ok_or(SaslError::BadResponse)?;
        if !blob.starts_with(&[1, 1]) {
            return Err(SaslError::BadResponse);
        }
        let facts = av_pair::read(blob.get(FACTS_AT..).ok_or(SaslError::BadResponse)?)?;
        if facts.has_code {
            let code = authenticate.code.ok_or(SaslError::BadResponse)?;
            let [negotiate, challenge, authenticate] = messages;
            let signed = [negotiate, challenge, &message::without_code(authenticate)].concat();
            proof.code = Some((code, signed));
        }
        if facts.channel_bindings.is_some_and(|sent| !is_bound(sent, end_point)) {
            proof.flaw = Some(Flaw::ForeignChannel);
        }
        (proof.sent, proof.blob) = (*sent, blob.to_vec());
        Ok(proof)
    }

    /// Whether only who knows that password could have made it; takes the same time whatever differs.
    pub fn is_made_with(&self, password: &Secret) -> bool {
        let text = std::str::from_utf8(password.expose());
        let key = response_key(text.unwrap_or_default(), &self.identity);
        let proven = self.is_keyed_with(&key);
        let session_key = session_key(&key, &self.sent);
        let signed = match &self.code {
            Some((code, messages)) => keyed(&session_key, &[messages]).verify_slice(code).is_ok(),
            None => true,
        };
        proven & signed & text.is_ok() & self.flaw.is_none()
    }

    /// Whether the response is that of the password, whatever the rest is worth.
    pub(super) fn answers_with(&self, password: &Secret) -> bool {
        let text = std::str::from_utf8(password.expose());
        text.is_ok_and(|text| self.is_keyed_with(&response_key(text, &self.identity)))
    }

    fn is_keyed_with(&self, key: &[u8; 16]) -> bool {
        keyed(key, &[&self.server_challenge, &self.blob]).verify_slice(&self.sent).is_ok()
    }

    /// Why no password makes it true, if that is so.
    pub fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Flaw::OldResponse => "the client answers with NTLMv1 or LM; let it send NTLMv2",
            Flaw::ForeignChannel => {
                "the NTLM response was made for an other TLS connection; look for a proxy or an attacker between"
            }
        })
    }
}

/// NTOWFv2: the key of the responses of one user.
fn response_key(password: &str, identity: &[u8]) -> Zeroizing<[u8; 16]> {
    let hash = Zeroizing::new(<[u8; 16]>::from(Md4::digest(&*text::utf_16(password))));
    code_of(&hash, &[identity])
}

/// SessionBaseKey; it is also the key of the code, as no other key is exchanged.
fn session_key(response_key: &[u8; 16], sent: &[u8; 16]) -> Zeroizing<[u8; 16]> {
    code_of(response_key, &[sent])
}

fn code_of(key: &[u8; 16], parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    Zeroizing::new(keyed(key, parts).finalize().into_bytes().into())
}

fn keyed(key: &[u8; 16], parts: &[&[u8]]) -> Hmac<Md5> {
    // A key shorter than a block is filled up with zeros. RFC 2104 §2.
    let mut block = Zeroizing::new([0; 64]);
    block[..16].copy_from_slice(key);
    parts.iter().fold(Hmac::new((&*block).into()), |code, part| code.chain_update(part))
}

/// Whether the hash is that of our end of the connection. [MS-NLMP] §2.2.2.1, RFC 5929 §4.
fn is_bound(sent: &[u8], end_point: Option<&[u8]>) -> bool {
    end_point.is_some_and(|end_point| sent == channel_hash(end_point))
}

/// MD5 over `gss_channel_bindings_struct`: no addresses, then the binding with its length. RFC 4121 §4.1.1.2.
fn channel_hash(end_point: &[u8]) -> [u8; 16] {
    let length = (END_POINT.len() + end_point.len()) as u32;
    let parts = [&[0; 16][..], &length.to_le_bytes(), END_POINT, end_point];
    Md5::digest(parts.concat()).into()
}

const END_POINT: &[u8] = b"tls-server-end-point:";
/// The NT response of NTLMv1, with session security or without.
const OLD_RESPONSE_OCTETS: usize = 24;
/// Where the facts stand in the blob: behind versions, time, the client's challenge and reserved octets.
const FACTS_AT: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    /// The facts of [MS-NLMP] §4.2.1 and §4.2.4: domain "Domain", computer "Server".
    const FACTS: &[u8] = b"\x02\0\x0C\0D\0o\0m\0a\0i\0n\0\x01\0\x0C\0S\0e\0r\0v\0e\0r\0\0\0\0\0";
    const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF];

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn sample(sent: [u8; 16]) -> Vec<u8> {
        let head = [&sent[..], &[1, 1], &[0; 14], &[0xAA; 8], &[0; 4]].concat();
        [&head, FACTS, &[0; 4]].concat()
    }

    fn proof(response: &[u8]) -> Result<Proof, SaslError> {
        let authenticate =
            Authenticate { user_name: "User".into(), domain: "Domain".into(), response, code: None };
        Proof::new(&authenticate, SERVER_CHALLENGE, [b"", b"", b""], None)
    }

    #[test]
    fn the_vectors_of_ms_nlmp_4_2_4_are_met() {
        let identity = text::utf_16("USERDomain");
        let key = response_key("Password", &identity);
        assert_eq!(hex(&*key), "0c868a403bfd7a93a3001ef22ef02e3f");
        let sent = code_of(&key, &[&SERVER_CHALLENGE, &sample([0; 16])[16..]]);
        assert_eq!(hex(&*sent), "68cd0ab851e51c96aabc927bebef6a1c");
        assert_eq!(hex(&*session_key(&key, &sent)), "8de40ccadbc14a82f15cb0ad0de95ca3");

        let proof = proof(&sample(*sent)).unwrap();
        assert!(proof.is_made_with(&Secret::new("Password")));
        for wrong in ["password", "Passwor", "Password ", "", "Pässword"] {
            assert!(!proof.is_made_with(&Secret::new(wrong)), "{wrong}");
        }
        assert!(!proof.is_made_with(&Secret::new(*b"Password\xFF")));
        let replayed = Proof { server_challenge: [0; 8], ..proof };
        assert!(!replayed.is_made_with(&Secret::new("Password")));
    }

    #[test]
    fn a_password_that_is_no_text_never_fits_the_empty_one() {
        let key = response_key("", &text::utf_16("USERDomain"));
        let sent = code_of(&key, &[&SERVER_CHALLENGE, &sample([0; 16])[16..]]);
        let proof = proof(&sample(*sent)).unwrap();
        assert!(proof.is_made_with(&Secret::new("")));
        assert!(!proof.is_made_with(&Secret::new(*b"\xFF")));
    }

    #[test]
    fn md4_meets_the_vectors_of_rfc_1320() {
        for (text, digest) in [
            ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
            ("a", "bde52cb31de33e46245e05fbdbd6fb24"),
            ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
            ("message digest", "d9130a8164549fe818874806e1c7014b"),
            ("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "043f8582f241db351ce627e153e7f0e4",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "e33b4ddc9c38f2199c3e7b164fcc0536",
            ),
        ] {
            assert_eq!(hex(&Md4::digest(text)), digest, "{text}");
        }
    }

    #[test]
    fn old_responses_are_never_true_s_187() {
        for response in [&b""[..], &[0; 24], &[1; 24]] {
            let proof = proof(response).unwrap();
            assert_eq!(proof.flaw(), Some(Flaw::OldResponse));
            assert!(!proof.is_made_with(&Secret::new("Password")));
        }
    }

    #[test]
    fn responses_are_held_at_their_least_length_s_188() {
        let whole = sample([0; 16]);
        for length in [1, 15, 16, 17, 23, 25, 43] {
            assert_eq!(proof(&whole[..length]), Err(SaslError::BadResponse), "{length}");
        }
        for length in [44, whole.len() - 4, whole.len()] {
            assert!(proof(&whole[..length]).is_ok(), "{length}");
        }
        for (at, octet) in [(16, 2), (16, 0), (17, 2), (17, 0)] {
            let mut other = whole.clone();
            other[at] = octet;
            assert_eq!(proof(&other), Err(SaslError::BadResponse), "{at} {octet}");
        }
    }

    #[test]
    fn the_binding_is_the_hash_of_the_whole_structure() {
        // Reckoned apart, by another program.
        let end_point: Vec<u8> = (0..32).collect();
        assert_eq!(hex(&channel_hash(&end_point)), "8f1214c9c9cab8dc3bf866da9aba57a7");
    }
}
