//! Numbers of 128 bits as keys of text tables: a kind of key more would be all of redb's trees once more in the binary.

/// A key that sorts as its number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Wide([u8; OCTETS]);

impl Wide {
    /// The key of a number.
    pub fn of(number: u128) -> Wide {
        let mut octets = [0; OCTETS];
        for (place, octet) in octets.iter_mut().rev().enumerate() {
            *octet = (number >> (place as u32 * BITS)) as u8 & MASK;
        }
        Wide(octets)
    }

    /// The key as it stands in a table; one of another length, which only damage makes, is nobody's.
    pub fn read(text: &str) -> Wide {
        Wide(text.as_bytes().try_into().unwrap_or([MASK; OCTETS]))
    }

    /// Its number.
    pub fn number(self) -> u128 {
        self.0.iter().fold(0, |number, octet| number << BITS | u128::from(*octet))
    }

    /// The text in a table.
    pub fn as_str(&self) -> &str {
        // It is ASCII, whoever made it.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// So many bits of an octet leave it ASCII.
const BITS: u32 = 7;
const MASK: u8 = (1 << BITS) - 1;
const OCTETS: usize = u128::BITS.div_ceil(BITS) as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_and_give_them_back() {
        let numbers = [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u128::from(u64::MAX), 1 << 64, 1 << 127, u128::MAX];
        let keys = numbers.map(Wide::of);
        assert!(keys.is_sorted());
        for (number, key) in numbers.into_iter().zip(keys) {
            assert_eq!(key.number(), number);
            assert_eq!(key.as_str().len(), OCTETS);
            assert_eq!(Wide::read(key.as_str()), key);
        }
        assert!(keys.map(|key| key.as_str().to_owned()).is_sorted());
    }

    #[test]
    fn a_damaged_key_is_that_of_no_number() {
        for text in ["", "short", "nineteen and more octets", "\u{e4}"] {
            let key = Wide::read(text);
            assert!(key > Wide::of(u128::MAX), "{text:?}");
            assert_ne!(Wide::of(key.number()), key, "{text:?}");
        }
    }
}
