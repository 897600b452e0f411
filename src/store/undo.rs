//! What was removed, until it is purged: brought back by `undelete`, told by `stat`.
//!
//! ```text
//! messages --remove--> Tombstone --undelete--> messages        mailbox --remove--> GoneRecord --undelete--> mailbox
//!                         |                                                            |
//!                         +--purge: too old, or the disk runs short--> rows and bodies freed
//! ```
//!
//! Rows and bodies stay where they are meanwhile, so a removal and its undoing write a few pages, however much
//! mail they are about.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::StoreError;
use super::levels;
use super::rising::rising;
use super::schema::{
    self, ALIASES, Counters, GONE, GoneRecord, MAIL, MAILBOXES, MailboxRecord, REMOVED, Tally, Tombstone,
};
use super::upload::{read_counters, write_counters};
use super::{accounts, aliases, users};
use crate::clock::UnixTime;
use crate::mail::{Address, Domain, MailboxId};

/// What an undelete has brought back, or would bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeleted {
    /// Whether the mailbox itself had been removed.
    pub is_mailbox_back: bool,
    /// Messages.
    pub messages: u32,
    /// Their octets.
    pub octets: u64,
    /// Messages of this mailbox that were removed since the asked moment, and can't be brought back any more.
    /// Where only some of the purged ones are that young, all of them are counted.
    pub purged: u32,
}

/// What can be brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recoverable {
    /// Messages.
    pub messages: u32,
    /// Their octets.
    pub octets: u64,
    /// When the first of it goes for good; none if there is nothing, or where the clock was wrong.
    pub until: Option<UnixTime>,
}

/// A removed mailbox that can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneRow {
    /// Its address.
    pub address: Address,
    /// When it was removed; none where the clock was wrong.
    pub removed: Option<UnixTime>,
    /// Its messages and those that were removed from it before.
    pub recoverable: Recoverable,
}

/// What an undelete changes in the counts of the whole file.
pub(super) struct Outcome {
    pub undeleted: Undeleted,
    /// Octets that are no longer removed.
    pub octets: u64,
}

/// Takes a mailbox out of sight; tells the octets of its mail.
pub(super) fn bury_mailbox(
    transaction: &WriteTransaction,
    key: &str,
    record: MailboxRecord,
    at: UnixTime,
) -> Result<u64, Fault> {
    let mut mail = transaction.open_table(MAIL)?;
    let id = record.id;
    // Its key is gone from `mailboxes` already: whatever is damaged, the removal must not stay half done.
    let counters = read_counters(&mail, id)
        .map_err(Fault::into_fatal)?
        .ok_or_else(|| Fault::fatal(schema::damaged(&MAIL, "a mailbox has no counters")))?;
    let levels = levels::take(transaction, key)?;
    let gone = GoneRecord { key: key.to_owned(), mailbox: record, counters, at, levels };
    put_gone(&mut transaction.open_table(GONE)?, id, &gone)?;
    mail.remove(schema::counters_key(id))?;
    Ok(gone.counters.live.octets)
}

/// Brings back what was removed since that moment, or all that is there; a dry run only tells.
pub(super) fn undelete(
    transaction: &WriteTransaction,
    address: &Address,
    since: Option<UnixTime>,
    is_dry_run: bool,
    is_name_unique: bool,
) -> Result<Outcome, Fault> {
    let mailboxes = transaction.open_table(MAILBOXES)?;
    let mut removed = transaction.open_table(REMOVED)?;
    let mut gone = transaction.open_table(GONE)?;
    let mut mail = transaction.open_table(MAIL)?;
    let present = accounts::look_up(&mailboxes, address)?;
    let predecessor = newest_gone(&gone, address, since)?;
    let (id, mut counters) = match (&present, &predecessor) {
        (Some(record), _) => {
            let counters = read_counters(&mail, record.id)?;
            (record.id, counters.ok_or_else(|| schema::damaged(&MAIL, "a mailbox has no counters"))?)
        }
        (None, Some(record)) => (record.mailbox.id, record.counters),
        (None, None) => return Err(nothing_left(address, since).into()),
    };
    accounts::must_have_domain(transaction, address)?;
    if present.is_none() {
        aliases::must_not_be_taken(&transaction.open_table(ALIASES)?, address)?;
    }
    if let (None, Some(record)) = (&present, &predecessor) {
        users::must_not_be_another(&mailboxes, address, record.mailbox.account.as_ref(), is_name_unique)?;
    }
    let (tombstones, mut sum) = buried_since(&removed, id, since)?;
    if let (Some(_), Some(older), 0) = (&present, &predecessor, sum.messages) {
        return Err(made_anew(address, older).into());
    }
    let octets_of_mailbox = match &present {
        Some(_) => Tally::default(),
        None => counters.live,
    };
    let purged = if since.is_none_or(|since| counters.purged_removed_at >= since) {
        counters.purged_messages
    } else {
        0
    };
    let brought_back = sum;
    sum.add(octets_of_mailbox);
    let undeleted =
        Undeleted { is_mailbox_back: present.is_none(), messages: sum.messages, octets: sum.octets, purged };
    if is_dry_run {
        return Ok(Outcome { undeleted, octets: 0 });
    }
    for key in tombstones {
        removed.remove(key)?;
    }
    if rising(&REMOVED, &removed, schema::removed_range(id))?.next().transpose()?.is_none() {
        counters.removed_span = (0, 0);
    }
    counters.live.add(brought_back);
    if present.is_none() || brought_back.messages > 0 {
        write_counters(&mut mail, id, &counters)?;
    }
    drop((mailboxes, mail));
    if let (None, Some(record)) = (present, predecessor) {
        gone.remove(u64::from(id.0))?;
        levels::put_back(transaction, &record.key, record.levels)?;
        accounts::put_back(transaction, address, &record.mailbox)?;
    }
    Ok(Outcome { undeleted, octets: sum.octets })
}

/// The keys of a mailbox's tombstones since that moment, and what they hold. Those of an unknown time are young.
fn buried_since(
    removed: &impl ReadableTable<u64, &'static [u8]>,
    mailbox: MailboxId,
    since: Option<UnixTime>,
) -> Result<(Vec<u64>, Tally), Fault> {
    let mut keys = Vec::new();
    let mut sum = Tally::default();
    for entry in rising(&REMOVED, removed, schema::removed_range(mailbox))? {
        let (key, stored) = entry?;
        let tombstone: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
        if is_since(tombstone.at, since) {
            keys.push(key.value());
            sum.add(tombstone.tally);
        }
    }
    Ok((keys, sum))
}

fn is_since(at: UnixTime, since: Option<UnixTime>) -> bool {
    at.0 == 0 || since.is_none_or(|since| at >= since)
}

/// The newest removed mailbox of that name that has mail, else the newest: one that was made anew by mistake, and
/// removed again, must not stand before the one that is missed.
fn newest_gone(
    gone: &impl ReadableTable<u64, &'static [u8]>,
    address: &Address,
    since: Option<UnixTime>,
) -> Result<Option<GoneRecord>, Fault> {
    let wanted = schema::mailbox_key(address);
    let mut best: Option<GoneRecord> = None;
    for entry in gone.iter()? {
        let (key, stored) = entry?;
        let record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        if record.key == wanted && is_since(record.at, since) {
            let is_better = record.counters.live.messages > 0
                || best.as_ref().is_none_or(|best| best.counters.live.messages == 0);
            best = if is_better { Some(record) } else { best };
        }
    }
    Ok(best)
}

fn nothing_left(address: &Address, since: Option<UnixTime>) -> StoreError {
    let since = match since {
        Some(since) => format!(" that was removed since {}", since.rfc3339()),
        None => String::new(),
    };
    StoreError::NotFound(format!(
        "there is no mailbox {address}, and none{since} that can be brought back: \
         \"poppet stat {}\" shows what can",
        address.domain()
    ))
}

fn made_anew(address: &Address, older: &GoneRecord) -> StoreError {
    let messages = older.counters.live.messages;
    StoreError::Refused(format!(
        "{address} was made anew, and the {messages} messages of the removed one can't come into it: \
         let its user fetch and delete the new one's mail, then say \"poppet del {address}\" and \"poppet undelete \
         {address}\""
    ))
}

/// What can be brought back into a mailbox.
pub(super) fn recoverable(
    removed: &impl ReadableTable<u64, &'static [u8]>,
    mailbox: MailboxId,
    undo_days: u32,
) -> Result<Recoverable, Fault> {
    let mut sum = Recoverable::default();
    for entry in rising(&REMOVED, removed, schema::removed_range(mailbox))? {
        let (key, stored) = entry?;
        let tombstone: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
        sum.messages = sum.messages.saturating_add(tombstone.tally.messages);
        sum.octets = sum.octets.saturating_add(tombstone.tally.octets);
        sum.until = earlier(sum.until, tombstone.at, undo_days);
    }
    Ok(sum)
}

fn earlier(first: Option<UnixTime>, at: UnixTime, undo_days: u32) -> Option<UnixTime> {
    let until = UnixTime(at.0.saturating_add(u64::from(undo_days) * 86_400));
    first.into_iter().chain((at.0 > 0).then_some(until)).min()
}

/// The removed mailboxes of one domain or of all that can be brought back.
pub(super) fn gone(
    transaction: &ReadTransaction,
    domain: Option<Domain>,
    undo_days: u32,
) -> Result<Vec<GoneRow>, Fault> {
    let removed = transaction.open_table(REMOVED)?;
    let mut rows = Vec::new();
    for entry in transaction.open_table(GONE)?.iter()? {
        let (key, stored) = entry?;
        let record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        let address = schema::key_address(&record.key)?;
        if domain.as_ref().is_some_and(|domain| *domain != address.domain()) {
            continue;
        }
        let mut recoverable = recoverable(&removed, record.mailbox.id, undo_days)?;
        recoverable.messages = recoverable.messages.saturating_add(record.counters.live.messages);
        recoverable.octets = recoverable.octets.saturating_add(record.counters.live.octets);
        recoverable.until = earlier(recoverable.until, record.at, undo_days);
        let at = (record.at.0 > 0).then_some(record.at);
        rows.push(GoneRow { address, removed: at, recoverable });
    }
    rows.sort_by(|left, right| left.address.cmp(&right.address));
    Ok(rows)
}

/// What all that was removed and not purged comes to.
pub(super) struct Removed {
    /// Octets of its messages.
    pub octets: u64,
    /// The newest time that it remembers.
    pub newest: UnixTime,
}

/// Counts what was removed and not purged; proves every record of it.
pub(super) fn prove(transaction: &ReadTransaction) -> Result<Removed, Fault> {
    let mut sum = Removed { octets: 0, newest: UnixTime(0) };
    for entry in transaction.open_table(REMOVED)?.iter()? {
        let (key, stored) = entry?;
        let tombstone: Tombstone = schema::decode(&REMOVED, key.value(), stored.value())?;
        sum.octets += tombstone.tally.octets;
        sum.newest = sum.newest.max(tombstone.at);
    }
    for entry in transaction.open_table(GONE)?.iter()? {
        let (key, stored) = entry?;
        let record: GoneRecord = schema::decode(&GONE, key.value(), stored.value())?;
        sum.octets += record.counters.live.octets;
        sum.newest = sum.newest.max(record.at).max(UnixTime(record.counters.newest_unix_seconds));
    }
    Ok(sum)
}

/// Whether anything was removed and not purged.
pub(super) fn has_removed(transaction: &ReadTransaction) -> Result<bool, Fault> {
    Ok(!transaction.open_table(REMOVED)?.is_empty()? || !transaction.open_table(GONE)?.is_empty()?)
}

/// Writes a removed mailbox.
pub(super) fn put_gone(
    gone: &mut redb::Table<'_, u64, &'static [u8]>,
    id: MailboxId,
    record: &GoneRecord,
) -> Result<(), Fault> {
    let key = u64::from(id.0);
    gone.insert(key, schema::encode(&GONE, key, record)?.as_slice())?;
    Ok(())
}

/// The counters of a mailbox whose message was purged.
pub(super) fn note_purged(counters: &mut Counters, messages: u32, removed_at: UnixTime) {
    counters.purged_messages = counters.purged_messages.saturating_add(messages);
    counters.purged_removed_at = counters.purged_removed_at.max(removed_at);
}
