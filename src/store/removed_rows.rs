//! Which rows of a mailbox are removed: the runs of its tombstones, in order.

use std::ops::ControlFlow;

use redb::ReadableTable;

use super::engine::Fault;
use super::rising::rising;
use super::schema::{self, Counters, MAIL, MailRow, REMOVED, Tombstone};
use crate::mail::{MailboxId, Uid};

/// The removed uids of a mailbox.
#[derive(Debug, Default)]
pub(super) struct RemovedRows {
    /// First and last uid of each run, rising.
    runs: Vec<(u32, u32)>,
}

impl RemovedRows {
    /// Reads the tombstones of a mailbox that may cover one of these uids.
    pub(super) fn over(
        removed: &impl ReadableTable<u64, &'static [u8]>,
        mailbox: MailboxId,
        counters: &Counters,
        (first, last): (u32, u32),
    ) -> Result<RemovedRows, Fault> {
        let mut removed_rows = RemovedRows::default();
        if !may_be_removed(counters, (first, last)) {
            return Ok(removed_rows);
        }
        for entry in rising(&REMOVED, removed, schema::removed_range(mailbox))? {
            let (key, stored) = entry?;
            let tombstone: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
            removed_rows.runs.extend(tombstone.runs.iter().filter(|run| run.0 <= last && first <= run.1));
        }
        removed_rows.runs.sort_unstable();
        Ok(removed_rows)
    }

    /// Whether a uid is removed.
    pub(super) fn covers(&self, uid: u32) -> bool {
        self.run_of(uid).is_some()
    }

    /// The last uid of the run that a uid is in.
    fn run_of(&self, uid: u32) -> Option<u32> {
        let index = self.runs.partition_point(|run| run.1 < uid);
        self.runs.get(index).filter(|run| run.0 <= uid).map(|run| run.1)
    }
}

/// Visits the rows between two uids, both among them, that are not removed, until `visit` breaks.
pub(super) fn visit_live(
    mail: &impl ReadableTable<u64, &'static [u8]>,
    removed_rows: &RemovedRows,
    mailbox: MailboxId,
    (first, last): (u32, u32),
    mut visit: impl FnMut(Uid, &MailRow<'_>) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let mut from = first;
    'seek: while from <= last {
        for entry in rising(&MAIL, mail, schema::mail_run(mailbox, (from, last)))? {
            let (key, stored) = entry?;
            let uid = schema::key_uid(key.value());
            if let Some(end) = removed_rows.run_of(uid.0) {
                // Near ones are passed over sooner than a new search finds its place.
                if end - uid.0 > NEAR_ROWS {
                    from = end.saturating_add(1);
                    continue 'seek;
                }
                continue;
            }
            let row: MailRow = schema::decode(&MAIL, key.value(), stored.value())?;
            if visit(uid, &row).is_break() {
                return Ok(());
            }
        }
        return Ok(());
    }
    Ok(())
}

/// The uids that a message can have.
pub(super) const ALL_UIDS: (u32, u32) = (0, schema::COUNTERS_UID.0 - 1);

/// Whether any of these uids may be removed: where none can be, no tombstone needs to be read.
pub(super) fn may_be_removed(counters: &Counters, (first, last): (u32, u32)) -> bool {
    let span = counters.removed_span;
    span.1 > 0 && first <= span.1 && span.0 <= last
}

const NEAR_ROWS: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_removed_inside_a_run_and_not_beside_it() {
        let removed_rows = RemovedRows { runs: vec![(2, 4), (5, 5), (9, u32::MAX - 1)] };
        for (uid, is_covered) in
            [(0, false), (1, false), (2, true), (4, true), (5, true), (6, false), (8, false), (9, true)]
        {
            assert_eq!(removed_rows.covers(uid), is_covered, "{uid}");
        }
        assert!(!RemovedRows::default().covers(1));
    }
}
