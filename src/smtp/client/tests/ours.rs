//! The sending session and our own receiving one, face to face: what one says, the other understands.

use super::*;
use crate::clock::UnixTime;
use crate::mail::{MailboxId, Notify, OriginalRecipient, Ret};
use crate::sasl::scram::{Salt, Verifier};
use crate::sasl::{self, Channel, Proof};
use crate::smtp::{self, Door, Envelope, Facts, Now, Recipient, Session};
use crate::wire::dot::DotEncoder;
use crate::wire::line::{Line, LineReader};

/// Our server with its driver: alice's password is `canary`, and whose name begins with `no` is unknown.
struct Server {
    session: Session,
    /// What came and is not read.
    input: Vec<u8>,
    inside: sasl::Terms,
    /// What SMTP said, not yet read by the client.
    replies: Vec<u8>,
    message: Vec<u8>,
    stored: Vec<(Envelope, Vec<u8>)>,
    is_tls: bool,
    has_logged_on: bool,
    wish: Option<smtp::Next>,
}

const NOW: Now = Now { at: UnixTime(1_795_295_700), is_suspect: false };
const SALT: Salt = Salt { octets: [5; 16], iterations: 4096 };

impl Server {
    fn new(door: Door, inside: sasl::Terms) -> Server {
        let facts = Facts {
            door,
            hostname: "mail.away.test".into(),
            peer: [192, 0, 2, 1].into(),
            tls: None,
            offers_starttls: true,
            terms: sasl::Terms::default(),
            tls_terms: Some(Box::new(inside.clone())),
            message_octets: 5000,
            recipients: 4,
            device: None,
        };
        let mut server = Server {
            session: Session::new(facts),
            input: Vec::new(),
            inside,
            replies: Vec::new(),
            message: Vec::new(),
            stored: Vec::new(),
            is_tls: false,
            has_logged_on: false,
            wish: None,
        };
        server.tell(smtp::Event::Connected);
        server
    }

    fn tell(&mut self, event: smtp::Event<'_>) {
        let next = self.session.handle(event, &mut self.replies);
        self.wish = Some(next);
    }

    /// Does all that can be done with what has come.
    fn serve(&mut self) {
        while let Some(wish) = self.wish.take() {
            match wish {
                smtp::Next::Read | smtp::Next::Discard => {
                    let mut reader = LineReader::default();
                    let (used, line) = reader.next(&self.input, self.session.line_limit());
                    let Line::Whole(line) = line else {
                        assert!(matches!(line, Line::Incomplete), "{line:?}");
                        self.wish = Some(smtp::Next::Read);
                        return;
                    };
                    let (line, is_followed) = (line.to_vec(), used < self.input.len());
                    self.input.drain(..used);
                    self.tell(smtp::Event::Line { line: &line, is_followed });
                }
                smtp::Next::Receive => {
                    if !self.input.ends_with(b"\r\n.\r\n") {
                        self.wish = Some(wish);
                        return;
                    }
                    let mut receiver = self.session.receiver(NOW, 7);
                    let (used, end) = receiver.receive(&self.input, &mut self.message);
                    self.input.drain(..used);
                    self.tell(smtp::Event::Received(end.unwrap()));
                }
                smtp::Next::ReceiveChunk { octets, is_first: true, is_last: true } => {
                    let octets = usize::try_from(octets).unwrap();
                    if self.input.len() < octets {
                        self.wish = Some(wish);
                        return;
                    }
                    let mut receiver = self.session.receiver(NOW, 7);
                    receiver.receive_chunk(&self.input[..octets], &mut self.message);
                    let end = receiver.end_chunks(&mut self.message);
                    self.input.drain(..octets);
                    self.tell(smtp::Event::Received(end));
                }
                wish => self.fulfil(wish),
            }
        }
    }

    fn fulfil(&mut self, wish: smtp::Next) {
        match wish {
            smtp::Next::StartTls => {
                assert!(self.input.is_empty(), "something was said before TLS");
                self.is_tls = true;
            }
            smtp::Next::CheckSender(_) => self.tell(smtp::Event::SenderFits),
            smtp::Next::CheckSpace { .. } => self.tell(smtp::Event::SpaceFound),
            smtp::Next::LookUp { named, .. } if named.as_str().starts_with("no") => {
                self.tell(smtp::Event::Recipient(Recipient::UnknownUser));
            }
            smtp::Next::LookUp { named, .. } => {
                let number = named.as_str().bytes().map(u32::from).sum();
                let mailbox = (MailboxId(number), "alice@home.lan".parse().unwrap());
                self.tell(smtp::Event::Recipient(Recipient::Mailboxes(vec![mailbox])));
            }
            smtp::Next::Salt(user) => {
                assert_eq!(user, "alice");
                self.tell(smtp::Event::Salted(SALT));
            }
            smtp::Next::Login(claim) => {
                assert_eq!(claim.user_name, "alice");
                let signature = match &claim.proof {
                    Proof::Scram(proof) => Some(proof.verify(&Verifier::derive(b"canary", SALT))),
                    Proof::Password(password) => (password.expose() == b"canary").then_some(None),
                    Proof::CramMd5(proof) => proof.is_made_with(&Secret::new("canary")).then_some(None),
                    other => panic!("{}", other.kind()),
                };
                self.has_logged_on = signature.is_some();
                let user = "alice@home.lan".parse().unwrap();
                self.tell(signature.map_or(smtp::Event::LoginRefused, |signature| smtp::Event::LoggedIn {
                    user,
                    signature,
                }));
            }
            smtp::Next::Store(envelope) => {
                self.stored.push((envelope, std::mem::take(&mut self.message)));
                self.tell(smtp::Event::Stored);
            }
            smtp::Next::Close => {}
            wish => panic!("{wish:?}"),
        }
    }
}

/// Sends mails with their bodies; gives what they came to, and the server.
fn send(terms: Terms, mut server: Server, mails: &[(OutgoingMail, Vec<u8>)]) -> (Vec<Vec<Answer>>, Server) {
    let (mut client, mut settled, mut waiting) = (Client::new(terms), Vec::new(), mails.iter());
    let mut body: &[u8] = b"";
    let mut next = client.handle(Event::Connected { is_verified: false }, &mut server.input);
    loop {
        server.serve();
        next = match next {
            Next::Read(_) => {
                let mut reader = LineReader::default();
                let (used, line) = reader.next(&server.replies, client.line_limit());
                let Line::Whole(line) = line else { panic!("no reply: {client:?}") };
                let (line, is_followed) = (line.to_vec(), used < server.replies.len());
                server.replies.drain(..used);
                client.handle(Event::Line { line: &line, is_followed }, &mut server.input)
            }
            Next::StartTls => {
                assert!(server.is_tls && server.replies.is_empty());
                let terms = Box::new(server.inside.clone());
                server.tell(smtp::Event::TlsStarted { tls: "TLSv1.3 x".into(), terms });
                client.handle(Event::TlsStarted { is_verified: true }, &mut server.input)
            }
            Next::SendBody(Framing::Chunk) => {
                server.input.extend_from_slice(body);
                client.handle(Event::BodySent, &mut server.input)
            }
            Next::SendBody(Framing::Dot) => {
                let mut encoder = DotEncoder::default();
                encoder.encode(body, &mut server.input);
                encoder.finish(&mut server.input);
                client.handle(Event::BodySent, &mut server.input)
            }
            Next::Ready | Next::Settled { is_reusable: true, .. } => {
                if let Next::Settled { answers, .. } = next {
                    settled.push(answers);
                }
                match waiting.next() {
                    Some((mail, of_it)) => {
                        body = of_it;
                        client.handle(Event::Mail(Box::new(mail.clone())), &mut server.input)
                    }
                    None => client.handle(Event::Finish, &mut server.input),
                }
            }
            Next::Close => return (settled, server),
            next => panic!("{next:?}"),
        };
    }
}

fn inside() -> sasl::Terms {
    sasl::Terms {
        takes_passwords: true,
        takes_challenges: true,
        channel: Some(Channel::default()),
        ..Default::default()
    }
}

#[test]
fn we_log_on_at_ourselves_by_each_mechanism() {
    for (terms_inside, _name) in [
        (inside(), "SCRAM-SHA-256"),
        (sasl::Terms { lacks_verifiers: true, ..inside() }, "PLAIN"),
        (sasl::Terms { lacks_verifiers: true, takes_passwords: false, ..inside() }, "CRAM-MD5"),
    ] {
        let terms = Terms { credentials: credentials(), ..terms(HopTls::Required) };
        let (_, server) = send(terms, Server::new(Door::Submission, terms_inside), &[]);
        assert!(server.has_logged_on);
    }
}

#[test]
fn what_we_send_is_what_we_take() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..300 {
        let case = format!("seed {seed} round {round}");
        let is_submission = random.bool();
        let mails: Vec<_> = (0..random.usize(1..4)).map(|_| any_mail(&mut random)).collect();
        let (door, credentials) =
            if is_submission { (Door::Submission, credentials()) } else { (Door::Mx, None) };
        let terms = Terms { credentials, ..terms(HopTls::Required) };
        let (settled, server) = send(terms, Server::new(door, inside()), &mails);
        assert_eq!(settled.len(), mails.len(), "{case}");
        let mut stored = server.stored.into_iter();
        for ((mail, body), answers) in mails.iter().zip(settled) {
            let expected: Vec<_> = (mail.recipients.iter())
                .map(|(path, _)| match path.as_str().starts_with("no") {
                    true => Verdict::Never,
                    false => Verdict::Taken { relays_dsn: is_submission },
                })
                .collect();
            let verdicts: Vec<_> = answers.iter().map(|answer| answer.verdict).collect();
            assert_eq!(verdicts, expected, "{case}: {answers:?}");
            let taken: Vec<_> =
                mail.recipients.iter().filter(|(path, _)| !path.as_str().starts_with("no")).collect();
            if taken.is_empty() {
                continue;
            }
            let (envelope, message) = stored.next().unwrap();
            assert!(message.ends_with(body), "{case}: {}", message.escape_ascii());
            assert_eq!(envelope.reverse_path.as_str(), &*mail.reverse_path, "{case}");
            let named: Vec<_> = envelope.named.iter().map(|named| named.path.as_str()).collect();
            assert_eq!(named, taken.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), "{case}");
            if is_submission {
                assert_eq!(envelope.dsn, mail.dsn, "{case}");
                let asked: Vec<_> = envelope.named.iter().map(|named| &named.dsn).collect();
                assert_eq!(asked, taken.iter().map(|(_, dsn)| dsn).collect::<Vec<_>>(), "{case}");
            }
        }
        assert!(stored.next().is_none(), "{case}");
    }
}

fn any_mail(random: &mut fastrand::Rng) -> (OutgoingMail, Vec<u8>) {
    let text = ["Text.", ".", "..", "", "QUIT", "RSET", ".dot"];
    let mut body =
        b"From: alice@home.lan\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@home.lan>\r\n\r\n"
            .to_vec();
    (0..random.usize(..6))
        .for_each(|_| body.extend([text[random.usize(..text.len())], "\r\n"].concat().bytes()));
    let mut paths = [
        "bob@away.test",
        "no-one@away.test",
        "\"a b\"@away.test",
        "j\u{f6}rg@away.test",
        "nobody@away.test",
        "x+y=z@away.test",
    ];
    random.shuffle(&mut paths);
    let mut recipients = Vec::new();
    for path in &paths[..random.usize(1..5)] {
        let originals =
            [("rfc822", "a+b=c d@x.test"), ("utf-8", "j\u{f6}rg+\\x@x.test"), ("utf-8", "plain@x.test")];
        let (kind, address) = originals[random.usize(..originals.len())];
        let original = OriginalRecipient { address_type: kind.into(), address: address.into() };
        let notify = Notify { success: random.bool(), failure: random.bool(), delay: random.bool() };
        let dsn = RcptDsn {
            notify: random.bool().then_some(notify),
            original_recipient: random.bool().then_some(original),
        };
        recipients.push((RemoteAddress::from_path(path), dsn));
    }
    let ret = [None, Some(Ret::Full), Some(Ret::Headers)][random.usize(..3)];
    let senders = ["", "alice@home.lan", "\"al ice\"@home.lan"];
    let mail = OutgoingMail {
        reverse_path: senders[random.usize(..3)].into(),
        dsn: MailDsn { ret, envelope_id: random.bool().then(|| "a+b = 1".to_owned()) },
        octets: body.len() as u64,
        is_8bit: random.bool(),
        needs_utf8: random.bool(),
        recipients,
        ..mail(&[])
    };
    (mail, body)
}
