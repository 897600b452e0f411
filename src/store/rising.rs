//! The rows between two keys, each behind the one before. redb trusts its pages, and a damaged one gives what it likes: a
//! walk that goes on behind the last row would go round for ever, and one mailbox's run would reach into another's mail.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::{Bound, RangeBounds};

use redb::{AccessGuard, Key, ReadableTable, TableDefinition};

use super::engine::Fault;
use super::schema;

/// The rows of a table whose keys are in `keys`. Each errs with [`StoreError::Damaged`](super::StoreError::Damaged) that
/// is not where it should be. A walk may end early, where redb meets a row beyond its far end: what must be whole is
/// counted.
pub(super) fn rising<'t, 'k, K: Key + 'static, R: Borrow<K::SelfType<'k>> + 'k>(
    definition: &TableDefinition<'static, K, &'static [u8]>,
    table: &'t impl ReadableTable<K, &'static [u8]>,
    keys: impl RangeBounds<R> + 'k,
) -> Result<Rising<'t, K>, Fault> {
    let octets = |key: &R| K::as_bytes(key.borrow()).as_ref().to_vec();
    let (least, most) = (keys.start_bound().map(octets), keys.end_bound().map(octets));
    Ok(Rising { rows: table.range(keys)?, least, most, definition: *definition })
}

/// See [`rising`].
pub(super) struct Rising<'t, K: Key + 'static> {
    rows: redb::Range<'t, K, &'static [u8]>,
    /// Where the next key may be.
    least: Bound<Vec<u8>>,
    most: Bound<Vec<u8>>,
    definition: TableDefinition<'static, K, &'static [u8]>,
}

impl<'t, K: Key + 'static> Iterator for Rising<'t, K> {
    type Item = Result<(AccessGuard<'t, K>, AccessGuard<'t, &'static [u8]>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error.into())),
        };
        if !self.goes_on_to(&row.0.value()) {
            return Some(Err(schema::damaged(&self.definition, "rows are out of order").into()));
        }
        Some(Ok(row))
    }
}

impl<K: Key + 'static> Rising<'_, K> {
    /// Whether the key may be the next; the one after it must be behind it.
    fn goes_on_to<'k>(&mut self, key: &K::SelfType<'k>) -> bool
    where
        K: 'k,
    {
        let key = K::as_bytes(key);
        let key = key.as_ref();
        let is_behind = match &self.least {
            Bound::Included(least) => K::compare(key, least) != Ordering::Less,
            Bound::Excluded(last) => K::compare(key, last) == Ordering::Greater,
            Bound::Unbounded => true,
        };
        let is_within = match &self.most {
            Bound::Included(most) => K::compare(key, most) != Ordering::Greater,
            Bound::Excluded(end) => K::compare(key, end) == Ordering::Less,
            Bound::Unbounded => true,
        };
        // Its memory serves for every row.
        let mut last = match std::mem::replace(&mut self.least, Bound::Unbounded) {
            Bound::Included(octets) | Bound::Excluded(octets) => octets,
            Bound::Unbounded => Vec::new(),
        };
        last.clear();
        last.extend_from_slice(key);
        self.least = Bound::Excluded(last);
        is_behind && is_within
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use redb::{Database, ReadableDatabase, Value};

    use super::super::schema::{NumberTable, TextTable};
    use super::super::tests::Folder;
    use super::*;

    const NUMBERS: NumberTable = TableDefinition::new("numbers");
    const TEXTS: TextTable = TableDefinition::new("texts");

    /// Octets that are nowhere else in the file.
    const BEFORE: u64 = 0x706f_7070_6574_0000;

    /// A database of the rows 10, 20, 30 and aaaa, bbbb, cccc, in which these octets are others.
    fn patched(path: &Path, patch: Option<(&[u8], &[u8])>) -> Database {
        let database = Database::create(path).unwrap();
        let transaction = database.begin_write().unwrap();
        for (number, text) in [(10, "aaaa"), (20, "bbbb"), (30, "cccc")] {
            transaction.open_table(NUMBERS).unwrap().insert(BEFORE + number, &b"x"[..]).unwrap();
            transaction.open_table(TEXTS).unwrap().insert(text, &b"x"[..]).unwrap();
        }
        transaction.commit().unwrap();
        drop(database);
        let mut image = fs::read(path).unwrap();
        if let Some((from, to)) = patch {
            let places: Vec<usize> =
                (0..image.len() - from.len()).filter(|&at| image[at..].starts_with(from)).collect();
            assert!(!places.is_empty());
            places.into_iter().for_each(|at| image[at..at + to.len()].copy_from_slice(to));
        }
        fs::write(path, image).unwrap();
        Database::open(path).unwrap()
    }

    /// The rows of a walk, and whether it ended with an error.
    fn walked<K: Key + 'static, T>(
        rows: Rising<'_, K>,
        read: impl Fn(K::SelfType<'_>) -> T,
    ) -> (Vec<T>, bool) {
        let mut seen = Vec::new();
        for row in rows {
            match row {
                Ok((key, _)) => seen.push(read(key.value())),
                Err(fault) => {
                    assert!(fault.error.to_string().contains("rows are out of order in "), "{}", fault.error);
                    return (seen, true);
                }
            }
        }
        (seen, false)
    }

    fn numbers(patch: Option<(u64, u64)>, keys: impl RangeBounds<u64>) -> (Vec<u64>, bool) {
        let folder = Folder::new();
        let octets = |number: u64| (BEFORE + number).to_le_bytes();
        let patch = patch.map(|(from, to)| (octets(from), octets(to)));
        let patch = patch.as_ref().map(|(from, to)| (&from[..], &to[..]));
        let database = patched(&folder.database(), patch);
        let table = database.begin_read().unwrap().open_table(NUMBERS).unwrap();
        let keys = (keys.start_bound().map(|key| BEFORE + key), keys.end_bound().map(|key| BEFORE + key));
        walked(rising(&NUMBERS, &table, keys).unwrap(), |key| key - BEFORE)
    }

    #[test]
    fn sound_rows_come_as_they_are() {
        assert_eq!(numbers(None, ..), (vec![10, 20, 30], false));
        assert_eq!(numbers(None, 10..30), (vec![10, 20], false));
        assert_eq!(numbers(None, 11..=30), (vec![20, 30], false));
        assert_eq!(numbers(None, 31..), (vec![], false));
    }

    /// The indexes of a queue were made anew from its rows by steps, each behind the last row of the one before: among
    /// rows out of order that went round for ever, and the server never started.
    #[test]
    fn rows_out_of_order_end_a_walk_s_296() {
        assert_eq!(numbers(Some((30, 5)), ..), (vec![10, 20], true));
        assert_eq!(numbers(Some((30, 20)), 20..), (vec![20], true), "the same again");
        assert_eq!(numbers(Some((10, 40)), ..), (vec![40], true));
    }

    #[test]
    fn a_row_outside_of_what_was_asked_for_is_not_given_s_296() {
        let folder = Folder::new();
        let database = patched(&folder.database(), None);
        let table = database.begin_read().unwrap().open_table(NUMBERS).unwrap();
        // As if redb's search had come out beside the place.
        let within = |least: Bound<u64>, most: Bound<u64>| {
            let octets = |key| u64::as_bytes(&(BEFORE + key)).to_vec();
            let all = rising(&NUMBERS, &table, 0..).unwrap();
            let rows = Rising { least: least.map(octets), most: most.map(octets), ..all };
            walked(rows, |key| key - BEFORE)
        };
        assert_eq!(within(Bound::Included(10), Bound::Included(30)), (vec![10, 20, 30], false));
        assert_eq!(within(Bound::Included(11), Bound::Included(30)), (vec![], true));
        assert_eq!(within(Bound::Excluded(9), Bound::Included(29)), (vec![10, 20], true));
        assert_eq!(within(Bound::Excluded(10), Bound::Unbounded), (vec![], true));
        assert_eq!(within(Bound::Unbounded, Bound::Excluded(31)), (vec![10, 20, 30], false));
        assert_eq!(within(Bound::Unbounded, Bound::Excluded(30)), (vec![10, 20], true));
    }

    #[test]
    fn texts_are_held_to_the_same_s_296() {
        for (patch, wanted) in [
            (None, (3, false)),
            (Some((&b"cccc"[..], &b"aabb"[..])), (2, true)),
            (Some((&b"aaaa"[..], &b"dddd"[..])), (1, true)),
        ] {
            let folder = Folder::new();
            let database = patched(&folder.database(), patch);
            let table = database.begin_read().unwrap().open_table(TEXTS).unwrap();
            let (seen, is_damaged) = walked(rising(&TEXTS, &table, "a"..).unwrap(), str::to_owned);
            assert_eq!((seen.len(), is_damaged), wanted, "{patch:?} {seen:?}");
        }
    }
}
