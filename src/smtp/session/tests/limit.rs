//! What has a limit, at one below, at, and one above.

use super::*;

#[test]
fn too_many_errors_end_the_session_s_060_s_061() {
    let mut talk = Talk::mx();
    for _ in 0..limits::ERRORS_PER_SESSION {
        assert!(talk.say("WHATISTHIS").starts_with("500 5.5.1"));
    }
    assert!(!talk.is_closed);
    assert!(talk.say("WHATISTHIS").starts_with("421 4.7.0") && talk.is_closed);
}

#[test]
fn too_many_idle_commands_end_the_session_but_mail_earns_more_s_059() {
    for line in ["NOOP", "RSET", "VRFY x", "HELP", "HELO x"] {
        let mut talk = Talk::with(facts(Door::Mx));
        talk.dialog(&[("HELO x", "250")]);
        for _ in 1..limits::IDLE_COMMANDS {
            assert!(talk.say(line).starts_with('2'), "{line}");
        }
        assert!(talk.say(line).starts_with("421 4.7.0") && talk.is_closed, "{line}");
    }
    let mut talk = Talk::mx();
    for _ in 1..limits::IDLE_COMMANDS {
        talk.dialog(&[("NOOP", "250")]);
    }
    assert!(talk.send().starts_with("250"));
    for _ in 0..limits::IDLE_COMMANDS {
        talk.dialog(&[("NOOP", "250")]);
    }
    assert!(talk.say("NOOP").starts_with("421"));
}

#[test]
fn too_many_mails_end_the_session_after_the_last_is_stored_s_058() {
    let mut talk = Talk::mx();
    for _ in 0..limits::MAILS_PER_SESSION {
        assert!(talk.send().starts_with("250"));
    }
    assert_eq!(talk.stored.len(), limits::MAILS_PER_SESSION);
    assert!(talk.say("MAIL FROM:<a@b>").starts_with("421 4.7.0") && talk.is_closed);
}

#[test]
fn too_many_recipients_leave_the_accepted_ones_s_055_s_056() {
    let recipients = limits::RECIPIENTS;
    let mut talk = Talk::with(Facts { recipients, ..facts(Door::Mx) });
    talk.dialog(&[("EHLO x", "250"), ("MAIL FROM:<>", "250")]);
    for number in 0..recipients {
        talk.dialog(&[(&format!("RCPT TO:<user{number}@home.lan>"), "250")]);
    }
    talk.dialog(&[("RCPT TO:<user5000@home.lan>", "452 4.5.3"), ("DATA", "354")]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    assert_eq!(talk.stored[0].0.recipients.len(), recipients);
}

#[test]
fn who_goes_on_naming_recipients_is_shown_the_door_s_056() {
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<>", "250")]);
    for number in 0..5 {
        talk.dialog(&[(&format!("RCPT TO:<user{number}@home.lan>"), "250")]);
    }
    for _ in 0..limits::RECIPIENTS_OVER {
        talk.dialog(&[("RCPT TO:<user7@home.lan>", "452 4.5.3")]);
    }
    assert!(talk.say("RCPT TO:<user7@home.lan>").starts_with("421") && talk.is_closed);
}

#[test]
fn one_recipient_named_for_ever_gets_one_mail_and_the_session_an_end_s_056_s_057() {
    for over in [0, 1, limits::RECIPIENTS_OVER] {
        let mut talk = Talk::with(Facts { recipients: 1000, ..facts(Door::Mx) });
        talk.dialog(&[("EHLO x", "250"), ("MAIL FROM:<>", "250")]);
        for _ in 0..1000 {
            talk.dialog(&[("RCPT TO:<alice@home.lan>", "250")]);
        }
        for _ in 0..over {
            talk.dialog(&[("RCPT TO:<alice@home.lan>", "452 4.5.3")]);
        }
        if over == limits::RECIPIENTS_OVER {
            assert!(talk.say("RCPT TO:<alice@home.lan>").starts_with("421") && talk.is_closed);
            continue;
        }
        talk.dialog(&[("DATA", "354")]);
        assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
        assert_eq!(talk.stored[0].0.recipients.len(), 1);
    }
}

#[test]
fn who_guesses_recipients_is_shown_the_door_s_168() {
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<>", "250")]);
    for _ in 0..limits::RECIPIENTS_REFUSED {
        talk.dialog(&[("RCPT TO:<nobody@home.lan>", "550 5.1.1")]);
    }
    assert!(talk.say("RCPT TO:<nobody@home.lan>").starts_with("421") && talk.is_closed);
}

#[test]
fn no_octets_make_the_session_panic_or_say_something_malformed() {
    const WORDS: [&[u8]; 30] = [
        b"EHLO ",
        b"HELO",
        b"MAIL FROM:",
        b"RCPT TO:",
        b"DATA",
        b"BDAT 5",
        b"BDAT 0 LAST",
        b" LAST",
        b"RSET",
        b"AUTH ",
        b"PLAIN ",
        b"LOGIN",
        b"STARTTLS",
        b"<",
        b">",
        b"a@b",
        b"alice@home.lan",
        b" ",
        b"\"",
        b"\\",
        b"@",
        b":",
        b"[IPv6:",
        b"]",
        b"SIZE=1",
        b"=",
        b"\xC3\xB6",
        b"\xFF",
        b"AGFsaWNlAHJpZ2h0",
        b"SMTPUTF8",
    ];
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2000 {
        let mut talk = if random.bool() { Talk::mx() } else { Talk::submission() };
        while !talk.is_closed {
            let line: Vec<u8> =
                (0..random.usize(..8)).flat_map(|_| WORDS[random.usize(..WORDS.len())]).copied().collect();
            // Many ways lead to no mail: now and then there is one.
            if random.u8(..) < 20 {
                talk.say("MAIL FROM:<a@b>");
                if !talk.is_closed {
                    talk.say("RCPT TO:<alice@home.lan>");
                }
            }
            if talk.is_closed {
                break;
            }
            if talk.say_octets(&line, random.u8(..) < 20).starts_with("354") {
                talk.data(b"x: y\r\n\r\n.\r\n");
            }
        }
    }
}
