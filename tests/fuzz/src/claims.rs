//! What must hold of each claim, whatever a peer has said.

use poppet::limits;
use poppet::mail::Secret;
use poppet::sasl::scram::{Salt, Verifier};
use poppet::sasl::{Claim, Proof, Relayed, Terms};

/// A salt as the server would find it.
pub const SALT: Salt = Salt { octets: *b"salt of somebody", iterations: 4096 };

/// What somebody says to NTLM that was passed on: mostly what is due.
pub fn relayed(choice: u8) -> Relayed {
    match choice % 8 {
        0..=3 => Relayed::Challenge("TlRMTVNTUAACAAAAAAAAAAAAAAAAAAAAAQIDBAUGBwg=".into()),
        4 | 5 => Relayed::User("HOME\\alice".into()),
        6 => Relayed::User("\n".into()),
        _ => Relayed::Refused("NT_STATUS_WRONG_PASSWORD".into()),
    }
}

/// Panics unless a claim is well-formed and of a kind that the terms allow.
pub fn check(claim: &Claim, terms: &Terms) {
    let name = &claim.user_name;
    // EXTERNAL may leave it to the certificate who he is.
    let least = usize::from(claim.proof != Proof::Certificate);
    assert!(
        (least..=limits::USER_NAME_OCTETS).contains(&name.len()),
        "a claim's name has {} octets",
        name.len()
    );
    assert!(!name.chars().any(char::is_control), "a control character is in a claim's name: {name:?}");
    match &claim.proof {
        Proof::Password(password) => {
            let octets = password.expose();
            assert!(
                (1..=limits::PASSWORD_OCTETS).contains(&octets.len()),
                "a claim's password has {} octets",
                octets.len()
            );
            assert!(!octets.contains(&0), "a NUL is in a claim's password");
            assert!(terms.takes_passwords, "a password is taken where none may be");
        }
        Proof::Apop(_) | Proof::CramMd5(_) => {
            assert!(terms.takes_challenges, "a proof with MD5 is taken where none may be");
        }
        Proof::Ntlm(_) => {
            assert!(terms.takes_challenges && terms.channel.is_some(), "NTLM is taken where it may not be");
        }
        Proof::Scram(_) => {}
        Proof::Relayed | Proof::RelayRefused(_) | Proof::RelayCounted(_) => {
            assert!(terms.relays_ntlm && terms.channel.is_some(), "NTLM is passed on where it may not be");
        }
        Proof::Certificate => {
            let has_certificate = terms.channel.as_ref().is_some_and(|channel| channel.has_certificate);
            assert!(has_certificate, "a certificate is claimed where there is none");
        }
    }
    judge(&claim.proof);
}

/// Looks into a proof as the verifier does. No fuzzer guesses a digest.
fn judge(proof: &Proof) {
    let secret = Secret::new(*b"a password that nobody has");
    let is_believed = match proof {
        Proof::Apop(proof) => proof.is_made_with(&secret),
        Proof::CramMd5(proof) => proof.is_made_with(&secret),
        Proof::Ntlm(proof) => proof.is_made_with(&secret),
        Proof::Scram(proof) => {
            let verifier = Verifier { salt: SALT, stored_key: [1; 32], server_key: [2; 32] };
            proof.verify(&verifier).is_some()
        }
        Proof::Password(_)
        | Proof::Certificate
        | Proof::Relayed
        | Proof::RelayRefused(_)
        | Proof::RelayCounted(_) => false,
    };
    assert!(!is_believed, "a proof is believed that nobody can have made");
}
