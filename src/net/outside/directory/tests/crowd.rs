//! Many at once against a slow directory (S-198).

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use smol::future::poll_once;
use smol::{Executor, block_on};

use super::*;
use crate::auth::Finding;
use crate::limits;

#[test]
fn few_ask_some_wait_and_the_rest_is_put_off_s_198() {
    let (release, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let server = Server::start(None, move |deed, id| {
        if let Deed::Search(..) = deed {
            // Held until the test lets one go on.
            gate.lock().unwrap().recv().unwrap();
        }
        well(deed, id)
    });
    let house = House::new(&[&server]);
    let directory = Arc::new(house.directory());
    let ask = || {
        let directory = Arc::clone(&directory);
        Box::pin(async move { directory.prove(&alice(), &wonderland()).await })
    };
    let taken = limits::OUTSIDE_QUESTIONS + limits::OUTSIDE_WAITING;
    let mut asking: Vec<_> = (0..taken).map(|_| ask()).collect();
    for question in &mut asking {
        assert_eq!(block_on(poll_once(question)), None);
    }
    for _ in 0..5 {
        assert_eq!(block_on(ask()), Finding::Busy);
    }
    let executor = Executor::new();
    let tasks: Vec<_> = asking.into_iter().map(|question| executor.spawn(question)).collect();
    for _ in 0..taken {
        release.send(()).unwrap();
    }
    for task in tasks {
        let finding = block_on(executor.run(task));
        assert!(matches!(finding, Finding::Right(Some(_))), "{finding:?}");
    }
    let is_search = |deed: &&Deed| matches!(deed, Deed::Search(..));
    assert_eq!(server.deeds().iter().filter(is_search).count(), taken);
    let searchers = server.binds().iter().filter(|(_, name)| name == SEARCHER).count();
    assert!(searchers <= limits::OUTSIDE_QUESTIONS, "{searchers} links of the searcher");
}

#[test]
fn who_waits_for_a_place_too_long_is_put_off() {
    let server = Server::start(None, |_, _| Act::Silence);
    let house = House::new(&[&server]);
    let directory = house.patient(Patience { connect: LONG, handshake: LONG, reply: LONG, whole: SHORT });
    let (person, password) = (alice(), wonderland());
    let places: Vec<_> =
        (0..limits::OUTSIDE_QUESTIONS).map(|_| directory.places.try_acquire().unwrap()).collect();
    let mut waiting = Box::pin(directory.prove(&person, &password));
    assert_eq!(block_on(poll_once(&mut waiting)), None);
    assert_eq!(block_on(waiting), Finding::Busy);
    let told = block_on(directory.probe()).unwrap_err();
    assert!(told.contains("try again"), "nobody has looked whether it is there: {told}");
    drop(places);
    assert_eq!(directory.waiting.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(server.connections(), 0);
}
