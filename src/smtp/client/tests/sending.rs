//! Mails: each code at each step, by both protocols, with and without PIPELINING and CHUNKING (S-130, S-131).

use super::*;

const OFFERS: [&[&str]; 4] = [&[], &["PIPELINING"], &["CHUNKING"], &["PIPELINING", "CHUNKING", "SIZE 1000"]];

/// What three recipients come to where that is said at that step, the second time where there are several. Told from
/// the RFCs alone.
fn expected(stage: Stage, code: Option<u16>, is_lmtp: bool) -> [Verdict; 3] {
    use Verdict::*;
    let of = |code: Option<u16>| match code {
        Some(530 | 538) => Later,
        Some(code) if code / 100 == 5 => Never,
        _ => Later,
    };
    match (stage, code) {
        (Stage::Mail | Stage::Recipient | Stage::End, Some(code)) if code / 100 == 2 => [TAKEN; 3],
        (Stage::Data, Some(354)) => [TAKEN; 3],
        (Stage::Recipient, Some(421) | None) => [Later; 3],
        // Before 552 a recipient was taken: there are too many.
        (Stage::Recipient, Some(552)) => [TAKEN, Later, TAKEN],
        (Stage::Recipient, Some(code)) if code >= 400 => [TAKEN, of(Some(code)), TAKEN],
        (Stage::Mail | Stage::Data, Some(code)) if code >= 400 => [of(Some(code)); 3],
        (Stage::End, Some(421)) if is_lmtp => [TAKEN, Later, Unsure],
        (Stage::End, Some(code)) if code >= 400 && is_lmtp => [TAKEN, of(Some(code)), TAKEN],
        (Stage::End, Some(code)) if code >= 400 => [of(Some(code)); 3],
        (Stage::End, _) if is_lmtp => [TAKEN, Unsure, Unsure],
        (Stage::End, _) => [Unsure; 3],
        _ => [Later; 3],
    }
}

#[test]
fn each_code_at_each_step_comes_to_what_the_rfcs_say_s_130_s_131() {
    let codes = [
        "250", "251", "252", "200", "220", "221", "235", "299", "334", "354", "399", "421", "450", "451",
        "452", "499", "500", "501", "503", "530", "538", "550", "552", "554", "599", "100", "600", "000", "",
        "x",
    ];
    for stage in [Stage::Mail, Stage::Recipient, Stage::Data, Stage::End] {
        for (offers, is_lmtp) in OFFERS.iter().flat_map(|offers| [(offers, false), (offers, true)]) {
            if stage == Stage::Data && offers.contains(&"CHUNKING") {
                continue;
            }
            for says in codes.iter().map(|code| Some(*code)).chain([None]) {
                let time = if stage == Stage::Recipient || stage == Stage::End && is_lmtp { 2 } else { 1 };
                let fake = Fake::new(is_lmtp, offers).odd(
                    stage,
                    time,
                    says.map(|code| format!("{code} x")).as_deref(),
                );
                let course =
                    fake.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test", "c@b.test", "d@b.test"])]);
                let code = says.and_then(|code| code.parse().ok()).filter(|code| (200..600).contains(code));
                let case = format!("{stage:?} {says:?} {offers:?} lmtp {is_lmtp}: {course:?}");
                assert_eq!(course.failure, None, "{case}");
                let [(verdicts, is_reusable)] = course.settled.as_slice() else { panic!("{case}") };
                assert_eq!(verdicts[..], expected(stage, code, is_lmtp), "{case}");
                let is_followed = match (stage, code) {
                    (Stage::Data, Some(code)) => code == 354 || code >= 400,
                    (_, Some(code)) => code / 100 != 3,
                    _ => false,
                };
                assert_eq!(*is_reusable, is_followed && code != Some(421), "{case}");
                assert_eq!(course.sent.ends_with("QUIT\r\n"), *is_reusable, "{case}");
            }
        }
    }
}

#[test]
fn commands_go_in_groups_where_that_is_offered_and_one_by_one_else() {
    let three = || mail(&["a@b.test", "c@b.test", "d@b.test"]);
    let mut talk = Talk::ready(false, &["PIPELINING", "SIZE"]);
    assert!(matches!(talk.give(Event::Mail(Box::new(three()))), Next::Read(_)));
    let group = "MAIL FROM:<alice@home.lan> SIZE=100\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@b.test>\r\n\
        RCPT TO:<d@b.test>\r\nDATA\r\n";
    assert_eq!(talk.sent(), group);
    let next = talk.say("250 a\n250 b\n550 c\n250-d\n250 d\n354 go");
    assert!(matches!(next, Next::SendBody(Framing::Dot)));
    assert!(matches!(talk.give(Event::BodySent), Next::Read(limits::HOP_END_OF_DATA)));
    assert_eq!(settled(talk.say("250 taken")), (vec![TAKEN, Verdict::Never, TAKEN], true));

    let mut talk = Talk::ready(false, &[]);
    let _ = talk.give(Event::Mail(Box::new(three())));
    for (sent, reply) in [
        ("MAIL FROM:<alice@home.lan>\r\n", "250 a"),
        ("RCPT TO:<a@b.test>\r\n", "250 b"),
        ("RCPT TO:<c@b.test>\r\n", "450 c"),
        ("RCPT TO:<d@b.test>\r\n", "250 d"),
    ] {
        assert_eq!(talk.sent(), sent);
        assert!(matches!(talk.say(reply), Next::Read(_)));
    }
    assert_eq!(talk.sent(), "DATA\r\n");
    assert!(matches!(talk.say("354 go"), Next::SendBody(Framing::Dot)));
}

#[test]
fn a_group_has_an_end_and_another_follows() {
    let paths: Vec<_> = (0..2 * limits::HOP_RECIPIENTS).map(|number| format!("a{number}@b.test")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let mut talk = Talk::ready(false, &["PIPELINING"]);
    let _ = talk.give(Event::Mail(Box::new(mail(&paths))));
    let first = talk.sent().lines().count();
    assert!((limits::HOP_RECIPIENTS..=limits::HOP_RECIPIENTS + 3).contains(&first), "{first}");
    let replies = vec!["250 x"; first].join("\n");
    assert!(matches!(talk.say(&replies), Next::Read(_)));
    let second = talk.sent();
    assert_eq!(first + second.lines().count(), paths.len() + 2);
    assert!(second.ends_with("DATA\r\n"));
    // After a refusal of MAIL nobody else is asked.
    let mut talk = Talk::ready(false, &["PIPELINING"]);
    let _ = talk.give(Event::Mail(Box::new(mail(&paths))));
    let refused = ["550 no"].into_iter().chain(vec!["503 no"; first - 1]).collect::<Vec<_>>().join("\n");
    talk.sent();
    assert_eq!(settled(talk.say(&refused)), (vec![Verdict::Never; paths.len()], true));
    assert_eq!(talk.sent(), "");
}

#[test]
fn a_body_is_not_sent_for_nobody() {
    for (offers, is_lmtp) in [(&["PIPELINING"][..], false), (&["PIPELINING"], true)] {
        let mut talk = Talk::ready(is_lmtp, offers);
        let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test", "c@b.test"]))));
        talk.sent();
        let next = talk.say("250 x\n550 no\n450 no\n354 go");
        if is_lmtp {
            assert_eq!(settled(next), (vec![Verdict::Never, Verdict::Later], false), "no reply would come");
            continue;
        }
        assert!(matches!(next, Next::Read(limits::HOP_END_OF_DATA)));
        assert_eq!(talk.sent(), ".\r\n");
        // Whatever it says of an empty message for nobody.
        assert_eq!(settled(talk.say("250 taken")), (vec![Verdict::Never, Verdict::Later], true));
        let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test"]))));
        assert!(talk.sent().starts_with("MAIL"), "its mail is ended");
    }
    for (offers, commands) in [(&[][..], 3), (&["CHUNKING"], 3), (&["CHUNKING", "PIPELINING"], 3)] {
        let course = Fake::new(false, offers).odd(Stage::Recipient, 1, Some("550 no"));
        let course = course.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test"])]);
        assert_eq!(course.settled, [(vec![Verdict::Never], true)]);
        let sent: Vec<_> = course.sent.lines().skip(1).collect();
        assert_eq!(sent.len(), commands, "{sent:?}");
        assert!(sent[2] == "QUIT", "neither DATA nor BDAT: {sent:?}");
    }
}

#[test]
fn reset_is_said_where_a_mail_was_left_and_nowhere_else() {
    for (stage, says, offers, resets) in [
        (Stage::Mail, "550 no", &[][..], 0),
        (Stage::Recipient, "550 no", &[], 1),
        (Stage::Recipient, "550 no", &["CHUNKING", "PIPELINING"], 1),
        (Stage::Data, "451 no", &[], 1),
        (Stage::Data, "451 no", &["PIPELINING"], 1),
        (Stage::End, "451 no", &[], 0),
        (Stage::End, "451 no", &["CHUNKING"], 1),
        (Stage::End, "250 yes", &["CHUNKING"], 0),
    ] {
        let course = Fake::new(false, offers).odd(stage, 1, Some(says));
        let course = course.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test"]), mail(&["c@b.test"])]);
        assert_eq!(course.settled[1], (vec![TAKEN], true), "{stage:?} {offers:?}");
        assert_eq!(course.sent.matches("RSET\r\n").count(), resets, "{stage:?} {offers:?} {}", course.sent);
    }
    for says in [Some("500 what?"), Some("250 x\n250 y"), None] {
        let mut talk = Talk::ready(false, &[]);
        let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test"]))));
        talk.goes_on("250 x");
        assert_eq!(settled(talk.say("550 no")), (vec![Verdict::Never], true));
        talk.sent();
        let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test"]))));
        assert_eq!(talk.sent(), "RSET\r\n");
        let next = match says {
            Some(says) => talk.say(says),
            None => talk.give(Event::Lost),
        };
        assert_eq!(settled(next), (vec![Verdict::Later], false), "{says:?}");
    }
}

#[test]
fn what_the_server_does_not_take_is_told_before_mail_is_said_s_138_s_139() {
    let paths = ["a@b.test", "c@b.test"];
    let plain = || mail(&paths);
    let outcome = |offers: &[&str], mail: OutgoingMail| {
        let mut talk = Talk::ready(false, offers);
        let next = talk.give(Event::Mail(Box::new(mail)));
        let said = talk.sent();
        let enhanced = match next {
            Next::Settled { answers, is_reusable: true } => {
                assert!(
                    answers.iter().all(|answer| answer.verdict == Verdict::Never && answer.reply.code == 0)
                );
                assert_eq!((answers.len(), said.as_str()), (2, ""));
                answers[0].reply.enhanced
            }
            _ => None,
        };
        (enhanced, said)
    };
    for (octets, refused) in [(999, None), (1000, None), (1001, Some([5, 3, 4]))] {
        assert_eq!(outcome(&["SIZE 1000"], OutgoingMail { octets, ..plain() }).0, refused, "{octets}");
        assert_eq!(outcome(&["SIZE"], OutgoingMail { octets, ..plain() }).0, None);
        assert_eq!(outcome(&[], OutgoingMail { octets, ..plain() }).0, None);
    }
    let eight_bit = || OutgoingMail { is_8bit: true, ..plain() };
    assert_eq!(outcome(&[], eight_bit()).0, Some([5, 6, 3]));
    assert_eq!(outcome(&["8BITMIME"], eight_bit()).1, "MAIL FROM:<alice@home.lan> BODY=8BITMIME\r\n");
    let forced = outcome(&[], OutgoingMail { forces_8bit: true, ..eight_bit() });
    assert_eq!(forced, (None, "MAIL FROM:<alice@home.lan>\r\n".into()));
    let foreign = || OutgoingMail { needs_utf8: true, ..plain() };
    assert_eq!(outcome(&["8BITMIME"], foreign()).0, Some([5, 6, 9]));
    assert_eq!(outcome(&["SMTPUTF8"], foreign()).1, "MAIL FROM:<alice@home.lan> SMTPUTF8\r\n");
    let sender = |path: &str| OutgoingMail { reverse_path: path.into(), ..plain() };
    assert_eq!(outcome(&[], sender("j\u{f6}rg@home.lan")).0, Some([5, 6, 7]));
    assert_eq!(
        outcome(&["SMTPUTF8"], sender("j\u{f6}rg@home.lan")).1,
        "MAIL FROM:<j\u{f6}rg@home.lan> SMTPUTF8\r\n"
    );
    assert_eq!(outcome(&["SMTPUTF8"], sender("a\r\nRCPT TO:<x>")).0, Some([5, 1, 7]));
}

/// Mail for a plain name at a domain beyond ASCII was returned wherever SMTPUTF8 was missing.
#[test]
fn a_domain_beyond_ascii_is_told_as_the_name_system_has_it_where_smtputf8_is_missing_s_139() {
    let paths = ["bob@b\u{fc}cher.example", "j\u{f6}rg@b\u{fc}cher.example", "bob@\u{fc}..example"];
    let from = |path: &str| OutgoingMail { reverse_path: path.into(), ..mail(&paths) };
    let mut talk = Talk::ready(false, &["PIPELINING"]);
    let _ = talk.give(Event::Mail(Box::new(from("alice@h\u{f6}me.example"))));
    assert_eq!(
        talk.sent(),
        "MAIL FROM:<alice@xn--hme-sna.example>\r\nRCPT TO:<bob@xn--bcher-kva.example>\r\nDATA\r\n"
    );
    assert!(matches!(talk.say("250 x\n250 x\n354 x"), Next::SendBody(_)));
    let _ = talk.give(Event::BodySent);
    let enhanced: Vec<_> = answers(talk.say("250 x")).0.into_iter().map(|it| it.reply.enhanced).collect();
    assert_eq!(enhanced, [None, Some([5, 6, 7]), Some([5, 6, 7])]);
    let mut talk = Talk::ready(false, &["PIPELINING", "SMTPUTF8"]);
    let _ = talk.give(Event::Mail(Box::new(from("alice@h\u{f6}me.example"))));
    let said = talk.sent();
    assert!(said.starts_with("MAIL FROM:<alice@h\u{f6}me.example> SMTPUTF8\r\n"), "{said}");
    assert!(said.contains("RCPT TO:<bob@b\u{fc}cher.example>\r\n"), "{said}");
}

#[test]
fn a_recipient_who_can_not_be_told_to_the_server_keeps_nobody_else_from_the_mail() {
    let paths = ["j\u{f6}rg@b.test", "a@b.test", "a>\r\nDATA", ""];
    let mut talk = Talk::ready(false, &["PIPELINING"]);
    let _ = talk.give(Event::Mail(Box::new(mail(&paths))));
    assert_eq!(talk.sent(), "MAIL FROM:<alice@home.lan>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n");
    assert!(matches!(talk.say("250 x\n250 x\n354 x"), Next::SendBody(_)));
    let _ = talk.give(Event::BodySent);
    let (answers, _) = answers(talk.say("250 x"));
    let enhanced: Vec<_> = answers.iter().map(|answer| (answer.verdict, answer.reply.enhanced)).collect();
    let bad = (Verdict::Never, Some([5, 1, 3]));
    assert_eq!(enhanced, [(Verdict::Never, Some([5, 6, 7])), (TAKEN, None), bad, bad]);
    let mut talk = Talk::ready(false, &["SMTPUTF8"]);
    let _ = talk.give(Event::Mail(Box::new(mail(&paths))));
    assert_eq!(talk.sent(), "MAIL FROM:<alice@home.lan> SMTPUTF8\r\n");
    assert_eq!(settled(Talk::ready(false, &[]).give(Event::Mail(Box::new(mail(&[]))))), (vec![], true));
}

#[test]
fn what_limits_says_is_kept_to() {
    let mails = [mail(&["a@b.test", "c@b.test", "d@b.test"]), mail(&["a@b.test"]), mail(&["a@b.test"])];
    let fake = Fake::new(false, &["PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=2"]);
    let course = fake.play(terms(HopTls::Opportunistic), &mails);
    assert_eq!(course.settled, [(vec![TAKEN, TAKEN, Verdict::Later], true), (vec![TAKEN], false)]);
    assert!(course.sent.ends_with("QUIT\r\n"), "it leaves in good order");
}

#[test]
fn too_many_recipients_are_later_and_a_full_mailbox_is_not() {
    for (says, verdict) in [
        ("552 5.5.3 Too many recipients", Verdict::Later),
        ("552 5.2.2 Mailbox full", Verdict::Never),
        ("552 Too many", Verdict::Later),
        ("452 4.5.3 Too many", Verdict::Later),
    ] {
        let fake = Fake::new(false, &[]).odd(Stage::Recipient, 2, Some(says));
        let course = fake.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test", "c@b.test"])]);
        assert_eq!(course.settled, [(vec![TAKEN, verdict], true)], "{says}");
    }
    let fake = Fake::new(false, &[]).odd(Stage::Recipient, 1, Some("552 full"));
    let course = fake.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test"])]);
    assert_eq!(course.settled, [(vec![Verdict::Never], true)], "one is not too many");
}

#[test]
fn reports_are_the_servers_if_it_knows_of_them() {
    let course = Fake::new(false, &["DSN"]).play(terms(HopTls::Opportunistic), &[mail(&["a@b.test"])]);
    assert_eq!(course.settled, [(vec![Verdict::Taken { relays_dsn: true }], true)]);
}

#[test]
fn a_server_gone_at_each_of_the_steps_loses_nothing_s_131() {
    for (stage, is_lmtp, verdicts) in [
        (Stage::Mail, false, [Verdict::Later; 2]),
        (Stage::Recipient, false, [Verdict::Later; 2]),
        (Stage::Data, false, [Verdict::Later; 2]),
        (Stage::End, false, [Verdict::Unsure; 2]),
        (Stage::End, true, [Verdict::Unsure; 2]),
    ] {
        let course = Fake::new(is_lmtp, &["PIPELINING"]).odd(stage, 1, None);
        let course = course.play(terms(HopTls::Opportunistic), &[mail(&["a@b.test", "c@b.test"])]);
        assert_eq!(course.settled, [(verdicts.to_vec(), false)], "{stage:?}");
    }
    for event in [Event::Lost, Event::TimedOut, Event::FaultyLine(LineFault::TooLong), Event::Finish] {
        let mut talk = Talk::ready(false, &["CHUNKING"]);
        let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test"]))));
        talk.goes_on("250 x");
        assert!(matches!(talk.say("250 x"), Next::SendBody(Framing::Chunk)));
        assert!(talk.sent().ends_with("BDAT 100 LAST\r\n"));
        assert_eq!(settled(talk.give(event)), (vec![Verdict::Later], false), "the body had no end");
        assert!(matches!(talk.give(Event::BodySent), Next::Close));
    }
}
