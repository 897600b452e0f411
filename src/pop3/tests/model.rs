//! Random commands against a reference that knows the maildrop as a plain list.

use super::*;
use crate::sasl::Relayed;

const SEEDS: std::ops::Range<u64> = 1939..2139;
const COMMANDS: usize = 300;

/// The maildrop as RFC 1939 tells it, without any cleverness.
struct Model {
    messages: Vec<(Uid, u32, bool)>,
}

impl Model {
    fn left(&self) -> impl Iterator<Item = (usize, Uid, u32)> {
        let numbered = self.messages.iter().enumerate();
        numbered.filter(|(_, it)| !it.2).map(|(index, it)| (index + 1, it.0, it.1))
    }

    fn find(&self, number: usize) -> Option<(Uid, u32)> {
        self.left().find(|it| it.0 == number).map(|(_, uid, octets)| (uid, octets))
    }

    fn totals(&self) -> (usize, u64) {
        (self.left().count(), self.left().map(|it| u64::from(it.2)).sum())
    }

    fn deleted(&self) -> Vec<Uid> {
        self.messages.iter().filter(|it| it.2).map(|it| it.0).collect()
    }

    /// The lines that the session must give for a command, without the text of the first one where it is free.
    fn expect(&mut self, verb: &str, number: Option<usize>) -> Expected {
        let one = |value: Option<String>| match (value, number) {
            (Some(value), Some(number)) => Expected::Line(format!("+OK {number} {value}")),
            _ => Expected::Error,
        };
        let all = |values: Vec<(usize, String)>| {
            Expected::Lines(values.into_iter().map(|(number, value)| format!("{number} {value}")).collect())
        };
        match (verb, number) {
            ("STAT", None) => {
                let (messages, octets) = self.totals();
                Expected::Line(format!("+OK {messages} {octets}"))
            }
            ("LIST", Some(number)) => one(self.find(number).map(|it| it.1.to_string())),
            ("UIDL", Some(number)) => one(self.find(number).map(|it| uidl(it.0))),
            ("LIST", None) => all(self.left().map(|it| (it.0, it.2.to_string())).collect()),
            ("UIDL", None) => all(self.left().map(|it| (it.0, uidl(it.1))).collect()),
            ("DELE", Some(number)) if self.find(number).is_some() => {
                self.messages[number - 1].2 = true;
                Expected::Ok
            }
            ("RSET", None) => {
                self.messages.iter_mut().for_each(|it| it.2 = false);
                Expected::Ok
            }
            ("NOOP", None) => Expected::Ok,
            ("RETR" | "TOP", Some(number)) => {
                self.find(number).map_or(Expected::Error, |it| Expected::Open(it.0, it.1))
            }
            _ => Expected::Error,
        }
    }
}

enum Expected {
    Ok,
    Error,
    Line(String),
    Lines(Vec<String>),
    Open(Uid, u32),
}

fn uidl(uid: Uid) -> String {
    format!("{UIDL_MARK}.{:x}", uid.0)
}

#[test]
fn random_commands_get_what_the_reference_gives() {
    for seed in SEEDS {
        println!("seed {seed}");
        play_one(fastrand::Rng::with_seed(seed));
    }
}

fn play_one(mut random: fastrand::Rng) {
    let sizes: Vec<u32> = (0..random.usize(..130)).map(|_| random.u32(..)).collect();
    let mut play = Play::logged_on(&sizes);
    let messages = (11..).map(Uid).zip(&sizes).map(|(uid, &octets)| (uid, octets, false)).collect();
    let mut model = Model { messages };
    let mut mistakes = 0;
    for _ in 0..COMMANDS {
        let verb = ["STAT", "LIST", "UIDL", "DELE", "DELE", "RETR", "TOP", "NOOP", "RSET"][random.usize(..9)];
        if verb == "RSET" && random.u8(..) > 25 {
            continue;
        }
        let takes_number = matches!(verb, "DELE" | "RETR" | "TOP");
        let is_wrong = random.u8(..) < 5;
        let number = ((takes_number || (matches!(verb, "LIST" | "UIDL") && random.bool())) != is_wrong)
            .then(|| random.usize(..sizes.len() + 3));
        let lines = if verb == "TOP" && number.is_some() { " 7" } else { "" };
        let argument = number.map(|number| format!(" {number}{lines}")).unwrap_or_default();
        let line = mixed_case(&format!("{verb}{argument}"), &mut random);

        // A number that is none at all, or arguments of the wrong kind, count; a number too high doesn't.
        let is_list = matches!(verb, "LIST" | "UIDL");
        mistakes += usize::from(number == Some(0) || (number.is_some() != takes_number && !is_list));
        if mistakes >= limits::ERRORS_AFTER_LOGON {
            break;
        }
        let expected = model.expect(verb, number);
        check(&mut play, &line, expected, &mut random);
        let (messages, octets) = model.totals();
        assert_eq!(play.reply("STAT"), format!("+OK {messages} {octets}"), "after {line}");
    }
    let deleted = model.deleted();
    let next = play.line("QUIT").0;
    assert_eq!(next, if deleted.is_empty() { Next::Close } else { Next::Commit(deleted) });
}

fn check(play: &mut Play, line: &str, expected: Expected, random: &mut fastrand::Rng) {
    let (next, text) = play.line(line);
    match expected {
        Expected::Ok => assert!(next == Next::Read && text.starts_with("+OK "), "{line}: {text}"),
        Expected::Error => assert!(next == Next::Read && text.starts_with("-ERR "), "{line}: {text}"),
        Expected::Line(reply) => assert_eq!((next, text), (Next::Read, reply + "\r\n"), "{line}"),
        Expected::Lines(lines) => {
            let body = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>() + ".\r\n";
            assert_eq!((next, text.split_once("\r\n").unwrap().1), (Next::Read, &body[..]), "{line}");
        }
        Expected::Open(uid, octets) => {
            assert_eq!((next, text), (Next::Open { uid }, String::new()), "{line}");
            let octets = u64::from(octets);
            match random.u8(..4) {
                0 => assert!(play.event(Event::Gone).1.starts_with("-ERR ")),
                1 => assert!(play.event(Event::StoreFailed).1.starts_with("-ERR [SYS/TEMP] ")),
                2 => assert_eq!(play.event(Event::Opened { octets: octets + 1 }).0, Next::Read),
                _ => {
                    assert!(matches!(play.event(Event::Opened { octets }).0, Next::SendBody { .. }));
                    assert_eq!(play.event(Event::BodySent).0, Next::Read);
                }
            }
        }
    }
}

fn mixed_case(line: &str, random: &mut fastrand::Rng) -> String {
    line.chars().map(|letter| if random.bool() { letter.to_ascii_lowercase() } else { letter }).collect()
}

/// Any octets, in any order of states: no panic, at most one reply to a refused line, and never a wish
/// that the state can't have.
#[test]
fn random_octets_never_confuse_the_session() {
    let pieces: [&[u8]; 29] = [
        b"USER ",
        b"PASS ",
        b"AUTH ",
        b"PLAIN",
        b"LOGIN ",
        b"STAT",
        b"LIST ",
        b"RETR ",
        b"TOP ",
        b"DELE ",
        b"UIDL",
        b"RSET",
        b"QUIT",
        b"CAPA",
        b"STLS",
        b"1",
        b" 0",
        b"AGEAYg==",
        b"*",
        b"\xFF",
        b"\x01",
        b"alice",
        b"APOP ",
        b"UTF8",
        b"LANG",
        b" de",
        b" c4c9334bac560ecc979e58001b3e22fb",
        b"SCRAM-SHA-256 ",
        b"biwsbj1hLHI9YWJj",
    ];
    for seed in SEEDS {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let facts = if random.bool() { with_challenges(CLEAR) } else { CLEAR };
        let mut play = Play::greeted(Facts { offers_stls: random.bool(), ..facts });
        for _ in 0..COMMANDS {
            let line =
                (0..random.usize(..4)).map(|_| pieces[random.usize(..pieces.len())]).collect::<Vec<_>>();
            let is_followed = random.bool();
            let was_logged_in = play.session.is_logged_in();
            let (mut next, mut text) = play.event(Event::Line { line: &line.concat(), is_followed });
            while !matches!(next, Next::Read | Next::Close) {
                let is_for_logged_in = !matches!(
                    next,
                    Next::Salt { .. } | Next::Relay { .. } | Next::Verify(_) | Next::Enter | Next::StartTls
                );
                assert_eq!(was_logged_in, is_for_logged_in, "{next:?}");
                (next, text) = match next {
                    Next::Salt { .. } => {
                        play.event(Event::Salted(Salt { octets: [1; 16], iterations: 4096 }))
                    }
                    Next::Relay { .. } => play.event(Event::Relayed(Relayed::Refused(String::new()))),
                    Next::Verify(_) if random.bool() => {
                        play.event(Event::Verified { signature: Some([1; 32]) })
                    }
                    Next::Enter if random.bool() => play.event(Event::LoggedIn(maildrop(&[10, 20]), FOREVER)),
                    Next::Verify(_) | Next::Enter => play.event(Event::StoreFailed),
                    Next::StartTls => play.event(Event::TlsStarted(Box::new(SECURE))),
                    Next::Open { uid } => play.event(Event::Opened { octets: u64::from(uid.0 - 10) * 10 }),
                    Next::SendBody { .. } => play.event(Event::BodySent),
                    Next::Commit(_) => play.event(Event::Committed),
                    Next::Flush => play.event(Event::Flushed),
                    Next::Read | Next::Close => unreachable!(),
                };
            }
            assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
            if text.starts_with("-ERR") {
                assert_eq!(text.matches("\r\n").count(), 1, "{text:?}");
            }
            if next == Next::Close {
                play = Play::new(CLEAR);
            }
        }
    }
}
