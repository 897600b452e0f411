//! Measures what the counted work takes; run by hand, for a busy machine would fail it for nothing:
//! `cargo test --release --lib auth::tests::timing -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::proofs::{KINDS, Kind, proof};
use super::*;

const TRIES: usize = 2000;

const CLASSES: [(&str, &str, &str); 5] = [
    ("unknown user", "nobody@home.lan", "wonderland"),
    ("wrong password", "alice@home.lan", "Wonderland"),
    ("locked, wrong", "dora@home.lan", "Wonderland"),
    ("locked, right", "dora@home.lan", "wonderland"),
    ("right", "alice@home.lan", "wonderland"),
];

#[test]
#[ignore = "takes minutes and asserts nothing"]
fn medians_of_every_class_side_by_side() {
    let house = House::with_challenge();
    house.add("dora@home.lan", "wonderland");
    house.store.lock_mailbox("dora@home.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    let by_password = |_: &str, user_name: &str, password: &str| claim(user_name, password);
    measure(&house, "password", by_password);
    for kind in KINDS {
        let by_proof = |_: &str, user_name: &str, password: &str| made(&house, kind, user_name, password);
        measure(&house, &format!("{kind:?}"), by_proof);
    }
    let mut samples = CLASSES.map(|_| Vec::with_capacity(TRIES));
    for round in 0..TRIES {
        for turn in 0..CLASSES.len() {
            let class = (round + turn) % CLASSES.len();
            let begun = Instant::now();
            black_box(house.salt(CLASSES[class].1));
            samples[class].push(begun.elapsed());
        }
    }
    print("salt", samples);
}

fn made(house: &House, kind: Kind, user_name: &str, password: &str) -> Claim {
    Claim { user_name: user_name.into(), proof: proof(kind, user_name, password, house.salt(user_name)) }
}

/// The classes take turns, so that whatever else the machine does meets them alike.
fn measure(house: &House, name: &str, claim_of: impl Fn(&str, &str, &str) -> Claim) {
    let claims = CLASSES.map(|(class, user_name, password)| claim_of(class, user_name, password));
    let mut samples = CLASSES.map(|_| Vec::with_capacity(TRIES));
    for round in 0..TRIES {
        for turn in 0..CLASSES.len() {
            let class = (round + turn) % CLASSES.len();
            house.forget();
            let claim = claims[class].clone();
            let begun = Instant::now();
            let _ = black_box(block_on(house.gatekeeper.login(claim, &PEER.into())));
            samples[class].push(begun.elapsed());
        }
    }
    print(name, samples);
}

fn print(name: &str, samples: [Vec<Duration>; 5]) {
    let medians = samples.map(|mut samples| {
        samples.sort();
        samples[samples.len() / 2].as_secs_f64() * 1e6
    });
    for ((class, ..), median) in CLASSES.iter().zip(medians) {
        println!("{name:10} {class:16} {median:10.2} us {:+7.2} %", (median / medians[0] - 1.0) * 100.0);
    }
}
