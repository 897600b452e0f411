//! Keyed tags: what is kept in memory of names and passwords, so that nothing can be read from it.

use ring::hmac;

use super::random::Randomness;

/// Makes tags under a key of this process; clones make the same ones.
#[derive(Clone)]
pub struct Tagger {
    key: hmac::Key,
}

/// HMAC-SHA256 of some parts, cut to 128 bits: nobody who lacks the key can look for two that are the same.
pub type Tag = [u8; 16];

impl Tagger {
    /// A tagger with a fresh key.
    pub fn new(randomness: &Randomness) -> Tagger {
        Tagger { key: hmac::Key::new(hmac::HMAC_SHA256, &randomness.draw::<32>()) }
    }

    /// The tag of these parts in this order. Lengths go in too, so that no two lists have the same tag.
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut tag = [0; 16];
        tag.copy_from_slice(&context.sign().as_ref()[..16]);
        tag
    }

    /// The tag of an account's name, in the form in which it is counted.
    pub fn account(&self, name: &str) -> Tag {
        self.tag(&[b"account", name.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_parts_have_the_same_tag() {
        let randomness = Randomness::new().unwrap();
        let tagger = Tagger::new(&randomness);
        assert_eq!(tagger.tag(&[b"ab", b"c"]), tagger.clone().tag(&[b"ab", b"c"]));
        for other in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"", b"abc"], &[]] {
            assert_ne!(tagger.tag(&[b"ab", b"c"]), tagger.tag(other), "{other:?}");
        }
        assert_ne!(
            Tagger::new(&randomness).tag(&[b"x"]),
            tagger.tag(&[b"x"]),
            "each process has its own key"
        );
    }
}
