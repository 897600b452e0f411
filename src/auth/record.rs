//! The sealed record of a password: its hash, its SCRAM verifier, and the password itself where that is asked for
//! (A3, A4).

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::hash::{Cost, Hash};
use super::seal::Sealer;
use crate::limits;
use crate::mail::{Address, MailboxMark, Secret};
use crate::sasl::scram::{Salt, Verifier};

/// A password as the database keeps it, opened.
pub struct Record {
    hash: Hash,
    verifier: Option<Verifier>,
    secret: Option<Secret>,
}

impl Record {
    /// Puts a record together; `secret` is the password itself, for APOP, CRAM-MD5 and NTLM.
    pub fn new(hash: Hash, verifier: Option<Verifier>, secret: Option<Secret>) -> Record {
        Record { hash, verifier, secret }
    }

    /// Opens a sealed record of that mailbox; none if it is damaged, belongs to another mailbox, or asks
    /// for more than the limits allow (S-174).
    pub fn open(sealer: &Sealer, address: &Address, mark: MailboxMark, sealed: &[u8]) -> Option<Record> {
        let plain = sealer.unseal(PURPOSE, &context(address, mark), sealed)?;
        Record::parse(plain.expose())
    }

    /// Seals the record for that mailbox. Its length tells neither whether there is a secret nor, up to some
    /// 60 octets, how long it is.
    pub fn seal(&self, sealer: &Sealer, nonce: [u8; 12], address: &Address, mark: MailboxMark) -> Vec<u8> {
        sealer.seal(nonce, PURPOSE, &context(address, mark), &self.write())
    }

    /// The password's hash.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The SCRAM verifier; none in records of before there were any.
    pub fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    /// The password itself, if it was kept when it was set.
    pub fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// The same without the password itself.
    pub fn without_secret(mut self) -> Record {
        self.secret = None;
        self
    }

    /// Whether a record made of the same password now would be of the same kind. A secret that is missing is
    /// none of its faults: only a new password brings one (A4).
    pub fn is_up_to_date(&self, cost: Cost, keeps_secrets: bool) -> bool {
        let has_verifier =
            self.verifier.as_ref().is_some_and(|known| known.salt.iterations == limits::SCRAM_ITERATIONS);
        self.hash.cost() == cost && has_verifier && (keeps_secrets || self.secret.is_none())
    }

    fn write(&self) -> Zeroizing<Vec<u8>> {
        let phc = self.hash.to_phc();
        let stored = Stored {
            format: FORMAT,
            hash: &phc,
            verifier: self.verifier.as_ref().map(StoredVerifier::of),
            secret: self.secret.as_ref().map(Secret::expose),
        };
        let secret_octets = stored.secret.map_or(0, <[u8]>::len);
        // Room for all from the start: growing would leave copies behind.
        let mut plain =
            Zeroizing::new(vec![0; (PADDING_OCTETS + secret_octets).next_multiple_of(PADDING_OCTETS)]);
        let used = postcard::to_slice(&stored, &mut plain).map_or(0, |used| used.len());
        plain.truncate(used.next_multiple_of(PADDING_OCTETS));
        plain
    }

    /// A record of before there were verifiers is the hash alone.
    fn parse(plain: &[u8]) -> Option<Record> {
        if plain.first() == Some(&b'$') {
            return Some(Record::new(Hash::parse(std::str::from_utf8(plain).ok()?)?, None, None));
        }
        let stored: Stored<'_> = postcard::from_bytes(plain).ok()?;
        if stored.format != FORMAT {
            return None;
        }
        let verifier = stored.verifier.as_ref().map(StoredVerifier::verifier);
        Some(Record::new(Hash::parse(stored.hash)?, verifier, stored.secret.map(Secret::new)))
    }
}

/// What is sealed, in postcard's form, filled up with zeros.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    format: u8,
    hash: &'a str,
    verifier: Option<StoredVerifier>,
    secret: Option<&'a [u8]>,
}

#[derive(Serialize, Deserialize)]
struct StoredVerifier {
    salt: [u8; 16],
    iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl StoredVerifier {
    fn of(verifier: &Verifier) -> StoredVerifier {
        let Salt { octets: salt, iterations } = verifier.salt;
        StoredVerifier { salt, iterations, stored_key: verifier.stored_key, server_key: verifier.server_key }
    }

    fn verifier(&self) -> Verifier {
        Verifier {
            salt: Salt { octets: self.salt, iterations: self.iterations },
            stored_key: self.stored_key,
            server_key: self.server_key,
        }
    }
}

impl Drop for StoredVerifier {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(verifier) = &mut self.verifier {
            verifier.stored_key.zeroize();
            verifier.server_key.zeroize();
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Record")
    }
}

/// Of fixed length first, so that no two mailboxes have the same.
fn context(address: &Address, mark: MailboxMark) -> Vec<u8> {
    [&mark.0[..], address.as_str().as_bytes()].concat()
}

/// What a mailbox's record is sealed for.
const PURPOSE: &str = "password";
/// The version of what is sealed; not the `$` with which a bare hash begins.
const FORMAT: u8 = 2;
/// Hash and verifier take less than 200 of these.
const PADDING_OCTETS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key::DeviceKey;
    use crate::auth::random::Randomness;

    const SMALL: Cost = Cost { memory_kib: 64, passes: 1 };
    const MARK: MailboxMark = MailboxMark([7; 16]);

    fn sealer(octet: u8) -> Sealer {
        Sealer::new(DeviceKey::from_octets([octet; 32]))
    }

    fn record(secret: Option<&[u8]>) -> Record {
        let hash = Hash::dummy(&Randomness::new().unwrap(), SMALL).unwrap();
        Record::new(hash, Some(verifier(limits::SCRAM_ITERATIONS)), secret.map(Secret::new))
    }

    fn verifier(iterations: u32) -> Verifier {
        let salt = Salt { octets: [1; 16], iterations };
        Verifier { salt, stored_key: [0xA5; 32], server_key: [0xA6; 32] }
    }

    fn alice() -> Address {
        "alice@home.lan".parse().unwrap()
    }

    fn sealed(record: &Record) -> Vec<u8> {
        record.seal(&sealer(1), [0; 12], &alice(), MARK)
    }

    fn opened(sealed: &[u8]) -> Option<Record> {
        Record::open(&sealer(1), &alice(), MARK, sealed)
    }

    #[test]
    fn all_that_was_sealed_comes_back() {
        for secret in
            [None, Some(&b"wonderland"[..]), Some(&[b'x'; limits::PASSWORD_OCTETS]), Some(b"\xFF\0")]
        {
            let record = record(secret);
            let opened = opened(&sealed(&record)).unwrap();
            assert_eq!(opened.hash().to_phc(), record.hash().to_phc());
            assert!(opened.verifier() == record.verifier());
            assert_eq!(opened.secret().map(Secret::expose), secret);
        }
    }

    #[test]
    fn a_record_opens_for_its_own_mailbox_alone() {
        let sealed = sealed(&record(Some(b"secret")));
        let open = |key, address: &str, mark| {
            Record::open(&sealer(key), &address.parse().unwrap(), MailboxMark([mark; 16]), &sealed)
        };
        assert!(open(1, "alice@home.lan", 7).is_some());
        assert!(open(1, "bob@home.lan", 7).is_none(), "another name");
        assert!(open(1, "alice@work.lan", 7).is_none(), "another domain");
        assert!(open(1, "alice@home.lan", 8).is_none(), "made again");
        assert!(open(2, "alice@home.lan", 7).is_none(), "another device key");
    }

    #[test]
    fn a_sealed_record_shows_nothing_not_even_whether_it_holds_a_secret_s_182() {
        let without = sealed(&record(None));
        for length in [1, 10, 60] {
            let secret = vec![b's'; length];
            let sealed = sealed(&record(Some(&secret)));
            assert_eq!(sealed.len(), without.len(), "{length}");
            assert!(!sealed.windows(6).any(|six| six == b"argon2" || six == b"ssssss" || six == [0xA5; 6]));
        }
        assert_eq!(format!("{:?}", record(Some(b"secret"))), "Record");
    }

    #[test]
    fn damaged_records_open_for_nobody() {
        let sealed = sealed(&record(Some(b"secret")));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 0x10;
            assert!(opened(&damaged).is_none(), "octet {at}");
            assert!(opened(&sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_no_record_is_none_even_under_the_right_seal() {
        let plain = record(Some(b"secret")).write();
        assert!(Record::parse(&plain).is_some());
        for length in 0..180 {
            assert!(Record::parse(&plain[..length]).is_none(), "{length}");
        }
        for format in [0, 1, 3, b'$', 255] {
            let mut other = plain.to_vec();
            other[0] = format;
            assert!(Record::parse(&other).is_none(), "{format}");
        }
        let hostile = record(None).hash().to_phc().replace("m=64", "m=999999");
        assert!(Record::parse(hostile.as_bytes()).is_none());
        assert!(Record::parse(b"").is_none());
    }

    #[test]
    fn a_bare_hash_of_before_there_were_verifiers_still_opens() {
        let phc = record(None).hash().to_phc();
        let sealed = sealer(1).seal([0; 12], PURPOSE, &context(&alice(), MARK), phc.as_bytes());
        let record = opened(&sealed).unwrap();
        assert!(record.verifier().is_none() && record.secret().is_none());
        assert_eq!(record.hash().to_phc(), phc);
        assert!(!record.is_up_to_date(SMALL, false));
    }

    #[test]
    fn a_wiped_record_is_the_same_but_for_its_secret() {
        let record = record(Some(b"secret"));
        let phc = record.hash().to_phc();
        let wiped = opened(&sealed(&record.without_secret())).unwrap();
        assert!(wiped.secret().is_none() && wiped.verifier().is_some());
        assert_eq!(wiped.hash().to_phc(), phc);
    }

    #[test]
    fn a_record_is_out_of_date_by_cost_iterations_and_a_secret_that_is_not_wanted_s_167() {
        let of = |iterations, secret: Option<&str>| {
            let hash = Hash::dummy(&Randomness::new().unwrap(), SMALL).unwrap();
            Record::new(hash, Some(verifier(iterations)), secret.map(Secret::new))
        };
        let now = limits::SCRAM_ITERATIONS;
        assert!(of(now, None).is_up_to_date(SMALL, false));
        assert!(of(now, None).is_up_to_date(SMALL, true), "only a new password brings a secret (A4)");
        assert!(of(now, Some("x")).is_up_to_date(SMALL, true));
        assert!(!of(now, Some("x")).is_up_to_date(SMALL, false));
        assert!(!of(now - 1, None).is_up_to_date(SMALL, false));
        assert!(!of(now, None).is_up_to_date(Cost { memory_kib: 65, ..SMALL }, false));
        assert!(!of(now, None).is_up_to_date(Cost { passes: 2, ..SMALL }, false));
    }
}
