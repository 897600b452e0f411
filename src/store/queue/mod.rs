//! Mail that waits to leave: a row for each recipient and way, the body shared with local copies (O1).
//!
//! ```text
//!   file() --> waiting --queue_settle: Later--> waiting, not before its time
//!                 |  \--hold--> held --release--> waiting
//!                 |--queue_settle: Sent, Failed--> gone, with its claim on the body
//!                 |--file: Home--> gone, and in a mailbox
//!                 \--queue_settle: Dead--> dead (nobody can be told) --retry--> waiting, or gone after `undo_days`
//! ```

pub(super) mod burying;
pub(super) mod finding;
mod ledger;
pub(super) mod mending;
pub(super) mod opening;
mod state;
mod stepping;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Store;
use super::blob::BlobId;
use super::error::Ask;
#[cfg(doc)]
use super::error::StoreError;
use super::schema::{QUEUE, QUEUE_LANES, QUEUE_WAYS};
use super::upload::Delivery;
use crate::clock::UnixTime;
#[cfg(doc)]
use crate::limits;
use crate::mail::{Address, Lane, MailDsn, RcptDsn, RemoteAddress};
use finding::{Only, Walk, Wanted};
pub(super) use ledger::{Effect, Ledger, remember};
use mending::Doubts;
pub(super) use state::State;
use stepping::{Acting, Settling};

/// A queued recipient's number: it rises, and none comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

/// A recipient elsewhere to whom a body shall go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// The way on which it leaves.
    pub lane: Lane,
    /// The envelope's sender, to whom reports go; empty for nobody. RFC 5321 §4.5.5.
    pub reverse_path: Box<str>,
    /// To whom.
    pub recipient: RemoteAddress,
    /// What MAIL asked of reports.
    pub mail_dsn: MailDsn,
    /// What RCPT asked of reports.
    pub rcpt_dsn: RcptDsn,
    /// Whether MAIL said SMTPUTF8. RFC 6531 §3.4.
    pub is_utf8: bool,
    /// Whether it had to, since its header goes beyond ASCII; many say it of all their mail. RFC 6531 §3.6.
    pub needs_utf8: bool,
    /// Whose mail it is, for fairness between senders: a user's address, `device NAME`, a network; empty for our own
    /// reports.
    pub submitter: Box<str>,
    /// The user by whose smart host it leaves if he has one: who sent it, or who forwards it. None for strangers, devices
    /// and our own reports.
    pub chooser: Option<Address>,
    /// Whence it came, so that it never goes back there (O6); none if we wrote it.
    pub came_from: Option<IpAddr>,
    /// What stands before the body for this recipient alone, such as the mark by which a loop is known (S-120).
    pub prefix: Vec<u8>,
}

/// A recipient whose mail waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its number.
    pub id: QueueId,
    /// Who, from whom, by which way.
    pub outbound: Outbound,
    /// The body; recipients of one mail have the same.
    pub blob: u64,
    /// How many chunks it has.
    pub chunks: u32,
    /// Octets of prefix and body.
    pub octets: u64,
    /// Whether the body has octets beyond ASCII. RFC 6152.
    pub is_8bit: bool,
    /// When it was taken.
    pub received: UnixTime,
    /// Whether that time may be believed.
    pub is_sure: bool,
    /// Tries that failed, those while we were offline not counted.
    pub tries: u32,
    /// Not before that time.
    pub next: UnixTime,
    /// Whether it waits for its time or for the administrator.
    pub state: QueueState,
    /// Whether its sender has been told that it waits.
    pub is_delay_told: bool,
    /// How often a server may have taken it without our hearing so: it may come twice (S-131).
    pub unsure_sends: u32,
    /// How the last try ended; none before the first.
    pub last: Option<LastTry>,
}

impl Queued {
    /// The body's number, for [`Store::chunk`].
    pub fn body(&self) -> BlobId {
        BlobId(self.blob)
    }
}

/// What a queued recipient waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueState {
    /// For its time.
    Waiting,
    /// For the administrator, who holds it.
    Held,
    /// It can't be delivered and nobody can be told, since its sender is nobody (S-126).
    Dead,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastTry {
    /// When.
    pub at: UnixTime,
    /// Which server said it; empty if we found it ourselves.
    pub host: Box<str>,
    /// What was said or found, without anything that breaks a line, [`limits::KEPT_REPLY_OCTETS`] at most.
    pub text: Box<str>,
}

/// What became of a queued recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Whose.
    pub id: QueueId,
    /// What.
    pub fate: Fate,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A server has taken it: it goes from the queue.
    Sent,
    /// It never will be: it goes from the queue. Who is to be told is told in the same commit; see [`Filing`].
    Failed,
    /// It never will be, and nobody can be told.
    Dead(LastTry),
    /// It waits on.
    Later {
        /// Not before that time.
        next: UnixTime,
        /// Whether it counts as a try: not if we were offline.
        is_try: bool,
        /// Whether a server may have taken it without our hearing so.
        is_unsure: bool,
        /// How it ended; none leaves what is known.
        last: Option<LastTry>,
    },
    /// Its sender has been told that it waits; nothing else changes.
    DelayTold,
    /// Another rule counts for it now.
    Moved(Lane),
    /// Its mailboxes are here now: it goes from the queue in the commit that delivers to them. A [`Filing`] that says so
    /// of one that doesn't wait any more (it is gone, held or dead) does nothing at all, so that no mail comes twice.
    Home,
}

/// All that becomes of a body, and what else is to be durable in the same commit.
#[derive(Debug, Default)]
pub struct Filing {
    /// Copies for mailboxes.
    pub deliveries: Vec<Delivery>,
    /// Copies that leave.
    pub outbound: Vec<Outbound>,
    /// Queued recipients of whom this body tells, as a report of their failure does.
    pub settled: Vec<Settlement>,
}

/// A way and what waits on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneRow {
    /// The way.
    pub lane: Lane,
    /// Recipients that wait for their time.
    pub waiting: u64,
    /// When the first of them is due.
    pub next: Option<UnixTime>,
}

/// How much waits, from memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    /// For its time.
    pub waiting: u64,
    /// For the administrator.
    pub held: u64,
    /// Dead.
    pub dead: u64,
}

/// Which queued recipients an administrator means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// All.
    All,
    /// One.
    One(QueueId),
    /// Those of a way.
    Lane(Lane),
    /// Those whose recipient or sender has that text in its address, in any case of letters.
    Having(String),
}

/// What an administrator does with queued recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueAct {
    /// They are due now; the dead wait again.
    Retry,
    /// They wait for him.
    Hold,
    /// They wait for their time again.
    Release,
    /// They go, and nobody is told.
    Delete,
}

impl Store {
    /// Every way on which something waits for its time, in the order of its text.
    pub fn queue_lanes(&self) -> Ask<Vec<LaneRow>> {
        let now = self.clock.now();
        let doubts = self.doubts();
        self.ask(move |transaction| {
            let lanes = finding::lanes(transaction, now);
            doubts.heed(&lanes, |lanes| lanes.is_sound);
            Ok(lanes?.rows)
        })
    }

    /// The next mail that is due on a way: its recipients, at most `recipients` of one body that one transaction of SMTP
    /// can name, since reverse-path, prefix and what MAIL asked are the same; nothing if nothing is due. Who is in `busy`
    /// is under way already; of the others, submitters take turns as far as a look at [`limits::QUEUE_LOOK`] rows shows
    /// more than one. A row that can't be read is told of in the log and holds nobody up.
    pub fn queue_next(
        &self,
        lane: Lane,
        now: UnixTime,
        busy: Vec<QueueId>,
        last_submitter: Option<Box<str>>,
        recipients: usize,
    ) -> Ask<Vec<Queued>> {
        let wanted = Wanted { lane, now, busy: busy.into_iter().collect(), last_submitter, recipients };
        let doubts = self.doubts();
        self.ask(move |transaction| {
            let next = finding::next(transaction, &wanted);
            doubts.heed(&next, |next| next.is_sound);
            let next = next?;
            if !next.broken.is_empty() {
                stepping::leave_out(&doubts.shared, &doubts.writer, next.broken);
            }
            Ok(next.recipients)
        })
    }

    /// Those that wait on a way since before that time, from a number on, at most so many: who is to be told of a delay,
    /// or to be given up, where a whole way fails. None means that there are no more.
    pub fn queue_older(&self, lane: Lane, than: UnixTime, from: QueueId, most: usize) -> Ask<Vec<Queued>> {
        self.walk(Walk::new(Which::Lane(lane), from), Only::WaitingSince(than), most)
    }

    /// Makes durable what became of these, [`limits::QUEUE_STEP`] in one commit; one that is gone is passed over. Works
    /// below the disk reserve too.
    pub fn queue_settle(&self, settled: Vec<Settlement>) -> Ask<()> {
        if settled.is_empty() {
            return Ask::ready(Ok(()));
        }
        let steps = Settling { settled: settled.into_iter(), at: self.shared.removal_time() };
        stepping::begin(&self.shared, self.threads.writer(), steps, |_| ())
    }

    /// A page of the queue, numbers rising, behind a number; at most so many. Errs with [`StoreError::Damaged`] for one
    /// that was asked for by its number and can't be read; others of that kind are left out, and the log names them.
    pub fn queue_page(&self, which: Which, after: Option<QueueId>, most: usize) -> Ask<Vec<Queued>> {
        let from = QueueId(after.map_or(0, |after| after.0.saturating_add(1)));
        self.walk(Walk::new(which, from), Only::All, most)
    }

    /// Does something with queued recipients, in bounded steps; says with how many. Who is held is not retried, and only
    /// who is held is released.
    pub fn queue_act(&self, which: Which, act: QueueAct) -> Ask<u64> {
        let steps = Acting::new(which, act, self.clock.now());
        stepping::begin(&self.shared, self.threads.writer(), steps, |count| count)
    }

    /// How much waits, from memory.
    pub fn queue_counts(&self) -> QueueCounts {
        self.shared.queue.counts()
    }

    /// Has `wake` called, on the writer's thread, whenever a commit has put something into the queue or made it due; it
    /// must not block.
    pub fn watch_queue(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.shared.queue.watch(wake);
    }

    /// The wall clock, if it may be believed enough to give mail up by it (S-309, S-129).
    pub fn believed_now(&self) -> Option<UnixTime> {
        self.shared.believed_now()
    }

    /// Asks for the rest of a walk, some rows at a time, so that no other question waits for long.
    fn walk(&self, mut walk: Walk, only: Only, most: usize) -> Ask<Vec<Queued>> {
        let mut found = Vec::new();
        // The others go by the rows.
        let doubts = matches!(walk.which(), Which::Lane(_)).then(|| self.doubts());
        self.threads.ask_in_steps(move |transaction| {
            let (queue, ways) = (transaction.open_table(QUEUE)?, transaction.open_table(QUEUE_WAYS)?);
            let lanes = transaction.open_table(QUEUE_LANES)?;
            let more = walk.step(&queue, &ways, &lanes, only, most.saturating_sub(found.len()));
            if let Some(doubts) = &doubts {
                doubts.heed(&more, |_| true);
            }
            found.extend(more?.into_iter().map(|record| record.queued));
            let is_done = walk.is_over() || found.len() >= most;
            Ok(is_done.then(|| std::mem::take(&mut found)))
        })
    }

    fn doubts(&self) -> Doubts {
        Doubts { shared: Arc::clone(&self.shared), writer: self.threads.writer() }
    }
}

/// How many are next on a way behind a submitter called `bulk`, and how many rows and entries were looked at for it.
#[cfg(test)]
pub(super) fn looked_at(
    store: &Store,
    lane: Lane,
    now: UnixTime,
    busy: &[QueueId],
    recipients: usize,
) -> (usize, usize) {
    let busy = busy.iter().copied().collect();
    let wanted = Wanted { lane, now, busy, last_submitter: Some("bulk".into()), recipients };
    let next = store.shared.engine.read(|transaction| finding::next(transaction, &wanted));
    next.map_or((0, usize::MAX), |next| (next.recipients.len(), next.looked))
}
