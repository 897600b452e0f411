//! A bug ends the thread that met it: the store goes on, and nothing acknowledged is lost (S-274).

use super::super::writer::{Job, Message};
use super::*;

#[test]
fn a_bug_in_the_writer_ends_one_job_and_the_store_goes_on_s_274() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"before", &[alice]).unwrap();
    let (job, ask) = Job::asking(0, |_| Ok(()), |()| panic!("a bug that a test has planted"));
    store.threads.send(Message::Job(job));
    assert_eq!(ask.wait(), Err(StoreError::Closed), "nothing is acknowledged");
    deliver(&store, b"behind", &[alice]).unwrap();
    assert_eq!(uids(&store, alice).len(), 2);
    let store = folder.reopen(&store, 2_000_000_000);
    assert_eq!(uids(&store, alice).len(), 2);
}
