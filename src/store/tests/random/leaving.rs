//! Random acts on mail that leaves.

use super::*;
use crate::mail::{Lane, MailDsn, RcptDsn, RemoteAddress};

const LANES: [&str; 4] = ["smarthost", "route:example.com", "mx:example.com", "nowhere"];

impl World {
    fn lane(&mut self) -> Lane {
        LANES[self.random.usize(..LANES.len())].parse().unwrap()
    }

    fn outbound(&mut self, number: u64) -> Vec<Outbound> {
        let count = self.random.usize(1..4);
        let one = |name: usize| Outbound {
            lane: self.lane(),
            reverse_path: "alice@home.lan".into(),
            recipient: RemoteAddress::from_path(&format!("user{name}@example.com")),
            mail_dsn: MailDsn::default(),
            rcpt_dsn: RcptDsn::default(),
            is_utf8: false,
            needs_utf8: false,
            submitter: ["alice", "bob"][self.random.usize(..2)].into(),
            chooser: None,
            came_from: None,
            prefix: number.to_le_bytes().to_vec(),
        };
        (0..count).map(one).collect()
    }

    fn fate(&mut self) -> Fate {
        let host = Box::default();
        let last = LastTry { at: UnixTime(self.model.now), host, text: "said".into() };
        match self.random.u8(..10) {
            0..=2 => Fate::Sent,
            3 => Fate::Failed,
            4 => Fate::Dead(last),
            5 => Fate::DelayTold,
            6 => Fate::Moved(self.lane()),
            7 => Fate::Home,
            _ => Fate::Later {
                next: UnixTime(self.model.now + self.random.u64(..2000)),
                is_try: self.random.bool(),
                is_unsure: self.random.bool(),
                last: self.random.bool().then_some(last),
            },
        }
    }

    /// What becomes of some, rarely of one who is gone, or of one twice.
    fn settlements(&mut self) -> Vec<Settlement> {
        let mut ids: Vec<u64> =
            self.model.queue.keys().copied().filter(|_| self.random.u8(..3) == 0).collect();
        if self.random.u8(..4) == 0 {
            ids.push(self.random.u64(..self.model.queued + 2));
        }
        ids.into_iter().map(|id| Settlement { id: QueueId(id), fate: self.fate() }).collect()
    }

    /// A mail for some here and some elsewhere, or a report of others.
    pub(super) fn send_away(&mut self) -> &'static str {
        self.file_some().0.unwrap();
        "send away"
    }

    /// Files a mail in both; gives what the store says, and what it must say.
    pub(super) fn file_some(&mut self) -> (Result<(), StoreError>, Delivered) {
        self.numbers += 1;
        let number = self.numbers;
        let body = self.body(number);
        let mut upload = self.store.upload();
        let pushed = block_on(upload.push(&body));
        let ids = if self.random.bool() { self.recipients() } else { Vec::new() };
        let outbound = if self.random.u8(..5) > 0 { self.outbound(number) } else { Vec::new() };
        let settled = if self.random.u8(..3) == 0 { self.settlements() } else { Vec::new() };
        let quota = |id| self.model.boxes.get(id).map_or(Default::default(), |it| it.quota);
        let delivery =
            |id| Delivery { quota: quota(id), ..Delivery::to(MailboxId(*id), number.to_le_bytes().to_vec()) };
        let deliveries = ids.iter().map(delivery).collect();
        let filing = Filing { deliveries, outbound: outbound.clone(), settled: settled.clone() };
        let filed = pushed.and_then(|()| upload.file(filing).wait());
        let mail = self.mail(number, body.len());
        let wanted = self.model.file(&ids, mail, false, &outbound, &settled);
        let filed = filed.map(|filed| assert_eq!(filed, wanted));
        (filed, wanted)
    }

    pub(super) fn settle_some(&mut self) -> &'static str {
        self.make_settled().unwrap();
        "settle"
    }

    /// Settles some in both; gives what the store says.
    pub(super) fn make_settled(&mut self) -> Result<(), StoreError> {
        let settled = self.settlements();
        settled.iter().for_each(|settlement| self.model.settle(settlement));
        self.store.queue_settle(settled).wait()
    }

    pub(super) fn act_on_queue(&mut self) -> &'static str {
        let (done, wanted) = self.make_act();
        assert_eq!(done, Ok(wanted));
        "queue act"
    }

    /// Acts in both; gives what the store says, and what it must say.
    pub(super) fn make_act(&mut self) -> (Result<u64, StoreError>, u64) {
        let act =
            [QueueAct::Retry, QueueAct::Hold, QueueAct::Release, QueueAct::Delete][self.random.usize(..4)];
        let which = match self.random.u8(..6) {
            0 if act != QueueAct::Delete => Which::All,
            1 => Which::Lane(self.lane()),
            2 if act != QueueAct::Delete => Which::Having("USER".into()),
            _ => Which::One(QueueId(self.random.u64(..self.model.queued + 2))),
        };
        (self.store.queue_act(which.clone(), act).wait(), self.model.act(&which, act))
    }

    /// What the store says of who is next.
    pub(super) fn check_queue(&mut self) -> Result<(), String> {
        let (lane, now) = (self.lane(), self.model.now);
        let far = now + limits::QUEUE_FAR.as_secs();
        let is_due = |waiting: &model::Waiting| {
            let is_time = waiting.next <= now || waiting.next >= far;
            waiting.lane == lane && waiting.state == QueueState::Waiting && is_time
        };
        let due: BTreeMap<u64, u64> = self
            .model
            .queue
            .iter()
            .filter(|(_, waiting)| is_due(waiting))
            .map(|(&id, waiting)| (id, waiting.number))
            .collect();
        let next = self.store.queue_next(lane.clone(), UnixTime(now), Vec::new(), Some("bob".into()), 100);
        let found: Vec<u64> =
            next.wait().map_err(|error| error.to_string())?.iter().map(|it| it.id.0).collect();
        let number = found.first().and_then(|id| due.get(id));
        let wanted: Vec<u64> = due.iter().filter(|(_, of)| Some(*of) == number).map(|(&id, _)| id).collect();
        if found != wanted || found.is_empty() != due.is_empty() {
            return Err(format!("on {lane} {found:?} are next of {due:?}"));
        }
        let lanes = self.store.queue_lanes().wait().map_err(|error| error.to_string())?;
        let told: BTreeMap<String, u64> =
            lanes.into_iter().map(|row| (row.lane.to_string(), row.waiting)).collect();
        let mut wanted = BTreeMap::new();
        for waiting in self.model.queue.values().filter(|it| it.state == QueueState::Waiting) {
            *wanted.entry(waiting.lane.to_string()).or_default() += 1;
        }
        match told == wanted {
            true => Ok(()),
            false => Err(format!("the ways have {told:?} instead of {wanted:?}")),
        }
    }
}
