//! Logons that don't send the password: APOP, CRAM-MD5, NTLM, SCRAM.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use ::hmac::{Hmac, KeyInit, Mac};
use ::md5::{Digest, Md5};
use base64ct::{Base64, Encoding};
use md4::Md4;
use ring::{digest, hmac as ring_hmac, pbkdf2};

use super::*;
use crate::auth::work::Work;
use crate::sasl::scram::Salt;
use crate::sasl::{Channel, Mechanism, Step, Terms, apop, cram_md5, scram};

/// A way to prove a password without sending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Apop,
    CramMd5,
    Ntlm,
    Scram,
}

pub(super) const KINDS: [Kind; 4] = [Kind::Apop, Kind::CramMd5, Kind::Ntlm, Kind::Scram];

/// What an honest client makes of its password; a fresh challenge each time.
pub(super) fn proof(kind: Kind, user_name: &str, password: &str, salt: Salt) -> Proof {
    let challenge = format!("<{:016x}@mail.home.lan>", fastrand::u64(..));
    match kind {
        Kind::Apop => {
            let digest = Md5::digest([challenge.as_bytes(), password.as_bytes()].concat()).into();
            Proof::Apop(apop::Proof { timestamp: challenge, digest })
        }
        Kind::CramMd5 => {
            let digest = hmac_md5(password.as_bytes(), &[challenge.as_bytes()]);
            Proof::CramMd5(cram_md5::Proof { digest, challenge })
        }
        Kind::Ntlm => ntlm_proof(user_name, password),
        Kind::Scram => Proof::Scram(Box::new(scram_proof(password, salt, challenge.into_bytes()))),
    }
}

/// NTLMv2 without a code over the messages, from the client's side. [MS-NLMP] §3.3.2.
fn ntlm_proof(user_name: &str, password: &str) -> Proof {
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let flags = 0xA208_8207_u32.to_le_bytes();
    let negotiate = [&b"NTLMSSP\0\x01\0\0\0"[..], &flags, &[0; 16]].concat();
    let channel = Some(Channel::default());
    let terms =
        Terms { takes_challenges: true, channel, hostname: "mail.home.lan".into(), ..Terms::default() };
    let (mut exchange, step) = Mechanism::Ntlm.begin(Some(base64(&negotiate).as_bytes()), &terms, 0);
    let Step::Challenge(text) = step else { panic!("{step:?}") };
    let challenge = Base64::decode_vec(&text).unwrap();
    let facts = usize::from(u16::from_le_bytes([challenge[44], challenge[45]]));
    let blob =
        [&[1, 1, 0, 0, 0, 0, 0, 0][..], &[9; 8], &[7; 8], &[0; 4], &challenge[facts..], &[0; 4]].concat();
    let key = hmac_md5(&Md4::digest(utf_16(password)), &[&utf_16(&user_name.to_uppercase())]);
    let response = [&hmac_md5(&key, &[&challenge[24..32], &blob])[..], &blob].concat();
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut payload = Vec::new();
    for octets in [&[0; 24][..], &response, b"", &utf_16(user_name), b"", b""] {
        let length = (octets.len() as u16).to_le_bytes();
        let offset = (88 + payload.len() as u32).to_le_bytes();
        message.extend([&length[..], &length, &offset].concat());
        payload.extend_from_slice(octets);
    }
    message.extend([&flags[..], &[0; 24], &payload].concat());
    match exchange.respond(base64(&message).as_bytes()) {
        Step::Claim(claim) => claim.proof,
        other => panic!("{other:?}"),
    }
}

fn base64(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let code = Hmac::<Md5>::new_from_slice(key).unwrap();
    parts.iter().fold(code, |code, part| code.chain_update(part)).finalize().into_bytes().into()
}

/// RFC 5802 §3, from the client's side.
fn scram_proof(password: &str, salt: Salt, auth_message: Vec<u8>) -> scram::Proof {
    let hmac = |key: &[u8], text: &[u8]| {
        ring_hmac::sign(&ring_hmac::Key::new(ring_hmac::HMAC_SHA256, key), text).as_ref().to_vec()
    };
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(salt.iterations).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt.octets, password.as_bytes(), &mut salted);
    let client_key = hmac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature = hmac(stored_key.as_ref(), &auth_message);
    let client_proof = std::array::from_fn(|at| client_key[at] ^ signature[at]);
    scram::Proof { auth_message, client_proof }
}

impl House {
    /// As [`House::new`], with `challenge` on and alice's password set since.
    pub(super) fn with_challenge() -> House {
        let house = House::new();
        house.set("challenge", "on");
        house.set_password("alice@home.lan", "wonderland");
        house
    }

    pub(super) fn salt(&self, user_name: &str) -> Salt {
        block_on(self.gatekeeper.salt(user_name, PEER)).unwrap()
    }

    pub(super) fn claim(&self, kind: Kind, user_name: &str, password: &str) -> Claim {
        Claim { user_name: user_name.into(), proof: proof(kind, user_name, password, self.salt(user_name)) }
    }

    pub(super) fn prove(&self, kind: Kind, user_name: &str, password: &str) -> Verdict {
        block_on(self.gatekeeper.login(self.claim(kind, user_name, password), &PEER.into()))
    }
}

fn is_welcome(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Welcome(_))
}

#[test]
fn a_right_proof_of_every_kind_opens_the_mailbox() {
    let house = House::with_challenge();
    let id = house.mailbox("alice@home.lan").id;
    for kind in KINDS {
        let Verdict::Welcome(welcome) = house.prove(kind, "Alice@Home.lan", "wonderland") else {
            panic!("{kind:?}")
        };
        assert_eq!((welcome.mailbox, welcome.is_locked), (id, false), "{kind:?}");
        assert_eq!(welcome.signature.is_some(), kind == Kind::Scram, "{kind:?}");
    }
}

#[test]
fn every_wrong_proof_gets_the_same_verdict_s_166_s_185() {
    let house = House::with_challenge();
    for kind in KINDS {
        for (user_name, password) in [
            ("alice@home.lan", "Wonderland"),
            ("alice@home.lan", ""),
            ("nobody@home.lan", "wonderland"),
            ("alice@work.lan", "wonderland"),
            ("alice", "wonderland"),
            ("decoy@nowhere.invalid", "wonderland"),
        ] {
            house.forget();
            assert_eq!(house.prove(kind, user_name, password), refused(1), "{kind:?} {user_name}");
        }
    }
}

#[test]
fn a_locked_mailbox_is_only_told_to_who_proves_himself_a11() {
    let house = House::with_challenge();
    house.store.lock_mailbox("alice@home.lan".parse().unwrap(), crate::store::Lock::Reading).wait().unwrap();
    for kind in KINDS {
        house.forget();
        assert_eq!(house.prove(kind, "alice@home.lan", "wrong"), refused(1), "{kind:?}");
        let verdict = house.prove(kind, "alice@home.lan", "wonderland");
        assert!(matches!(verdict, Verdict::Welcome(Welcome { is_locked: true, .. })), "{kind:?}");
    }
}

#[test]
fn secrets_are_kept_only_of_passwords_set_while_challenge_is_on_a4_s_182() {
    let house = House::new();
    house.set("challenge", "on");
    for kind in [Kind::Apop, Kind::CramMd5, Kind::Ntlm] {
        house.forget();
        assert_eq!(house.prove(kind, "alice@home.lan", "wonderland"), refused(1), "{kind:?}");
    }
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")), "a logon brings no secret");
    house.forget();
    assert_eq!(house.prove(Kind::Apop, "alice@home.lan", "wonderland"), refused(1));
    assert!(is_welcome(&house.prove(Kind::Scram, "alice@home.lan", "wonderland")));
    house.set_password("alice@home.lan", "wonderland");
    assert!(KINDS.iter().all(|&kind| is_welcome(&house.prove(kind, "alice@home.lan", "wonderland"))));
}

#[test]
fn switching_challenge_off_counts_at_once_and_wipes_the_secrets_a4() {
    let house = House::with_challenge();
    house.add("bob@home.lan", "builder");
    house.set("challenge", "off");
    assert_eq!(house.prove(Kind::CramMd5, "alice@home.lan", "wonderland"), refused(1), "kept, but not used");
    let records = house.gatekeeper.records();
    let means = |name: &str| {
        let mailbox = house.mailbox(name);
        records.means(&mailbox.address, mailbox.mark, &mailbox.password)
    };
    assert!(means("alice@home.lan").secret && means("bob@home.lan").secret);
    let wipe = || {
        let records = house.gatekeeper.records();
        let change =
            move |address: &Address, mark, sealed: &[u8]| records.without_secret(address, mark, sealed);
        house.store.set_setting_with_passwords("challenge", None, change)
    };
    assert_eq!(wipe().wait(), Ok(2));
    assert_eq!(wipe().wait(), Ok(0));
    for name in ["alice@home.lan", "bob@home.lan"] {
        assert!(!means(name).secret && means(name).verifier, "{name}");
    }
    house.set("challenge", "on");
    house.forget();
    assert_eq!(house.prove(Kind::Apop, "alice@home.lan", "wonderland"), refused(1));
    assert!(is_welcome(&house.prove(Kind::Scram, "alice@home.lan", "wonderland")));
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
}

#[test]
fn a_claim_made_with_the_old_password_is_nothing_after_the_new_one() {
    let house = House::with_challenge();
    let claims = KINDS.map(|kind| house.claim(kind, "alice@home.lan", "wonderland"));
    house.set_password("alice@home.lan", "looking-glass");
    for claim in claims {
        house.forget();
        assert_eq!(block_on(house.gatekeeper.login(claim, &PEER.into())), refused(1));
    }
    assert!(KINDS.iter().all(|&kind| is_welcome(&house.prove(kind, "alice@home.lan", "looking-glass"))));
}

#[test]
fn every_failed_proof_counts_and_a_success_clears_the_pair_s_169() {
    for kind in KINDS {
        let house = House::with_challenge();
        assert_eq!(house.prove(kind, "alice@home.lan", "old"), refused(1));
        assert_eq!(house.prove(kind, "alice@home.lan", "old"), refused(2), "{kind:?}");
        assert!(is_welcome(&house.prove(kind, "alice@home.lan", "wonderland")));
        assert_eq!(house.prove(kind, "alice@home.lan", "old"), refused(4), "the account is watched on");
        assert_eq!(house.login("alice@home.lan", "old"), refused(8), "passwords are counted with proofs");
        assert_eq!(house.prove(kind, "alice@home.lan", "old"), refused(15));
        assert_eq!(
            house.prove(kind, "alice@home.lan", "wonderland"),
            Verdict::Busy,
            "in parallel to a delay"
        );
    }
}

#[test]
fn proofs_sent_at_once_are_no_more_than_proofs_one_by_one_s_169_s_175() {
    let house = House::with_challenge();
    for kind in KINDS {
        house.forget();
        let guess = |number: usize| {
            let (gatekeeper, claim) =
                (house.gatekeeper.clone(), house.claim(kind, "alice@home.lan", &number.to_string()));
            std::thread::spawn(move || block_on(gatekeeper.login(claim, &PEER.into())))
        };
        let guesses: Vec<_> = (0..30).map(guess).collect();
        let verdicts: Vec<_> = guesses.into_iter().map(|guess| guess.join().unwrap()).collect();
        let refused = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Refused { .. })).count();
        assert_eq!(refused, limits::FAILURES_FORGIVEN as usize + 1, "{kind:?}");
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Busy).count(), 30 - refused);
    }
}

/// Where each guess is of another account, nothing is held, and the delayed answer need not be awaited: only
/// the hash keeps guesses from coming by the thousand each second.
#[test]
fn guesses_over_many_accounts_or_from_many_networks_cost_a_hash_each() {
    let house = House::with_challenge();
    let hashes = || house.gatekeeper.inner.ledger.take().into_iter().filter(is_hash).count();
    let guess = |number: u8, from: u8| {
        let user_name = format!("user{number}@home.lan");
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, from));
        block_on(house.gatekeeper.login(house.claim(Kind::CramMd5, &user_name, "x"), &peer.into()))
    };
    hashes();
    assert!((0..10).all(|number| matches!(guess(number, 1), Verdict::Refused { .. })));
    assert_eq!(hashes(), 10 - 3, "one network, many accounts");
    house.forget();
    assert!((0..10).all(|from| matches!(guess(0, from), Verdict::Refused { .. })));
    assert_eq!(hashes(), 10 - 3, "one account, many networks");
    house.forget();
    (0..5).for_each(|number| drop(guess(number, 1)));
    hashes();
    let neighbour = house.prove(Kind::CramMd5, "alice@home.lan", "wonderland");
    assert!(is_welcome(&neighbour), "who is right gets in at the price of a password");
}

fn is_hash(work: &Work) -> bool {
    matches!(work, Work::Hash(..))
}

#[test]
fn salts_tell_nobody_who_is_there_a11() {
    let house = House::new();
    let [alice, nobody, odd] =
        ["alice@home.lan", "nobody@home.lan", "no address"].map(|name| house.salt(name));
    assert!(alice != nobody && nobody != odd && alice != odd);
    for salt in [alice, nobody, odd] {
        assert_eq!(salt.iterations, limits::SCRAM_ITERATIONS);
    }
    assert_eq!(house.salt("ALICE@home.lan"), alice);
    assert_eq!(house.salt("Nobody@home.lan"), nobody);
    house.set_password("alice@home.lan", "looking-glass");
    assert_eq!(house.salt("alice@home.lan"), alice, "a new password does not show");
    house.add("nobody@home.lan", "somebody");
    assert_eq!(house.salt("nobody@home.lan"), nobody, "nor does a new mailbox");
    house.store.remove_mailbox("alice@home.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(house.salt("alice@home.lan"), alice, "nor one that is gone");
}

#[test]
fn salts_stay_after_a_restart_and_are_others_under_another_key() {
    let (house, other) = (House::new(), House::new());
    let key = DeviceKey::load(&house.folder.database()).unwrap();
    let restarted = Gatekeeper::new(house.store.clone(), key).unwrap();
    for name in ["alice@home.lan", "nobody@home.lan"] {
        assert_eq!(block_on(restarted.salt(name, PEER)), Ok(house.salt(name)));
        assert_ne!(other.salt(name), house.salt(name));
    }
}

#[test]
fn a_closed_store_is_neither_right_nor_wrong_for_a_proof_s_196() {
    let house = House::with_challenge();
    let claims = KINDS.map(|kind| house.claim(kind, "alice@home.lan", "wonderland"));
    house.store.close();
    for claim in claims {
        assert_eq!(block_on(house.gatekeeper.login(claim, &PEER.into())), Verdict::StoreFailed);
    }
    assert!(block_on(house.gatekeeper.salt("alice@home.lan", PEER)).is_err());
}
