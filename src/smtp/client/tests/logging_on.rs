//! AUTH: when, how and how not (S-140).

use base64ct::{Base64, Encoding};

use super::*;

/// One that is inside verified TLS, and was offered these lines.
fn offered(offers: &str, credentials: Credentials) -> (Talk, Next) {
    let terms = Terms { credentials: Some(credentials), ..terms(HopTls::Implicit) };
    let mut talk = Talk::new(terms);
    assert!(matches!(talk.give(Event::Connected { is_verified: true }), Next::Read(_)));
    talk.goes_on("220 x");
    talk.sent();
    let next = talk.say(&format!("250-away.test\n250 {offers}"));
    (talk, next)
}

fn alice() -> Credentials {
    credentials().unwrap()
}

fn begun(offers: &str) -> Talk {
    let (talk, next) = offered(offers, alice());
    assert!(matches!(next, Next::Read(_)), "{next:?}");
    talk
}

fn coded(text: &str) -> String {
    Base64::encode_string(text.as_bytes())
}

/// NTLM is none of ours: who speaks it to a stranger logs him on somewhere else (S-190).
#[test]
fn the_best_mechanism_of_both_is_taken_and_never_ntlm_s_190() {
    let plain = format!("AUTH PLAIN {}\r\n", coded("\0alice\0canary"));
    for (offers, said) in [
        ("AUTH PLAIN", plain.as_str()),
        ("AUTH LOGIN PLAIN CRAM-MD5", &plain),
        ("AUTH=LOGIN CRAM-MD5", "AUTH LOGIN\r\n"),
        ("AUTH CRAM-MD5 NTLM", "AUTH CRAM-MD5\r\n"),
    ] {
        assert_eq!(begun(offers).sent(), said);
    }
    assert!(begun("AUTH PLAIN SCRAM-SHA-256 LOGIN").sent().starts_with("AUTH SCRAM-SHA-256 "));
    for offers in [
        "HELP",
        "AUTH",
        "AUTH NTLM GSSAPI XOAUTH2",
        "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-1 EXTERNAL DIGEST-MD5",
    ] {
        let (mut talk, next) = offered(offers, alice());
        let (stage, kind, _) = failure(next);
        assert_eq!((kind, talk.sent().as_str()), (FailureKind::Unsafe, "QUIT\r\n"), "{offers} {stage:?}");
    }
}

#[test]
fn login_answers_prompts_of_any_text() {
    for prompts in
        [["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"], ["334", "334 "], ["334 User Name", "334 not base64!"]]
    {
        let mut talk = begun("AUTH LOGIN");
        talk.sent();
        talk.goes_on(prompts[0]);
        assert_eq!(talk.sent(), format!("{}\r\n", coded("alice")));
        talk.goes_on(prompts[1]);
        assert_eq!(talk.sent(), format!("{}\r\n", coded("canary")));
        assert!(matches!(talk.say("235 welcome"), Next::Ready));
    }
    let mut talk = begun("AUTH LOGIN");
    assert_eq!(failure(talk.say("235 come in")).1, FailureKind::Unsafe, "nobody has said anything");
    let mut talk = begun("AUTH LOGIN");
    talk.goes_on("334 a");
    talk.goes_on("334 b");
    assert_eq!(failure(talk.say("334 c")).1, FailureKind::Confused, "there is no third");
}

#[test]
fn a_response_without_room_in_the_command_follows_the_challenge() {
    // AUTH PLAIN, a blank and CRLF are 13 octets.
    let most = (limits::HOP_COMMAND_OCTETS - 13) / 4 * 3;
    for (octets, goes_along) in [(most - 1, true), (most, true), (most + 1, false)] {
        let password = "p".repeat(octets - "\0alice\0".len());
        let response = coded(&format!("\0alice\0{password}"));
        let (mut talk, _) =
            offered("AUTH PLAIN", Credentials { user: "alice".into(), password: Secret::new(password) });
        if goes_along {
            assert_eq!(talk.sent(), format!("AUTH PLAIN {response}\r\n"), "{octets}");
        } else {
            assert_eq!(talk.sent(), "AUTH PLAIN\r\n", "{octets}");
            assert!(matches!(talk.say("334 "), Next::Read(_)));
            assert_eq!(talk.sent(), format!("{response}\r\n"));
        }
        assert!(matches!(talk.say("235 x"), Next::Ready));
    }
}

#[test]
fn each_answer_to_a_logon_is_told_apart() {
    use FailureKind::*;
    for (line, kind) in [
        ("535 5.7.8 no", LogonRefused),
        ("534 5.7.9 too weak", LogonRefused),
        ("530 5.7.0 no", LogonRefused),
        ("538 no", LogonRefused),
        ("501 no", LogonRefused),
        ("550 no", LogonRefused),
        ("500 what?", LogonRefused),
        ("535 no\n421 bye", LogonRefused),
        ("454 4.7.0 not now", Unavailable),
        ("432 new password", Unavailable),
        ("421 bye", Unavailable),
        ("354 go", Confused),
        ("334 x", Confused),
        ("235 x\n250 y", Confused),
        ("504 x\n235 y", Confused),
        ("nonsense", Confused),
    ] {
        let mut talk = begun("AUTH PLAIN");
        let (stage, found, _) = failure(talk.say(line));
        assert_eq!((stage, found), (Stage::Logon, kind), "{line}");
    }
    for (event, kind) in
        [(Event::TimedOut, Lost), (Event::Lost, Lost), (Event::FaultyLine(LineFault::Nul), Confused)]
    {
        assert_eq!(failure(begun("AUTH PLAIN").give(event)).1, kind);
    }
}

#[test]
fn a_mechanism_that_the_server_lists_and_does_not_know_is_left_out() {
    let mut talk = begun("AUTH SCRAM-SHA-256 PLAIN LOGIN");
    talk.sent();
    assert!(matches!(talk.say("504 unknown"), Next::Read(_)));
    assert!(talk.sent().starts_with("AUTH PLAIN "));
    assert!(matches!(talk.say("502 unknown"), Next::Read(_)));
    assert_eq!(talk.sent(), "AUTH LOGIN\r\n");
    assert_eq!(failure(talk.say("504 unknown")).1, FailureKind::LogonRefused);
    let mut talk = begun("AUTH SCRAM-SHA-256 PLAIN");
    assert_eq!(
        failure(talk.say("535 wrong")).1,
        FailureKind::LogonRefused,
        "a wrong password is not said another way"
    );
}

#[test]
fn no_password_goes_where_nobody_is_proven_s_140() {
    for (offers_tls, is_verified) in [(false, false), (true, false)] {
        let mut talk = Talk::new(Terms { credentials: credentials(), ..terms(HopTls::Opportunistic) });
        // What the driver says of a connection in the clear is no proof.
        let _ = talk.give(Event::Connected { is_verified: true });
        talk.goes_on("220 x");
        let mut next = talk.say(if offers_tls {
            "250-x\n250-STARTTLS\n250 AUTH PLAIN"
        } else {
            "250-x\n250 AUTH PLAIN LOGIN SCRAM-SHA-256"
        });
        if offers_tls {
            talk.goes_on("220 go");
            let _ = talk.give(Event::TlsStarted { is_verified });
            next = talk.say("250-x\n250 AUTH PLAIN");
        }
        let (_, kind, reply) = failure(next);
        assert_eq!(kind, FailureKind::Unsafe);
        assert!(reply.text.contains("smarthost_tls"), "it says what to do: {}", reply.text);
        assert!(!talk.sent().contains("AUTH"));
    }
    let mut talk = Talk::new(Terms { credentials: credentials(), ..terms(HopTls::Opportunistic) });
    let _ = talk.give(Event::Connected { is_verified: false });
    talk.goes_on("220 x");
    talk.goes_on("250-x\n250-STARTTLS\n250 AUTH PLAIN");
    assert_eq!(failure(talk.say("454 no TLS today")).1, FailureKind::Unsafe, "not after a downgrade");
    assert!(!talk.sent().contains("AUTH"));
}

#[test]
fn a_name_or_password_that_can_not_be_sent_is_told_before_it_is() {
    for (user, password) in [("", "x"), ("alice", ""), ("al\0ice", "x"), ("a\r\nb", "x"), ("alice", "a\0b")] {
        let (mut talk, next) =
            offered("AUTH PLAIN LOGIN", Credentials { user: user.into(), password: Secret::new(password) });
        assert_eq!(failure(next).1, FailureKind::LogonRefused, "{user:?}");
        assert_eq!(talk.sent(), "QUIT\r\n");
    }
}

#[test]
fn nobody_reads_the_password_s_140_s_320() {
    for offers in ["AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5", "AUTH SCRAM-SHA-256"] {
        let mut talk = begun(offers);
        for line in ["", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
            if !line.is_empty() {
                let _ = talk
                    .client
                    .handle(Event::Line { line: line.as_bytes(), is_followed: false }, &mut talk.out);
            }
            let seen = format!("{:?}", talk.client);
            for secret in ["canary", &coded("canary"), &coded("\0alice\0canary"), "99, 97, 110, 97, 114, 121"]
            {
                assert!(!seen.contains(secret), "{offers}: {seen}");
            }
        }
    }
    let echoes = [coded("canary"), coded("\0alice\0canary"), "canary".into()];
    for echo in echoes {
        let mut talk = begun("AUTH PLAIN");
        let (_, kind, reply) = failure(talk.say(&format!("535-5.7.8 Wrong:\n535 5.7.8 AUTH PLAIN {echo}!")));
        assert_eq!((kind, reply.code, reply.enhanced), (FailureKind::LogonRefused, 535, Some([5, 7, 8])));
        assert!(!reply.text.contains(&echo), "{}", reply.text);
    }
    let (mut talk, _) = offered("AUTH LOGIN", Credentials { password: Secret::new("a\\b\u{f6}"), ..alice() });
    assert!(!failure(talk.say("535 a\\b\u{f6}")).2.text.contains("b"));
}
