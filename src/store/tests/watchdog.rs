//! What a watchdog hears of a store that has much to do.

use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// The watchdog's question stood behind all that waited: with many readers of mail on a stalled card it starved, and the
/// service manager aborted a server that would have gone on.
#[test]
fn a_reader_that_is_free_answers_the_watchdog_before_all_that_wait_s_275() {
    let folder = Folder::new();
    let store = folder.create();
    let hold = || {
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel::<()>();
        let ask = store.ask(move |_| {
            let _ = begin.send(());
            Ok(released.recv_timeout(Duration::from_secs(60)).is_ok())
        });
        (release, begun, ask)
    };
    let mut held: Vec<_> = (0..limits::READER_THREADS).map(|_| hold()).collect();
    held.iter().for_each(|(_, begun, _)| begun.recv().unwrap());
    let (release_waiting, _begun, waiting) = hold();
    let answers = store.answers();
    let (release, _, stalled) = held.remove(0);
    release.send(()).unwrap();
    assert_eq!(answers.wait(), Ok(()));
    release_waiting.send(()).unwrap();
    held.iter().for_each(|(release, ..)| release.send(()).unwrap());
    assert_eq!(
        (stalled.wait(), waiting.wait()),
        (Ok(true), Ok(true)),
        "the one that waited was served first"
    );
}
