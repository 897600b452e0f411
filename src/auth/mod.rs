//! Who may come in: the device key, the encrypted password file, the hashing gate, recognition, throttle and lockout.
//!
//! ```text
//! login(claim) -> store: mailbox and its sealed record; the decoy's for an unknown user (A11)
//!   password   -> recognition: seen within five minutes? then done, no hash (A12)
//!              -> throttle: trying in parallel to a delayed answer? then Busy, no hash (S-175)
//!              -> a stranger with other accounts under way? then Busy (S-170)
//!              -> gate: a permit, or Busy (S-173) -> throttle again -> Argon2id -> Welcome, or Refused with
//!                 its delay (S-169) -> a record of other costs than today's is made anew (S-167)
//!   proof      -> throttle: held? then Busy; much failed lately? then the gate and a hash for nothing first
//!              -> the proof, and its failure noted, before the next proof is looked at
//!   elsewhere  -> users of the system or a directory: outside is asked in place of the gate, one question for a user
//!                 at a time; no answer counts no failure
//!   NTLM there -> relayed: Samba's word, bound to whom it names; a certificate -> certified: no secret, or one more
//!   all        -> who is locked out is refused like one with a wrong password, at the same cost (A10, A11)
//! salt(user)   -> the mailbox's, or one made up that stays
//! ```

mod aging;
mod certified;
mod decoy;
mod elsewhere;
mod failures;
mod flights;
mod gate;
mod hash;
pub mod key;
mod lockout;
mod login;
mod machine;
mod network;
mod outside;
mod own;
mod pace;
mod password;
mod peer;
mod random;
mod recognition;
mod record;
mod records;
mod relayed;
mod renewal;
mod salt;
mod seal;
mod spelling;
mod spray;
mod subject;
mod tag;
#[cfg(test)]
pub(crate) mod tests;
mod throttle;
mod turns;
mod words;
mod work;

pub use failures::FailureNews;
pub use key::{DeviceKey, owner_of};
pub use lockout::{FailureRow, FailureState};
pub use network::address_of_local_user;
pub use outside::{Absence, Answering, DIRECTORY_PASSWORD, Finding, Outside, Person, look_for_nobody};
pub use password::{PasswordError, check as check_password, fresh as fresh_password};
pub use peer::Peer;
pub use records::Records;
pub use relayed::{Relaying, Showing};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ring::hmac;

use self::decoy::Decoy;
use self::failures::Waiting;
use self::gate::Gate;
use self::hash::{Cost, Hash, NoMemory};
use self::pace::Pace;
use self::random::Randomness;
use self::recognition::Recognition;
use self::record::Record;
use self::seal::Sealer;
use self::tag::Tagger;
use self::throttle::Throttle;
use self::turns::Turns;
use self::work::{Ledger, Work};
use crate::clock::{Clock, UnixTime};
use crate::mail::{Address, MailboxId, MailboxMark, Secret};
use crate::sasl::scram::Verifier;
use crate::store::{Store, StoreError};

/// Decides about logons; clones share their memory of failures and of recognised logons.
#[derive(Clone)]
pub struct Gatekeeper {
    inner: Arc<Inner>,
}

/// What a logon came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// He is who he says.
    Welcome(Welcome),
    /// Unknown user or wrong password. Answer only after `delay`.
    Refused {
        /// How long the reply must wait (S-169).
        delay: Duration,
    },
    /// Too many logons at once (S-173).
    Busy,
    /// The store can't answer; logged already.
    StoreFailed,
    /// Whoever knows the users can't be asked now (S-196); logged already.
    Unavailable,
}

/// A user who proved himself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// His mailbox.
    pub mailbox: MailboxId,
    /// Its address.
    pub address: Address,
    /// Its random mark.
    pub mark: MailboxMark,
    /// Whether the mailbox or its domain is locked: sending still works, reading doesn't (C2).
    pub is_locked: bool,
    /// Whether one of them is locked for all: then sending doesn't work either.
    pub is_locked_for_all: bool,
    /// SCRAM's own signature where the claim was SCRAM's. RFC 5802 §3.
    pub signature: Option<[u8; 32]>,
}

impl Gatekeeper {
    /// Opens the gate for the mailboxes of `store`; blocks. Errs with [`StoreError::Refused`] if the
    /// database belongs to another device key; a new database is bound to this one.
    pub fn new(store: Store, key: DeviceKey) -> Result<Gatekeeper, StoreError> {
        let randomness = Randomness::new()
            .map_err(|_| StoreError::Io("the system gives no random numbers; look at /dev/urandom".into()))?;
        let settings = store.settings();
        let permits = match settings.argon2_permits {
            0 => gate::permits_for(machine::processors(), machine::memory_octets(), settings.argon2_kib),
            permits => permits as usize,
        };
        let sealer = Sealer::new(key);
        let tagger = Tagger::new(&randomness);
        let clock = Clock::system(UnixTime(0));
        let lockouts = failures::load(&store, &tagger, &settings.lockout, &clock);
        let inner = Inner {
            pepper: sealer.subkey("pepper"),
            salts: hmac::Key::new(hmac::HMAC_SHA256, sealer.subkey("scram salt").expose()),
            sealer,
            gate: Gate::new(permits),
            recognition: Mutex::new(Recognition::new(tagger.clone())),
            throttle: Mutex::new(Throttle::new(tagger, lockouts, settings.lockout)),
            waiting: Waiting::default(),
            decoy: Mutex::new(None),
            pace: Pace::default(),
            randomness: Arc::new(randomness),
            clock,
            ledger: Ledger::default(),
            outside: OnceLock::new(),
            turns: Turns::default(),
            store,
        };
        let gatekeeper = Gatekeeper { inner: Arc::new(inner) };
        gatekeeper.bind()?;
        Ok(gatekeeper)
    }

    /// Says who knows the users that are not in the password file; the first word counts.
    pub fn ask_outside(&self, outside: Arc<dyn Outside>) {
        let _ = self.inner.outside.set(outside);
    }

    /// Who knows the users that are not in the password file; none if nobody was named.
    pub fn outside(&self) -> Option<&Arc<dyn Outside>> {
        self.inner.outside.get()
    }

    /// Makes the sealed record of a password for [`Store::add_mailbox`] or [`Store::set_password`];
    /// it opens only for that address and mark. It holds the password itself if the setting `challenge` is on
    /// now (A4). Takes the time of one hash and of a SCRAM verifier; blocks.
    pub fn seal_password(
        &self,
        address: &Address,
        mark: MailboxMark,
        password: &Secret,
    ) -> Result<Vec<u8>, PasswordError> {
        password::check(password)?;
        let password = password::prepared(password);
        let secret = self.keeps_secrets().then(|| password.clone());
        let record = self.make_record(address, &password, secret)?;
        Ok(record.seal(&self.inner.sealer, self.draw(), address, mark))
    }

    /// What opens sealed records without the store, to look through all of them.
    pub fn records(&self) -> Records {
        Records::new(self.inner.sealer.clone(), Arc::clone(&self.inner.randomness))
    }

    /// Seals octets under the device key for a purpose, such as a private key for the store's records.
    pub fn seal(&self, purpose: &str, octets: &[u8]) -> Vec<u8> {
        self.inner.sealer.seal(self.inner.randomness.draw(), purpose, b"", octets)
    }

    /// Opens what [`Gatekeeper::seal`] made for the same purpose; none if it is not that.
    pub fn unseal(&self, purpose: &str, sealed: &[u8]) -> Option<Secret> {
        self.inner.sealer.unseal(purpose, b"", sealed)
    }

    /// A subkey of the device key for a purpose that is not sealing.
    pub fn subkey(&self, purpose: &str) -> Secret {
        self.inner.sealer.subkey(purpose)
    }

    /// Fresh random octets.
    pub fn draw<const OCTETS: usize>(&self) -> [u8; OCTETS] {
        self.inner.randomness.draw()
    }

    /// A fresh random mark for a new mailbox.
    pub fn fresh_mark(&self) -> MailboxMark {
        MailboxMark(self.inner.randomness.draw())
    }

    /// A password that is easy to read and type, of at least 80 random bits.
    pub fn generate_password(&self) -> Secret {
        password::generate(&self.inner.randomness)
    }

    /// A database that opens for one key never again opens for another one.
    fn bind(&self) -> Result<(), StoreError> {
        let store = &self.inner.store;
        match store.record(KEY_CHECK).wait()? {
            None => store.put_record(KEY_CHECK, self.seal(KEY_CHECK, KEY_CHECK.as_bytes())).wait(),
            Some(sealed) if self.unseal(KEY_CHECK, &sealed).is_some() => Ok(()),
            Some(_) => Err(StoreError::Refused(format!(
                "this database belongs to another device key: put its own .key file beside it, or move that one away and {}",
                key::FROM_WORDS
            ))),
        }
    }

    /// Computes all that is kept of a password, prepared already; takes the time of one hash and of a verifier.
    fn make_record(
        &self,
        address: &Address,
        password: &Secret,
        secret: Option<Secret>,
    ) -> Result<Record, NoMemory> {
        let Inner { pepper, randomness, .. } = &*self.inner;
        let hash = Hash::new(pepper, randomness.draw(), self.cost(), password)?;
        let verifier = Verifier::derive(password.expose(), self.made_up_salt(address.as_str()));
        Ok(Record::new(hash, Some(verifier), secret))
    }

    fn cost(&self) -> Cost {
        Cost::of(&self.inner.store.settings())
    }

    fn keeps_secrets(&self) -> bool {
        self.inner.ledger.note(Work::Setting);
        self.inner.store.settings().challenge
    }

    fn recognition(&self) -> MutexGuard<'_, Recognition> {
        self.inner.recognition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        let rule = self.inner.store.settings().lockout;
        let mut throttle = self.inner.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.rule = rule;
        throttle
    }
}

impl fmt::Debug for Gatekeeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Gatekeeper")
    }
}

struct Inner {
    store: Store,
    sealer: Sealer,
    pepper: Secret,
    salts: hmac::Key,
    gate: Gate,
    recognition: Mutex<Recognition>,
    throttle: Mutex<Throttle>,
    waiting: Waiting,
    decoy: Mutex<Option<Arc<Decoy>>>,
    pace: Pace,
    randomness: Arc<Randomness>,
    clock: Clock,
    ledger: Ledger,
    outside: OnceLock<Arc<dyn Outside>>,
    turns: Turns,
}

/// The record that binds a database to its key, and what is sealed in it.
const KEY_CHECK: &str = "key-check";
