//! Counts the work of a logon instead of its seconds: it is the same whatever is wrong (S-154 ff., S-167, S-185).

use super::proofs::{KINDS, Kind};
use super::*;
use crate::auth::work::Work;

/// alice has all means, bob no secret; dora is locked, and so is the domain of carl.
fn house() -> House {
    let house = House::new();
    house.add("bob@home.lan", "builder");
    house.set("challenge", "on");
    house.set_password("alice@home.lan", "wonderland");
    house.add("dora@home.lan", "explorer");
    house.store.lock_mailbox("dora@home.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    house.store.add_domain("work.lan".parse().unwrap()).wait().unwrap();
    house.add("carl@work.lan", "marx");
    house.store.lock_domain("work.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    house
}

const CLASSES: &[(&str, &str, &str)] = &[
    ("right", "alice@home.lan", "wonderland"),
    ("wrong", "alice@home.lan", "Wonderland"),
    ("unknown user", "nobody@home.lan", "wonderland"),
    ("unknown domain", "alice@elsewhere.lan", "wonderland"),
    ("no address", "alice", "wonderland"),
    ("no name", "a\u{200d}lice@home.lan", "wonderland"),
    ("a name that reads both ways", "\u{5e9}alice@home.lan", "wonderland"),
    ("wide letters", "\u{ff21}lice@home.lan", "wonderland"),
    ("locked, right", "dora@home.lan", "explorer"),
    ("locked, wrong", "dora@home.lan", "wonderland"),
    ("domain locked, right", "carl@work.lan", "marx"),
    ("domain locked, wrong", "carl@work.lan", "engels"),
    ("no secret, right", "bob@home.lan", "builder"),
    ("no secret, wrong", "bob@home.lan", "wonderland"),
];

/// The smallest hash that the settings allow, as [`House::new`] sets it.
const HASH: Work = Work::Hash(7168, 1);

fn work(house: &House) -> Vec<Work> {
    house.gatekeeper.inner.ledger.take()
}

#[test]
fn a_password_costs_the_same_whatever_is_wrong_with_it_s_167() {
    let house = house();
    for (class, user_name, password) in CLASSES {
        house.forget();
        work(&house);
        house.login(user_name, password);
        assert_eq!(work(&house), [Work::LookUp, Work::Opening, HASH], "{class}");
    }
}

/// Whether secrets are kept was asked twice for who has one, once for who has none, and never for strangers: with
/// APOP they were answered 1.5 % sooner.
#[test]
fn a_proof_costs_the_same_whatever_is_wrong_with_it_s_185() {
    let house = house();
    for kind in KINDS {
        for (class, user_name, password) in CLASSES {
            house.forget();
            let claim = house.claim(kind, user_name, password);
            work(&house);
            let _ = block_on(house.gatekeeper.login(claim, &PEER.into()));
            assert_eq!(
                work(&house),
                [Work::LookUp, Work::Setting, Work::Opening, Work::Proof],
                "{kind:?}: {class}"
            );
        }
    }
}

#[test]
fn a_proof_that_must_be_paid_for_costs_the_same_whatever_is_wrong_with_it() {
    let house = house();
    for kind in KINDS {
        for (class, user_name, password) in CLASSES {
            house.forget();
            // Strangers who don't wait for their answers would be put off (S-170).
            house.befriend("somebody@home.lan");
            for number in 0..=limits::FAILURES_FORGIVEN {
                house.login(&format!("stranger{number}"), "x");
            }
            let claim = house.claim(kind, user_name, password);
            work(&house);
            let _ = block_on(house.gatekeeper.login(claim, &PEER.into()));
            let twice = [Work::LookUp, Work::Setting, Work::Opening].into_iter().flat_map(|work| [work; 2]);
            let paid: Vec<_> = twice.chain([HASH, Work::Proof]).collect();
            assert_eq!(work(&house), paid, "{kind:?}: {class}");
        }
    }
}

#[test]
fn a_salt_costs_the_same_whoever_it_is_for() {
    let house = house();
    for (class, user_name, _) in CLASSES {
        work(&house);
        house.salt(user_name);
        assert_eq!(work(&house), [Work::LookUp, Work::Opening, Work::Salt], "{class}");
    }
}

/// Who was let in lately pays no hash. That tells nothing to who doesn't know the password: he is never
/// recognised, and pays for each try as before.
#[test]
fn only_the_right_password_is_ever_recognised_a12() {
    let house = house();
    house.login("alice@home.lan", "wonderland");
    work(&house);
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
    assert_eq!(work(&house), [Work::LookUp, Work::Opening]);
    assert_eq!(house.login("alice@home.lan", "Wonderland"), refused(1));
    assert_eq!(work(&house), [Work::LookUp, Work::Opening, HASH]);
    house.prove(Kind::Apop, "alice@home.lan", "wonderland");
    assert!(work(&house).contains(&Work::Proof), "proofs are cheap and not remembered");
}

#[test]
fn strangers_cost_what_passwords_set_now_cost_s_167() {
    let house = House::new();
    house.set("argon2_kib", "7169");
    work(&house);
    house.login("nobody@home.lan", "x");
    assert_eq!(work(&house), [Work::LookUp, Work::Opening, Work::Hash(7169, 1)]);
    house.set_password("alice@home.lan", "wonderland");
    work(&house);
    house.login("alice@home.lan", "x");
    assert_eq!(work(&house), [Work::LookUp, Work::Opening, Work::Hash(7169, 1)]);
}
