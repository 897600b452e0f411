//! A certificate and its key in one encrypted file, as devices and mail clients import it. RFC 7292.
//!
//! Encrypted by AES-256-CBC under PBKDF2 with HMAC-SHA-256 (RFC 8018 §6.2), and with a MAC by SHA-256: what OpenSSL
//! makes since version 3, and Windows, macOS, iOS and Android read since about 2019.

use std::num::NonZeroU32;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes256, Block};
use ring::{digest, hmac, pbkdf2};

use crate::mail::Secret;
use crate::wire::ber::{Tag, Writer};

/// What goes into the file.
pub struct Contents<'a> {
    /// The key's own certificate, then those that lead to its authority, DER.
    pub certificates: &'a [&'a [u8]],
    /// The private key, PKCS #8 DER.
    pub private_key: &'a Secret,
    /// What programs show for it.
    pub name: &'a str,
}

/// The file, DER. `draw` gives random octets, others each time.
pub fn seal(contents: &Contents<'_>, password: &Secret, draw: impl Fn() -> [u8; SALT_OCTETS]) -> Vec<u8> {
    let own = contents.certificates.first().copied().unwrap_or_default();
    let own_bags =
        Bags { name: contents.name, key_id: digest::digest(&digest::SHA256, own).as_ref().to_vec() };
    let mut certificates = Writer::default();
    certificates.inside(Tag::SEQUENCE, |bags| {
        for (index, der) in contents.certificates.iter().enumerate() {
            bags.inside(Tag::SEQUENCE, |bag| own_bags.certificate_bag(bag, der, index == 0));
        }
    });
    let certificates = Secret::new(certificates.finish());

    let mut key = Writer::default();
    key.inside(Tag::SEQUENCE, |bags| {
        bags.inside(Tag::SEQUENCE, |bag| {
            bag.element(Tag::OBJECT_IDENTIFIER, SHROUDED_KEY_BAG);
            bag.inside(EXPLICIT, |value| {
                value.inside(Tag::SEQUENCE, |value| {
                    encrypted(value, Tag::OCTET_STRING, contents.private_key, password, (draw(), draw()));
                });
            });
            own_bags.attributes(bag);
        });
    });
    let key = key.finish();

    let mut safes = Writer::default();
    safes.inside(Tag::SEQUENCE, |safes| {
        safes.inside(Tag::SEQUENCE, |safe| {
            safe.element(Tag::OBJECT_IDENTIFIER, ENCRYPTED_DATA);
            safe.inside(EXPLICIT, |value| {
                value.inside(Tag::SEQUENCE, |value| {
                    value.integer(Tag::INTEGER, 0);
                    value.inside(Tag::SEQUENCE, |content| {
                        content.element(Tag::OBJECT_IDENTIFIER, DATA);
                        encrypted(content, Tag::context(0, false), &certificates, password, (draw(), draw()));
                    });
                });
            });
        });
        safes.inside(Tag::SEQUENCE, |safe| plain(safe, &key));
    });
    whole(&safes.finish(), password, draw())
}

struct Bags<'a> {
    name: &'a str,
    key_id: Vec<u8>,
}

impl Bags<'_> {
    fn certificate_bag(&self, bag: &mut Writer, der: &[u8], is_own: bool) {
        bag.element(Tag::OBJECT_IDENTIFIER, CERTIFICATE_BAG);
        bag.inside(EXPLICIT, |value| {
            value.inside(Tag::SEQUENCE, |value| {
                value.element(Tag::OBJECT_IDENTIFIER, X509_CERTIFICATE);
                value.inside(EXPLICIT, |value| value.element(Tag::OCTET_STRING, der));
            });
        });
        if is_own {
            self.attributes(bag);
        }
    }

    /// The name, and what tells readers which certificate is the key's.
    fn attributes(&self, bag: &mut Writer) {
        let name: Vec<u8> = self.name.encode_utf16().flat_map(u16::to_be_bytes).collect();
        bag.inside(Tag::SET, |attributes| {
            for (kind, tag, value) in
                [(FRIENDLY_NAME, BMP_STRING, &name), (LOCAL_KEY_ID, Tag::OCTET_STRING, &self.key_id)]
            {
                attributes.inside(Tag::SEQUENCE, |attribute| {
                    attribute.element(Tag::OBJECT_IDENTIFIER, kind);
                    attribute.inside(Tag::SET, |values| values.element(tag, value));
                });
            }
        });
    }
}

/// The algorithm, and what it has made of the octets under that tag. RFC 8018 appendix A.4.
fn encrypted(out: &mut Writer, tag: Tag, octets: &Secret, password: &Secret, (salt, start): Salts) {
    out.inside(Tag::SEQUENCE, |algorithm| {
        algorithm.element(Tag::OBJECT_IDENTIFIER, PBES2);
        algorithm.inside(Tag::SEQUENCE, |parts| {
            parts.inside(Tag::SEQUENCE, |derivation| {
                derivation.element(Tag::OBJECT_IDENTIFIER, PBKDF2);
                derivation.inside(Tag::SEQUENCE, |derivation| {
                    derivation.element(Tag::OCTET_STRING, &salt);
                    derivation.integer(Tag::INTEGER, ITERATIONS.get().into());
                    derivation.inside(Tag::SEQUENCE, |function| {
                        function.element(Tag::OBJECT_IDENTIFIER, HMAC_SHA256);
                        function.element(Tag::NULL, b"");
                    });
                });
            });
            parts.inside(Tag::SEQUENCE, |cipher| {
                cipher.element(Tag::OBJECT_IDENTIFIER, AES256_CBC);
                cipher.element(Tag::OCTET_STRING, &start);
            });
        });
    });
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password.expose(), &mut key);
    out.element(tag, &chained(&key, start, octets.expose()));
}

/// AES-256 in CBC, padded as RFC 8018 §6.1.1 says.
fn chained(key: &[u8; 32], start: [u8; SALT_OCTETS], octets: &[u8]) -> Vec<u8> {
    let cipher = Aes256::new(&(*key).into());
    let padding = SALT_OCTETS - octets.len() % SALT_OCTETS;
    let padded = octets.iter().copied().chain(std::iter::repeat_n(padding as u8, padding));
    let (mut before, mut block, mut filled) = (Block::from(start), Block::from([0; SALT_OCTETS]), 0);
    let mut out = Vec::with_capacity(octets.len() + padding);
    for octet in padded {
        block[filled] = octet ^ before[filled];
        filled += 1;
        if filled == SALT_OCTETS {
            cipher.encrypt_block(&mut block);
            out.extend_from_slice(&block);
            (before, filled) = (block, 0);
        }
    }
    out
}

fn plain(out: &mut Writer, octets: &[u8]) {
    out.element(Tag::OBJECT_IDENTIFIER, DATA);
    out.inside(EXPLICIT, |value| value.element(Tag::OCTET_STRING, octets));
}

/// The file around its safes, with their MAC. RFC 7292 §4, §5.1.
fn whole(safes: &[u8], password: &Secret, salt: [u8; SALT_OCTETS]) -> Vec<u8> {
    let mut file = Writer::default();
    file.inside(Tag::SEQUENCE, |file| {
        file.integer(Tag::INTEGER, 3);
        file.inside(Tag::SEQUENCE, |content| plain(content, safes));
        file.inside(Tag::SEQUENCE, |mac| {
            mac.inside(Tag::SEQUENCE, |info| {
                info.inside(Tag::SEQUENCE, |algorithm| {
                    algorithm.element(Tag::OBJECT_IDENTIFIER, SHA256);
                    algorithm.element(Tag::NULL, b"");
                });
                let key = hmac::Key::new(hmac::HMAC_SHA256, &mac_key(password, &salt));
                info.element(Tag::OCTET_STRING, hmac::sign(&key, safes).as_ref());
            });
            mac.element(Tag::OCTET_STRING, &salt);
            mac.integer(Tag::INTEGER, ITERATIONS.get().into());
        });
    });
    file.finish()
}

/// The key of the MAC: one block of SHA-256 is all it needs. RFC 7292 appendix B.2.
fn mac_key(password: &Secret, salt: &[u8]) -> [u8; 32] {
    let text = String::from_utf8_lossy(password.expose());
    // UTF-16 with a zero behind it.
    let password: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let password = Secret::new(password);
    let mut start = vec![MAC_PURPOSE; BLOCK_OCTETS];
    for part in [salt, password.expose()] {
        start.extend(part.iter().cycle().take(part.len().next_multiple_of(BLOCK_OCTETS)));
    }
    let start = Secret::new(start);
    let mut hash = digest::digest(&digest::SHA256, start.expose());
    for _ in 1..ITERATIONS.get() {
        hash = digest::digest(&digest::SHA256, hash.as_ref());
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.as_ref());
    key
}

type Salts = ([u8; SALT_OCTETS], [u8; SALT_OCTETS]);

/// As many as a block of AES has.
pub const SALT_OCTETS: usize = 16;
/// The password is made here and has 80 random bits: more would only cost slow boards time.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
const MAC_PURPOSE: u8 = 3;
/// Of SHA-256.
const BLOCK_OCTETS: usize = 64;
const EXPLICIT: Tag = Tag::context(0, true);
const BMP_STRING: Tag = Tag(0x1E);
/// 1.2.840.113549.1.7.1.
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.7.6.
const ENCRYPTED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x06];
/// 1.2.840.113549.1.12.10.1.2.
const SHROUDED_KEY_BAG: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x02];
/// 1.2.840.113549.1.12.10.1.3.
const CERTIFICATE_BAG: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x03];
/// 1.2.840.113549.1.9.22.1.
const X509_CERTIFICATE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x01];
/// 1.2.840.113549.1.9.20.
const FRIENDLY_NAME: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x14];
/// 1.2.840.113549.1.9.21.
const LOCAL_KEY_ID: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x15];
/// 1.2.840.113549.1.5.13.
const PBES2: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0D];
/// 1.2.840.113549.1.5.12.
const PBKDF2: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x05, 0x0C];
/// 1.2.840.113549.2.9.
const HMAC_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x09];
/// 2.16.840.1.101.3.4.1.42.
const AES256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2A];
/// 2.16.840.1.101.3.4.2.1.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn blocks_are_chained_as_nist_says() {
        // NIST SP 800-38A, F.2.5, and the padding that makes the fifth block.
        let key = octets("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let start = octets("000102030405060708090a0b0c0d0e0f");
        let text = octets(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef\
             f69f2445df4f9b17ad2b417be66c3710",
        );
        let wanted = octets(
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461\
             b2eb05e2c39be9fcda6c19078c6a9d1b",
        );
        let made = chained(&key.try_into().unwrap(), start.try_into().unwrap(), &text);
        assert_eq!((&made[..64], made.len()), (&wanted[..], 80));
    }

    #[test]
    fn padding_fills_the_last_block_or_a_block_of_its_own() {
        for (length, padded) in [(0, 16), (1, 16), (15, 16), (16, 32), (17, 32), (31, 32), (32, 48)] {
            assert_eq!(chained(&[1; 32], [2; 16], &vec![3; length]).len(), padded, "{length}");
        }
    }

    #[test]
    fn the_key_of_the_mac_is_openssl_s() {
        // openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexpass:006100620000 -kdfopt hexsalt:0102030405060708
        //   -kdfopt id:3 -kdfopt iter:10000 PKCS12KDF
        let key = mac_key(&Secret::new("ab"), &octets("0102030405060708"));
        assert_eq!(key.to_vec(), octets("3948c81d5f7b02db7455da9f467277f47ee2efe437cdb5efb6ff7b2caeb64a86"));
    }
}
