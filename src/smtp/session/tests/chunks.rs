//! BDAT: whose octets are taken, whose are skipped, and what ends the session.

use super::*;
use crate::wire::data::DataFault;

/// On the open port, with a recipient.
fn ready_for_chunks() -> Talk {
    let mut talk = Talk::mx();
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
    talk.wishes();
    talk
}

#[test]
fn a_mail_comes_in_chunks() {
    let mut talk = ready_for_chunks();
    assert_eq!(talk.say("BDAT 10"), "250 2.0.0 10 octets received\r\n");
    assert_eq!(talk.say("bdat 0"), "250 2.0.0 0 octets received\r\n");
    assert_eq!(talk.say("BDAT 89 last"), "250 2.0.0 Stored\r\n");
    assert_eq!(talk.wishes(), ["chunk 10", "chunk 0", "chunk 89 last"]);
    assert_eq!(talk.stored[0].0.recipients.len(), 1);
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
    talk.wishes();
    talk.dialog(&[("BDAT 0 LAST", "250 2.0.0 Stored"), ("NOOP", "250")]);
    assert_eq!(talk.wishes(), ["chunk 0 last"]);
    assert_eq!(talk.stored.len(), 2);
}

#[test]
fn a_size_that_is_none_ends_the_session_s_142() {
    for argument in
        ["", " -1", " +1", " 5 FIRST", " 5 LAST x", "  5", " 5\tLAST", " 0x10", " 18446744073709551616", " x"]
    {
        for steps in 0..4 {
            let mut talk = Talk::with(facts(Door::Mx));
            let way = ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<bob@home.lan>"];
            way[..steps].iter().for_each(|line| talk.dialog(&[(line, "250")]));
            talk.wishes();
            let reply = talk.say(&format!("BDAT{argument}"));
            assert!(reply.starts_with("501 5.5.4") && talk.is_closed, "{argument:?} -> {reply:?}");
            assert!(talk.wishes().is_empty(), "nothing is read");
        }
    }
    let mut talk = ready_for_chunks();
    assert!(talk.say_octets(b"BDAT 5\x01", false).starts_with("501 5.5.4") && talk.is_closed);
}

#[test]
fn the_largest_number_wraps_nothing_and_is_not_waited_for_s_142() {
    for lines in [&["BDAT 18446744073709551615"][..], &["BDAT 5", "BDAT 18446744073709551615 LAST"]] {
        let mut talk = ready_for_chunks();
        let replies: Vec<_> = lines.iter().map(|line| talk.say(line)).collect();
        assert!(replies.last().unwrap().starts_with("552 5.3.4") && talk.is_closed, "{lines:?}");
        assert!(!talk.wishes().iter().any(|wish| wish.contains("1844")), "{lines:?}");
    }
    let mut talk = Talk::mx();
    assert!(talk.say("BDAT 18446744073709551615").starts_with("503") && talk.is_closed);
    assert!(talk.wishes().is_empty());
}

#[test]
fn chunks_that_must_not_come_are_skipped_s_143() {
    let mut talk = Talk::with(facts(Door::Mx));
    talk.dialog(&[
        ("BDAT 7 LAST", "503 5.5.1 Send EHLO"),
        ("EHLO x", "250"),
        ("BDAT 8", "503 5.5.1 Send MAIL"),
    ]);
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<nobody@home.lan>", "550 5.1.1")]);
    // What a peer that did not wait for the replies has sent already.
    talk.dialog(&[("BDAT 9", "554 5.5.1"), ("BDAT 10 LAST", "554 5.5.1"), ("NOOP", "250")]);
    assert_eq!(talk.wishes(), ["skip 7", "skip 8", "sender <a@b>", "look up for 0", "skip 9", "skip 10"]);
    talk.dialog(&[
        ("RCPT TO:<bob@home.lan>", "250"),
        ("BDAT 3 LAST", "250"),
        ("BDAT 4 LAST", "503 5.5.1 Send MAIL"),
    ]);
    assert_eq!(talk.stored.len(), 1);
}

#[test]
fn between_chunks_only_chunks_go_on_s_143() {
    let mut talk = ready_for_chunks();
    talk.dialog(&[
        ("BDAT 5", "250"),
        ("DATA", "503 5.5.1 A mail begun with BDAT"),
        ("RCPT TO:<alice@home.lan>", "503 5.5.1 A mail begun with BDAT"),
        ("MAIL FROM:<b@c>", "503 5.5.1"),
        ("AUTH PLAIN", "503 5.5.1"),
        ("NOOP", "250"),
        ("VRFY x", "252"),
        ("HELP", "214"),
        ("WHAT", "500"),
        ("RSET x", "501"),
        ("BDAT 5 LAST", "250 2.0.0 Stored"),
    ]);
    assert_eq!(talk.wishes(), ["chunk 5", "chunk 5 last"]);
    assert_eq!(talk.stored[0].0.recipients.len(), 1);
}

#[test]
fn what_was_sent_in_chunks_is_thrown_away_with_its_mail_s_143_s_144() {
    for (line, code) in [("RSET", "250"), ("EHLO again", "250"), ("HELO again", "250"), ("STARTTLS", "220")] {
        let mut talk = ready_for_chunks();
        talk.dialog(&[("BDAT 5", "250"), (line, code)]);
        assert_eq!(talk.wishes(), ["chunk 5", "discard"], "{line}");
        talk.dialog(&[("EHLO x", "250"), ("BDAT 5 LAST", "503")]);
        assert_eq!(talk.wishes(), ["skip 5"], "{line}");
        assert!(talk.send().starts_with("250"));
        assert_eq!(talk.stored.len(), 1, "{line}");
    }
    let mut talk = ready_for_chunks();
    talk.dialog(&[("BDAT 5", "250"), ("QUIT", "221")]);
    assert!(talk.is_closed && talk.stored.is_empty());
}

#[test]
fn a_spoilt_chunk_ends_the_mail_and_not_the_session_s_145() {
    fn spoilt<const KIND: u8>(_: bool) -> Event<'static> {
        Event::Received(match KIND {
            0 => DataEnd::Faulty(DataFault::BareLf),
            1 => DataEnd::Faulty(DataFault::BareCr),
            2 => DataEnd::Faulty(DataFault::Nul),
            3 => DataEnd::TooLarge,
            4 => DataEnd::Looping,
            _ => DataEnd::Delivered,
        })
    }
    let chunks: [(ChunkAnswer, &str); 8] = [
        (spoilt::<0>, "550 5.6.11"),
        (spoilt::<1>, "550 5.6.11"),
        (spoilt::<2>, "550 5.6.0"),
        (spoilt::<3>, "552 5.3.4"),
        (spoilt::<4>, "554 5.4.6 Too many Received"),
        (spoilt::<5>, "554 5.4.6 The mail has been delivered here"),
        (|_| Event::StoreFull, "452 4.3.1"),
        (|_| Event::StoreFailed, "451 4.3.0"),
    ];
    for (chunk, code) in chunks {
        for before in ["NOOP", "BDAT 5"] {
            for line in ["BDAT 6", "BDAT 6 LAST"] {
                let mut talk = ready_for_chunks();
                talk.dialog(&[(before, "250")]);
                talk.chunk = chunk;
                talk.dialog(&[(line, code)]);
                // The rest of the pipeline.
                talk.dialog(&[("BDAT 7", "503"), ("BDAT 8 LAST", "503"), ("DATA", "503")]);
                let wishes = talk.wishes();
                assert!(
                    wishes.ends_with(&["discard".into(), "skip 7".into(), "skip 8".into()]),
                    "{wishes:?}"
                );
                talk.chunk = good_chunk;
                talk.dialog(&[
                    ("MAIL FROM:<a@b>", "250"),
                    ("RCPT TO:<bob@home.lan>", "250"),
                    ("BDAT 1 LAST", "250"),
                ]);
                assert_eq!(talk.stored.len(), 1, "{code} {line}");
            }
        }
    }
}

#[test]
fn a_chunk_answered_amiss_ends_the_session() {
    let wrong: [ChunkAnswer; 4] = [
        |is_last| good_chunk(!is_last),
        |_| Event::ChunkSkipped,
        |_| Event::Stored,
        |_| Event::Received(DataEnd::MuchTooLarge),
    ];
    for (chunk, code) in wrong.into_iter().zip(["421", "421", "421", "552"]) {
        for line in ["BDAT 5", "BDAT 5 LAST"] {
            let mut talk = ready_for_chunks();
            talk.chunk = chunk;
            assert!(talk.say(line).starts_with(code) && talk.is_closed && talk.stored.is_empty(), "{line}");
        }
    }
}

#[test]
fn the_size_of_all_chunks_holds_at_its_edges_s_149_s_152() {
    const LIMIT: u64 = 1000;
    for before in [0, 400] {
        for (octets, wish, code, is_closed) in [
            (LIMIT - 1, "chunk", "250 2.0.0 Stored", false),
            (LIMIT, "chunk", "250 2.0.0 Stored", false),
            (LIMIT + 1, "skip", "552 5.3.4", false),
            (2 * LIMIT - 1, "skip", "552 5.3.4", false),
            (2 * LIMIT, "skip", "552 5.3.4", false),
            (2 * LIMIT + 1, "", "552 5.3.4", true),
        ] {
            let mut talk = ready_for_chunks();
            let octets = octets - before;
            talk.dialog(&[(&format!("BDAT {before}"), "250")]);
            talk.wishes();
            let reply = talk.say(&format!("BDAT {octets} LAST"));
            assert!(reply.starts_with(code) && talk.is_closed == is_closed, "{octets} -> {reply:?}");
            match wish {
                "chunk" => assert_eq!(talk.wishes(), [format!("chunk {octets} last")]),
                "skip" => assert_eq!(talk.wishes(), [format!("skip {octets}")]),
                _ => assert!(talk.wishes().is_empty()),
            }
            if wish == "skip" {
                // Nothing is left of the mail.
                talk.dialog(&[("BDAT 0 LAST", "503"), ("RCPT TO:<bob@home.lan>", "503"), ("RSET", "250")]);
            }
            assert_eq!(talk.stored.len(), usize::from(wish == "chunk"));
        }
    }
}

#[test]
fn not_everything_is_read_only_to_be_thrown_away_s_152() {
    for (octets, is_closed) in [(1999, false), (2000, false), (2001, true)] {
        let mut talk = Talk::mx();
        assert!(talk.say(&format!("BDAT {octets}")).starts_with("503"));
        assert_eq!(talk.is_closed, is_closed, "{octets}");
    }
    // All of a session counts, until a mail is stored.
    let mut talk = Talk::mx();
    talk.dialog(&[("BDAT 1000", "503"), ("BDAT 999", "503")]);
    assert!(talk.send().starts_with("250"));
    talk.dialog(&[("BDAT 1000", "503"), ("BDAT 1000", "503")]);
    assert!(talk.say("BDAT 1").starts_with("503") && talk.is_closed);
}

#[test]
fn empty_chunks_that_must_not_come_have_an_end_s_059() {
    let mut talk = Talk::mx();
    for _ in 1..limits::IDLE_COMMANDS {
        talk.dialog(&[("BDAT 0", "503")]);
    }
    assert!(talk.say("BDAT 0").starts_with("421 4.7.0") && talk.is_closed);
}

#[test]
fn too_many_small_chunks_end_the_session_and_large_ones_do_not() {
    let small = limits::SMALL_CHUNK_OCTETS - 1;
    let mut talk = Talk::with(Facts { message_octets: 100 << 20, ..facts(Door::Mx) });
    talk.dialog(&[("EHLO x", "250")]);
    for _ in 0..2 {
        talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
        for _ in 0..limits::SMALL_CHUNKS {
            talk.dialog(&[(&format!("BDAT {small}"), "250")]);
        }
        for _ in 0..10 {
            talk.dialog(&[(&format!("BDAT {}", limits::SMALL_CHUNK_OCTETS), "250")]);
        }
        talk.dialog(&[("BDAT 1 LAST", "250 2.0.0 Stored")]);
    }
    talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
    for _ in 0..limits::SMALL_CHUNKS {
        talk.dialog(&[("BDAT 0", "250")]);
    }
    assert!(talk.say("BDAT 0").starts_with("421 4.7.0 Too many small chunks") && talk.is_closed);
}

#[test]
fn mails_in_chunks_count_as_mails_s_058() {
    let mut talk = Talk::mx();
    for _ in 0..limits::MAILS_PER_SESSION {
        talk.dialog(&[("MAIL FROM:<a@b>", "250"), ("RCPT TO:<bob@home.lan>", "250")]);
        talk.dialog(&[("BDAT 1", "250"), ("BDAT 1 LAST", "250")]);
    }
    assert!(talk.say("MAIL FROM:<a@b>").starts_with("421 4.7.0") && talk.is_closed);
}

#[test]
fn the_end_of_the_server_and_of_the_peer_come_between_chunks_too() {
    let mut talk = ready_for_chunks();
    talk.dialog(&[("BDAT 5", "250")]);
    assert!(talk.tell(Event::ShuttingDown).starts_with("421 4.3.2") && talk.is_closed);

    let mut talk = ready_for_chunks();
    let mut out = Vec::new();
    let line = Event::Line { line: b"BDAT 5 LAST", is_followed: true };
    assert!(matches!(talk.session.handle(line, &mut out), Next::ReceiveChunk { octets: 5, .. }));
    talk.is_message_held = true;
    assert_eq!(talk.tell(Event::ShuttingDown), "");
    let reply = talk.tell(Event::Received(DataEnd::Good));
    assert_eq!(reply, "250 2.0.0 Stored\r\n421 4.3.2 The server is stopping, try again later\r\n");
    assert!(talk.is_closed && talk.stored.len() == 1);

    for event in [Event::Kicked, Event::TimedOut, Event::Evicted] {
        let mut talk = ready_for_chunks();
        talk.dialog(&[("BDAT 5", "250")]);
        assert!(talk.tell(event).starts_with("421") && talk.is_closed && talk.stored.is_empty());
    }
}

#[test]
fn binary_mail_is_not_taken_since_pop3_could_not_give_it_back() {
    let mut talk = Talk::mx();
    assert!(!talk.say("EHLO x").contains("BINARYMIME"));
    talk.dialog(&[
        ("MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"),
        ("MAIL FROM:<a@b> BODY=8BITMIME", "250"),
    ]);
}
