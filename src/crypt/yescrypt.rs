//! yescrypt, by Alexander Peslyak, "yescrypt - scalable KDF and password hashing scheme"; as crypt(3) uses it.

use std::fmt;

use yescrypt::{Mode, Params};
use zeroize::Zeroizing;

use super::{Reason, alphabet, is_coded, is_same};
use crate::limits;

/// `$y$PARAMETERS$SALT$DIGEST`. crypt(5).
///
/// The parameters are three signs: `j` for the flavour that crypt(3) makes, the memory's blocks as a power of two, and
/// the size of a block. More of them, for threads, more time or a table in read-only memory, are made by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash<'a> {
    parameters: &'a str,
    blocks: u64,
    block_size: u32,
    salt: &'a str,
    digest: &'a str,
}

impl<'a> Hash<'a> {
    /// Takes a field with that prefix.
    pub fn parse(field: &'a str) -> Result<Hash<'a>, Reason> {
        let mut parts = field.strip_prefix("$y$").ok_or(Reason::Malformed)?.splitn(3, '$');
        let (Some(parameters), Some(salt), Some(digest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Reason::Malformed);
        };
        let (blocks, block_size) = costs(parameters)?;
        if salt.len() > 86 || alphabet::decode(salt).is_none() || !is_coded(digest, 43) {
            return Err(Reason::Malformed);
        }
        Ok(Hash { parameters, blocks, block_size, salt, digest })
    }

    /// Whether it is the hash of that password; so it isn't if it can't be computed.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let mut digest = Zeroizing::new([0; 32]);
        let Some(salt) = alphabet::decode(self.salt) else { return false };
        let Ok(params) = Params::new(Mode::Rw, self.blocks, self.block_size, 1) else { return false };
        yescrypt::yescrypt(password, &salt, &params, &mut *digest).is_ok()
            && is_same(&alphabet::encode(&*digest), self.digest.as_bytes())
    }
}

impl fmt::Display for Hash<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "$y${}${}${}", self.parameters, self.salt, self.digest)
    }
}

/// How many blocks, and how large each is in units of 128 octets. Numbers up to 48 are one sign.
fn costs(parameters: &str) -> Result<(u64, u32), Reason> {
    let [b'j', blocks, block_size] = parameters.as_bytes() else { return Err(Reason::Malformed) };
    let number = |sign: u8| alphabet::value(sign).filter(|value| *value < 48).map(|value| value + 1);
    let (Some(power), Some(block_size)) = (number(*blocks), number(*block_size)) else {
        return Err(Reason::Malformed);
    };
    // Fewer make no hash that crypt(3) would.
    if power < LEAST_POWER {
        return Err(Reason::Malformed);
    }
    let blocks = 1_u64 << power;
    if blocks * u64::from(block_size) * 128 > limits::CRYPT_YESCRYPT_OCTETS {
        return Err(Reason::TooCostly);
    }
    Ok((blocks, block_size.into()))
}

/// crypt_gensalt(3) begins with 1,024 blocks.
const LEAST_POWER: u8 = 10;
