//! The whole gate on a real database.

mod certificates;
mod elsewhere;
mod fake;
mod lockout;
mod names;
mod proofs;
mod relay;
mod renewal;
mod spraying;
mod timing;
mod work;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::*;
use crate::limits;
use crate::sasl::{Claim, Proof};
use crate::store::{Mailbox, Options};
use crate::ticket::block_on;

/// A folder of a test's own that goes with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("poppet-auth-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("poppet.redb")
    }

    pub fn key(&self) -> PathBuf {
        self.0.join("poppet.key")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

struct House {
    gatekeeper: Gatekeeper,
    store: Store,
    folder: Folder,
}

impl House {
    /// A database with alice@home.lan, whose password is `wonderland`.
    fn new() -> House {
        let folder = Folder::new();
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
        // The cheapest hash that the settings allow.
        store.set_setting("argon2_kib", Some("7168")).wait().unwrap();
        store.set_setting("argon2_passes", Some("1")).wait().unwrap();
        let key = DeviceKey::create(&folder.database()).unwrap();
        let house = House { gatekeeper: Gatekeeper::new(store.clone(), key).unwrap(), store, folder };
        house.store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
        house.add("alice@home.lan", "wonderland");
        house
    }

    fn add(&self, address: &str, password: &str) {
        let address: Address = address.parse().unwrap();
        let mark = self.gatekeeper.fresh_mark();
        let record = self.gatekeeper.seal_password(&address, mark, &Secret::new(password)).unwrap();
        self.store.add_mailbox(address, mark, record).wait().unwrap();
    }

    fn mailbox(&self, address: &str) -> Mailbox {
        self.store.mailbox(address.parse().unwrap()).wait().unwrap().unwrap()
    }

    fn set_password(&self, address: &str, password: &str) {
        let mailbox = self.mailbox(address);
        let password = Secret::new(password);
        let record = self.gatekeeper.seal_password(&mailbox.address, mailbox.mark, &password).unwrap();
        self.store.set_password(mailbox.address, record).wait().unwrap();
    }

    fn set(&self, key: &str, value: &str) {
        self.store.set_setting(key, Some(value)).wait().unwrap();
    }

    /// As if the server had just been started.
    fn forget(&self) {
        let tagger = Tagger::new(&self.gatekeeper.inner.randomness);
        let lockouts = super::lockout::Lockouts::new(std::time::Instant::now());
        let throttle = Throttle::new(tagger.clone(), lockouts, self.store.settings().lockout);
        *self.gatekeeper.throttle() = throttle;
        *self.gatekeeper.recognition() = Recognition::new(tagger);
    }

    fn attempt(&self, address: &str) -> throttle::Attempt {
        self.gatekeeper.throttle().attempt(address, PEER, address, true)
    }

    /// As if that user had logged on from [`PEER`].
    fn befriend(&self, address: &str) {
        let attempt = self.attempt(address);
        self.gatekeeper.throttle().passed(&attempt, std::time::Instant::now());
    }

    fn login(&self, user_name: &str, password: &str) -> Verdict {
        block_on(self.gatekeeper.login(claim(user_name, password), &PEER.into()))
    }
}

fn claim(user_name: &str, password: &str) -> Claim {
    Claim { user_name: user_name.into(), proof: Proof::Password(Secret::new(password)) }
}

fn refused(seconds: u64) -> Verdict {
    Verdict::Refused { delay: Duration::from_secs(seconds) }
}

#[test]
fn the_right_password_opens_the_mailbox_in_letters_of_any_case() {
    let house = House::new();
    let Verdict::Welcome(welcome) = house.login("alice@home.lan", "wonderland") else { panic!() };
    let mailbox = house.mailbox("alice@home.lan");
    assert_eq!((welcome.mailbox, welcome.mark, welcome.is_locked), (mailbox.id, mailbox.mark, false));
    assert_eq!(house.login("ALICE@Home.Lan", "wonderland"), Verdict::Welcome(welcome));
}

#[test]
fn every_wrong_logon_gets_the_same_verdict_s_166() {
    for (user_name, password) in [
        ("alice@home.lan", "Wonderland"),
        ("nobody@home.lan", "wonderland"),
        ("alice@work.lan", "wonderland"),
        ("alice", "wonderland"),
        ("../../etc/passwd", "wonderland"),
        ("alice@home.lan\0", "wonderland"),
        ("*", "wonderland"),
    ] {
        assert_eq!(House::new().login(user_name, password), refused(1), "{user_name}");
    }
}

#[test]
fn a_locked_mailbox_is_only_told_to_who_knows_the_password_a11_c2() {
    let house = House::new();
    house.store.lock_mailbox("alice@home.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    assert_eq!(house.login("alice@home.lan", "wrong"), refused(1));
    let is_locked = |verdict| matches!(verdict, Verdict::Welcome(Welcome { is_locked: true, .. }));
    assert!(is_locked(house.login("alice@home.lan", "wonderland")));
    house.store.lock_mailbox("alice@home.lan".parse().unwrap(), crate::store::Lock::Open).wait().unwrap();
    assert!(!is_locked(house.login("alice@home.lan", "wonderland")), "recognition doesn't remember locks");
    house.store.lock_domain("home.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    assert!(is_locked(house.login("alice@home.lan", "wonderland")));
}

#[test]
fn wrong_passwords_get_slower_answers_and_the_right_one_none_s_169_s_171() {
    let house = House::new();
    assert_eq!(house.login("alice@home.lan", "a"), refused(1));
    assert_eq!(house.login("alice@home.lan", "b"), refused(2));
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
    // The account and the address are watched on; only the two together start afresh.
    assert_eq!(house.login("alice@home.lan", "c"), refused(4));
}

#[test]
fn who_tries_in_parallel_is_put_off_and_a_recognised_user_is_not_s_175() {
    let house = House::new();
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
    for password in ["a", "b", "c"] {
        assert!(matches!(house.login("alice@home.lan", password), Verdict::Refused { .. }));
    }
    assert_eq!(house.login("alice@home.lan", "d"), Verdict::Busy);
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
}

/// Fifty guesses sent at once were all hashed: each asked the throttle before the first had failed.
#[test]
fn guesses_sent_at_once_are_no_more_than_guesses_one_by_one_s_169_s_175() {
    let house = House::new();
    house.store.set_setting("argon2_permits", Some("1")).wait().unwrap();
    let key = DeviceKey::load(&house.folder.database()).unwrap();
    let gatekeeper = Gatekeeper::new(house.store.clone(), key).unwrap();
    let guess = |number: usize| {
        let gatekeeper = gatekeeper.clone();
        let claim = claim("alice@home.lan", &number.to_string());
        std::thread::spawn(move || block_on(gatekeeper.login(claim, &PEER.into())))
    };
    let verdicts: Vec<_> =
        (0..30).map(guess).collect::<Vec<_>>().into_iter().map(|it| it.join().unwrap()).collect();
    let refused = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Refused { .. })).count();
    assert_eq!(refused, limits::FAILURES_FORGIVEN as usize + 1);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Busy).count(), 30 - refused);
}

#[test]
fn a_new_password_counts_at_once_and_the_old_one_no_more_s_177() {
    let house = House::new();
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
    house.set_password("alice@home.lan", "looking-glass");
    assert_eq!(house.login("alice@home.lan", "wonderland"), refused(1));
    assert!(matches!(house.login("alice@home.lan", "looking-glass"), Verdict::Welcome(_)));
}

#[test]
fn a_record_moved_to_another_mailbox_opens_nothing_a3() {
    let house = House::new();
    house.add("mallory@home.lan", "mine");
    let mine = house.mailbox("mallory@home.lan").password;
    house.store.set_password("alice@home.lan".parse().unwrap(), mine).wait().unwrap();
    assert_eq!(house.login("alice@home.lan", "mine"), refused(1));
    house.store.set_password("alice@home.lan".parse().unwrap(), b"damage".to_vec()).wait().unwrap();
    assert_eq!(house.login("alice@home.lan", "wonderland"), refused(2));
}

#[test]
fn a_removed_user_is_unknown_at_once() {
    let house = House::new();
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
    house.store.remove_mailbox("alice@home.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(house.login("alice@home.lan", "wonderland"), refused(1));
}

#[test]
fn a_closed_store_is_neither_right_nor_wrong_s_196() {
    let house = House::new();
    house.store.close();
    assert_eq!(house.login("alice@home.lan", "wonderland"), Verdict::StoreFailed);
}

#[test]
fn a_database_opens_for_its_own_key_alone() {
    let house = House::new();
    let own = DeviceKey::load(&house.folder.database()).unwrap();
    let other = DeviceKey::create(&house.folder.path().join("other")).unwrap();
    let Err(StoreError::Refused(text)) = Gatekeeper::new(house.store.clone(), other) else { panic!() };
    assert!(text.starts_with("this database belongs to another device key: put its own .key file beside it"));
    assert!(Gatekeeper::new(house.store.clone(), own).is_ok());
}

#[test]
fn marks_and_sealed_texts_never_repeat() {
    let house = House::new();
    assert_ne!(house.gatekeeper.fresh_mark(), house.gatekeeper.fresh_mark());
    let sealed = house.gatekeeper.seal("tls", b"key");
    assert_ne!(sealed, house.gatekeeper.seal("tls", b"key"));
    assert_eq!(house.gatekeeper.unseal("tls", &sealed), Some(Secret::new("key")));
    assert_eq!(house.gatekeeper.unseal("dkim", &sealed), None);
}
