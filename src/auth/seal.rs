//! Sealing: secrets of the database are unreadable and unchangeable without the device key (A3).
//!
//! A sealed text is `version (1) ‖ nonce ‖ ciphertext ‖ tag`: ChaCha20-Poly1305 of RFC 8439 §2.8 under
//! a subkey of the device key for its purpose (HKDF-SHA256, RFC 5869). Purpose and context are
//! authenticated too, so a text moved to another place doesn't open there.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use super::key::DeviceKey;
use crate::mail::Secret;

/// Seals and opens under one device key.
#[derive(Clone)]
pub struct Sealer {
    key: DeviceKey,
}

impl Sealer {
    /// A sealer for that key.
    pub fn new(key: DeviceKey) -> Sealer {
        Sealer { key }
    }

    /// Seals `octets` for a purpose and a context with a nonce that is never used again.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], purpose: &str, context: &[u8], octets: &[u8]) -> Vec<u8> {
        // Only texts over 256 GiB can't be sealed; an empty one opens for nobody.
        self.try_seal(nonce, purpose, context, octets).unwrap_or_default()
    }

    /// Opens what [`Sealer::seal`] made for the same purpose and context; none if it is not that.
    pub fn unseal(&self, purpose: &str, context: &[u8], sealed: &[u8]) -> Option<Secret> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *version != VERSION {
            return None;
        }
        let aad = Aad::from(bound(purpose, context));
        let mut octets = Zeroizing::new(rest.to_vec());
        let opened =
            self.aead(purpose)?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut octets).ok()?;
        Some(Secret::new(&*opened))
    }

    /// A subkey for a purpose that is not sealing, such as the passwords' pepper.
    pub fn subkey(&self, purpose: &str) -> Secret {
        let mut subkey = Zeroizing::new([0_u8; 32]);
        let root = Salt::new(HKDF_SHA256, b"poppet device key").extract(self.key.expose());
        // HKDF fails only for more than 255 blocks of output, and this is one.
        let _ = root.expand(&[purpose.as_bytes()], HKDF_SHA256).and_then(|okm| okm.fill(&mut *subkey));
        Secret::new(&subkey[..])
    }

    fn try_seal(
        &self,
        nonce: [u8; NONCE_LEN],
        purpose: &str,
        context: &[u8],
        octets: &[u8],
    ) -> Option<Vec<u8>> {
        let aad = Aad::from(bound(purpose, context));
        // Room for all from the start: growing would leave copies of the plain text behind.
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + octets.len() + CHACHA20_POLY1305.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(octets);
        let tag = self
            .aead(purpose)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aad,
                &mut sealed[1 + NONCE_LEN..],
            )
            .ok()?;
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }

    fn aead(&self, purpose: &str) -> Option<LessSafeKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, self.subkey(purpose).expose()).ok()?;
        Some(LessSafeKey::new(key))
    }
}

/// Length first, so that no purpose with a context reads like another one.
fn bound(purpose: &str, context: &[u8]) -> Vec<u8> {
    let length = (purpose.len() as u64).to_le_bytes();
    [&length[..], purpose.as_bytes(), context].concat()
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(octet: u8) -> Sealer {
        Sealer::new(DeviceKey::from_octets([octet; 32]))
    }

    #[test]
    fn what_was_sealed_opens_again_at_every_length() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let text = vec![7; length];
            let sealed = sealer(1).seal([9; NONCE_LEN], "p", b"c", &text);
            assert_eq!(sealed.len(), length + 1 + 12 + 16);
            assert_eq!(sealer(1).unseal("p", b"c", &sealed), Some(Secret::new(text)));
        }
    }

    #[test]
    fn another_key_purpose_or_context_opens_nothing() {
        let sealed = sealer(1).seal([9; NONCE_LEN], "password", b"alice", b"text");
        assert_eq!(sealer(2).unseal("password", b"alice", &sealed), None);
        for (purpose, context) in [
            ("password", &b"bob"[..]),
            ("tls", b"alice"),
            ("passworda", b"lice"),
            ("", b""),
            ("password", b""),
        ] {
            assert_eq!(sealer(1).unseal(purpose, context, &sealed), None, "{purpose} {context:?}");
        }
    }

    #[test]
    fn no_damage_opens_and_none_panics() {
        let sealed = sealer(1).seal([9; NONCE_LEN], "p", b"", b"some text of some length");
        for length in 0..sealed.len() {
            assert_eq!(sealer(1).unseal("p", b"", &sealed[..length]), None, "cut at {length}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer(1).unseal("p", b"", &damaged), None, "bit {bit}");
        }
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(sealer(1).unseal("p", b"", &longer), None);
        let mut random = fastrand::Rng::with_seed(166);
        for length in 0..200 {
            let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            assert_eq!(sealer(1).unseal("p", b"", &noise), None);
        }
    }

    #[test]
    fn purposes_have_different_subkeys() {
        assert_eq!(sealer(1).subkey("a"), sealer(1).subkey("a"));
        assert_ne!(sealer(1).subkey("a"), sealer(1).subkey("b"));
        assert_ne!(sealer(1).subkey("a"), sealer(2).subkey("a"));
        assert_ne!(sealer(1).subkey("a"), Secret::new([0; 32]));
    }
}
