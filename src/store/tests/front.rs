//! The front of a body that is still coming in.

use super::super::engine::{Fault, Sync};
use super::*;

#[test]
fn the_front_of_a_body_is_known_wherever_it_is() {
    let folder = Folder::new();
    let store = folder.create();
    for (size, way_given_at) in
        [(0, 0), (1, 1), (1, 0), (5000, 10), (5000, 4999), (300_000, 1), (300_000, 65_516)]
    {
        let sent = body(size);
        let mut upload = store.upload();
        block_on(upload.push(&sent[..way_given_at])).unwrap();
        block_on(upload.give_way()).unwrap();
        block_on(upload.push(&sent[way_given_at..])).unwrap();
        assert_eq!(upload.octets(), size as u64);
        for octets in [0, 1, 9, 10, 11, 4999, 5000, 5001, 65_516, 65_517, 131_033, 299_999, 300_000, 300_001]
        {
            let front = block_on(upload.front(octets)).unwrap();
            assert!(front == sent[..octets.min(size)], "{octets} of {size}, way given at {way_given_at}");
        }
    }
}

#[test]
fn a_front_that_went_with_a_reopening_is_an_error_s_292() {
    let folder = Folder::new();
    let store = folder.create();
    let begin = || {
        let mut upload = store.upload();
        block_on(upload.push(b"From: a\r\n")).unwrap();
        upload
    };
    let (in_memory, mut in_the_file) = (begin(), begin());
    block_on(in_the_file.give_way()).unwrap();
    let broken = || redb::StorageError::Io(std::io::Error::other("the disk is gone"));
    let failed = store.shared.engine.write(Sync::OnePhase, |_| Err::<(), Fault>(broken().into()));
    assert!(matches!(failed, Err(StoreError::Io(_))), "{failed:?}");
    assert!(matches!(block_on(in_the_file.front(100)), Err(StoreError::Io(_))));
    assert_eq!(block_on(in_memory.front(100)).unwrap(), b"From: a\r\n");
}
