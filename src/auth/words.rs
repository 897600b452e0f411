//! Recovery words: the device key in a form that a person can write down and type again.
//!
//! Eleven groups of five characters of Crockford's base32 (no I, L, O, U): 256 bits of key and 19 bits
//! of checksum, so that a typing error is found at once.

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::key::KeyError;

/// The words of a key.
pub fn write(key: &[u8; 32]) -> String {
    let bits = Zeroizing::new([&key[..], &checksum(key)].concat());
    let mut words = String::with_capacity(CHARACTERS + GROUPS - 1);
    for index in 0..CHARACTERS {
        if index > 0 && index % PER_GROUP == 0 {
            words.push('-');
        }
        words.push(ALPHABET[usize::from(five_bits(&bits, index))].into());
    }
    words
}

/// The key of such words, in letters of any case, with dashes and blanks anywhere, an O for a 0 and an
/// I or L for a 1. Errs with what is wrong.
pub fn read(words: &str) -> Result<[u8; 32], KeyError> {
    let mut bits = Zeroizing::new([0_u8; 35]);
    let mut count = 0;
    for character in words.chars().filter(|character| !character.is_whitespace() && *character != '-') {
        let value = value(character).ok_or_else(|| {
            KeyError(format!(
                "recovery words have only digits and letters without U; check group {}",
                count / PER_GROUP + 1
            ))
        })?;
        if count < CHARACTERS {
            put_five_bits(&mut bits[..], count, value);
        }
        count += 1;
    }
    if count != CHARACTERS {
        return Err(KeyError(format!(
            "recovery words have {GROUPS} groups of {PER_GROUP} characters, {CHARACTERS} in all; these have {count}"
        )));
    }
    let (key, check) = bits.split_at(32);
    let key: [u8; 32] = key.try_into().map_err(|_| typing_error())?;
    if checksum(&key) != check { Err(typing_error()) } else { Ok(key) }
}

fn typing_error() -> KeyError {
    KeyError("these recovery words hold a typing error: compare them with the paper group by group".into())
}

/// The first 19 bits of a digest; the other five of three octets are zero.
fn checksum(key: &[u8; 32]) -> [u8; 3] {
    let digest = digest(&SHA256, &[b"poppet recovery words", &key[..]].concat());
    let octets = digest.as_ref();
    [octets[0], octets[1], octets[2] & 0b1110_0000]
}

fn value(character: char) -> Option<u8> {
    let plain = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|&known| char::from(known) == plain).map(|index| index as u8)
}

fn five_bits(bits: &[u8], index: usize) -> u8 {
    (0..5).fold(0, |value, bit| {
        let at = index * 5 + bit;
        value << 1 | bits[at / 8] >> (7 - at % 8) & 1
    })
}

fn put_five_bits(bits: &mut [u8], index: usize, value: u8) {
    for bit in 0..5 {
        let at = index * 5 + bit;
        bits[at / 8] |= (value >> (4 - bit) & 1) << (7 - at % 8);
    }
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS: usize = 11;
const PER_GROUP: usize = 5;
const CHARACTERS: usize = GROUPS * PER_GROUP;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_give_the_key_back() {
        let mut random = fastrand::Rng::with_seed(1);
        for key in
            [[0; 32], [0xFF; 32]].into_iter().chain((0..100).map(|_| std::array::from_fn(|_| random.u8(..))))
        {
            let words = write(&key);
            assert_eq!(words.len(), 65);
            assert!(words.split('-').all(|group| group.len() == 5) && words.split('-').count() == 11);
            assert_eq!(read(&words), Ok(key));
        }
    }

    #[test]
    fn words_are_taken_as_people_type_them() {
        let key = [0x01; 32];
        let words = write(&key);
        assert!(words.contains('0') && words.contains('1'), "{words}");
        for typed in [
            words.to_lowercase(),
            words.replace('-', " "),
            words.replace('-', ""),
            format!("  {}\n", words.replace('0', "O").replace('1', "l")),
            words.replace('0', "o").replace('1', "I"),
        ] {
            assert_eq!(read(&typed), Ok(key), "{typed}");
        }
    }

    #[test]
    fn every_single_wrong_character_and_nearly_every_swap_is_found() {
        let mut random = fastrand::Rng::with_seed(2);
        let words: Vec<char> = write(&std::array::from_fn(|_| random.u8(..))).chars().collect();
        let mut missed = 0;
        for at in (0..words.len()).filter(|&at| words[at] != '-') {
            for &other in ALPHABET {
                let mut wrong = words.clone();
                wrong[at] = other.into();
                missed += usize::from(wrong != words && read(&String::from_iter(wrong)).is_ok());
            }
        }
        for at in 1..words.len() {
            let mut wrong = words.clone();
            wrong.swap(at - 1, at);
            let changed = wrong[at] != '-' && wrong[at - 1] != '-' && wrong != words;
            missed += usize::from(changed && read(&String::from_iter(wrong)).is_ok());
        }
        assert_eq!(missed, 0);
    }

    #[test]
    fn wrong_lengths_and_characters_are_named() {
        let words = write(&[3; 32]);
        let text = |words: &str| read(words).unwrap_err().0;
        assert!(text("").ends_with("these have 0"));
        assert!(text(&words[..words.len() - 1]).ends_with("these have 54"));
        assert!(text(&format!("{words}0")).ends_with("these have 56"));
        assert!(text(&"0".repeat(100_000)).ends_with("these have 100000"));
        assert_eq!(
            text(&words.replacen(&words[6..7], "U", 2).replacen(&words[12..13], "ä", 9)),
            text("U"),
            "an unknown character is named before the length"
        );
        assert!(text(&format!("{}ü{}", &words[..12], &words[13..])).ends_with("check group 3"));
    }
}
