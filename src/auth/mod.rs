//! Who may come in: the device key, the encrypted password file, the hashing gate, recognition, the throttle.
//!
//! ```text
//! login(attempt) -> store: mailbox and its sealed record (a dummy record for an unknown user, A11)
//!                -> recognition: seen within five minutes? then done, no hash (A12)
//!                -> throttle: trying in parallel to a delayed answer? then Busy, no hash (S-175)
//!                -> gate: a permit, or Busy (S-173) -> throttle again -> Argon2id -> Welcome, or Refused with its delay (S-169)
//! ```

mod aging;
mod gate;
pub mod key;
mod machine;
mod network;
mod pace;
mod password;
mod random;
mod recognition;
mod seal;
mod tag;
#[cfg(test)]
pub(crate) mod tests;
mod throttle;
mod words;

pub use key::DeviceKey;
pub use password::PasswordError;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::gate::Gate;
use self::pace::Pace;
use self::password::{Cost, Record};
use self::random::Randomness;
use self::recognition::Recognition;
use self::seal::Sealer;
use self::tag::Tagger;
use self::throttle::{Attempt, Throttle};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::{Address, MailboxId, MailboxMark, Secret, printable};
use crate::sasl::scram::Salt;
use crate::sasl::{Claim, Proof};
use crate::store::{Mailbox, Store, StoreError};

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
        let inner = Inner {
            pepper: sealer.subkey("pepper"),
            sealer,
            gate: Gate::new(permits),
            recognition: Mutex::new(Recognition::new(tagger.clone())),
            throttle: Mutex::new(Throttle::new(tagger)),
            put_off: Pace::default(),
            randomness,
            clock: Clock::system(UnixTime(0)),
            store,
        };
        let gatekeeper = Gatekeeper { inner: Arc::new(inner) };
        gatekeeper.bind()?;
        Ok(gatekeeper)
    }

    /// The salt with which that user's SCRAM keys are made; who is no user, or has none, has one made up that
    /// stays the same (A11). Errs if the store can't answer; logged already.
    pub async fn salt(&self, _user_name: &str, _peer: IpAddr) -> Result<Salt, StoreError> {
        Ok(Salt { octets: [0; 16], iterations: limits::SCRAM_ITERATIONS })
    }

    /// Finds out whether a claim is true.
    pub async fn login(&self, claim: Claim, peer: IpAddr) -> Verdict {
        let Claim { user_name, proof } = claim;
        let Proof::Password(password) = proof else { return Verdict::Refused { delay: Duration::ZERO } };
        let account = user_name.to_ascii_lowercase();
        // What is no address of ours is an unknown user like any other (A11).
        let mailbox = match account.parse::<Address>() {
            Ok(address) => match self.inner.store.mailbox(address).await {
                Ok(mailbox) => mailbox,
                Err(error) => {
                    log::warn!("{peer} logon put off, the database does not answer: {error}");
                    return Verdict::StoreFailed;
                }
            },
            Err(_) => None,
        };
        let now = self.inner.clock.monotonic();
        if let Some(mailbox) = &mailbox
            && self.recognition().recognises(&mailbox.password, &password, now)
        {
            return welcome(mailbox);
        }
        let attempt = self.throttle().attempt(&account, peer);
        if self.throttle().is_held(&attempt, now) {
            return self.put_off("another of this user is being refused", &user_name, peer);
        }
        match (self.try_out(mailbox.as_ref(), &password, &attempt).await, mailbox) {
            (Answer::Right, Some(mailbox)) => self.let_in(&mailbox, &password, &attempt),
            (Answer::Wrong { delay }, _) => {
                log::info!(
                    "{peer} logon refused, answered after {} s: user {}",
                    delay.as_secs(),
                    shown(&user_name)
                );
                Verdict::Refused { delay }
            }
            (Answer::Held, _) => self.put_off("another of this user is being refused", &user_name, peer),
            (Answer::Right | Answer::Busy, _) => self.put_off("too many at once", &user_name, peer),
        }
    }

    /// Makes the sealed record of a password for [`Store::add_mailbox`] or [`Store::set_password`];
    /// it opens only for that address and mark. Takes the time of one hash; blocks.
    pub fn seal_password(
        &self,
        address: &Address,
        mark: MailboxMark,
        password: &Secret,
    ) -> Result<Vec<u8>, PasswordError> {
        password::check(password)?;
        let Inner { pepper, sealer, randomness, .. } = &*self.inner;
        let record = Record::new(pepper, randomness.draw(), self.cost(), password)?;
        Ok(record.seal(sealer, randomness.draw(), address, mark))
    }

    /// Seals octets under the device key for a purpose, such as a private key for the store's records.
    pub fn seal(&self, purpose: &str, octets: &[u8]) -> Vec<u8> {
        self.inner.sealer.seal(self.inner.randomness.draw(), purpose, b"", octets)
    }

    /// Opens what [`Gatekeeper::seal`] made for the same purpose; none if it is not that.
    pub fn unseal(&self, purpose: &str, sealed: &[u8]) -> Option<Secret> {
        self.inner.sealer.unseal(purpose, b"", sealed)
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
            Some(_) => Err(StoreError::Refused(
                "this database belongs to another device key: put its poppet.key beside it, or restore it from its recovery words"
                    .into(),
            )),
        }
    }

    /// Computes one hash, whoever asks: of the mailbox's record or of a dummy (S-167). A failure is noted
    /// before the next hash begins, so that of many tries sent at once only the first few are computed.
    async fn try_out(&self, mailbox: Option<&Mailbox>, password: &Secret, attempt: &Attempt) -> Answer {
        let record = mailbox.and_then(|mailbox| self.open_record(mailbox));
        let is_known_user = record.is_some();
        let Some(record) = record.or_else(|| Record::dummy(&self.inner.randomness, self.cost())) else {
            return Answer::Busy;
        };
        let is_known = self.throttle().is_known(attempt);
        let (gatekeeper, password, attempt) = (self.clone(), password.clone(), *attempt);
        let network = attempt.network();
        let work = move || {
            let now = || gatekeeper.inner.clock.monotonic();
            if gatekeeper.throttle().is_held(&attempt, now()) {
                return Ok(Answer::Held);
            }
            let is_right = record.verify(&gatekeeper.inner.pepper, &password)? && is_known_user;
            if is_right {
                return Ok(Answer::Right);
            }
            Ok(Answer::Wrong { delay: gatekeeper.throttle().failed(&attempt, &password, now()) })
        };
        let hashed = self.inner.gate.enter(network, is_known, work).await;
        match hashed {
            Ok(Ok(answer)) => answer,
            Ok(Err(password::NoMemory)) => {
                log::warn!("not enough memory for a password hash; `poppet set argon2_permits` lower");
                Answer::Busy
            }
            Err(gate::Busy) => Answer::Busy,
        }
    }

    fn open_record(&self, mailbox: &Mailbox) -> Option<Record> {
        let Mailbox { address, mark, password, .. } = mailbox;
        let record = Record::open(&self.inner.sealer, address, *mark, password);
        if record.is_none() {
            log::error!("the password of {address} is damaged: set it anew by `poppet passwd {address}`");
        }
        record
    }

    fn let_in(&self, mailbox: &Mailbox, password: &Secret, attempt: &Attempt) -> Verdict {
        let now = self.inner.clock.monotonic();
        self.throttle().passed(attempt);
        self.recognition().remember(&mailbox.password, password, now);
        welcome(mailbox)
    }

    fn put_off(&self, why: &str, user_name: &str, peer: IpAddr) -> Verdict {
        if let Some(more) = self.inner.put_off.admit(self.inner.clock.monotonic()) {
            let more = if more == 0 { String::new() } else { format!(" (and {more} more before it)") };
            log::info!("{peer} logon put off, {why}{more}: user {}", shown(user_name));
        }
        Verdict::Busy
    }

    fn cost(&self) -> Cost {
        Cost::of(&self.inner.store.settings())
    }

    fn recognition(&self) -> MutexGuard<'_, Recognition> {
        self.inner.recognition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.inner.throttle.lock().unwrap_or_else(PoisonError::into_inner)
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
    gate: Gate,
    recognition: Mutex<Recognition>,
    throttle: Mutex<Throttle>,
    put_off: Pace,
    randomness: Randomness,
    clock: Clock,
}

enum Answer {
    Right,
    Wrong { delay: Duration },
    Held,
    Busy,
}

fn welcome(mailbox: &Mailbox) -> Verdict {
    Verdict::Welcome(Welcome {
        mailbox: mailbox.id,
        address: mailbox.address.clone(),
        mark: mailbox.mark,
        is_locked: mailbox.is_locked || mailbox.is_domain_locked,
        signature: None,
    })
}

/// A user name for the log, always last in its line (S-318). What is no address may be a password in
/// the wrong field: only its beginning is shown (S-319).
fn shown(user_name: &str) -> String {
    match user_name.parse::<Address>() {
        Ok(address) => printable(address.as_str().as_bytes()),
        Err(_) => {
            let beginning: String = user_name.chars().take(2).collect();
            format!("{}... (no full address)", printable(beginning.as_bytes()))
        }
    }
}

/// The record that binds a database to its key, and what is sealed in it.
const KEY_CHECK: &str = "key-check";
