//! Holds every table of the file, and the counts in memory, against what they must come to.

mod leaving;

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadableTable;

use super::model::{Mail, Model};
use super::*;
use crate::mail::AliasTarget;

/// What the file holds, as it is read table by table.
#[derive(Debug, Default)]
struct Found {
    /// By mailbox and uid.
    rows: BTreeMap<(u32, u32), Row>,
    counters: BTreeMap<u32, schema::Counters>,
    tombstones: BTreeMap<(u32, u32), schema::Tombstone>,
    gone: BTreeMap<u32, schema::GoneRecord>,
    mailboxes: BTreeMap<String, u32>,
    /// Chunks and octets of each body.
    bodies: BTreeMap<u64, (u32, u64)>,
    refs: BTreeMap<u64, schema::SharedBody>,
    pending: BTreeSet<u64>,
    free: BTreeMap<u64, schema::FreeBody>,
    domains: BTreeMap<String, Lock>,
    locks: BTreeMap<u32, Lock>,
    aliases: BTreeMap<String, (Vec<String>, u64)>,
    devices: Vec<Device>,
    leaving: leaving::Found,
}

#[derive(Debug)]
struct Row {
    mail: Mail,
    blob: u64,
    chunks: u32,
}

/// Errs with the first difference.
pub(super) fn audit(store: &Store, model: &Model) -> Result<(), String> {
    let found = store.threads.ask(read).wait().map_err(|error| error.to_string())?;
    let shared = &store.shared;
    same("mailboxes", &found.mailboxes, &present(model))?;
    house(&found, model)?;
    for (&id, it) in &model.boxes {
        let counters = match it.gone {
            None => found.counters.get(&id).copied(),
            Some(_) => found.gone.get(&id).map(|record| record.counters),
        };
        let counters = counters.ok_or(format!("mailbox {id} has no counters"))?;
        mailbox(&found, id, it, &counters)?;
        same("the mark", &counters.mark, &it.mark)?;
        same("the next uid", &counters.next_uid, &it.next_uid)?;
        same("warned", &counters.is_warned, &it.is_warned)?;
        same(
            "purged",
            &(counters.purged_messages, counters.purged_removed_at.0),
            &(it.purged, it.purged_at),
        )?;
        if let Some(at) = it.gone {
            same("gone at", &found.gone.get(&id).map(|record| record.at.0), &Some(at))?;
        }
    }
    let ids: BTreeSet<u32> =
        found.rows.keys().map(|key| key.0).chain(found.counters.keys().copied()).collect();
    same("strangers", &ids.iter().find(|id| !model.boxes.contains_key(id)), &None)?;
    same("removed mailboxes", &found.gone.keys().copied().collect::<Vec<_>>(), &gone(model))?;
    bodies(&found, model)?;
    leaving::queue(&found.leaving, model, store)?;
    let removed: u64 = found.tombstones.values().map(|it| it.tally.octets).sum::<u64>()
        + found.gone.values().map(|it| it.counters.live.octets).sum::<u64>();
    same("removed octets", &shared.removed_octets_now(), &removed)?;
    let has_removed = !found.tombstones.is_empty() || !found.gone.is_empty();
    if has_removed && !shared.has_removed.load(Ordering::Acquire) {
        return Err("something was removed, and nobody knows".into());
    }
    if !found.free.is_empty() && !shared.has_free.load(Ordering::Acquire) {
        return Err("bodies wait to be freed, and nobody knows".into());
    }
    let octets: u64 = found.bodies.values().map(|body| body.1).sum();
    let live = shared.live_octets.load(Ordering::Relaxed);
    if live < octets {
        return Err(format!("{live} octets of bodies are counted, and {octets} are there"));
    }
    // What stands before each body is counted at an opening.
    if live > octets + 8 * model.rows {
        return Err(format!("{live} octets of bodies are counted, and only {octets} are there"));
    }
    Ok(())
}

/// Takes out of the model what the file has purged, and errs unless that was the oldest.
pub(super) fn follow_purge(store: &Store, model: &mut Model) -> Result<(), String> {
    let found = store.threads.ask(read).wait().map_err(|error| error.to_string())?;
    let age = |at: u64| at.wrapping_sub(1);
    let (mut youngest_purged, mut oldest_left) = (None, u64::MAX);
    for (&id, it) in &mut model.boxes {
        let gone = it.gone;
        let is_left = |uid: &u32| found.rows.contains_key(&(id, *uid));
        for model::Grave { at, mails, .. } in &mut it.graves {
            let effective = age(*at).min(gone.map_or(u64::MAX, age));
            let before = mails.len();
            mails.retain(|uid, _| is_left(uid));
            if mails.len() < before {
                it.purged += (before - mails.len()) as u32;
                it.purged_at = it.purged_at.max(*at);
                youngest_purged = youngest_purged.max(Some(effective));
            }
            oldest_left = if mails.is_empty() { oldest_left } else { oldest_left.min(effective) };
        }
        it.graves.retain(|grave| !grave.mails.is_empty());
        if let Some(at) = gone {
            let before = it.live.len();
            it.live.retain(|uid, _| is_left(uid));
            let is_touched = it.live.len() < before || !found.gone.contains_key(&id);
            if it.live.len() < before {
                it.purged += (before - it.live.len()) as u32;
                it.purged_at = it.purged_at.max(at);
            }
            if is_touched {
                youngest_purged = youngest_purged.max(Some(age(at)));
            }
            oldest_left = if found.gone.contains_key(&id) { oldest_left.min(age(at)) } else { oldest_left };
        }
    }
    model.boxes.retain(|id, it| it.gone.is_none() || found.gone.contains_key(id));
    match youngest_purged {
        Some(purged) if purged > oldest_left => Err(format!("{purged} was purged before {oldest_left}")),
        _ => Ok(()),
    }
}

/// Domains, aliases, locks and devices.
fn house(found: &Found, model: &Model) -> Result<(), String> {
    same("domains", &found.domains, &model.domains)?;
    same("aliases", &found.aliases, &model.aliases)?;
    same("devices", &found.devices, &model.devices.values().cloned().collect())?;
    let of_boxes = model.boxes.iter().map(|(&id, it)| (id, it.lock));
    same("locks", &found.locks, &of_boxes.collect())
}

fn present(model: &Model) -> BTreeMap<String, u32> {
    let present = model.boxes.iter().filter(|(_, it)| it.gone.is_none());
    present.map(|(&id, it)| (schema::mailbox_key(&it.address), id)).collect()
}

fn gone(model: &Model) -> Vec<u32> {
    model.boxes.iter().filter(|(_, it)| it.gone.is_some()).map(|(&id, _)| id).collect()
}

fn mailbox(found: &Found, id: u32, it: &model::Box, counters: &schema::Counters) -> Result<(), String> {
    let rows = found.rows.range((id, 0)..=(id, u32::MAX));
    let rows: BTreeMap<u32, Mail> = rows.map(|(key, row)| (key.1, row.mail)).collect();
    let mut graves: Vec<model::Grave> = Vec::new();
    let mut live = rows.clone();
    for (_, tombstone) in found.tombstones.range((id, 0)..=(id, u32::MAX)) {
        let mut mails = BTreeMap::new();
        for &(first, last) in &tombstone.runs {
            if first < counters.removed_span.0 || last > counters.removed_span.1 || first > last {
                return Err(format!("mailbox {id}: {first}-{last} is outside {:?}", counters.removed_span));
            }
            for uid in first..=last {
                let mail = live
                    .remove(&uid)
                    .ok_or(format!("mailbox {id}: removed uid {uid} has no row, or is twice"))?;
                mails.insert(uid, mail);
            }
        }
        same("a tombstone's tally", &tombstone.tally, &tally(&mails))?;
        graves.push(model::Grave { at: tombstone.at.0, since: tombstone.since.0, mails });
    }
    same("live rows", &live, &it.live)?;
    same("the live tally", &counters.live, &tally(&live))?;
    let mut wanted = it.graves.clone();
    let first = |grave: &model::Grave| grave.mails.keys().next().copied();
    graves.sort_by_key(first);
    wanted.sort_by_key(first);
    same("graves", &graves, &wanted)
}

fn tally(mails: &BTreeMap<u32, Mail>) -> schema::Tally {
    schema::Tally {
        messages: mails.len() as u32,
        octets: mails.values().map(|mail| u64::from(mail.octets)).sum(),
        retrieved: mails.values().filter(|mail| mail.retrieved > 0).count() as u32,
    }
}

/// Every body has its owners, and no other body is there.
fn bodies(found: &Found, model: &Model) -> Result<(), String> {
    let owners = model.owners();
    let mut blobs: BTreeMap<u64, (u64, u32)> = BTreeMap::new();
    for row in found.rows.values().filter(|row| row.chunks > 0) {
        let owner = blobs.entry(row.blob).or_insert((row.mail.number, row.chunks));
        same("the mail of a body", &(row.mail.number, row.chunks), owner)?;
    }
    for (blob, of_queue) in found.leaving.bodies() {
        same("the mail of a body", &of_queue, blobs.entry(blob).or_insert(of_queue))?;
    }
    for (blob, (number, chunks)) in &blobs {
        let count = owners.get(number).copied().unwrap_or(0);
        let octets = found.bodies.get(blob).map_or(0, |body| body.1);
        let shared = (count > 1).then_some(schema::SharedBody { owners: count, octets });
        same("owners", &found.refs.get(blob), &shared.as_ref())?;
        same("chunks", &found.bodies.get(blob).map(|body| body.0), &Some(*chunks))?;
    }
    let is_owned = |blob: &u64| {
        blobs.contains_key(blob) || found.pending.contains(blob) || found.free.contains_key(blob)
    };
    same("a body of nobody", &found.bodies.keys().find(|blob| !is_owned(blob)), &None)?;
    same("owners of nothing", &found.refs.keys().find(|blob| !blobs.contains_key(blob)), &None)?;
    same("a living body is to be freed", &found.free.keys().find(|blob| blobs.contains_key(blob)), &None)
}

fn read(transaction: &ReadTransaction) -> Result<Found, Fault> {
    let mut found = Found::default();
    for entry in transaction.open_table(schema::MAIL)?.iter()? {
        let (key, stored) = entry?;
        let (id, uid) = (schema::key_mailbox(key.value()).0, schema::key_uid(key.value()).0);
        if uid == schema::COUNTERS_UID.0 {
            found.counters.insert(id, schema::decode(&schema::MAIL, key.value(), stored.value())?);
            continue;
        }
        let row: schema::MailRow<'_> = schema::decode(&schema::MAIL, key.value(), stored.value())?;
        let number = row.prefix.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let mail = Mail {
            number,
            octets: row.octets,
            received: row.received.0,
            is_sure: row.flags & schema::UNSURE == 0,
            retrieved: row.retrieved.0,
        };
        found.rows.insert((id, uid), Row { mail, blob: row.blob, chunks: row.chunks });
    }
    for entry in transaction.open_table(schema::REMOVED)?.iter()? {
        let (key, stored) = entry?;
        let tombstone = schema::decode(&schema::REMOVED, key.value(), stored.value())?;
        found.tombstones.insert(((key.value() >> 32) as u32, key.value() as u32), tombstone);
    }
    for entry in transaction.open_table(schema::GONE)?.iter()? {
        let (key, stored) = entry?;
        let record: schema::GoneRecord = schema::decode(&schema::GONE, key.value(), stored.value())?;
        found.locks.insert(record.mailbox.id.0, record.mailbox.lock);
        found.gone.insert(key.value() as u32, record);
    }
    for entry in transaction.open_table(schema::MAILBOXES)?.iter()? {
        let (key, stored) = entry?;
        let record: schema::MailboxRecord = schema::decode(&schema::MAILBOXES, key.value(), stored.value())?;
        found.mailboxes.insert(key.value().to_owned(), record.id.0);
        found.locks.insert(record.id.0, record.lock);
    }
    for entry in transaction.open_table(schema::DOMAINS)?.iter()? {
        let (key, stored) = entry?;
        let record: schema::DomainRecord = schema::decode(&schema::DOMAINS, key.value(), stored.value())?;
        found.domains.insert(key.value().to_owned(), record.lock);
    }
    for entry in transaction.open_table(schema::ALIASES)?.iter()? {
        let (key, stored) = entry?;
        let record: schema::AliasRecord = schema::decode(&schema::ALIASES, key.value(), stored.value())?;
        let shown = |target: &AliasTarget| match target {
            AliasTarget::Outside(text) => format!("!{text}"),
            target => target.to_string(),
        };
        let targets = record.targets.iter().map(shown).collect();
        let alias = schema::key_alias(key.value())?.to_string();
        found.aliases.insert(alias, (targets, record.created.0));
    }
    found.devices = crate::store::devices::read(transaction)?.to_vec();
    found.leaving = leaving::read(transaction)?;
    read_bodies(transaction, &mut found)?;
    Ok(found)
}

fn read_bodies(transaction: &ReadTransaction, found: &mut Found) -> Result<(), Fault> {
    for entry in transaction.open_table(schema::CHUNKS)?.iter()? {
        let (key, stored) = entry?;
        let body = found.bodies.entry(blob::blob_of(key.value()).0).or_default();
        body.0 += 1;
        body.1 += stored.value().len() as u64 - 4;
    }
    for entry in transaction.open_table(schema::REFS)?.iter()? {
        let (key, stored) = entry?;
        found.refs.insert(key.value(), schema::decode(&schema::REFS, key.value(), stored.value())?);
    }
    for entry in transaction.open_table(schema::FREE)?.iter()? {
        let (key, stored) = entry?;
        found.free.insert(key.value(), schema::decode(&schema::FREE, key.value(), stored.value())?);
    }
    for entry in transaction.open_table(schema::PENDING)?.iter()? {
        found.pending.insert(entry?.0.value());
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Result<(), String> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} instead of {wanted:?}")),
    }
}
