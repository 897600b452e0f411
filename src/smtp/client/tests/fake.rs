//! A server that does all right, but says at one step what it is told to.

use super::*;

/// The server.
#[derive(Debug, Clone)]
pub(super) struct Fake {
    pub(super) offers: Vec<&'static str>,
    pub(super) is_lmtp: bool,
    /// Where it says something else, the how manieth time, and what; nothing for going away.
    pub(super) odd: Option<(Stage, usize, Option<String>)>,
    seen: Vec<Stage>,
    recipients: usize,
    has_mail: bool,
}

/// What a session came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Course {
    pub(super) settled: Vec<(Vec<Verdict>, bool)>,
    pub(super) failure: Option<(Stage, FailureKind)>,
    pub(super) sent: String,
}

impl Fake {
    pub(super) fn new(is_lmtp: bool, offers: &[&'static str]) -> Fake {
        Fake { offers: offers.to_vec(), is_lmtp, odd: None, seen: Vec::new(), recipients: 0, has_mail: false }
    }

    pub(super) fn odd(mut self, stage: Stage, time: usize, says: Option<&str>) -> Fake {
        self.odd = Some((stage, time, says.map(str::to_owned)));
        self
    }

    /// Drives a session with it: mails one after the other, then the end.
    pub(super) fn play(mut self, terms: Terms, mails: &[OutgoingMail]) -> Course {
        let mut client = Client::new(Terms { is_lmtp: self.is_lmtp, ..terms });
        let (mut course, mut out, mut mails) = (Course::default(), Vec::new(), mails.iter());
        let mut replies: std::collections::VecDeque<String> =
            self.answer(Stage::Greeting, "220 away.test").into();
        let is_tls = client.terms.tls == HopTls::Implicit;
        let mut next = client.handle(Event::Connected { is_verified: is_tls }, &mut out);
        for _ in 0..1000 {
            if !matches!(next, Next::SendBody(_)) {
                let said = std::mem::take(&mut out);
                course.sent.push_str(std::str::from_utf8(&said).unwrap());
                replies.extend(self.hear(&said));
            }
            next = match next {
                Next::Read(_) => match replies.pop_front() {
                    Some(line) if line == "GONE" => client.handle(Event::Lost, &mut out),
                    Some(line) => {
                        let is_followed = !replies.is_empty();
                        client.handle(Event::Line { line: line.as_bytes(), is_followed }, &mut out)
                    }
                    None => client.handle(Event::TimedOut, &mut out),
                },
                Next::StartTls => client.handle(Event::TlsStarted { is_verified: true }, &mut out),
                Next::Settled { answers, is_reusable } => {
                    course
                        .settled
                        .push((answers.into_iter().map(|answer| answer.verdict).collect(), is_reusable));
                    let mail = mails.next().filter(|_| is_reusable);
                    client.handle(
                        mail.map_or(Event::Finish, |mail| Event::Mail(Box::new(mail.clone()))),
                        &mut out,
                    )
                }
                Next::Ready => {
                    let mail = mails.next();
                    client.handle(
                        mail.map_or(Event::Finish, |mail| Event::Mail(Box::new(mail.clone()))),
                        &mut out,
                    )
                }
                Next::SendBody(framing) => {
                    course.sent.push_str(std::str::from_utf8(&std::mem::take(&mut out)).unwrap());
                    course.sent.push_str(if framing == Framing::Dot { "(body)\r\n.\r\n" } else { "(body)" });
                    replies.extend(self.end());
                    client.handle(Event::BodySent, &mut out)
                }
                Next::Failed(failure) => {
                    course.failure = Some((failure.stage, failure.kind));
                    return course;
                }
                Next::Close => return course,
            };
        }
        panic!("it does not end: {course:?}");
    }

    fn answer(&mut self, stage: Stage, usual: &str) -> Vec<String> {
        self.seen.push(stage);
        let time = self.seen.iter().filter(|&&seen| seen == stage).count();
        let said = match &self.odd {
            Some((at, when, says)) if (*at, *when) == (stage, time) => says.clone().unwrap_or("GONE".into()),
            _ => usual.to_owned(),
        };
        match (stage, said.as_bytes()[0]) {
            (Stage::Mail, b'2') => (self.has_mail, self.recipients) = (true, 0),
            (Stage::Recipient, b'2') => self.recipients += 1,
            _ => {}
        }
        said.split('\n').map(str::to_owned).collect()
    }

    fn hear(&mut self, said: &[u8]) -> Vec<String> {
        let said = String::from_utf8(said.to_vec()).unwrap();
        assert!(said.is_empty() || said.ends_with("\r\n"), "{said:?}");
        let mut replies = Vec::new();
        for line in said.split_terminator("\r\n") {
            let verb = line.split(' ').next().unwrap_or_default();
            let offers: String = self.offers.iter().map(|offer| format!("250-{offer}\n")).collect();
            replies.extend(match verb {
                "EHLO" | "LHLO" => self.answer(Stage::Hello, &format!("250-away.test\n{offers}250 HELP")),
                "HELO" => self.answer(Stage::Hello, "250 away.test"),
                "STARTTLS" => self.answer(Stage::StartTls, "220 go"),
                "AUTH" => self.answer(Stage::Logon, "235 welcome"),
                "MAIL" => self.answer(Stage::Mail, "250 sender"),
                "RCPT" if self.has_mail => self.answer(Stage::Recipient, "250 recipient"),
                "RCPT" => self.answer(Stage::Recipient, "503 no mail"),
                "DATA" if self.recipients > 0 => self.answer(Stage::Data, "354 go"),
                "DATA" => self.answer(Stage::Data, "503 no recipients"),
                "BDAT" => Vec::new(),
                "." => vec!["554 no recipients".into()],
                "RSET" => self.answer(Stage::Ready, "250 reset"),
                "QUIT" => vec!["221 bye".into()],
                _ => panic!("{line:?} is no command"),
            });
        }
        replies
    }

    fn end(&mut self) -> Vec<String> {
        let count = if self.is_lmtp { self.recipients } else { 1 };
        (self.has_mail, self.recipients) = (false, 0);
        (0..count).flat_map(|_| self.answer(Stage::End, "250 stored")).collect()
    }
}
