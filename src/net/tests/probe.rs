//! The probe finds what a mail client would find.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::trial::{Trial, serving};
use crate::admin::Live;
use crate::cert;
use crate::mail::{Address, Secret};
use crate::net::probe::{Probe, pop3};
use crate::settings::ListenerKind;
use crate::ticket::block_on;

const PATIENCE: Duration = Duration::from_secs(60);

fn probe(trial: &Trial, kind: ListenerKind, logon: Option<&str>) -> Probe {
    let listeners = trial.server().status().listeners;
    let (_, listener) = listeners.into_iter().find(|(name, _)| name == kind.name()).unwrap();
    let alice: Address = "alice@home.lan".parse().unwrap();
    let authority = block_on(cert::authority(&trial.server().store)).unwrap().unwrap();
    Probe {
        listener,
        is_implicit_tls: kind.is_implicit_tls(),
        authority: cert::pem(&authority),
        logon: logon.map(|password| (alice, Secret::new(password))),
    }
}

/// Has the certificate name the address that is connected to.
fn with_address(trial: &Trial) {
    let server = trial.server();
    let names = ["mail.home.lan".to_owned()];
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let now = server.clock.now();
    let made = cert::ensure(&server.store, &server.gatekeeper, "home.lan", &names, &addresses, now);
    block_on(made).unwrap();
    server.certificates_changed();
}

#[test]
fn a_server_that_a_client_can_use_is_proven_by_both_ways_into_tls() {
    serving(&[], |trial| {
        with_address(trial);
        for kind in [ListenerKind::Pop3, ListenerKind::Pop3s] {
            for logon in [None, Some("wonderland")] {
                assert_eq!(pop3(&probe(trial, kind, logon), PATIENCE), Ok(()), "{kind:?} {logon:?}");
            }
            let refused = pop3(&probe(trial, kind, Some("wrong")), PATIENCE).unwrap_err();
            assert!(refused.contains("the server said -ERR"), "{refused}");
        }
    });
}

#[test]
fn what_no_client_could_use_is_told() {
    serving(&[], |trial| {
        let unnamed = pop3(&probe(trial, ListenerKind::Pop3s, None), PATIENCE).unwrap_err();
        assert!(unnamed.contains("no TLS"), "the certificate lacks the address: {unnamed}");
        with_address(trial);
        let wrong = Probe { is_implicit_tls: true, ..probe(trial, ListenerKind::Pop3, None) };
        assert!(pop3(&wrong, PATIENCE).unwrap_err().contains("no TLS"));
        let smtp = Probe { is_implicit_tls: false, ..probe(trial, ListenerKind::Smtp, None) };
        assert!(pop3(&smtp, PATIENCE).unwrap_err().contains("the server said 220"));
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone = Probe { listener: gone, ..probe(trial, ListenerKind::Pop3s, None) };
        assert!(pop3(&gone, PATIENCE).is_err());
    });
}

#[test]
fn a_certificate_of_another_authority_is_its_administrators_affair() {
    serving(&[], |trial| {
        let other = cert::make_authority("elsewhere").unwrap();
        let authority = cert::pem(&other.certificate);
        assert_eq!(pop3(&Probe { authority, ..probe(trial, ListenerKind::Pop3s, None) }, PATIENCE), Ok(()));
    });
}
