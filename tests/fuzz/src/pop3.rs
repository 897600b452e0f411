//! A POP3 session played against a store that is a model, and what must hold of each reply and each wish.

use poppet::limits;
use poppet::mail::{MailboxMark, Uid};
use poppet::pop3::maildrop::Entry;
use poppet::pop3::{Event, Facts, LoginRefusal, Maildrop, Next, Policy, Session};
use poppet::sasl::{Claim, Proof};
use poppet::wire::line::LineFault;

use crate::choices::{Choices, Cuts};
use crate::peer::{Heard, Peer};
use crate::{claims, replies};

/// Plays an input: choices, then what the peer says; and once more in other segments, which must not matter.
pub fn play(input: &[u8]) {
    let Some((mut choices, stream)) = Choices::take(input) else { return };
    let cuts = Cuts::drawn(choices.octet());
    let whole = Play::new(choices.clone()).run(Peer::new(stream, Cuts::Whole));
    let cut = Play::new(choices).run(Peer::new(stream, cuts));
    assert!(whole == cut, "segments matter:\n{}\n{}", whole.escape_ascii(), cut.escape_ascii());
}

struct Play<'a> {
    session: Session,
    choices: Choices<'a>,
    facts: Facts,
    /// All replies.
    transcript: Vec<u8>,
    model: Model,
}

/// What the peer has reached, told from the replies alone.
#[derive(Default)]
struct Model {
    /// The name of the last USER that was welcome.
    named: Option<Vec<u8>>,
    /// Whether a response is awaited.
    is_exchanging: bool,
    /// Whether the claim made last has been found true.
    is_verified: bool,
    is_logged_in: bool,
    is_closed: bool,
    /// His messages' octets, and whether each is deleted.
    messages: Vec<(u32, bool)>,
}

impl<'a> Play<'a> {
    fn new(mut choices: Choices<'a>) -> Play<'a> {
        let terms = choices.terms();
        let shape = choices.octet();
        let facts = Facts {
            offers_stls: shape & 1 == 1 && terms.channel.is_none(),
            terms,
            policy: Policy {
                retain_days: (shape & 2 == 2).then_some(30),
                login_delay_seconds: u32::from(shape >> 6),
            },
            retain_differs: shape & 4 == 4,
            login_delay_differs: shape & 8 == 8,
            ..Facts::default()
        };
        let session = Session::new(facts.clone());
        Play { session, choices, facts, transcript: Vec::new(), model: Model::default() }
    }

    fn run(mut self, mut peer: Peer<'_>) -> Vec<u8> {
        let (next, reply) = self.handle(Event::Connected);
        assert_eq!((next, replies::lines(&reply).len()), (Next::Read, 1), "the greeting is one line");
        while !self.model.is_closed {
            match peer.line(self.session.line_limit()) {
                Heard::Line(line, is_followed) => self.line(&line, is_followed, &mut peer),
                Heard::Faulty(fault) => self.faulty_line(fault),
                Heard::Silence => self.misstep(),
            }
        }
        // The session is over: whatever happens now, it says nothing.
        for event in [Event::Connected, Event::Line { line: b"NOOP", is_followed: false }, Event::Committed] {
            let mut out = Vec::new();
            assert_eq!(
                (self.session.handle(event, &mut out), out),
                (Next::Close, Vec::new()),
                "it goes on after its end"
            );
        }
        self.transcript
    }

    fn handle(&mut self, event: Event<'_>) -> (Next, Vec<u8>) {
        let mut out = Vec::new();
        let next = self.session.handle(event, &mut out);
        assert!(out.len() <= limits::OUTPUT_OCTETS + 512, "{} octets of a reply wait at once", out.len());
        self.transcript.extend_from_slice(&out);
        self.model.is_closed = next == Next::Close;
        (next, out)
    }

    fn line(&mut self, line: &[u8], is_followed: bool, peer: &mut Peer<'_>) {
        let was_exchanging = self.model.is_exchanging;
        let was_logged_in = self.model.is_logged_in;
        let (mut next, mut reply) = self.handle(Event::Line { line, is_followed });
        while !matches!(next, Next::Read | Next::Close) {
            let is_of_transaction = !matches!(
                next,
                Next::StartTls | Next::Salt { .. } | Next::Relay { .. } | Next::Verify(_) | Next::Enter
            );
            assert_eq!(
                is_of_transaction, self.model.is_logged_in,
                "that wish is not of this state: {next:?}"
            );
            if next == Next::StartTls {
                assert!(!is_followed && self.facts.offers_stls, "TLS begins where it may not");
                if !peer.begin_tls() {
                    self.model.is_closed = true;
                    return;
                }
            }
            let choice = self.choices.octet();
            if choice == 0xFF {
                return self.answer_wrongly(&next);
            }
            let (then, more) = self.fulfil(next, line, was_exchanging, choice);
            next = then;
            reply.extend(more);
        }
        let lines = replies::lines(&reply);
        replies::check_pop3(&lines, !was_exchanging && is_long(line));
        assert_eq!(self.session.is_logged_in(), self.model.is_logged_in, "it is logged on, or is not");
        self.model.is_exchanging = lines[0].starts_with("+ ");
        assert!(!(self.model.is_exchanging && was_logged_in), "an exchange after logon");
        if was_logged_in {
            self.model.check_transaction(line, &lines, &next);
        } else {
            self.model.follow_authorization(line, &lines, was_exchanging);
        }
    }

    /// Does what the session wishes, or says that it can't be done.
    fn fulfil(&mut self, next: Next, line: &[u8], was_exchanging: bool, choice: u8) -> (Next, Vec<u8>) {
        match next {
            Next::Flush => self.handle(Event::Flushed),
            Next::StartTls => {
                self.model = Model::default();
                self.facts = Facts { offers_stls: false, terms: self.choices.terms(), ..self.facts.clone() };
                self.facts.terms.channel.get_or_insert_default();
                let facts = Box::new(self.facts.clone());
                self.handle(Event::TlsStarted(facts))
            }
            Next::Salt { .. } if choice.is_multiple_of(8) => self.handle(Event::StoreFailed),
            Next::Salt { .. } => self.handle(Event::Salted(claims::SALT)),
            Next::Relay { .. } if choice.is_multiple_of(8) => self.handle(Event::StoreFailed),
            Next::Relay { .. } => self.handle(Event::Relayed(claims::relayed(choice))),
            Next::Verify(claim) => self.verify(&claim, line, was_exchanging, choice),
            Next::Enter => self.enter(choice),
            Next::Open { uid } => self.open(uid, choice),
            Next::SendBody { .. } => {
                let (next, reply) = self.handle(Event::BodySent);
                assert_eq!((&next, reply.len()), (&Next::Read, 0), "it speaks behind a message");
                (next, reply)
            }
            Next::Commit(uids) => {
                assert_eq!(uids, self.model.deleted(), "it removes other messages than those deleted");
                self.handle(if choice.is_multiple_of(8) { Event::StoreFailed } else { Event::Committed })
            }
            Next::Read | Next::Close => (next, Vec::new()),
        }
    }

    fn verify(&mut self, claim: &Claim, line: &[u8], was_exchanging: bool, choice: u8) -> (Next, Vec<u8>) {
        claims::check(claim, &self.facts.terms);
        let is_pass =
            !was_exchanging && line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"PASS "));
        if let (true, Proof::Password(password)) = (is_pass, &claim.proof) {
            assert_eq!(password.expose(), &line[5..], "PASS has said another password");
            let named = self.model.named.as_deref().expect("PASS without USER");
            assert_eq!(claim.user_name.as_bytes(), named, "USER has said another name");
        }
        self.model.is_verified = false;
        match choice % 8 {
            0 => self.handle(Event::LoginRefused(LoginRefusal::BadCredentials)),
            1 => self.handle(Event::LoginRefused(LoginRefusal::Locked)),
            2 => self.handle(Event::StoreFailed),
            _ => {
                let is_scram = matches!(claim.proof, Proof::Scram(_));
                self.model.is_verified = true;
                self.handle(Event::Verified { signature: is_scram.then_some([4; 32]) })
            }
        }
    }

    fn enter(&mut self, choice: u8) -> (Next, Vec<u8>) {
        assert!(self.model.is_verified, "it lets somebody in whose claim nobody has verified");
        match choice % 8 {
            0 => self.handle(Event::LoginRefused(LoginRefusal::InUse)),
            1 => self.handle(Event::LoginRefused(LoginRefusal::TooSoon { seconds: 60 })),
            2 => self.handle(Event::StoreFailed),
            _ => {
                let count = [0, 1, 3, 70, 600][usize::from(choice / 8 % 5)];
                self.model.messages = (0..count).map(|number| (100 + number * 7, false)).collect();
                self.model.is_logged_in = true;
                let entry = |(uid, &(octets, _)): (u32, &(u32, bool))| Entry { uid: Uid(uid), octets };
                let entries = (11..).zip(&self.model.messages).map(entry).collect();
                let maildrop = Maildrop::new(MailboxMark([7; 16]), entries);
                self.handle(Event::LoggedIn(maildrop, self.facts.policy))
            }
        }
    }

    fn open(&mut self, uid: Uid, choice: u8) -> (Next, Vec<u8>) {
        let &(octets, is_deleted) = &self.model.messages[uid.0 as usize - 11];
        assert!(!is_deleted, "a deleted message is opened");
        match choice % 8 {
            0 => self.handle(Event::Gone),
            1 => self.handle(Event::StoreFailed),
            2 => self.handle(Event::Opened { octets: u64::from(octets) + 1 }),
            _ => self.handle(Event::Opened { octets: u64::from(octets) }),
        }
    }

    fn faulty_line(&mut self, fault: LineFault) {
        let (next, reply) = self.handle(Event::FaultyLine(fault));
        let lines = replies::lines(&reply);
        assert!(lines.len() == 1 && lines[0].starts_with("-ERR "), "a faulty line is answered so: {lines:?}");
        let is_in_doubt = matches!(fault, LineFault::BareLf | LineFault::Endless | LineFault::Binary);
        assert!(
            next == Next::Close || (next == Next::Read && !is_in_doubt),
            "{fault:?} is followed by {next:?}"
        );
        self.model.is_exchanging = false;
    }

    /// An event that answers another wish: the session ends, and says nothing.
    fn answer_wrongly(&mut self, next: &Next) {
        let event = match next {
            Next::Verify(_) | Next::Salt { .. } | Next::Relay { .. } => {
                Event::LoggedIn(Maildrop::new(MailboxMark([7; 16]), Vec::new()), Policy::default())
            }
            Next::Enter => Event::Verified { signature: None },
            Next::StartTls => Event::Committed,
            _ => Event::TlsStarted(Box::new(self.facts.clone())),
        };
        assert_eq!(self.handle(event), (Next::Close, Vec::new()), "it takes the answer to another wish");
    }

    /// The peer is silent: an event that answers no wish ends the session too.
    fn misstep(&mut self) {
        let event = match self.choices.one_of(8) {
            0 => Event::Verified { signature: Some([3; 32]) },
            1 => Event::LoggedIn(Maildrop::new(MailboxMark([7; 16]), Vec::new()), Policy::default()),
            2 => Event::Salted(claims::SALT),
            3 => Event::Opened { octets: 100 },
            4 => Event::Committed,
            5 => Event::BodySent,
            6 => Event::Flushed,
            _ => Event::StoreFailed,
        };
        assert_eq!(self.handle(event), (Next::Close, Vec::new()), "it takes an answer to no wish");
    }
}

impl Model {
    fn follow_authorization(&mut self, line: &[u8], lines: &[&str], was_exchanging: bool) {
        let is_ok = lines[0].starts_with("+OK");
        // Behind a blank no command begins, so the name that was told before stays.
        let is_command = !was_exchanging && line.first() != Some(&b' ');
        match words(line).first().map(|verb| verb.to_ascii_uppercase()).as_deref() {
            _ if !is_command => {}
            Some(b"USER") if is_ok => {
                let end = line.iter().rposition(|&octet| octet != b' ').map_or(0, |last| last + 1);
                self.named = Some(line[5..end].to_vec());
            }
            Some(b"PASS" | b"USER") => self.named = None,
            _ => {}
        }
    }

    /// Holds a reply against the model.
    fn check_transaction(&mut self, line: &[u8], lines: &[&str], next: &Next) {
        let words = words(line);
        let verb = words.first().map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
        let argument = words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse::<u32>().ok());
        let index = argument.and_then(|number| (number as usize).checked_sub(1));
        let message = index.and_then(|index| self.messages.get(index)).filter(|(_, is_deleted)| !is_deleted);
        let is_ok = lines[0].starts_with("+OK");
        let left = || self.messages.iter().filter(|(_, is_deleted)| !is_deleted);
        match (&verb[..], words.len()) {
            (b"STAT", 1) if is_ok => {
                let octets: u64 = left().map(|&(octets, _)| u64::from(octets)).sum();
                assert_eq!(lines[0], format!("+OK {} {octets}", left().count()), "STAT is wrong");
            }
            (b"LIST" | b"UIDL", 1) if is_ok => {
                assert_eq!(lines.len(), left().count() + 2, "the listing is wrong")
            }
            (b"LIST", 2) if is_ok => {
                let (octets, _) = message.expect("LIST of a message that is not there");
                assert_eq!(
                    lines[0],
                    format!("+OK {} {octets}", argument.unwrap_or_default()),
                    "LIST is wrong"
                );
            }
            (b"UIDL" | b"RETR", 2) | (b"TOP", 3) if is_ok => {
                assert!(message.is_some(), "it gives a message that is not there")
            }
            (b"DELE", 2) if is_ok => {
                assert!(message.is_some(), "it deletes a message that is not there");
                self.messages[index.unwrap_or_default()].1 = true;
            }
            (b"RSET", 1) if is_ok => self.messages.iter_mut().for_each(|message| message.1 = false),
            // Such a command can't fail while the session goes on.
            (b"STAT" | b"LIST" | b"UIDL" | b"RSET" | b"NOOP" | b"CAPA", 1) if !is_ok && line == verb => {
                panic!("{lines:?}")
            }
            (b"DELE", 2) if *next == Next::Read && line == [b"DELE ", words[1]].concat() => {
                let is_plain =
                    words[1].iter().all(u8::is_ascii_digit) && words[1].len() < 9 && words[1][0] != b'0';
                assert!(message.is_none() || !is_plain, "it does not delete a message that is there");
            }
            _ => {}
        }
    }

    fn deleted(&self) -> Vec<Uid> {
        let deleted = (11..).zip(&self.messages).filter(|(_, (_, is_deleted))| *is_deleted);
        deleted.map(|(uid, _)| Uid(uid)).collect()
    }
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&octet| octet == b' ').filter(|word| !word.is_empty()).collect()
}

/// Whether a command's reply has many lines, if it is one of success. RFC 1939 §5, RFC 2449 §5, RFC 5034 §4.
fn is_long(line: &[u8]) -> bool {
    let words = words(line);
    let verb = words.first().map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
    verb == b"CAPA" || (words.len() == 1 && matches!(&verb[..], b"LIST" | b"UIDL" | b"AUTH" | b"LANG"))
}
