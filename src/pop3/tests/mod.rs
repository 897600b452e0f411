//! The session as a whole, played line by line without a socket.

mod authorization;
mod capabilities;
mod language;
mod model;
mod transaction;

use super::maildrop::Entry;
use super::{BehindStls, Event, Facts, Maildrop, Next, Policy, Session};
use crate::limits;
use crate::mail::{Language, MailboxMark, Uid};
use crate::sasl::scram::Salt;
use crate::sasl::{Channel, Claim, Mechanism, Proof, Seed, Terms};
use crate::wire::line::LineFault;

const FOREVER: Policy = Policy { retain_days: None, login_delay_seconds: 0 };
/// In the clear, where passwords are taken all the same.
const CLEAR: Facts = facts(true, false, None);
/// In the clear, where they are not.
const CLOSED: Facts = facts(false, true, None);
/// Inside TLS.
const SECURE: Facts = facts(true, false, Some(CHANNEL));
const CHANNEL: Channel = Channel { exporter: None, end_point: None, has_certificate: false };
const MARK: MailboxMark = MailboxMark([7; 16]);
const UIDL_MARK: &str = "BwcHBwcHBwcHBwcHBwcHBw";

const fn facts(takes_passwords: bool, offers_stls: bool, channel: Option<Channel>) -> Facts {
    let terms = Terms {
        takes_passwords,
        takes_challenges: false,
        lacks_verifiers: false,
        relays_ntlm: false,
        channel,
        hostname: String::new(),
        seed: Seed([7; 32]),
        file_time: 0,
    };
    Facts {
        offers_stls,
        terms,
        behind_stls: BehindStls { takes_passwords: offers_stls, takes_challenges: false },
        policy: FOREVER,
        retain_differs: false,
        login_delay_differs: false,
        language: Language::German,
    }
}

/// A session, and what it said last.
struct Play {
    session: Session,
    out: Vec<u8>,
}

impl Play {
    fn new(facts: Facts) -> Play {
        let mut play = Play { session: Session::new(facts), out: Vec::new() };
        assert_eq!(play.event(Event::Connected), (Next::Read, "+OK poppet is ready\r\n".into()));
        play
    }

    /// A session whatever its greeting is.
    fn greeted(facts: Facts) -> Play {
        let mut play = Play { session: Session::new(facts), out: Vec::new() };
        let (next, text) = play.event(Event::Connected);
        assert!(next == Next::Read && text.starts_with("+OK poppet is ready"), "{text}");
        play
    }

    /// A session that has logged on to messages of those sizes; their uids are 11, 12, ….
    fn logged_on(sizes: &[u32]) -> Play {
        let mut play = Play::new(CLEAR);
        play.logs_on(sizes);
        play
    }

    fn logs_on(&mut self, sizes: &[u32]) {
        assert!(self.reply("USER alice").starts_with("+OK"));
        assert!(matches!(self.line("PASS secret").0, Next::Verify(_)));
        let (next, text) = self.enters(sizes);
        assert_eq!(next, Next::Read);
        assert!(text.starts_with("+OK alice's maildrop has "), "{text}");
        assert!(self.session.is_logged_in());
    }

    /// The claim is true, and this is the maildrop.
    fn enters(&mut self, sizes: &[u32]) -> (Next, String) {
        assert_eq!(self.event(Event::Verified { signature: None }), (Next::Enter, String::new()));
        self.event(Event::LoggedIn(maildrop(sizes), FOREVER))
    }

    fn event(&mut self, event: Event<'_>) -> (Next, String) {
        self.out.clear();
        let next = self.session.handle(event, &mut self.out);
        (next, String::from_utf8(self.out.clone()).unwrap())
    }

    fn octets(&mut self, line: &[u8]) -> (Next, String) {
        self.event(Event::Line { line, is_followed: false })
    }

    fn line(&mut self, line: &str) -> (Next, String) {
        self.octets(line.as_bytes())
    }

    /// The reply to a line after which the session goes on, without its last CRLF.
    fn reply(&mut self, line: &str) -> String {
        let (next, text) = self.line(line);
        assert_eq!(next, Next::Read, "{line}: {text}");
        text.strip_suffix("\r\n").unwrap().to_owned()
    }

    fn refuses(&mut self, line: &str) {
        let reply = self.reply(line);
        assert!(reply.starts_with("-ERR ") && !reply.contains("\r\n"), "{line:?}: {reply:?}");
    }

    fn hangs_up(&mut self, event: Event<'_>) {
        let (next, text) = self.event(event);
        assert_eq!(next, Next::Close);
        assert!(text.starts_with("-ERR ") && text.matches("\r\n").count() == 1, "{text:?}");
        assert_eq!(self.line("NOOP"), (Next::Close, String::new()));
    }
}

/// The same where APOP and CRAM-MD5 work too.
fn with_challenges(facts: Facts) -> Facts {
    Facts { terms: Terms { takes_challenges: true, ..facts.terms }, ..facts }
}

/// The mechanisms that those facts offer, as a list of the session has them.
fn offered(facts: &Facts, before: &str, between: &str) -> String {
    let names: Vec<_> = facts.terms.offered().map(Mechanism::name).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("{before}{}\r\n", names.join(between)),
    }
}

/// Who claims to be there, and with which password.
fn asked(next: &Next) -> (&str, &[u8]) {
    match next {
        Next::Verify(Claim { user_name, proof: Proof::Password(password) }) => (user_name, password.expose()),
        other => panic!("{other:?} is no logon with a password"),
    }
}

fn maildrop(sizes: &[u32]) -> Maildrop {
    let entry = |(uid, &octets)| Entry { uid: Uid(uid), octets };
    Maildrop::new(MARK, (11..).zip(sizes).map(entry).collect())
}

/// The verbs of RFC 1939, 2449, 2595, 5034 and 6856 with their arguments: in which state is which taken?
const VERBS: [(&str, bool, bool); 21] = [
    ("APOP alice c4c9334bac560ecc979e58001b3e22fb", true, false),
    ("AUTH", true, false),
    ("AUTH PLAIN", true, false),
    ("CAPA", true, true),
    ("DELE 1", false, true),
    ("LANG", true, true),
    ("LANG de", true, true),
    ("LAST", false, false),
    ("LIST", false, true),
    ("NOOP", false, true),
    ("PASS secret", true, false),
    ("QUIT", true, true),
    ("RETR 1", false, true),
    ("RSET", false, true),
    ("STAT", false, true),
    ("STLS", true, false),
    ("TOP 1 0", false, true),
    ("UIDL", false, true),
    ("USER alice", true, false),
    ("UTF8", true, false),
    ("XTND XMIT", false, false),
];

#[test]
fn each_verb_is_taken_in_its_states_only_s_063_s_233_s_244() {
    for (line, before_logon, after_logon) in VERBS {
        let mut play = Play::greeted(Facts { offers_stls: true, ..with_challenges(CLEAR) });
        play.reply("USER alice");
        let (next, text) = play.line(line);
        assert_eq!(!text.starts_with("-ERR"), before_logon, "{line} before logon: {text}");
        let goes_on = !matches!(line, "PASS secret" | "QUIT" | "STLS") && !line.starts_with("APOP");
        assert_eq!(next == Next::Read, goes_on, "{line}");

        let mut play = Play::logged_on(&[10]);
        let (next, text) = play.line(line);
        assert_eq!(!text.starts_with("-ERR"), after_logon, "{line} after logon: {text}");
        assert_eq!(next == Next::Read, !matches!(line, "QUIT" | "RETR 1" | "TOP 1 0"), "{line}");

        let mut play = Play::logged_on(&[10]);
        play.reply("DELE 1");
        assert_eq!(play.line("QUIT"), (Next::Commit(vec![Uid(11)]), String::new()));
        assert_eq!(play.line(line), (Next::Close, String::new()), "{line} in UPDATE");
    }
}

#[test]
fn the_dialog_of_rfc_1939_section_10() {
    let mut play = Play::new(CLEAR);
    assert_eq!(play.reply("USER mrose"), "+OK and the password?");
    let (next, text) = play.line("PASS tanstaaf");
    assert_eq!((asked(&next), text.as_str()), (("mrose", &b"tanstaaf"[..]), ""));
    let reply = "+OK mrose's maildrop has 2 messages (320 octets)\r\n";
    assert_eq!(play.enters(&[120, 200]), (Next::Read, reply.into()));
    assert_eq!(play.reply("STAT"), "+OK 2 320");
    assert_eq!(play.reply("LIST"), "+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.");
    for (number, octets) in [(1, 120), (2, 200)] {
        let uid = Uid(10 + number);
        assert_eq!(play.line(&format!("RETR {number}")), (Next::Open { uid }, String::new()));
        let reply = format!("+OK {octets} octets\r\n");
        let send = Next::SendBody { body_lines: None };
        assert_eq!(play.event(Event::Opened { octets }), (send, reply));
        assert_eq!(play.event(Event::BodySent), (Next::Read, String::new()));
        assert_eq!(play.reply(&format!("DELE {number}")), format!("+OK message {number} deleted"));
    }
    assert_eq!(play.line("QUIT"), (Next::Commit(vec![Uid(11), Uid(12)]), String::new()));
    assert_eq!(play.event(Event::Committed), (Next::Close, "+OK goodbye; deleted: 2\r\n".into()));
}

#[test]
fn faulty_lines_get_one_reply_each_s_023_s_024_s_234() {
    for is_logged_on in [false, true] {
        for fault in [LineFault::TooLong, LineFault::BareCr, LineFault::Nul] {
            let mut play = if is_logged_on { Play::logged_on(&[1]) } else { Play::new(CLEAR) };
            play.reply("CAPA");
            let (next, text) = play.event(Event::FaultyLine(fault));
            assert_eq!((next, text.matches("\r\n").count()), (Next::Read, 1), "{fault:?}");
            assert!(text.starts_with("-ERR "), "{text}");
            play.reply("CAPA");
        }
    }
}

#[test]
fn a_line_whose_end_is_in_doubt_ends_the_session_s_022_s_051() {
    for fault in [LineFault::BareLf, LineFault::Endless] {
        Play::new(CLEAR).hangs_up(Event::FaultyLine(fault));
        Play::logged_on(&[1]).hangs_up(Event::FaultyLine(fault));
    }
}

#[test]
fn another_protocol_ends_the_session_at_its_first_line_s_066_s_067() {
    for line in [&b"GET /evil HTTP/1.1"[..], b"POST / HTTP/1.1", b"\x16\x03\x01", b"\xFF", b"SSH-2.0-x"] {
        Play::new(CLEAR).hangs_up(Event::Line { line, is_followed: true });
        let mut play = Play::new(CLEAR);
        play.reply("CAPA");
        assert_eq!(play.octets(line).0, Next::Read);
        assert_eq!(Play::logged_on(&[1]).octets(line).0, Next::Read);
    }
    Play::new(CLEAR).hangs_up(Event::FaultyLine(LineFault::Nul));
}

#[test]
fn mistakes_are_counted_and_end_the_session_s_060() {
    for (mut play, most) in
        [(Play::new(CLEAR), limits::ERRORS_PER_SESSION), (Play::logged_on(&[1]), limits::ERRORS_AFTER_LOGON)]
    {
        for count in 1..most {
            match count % 3 {
                0 => drop(play.event(Event::FaultyLine(LineFault::TooLong))),
                1 => play.refuses("WHATISTHIS"),
                _ => play.refuses("LIST x"),
            }
        }
        play.hangs_up(Event::Line { line: b"WHATISTHIS", is_followed: false });
    }
}

#[test]
fn mistakes_before_logon_are_forgiven_by_it() {
    let mut play = Play::new(CLEAR);
    for _ in 1..limits::ERRORS_PER_SESSION {
        play.refuses("WHATISTHIS");
    }
    play.logs_on(&[1]);
    for _ in 1..limits::ERRORS_AFTER_LOGON {
        play.refuses("WHATISTHIS");
    }
    play.hangs_up(Event::Line { line: b"WHATISTHIS", is_followed: false });
}

#[test]
fn foreign_text_is_never_sent_back_s_025() {
    for octet in (0..=0x1F).chain(0x7F..=0xFF_u8) {
        for line in [&b"CAPA"[..], b"USER ", b"PASS ", b"AUTH ", b"AUTH PLAIN "] {
            let mut play = Play::new(CLEAR);
            let line = [line, &[octet], b"XYZZY"].concat();
            play.reply("CAPA");
            let (_, text) = play.octets(&line);
            assert!(!text.contains("XYZZY") && text.trim_end().is_ascii(), "{line:?} {text:?}");
        }
    }
}

#[test]
fn events_that_nothing_asked_for_close_the_session() {
    let uncalled: [fn() -> Event<'static>; 11] = [
        || Event::TlsStarted(Box::new(SECURE)),
        || Event::Salted(Salt { octets: [1; 16], iterations: 4096 }),
        || Event::Verified { signature: None },
        || Event::LoggedIn(maildrop(&[1]), FOREVER),
        || Event::LoginRefused(super::LoginRefusal::BadCredentials),
        || Event::Opened { octets: 10 },
        || Event::Gone,
        || Event::BodySent,
        || Event::Flushed,
        || Event::Committed,
        || Event::StoreFailed,
    ];
    for event in uncalled {
        for mut play in [Play::new(CLEAR), Play::logged_on(&[10])] {
            assert_eq!(play.event(event()), (Next::Close, String::new()), "{:?}", event());
        }
    }
    let busy: [(&str, &str); 3] = [("USER a", "PASS b"), ("", "RETR 1"), ("", "TOP 1 1")];
    for (first, wish) in busy {
        let mut play = if first.is_empty() { Play::logged_on(&[10]) } else { Play::new(CLEAR) };
        if !first.is_empty() {
            play.reply(first);
        }
        assert_ne!(play.line(wish).0, Next::Read);
        assert_eq!(play.line("CAPA"), (Next::Close, String::new()));
    }
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 256, "{}", size_of::<Session>());
}
