//! One connection of a way: takes mail after mail from the queue, sends it, and settles what became of it.

use std::sync::Arc;

use smol::future::FutureExt;

use super::body::Body;
use super::lanes::Taken;
use super::reach::{Means, Trouble, TroubleKind};
use super::settling::{self, Settling};
use super::talk::{Outcome, Talk};
use super::{moment, trial};
use crate::limits;
use crate::mail::Lane;
use crate::net::alarm;
use crate::net::server::Server;
use crate::relay::rewriting::envelope_sender;
use crate::relay::way;
use crate::settings::EightBit;
use crate::smtp::client::{Answer, OutgoingMail, Reply, Verdict};
use crate::store::{QueueId, Queued};

/// A connection's place among those of its way; given back when it is dropped.
pub struct Place {
    server: Arc<Server>,
    lane: Lane,
}

/// Recipients of one mail that are under way; nobody else takes them until this is dropped.
pub struct Batch {
    server: Arc<Server>,
    lane: Lane,
    ids: Vec<QueueId>,
    /// Who they are.
    pub rows: Vec<Queued>,
}

/// A session that takes mails, and what it was begun with.
struct Open {
    talk: Talk,
    means: Means,
    generation: u64,
    mails: usize,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    GoOn,
    End,
}

impl Place {
    /// The place that the scheduler has given to a way.
    pub fn new(server: &Arc<Server>, lane: Lane) -> Place {
        Place { server: Arc::clone(server), lane }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.server.relay.lanes().closed(&self.lane);
        self.server.relay.ring();
    }
}

impl Batch {
    /// These are under way from now on.
    pub fn new(server: &Arc<Server>, lane: &Lane, rows: Vec<Queued>) -> Batch {
        let ids: Vec<QueueId> = rows.iter().map(|row| row.id).collect();
        let submitter = rows.first().map(|row| row.outbound.submitter.clone());
        server.relay.lanes().take(lane, &ids, submitter);
        Batch { server: Arc::clone(server), lane: lane.clone(), ids, rows }
    }

    /// Those of whom that is true, and the others.
    fn split(mut self, is_first: impl Fn(&Queued) -> bool) -> (Batch, Batch) {
        let (first, other) = std::mem::take(&mut self.rows).into_iter().partition(is_first);
        let batch = |rows: Vec<Queued>| {
            let ids = rows.iter().map(|row| row.id).collect();
            Batch { server: Arc::clone(&self.server), lane: self.lane.clone(), ids, rows }
        };
        let both = (batch(first), batch(other));
        // They are still under way.
        self.ids.clear();
        both
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.ids.is_empty() {
            // Nobody knows how far it came: sent again and again, it would flood whom it goes to.
            let numbers: Vec<u64> = self.ids.iter().map(|id| id.0).collect();
            log::error!(
                "queued recipients {numbers:?} are left alone until the next start: sending to them broke off by a bug"
            );
            self.server.relay.lanes().abandon(&self.lane, &self.ids);
        } else {
            self.server.relay.lanes().give_back(&self.lane, &self.ids);
        }
        self.server.relay.ring();
    }
}

/// Sends what is due on the way of that place, until there is no more, or nobody can be reached.
pub async fn run(server: Arc<Server>, place: Place) {
    let mut courier = Courier { server, place, open: None, settling: None, refused_in_a_row: 0 };
    while courier.step().await == Step::GoOn {}
    if let Some(settling) = courier.settling.take() {
        settling.done().await;
    }
    if let Some(open) = courier.open.take() {
        open.talk.finish().await;
    }
}

struct Courier {
    server: Arc<Server>,
    place: Place,
    open: Option<Open>,
    /// What became of the mail before; it is durable before that of the next one is asked for.
    settling: Option<Settling>,
    refused_in_a_row: u32,
}

impl Courier {
    async fn step(&mut self) -> Step {
        let server = Arc::clone(&self.server);
        if self.is_worn() || server.relay.is_stopping() {
            return Step::End;
        }
        let batch = match self.take().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return self.wait().await,
            Err(step) => return step,
        };
        // The scheduler may not have seen yet what is followed here, and would have it tried again.
        server.relay.follow_rules(&server.store, &server.clock);
        if self.is_worn() {
            return Step::End;
        }
        let generation = server.relay.generation();
        match self.opened().await {
            Ok(()) => Box::pin(self.send(batch)).await,
            // What was wrong has been seen to meanwhile: it says nothing about how it is now.
            Err(_) if generation != server.relay.generation() => Step::GoOn,
            Err(None) => Step::End,
            Err(Some(trouble)) => self.nobody(batch, trouble).await,
        }
    }

    /// Whether the connection has done its part, or was begun by other rules.
    fn is_worn(&self) -> bool {
        let is_worn = |open: &Open| {
            open.mails >= limits::HOP_MAILS || open.generation != self.server.relay.generation()
        };
        self.open.as_ref().is_some_and(is_worn)
    }

    /// The next mail that is due, if there is any; errs with what is to be done where that can't be known.
    async fn take(&self) -> Result<Option<Batch>, Step> {
        let (server, lane) = (&self.server, &self.place.lane);
        let _taking = server.relay.taking.lock().await;
        loop {
            let Taken { busy, last_submitter, wettings } = server.relay.lanes().taken(lane);
            let now = server.clock.now();
            let asked =
                server.store.queue_next(lane.clone(), now, busy, last_submitter, limits::HOP_RECIPIENTS);
            match asked.await {
                Ok(rows) if rows.is_empty() => {
                    if server.relay.lanes().dry(lane, wettings, server.clock.monotonic()) {
                        return Ok(None);
                    }
                }
                Ok(rows) => return Ok(Some(Batch::new(server, lane, alike(rows)))),
                Err(error) => {
                    server.store_failed("taking mail from the queue", &error);
                    self.failed(TroubleKind::Later, "the queue can't be read: look at \"poppet status\"");
                    return Err(Step::End);
                }
            }
        }
    }

    /// Waits a little for more mail, where a connection stands.
    async fn wait(&mut self) -> Step {
        let Some(open) = &self.open else { return Step::End };
        let (relay, lane) = (&self.server.relay, &self.place.lane);
        let Some(nudge) = relay.lanes().idle(lane) else { return Step::GoOn };
        // Who is still under way counts among those that wait, and one who comes now would be taken for him. Given back,
        // he has the scheduler look, which finds this connection idle.
        if let Some(settling) = self.settling.take() {
            settling.done().await;
        }
        let nudged = async {
            let _ = nudge.recv().await;
            Step::GoOn
        };
        let tired = async {
            alarm::rest(&self.server.clock, open.means.patience.idle).await;
            Step::End
        };
        let stopped = async {
            let _ = relay.cut.recv().await;
            Step::End
        };
        let step = nudged.or(tired).or(stopped).await;
        relay.lanes().awake(lane);
        step
    }

    /// Makes sure that there is a session; errs with why there is none, or with nothing if there is no such way.
    async fn opened(&mut self) -> Result<(), Option<Trouble>> {
        if self.open.is_some() {
            return Ok(());
        }
        let (server, lane) = (&self.server, &self.place.lane);
        let generation = server.relay.generation();
        let Some(way) = way::way(&server.store, lane) else {
            self.failed(TroubleKind::Later, "there is no such way any more");
            // Its mail may have been stored, or its user removed, when all had been looked through.
            server.relay.look_through();
            return Err(None);
        };
        let means = trial::means_of(server, lane, way).await.map_err(Some)?;
        let talk = means.reach(&mut None).await.map_err(Some)?;
        if let Some(since) = server.relay.lanes().proven(lane) {
            log::info!(
                "outgoing mail, {lane}: {} takes mail again, which it did not since {}",
                talk.host(),
                since.rfc3339()
            );
        }
        self.open = Some(Open { talk, means, generation, mails: 0 });
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Step {
        let Some(mut open) = self.open.take() else { return Step::End };
        let batch = match self.never_back(batch, &open).await {
            Some(batch) => batch,
            None => {
                self.open = Some(open);
                return Step::GoOn;
            }
        };
        let body = match Body::of(&self.server.store, &batch.rows[0], open.means.way.sender.as_ref()).await {
            Ok(body) => body,
            Err(error) => {
                self.server.store_failed("sending a message", &error);
                self.open = Some(open);
                return self.settle(batch, vec![unreadable()], "").await;
            }
        };
        // It took a while to come this far: whoever stops the sending counts on no mail that has not gone yet.
        if self.server.relay.is_stopping() {
            self.open = Some(open);
            return Step::End;
        }
        let mail = self.mail(&batch, &body, &open);
        let outcome = Box::pin(open.talk.send(mail, body, &open.means.trust())).await;
        open.mails += 1;
        let host = open.talk.host().to_owned();
        match outcome {
            // It went while nobody spoke, or takes no more: that says nothing about the mail, and another connection is
            // made.
            Outcome::Settled { answers, is_reusable: false, is_begun: false }
                if open.mails > 1 && answers.iter().all(is_of_connection) =>
            {
                Step::GoOn
            }
            Outcome::Settled { answers, is_reusable, .. } => {
                let is_refused = answers.iter().all(|answer| is_put_off(answer.verdict));
                let text = answers.first().map(|answer| answer.reply.text.clone()).unwrap_or_default();
                let is_smart_host = open.means.way.is_smart_host;
                if is_reusable {
                    self.open = Some(open);
                } else {
                    open.talk.finish().await;
                }
                let step = self.settle(batch, answers, &host).await;
                match is_refused {
                    true => self.refused(is_reusable, is_smart_host, &text).max_end(step),
                    false => {
                        self.refused_in_a_row = 0;
                        step
                    }
                }
            }
            Outcome::Failed(failure) => {
                let trouble = Trouble { kind: TroubleKind::Later, host, reply: failure.reply };
                self.nobody(batch, trouble).await
            }
            Outcome::Unreadable(error) => {
                self.server.store_failed("sending a message", &error);
                self.settle(batch, vec![unreadable()], "").await
            }
        }
    }

    fn mail(&self, batch: &Batch, body: &Body, open: &Open) -> OutgoingMail {
        let first = &batch.rows[0];
        let outbound = &first.outbound;
        let reverse_path = match &open.means.way.sender {
            Some(account) => envelope_sender(account, &outbound.reverse_path).into(),
            None => outbound.reverse_path.clone(),
        };
        OutgoingMail {
            reverse_path,
            recipients: batch
                .rows
                .iter()
                .map(|row| (row.outbound.recipient.clone(), row.outbound.rcpt_dsn.clone()))
                .collect(),
            dsn: outbound.mail_dsn.clone(),
            octets: body.octets(),
            is_8bit: first.is_8bit || body.brings_utf8(),
            // Of a header that is too long to be looked at, it may be known that every octet is ASCII. Who has an address
            // beyond it keeps nobody else from the mail.
            needs_utf8: (outbound.needs_utf8 && first.is_8bit) || body.brings_utf8(),
            forces_8bit: self.server.store.settings().outgoing.eight_bit == EightBit::Send,
        }
    }

    /// Mail is never sent to where it came from (O6): gives the rest.
    async fn never_back(&mut self, batch: Batch, open: &Open) -> Option<Batch> {
        let peer = open.talk.link().peer.ip().to_canonical();
        // Programs of this machine are not one another.
        let is_back = |row: &Queued| {
            !peer.is_loopback() && row.outbound.came_from.map(|from| from.to_canonical()) == Some(peer)
        };
        if !batch.rows.iter().any(is_back) {
            return Some(batch);
        }
        let (back, on) = batch.split(is_back);
        let host = open.talk.host().to_owned();
        let answer = Answer {
            verdict: Verdict::Never,
            reply: Reply {
                code: 0,
                enhanced: Some([5, 4, 6]),
                text: format!("the mail came from {host}, and would go back there for ever"),
            },
        };
        self.settle(back, vec![answer], "").await;
        (!on.rows.is_empty()).then_some(on)
    }

    /// Settles what became of a mail; one answer is for all.
    async fn settle(&mut self, batch: Batch, mut answers: Vec<Answer>, host: &str) -> Step {
        if let ([answer], true) = (answers.as_slice(), batch.rows.len() > 1) {
            answers = vec![answer.clone(); batch.rows.len()];
        }
        settling::tell(&self.server, &batch, &answers, host);
        let settling = Settling::begin(&self.server, batch, answers, host).await;
        // Beside the mail that is settled now, only one more may come twice if everything ends here.
        if let Some(before) = self.settling.replace(settling) {
            before.done().await;
        }
        Step::GoOn
    }

    /// Nobody can be reached: the mail waits, or fails if there never will be anybody.
    async fn nobody(&mut self, batch: Batch, trouble: Trouble) -> Step {
        let verdict = match trouble.kind {
            TroubleKind::Never => Verdict::Never,
            TroubleKind::Later => Verdict::Later,
            TroubleKind::Offline | TroubleKind::Nameless | TroubleKind::Held => {
                self.failed_at(trouble.kind, &trouble);
                settling::wait(&self.server, batch, &trouble).await;
                return Step::End;
            }
        };
        if verdict == Verdict::Later {
            self.failed_at(trouble.kind, &trouble);
        }
        let answer = Answer { verdict, reply: trouble.reply };
        self.settle(batch, vec![answer], &trouble.host).await;
        if verdict == Verdict::Later { Step::End } else { Step::GoOn }
    }

    /// The server takes no mail now: after some, or if it hangs up, it is left alone for a while.
    fn refused(&mut self, is_reusable: bool, is_smart_host: bool, text: &str) -> Step {
        self.refused_in_a_row += 1;
        if is_reusable && (!is_smart_host || self.refused_in_a_row < limits::REFUSED_IN_A_ROW) {
            return Step::GoOn;
        }
        self.failed(TroubleKind::Later, text);
        Step::End
    }

    fn failed_at(&self, kind: TroubleKind, trouble: &Trouble) {
        self.failed(kind, &settling::shown(trouble));
    }

    fn failed(&self, kind: TroubleKind, text: &str) {
        let (server, lane) = (&self.server, &self.place.lane);
        let now = moment(&server.clock);
        let (pause, is_news) = server.relay.lanes().failed(lane, kind, text, now, settling::jitter());
        let seconds = pause.as_secs();
        match kind {
            _ if !is_news => log::debug!("outgoing mail, {lane}: {text}; next try in {seconds} s"),
            TroubleKind::Held => {
                log::warn!("outgoing mail, {lane}: all of it is held until \"poppet queue retry\": {text}");
            }
            TroubleKind::Offline | TroubleKind::Nameless => {
                log::warn!("outgoing mail, {lane}: it waits until there is a way out: {text}")
            }
            TroubleKind::Later | TroubleKind::Never => {
                log::warn!("outgoing mail, {lane}: {text}; next try in {seconds} s");
            }
        }
        server.relay.ring();
    }
}

impl Step {
    /// An end is an end.
    fn max_end(self, other: Step) -> Step {
        if self == Step::End || other == Step::End { Step::End } else { Step::GoOn }
    }
}

/// The first of the recipients and those who get the same octets and words as he does.
fn alike(mut rows: Vec<Queued>) -> Vec<Queued> {
    let Some(first) = rows.first().map(|row| row.outbound.clone()) else { return rows };
    rows.retain(|row| {
        let outbound = &row.outbound;
        outbound.prefix == first.prefix
            && outbound.reverse_path == first.reverse_path
            && outbound.mail_dsn == first.mail_dsn
            && outbound.is_utf8 == first.is_utf8
    });
    rows
}

fn is_put_off(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Later | Verdict::Unsure)
}

/// Whether a session's end was the reason, before the mail's. RFC 5321 §3.8.
fn is_of_connection(answer: &Answer) -> bool {
    answer.verdict == Verdict::Later && matches!(answer.reply.code, 0 | 421)
}

/// RFC 3463 §3.4: 4.3.0 is the mail system's own trouble.
fn unreadable() -> Answer {
    let text = "the message can't be read here at present".to_owned();
    Answer { verdict: Verdict::Later, reply: Reply { code: 0, enhanced: Some([4, 3, 0]), text } }
}
