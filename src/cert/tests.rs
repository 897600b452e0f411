//! Certificates as clients see them: whole handshakes in memory, and what the store keeps.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion, version,
};

use super::*;
use crate::limits;

const NOW: UnixTime = UnixTime(1_795_295_700);
const DAY: u64 = 86_400;

fn names() -> Vec<String> {
    vec!["mail.home.lan".into(), "poppet.local".into()]
}

fn addresses() -> Vec<IpAddr> {
    vec!["192.168.1.2".parse().unwrap(), "fd00::2".parse().unwrap()]
}

fn pair(now: UnixTime) -> (Identity, Identity) {
    let authority = make_authority("home.lan").unwrap();
    let server = make_server(&authority, &names(), &addresses(), now).unwrap();
    (authority, server)
}

/// A client's clock.
#[derive(Debug)]
struct At(UnixTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        Some(rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(self.0.0)))
    }
}

fn server_config(authority: &Identity, server: &Identity) -> ServerConfig {
    let chain = vec![server.certificate.clone().into(), authority.certificate.clone().into()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server.private_key.expose().to_vec()));
    ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

fn client_config(
    trusted: &Identity,
    at: UnixTime,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(trusted.certificate.clone())).unwrap();
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    ClientConfig::builder_with_details(provider, Arc::new(At(at)))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_webpki_verifier(verifier)
        .with_no_client_auth()
}

/// Carries octets to and fro until the handshake is over; gives what the client thinks of it.
fn handshake(client: ClientConfig, server: ServerConfig, name: &str) -> Result<(), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut wire = Vec::new();
    for _ in 0..10 {
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        wire.clear();
        let _ = server.process_new_packets();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        wire.clear();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    client.writer().write_all(b"QUIT\r\n").unwrap();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    let mut said = [0; 6];
    server.reader().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"QUIT\r\n");
    Ok(())
}

fn meet(name: &str, made: UnixTime, met: UnixTime) -> Result<(), Error> {
    let (authority, server) = pair(made);
    handshake(client_config(&authority, met, &version::TLS13), server_config(&authority, &server), name)
}

fn certificate_error(result: Result<(), Error>) -> CertificateError {
    match result {
        Err(Error::InvalidCertificate(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_take_every_name_and_address_and_no_other() {
    for good in ["mail.home.lan", "MAIL.home.lan", "poppet.local", "192.168.1.2", "fd00::2"] {
        assert_eq!(meet(good, NOW, NOW), Ok(()), "{good}");
    }
    for bad in ["home.lan", "x.mail.home.lan", "mail.home.land", "192.168.1.3", "fd00::3"] {
        let error = certificate_error(meet(bad, NOW, NOW));
        assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{bad}: {error:?}");
    }
}

#[test]
fn tls_1_2_works_too() {
    let (authority, server) = pair(NOW);
    let client = client_config(&authority, NOW, &version::TLS12);
    assert_eq!(handshake(client, server_config(&authority, &server), "mail.home.lan"), Ok(()));
}

#[test]
fn another_authority_of_the_same_name_is_not_trusted() {
    let (authority, server) = pair(NOW);
    let namesake = make_authority("home.lan").unwrap();
    let client = client_config(&namesake, NOW, &version::TLS13);
    let result = handshake(client, server_config(&authority, &server), "mail.home.lan");
    assert!(matches!(
        certificate_error(result),
        CertificateError::BadSignature | CertificateError::UnknownIssuer
    ));
}

#[test]
fn a_server_can_not_sign_other_servers() {
    let (authority, server) = pair(NOW);
    let impostor = make_server(&authority, &["bank.example".into()], &[], NOW).unwrap();
    let client = client_config(&server, NOW, &version::TLS13);
    assert!(handshake(client, server_config(&server, &impostor), "bank.example").is_err());
}

#[test]
fn certificates_hold_from_two_days_ago_to_820_days_ahead_s_259() {
    let at = |seconds: u64| meet("mail.home.lan", NOW, UnixTime(seconds));
    for good in [NOW.0 - 2 * DAY, NOW.0, NOW.0 + 820 * DAY] {
        assert_eq!(at(good), Ok(()), "{good}");
    }
    let early = certificate_error(at(NOW.0 - 2 * DAY - 1));
    assert!(matches!(early, CertificateError::NotValidYetContext { .. }), "{early:?}");
    let late = certificate_error(at(NOW.0 + 820 * DAY + 1));
    assert!(matches!(late, CertificateError::ExpiredContext { .. }), "{late:?}");
}

#[test]
fn a_board_at_1970_makes_certificates_that_hold_now_s_261() {
    for met in [UnixTime(0), UnixTime(100), NOW, UnixTime(2_147_483_648)] {
        assert_eq!(meet("mail.home.lan", UnixTime(60), met), Ok(()), "{met:?}");
    }
}

#[test]
fn keys_and_serials_are_new_each_time() {
    let (authority, server) = pair(NOW);
    let (authority_2, server_2) = pair(NOW);
    assert_ne!(authority.private_key, authority_2.private_key);
    assert_ne!(server.private_key, server_2.private_key);
    assert_ne!(server.certificate, server_2.certificate);
}

#[test]
fn what_is_kept_is_renewed_in_time_and_for_new_names() {
    let kept = |ends| Kept {
        certificates: Vec::new(),
        private_key: Vec::new(),
        made_for: Some(MadeFor { subjects: vec!["a".into(), "b".into()], ends: UnixTime(ends) }),
    };
    let subjects = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let margin = NOW.0 + limits::CERTIFICATE_RENEWAL_DAYS * DAY;
    for (ends, wanted, now, good) in [
        (margin + 1, "a b", NOW, true),
        (margin + 1, "b", NOW, true),
        (margin + 1, "a b c", NOW, false),
        (margin, "a b", NOW, false),
        (margin - 1, "a b", NOW, false),
        (margin, "a b", UnixTime(60), true),
    ] {
        assert_eq!(kept(ends).is_good_for(&subjects(wanted), now, true), good, "{ends} {wanted} {now:?}");
    }
    let theirs = Kept { made_for: None, ..kept(0) };
    assert!(theirs.is_good_for(&subjects("c"), NOW, true), "what others made stays");
}

mod with_a_store {
    use super::*;
    use crate::auth::DeviceKey;
    use crate::auth::tests::Folder;
    use crate::clock::Clock;
    use crate::store::Options;
    use crate::ticket::block_on;

    struct House {
        store: Store,
        gatekeeper: Gatekeeper,
        _folder: Folder,
    }

    impl House {
        fn new() -> House {
            let folder = Folder::new();
            let store = Store::create(&folder.database(), &Options::default(), Clock::fixed(NOW)).unwrap();
            let key = DeviceKey::create(&folder.database()).unwrap();
            let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
            House { store, gatekeeper, _folder: folder }
        }

        fn ensure(&self, addresses: &[IpAddr], now: UnixTime) -> Result<bool, CertError> {
            block_on(ensure(&self.store, &self.gatekeeper, "home.lan", &names(), addresses, now))
        }

        fn identity(&self) -> Result<Option<ServerIdentity>, CertError> {
            block_on(server_identity(&self.store, &self.gatekeeper))
        }

        fn authority(&self) -> Option<Vec<u8>> {
            block_on(authority(&self.store)).unwrap()
        }
    }

    #[test]
    fn an_empty_store_has_no_certificate() {
        let house = House::new();
        assert_eq!((house.identity(), house.authority()), (Ok(None), None));
    }

    #[test]
    fn certificates_are_made_once_and_clients_take_them() {
        let house = House::new();
        assert_eq!(house.ensure(&addresses(), NOW), Ok(true));
        let identity = house.identity().unwrap().unwrap();
        assert_eq!(house.ensure(&addresses(), NOW), Ok(false));
        assert_eq!(house.ensure(&addresses()[..1], NOW), Ok(false), "an address less is no reason");
        assert_eq!(house.identity().unwrap().unwrap(), identity);
        let certificate = house.authority().unwrap();
        assert_eq!(identity.chain[1..], std::slice::from_ref(&certificate)[..]);

        let trusted = Identity { certificate, private_key: Secret::new([]) };
        let server =
            Identity { certificate: identity.chain[0].clone(), private_key: identity.private_key.clone() };
        let client = client_config(&trusted, NOW, &version::TLS13);
        assert_eq!(handshake(client, server_config(&trusted, &server), "fd00::2"), Ok(()));
    }

    #[test]
    fn new_addresses_and_the_end_renew_the_server_but_not_the_authority() {
        let house = House::new();
        assert_eq!(house.ensure(&addresses()[..1], NOW), Ok(true));
        let (first, authority) = (house.identity().unwrap().unwrap(), house.authority());
        assert_eq!(house.ensure(&addresses(), NOW), Ok(true));
        let second = house.identity().unwrap().unwrap();
        assert_ne!(first.chain[0], second.chain[0]);
        assert_eq!(house.ensure(&addresses(), UnixTime(NOW.0 + 759 * DAY)), Ok(false));
        assert_eq!(house.ensure(&addresses(), UnixTime(NOW.0 + 760 * DAY)), Ok(true));
        assert_eq!(house.authority(), authority);
    }

    /// An address that comes and goes made a new certificate each time.
    #[test]
    fn an_address_that_comes_back_finds_itself_in_the_certificate() {
        let house = House::new();
        let ensure = |addresses: &[IpAddr]| house.ensure(addresses, NOW).unwrap();
        let (first, second) = (&addresses()[..1], &addresses()[1..]);
        assert_eq!([first, second, first, second].map(ensure), [true, true, false, false]);
    }

    #[test]
    fn what_a_board_at_1970_made_is_replaced_once_the_clock_can_be_right_s_261() {
        let house = House::new();
        assert_eq!(house.ensure(&addresses(), UnixTime(60)), Ok(true));
        assert_eq!(house.ensure(&addresses(), UnixTime(90)), Ok(false));
        assert_eq!(house.ensure(&addresses(), NOW), Ok(true));
        let read = |house: &House| read(&house.identity().unwrap().unwrap().chain[0]).unwrap();
        // Apple's clients take no more.
        assert!(read(&house).ends.0 - read(&house).begins.0 <= 825 * DAY);
        assert_eq!(house.ensure(&addresses(), NOW), Ok(false));
        assert_eq!(house.ensure(&addresses(), UnixTime(60)), Ok(false), "a clock that is wrong again");
    }

    #[test]
    fn renewing_by_command_takes_the_place_of_any_certificate_even_a_damaged_one() {
        let house = House::new();
        let renew =
            || block_on(renew(&house.store, &house.gatekeeper, "home.lan", &names(), &[], NOW)).unwrap();
        house.ensure(&addresses(), NOW).unwrap();
        let (first, authority) = (house.identity().unwrap().unwrap(), house.authority());
        renew();
        assert_ne!(house.identity().unwrap().unwrap(), first);
        assert_eq!(house.ensure(&addresses(), NOW), Ok(false), "its addresses stay");
        house.store.put_record(SERVER, b"rubbish".to_vec()).wait().unwrap();
        renew();
        assert!(house.identity().is_ok());
        assert_eq!(house.authority(), authority);
    }

    #[test]
    fn private_keys_are_sealed_and_damage_is_an_error() {
        let house = House::new();
        house.ensure(&addresses(), NOW).unwrap();
        let key = house.identity().unwrap().unwrap().private_key;
        let record = house.store.record(SERVER).wait().unwrap().unwrap();
        assert!(!record.windows(32).any(|window| window == &key.expose()[36..68]), "the secret scalar");
        for length in 0..record.len() {
            house.store.put_record(SERVER, record[..length].to_vec()).wait().unwrap();
            assert!(house.identity().is_err(), "{length}");
        }
        // The authority's sealed key in the server's place does not open there.
        let other = house.store.record(AUTHORITY).wait().unwrap().unwrap();
        house.store.put_record(SERVER, other).wait().unwrap();
        assert!(house.identity().is_err());
    }
}
