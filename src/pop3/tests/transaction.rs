//! After logon: listings, messages, marks, and what QUIT does with them.

use super::*;

#[test]
fn stat_and_list_count_what_is_not_deleted_s_232_s_241() {
    let mut play = Play::logged_on(&[100, 20, 3]);
    assert_eq!(play.reply("STAT"), "+OK 3 123");
    assert_eq!(play.reply("LIST 2"), "+OK 2 20");
    assert_eq!(play.reply("DELE 2"), "+OK message 2 deleted");
    assert_eq!(play.reply("STAT"), "+OK 2 103");
    assert_eq!(play.reply("LIST"), "+OK 2 messages (103 octets)\r\n1 100\r\n3 3\r\n.");
    for line in ["LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"] {
        assert_eq!(play.reply(line), "-ERR message 2 is deleted; RSET brings it back", "{line}");
    }
    assert_eq!(play.reply("DELE 3"), "+OK message 3 deleted");
    assert_eq!(play.reply("RSET"), "+OK 3 messages (123 octets)");
    assert_eq!(play.reply("STAT"), "+OK 3 123");
    assert_eq!(play.reply("LIST 2"), "+OK 2 20");
}

#[test]
fn uidl_tells_mark_and_uid_s_229() {
    let mut play = Play::logged_on(&[100, 20, 3]);
    assert_eq!(play.reply("UIDL 1"), format!("+OK 1 {UIDL_MARK}.b"));
    play.reply("DELE 1");
    let lines = format!("2 {UIDL_MARK}.c\r\n3 {UIDL_MARK}.d\r\n.");
    assert_eq!(play.reply("UIDL"), format!("+OK 2 messages (23 octets)\r\n{lines}"));
}

#[test]
fn an_empty_maildrop_lists_nothing() {
    let mut play = Play::logged_on(&[]);
    assert_eq!(play.reply("STAT"), "+OK 0 0");
    assert_eq!(play.reply("LIST"), "+OK 0 messages (0 octets)\r\n.");
    assert_eq!(play.reply("UIDL"), "+OK 0 messages (0 octets)\r\n.");
    assert_eq!(play.reply("RETR 1"), "-ERR no message 1; the highest number is 0");
    assert_eq!(play.line("QUIT"), (Next::Close, "+OK goodbye\r\n".into()));
}

#[test]
fn numbers_that_are_none_are_refused_each_s_231() {
    let words = [
        "0",
        "-1",
        "+1",
        "01",
        "4294967295",
        "4294967296",
        "4294967297",
        "18446744073709551617",
        "1 2",
        "1x",
        "65536",
        "3",
    ];
    for verb in ["RETR", "DELE", "LIST", "UIDL"] {
        for word in words {
            let mut play = Play::logged_on(&[100, 20]);
            play.refuses(&format!("{verb} {word}"));
            assert_eq!(play.reply("STAT"), "+OK 2 120");
        }
    }
    for line in ["RETR", "DELE ", "TOP", "TOP 1", "TOP 3 0", "TOP 1 -1", "TOP 1 4294967296", "TOP 0 1"] {
        Play::logged_on(&[100, 20]).refuses(line);
    }
}

#[test]
fn asking_for_what_is_not_there_is_no_mistake_that_counts() {
    let mut play = Play::logged_on(&[1]);
    for _ in 0..2 * limits::ERRORS_AFTER_LOGON {
        play.refuses("RETR 2");
    }
}

#[test]
fn top_asks_for_lines_and_retr_for_all_s_242() {
    for (line, body_lines) in [
        ("RETR 1", None),
        ("TOP 1 0", Some(0)),
        ("TOP 1 99999999", Some(99_999_999)),
        ("top 1 4294967295 ", Some(u32::MAX)),
    ] {
        let mut play = Play::logged_on(&[100, 20]);
        assert_eq!(play.line(line), (Next::Open { uid: Uid(11) }, String::new()));
        let (next, text) = play.event(Event::Opened { octets: 100 });
        assert_eq!(next, Next::SendBody { body_lines });
        assert!(text.starts_with("+OK ") && text.ends_with("\r\n"), "{text}");
        assert_eq!(play.event(Event::BodySent), (Next::Read, String::new()));
        assert_eq!(play.reply("STAT"), "+OK 2 120");
    }
}

#[test]
fn a_removed_message_is_refused_and_the_others_keep_their_numbers_s_228() {
    for line in ["RETR 1", "TOP 1 5"] {
        let mut play = Play::logged_on(&[100, 20]);
        let _ = play.line(line);
        let reply = "-ERR message 1 has been removed by the administrator\r\n";
        assert_eq!(play.event(Event::Gone), (Next::Read, reply.into()));
        assert_eq!(play.reply("STAT"), "+OK 2 120");
        assert_eq!(play.line("RETR 2"), (Next::Open { uid: Uid(12) }, String::new()));
    }
}

#[test]
fn a_message_that_can_not_be_read_is_a_temporary_failure() {
    for event in [Event::StoreFailed, Event::Opened { octets: 99 }, Event::Opened { octets: (1 << 32) + 100 }]
    {
        let mut play = Play::logged_on(&[100]);
        let _ = play.line("RETR 1");
        let reply = "-ERR [SYS/TEMP] message 1 can't be read now; come again later\r\n";
        assert_eq!(play.event(event), (Next::Read, reply.into()));
        assert_eq!(play.line("RETR 1").0, Next::Open { uid: Uid(11) });
    }
}

#[test]
fn only_quit_deletes_and_only_once_s_222() {
    let mut play = Play::logged_on(&[1, 2, 3]);
    for line in ["DELE 3", "DELE 1", "RSET", "DELE 3", "DELE 1", "NOOP", "LIST", "UIDL", "CAPA"] {
        play.reply(line);
    }
    assert_eq!(play.line("QUIT"), (Next::Commit(vec![Uid(11), Uid(13)]), String::new()));
    assert!(play.session.is_logged_in());
    assert_eq!(play.event(Event::Committed).0, Next::Close);
    assert_eq!(play.event(Event::Committed), (Next::Close, String::new()));
}

#[test]
fn nothing_is_committed_where_nothing_is_marked() {
    let mut play = Play::logged_on(&[1, 2, 3]);
    play.reply("DELE 2");
    play.reply("RSET");
    assert_eq!(play.line("QUIT"), (Next::Close, "+OK goodbye\r\n".into()));
}

#[test]
fn a_failed_update_is_told_s_223() {
    let mut play = Play::logged_on(&[1]);
    play.reply("DELE 1");
    let _ = play.line("QUIT");
    let reply = "-ERR [SYS/TEMP] some deleted messages not removed\r\n";
    assert_eq!(play.event(Event::StoreFailed), (Next::Close, reply.into()));
}

#[test]
fn an_error_flood_removes_nothing() {
    let mut play = Play::logged_on(&[1]);
    play.reply("DELE 1");
    let mut last = play.line("X");
    while last.0 == Next::Read {
        last = play.line("X");
    }
    assert_eq!(last.0, Next::Close);
    assert!(last.1.starts_with("-ERR "));
}

#[test]
fn a_huge_listing_goes_out_in_parts_of_bounded_size_s_239() {
    const MESSAGES: u32 = 1_000_000;
    let entries = (1..=MESSAGES).map(|uid| Entry { uid: Uid(uid), octets: uid % 1000 }).collect();
    let mut play = Play::new(CLEAR);
    play.reply("USER alice");
    let _ = play.line("PASS x");
    let _ = play.event(Event::Verified { signature: None });
    let _ = play.event(Event::LoggedIn(Maildrop::new(MARK, entries), FOREVER));
    for number in [1, 500_000, MESSAGES] {
        play.reply(&format!("DELE {number}"));
    }
    for verb in ["LIST", "UIDL"] {
        let (mut next, mut text) = play.line(verb);
        assert!(text.starts_with("+OK 999997 messages ("), "{}", &text[..80]);
        let (mut parts, mut lines, mut expected) = (0, 0, 2);
        loop {
            assert!(text.len() < limits::OUTPUT_OCTETS + 100, "{}", text.len());
            for line in text.lines().filter(|line| line.contains(' ') && !line.starts_with('+')) {
                let (number, value) = line.split_once(' ').unwrap();
                assert_eq!(number.parse(), Ok(expected));
                assert!(!value.contains(' '), "{line}");
                expected += if expected == 499_999 { 2 } else { 1 };
                lines += 1;
            }
            if next != Next::Flush {
                break;
            }
            assert!(text.len() >= limits::OUTPUT_OCTETS);
            parts += 1;
            (next, text) = play.event(Event::Flushed);
        }
        assert!(parts > 100);
        assert_eq!((next, lines), (Next::Read, MESSAGES - 3));
        assert!(text.ends_with(".\r\n"));
        assert!(play.out.capacity() <= 4 * limits::OUTPUT_OCTETS, "{}", play.out.capacity());
    }
    assert_eq!(play.reply("STAT").split(' ').nth(1), Some("999997"));
}

#[test]
fn replies_that_wait_already_count_for_the_parts_of_a_listing() {
    let mut play = Play::logged_on(&[5; 4]);
    let mut out = vec![b'x'; limits::OUTPUT_OCTETS];
    let before = out.len();
    let next = play.session.handle(Event::Line { line: b"LIST", is_followed: true }, &mut out);
    assert_eq!((next, &out[before..]), (Next::Flush, &b"+OK 4 messages (20 octets)\r\n1 5\r\n"[..]));
    assert_eq!(play.event(Event::Flushed), (Next::Read, "2 5\r\n3 5\r\n4 5\r\n.\r\n".into()));
}
