//! md5-crypt, as Poul-Henning Kamp wrote it for FreeBSD 2.0; only where old kinds are allowed.

use std::fmt;

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::{Reason, alphabet, is_coded, is_salt, is_same};

/// `$1$SALT$DIGEST`. crypt(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash<'a> {
    salt: &'a str,
    digest: &'a str,
}

impl<'a> Hash<'a> {
    /// Takes a field with that prefix.
    pub fn parse(field: &'a str) -> Result<Hash<'a>, Reason> {
        let rest = field.strip_prefix(PREFIX).ok_or(Reason::Malformed)?;
        let (salt, digest) = rest.split_once('$').ok_or(Reason::Malformed)?;
        if is_salt(salt, 8) && is_coded(digest, 22) {
            Ok(Hash { salt, digest })
        } else {
            Err(Reason::Malformed)
        }
    }

    /// Whether it is the hash of that password.
    pub fn is_of(&self, password: &[u8]) -> bool {
        is_same(&encode(&compute(self.salt.as_bytes(), password)), self.digest.as_bytes())
    }
}

impl fmt::Display for Hash<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}${}", self.salt, self.digest)
    }
}

fn compute(salt: &[u8], password: &[u8]) -> Zeroizing<[u8; 16]> {
    let alternate = hash(&[password, salt, password]);
    let mut first = Md5::new();
    first.update(password);
    first.update(PREFIX);
    first.update(salt);
    let mut left = password.len();
    while left > 0 {
        first.update(&alternate[..left.min(16)]);
        left = left.saturating_sub(16);
    }
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { b"\0" } else { &password[..1] });
        length >>= 1;
    }
    let mut digest = Zeroizing::new(<[u8; 16]>::from(first.finalize()));
    for round in 0..1000 {
        let is_odd = round & 1 == 1;
        let one: &[u8] = if is_odd { password } else { &*digest };
        let other: &[u8] = if is_odd { &*digest } else { password };
        let salt = if round % 3 == 0 { b"" } else { salt };
        let again = if round % 7 == 0 { b"" } else { password };
        digest = hash(&[one, salt, again, other]);
    }
    digest
}

fn hash(parts: &[&[u8]]) -> Zeroizing<[u8; 16]> {
    let mut context = Md5::new();
    for part in parts {
        context.update(part);
    }
    Zeroizing::new(context.finalize().into())
}

fn encode(digest: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(22);
    for at in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        alphabet::push(at.iter().fold(0, |word, at| word << 8 | u32::from(digest[*at])), 4, &mut out);
    }
    alphabet::push(digest[11].into(), 2, &mut out);
    out
}

/// It is hashed, too.
const PREFIX: &str = "$1$";
