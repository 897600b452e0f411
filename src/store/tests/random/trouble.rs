//! The database is closed and opened, the disk fails, the power goes.

use super::*;

impl World {
    /// At the same time, later, or in 1970.
    pub(super) fn reopen(&mut self) -> &'static str {
        self.store.close();
        self.uploads.clear();
        let later = (self.latest, self.random.u64(..10 * DAY));
        let (now, is_suspect) = match self.random.u8(..4) {
            0 => (self.random.u64(1..100_000), true),
            1 => (later.0, false),
            _ => (later.0 + later.1, false),
        };
        self.open(now, is_suspect);
        "reopen"
    }

    pub(super) fn open(&mut self, now: u64, is_suspect: bool) {
        self.store = Store::open_on(Arc::new(self.memory.clone()), &options(), at(now)).unwrap();
        (self.model.now, self.model.is_suspect) = (now, is_suspect);
        self.latest = self.latest.max(now);
        // So that a clock that goes on is never far ahead of all mail.
        let keep = self.model.present(&"keep@keep.lan".parse().unwrap()).unwrap();
        self.numbers += 1;
        let upload = self.store.upload();
        self.finish(self.numbers, upload, 0, &[keep]).unwrap();
    }

    /// An act meets a failing disk, or the power goes in it: it is done, or it is not.
    pub(super) fn fail(&mut self) -> &'static str {
        self.uploads.clear();
        // What is not durable yet may be lost by it.
        self.store.set_setting("message_mib", Some("50")).wait().unwrap();
        let before = self.model.clone();
        let (is_cut, id) = (self.random.bool(), self.id());
        let (uids, address) = (self.uids(id), self.address());
        self.memory.fail_in(self.random.u32(1..12), is_cut);
        let is_done = match self.random.u8(..11) {
            0 => {
                let uids_of = uids.iter().copied().map(Uid).collect();
                let ask = self.store.finish_session(MailboxId(id), uids_of, Vec::new());
                self.model.remove(id, &uids, self.model.stamp());
                ask.wait().is_ok()
            }
            1 => {
                let is_done = self.store.undelete(address.clone(), None, false).wait().is_ok();
                self.model.undelete(&address, None, false);
                is_done
            }
            2 => {
                let is_done = self.store.remove_mailbox(address.clone()).wait().is_ok();
                let id = self.model.present(&address);
                id.into_iter().for_each(|id| self.model.bury(id));
                is_done
            }
            3 => self.make_alias().0.is_ok(),
            4 => self.make_lock().0.is_ok(),
            5 => self.make_device().0.is_ok(),
            6 | 7 => self.make_settled().is_ok(),
            8 => self.make_act().0.is_ok(),
            9 => self.file_some().0.is_ok(),
            _ => {
                self.numbers += 1;
                let (number, ids) = (self.numbers, self.recipients());
                let body = vec![b'x'; self.random.usize(1..90_000)];
                let mut upload = self.store.upload();
                block_on(upload.push(&body)).unwrap();
                match self.finish(number, upload, body.len(), &ids) {
                    Ok(()) => true,
                    Err(_) => {
                        let mail = self.mail(number, body.len());
                        self.model.deliver(&ids, mail, false);
                        false
                    }
                }
            }
        };
        let was_met = self.memory.heal();
        if is_cut {
            let (now, is_suspect) = (self.model.now, self.model.is_suspect);
            self.store.close();
            self.memory.lose_unsynced();
            self.settle(is_done, before);
            self.open(now, is_suspect);
        } else {
            // After a failure the writer collects what it left before its next job.
            let _ = self.store.set_setting("message_mib", Some("50")).wait();
            self.store.set_setting("message_mib", Some("50")).wait().unwrap();
            self.choose(is_done, before);
        }
        if was_met { "failure" } else { "no failure" }
    }

    /// After a power cut: which of the two is it?
    pub(super) fn settle(&mut self, is_done: bool, before: Model) {
        self.store = Store::open_on(Arc::new(self.memory.clone()), &options(), at(self.model.now)).unwrap();
        self.choose(is_done, before);
        self.store.close();
    }

    pub(super) fn choose(&mut self, is_done: bool, before: Model) {
        let Err(difference) = audit(&self.store, &self.model) else { return };
        assert!(!is_done, "what was acknowledged is not there: {difference}");
        let otherwise = audit(&self.store, &before);
        assert!(otherwise.is_ok(), "neither done nor not done: {difference}; {otherwise:?}");
        self.model = before;
    }
}
