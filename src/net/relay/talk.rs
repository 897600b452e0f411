//! A sending session on its connection: what the session wishes is done, until it is ready, has an answer, or is over.

use std::time::{Duration, Instant};

use smol::channel::Receiver;
use smol::future::FutureExt;

use super::body::{Body, Sent};
use super::link::{Heard, Link, Patience, Written};
use super::verifier::{Seen, Trust, hex};
use crate::clock::Clock;
use crate::limits;
use crate::mail::HopTls;
use crate::smtp::client::{
    Answer, Client, Event, Failure, FailureKind, Framing, Next, OutgoingMail, Reply, Stage, Terms,
};
use crate::store::StoreError;

/// A session and its connection.
#[derive(Debug)]
pub struct Talk {
    link: Link,
    client: Client,
    out: Vec<u8>,
    host: String,
    clock: Clock,
    patience: Patience,
    /// Whoever has answered no mail by then is left (S-134).
    until: Instant,
    /// Ends when the server stops and nothing can be waited for any more.
    cut: Receiver<()>,
}

/// With whom and how a session is held.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The host as its certificate must name it.
    pub host: String,
    /// What the session must know.
    pub terms: Terms,
    /// What its certificate is held against.
    pub trust: Trust,
    /// How long what may take.
    pub patience: Patience,
    /// Whether TLS is left alone even where it is offered, since it has just failed.
    pub shuns_tls: bool,
}

/// What sending a mail came to.
#[derive(Debug)]
pub enum Outcome {
    /// What became of each recipient, and whether another mail may follow.
    Settled {
        /// One for each, in their order.
        answers: Vec<Answer>,
        /// Whether the session is ready for another one.
        is_reusable: bool,
        /// Whether the body was begun, so that the mail may be why the session ended.
        is_begun: bool,
    },
    /// The session had failed before it knew of the mail.
    Failed(Failure),
    /// The mail can't be read; the session is over.
    Unreadable(StoreError),
}

impl Talk {
    /// Begins TLS where that comes first, and goes as far as the logon. Errs with what is wrong, and with what was seen
    /// of the server's certificate in the clear text of its reply.
    pub async fn begin(
        mut link: Link,
        manner: &Manner,
        clock: &Clock,
        cut: Receiver<()>,
    ) -> Result<Talk, (Failure, Link)> {
        if manner.terms.tls == HopTls::Implicit
            && let Err(text) = link.begin_tls(&manner.host, manner.trust.clone()).await
        {
            return Err((no_tls(&link, text), link));
        }
        let is_verified = link.is_verified();
        let client = Client::new(manner.terms.clone());
        let mut talk = Talk {
            link,
            client: if manner.shuns_tls { client.shunning_tls() } else { client },
            out: Vec::new(),
            host: manner.host.clone(),
            clock: clock.clone(),
            patience: manner.patience,
            until: clock.monotonic() + manner.patience.attempt,
            cut,
        };
        let next = talk.handle(Event::Connected { is_verified });
        match talk.follow(next, &manner.trust, &mut None).await {
            Stop::Ready => Ok(talk),
            Stop::Failed(failure) => Err((failure, talk.link)),
            Stop::Settled { .. } | Stop::Unreadable(_) | Stop::Closed => {
                let text = "the session ended before it began".to_owned();
                Err((found(Stage::Greeting, FailureKind::Confused, text), talk.link))
            }
        }
    }

    /// Where it leads.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// With whom it is held.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends a mail.
    pub async fn send(&mut self, mail: OutgoingMail, body: Body, trust: &Trust) -> Outcome {
        self.until = self.clock.monotonic() + self.patience.attempt;
        let next = self.handle(Event::Mail(Box::new(mail)));
        let mut body = Some(body);
        match self.follow(next, trust, &mut body).await {
            Stop::Settled { answers, is_reusable } => {
                Outcome::Settled { answers, is_reusable, is_begun: body.is_none() }
            }
            Stop::Failed(failure) => Outcome::Failed(failure),
            Stop::Unreadable(error) => Outcome::Unreadable(error),
            Stop::Ready | Stop::Closed => {
                let text = "the session ended without an answer".to_owned();
                Outcome::Failed(found(Stage::Ready, FailureKind::Confused, text))
            }
        }
    }

    /// Says good-bye; waits for the server's reply no longer than a peer is left to say it.
    pub async fn finish(mut self) {
        self.until = self.clock.monotonic() + limits::CLOSING;
        let trust = Trust {
            authorities: Err(String::new()),
            pins: Vec::new(),
            is_lenient: false,
            is_clock_suspect: false,
        };
        let next = self.handle(Event::Finish);
        let _ = self.follow(next, &trust, &mut None).await;
        self.link.close(&mut self.out).await;
    }

    async fn follow(&mut self, mut next: Next, trust: &Trust, body: &mut Option<Body>) -> Stop {
        loop {
            next = match next {
                Next::Ready => return Stop::Ready,
                Next::Settled { answers, is_reusable } => return Stop::Settled { answers, is_reusable },
                Next::Failed(failure) => {
                    let _ = self.link.write(&mut self.out).await;
                    return Stop::Failed(self.explained(failure));
                }
                Next::Close => return Stop::Closed,
                Next::Read(patience) => {
                    // What the server said before it went may still be there.
                    let _ = self.link.write(&mut self.out).await;
                    self.hear(patience).await
                }
                Next::StartTls => match self.link.begin_tls(&self.host, trust.clone()).await {
                    Ok(()) => {
                        let is_verified = self.link.is_verified();
                        self.handle(Event::TlsStarted { is_verified })
                    }
                    Err(text) => return Stop::Failed(no_tls(&self.link, text)),
                },
                Next::SendBody(framing) => {
                    let Some(body) = body.take() else { return Stop::Closed };
                    match self.send_body(body, framing).await {
                        Ok(next) => next,
                        Err(error) => return Stop::Unreadable(error),
                    }
                }
            };
        }
    }

    async fn send_body(&mut self, body: Body, framing: Framing) -> Result<Next, StoreError> {
        let begun = self.clock.monotonic();
        let written = self.link.write(&mut self.out).await;
        let sent = match written {
            Ok(()) => self.link_until_cut(body, framing).await,
            Err(broken) => Sent::Broken(broken),
        };
        self.until += self.clock.monotonic().saturating_duration_since(begun);
        Ok(match sent {
            Sent::All => {
                // However long it took to come here, who has it all is left the time to say so: else it comes twice.
                self.until = self.until.max(self.clock.monotonic() + limits::HOP_END_OF_DATA);
                self.handle(Event::BodySent)
            }
            Sent::Unreadable(error) => return Err(error),
            Sent::Broken(Written::Stalled) => self.handle(Event::TimedOut),
            Sent::Broken(_) => self.hear_why().await,
        })
    }

    /// What the server says when it takes no more of a body; then it is lost, whatever it has said.
    async fn hear_why(&mut self) -> Next {
        loop {
            let next = match self.link.hear(self.client.line_limit(), limits::CLOSING).await {
                Heard::Line(line, is_followed) => self.handle(Event::Line { line: &line, is_followed }),
                Heard::Faulty(fault) => self.handle(Event::FaultyLine(fault)),
                Heard::TimedOut | Heard::Lost => return self.handle(Event::Lost),
            };
            if !matches!(next, Next::SendBody(_)) {
                return next;
            }
        }
    }

    async fn link_until_cut(&mut self, body: Body, framing: Framing) -> Sent {
        let cut = self.cut.clone();
        let sending = body.send(&mut self.link, framing);
        let cut_off = async {
            let _ = cut.recv().await;
            Sent::Broken(Written::Lost)
        };
        Box::pin(sending.or(cut_off)).await
    }

    /// Waits for a line of the server, and for no longer than the try may take, and the server stands.
    async fn hear(&mut self, patience: Duration) -> Next {
        let left = self.until.saturating_duration_since(self.clock.monotonic());
        let (cut, limit) = (self.cut.clone(), self.client.line_limit());
        let hearing = self.link.hear(limit, patience.min(left));
        let cut_off = async {
            let _ = cut.recv().await;
            Heard::Lost
        };
        let heard = Box::pin(hearing.or(cut_off)).await;
        match heard {
            Heard::Line(line, is_followed) => self.handle(Event::Line { line: &line, is_followed }),
            Heard::Faulty(fault) => self.handle(Event::FaultyLine(fault)),
            Heard::TimedOut => self.handle(Event::TimedOut),
            Heard::Lost => self.handle(Event::Lost),
        }
    }

    fn handle(&mut self, event: Event<'_>) -> Next {
        self.client.handle(event, &mut self.out)
    }

    /// A logon that was not even tried is mostly so for the certificate's sake.
    fn explained(&self, mut failure: Failure) -> Failure {
        if failure.kind == FailureKind::Unsafe
            && let Some(Seen { fault: Some(fault), fingerprint }) = &self.link.seen
        {
            failure.reply.text =
                format!("{}: {}", failure.reply.text, with_fingerprint(fault, fingerprint.as_ref()));
        }
        failure
    }
}

enum Stop {
    Ready,
    Settled { answers: Vec<Answer>, is_reusable: bool },
    Failed(Failure),
    Unreadable(StoreError),
    Closed,
}

/// TLS that did not come about.
fn no_tls(link: &Link, text: String) -> Failure {
    let seen = link.seen.clone().unwrap_or_default();
    // A certificate that is wrong stays so until a person looks; all else may pass.
    let kind = if seen.fault.is_some() { FailureKind::Unsafe } else { FailureKind::Lost };
    found(Stage::StartTls, kind, with_fingerprint(&text, seen.fingerprint.as_ref()))
}

fn with_fingerprint(text: &str, fingerprint: Option<&[u8; 32]>) -> String {
    match fingerprint {
        Some(fingerprint) => format!("{text}; its SHA-256 fingerprint is {}", hex(fingerprint)),
        None => text.to_owned(),
    }
}

/// What we find ourselves. RFC 3463 §3.5: 4.4.2 is a bad connection.
fn found(stage: Stage, kind: FailureKind, text: String) -> Failure {
    Failure { stage, kind, reply: Reply { code: 0, enhanced: Some([4, 4, 2]), text } }
}
