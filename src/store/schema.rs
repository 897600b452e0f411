//! The file's layout: tables, keys, records. Change it only with a new [`SCHEMA`] and a migration.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | `schema`: u32; `mailbox`: u32, the last mailbox number given; `mailboxes`, `aliases`: u32, how many there are; `blob`: u64, no body has this number or a higher one; `version`: text, the poppet that made this layout of the file; `migrated`: u32, the layout that it had, until the first change since; `probation`: [`Probation`] |
//! | `settings` | key of `settings.rs` | its text |
//! | `records` | name | octets that another room keeps here |
//! | `domains` | domain | [`DomainRecord`] |
//! | `mailboxes` | domain `@` local part, so that a domain's mailboxes stand together | [`MailboxRecord`] |
//! | `aliases` | as in `mailboxes`; `*` in the place of the name for a catch-all; the domain alone where that is the alias | [`AliasRecord`] |
//! | `devices` | name | [`Device`](super::Device) |
//! | `routes` | the address space's text | [`Route`](super::Route) |
//! | `mail` | mailbox << 32 \| uid | [`MailRow`]; uid [`COUNTERS_UID`]: [`Counters`] |
//! | `removed` | mailbox << 32 \| number, rising | [`Tombstone`]: rows of `mail` that are removed and can be brought back |
//! | `gone` | mailbox | [`GoneRecord`]: a removed mailbox; its rows are in `mail` still, its counters in here |
//! | `levels` | mailbox or domain as in `mailboxes`, a space, key of `settings.rs` | the setting's text for that one |
//! | `finals` | as in `levels`, with nothing before the space for all | nothing: what is set below that level does not count |
//! | `chunks` | blob << 24 \| index | a piece of a body; see `blob.rs` for its sizes |
//! | `refs` | blob | [`SharedBody`]: where more than one row of `mail` and `queue` has the body |
//! | `pending` | blob | nothing: a body that streams in; after a crash it is nobody's |
//! | `free` | blob | [`FreeBody`]: what of it waits to be freed |
//! | `queue` | number of a queued recipient, rising | [`QueueRecord`]; key [`NUMBERS_KEY`]: [`QueueNumbers`] |
//! | `queue_lanes` | text of a way on which somebody waits | [`LaneRecord`]: its number, and what waits |
//! | `queue_due` | way's number << 96 \| time << 48 \| recipient's number, as [`Wide`] | [`DueEntry`]: who waits for that time |
//! | `queue_ways` | way's number << 64 \| recipient's number, as [`Wide`] | [`WayEntry`]: all that are in `queue` |
//!
//! Every value ends with four octets of CRC-32 over the value, its key and its table, because redb does not
//! prove pages when it reads them: damage is found, also where a value of another key is read (F3). The
//! integers of records are postcard's, of fixed width in memory; nothing depends on the machine.

mod queue;
mod wide;

pub(super) use queue::*;
pub(super) use wide::Wide;

use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use super::accounts::Lock;
use super::error::StoreError;
use super::forwards::Forward;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Account, Address, Alias, AliasTarget, Domain, MailboxId, MailboxMark, MessageId, Uid};

/// The version of this layout.
pub(super) const SCHEMA: u32 = 2;

/// The uid under which a mailbox's counters stand: behind its newest message, in the same leaf.
pub(super) const COUNTERS_UID: Uid = Uid(u32::MAX);

pub(super) type TextTable = TableDefinition<'static, &'static str, &'static [u8]>;
pub(super) type NumberTable = TableDefinition<'static, u64, &'static [u8]>;

pub(super) const META: TextTable = TableDefinition::new("meta");
pub(super) const SETTINGS: TextTable = TableDefinition::new("settings");
pub(super) const RECORDS: TextTable = TableDefinition::new("records");
pub(super) const DOMAINS: TextTable = TableDefinition::new("domains");
pub(super) const MAILBOXES: TextTable = TableDefinition::new("mailboxes");
pub(super) const ALIASES: TextTable = TableDefinition::new("aliases");
pub(super) const DEVICES: TextTable = TableDefinition::new("devices");
pub(super) const ROUTES: TextTable = TableDefinition::new("routes");
pub(super) const MAIL: NumberTable = TableDefinition::new("mail");
pub(super) const REMOVED: NumberTable = TableDefinition::new("removed");
pub(super) const GONE: NumberTable = TableDefinition::new("gone");
pub(super) const LEVELS: TextTable = TableDefinition::new("levels");
pub(super) const FINALS: TextTable = TableDefinition::new("finals");
pub(super) const CHUNKS: NumberTable = TableDefinition::new("chunks");
pub(super) const REFS: NumberTable = TableDefinition::new("refs");
pub(super) const PENDING: NumberTable = TableDefinition::new("pending");
pub(super) const FREE: NumberTable = TableDefinition::new("free");

/// Names in `meta`.
pub(super) const META_SCHEMA: &str = "schema";
pub(super) const META_VERSION: &str = "version";
pub(super) const META_MIGRATED: &str = "migrated";
pub(super) const META_PROBATION: &str = "probation";
pub(super) const META_MAILBOX: &str = "mailbox";
pub(super) const META_BLOB: &str = "blob";
pub(super) const META_COUNT: &str = "mailboxes";
pub(super) const META_ALIASES: &str = "aliases";

/// How long a clock that is not believed yet has run, all runs together; it stands there as long as that is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probation {
    /// What the clock said when this was written.
    pub wall: UnixTime,
    /// [`limits::CLOCK_PROBATION`] at most.
    pub seconds: u64,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DomainRecord {
    pub lock: Lock,
    pub created: UnixTime,
}

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MailboxRecord {
    pub id: MailboxId,
    pub mark: MailboxMark,
    pub lock: Lock,
    pub created: UnixTime,
    /// Sealed by `auth`; opaque here. Empty where users are not known by the password file, or where the password is to
    /// be learnt at the next logon.
    pub password: Vec<u8>,
    /// Whose account elsewhere it is.
    pub account: Option<Account>,
    /// Where its mail goes on to.
    pub forward: Option<Forward>,
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AliasRecord {
    pub targets: Vec<AliasTarget>,
    pub created: UnixTime,
}

/// A message in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MailRow<'a> {
    pub blob: u64,
    /// What RETR sends: prefix and body.
    pub octets: u32,
    pub chunks: u32,
    /// [`UNSURE`] or nothing.
    pub flags: u8,
    /// How the chunks are coded: 0, as they are.
    pub codec: u8,
    pub received: UnixTime,
    /// When it was first retrieved: 0 for never, [`RETRIEVED_SOMETIME`] where the clock was wrong.
    pub retrieved: UnixTime,
    /// What RETR sends instead to a client that can't read international mail; 0 for any other mail.
    pub surrogate_octets: u32,
    /// What stands before the body for this recipient alone.
    pub prefix: &'a [u8],
}

/// A flag of [`MailRow`]: the clock was known to be wrong when it was received.
pub(super) const UNSURE: u8 = 1;

/// See [`MailRow::retrieved`].
pub(super) const RETRIEVED_SOMETIME: UnixTime = UnixTime(1);

/// A body of several rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SharedBody {
    /// Rows that have it, at least two.
    pub owners: u32,
    /// Its octets, so that nobody counts them for each row.
    pub octets: u64,
}

/// A body of nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FreeBody {
    /// The first so many chunks are left.
    pub chunks: u32,
    /// Their octets, rather too many than too few.
    pub octets: u64,
}

/// So much mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub messages: u32,
    pub octets: u64,
    /// How many of them have been retrieved.
    pub retrieved: u32,
}

impl Tally {
    /// One message.
    pub fn of(row: &MailRow<'_>) -> Tally {
        Tally { messages: 1, octets: row.octets.into(), retrieved: u32::from(row.retrieved.0 > 0) }
    }

    /// So much more.
    pub fn add(&mut self, other: Tally) {
        self.messages = self.messages.saturating_add(other.messages);
        self.octets = self.octets.saturating_add(other.octets);
        self.retrieved = self.retrieved.saturating_add(other.retrieved);
    }

    /// So much less.
    pub fn take(&mut self, other: Tally) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.octets = self.octets.saturating_sub(other.octets);
        self.retrieved = self.retrieved.saturating_sub(other.retrieved);
    }
}

/// Messages that were removed at once, or almost. Their rows stay in `mail` until they are purged, so that a million
/// are removed, and brought back, by one short record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tombstone {
    /// When the last of them was removed; 0 until a clock that is right has been seen.
    pub at: UnixTime,
    /// When the first of them was, [`limits::UNDO_GRAIN_SECONDS`] before at most.
    pub since: UnixTime,
    /// First and last uid of each run, rising; every row in them is this tombstone's.
    pub runs: Vec<(u32, u32)>,
    pub tally: Tally,
}

impl Tombstone {
    /// Whether a newer one may become a part of this one.
    pub fn can_take(&self, newer: &Tombstone) -> bool {
        let is_near = newer.at >= self.at && newer.at.0 - self.since.0 < limits::UNDO_GRAIN_SECONDS;
        is_near && self.runs.len() + newer.runs.len() <= limits::RUNS_PER_JOINED_TOMBSTONE
    }

    /// Makes a newer one a part of this one.
    pub fn take(&mut self, newer: &Tombstone) {
        self.at = newer.at;
        self.tally.add(newer.tally);
        self.runs.extend(&newer.runs);
        self.runs.sort_unstable();
        self.runs.dedup_by(|next, run| {
            let is_next = run.1 + 1 == next.0;
            if is_next {
                run.1 = next.1;
            }
            is_next
        });
    }
}

/// A mailbox that was removed and can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GoneRecord {
    /// Its key in `mailboxes`.
    pub key: String,
    pub mailbox: MailboxRecord,
    pub counters: Counters,
    /// When; 0 until a clock that is right has been seen.
    pub at: UnixTime,
    /// Its own settings.
    pub levels: Vec<(String, String)>,
}

/// A mailbox's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// The mailbox's mark, so that a snapshot needs this tree alone.
    pub mark: MailboxMark,
    /// Its messages without the removed ones.
    pub live: Tally,
    /// All removed messages have uids between these two; both 0 for none.
    pub removed_span: (u32, u32),
    /// How many removed messages can't be brought back any more.
    pub purged_messages: u32,
    /// The newest time that one of those was removed.
    pub purged_removed_at: UnixTime,
    /// The uid of the next message; it only rises.
    pub next_uid: u32,
    /// The newest time that a message of this mailbox was received.
    pub newest_unix_seconds: u64,
    /// Whether its user was warned that it gets full, as far as the last mail that came knew.
    pub is_warned: bool,
}

/// A key of one of the tables, as octets for the checksum.
pub(super) trait Key: Copy {
    fn feed(self, hasher: &mut crc32fast::Hasher);
}

impl Key for u64 {
    fn feed(self, hasher: &mut crc32fast::Hasher) {
        hasher.update(&self.to_le_bytes());
    }
}

impl Key for Wide {
    fn feed(self, hasher: &mut crc32fast::Hasher) {
        hasher.update(self.as_str().as_bytes());
    }
}

impl Key for &str {
    fn feed(self, hasher: &mut crc32fast::Hasher) {
        hasher.update(self.as_bytes());
    }
}

/// The table's part of a checksum.
pub(super) trait Table {
    /// The name, for the checksum and for messages.
    fn label(&self) -> &str;
}

impl<K: redb::Key, V: redb::Value> Table for TableDefinition<'_, K, V> {
    fn label(&self) -> &str {
        redb::TableHandle::name(self)
    }
}

/// Continues the CRC of a value over its key and table.
pub(super) fn bind(value_crc: u32, table: &impl Table, key: impl Key) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new_with_initial(value_crc);
    key.feed(&mut hasher);
    hasher.update(table.label().as_bytes());
    hasher.finalize().to_le_bytes()
}

/// A value with its checksum, as it is stored.
pub(super) fn seal(table: &impl Table, key: impl Key, mut value: Vec<u8>) -> Vec<u8> {
    let checksum = bind(crc32fast::hash(&value), table, key);
    value.extend_from_slice(&checksum);
    value
}

/// A record with its checksum, as it is stored.
pub(super) fn encode(
    table: &impl Table,
    key: impl Key,
    record: &impl Serialize,
) -> Result<Vec<u8>, StoreError> {
    let value = postcard::to_allocvec(record).map_err(|error| {
        StoreError::Refused(format!("a record of {} can't be written: {error}", table.label()))
    })?;
    Ok(seal(table, key, value))
}

/// A stored value without its checksum; errs if it is not what was stored under that key.
pub(super) fn unseal<'a>(
    table: &impl Table,
    key: impl Key,
    stored: &'a [u8],
) -> Result<&'a [u8], StoreError> {
    let (value, checksum) =
        stored.split_last_chunk::<4>().ok_or_else(|| damaged(table, "a value is cut off"))?;
    if bind(crc32fast::hash(value), table, key) != *checksum {
        return Err(damaged(table, "a checksum is wrong"));
    }
    Ok(value)
}

/// A stored record; errs if it is not what was stored under that key.
pub(super) fn decode<'a, T: Deserialize<'a>>(
    table: &impl Table,
    key: impl Key,
    stored: &'a [u8],
) -> Result<T, StoreError> {
    postcard::from_bytes(unseal(table, key, stored)?).map_err(|_| damaged(table, "a record can't be read"))
}

/// The error for damage found in a table.
pub(super) fn damaged(table: &impl Table, what: &str) -> StoreError {
    StoreError::Damaged(format!("the database is damaged ({what} in {}): restore a backup", table.label()))
}

/// The key of a message's row.
pub(super) fn mail_key(message: MessageId) -> u64 {
    u64::from(message.mailbox.0) << 32 | u64::from(message.uid.0)
}

/// The key of a mailbox's counters.
pub(super) fn counters_key(mailbox: MailboxId) -> u64 {
    mail_key(MessageId { mailbox, uid: COUNTERS_UID })
}

/// The keys of a mailbox's messages, without its counters.
pub(super) fn mail_range(mailbox: MailboxId) -> std::ops::Range<u64> {
    mail_key(MessageId { mailbox, uid: Uid(0) })..counters_key(mailbox)
}

/// The keys of some of a mailbox's messages, the last one among them.
pub(super) fn mail_run(mailbox: MailboxId, (first, last): (u32, u32)) -> std::ops::RangeInclusive<u64> {
    mail_key(MessageId { mailbox, uid: Uid(first) })..=mail_key(MessageId { mailbox, uid: Uid(last) })
}

/// The keys of a mailbox's tombstones.
pub(super) fn removed_range(mailbox: MailboxId) -> std::ops::RangeInclusive<u64> {
    mail_run(mailbox, (0, u32::MAX))
}

/// The mailbox in a key of `mail` or `removed`.
pub(super) fn key_mailbox(key: u64) -> MailboxId {
    MailboxId((key >> 32) as u32)
}

/// The uid in a key of `mail`.
pub(super) fn key_uid(key: u64) -> Uid {
    Uid(key as u32)
}

/// The key of a mailbox.
pub(super) fn mailbox_key(address: &Address) -> String {
    format!("{}@{}", address.domain(), address.local_part())
}

/// The address in a key of `mailboxes`.
pub(super) fn key_address(key: &str) -> Result<Address, StoreError> {
    key.split_once('@')
        .and_then(|(domain, local)| Address::new(local, &domain.parse().ok()?).ok())
        .ok_or_else(|| damaged(&MAILBOXES, "a key is no address"))
}

/// The key of an alias: no name has a `*`, and no domain an `@`.
pub(super) fn alias_key(alias: &Alias) -> String {
    match alias {
        Alias::Address(address) => mailbox_key(address),
        Alias::CatchAll(domain) => format!("{domain}@*"),
        Alias::Domain(domain) => domain.to_string(),
    }
}

/// The alias of a key.
pub(super) fn key_alias(key: &str) -> Result<Alias, StoreError> {
    let alias = match key.split_once('@') {
        Some((domain, "*")) => domain.parse().ok().map(Alias::CatchAll),
        Some((domain, local)) => {
            domain.parse().ok().and_then(|domain| Address::new(local, &domain).ok()).map(Alias::Address)
        }
        None => key.parse().ok().map(Alias::Domain),
    };
    alias.ok_or_else(|| damaged(&ALIASES, "a key is no alias"))
}

/// The first and the end key of a domain's mailboxes, and of its aliases: `@` is followed by `A`.
pub(super) fn mailbox_range(domain: &Domain) -> (String, String) {
    (format!("{domain}@"), format!("{domain}A"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_proven_together_with_its_key_and_table() {
        let stored = seal(&CHUNKS, 7_u64, b"body".to_vec());
        assert_eq!(unseal(&CHUNKS, 7_u64, &stored), Ok(&b"body"[..]));
        assert!(unseal(&CHUNKS, 8_u64, &stored).is_err(), "the value of another key");
        assert!(unseal(&MAIL, 7_u64, &stored).is_err(), "the value of another table");
        for length in 0..stored.len() {
            assert!(unseal(&CHUNKS, 7_u64, &stored[..length]).is_err(), "cut to {length}");
        }
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&CHUNKS, 7_u64, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_domains_mailboxes_stand_together_and_apart_from_its_neighbours() {
        let (from, to) = mailbox_range(&"home.lan".parse().unwrap());
        for (address, inside) in [
            ("zoe@home.lan", true),
            ("_a@home.lan", true),
            ("a@home.lan2", false),
            ("a@home.la", false),
            ("a@home.lan.x", false),
        ] {
            let key = mailbox_key(&address.parse().unwrap());
            assert_eq!((from.as_str()..to.as_str()).contains(&key.as_str()), inside, "{address}");
            assert_eq!(key_address(&key).unwrap().as_str(), address);
        }
    }

    #[test]
    fn no_name_collides_with_a_key_s_107_s_112() {
        let aliases = ["home.lan", "*@home.lan", "admin@home.lan", "root@home.lan", "-.lan@x", "_@home.lan"];
        let mut keys = std::collections::BTreeSet::new();
        for alias in aliases.iter().filter_map(|text| text.parse::<Alias>().ok()) {
            let key = alias_key(&alias);
            assert_eq!(key_alias(&key), Ok(alias));
            assert!(keys.insert(key));
        }
        assert_eq!(keys.len(), 5);
        // What would read as another key is no name.
        for name in ["*", "", "@", "a@b", "home.lan@*", "-", ".db", "../x", "a b", "a\0"] {
            assert!(Address::new(name, &"home.lan".parse().unwrap()).is_err(), "{name:?}");
        }
        for key in ["", "@", "@a", "home.lan@", "home.lan@**", "home.lan@a@b", "Home lan", "home.lan@-"] {
            assert!(key_alias(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_mailbox_ends_before_its_counters_and_the_next_mailbox() {
        let range = mail_range(MailboxId(3));
        assert!(range.contains(&mail_key(MessageId { mailbox: MailboxId(3), uid: Uid(u32::MAX - 1) })));
        assert!(!range.contains(&counters_key(MailboxId(3))));
        assert!(!range.contains(&mail_key(MessageId { mailbox: MailboxId(4), uid: Uid(0) })));
        assert!(!range.contains(&counters_key(MailboxId(2))));
    }
}
