//! Lockouts through the whole gate: they tell nothing, they outlive a restart, the administrator ends them.

use super::super::work::Work;
use super::fake::is_refused;
use super::proofs::{KINDS, Kind};
use super::*;
use crate::auth::FailureState;
use crate::settings::Method;

const HASH: Work = Work::Hash(7168, 1);
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77));

/// After three wrong tries an account is locked out until it is unlocked; each try comes from a network of its own, so
/// that nothing is held or put off.
fn house() -> House {
    let house = House::with_challenge();
    house.set("tries", "3");
    house.set("lock_minutes", "0");
    house
}

fn login_from(house: &House, from: IpAddr, user_name: &str, password: &str) -> Verdict {
    block_on(house.gatekeeper.login(claim(user_name, password), &from.into()))
}

fn network(number: u8) -> IpAddr {
    IpAddr::V4([10, 1, 1, number].into())
}

fn lock_out(house: &House, user_name: &str) {
    for number in 1..=3 {
        login_from(house, network(number), user_name, &format!("wrong {number}"));
    }
}

fn is_welcome(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Welcome(_))
}

#[test]
fn who_is_locked_out_looks_like_anybody_with_a_wrong_password_a11_s_166() {
    for (tries, user_name, password) in [
        ("3", "alice@home.lan", "wonderland"),
        ("3", "alice@home.lan", "wrong"),
        ("3", "nobody@home.lan", "wonderland"),
        ("3", "alice@elsewhere.lan", "wonderland"),
        ("3", "alice", "wonderland"),
        // Nobody is locked out here.
        ("0", "alice@home.lan", "wrong"),
        ("0", "nobody@home.lan", "wonderland"),
    ] {
        let house = house();
        house.set("tries", tries);
        lock_out(&house, user_name);
        house.gatekeeper.inner.ledger.take();
        let verdict = login_from(&house, network(100), user_name, password);
        assert_eq!(verdict, refused(8), "{tries} {user_name} {password}");
        let work = house.gatekeeper.inner.ledger.take();
        assert_eq!(work, [Work::LookUp, Work::Opening, HASH], "{tries} {user_name} {password}");
    }
}

#[test]
fn proofs_of_who_is_locked_out_are_refused_alike_a11_s_185() {
    for kind in KINDS {
        let house = house();
        let verdicts = ["alice@home.lan", "nobody@home.lan"].map(|user_name| {
            lock_out(&house, user_name);
            house.prove(kind, user_name, "wonderland")
        });
        assert!(matches!(verdicts[0], Verdict::Refused { .. }), "{kind:?}: {verdicts:?}");
        assert_eq!(verdicts[0], verdicts[1], "{kind:?}");
    }
}

#[test]
fn failed_proofs_lock_out_too() {
    let house = house();
    for number in 1..=3 {
        let claim = house.claim(Kind::CramMd5, "alice@home.lan", "wrong");
        let verdict = block_on(house.gatekeeper.login(claim, &network(number).into()));
        assert!(matches!(verdict, Verdict::Refused { .. }));
    }
    assert!(house.gatekeeper.is_locked_out(&"alice@home.lan".parse().unwrap()));
}

/// Recognition takes no hash and asked nobody else: a guesser whose guess was right got in.
#[test]
fn who_is_recognised_is_locked_out_too_but_for_his_home_s_171() {
    let house = house();
    assert!(is_welcome(&login_from(&house, HOME, "alice@home.lan", "wonderland")));
    lock_out(&house, "alice@home.lan");
    assert!(!is_welcome(&login_from(&house, network(9), "alice@home.lan", "wonderland")));
    assert!(is_welcome(&login_from(&house, HOME, "alice@home.lan", "wonderland")));
    assert!(!is_welcome(&login_from(&house, HOME, "alice@home.lan", "wrong")));
    house.set("tries", "0");
    assert!(
        is_welcome(&login_from(&house, network(9), "alice@home.lan", "wonderland")),
        "the setting counts at once"
    );
}

/// A directory that is asked about him could lock him out, too.
#[test]
fn who_is_locked_out_is_asked_about_as_nobody_s_205() {
    for method in [Method::Local, Method::Directory] {
        let (house, fake) = House::elsewhere(method);
        house.set("tries", "3");
        lock_out(&house, "alice@home.lan");
        assert_eq!(fake.asked().len(), 3);
        assert!(is_refused(&login_from(&house, network(9), "alice@home.lan", "rabbit"), 8));
        let asked = fake.asked();
        let [(_, person, password)] = &asked[..] else { panic!("{method} {asked:?}") };
        assert!(person.address.as_str().starts_with("nobody-") && *password != Secret::new("rabbit"));
        house.set("tries", "0");
        assert!(is_welcome(&login_from(&house, network(9), "alice@home.lan", "rabbit")));
    }
}

#[test]
fn certificates_of_others_lock_out_and_the_own_one_is_let_in_all_the_same() {
    let house = house();
    let external = |from: IpAddr, users: &[&str]| {
        let certificate = Some(users.iter().map(|user| user.parse().unwrap()).collect());
        let claim = Claim { user_name: "alice@home.lan".into(), proof: Proof::Certificate };
        block_on(house.gatekeeper.login(claim, &Peer { certificate, ..from.into() }))
    };
    for number in 1..=3 {
        assert!(!is_welcome(&external(network(number), &["bob@home.lan"])));
    }
    assert!(house.gatekeeper.is_locked_out(&"alice@home.lan".parse().unwrap()));
    assert!(!is_welcome(&login_from(&house, network(9), "alice@home.lan", "wonderland")));
    assert!(is_welcome(&external(network(8), &["alice@home.lan"])), "nobody guesses certificates");
    assert!(!is_welcome(&login_from(&house, network(9), "alice@home.lan", "wonderland")));
}

/// Each of an account's names would have given a guesser as many tries again.
#[test]
fn all_names_of_a_user_count_as_one() {
    let house = house();
    house.set("names", "loose");
    for (number, name) in ["alice", "alice%home.lan", "HOME.LAN\\alice"].iter().enumerate() {
        login_from(&house, network(number as u8 + 1), name, &format!("wrong {number}"));
    }
    let rows = house.gatekeeper.failures(None);
    assert_eq!((rows.len(), rows[0].user.as_str(), rows[0].failures), (1, "alice@home.lan", 3));
    assert_eq!(rows[0].state, FailureState::Locked);
}

#[test]
fn a_lockout_outlives_a_restart_and_unlocking_ends_it_for_good() {
    let house = house();
    let alice = "alice@home.lan".parse().unwrap();
    let restarted = || {
        let key = DeviceKey::load(&house.folder.database()).unwrap();
        Gatekeeper::new(house.store.clone(), key).unwrap()
    };
    let login = |gatekeeper: &Gatekeeper| {
        block_on(gatekeeper.login(claim("alice@home.lan", "wonderland"), &network(50).into()))
    };
    lock_out(&house, "alice@home.lan");
    lock_out(&house, "nobody@home.lan");
    block_on(house.gatekeeper.save_failures());
    let gatekeeper = restarted();
    assert!(gatekeeper.is_locked_out(&alice) && !is_welcome(&login(&gatekeeper)));
    let rows = gatekeeper.failures(None);
    assert_eq!(
        (rows.len(), rows[0].user.as_str()),
        (1, "alice@home.lan"),
        "unknown names are not written down"
    );
    assert_eq!(rows[0].state, FailureState::Locked);
    assert_eq!(gatekeeper.count_locked_out(), 1);

    assert!(block_on(gatekeeper.lift_lockout(&alice)).unwrap());
    assert!(is_welcome(&login(&gatekeeper)));
    assert!(!block_on(gatekeeper.lift_lockout(&alice)).unwrap());
    assert!(!restarted().is_locked_out(&alice));
}

#[test]
fn what_is_written_down_and_makes_no_sense_locks_nobody_out() {
    let house = house();
    house.store.put_record("failures", vec![0xff; 100]).wait().unwrap();
    let key = DeviceKey::load(&house.folder.database()).unwrap();
    let gatekeeper = Gatekeeper::new(house.store.clone(), key).unwrap();
    assert_eq!(gatekeeper.failures(None), []);
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
}

#[test]
fn a_password_typed_as_a_name_is_not_shown_s_319() {
    let house = house();
    login_from(&house, network(1), "correct horse battery", "x");
    let rows = house.gatekeeper.failures(None);
    assert_eq!(rows[0].user, "co... (no full address)");
    let of = |address: &str| house.gatekeeper.failures(Some(&address.parse().unwrap())).len();
    login_from(&house, network(1), "Alice@Home.Lan", "x");
    assert_eq!((of("alice@home.lan"), of("bob@home.lan")), (1, 0));
    assert_eq!(house.gatekeeper.failures(None).len(), 2);
}

#[test]
fn news_come_once_they_are_there_and_until_they_are_written_down() {
    let house = house();
    let comes = |news| {
        let mut future = Box::pin(house.gatekeeper.failures_changed(news));
        let waker = std::task::Waker::noop();
        Future::poll(future.as_mut(), &mut std::task::Context::from_waker(waker)).is_ready()
    };
    assert!(!comes(FailureNews::Any) && !comes(FailureNews::Lockout));
    lock_out(&house, "nobody@home.lan");
    assert!(!comes(FailureNews::Any), "nobody's failures are not written down");
    login_from(&house, network(1), "alice@home.lan", "wrong 0");
    assert!(comes(FailureNews::Any) && !comes(FailureNews::Lockout));
    lock_out(&house, "alice@home.lan");
    assert!(comes(FailureNews::Any) && comes(FailureNews::Lockout));
    block_on(house.gatekeeper.save_failures());
    assert!(!comes(FailureNews::Any) && !comes(FailureNews::Lockout));
}

#[test]
fn who_waits_for_news_is_woken_by_them() {
    let house = house();
    let gatekeeper = house.gatekeeper.clone();
    let waiting = std::thread::spawn(move || block_on(gatekeeper.failures_changed(FailureNews::Lockout)));
    lock_out(&house, "alice@home.lan");
    waiting.join().unwrap();
}

#[test]
fn what_can_not_be_written_down_is_kept_for_the_next_time() {
    let house = house();
    lock_out(&house, "alice@home.lan");
    house.store.close();
    block_on(house.gatekeeper.save_failures());
    let news = house.gatekeeper.throttle().lockouts.take_news();
    assert!(news.is_changed && news.is_urgent);
}
