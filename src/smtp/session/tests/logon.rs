//! AUTH: who may try, what he is told, and how often.

use super::*;
use crate::wire::line::LineFault;

fn submission() -> Talk {
    let mut talk = Talk::with(facts(Door::Submission));
    assert!(talk.say("EHLO x").starts_with("250"));
    talk
}

#[test]
fn plain_with_and_without_initial_response() {
    let mut talk = submission();
    assert_eq!(talk.say("AUTH PLAIN"), "334 \r\n");
    assert_eq!(talk.session.line_limit(), limits::SASL_LINE_OCTETS + 2);
    assert_eq!(talk.say(RIGHT), "235 2.7.0 Authentication successful\r\n");
    assert_eq!(talk.session.line_limit(), limits::SMTP_LINE_OCTETS);
    assert!(talk.session.is_logged_in());
    let mut talk = submission();
    talk.dialog(&[(&format!("auth plain {RIGHT}"), "235 2.7.0"), ("MAIL FROM:<a@b>", "250")]);
}

#[test]
fn login_prompts_are_exactly_those_that_devices_know_quirk_11() {
    let mut talk = submission();
    assert_eq!(talk.say("auth login"), "334 VXNlcm5hbWU6\r\n");
    assert_eq!(talk.say("YWxpY2U="), "334 UGFzc3dvcmQ6\r\n");
    assert_eq!(talk.say("cmlnaHQ="), "235 2.7.0 Authentication successful\r\n");
    let mut talk = submission();
    assert_eq!(talk.say("AUTH LOGIN YWxpY2U="), "334 UGFzc3dvcmQ6\r\n");
    assert!(talk.say("d3Jvbmc=").starts_with("535 5.7.8"));
}

#[test]
fn hello_again_keeps_the_logon_quirk_14() {
    let mut talk = Talk::submission();
    talk.dialog(&[("EHLO x", "250"), ("MAIL FROM:<a@b>", "250")]);
    let mut talk = Talk::with(facts(Door::Submission));
    talk.dialog(&[
        ("EHLO x", "250"),
        ("HELO x", "250"),
        (&format!("AUTH PLAIN {RIGHT}"), "235"),
        ("MAIL FROM:<a@b>", "250"),
    ]);
}

#[test]
fn mistakes_of_the_exchange_are_told_s_154_s_156_s_158_s_159_s_164() {
    for (lines, code) in [
        (&["AUTH PLAIN", "*"][..], "501 5.7.0"),
        (&["AUTH LOGIN", "*"], "501 5.7.0"),
        (&["AUTH PLAIN !!!!"], "501 5.5.2"),
        (&["AUTH PLAIN AA=A"], "501 5.5.2"),
        (&["AUTH PLAIN A"], "501 5.5.2"),
        (&["AUTH PLAIN ="], "535 5.7.8"),
        (&["AUTH PLAIN", ""], "535 5.7.8"),
        (&["AUTH PLAIN YWxpY2U="], "535 5.7.8"),
        (&["AUTH PLAIN AGFsaWNlAA=="], "535 5.7.8"),
        (&["AUTH PLAIN Ym9iAGFsaWNlAHJpZ2h0"], "535 5.7.8"),
        (&["AUTH"], "501 5.5.4"),
        (&["AUTH PLAIN a b"], "501 5.5.4"),
        (&["AUTH CRAM-MD5"], "504 5.5.4"),
        (&["AUTH XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"], "504 5.5.4"),
    ] {
        let mut talk = submission();
        let replies: Vec<String> = lines.iter().map(|line| talk.say(line)).collect();
        assert!(replies.last().unwrap().starts_with(code), "{lines:?} -> {replies:?}");
        assert!(!talk.session.is_logged_in() && !talk.is_closed);
        talk.dialog(&[(&format!("AUTH PLAIN {RIGHT}"), "235")]);
    }
}

#[test]
fn a_logon_is_not_taken_where_it_must_not_be_s_050_s_161_s_162_s_165() {
    let mut talk = Talk::mx();
    talk.dialog(&[("AUTH PLAIN", "502 5.5.1")]);
    let mut talk = Talk::with(passwords_inside_tls(Door::Submission));
    talk.dialog(&[("EHLO x", "250"), (&format!("AUTH PLAIN {RIGHT}"), "538 5.7.11")]);
    assert!(!talk.session.is_logged_in());
    let mut talk = Talk::submission();
    talk.dialog(&[("AUTH PLAIN", "503 5.5.1"), ("MAIL FROM:<a@b>", "250"), ("AUTH PLAIN", "503 5.5.1")]);
}

#[test]
fn the_submission_door_wants_a_logon() {
    let mut talk = submission();
    talk.dialog(&[("MAIL FROM:<a@b>", "530 5.7.0"), ("RCPT TO:<bob@home.lan>", "503"), ("DATA", "503")]);
}

#[test]
fn the_third_failed_logon_is_the_last_s_169() {
    let mut talk = submission();
    for _ in 1..limits::LOGONS_PER_SESSION {
        assert_eq!(
            talk.say(&format!("AUTH PLAIN {WRONG}")),
            "535 5.7.8 Authentication credentials invalid\r\n"
        );
        assert!(!talk.is_closed);
    }
    let reply = talk.say(&format!("AUTH PLAIN {WRONG}"));
    assert!(reply.starts_with("535 5.7.8") && reply.contains("\r\n421 4.7.0"), "{reply:?}");
    assert!(talk.is_closed);
}

#[test]
fn a_busy_server_is_no_wrong_password_s_173() {
    let mut talk = submission();
    talk.dialog(&[
        ("AUTH PLAIN AGFsaWNlAGJ1c3k=", "454 4.7.0 Too many logons"),
        (&format!("AUTH PLAIN {RIGHT}"), "235"),
    ]);
}

#[test]
fn a_store_that_fails_is_no_crowd_and_no_wrong_password() {
    let mut talk = submission();
    talk.dialog(&[
        ("AUTH PLAIN AGFsaWNlAG5vIHN0b3Jl", "454 4.7.0 Logons can't be checked"),
        (&format!("AUTH PLAIN {RIGHT}"), "235"),
    ]);
}

#[test]
fn encryption_is_asked_for_only_where_it_would_help_s_050() {
    let mut talk = Talk::with(passwords_inside_tls(Door::Submission));
    talk.dialog(&[
        ("EHLO x", "250"),
        ("AUTH PLAIN", "538 5.7.11"),
        ("AUTH LOGIN", "538 5.7.11"),
        ("AUTH CRAM-MD5", "504 5.5.4"),
        ("AUTH EXTERNAL", "504 5.5.4"),
        ("AUTH X-UNKNOWN", "504 5.5.4"),
    ]);
    // Where there is no certificate, or no password is taken anywhere.
    let mut talk = Talk::with(Facts { terms: Terms::default(), ..facts(Door::Submission) });
    talk.dialog(&[("EHLO x", "250"), ("AUTH PLAIN", "504 5.5.4")]);
    let inside = Terms { takes_challenges: true, channel: Some(Channel::default()), ..Terms::default() };
    let terms = Terms { takes_challenges: true, ..Terms::default() };
    let facts = Facts { terms, tls_terms: Some(Box::new(inside)), ..facts(Door::Submission) };
    let mut talk = Talk::with(facts);
    talk.dialog(&[("EHLO x", "250"), ("AUTH NTLM", "538 5.7.11"), ("AUTH PLAIN", "504 5.5.4")]);
}

#[test]
fn a_response_is_a_response_and_nothing_else_s_039_s_065_s_157_s_163() {
    let mut talk = submission();
    talk.dialog(&[("AUTH PLAIN", "334"), ("RSET", "5"), ("NOOP", "250")]);
    let mut talk = submission();
    talk.dialog(&[("AUTH PLAIN", "334"), ("STARTTLS", "5"), ("NOOP", "250")]);
    let mut talk = submission();
    talk.dialog(&[("AUTH PLAIN", "334")]);
    assert!(talk.say_octets(RIGHT.as_bytes(), true).starts_with("554 5.5.0") && talk.is_closed);
    let mut talk = submission();
    talk.dialog(&[("AUTH PLAIN", "334")]);
    assert!(talk.tell(Event::FaultyLine(LineFault::TooLong)).starts_with("500 5.5.6") && talk.is_closed);
    let mut talk = submission();
    talk.dialog(&[("AUTH PLAIN", "334")]);
    assert!(talk.tell(Event::FaultyLine(LineFault::BareCr)).starts_with("501 5.5.2"));
    talk.dialog(&[("NOOP", "250")]);
}

#[test]
fn who_can_not_be_asked_about_ntlm_has_refused_nobody_s_196() {
    let terms = Terms { relays_ntlm: true, channel: Some(Channel::default()), ..Terms::default() };
    let mut session = Session::new(Facts { terms, ..facts(Door::Submission) });
    let mut tell = |event: Event<'_>| {
        let mut out = Vec::new();
        let next = session.handle(event, &mut out);
        (next, String::from_utf8(out).unwrap())
    };
    let say = |line: &'static str| Event::Line { line: line.as_bytes(), is_followed: false };
    let _ = tell(Event::Connected);
    let _ = tell(say("EHLO x"));
    for _ in 0..limits::LOGONS_PER_SESSION + 1 {
        assert_eq!(tell(say("AUTH NTLM")).1, "334 \r\n");
        let (next, reply) = tell(say("TlRMTVNTUAABAAAAB4IIog=="));
        assert!(matches!(next, Next::Relay(message) if message == "TlRMTVNTUAABAAAAB4IIog=="), "{reply}");
        let (next, reply) = tell(Event::StoreFailed);
        assert!(matches!(next, Next::Read) && reply.starts_with("454 4.7.0 "), "{reply}");
    }
    let _ = tell(say("AUTH NTLM TlRMTVNTUAABAAAAB4IIog=="));
    let challenge = Relayed::Challenge("TlRMTVNTUAACAAAAAAAAAAAAAAAAAAAAAQIDBAUGBwg=".into());
    let (next, reply) = tell(Event::Relayed(challenge));
    assert!(matches!(next, Next::Read) && reply.starts_with("334 TlRMTVNTUAACAAAA"), "{reply}");
    let (next, reply) = tell(say("*"));
    assert!(matches!(next, Next::Read) && reply.starts_with("501 5.7.0 "), "{reply}");
    assert!(matches!(tell(Event::Relayed(Relayed::User("x".into()))).0, Next::Close), "nobody was asked");
}
