//! Blowfish, by Bruce Schneier, "Description of a New Variable-Length Key, 64-Bit Block Cipher", 1993; as far as bcrypt
//! needs it.

use zeroize::Zeroize;

use super::pi::PI;

/// A cipher with its keys; they leave memory with it.
pub struct Blowfish {
    rounds: [u32; 18],
    tables: [[u32; 256]; 4],
}

impl Blowfish {
    /// Before any key.
    pub fn new() -> Blowfish {
        let (rounds, tables) = PI.split_at(18);
        Blowfish {
            rounds: std::array::from_fn(|at| rounds[at]),
            tables: std::array::from_fn(|table| std::array::from_fn(|at| tables[256 * table + at])),
        }
    }

    /// Mixes in a key, with a salt of 16 octets that nothing stands for if there is none. Provos and Mazières,
    /// `ExpandKey`.
    pub fn expand(&mut self, key: &[u8], salt: &[u8]) {
        let mut key = words(key);
        for round in &mut self.rounds {
            *round ^= key.next().unwrap_or_default();
        }
        let (mut salt, mut block) = (words(salt), [0; 2]);
        let mut step = |cipher: &Blowfish| {
            for half in &mut block {
                *half ^= salt.next().unwrap_or_default();
            }
            block = cipher.encrypt(block);
            block
        };
        for at in (0..self.rounds.len()).step_by(2) {
            [self.rounds[at], self.rounds[at + 1]] = step(self);
        }
        for table in 0..self.tables.len() {
            for at in (0..256).step_by(2) {
                [self.tables[table][at], self.tables[table][at + 1]] = step(self);
            }
        }
    }

    /// Encrypts one block.
    pub fn encrypt(&self, [mut left, mut right]: [u32; 2]) -> [u32; 2] {
        for pair in self.rounds[..16].chunks_exact(2) {
            left ^= pair[0];
            right ^= self.mixed(left);
            right ^= pair[1];
            left ^= self.mixed(right);
        }
        [right ^ self.rounds[17], left ^ self.rounds[16]]
    }

    fn mixed(&self, half: u32) -> u32 {
        let [first, second, third, fourth] = half.to_be_bytes().map(usize::from);
        let sum = self.tables[0][first].wrapping_add(self.tables[1][second]);
        (sum ^ self.tables[2][third]).wrapping_add(self.tables[3][fourth])
    }
}

impl Drop for Blowfish {
    fn drop(&mut self) {
        self.rounds.zeroize();
        self.tables.zeroize();
    }
}

/// The octets four by four, again and again, whether or not they end with a word.
fn words(octets: &[u8]) -> impl Iterator<Item = u32> {
    let mut octets = octets.iter().cycle();
    std::iter::from_fn(move || {
        let mut word = 0;
        for _ in 0..4 {
            word = word << 8 | u32::from(*octets.next()?);
        }
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Schneier's own list: key, block, cipher text.
    #[test]
    fn blocks_are_encrypted_as_published() {
        for (key, block, encrypted) in [
            ([0; 8], [0, 0], [0x4EF9_9745, 0x6198_DD78]),
            ([255; 8], [u32::MAX; 2], [0x5186_6FD5, 0xB85E_CB8A]),
            ([0x30, 0, 0, 0, 0, 0, 0, 0], [0x1000_0000, 1], [0x7D85_6F9A, 0x6130_63F2]),
            ([0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF], [0x1111_1111; 2], [0x61F9_C380, 0x2281_B096]),
        ] {
            let mut cipher = Blowfish::new();
            cipher.expand(&key, &[]);
            assert_eq!(cipher.encrypt(block), encrypted, "{key:?}");
        }
    }
}
