//! A sending session played against a server that says anything, and what must hold of each command and each answer.

use poppet::mail::{HopTls, MailDsn, Notify, OriginalRecipient, RcptDsn, RemoteAddress, Ret, Secret};
use poppet::sasl::Seed;
use poppet::smtp::client::{
    Answer, Client, Credentials, Event, Failure, FailureKind, Framing, Next, OutgoingMail, Terms, Verdict,
};

use crate::choices::{Choices, Cuts};
use crate::peer::{Heard, Peer};

/// Plays an input: choices, then what the server says, one flight each time it is waited for; and once more in other
/// segments, which must not matter.
pub fn play(input: &[u8]) {
    let Some((mut choices, stream)) = Choices::take(input) else { return };
    let cuts = Cuts::drawn(choices.octet());
    let whole = Play::new(choices.clone()).run(stream, Cuts::Whole);
    let cut = Play::new(choices).run(stream, cuts);
    assert!(whole == cut, "segments matter:\n{whole}\n{cut}");
}

/// What no command of ours may have.
const PASSWORD: &str = "canary";
/// Events that a session may need; each reads a line, or ends a mail.
const MOST_EVENTS: usize = 20_000;

struct Play<'a> {
    client: Client,
    choices: Choices<'a>,
    tls: HopTls,
    /// Whether TLS is on and the server proven.
    is_verified: bool,
    is_tls: bool,
    has_credentials: bool,
    /// Whether the last whole reply asked for a response.
    is_challenged: bool,
    /// The recipients of the mail under way.
    mail: Option<usize>,
    /// Whether its body is sent to its end, and whole replies of success since then.
    successes: Option<usize>,
    is_sending: bool,
    mails: usize,
    transcript: String,
}

impl<'a> Play<'a> {
    fn new(mut choices: Choices<'a>) -> Play<'a> {
        let shape = choices.octet();
        let tls = [HopTls::Opportunistic, HopTls::Required, HopTls::Implicit][usize::from(shape % 3)];
        let has_credentials = shape & 4 != 0;
        let credentials =
            has_credentials.then(|| Credentials { user: "alice".into(), password: Secret::new(PASSWORD) });
        let terms = Terms {
            is_lmtp: shape & 8 != 0,
            hostname: "home.lan".into(),
            is_here: shape & 16 != 0,
            tls,
            credentials,
            seed: Seed([shape; 32]),
        };
        Play {
            client: Client::new(terms),
            choices,
            tls,
            is_verified: false,
            is_tls: tls == HopTls::Implicit,
            has_credentials,
            is_challenged: false,
            mail: None,
            successes: None,
            is_sending: false,
            mails: 0,
            transcript: String::new(),
        }
    }

    fn run(mut self, stream: &[u8], cuts: Cuts) -> String {
        let mut peer = Peer::new(stream, cuts);
        let is_verified = !self.choices.octet().is_multiple_of(4);
        self.is_verified = is_verified && self.is_tls;
        let mut next = self.tell(Event::Connected { is_verified });
        for _ in 0..MOST_EVENTS {
            next = match next {
                Next::Read(time) => {
                    assert!(!time.is_zero(), "it waits for nothing");
                    self.hear(&mut peer)
                }
                Next::StartTls => {
                    assert!(!self.is_tls, "TLS inside TLS");
                    if !peer.begin_tls() {
                        return self.transcript;
                    }
                    let is_verified = !self.choices.octet().is_multiple_of(4);
                    (self.is_tls, self.is_verified) = (true, is_verified);
                    self.tell(Event::TlsStarted { is_verified })
                }
                Next::SendBody(framing) => self.send_body(framing, &mut peer),
                Next::Ready => self.ready(),
                Next::Settled { answers, is_reusable } => {
                    self.settle(&answers);
                    if is_reusable { self.ready() } else { self.tell(Event::Finish) }
                }
                Next::Failed(failure) => {
                    self.fail(&failure);
                    break;
                }
                Next::Close => break,
            };
        }
        assert_eq!(self.mail, None, "a mail has no answer");
        for event in [Event::Finish, Event::Lost, Event::Line { line: b"250 x", is_followed: false }] {
            let mut out = Vec::new();
            let next = self.client.handle(event, &mut out);
            assert!(matches!(next, Next::Close) && out.is_empty(), "it goes on after its end");
        }
        self.transcript
    }

    fn tell(&mut self, event: Event<'_>) -> Next {
        let mut out = Vec::new();
        let next = self.client.handle(event, &mut out);
        assert!(out.is_empty() || out.ends_with(b"\r\n"), "half a line is said: {}", out.escape_ascii());
        let said = std::str::from_utf8(&out).expect("what is said is no text");
        for line in said.split_terminator("\r\n") {
            self.check(line);
        }
        self.transcript.push_str(said);
        next
    }

    /// Whether a line may be said now.
    fn check(&mut self, line: &str) {
        assert!(
            line.len() + 2 <= 2048 && !line.chars().any(char::is_control),
            "a line that is none: {line:?}"
        );
        if std::mem::take(&mut self.is_challenged) && line != "QUIT" {
            assert!(self.is_verified, "a response where nobody is proven: {line}");
            return;
        }
        let is_clear = self.tls != HopTls::Opportunistic && !self.is_tls;
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" | "HELO" | "LHLO" => assert!(line.ends_with(" home.lan"), "{line}"),
            "STARTTLS" => assert!(!self.is_tls && line == "STARTTLS", "{line}"),
            "AUTH" => assert!(self.has_credentials && self.is_verified, "AUTH where nobody is proven"),
            "MAIL" => assert!(self.mail.is_some() && !is_clear && line.starts_with("MAIL FROM:<"), "{line}"),
            "RCPT" => assert!(self.mail.is_some() && line.starts_with("RCPT TO:<"), "{line}"),
            "DATA" | "RSET" | "." => assert!(self.mail.is_some() && !line.contains(' '), "{line}"),
            "BDAT" => assert!(self.mail.is_some() && line == "BDAT 300 LAST", "{line}"),
            "QUIT" => assert_eq!(line, "QUIT"),
            _ => panic!("no command: {line}"),
        }
    }

    fn hear(&mut self, peer: &mut Peer<'_>) -> Next {
        match peer.line(self.client.line_limit()) {
            Heard::Line(line, is_followed) => {
                self.is_challenged = line.starts_with(b"334") && line.get(3) != Some(&b'-');
                let is_success = line.starts_with(b"2") && line.get(3) != Some(&b'-');
                if let Some(successes) = self.successes.as_mut().filter(|_| is_success) {
                    *successes += 1;
                }
                self.tell(Event::Line { line: &line, is_followed })
            }
            Heard::Faulty(fault) => self.tell(Event::FaultyLine(fault)),
            Heard::Silence if self.choices.octet() & 1 == 0 => self.tell(Event::TimedOut),
            Heard::Silence => self.tell(Event::Lost),
        }
    }

    fn send_body(&mut self, _: Framing, peer: &mut Peer<'_>) -> Next {
        assert!(self.mail.is_some() && self.successes.is_none(), "a body without a mail, or a second one");
        self.is_sending = true;
        match self.choices.one_of(8) {
            // The server speaks before the end.
            0 => self.hear(peer),
            1 => self.tell(Event::Lost),
            _ => {
                self.successes = Some(0);
                self.tell(Event::BodySent)
            }
        }
    }

    fn ready(&mut self) -> Next {
        assert!(self.mail.is_none(), "a mail has no answer");
        assert!(self.tls == HopTls::Opportunistic || self.is_verified, "it is ready for mail in the clear");
        if self.mails == 3 {
            return self.tell(Event::Finish);
        }
        self.mails += 1;
        let mail = self.draw_mail();
        self.mail = Some(mail.recipients.len());
        (self.successes, self.is_sending) = (None, false);
        self.tell(Event::Mail(Box::new(mail)))
    }

    fn draw_mail(&mut self) -> OutgoingMail {
        let bits = self.choices.octet();
        let has = |bit: u8| bits >> bit & 1 == 1;
        let paths = ["a@b.test", "jörg@b.test", "\"a b\"@b.test", "c@b.test", "a>\r\nDATA", "d@b.test"];
        let count = usize::from(self.choices.one_of(5)) + 1;
        let from = usize::from(self.choices.one_of(6));
        let dsn = RcptDsn {
            notify: has(0).then_some(Notify { failure: true, ..Notify::default() }),
            original_recipient: has(1).then(|| OriginalRecipient {
                address_type: "utf-8".into(),
                address: "jörg\r\n@b.test".into(),
            }),
        };
        let recipient =
            |number: usize| (RemoteAddress::from_path(paths[(from + number) % paths.len()]), dsn.clone());
        OutgoingMail {
            reverse_path: if has(2) { "alice@home.lan".into() } else { "".into() },
            recipients: (0..count).map(recipient).collect(),
            dsn: MailDsn { ret: has(3).then_some(Ret::Full), envelope_id: has(4).then(|| "a =+b".into()) },
            octets: 300,
            is_8bit: has(5),
            needs_utf8: has(6),
            forces_8bit: has(7),
        }
    }

    fn settle(&mut self, answers: &[Answer]) {
        assert_eq!(self.mail.take(), Some(answers.len()), "not one answer for each recipient");
        let of =
            |wanted: fn(&Verdict) -> bool| answers.iter().filter(|answer| wanted(&answer.verdict)).count();
        let (taken, unsure) = (of(|it| matches!(it, Verdict::Taken { .. })), of(|it| *it == Verdict::Unsure));
        assert!(taken == 0 || self.successes.is_some_and(|count| count > 0), "taken, and nobody has said so");
        assert!(unsure == 0 || self.successes.is_some(), "unsure, and the end was not sent");
        for answer in answers {
            check_text(&answer.reply.text);
            let is_said = answer.reply.code != 0;
            assert!(!is_said || (200..600).contains(&answer.reply.code), "a code that is none");
        }
        self.transcript.push_str(&format!("{answers:?}\n"));
    }

    fn fail(&mut self, failure: &Failure) {
        assert_eq!(self.mail, None, "a mail has no answer");
        assert!(
            failure.kind != FailureKind::LogonRefused || self.has_credentials,
            "a logon that nobody wanted"
        );
        check_text(&failure.reply.text);
        self.transcript.push_str(&format!("{failure:?}\n"));
    }
}

/// Whether a text can stand in a log, a table and a report (S-132, S-133).
fn check_text(text: &str) {
    let is_harmless = text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
    assert!(is_harmless && text.len() <= poppet::limits::KEPT_REPLY_OCTETS, "a text does harm: {text:?}");
}
