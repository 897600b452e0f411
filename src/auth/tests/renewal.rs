//! Records of another cost than today's are made anew at a good logon, and by nothing else (S-167).

use super::proofs::Kind;
use super::*;
use crate::auth::network::Network;

/// A house whose settings ask for another cost than that of alice's record, and whose gate has one permit.
fn house() -> House {
    let mut house = House::new();
    house.set("argon2_permits", "1");
    let key = DeviceKey::load(&house.folder.database()).unwrap();
    house.gatekeeper = Gatekeeper::new(house.store.clone(), key).unwrap();
    house.set("challenge", "on");
    house.set_password("alice@home.lan", "wonderland");
    house.set("argon2_kib", "7169");
    house
}

impl House {
    /// Until all that stands behind the gate is done.
    fn settle(&self) {
        self.gatekeeper.inner.gate.enter(Network::of(PEER), true, || ()).wait().unwrap();
    }

    fn record(&self) -> Record {
        let Mailbox { address, mark, password, .. } = self.mailbox("alice@home.lan");
        Record::open(&self.gatekeeper.inner.sealer, &address, mark, &password).unwrap()
    }
}

const NEW: Cost = Cost { memory_kib: 7169, passes: 1 };
const OLD: Cost = Cost { memory_kib: 7168, passes: 1 };

fn is_welcome(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Welcome(_))
}

#[test]
fn a_good_password_brings_the_record_to_today_s_cost() {
    let house = house();
    assert_eq!(house.login("alice@home.lan", "wrong"), refused(1));
    house.settle();
    assert_eq!(house.record().hash().cost(), OLD, "only the right password can");
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.settle();
    assert_eq!(house.record().hash().cost(), NEW);
    assert!(house.record().secret().is_some(), "what was kept is kept");
    house.gatekeeper.inner.ledger.take();
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    assert_eq!(house.gatekeeper.inner.ledger.take().len(), 2, "recognised, also by the new record");
    assert!(is_welcome(&house.prove(Kind::Scram, "alice@home.lan", "wonderland")));
    house.forget();
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.settle();
    assert_eq!(house.login("alice@home.lan", "wrong"), refused(1));
}

#[test]
fn a_record_of_today_s_cost_is_left_alone() {
    let house = house();
    house.set_password("alice@home.lan", "wonderland");
    let before = house.mailbox("alice@home.lan").password;
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.settle();
    assert!(house.mailbox("alice@home.lan").password == before);
}

#[test]
fn a_password_set_meanwhile_is_never_lost() {
    let house = house();
    let (mailbox, password) = (house.mailbox("alice@home.lan"), Secret::new("wonderland"));
    let attempt = house.attempt("alice@home.lan");
    house.set_password("alice@home.lan", "looking-glass");
    house.gatekeeper.renew_later(&mailbox, &password, None, &attempt);
    house.settle();
    assert!(is_welcome(&house.login("alice@home.lan", "looking-glass")));
    assert_eq!(house.login("alice@home.lan", "wonderland"), refused(1));
}

#[test]
fn a_mailbox_removed_meanwhile_stays_removed() {
    let house = house();
    let (mailbox, password) = (house.mailbox("alice@home.lan"), Secret::new("wonderland"));
    let attempt = house.attempt("alice@home.lan");
    house.store.remove_mailbox(mailbox.address.clone()).wait().unwrap();
    house.gatekeeper.renew_later(&mailbox, &password, None, &attempt);
    house.settle();
    assert_eq!(house.store.mailbox(mailbox.address).wait(), Ok(None));
}

#[test]
fn a_secret_that_is_not_wanted_any_more_goes_and_none_comes_a4() {
    let house = house();
    house.set("challenge", "off");
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.settle();
    assert!(house.record().secret().is_none());
    house.set("challenge", "on");
    house.set("argon2_kib", "7170");
    house.forget();
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.settle();
    assert_eq!(house.record().hash().cost(), Cost { memory_kib: 7170, passes: 1 });
    assert!(house.record().secret().is_none(), "only a new password brings one");
}

#[test]
fn a_bare_hash_of_before_there_were_verifiers_gets_one_at_the_next_logon() {
    let house = house();
    house.set("argon2_kib", "7168");
    let Mailbox { address, mark, .. } = house.mailbox("alice@home.lan");
    let sealed = Record::new(house.record().hash().clone(), None, None).seal(
        &house.gatekeeper.inner.sealer,
        [9; 12],
        &address,
        mark,
    );
    house.store.set_password(address, sealed).wait().unwrap();
    assert_eq!(house.prove(Kind::Scram, "alice@home.lan", "wonderland"), refused(1));
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.settle();
    house.forget();
    assert!(is_welcome(&house.prove(Kind::Scram, "alice@home.lan", "wonderland")));
}
