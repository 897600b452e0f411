//! What holds for every exchange: cancelled, cut, over-long, badly encoded, replayed, out of order.

use base64ct::{Base64, Encoding};

use super::*;

const PASSWORDS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

fn terms() -> Terms {
    Terms { takes_passwords: true, ..Terms::default() }
}

fn password_of(claim: &Claim) -> &[u8] {
    match &claim.proof {
        Proof::Password(password) => password.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mechanisms_are_found_by_name_in_any_case_s_164() {
    assert_eq!(Mechanism::find(b"PLAIN"), Some(Mechanism::Plain));
    assert_eq!(Mechanism::find(b"login"), Some(Mechanism::Login));
    assert_eq!(Mechanism::find(b"Plain"), Some(Mechanism::Plain));
    let long = [b'A'; 65];
    for unknown in [&b""[..], b"PLAI", b"PLAINX", b"CRAM-MD4", b"SCRAM", b"PLAIN ", b"PLAIN\0", &long] {
        assert_eq!(Mechanism::find(unknown), None, "{unknown:?}");
    }
}

#[test]
fn a_star_cancels_wherever_a_response_is_awaited_s_154() {
    for mechanism in PASSWORDS {
        let (mut exchange, _) = mechanism.begin(None, &terms(), 0);
        assert_eq!(exchange.respond(b"*"), Step::Failed(SaslError::Cancelled));
        assert_eq!(exchange.respond(b"AGEAYg=="), Step::Failed(SaslError::BadResponse));
    }
    let (mut exchange, _) = Mechanism::Login.begin(Some(b"YWxpY2U="), &terms(), 0);
    assert_eq!(exchange.respond(b"*"), Step::Failed(SaslError::Cancelled));
}

#[test]
fn a_star_in_the_command_is_no_cancellation_but_bad_base64() {
    for mechanism in PASSWORDS {
        assert_eq!(mechanism.begin(Some(b"*"), &terms(), 0).1, Step::Failed(SaslError::BadBase64));
    }
}

#[test]
fn an_equals_sign_is_the_empty_initial_response_and_nothing_later_s_158() {
    for mechanism in PASSWORDS {
        assert_eq!(mechanism.begin(Some(b"="), &terms(), 0).1, Step::Failed(SaslError::BadResponse));
        let (mut exchange, _) = mechanism.begin(None, &terms(), 0);
        assert_eq!(exchange.respond(b"="), Step::Failed(SaslError::BadBase64));
        let (mut exchange, _) = mechanism.begin(None, &terms(), 0);
        assert_eq!(exchange.respond(b""), Step::Failed(SaslError::BadResponse));
    }
}

#[test]
fn an_exchange_that_is_over_stays_over() {
    let (mut exchange, step) = Mechanism::Plain.begin(Some(b"AGEAYg=="), &terms(), 0);
    assert!(matches!(step, Step::Claim(_)));
    assert_eq!(exchange.respond(b"AGEAYg=="), Step::Failed(SaslError::BadResponse));
    let (mut exchange, _) = Mechanism::Login.begin(Some(b"!"), &terms(), 0);
    assert_eq!(exchange.respond(b"YWxpY2U="), Step::Failed(SaslError::BadResponse));
}

#[test]
fn names_and_passwords_are_held_at_their_edges_s_159() {
    let new = |name: usize, password: usize| Claim::password(&vec![b'n'; name], &vec![b'p'; password]);
    let most = (limits::USER_NAME_OCTETS, limits::PASSWORD_OCTETS);
    for (name, password) in [(1, 1), (most.0 - 1, most.1 - 1), most] {
        let credentials = new(name, password).unwrap();
        assert_eq!((credentials.user_name.len(), password_of(&credentials).len()), (name, password));
    }
    for (name, password) in [(0, 1), (1, 0), (most.0 + 1, 1), (1, most.1 + 1)] {
        assert_eq!(new(name, password), Err(SaslError::BadResponse), "{name} {password}");
    }
}

#[test]
fn user_names_are_utf_8_without_control_characters() {
    for good in ["a", "alice@home.lan", "jörg", "a b", "'; --"] {
        assert_eq!(Claim::password(good.as_bytes(), b"x").unwrap().user_name, good);
    }
    for bad in [&b"a\n"[..], b"\x7f", b"a\rb", b"a\0b", b"\xFF", b"j\xF6rg", "a\u{85}".as_bytes()] {
        assert_eq!(Claim::password(bad, b"x"), Err(SaslError::BadResponse), "{bad:?}");
    }
}

#[test]
fn a_password_is_any_octets_but_nul() {
    for good in [&b" a b "[..], b"\xFF\xFE", b"\t", "ö".as_bytes()] {
        assert_eq!(password_of(&Claim::password(b"a", good).unwrap()), good);
    }
    assert_eq!(Claim::password(b"a", b"x\0y"), Err(SaslError::BadResponse));
}

#[test]
fn no_response_makes_an_exchange_panic() {
    let seed = 4616;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..20_000 {
        let mechanism = PASSWORDS[random.usize(..2)];
        let (mut exchange, _) = mechanism.begin(None, &terms(), 0);
        for _ in 0..3 {
            let octets: Vec<u8> = (0..random.usize(..12)).map(|_| random.u8(..) % 4 * 47).collect();
            let text = if random.bool() { Base64::encode_string(&octets).into_bytes() } else { octets };
            if let Step::Claim(claim) = exchange.respond(&text) {
                assert!(!claim.user_name.is_empty() && !password_of(&claim).is_empty());
            }
        }
    }
}

/// The mechanisms whose exchange lives in this file and its neighbours.
const MECHANISMS: [Mechanism; 6] = [
    Mechanism::External,
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::CramMd5,
];

const SALT: scram::Salt = scram::Salt { octets: [1; 16], iterations: 4 };

fn bound() -> Terms {
    let channel = Channel { exporter: Some([9; 32]), has_certificate: true, ..Channel::default() };
    Terms { takes_challenges: true, channel: Some(channel), seed: Seed([5; 32]), ..terms() }
}

fn encoded(response: &[u8]) -> Vec<u8> {
    Base64::encode_string(response).into_bytes()
}

fn challenge_of(step: Step) -> String {
    match step {
        Step::Challenge(text) => String::from_utf8(Base64::decode_vec(&text).unwrap()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A SCRAM exchange up to the server's first message, and what the client answers to it with some proof.
fn scram_begun(mechanism: Mechanism, count: u32) -> (Exchange, String) {
    let header: &[u8] = if mechanism == Mechanism::ScramSha256 { b"n,," } else { b"p=tls-exporter,," };
    let first = encoded(&[header, b"n=alice,r=abc"].concat());
    let (mut exchange, step) = mechanism.begin(Some(&first), &bound(), count);
    assert_eq!(step, Step::Salt("alice".into()));
    let server_first = challenge_of(exchange.salted(SALT));
    let nonce = server_first.split(',').next().unwrap();
    let exporter = bound().channel.unwrap().exporter.unwrap();
    let exporter: &[u8] = if mechanism == Mechanism::ScramSha256 { b"" } else { &exporter };
    let binding = Base64::encode_string(&[header, exporter].concat());
    (exchange, format!("c={binding},{nonce},p={}", Base64::encode_string(&[7; 32])))
}

const SCRAMS: [Mechanism; 2] = [Mechanism::ScramSha256, Mechanism::ScramSha256Plus];

#[test]
fn scram_goes_through_all_its_steps() {
    for mechanism in SCRAMS {
        let (mut exchange, last) = scram_begun(mechanism, 0);
        assert!(matches!(exchange.respond(&encoded(last.as_bytes())), Step::Claim(_)));
        let signature = Base64::encode_string(&[4; 32]);
        assert_eq!(challenge_of(exchange.verified(Some([4; 32]))), format!("v={signature}"));
        assert_eq!(exchange.respond(b""), Step::Done);
        assert_eq!(exchange.respond(b""), Step::Failed(SaslError::BadResponse));
    }
}

#[test]
fn a_star_cancels_each_exchange_at_each_step_s_154() {
    let is_cancelled = |exchange: &mut Exchange| {
        assert_eq!(exchange.respond(b"*"), Step::Failed(SaslError::Cancelled));
        assert_eq!(exchange.respond(b""), Step::Failed(SaslError::BadResponse));
    };
    for mechanism in MECHANISMS {
        is_cancelled(&mut mechanism.begin(None, &bound(), 0).0);
    }
    for mechanism in SCRAMS {
        is_cancelled(&mut scram_begun(mechanism, 0).0);
        let (mut exchange, last) = scram_begun(mechanism, 0);
        exchange.respond(&encoded(last.as_bytes()));
        exchange.verified(Some([4; 32]));
        is_cancelled(&mut exchange);
    }
}

#[test]
fn what_is_too_long_or_no_base64_ends_each_exchange_s_156_s_157() {
    let long = vec![b'A'; limits::SASL_LINE_OCTETS + 4];
    for mechanism in MECHANISMS {
        for text in [&long[..], b"!!!!", b"A", b"AA=A", b"Zh==", b"AAAA ", b"AA\rA", b"-_-_", b"="] {
            let (mut exchange, _) = mechanism.begin(None, &bound(), 0);
            assert_eq!(exchange.respond(text), Step::Failed(SaslError::BadBase64), "{mechanism:?}");
            assert_eq!(exchange.respond(b""), Step::Failed(SaslError::BadResponse), "{mechanism:?}");
        }
    }
    for mechanism in SCRAMS {
        let (mut exchange, _) = scram_begun(mechanism, 0);
        assert_eq!(exchange.respond(&long), Step::Failed(SaslError::BadBase64));
    }
}

#[test]
fn a_proof_that_is_cut_is_none() {
    let digest = "alice b913a602c7eda7a495b4e6e7334d3890";
    for cut in 0..digest.len() {
        let (mut exchange, _) = Mechanism::CramMd5.begin(None, &bound(), 0);
        let step = exchange.respond(&encoded(&digest.as_bytes()[..cut]));
        assert_eq!(step, Step::Failed(SaslError::BadResponse), "{cut}");
    }
    for mechanism in SCRAMS {
        let whole = scram_begun(mechanism, 0).1;
        for cut in 0..whole.len() {
            let (mut exchange, last) = scram_begun(mechanism, 0);
            let step = exchange.respond(&encoded(&last.as_bytes()[..cut]));
            assert_eq!(step, Step::Failed(SaslError::BadResponse), "{cut}");
        }
    }
}

#[test]
fn a_proof_of_one_exchange_is_nothing_in_another_s_181_s_184() {
    for mechanism in SCRAMS {
        let (_, old) = scram_begun(mechanism, 0);
        let (mut exchange, _) = scram_begun(mechanism, 1);
        assert_eq!(exchange.respond(&encoded(old.as_bytes())), Step::Failed(SaslError::BadResponse));
    }
    let challenges: Vec<_> =
        (0..3).map(|count| challenge_of(Mechanism::CramMd5.begin(None, &bound(), count).1)).collect();
    assert!(challenges[0] != challenges[1] && challenges[1] != challenges[2]);
    let (mut exchange, _) = Mechanism::CramMd5.begin(None, &bound(), 1);
    let response = encoded(b"alice b913a602c7eda7a495b4e6e7334d3890");
    let Step::Claim(Claim { proof: Proof::CramMd5(proof), .. }) = exchange.respond(&response) else {
        panic!()
    };
    assert_eq!(proof.challenge, challenges[1]);
}

#[test]
fn answers_that_nobody_asked_for_end_each_exchange() {
    let bad = Step::Failed(SaslError::BadResponse);
    for mechanism in MECHANISMS {
        for answer in [
            Exchange::salted as fn(&mut Exchange, scram::Salt) -> Step,
            |exchange, _| exchange.verified(None),
            |exchange, _| exchange.verified(Some([0; 32])),
        ] {
            let (mut exchange, _) = mechanism.begin(None, &bound(), 0);
            assert_eq!(answer(&mut exchange, SALT), bad, "{mechanism:?}");
            assert_eq!(exchange.respond(b""), bad, "{mechanism:?}");
        }
    }
    // SCRAM is not done without its signature.
    let (mut exchange, last) = scram_begun(Mechanism::ScramSha256, 0);
    assert!(matches!(exchange.respond(&encoded(last.as_bytes())), Step::Claim(_)));
    assert_eq!(exchange.verified(None), bad);
    // A claim that was not found true stays unproved, whatever is said.
    let (mut exchange, last) = scram_begun(Mechanism::ScramSha256, 0);
    assert!(matches!(exchange.respond(&encoded(last.as_bytes())), Step::Claim(_)));
    assert_eq!(exchange.respond(b""), bad);
    assert_eq!(exchange.verified(Some([0; 32])), bad);
}

#[test]
fn no_response_makes_any_mechanism_panic_or_done_unasked() {
    let seed = 5802;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let words =
        ["n,", "y,", ",", "p=tls-exporter,", "n=a", "r=b", "=2C", "=", "c=biws", " ", "\0", "\u{e4}", "p="];
    for _ in 0..20_000 {
        let mechanism = Mechanism::ALL[random.usize(..7)];
        let (mut exchange, _) = mechanism.begin(None, &bound(), 0);
        for _ in 0..3 {
            let text: String = (0..random.usize(..9)).map(|_| words[random.usize(..words.len())]).collect();
            let step = match exchange.respond(&encoded(text.as_bytes())) {
                Step::Salt(_) => exchange.salted(SALT),
                step => step,
            };
            assert_ne!(step, Step::Done, "{mechanism:?} {text:?}");
        }
    }
}
