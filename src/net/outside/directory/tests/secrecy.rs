//! TLS: what is verified, and that no password goes where it is not (S-202, S-203).

use smol::block_on;

use super::*;
use crate::auth::Finding;
use crate::limits;

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
        house.store.put_record(AUTHORITIES, record).wait().unwrap();
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
