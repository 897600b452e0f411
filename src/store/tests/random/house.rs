//! Random acts on names, locks, quotas and devices.

use super::*;
use crate::mail::{Alias, AliasTarget};
use crate::settings::Quota;

/// Names that mailboxes, aliases and domains vie for.
const ALIASES: [&str; 10] = [
    "info@home.lan",
    "list@home.lan",
    "alice@home.lan",
    "carol@home.lan",
    "x@keep.lan",
    "*@home.lan",
    "*@keep.lan",
    "alias.lan",
    "alias.lan",
    "home.lan",
];
/// What is sent to, and led to.
const ADDRESSES: [&str; 11] = [
    "alice@home.lan",
    "bob@home.lan",
    "carol@home.lan",
    "info@home.lan",
    "list@home.lan",
    "x@keep.lan",
    "keep@keep.lan",
    "bob+tag@home.lan",
    "info+tag@alias.lan",
    "keep@alias.lan",
    "nobody@home.lan",
];
const LOCKS: [Lock; 3] = [Lock::Open, Lock::Reading, Lock::All];

impl World {
    /// An alias with targets; the same for the store and its model.
    fn some_alias(&mut self) -> (&'static str, Vec<String>) {
        let alias = ALIASES[self.random.usize(..ALIASES.len())];
        let targets = match alias.contains('@') {
            true => {
                let count = self.random.usize(1..4);
                (0..count).map(|_| ADDRESSES[self.random.usize(..ADDRESSES.len())].to_owned()).collect()
            }
            false => vec![["home.lan", "keep.lan", "alias.lan"][self.random.usize(..3)].to_owned()],
        };
        (alias, targets)
    }

    /// Makes an alias in both; gives what the store says, and whether it may.
    pub(super) fn make_alias(&mut self) -> (Result<(), StoreError>, bool) {
        let (alias, targets) = self.some_alias();
        let target = |text: &String| match text.contains('@') {
            true => AliasTarget::Address(text.parse().unwrap()),
            false => AliasTarget::Domain(text.parse().unwrap()),
        };
        let made = self.store.set_alias(alias.parse().unwrap(), targets.iter().map(target).collect());
        (made.wait(), self.model.set_alias(alias, &targets))
    }

    pub(super) fn set_alias(&mut self) -> &'static str {
        let (made, may) = self.make_alias();
        assert_eq!(made.is_ok(), may, "{made:?}");
        "alias"
    }

    pub(super) fn remove_alias(&mut self) -> &'static str {
        let alias = ALIASES[self.random.usize(..ALIASES.len())];
        let removed = self.store.remove_alias(alias.parse().unwrap()).wait();
        assert_eq!(removed.is_ok(), self.model.aliases.remove(alias).is_some());
        "del alias"
    }

    /// Locks a mailbox or the domain in both; gives what the store says, and whether it may.
    pub(super) fn make_lock(&mut self) -> (Result<(), StoreError>, bool) {
        let lock = LOCKS[self.random.usize(..3)];
        if self.random.u8(..3) == 0 {
            let locked = self.store.lock_domain("home.lan".parse().unwrap(), lock).wait();
            let domain = self.model.domains.get_mut("home.lan");
            return (locked, domain.map(|domain| *domain = lock).is_some());
        }
        let address = self.address();
        let locked = self.store.lock_mailbox(address.clone(), lock).wait();
        let id = self.model.present(&address);
        let it = id.and_then(|id| self.model.boxes.get_mut(&id));
        (locked, it.map(|it| it.lock = lock).is_some())
    }

    pub(super) fn lock(&mut self) -> &'static str {
        let (locked, may) = self.make_lock();
        assert_eq!(locked.is_ok(), may);
        "lock"
    }

    pub(super) fn set_quota(&mut self) -> &'static str {
        let address = self.address();
        let text = ["none", "3", "6", "12"][self.random.usize(..4)];
        let set = self.store.set_level(Level::Mailbox(address.clone()), "quota_messages", Some(text)).wait();
        let id = self.model.present(&address);
        assert_eq!(set.is_ok(), id.is_some());
        if let Some(it) = id.and_then(|id| self.model.boxes.get_mut(&id)) {
            it.quota = Quota { messages: text.parse().ok(), ..Quota::default() };
        }
        "quota"
    }

    /// The mail that warns a user, whether it was asked for or not.
    pub(super) fn warn(&mut self) -> &'static str {
        self.numbers += 1;
        let (id, number) = (self.id(), self.numbers);
        let delivery =
            Delivery { is_warning: true, ..Delivery::to(MailboxId(id), number.to_le_bytes().to_vec()) };
        let delivered = self.store.upload().finish(vec![delivery]).wait().unwrap();
        let mail = self.mail(number, 0);
        assert_eq!(delivered, self.model.deliver(&[id], mail, true));
        "warn"
    }

    /// Adds or removes a device in both; gives what the store says, and whether it may.
    pub(super) fn make_device(&mut self) -> (Result<(), StoreError>, bool) {
        let name = ["scanner", "printer", "camera"][self.random.usize(..3)];
        if self.random.u8(..3) == 0 {
            let removed = self.store.remove_device(name).wait();
            return (removed, self.model.devices.remove(name).is_some());
        }
        let networks = ["10.0.0.5", "10.0.0.0/24", "10.0.0.0/30", "fd00::/64"];
        let device = Device {
            name: name.into(),
            network: networks[self.random.usize(..4)].parse().unwrap(),
            sender: self.random.bool().then(alice),
            reach: Reach::SmartHost,
            mails_per_day: Some(self.random.u32(..)),
            is_lenient: self.random.bool(),
            created: UnixTime(self.model.now),
        };
        let devices = &mut self.model.devices;
        let may = !devices.values().any(|it| it.name == device.name || it.network == device.network);
        if may {
            devices.insert(name.into(), device.clone());
        }
        (self.store.add_device(device).wait(), may)
    }

    pub(super) fn device(&mut self) -> &'static str {
        let (changed, may) = self.make_device();
        assert_eq!(changed.is_ok(), may);
        "device"
    }

    /// What the store says of names, locks and devices.
    pub(super) fn check_house(&mut self) -> Result<(), String> {
        for address in ADDRESSES {
            let resolved = self.store.resolve(address.parse().unwrap()).wait();
            let resolved = resolved.map_err(|error| error.to_string())?;
            let wanted = self.model.resolve(address);
            let (mut here, outside) = match resolved {
                Resolved::ForeignDomain if wanted.is_none() => continue,
                Resolved::ForeignDomain => return Err(format!("{address} is foreign instead of {wanted:?}")),
                Resolved::UnknownUser => (Vec::new(), Vec::new()),
                Resolved::Mailboxes(here) => (here, Vec::new()),
                Resolved::Outside(here, outside) => (here, outside),
            };
            here.sort_by_key(|found| found.mailbox);
            let found = Some((here, outside.iter().map(|it| it.address.to_string()).collect()));
            let wanted = wanted.map(|(ids, outside)| {
                (ids.into_iter().map(|id| self.destination(id)).collect::<Vec<_>>(), outside)
            });
            if found != wanted {
                return Err(format!("{address} leads to {found:?} instead of {wanted:?}"));
            }
        }
        let wanted: Vec<Device> = self.model.devices.values().cloned().collect();
        if *self.store.devices() != *wanted {
            return Err(format!("the devices are {:?} instead of {wanted:?}", self.store.devices()));
        }
        let at = "10.0.0.1".parse().unwrap();
        let holding = wanted.iter().filter(|device| device.network.contains(at));
        let smallest = holding.max_by_key(|device| device.network.prefix()).cloned();
        if self.store.device_at(at) != smallest {
            return Err(format!("the device at {at} is not {smallest:?}"));
        }
        let rows = self.store.aliases(None).wait().map_err(|error| error.to_string())?;
        let listed: BTreeSet<Alias> = rows.into_iter().map(|row| row.alias).collect();
        match listed == self.model.aliases.keys().map(|alias| alias.parse().unwrap()).collect() {
            true => Ok(()),
            false => Err(format!("the aliases are {listed:?} instead of {:?}", self.model.aliases)),
        }
    }

    fn destination(&self, id: u32) -> Destination {
        let it = &self.model.boxes[&id];
        let domain_lock = self.model.domains[it.address.domain().as_str()];
        Destination {
            mailbox: MailboxId(id),
            address: it.address.clone(),
            is_open: it.lock != Lock::All && domain_lock != Lock::All,
            messages: it.live.len() as u32,
            octets: it.live.values().map(|mail| u64::from(mail.octets)).sum(),
        }
    }
}
