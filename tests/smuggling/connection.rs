//! A whole connection in memory: a session, the codecs before it, and a store that keeps all.

use std::net::IpAddr;

use poppet::mail::{Address, MailboxId};
use poppet::sasl::{Claim, Proof, Terms};
use poppet::smtp::{Door, Event, Facts, ForwardPath, Next, Receiver, Recipient, Session};
use poppet::wire::line::{Line, LineReader};

use crate::{LIMIT_OCTETS, NOW};

/// A whole connection in memory; each group is sent when the replies to the one before are there.
pub struct Connection {
    session: Session,
    lines: LineReader,
    receiver: Option<Receiver>,
    takes: Takes,
    input: Vec<u8>,
    message: Vec<u8>,
    /// All that the server said.
    pub replies: Vec<u8>,
    /// The messages that were stored.
    pub stored: Vec<Vec<u8>>,
    /// Whether the server has closed.
    pub is_closed: bool,
}

/// What the next octets are.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    Lines,
    Data,
    /// So many octets of a chunk are to come, and it is the last one or not.
    Chunk(usize, bool),
    Skipped(usize),
}

impl Connection {
    /// `cut` tells, of so many octets left, how many the next segment has.
    pub fn play(door: Door, groups: &[&[u8]], mut cut: impl FnMut(usize) -> usize) -> Connection {
        let mut connection = Connection {
            session: session(door),
            lines: LineReader::default(),
            receiver: None,
            takes: Takes::Lines,
            input: Vec::new(),
            message: Vec::new(),
            replies: Vec::new(),
            stored: Vec::new(),
            is_closed: false,
        };
        let greeting = connection.session.handle(Event::Connected, &mut connection.replies);
        connection.carry_out(greeting);
        for group in groups {
            let mut rest = *group;
            while !rest.is_empty() && !connection.is_closed {
                let (segment, behind) = rest.split_at(cut(rest.len()));
                connection.input.extend_from_slice(segment);
                while !connection.is_closed && connection.work() {}
                rest = behind;
            }
        }
        connection
    }

    /// Takes one line or the data that are there; tells whether there may be more to take.
    fn work(&mut self) -> bool {
        let input = std::mem::take(&mut self.input);
        let (used, next) = match (self.takes, &mut self.receiver) {
            (Takes::Data, Some(receiver)) => {
                let (used, end) = receiver.receive(&input, &mut self.message);
                (used, end.map(|end| self.handle(Event::Received(end))))
            }
            (Takes::Chunk(left, is_last), Some(receiver)) => {
                let used = left.min(input.len());
                receiver.receive_chunk(&input[..used], &mut self.message);
                self.takes = Takes::Chunk(left - used, is_last);
                (used, self.end_chunk())
            }
            (Takes::Skipped(left), _) => {
                let used = left.min(input.len());
                self.takes = Takes::Skipped(left - used);
                (used, self.end_chunk())
            }
            _ => {
                let (used, line) = self.lines.next(&input, self.session.line_limit());
                let event = match line {
                    Line::Incomplete => None,
                    Line::Whole(line) => Some(Event::Line { line, is_followed: used < input.len() }),
                    Line::Faulty(fault) => Some(Event::FaultyLine(fault)),
                };
                (used, event.map(|event| self.session.handle(event, &mut self.replies)))
            }
        };
        self.input = input[used..].to_vec();
        let is_taken = next.is_some();
        if let Some(next) = next {
            self.carry_out(next);
        }
        is_taken && !self.input.is_empty()
    }

    fn handle(&mut self, event: Event<'_>) -> Next {
        self.takes = Takes::Lines;
        self.session.handle(event, &mut self.replies)
    }

    /// Tells the session of the chunk's end, if all of it is there.
    fn end_chunk(&mut self) -> Option<Next> {
        let event = match (self.takes, &mut self.receiver) {
            (Takes::Skipped(0), _) => Event::ChunkSkipped,
            (Takes::Chunk(0, is_last), Some(receiver)) if is_last || receiver.is_spoilt() => {
                Event::Received(receiver.end_chunks(&mut self.message))
            }
            (Takes::Chunk(0, _), _) => Event::ChunkReceived,
            _ => return None,
        };
        Some(self.handle(event))
    }

    /// The message that is here, and nothing of it is left.
    fn take_message(&mut self) -> Vec<u8> {
        self.receiver = None;
        std::mem::take(&mut self.message)
    }

    fn carry_out(&mut self, mut next: Next) {
        loop {
            let answer = match next {
                Next::Read => return,
                Next::Discard => return drop(self.take_message()),
                Next::Close => return self.is_closed = true,
                Next::Relay(_) => Event::StoreFailed,
                Next::Receive => {
                    self.takes = Takes::Data;
                    return self.receiver = Some(self.session.receiver(NOW, 1));
                }
                Next::ReceiveChunk { octets, is_first, is_last } => {
                    assert_eq!(is_first, self.receiver.is_none(), "two messages in one");
                    self.receiver.get_or_insert_with(|| self.session.receiver(NOW, 1));
                    self.takes = Takes::Chunk(octets.try_into().unwrap(), is_last);
                    match self.end_chunk() {
                        Some(after) => next = after,
                        None => return,
                    }
                    continue;
                }
                Next::SkipChunk { octets } => {
                    drop(self.take_message());
                    self.takes = Takes::Skipped(octets.try_into().unwrap());
                    match self.end_chunk() {
                        Some(after) => next = after,
                        None => return,
                    }
                    continue;
                }
                Next::Login(Claim { proof: Proof::Password(password), .. })
                    if password.expose() == b"right" =>
                {
                    Event::LoggedIn { user: alice(), signature: None }
                }
                Next::Login(_) => Event::LoginRefused,
                Next::Salt(_) => Event::StoreFailed,
                Next::LookUp { path, .. } => Event::Recipient(match path {
                    ForwardPath::Address(address) if address == alice() => {
                        Recipient::Mailboxes(vec![(MailboxId(1), address)])
                    }
                    _ => Recipient::UnknownUser,
                }),
                Next::CheckSender(_) => Event::SenderFits,
                Next::CheckSpace { .. } => Event::SpaceFound,
                Next::Store(_) => {
                    let message = self.take_message();
                    self.stored.push(message);
                    Event::Stored
                }
                Next::StartTls => panic!("TLS is not offered here"),
            };
            next = self.session.handle(answer, &mut self.replies);
        }
    }

    /// The code of each reply, a reply of many lines once.
    pub fn codes(&self) -> String {
        let text = String::from_utf8(self.replies.clone()).unwrap();
        let last_lines = text.lines().filter(|line| line.as_bytes()[3] == b' ');
        last_lines.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
    }
}

/// A session before its greeting, where alice alone lives.
pub fn session(door: Door) -> Session {
    Session::new(Facts {
        door,
        hostname: "mail.home.lan".into(),
        peer: IpAddr::from([192, 0, 2, 1]),
        tls: None,
        offers_starttls: false,
        terms: Terms { takes_passwords: true, ..Terms::default() },
        tls_terms: None,
        message_octets: LIMIT_OCTETS as u64,
        recipients: 10,
        device: None,
    })
}

fn alice() -> Address {
    "alice@home.lan".parse().unwrap()
}
