//! Removals that are near in time share a tombstone.

use redb::ReadableTableMetadata;

use super::undoing::{NOW, assert_exact, remove, undelete, with_mails};
use super::*;

fn tombstones(store: &Store) -> u64 {
    store.threads.ask(|transaction| Ok(transaction.open_table(schema::REMOVED)?.len()?)).wait().unwrap()
}

#[test]
fn who_removes_his_mail_each_minute_leaves_one_tombstone_in_ten() {
    // Every logon read each of them: a week of a camera's mailbox that is emptied each minute were 10,080.
    let folder = Folder::new();
    let (mut store, id) = with_mails(&folder, 25);
    for minute in 0..25 {
        store = folder.reopen(&store, NOW + u64::from(minute) * 60);
        remove(&store, id, &[minute + 1]);
    }
    assert_eq!(tombstones(&store), 3, "from the minutes 0, 10 and 20 on");
    assert_exact(&store);
    let undeleted = undelete(&store, Some(NOW + 19 * 60)).unwrap();
    assert_eq!(undeleted.messages, 15, "those of minute 10 to 19 come together");
    assert_eq!(uids(&store, id), (11..=25).collect::<Vec<_>>());
    assert_eq!(undelete(&store, None).unwrap().messages, 10);
    assert_exact(&store);
}

#[test]
fn removals_are_joined_at_the_edges_of_time_and_of_runs() {
    for (seconds, count) in [
        (limits::UNDO_GRAIN_SECONDS - 1, 1),
        (limits::UNDO_GRAIN_SECONDS, 2),
        (limits::UNDO_GRAIN_SECONDS + 1, 2),
    ] {
        let folder = Folder::new();
        let (store, id) = with_mails(&folder, 3);
        remove(&store, id, &[1]);
        let store = folder.reopen(&store, NOW + seconds);
        remove(&store, id, &[2]);
        assert_eq!(tombstones(&store), count, "{seconds}");
    }
    let most = limits::RUNS_PER_JOINED_TOMBSTONE as u32;
    for (runs, count) in [(most - 1, 1), (most, 1), (most + 1, 2)] {
        let folder = Folder::new();
        let (store, id) = with_mails(&folder, 2 * runs);
        remove(&store, id, &[2]);
        remove(&store, id, &(2..=runs).map(|run| 2 * run).collect::<Vec<_>>());
        assert_eq!(tombstones(&store), count, "{runs}");
    }
}
