//! The sending session against servers of every kind.

mod fake;
mod hostile;
mod logging_on;
mod opening;
mod ours;
mod sending;

use super::*;
use crate::mail::{HopTls, MailDsn, RcptDsn, RemoteAddress, Secret};
use crate::sasl::Seed;
use fake::Fake;

fn terms(tls: HopTls) -> Terms {
    let hostname = "home.lan".into();
    Terms { is_lmtp: false, hostname, is_here: true, tls, credentials: None, seed: Seed([7; 32]) }
}

fn credentials() -> Option<Credentials> {
    Some(Credentials { user: "alice".into(), password: Secret::new("canary") })
}

fn mail(recipients: &[&str]) -> OutgoingMail {
    let addressed = |path: &&str| (RemoteAddress::from_path(path), RcptDsn::default());
    OutgoingMail {
        reverse_path: "alice@home.lan".into(),
        recipients: recipients.iter().map(addressed).collect(),
        dsn: MailDsn::default(),
        octets: 100,
        is_8bit: false,
        needs_utf8: false,
        forces_8bit: false,
    }
}

/// A session spoken with by hand.
struct Talk {
    client: Client,
    out: Vec<u8>,
}

impl Talk {
    fn new(terms: Terms) -> Talk {
        Talk { client: Client::new(terms), out: Vec::new() }
    }

    /// One that has been greeted, offered this, and is ready.
    fn ready(is_lmtp: bool, offers: &[&str]) -> Talk {
        let mut talk = Talk::new(Terms { is_lmtp, ..terms(HopTls::Opportunistic) });
        assert!(matches!(talk.give(Event::Connected { is_verified: false }), Next::Read(_)));
        assert!(matches!(talk.say("220 away.test"), Next::Read(_)));
        let lines: String = offers.iter().map(|offer| format!("250-{offer}\n")).collect();
        assert!(matches!(talk.say(&format!("250-away.test\n{lines}250 HELP")), Next::Ready));
        talk.sent();
        talk
    }

    fn give(&mut self, event: Event<'_>) -> Next {
        self.client.handle(event, &mut self.out)
    }

    /// Lines of the server that come at once.
    fn say(&mut self, lines: &str) -> Next {
        let lines: Vec<_> = lines.split('\n').collect();
        let last = lines.len() - 1;
        for line in &lines[..last] {
            let next = self.give(Event::Line { line: line.as_bytes(), is_followed: true });
            if !matches!(next, Next::Read(_) | Next::SendBody(_)) {
                return next;
            }
        }
        self.give(Event::Line { line: lines[last].as_bytes(), is_followed: false })
    }

    /// The same, with no end to the session or the mail.
    fn goes_on(&mut self, lines: &str) {
        let next = self.say(lines);
        assert!(matches!(next, Next::Read(_) | Next::StartTls | Next::SendBody(_)), "{lines}: {next:?}");
    }

    /// What was sent since the last time.
    fn sent(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }
}

fn failure(next: Next) -> (Stage, FailureKind, Reply) {
    match next {
        Next::Failed(failure) => (failure.stage, failure.kind, failure.reply),
        next => panic!("no failure: {next:?}"),
    }
}

fn settled(next: Next) -> (Vec<Verdict>, bool) {
    let (answers, is_reusable) = answers(next);
    (answers.into_iter().map(|answer| answer.verdict).collect(), is_reusable)
}

fn answers(next: Next) -> (Vec<Answer>, bool) {
    match next {
        Next::Settled { answers, is_reusable } => (answers, is_reusable),
        next => panic!("not settled: {next:?}"),
    }
}

const TAKEN: Verdict = Verdict::Taken { relays_dsn: false };
