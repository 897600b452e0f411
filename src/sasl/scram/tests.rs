//! RFC 7677's example, and what goes wrong before, in and behind each message.

use super::*;
use crate::limits;
use crate::sasl::{Channel, Seed};

/// RFC 7677 §3.
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

const EXPORTER: [u8; 32] = [0xEE; 32];

fn salt() -> Salt {
    let octets = Base64::decode_vec("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
    Salt { octets, iterations: 4096 }
}

fn terms(exporter: Option<[u8; 32]>) -> Terms {
    let channel = exporter.map(|_| Channel { exporter, ..Channel::default() });
    Terms { channel, seed: Seed([3; 32]), ..Terms::default() }
}

/// An exchange with the server's nonce of the example.
fn exchange(is_plus: bool, exporter: Option<[u8; 32]>) -> Exchange {
    Exchange { server_nonce: SERVER_NONCE.into(), ..Exchange::new(&terms(exporter), 0, is_plus) }
}

/// An exchange that awaits the client's last message.
fn awaiting(is_plus: bool, exporter: Option<[u8; 32]>, client_first: &str) -> Exchange {
    let mut exchange = exchange(is_plus, exporter);
    assert!(matches!(exchange.take(client_first.as_bytes()), Ok(Turn::Salt(_))), "{client_first}");
    assert!(matches!(exchange.salted(salt()), Ok(Turn::Challenge(_))));
    exchange
}

fn proof_of(turn: Result<Turn, SaslError>) -> Proof {
    match turn {
        Ok(Turn::Claim(Claim { proof: crate::sasl::Proof::Scram(proof), .. })) => *proof,
        Ok(_) => panic!("no claim"),
        Err(error) => panic!("{error:?}"),
    }
}

fn failure_of(turn: Result<Turn, SaslError>) -> Option<SaslError> {
    turn.err()
}

/// What a client makes of a password: RFC 5802 §3.
fn client_proof(password: &[u8], auth_message: &[u8]) -> [u8; 32] {
    let mut salted = [0; 32];
    let rounds = std::num::NonZeroU32::new(salt().iterations).unwrap();
    ring::pbkdf2::derive(ring::pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt().octets, password, &mut salted);
    let client_key = keyed(&salted, b"Client Key");
    let stored_key = Verifier::derive(password, salt()).stored_key;
    let mut proof = keyed(&stored_key, auth_message);
    proof.iter_mut().zip(client_key).for_each(|(octet, key)| *octet ^= key);
    proof
}

#[test]
fn the_example_of_rfc_7677_section_3_is_played_whole() {
    let mut exchange = exchange(false, None);
    let Ok(Turn::Salt(user_name)) = exchange.take(CLIENT_FIRST.as_bytes()) else { panic!() };
    assert_eq!(user_name, "user");
    let Ok(Turn::Challenge(challenge)) = exchange.salted(salt()) else { panic!() };
    assert_eq!(challenge, SERVER_FIRST.as_bytes());
    let proof = proof_of(exchange.take(CLIENT_FINAL.as_bytes()));
    assert_eq!(proof.verify(&Verifier::derive(b"pencil2", salt())), None);
    let signature = proof.verify(&Verifier::derive(b"pencil", salt())).unwrap();
    let Ok(Turn::Challenge(challenge)) = exchange.verified(signature) else { panic!() };
    assert_eq!(challenge, SERVER_FINAL.as_bytes());
    assert!(matches!(exchange.take(b""), Ok(Turn::Done)));
}

#[test]
fn each_bit_of_proof_salt_and_message_counts_s_181() {
    let verifier = Verifier::derive(b"pencil", salt());
    let proof = proof_of(awaiting(false, None, CLIENT_FIRST).take(CLIENT_FINAL.as_bytes()));
    assert!(proof.verify(&verifier).is_some());
    for bit in 0..256 {
        let mut other = proof.clone();
        other.client_proof[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(other.verify(&verifier), None, "{bit}");
    }
    for place in 0..proof.auth_message.len() {
        let mut other = proof.clone();
        other.auth_message[place] ^= 1;
        assert_eq!(other.verify(&verifier), None, "{place}");
    }
    let fewer = Salt { iterations: 4095, ..salt() };
    let other = Salt { octets: [0; 16], ..salt() };
    for salt in [fewer, other] {
        assert_eq!(proof.verify(&Verifier::derive(b"pencil", salt)), None);
    }
}

#[test]
fn a_proof_is_bound_to_the_channel_s_181() {
    let first = "p=tls-exporter,,n=user,r=abc";
    let last = |exporter: &[u8]| {
        let binding = Base64::encode_string(&[b"p=tls-exporter,,", exporter].concat());
        format!("c={binding},r=abc{SERVER_NONCE}")
    };
    let message =
        format!("n=user,r=abc,{},{}", SERVER_FIRST.replace("rOprNGfwEbeRWgbNEkqO", "abc"), last(&EXPORTER));
    let right = Base64::encode_string(&client_proof(b"pencil", message.as_bytes()));
    let mut exchange = awaiting(true, Some(EXPORTER), first);
    let proof = proof_of(exchange.take(format!("{},p={right}", last(&EXPORTER)).as_bytes()));
    assert!(proof.verify(&Verifier::derive(b"pencil", salt())).is_some());

    let mut foreign = EXPORTER;
    foreign[31] ^= 1;
    for wrong in [&foreign[..], &EXPORTER[..31], &[&EXPORTER[..], &[0]].concat(), b""] {
        let mut exchange = awaiting(true, Some(EXPORTER), first);
        let outcome = exchange.take(format!("{},p={right}", last(wrong)).as_bytes());
        assert_eq!(failure_of(outcome), Some(SaslError::BadBinding), "{wrong:?}");
    }
}

#[test]
fn who_repeats_another_header_than_he_sent_is_refused_s_181() {
    for (first, header) in [
        ("n,,n=user,r=abc", "y,,"),
        ("y,,n=user,r=abc", "n,,"),
        ("n,,n=user,r=abc", "n,a=user,"),
        ("n,a=user,n=user,r=abc", "n,,"),
        ("n,,n=user,r=abc", ""),
        ("n,,n=user,r=abc", "n,,x"),
        ("n,,n=user,r=abc", "p=tls-exporter,,"),
    ] {
        let last = |header: &str| {
            let (binding, proof) =
                (Base64::encode_string(header.as_bytes()), Base64::encode_string(&[0; 32]));
            format!("c={binding},r=abc{SERVER_NONCE},p={proof}")
        };
        let outcome = awaiting(false, None, first).take(last(header).as_bytes());
        assert_eq!(failure_of(outcome), Some(SaslError::BadBinding), "{first} {header}");
        let own = first.split("n=user").next().unwrap();
        assert!(awaiting(false, None, first).take(last(own).as_bytes()).is_ok(), "{first}");
    }
}

#[test]
fn a_downgrade_is_noticed_and_a_flag_out_of_place_refused_s_181() {
    let (bad, bound) = (Some(SaslError::BadResponse), Some(SaslError::BadBinding));
    for (flag, is_plus, exporter, outcome) in [
        ("n", false, None, None),
        ("n", false, Some(EXPORTER), None),
        ("y", false, None, None),
        ("y", false, Some(EXPORTER), bound),
        ("p=tls-exporter", false, None, bad),
        ("p=tls-exporter", false, Some(EXPORTER), bad),
        ("p=tls-exporter", true, Some(EXPORTER), None),
        ("p=tls-exporter", true, None, bad),
        ("n", true, Some(EXPORTER), bad),
        ("y", true, Some(EXPORTER), bad),
        ("p=tls-unique", true, Some(EXPORTER), bad),
        ("p=tls-server-end-point", true, Some(EXPORTER), bad),
        ("p=TLS-EXPORTER", true, Some(EXPORTER), bad),
        ("p=", true, Some(EXPORTER), bad),
        ("p", true, Some(EXPORTER), bad),
        ("F,p=tls-exporter", true, Some(EXPORTER), bad),
        ("", false, None, bad),
        ("N", false, None, bad),
        ("nn", false, None, bad),
    ] {
        let first = format!("{flag},,n=user,r=abc");
        let found = exchange(is_plus, exporter).take(first.as_bytes());
        assert_eq!(failure_of(found), outcome, "{flag} {is_plus} {exporter:?}");
    }
}

#[test]
fn the_shapes_of_a_first_message() {
    let most = "r".repeat(limits::SCRAM_NONCE_OCTETS);
    for (message, user_name) in [
        ("n,,n=user,r=abc", "user"),
        ("n,,n==2C=3D,r=abc", ",="),
        ("n,,n=a=3D2C,r=abc", "a=2C"),
        ("n,,n=j\u{f6}rg,r=abc", "j\u{f6}rg"),
        ("n,,n=a b,r=!~", "a b"),
        ("n,a=user,n=user,r=abc", "user"),
        ("n,a=a=3Db,n=a=3Db,r=abc", "a=b"),
        ("n,a=,n=user,r=abc", "user"),
        ("n,,n=user,r=abc,x=1,Z=a=b", "user"),
        (&format!("n,,n=user,r={most}"), "user"),
    ] {
        let Ok(Turn::Salt(found)) = exchange(false, None).take(message.as_bytes()) else {
            panic!("{message}")
        };
        assert_eq!(found, user_name, "{message}");
    }
    for message in [
        "",
        "n",
        "n,",
        "n,,",
        ",,",
        "n,,n=user",
        "n,,r=abc",
        "n,,n=user,",
        "n,,n=user,r=",
        "n,,n=,r=abc",
        "n,n=user,r=abc",
        "n,,r=abc,n=user",
        "n,,N=user,r=abc",
        "n,,n=user,R=abc",
        "n,,n=user,r=a\u{e4}",
        "n,,n=user,r=a b",
        "n,,n=user,r=a\0",
        "n,,n=user,r=a\x7f",
        "n,,n=us=er,r=abc",
        "n,,n=user=,r=abc",
        "n,,n==2c,r=abc",
        "n,,n==3d,r=abc",
        "n,,n==2,r=abc",
        "n,,n=u\0r,r=abc",
        "n,,n=u\nr,r=abc",
        "n,,m=1,n=user,r=abc",
        "n,,n=user,r=abc,m=1",
        "n,,n=user,r=abc,x=1,m=1",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,x=",
        "n,,n=user,r=abc,1=1",
        "n,,n=user,r=abc,x=\0",
        "n,,n=user,r=abc,r=def",
        "n,,n=user,r=abc,n=eve",
        "n,user,n=user,r=abc",
        "n,a=u=ser,n=user,r=abc",
        "n,b=user,n=user,r=abc",
        " n,,n=user,r=abc",
        &format!("n,,n=user,r={most}r"),
        &format!("n,,n={},r=abc", "n".repeat(limits::USER_NAME_OCTETS + 1)),
    ] {
        let outcome = exchange(false, None).take(message.as_bytes());
        assert_eq!(failure_of(outcome), Some(SaslError::BadResponse), "{message:?}");
    }
    let outcome = exchange(false, None).take(b"n,,n=us\xFFr,r=abc");
    assert_eq!(failure_of(outcome), Some(SaslError::BadResponse));
}

#[test]
fn nobody_acts_as_somebody_else() {
    for acts_as in ["eve", "User", "user@home.lan", "user=2C"] {
        let outcome = exchange(false, None).take(format!("n,a={acts_as},n=user,r=abc").as_bytes());
        assert_eq!(failure_of(outcome), Some(SaslError::ForeignAuthorization), "{acts_as}");
    }
}

#[test]
fn the_shapes_of_a_last_message() {
    let nonce = format!("abc{SERVER_NONCE}");
    let proof = Base64::encode_string(&[7; 32]);
    let short = Base64::encode_string(&[7; 31]);
    let long = Base64::encode_string(&[7; 33]);
    let take = |message: &str| awaiting(false, None, "n,,n=user,r=abc").take(message.as_bytes());
    for message in [format!("c=biws,r={nonce},p={proof}"), format!("c=biws,r={nonce},x=1,Y=2,p={proof}")] {
        let found = proof_of(take(&message));
        assert_eq!(found.client_proof, [7; 32]);
        assert!(found.auth_message.ends_with(message.split(",p=").next().unwrap().as_bytes()));
    }
    for message in [
        String::new(),
        "*".into(),
        format!("r={nonce},c=biws,p={proof}"),
        format!("c=biws,r={nonce}"),
        format!("c=biws,p={proof}"),
        format!("c=biws,p={proof},r={nonce}"),
        format!("r={nonce},p={proof}"),
        format!("p={proof}"),
        // Another nonce, or a part of it: a reply to another exchange.
        format!("c=biws,r=abc,p={proof}"),
        format!("c=biws,r=,p={proof}"),
        format!("c=biws,r={nonce}x,p={proof}"),
        format!("c=biws,r={SERVER_NONCE},p={proof}"),
        format!("c=biws,r={},p={proof}", nonce.to_lowercase()),
        format!("c=biw,r={nonce},p={proof}"),
        format!("c=bi-_,r={nonce},p={proof}"),
        format!("c=biws=,r={nonce},p={proof}"),
        format!("c=biws,r={nonce},p={short}"),
        format!("c=biws,r={nonce},p={long}"),
        format!("c=biws,r={nonce},p="),
        format!("c=biws,r={nonce},p={}", proof.trim_end_matches('=')),
        format!("c=biws,r={nonce},p={proof}="),
        format!("c=biws,r={nonce},p={proof},x=1"),
        format!("c=biws,r={nonce},p={proof},"),
        format!("c=biws,r={nonce},m=1,p={proof}"),
        format!("c=biws,r={nonce},x,p={proof}"),
        format!("c=biws,r={nonce},,p={proof}"),
        format!("c=biws,r={nonce},p={proof},p={proof}"),
    ] {
        assert_eq!(failure_of(take(&message)), Some(SaslError::BadResponse), "{message}");
    }
}

#[test]
fn each_word_has_its_turn() {
    let bad = Some(SaslError::BadResponse);
    assert_eq!(failure_of(exchange(false, None).salted(salt())), bad);
    assert_eq!(failure_of(exchange(false, None).verified([0; 32])), bad);
    assert_eq!(failure_of(exchange(false, None).take(CLIENT_FINAL.as_bytes())), bad);

    let mut salting = exchange(false, None);
    assert!(salting.take(CLIENT_FIRST.as_bytes()).is_ok());
    assert_eq!(failure_of(salting.take(CLIENT_FINAL.as_bytes())), bad);
    assert_eq!(failure_of(salting.verified([0; 32])), bad);

    let mut last = awaiting(false, None, CLIENT_FIRST);
    assert_eq!(failure_of(last.verified([0; 32])), bad);
    assert!(last.take(CLIENT_FINAL.as_bytes()).is_ok());
    assert_eq!(failure_of(last.take(CLIENT_FINAL.as_bytes())), bad);
    assert_eq!(failure_of(last.take(b"")), bad);
    assert!(last.verified([0; 32]).is_ok());
    for said in [&b"x"[..], CLIENT_FINAL.as_bytes(), b"\0"] {
        assert_eq!(failure_of(last.take(said)), bad);
    }
    assert_eq!(failure_of(last.verified([0; 32])), bad);
}

#[test]
fn the_servers_nonce_is_printable_and_never_the_same_s_181() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..30 {
        for count in 0..30 {
            let terms = Terms { seed: Seed([seed; 32]), ..Terms::default() };
            let nonce = Exchange::new(&terms, count, false).server_nonce;
            assert!(nonce.len() == 32 && !nonce.contains(',') && nonce.bytes().all(|o| o.is_ascii_graphic()));
            assert!(seen.insert(nonce));
        }
    }
}

#[test]
fn no_iterations_at_all_are_one() {
    let derive = |iterations| Verifier::derive(b"x", Salt { octets: [1; 16], iterations }).stored_key;
    assert_eq!(derive(0), derive(1));
    assert_ne!(derive(1), derive(2));
}
