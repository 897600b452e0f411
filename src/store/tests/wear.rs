//! How often the disk is written and synced, and how its file was found.

use super::*;

#[test]
fn a_long_body_is_written_about_once_and_synced_once() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    // The file grows by doubling, and each growth is synced: let it grow before the count.
    deliver(&store, &body(25 << 20), &[alice]).unwrap();
    let before = store.wear();
    deliver(&store, &body(25 << 20), &[alice]).unwrap();
    let after = store.wear();
    let written = (after.written_octets - before.written_octets) as f64 / f64::from(25 << 20);
    assert!(written <= 1.05, "written {written:.3} times");
    assert!(after.syncs - before.syncs <= 2, "{} syncs", after.syncs - before.syncs);
}

#[test]
fn mails_that_queue_together_share_a_sync() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let before = store.wear();
    // A reader that holds the writer up is not needed: what is sent before the first sync ends, shares the next.
    let asks: Vec<_> = (0..64)
        .map(|_| {
            let mut upload = store.upload();
            block_on(upload.push(&body(5000))).unwrap();
            upload.finish(vec![Delivery::to(alice, Vec::new())])
        })
        .collect();
    for ask in asks {
        assert_eq!(ask.wait(), Ok(Delivered::to(1)));
    }
    let after = store.wear();
    assert_eq!(after.messages - before.messages, 64);
    assert!(after.commits - before.commits < 64, "{} commits", after.commits - before.commits);
}

/// Nobody knew that a card had begun to lose mail before a user missed some.
#[test]
fn damage_that_is_met_is_counted() {
    let folder = Folder::new();
    let store = folder.create();
    assert_eq!(store.wear().damages, 0);
    for times in 1..3 {
        assert!(matches!(store.chunk(BlobId(u64::MAX >> 20), 0).wait(), Err(StoreError::Damaged(_))));
        assert_eq!(store.wear().damages, times);
    }
    assert_eq!(store.answers().wait(), Ok(()), "what is whole is no damage");
    assert_eq!(store.wear().damages, 2);
}

#[test]
fn a_file_that_was_not_closed_is_known_to_have_been_checked() {
    let (folder, other) = (Folder::new(), Folder::new());
    let store = folder.create();
    std::fs::copy(folder.database(), other.database()).unwrap();
    let after_a_crash = other.open().unwrap();
    assert!(after_a_crash.wear().was_checked);
    after_a_crash.close();
    drop(after_a_crash);
    assert!(!other.open().unwrap().wear().was_checked, "it was closed");
    assert!(!store.wear().was_checked);
}
