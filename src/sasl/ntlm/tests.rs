//! Whole exchanges of NTLM with a small client, and what damage does to them.

mod relay;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use md4::{Digest, Md4};
use md5::Md5;

use super::super::{Channel, Claim, Exchange, Mechanism, Proof, SaslError, Seed, Step, Terms};
use super::Flaw;
use crate::mail::Secret;

const PASSWORD: &str = "tanstaaf\u{f6}";
const SIGNED: u8 = 2;

/// A client with his own arithmetic, so that no mistake is made on both sides.
#[derive(Clone)]
struct Client {
    flags: u32,
    user_name: &'static str,
    domain: &'static str,
    signs: bool,
    bound_to: Option<Vec<u8>>,
}

const ALICE: Client =
    Client { flags: 0xA208_8207, user_name: "alice@home.lan", domain: "", signs: true, bound_to: None };

impl Client {
    fn negotiate(&self) -> Vec<u8> {
        [&b"NTLMSSP\0\x01\0\0\0"[..], &self.flags.to_le_bytes(), &[0; 16]].concat()
    }

    fn authenticate(&self, challenge: &[u8]) -> Vec<u8> {
        self.authenticate_by(PASSWORD, challenge)
    }

    fn authenticate_by(&self, password: &str, challenge: &[u8]) -> Vec<u8> {
        let key = hmac(
            &Md4::digest(utf_16(password)),
            &[&utf_16(&self.user_name.to_uppercase()), &utf_16(self.domain)],
        );
        let blob = self.blob(challenge);
        let sent = hmac(&key, &[&challenge[24..32], &blob]);
        let response = [&sent[..], &blob].concat();
        let mut message = self.message(&[0; 24], &response);
        if self.signs {
            let code = hmac(&hmac(&key, &[&sent]), &[&self.negotiate(), challenge, &message]);
            message[72..88].copy_from_slice(&code);
        }
        message
    }

    fn blob(&self, challenge: &[u8]) -> Vec<u8> {
        let [low, high] = [challenge[44], challenge[45]];
        let facts = &challenge[usize::from(u16::from_le_bytes([low, high]))..];
        let mut blob =
            [&[1, 1][..], &[0; 6], &[9; 8], &[0xAA; 8], &[0; 4], &facts[..facts.len() - 4]].concat();
        if self.signs {
            blob.extend_from_slice(&[6, 0, 4, 0, SIGNED, 0, 0, 0]);
        }
        if let Some(end_point) = &self.bound_to {
            let binding = [b"tls-server-end-point:", &end_point[..]].concat();
            let hash = Md5::digest([&[0; 16], &(binding.len() as u32).to_le_bytes()[..], &binding].concat());
            blob.extend_from_slice(&[10, 0, 16, 0]);
            blob.extend_from_slice(&hash);
        }
        [&blob[..], b"\x09\0\x10\0P\0O\0P\0/\0h\0o\0m\0e\0", &[0; 8]].concat()
    }

    fn message(&self, old_response: &[u8], response: &[u8]) -> Vec<u8> {
        let text = |text: &str| if self.flags & 1 != 0 { utf_16(text) } else { text.as_bytes().to_vec() };
        let (user_name, domain) = (text(self.user_name), text(self.domain));
        let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
        let mut payload = Vec::new();
        for octets in [old_response, response, &domain, &user_name, b"", b""] {
            let length = (octets.len() as u16).to_le_bytes();
            let offset = (88 + payload.len() as u32).to_le_bytes();
            message.extend([&length[..], &length, &offset].concat());
            payload.extend_from_slice(octets);
        }
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&[0; 24]);
        message.extend(payload);
        message
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let code = Hmac::<Md5>::new_from_slice(key).unwrap();
    parts.iter().fold(code, |code, part| code.chain_update(part)).finalize().into_bytes().into()
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn terms() -> Terms {
    let channel = Channel { end_point: Some(vec![7; 32]), ..Channel::default() };
    Terms {
        takes_challenges: true,
        channel: Some(channel),
        hostname: "mail.home.lan".into(),
        seed: Seed([5; 32]),
        file_time: 134_000_000_000_000_000,
        ..Terms::default()
    }
}

fn encoded(octets: &[u8]) -> Vec<u8> {
    Base64::encode_string(octets).into_bytes()
}

fn challenge(step: Step) -> Vec<u8> {
    match step {
        Step::Challenge(text) => Base64::decode_vec(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn claim(step: Step) -> (Claim, super::Proof) {
    match step {
        Step::Claim(claim) => match claim.proof.clone() {
            Proof::Ntlm(proof) => (claim, *proof),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn begin(client: &Client, terms: &Terms, count: u32) -> (Exchange, Vec<u8>) {
    let (exchange, step) = Mechanism::Ntlm.begin(Some(&encoded(&client.negotiate())), terms, count);
    (exchange, challenge(step))
}

fn logged_on(client: &Client, terms: &Terms) -> (String, bool, Option<Flaw>) {
    let (mut exchange, challenge) = begin(client, terms, 0);
    let (claim, proof) = claim(exchange.respond(&encoded(&client.authenticate(&challenge))));
    assert!(!proof.is_made_with(&Secret::new("wrong")));
    (claim.user_name, proof.is_made_with(&Secret::new(PASSWORD)), proof.flaw())
}

#[test]
fn a_client_proves_itself_with_and_without_code_and_binding() {
    for signs in [false, true] {
        for bound_to in [None, Some(vec![7; 32])] {
            let client = Client { signs, bound_to, ..ALICE };
            assert_eq!(logged_on(&client, &terms()), ("alice@home.lan".into(), true, None));
        }
    }
}

#[test]
fn the_first_message_comes_with_the_command_behind_it_or_behind_an_empty_line() {
    let negotiate = encoded(&ALICE.negotiate());
    let (mut exchange, step) = Mechanism::Ntlm.begin(None, &terms(), 0);
    assert_eq!(step, Step::Challenge(String::new()));
    let challenged = challenge(exchange.respond(&negotiate));
    assert_eq!(&challenged[..12], b"NTLMSSP\0\x02\0\0\0");
    for initial in [None, Some(&b"="[..])] {
        let (mut exchange, _) = Mechanism::Ntlm.begin(initial, &terms(), 0);
        if initial.is_none() {
            assert_eq!(exchange.respond(b""), Step::Challenge(String::new()));
        }
        assert_eq!(challenge(exchange.respond(&negotiate)), challenged);
        assert!(matches!(exchange.respond(&encoded(&ALICE.authenticate(&challenged))), Step::Claim(_)));
        assert_eq!(exchange.verified(None), Step::Done);
    }
}

#[test]
fn a_second_empty_line_ends_it_s_158() {
    let (mut exchange, _) = Mechanism::Ntlm.begin(Some(b"="), &terms(), 0);
    assert_eq!(exchange.respond(b""), Step::Failed(SaslError::BadResponse));
    assert_eq!(exchange.respond(&encoded(&ALICE.negotiate())), Step::Failed(SaslError::BadResponse));
}

#[test]
fn it_is_cancelled_and_out_of_order_as_any_exchange_s_154() {
    let (mut exchange, step) = begin(&ALICE, &terms(), 0);
    assert_eq!(exchange.respond(b"*"), Step::Failed(SaslError::Cancelled));
    assert_eq!(exchange.respond(&encoded(&ALICE.authenticate(&step))), Step::Failed(SaslError::BadResponse));
    let (mut exchange, _) = begin(&ALICE, &terms(), 0);
    assert_eq!(exchange.respond(&encoded(&ALICE.negotiate())), Step::Failed(SaslError::BadResponse));
    let initial = encoded(&ALICE.authenticate(&step));
    assert_eq!(Mechanism::Ntlm.begin(Some(&initial), &terms(), 0).1, Step::Failed(SaslError::BadResponse));
    let (mut exchange, _) = begin(&ALICE, &terms(), 0);
    assert_eq!(exchange.respond(b"!!!!"), Step::Failed(SaslError::BadBase64));
}

#[test]
fn names_are_found_however_people_type_them() {
    for (user_name, domain, found) in [
        ("alice", "home.lan", "alice@home.lan"),
        ("alice", "Home.Lan", "alice@Home.Lan"),
        ("alice", "HOME", "alice"),
        ("alice", "", "alice"),
        ("alice@home.lan", "office.lan", "alice@home.lan"),
        ("alice@home.lan", "HOME", "alice@home.lan"),
        ("j\u{f6}rg", "home.lan", "j\u{f6}rg@home.lan"),
    ] {
        let client = Client { user_name, domain, ..ALICE };
        assert_eq!(logged_on(&client, &terms()), (found.into(), true, None));
    }
}

#[test]
fn a_client_without_unicode_speaks_ascii() {
    let client = Client { flags: 0x0008_8206, ..ALICE };
    assert_eq!(logged_on(&client, &terms()), ("alice@home.lan".into(), true, None));
    let client = Client { user_name: "j\u{f6}rg", ..client };
    let (mut exchange, step) = begin(&client, &terms(), 0);
    assert_eq!(exchange.respond(&encoded(&client.authenticate(&step))), Step::Failed(SaslError::BadResponse));
}

#[test]
fn nobody_logs_on_without_a_name() {
    for (user_name, domain) in [("", ""), ("", "home.lan"), ("a\nb", ""), ("a\0", "")] {
        let client = Client { user_name, domain, ..ALICE };
        let (mut exchange, step) = begin(&client, &terms(), 0);
        let authenticate = encoded(&client.authenticate(&step));
        assert_eq!(exchange.respond(&authenticate), Step::Failed(SaslError::BadResponse));
    }
    let (mut exchange, _) = begin(&ALICE, &terms(), 0);
    let anonymous = Client { user_name: "", ..ALICE }.message(b"\0", b"");
    assert_eq!(exchange.respond(&encoded(&anonymous)), Step::Failed(SaslError::BadResponse));
}

#[test]
fn old_responses_prove_nothing_s_187() {
    for response in [&b""[..], &[3; 24]] {
        let (mut exchange, _) = begin(&ALICE, &terms(), 0);
        let (claim, proof) = claim(exchange.respond(&encoded(&ALICE.message(&[3; 24], response))));
        assert_eq!((&*claim.user_name, proof.flaw()), ("alice@home.lan", Some(Flaw::OldResponse)));
        assert!(!proof.is_made_with(&Secret::new(PASSWORD)));
    }
}

#[test]
fn a_response_made_for_an_other_channel_proves_nothing_s_186() {
    let foreign = Client { bound_to: Some(vec![8; 32]), ..ALICE };
    let unknown = Terms { channel: Some(Channel::default()), ..terms() };
    let own = Client { bound_to: Some(vec![7; 32]), ..ALICE };
    let clear = Terms { channel: None, ..terms() };
    for (client, terms) in [(&foreign, terms()), (&own, unknown), (&own, clear)] {
        assert_eq!(logged_on(client, &terms), ("alice@home.lan".into(), false, Some(Flaw::ForeignChannel)));
    }
}

#[test]
fn no_answer_serves_twice_s_184() {
    let (_, first) = begin(&ALICE, &terms(), 0);
    let answer = encoded(&ALICE.authenticate(&first));
    let other = Terms { seed: Seed([6; 32]), ..terms() };
    for (terms, count, serves) in [(terms(), 0, true), (terms(), 1, false), (other, 0, false)] {
        let (mut exchange, challenge) = begin(&ALICE, &terms, count);
        assert_eq!(challenge[24..32] == first[24..32], serves);
        let (_, proof) = claim(exchange.respond(&answer));
        assert_eq!(proof.is_made_with(&Secret::new(PASSWORD)), serves, "{count}");
    }
}

#[test]
fn the_code_covers_all_three_messages() {
    let other = Client { flags: ALICE.flags ^ 0x10, ..ALICE };
    let (_, challenge) = begin(&ALICE, &terms(), 0);
    let answer = ALICE.authenticate(&challenge);
    let (mut exchange, same) = begin(&other, &terms(), 0);
    assert_eq!(challenge, same);
    let (_, proof) = claim(exchange.respond(&encoded(&answer)));
    assert!(!proof.is_made_with(&Secret::new(PASSWORD)));
}

#[test]
fn a_message_cut_short_or_changed_anywhere_proves_nothing_s_188() {
    let client = Client { bound_to: Some(vec![7; 32]), domain: "HOME", ..ALICE };
    let (_, challenge) = begin(&client, &terms(), 0);
    let whole = client.authenticate(&challenge);
    let is_proven = |message: &[u8]| {
        let (mut exchange, _) = begin(&client, &terms(), 0);
        match exchange.respond(&encoded(message)) {
            Step::Claim(Claim { proof: Proof::Ntlm(proof), .. }) => {
                proof.is_made_with(&Secret::new(PASSWORD))
            }
            Step::Failed(SaslError::BadResponse) => false,
            other => panic!("{other:?}"),
        }
    };
    assert!(is_proven(&whole));
    for length in 0..whole.len() {
        assert!(!is_proven(&whole[..length]), "cut to {length}");
    }
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut message = whole.clone();
            message[at] ^= change;
            assert!(!is_proven(&message), "octet {at} changed by {change}");
        }
    }
    assert!(!is_proven(&[&whole[..], b"x"].concat()));
}

#[test]
fn no_octets_make_an_exchange_panic_s_188() {
    let seed = 188;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = ALICE.message(&[3; 24], &[1; 60]);
    for _ in 0..20_000 {
        let mut message = whole.clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(8..message.len());
            message[at] = *random.choice([0, 1, 2, 0x40, 0x58, 0x7F, 0xFE, 0xFF].iter()).unwrap();
        }
        message.truncate(random.usize(..=message.len()));
        let (mut exchange, _) = begin(&ALICE, &terms(), 0);
        match exchange.respond(&encoded(&message)) {
            Step::Claim(Claim { proof: Proof::Ntlm(proof), .. }) => {
                assert!(!proof.is_made_with(&Secret::new(PASSWORD)));
            }
            Step::Failed(error) => assert_eq!(error, SaslError::BadResponse),
            other => panic!("{other:?}"),
        }
    }
}
