//! Many accounts from one address, and from many: hashes are counted (S-170).

use std::sync::Barrier;

use super::super::work::Work;
use super::*;

const PARALLEL: usize = 50;

/// The verdicts of as many logons at once, each of another account, and the hashes that they cost.
fn spray(house: &House, names: &str) -> (Vec<Verdict>, usize) {
    house.gatekeeper.inner.ledger.take();
    let barrier = Arc::new(Barrier::new(PARALLEL));
    let guess = |number: usize| {
        let (gatekeeper, barrier) = (house.gatekeeper.clone(), Arc::clone(&barrier));
        let user_name = format!("{names}{number}@home.lan");
        std::thread::spawn(move || {
            barrier.wait();
            block_on(gatekeeper.login(claim(&user_name, "Summer26"), &PEER.into()))
        })
    };
    let guesses: Vec<_> = (0..PARALLEL).map(guess).collect();
    let verdicts = guesses.into_iter().map(|guess| guess.join().unwrap()).collect();
    let work = house.gatekeeper.inner.ledger.take();
    (verdicts, work.iter().filter(|work| matches!(work, Work::Hash(..))).count())
}

/// Fifty connections of one address, each with another name, had fifty hashes computed in fifteen seconds.
#[test]
fn many_names_from_one_address_cost_few_hashes_s_170() {
    let house = House::new();
    let (verdicts, hashes) = spray(&house, "user");
    // Those that are computed beside the last that is allowed.
    let most = limits::STRANGERS_TRIES + machine::processors();
    assert!((limits::STRANGERS_TRIES..most).contains(&hashes), "{hashes}");
    let refused = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Refused { .. })).count();
    let busy = verdicts.iter().filter(|verdict| **verdict == Verdict::Busy).count();
    assert_eq!((refused, busy), (hashes, PARALLEL - hashes));
    let (_, hashes) = spray(&house, "other");
    assert_eq!(hashes, 0, "until the first are answered");
}

/// After each restart the first users of an office were strangers, and all but two who logged on at once were told to
/// come again.
#[test]
fn users_who_log_on_at_once_after_a_restart_are_all_let_in() {
    let house = House::new();
    for number in 0..8 {
        house.add(&format!("user{number}@home.lan"), "right");
    }
    let barrier = Arc::new(Barrier::new(9));
    let logon = |number: usize| {
        let (gatekeeper, barrier) = (house.gatekeeper.clone(), Arc::clone(&barrier));
        // One of them has mistyped his password.
        let (name, password) =
            if number == 8 { ("alice".into(), "worderland") } else { (format!("user{number}"), "right") };
        std::thread::spawn(move || {
            barrier.wait();
            block_on(gatekeeper.login(claim(&format!("{name}@home.lan"), password), &PEER.into()))
        })
    };
    let logons: Vec<_> = (0..9).map(logon).collect();
    let verdicts: Vec<_> = logons.into_iter().map(|logon| logon.join().unwrap()).collect();
    let let_in = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Welcome(_))).count();
    assert_eq!(let_in, 8, "{verdicts:?}");
}

#[test]
fn where_users_log_on_nobody_is_put_off_for_his_neighbours() {
    let house = House::new();
    assert!(matches!(house.login("alice@home.lan", "wonderland"), Verdict::Welcome(_)));
    let (verdicts, hashes) = spray(&house, "user");
    assert_eq!(hashes, PARALLEL);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Refused { .. })));
}

#[test]
fn right_passwords_one_after_the_other_are_never_put_off() {
    let house = House::new();
    for number in 0..4 {
        house.add(&format!("user{number}@home.lan"), "right");
    }
    for number in 0..4 {
        assert!(matches!(house.login(&format!("user{number}@home.lan"), "right"), Verdict::Welcome(_)));
    }
}

#[test]
fn while_passwords_are_tried_everywhere_strangers_wait_longest_s_170() {
    let house = House::new();
    house.befriend("somebody@home.lan");
    let login = |from: [u8; 4], name: &str| {
        let peer = IpAddr::V4(from.into());
        block_on(house.gatekeeper.login(claim(name, "Summer26"), &peer.into()))
    };
    let most = limits::SPRAYED_FAILURES as u8;
    for number in 1..most {
        assert_eq!(login([10, 1, 1, number], &format!("user{number}@home.lan")), refused(1), "{number}");
    }
    assert_eq!(login([10, 1, 1, most], "last@home.lan"), refused(15));
    assert_eq!(login([10, 1, 2, 1], "next@home.lan"), refused(15), "a stranger's first");
    assert_eq!(house.login("known@home.lan", "Summer26"), refused(1), "a neighbour of users");
    let stranger = IpAddr::V4([10, 1, 2, 2].into());
    let verdict = block_on(house.gatekeeper.login(claim("alice@home.lan", "wonderland"), &stranger.into()));
    assert!(matches!(verdict, Verdict::Welcome(_)), "nobody is shut out");
}
