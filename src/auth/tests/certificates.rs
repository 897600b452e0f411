//! Certificates of users: whose they are, and what they are good for (A8).

use super::fake::{is_refused, is_welcome};
use super::proofs::KINDS;
use super::*;
use crate::auth::work::Work;
use crate::mail::{Account, Alias, AliasTarget};
use crate::settings::Method;

/// A peer who has shown a certificate of these users; none if he has shown none.
fn peer(users: Option<&[&str]>) -> Peer {
    let certificate = users.map(|users| users.iter().map(|user| user.parse().unwrap()).collect());
    Peer { certificate, ..PEER.into() }
}

fn external(house: &House, user_name: &str, peer: &Peer) -> Verdict {
    let claim = Claim { user_name: user_name.into(), proof: Proof::Certificate };
    block_on(house.gatekeeper.login(claim, peer))
}

fn house() -> House {
    let house = House::new();
    house.add("bob@home.lan", "builder");
    let to_alice = vec![AliasTarget::Address("alice@home.lan".parse().unwrap())];
    house.store.set_alias(Alias::Address("info@home.lan".parse().unwrap()), to_alice).wait().unwrap();
    house
}

const ALICE: &[&str] = &["alice@home.lan"];
const BOTH: &[&str] = &["alice@home.lan", "bob@home.lan"];

#[test]
fn who_has_a_certificate_logs_on_as_whom_it_names_and_as_nobody_else_s_250_s_251() {
    let house = house();
    for (users, user_name, needs_password, whose) in [
        (Some(ALICE), "", false, Some("alice@home.lan")),
        (Some(ALICE), "alice@home.lan", false, Some("alice@home.lan")),
        (Some(ALICE), "ALICE@home.lan", false, Some("alice@home.lan")),
        (Some(ALICE), "info@home.lan", false, Some("alice@home.lan")),
        (Some(ALICE), "bob@home.lan", false, None),
        (Some(ALICE), "nobody@home.lan", false, None),
        (Some(ALICE), "alice", false, None),
        (Some(ALICE), "", true, None),
        (Some(ALICE), "alice@home.lan", true, None),
        (Some(BOTH), "", false, None),
        (Some(BOTH), "bob@home.lan", false, Some("bob@home.lan")),
        (Some(&["gone@home.lan"]), "", false, None),
        (Some(&["gone@home.lan"]), "gone@home.lan", false, None),
        (Some(&[]), "", false, None),
        (Some(&[]), "alice@home.lan", false, None),
        (None, "", false, None),
        (None, "alice@home.lan", false, None),
    ] {
        house.forget();
        let peer = Peer { needs_password, ..peer(users) };
        let verdict = external(&house, user_name, &peer);
        match whose {
            Some(address) => {
                let Verdict::Welcome(welcome) = verdict else { panic!("{users:?} {user_name}") };
                assert_eq!(welcome.address.as_str(), address);
            }
            None => assert_eq!(verdict, refused(1), "{users:?} {user_name} {needs_password}"),
        }
    }
}

#[test]
fn a_password_or_proof_counts_only_for_whom_the_certificate_names_s_251() {
    let house = house();
    house.set("challenge", "on");
    house.set_password("alice@home.lan", "wonderland");
    house.set_password("bob@home.lan", "builder");
    // Certificate of, whether one is needed, user, password, whether he gets in.
    for (users, needs_certificate, user_name, password, is_in) in [
        (None, false, "alice@home.lan", "wonderland", true),
        (None, true, "alice@home.lan", "wonderland", false),
        (None, true, "nobody@home.lan", "wonderland", false),
        (Some(ALICE), true, "alice@home.lan", "wonderland", true),
        (Some(ALICE), false, "alice@home.lan", "wonderland", true),
        (Some(ALICE), false, "info@home.lan", "wonderland", true),
        (Some(ALICE), false, "alice@home.lan", "wrong", false),
        (Some(ALICE), false, "bob@home.lan", "builder", false),
        (Some(ALICE), false, "nobody@home.lan", "builder", false),
        (Some(BOTH), true, "bob@home.lan", "builder", true),
        (Some(&[]), false, "alice@home.lan", "wonderland", false),
        (Some(&[]), true, "alice@home.lan", "wonderland", false),
    ] {
        for needs_password in [false, true] {
            let peer = Peer { needs_certificate, needs_password, ..peer(users) };
            house.forget();
            let verdict = block_on(house.gatekeeper.login(claim(user_name, password), &peer));
            assert_eq!(is_welcome(&verdict), is_in, "{users:?} {needs_certificate} {user_name} {password}");
            assert!(is_in || verdict == refused(1));
            for kind in KINDS {
                house.forget();
                let claim = house.claim(kind, user_name, password);
                let verdict = block_on(house.gatekeeper.login(claim, &peer));
                assert_eq!(is_welcome(&verdict), is_in, "{kind:?} {users:?} {user_name} {password}");
                assert!(is_in || verdict == refused(1));
            }
        }
    }
}

#[test]
fn who_is_recognised_needs_his_certificate_all_the_same() {
    let house = house();
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    let claim = || claim("alice@home.lan", "wonderland");
    let none = Peer { needs_certificate: true, ..peer(None) };
    assert_eq!(block_on(house.gatekeeper.login(claim(), &none)), refused(1));
    let bob = peer(Some(&["bob@home.lan"]));
    assert_eq!(block_on(house.gatekeeper.login(claim(), &bob)), refused(1), "the same wrong try counts once");
}

#[test]
fn without_the_right_certificate_nothing_is_computed_and_every_try_counts() {
    let house = house();
    let none = Peer { needs_certificate: true, ..peer(None) };
    for (number, name) in [(1, "alice@home.lan"), (2, "nobody@home.lan"), (4, "no address"), (8, "alice")] {
        house.gatekeeper.inner.ledger.take();
        let verdict = block_on(house.gatekeeper.login(claim(name, "wonderland"), &none));
        assert_eq!(verdict, refused(number), "{name}");
        assert_eq!(house.gatekeeper.inner.ledger.take(), [Work::LookUp, Work::Opening], "{name}");
    }
    house.forget();
    for seconds in [1, 2, 4] {
        assert_eq!(external(&house, "bob@home.lan", &peer(Some(ALICE))), refused(seconds));
    }
    assert_eq!(
        external(&house, "bob@home.lan", &peer(Some(ALICE))),
        Verdict::Busy,
        "while he waits for his answer"
    );
}

#[test]
fn locks_count_for_certificates_as_ever_c2() {
    let house = house();
    house.store.lock_mailbox("alice@home.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    let Verdict::Welcome(welcome) = external(&house, "", &peer(Some(ALICE))) else { panic!() };
    assert!(welcome.is_locked && !welcome.is_locked_for_all);
}

#[test]
fn a_certificate_is_no_better_than_the_account_elsewhere_s_204_s_220() {
    for method in [Method::Local, Method::Directory] {
        let (house, fake) = House::elsewhere(method);
        let alice = peer(Some(ALICE));
        assert!(is_welcome(&external(&house, "", &alice)), "{method}");
        fake.answer(Some(Finding::Unavailable("no server answers".into())));
        assert_eq!(external(&house, "", &alice), Verdict::Unavailable, "{method}");
        fake.answer(None);
        fake.forget_users();
        assert!(is_refused(&external(&house, "", &alice), 1), "{method}: disabled, or gone");
        fake.add("alice", b"2", "rabbit");
        let old = Account { name: "alice".into(), identity: b"1".to_vec() };
        house
            .store
            .bind_account(house.store.settings().auth, "alice@home.lan".parse().unwrap(), Some(old))
            .wait()
            .unwrap();
        assert!(is_refused(&external(&house, "", &alice), 2), "{method}: somebody else by now");
        fake.forget_users();
        fake.add("alice", b"", "rabbit");
        assert_eq!(external(&house, "", &alice), Verdict::Unavailable, "{method}: somebody else, perhaps");
    }
}

#[test]
fn a_mailbox_without_a_password_is_open_to_its_certificate() {
    let house = house();
    house.store.set_password("alice@home.lan".parse().unwrap(), Vec::new()).wait().unwrap();
    assert!(is_welcome(&external(&house, "", &peer(Some(ALICE)))));
}

#[test]
fn a_closed_store_is_neither_right_nor_wrong_for_a_certificate_s_196() {
    let house = house();
    house.store.close();
    assert_eq!(external(&house, "", &peer(Some(ALICE))), Verdict::StoreFailed);
}
