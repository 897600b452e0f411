//! NTLM that is passed on: what is handed over, what never is, and what the answers lead to.

use super::*;
use crate::sasl::Relayed;

fn relaying() -> Terms {
    Terms { takes_challenges: false, lacks_verifiers: true, relays_ntlm: true, ..terms() }
}

/// A challenge as another makes it.
fn foreign_challenge() -> Vec<u8> {
    challenge(Mechanism::Ntlm.begin(Some(&encoded(&ALICE.negotiate())), &terms(), 7).1)
}

/// An exchange whose peer has the other's challenge.
fn challenged(terms: &Terms) -> Exchange {
    let negotiate = encoded(&ALICE.negotiate());
    let (mut exchange, step) = Mechanism::Ntlm.begin(Some(&negotiate), terms, 0);
    assert_eq!(step, Step::Relay(String::from_utf8(negotiate).unwrap()));
    let sent = Base64::encode_string(&foreign_challenge());
    assert_eq!(exchange.relayed(Relayed::Challenge(sent.clone())), Step::Challenge(sent));
    exchange
}

/// What becomes of a last message.
fn last(client: &Client, message: &[u8]) -> Step {
    let terms = Terms { relays_ntlm: true, ..relaying() };
    assert!(client.flags != 0);
    challenged(&terms).respond(&encoded(message))
}

fn why_refused(step: Step) -> (String, String) {
    match step {
        Step::Claim(Claim { user_name, proof: Proof::RelayRefused(why) }) => (user_name, why),
        other => panic!("{other:?}"),
    }
}

fn is_bad(step: &Step) -> bool {
    *step == Step::Failed(SaslError::BadResponse)
}

#[test]
fn both_messages_are_handed_over_as_they_are() {
    let mut exchange = challenged(&relaying());
    let message = ALICE.authenticate(&foreign_challenge());
    assert_eq!(exchange.respond(&encoded(&message)), Step::Relay(Base64::encode_string(&message)));
    let Step::Claim(claim) = exchange.relayed(Relayed::User("HOME\\alice".into())) else { panic!() };
    assert_eq!(claim, Claim { user_name: "HOME\\alice".into(), proof: Proof::Relayed });
    assert_eq!(exchange.verified(None), Step::Done);
}

#[test]
fn an_empty_line_comes_first_once_only_s_158() {
    let (mut exchange, step) = Mechanism::Ntlm.begin(None, &relaying(), 0);
    assert_eq!(step, Step::Challenge(String::new()));
    assert_eq!(exchange.respond(b""), Step::Challenge(String::new()));
    assert!(is_bad(&exchange.respond(b"")));
    let (mut exchange, step) = Mechanism::Ntlm.begin(Some(b"="), &relaying(), 0);
    assert_eq!(step, Step::Challenge(String::new()));
    assert!(matches!(exchange.respond(&encoded(&ALICE.negotiate())), Step::Relay(_)));
}

#[test]
fn only_the_message_that_is_due_is_handed_over_s_188() {
    let authenticate = ALICE.authenticate(&foreign_challenge());
    for first in [&authenticate[..], b"NTLMSSP\0", b"NTLMSSP\0\x02\0\0\0\0\0\0\0", b"YR", b"\n"] {
        assert!(is_bad(&Mechanism::Ntlm.begin(Some(&encoded(first)), &relaying(), 0).1), "{first:?}");
    }
    for second in [&ALICE.negotiate()[..], b"", &authenticate[..63], b"NTLMSSP\0\x03\0\0\0"] {
        assert!(is_bad(&challenged(&relaying()).respond(&encoded(second))), "{second:?}");
    }
    for cut in 0..authenticate.len() {
        assert!(is_bad(&last(&ALICE, &authenticate[..cut])), "{cut}");
    }
}

#[test]
fn nothing_is_taken_while_the_helper_is_asked() {
    let (mut exchange, _) = Mechanism::Ntlm.begin(Some(&encoded(&ALICE.negotiate())), &relaying(), 0);
    assert!(is_bad(&exchange.respond(&encoded(&ALICE.negotiate()))));
    let mut exchange = challenged(&relaying());
    let message = encoded(&ALICE.authenticate(&foreign_challenge()));
    exchange.respond(&message);
    assert!(is_bad(&exchange.respond(&message)));
    assert!(is_bad(&exchange.relayed(Relayed::User("alice".into()))), "it is over");
}

#[test]
fn old_responses_are_never_handed_over_s_187() {
    for response in [&b""[..], &[3; 24]] {
        let (user_name, why) = why_refused(last(&ALICE, &ALICE.message(&[3; 24], response)));
        assert_eq!((user_name.as_str(), why), ("alice@home.lan", Flaw::OldResponse.to_string()));
    }
    for octets in [1, 16, 23, 25, 43] {
        assert!(is_bad(&last(&ALICE, &ALICE.message(&[3; 24], &vec![3; octets]))), "{octets}");
    }
}

#[test]
fn responses_for_another_connection_are_never_handed_over_s_186() {
    let own = Client { bound_to: Some(vec![7; 32]), ..ALICE };
    assert!(matches!(last(&own, &own.authenticate(&foreign_challenge())), Step::Relay(_)));
    let foreign = Client { bound_to: Some(vec![8; 32]), ..ALICE };
    let (_, why) = why_refused(last(&foreign, &foreign.authenticate(&foreign_challenge())));
    assert_eq!(why, Flaw::ForeignChannel.to_string());
}

#[test]
fn an_empty_password_is_never_handed_over_s_191() {
    for signs in [false, true] {
        let client = Client { signs, ..ALICE };
        let (user_name, why) = why_refused(last(&client, &client.authenticate_by("", &foreign_challenge())));
        assert_eq!((user_name.as_str(), why.as_str()), ("alice@home.lan", "the password is empty"));
        let blank = client.authenticate_by(" ", &foreign_challenge());
        assert!(matches!(last(&client, &blank), Step::Relay(_)));
    }
}

#[test]
fn nobody_is_handed_over() {
    let anonymous = Client { user_name: "", ..ALICE };
    for message in [anonymous.message(b"\0", b""), anonymous.authenticate(&foreign_challenge())] {
        assert!(is_bad(&last(&anonymous, &message)));
    }
    let nobody = Client { user_name: "", domain: "HOME", ..ALICE };
    assert!(is_bad(&last(&nobody, &nobody.authenticate(&foreign_challenge()))));
}

#[test]
fn a_wrong_try_is_of_whom_the_message_names() {
    for (user_name, domain, counted) in [
        ("alice", "HOME", "HOME\\alice"),
        ("alice", "", "alice"),
        ("alice@home.lan", "", "alice@home.lan"),
        ("j\u{f6}rg", "ad.home.lan", "ad.home.lan\\j\u{f6}rg"),
    ] {
        let client = Client { user_name, domain, ..ALICE };
        let mut exchange = challenged(&relaying());
        exchange.respond(&encoded(&client.authenticate(&foreign_challenge())));
        let (name, why) = why_refused(exchange.relayed(Relayed::Refused("NT_STATUS_WRONG_PASSWORD".into())));
        assert_eq!((name.as_str(), why.as_str()), (counted, "NT_STATUS_WRONG_PASSWORD"));
    }
}

#[test]
fn an_answer_that_makes_no_sense_lets_nobody_in() {
    let user = || Relayed::User("HOME\\alice".into());
    let sent = || Relayed::Challenge(Base64::encode_string(&foreign_challenge()));
    let no = || Relayed::Refused(String::new());
    // Before anybody was asked.
    for answer in [user(), sent(), no()] {
        assert!(is_bad(&Mechanism::Ntlm.begin(None, &relaying(), 0).0.relayed(answer.clone())));
        assert!(is_bad(&challenged(&relaying()).relayed(answer.clone())));
        // Where the password file is asked, nobody else is.
        assert!(is_bad(&begin(&ALICE, &terms(), 0).0.relayed(answer)));
    }
    // To the first message.
    let negotiation = Base64::encode_string(&ALICE.negotiate());
    let odd = ["", "!", "AAAA", &negotiation].map(|text| Relayed::Challenge(text.into()));
    for answer in [user(), no()].into_iter().chain(odd) {
        let (mut exchange, _) = Mechanism::Ntlm.begin(Some(&encoded(&ALICE.negotiate())), &relaying(), 0);
        assert!(is_bad(&exchange.relayed(answer.clone())), "{answer:?}");
        assert!(is_bad(&exchange.relayed(user())));
    }
    // To the last one.
    let strange =
        [Relayed::User(String::new()), Relayed::User("a\nb".into()), Relayed::User("x".repeat(321))];
    for answer in [sent()].into_iter().chain(strange) {
        let mut exchange = challenged(&relaying());
        exchange.respond(&encoded(&ALICE.authenticate(&foreign_challenge())));
        assert!(is_bad(&exchange.relayed(answer.clone())), "{answer:?}");
    }
}

#[test]
fn a_star_cancels_it_at_each_step_s_154() {
    let cancelled = Step::Failed(SaslError::Cancelled);
    assert_eq!(Mechanism::Ntlm.begin(None, &relaying(), 0).0.respond(b"*"), cancelled);
    let mut exchange = challenged(&relaying());
    assert_eq!(exchange.respond(b"*"), cancelled);
    assert!(is_bad(&exchange.respond(&encoded(&ALICE.authenticate(&foreign_challenge())))));
}
