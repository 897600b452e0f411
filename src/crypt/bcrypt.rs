//! bcrypt, by Provos and Mazières, "A Future-Adaptable Password Scheme", 1999.

use std::fmt;

use zeroize::Zeroizing;

use super::blowfish::Blowfish;
use super::{Reason, is_same};
use crate::limits;

/// `$2b$COST$` and 22 signs of salt and 31 of digest without anything between. crypt(5).
///
/// `2a`, `2b` and `2y` are three names for one thing, but for octets of 255 in `2a`, which no text has. `2x` is a
/// mistake of the past, and not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash<'a> {
    name: &'a str,
    cost: u8,
    salt: [u8; 16],
    digest: &'a str,
}

impl<'a> Hash<'a> {
    /// Takes a field with one of the three prefixes.
    pub fn parse(field: &'a str) -> Result<Hash<'a>, Reason> {
        if field.len() != 60 || !field.is_ascii() {
            return Err(Reason::Malformed);
        }
        let (name, rest) = field[1..].split_once('$').ok_or(Reason::Malformed)?;
        let (cost, rest) = rest.split_once('$').ok_or(Reason::Malformed)?;
        if rest.len() != 53 {
            return Err(Reason::Malformed);
        }
        let (salt, digest) = rest.split_at(22);
        let salt = decode(salt).and_then(|salt| salt.try_into().ok()).ok_or(Reason::Malformed)?;
        decode(digest).ok_or(Reason::Malformed)?;
        let is_number = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
        match cost.parse() {
            Ok(cost @ 4..=limits::CRYPT_BCRYPT_COST) if is_number => Ok(Hash { name, cost, salt, digest }),
            Ok(4..=31) if is_number => Err(Reason::TooCostly),
            _ => Err(Reason::Malformed),
        }
    }

    /// Whether it is the hash of that password.
    pub fn is_of(&self, password: &[u8]) -> bool {
        is_same(&encode(&compute(self.cost, &self.salt, password)), self.digest.as_bytes())
    }
}

impl fmt::Display for Hash<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = encode(&self.salt);
        write!(out, "${}${:02}${}{}", self.name, self.cost, String::from_utf8_lossy(&salt), self.digest)
    }
}

/// The last octet of the text is left out of the digest, as it was at first.
fn compute(cost: u8, salt: &[u8; 16], password: &[u8]) -> [u8; 23] {
    // The NUL behind it counts, and what comes after 72 octets does not.
    let key: Zeroizing<Vec<u8>> = Zeroizing::new(password.iter().copied().chain([0]).take(72).collect());
    let mut cipher = Blowfish::new();
    cipher.expand(&key, salt);
    for _ in 0..1_u32 << cost {
        cipher.expand(&key, &[]);
        cipher.expand(salt, &[]);
    }
    let mut digest = [0; 24];
    for (text, out) in TEXT.chunks(8).zip(digest.chunks_mut(8)) {
        let word = |at: usize| text[at..at + 4].iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
        let halves = (0..64).fold([word(0), word(4)], |halves, _| cipher.encrypt(halves));
        out[..4].copy_from_slice(&halves[0].to_be_bytes());
        out[4..].copy_from_slice(&halves[1].to_be_bytes());
    }
    std::array::from_fn(|at| digest[at])
}

fn encode(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() * 4 / 3 + 1);
    for group in octets.chunks(3) {
        let word =
            (0..3).fold(0, |word, at| word << 8 | group.get(at).map_or(0, |octet| usize::from(*octet)));
        out.extend((0..=group.len()).map(|place| SIGNS[word >> (18 - 6 * place) & 0x3f]));
    }
    out
}

/// The octets that `encode` writes like that; none for any other text.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut octets) = (0_u32, 0, Vec::new());
    for sign in text.bytes() {
        let value = SIGNS.iter().position(|known| *known == sign)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0).then_some(octets)
}

const SIGNS: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// What is encrypted.
const TEXT: &[u8; 24] = b"OrpheanBeholderScryDoubt";
