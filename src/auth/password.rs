//! Passwords themselves: which can be set, how they are made equal before anything is made of them, good new ones.

use std::fmt;

use super::hash::NoMemory;
use super::random::Randomness;
use crate::limits;
use crate::mail::Secret;
use crate::sasl::prepare;

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

/// A good new password for what is not kept here; none if the system gives no random numbers.
pub fn fresh() -> Option<Secret> {
    Randomness::new().ok().map(|randomness| generate(&randomness))
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

/// The password as it is hashed, derived from and compared. RFC 8265 §4.2.
pub fn prepared(password: &Secret) -> Secret {
    Secret::new(prepare::password(password.expose()).into_owned())
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
                "there is not enough memory for the password's hash; free some, or \"poppet set argon2_kib\" lower",
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

/// Without i, l, o, 0 and 1, which look alike.
const EASY_LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

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
