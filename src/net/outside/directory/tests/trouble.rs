//! Servers that are down, silent, strange or tired: never a wrong password, never somebody let in (S-196).

use std::future::pending;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Instant;

use smol::block_on;

use super::super::Asked;
use super::*;
use crate::auth::{Absence, Finding};
use crate::limits;

fn why(finding: Finding) -> String {
    let Finding::Unavailable(reason) = finding else { panic!("{finding:?}") };
    reason
}

/// A port at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_server_that_is_down_is_passed_over_s_196() {
    let closing = Server::start(None, |_, _| Act::SayAndClose(Vec::new()));
    let server = Server::start(None, well);
    for bad in [nobody(), closing.address.to_string()] {
        let house = House::asking(&format!("ldap://{bad},ldap://{}", server.address));
        house.set("directory_clear", "on");
        let finding = block_on(house.directory().prove(&alice(), &wonderland()));
        assert!(matches!(finding, Finding::Right(Some(_))), "{finding:?}");
        house.set("directory_servers", &format!("ldap://{bad}"));
        let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
        assert!(reason.contains(&bad), "{reason}");
        let absence = block_on(house.directory().find(&alice())).unwrap_err();
        assert!(matches!(absence, Absence::Unavailable(_)), "{absence:?}");
    }
}

#[test]
fn without_servers_or_a_search_password_it_is_told_what_to_set() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    house.store.put_record(DIRECTORY_PASSWORD, b"damaged".to_vec()).wait().unwrap();
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("poppet auth directory --password-stdin"), "{reason}");
    assert!(server.binds().is_empty());
    house.set("directory_servers", "off");
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("set directory_servers"), "{reason}");
    house.set("directory_servers", "ldap://nowhere.invalid");
    house.set_password("search");
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("nowhere.invalid"), "{reason}");
}

#[test]
fn a_silent_server_is_waited_for_three_times_and_then_left_out_s_197() {
    let silent = Server::start(None, |_, _| Act::Silence);
    let server = Server::start(None, well);
    let house = House::new(&[&silent, &server]);
    let directory = house.patient(Patience { connect: LONG, handshake: 5 * SHORT, reply: LONG, whole: LONG });
    for round in 0..4 {
        let finding = block_on(directory.prove(&alice(), &wonderland()));
        assert!(matches!(finding, Finding::Right(Some(_))), "{round}: {finding:?}");
    }
    assert_eq!(silent.connections(), 3);
}

#[test]
fn a_server_that_answers_start_tls_and_no_more_is_left_out_too_s_197() {
    let silent = Server::start(None, |deed, id| match deed {
        Deed::StartTls(_) => well(deed, id),
        _ => Act::Silence,
    });
    let server = Server::start(None, well);
    let house = House::new(&[&silent, &server]);
    let directory = house.patient(Patience { connect: LONG, handshake: LONG, reply: 5 * SHORT, whole: LONG });
    for round in 0..4 {
        let finding = block_on(directory.prove(&alice(), &wonderland()));
        assert!(matches!(finding, Finding::Right(Some(_))), "{round}: {finding:?}");
    }
    assert_eq!(silent.connections(), 3);
}

#[test]
fn an_answer_to_another_question_is_no_answer_s_200() {
    let server = Server::start(None, |deed, id| match deed {
        Deed::Bind(_, name, _) if name == ALICE => Act::Say(say::bound(id + 1, 0, "")),
        deed => well(deed, id),
    });
    let other = Server::start(None, well);
    let house = House::new(&[&server, &other]);
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("answers what was not asked"), "{reason}");
    assert_eq!(other.connections(), 0, "the try may have counted");
}

#[test]
fn a_password_that_was_sent_is_sent_to_nobody_else_s_205() {
    for act in
        [|| Act::SayAndClose(Vec::new()), || Act::Silence, || Act::Say(vec![0x30; 9])] as [fn() -> Act; 3]
    {
        let server = Server::start(None, move |deed, id| match deed {
            Deed::Bind(_, name, _) if name == ALICE => act(),
            deed => well(deed, id),
        });
        let other = Server::start(None, well);
        let house = House::new(&[&server, &other]);
        let patience = Patience { connect: LONG, handshake: LONG, reply: 10 * SHORT, whole: LONG };
        why(block_on(house.patient(patience).prove(&alice(), &wonderland())));
        assert_eq!(other.connections(), 0);
        assert_eq!(server.binds().len(), 2);
    }
}

#[test]
fn a_server_that_is_too_busy_to_look_leaves_it_to_the_next() {
    for code in [51, 52] {
        let server = Server::start(None, move |deed, id| match deed {
            Deed::Bind(_, name, _) if name == ALICE => Act::Say(say::bound(id, code, "")),
            deed => well(deed, id),
        });
        let other = Server::start(None, well);
        let house = House::new(&[&server, &other]);
        assert!(matches!(
            block_on(house.directory().prove(&alice(), &wonderland())),
            Finding::Right(Some(_))
        ));
        assert_eq!(other.binds(), [(0, ALICE.to_owned())], "it was found already");
    }
}

#[test]
fn a_search_account_that_is_refused_is_not_tried_again_at_once_s_205() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    house.set_password("old");
    let directory = house.directory();
    for _ in 0..3 {
        let reason = why(block_on(directory.prove(&alice(), &wonderland())));
        assert!(reason.contains("refuses directory_account"), "{reason}");
    }
    assert_eq!(server.binds(), [(0, SEARCHER.to_owned())]);
    house.set_password("search");
    let finding = block_on(directory.prove(&alice(), &wonderland()));
    assert!(matches!(finding, Finding::Right(Some(_))), "another password is tried at once: {finding:?}");
}

#[test]
fn a_link_that_the_server_has_closed_is_made_again() {
    let server = Server::start(None, |deed, id| match (deed, well(deed, id)) {
        (Deed::Search(..), Act::Say(octets)) => Act::SayAndClose(octets),
        (_, act) => act,
    });
    let house = House::new(&[&server]);
    let directory = house.directory();
    for round in 0..5 {
        let finding = block_on(directory.prove(&alice(), &wonderland()));
        assert!(matches!(finding, Finding::Right(Some(_))), "{round}: {finding:?}");
    }
}

#[test]
fn all_takes_no_longer_than_it_may_s_197() {
    let server = Server::start(None, |_, _| Act::Silence);
    let house = House::new(&[&server]);
    let directory = house.patient(Patience { connect: LONG, handshake: LONG, reply: LONG, whole: SHORT });
    let reason = why(block_on(directory.prove(&alice(), &wonderland())));
    assert!(reason.contains("in time"), "{reason}");
}

/// Each of its steps may be in time, and all together are not: nobody noted that, and each logon waited for it anew.
#[test]
fn a_server_that_all_the_time_was_spent_on_has_failed_s_197() {
    let silent = Server::start(None, |_, _| Act::Silence);
    let server = Server::start(None, well);
    let house = House::new(&[&silent, &server]);
    let directory = house.patient(Patience { connect: LONG, handshake: LONG, reply: LONG, whole: 5 * SHORT });
    for _ in 0..limits::DIRECTORY_FAILURES {
        let reason = why(block_on(directory.prove(&alice(), &wonderland())));
        assert!(reason.contains("in time"), "{reason}");
    }
    assert_eq!(silent.connections(), 3);
    let directory = Directory { patience: house.directory().patience, ..directory };
    let finding = block_on(directory.prove(&alice(), &wonderland()));
    assert!(matches!(finding, Finding::Right(Some(_))), "the other one is asked at once: {finding:?}");
    assert_eq!(silent.connections(), 3);
}

#[test]
fn a_server_that_was_asked_when_the_time_was_nearly_over_has_not_failed_s_197() {
    let silent = Server::start(None, |_, _| Act::Silence);
    let house = House::new(&[&silent]);
    let directory = house.patient(Patience { connect: LONG, handshake: LONG, reply: LONG, whole: SHORT });
    let settings = house.store.settings();
    let server = &settings.directory.servers[0];
    for (ago, has_failed) in [(Duration::ZERO, false), (SHORT, true)] {
        for _ in 0..limits::DIRECTORY_FAILURES {
            // The one is asked just when the time is over, the other was from the beginning.
            let since = Instant::now() + SHORT - ago;
            let asked = Asked(Mutex::new(Some((server.clone(), since))));
            let nothing = pending::<Result<(), Absence>>();
            assert!(matches!(block_on(directory.ask(nothing, &asked)), Some(Err(_))));
        }
        assert_eq!(!directory.health().admits(server, directory.clock.monotonic()), has_failed);
    }
}

#[test]
fn broken_answers_end_the_connection_s_199() {
    for octets in [
        &b"\x30\x84\xFF\xFF\xFF\xFF"[..],
        b"\x30\x80\x02\x01\x01",
        b"HTTP/1.1 400\r\n",
        &[0x30, 0x03, 2, 1, 2],
    ] {
        let octets = octets.to_vec();
        let server = Server::start(None, move |deed, _| match deed {
            Deed::Connect(_) => Act::Silence,
            _ => Act::Say(octets.clone()),
        });
        why(block_on(House::new(&[&server]).directory().prove(&alice(), &wonderland())));
    }
}
