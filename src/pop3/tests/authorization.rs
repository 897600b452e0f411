//! Before logon: STLS, USER and PASS, AUTH, and who is refused how.

use super::*;
use crate::pop3::LoginRefusal;

const COMMON: &str =
    "+OK this works here:\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n";
const NOT_IN_THE_CLEAR: &str = "-ERR STLS first: passwords are not taken in the clear";

#[test]
fn the_greeting_has_no_time_stamp_because_apop_does_not_work() {
    let mut play = Play::new(CLEAR);
    let _ = play.event(Event::Connected);
    assert!(!play.out.contains(&b'<'));
    play.refuses("APOP alice c4c9334bac560ecc979e58001b3e22fb");
}

#[test]
fn capa_lists_what_works_now_s_050() {
    let implementation = concat!("IMPLEMENTATION poppet-", env!("CARGO_PKG_VERSION"), "\r\n.");
    let open = "USER\r\nSASL PLAIN LOGIN\r\n";
    for (facts, middle) in [
        (CLEAR, open.to_owned()),
        (SECURE, open.to_owned()),
        (CLOSED, "STLS\r\n".to_owned()),
        (Facts { offers_stls: true, ..CLEAR }, format!("{open}STLS\r\n")),
        (Facts { offers_stls: false, ..CLOSED }, String::new()),
    ] {
        let shown = format!("{facts:?}");
        assert_eq!(Play::new(facts).reply("CAPA"), format!("{COMMON}{middle}{implementation}"), "{shown}");
    }
    assert_eq!(Play::logged_on(&[]).reply("capa"), format!("{COMMON}{implementation}"));
}

#[test]
fn no_password_is_asked_for_where_none_may_be_sent_s_050() {
    for line in ["USER alice", "AUTH PLAIN", "AUTH LOGIN", "AUTH PLAIN AGEAYg==", "PASS secret"] {
        assert_eq!(Play::new(CLOSED).reply(line), NOT_IN_THE_CLEAR, "{line}");
        let reply = Play::new(Facts { offers_stls: false, ..CLOSED }).reply(line);
        assert_eq!(reply, "-ERR passwords are not taken on this connection; use a port with TLS");
    }
    assert_eq!(Play::new(CLOSED).reply("AUTH"), "+OK these mechanisms work here:\r\n.");
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
    assert!(capa.contains("\r\nUSER\r\nSASL PLAIN LOGIN\r\n") && !capa.contains("STLS"), "{capa}");
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
        let reply = "+OK these mechanisms work here:\r\nPLAIN\r\nLOGIN\r\n.";
        assert_eq!(Play::new(CLEAR).reply(line), reply);
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
