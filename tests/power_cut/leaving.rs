//! Mail that leaves, while the power goes: who was filed waits, who was settled is gone, a report and what it tells of
//! are one, and the indexes fit the rows.

use std::collections::BTreeMap;

use poppet::clock::UnixTime;
use poppet::mail::{Lane, MailDsn, MailboxId, RcptDsn, RemoteAddress};
use poppet::store::{
    Delivered, Delivery, Fate, Filing, Outbound, QueueAct, QueueId, QueueState, Queued, Settlement, Store,
    StoreError, Which,
};
use poppet::ticket::block_on;

use super::{Ledger, acknowledge, text};

/// What must be true of the queue.
#[derive(Default)]
pub struct Leaving {
    /// Recipients that the last check found, with the numbers of their mails.
    kept: BTreeMap<QueueId, u64>,
    /// Mails filed since, with how many recipients they have.
    acknowledged: Vec<(u64, usize)>,
    /// The same of those that were never acknowledged.
    open: Vec<(u64, usize)>,
    /// Recipients that may be gone or not.
    doubtful: BTreeMap<QueueId, u64>,
    /// Reports in the mailbox, and of whom they tell.
    reports: Vec<(u64, Vec<QueueId>)>,
    highest: Option<QueueId>,
}

/// One random act on the queue.
pub fn work(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    match random.u8(..10) {
        0..=3 => file(store, mailbox, ledger, random),
        4..=6 => settle(store, ledger, random),
        7 | 8 => report(store, mailbox, ledger, random),
        _ => {
            let act = [QueueAct::Retry, QueueAct::Hold, QueueAct::Release][random.usize(..3)];
            let _ = store.queue_act(Which::All, act).wait();
        }
    }
}

/// A mail for some elsewhere, sometimes with a copy for the mailbox.
fn file(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    let (number, count, is_local) = (random.u64(..), random.usize(1..4), random.bool());
    let outbound = |_| Outbound {
        lane: lane(random),
        reverse_path: "alice@home.lan".into(),
        recipient: RemoteAddress::from_path("bob@example.com"),
        mail_dsn: MailDsn::default(),
        rcpt_dsn: RcptDsn::default(),
        is_utf8: false,
        needs_utf8: false,
        submitter: "alice@home.lan".into(),
        chooser: None,
        came_from: None,
        prefix: number.to_le_bytes().to_vec(),
    };
    let outbound = (0..count).map(outbound).collect();
    let copy = || Delivery::to(mailbox, number.to_le_bytes().to_vec());
    let deliveries = is_local.then(copy).into_iter().collect();
    ledger.leaving.open.push((number, count));
    if is_local {
        ledger.open.push(number);
    }
    let mut upload = store.upload();
    if block_on(upload.push(&text(number))).is_err() {
        return;
    }
    let filed = upload.file(Filing { deliveries, outbound, settled: Vec::new() }).wait();
    let Ok(Delivered::Stored { mailboxes, leaving, .. }) = filed else { return };
    assert_eq!(leaving, count);
    ledger.leaving.open.retain(|(open, _)| *open != number);
    ledger.leaving.acknowledged.push((number, count));
    if mailboxes == 1 {
        acknowledge(ledger, number);
    }
}

fn lane(random: &mut fastrand::Rng) -> Lane {
    ["smarthost", "nowhere", "mx:example.com"][random.usize(..3)].parse().unwrap()
}

/// Some of those that the last check found.
fn chosen(ledger: &Ledger, random: &mut fastrand::Rng) -> Vec<QueueId> {
    ledger.leaving.kept.keys().copied().filter(|_| random.bool()).collect()
}

fn settle(store: &Store, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    let mut settled = Vec::new();
    let mut gone = Vec::new();
    for id in chosen(ledger, random) {
        let fate = match random.u8(..4) {
            0 => Fate::Later { next: UnixTime(random.u64(..)), is_try: true, is_unsure: false, last: None },
            1 => Fate::Moved(lane(random)),
            _ => {
                gone.push(id);
                Fate::Sent
            }
        };
        settled.push(Settlement { id, fate });
    }
    leave(ledger, &gone);
    // Alone, or each for itself, so that they share a commit.
    let is_settled = match random.bool() {
        true => store.queue_settle(settled).wait().is_ok(),
        false => {
            let asks: Vec<_> = settled.into_iter().map(|one| store.queue_settle(vec![one])).collect();
            let done: Vec<_> = asks.into_iter().map(|ask| ask.wait().is_ok()).collect();
            done.into_iter().all(|is_done| is_done)
        }
    };
    if is_settled {
        ledger.leaving.doubtful.retain(|id, _| !gone.contains(id));
    }
}

/// These may be gone from now on.
fn leave(ledger: &mut Ledger, gone: &[QueueId]) {
    let Leaving { kept, doubtful, .. } = &mut ledger.leaving;
    doubtful.extend(gone.iter().filter_map(|id| Some((*id, kept.remove(id)?))));
}

fn report(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    let (number, failed) = (random.u64(..), chosen(ledger, random));
    leave(ledger, &failed);
    ledger.open.push(number);
    ledger.leaving.reports.push((number, failed.clone()));
    let mut upload = store.upload();
    if block_on(upload.push(&text(number))).is_err() {
        return;
    }
    let settled = failed.iter().map(|&id| Settlement { id, fate: Fate::Failed }).collect();
    let deliveries = vec![Delivery::to(mailbox, number.to_le_bytes().to_vec())];
    let filed = upload.file(Filing { deliveries, outbound: Vec::new(), settled }).wait();
    if let Ok(Delivered::Stored { mailboxes: 1, .. }) = filed {
        acknowledge(ledger, number);
        ledger.leaving.doubtful.retain(|id, _| !failed.contains(id));
    }
}

/// Holds the queue against the ledger; `mails` are the numbers of those in the mailbox.
pub fn check(store: &Store, leaving: &mut Leaving, mails: &BTreeMap<u32, u64>) -> Result<(), String> {
    let failed = |error: StoreError| error.to_string();
    let rows = store.queue_page(Which::All, None, usize::MAX).wait().map_err(failed)?;
    let mut found = BTreeMap::new();
    for row in &rows {
        found.insert(row.id, number(store, row)?);
    }
    for (id, number) in &leaving.kept {
        if found.get(id) != Some(number) {
            return Err(format!("the recipient {} of mail {number} waits no more", id.0));
        }
    }
    let is_new = |id: QueueId| leaving.highest.is_none_or(|highest| id > highest);
    let count = |number: u64| found.iter().filter(|(id, of)| **of == number && is_new(**id)).count();
    for &(number, wanted) in &leaving.acknowledged {
        if count(number) != wanted {
            return Err(format!("the acknowledged mail {number} waits for {} of {wanted}", count(number)));
        }
    }
    for &(number, most) in &leaving.open {
        if count(number) != 0 && count(number) != most {
            return Err(format!("the mail {number} waits for {} of {most}", count(number)));
        }
    }
    for (id, number) in &found {
        let is_filed = |mails: &[(u64, usize)]| mails.iter().any(|(filed, _)| filed == number);
        let is_fresh = is_new(*id) && (is_filed(&leaving.acknowledged) || is_filed(&leaving.open));
        if !is_fresh && leaving.kept.get(id).or(leaving.doubtful.get(id)) != Some(number) {
            return Err(format!("the recipient {} was sent and is back, or came twice", id.0));
        }
    }
    for (number, told) in &leaving.reports {
        let is_there = mails.values().any(|mail| mail == number);
        let left = told.iter().filter(|id| found.contains_key(id)).count();
        if is_there && left > 0 || !is_there && left < told.len() {
            return Err(format!("the report {number} and what it tells of are not one ({left} are left)"));
        }
    }
    check_indexes(store, &rows)?;
    leaving.highest = leaving.highest.max(found.keys().last().copied());
    leaving.kept = found;
    leaving.acknowledged.clear();
    leaving.open.clear();
    leaving.doubtful.clear();
    leaving.reports.clear();
    Ok(())
}

/// The number of a mail; errs if any octet of the text is not what the number says.
fn number(store: &Store, row: &Queued) -> Result<u64, String> {
    let failed = |error: StoreError| format!("recipient {}: {error}", row.id.0);
    let prefix = row.outbound.prefix.as_slice().try_into().map_err(|_| "a prefix is cut off")?;
    let number = u64::from_le_bytes(prefix);
    let mut octets = Vec::new();
    for index in 0..row.chunks {
        octets.extend(store.chunk(row.body(), index).wait().map_err(failed)?.0);
    }
    match octets == text(number) {
        true => Ok(number),
        false => Err(format!("recipient {}: the text is not what was filed", row.id.0)),
    }
}

/// What is told of ways and counts is what the rows come to.
fn check_indexes(store: &Store, rows: &[Queued]) -> Result<(), String> {
    let mut waiting: BTreeMap<Lane, u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state == QueueState::Waiting) {
        *waiting.entry(row.outbound.lane.clone()).or_default() += 1;
    }
    let lanes = store.queue_lanes().wait().map_err(|error| error.to_string())?;
    let told: BTreeMap<Lane, u64> = lanes.into_iter().map(|row| (row.lane, row.waiting)).collect();
    let counts = store.queue_counts();
    let held = rows.iter().filter(|row| row.state == QueueState::Held).count() as u64;
    let wanted = (waiting.values().sum::<u64>(), held, 0);
    if told != waiting || (counts.waiting, counts.held, counts.dead) != wanted {
        return Err(format!(
            "the ways have {told:?} and the counts are {counts:?}, with {waiting:?} waiting"
        ));
    }
    Ok(())
}
