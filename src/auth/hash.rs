//! Password records: a PHC string of Argon2id, keyed with the device key and sealed for one mailbox (A3).

use std::fmt;

use argon2::password_hash::phc::{Output, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHash, Version};

use super::random::Randomness;
use super::seal::Sealer;
use crate::limits;
use crate::mail::{Address, MailboxMark, Secret};
use crate::settings::Settings;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

/// A password as the database keeps it, opened.
#[derive(Clone)]
pub struct Record {
    hash: PasswordHash,
    cost: Params,
}

/// Why a hash could not be computed: there is not so much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory;

/// Why a password can't be set; each text says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// An empty password; a directory would take it for no password at all (S-191).
    Empty,
    /// Over [`crate::limits::PASSWORD_OCTETS`] octets.
    TooLong,
    /// It holds a line end or a NUL, which no client can send.
    Unsendable,
    /// There is not enough memory for the hash that the settings ask for.
    NoMemory,
}

/// Errs if no client could log on with that password.
pub fn check(password: &Secret) -> Result<(), PasswordError> {
    match password.expose() {
        [] => Err(PasswordError::Empty),
        octets if octets.len() > limits::PASSWORD_OCTETS => Err(PasswordError::TooLong),
        octets if octets.iter().any(|octet| b"\r\n\0".contains(octet)) => Err(PasswordError::Unsendable),
        _ => Ok(()),
    }
}

/// A password for people to read and type: three groups of six, 89 random bits.
pub fn generate(randomness: &Randomness) -> Secret {
    // Room for all from the start: growing would leave copies behind.
    let mut text = Vec::with_capacity(20);
    while text.len() < 20 {
        if text.len() % 7 == 6 {
            text.push(b'-');
        }
        let [octet] = randomness.draw::<1>();
        // 248 is the largest multiple of 31 in an octet: taking more would favour some letters.
        if octet < 248 {
            text.push(EASY_LETTERS[usize::from(octet % 31)]);
        }
    }
    Secret::new(text)
}

impl Cost {
    /// What the settings say.
    pub fn of(settings: &Settings) -> Cost {
        Cost { memory_kib: settings.argon2_kib, passes: settings.argon2_passes }
    }
}

impl Record {
    /// Hashes a password; errs if there is not enough memory.
    pub fn new(pepper: &Secret, salt: [u8; 16], cost: Cost, password: &Secret) -> Result<Record, NoMemory> {
        let params =
            Params::new(cost.memory_kib, cost.passes, 1, Some(OUTPUT_OCTETS)).map_err(|_| NoMemory)?;
        let output = derive(pepper, &params, &salt, password)?;
        Record::assemble(params, salt, output).ok_or(NoMemory)
    }

    /// A record that no password opens, as costly to check as a real one: for users who don't exist
    /// (A11, S-167).
    pub fn dummy(randomness: &Randomness, cost: Cost) -> Option<Record> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, Some(OUTPUT_OCTETS)).ok()?;
        Record::assemble(params, randomness.draw(), randomness.draw())
    }

    /// Opens a sealed record of that mailbox; none if it is damaged, belongs to another mailbox, or asks
    /// for more than the limits allow (S-174).
    pub fn open(sealer: &Sealer, address: &Address, mark: MailboxMark, sealed: &[u8]) -> Option<Record> {
        let text = sealer.unseal(PURPOSE, &context(address, mark), sealed)?;
        Record::parse(std::str::from_utf8(text.expose()).ok()?)
    }

    /// Seals the record for that mailbox.
    pub fn seal(&self, sealer: &Sealer, nonce: [u8; 12], address: &Address, mark: MailboxMark) -> Vec<u8> {
        let text = Secret::new(self.hash.to_string());
        sealer.seal(nonce, PURPOSE, &context(address, mark), text.expose())
    }

    /// Whether that is the password. Takes the time of one hash; errs if there is not enough memory.
    pub fn verify(&self, pepper: &Secret, password: &Secret) -> Result<bool, NoMemory> {
        let (Some(salt), Some(expected)) = (&self.hash.salt, &self.hash.hash) else { return Ok(false) };
        let output = derive(pepper, &self.cost, salt, password)?;
        // Comparing outputs takes the same time whatever differs (S-179).
        Ok(Output::new(&output).is_ok_and(|output| output == *expected))
    }

    fn parse(text: &str) -> Option<Record> {
        let hash = PasswordHash::new(text).ok()?;
        let cost = Params::try_from(&hash).ok()?;
        let is_ours = hash.algorithm == ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && hash.hash.as_ref().is_some_and(|output| output.len() == OUTPUT_OCTETS)
            && hash.salt.is_some();
        let is_bearable = cost.m_cost() <= limits::ARGON2_MEMORY_KIB
            && cost.t_cost() <= limits::ARGON2_PASSES
            && cost.p_cost() <= limits::ARGON2_LANES;
        (is_ours && is_bearable).then_some(Record { hash, cost })
    }

    fn assemble(cost: Params, salt: [u8; 16], output: [u8; OUTPUT_OCTETS]) -> Option<Record> {
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: (&cost).try_into().ok()?,
            salt: Some(Salt::new(&salt).ok()?),
            hash: Some(Output::new(&output).ok()?),
        };
        Some(Record { hash, cost })
    }
}

/// The one place that computes Argon2id. Its memory is asked for and given back each time.
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

/// Of fixed length first, so that no two mailboxes have the same.
fn context(address: &Address, mark: MailboxMark) -> Vec<u8> {
    [&mark.0[..], address.as_str().as_bytes()].concat()
}

impl fmt::Debug for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Record")
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordError::Empty => out.write_str("a password can't be empty; give one of some length"),
            PasswordError::TooLong => {
                write!(out, "a password has at most {} octets; give a shorter one", limits::PASSWORD_OCTETS)
            }
            PasswordError::Unsendable => {
                out.write_str("a password can't hold a line end or a NUL; leave those out")
            }
            PasswordError::NoMemory => out.write_str(
                "there is not enough memory for the password's hash; free some, or `poppet set argon2_kib` lower",
            ),
        }
    }
}

impl std::error::Error for PasswordError {}

impl From<NoMemory> for PasswordError {
    fn from(_: NoMemory) -> PasswordError {
        PasswordError::NoMemory
    }
}

/// What a mailbox's record is sealed for.
const PURPOSE: &str = "password";
/// Octets of a hash. RFC 9106 §4 asks for 256 bits.
const OUTPUT_OCTETS: usize = 32;
/// Without i, l, o, 0 and 1, which look alike.
const EASY_LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key::DeviceKey;

    const SMALL: Cost = Cost { memory_kib: 64, passes: 1 };
    const MARK: MailboxMark = MailboxMark([7; 16]);

    fn sealer(octet: u8) -> Sealer {
        Sealer::new(DeviceKey::from_octets([octet; 32]))
    }

    fn pepper(octet: u8) -> Secret {
        Secret::new([octet; 32])
    }

    fn record(password: &str) -> Record {
        Record::new(&pepper(1), [3; 16], SMALL, &Secret::new(password)).unwrap()
    }

    fn alice() -> Address {
        "alice@home.lan".parse().unwrap()
    }

    #[test]
    fn only_the_password_itself_is_right() {
        let record = record("correct horse");
        assert_eq!(record.verify(&pepper(1), &Secret::new("correct horse")), Ok(true));
        for wrong in ["", "correct hors", "correct horse ", "Correct horse", "correct\0horse"] {
            assert_eq!(record.verify(&pepper(1), &Secret::new(wrong)), Ok(false), "{wrong:?}");
        }
        assert_eq!(record.verify(&pepper(2), &Secret::new("correct horse")), Ok(false), "another device key");
    }

    #[test]
    fn a_record_opens_for_its_own_mailbox_alone() {
        let sealed = record("secret").seal(&sealer(1), [0; 12], &alice(), MARK);
        let opened = Record::open(&sealer(1), &alice(), MARK, &sealed).unwrap();
        assert_eq!(opened.verify(&pepper(1), &Secret::new("secret")), Ok(true));

        let bob = "bob@home.lan".parse().unwrap();
        assert!(Record::open(&sealer(1), &bob, MARK, &sealed).is_none(), "another name");
        let namesake = "alice@work.lan".parse().unwrap();
        assert!(Record::open(&sealer(1), &namesake, MARK, &sealed).is_none(), "another domain");
        assert!(Record::open(&sealer(1), &alice(), MailboxMark([8; 16]), &sealed).is_none(), "made again");
        assert!(Record::open(&sealer(2), &alice(), MARK, &sealed).is_none(), "another device key");
    }

    #[test]
    fn a_sealed_record_shows_nothing() {
        let sealed = record("secret").seal(&sealer(1), [0; 12], &alice(), MARK);
        assert!(!sealed.windows(6).any(|window| window == b"argon2" || window == b"secret"));
        assert_eq!(format!("{:?}", record("secret")), "Record");
    }

    #[test]
    fn damaged_records_open_for_nobody() {
        let sealed = record("secret").seal(&sealer(1), [0; 12], &alice(), MARK);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 0x10;
            assert!(Record::open(&sealer(1), &alice(), MARK, &damaged).is_none(), "octet {at}");
            assert!(Record::open(&sealer(1), &alice(), MARK, &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn hostile_costs_are_refused_before_they_are_paid_s_174() {
        let text = |memory: u32, passes: u32, lanes: u32| {
            record("secret")
                .hash
                .to_string()
                .replace("m=64,t=1,p=1", &format!("m={memory},t={passes},p={lanes}"))
        };
        let (memory, passes, lanes) =
            (limits::ARGON2_MEMORY_KIB, limits::ARGON2_PASSES, limits::ARGON2_LANES);
        for (memory, passes, lanes) in
            [(memory - 1, passes - 1, lanes - 1), (memory, passes, lanes), (64, 1, 1), (8, 1, 1)]
        {
            assert!(Record::parse(&text(memory, passes, lanes)).is_some(), "{memory} {passes} {lanes}");
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
            assert!(Record::parse(&text(memory, passes, lanes)).is_none(), "{memory} {passes} {lanes}");
        }
    }

    #[test]
    fn other_algorithms_and_shapes_are_refused() {
        let good = record("secret").hash.to_string();
        assert!(good.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{good}");
        assert!(Record::parse(&good).is_some());
        for bad in [
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "argon2d"),
            good.replace("v=19", "v=16"),
            good.replace("v=19$", ""),
            good.replace("m=64", "m=-1"),
            good.replace("m=64", "m=99999999999"),
            good[..good.len() - 4].to_owned(),
            good.rsplit_once('$').unwrap().0.to_owned(),
            String::new(),
            "$".repeat(1000),
        ] {
            assert!(Record::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_dummy_costs_the_same_and_opens_for_nothing_s_167() {
        let dummy = Record::dummy(&Randomness::new().unwrap(), SMALL).unwrap();
        assert_eq!(dummy.cost, record("x").cost);
        for password in ["", "secret", "dummy"] {
            assert_eq!(dummy.verify(&pepper(1), &Secret::new(password)), Ok(false));
        }
    }

    #[test]
    fn generated_passwords_are_easy_letters_of_enough_bits() {
        let randomness = Randomness::new().unwrap();
        let mut counts = [0_u32; 128];
        for _ in 0..1000 {
            let password = generate(&randomness);
            assert_eq!(check(&password), Ok(()));
            let groups: Vec<_> = password.expose().split(|&octet| octet == b'-').collect();
            assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [6, 6, 6]);
            groups.concat().iter().for_each(|&octet| counts[usize::from(octet)] += 1);
        }
        // 18,000 letters: 580 of each, give or take 24 (one sigma).
        assert!(EASY_LETTERS.iter().all(|&letter| (430..730).contains(&counts[usize::from(letter)])));
        assert_eq!(counts.iter().sum::<u32>(), 18_000);
        assert!("ilo01-".bytes().all(|octet| counts[usize::from(octet)] == 0));
        assert!(18.0 * 31_f64.log2() >= 80.0);
    }

    #[test]
    fn passwords_that_no_client_can_send_are_refused_s_191() {
        let check = |octets: &[u8]| check(&Secret::new(octets));
        assert_eq!(check(b""), Err(PasswordError::Empty));
        for bad in [&b"\r"[..], b"a\nb", b"a\0", b"\0\0"] {
            assert_eq!(check(bad), Err(PasswordError::Unsendable), "{bad:?}");
        }
        for length in [1, limits::PASSWORD_OCTETS - 1, limits::PASSWORD_OCTETS] {
            assert_eq!(check(&vec![b'x'; length]), Ok(()), "{length}");
        }
        assert_eq!(check(&vec![b'x'; limits::PASSWORD_OCTETS + 1]), Err(PasswordError::TooLong));
        assert_eq!(check("pässwörd 密码 \t".as_bytes()), Ok(()));
    }
}
