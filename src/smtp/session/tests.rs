//! Dialogs with a session whose driver answers every wish at once.

mod chunks;
mod devices;
mod hello;
mod leaving;
mod limit;
mod logon;
mod mail;
mod order;
mod senders;

use super::*;
use crate::clock::UnixTime;
use crate::mail::MailboxId;
use crate::sasl::{Channel, Proof, Relayed, Terms};
use crate::smtp::{DataEnd, Door, ForwardPath, Recipient};

/// base64 of NUL alice NUL right, and of NUL alice NUL wrong.
const RIGHT: &str = "AGFsaWNlAHJpZ2h0";
const WRONG: &str = "AGFsaWNlAHdyb25n";

fn facts(door: Door) -> Facts {
    Facts {
        door,
        hostname: "mail.home.lan".into(),
        peer: [192, 0, 2, 1].into(),
        tls: None,
        offers_starttls: true,
        terms: Terms { takes_passwords: door == Door::Submission, ..Terms::default() },
        tls_terms: None,
        message_octets: 1000,
        recipients: 5,
        device: None,
    }
}

/// What the store says of a sender.
type SenderAnswer = fn() -> Event<'static>;
/// What becomes of a chunk; it is told whether it is the last.
type ChunkAnswer = fn(bool) -> Event<'static>;

/// A session, and what stands for its driver and its store: alice, bob and jörg live at home.lan.
struct Talk {
    session: Session,
    space: bool,
    sender: SenderAnswer,
    chunk: ChunkAnswer,
    /// What the session wished of the store, in words, but for what each mail needs.
    wishes: Vec<String>,
    stored: Vec<(Envelope, String)>,
    terms_inside_tls: Terms,
    /// Whether octets of a message are here: no mail may get those of another one.
    is_message_held: bool,
    is_closed: bool,
}

fn good_chunk(is_last: bool) -> Event<'static> {
    if is_last { Event::Received(DataEnd::Good) } else { Event::ChunkReceived }
}

impl Talk {
    fn with(facts: Facts) -> Talk {
        let inside = Terms { channel: Some(Channel::default()), ..facts.terms.clone() };
        let mut talk = Talk {
            session: Session::new(facts),
            space: true,
            sender: || Event::SenderFits,
            chunk: good_chunk,
            wishes: Vec::new(),
            stored: Vec::new(),
            terms_inside_tls: inside,
            is_message_held: false,
            is_closed: false,
        };
        assert_eq!(talk.tell(Event::Connected), "220 mail.home.lan ESMTP poppet\r\n");
        talk
    }

    /// On the open port, EHLO said.
    fn mx() -> Talk {
        let mut talk = Talk::with(facts(Door::Mx));
        assert!(talk.say("EHLO client.example").starts_with("250-"));
        talk
    }

    /// On the submission port, EHLO said and alice logged on.
    fn submission() -> Talk {
        let mut talk = Talk::with(facts(Door::Submission));
        assert!(talk.say("EHLO client.example").starts_with("250-"));
        assert_eq!(talk.say(&format!("AUTH PLAIN {RIGHT}")), "235 2.7.0 Authentication successful\r\n");
        talk
    }

    fn say(&mut self, line: &str) -> String {
        self.say_octets(line.as_bytes(), false)
    }

    fn say_octets(&mut self, line: &[u8], is_followed: bool) -> String {
        self.tell(Event::Line { line, is_followed })
    }

    /// Says lines, each of which must be answered by that code.
    fn dialog(&mut self, lines: &[(&str, &str)]) {
        for (line, code) in lines {
            let reply = self.say(line);
            assert!(reply.starts_with(code), "{line:?} -> {reply:?}, not {code}");
        }
    }

    fn tell(&mut self, event: Event<'_>) -> String {
        assert!(!self.is_closed, "nothing is said to a closed session");
        let mut out = Vec::new();
        let mut next = self.session.handle(event, &mut out);
        while let Some(answer) = self.carry_out(next) {
            next = self.session.handle(answer, &mut out);
        }
        let reply = String::from_utf8(out).unwrap();
        assert_well_formed(&reply);
        reply
    }

    /// Does what a driver does, and gives the answer, if the wish has one now.
    fn carry_out(&mut self, next: Next) -> Option<Event<'static>> {
        Some(match next {
            Next::Read => return None,
            Next::Discard => {
                assert!(std::mem::take(&mut self.is_message_held), "there is nothing to throw away");
                self.wishes.push("discard".into());
                return None;
            }
            Next::Receive => {
                assert!(!std::mem::replace(&mut self.is_message_held, true), "two messages in one");
                return None;
            }
            Next::Close => {
                self.is_closed = true;
                return None;
            }
            Next::StartTls => Event::TlsStarted {
                tls: "TLSv1.3 TLS13_AES_128_GCM_SHA256".into(),
                terms: Box::new(self.terms_inside_tls.clone()),
            },
            Next::Salt(_) => Event::StoreFailed,
            Next::Relay(_) => Event::Relayed(Relayed::Refused(String::new())),
            Next::Login(claim) => match claim.proof {
                Proof::Password(password) if password.expose() == b"right" => alice_logged_in(None),
                Proof::Password(password) if password.expose() == b"busy" => Event::LoginBusy,
                Proof::Password(password) if password.expose() == b"no store" => Event::StoreFailed,
                _ => Event::LoginRefused,
            },
            Next::CheckSender(path) => {
                self.wishes.push(format!("sender <{}>", path.as_str()));
                (self.sender)()
            }
            Next::ReceiveChunk { octets, is_first, is_last } => {
                assert_eq!(is_first, !self.is_message_held, "two messages in one");
                self.is_message_held = true;
                self.wishes.push(format!("chunk {octets}{}", if is_last { " last" } else { "" }));
                (self.chunk)(is_last)
            }
            Next::SkipChunk { octets } => {
                self.is_message_held = false;
                self.wishes.push(format!("skip {octets}"));
                Event::ChunkSkipped
            }
            Next::LookUp { path, octets, .. } => {
                self.wishes.push(format!("look up for {octets}"));
                Event::Recipient(look_up(&path))
            }
            Next::CheckSpace { .. } if self.space => Event::SpaceFound,
            Next::CheckSpace { .. } => Event::SpaceLacking,
            Next::Store(envelope) => {
                assert!(std::mem::take(&mut self.is_message_held), "there is nothing to store");
                self.stored.push((envelope, String::new()));
                Event::Stored
            }
        })
    }

    /// The wishes since the last time.
    fn wishes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wishes)
    }

    /// Sends the data of the mail under way.
    fn data(&mut self, data: &[u8]) -> String {
        let now = Now { at: UnixTime(1_795_295_700), is_suspect: false };
        let mut receiver = self.session.receiver(now, 7);
        let mut message = Vec::new();
        let (used, end) = receiver.receive(data, &mut message);
        assert_eq!(used, data.len());
        let stored = self.stored.len();
        let reply = self.tell(Event::Received(end.expect("the data have no end")));
        if let Some((_, text)) = self.stored.get_mut(stored) {
            *text = String::from_utf8(message).unwrap();
        }
        reply
    }

    /// A mail from the first line to the last, to alice.
    fn send(&mut self) -> String {
        self.dialog(&[
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<alice@home.lan>", "250"),
            ("DATA", "354"),
        ]);
        self.data(b"Subject: x\r\n\r\ntext\r\n.\r\n")
    }
}

fn alice_logged_in(signature: Option<[u8; 32]>) -> Event<'static> {
    Event::LoggedIn { user: at_home("alice"), signature }
}

/// Terms that let passwords travel inside TLS only.
fn passwords_inside_tls(door: Door) -> Facts {
    let inside = Terms { takes_passwords: true, channel: Some(Channel::default()), ..Terms::default() };
    Facts { terms: Terms::default(), tls_terms: Some(Box::new(inside)), ..facts(door) }
}

fn look_up(path: &ForwardPath) -> Recipient {
    let mailbox = |number, name: &str| Recipient::Mailboxes(vec![(MailboxId(number), at_home(name))]);
    let ours = |domain: &crate::mail::Domain| domain.as_str() == "home.lan";
    match path {
        ForwardPath::Postmaster => mailbox(1, "alice"),
        ForwardPath::Role(_, domain) if ours(domain) => mailbox(1, "alice"),
        ForwardPath::Address(address) if ours(&address.domain()) => match address.local_part() {
            "alice" => mailbox(1, "alice"),
            "bob" => mailbox(2, "bob"),
            "jörg" => mailbox(3, "jörg"),
            // A list with both.
            "all" => {
                let both = [(1, "alice"), (2, "bob")];
                Recipient::Mailboxes(both.map(|(number, name)| (MailboxId(number), at_home(name))).to_vec())
            }
            "locked" => Recipient::Locked,
            "full" => Recipient::Full { is_final: true },
            "fullnow" => Recipient::Full { is_final: false },
            name if name.starts_with("user") => mailbox(name[4..].parse().unwrap(), name),
            _ => Recipient::UnknownUser,
        },
        ForwardPath::OtherLocalPart(domain) if ours(domain) => Recipient::UnknownUser,
        _ => Recipient::ForeignDomain,
    }
}

fn at_home(name: &str) -> Address {
    format!("{name}@home.lan").parse().unwrap()
}

/// RFC 5321 §4.2 and RFC 2034 §4: whole lines, a code and, but for greetings and 3xx, an enhanced code of
/// the same class.
fn assert_well_formed(reply: &str) {
    assert!(reply.is_empty() || reply.ends_with("\r\n"), "{reply:?}");
    for line in reply.split_terminator("\r\n") {
        let (code, text) = line.split_at(3);
        assert!(code.bytes().all(|octet| octet.is_ascii_digit()), "{line:?}");
        assert!(line.len() <= 510 && line.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{line:?}");
        let is_greeting = line.contains("ESMTP poppet") || text.starts_with('-') || is_hello_text(&text[1..]);
        if !code.starts_with('3') && !is_greeting {
            let enhanced = text[1..].split(' ').next().unwrap();
            assert_eq!(enhanced.split('.').count(), 3, "{line:?}");
            assert_eq!(enhanced[..1], code[..1], "{line:?}");
        }
    }
}

fn is_hello_text(text: &str) -> bool {
    text == "HELP" || text == "mail.home.lan"
}
