//! The SMTP driver: lines in, replies out, and what the session wishes is done here.

mod following;
mod greeting;
mod sending;
mod storing;
mod taking;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::intake::Intake;
use super::patience::{Deadline, LineWait};
use super::seat::{Doing, Order};
use super::server::Server;
use super::session::{Ended, Tally, log_on, relay};
use super::shown;
use super::stream::{Input, Lost, Stream};
use super::tls::Speaks;
use super::{spa, terms};
use crate::auth::Verdict;
use crate::limits;
use crate::mail::MailboxId;
use crate::sasl::Claim;
use crate::settings::Settings;
use crate::smtp::{self, Door, Event, Facts, Next, Session};
use crate::store::{Device, StoreError};
use crate::wire::line::{Line, LineReader};

/// An SMTP session with all that it has.
pub struct Driver<'a> {
    server: &'a Server,
    stream: &'a mut Stream,
    tally: &'a mut Tally,
    peer: IpAddr,
    door: Door,
    settings: Arc<Settings>,
    session: Session,
    lines: LineReader,
    out: Vec<u8>,
    /// The message that is under way or was received last.
    intake: Option<Box<Intake>>,
    /// What the peer is by its address, if that is known.
    device: Option<Box<Device>>,
    /// Whose logon was the last.
    mailbox: Option<MailboxId>,
    /// Samba's helper, once it was asked.
    spa: spa::Helper,
    has_spoken: bool,
    /// What the session has been told.
    told: Order,
    /// How the session ends, when it does.
    ended: Ended,
}

impl<'a> Driver<'a> {
    /// A driver for a peer who has not been greeted yet.
    pub fn new(
        server: &'a Server,
        stream: &'a mut Stream,
        tally: &'a mut Tally,
        peer: IpAddr,
        door: Door,
    ) -> Driver<'a> {
        let settings = server.store.settings();
        let tls = stream.tls_description();
        let offers_starttls = tls.is_none() && server.tls.is_ready();
        let wants_tls_terms = offers_starttls && door == Door::Submission;
        let tls_terms = wants_tls_terms.then(|| Box::new(terms::inside_tls(server, stream, peer)));
        let device = server.store.device_at(peer).map(Box::new);
        let session = Session::new(Facts {
            door,
            hostname: server.hostname(&settings),
            peer,
            offers_starttls,
            terms: terms::of(server, stream, peer),
            tls_terms,
            tls,
            message_octets: settings.message_octets(),
            recipients: settings.recipients as usize,
            device: device.as_deref().map(known_device),
        });
        Driver {
            server,
            stream,
            tally,
            peer,
            door,
            settings,
            session,
            lines: line_reader(device.as_deref()),
            out: Vec::new(),
            intake: None,
            device,
            mailbox: None,
            spa: spa::Helper::default(),
            has_spoken: false,
            told: Order::GoOn,
            ended: Ended::HungUp,
        }
    }

    /// Serves until the session is over; errs if the connection is to be given up without a word.
    pub async fn run(&mut self) -> Result<Ended, Lost> {
        let talked = self.talk().await;
        self.tally.bad_bindings = self.session.bad_bindings();
        let ended = if self.session.has_quit() { Ended::Quit } else { self.ended };
        talked.map(|()| ended)
    }

    async fn talk(&mut self) -> Result<(), Lost> {
        let mut next = Box::pin(self.greet()).await;
        loop {
            if self.out.len() >= limits::OUTPUT_OCTETS {
                self.write().await?;
            }
            next = match next {
                Next::Read => match self.read().await? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Next::StartTls => {
                    self.write().await?;
                    Box::pin(shown::begin_tls(self.server, self.stream, Speaks::Smtp)).await?;
                    self.lines = line_reader(self.device.as_deref());
                    let tls = self.stream.tls_description().unwrap_or_default();
                    let terms = Box::new(terms::of(self.server, self.stream, self.peer));
                    self.handle(Event::TlsStarted { tls, terms })
                }
                // Boxed like all that is rare: an idle session would keep a place for each.
                Next::Salt(user_name) => {
                    match Box::pin(self.server.gatekeeper.salt(&user_name, self.peer)).await {
                        Ok(salt) => self.handle(Event::Salted(salt)),
                        Err(_) => self.handle(Event::StoreFailed),
                    }
                }
                Next::Relay(message) => {
                    match Box::pin(relay(self.server, &mut self.spa, &message, self.peer)).await {
                        Some(answer) => self.handle(Event::Relayed(answer)),
                        None => self.handle(Event::StoreFailed),
                    }
                }
                Next::Login(claim) => Box::pin(self.login(claim)).await?,
                Next::CheckSender(path) => Box::pin(self.check_sender(path)).await,
                Next::LookUp { path, named, octets } => {
                    let found = Box::pin(self.find(path, &named, octets)).await;
                    self.answer("looking up a recipient", found.map(Event::Recipient))
                }
                Next::CheckSpace { octets } => {
                    let is_found = self.server.space.has_space_for(&self.server.store, octets);
                    self.handle(if is_found { Event::SpaceFound } else { Event::SpaceLacking })
                }
                Next::Receive => Box::pin(self.receive()).await?,
                Next::ReceiveChunk { octets, is_first, is_last } => {
                    Box::pin(self.receive_chunk(octets, is_first, is_last)).await?
                }
                Next::SkipChunk { octets } => Box::pin(self.skip_chunk(octets)).await?,
                Next::Store(envelope) => Box::pin(self.store(envelope)).await?,
                Next::Discard => {
                    self.intake = None;
                    Next::Read
                }
                Next::Close => {
                    self.intake = None;
                    return self.write().await;
                }
            };
        }
    }

    fn handle(&mut self, event: Event<'_>) -> Next {
        self.session.handle(event, &mut self.out)
    }

    /// Tells the session what came of an act of the store, and the log what went wrong.
    fn answer(&mut self, act: &str, result: Result<Event<'_>, StoreError>) -> Next {
        match result {
            Ok(event) => self.handle(event),
            Err(StoreError::Full) => {
                self.server.space.has_space_for(&self.server.store, 0);
                self.handle(Event::StoreFull)
            }
            Err(error) => {
                self.server.store_failed(act, &error);
                self.handle(Event::StoreFailed)
            }
        }
    }

    /// The next line's wish; none if no line comes any more.
    async fn read(&mut self) -> Result<Option<Next>, Lost> {
        // Told to end, he gets no more, however much he has sent ahead (S-180).
        let order = self.stream.seat().order();
        if order >= Order::End && order > self.told {
            return Ok(Some(self.tell(order)));
        }
        self.stream.seat().show(Doing::Waiting);
        let mut wait = LineWait::new(self.server.clock.monotonic(), self.idle());
        loop {
            let input = self.stream.input();
            let (used, line) = self.lines.next(input, self.session.line_limit());
            let event = match line {
                Line::Incomplete => None,
                Line::Whole(line) => Some(Event::Line { line, is_followed: used < input.len() }),
                Line::Faulty(fault) => Some(Event::FaultyLine(fault)),
            };
            let next = event.map(|event| self.session.handle(event, &mut self.out));
            self.stream.consume(used);
            if next.is_some() {
                self.has_spoken = true;
                return Ok(next);
            }
            if used > 0 || !self.stream.input().is_empty() {
                wait.has_begun(self.server.clock.monotonic());
            }
            self.write().await?;
            let usual = wait.deadline().usual;
            let next_look = self.next_look(usual);
            match self.stream.fill(Deadline { usual: next_look, ..wait.deadline() }, self.told).await {
                Input::Octets(_) => {}
                Input::TimedOut if next_look < usual && !self.stream.has_passed(wait.deadline()) => {
                    Box::pin(self.give_way()).await;
                }
                Input::End => {
                    self.ended = Ended::Left;
                    return Ok(None);
                }
                Input::TimedOut => {
                    self.ended = Ended::Idle;
                    return Ok(Some(self.handle(Event::TimedOut)));
                }
                Input::Told(order) => return Ok(Some(self.tell(order))),
            }
        }
    }

    /// Until when to wait for a line: between its chunks, a message must not keep others from the memory that it has.
    fn next_look(&self, usual: Instant) -> Instant {
        match &self.intake {
            Some(_) => usual.min(self.server.clock.monotonic() + limits::GIVING_WAY),
            None => usual,
        }
    }

    fn tell(&mut self, order: Order) -> Next {
        self.told = order;
        self.ended = Ended::Told(order);
        self.handle(match order {
            Order::GoOn | Order::Stop => Event::ShuttingDown,
            Order::End => Event::Evicted,
            Order::Kick => Event::Kicked,
        })
    }

    /// A mail exchanger never logs on, so its first command earns it the patience of RFC 5321 §4.5.3.2.
    fn idle(&self) -> Duration {
        let is_known = match self.door {
            Door::Mx => self.has_spoken,
            Door::Submission => self.session.is_logged_in(),
        };
        if is_known { limits::IDLE_SMTP } else { limits::IDLE_BEFORE_LOGON }
    }

    async fn login(&mut self, claim: Claim) -> Result<Next, Lost> {
        self.stream.seat().show(Doing::Logon);
        let endings = self.server.sessions.endings();
        let proof = claim.proof.kind();
        Ok(match log_on(self.server, self.stream, claim, self.peer).await {
            // Who can't read may send all the same, unless the lock is for all (C2).
            Verdict::Welcome(welcome) if welcome.is_locked_for_all => {
                self.tally.refused_logons += 1;
                self.handle(Event::LoginLocked)
            }
            Verdict::Welcome(welcome) => {
                if !self.stream.seat().bind(welcome.mailbox, &welcome.address, endings) {
                    return Ok(self.handle(Event::LoginBusy));
                }
                self.mailbox = Some(welcome.mailbox);
                self.tally.user = Some(welcome.address.clone());
                self.tally.proof = Some(proof);
                self.handle(Event::LoggedIn { user: welcome.address, signature: welcome.signature })
            }
            Verdict::Refused { delay } => {
                self.tally.refused_logons += 1;
                self.write().await?;
                if !self.stream.pause(delay).await && self.stream.seat().order() == Order::Stop {
                    // Void while the verdict is awaited; the session ends with the verdict.
                    let _ = self.tell(Order::Stop);
                }
                self.handle(Event::LoginRefused)
            }
            Verdict::Busy => self.handle(Event::LoginBusy),
            Verdict::StoreFailed | Verdict::Unavailable => self.handle(Event::StoreFailed),
        })
    }

    async fn write(&mut self) -> Result<(), Lost> {
        if !self.out.is_empty() {
            self.stream.write(&self.out).await?;
            self.out = Vec::new();
        }
        Ok(())
    }
}

/// The device as its session knows it.
fn known_device(device: &Device) -> Box<smtp::Device> {
    Box::new(smtp::Device {
        name: device.name.clone(),
        sender: device.sender.clone(),
        is_lenient: device.is_lenient,
    })
}

/// Old devices end their lines with bare LFs.
fn line_reader(device: Option<&Device>) -> LineReader {
    LineReader::new(device.is_some_and(|device| device.is_lenient))
}
