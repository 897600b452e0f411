//! What of the queue is damaged harms nobody else.

use super::super::super::engine::Sync;
use super::*;
use crate::mail::Lane;

/// Writes rubbish in the place of some rows or entries.
fn hurt(store: &Store, change: impl FnOnce(&WriteTransaction) -> Result<(), Fault> + Send + 'static) {
    store.change(change).wait().unwrap();
}

fn hurt_row(store: &Store, id: u64) {
    hurt(store, move |transaction| {
        transaction.open_table(schema::QUEUE)?.insert(id, &b"rubbish"[..])?;
        Ok(())
    });
}

fn three() -> (Folder, Store) {
    let folder = Folder::new();
    let store = folder.create();
    for name in ["bob", "carol", "dave"] {
        file(&store, b"x", vec![outbound(&format!("{name}@example.com"))]).unwrap();
    }
    (folder, store)
}

#[test]
fn a_row_that_can_not_be_read_is_named_and_holds_nobody_up() {
    let (folder, store) = three();
    hurt_row(&store, 1);
    assert_eq!(ids(&next(&store)), [2]);
    assert_eq!(ids(&all(&store)), [2, 3]);
    let named = store.queue_page(Which::One(QueueId(1)), None, 1).wait().unwrap_err();
    assert!(matches!(&named, StoreError::Damaged(text) if text.contains("recipient 1 ")), "{named}");
    // It is settled as if it were gone, and others with it.
    let sent = |id| Settlement { id: QueueId(id), fate: Fate::Sent };
    store.queue_settle(vec![sent(1), sent(2)]).wait().unwrap();
    assert_eq!(ids(&next(&store)), [3]);
    file(&store, b"x", vec![outbound("eve@example.com")]).unwrap();
    for _ in 0..2 {
        store.close();
        let store = folder.open().unwrap();
        assert_eq!(ids(&all(&store)), [3, 4]);
        assert_eq!((ids(&next(&store)), counts(&store)), (vec![3], (2, 0, 0)));
    }
    let store = folder.open().unwrap();
    let act = |which, act| store.queue_act(which, act).wait().unwrap();
    assert_eq!(act(Which::One(QueueId(1)), QueueAct::Retry), 0);
    assert_eq!(act(Which::One(QueueId(1)), QueueAct::Delete), 1);
    assert_eq!(store.queue_page(Which::One(QueueId(1)), None, 1).wait(), Ok(Vec::new()));
}

#[test]
fn more_broken_rows_than_are_looked_at_hold_a_way_up_for_a_moment_only() {
    let folder = Folder::new();
    let store = folder.create();
    let count = limits::QUEUE_LOOK as u64 + 1;
    let to = |number: u64| outbound(&format!("a{number}@example.com"));
    file(&store, b"x", (0..=count).map(to).collect()).unwrap();
    let woken = Arc::new(Mutex::new(0));
    let wakes = Arc::clone(&woken);
    store.watch_queue(Box::new(move || *wakes.lock().unwrap() += 1));
    (1..=count).for_each(|id| hurt_row(&store, id));
    assert!(next(&store).is_empty());
    // A later job's answer means that the earlier one is done.
    store.set_setting("undo_days", Some("7")).wait().unwrap();
    assert_eq!(*woken.lock().unwrap(), 1, "so that it is asked again");
    assert_eq!(ids(&next(&store)), [count + 1]);
}

#[test]
fn an_entry_that_leads_to_nobody_is_left_out() {
    let (_folder, store) = three();
    hurt(&store, |transaction| {
        let mut due = transaction.open_table(schema::QUEUE_DUE)?;
        for id in [77, 2] {
            let key = schema::due_key(1, UnixTime(5), QueueId(id));
            due.insert(
                key.as_str(),
                schema::encode(&schema::QUEUE_DUE, key, &schema::DueEntry { submitter: 0 })?.as_slice(),
            )?;
        }
        let key = schema::due_key(1, UnixTime(NOW), QueueId(1));
        due.insert(key.as_str(), &b"rubbish"[..])?;
        Ok(())
    });
    assert_eq!(ids(&next(&store)), [1], "its own row is sound");
    store.set_setting("undo_days", Some("7")).wait().unwrap();
    let lanes = store.queue_lanes().wait().unwrap();
    assert_eq!(lanes[0].next, Some(UnixTime(NOW)));
}

#[test]
fn a_damaged_record_of_a_way_hides_no_other_way() {
    // Nothing left any more, by any way, until the next start.
    let (_folder, store) = three();
    let elsewhere = Outbound { lane: Lane::Direct("far.example".into()), ..outbound("eve@far.example") };
    file(&store, b"x", vec![elsewhere]).unwrap();
    hurt(&store, |transaction| {
        drop(transaction.open_table(schema::QUEUE_LANES)?.insert("smarthost", &b"rubbish"[..])?);
        Ok(())
    });
    let ways: Vec<Lane> = store.queue_lanes().wait().unwrap().into_iter().map(|row| row.lane).collect();
    assert_eq!(ways, [Lane::Direct("far.example".into())]);
}

#[test]
fn damaged_indexes_are_made_anew_at_the_opening() {
    for round in 0..5 {
        let (folder, store) = three();
        settle(&store, 2, Fate::Dead(last(NOW, "no")));
        store.queue_act(Which::One(QueueId(3)), QueueAct::Hold).wait().unwrap();
        hurt(&store, move |transaction| {
            match round {
                0 => drop(transaction.open_table(schema::QUEUE_LANES)?.insert("smarthost", &b"rubbish"[..])?),
                1 => drop(transaction.open_table(schema::QUEUE_LANES)?.remove("smarthost")?),
                2 => drop(transaction.open_table(schema::QUEUE_DUE)?.pop_first()?),
                3 => drop(transaction.open_table(schema::QUEUE_WAYS)?.pop_last()?),
                _ => {
                    transaction.open_table(schema::QUEUE)?.insert(schema::NUMBERS_KEY, &b"rubbish"[..])?;
                }
            }
            Ok(())
        });
        let refused =
            matches!(file(&store, b"x", vec![outbound("eve@example.com")]), Err(StoreError::Damaged(_)));
        assert_eq!(refused, round == 0 || round == 4, "{round}: mail is told to come again");
        let alice = add_alice(&store);
        assert_eq!(deliver(&store, b"x", &[alice]), Ok(Delivered::to(1)), "{round}: local mail goes on");
        store.close();
        let store = folder.open().unwrap();
        let waiting = if refused { 1 } else { 2 };
        assert_eq!(counts(&store), (waiting, 1, 1), "{round}");
        assert_eq!(ids(&next(&store)), [1], "{round}");
        file(&store, b"x", vec![outbound("frank@example.com")]).unwrap();
        let newest = all(&store).last().unwrap().id.0;
        assert!(newest > 3 + u64::from(!refused), "{round}: {newest} was given twice");
        store.queue_act(Which::All, QueueAct::Delete).wait().unwrap();
        assert_eq!(counts(&store), (0, 0, 0), "{round}");
    }
}

#[test]
fn a_failing_disk_loses_nobody_and_the_counts_stay_true_s_292() {
    let (_folder, store) = three();
    let broken = || redb::StorageError::Io(std::io::Error::other("the disk is gone"));
    let failed = store.shared.engine.write(Sync::OnePhase, |_| Err::<(), Fault>(broken().into()));
    assert!(matches!(failed, Err(StoreError::Io(_))), "{failed:?}");
    assert_eq!(ids(&next(&store)), [1]);
    settle(&store, 1, Fate::Sent);
    assert_eq!((counts(&store), ids(&all(&store))), ((2, 0, 0), vec![2, 3]));
}
