//! Servers that say anything with anything: early, twice, endlessly, in pieces (S-132, S-134).

use super::*;
use crate::wire::line::{Line, LineReader};

/// One whose body is on its way, to two recipients.
fn sending(is_lmtp: bool) -> Talk {
    let mut talk = Talk::ready(is_lmtp, &["PIPELINING"]);
    let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test", "c@b.test"]))));
    talk.sent();
    assert!(matches!(talk.say("250 x\n250 x\n250 x\n354 x"), Next::SendBody(Framing::Dot)));
    talk
}

#[test]
fn a_refusal_in_the_middle_of_the_body_is_heard() {
    for (line, verdict) in
        [("552 5.3.4 too big", Verdict::Never), ("451 no room", Verdict::Later), ("421 bye", Verdict::Later)]
    {
        let mut talk = sending(false);
        let (answers, is_reusable) = answers(talk.say(line));
        assert!(!is_reusable && answers.iter().all(|answer| answer.verdict == verdict), "{line}");
        assert_eq!(answers[0].reply.code.to_string(), line[..3]);
        assert!(matches!(talk.give(Event::Lost), Next::Close));
        assert_eq!(talk.sent(), "");
    }
    let mut talk = sending(false);
    let part = talk.give(Event::Line { line: b"552-5.3.4 too", is_followed: true });
    assert!(matches!(part, Next::SendBody(Framing::Dot)), "it goes on until the reply is whole");
    assert_eq!(
        settled(talk.give(Event::Line { line: b"552 big", is_followed: true })),
        (vec![Verdict::Never; 2], false)
    );
    assert_eq!(
        settled(sending(true).say("552 full")),
        (vec![Verdict::Later; 2], false),
        "of whom is not known"
    );
}

#[test]
fn success_before_the_bodys_end_is_not_believed() {
    for line in ["250 taken", "354 more", "250 taken\n250 twice", "nonsense"] {
        assert_eq!(settled(sending(false).say(line)), (vec![Verdict::Later; 2], false), "{line}");
    }
}

/// A server that answers once more than it is asked would have its answer taken for that to the next command, and in the
/// end for the one to the message.
#[test]
fn who_says_more_than_he_is_asked_is_not_listened_to() {
    let mut talk = Talk::ready(false, &[]);
    let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test"]))));
    talk.sent();
    assert_eq!(settled(talk.say("250 x\n250 y")), (vec![Verdict::Later], false));
    assert_eq!(talk.sent(), "", "nothing is said to it any more");
    for (lines, verdicts) in [
        ("250 x\n250 x\n250 x\n354 x\n250 taken", [Verdict::Later; 2]),
        ("250 x\n550 x\n250 x\n354 x\n250 taken", [Verdict::Never, Verdict::Later]),
        ("250 x\n550 x\n450 x\n554 x\n421 bye", [Verdict::Never, Verdict::Later]),
    ] {
        let mut talk = Talk::ready(false, &["PIPELINING"]);
        let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test", "c@b.test"]))));
        talk.sent();
        assert_eq!(settled(talk.say(lines)), (verdicts.to_vec(), false), "{lines}");
        assert_eq!(talk.sent(), "");
    }
    let mut talk = sending(false);
    let _ = talk.give(Event::BodySent);
    assert_eq!(settled(talk.say("250 taken\n421 bye")), (vec![TAKEN; 2], false), "what is told is told");
    let mut talk = sending(true);
    let _ = talk.give(Event::BodySent);
    assert_eq!(
        settled(talk.say("250 taken\n452 full")),
        (vec![TAKEN, Verdict::Later], true),
        "by LMTP two answers are due"
    );
    let mut talk = sending(true);
    let _ = talk.give(Event::BodySent);
    assert_eq!(settled(talk.say("250 taken\n452 full\n250 x")), (vec![TAKEN, Verdict::Later], false));
}

#[test]
fn a_reply_without_an_end_is_given_up_s_132() {
    let mut talk = Talk::ready(false, &[]);
    let _ = talk.give(Event::Mail(Box::new(mail(&["a@b.test"]))));
    let endless = vec!["250-x"; limits::REPLY_LINES].join("\n");
    assert!(matches!(talk.say(&endless), Next::Read(limits::HOP_REPLY)));
    assert_eq!(settled(talk.say("250-x")), (vec![Verdict::Later], false));
    for fault in [
        LineFault::TooLong,
        LineFault::BareLf,
        LineFault::BareCr,
        LineFault::Nul,
        LineFault::Binary,
        LineFault::Endless,
    ] {
        let mut talk = sending(false);
        let _ = talk.give(Event::BodySent);
        let (answers, is_reusable) = answers(talk.give(Event::FaultyLine(fault)));
        assert!(!is_reusable && answers.iter().all(|answer| answer.verdict == Verdict::Unsure), "{fault:?}");
        assert!(answers[0].reply.text.contains("the end of the message"), "{}", answers[0].reply.text);
    }
}

#[test]
fn a_connection_that_is_over_says_nothing_more() {
    let mut talk = sending(false);
    assert_eq!(settled(talk.give(Event::Lost)), (vec![Verdict::Later; 2], false));
    for event in [
        Event::Lost,
        Event::TimedOut,
        Event::BodySent,
        Event::Finish,
        Event::Line { line: b"250 x", is_followed: false },
        Event::FaultyLine(LineFault::Nul),
        Event::Mail(Box::new(mail(&["a@b.test"]))),
        Event::Connected { is_verified: true },
        Event::TlsStarted { is_verified: true },
    ] {
        assert!(matches!(talk.give(event), Next::Close));
    }
    assert_eq!(talk.sent(), "");
}

#[test]
fn however_replies_are_cut_the_same_is_said_and_settled_s_080() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..2000 {
        let mut flights = || -> Vec<String> {
            let reply = |random: &mut fastrand::Rng| {
                let text = [
                    "250 x\r\n",
                    "250-x\r\n250 y\r\n",
                    "550 x\r\n",
                    "450 4.2.1 x\r\n",
                    "354 go\r\n",
                    "x\n",
                    "421 x\r\n",
                    "250-",
                ];
                text[if random.u8(..) < 200 { random.usize(..2) } else { random.usize(..text.len()) }]
            };
            (0..8).map(|_| (0..random.usize(1..6)).map(|_| reply(&mut random)).collect()).collect()
        };
        let flights = flights();
        let whole = converse(&flights, None);
        for cuts in [1, random.usize(1..9)] {
            assert_eq!(converse(&flights, Some(cuts)), whole, "seed {seed} round {round} {flights:?}");
        }
    }
}

/// A mail to two, by PIPELINING, with a server that says one flight each time it is waited for; what was said and how it
/// ended. What lies behind a line belongs to its flight, cut or not.
fn converse(flights: &[String], cuts: Option<usize>) -> (String, String) {
    let mut talk = Talk::ready(false, &["PIPELINING"]);
    let (mut flights, mut input, mut coming) = (flights.iter(), Vec::new(), &b""[..]);
    let mut reader = LineReader::default();
    let mut next = talk.give(Event::Mail(Box::new(mail(&["a@b.test", "c@b.test"]))));
    loop {
        next = match next {
            Next::SendBody(_) => talk.give(Event::BodySent),
            Next::Read(_) => {
                let (used, line) = reader.next(&input, talk.client.line_limit());
                let is_followed = used < input.len() || !coming.is_empty();
                let line = match line {
                    Line::Incomplete => None,
                    Line::Whole(line) => Some(Ok(line.to_vec())),
                    Line::Faulty(fault) => Some(Err(fault)),
                };
                input.drain(..used);
                match line {
                    Some(Ok(line)) => talk.give(Event::Line { line: &line, is_followed }),
                    Some(Err(fault)) => talk.give(Event::FaultyLine(fault)),
                    None => {
                        if coming.is_empty() {
                            match flights.next() {
                                Some(flight) => coming = flight.as_bytes(),
                                None => return (talk.sent(), format!("{:?}", talk.give(Event::Lost))),
                            }
                        }
                        let (piece, rest) = coming.split_at(cuts.unwrap_or(coming.len()).min(coming.len()));
                        input.extend_from_slice(piece);
                        coming = rest;
                        continue;
                    }
                }
            }
            end => return (talk.sent(), format!("{end:?}")),
        };
    }
}
