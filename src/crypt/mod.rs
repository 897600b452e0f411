//! Hashes of passwords as the system's shadow file has them: yescrypt, sha512-crypt, sha256-crypt, bcrypt, and MD5
//! where old kinds are allowed. crypt(5).
//!
//! ```text
//! field of shadow -> parse: its kind by the prefix -> one file a kind, each by the pattern of crypt(5)
//!                      |-> Reason: locked, empty, of a kind that is not taken, too costly, malformed
//!                      '-> Hash -> verify: computed anew, compared in constant time
//! ```
//!
//! A hash has one spelling: what is taken is written again as it was read. Every cost is held by [`crate::limits`]
//! before anything is computed (S-216).

mod alphabet;
mod bcrypt;
mod blowfish;
mod md5;
mod pi;
mod sha;
mod yescrypt;

use std::fmt;

use crate::limits;
use crate::mail::Secret;

/// What a password came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is the one that was hashed.
    Right,
    /// It is another one.
    Wrong,
    /// It was not tried.
    Refused(Reason),
}

/// Why a field of shadow lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is empty, which never means that no password is needed (S-210).
    Empty,
    /// It begins with `!` or `*`: shadow(5).
    Locked,
    /// MD5, and old kinds are not allowed.
    Md5,
    /// One of the two kinds of DES, which are never taken: 8 characters count, and a guess costs a microsecond.
    Des,
    /// scrypt.
    Scrypt,
    /// yescrypt over GOST's digest.
    GostYescrypt,
    /// Argon2, which no crypt(3) of a distribution has.
    Argon2,
    /// A kind that nobody here has heard of.
    Unknown,
    /// It wants more time or memory than a logon may take (S-216).
    TooCostly,
    /// It is no hash of its kind.
    Malformed,
}

/// A hash that a password can be held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash<'a>(Kind<'a>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind<'a> {
    Yescrypt(yescrypt::Hash<'a>),
    Sha(sha::Hash<'a>),
    Bcrypt(bcrypt::Hash<'a>),
    Md5(md5::Hash<'a>),
}

/// Holds a password against a field of shadow; `allows_old` lets MD5 count. Takes the time that the hash wants.
pub fn verify(field: &str, password: &Secret, allows_old: bool) -> Outcome {
    match Hash::parse(field, allows_old) {
        Ok(hash) if hash.is_of(password) => Outcome::Right,
        Ok(_) => Outcome::Wrong,
        Err(reason) => Outcome::Refused(reason),
    }
}

impl<'a> Hash<'a> {
    /// Takes a field of shadow; `allows_old` lets MD5 count. Errs with why it lets nobody in; computes nothing.
    pub fn parse(field: &'a str, allows_old: bool) -> Result<Hash<'a>, Reason> {
        let kind = match kind(field)? {
            "y" => Kind::Yescrypt(yescrypt::Hash::parse(field)?),
            "6" => Kind::Sha(sha::Hash::parse(sha::Size::Sha512, field)?),
            "5" => Kind::Sha(sha::Hash::parse(sha::Size::Sha256, field)?),
            "2a" | "2b" | "2y" => Kind::Bcrypt(bcrypt::Hash::parse(field)?),
            "1" if allows_old => Kind::Md5(md5::Hash::parse(field)?),
            "1" => return Err(Reason::Md5),
            "7" => return Err(Reason::Scrypt),
            "gy" => return Err(Reason::GostYescrypt),
            "argon2i" | "argon2d" | "argon2id" => return Err(Reason::Argon2),
            _ => return Err(Reason::Unknown),
        };
        Ok(Hash(kind))
    }

    /// Whether it is the hash of that password. crypt(3) ends a password at its first NUL and takes none that is too
    /// long, so one like that has no hash.
    pub fn is_of(&self, password: &Secret) -> bool {
        let password = password.expose();
        if password.contains(&0) || password.len() > limits::CRYPT_PASSWORD_OCTETS {
            return false;
        }
        match &self.0 {
            Kind::Yescrypt(hash) => hash.is_of(password),
            Kind::Sha(hash) => hash.is_of(password),
            Kind::Bcrypt(hash) => hash.is_of(password),
            Kind::Md5(hash) => hash.is_of(password),
        }
    }
}

/// As it stands in shadow.
impl fmt::Display for Hash<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Yescrypt(hash) => hash.fmt(out),
            Kind::Sha(hash) => hash.fmt(out),
            Kind::Bcrypt(hash) => hash.fmt(out),
            Kind::Md5(hash) => hash.fmt(out),
        }
    }
}

/// The name between the first two dollar signs. What has none is DES or nothing. crypt(5).
fn kind(field: &str) -> Result<&str, Reason> {
    match field.as_bytes() {
        [] => return Err(Reason::Empty),
        [b'!' | b'*', ..] => return Err(Reason::Locked),
        octets if octets.len() > limits::CRYPT_HASH_OCTETS => return Err(Reason::Malformed),
        _ => {}
    }
    match field.strip_prefix('$') {
        Some(rest) => rest.split_once('$').map(|(kind, _)| kind).ok_or(Reason::Malformed),
        None if is_des(field) => Err(Reason::Des),
        None => Err(Reason::Malformed),
    }
}

/// Thirteen signs, or `_` and nineteen.
fn is_des(field: &str) -> bool {
    let signs = field.strip_prefix('_').map_or((field, 13), |rest| (rest, 19));
    signs.0.len() == signs.1 && signs.0.bytes().all(|sign| alphabet::value(sign).is_some())
}

/// Whether two texts of one length are the same, in a time that doesn't tell where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |differing, (one, other)| differing | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

/// Whether a salt is one by crypt(5): so many octets at most, and none that parts fields.
fn is_salt(salt: &str, most: usize) -> bool {
    (1..=most).contains(&salt.len())
        && salt.bytes().all(|octet| (b' '..=b'~').contains(&octet) && !matches!(octet, b'$' | b':'))
}

/// Whether a text is made of so many signs of the alphabet.
fn is_coded(text: &str, signs: usize) -> bool {
    text.len() == signs && text.bytes().all(|sign| alphabet::value(sign).is_some())
}

#[cfg(test)]
mod tests;
