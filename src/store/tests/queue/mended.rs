//! Indexes that are damaged in a file whose counts are right: only a walk through them finds it.

use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// Long enough that a test does itself what the writer does in quiet time.
const NEVER_QUIET: Duration = Duration::from_secs(3600);

/// Closes the database, and opens it once each key of an index has become the other, wherever it stands.
fn damaged(folder: &Folder, store: &Store, keys: &[(schema::Wide, schema::Wide)], quiet: Duration) -> Store {
    store.close();
    for (from, to) in keys {
        put_in_place_of(folder, from.as_str().as_bytes(), to.as_str().as_bytes());
    }
    let options = Options { quiet: Some(quiet), ..Options::default() };
    Store::open(&folder.database(), &options, clock()).unwrap()
}

fn put_in_place_of(folder: &Folder, from: &[u8], to: &[u8]) {
    let mut image = std::fs::read(folder.database()).unwrap();
    let places: Vec<usize> =
        (0..image.len() - from.len()).filter(|&at| image[at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "the octets are in the file");
    places.into_iter().for_each(|at| image[at..at + to.len()].copy_from_slice(to));
    std::fs::write(folder.database(), image).unwrap();
}

/// Four who wait on the way of number 1.
fn four() -> (Folder, Store) {
    let folder = Folder::new();
    let store = folder.create();
    file(
        &store,
        b"x",
        ["bob", "carol", "dave", "eve"].map(|name| outbound(&format!("{name}@a.example"))).into(),
    )
    .unwrap();
    (folder, store)
}

fn due(lane: u32, id: u64) -> schema::Wide {
    schema::due_key(lane, UnixTime(NOW), QueueId(id))
}

fn way(lane: u32, id: u64) -> schema::Wide {
    schema::way_key(lane, QueueId(id))
}

/// Does what waits for quiet time; says whether the indexes were made anew.
fn quiet(store: &Store) -> bool {
    let is_doubted = store.shared.queue.is_doubted();
    let mut idle = idle::Idle::new(&store.shared);
    while idle.has_work(&store.shared) {
        idle.work(&store.shared);
    }
    is_doubted
}

fn older(store: &Store) -> Result<Vec<u64>, StoreError> {
    let rows = store.queue_older(lane("smarthost"), UnixTime(NOW + 1), QueueId(0), 100).wait()?;
    Ok(ids(&rows))
}

fn lanes(store: &Store) -> Vec<(String, u64)> {
    let rows = store.queue_lanes().wait().unwrap();
    rows.into_iter().map(|row| (row.lane.to_string(), row.waiting)).collect()
}

/// Mail of a way whose entries were out of order met an error at each try, and after each restart too, since an opening
/// counts the entries and no more.
#[test]
fn a_running_server_makes_entries_out_of_order_anew_and_mail_leaves_s_296() {
    let (folder, store) = four();
    let store = damaged(&folder, &store, &[(due(1, 2), due(1, 9))], Duration::ZERO);
    let (bell, rung) = mpsc::channel();
    store.watch_queue(Box::new(move || bell.send(()).unwrap()));
    let asked = store.queue_next(lane("smarthost"), UnixTime(NOW), Vec::new(), None, 100).wait();
    assert!(matches!(asked, Err(StoreError::Damaged(_))), "{asked:?}");
    rung.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(ids(&next(&store)), [1, 2, 3, 4]);
    assert_eq!((counts(&store), lanes(&store)), ((4, 0, 0), vec![("smarthost".to_owned(), 4)]));
    (1..=4).for_each(|id| settle(&store, id, Fate::Sent));
    store.close();
    let store = folder.open().unwrap();
    assert_eq!((counts(&store), quiet(&store)), ((0, 0, 0), false));
}

/// Entries that seemed to be another way's were never found: no error told of them, and their mail stayed for ever.
#[test]
fn who_is_counted_and_not_found_is_found_again_and_no_other_way_waits_s_296() {
    let (folder, store) = four();
    let elsewhere = Outbound { lane: lane("mx:far.example"), ..outbound("eve@far.example") };
    file(&store, b"x", vec![elsewhere]).unwrap();
    let keys: Vec<_> = (1..=4).map(|id| (due(1, id), due(0, id))).collect();
    let store = damaged(&folder, &store, &keys, NEVER_QUIET);
    assert_eq!(lanes(&store), [("mx:far.example".to_owned(), 1)]);
    assert!(quiet(&store));
    assert_eq!(lanes(&store), [("mx:far.example".to_owned(), 1), ("smarthost".to_owned(), 4)]);
    assert_eq!(ids(&next(&store)), [1, 2, 3, 4]);
    assert!(!quiet(&store), "all is sound");
}

#[test]
fn each_question_that_meets_wrong_entries_has_them_made_anew_s_296() {
    let listed: fn(&Store) = |store| assert_eq!(lanes(store), []);
    let taken: fn(&Store) = |store| assert_eq!(ids(&next(store)), [0_u64; 0]);
    let aged: fn(&Store) = |store| assert!(matches!(older(store), Err(StoreError::Damaged(_))));
    let acted: fn(&Store) = |store| {
        let act = store.queue_act(Which::Lane(lane("smarthost")), QueueAct::Hold).wait();
        assert!(matches!(act, Err(StoreError::Damaged(_))), "{act:?}");
    };
    let all = |to: fn(u64) -> schema::Wide| (1..=4).map(|id| (due(1, id), to(id))).collect();
    let out_of_order = vec![(way(1, 2), way(1, 9))];
    for (round, (keys, ask)) in [
        (all(|id| due(0, id)), listed),
        (all(|id| due(1, id + 100)), taken),
        (out_of_order.clone(), aged),
        (out_of_order, acted),
    ]
    .into_iter()
    .enumerate()
    {
        let (folder, store) = four();
        let store = damaged(&folder, &store, &keys, NEVER_QUIET);
        ask(&store);
        assert!(quiet(&store), "{round}");
        assert_eq!((ids(&next(&store)), older(&store)), (vec![1, 2, 3, 4], Ok(vec![1, 2, 3, 4])), "{round}");
        assert_eq!((counts(&store), lanes(&store)[0].1), ((4, 0, 0), 4), "{round}");
    }
}

#[test]
fn a_row_that_can_not_be_read_alone_has_nothing_made_anew_s_296() {
    let (folder, store) = four();
    let store = damaged(&folder, &store, &[], NEVER_QUIET);
    let rubbish = store.change(|transaction| {
        drop(transaction.open_table(schema::QUEUE)?.insert(1, &b"rubbish"[..])?);
        Ok(())
    });
    rubbish.wait().unwrap();
    assert_eq!((ids(&next(&store)), lanes(&store)), (vec![2, 3, 4], vec![("smarthost".to_owned(), 4)]));
    assert!(matches!(store.queue_page(Which::One(QueueId(1)), None, 1).wait(), Err(StoreError::Damaged(_))));
    assert!(!quiet(&store));
}

#[test]
fn where_the_rows_are_out_of_order_too_nothing_changes_and_it_is_tried_once_s_296() {
    // Numbers whose octets are nowhere else in the file.
    const FIRST: u64 = 0x706f_7070_6574;
    let folder = Folder::new();
    let store = folder.create();
    let numbers = store.change(|transaction| {
        let numbers = schema::QueueNumbers { next_recipient: FIRST, ..schema::QueueNumbers::first() };
        let stored = schema::encode(&schema::QUEUE, schema::NUMBERS_KEY, &numbers)?;
        drop(transaction.open_table(schema::QUEUE)?.insert(schema::NUMBERS_KEY, stored.as_slice())?);
        Ok(())
    });
    numbers.wait().unwrap();
    file(&store, b"x", ["bob", "carol", "dave"].map(|name| outbound(&format!("{name}@a.example"))).into())
        .unwrap();
    let elsewhere = Outbound { lane: lane("mx:far.example"), ..outbound("eve@far.example") };
    file(&store, b"x", vec![elsewhere]).unwrap();
    store.close();
    put_in_place_of(&folder, &(FIRST + 2).to_le_bytes(), &7_u64.to_le_bytes());
    let keys: Vec<_> = (FIRST..FIRST + 3).map(|id| (due(1, id), due(0, id))).collect();
    let store = damaged(&folder, &store, &keys, NEVER_QUIET);
    for is_first in [true, false] {
        assert_eq!(lanes(&store), [("mx:far.example".to_owned(), 1)]);
        assert_eq!((quiet(&store), counts(&store)), (is_first, (4, 0, 0)));
    }
    let there = store.queue_next(lane("mx:far.example"), UnixTime(NOW), Vec::new(), None, 9).wait().unwrap();
    assert_eq!(ids(&there), [FIRST + 3]);
}
