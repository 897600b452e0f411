//! Examples of the RFCs, what servers get wrong, and our own server as the other side.

use super::super::prepare;
use super::*;
use crate::limits;
use crate::sasl::scram::{Salt, Verifier};
use crate::sasl::{Proof, Step, Terms};

/// RFC 7677 §3.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn exchange(mechanism: Mechanism) -> Exchange {
    Exchange::new(mechanism, "user", &Secret::new("pencil"), &Seed([9; 32])).unwrap()
}

/// The example's exchange, its first message sent.
fn scram() -> Exchange {
    let mut exchange = Exchange { state: State::Scram(Box::new(Scram::with_nonce("user", "pencil", NONCE))) };
    assert_eq!(
        exchange.initial(500).as_deref(),
        Some(&Base64::encode_string(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"))
    );
    exchange
}

fn respond(exchange: &mut Exchange, challenge: &str) -> Result<String, ExchangeError> {
    let response = exchange.respond(Base64::encode_string(challenge.as_bytes()).as_bytes())?;
    Ok(String::from_utf8(Base64::decode_vec(&response).unwrap()).unwrap())
}

#[test]
fn the_example_of_rfc_7677_section_3_is_played_whole() {
    let mut exchange = scram();
    assert!(!exchange.is_proven());
    assert_eq!(respond(&mut exchange, SERVER_FIRST).as_deref(), Ok(CLIENT_FINAL));
    assert!(!exchange.is_proven(), "the server has proven nothing");
    assert_eq!(respond(&mut exchange, SERVER_FINAL).as_deref(), Ok(""));
    assert!(exchange.is_proven());
    assert_eq!(respond(&mut exchange, ""), Err(ExchangeError::BadChallenge), "there is no more to say");
    assert!(!exchange.is_proven());
}

#[test]
fn the_example_of_rfc_2195_section_2_is_right() {
    let (user, password) = ("tim", Secret::new("tanstaaftanstaaf"));
    let mut exchange = Exchange::new(Mechanism::CramMd5, user, &password, &Seed::default()).unwrap();
    assert_eq!(exchange.initial(500), None);
    let response = respond(&mut exchange, "<1896.697170952@postoffice.reston.mci.net>");
    assert_eq!(response.as_deref(), Ok("tim b913a602c7eda7a495b4e6e7334d3890"));
    assert!(exchange.is_proven());
}

#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    for (last, error) in [
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", ExchangeError::BadChallenge),
        ("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ExchangeError::WrongSignature),
        ("v=6rriTRBi", ExchangeError::WrongSignature),
        ("v=6rri", ExchangeError::WrongSignature),
        ("v=", ExchangeError::WrongSignature),
        ("e=invalid-proof", ExchangeError::Refused),
        ("e=other-error,x=y", ExchangeError::Refused),
        ("", ExchangeError::BadChallenge),
        ("x=v=", ExchangeError::BadChallenge),
    ] {
        let mut exchange = scram();
        assert!(respond(&mut exchange, SERVER_FIRST).is_ok());
        assert_eq!(respond(&mut exchange, last), Err(error), "{last}");
        assert!(!exchange.is_proven());
        assert_eq!(
            respond(&mut exchange, SERVER_FINAL),
            Err(ExchangeError::BadChallenge),
            "it has had its turn"
        );
    }
}

#[test]
fn a_first_message_that_is_none_is_refused() {
    let long = format!("r={NONCE}{},s=AAAA,i=4096", "n".repeat(limits::SCRAM_NONCE_OCTETS + 1));
    for first in [
        "",
        "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096",
        "r=rOprNGfwEbeRWgbNEkqP1,s=AAAA,i=4096",
        "r=x,s=AAAA,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO 1,s=AAAA,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO1,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO1,s=A,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO1,s=AAAA",
        "r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=",
        "r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=+4096",
        "s=AAAA,r=rOprNGfwEbeRWgbNEkqO1,i=4096",
        "m=x,r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=4096",
        "e=unknown-user",
        &long,
    ] {
        assert_eq!(respond(&mut scram(), first), Err(ExchangeError::BadChallenge), "{first}");
    }
    assert_eq!(scram().respond(b"not base64").err(), Some(ExchangeError::BadChallenge));
    assert_eq!(scram().respond(b"/w==").err(), Some(ExchangeError::BadChallenge));
    assert!(respond(&mut scram(), "r=rOprNGfwEbeRWgbNEkqO1,s=AAAA,i=4096,x=later").is_ok(), "an extension");
}

#[test]
fn iterations_are_held_at_their_edges() {
    let (least, most) = (limits::SCRAM_LEAST_ITERATIONS, limits::SCRAM_MOST_ITERATIONS);
    for (iterations, is_taken) in [
        (0, false),
        (least - 1, false),
        (least, true),
        (least + 1, true),
        (most - 1, true),
        (most, true),
        (most + 1, false),
        (u32::MAX, false),
    ] {
        let outcome = respond(&mut scram(), &format!("r={NONCE}1,s=AAAA,i={iterations}"));
        assert_eq!(outcome.err(), (!is_taken).then_some(ExchangeError::BadIterations), "{iterations}");
    }
    let wide = format!("r={NONCE}1,s=AAAA,i=99999999999999999999");
    assert_eq!(respond(&mut scram(), &wide), Err(ExchangeError::BadIterations));
}

#[test]
fn scram_waits_for_its_turn_where_its_message_has_no_room() {
    let mut exchange = exchange(Mechanism::ScramSha256);
    assert_eq!(exchange.initial(10), None);
    assert!(respond(&mut exchange, "").unwrap().starts_with("n,,n=user,r="));
    let mut early = self::exchange(Mechanism::ScramSha256);
    assert_eq!(respond(&mut early, "r=x,s=AAAA,i=4096"), Err(ExchangeError::BadChallenge));
    assert!(!early.is_proven());
}

#[test]
fn signs_that_would_end_a_name_are_escaped_and_no_nonce_comes_twice() {
    let first = |user: &str, seed| {
        let mut exchange =
            Exchange::new(Mechanism::ScramSha256, user, &Secret::new("x"), &Seed([seed; 32])).unwrap();
        String::from_utf8(Base64::decode_vec(&exchange.initial(500).unwrap()).unwrap()).unwrap()
    };
    assert!(first("a=b,c", 1).starts_with("n,,n=a=3Db=2Cc,r="));
    assert_eq!(first("a", 1), first("a", 1));
    assert_ne!(first("a", 1), first("a", 2));
}

#[test]
fn mechanisms_that_are_not_spoken_and_words_that_can_not_be_said() {
    let unspoken = Mechanism::ALL.into_iter().filter(|mechanism| !PREFERRED.contains(mechanism));
    for mechanism in unspoken {
        assert!(
            Exchange::new(mechanism, "a", &Secret::new("b"), &Seed::default()).is_none(),
            "{mechanism:?}"
        );
    }
    for (user, password) in [("", "x"), ("a\0", "x"), ("a\n", "x"), ("a\u{85}", "x"), ("a", ""), ("a", "\0")]
    {
        for mechanism in PREFERRED {
            let exchange = Exchange::new(mechanism, user, &Secret::new(password), &Seed::default());
            assert!(exchange.is_none(), "{mechanism:?} {user:?}");
        }
    }
}

#[test]
fn our_own_exchanges_understand_it() {
    let password = "Gr\u{75}\u{308}\u{df}e, \u{2003}du=";
    let salt = Salt { octets: [3; 16], iterations: 4096 };
    let verifier = Verifier::derive(&prepare::password(password.as_bytes()), salt);
    for mechanism in PREFERRED {
        let secret = Secret::new(password);
        let mut ours = Exchange::new(mechanism, "j\u{f6}rg=,", &secret, &Seed([1; 32])).unwrap();
        let initial = ours.initial(500);
        let terms = Terms { seed: Seed([2; 32]), ..Terms::default() };
        let (mut theirs, mut step) = mechanism.begin(initial.as_deref().map(String::as_bytes), &terms, 0);
        for _ in 0..6 {
            step = match step {
                Step::Challenge(challenge) => {
                    theirs.respond(ours.respond(challenge.as_bytes()).unwrap().as_bytes())
                }
                Step::Salt(user) => {
                    assert_eq!(user, "j\u{f6}rg=,");
                    theirs.salted(salt)
                }
                Step::Claim(claim) => {
                    assert_eq!(claim.user_name, "j\u{f6}rg=,");
                    match &claim.proof {
                        Proof::Password(said) => assert!(*said == secret),
                        Proof::CramMd5(proof) => assert!(proof.is_made_with(&secret)),
                        Proof::Scram(proof) => assert!(proof.verify(&verifier).is_some()),
                        other => panic!("{}", other.kind()),
                    }
                    let signature = match &claim.proof {
                        Proof::Scram(proof) => proof.verify(&verifier),
                        _ => None,
                    };
                    theirs.verified(signature)
                }
                step => step,
            };
        }
        assert_eq!(step, Step::Done, "{mechanism:?}");
        assert!(ours.is_proven(), "{mechanism:?}");
    }
}

#[test]
fn an_exchange_is_not_printed_s_320() {
    for mechanism in PREFERRED {
        assert_eq!(format!("{:?}", exchange(mechanism)), "Exchange");
    }
}
