//! Password records of mailboxes: replaced only if they are still the same, changed all at once, searched through.
//!
//! They are sealed; what is in them only `auth` knows, which comes along as a function.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::accounts::change_mailbox;
use super::engine::Fault;
use super::error::Ask;
use super::schema::{self, GONE, GoneRecord, MAILBOXES, MailboxRecord};
use super::undo::put_gone;
use super::{Store, StoreError, records};
use crate::mail::{Address, MailboxMark};

impl Store {
    /// Replaces the sealed password record if it is still `old`, durably; gives whether it did. Errs with
    /// [`StoreError::NotFound`].
    pub fn replace_password(&self, address: Address, old: Vec<u8>, new: Vec<u8>) -> Ask<bool> {
        self.change(move |transaction| replace(transaction, &address, &old, new))
    }

    /// Sets a setting as [`Store::set_setting`] does, and in the same transaction replaces the sealed password
    /// record of every mailbox for which `change` gives another, also of those that are removed and can be brought
    /// back; gives how many. The value must have been checked with [`crate::settings::Settings::assign`].
    pub fn set_setting_with_passwords(
        &self,
        key: &str,
        value: Option<&str>,
        change: impl Fn(&Address, MailboxMark, &[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Ask<u32> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        let shared = Arc::clone(&self.shared);
        self.change_then(
            move |transaction| {
                let count = change_all(transaction, &change)? + change_gone(transaction, &change)?;
                records::set_setting(transaction, &key, value.as_deref())?;
                Ok(count)
            },
            move |_| shared.reload_settings(),
        )
    }

    /// The mailboxes whose sealed password record `is_meant`, in the order of domain and name.
    pub fn mailboxes_by_password(
        &self,
        is_meant: impl Fn(&Address, MailboxMark, &[u8]) -> bool + Send + 'static,
    ) -> Ask<Vec<Address>> {
        self.ask(move |transaction| search(transaction, is_meant))
    }
}

fn replace(
    transaction: &WriteTransaction,
    address: &Address,
    old: &[u8],
    new: Vec<u8>,
) -> Result<bool, Fault> {
    let mut is_same = false;
    change_mailbox(transaction, address, |record| {
        is_same = record.password == old;
        if is_same {
            record.password = new;
        }
    })?;
    Ok(is_same)
}

fn change_all(
    transaction: &WriteTransaction,
    change: &impl Fn(&Address, MailboxMark, &[u8]) -> Option<Vec<u8>>,
) -> Result<u32, Fault> {
    let mut table = transaction.open_table(MAILBOXES)?;
    let mut changed = Vec::new();
    for entry in table.iter()? {
        let (key, stored) = entry?;
        let (address, record) = read(key.value(), stored.value())?;
        if let Some(password) = change(&address, record.mark, &record.password) {
            let record = MailboxRecord { password, ..record };
            changed.push((key.value().to_owned(), schema::encode(&MAILBOXES, key.value(), &record)?));
        }
    }
    for (key, stored) in &changed {
        table.insert(key.as_str(), stored.as_slice())?;
    }
    Ok(changed.len() as u32)
}

/// A mailbox must not come back with what has been wiped meanwhile.
fn change_gone(
    transaction: &WriteTransaction,
    change: &impl Fn(&Address, MailboxMark, &[u8]) -> Option<Vec<u8>>,
) -> Result<u32, Fault> {
    let mut table = transaction.open_table(GONE)?;
    let mut changed = Vec::new();
    for entry in table.iter()? {
        let (key, stored) = entry?;
        let mut record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        let address = schema::key_address(&record.key)?;
        if let Some(password) = change(&address, record.mailbox.mark, &record.mailbox.password) {
            record.mailbox.password = password;
            changed.push(record);
        }
    }
    for record in &changed {
        put_gone(&mut table, record.mailbox.id, record)?;
    }
    Ok(changed.len() as u32)
}

fn search(
    transaction: &ReadTransaction,
    is_meant: impl Fn(&Address, MailboxMark, &[u8]) -> bool,
) -> Result<Vec<Address>, Fault> {
    let mut found = Vec::new();
    for entry in transaction.open_table(MAILBOXES)?.iter()? {
        let (key, stored) = entry?;
        let (address, record) = read(key.value(), stored.value())?;
        if is_meant(&address, record.mark, &record.password) {
            found.push(address);
        }
    }
    Ok(found)
}

fn read(key: &str, stored: &[u8]) -> Result<(Address, MailboxRecord), StoreError> {
    Ok((schema::key_address(key)?, schema::decode(&MAILBOXES, key, stored)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, UnixTime};
    use crate::store::Options;

    struct House {
        store: Store,
        path: std::path::PathBuf,
    }

    impl House {
        fn new() -> House {
            let path = std::env::temp_dir().join(format!("poppet-passwords-{:016x}", fastrand::u64(..)));
            std::fs::create_dir(&path).unwrap();
            let clock = Clock::fixed(UnixTime(1_800_000_000));
            let store = Store::create(&path.join("poppet.redb"), &Options::default(), clock).unwrap();
            store.set_setting("reserve_mib", Some("1")).wait().unwrap();
            store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
            for (name, password) in [("alice", "a"), ("bob", "b"), ("carol", "c")] {
                store.add_mailbox(address(name), MailboxMark([7; 16]), password.into()).wait().unwrap();
            }
            House { store, path }
        }

        fn passwords(&self) -> Vec<Vec<u8>> {
            ["alice", "bob", "carol"]
                .map(|name| self.store.mailbox(address(name)).wait().unwrap().unwrap().password)
                .to_vec()
        }
    }

    impl Drop for House {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }

    fn address(name: &str) -> Address {
        format!("{name}@home.lan").parse().unwrap()
    }

    #[test]
    fn a_record_is_replaced_only_while_it_is_the_one_that_was_seen() {
        let house = House::new();
        let replace = |old: &str, new: &str| {
            house.store.replace_password(address("alice"), old.into(), new.into()).wait()
        };
        assert_eq!(replace("x", "new"), Ok(false));
        assert_eq!(replace("", "new"), Ok(false));
        assert_eq!(replace("a", "new"), Ok(true));
        assert_eq!(replace("a", "newer"), Ok(false), "it has been replaced since");
        assert_eq!(house.passwords(), [&b"new"[..], b"b", b"c"]);
        let gone = house.store.replace_password(address("dave"), b"a".to_vec(), b"new".to_vec()).wait();
        assert!(matches!(gone, Err(StoreError::NotFound(_))));
    }

    #[test]
    fn records_are_changed_together_with_a_setting_in_one_commit() {
        let house = House::new();
        let before = house.store.wear().commits;
        let change = |address: &Address, mark: MailboxMark, password: &[u8]| {
            assert_eq!(mark, MailboxMark([7; 16]));
            (address.local_part() != "bob").then(|| [password, b"!"].concat())
        };
        let set = |value| house.store.set_setting_with_passwords("challenge", value, change).wait();
        assert_eq!(set(Some("on")), Ok(2));
        assert_eq!(house.store.wear().commits, before + 1);
        assert_eq!(house.passwords(), [&b"a!"[..], b"b", b"c!"]);
        assert!(house.store.settings().challenge);
        assert_eq!(set(None), Ok(2));
        assert!(!house.store.settings().challenge);
        assert_eq!(house.store.set_setting_with_passwords("challenge", None, |_, _, _| None).wait(), Ok(0));
    }

    #[test]
    fn records_of_removed_mailboxes_are_changed_with_the_others() {
        let house = House::new();
        house.store.remove_mailbox(address("bob")).wait().unwrap();
        house.store.remove_mailbox(address("carol")).wait().unwrap();
        let change = |address: &Address, mark: MailboxMark, password: &[u8]| {
            assert_eq!(mark, MailboxMark([7; 16]));
            (address.local_part() != "carol").then(|| [password, b"!"].concat())
        };
        let changed = house.store.set_setting_with_passwords("challenge", None, change).wait();
        assert_eq!(changed, Ok(2));
        for name in ["bob", "carol"] {
            house.store.undelete(address(name), None, false).wait().unwrap();
        }
        assert_eq!(house.passwords(), [&b"a!"[..], b"b!", b"c"]);
    }

    #[test]
    fn mailboxes_are_found_by_what_their_records_hold() {
        let house = House::new();
        let found = house.store.mailboxes_by_password(|_, _, password| password != b"b").wait();
        assert_eq!(found, Ok(vec![address("alice"), address("carol")]));
        assert_eq!(house.store.mailboxes_by_password(|_, _, _| false).wait(), Ok(vec![]));
    }
}
