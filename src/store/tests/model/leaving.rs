//! Mail that waits to leave, in a plain map.

use super::*;
use crate::mail::Lane;

/// Somebody whose mail waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Of the mail.
    pub number: u64,
    /// Of its body.
    pub octets: u64,
    pub lane: Lane,
    pub received: u64,
    pub is_sure: bool,
    pub next: u64,
    pub tries: u32,
    pub unsure_sends: u32,
    pub is_delay_told: bool,
    pub state: QueueState,
    /// When he died; 0 for not, or not known.
    pub died: u64,
}

impl Model {
    pub(super) fn queue_up(&mut self, mail: Mail, outbound: &Outbound) {
        self.queued += 1;
        let waiting = Waiting {
            number: mail.number,
            octets: u64::from(mail.octets) - 8,
            lane: outbound.lane.clone(),
            received: mail.received,
            is_sure: mail.is_sure,
            next: mail.received,
            tries: 0,
            unsure_sends: 0,
            is_delay_told: false,
            state: QueueState::Waiting,
            died: 0,
        };
        self.queue.insert(self.queued, waiting);
    }

    pub fn settle(&mut self, settlement: &Settlement) {
        let stamp = self.stamp();
        let Some(waiting) = self.queue.get_mut(&settlement.id.0) else { return };
        match &settlement.fate {
            Fate::Sent | Fate::Failed | Fate::Home => drop(self.queue.remove(&settlement.id.0)),
            Fate::Dead(_) => (waiting.state, waiting.died) = (QueueState::Dead, stamp),
            Fate::Later { next, is_try, is_unsure, .. } => {
                waiting.next = next.0;
                waiting.tries += u32::from(*is_try);
                waiting.unsure_sends += u32::from(*is_unsure);
            }
            Fate::DelayTold => waiting.is_delay_told = true,
            Fate::Moved(lane) => waiting.lane = lane.clone(),
        }
    }

    /// Gives with how many it was done.
    pub fn act(&mut self, which: &Which, act: QueueAct) -> u64 {
        let now = self.now;
        let is_meant = |id: u64, waiting: &Waiting| match which {
            Which::All | Which::Having(_) => true,
            Which::One(one) => one.0 == id,
            Which::Lane(lane) => waiting.lane == *lane,
        };
        let ids: Vec<u64> =
            self.queue.iter().filter(|(id, waiting)| is_meant(**id, waiting)).map(|(&id, _)| id).collect();
        let mut count = 0;
        for id in ids {
            let Some(waiting) = self.queue.get_mut(&id) else { continue };
            match (act, waiting.state) {
                (QueueAct::Delete, _) => drop(self.queue.remove(&id)),
                (QueueAct::Retry, QueueState::Waiting | QueueState::Dead) => {
                    (waiting.state, waiting.next, waiting.died) = (QueueState::Waiting, now, 0);
                }
                (QueueAct::Hold, QueueState::Waiting) => waiting.state = QueueState::Held,
                (QueueAct::Release, QueueState::Held) => waiting.state = QueueState::Waiting,
                _ => continue,
            }
            count += 1;
        }
        count
    }

    pub(super) fn bury_dead(&mut self) {
        let (now, undo) = (self.now, self.undo_days * DAY);
        self.queue.retain(|_, waiting| {
            let is_dead = waiting.state == QueueState::Dead;
            if is_dead && (waiting.died == 0 || waiting.died > now) {
                waiting.died = now;
                return true;
            }
            !is_dead || waiting.died + undo > now
        });
    }
}
