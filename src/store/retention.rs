//! Mail whose days have come is removed, as its owner would remove it: a few thousand rows at a time, in idle time.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use redb::ReadTransaction;

use super::Shared;
use super::engine::{Fault, Sync};
use super::error::StoreError;
use super::levels::Level;
use super::maildrop;
use super::removed_rows::{self, ALL_UIDS, RemovedRows};
use super::rising::rising;
use super::schema::{self, MAIL, MAILBOXES, MailRow, MailboxRecord, REMOVED, RETRIEVED_SOMETIME, UNSURE};
use super::upload::read_counters;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{MailboxId, Uid};
use crate::settings::Retain;

/// How far a walk through all mailboxes has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sweep {
    /// The key of the mailbox in `mailboxes`; those before it are done.
    mailbox: String,
    /// Its first uid that was not looked at.
    uid: u32,
}

/// What one step of the walk has found.
struct Found {
    mailbox: MailboxId,
    expired: Vec<Uid>,
    /// Where to go on; none at the end of all mailboxes.
    next: Option<Sweep>,
}

/// One bounded step: removes what has expired by `now`. Gives where to go on, none at the end.
pub(super) fn sweep_some(shared: &Shared, sweep: Sweep, now: UnixTime) -> Result<Option<Sweep>, StoreError> {
    let found = shared.engine.read(|transaction| find(shared, transaction, sweep, now))?;
    let Some(found) = found else { return Ok(None) };
    if !found.expired.is_empty() {
        let count = found.expired.len();
        let gone = shared.engine.write(Sync::OnePhase, |transaction| {
            maildrop::remove(transaction, found.mailbox, found.expired, now)
        })?;
        shared.removed_more(gone.octets);
        shared.has_removed.store(true, Ordering::Release);
        log::info!("{count} messages of mailbox {} were removed: their time was over", found.mailbox.0);
    }
    Ok(found.next)
}

/// The next rows of the next mailbox whose mail does not stay for ever.
fn find(
    shared: &Shared,
    transaction: &ReadTransaction,
    sweep: Sweep,
    now: UnixTime,
) -> Result<Option<Found>, Fault> {
    let mailboxes = transaction.open_table(MAILBOXES)?;
    for entry in rising(&MAILBOXES, &mailboxes, sweep.mailbox.as_str()..)? {
        let (key, stored) = entry?;
        let retain = shared.settings_of(&Level::Mailbox(schema::key_address(key.value())?)).retain;
        if retain.least_days().is_none() {
            continue;
        }
        let record: MailboxRecord = schema::decode(&MAILBOXES, key.value(), stored.value())?;
        let first = if key.value() == sweep.mailbox { sweep.uid } else { 0 };
        let (expired, next_uid) = expired(transaction, record.id, first, retain, now)?;
        let next = match next_uid {
            Some(uid) => Sweep { mailbox: key.value().to_owned(), uid },
            // The least key behind this one.
            None => Sweep { mailbox: format!("{}\0", key.value()), uid: 0 },
        };
        return Ok(Some(Found { mailbox: record.id, expired, next: Some(next) }));
    }
    Ok(None)
}

/// The expired among the next rows, and the uid to go on at.
fn expired(
    transaction: &ReadTransaction,
    mailbox: MailboxId,
    first: u32,
    retain: Retain,
    now: UnixTime,
) -> Result<(Vec<Uid>, Option<u32>), Fault> {
    let mail = transaction.open_table(MAIL)?;
    let Some(counters) = read_counters(&mail, mailbox)? else { return Ok((Vec::new(), None)) };
    let run = (first, ALL_UIDS.1);
    let removed_rows = RemovedRows::over(&transaction.open_table(REMOVED)?, mailbox, &counters, run)?;
    let mut found = Vec::new();
    let mut next = None;
    let mut seen = 0;
    removed_rows::visit_live(&mail, &removed_rows, mailbox, run, |uid, row| {
        if seen == limits::SWEPT_ROWS {
            next = Some(uid.0);
            return ControlFlow::Break(());
        }
        seen += 1;
        if is_expired(row, retain, now) {
            found.push(uid);
        }
        ControlFlow::Continue(())
    })?;
    Ok((found, next))
}

/// Whether a message's days have come. A time that was written by a wrong clock tells nothing.
fn is_expired(row: &MailRow<'_>, retain: Retain, now: UnixTime) -> bool {
    let is_over = |from: UnixTime, days: Option<u32>| {
        days.is_some_and(|days| now.0 >= from.0.saturating_add(u64::from(days) * 86_400))
    };
    let is_sure = row.flags & UNSURE == 0;
    (is_sure && is_over(row.received, retain.received_days))
        || (row.retrieved > RETRIEVED_SOMETIME && is_over(row.retrieved, retain.retrieved_days))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn row(received: u64, retrieved: u64, flags: u8) -> MailRow<'static> {
        MailRow {
            blob: 1,
            octets: 1,
            chunks: 1,
            flags,
            codec: 0,
            received: UnixTime(received),
            retrieved: UnixTime(retrieved),
            surrogate_octets: 0,
            prefix: b"",
        }
    }

    #[test]
    fn days_are_held_at_their_edges() {
        let received = Retain { received_days: Some(2), retrieved_days: None };
        let retrieved = Retain { received_days: None, retrieved_days: Some(2) };
        let now = 100 * DAY;
        for (age, is_over) in [(2 * DAY - 1, false), (2 * DAY, true), (2 * DAY + 1, true)] {
            let then = now - age;
            assert_eq!(is_expired(&row(then, 0, 0), received, UnixTime(now)), is_over, "{age}");
            assert_eq!(is_expired(&row(0, then, 0), retrieved, UnixTime(now)), is_over, "{age}");
        }
    }

    #[test]
    fn what_a_wrong_clock_wrote_expires_nothing_s_308() {
        let both = Retain { received_days: Some(1), retrieved_days: Some(1) };
        let now = UnixTime(1_800_000_000);
        assert!(!is_expired(&row(5, 0, UNSURE), both, now));
        assert!(!is_expired(&row(5, RETRIEVED_SOMETIME.0, UNSURE), both, now));
        assert!(is_expired(&row(5, 2, UNSURE), both, now));
        assert!(is_expired(&row(5, 0, 0), both, now));
    }

    #[test]
    fn nothing_expires_where_no_days_are_set() {
        assert!(!is_expired(&row(0, 2, 0), Retain::default(), UnixTime(u64::MAX)));
    }
}
