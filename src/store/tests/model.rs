//! What the store must come to, kept in plain maps: nothing is shared, nothing is deferred.

mod leaving;
mod names;

pub(super) use leaving::Waiting;

use std::collections::BTreeMap;

use super::*;
use crate::settings::{Quota, Retain};

pub(super) const DAY: u64 = 86_400;

/// All that is in the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub now: u64,
    /// Whether the clock was behind what the database knew when it was opened.
    pub is_suspect: bool,
    pub undo_days: u64,
    pub domains: BTreeMap<String, Lock>,
    /// Targets of each alias, and when it was made.
    pub aliases: BTreeMap<String, (Vec<String>, u64)>,
    pub devices: BTreeMap<String, Device>,
    /// Every mailbox that there is or was, until nothing of it can be brought back; by number.
    pub boxes: BTreeMap<u32, Box>,
    /// How many messages there ever were.
    pub rows: u64,
    /// Who waits to have his mail, by number.
    pub queue: BTreeMap<u64, Waiting>,
    /// The last number that was given in the queue.
    pub queued: u64,
}

/// A mailbox.
#[derive(Debug, Clone)]
pub(super) struct Box {
    pub address: Address,
    pub mark: MailboxMark,
    pub retain: Retain,
    pub lock: Lock,
    pub quota: Quota,
    pub is_warned: bool,
    pub next_uid: u32,
    pub live: BTreeMap<u32, Mail>,
    /// What was removed, in its order.
    pub graves: Vec<Grave>,
    /// When it was removed itself.
    pub gone: Option<u64>,
    pub purged: u32,
    pub purged_at: u64,
}

/// What was removed at once, or almost; times are 0 where they are unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grave {
    /// When the last of it was.
    pub at: u64,
    /// When the first of it was.
    pub since: u64,
    pub mails: BTreeMap<u32, Mail>,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mail {
    /// Of the mail; those of one mail to many share it.
    pub number: u64,
    pub octets: u32,
    pub received: u64,
    pub is_sure: bool,
    pub retrieved: u64,
}

impl Model {
    /// The time that a removal is noted with.
    pub fn stamp(&self) -> u64 {
        if self.is_suspect { 0 } else { self.now }
    }

    pub fn present(&self, address: &Address) -> Option<u32> {
        let found = self.boxes.iter().find(|(_, it)| it.gone.is_none() && it.address == *address);
        found.map(|(&id, _)| id)
    }

    pub fn is_present(&self, id: u32) -> bool {
        self.boxes.get(&id).is_some_and(|it| it.gone.is_none())
    }

    /// Delivers a mail, and gives what the store must answer.
    pub fn deliver(&mut self, ids: &[u32], mail: Mail, is_warning: bool) -> Delivered {
        self.file(ids, mail, is_warning, &[], &[])
    }

    /// The same for a mail that leaves too, or tells of others.
    pub fn file(
        &mut self,
        ids: &[u32],
        mail: Mail,
        is_warning: bool,
        outbound: &[Outbound],
        settled: &[Settlement],
    ) -> Delivered {
        let held =
            |it: &Box| (it.live.len() as u32, it.live.values().map(|mail| u64::from(mail.octets)).sum());
        let is_waiting =
            |it: &Settlement| self.queue.get(&it.id.0).is_some_and(|row| row.state == QueueState::Waiting);
        if settled.iter().any(|it| it.fate == Fate::Home && !is_waiting(it)) {
            return Delivered::NobodyLeft;
        }
        let is_for_nobody = ids.is_empty() && !settled.is_empty();
        let mut ids: Vec<u32> = ids.iter().copied().filter(|&id| self.is_present(id)).collect();
        ids.retain(|id| !(is_warning && self.boxes[id].is_warned));
        let is_full = |id: &u32| {
            let (messages, octets): (u32, u64) = held(&self.boxes[id]);
            !is_warning && !self.boxes[id].quota.allows(messages + 1, octets + u64::from(mail.octets))
        };
        if ids.is_empty() && outbound.is_empty() && !is_for_nobody {
            return Delivered::NobodyLeft;
        }
        if outbound.is_empty() && !ids.is_empty() && ids.iter().all(is_full) {
            return Delivered::Full;
        }
        settled.iter().for_each(|settlement| self.settle(settlement));
        outbound.iter().for_each(|outbound| self.queue_up(mail, outbound));
        let mut to_warn = Vec::new();
        for id in &ids {
            let Some(it) = self.boxes.get_mut(id) else { continue };
            let is_over = |it: &Box| {
                let (messages, octets) = held(it);
                it.quota.warns_of(messages, octets)
            };
            it.is_warned = is_warning || it.is_warned && is_over(it);
            it.live.insert(it.next_uid, mail);
            it.next_uid += 1;
            self.rows += 1;
            // What warns has no quota here.
            if !is_warning && !it.is_warned && is_over(it) {
                to_warn.push(MailboxId(*id));
            }
        }
        Delivered::Stored { mailboxes: ids.len(), to_warn, leaving: outbound.len() }
    }

    pub fn remove(&mut self, id: u32, uids: &[u32], at: u64) {
        let Some(it) = self.boxes.get_mut(&id).filter(|it| it.gone.is_none()) else { return };
        let mails: BTreeMap<u32, Mail> =
            uids.iter().filter_map(|uid| Some((*uid, it.live.remove(uid)?))).collect();
        if mails.is_empty() {
            return;
        }
        let runs =
            |mails: &BTreeMap<u32, Mail>| mails.keys().filter(|uid| !mails.contains_key(&(*uid - 1))).count();
        match it.graves.last_mut() {
            Some(last)
                if at >= last.at
                    && at - last.since < limits::UNDO_GRAIN_SECONDS
                    && runs(&last.mails) + runs(&mails) <= limits::RUNS_PER_JOINED_TOMBSTONE =>
            {
                last.at = at;
                last.mails.extend(mails);
            }
            _ => it.graves.push(Grave { at, since: at, mails }),
        }
    }

    pub fn mark(&mut self, id: u32, uids: &[u32]) {
        let at = self.stamp().max(1);
        let Some(it) = self.boxes.get_mut(&id).filter(|it| it.gone.is_none()) else { return };
        for uid in uids {
            if let Some(mail) = it.live.get_mut(uid).filter(|mail| mail.retrieved <= 1) {
                mail.retrieved = at;
            }
        }
    }

    pub fn bury(&mut self, id: u32) {
        let stamp = self.stamp();
        if let Some(it) = self.boxes.get_mut(&id) {
            it.gone = Some(stamp);
        }
    }

    /// What an undelete must answer, and does unless it is a dry run; none for a refusal of any kind.
    pub fn undelete(&mut self, address: &Address, since: Option<u64>, is_dry_run: bool) -> Option<Undeleted> {
        let is_since = |at: u64| at == 0 || since.is_none_or(|since| at >= since);
        let present = self.present(address);
        let gone = |it: &Box| it.address == *address && it.gone.is_some_and(is_since);
        let mut gone: Vec<u32> = self.boxes.iter().filter(|(_, it)| gone(it)).map(|(&id, _)| id).collect();
        // The newest comes last, and those with mail behind those without.
        gone.sort_by_key(|id| (!self.boxes[id].live.is_empty(), *id));
        let predecessor = gone.pop();
        let id = present.or(predecessor)?;
        if !self.domains.contains_key(address.domain().as_str()) {
            return None;
        }
        if present.is_none() && self.aliases.contains_key(address.as_str()) {
            return None;
        }
        let it = self.boxes.get_mut(&id)?;
        let back = |grave: &Grave| is_since(grave.at);
        let mails = it.graves.iter().filter(|grave| back(grave)).flat_map(|grave| &grave.mails);
        let mut mails: BTreeMap<u32, Mail> = mails.map(|(&uid, &mail)| (uid, mail)).collect();
        if present.is_some() && predecessor.is_some() && mails.is_empty() {
            return None;
        }
        if !is_dry_run {
            it.graves.retain(|grave| !back(grave));
            it.live.extend(mails.clone());
            it.gone = None;
        }
        if present.is_none() {
            mails.extend(it.live.clone());
        }
        Some(Undeleted {
            is_mailbox_back: present.is_none(),
            messages: mails.len() as u32,
            octets: mails.values().map(|mail| u64::from(mail.octets)).sum(),
            purged: if since.is_none_or(|since| it.purged_at >= since) { it.purged } else { 0 },
        })
    }

    /// What an hour brings by a clock that is right.
    pub fn chores(&mut self) {
        let now = self.now;
        self.bury_dead();
        let undated = |at: &mut u64| *at = if *at == 0 || *at > now { now } else { *at };
        for it in self.boxes.values_mut() {
            for grave in &mut it.graves {
                let was = grave.at;
                undated(&mut grave.at);
                grave.since = if grave.at == was { grave.since } else { grave.at };
            }
            it.gone.iter_mut().for_each(undated);
        }
        let is_over = |at: u64| at < now.saturating_sub(self.undo_days * DAY);
        self.boxes.retain(|_, it| !it.gone.is_some_and(is_over));
        for it in self.boxes.values_mut() {
            for grave in it.graves.extract_if(.., |grave| is_over(grave.at)) {
                it.purged += grave.mails.len() as u32;
                it.purged_at = it.purged_at.max(grave.at);
            }
        }
        let ids: Vec<u32> =
            self.boxes.iter().filter(|(_, it)| it.gone.is_none()).map(|(&id, _)| id).collect();
        for id in ids {
            let it = &self.boxes[&id];
            let is_late =
                |from: u64, days: Option<u32>| days.is_some_and(|days| now >= from + u64::from(days) * DAY);
            let is_expired = |mail: &Mail| {
                (mail.is_sure && is_late(mail.received, it.retain.received_days))
                    || (mail.retrieved > 1 && is_late(mail.retrieved, it.retain.retrieved_days))
            };
            let expired: Vec<u32> =
                it.live.iter().filter(|(_, mail)| is_expired(mail)).map(|(&uid, _)| uid).collect();
            self.remove(id, &expired, now);
        }
    }

    /// Owners of each mail, living and removed, and those to whom it leaves.
    pub fn owners(&self) -> BTreeMap<u64, u32> {
        let mut owners = BTreeMap::new();
        for it in self.boxes.values() {
            for mail in it.live.values().chain(it.graves.iter().flat_map(|grave| grave.mails.values())) {
                *owners.entry(mail.number).or_default() += 1;
            }
        }
        for waiting in self.queue.values() {
            *owners.entry(waiting.number).or_default() += 1;
        }
        owners
    }
}
