//! sha512-crypt and sha256-crypt, by Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512", 0.6.

use std::fmt;

use ring::digest::{self, Algorithm, Context};
use zeroize::Zeroizing;

use super::{Reason, alphabet, is_coded, is_salt, is_same};
use crate::limits;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// `$5$`.
    Sha256,
    /// `$6$`.
    Sha512,
}

/// `$6$[rounds=N$]SALT$DIGEST`. crypt(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash<'a> {
    size: Size,
    rounds: Option<u32>,
    salt: &'a str,
    digest: &'a str,
}

impl Size {
    fn prefix(self) -> &'static str {
        match self {
            Size::Sha256 => "$5$",
            Size::Sha512 => "$6$",
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Size::Sha256 => &digest::SHA256,
            Size::Sha512 => &digest::SHA512,
        }
    }

    /// Signs of a digest.
    fn signs(self) -> usize {
        match self {
            Size::Sha256 => 43,
            Size::Sha512 => 86,
        }
    }
}

impl<'a> Hash<'a> {
    /// Takes a field with the prefix of that size.
    pub fn parse(size: Size, field: &'a str) -> Result<Hash<'a>, Reason> {
        let rest = field.strip_prefix(size.prefix()).ok_or(Reason::Malformed)?;
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            Some(rest) => {
                let (number, rest) = rest.split_once('$').ok_or(Reason::Malformed)?;
                (Some(rounds(number)?), rest)
            }
            None => (None, rest),
        };
        let (salt, digest) = rest.split_once('$').ok_or(Reason::Malformed)?;
        if !is_salt(salt, 16) || !is_coded(digest, size.signs()) {
            return Err(Reason::Malformed);
        }
        Ok(Hash { size, rounds, salt, digest })
    }

    /// Whether it is the hash of that password.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let digest =
            compute(self.size.algorithm(), self.rounds.unwrap_or(5000), self.salt.as_bytes(), password);
        is_same(&encode(self.size, &digest), self.digest.as_bytes())
    }
}

impl fmt::Display for Hash<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.size.prefix())?;
        if let Some(rounds) = self.rounds {
            write!(out, "rounds={rounds}$")?;
        }
        write!(out, "{}${}", self.salt, self.digest)
    }
}

/// What crypt(3) writes: from 1,000 on, without a sign or a zero in front.
fn rounds(number: &str) -> Result<u32, Reason> {
    let is_number = (1..=9).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit());
    match number.parse() {
        Ok(rounds) if is_number && !number.starts_with('0') && rounds >= 1000 => {
            if rounds <= limits::CRYPT_SHA_ROUNDS { Ok(rounds) } else { Err(Reason::TooCostly) }
        }
        _ => Err(Reason::Malformed),
    }
}

fn compute(algorithm: &'static Algorithm, rounds: u32, salt: &[u8], password: &[u8]) -> Octets {
    let alternate = hash(algorithm, &[password, salt, password]);
    let mut first = Context::new(algorithm);
    first.update(password);
    first.update(salt);
    first.update(&repeated(&alternate, password.len()));
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &alternate } else { password });
        length >>= 1;
    }
    let mut digest = finish(first);

    let of_password = hash(algorithm, &vec![password; password.len()]);
    let of_password = repeated(&of_password, password.len());
    let of_salt = hash(algorithm, &vec![salt; 16 + usize::from(digest[0])]);
    let of_salt = repeated(&of_salt, salt.len());
    for round in 0..rounds {
        let is_odd = round & 1 == 1;
        let mut context = Context::new(algorithm);
        context.update(if is_odd { &of_password } else { &digest });
        if round % 3 != 0 {
            context.update(&of_salt);
        }
        if round % 7 != 0 {
            context.update(&of_password);
        }
        context.update(if is_odd { &digest } else { &of_password });
        digest = finish(context);
    }
    digest
}

/// Octets that a password could be guessed from faster than by the hash.
type Octets = Zeroizing<Vec<u8>>;

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Octets {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    finish(context)
}

fn finish(context: Context) -> Octets {
    Zeroizing::new(context.finish().as_ref().to_vec())
}

/// The octets again and again, so many in all.
fn repeated(octets: &[u8], length: usize) -> Octets {
    Zeroizing::new(octets.iter().copied().cycle().take(length).collect())
}

/// Three octets from three thirds of the digest are four signs; which third is first goes round.
fn encode(size: Size, digest: &[u8]) -> Vec<u8> {
    let (third, mut at) = match size {
        Size::Sha256 => (10, [0, 10, 20]),
        Size::Sha512 => (21, [0, 21, 42]),
    };
    let mut out = Vec::with_capacity(size.signs());
    let word = |at: [usize; 3]| at.iter().fold(0, |word, at| word << 8 | u32::from(digest[*at]));
    for _ in 0..third {
        alphabet::push(word(at), 4, &mut out);
        at = match size {
            Size::Sha256 => [at[2] + 1, at[0] + 1, at[1] + 1],
            Size::Sha512 => [at[1] + 1, at[2] + 1, at[0] + 1],
        };
    }
    match size {
        Size::Sha256 => alphabet::push(u32::from(digest[31]) << 8 | u32::from(digest[30]), 3, &mut out),
        Size::Sha512 => alphabet::push(digest[63].into(), 2, &mut out),
    }
    out
}
