//! Handshakes over loopback: bindings, tickets, swapped certificates, several of them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use smol::Async;

use super::*;
use crate::cert::{self, Choice, ServerIdentity};
use crate::clock::{Clock, UnixTime};
use crate::mail::Secret;
use crate::net::end_point;

/// A certificate of an own authority, and that authority's.
fn identity() -> (ServerIdentity, Vec<u8>) {
    let authority = cert::make_authority("home.lan").unwrap();
    let names = ["mail.home.lan".to_owned(), "pop.home.lan".into(), "smtp.home.lan".into()];
    let server = cert::make_server(&authority, &names, &[], Clock::system(UnixTime(0)).now()).unwrap();
    let chain = vec![server.certificate, authority.certificate.clone()];
    (ServerIdentity { chain, private_key: server.private_key }, authority.certificate)
}

/// All that there is to show.
fn alone(identity: &ServerIdentity) -> Shown {
    Shown { identities: vec![identity.clone()], choice: Choice::default(), flaws: Vec::new() }
}

fn client(authority: &[u8], version: &'static SupportedProtocolVersion) -> ClientConnection {
    let config = Arc::new(client_config(&[authority], version));
    ClientConnection::new(config, "mail.home.lan".try_into().unwrap()).unwrap()
}

fn client_config(authorities: &[&[u8]], version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(CertificateDer::from(authority.to_vec())).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"pop3".to_vec()];
    config
}

/// Shakes hands over loopback; the client sends one octet once it is content.
fn shake(tls: &Tls, client: ClientConnection) -> (Shaken, ClientConnection) {
    shake_at("127.0.0.1", tls, client)
}

/// The same by that address of this machine.
fn shake_at(address: &str, tls: &Tls, mut client: ClientConnection) -> (Shaken, ClientConnection) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connecting = thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        rustls::Stream::new(&mut client, &mut socket).write_all(b"x").unwrap();
        // Until the server closes; a ticket comes before that.
        let _ = rustls::Stream::new(&mut client, &mut socket).read(&mut [0; 1]);
        client
    });
    let socket = Meter::new(Async::new(listener.accept().unwrap().0).unwrap());
    let handshakes = Arc::clone(&tls.handshakes);
    let shaken = smol::block_on(handshakes.run(tls.accept(Speaks::Pop3, Demand::Off, socket))).unwrap();
    shaken.stream.get_ref().0.tcp().shutdown(std::net::Shutdown::Both).unwrap();
    (shaken, connecting.join().unwrap())
}

#[test]
fn both_sides_of_tls_1_3_export_the_same_and_tls_1_2_nothing_s_181() {
    let (identity, authority) = identity();
    let tls = Tls::new(Arc::default());
    tls.present(&alone(&identity), Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    let mut exported = Vec::new();
    for _ in 0..2 {
        let (shaken, client) = shake(&tls, client(&authority, &rustls::version::TLS13));
        let ours = exporter(&shaken.stream).unwrap();
        let theirs = client.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        assert_eq!(ours, theirs.unwrap());
        exported.push(ours);
    }
    assert_ne!(exported[0], exported[1], "each connection has its own");
    let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS12));
    assert_eq!(exporter(&shaken.stream), None);
    assert!(description(&shaken.stream).starts_with("TLSv1.2 "));
}

/// Each scanner that came by filled a line of the log with a warning.
#[test]
fn who_hangs_up_in_a_handshake_is_gone_and_who_breaks_it_is_told_of() {
    let (identity, authority) = identity();
    let tls = Tls::new(Arc::default());
    tls.present(&alone(&identity), Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    let mut hello = Vec::new();
    client(&authority, &rustls::version::TLS13).write_tls(&mut hello).unwrap();
    let ended = |octets: &[u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.write_all(octets).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let socket = Meter::new(Async::new(listener.accept().unwrap().0).unwrap());
        let handshakes = Arc::clone(&tls.handshakes);
        let accepted = handshakes.run(tls.accept(Speaks::Pop3, Demand::Off, socket));
        smol::block_on(accepted).map(drop).unwrap_err()
    };
    for octets in [&[][..], &hello[..1], &hello[..hello.len() - 1], &hello] {
        assert_eq!(ended(octets), Lost::Gone, "after {} octets", octets.len());
    }
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"USER alice\r\n", &[0; 64]] {
        assert!(matches!(ended(octets), Lost::Handshake(_)), "{octets:?}");
    }
}

/// Half of a renewal: the new certificate, and the key of the old one.
#[test]
fn a_pair_that_does_not_fit_leaves_what_was_s_258() {
    let tls = Tls::new(Arc::default());
    let ((first, authority), (second, _)) = (identity(), identity());
    let present = |chain: &[Vec<u8>], key: &Secret| {
        let identity = ServerIdentity { chain: chain.to_vec(), private_key: key.clone() };
        tls.present(&alone(&identity), Arc::default(), &Clock::fixed(UnixTime(0)))
    };
    present(&first.chain, &first.private_key).unwrap();
    for (chain, key) in [
        (&second.chain[..], &first.private_key),
        (&first.chain, &second.private_key),
        (&[], &second.private_key),
        (&second.chain, &Secret::new("")),
        (&[second.chain[0][..99].to_vec()], &second.private_key),
    ] {
        assert!(present(chain, key).is_err());
        let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS13));
        assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(&first.chain[0]));
    }
}

/// A ticket is of use here, in this process, and for no data before the handshake.
#[test]
fn tickets_bring_no_early_data_and_outlive_no_certificate_s_256() {
    let tls = Tls::new(Arc::default());
    for _ in 0..2 {
        let (identity, _) = identity();
        tls.present(&alone(&identity), Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    }
    let configs = tls.present_configs().unwrap();
    for (speaks, demand) in
        [Speaks::Pop3, Speaks::Smtp].into_iter().flat_map(|it| Demand::ALL.map(|demand| (it, demand)))
    {
        assert_eq!(configs.of(speaks, demand, None).unwrap().max_early_data_size, 0);
    }
    let (own, (others, _)) = (configs.of(Speaks::Pop3, Demand::Off, None).unwrap(), identity());
    tls.present(&alone(&others), Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    let next = tls.present_configs().unwrap().of(Speaks::Pop3, Demand::Off, None).unwrap();
    let ticket = own.ticketer.encrypt(b"a session").unwrap();
    assert!(own.ticketer.decrypt(&ticket).is_some());
    assert_eq!(next.ticketer.decrypt(&ticket), None, "its keys went with the certificate");
}

#[test]
fn a_connection_is_bound_to_the_certificate_that_it_was_shown() {
    let tls = Tls::new(Arc::default());
    let (first, authority) = identity();
    tls.present(&alone(&first), Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS13));
    let (second, authority) = identity();
    tls.present(&alone(&second), Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(&first.chain[0]));
    let (shaken, _) = shake(&tls, client(&authority, &rustls::version::TLS13));
    assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(&second.chain[0]));
    assert_ne!(end_point::of(&first.chain[0]), end_point::of(&second.chain[0]));
}

/// Poppet's own for everybody; the second bound to a name, the third to an address; the fourth's key is another one's.
fn several() -> (Vec<ServerIdentity>, Vec<Vec<u8>>, Shown) {
    let (identities, authorities): (Vec<_>, Vec<_>) = (0..4).map(|_| identity()).unzip();
    let mut shown = identities.clone();
    shown[3].private_key = identities[0].private_key.clone();
    let bound = [("pop.home.lan", 1), ("127.0.0.2", 2), ("smtp.home.lan", 3)];
    let bound = bound.map(|(place, number)| (place.parse().unwrap(), number)).into();
    let choice = Choice { bound, ..Choice::default() };
    (identities, authorities, Shown { identities: shown, choice, flaws: Vec::new() })
}

/// Where it asks for no name, too; and what logons are bound to is what was shown. RFC 5929 §4.
#[test]
fn each_name_and_address_is_shown_its_own_certificate_and_is_bound_to_that_s_252() {
    let (identities, authorities, shown) = several();
    let authorities: Vec<&[u8]> = authorities.iter().map(Vec::as_slice).collect();
    let tls = Tls::new(Arc::default());
    tls.present(&shown, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (name, address, wanted) in [
            (Some("mail.home.lan"), "127.0.0.1", 0),
            (Some("pop.home.lan"), "127.0.0.1", 1),
            (Some("pop.home.lan"), "127.0.0.2", 1),
            (Some("mail.home.lan"), "127.0.0.2", 2),
            (Some("smtp.home.lan"), "127.0.0.1", 0),
            (None, "127.0.0.1", 0),
            (None, "127.0.0.2", 2),
        ] {
            let mut config = client_config(&authorities, version);
            config.enable_sni = name.is_some();
            let name = name.unwrap_or("mail.home.lan").try_into().unwrap();
            let client = ClientConnection::new(Arc::new(config), name).unwrap();
            let (shaken, client) = shake_at(address, &tls, client);
            let leaf = &identities[wanted].chain[0];
            assert_eq!(client.peer_certificates().unwrap()[0].as_ref(), leaf, "{wanted} at {address}");
            assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(leaf), "{wanted}");
        }
    }
}

#[test]
fn a_session_is_taken_up_again_only_where_the_same_certificate_is_shown() {
    let (identities, authorities, shown) = several();
    let authorities: Vec<&[u8]> = authorities.iter().map(Vec::as_slice).collect();
    let tls = Tls::new(Arc::default());
    tls.present(&shown, Arc::default(), &Clock::fixed(UnixTime(0))).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = Arc::new(client_config(&authorities, version));
        for (address, kind, wanted) in [
            ("127.0.0.1", HandshakeKind::Full, 0),
            ("127.0.0.3", HandshakeKind::Resumed, 0),
            ("127.0.0.2", HandshakeKind::Full, 2),
            ("127.0.0.2", HandshakeKind::Resumed, 2),
        ] {
            let client = ClientConnection::new(Arc::clone(&config), "mail.home.lan".try_into().unwrap());
            let (shaken, client) = shake_at(address, &tls, client.unwrap());
            assert_eq!(client.handshake_kind(), Some(kind), "{address} {version:?}");
            let leaf = &identities[wanted].chain[0];
            assert_eq!(shaken.end_point.as_deref().map(<[u8]>::to_vec), end_point::of(leaf), "{address}");
        }
    }
}
