//! The power goes at any instant, also while the database recovers from the last time (S-280–S-286).
//!
//! Each round works on the store until the power goes at a random operation, lets the disk tear, drop and
//! reorder what was not synced, opens what is left (every third time the power goes again meanwhile) and holds it
//! against a ledger: what was acknowledged is there octet for octet, what was removed stays removed, and what was
//! not acknowledged is whole or absent. `POPPET_CUTS` sets the number of rounds, `POPPET_SEED` the seed.

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod disk;
#[path = "power_cut/leaving.rs"]
mod leaving;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use disk::Disk;
use poppet::clock::{Clock, UnixTime};
use poppet::limits;
use poppet::mail::{Account, Address, Domain, MailboxId, MailboxMark, MessageId, Uid};
use poppet::settings::Method;
use poppet::store::{Delivered, Delivery, Options, Store, StoreError};
use poppet::ticket::block_on;

const CUTS: u64 = 2400;

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_instant() {
    let cuts = number("POPPET_CUTS", CUTS);
    let seed = number("POPPET_SEED", fastrand::u64(..));
    println!("{cuts} power cuts, POPPET_SEED={seed}");
    let threads = 4;
    let in_recovery: u64 = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || run(seed.wrapping_add(thread), cuts / threads, 1)))
            .collect();
        runs.into_iter()
            .map(|run| match run.join().unwrap() {
                Ok(in_recovery) => in_recovery,
                Err(loss) => panic!("{loss}, POPPET_SEED={seed}"),
            })
            .sum()
    });
    println!("{cuts} cuts, and {in_recovery} more while recovering: nothing lost");
    assert!(in_recovery * 10 > cuts, "recovery was cut too seldom to count: {in_recovery}");
}

/// The control run: a disk that ignores two of three syncs must lose something, or the test above sees nothing.
#[test]
fn a_disk_that_lies_about_syncing_is_found_out() {
    // How often depends on how the threads run, so there are many more runs than it takes.
    let lost = (0..200).filter(|&seed| run(seed, 30, 3).is_err()).take(5).count();
    assert_eq!(lost, 5, "runs of 200 on a lying disk that lost mail");
}

#[test]
fn a_database_that_was_made_is_there_after_a_power_cut_s_281() {
    for operations in 0..200 {
        let disk = Disk::new(Vec::new());
        disk.cut_in(operations);
        let made = Store::create_on(Arc::new(disk.clone()), &options(), clock()).is_ok();
        let image = disk.image_after_cut(&mut fastrand::Rng::with_seed(operations));
        if made {
            Store::open_on(Arc::new(Disk::new(image)), &options(), clock()).unwrap();
            return;
        }
    }
    panic!("a database was never made");
}

/// What must be true of the file.
#[derive(Default)]
struct Ledger {
    /// Mails that the last check found, by uid: the number that their text is made from.
    kept: BTreeMap<u32, u64>,
    /// Mails acknowledged since; only the file knows their uids.
    acknowledged: Vec<u64>,
    /// Mails that may be there or not: never acknowledged, or removed without an acknowledgement.
    open: Vec<u64>,
    /// Mails that were removed, by uid: they can be brought back.
    removed: BTreeMap<u32, u64>,
    /// Mails that were removed, and come back or not.
    doubtful: Vec<u64>,
    /// Whether the mailbox itself may be removed.
    may_be_gone: bool,
    /// The highest uid seen.
    highest: u32,
    settings_mib: Vec<u32>,
    /// What another room's record can be.
    records: Vec<Option<Vec<u8>>>,
    /// What the mailbox can be bound to.
    accounts: Vec<Option<Account>>,
    leaving: leaving::Leaving,
}

/// Works through so many power cuts; gives the number of cuts during recovery, or what was lost.
fn run(seed: u64, cuts: u64, lies: u64) -> Result<u64, String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = Disk::new(Vec::new());
    let store = Store::create_on(Arc::new(disk.clone()), &options(), clock()).unwrap();
    let domain: Domain = "home.lan".parse().unwrap();
    store.add_domain(domain.clone()).wait().unwrap();
    let mailbox = store.add_mailbox(alice(), MailboxMark([7; 16]), vec![1, 2, 3]).wait().unwrap();
    drop(store);
    let mut image = disk.image();
    let mut ledger = Ledger {
        settings_mib: vec![limits::MESSAGE_MIB],
        records: vec![None],
        accounts: vec![None],
        ..Ledger::default()
    };
    let mut in_recovery = 0;
    for cut in 0..cuts {
        let disk = Disk::new(image);
        disk.lie(lies);
        disk.cut_in(random.u64(..250));
        if let Ok(store) = Store::open_on(Arc::new(disk.clone()), &options(), clock()) {
            while !disk.is_cut() {
                work(&store, mailbox, &mut ledger, &mut random);
            }
        }
        image = disk.image_after_cut(&mut random);
        for _ in 0..random.u8(..3) {
            let disk = Disk::new(image);
            disk.cut_in(random.u64(..12));
            let _ = Store::open_on(Arc::new(disk.clone()), &options(), clock());
            in_recovery += u64::from(disk.is_cut());
            image = disk.image_after_cut(&mut random);
        }
        let disk = Disk::new(image);
        let store = Store::open_on(Arc::new(disk.clone()), &options(), clock())
            .map_err(|error| format!("cut {cut}: can't be opened: {error}"))?;
        check(&store, mailbox, &mut ledger).map_err(|loss| format!("cut {cut}: {loss}"))?;
        drop(store);
        image = disk.image();
    }
    Ok(in_recovery)
}

/// One random act, with what it is known to have done.
fn work(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    match random.u8(..28) {
        0..=3 => deliver(store, mailbox, ledger, random.u64(..)),
        4 => deliver_together(store, mailbox, ledger, random),
        5 => {
            let mut upload = store.upload();
            let _ = block_on(upload.push(&text(random.u64(..) | LONG)));
        }
        6 => {
            let mib = random.u32(1..100);
            ledger.settings_mib.push(mib);
            if store.set_setting("message_mib", Some(&mib.to_string())).wait().is_ok() {
                ledger.settings_mib = vec![mib];
            }
        }
        7 => {
            let commit = if random.bool() { "one-phase" } else { "two-phase" };
            let _ = store.set_setting("commit", Some(commit)).wait();
        }
        8 => {
            undelete(store, ledger);
        }
        9 => {
            // A mailbox comes and goes with all that is in it.
            ledger.may_be_gone = true;
            let is_gone = store.remove_mailbox(alice()).wait().is_ok();
            ledger.may_be_gone = !(undelete(store, ledger) && is_gone);
        }
        10 | 12 => {
            ledger.doubtful.extend(std::mem::take(&mut ledger.removed).into_values());
            let _ = store.set_setting("undo_days", Some("0")).wait();
            let _ = store.set_setting("undo_days", Some("7")).wait();
        }
        11 => {
            let uids = ledger.kept.keys().copied().filter(|_| random.bool()).map(Uid).collect();
            let _ = store.mark_retrieved(mailbox, uids).wait();
        }
        13 => {
            // A record of several pages, as of certificates or failed logons.
            let record = Some(vec![random.u8(..); random.usize(1..20_000)]);
            ledger.records.push(record.clone());
            if store.put_record("failures", record.clone().unwrap_or_default()).wait().is_ok() {
                ledger.records = vec![record];
            }
        }
        14 => {
            let account = Account::named(&format!("HOME\\{}", random.u32(..)));
            ledger.accounts.push(account.clone());
            if store.bind_account(Method::File, alice(), account.clone()).wait().is_ok() {
                ledger.accounts = vec![account];
            }
        }
        15..=19 => remove(store, mailbox, ledger, random),
        _ => leaving::work(store, mailbox, ledger, random),
    }
}

/// Brings back what was removed; says whether that was acknowledged.
fn undelete(store: &Store, ledger: &mut Ledger) -> bool {
    ledger.open.extend(&ledger.doubtful);
    let removed = std::mem::take(&mut ledger.removed);
    let is_done = store.undelete(alice(), None, false).wait().is_ok();
    if is_done {
        ledger.kept.extend(removed);
    } else {
        ledger.open.extend(removed.values());
        ledger.doubtful.extend(removed.values());
    }
    is_done
}

fn alice() -> Address {
    "alice@home.lan".parse().unwrap()
}

fn deliver(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, number: u64) {
    ledger.open.push(number);
    if let Some(Ok(Delivered::Stored { mailboxes: 1, .. })) =
        begin(store, mailbox, number).map(poppet::store::Ask::wait)
    {
        acknowledge(ledger, number);
    }
}

/// Several at once, so that they share a commit.
fn deliver_together(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    let count = random.usize(2..6);
    let numbers: Vec<u64> = std::iter::repeat_with(|| random.u64(..)).take(count).collect();
    ledger.open.extend(&numbers);
    let asks: Vec<_> = numbers.iter().map(|&number| (number, begin(store, mailbox, number))).collect();
    for (number, ask) in asks {
        if let Some(Ok(Delivered::Stored { mailboxes: 1, .. })) = ask.map(poppet::store::Ask::wait) {
            acknowledge(ledger, number);
        }
    }
}

fn begin(store: &Store, mailbox: MailboxId, number: u64) -> Option<poppet::store::Ask<Delivered>> {
    let mut upload = store.upload();
    block_on(upload.push(&text(number))).ok()?;
    Some(upload.finish(vec![Delivery::to(mailbox, number.to_le_bytes().to_vec())]))
}

fn acknowledge(ledger: &mut Ledger, number: u64) {
    ledger.open.retain(|&open| open != number);
    ledger.acknowledged.push(number);
}

fn remove(store: &Store, mailbox: MailboxId, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    let chosen: Vec<u32> = ledger.kept.keys().copied().filter(|_| random.u8(..3) > 0).collect();
    let gone: BTreeMap<u32, u64> =
        chosen.iter().filter_map(|uid| Some((*uid, ledger.kept.remove(uid)?))).collect();
    match store.remove_messages(mailbox, chosen.into_iter().map(Uid).collect()).wait() {
        Ok(()) => ledger.removed.extend(gone),
        Err(_) => {
            ledger.open.extend(gone.values());
            ledger.doubtful.extend(gone.values());
        }
    }
}

/// Holds the file against the ledger.
fn check(store: &Store, mailbox: MailboxId, ledger: &mut Ledger) -> Result<(), String> {
    let failed = |error: StoreError| error.to_string();
    // The power may have gone while nothing that was removed was kept.
    store.set_setting("undo_days", Some("7")).wait().map_err(failed)?;
    if ledger.may_be_gone && store.mailbox(alice()).wait() == Ok(None) {
        undelete(store, ledger);
    }
    ledger.may_be_gone = false;
    let recoverable = store.undelete(alice(), None, true).wait().map_err(failed)?.messages;
    if (recoverable as usize) < ledger.removed.len() {
        return Err(format!("only {recoverable} of {} removed mails can come back", ledger.removed.len()));
    }
    let snapshot = store.snapshot(mailbox).wait().map_err(failed)?;
    let mut found = BTreeMap::new();
    for (uid, _) in &snapshot.messages {
        found.insert(uid.0, read(store, mailbox, *uid)?);
    }
    for (uid, number) in &ledger.kept {
        if found.get(uid) != Some(number) {
            return Err(format!("the mail {number} (uid {uid}) is not there any more"));
        }
    }
    for number in &ledger.acknowledged {
        if !found.values().any(|there| there == number) {
            return Err(format!("the acknowledged mail {number} is not there"));
        }
    }
    for (uid, number) in &found {
        let is_known = ledger.kept.get(uid) == Some(number);
        let is_new = ledger.acknowledged.contains(number) && *uid > ledger.highest;
        if !is_known && !is_new && !ledger.open.contains(number) {
            return Err(format!(
                "the mail {number} (uid {uid}) was removed and is back, or its uid was given twice"
            ));
        }
    }
    let mib = store.settings().message_mib;
    if !ledger.settings_mib.contains(&mib) {
        return Err(format!("a setting is {mib}, not one of {:?}", ledger.settings_mib));
    }
    ledger.settings_mib = vec![mib];
    let record = store.record("failures").wait().map_err(failed)?;
    if !ledger.records.contains(&record) {
        return Err(format!("a record of {:?} octets was lost or not kept", record.map(|it| it.len())));
    }
    ledger.records = vec![record];
    let account = store.mailbox(alice()).wait().map_err(failed)?.and_then(|mailbox| mailbox.account);
    if !ledger.accounts.contains(&account) {
        return Err(format!("the account is {account:?}, not one of {:?}", ledger.accounts));
    }
    ledger.accounts = vec![account];
    leaving::check(store, &mut ledger.leaving, &found)?;
    // What is there now was committed: from here on it must stay.
    ledger.highest = ledger.highest.max(found.keys().last().copied().unwrap_or(0));
    ledger.kept = found;
    ledger.open.clear();
    ledger.acknowledged.clear();
    Ok(())
}

/// The number of a mail, from its prefix; errs if any octet of the text is not what the number says.
fn read(store: &Store, mailbox: MailboxId, uid: Uid) -> Result<u64, String> {
    let failed = |error: StoreError| format!("uid {}: {error}", uid.0);
    let opened = store.open_message(MessageId { mailbox, uid }).wait().map_err(failed)?;
    let opened = opened.ok_or("a message of the snapshot is gone")?;
    let number = u64::from_le_bytes(opened.prefix[..8].try_into().map_err(|_| "a prefix is cut off")?);
    let mut octets = opened.first.map(|chunk| chunk.0).unwrap_or_default();
    for index in 1..opened.chunks {
        octets.extend(store.chunk(opened.blob, index).wait().map_err(failed)?.0);
    }
    if octets != text(number) {
        return Err(format!("uid {}: the text is not what was delivered", uid.0));
    }
    Ok(number)
}

/// The text of a mail, made from its number: mostly short, sometimes long enough to stream.
fn text(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    let octets = if number & LONG == LONG { random.usize(270_000..700_000) } else { random.usize(..9000) };
    std::iter::repeat_with(|| random.u8(..)).take(octets).collect()
}

const LONG: u64 = 0b1111;

fn options() -> Options {
    // Idle work without any quiet time, so that the power goes in its middle too.
    Options { cache_kib: None, quiet: Some(Duration::ZERO) }
}

fn clock() -> Clock {
    Clock::fixed(UnixTime(1_800_000_000))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
