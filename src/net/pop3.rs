//! The POP3 driver: lines in, replies out, and what the session wishes is done here.

use std::net::IpAddr;
use std::time::Instant;

use super::ahead::Ahead;
use super::body::{self, Outgoing};
use super::international::downgrade;
use super::maildrops::Hold;
use super::patience::{Deadline, LineWait, in_time};
use super::seat::{Doing, Order};
use super::server::Server;
use super::session::{Ended, Tally, log_on, relay};
use super::shown;
use super::stream::{Input, Lost, Stream};
use super::tls::Speaks;
use super::{spa, terms};
use crate::auth::{Verdict, Welcome};
use crate::limits;
use crate::mail::{MailboxId, MessageId, Uid};
use crate::pop3::command::{self, Command, Phase};
use crate::pop3::maildrop::Entry;
use crate::pop3::{BehindStls, Event, Facts, LoginRefusal, Maildrop, Next, Policy, Session};
use crate::sasl::Claim;
use crate::settings::Settings;
use crate::store::{Opened, Snapshot, StoreError};
use crate::wire::line::{Line, LineReader};

/// A POP3 session with all that it has.
pub struct Driver<'a> {
    server: &'a Server,
    stream: &'a mut Stream,
    tally: &'a mut Tally,
    peer: IpAddr,
    session: Session,
    lines: LineReader,
    out: Vec<u8>,
    /// Whose claim was verified last, and how many sessions had been told to end before.
    verified: Option<(Welcome, u64)>,
    hold: Option<Hold>,
    /// Whose maildrop it has, or had until the end.
    mailbox: Option<MailboxId>,
    /// Samba's helper, once it was asked.
    spa: spa::Helper,
    opened: Option<(Uid, Outgoing)>,
    ahead: Ahead,
    /// Messages sent whole that the store has not been told of.
    retrieved: Vec<Uid>,
    /// How many of the last of them may still be in `out`.
    unwritten: usize,
    /// How the session ends, when it does.
    ended: Ended,
}

impl<'a> Driver<'a> {
    /// A driver for a peer who has not been greeted yet.
    pub fn new(server: &'a Server, stream: &'a mut Stream, tally: &'a mut Tally, peer: IpAddr) -> Driver<'a> {
        let session = Session::new(facts(server, stream, peer));
        Driver {
            server,
            stream,
            tally,
            peer,
            session,
            lines: LineReader::default(),
            out: Vec::new(),
            verified: None,
            hold: None,
            mailbox: None,
            spa: spa::Helper::default(),
            opened: None,
            ahead: Ahead::default(),
            retrieved: Vec::new(),
            unwritten: 0,
            ended: Ended::Left,
        }
    }

    /// Serves until the session is over; errs if the connection is to be given up without a word.
    pub async fn run(&mut self) -> Result<Ended, Lost> {
        let talked = self.talk().await;
        Box::pin(self.mark_retrieved()).await;
        self.tally.bad_bindings = self.session.bad_bindings();
        talked.map(|()| self.ended)
    }

    async fn talk(&mut self) -> Result<(), Lost> {
        let mut next = self.handle(Event::Connected);
        loop {
            if self.out.len() >= limits::OUTPUT_OCTETS {
                self.write().await?;
            }
            next = match next {
                Next::Read => match self.read().await? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Next::Flush => {
                    self.write().await?;
                    self.handle(Event::Flushed)
                }
                Next::StartTls => {
                    self.write().await?;
                    Box::pin(shown::begin_tls(self.server, self.stream, Speaks::Pop3)).await?;
                    self.lines = LineReader::default();
                    let facts = facts(self.server, self.stream, self.peer);
                    self.handle(Event::TlsStarted(Box::new(facts)))
                }
                // Boxed like all that is rare: an idle session would keep a place for each.
                Next::Salt { user_name } => {
                    match Box::pin(self.server.gatekeeper.salt(&user_name, self.peer)).await {
                        Ok(salt) => self.handle(Event::Salted(salt)),
                        Err(_) => self.handle(Event::StoreFailed),
                    }
                }
                Next::Relay { message } => {
                    match Box::pin(relay(self.server, &mut self.spa, &message, self.peer)).await {
                        Some(answer) => self.handle(Event::Relayed(answer)),
                        None => self.handle(Event::StoreFailed),
                    }
                }
                Next::Verify(claim) => Box::pin(self.verify(claim)).await?,
                Next::Enter => Box::pin(self.enter()).await,
                Next::Open { uid } => self.open(uid).await,
                Next::SendBody { body_lines } => Box::pin(self.send_body(body_lines)).await?,
                Next::Commit(uids) => Box::pin(self.commit(uids)).await,
                Next::Close => {
                    // Who reads the last reply may come again at once.
                    self.hold = None;
                    return self.write().await;
                }
            };
        }
    }

    fn handle(&mut self, event: Event<'_>) -> Next {
        self.session.handle(event, &mut self.out)
    }

    /// The next line's wish; none if no line comes any more.
    async fn read(&mut self) -> Result<Option<Next>, Lost> {
        // Told to end, he gets no more, however much he has sent ahead (S-180).
        let order = self.stream.seat().order();
        if order >= Order::End {
            self.ended = Ended::Told(order);
            return Ok(None);
        }
        self.stream.seat().show(Doing::Waiting);
        let idle = if self.hold.is_some() { limits::IDLE_POP3 } else { limits::IDLE_BEFORE_LOGON };
        let asked = self.server.clock.monotonic();
        let mut wait = LineWait::new(asked, idle);
        loop {
            let input = self.stream.input();
            let (used, line) = self.lines.next(input, self.session.line_limit());
            let event = match line {
                Line::Incomplete => None,
                Line::Whole(line) => Some(Event::Line { line, is_followed: used < input.len() }),
                Line::Faulty(fault) => Some(Event::FaultyLine(fault)),
            };
            let next = event.map(|event| self.session.handle(event, &mut self.out));
            if matches!(next, Some(Next::Close | Next::Commit(_))) {
                self.ended = if is_farewell(&line) { Ended::Quit } else { Ended::HungUp };
            }
            self.stream.consume(used);
            if next.is_some() {
                return Ok(next);
            }
            if used > 0 || !self.stream.input().is_empty() {
                wait.has_begun(self.server.clock.monotonic());
            }
            self.write().await?;
            if !self.fill(asked, wait.deadline()).await {
                return Ok(None);
            }
        }
    }

    /// Waits for input; false if none comes any more.
    async fn fill(&mut self, asked: Instant, deadline: Deadline) -> bool {
        if !self.ahead.is_empty() {
            let quiet = asked + limits::QUIET;
            match self.stream.fill(Deadline { usual: quiet, pressed: quiet }, Order::GoOn).await {
                Input::Octets(_) => return true,
                Input::TimedOut => {
                    self.ahead = Ahead::default();
                    self.out = Vec::new();
                }
                Input::End => return false,
                Input::Told(order) => {
                    self.ended = Ended::Told(order);
                    return false;
                }
            }
        }
        // RFC 1939 §3: closed without a reply, and nothing is removed.
        self.ended = match self.stream.fill(deadline, Order::GoOn).await {
            Input::Octets(_) => return true,
            Input::End => Ended::Left,
            Input::TimedOut => Ended::Idle,
            Input::Told(order) => Ended::Told(order),
        };
        false
    }

    async fn verify(&mut self, claim: Claim) -> Result<Next, Lost> {
        self.stream.seat().show(Doing::Logon);
        let endings = self.server.sessions.endings();
        let proof = claim.proof.kind();
        let refusal = match log_on(self.server, self.stream, claim, self.peer).await {
            Verdict::Welcome(welcome) if welcome.is_locked => LoginRefusal::Locked,
            Verdict::Welcome(welcome) => {
                let signature = welcome.signature;
                self.tally.proof = Some(proof);
                self.verified = Some((welcome, endings));
                return Ok(self.handle(Event::Verified { signature }));
            }
            Verdict::Refused { delay } => {
                self.tally.refused_logons += 1;
                self.write().await?;
                if !self.stream.pause(delay).await {
                    self.ended = Ended::Told(self.stream.seat().order());
                    return Ok(Next::Close);
                }
                LoginRefusal::BadCredentials
            }
            Verdict::Busy => LoginRefusal::Busy,
            Verdict::StoreFailed | Verdict::Unavailable => return Ok(self.handle(Event::StoreFailed)),
        };
        Ok(self.handle(Event::LoginRefused(refusal)))
    }

    async fn enter(&mut self) -> Next {
        let Some((welcome, endings)) = self.verified.take() else { return Next::Close };
        let next = self.take_maildrop(welcome, endings).await;
        if self.hold.is_none() {
            self.stream.seat().unbind();
        }
        next
    }

    /// The exclusive hold comes before the snapshot. RFC 1939 §4.
    async fn take_maildrop(&mut self, welcome: Welcome, endings: u64) -> Next {
        if !self.stream.seat().bind(welcome.mailbox, &welcome.address, endings) {
            return self.handle(Event::LoginRefused(LoginRefusal::Busy));
        }
        let Some(hold) = self.server.maildrops.take(welcome.mailbox) else {
            self.server.tell_in_use(&welcome.address, self.peer);
            return self.handle(Event::LoginRefused(LoginRefusal::InUse));
        };
        let policy = policy(&self.server.store.settings_for(&welcome.address));
        let (intervals, delay_seconds) = (&self.server.intervals, policy.login_delay_seconds);
        let now = self.server.clock.monotonic();
        let seconds = intervals.seconds_early(welcome.mailbox, delay_seconds, now);
        if seconds > 0 {
            return self.handle(Event::LoginRefused(LoginRefusal::TooSoon { seconds }));
        }
        match in_time(&self.server.clock, self.server.store.snapshot(welcome.mailbox)).await {
            Ok(snapshot) => {
                intervals.note(welcome.mailbox, delay_seconds, now);
                self.hold = Some(hold);
                self.mailbox = Some(welcome.mailbox);
                self.tally.user = Some(welcome.address);
                let mark = snapshot.mark;
                let entries = entries(snapshot, self.session.is_utf8());
                self.handle(Event::LoggedIn(Maildrop::new(mark, entries), policy))
            }
            Err(error) => {
                self.server.store_failed("listing a maildrop", &error);
                self.handle(Event::StoreFailed)
            }
        }
    }

    async fn open(&mut self, uid: Uid) -> Next {
        let Some(hold) = &self.hold else { return Next::Close };
        let message = MessageId { mailbox: hold.mailbox(), uid };
        let opened = match self.ahead.take(uid).await {
            Some(opened) => Ok(Some(opened)),
            None => self.server.store.open_message(message).await,
        };
        match self.prepare(opened).await {
            Ok(Some(message)) => {
                let octets = message.opened.octets;
                self.opened = Some((uid, message));
                self.handle(Event::Opened { octets })
            }
            Ok(None) => self.handle(Event::Gone),
            Err(error) => {
                self.server.store_failed("opening a message", &error);
                self.handle(Event::StoreFailed)
            }
        }
    }

    /// RFC 6856 §2.1: who hasn't said UTF8 gets no letter beyond ASCII in the header of international mail.
    async fn prepare(
        &self,
        opened: Result<Option<Opened>, StoreError>,
    ) -> Result<Option<Outgoing>, StoreError> {
        Ok(match opened? {
            Some(opened) if opened.is_international && !self.session.is_utf8() => {
                Some(Box::pin(downgrade(&self.server.store, opened)).await?)
            }
            opened => opened.map(Outgoing::as_stored),
        })
    }

    async fn send_body(&mut self, body_lines: Option<u32>) -> Result<Next, Lost> {
        let (Some((uid, message)), Some(hold)) = (self.opened.take(), &self.hold) else {
            return Ok(Next::Close);
        };
        let (store, readers) = (&self.server.store, &self.server.readers);
        self.ahead.sending(uid, |uid| self.session.following(uid), store, hold.mailbox(), readers);
        self.stream.seat().show(Doing::Sending);
        body::send(self.server, self.stream, &mut self.out, message, body_lines, &mut self.ahead).await?;
        if body_lines.is_none() {
            self.tally.sent += 1;
            self.retrieved.push(uid);
            self.unwritten += 1;
        }
        if self.retrieved.len() >= limits::RETRIEVED_MARKS {
            self.write().await?;
            self.mark_retrieved().await;
        }
        Ok(self.handle(Event::BodySent))
    }

    async fn commit(&mut self, uids: Vec<Uid>) -> Next {
        let Some(mailbox) = self.hold.as_ref().map(Hold::mailbox) else { return Next::Close };
        let count = uids.len();
        // In one commit: each costs the flash its pages.
        let retrieved = self.take_written();
        let finished =
            in_time(&self.server.clock, self.server.store.finish_session(mailbox, uids, retrieved));
        // Who sees it knows that its time runs.
        self.stream.seat().show(Doing::Storing);
        match finished.await {
            Ok(()) => {
                self.tally.removed += count;
                self.handle(Event::Committed)
            }
            Err(error) => {
                self.server.store_failed("removing messages", &error);
                self.handle(Event::StoreFailed)
            }
        }
    }

    /// Tells the store which messages the peer has; what was lost between is told as not retrieved.
    async fn mark_retrieved(&mut self) {
        let retrieved = self.take_written();
        let Some(mailbox) = self.mailbox.filter(|_| !retrieved.is_empty()) else { return };
        let marked = self.server.store.mark_retrieved(mailbox, retrieved);
        if let Err(error) = in_time(&self.server.clock, marked).await {
            self.server.store_failed("marking messages as retrieved", &error);
        }
    }

    /// The retrieved messages whose last octet is written; the others stay.
    fn take_written(&mut self) -> Vec<Uid> {
        let unwritten = self.retrieved.split_off(self.retrieved.len().saturating_sub(self.unwritten));
        std::mem::replace(&mut self.retrieved, unwritten)
    }

    async fn write(&mut self) -> Result<(), Lost> {
        if !self.out.is_empty() {
            let give_back = || {
                let octets = if self.ahead.is_empty() { 0 } else { limits::READ_AHEAD_OCTETS };
                self.ahead = Ahead::default();
                octets
            };
            self.stream.write_out(&mut self.out, give_back).await?;
            if self.ahead.is_empty() {
                // A session that waits has no buffer.
                self.out = Vec::new();
            }
        }
        self.unwritten = 0;
        Ok(())
    }
}

/// The messages with the octets that this session's RETR will send (P7).
fn entries(snapshot: Snapshot, is_utf8: bool) -> Vec<Entry> {
    let surrogates = if is_utf8 { Vec::new() } else { snapshot.surrogates };
    let mut surrogates = surrogates.into_iter().peekable();
    let entry = |(uid, stored)| {
        let surrogate = surrogates.next_if(|&(next, _)| next == uid);
        Entry { uid, octets: surrogate.map_or(stored, |(_, octets)| octets) }
    };
    snapshot.messages.into_iter().map(entry).collect()
}

fn facts(server: &Server, stream: &Stream, peer: IpAddr) -> Facts {
    let terms = terms::of(server, stream, peer);
    let inside = terms::inside_tls(server, stream, peer);
    let policies = server.store.policies();
    Facts {
        offers_stls: terms.channel.is_none() && server.tls.is_ready(),
        terms,
        behind_stls: BehindStls {
            takes_passwords: inside.takes_passwords,
            takes_challenges: inside.takes_challenges,
        },
        policy: Policy {
            retain_days: policies.retain_days,
            login_delay_seconds: policies.login_delay_seconds,
        },
        retain_differs: policies.retain_differs,
        login_delay_differs: policies.login_delay_differs,
        language: server.store.settings().language,
    }
}

fn policy(settings: &Settings) -> Policy {
    Policy { retain_days: settings.retain.least_days(), login_delay_seconds: settings.login_delay_seconds }
}

/// Whether the session was over because that line wanted so.
fn is_farewell(line: &Line<'_>) -> bool {
    matches!(line, Line::Whole(line) if command::parse(line, Phase::Transaction) == Ok(Command::Quit))
}
