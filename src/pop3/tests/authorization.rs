//! Before logon: STLS, USER and PASS, AUTH, and who is refused how.

use base64ct::{Base64, Encoding};

use super::*;
use crate::pop3::LoginRefusal;
use crate::sasl::Relayed;

const NOT_IN_THE_CLEAR: &str = "-ERR STLS first: passwords are not taken in the clear";

#[test]
fn the_greeting_has_a_time_stamp_only_where_apop_works() {
    for facts in [CLEAR, CLOSED, SECURE] {
        let mut play = Play::new(facts);
        let reply = play.reply("APOP alice c4c9334bac560ecc979e58001b3e22fb");
        assert_eq!(reply, "-ERR APOP does not work here; AUTH alone lists what does");
    }
    let mut play = Play::greeted(with_challenges(CLEAR));
    let (_, text) = play.event(Event::Connected);
    assert_eq!(text, format!("+OK poppet is ready {}\r\n", stamp(&CLEAR)));
}

#[test]
fn apop_claims_a_digest_over_the_greeting_s_time_stamp() {
    let mut play = Play::greeted(with_challenges(CLEAR));
    play.reply("USER somebody");
    let (next, text) = play.line("apop a b c4c9334bac560ecc979e58001b3e22fb ");
    assert_eq!((apop(&next), text.as_str()), (("a b", stamp(&CLEAR), 0xC4), ""));
    let (next, text) = play.event(Event::LoginRefused(LoginRefusal::BadCredentials));
    assert_eq!((next, text.as_str()), (Next::Read, "-ERR [AUTH] user name or password is wrong\r\n"));
    assert_eq!(play.reply("PASS secret"), "-ERR give USER first");
    assert!(matches!(play.line("APOP alice c4c9334bac560ecc979e58001b3e22fb").0, Next::Verify(_)));
    assert!(play.enters(&[1]).1.starts_with("+OK alice's maildrop has 1 message "));
    play.refuses("APOP alice c4c9334bac560ecc979e58001b3e22fb");
}

/// RFC 2595 knows no greeting inside TLS, and clients use the one they had.
#[test]
fn apop_after_stls_takes_the_only_time_stamp_there_was_s_183() {
    let mut play = Play::greeted(Facts { offers_stls: true, ..with_challenges(CLEAR) });
    assert_eq!(play.line("STLS").0, Next::StartTls);
    let mut inside = with_challenges(SECURE);
    inside.terms.seed = Seed([9; 32]);
    let _ = play.event(Event::TlsStarted(Box::new(inside.clone())));
    let next = play.line("APOP alice c4c9334bac560ecc979e58001b3e22fb").0;
    assert_eq!(apop(&next), ("alice", stamp(&CLEAR), 0xC4));

    let mut unstamped = Play::new(CLOSED);
    assert_eq!(unstamped.line("STLS").0, Next::StartTls);
    let _ = unstamped.event(Event::TlsStarted(Box::new(inside)));
    unstamped.refuses("APOP alice c4c9334bac560ecc979e58001b3e22fb");
}

/// The log told of such logons over SMTP only: who stood between a POP3 client and the server was told so himself,
/// and the administrator never was.
#[test]
fn logons_bound_to_another_connection_are_counted_for_the_log_s_181() {
    let channel = Channel { exporter: Some([1; 32]), ..CHANNEL };
    let mut play = Play::new(facts(true, false, Some(channel)));
    play.refuses("AUTH SCRAM-SHA-256 AAAA");
    assert_eq!(play.session.bad_bindings(), 0, "not every mistake is one");
    for count in 1..=2 {
        let first = Base64::encode_string(b"y,,n=alice@home.lan,r=fyko");
        let reply = play.reply(&format!("AUTH SCRAM-SHA-256 {first}"));
        assert!(reply.starts_with("-ERR [AUTH] this logon is bound to another TLS connection"), "{reply}");
        assert_eq!(play.session.bad_bindings(), count);
    }
    play.logs_on(&[]);
    assert_eq!(play.session.bad_bindings(), 2, "a later logon doesn't hide them");
}

#[test]
fn what_is_no_digest_is_a_mistake_and_wrong_ones_end_the_session_s_169() {
    for line in [
        "APOP",
        "APOP alice",
        "APOP alice c4c9",
        "APOP alice c4c9334bac560ecc979e58001b3e22fb0",
        "APOP alice g4c9334bac560ecc979e58001b3e22fb",
        "APOP a\tb c4c9334bac560ecc979e58001b3e22fb",
        "APOP  c4c9334bac560ecc979e58001b3e22fb",
    ] {
        let reply = Play::greeted(with_challenges(CLEAR)).reply(line);
        assert_eq!(reply, "-ERR APOP takes a user name and a digest of 32 hexadecimal digits", "{line}");
    }
    let mut play = Play::greeted(with_challenges(CLEAR));
    for count in 1..=limits::LOGONS_PER_SESSION {
        let _ = play.line("APOP alice c4c9334bac560ecc979e58001b3e22fb");
        let next = play.event(Event::LoginRefused(LoginRefusal::BadCredentials)).0;
        assert_eq!(next == Next::Close, count == limits::LOGONS_PER_SESSION);
    }
}

fn stamp(facts: &Facts) -> String {
    crate::sasl::apop::timestamp(&with_challenges(facts.clone()).terms)
}

/// Who, over which time stamp, and how his digest begins.
fn apop(next: &Next) -> (&str, String, u8) {
    match next {
        Next::Verify(Claim { user_name, proof: Proof::Apop(proof) }) => {
            (user_name, proof.timestamp.clone(), proof.digest[0])
        }
        other => panic!("{other:?} is no APOP"),
    }
}

#[test]
fn no_password_is_asked_for_where_none_may_be_sent_s_050() {
    for line in ["USER alice", "AUTH PLAIN", "AUTH LOGIN", "AUTH PLAIN AGEAYg==", "PASS secret"] {
        assert_eq!(Play::new(CLOSED).reply(line), NOT_IN_THE_CLEAR, "{line}");
        let reply = Play::new(Facts { offers_stls: false, ..CLOSED }).reply(line);
        assert_eq!(reply, "-ERR passwords are not taken on this connection; use a port with TLS");
    }
}

/// With `sparequired` on, or `plaintext` at `never`, a client was sent to STLS for its password, and refused inside;
/// and who wanted CRAM-MD5 or NTLM was told that they are not offered where STLS alone was missing.
#[test]
fn stls_is_advised_only_where_it_helps_s_050() {
    let advice = |behind_stls: BehindStls, line: &str| {
        Play::new(Facts { behind_stls, ..CLOSED }).reply(line).split_once("; ").unwrap().1.to_owned()
    };
    let all = BehindStls { takes_passwords: true, takes_challenges: true };
    let none = BehindStls::default();
    for line in ["USER alice", "PASS secret", "AUTH PLAIN"] {
        assert_eq!(Play::new(Facts { behind_stls: all, ..CLOSED }).reply(line), NOT_IN_THE_CLEAR);
        assert_eq!(advice(none, line), "AUTH alone lists what is", "{line}");
    }
    for line in ["AUTH CRAM-MD5", "AUTH NTLM"] {
        assert_eq!(advice(all, line), "begin TLS first", "{line}");
        assert_eq!(advice(none, line), "AUTH alone lists those that are", "{line}");
        let reply = Play::new(Facts { behind_stls: all, offers_stls: false, ..CLOSED }).reply(line);
        assert!(reply.ends_with("those that are"), "{reply}");
    }
}

#[test]
fn tls_makes_all_that_was_said_forgotten_s_035_s_037() {
    let mut play = Play::new(Facts { offers_stls: true, ..CLEAR });
    play.reply("USER alice");
    assert_eq!(play.line("stls "), (Next::StartTls, "+OK begin TLS\r\n".into()));
    assert_eq!(play.event(Event::TlsStarted(Box::new(SECURE))), (Next::Read, String::new()));
    assert_eq!(play.reply("PASS secret"), "-ERR give USER first");
    play.refuses("STLS");
    let capa = play.reply("CAPA");
    assert!(capa.contains("\r\nUSER\r\nSASL ") && !capa.contains("STLS"), "{capa}");
    play.logs_on(&[1]);
}

#[test]
fn tls_lets_passwords_in() {
    let mut play = Play::new(CLOSED);
    assert_eq!(play.line("STLS").0, Next::StartTls);
    let _ = play.event(Event::TlsStarted(Box::new(SECURE)));
    play.logs_on(&[1]);
    play.refuses("STLS");
}

#[test]
fn octets_behind_stls_end_the_session_without_tls_s_032() {
    let mut play = Play::new(CLOSED);
    play.hangs_up(Event::Line { line: b"STLS", is_followed: true });
}

#[test]
fn stls_is_refused_where_it_can_not_be_s_037_s_038_s_039_s_040() {
    Play::new(SECURE).refuses("STLS");
    Play::new(CLEAR).refuses("STLS");
    Play::new(CLOSED).refuses("STLS now");
    Play::logged_on(&[]).refuses("STLS");
    let mut play = Play::new(Facts { offers_stls: true, ..CLEAR });
    play.reply("AUTH PLAIN");
    play.refuses("STLS");
    assert!(matches!(play.line("STLS").0, Next::StartTls));
    assert_eq!(play.event(Event::StoreFailed), (Next::Close, String::new()));
}

#[test]
fn a_user_name_is_welcome_whether_it_is_known_or_not_s_166() {
    let longest = "n".repeat(limits::USER_NAME_OCTETS);
    for name in ["alice", "nobody", "jörg", "a b", "x@y.z", "../../etc", &longest] {
        assert_eq!(Play::new(CLEAR).reply(&format!("USER {name}")), "+OK and the password?");
    }
    for name in ["", " ", "a\tb", "a\u{7f}", &format!("{longest}n")] {
        let mut play = Play::new(CLEAR);
        play.refuses(&format!("USER {name}"));
        assert_eq!(play.reply("PASS x"), "-ERR give USER first");
    }
    let mut play = Play::new(CLEAR);
    play.reply("USER alice");
    assert!(play.octets(b"USER j\xF6rg").1.starts_with("-ERR"));
    assert_eq!(play.reply("PASS x"), "-ERR give USER first");
}

#[test]
fn a_password_is_the_rest_of_the_line_s_235() {
    for password in ["secret", " a b ", " ", "x", "grüß", "\t"] {
        let mut play = Play::new(CLEAR);
        play.reply("USER alice  ");
        let (next, text) = play.line(&format!("PASS {password}"));
        assert_eq!((asked(&next), text), (("alice", password.as_bytes()), String::new()));
    }
    for line in ["PASS", "PASS "] {
        let mut play = Play::new(CLEAR);
        play.reply("USER alice");
        play.refuses(line);
        assert_eq!(play.reply("PASS secret"), "-ERR give USER first");
    }
}

#[test]
fn each_refusal_has_its_response_code_s_166_s_225() {
    for (refusal, code) in [
        (LoginRefusal::BadCredentials, "[AUTH]"),
        (LoginRefusal::Locked, "[SYS/PERM]"),
        (LoginRefusal::InUse, "[IN-USE]"),
        (LoginRefusal::Busy, "[SYS/TEMP]"),
        (LoginRefusal::TooSoon { seconds: 60 }, "[LOGIN-DELAY]"),
    ] {
        let mut play = Play::new(CLEAR);
        play.reply("USER alice");
        let _ = play.line("PASS secret");
        let (next, text) = play.event(Event::LoginRefused(refusal));
        assert_eq!(next, Next::Read);
        assert!(text.starts_with(&format!("-ERR {code} ")), "{text}");
        assert!(!play.session.is_logged_in());
        assert_eq!(play.reply("PASS secret"), "-ERR give USER first");
        play.logs_on(&[1]);
    }
    let mut play = Play::new(CLEAR);
    play.reply("USER alice");
    let _ = play.line("PASS secret");
    let (next, text) = play.event(Event::StoreFailed);
    assert!(next == Next::Read && text.starts_with("-ERR [SYS/TEMP] "), "{text}");
}

#[test]
fn who_comes_too_soon_is_told_when_and_it_counts_nowhere() {
    let mut play = Play::new(CLEAR);
    for _ in 0..2 * limits::ERRORS_PER_SESSION {
        play.reply("USER alice");
        let _ = play.line("PASS secret");
        let _ = play.event(Event::Verified { signature: None });
        let refusal = Event::LoginRefused(LoginRefusal::TooSoon { seconds: 42 });
        let reply = "-ERR [LOGIN-DELAY] you have logged on a moment ago; come again in 42 seconds\r\n";
        assert_eq!(play.event(refusal), (Next::Read, reply.into()));
    }
    play.logs_on(&[1]);
}

#[test]
fn each_mechanism_that_is_not_offered_is_refused_with_what_to_do() {
    let no_plus = with_challenges(SECURE);
    let bound = |mut facts: Facts| {
        facts.terms.channel = Some(Channel { exporter: Some([1; 32]), ..CHANNEL });
        facts
    };
    let needs_tls = "-ERR that mechanism works inside TLS only; begin TLS first";
    let is_off = "-ERR that mechanism is not offered here; AUTH alone lists those that are";
    let no_certificate = "-ERR no known client certificate was shown; AUTH alone lists what works without";
    let mut sealed = SECURE;
    sealed.terms.takes_passwords = false;
    for (facts, line, reply) in [
        (CLEAR, "AUTH EXTERNAL", needs_tls),
        (SECURE, "AUTH EXTERNAL =", no_certificate),
        (CLEAR, "AUTH SCRAM-SHA-256-PLUS", needs_tls),
        (
            no_plus,
            "AUTH SCRAM-SHA-256-PLUS",
            "-ERR that mechanism works inside TLS 1.3 only; take it without -PLUS",
        ),
        (CLEAR, "AUTH CRAM-MD5", is_off),
        (bound(CLEAR), "auth cram-md5", is_off),
        (CLEAR, "AUTH NTLM", is_off),
        (SECURE, "AUTH NTLM", is_off),
        (with_challenges(CLEAR), "AUTH NTLM", needs_tls),
        (CLOSED, "AUTH PLAIN", NOT_IN_THE_CLEAR),
        (sealed.clone(), "AUTH LOGIN", "-ERR passwords are not taken here; AUTH alone lists what is"),
        (sealed, "USER alice", "-ERR passwords are not taken here; AUTH alone lists what is"),
        (CLEAR, "AUTH GSSAPI", "-ERR unknown mechanism; AUTH alone lists them"),
    ] {
        assert_eq!(Play::greeted(facts).reply(line), reply, "{line}");
    }
}

#[test]
fn wrong_passwords_end_the_session_and_other_refusals_do_not_s_169() {
    let fail = |play: &mut Play, refusal| {
        play.reply("USER alice");
        let _ = play.line("PASS wrong");
        play.event(Event::LoginRefused(refusal)).0
    };
    let mut play = Play::new(CLEAR);
    for _ in 0..20 {
        assert_eq!(fail(&mut play, LoginRefusal::InUse), Next::Read);
    }
    for _ in 1..limits::LOGONS_PER_SESSION {
        assert_eq!(fail(&mut play, LoginRefusal::BadCredentials), Next::Read);
    }
    assert_eq!(fail(&mut play, LoginRefusal::BadCredentials), Next::Close);
}

#[test]
fn the_welcome_escapes_the_name_and_fits_a_reply_line() {
    for (name, shown) in [("jörg", "j\\xC3\\xB6rg"), ("a\\b", "a\\x5Cb")] {
        let mut play = Play::new(CLEAR);
        play.reply(&format!("USER {name}"));
        let _ = play.line("PASS x");
        let reply = format!("+OK {shown}'s maildrop has 3 messages (1234 octets)\r\n");
        assert_eq!(play.enters(&[1000, 200, 34]), (Next::Read, reply));
    }
    let mut play = Play::new(CLEAR);
    play.reply(&format!("USER {}", "ö".repeat(limits::USER_NAME_OCTETS / 2)));
    let _ = play.line("PASS x");
    assert!(play.enters(&[]).1.len() < 512);
}

#[test]
fn auth_alone_lists_the_mechanisms_for_outlook_s_244() {
    for line in ["AUTH", "AUTH ", "auth  "] {
        let reply = format!("+OK these mechanisms work here:\r\n{}.", offered(&CLEAR, "", "\r\n"));
        assert_eq!(Play::new(CLEAR).reply(line), reply);
        assert!(reply.contains("\r\nPLAIN\r\nLOGIN\r\n"));
    }
}

#[test]
fn plain_goes_with_and_without_an_initial_response() {
    let (next, text) = Play::new(CLEAR).line("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
    assert_eq!((asked(&next), text), (("alice", &b"secret"[..]), String::new()));
    let mut play = Play::new(CLEAR);
    assert_eq!(play.line("auth plain"), (Next::Read, "+ \r\n".into()));
    let (next, _) = play.line("AGFsaWNlAHNlY3JldA==");
    assert_eq!(asked(&next), ("alice", &b"secret"[..]));
    let reply = "+OK alice's maildrop has 1 message (5 octets)\r\n";
    assert_eq!(play.enters(&[5]), (Next::Read, reply.into()));
    play.refuses("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
}

#[test]
fn login_prompts_are_exact_s_160() {
    let mut play = Play::new(CLEAR);
    assert_eq!(play.reply("auth login"), "+ VXNlcm5hbWU6");
    assert_eq!(play.reply("YWxpY2U="), "+ UGFzc3dvcmQ6");
    assert_eq!(asked(&play.line("c2VjcmV0").0), ("alice", &b"secret"[..]));
    let mut play = Play::new(CLEAR);
    assert_eq!(play.reply("AUTH LOGIN YWxpY2U="), "+ UGFzc3dvcmQ6");
    assert_eq!(asked(&play.line("c2VjcmV0").0), ("alice", &b"secret"[..]));
}

#[test]
fn a_star_cancels_and_the_session_lives_on_s_154() {
    let mut play = Play::new(CLEAR);
    for _ in 0..limits::LINES_BEFORE_LOGON / 2 - 3 {
        play.reply("AUTH PLAIN");
        assert_eq!(play.reply("*"), "-ERR cancelled");
    }
    play.reply("AUTH LOGIN YWxpY2U=");
    assert_eq!(play.reply("*"), "-ERR cancelled");
    play.refuses("*");
    play.logs_on(&[1]);
}

#[test]
fn what_is_no_response_ends_the_exchange_and_not_the_session_s_156_s_158_s_159() {
    for response in ["!!!!", "=", "", "A", "AA=A", "AGEAYg", "QUIT", "AGEA", "YQBi", "eAB5AHo=", "AGEAYgBj"] {
        let mut play = Play::new(CLEAR);
        play.reply("AUTH PLAIN");
        play.refuses(response);
        play.logs_on(&[1]);
        if !response.is_empty() {
            Play::new(CLEAR).refuses(&format!("AUTH PLAIN {response}"));
        }
    }
    assert!(Play::new(CLEAR).reply("AUTH PLAIN eAB5AHo=").starts_with("-ERR [AUTH] nobody here may act as"));
    for line in ["AUTH CRAM-MD5", "AUTH NTLM", "AUTH PLAIN AGEAYg== x", &format!("AUTH {}", "A".repeat(65))] {
        Play::new(CLEAR).refuses(line);
    }
}

/// Base64 of `n,,n=a,r=abc`: the salt is asked for, then the server's first message goes out.
#[test]
fn scram_asks_for_a_salt_and_goes_on_or_ends_with_one_reply() {
    const FIRST: &str = "AUTH SCRAM-SHA-256 biwsbj1hLHI9YWJj";
    let salt = || Event::Salted(Salt { octets: [1; 16], iterations: 4096 });
    let mut play = Play::new(CLEAR);
    assert_eq!(play.line(FIRST), (Next::Salt { user_name: "a".into() }, String::new()));
    let (next, text) = play.event(Event::StoreFailed);
    assert!(next == Next::Read && text.starts_with("-ERR [SYS/TEMP] "), "{text}");
    for (response, reply) in [
        ("*", "-ERR cancelled"),
        ("!", "-ERR that is no base64; begin again with AUTH"),
        ("", "-ERR that is not what the mechanism sends; begin again with AUTH"),
        ("Yz1iaXdzLHI9YWJjLHA9QUFBQQ==", "-ERR that is not what the mechanism sends; begin again with AUTH"),
    ] {
        assert_eq!(play.line(FIRST).0, Next::Salt { user_name: "a".into() });
        let (next, text) = play.event(salt());
        assert!(next == Next::Read && text.starts_with("+ "), "{text}");
        assert_eq!(play.session.line_limit(), limits::SASL_LINE_OCTETS + 2);
        assert_eq!(play.reply(response), reply, "{response}");
        assert_eq!(play.session.line_limit(), limits::POP3_LINE_OCTETS);
    }
    play.logs_on(&[1]);
    let mut busy = Play::new(CLEAR);
    assert!(matches!(busy.line(FIRST).0, Next::Salt { .. }));
    assert_eq!(busy.line("NOOP"), (Next::Close, String::new()));
}

#[test]
fn auth_forgets_the_user_name() {
    let mut play = Play::new(CLEAR);
    play.reply("USER alice");
    play.reply("AUTH PLAIN");
    play.reply("*");
    assert_eq!(play.reply("PASS secret"), "-ERR give USER first");
}

#[test]
fn lines_may_be_long_during_an_exchange_only_s_157() {
    let long = limits::SASL_LINE_OCTETS + 2;
    let mut play = Play::new(CLEAR);
    assert_eq!(play.session.line_limit(), limits::POP3_LINE_OCTETS);
    play.reply("AUTH PLAIN");
    assert_eq!(play.session.line_limit(), long);
    assert_eq!(play.event(Event::FaultyLine(LineFault::TooLong)).0, Next::Read);
    assert_eq!(play.session.line_limit(), limits::POP3_LINE_OCTETS);
    play.reply("AUTH LOGIN");
    play.refuses(&"A".repeat(limits::SASL_LINE_OCTETS));
    assert_eq!(play.session.line_limit(), limits::POP3_LINE_OCTETS);
    play.logs_on(&[1]);
    assert_eq!(play.session.line_limit(), limits::POP3_LINE_OCTETS);
}

#[test]
fn quit_before_logon_says_goodbye() {
    let mut play = Play::new(CLEAR);
    assert_eq!(play.line("quit"), (Next::Close, "+OK goodbye\r\n".into()));
    assert_eq!(play.line("CAPA"), (Next::Close, String::new()));
}

/// CAPA, AUTH, USER and cancelled exchanges were no mistakes and counted nowhere, and a logon that was put off
/// didn't either: a stranger could stay for ever, and tried 12,584 logons in two seconds on one connection.
#[test]
fn who_never_logs_on_is_sent_away_s_173_s_267() {
    for lines in
        [&["CAPA"][..], &["AUTH"], &["USER alice"], &["AUTH PLAIN", "*"], &["USER alice", "PASS secret"]]
    {
        let mut play = Play::new(CLEAR);
        for line in lines.iter().cycle().take(limits::LINES_BEFORE_LOGON) {
            match play.line(line).0 {
                Next::Read => {}
                next => {
                    asked(&next);
                    let (next, text) = play.event(Event::LoginRefused(LoginRefusal::Busy));
                    assert!(next == Next::Read && text.starts_with("-ERR [SYS/TEMP]"), "{text}");
                }
            }
        }
        play.hangs_up(Event::Line { line: lines[0].as_bytes(), is_followed: false });
    }
    let mut play = Play::new(CLEAR);
    for _ in 0..limits::LINES_BEFORE_LOGON - 2 {
        play.reply("CAPA");
    }
    play.logs_on(&[1]);
    for _ in 0..limits::LINES_BEFORE_LOGON {
        play.reply("NOOP");
    }
}

#[test]
fn who_can_not_be_asked_about_ntlm_has_refused_nobody_s_196() {
    let message = "TlRMTVNTUAABAAAAB4IIog==";
    let relaying = |facts: Facts| Facts { terms: Terms { relays_ntlm: true, ..facts.terms }, ..facts };
    let mut play = Play::new(relaying(SECURE));
    for _ in 0..limits::LOGONS_PER_SESSION + 1 {
        assert_eq!(play.reply("AUTH NTLM"), "+ ");
        assert_eq!(play.line(message), (Next::Relay { message: message.into() }, String::new()));
        let (next, reply) = play.event(Event::StoreFailed);
        assert!(next == Next::Read && reply.starts_with("-ERR [SYS/TEMP] "), "{reply}");
    }
    assert_eq!(play.reply("AUTH NTLM"), "+ ");
    let _ = play.line(message);
    let challenge = Relayed::Challenge("TlRMTVNTUAACAAAAAAAAAAAAAAAAAAAAAQIDBAUGBwg=".into());
    let (next, reply) = play.event(Event::Relayed(challenge));
    assert!(next == Next::Read && reply.starts_with("+ TlRMTVNTUAACAAAA"), "{reply}");
    assert!(play.reply("*").starts_with("-ERR "));
    assert_eq!(play.event(Event::Relayed(Relayed::User("x".into()))), (Next::Close, String::new()));

    let reply = Play::new(relaying(CLEAR)).reply("AUTH NTLM");
    assert!(reply.ends_with("begin TLS first"), "{reply}");
}
