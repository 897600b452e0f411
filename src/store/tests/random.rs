//! Thousands of random acts, each held against a plain model; `POPPET_SEED` and `POPPET_STEPS` choose them.

mod house;
mod leaving;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use super::audit::{audit, follow_purge};
use super::memory::Memory;
use super::model::{self, DAY, Mail, Model};
use super::undoing::at;
use super::*;

const STEPS: usize = 1500;
const BEGIN: u64 = 1_800_000_000;

#[test]
fn after_any_order_of_acts_the_file_holds_what_it_should() {
    let steps = number("POPPET_STEPS").unwrap_or(STEPS as u64) as usize;
    let seed = number("POPPET_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("POPPET_SEED={seed} POPPET_STEPS={steps}");
    let mut world = World::new(seed);
    for step in 0..steps {
        let act = world.act();
        let checked = match act.as_str() {
            // An audit reads the whole file.
            "deliver" | "mark" if step % 8 != 0 => Ok(()),
            _ => world.check(),
        };
        if let Err(difference) = checked {
            panic!("step {step}, {act}: {difference}, POPPET_SEED={seed}");
        }
    }
    world.end();
    println!("{:?}", world.acts);
}

/// The store, its model, and what is under way.
struct World {
    random: fastrand::Rng,
    memory: Memory,
    store: Store,
    model: Model,
    /// Bodies that stream in, with the numbers of their mails.
    uploads: Vec<(u64, Upload, Vec<u8>)>,
    /// What a mark and a uid stood for, for ever.
    named: BTreeMap<([u8; 16], u32), u64>,
    numbers: u64,
    /// The newest time that has been.
    latest: u64,
    acts: BTreeMap<String, u32>,
}

impl World {
    fn new(seed: u64) -> World {
        let memory = Memory::new();
        let store = Store::create_on(Arc::new(memory.clone()), &options(), at(BEGIN)).unwrap();
        store.set_setting("reserve_mib", Some("1")).wait().unwrap();
        let model = Model { now: BEGIN, undo_days: 7, ..Model::default() };
        let mut world = World {
            random: fastrand::Rng::with_seed(seed),
            memory,
            store,
            model,
            uploads: Vec::new(),
            named: BTreeMap::new(),
            numbers: 0,
            latest: BEGIN,
            acts: BTreeMap::new(),
        };
        for domain in ["home.lan", "keep.lan"] {
            world.add_domain(domain);
        }
        for address in ["keep@keep.lan", "alice@home.lan", "bob@home.lan"] {
            world.add_mailbox(&address.parse().unwrap());
        }
        world
    }

    /// One random act; gives its name.
    fn act(&mut self) -> String {
        let act = match self.random.u8(..98) {
            0..=13 => self.deliver(),
            14..=20 => self.remove(),
            21..=24 => self.finish_session(),
            25..=27 => self.mark(),
            28..=34 => self.undelete(),
            35..=36 => self.remove_mailbox(),
            37..=40 => {
                let address = self.address();
                self.add_mailbox(&address)
            }
            41 => self.remove_domain(),
            42 => self.add_domain("home.lan"),
            43..=44 => self.set_retain(),
            45 => self.set_undo_days(),
            46..=48 => self.chores(),
            49 => self.purge(),
            50..=51 => {
                let _ = free::free_some(&self.store.shared);
                "free"
            }
            52..=55 => self.stream(),
            56..=57 => self.reopen(),
            58..=62 => self.set_alias(),
            63..=64 => self.remove_alias(),
            65..=66 => self.lock(),
            67..=69 => self.set_quota(),
            70..=71 => self.warn(),
            72..=73 => self.device(),
            78..=84 => self.send_away(),
            85..=92 => self.settle_some(),
            93..=97 => self.act_on_queue(),
            _ => self.fail(),
        };
        *self.acts.entry(act.into()).or_default() += 1;
        act.into()
    }

    fn address(&mut self) -> Address {
        let name = ["alice", "bob", "carol"][self.random.usize(..3)];
        format!("{name}@home.lan").parse().unwrap()
    }

    /// Some number of a mailbox, rarely of one that is gone.
    fn id(&mut self) -> u32 {
        let ids: Vec<u32> = self.model.boxes.keys().copied().collect();
        let present: Vec<u32> = ids.iter().copied().filter(|&id| self.model.is_present(id)).collect();
        let among = if self.random.u8(..8) == 0 { ids } else { present };
        among[self.random.usize(..among.len())]
    }

    fn uids(&mut self, id: u32) -> Vec<u32> {
        let Some(it) = self.model.boxes.get(&id) else { return Vec::new() };
        let (next, most) = (it.next_uid, self.random.u8(..4));
        let mut uids: Vec<u32> = (0..next + 2).filter(|_| self.random.u8(..4) < most).collect();
        self.random.shuffle(&mut uids);
        uids
    }

    fn recipients(&mut self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.random.u8(1..4)).map(|_| self.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn body(&mut self, number: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(number);
        let octets = match self.random.u8(..16) {
            0 => 0,
            1..=12 => random.usize(1..6000),
            13..=14 => random.usize(4000..90_000),
            _ => random.usize(270_000..400_000),
        };
        std::iter::repeat_with(|| random.u8(..)).take(octets).collect()
    }

    fn deliver(&mut self) -> &'static str {
        self.numbers += 1;
        let number = self.numbers;
        let body = self.body(number);
        let mut upload = self.store.upload();
        block_on(upload.push(&body)).unwrap();
        let ids = self.recipients();
        self.finish(number, upload, body.len(), &ids).unwrap();
        "deliver"
    }

    fn finish(&mut self, number: u64, upload: Upload, octets: usize, ids: &[u32]) -> Result<(), StoreError> {
        let quota = |id| self.model.boxes.get(id).map_or(Default::default(), |it| it.quota);
        let delivery =
            |id| Delivery { quota: quota(id), ..Delivery::to(MailboxId(*id), number.to_le_bytes().to_vec()) };
        let delivered = upload.finish(ids.iter().map(delivery).collect()).wait()?;
        let mail = self.mail(number, octets);
        assert_eq!(delivered, self.model.deliver(ids, mail, false));
        Ok(())
    }

    /// A mail of so many octets that comes in now.
    fn mail(&self, number: u64, octets: usize) -> Mail {
        Mail {
            number,
            octets: octets as u32 + 8,
            received: self.model.now,
            is_sure: !self.model.is_suspect,
            retrieved: 0,
        }
    }

    fn remove(&mut self) -> &'static str {
        let id = self.id();
        let uids = self.uids(id);
        self.store.remove_messages(MailboxId(id), uids.iter().copied().map(Uid).collect()).wait().unwrap();
        self.model.remove(id, &uids, self.model.stamp());
        "remove"
    }

    fn finish_session(&mut self) -> &'static str {
        let id = self.id();
        let (removed, retrieved) = (self.uids(id), self.uids(id));
        let uids = |uids: &[u32]| uids.iter().copied().map(Uid).collect();
        self.store.finish_session(MailboxId(id), uids(&removed), uids(&retrieved)).wait().unwrap();
        self.model.remove(id, &removed, self.model.stamp());
        self.model.mark(id, &retrieved);
        "finish"
    }

    fn mark(&mut self) -> &'static str {
        let id = self.id();
        let uids = self.uids(id);
        self.store.mark_retrieved(MailboxId(id), uids.iter().copied().map(Uid).collect()).wait().unwrap();
        self.model.mark(id, &uids);
        "mark"
    }

    fn undelete(&mut self) -> &'static str {
        let (address, is_dry_run) = (self.address(), self.random.u8(..4) == 0);
        let since = match self.random.u8(..3) {
            0 => None,
            _ => Some(self.model.now.saturating_sub(self.random.u64(..9) * DAY)),
        };
        let found = self.store.undelete(address.clone(), since.map(UnixTime), is_dry_run).wait();
        let wanted = self.model.undelete(&address, since, is_dry_run);
        match (&found, &wanted) {
            (Ok(found), Some(wanted)) => assert_eq!(found, wanted, "{address} since {since:?}"),
            (Err(StoreError::NotFound(_) | StoreError::Refused(_)), None) => {}
            _ => panic!("{found:?} instead of {wanted:?} for {address} since {since:?}"),
        }
        "undelete"
    }

    fn remove_mailbox(&mut self) -> &'static str {
        let address = self.address();
        let is_removed = self.store.remove_mailbox(address.clone()).wait().is_ok();
        let id = self.model.present(&address);
        assert_eq!(is_removed, id.is_some());
        id.into_iter().for_each(|id| self.model.bury(id));
        "del"
    }

    fn add_mailbox(&mut self, address: &Address) -> &'static str {
        let mark = MailboxMark(self.random.u128(..).to_le_bytes());
        let added = self.store.add_mailbox(address.clone(), mark, b"sealed".to_vec()).wait();
        let may = self.model.domains.contains_key(address.domain().as_str())
            && self.model.present(address).is_none()
            && !self.model.aliases.contains_key(address.as_str());
        assert_eq!(added.is_ok(), may);
        if let Ok(id) = added {
            assert!(!self.model.boxes.contains_key(&id.0), "a number is given once");
            let it = model::Box {
                address: address.clone(),
                mark,
                retain: Default::default(),
                lock: Lock::Open,
                quota: Default::default(),
                is_warned: false,
                next_uid: 1,
                live: BTreeMap::new(),
                graves: Vec::new(),
                gone: None,
                purged: 0,
                purged_at: 0,
            };
            self.model.boxes.insert(id.0, it);
        }
        "add"
    }

    fn add_domain(&mut self, domain: &str) -> &'static str {
        let added = self.store.add_domain(domain.parse().unwrap()).wait();
        let may = !self.model.domains.contains_key(domain) && !self.model.aliases.contains_key(domain);
        assert_eq!(added.is_ok(), may);
        if may {
            self.model.domains.insert(domain.into(), Lock::Open);
        }
        "add domain"
    }

    fn remove_domain(&mut self) -> &'static str {
        let removed = self.store.remove_domain("home.lan".parse().unwrap()).wait();
        assert_eq!(removed.is_ok(), self.model.remove_domain("home.lan"));
        "del domain"
    }

    fn set_retain(&mut self) -> &'static str {
        let address = self.address();
        let text = ["never", "5", "9,retrieved:2", "retrieved:3"][self.random.usize(..4)];
        let set = self.store.set_level(Level::Mailbox(address.clone()), "retain", Some(text)).wait();
        let id = self.model.present(&address);
        assert_eq!(set.is_ok(), id.is_some());
        if let Some(it) = id.and_then(|id| self.model.boxes.get_mut(&id)) {
            it.retain = text.parse().unwrap();
        }
        "retain"
    }

    fn set_undo_days(&mut self) -> &'static str {
        let days = self.random.u64(2..10);
        self.store.set_setting("undo_days", Some(&days.to_string())).wait().unwrap();
        self.model.undo_days = days;
        "undo days"
    }

    fn chores(&mut self) -> &'static str {
        hourly::run_chores(&self.store);
        if !self.model.is_suspect {
            self.model.chores();
        }
        "chores"
    }

    fn purge(&mut self) -> &'static str {
        purge::purge_some(&self.store.shared, purge_order::Reach::All).unwrap();
        follow_purge(&self.store, &mut self.model).unwrap();
        "purge"
    }

    /// Begins, goes on with, ends or gives up a body that streams in.
    fn stream(&mut self) -> &'static str {
        if self.uploads.len() < 2 {
            self.numbers += 1;
            self.uploads.push((self.numbers, self.store.upload(), Vec::new()));
        }
        let (number, mut upload, mut body) =
            self.uploads.swap_remove(self.random.usize(..self.uploads.len()));
        let octets = self.random.usize(..300_000);
        let more: Vec<u8> = std::iter::repeat_with(|| self.random.u8(..)).take(octets).collect();
        block_on(upload.push(&more)).unwrap();
        body.extend(more);
        match self.random.u8(..4) {
            0 | 1 => self.uploads.push((number, upload, body)),
            2 => drop(upload),
            _ => {
                let ids = self.recipients();
                self.finish(number, upload, body.len(), &ids).unwrap();
            }
        }
        "stream"
    }

    /// The tables, and what the store says of them.
    fn check(&mut self) -> Result<(), String> {
        audit(&self.store, &self.model)?;
        let failed = |error: StoreError| error.to_string();
        for (&id, it) in self.model.boxes.iter().filter(|(_, it)| it.gone.is_none()) {
            let snapshot = self.store.snapshot(MailboxId(id)).wait().map_err(failed)?;
            let listed: Vec<(u32, u32)> =
                snapshot.messages.iter().map(|(uid, octets)| (uid.0, *octets)).collect();
            let wanted: Vec<(u32, u32)> = it.live.iter().map(|(&uid, mail)| (uid, mail.octets)).collect();
            if listed != wanted {
                return Err(format!("{} has {listed:?} instead of {wanted:?}", it.address));
            }
            for (&uid, mail) in &it.live {
                let first = *self.named.entry((it.mark.0, uid)).or_insert(mail.number);
                if first != mail.number {
                    return Err(format!("uid {uid} of {} was {first} and is {}", it.address, mail.number));
                }
            }
            let Some((&uid, mail)) = it.live.iter().nth(self.random.usize(..it.live.len().max(1))) else {
                continue;
            };
            let octets = read_back(&self.store, MailboxId(id), Uid(uid))
                .map_err(failed)?
                .ok_or("a listed mail is gone")?;
            if octets.len() != mail.octets as usize || octets[..8] != mail.number.to_le_bytes() {
                return Err(format!("uid {uid} of {} is another mail", it.address));
            }
            if let Some(grave) = it.graves.first() {
                let uid = grave.mails.keys().next().copied().unwrap_or(0);
                if read_back(&self.store, MailboxId(id), Uid(uid)) != Ok(None) {
                    return Err(format!("uid {uid} of {} is removed and can be read", it.address));
                }
            }
        }
        self.check_house()?;
        self.check_queue()?;
        let rows = self.store.mailboxes(None).wait().map_err(failed)?;
        for row in rows {
            let it = &self.model.boxes[&row.id.0];
            let removed = it.graves.iter().flat_map(|grave| grave.mails.values());
            let octets: u64 = removed.clone().map(|mail| u64::from(mail.octets)).sum();
            let wanted = (it.live.len() as u32, removed.count() as u32, octets);
            if (row.lock, self.store.settings_for(&row.address).quota) != (it.lock, it.quota) {
                return Err(format!("{} has another lock or quota", row.address));
            }
            let found = (row.messages, row.recoverable.messages, row.recoverable.octets);
            if found != wanted {
                return Err(format!("stat of {} is {found:?} instead of {wanted:?}", row.address));
            }
        }
        Ok(())
    }

    /// All that is removed goes, and no body stays without an owner.
    fn end(&mut self) {
        self.uploads.clear();
        self.store.set_setting("message_mib", Some("50")).wait().unwrap();
        free_all(&self.store);
        follow_purge(&self.store, &mut self.model).unwrap();
        self.check().unwrap();
        for id in self.model.boxes.keys().copied().collect::<Vec<_>>() {
            let uids: Vec<u32> = self.model.boxes[&id].live.keys().copied().collect();
            self.store.remove_messages(MailboxId(id), uids.into_iter().map(Uid).collect()).wait().unwrap();
        }
        assert_eq!(
            self.store.queue_act(Which::All, QueueAct::Delete).wait(),
            Ok(self.model.queue.len() as u64)
        );
        free_all(&self.store);
        assert_eq!(left_of_bodies(&self.store), 0);
    }
}

fn options() -> Options {
    Options::default()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
