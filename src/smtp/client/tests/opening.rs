//! Greeting, EHLO and STARTTLS, and who puts words into a server's mouth (S-044 to S-046, S-118).

use super::*;

const ALL: [HopTls; 3] = [HopTls::Implicit, HopTls::Required, HopTls::Opportunistic];

fn connected(terms: Terms) -> Talk {
    let is_verified = terms.tls == HopTls::Implicit;
    let mut talk = Talk::new(terms);
    assert!(matches!(talk.give(Event::Connected { is_verified }), Next::Read(limits::HOP_GREETING)));
    talk
}

/// One that has said EHLO.
fn greeted(terms: Terms) -> Talk {
    let mut talk = connected(terms);
    assert!(matches!(talk.say("220-away.test hello\n220 ready"), Next::Read(limits::HOP_REPLY)));
    assert_eq!(talk.sent(), "EHLO home.lan\r\n");
    talk
}

#[test]
fn a_way_with_starttls_is_gone_to_its_end() {
    let mut talk = greeted(terms(HopTls::Required));
    assert!(matches!(talk.say("250-away.test\n250-PIPELINING\n250 starttls"), Next::Read(_)));
    assert_eq!(talk.sent(), "STARTTLS\r\n");
    assert!(matches!(talk.say("220 go"), Next::StartTls));
    assert!(matches!(talk.give(Event::TlsStarted { is_verified: true }), Next::Read(_)));
    assert_eq!(talk.sent(), "EHLO home.lan\r\n");
    assert!(talk.client.offer.mechanisms.is_empty() && !talk.client.offer.pipelining, "it has forgotten");
    assert!(matches!(talk.say("250 away.test"), Next::Ready), "STARTTLS is not said inside TLS");
    assert!(!talk.client.offer.pipelining, "what was offered in the clear is not believed");
    assert!(matches!(talk.give(Event::Finish), Next::Read(limits::HOP_GOODBYE)));
    assert_eq!(talk.sent(), "QUIT\r\n");
    assert!(matches!(talk.say("221 bye"), Next::Close));
    assert!(matches!(talk.give(Event::Finish), Next::Close));
}

#[test]
fn a_greeting_that_is_none_ends_it() {
    for (line, kind) in [
        ("554 no", FailureKind::Unavailable),
        ("421 later", FailureKind::Unavailable),
        ("450 x", FailureKind::Unavailable),
        ("354 x", FailureKind::Confused),
        ("HTTP/1.1 400 Bad Request", FailureKind::Confused),
        ("* PREAUTH IMAP", FailureKind::Confused),
        ("+OK POP3", FailureKind::Confused),
        ("", FailureKind::Confused),
        ("220 a\n220 b", FailureKind::Confused),
        ("220 a\n250 b", FailureKind::Confused),
        ("554 a\n421 b", FailureKind::Unavailable),
    ] {
        let mut talk = connected(terms(HopTls::Opportunistic));
        let (stage, found, _) = failure(talk.say(line));
        assert_eq!((stage, found), (Stage::Greeting, kind), "{line}");
        assert!(["", "QUIT\r\n"].contains(&talk.sent().as_str()));
    }
    for event in [Event::TimedOut, Event::Lost] {
        let (stage, kind, _) = failure(connected(terms(HopTls::Required)).give(event));
        assert_eq!((stage, kind), (Stage::Greeting, FailureKind::Lost));
    }
    let fault = Event::FaultyLine(LineFault::Binary);
    assert_eq!(failure(connected(terms(HopTls::Required)).give(fault)).1, FailureKind::Confused);
}

#[test]
fn a_server_that_goes_by_our_name_is_ourselves_s_118() {
    for line in ["220 home.lan ESMTP", "220 HOME.lan", "220-Home.Lan\n220 x"] {
        let (_, kind, reply) = failure(connected(terms(HopTls::Opportunistic)).say(line));
        assert_eq!((kind, reply.enhanced), (FailureKind::Ourselves, Some([5, 4, 6])), "{line}");
    }
    for lines in ["250 home.lan", "250-HOME.LAN at your service\n250 STARTTLS"] {
        let (stage, kind, _) = failure(greeted(terms(HopTls::Opportunistic)).say(lines));
        assert_eq!((stage, kind), (Stage::Hello, FailureKind::Ourselves), "{lines}");
    }
    for line in ["220 home.lan.test", "220 x home.lan", "220"] {
        assert!(matches!(connected(terms(HopTls::Opportunistic)).say(line), Next::Read(_)), "{line}");
    }
    let lmtp = Terms { is_lmtp: true, ..terms(HopTls::Opportunistic) };
    let mut talk = connected(lmtp);
    assert!(matches!(talk.say("220 home.lan"), Next::Read(_)), "LMTP stands on the same machine");
    assert_eq!(talk.sent(), "LHLO home.lan\r\n");
    assert!(matches!(talk.say("250 home.lan"), Next::Ready));
}

/// Both servers of a shared domain were set up as mail.home.lan, and each held the other's mail for being itself.
#[test]
fn a_server_elsewhere_may_go_by_our_name_s_118() {
    let elsewhere = || Terms { is_here: false, ..terms(HopTls::Opportunistic) };
    for line in ["220 home.lan ESMTP", "220-Home.Lan\n220 x"] {
        let mut talk = connected(elsewhere());
        assert!(matches!(talk.say(line), Next::Read(_)), "{line}");
        assert_eq!(talk.sent(), "EHLO home.lan\r\n");
        assert!(matches!(talk.say("250 home.lan"), Next::Ready));
    }
}

#[test]
fn an_old_server_hears_helo_where_nothing_is_asked_of_it() {
    for code in [500, 501, 502, 503, 504, 555] {
        let mut talk = greeted(terms(HopTls::Opportunistic));
        assert!(matches!(talk.say(&format!("{code} what?")), Next::Read(_)), "{code}");
        assert_eq!(talk.sent(), "HELO home.lan\r\n");
        assert!(matches!(talk.say("250-away.test\n250 PIPELINING"), Next::Ready));
        assert!(!talk.client.offer.pipelining, "HELO offers nothing");
        let with_logon = Terms { credentials: credentials(), ..terms(HopTls::Implicit) };
        for terms in [terms(HopTls::Required), with_logon] {
            let mut talk = greeted(terms);
            assert_eq!(failure(talk.say(&format!("{code} what?"))).1, FailureKind::Unavailable);
            assert_eq!(talk.sent(), "QUIT\r\n");
        }
    }
    for code in [421, 450, 521, 550, 554] {
        let (stage, kind, reply) = failure(greeted(terms(HopTls::Opportunistic)).say(&format!("{code} no")));
        assert_eq!((stage, kind, reply.code), (Stage::Hello, FailureKind::Unavailable, code));
    }
    let mut talk = greeted(terms(HopTls::Opportunistic));
    talk.goes_on("500 what?");
    assert_eq!(failure(talk.say("500 what?")).1, FailureKind::Unavailable, "HELO is said once");
    let mut lmtp = connected(Terms { is_lmtp: true, ..terms(HopTls::Opportunistic) });
    lmtp.goes_on("220 x");
    assert_eq!(failure(lmtp.say("500 what?")).1, FailureKind::Unavailable, "LMTP knows no HELO");
}

#[test]
fn nothing_leaves_in_the_clear_where_tls_is_required_s_044() {
    let mut talk = greeted(terms(HopTls::Required));
    assert_eq!(failure(talk.say("250-away.test\n250 XSTARTTLS")).1, FailureKind::Unsafe);
    for reply in ["454 not now", "500 what?", "502 no", "554 no"] {
        let mut talk = greeted(terms(HopTls::Required));
        talk.goes_on("250-away.test\n250 STARTTLS");
        let (stage, kind, _) = failure(talk.say(reply));
        assert_eq!((stage, kind), (Stage::StartTls, FailureKind::Unsafe), "{reply}");
        let mut talk = greeted(terms(HopTls::Opportunistic));
        talk.goes_on("250-away.test\n250 STARTTLS");
        assert!(matches!(talk.say(reply), Next::Ready), "{reply}: it goes on in the clear");
    }
    for (tls, is_in_tls) in [(HopTls::Required, false), (HopTls::Implicit, true)] {
        let mut talk = Talk::new(terms(tls));
        let next = talk.give(Event::Connected { is_verified: false });
        let next = if is_in_tls {
            next
        } else {
            talk.goes_on("220 x");
            talk.goes_on("250-away.test\n250 STARTTLS");
            talk.goes_on("220 go");
            talk.give(Event::TlsStarted { is_verified: false })
        };
        assert_eq!(failure(next).1, FailureKind::Unsafe, "no certificate, no mail");
    }
}

#[test]
fn what_comes_behind_the_answer_to_starttls_ends_it_s_045() {
    for lines in [
        "220 go\n250-evil\n250 AUTH LOGIN",
        "220 go\n",
        "220-go\n220 on\n250 evil",
        "454 no\n250 AUTH PLAIN",
        "220 go\n220 go",
    ] {
        for tls in [HopTls::Required, HopTls::Opportunistic] {
            let mut talk = greeted(Terms { credentials: credentials(), ..terms(tls) });
            talk.goes_on("250-away.test\n250 STARTTLS");
            talk.sent();
            let (stage, kind, _) = failure(talk.say(lines));
            assert_eq!((stage, kind), (Stage::StartTls, FailureKind::Unsafe), "{lines:?} {tls}");
            assert_eq!(talk.sent(), "");
            assert!(matches!(talk.give(Event::TlsStarted { is_verified: true }), Next::Close));
        }
    }
    // The same before STARTTLS: a reply that nobody asked for would be taken for the answer to it.
    let mut talk = greeted(terms(HopTls::Required));
    assert_eq!(failure(talk.say("250-away.test\n250 STARTTLS\n220 go")).1, FailureKind::Confused);
}

/// What EAST's servers answer, at each step; where TLS is required, MAIL and AUTH are said inside it only.
#[test]
fn any_code_at_any_step_ends_and_says_nothing_secret_s_046() {
    let codes = ["220", "221", "250", "354", "421", "454", "500", "501", "502", "504", "530", "550", "554"];
    for tls in ALL {
        for credentials in [None, credentials()] {
            for stage in [Stage::Greeting, Stage::Hello, Stage::StartTls, Stage::Logon, Stage::Ready] {
                for says in codes {
                    for time in [1, 2] {
                        let fake = Fake::new(false, &["STARTTLS", "AUTH PLAIN"]).odd(stage, time, Some(says));
                        let terms = Terms { credentials: credentials.clone(), ..terms(tls) };
                        let course = fake.play(terms, &[mail(&["a@b.test"]), mail(&["a@b.test"])]);
                        let case = format!("{tls} {stage:?} {says} {time}: {course:?}");
                        let before_tls = course.sent.split("STARTTLS").next().unwrap();
                        let is_clear = tls != HopTls::Implicit;
                        assert!(!is_clear || !before_tls.contains("AUTH"), "{case}");
                        assert!(tls != HopTls::Required || !before_tls.contains("MAIL"), "{case}");
                        let is_told = course.failure.is_some() || course.settled.len() == 2;
                        assert!(is_told, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_event_out_of_its_turn_ends_it() {
    let out_of_turn: [fn() -> Event<'static>; 4] = [
        || Event::TlsStarted { is_verified: true },
        || Event::Connected { is_verified: true },
        || Event::BodySent,
        || Event::Mail(Box::new(mail(&["a@b.test"]))),
    ];
    for event in out_of_turn {
        let mut talk = greeted(terms(HopTls::Opportunistic));
        assert_eq!(failure(talk.give(event())).1, FailureKind::Confused);
        assert!(matches!(talk.give(event()), Next::Close));
        assert_eq!(talk.sent(), "");
    }
    let mut talk = Talk::ready(false, &[]);
    assert_eq!(failure(talk.say("250 unasked")).1, FailureKind::Confused);
    assert_eq!(failure(Talk::ready(false, &[]).say("421 idle")).1, FailureKind::Unavailable);
    assert_eq!(failure(Talk::ready(false, &[]).give(Event::Lost)).1, FailureKind::Lost);
    assert!(matches!(Talk::new(terms(HopTls::Required)).give(Event::Finish), Next::Close));
}
