//! What CAPA announces, before and after logon. RFC 2449 §5, §6.

use super::*;

const COMMON: &str = "+OK this works here:\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n\
    UTF8 USER\r\nLANG\r\n";
const IMPLEMENTATION: &str = concat!("IMPLEMENTATION poppet-", env!("CARGO_PKG_VERSION"), "\r\n.");

/// What CAPA says between the common capabilities and the implementation.
fn announced(play: &mut Play) -> String {
    let reply = play.reply("CAPA");
    assert!(reply.lines().all(|line| line.len() <= limits::POP3_LINE_OCTETS - 2), "{reply}");
    let middle = reply.strip_prefix(COMMON).and_then(|rest| rest.strip_suffix(IMPLEMENTATION));
    middle.unwrap_or_else(|| panic!("{reply}")).to_owned()
}

#[test]
fn each_capability_is_announced_while_it_works_s_050() {
    let mut sealed = SECURE;
    sealed.terms.takes_passwords = false;
    for (facts, user, stls) in [
        (CLEAR, "USER\r\n", ""),
        (SECURE, "USER\r\n", ""),
        (with_challenges(SECURE), "USER\r\n", ""),
        (CLOSED, "", "STLS\r\n"),
        (Facts { offers_stls: true, ..CLEAR }, "USER\r\n", "STLS\r\n"),
        (Facts { offers_stls: false, ..CLOSED }, "", ""),
        (sealed, "", ""),
    ] {
        let sasl = offered(&facts, "SASL ", " ");
        let mut play = Play::greeted(facts);
        assert_eq!(announced(&mut play), format!("EXPIRE NEVER\r\n{user}{sasl}{stls}"));
    }
}

#[test]
fn what_was_announced_before_logon_is_so_after_it_but_stls() {
    for facts in [Facts { offers_stls: true, ..CLEAR }, SECURE, with_challenges(SECURE)] {
        let mut play = Play::greeted(facts);
        let before = announced(&mut play);
        play.logs_on(&[1]);
        assert_eq!(announced(&mut play), before.replace("STLS\r\n", ""));
    }
}

#[test]
fn all_mechanisms_fit_one_line() {
    let mut facts = with_challenges(SECURE);
    facts.terms.channel = Some(Channel { exporter: Some([1; 32]), has_certificate: true, end_point: None });
    let mut play = Play::greeted(facts);
    let capa = announced(&mut play);
    assert!(capa.contains("SASL EXTERNAL ") && capa.contains(" PLAIN LOGIN CRAM-MD5 NTLM\r\n"), "{capa}");
}

#[test]
fn retention_and_delay_are_the_least_favourable_before_logon_and_one_s_own_after_it() {
    let policy = |retain_days, login_delay_seconds| Policy { retain_days, login_delay_seconds };
    for (all, differs, own, before, after) in [
        (policy(None, 0), false, policy(None, 0), "EXPIRE NEVER\r\n", "EXPIRE NEVER\r\n"),
        (policy(Some(30), 0), false, policy(Some(30), 0), "EXPIRE 30\r\n", "EXPIRE 30\r\n"),
        (policy(Some(5), 0), true, policy(Some(60), 0), "EXPIRE 5 USER\r\n", "EXPIRE 60\r\n"),
        (policy(Some(5), 0), true, policy(None, 0), "EXPIRE 5 USER\r\n", "EXPIRE NEVER\r\n"),
        (
            policy(None, 60),
            false,
            policy(None, 60),
            "EXPIRE NEVER\r\nLOGIN-DELAY 60\r\n",
            "EXPIRE NEVER\r\nLOGIN-DELAY 60\r\n",
        ),
        (
            policy(Some(7), 900),
            true,
            policy(Some(8), 60),
            "EXPIRE 7 USER\r\nLOGIN-DELAY 900 USER\r\n",
            "EXPIRE 8\r\nLOGIN-DELAY 60\r\n",
        ),
        // Announced before it must be announced after it. RFC 2449 §5.
        (
            policy(None, u32::MAX),
            true,
            policy(None, 0),
            "EXPIRE NEVER\r\nLOGIN-DELAY 4294967295 USER\r\n",
            "EXPIRE NEVER\r\nLOGIN-DELAY 0\r\n",
        ),
    ] {
        let mut play =
            Play::new(Facts { policy: all, retain_differs: differs, login_delay_differs: differs, ..CLEAR });
        assert!(announced(&mut play).starts_with(&format!("{before}USER\r\n")));
        play.reply("USER alice");
        let _ = play.line("PASS secret");
        let _ = play.event(Event::Verified { signature: None });
        assert_eq!(play.event(Event::LoggedIn(maildrop(&[]), own)).0, Next::Read);
        assert!(announced(&mut play).starts_with(&format!("{after}USER\r\n")));
    }
}
