//! TLS: what is verified, and that no password goes where it is not (S-202, S-203).

use std::time::Instant;

use smol::block_on;
use smol::lock::Semaphore;

use super::super::link::{Link, Way};
use super::super::searchers::{Searcher, Searchers, Trusted, Who};
use super::*;
use crate::auth::{Absence, Finding};
use crate::limits;
use crate::settings::DirectoryServer;

/// Begins TLS when asked to.
fn well_by_start_tls(deed: &Deed, id: i64) -> Act {
    match deed {
        Deed::StartTls(_) => Act::Secure(say::extended(id, 0)),
        deed => well(deed, id),
    }
}

fn why(finding: Finding) -> String {
    let Finding::Unavailable(reason) = finding else { panic!("{finding:?}") };
    reason
}

#[test]
fn tls_comes_first_or_by_start_tls() {
    let (config, authority) = tls();
    let inside = Server::start_inside(Arc::clone(&config), well);
    let upgraded = Server::start(Some(config), well_by_start_tls);
    for url in [format!("ldaps://{}", inside.address), format!("ldap://{}", upgraded.address)] {
        let house = House::asking(&url);
        house.trust(&authority);
        let directory = house.directory();
        for _ in 0..2 {
            let finding = block_on(directory.prove(&alice(), &wonderland()));
            assert!(matches!(finding, Finding::Right(Some(_))), "{url}: {finding:?}");
        }
    }
    assert!(upgraded.deeds().contains(&Deed::StartTls(0)));
}

#[test]
fn a_question_needs_no_more_stack_than_a_session_has() {
    let (config, authority) = tls();
    let server = Server::start(Some(config), well_by_start_tls);
    let house = House::asking(&format!("ldap://{}", server.address));
    house.trust(&authority);
    let directory = house.directory();
    let asking = move || block_on(Box::pin(async { directory.prove(&alice(), &wonderland()).await }));
    let thread = std::thread::Builder::new().stack_size(limits::THREAD_STACK_OCTETS);
    let finding = thread.spawn(asking).unwrap().join().unwrap();
    assert!(matches!(finding, Finding::Right(Some(_))), "{finding:?}");
}

#[test]
fn a_certificate_of_another_authority_gets_no_password_s_202() {
    let (config, _) = tls();
    let (_, other) = tls();
    let inside = Server::start_inside(Arc::clone(&config), well);
    let upgraded = Server::start(Some(config), well_by_start_tls);
    for url in [format!("ldaps://{}", inside.address), format!("ldap://{}", upgraded.address)] {
        let house = House::asking(&url);
        house.trust(&other);
        // Clear text would do, but a certificate that is shown must be right.
        house.set("directory_clear", "on");
        let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
        assert!(reason.contains("poppet cert ca add FILE --for directory"), "{reason}");
    }
    assert!(inside.binds().is_empty() && upgraded.binds().is_empty());
}

#[test]
fn a_certificate_for_another_host_gets_no_password_s_202() {
    let (config, authority) = tls();
    let server = Server::start_inside(config, well);
    let house = House::asking(&format!("ldaps://localhost:{}", server.address.port()));
    house.trust(&authority);
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("its certificate is not for localhost"), "{reason}");
    assert!(server.binds().is_empty());
}

#[test]
fn a_damaged_list_of_authorities_is_told_and_trusts_nobody() {
    let (config, _) = tls();
    let server = Server::start_inside(config, well);
    let house = House::asking(&format!("ldaps://{}", server.address));
    let empty = postcard::to_allocvec(&Vec::<Vec<u8>>::new()).unwrap();
    let nonsense = postcard::to_allocvec(&vec![b"nonsense".to_vec()]).unwrap();
    for record in [vec![0xFF; 5], empty, nonsense] {
        house.store.put_record(DIRECTORY_AUTHORITIES, record).wait().unwrap();
        let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
        assert!(reason.contains("poppet cert ca add"), "{reason}");
    }
    assert!(server.binds().is_empty());
}

#[test]
fn a_server_without_tls_gets_a_password_only_if_the_administrator_wants_it_s_202() {
    let server = Server::start(None, well);
    let house = House::asking(&format!("ldap://{}", server.address));
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("directory_clear on"), "{reason}");
    assert_eq!(server.deeds()[..2], [Deed::Connect(0), Deed::StartTls(0)]);
    assert!(server.binds().is_empty());
    house.set("directory_clear", "on");
    assert!(matches!(block_on(house.directory().prove(&alice(), &wonderland())), Finding::Right(Some(_))));
}

/// Finds alice on a link that is kept, and nobody once `end` has taken away what it was trusted by.
fn a_kept_link_ends(server: &Server, house: &House, end: impl Fn(), again: impl Fn()) {
    let directory = house.directory();
    let is_search = |deed: &Deed| matches!(deed, Deed::Search(..));
    let searches = || server.deeds().into_iter().filter(is_search).count();
    for round in 1..=2 {
        assert!(block_on(directory.find(&alice())).is_ok());
        assert_eq!((server.connections(), searches()), (1, round), "the link is used again");
    }
    end();
    let told = block_on(directory.find(&alice()));
    assert!(matches!(told, Err(Absence::Unavailable(_))), "{told:?}");
    assert_eq!((server.binds().len(), searches()), (1, 2), "nothing more is said to whom nobody trusts");
    again();
    let connections = server.connections();
    assert!(block_on(directory.find(&alice())).is_ok());
    assert_eq!((server.connections(), searches()), (connections + 1, 3));
}

#[test]
fn a_kept_link_ends_with_what_it_was_trusted_by_s_202() {
    let clear = Server::start(None, well);
    let house = House::new(&[&clear]);
    let set = |value| house.set("directory_clear", value);
    a_kept_link_ends(&clear, &house, || set("off"), || set("on"));

    let (config, authority) = tls();
    let (_, other) = tls();
    let inside = Server::start_inside(config, well);
    let house = House::asking(&format!("ldaps://{}", inside.address));
    house.trust(&authority);
    a_kept_link_ends(&inside, &house, || house.trust(&other), || house.trust(&authority));
}

#[test]
fn a_link_that_is_always_busy_comes_of_age_s_202() {
    let server = Server::start(None, well);
    let url: DirectoryServer = format!("ldap://{}", server.address).parse().unwrap();
    let patience = Patience { connect: LONG, handshake: LONG, reply: LONG, whole: LONG };
    let way =
        Way { tls: Err(String::new()), may_be_clear: true, patience, lookups: Arc::new(Semaphore::new(1)) };
    let (trusted, who) = (Trusted::by(&way), Who { account: String::new(), sealed: Vec::new() });
    let (mut searchers, begun) = (Searchers::default(), Instant::now());
    let Ok(link) = block_on(Link::open(&url, &way)) else { panic!("no link") };
    let mut searcher = Searcher { link, trusted: trusted.clone(), begun, root: None };
    let (end, step) = (begun + limits::DIRECTORY_LINK_AGE, limits::DIRECTORY_IDLE / 2);
    let mut now = begun;
    while now + step < end {
        now += step;
        searchers.keep(&url, who.clone(), searcher, now);
        searcher = searchers.take(&url, &who, &trusted, now).unwrap();
    }
    searchers.keep(&url, who.clone(), searcher, now);
    let searcher = searchers.take(&url, &who, &trusted, end - Duration::from_nanos(1)).unwrap();
    searchers.keep(&url, who.clone(), searcher, end);
    assert!(searchers.take(&url, &who, &trusted, end).is_none());
}

#[test]
fn octets_behind_the_reply_to_start_tls_end_the_connection_s_203() {
    let (config, authority) = tls();
    let server = Server::start(Some(config), |deed, id| match deed {
        Deed::StartTls(_) => Act::Secure([say::extended(id, 0), say::bound(2, 0, "")].concat()),
        deed => well(deed, id),
    });
    let house = House::asking(&format!("ldap://{}", server.address));
    house.trust(&authority);
    let reason = why(block_on(house.directory().prove(&alice(), &wonderland())));
    assert!(reason.contains("in clear text where TLS begins"), "{reason}");
    assert!(server.binds().is_empty());
}
