//! The one place that computes Argon2id: hashes keyed with the device key, as PHC strings (A3).

use std::fmt;
use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64Unpadded, Encoding};

use super::random::Randomness;
use crate::limits;
use crate::mail::Secret;
use crate::settings::Settings;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

/// The hash of a password.
#[derive(Clone)]
pub struct Hash {
    params: Params,
    salt: [u8; SALT_OCTETS],
    output: [u8; OUTPUT_OCTETS],
}

/// Why a hash could not be computed: there is not so much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory;

impl Cost {
    /// What the settings say.
    pub fn of(settings: &Settings) -> Cost {
        Cost { memory_kib: settings.argon2_kib, passes: settings.argon2_passes }
    }

    fn params(self) -> Result<Params, NoMemory> {
        Params::new(self.memory_kib, self.passes, 1, Some(OUTPUT_OCTETS)).map_err(|_| NoMemory)
    }
}

impl Hash {
    /// Hashes a password; errs if there is not enough memory.
    pub fn new(
        pepper: &Secret,
        salt: [u8; SALT_OCTETS],
        cost: Cost,
        password: &Secret,
    ) -> Result<Hash, NoMemory> {
        let params = cost.params()?;
        let output = derive(pepper, &params, &salt, password)?;
        Ok(Hash { params, salt, output })
    }

    /// A hash of no password, as costly to check as a real one (A11, S-167).
    pub fn dummy(randomness: &Randomness, cost: Cost) -> Result<Hash, NoMemory> {
        Ok(Hash { params: cost.params()?, salt: randomness.draw(), output: randomness.draw() })
    }

    /// Takes a PHC string; none if it is not ours, or asks for more than the limits allow (S-174).
    pub fn parse(text: &str) -> Option<Hash> {
        let mut fields = text.strip_prefix(PREFIX)?.split('$');
        let (costs, salt, output) = (fields.next()?, fields.next()?, fields.next()?);
        let mut costs = costs.split(',').zip(["m=", "t=", "p="]).map(|(cost, name)| cost.strip_prefix(name));
        let mut cost = |most| number(costs.next()??).filter(|cost| *cost <= most);
        let memory_kib = cost(limits::ARGON2_MEMORY_KIB)?;
        let passes = cost(limits::ARGON2_PASSES)?;
        let lanes = cost(limits::ARGON2_LANES)?;
        let params = Params::new(memory_kib, passes, lanes, Some(OUTPUT_OCTETS)).ok()?;
        let hash = Hash { params, salt: octets(salt)?, output: octets(output)? };
        // Whatever else a text may hold, it is no hash of ours.
        (hash.to_phc() == text).then_some(hash)
    }

    /// The PHC string.
    pub fn to_phc(&self) -> String {
        let (memory_kib, passes, lanes) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let (salt, output) =
            (Base64Unpadded::encode_string(&self.salt), Base64Unpadded::encode_string(&self.output));
        format!("{PREFIX}m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }

    /// Whether it is the password's. Takes the time of one hash; errs if there is not enough memory.
    pub fn verify(&self, pepper: &Secret, password: &Secret) -> Result<bool, NoMemory> {
        let output = derive(pepper, &self.params, &self.salt, password)?;
        // Takes the same time whatever differs (S-179).
        let difference = output
            .iter()
            .zip(&self.output)
            .fold(0, |so_far, (left, right)| black_box(so_far | (left ^ right)));
        Ok(difference == 0)
    }

    /// What it costs; the lanes are one in all hashes that we make.
    pub fn cost(&self) -> Cost {
        Cost { memory_kib: self.params.m_cost(), passes: self.params.t_cost() }
    }
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn octets<const OCTETS: usize>(text: &str) -> Option<[u8; OCTETS]> {
    let mut octets = [0; OCTETS];
    let decoded = Base64Unpadded::decode(text, &mut octets).ok()?.len();
    (decoded == OCTETS).then_some(octets)
}

/// Its memory is asked for and given back each time.
fn derive(
    pepper: &Secret,
    params: &Params,
    salt: &[u8],
    password: &Secret,
) -> Result<[u8; OUTPUT_OCTETS], NoMemory> {
    let mut output = [0; OUTPUT_OCTETS];
    Argon2::new_with_secret(pepper.expose(), Algorithm::Argon2id, Version::V0x13, params.clone())
        .and_then(|argon2| argon2.hash_password_into(password.expose(), salt, &mut output))
        .map_err(|_| NoMemory)?;
    Ok(output)
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Hash")
    }
}

/// How each of our PHC strings begins.
const PREFIX: &str = "$argon2id$v=19$";
/// Octets of a salt. RFC 9106 §4 asks for 128 bits.
const SALT_OCTETS: usize = 16;
/// Octets of a hash. RFC 9106 §4 asks for 256 bits.
const OUTPUT_OCTETS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Cost = Cost { memory_kib: 64, passes: 1 };

    fn pepper(octet: u8) -> Secret {
        Secret::new([octet; 32])
    }

    fn hash(password: &str) -> Hash {
        Hash::new(&pepper(1), [3; 16], SMALL, &Secret::new(password)).unwrap()
    }

    #[test]
    fn only_the_password_itself_is_right() {
        let hash = hash("correct horse");
        assert_eq!(hash.verify(&pepper(1), &Secret::new("correct horse")), Ok(true));
        for wrong in ["", "correct hors", "correct horse ", "Correct horse", "correct\0horse"] {
            assert_eq!(hash.verify(&pepper(1), &Secret::new(wrong)), Ok(false), "{wrong:?}");
        }
        assert_eq!(hash.verify(&pepper(2), &Secret::new("correct horse")), Ok(false), "another device key");
    }

    #[test]
    fn hostile_costs_are_refused_before_they_are_paid_s_174() {
        let text = |memory: u32, passes: u32, lanes: u32| {
            hash("secret").to_phc().replace("m=64,t=1,p=1", &format!("m={memory},t={passes},p={lanes}"))
        };
        let (memory, passes, lanes) =
            (limits::ARGON2_MEMORY_KIB, limits::ARGON2_PASSES, limits::ARGON2_LANES);
        for (memory, passes, lanes) in
            [(memory - 1, passes - 1, lanes - 1), (memory, passes, lanes), (64, 1, 1), (8, 1, 1)]
        {
            assert!(Hash::parse(&text(memory, passes, lanes)).is_some(), "{memory} {passes} {lanes}");
        }
        for (memory, passes, lanes) in [
            (memory + 1, 1, 1),
            (64, passes + 1, 1),
            (64, 1, lanes + 1),
            (4_194_304, 1000, 64),
            (u32::MAX, u32::MAX, 1),
            (7, 1, 1),
            (64, 0, 1),
            (64, 1, 0),
        ] {
            assert!(Hash::parse(&text(memory, passes, lanes)).is_none(), "{memory} {passes} {lanes}");
        }
    }

    #[test]
    fn other_algorithms_and_shapes_are_refused() {
        let good = hash("secret").to_phc();
        assert!(good.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{good}");
        assert!(Hash::parse(&good).is_some());
        for bad in [
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "argon2d"),
            good.replace("v=19", "v=16"),
            good.replace("v=19$", ""),
            good.replace("m=64", "m=-1"),
            good.replace("m=64", "m=99999999999"),
            good[..good.len() - 4].to_owned(),
            good.rsplit_once('$').unwrap().0.to_owned(),
            good.replace("m=64", "m=064"),
            good.replace("m=64", "m=+64"),
            good.replace("m=64,t=1", "t=1,m=64"),
            good.replace("p=1$", "p=1,data=x$"),
            format!("{good}$"),
            format!("{good}="),
            format!(" {good}"),
            String::new(),
            "$".repeat(1000),
        ] {
            assert!(Hash::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_dummy_costs_the_same_and_opens_for_nothing_s_167() {
        let dummy = Hash::dummy(&Randomness::new().unwrap(), SMALL).unwrap();
        assert_eq!(dummy.cost(), hash("x").cost());
        for password in ["", "secret", "dummy"] {
            assert_eq!(dummy.verify(&pepper(1), &Secret::new(password)), Ok(false));
        }
    }
}
